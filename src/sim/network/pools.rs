//! Load balancer pools: what may be created, replaced and deleted, and how healthy one is.
//!
//! Invariants:
//! - A name belongs to one pool of a gateway.
//! - A pool that a virtual service refers to stays.
//! - A member is up while a powered-on machine behind the gateway has its address.
//!
//! Not here: requests and documents (`balancer_api`).

use std::net::Ipv4Addr;

use super::Services;
use super::changes::{Change, Edit, Operation, gone, owner};
use super::kinds;
use super::model::Pool;
use super::rules::{Started, duplicate, require_address, require_name, require_one_of};
use super::specs::{Member, PoolSpec};
use crate::sim::context::Context;
use crate::sim::infra::Infra;
use crate::sim::infra::machine::Status;
use crate::sim::reply::Problem;
use crate::sim::tasks::Starter;

const ALGORITHMS: [&str; 8] = [
    "LEAST_CONNECTIONS",
    "ROUND_ROBIN",
    "CONSISTENT_HASH",
    "FASTEST_RESPONSE",
    "LEAST_LOAD",
    "FEWEST_SERVERS",
    "RANDOM",
    "FEWEST_TASKS",
];
const MONITORS: [&str; 6] = ["HTTP", "HTTPS", "TCP", "UDP", "PING", "SYSTEM"];
const PERSISTENCE: [&str; 5] = [
    "CLIENT_IP",
    "HTTP_COOKIE",
    "CUSTOM_HTTP_HEADER",
    "APP_COOKIE",
    "TLS",
];

/// How the engines see a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolHealth {
    /// Per member, in the pool's order.
    pub(crate) up: Vec<bool>,
    pub(crate) enabled: usize,
    pub(crate) status: &'static str,
}

impl PoolHealth {
    /// Members that are enabled and up.
    pub(crate) fn up_count(&self) -> usize {
        self.up.iter().filter(|up| **up).count()
    }
}

fn validate(spec: &PoolSpec) -> Result<(), Problem> {
    require_name(&spec.name)?;
    require_one_of("algorithm", &spec.algorithm, &ALGORITHMS)?;
    if spec.default_port == 0 {
        return Err(Problem::bad_request(
            "defaultPort must be between 1 and 65535.",
        ));
    }
    if !(-1..=7200).contains(&spec.graceful_timeout_period) {
        return Err(Problem::bad_request(
            "gracefulTimeoutPeriod must be between -1 and 7200.",
        ));
    }
    for monitor in &spec.health_monitors {
        require_one_of("healthMonitors.type", &monitor.kind, &MONITORS)?;
    }
    if let Some(profile) = &spec.persistence_profile {
        let kind = profile.get("type").and_then(serde_json::Value::as_str);
        require_one_of(
            "persistenceProfile.type",
            kind.unwrap_or_default(),
            &PERSISTENCE,
        )?;
    }
    for member in &spec.members {
        require_address("members.ipAddress", &member.ip_address)?;
        if member.port == Some(0) {
            return Err(Problem::bad_request(
                "members.port must be between 1 and 65535.",
            ));
        }
    }
    Ok(())
}

impl Services {
    /// The pool of `gateway` with this name.
    pub(crate) fn pool_by_name(&self, gateway: &str, name: &str) -> Option<&Pool> {
        self.pools
            .values()
            .find(|pool| pool.gateway == gateway && pool.spec.name == name)
    }

    /// Starts to create a pool on `gateway`.
    ///
    /// # Errors
    /// 400: `BAD_REQUEST`, `DUPLICATE_NAME` or `BUSY_ENTITY`.
    pub(crate) fn create_pool(
        &mut self,
        gateway: &str,
        spec: PoolSpec,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<Started, Problem> {
        validate(&spec)?;
        if self.pool_by_name(gateway, &spec.name).is_some() {
            return Err(duplicate("pool", &spec.name));
        }
        let gateway_ref = self.require_balancing(gateway)?;
        let mut spec = spec;
        spec.gateway_ref = gateway_ref;
        let pool = Pool {
            uuid: ctx.uuid(),
            org_id: self.gateway_org(gateway),
            gateway: gateway.to_owned(),
            realized: false,
            spec: spec.clone(),
        };
        let (uuid, owner) = (pool.uuid.clone(), owner(&pool.urn(), &pool.spec.name));
        self.pools.insert(uuid.clone(), pool);
        let operation = Operation {
            kind: kinds::POOL.create,
            starter,
            owner,
            holds: vec![gateway.to_owned(), uuid.clone()],
            change: Change::Pool(uuid.clone(), Edit::Create(Box::new(spec))),
        };
        let task = self.submit(operation, ctx);
        Ok(Started { task, uuid })
    }

    /// Starts to replace what is written about a pool. The gateway stays.
    ///
    /// # Errors
    /// 400: `BAD_REQUEST`, `DUPLICATE_NAME` or `BUSY_ENTITY`.
    pub(crate) fn replace_pool(
        &mut self,
        uuid: &str,
        spec: PoolSpec,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        validate(&spec)?;
        let pool = self.pools.get(uuid).ok_or_else(|| gone("pool", uuid))?;
        let (gateway, owner) = (pool.gateway.clone(), owner(&pool.urn(), &pool.spec.name));
        let namesake = self.pool_by_name(&gateway, &spec.name);
        if namesake.is_some_and(|other| other.uuid != uuid) {
            return Err(duplicate("pool", &spec.name));
        }
        let mut spec = spec;
        spec.gateway_ref = self.require_balancing(&gateway)?;
        let operation = Operation {
            kind: kinds::POOL.update,
            starter,
            owner,
            holds: vec![gateway, uuid.to_owned()],
            change: Change::Pool(uuid.to_owned(), Edit::Replace(Box::new(spec))),
        };
        Ok(self.submit(operation, ctx))
    }

    /// Starts to delete a pool.
    ///
    /// # Errors
    /// 400: a virtual service refers to it, or `BUSY_ENTITY`.
    pub(crate) fn delete_pool(
        &mut self,
        uuid: &str,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let pool = self.pools.get(uuid).ok_or_else(|| gone("pool", uuid))?;
        let (gateway, owner) = (pool.gateway.clone(), owner(&pool.urn(), &pool.spec.name));
        self.require_free("gateway", &gateway)?;
        let mut users = self.virtuals.values();
        if let Some(user) = users.find(|service| service.pool == uuid) {
            return Err(Problem::bad_request(format!(
                "Load Balancer Pool {} cannot be deleted: it is used by the virtual service {}.",
                pool.spec.name, user.spec.name
            )));
        }
        let operation = Operation {
            kind: kinds::POOL.delete,
            starter,
            owner,
            holds: vec![gateway, uuid.to_owned()],
            change: Change::Pool(uuid.to_owned(), Edit::Delete),
        };
        Ok(self.submit(operation, ctx))
    }

    /// Lets a change of a pool happen.
    pub(super) fn edit_pool(
        &mut self,
        uuid: &str,
        edit: Edit<PoolSpec>,
        ctx: &mut Context<'_>,
    ) -> Result<(), Problem> {
        let (effect, spec) = match edit {
            Edit::Create(spec) => ("lb.pool.created", *spec),
            Edit::Replace(spec) => ("lb.pool.updated", *spec),
            Edit::Delete => {
                let removed = self.pools.remove(uuid);
                let pool = removed.ok_or_else(|| gone("pool", uuid))?;
                ctx.history.count("lb.pool.deleted", &pool.spec.name);
                return Ok(());
            }
        };
        let pool = self.pools.get_mut(uuid).ok_or_else(|| gone("pool", uuid))?;
        ctx.history.count(effect, &spec.name);
        pool.realized = true;
        pool.spec = spec;
        Ok(())
    }

    /// How the engines see `pool`.
    pub(crate) fn pool_health(&self, pool: &Pool, ctx: &Context<'_>, infra: &Infra) -> PoolHealth {
        let members = &pool.spec.members;
        let is_up = |member: &Member| {
            let address = member.ip_address.parse::<Ipv4Addr>().ok();
            member.enabled
                && (ctx.settings.pool_members_need_no_machine
                    || address.is_some_and(|address| self.reaches(&pool.gateway, address, infra)))
        };
        let up: Vec<bool> = members.iter().map(is_up).collect();
        let enabled = members.iter().filter(|member| member.enabled).count();
        let up_count = up.iter().filter(|up| **up).count();
        let status = match up_count {
            _ if !pool.spec.enabled => "DISABLED",
            _ if !pool.realized => "UNKNOWN",
            0 => "DOWN",
            some if some < enabled => "RUNNING",
            _ => "UP",
        };
        PoolHealth {
            up,
            enabled,
            status,
        }
    }

    /// Whether a powered-on machine behind `gateway` has `address`.
    fn reaches(&self, gateway: &str, address: Ipv4Addr, infra: &Infra) -> bool {
        let behind = self
            .networks
            .iter()
            .filter(|(_, details)| details.gateway.as_deref() == Some(gateway));
        let mut machines = behind.filter_map(|(network, _)| {
            let holder = infra.networks.get(network)?.used.get(&address)?;
            infra.vms.get(holder)
        });
        machines.any(|vm| vm.status == Status::PoweredOn)
    }
}
