//! Virtual services: what may be created, replaced and deleted, and how healthy one is.
//!
//! Invariants:
//! - A name belongs to one virtual service of a gateway, an address and port to one that is there.
//! - No more of them than an assignment of an engine group has room for.
//! - Health is `PENDING` until the engines have reported once, seconds after the task ended.
//!
//! Not here: requests and documents (`balancer_api`).

use super::Services;
use super::changes::{Change, Due, Edit, Operation, ServiceChange, gone, owner, put};
use super::kinds;
use super::model::VirtualService;
use super::pools::PoolHealth;
use super::rules::{Started, duplicate, require_address, require_name, require_one_of};
use super::specs::{EntityRef, VirtualServiceSpec};
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::reply::Problem;
use crate::sim::tasks::Starter;

const APPLICATIONS: [&str; 4] = ["HTTP", "HTTPS", "L4", "L4_TLS"];
const PORT_PROFILES: [&str; 3] = ["TCP_PROXY", "TCP_FAST_PATH", "UDP_FAST_PATH"];

fn validate(spec: &VirtualServiceSpec) -> Result<(), Problem> {
    require_name(&spec.name)?;
    require_one_of(
        "applicationProfile.type",
        &spec.application_profile.kind,
        &APPLICATIONS,
    )?;
    if !spec.virtual_ip_address.is_empty() || spec.ipv6_virtual_ip_address.is_empty() {
        require_address("virtualIpAddress", &spec.virtual_ip_address)?;
    }
    if !spec.ipv6_virtual_ip_address.is_empty() {
        require_address("ipv6VirtualIpAddress", &spec.ipv6_virtual_ip_address)?;
    }
    if spec.service_ports.is_empty() {
        return Err(Problem::bad_request("servicePorts must not be empty."));
    }
    for port in &spec.service_ports {
        if port.port_start == 0 || port.end() < port.port_start {
            return Err(Problem::bad_request(
                "servicePorts.portStart must be between 1 and servicePorts.portEnd.",
            ));
        }
        if let Some(profile) = &port.tcp_udp_profile {
            require_one_of(
                "servicePorts.tcpUdpProfile.type",
                &profile.kind,
                &PORT_PROFILES,
            )?;
        }
    }
    Ok(())
}

/// Whether two services answer at one address and port.
fn overlap(a: &VirtualServiceSpec, b: &VirtualServiceSpec) -> bool {
    a.virtual_ip_address == b.virtual_ip_address
        && a.service_ports.iter().any(|one| {
            b.service_ports
                .iter()
                .any(|two| one.port_start <= two.end() && two.port_start <= one.end())
        })
}

impl Services {
    /// The virtual service of `gateway` with this name.
    pub(crate) fn virtual_service_by_name(
        &self,
        gateway: &str,
        name: &str,
    ) -> Option<&VirtualService> {
        self.virtuals
            .values()
            .find(|service| service.gateway == gateway && service.spec.name == name)
    }

    /// Virtual services that engines of `group` run for `gateway`.
    pub(crate) fn deployed(&self, gateway: &str, group: &str) -> usize {
        let services = self.virtuals.values();
        services
            .filter(|service| service.gateway == gateway && service.engine_group == group)
            .count()
    }

    /// Starts to create a virtual service on `gateway`.
    ///
    /// # Errors
    /// 400: `BAD_REQUEST`, `DUPLICATE_NAME` or `BUSY_ENTITY`.
    pub(crate) fn create_virtual_service(
        &mut self,
        gateway: &str,
        spec: VirtualServiceSpec,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<Started, Problem> {
        validate(&spec)?;
        if self.virtual_service_by_name(gateway, &spec.name).is_some() {
            return Err(duplicate("virtual service", &spec.name));
        }
        let change = self.fit(gateway, None, spec, ctx)?;
        let service = VirtualService {
            uuid: ctx.uuid(),
            org_id: self.gateway_org(gateway),
            gateway: gateway.to_owned(),
            pool: change.pool.clone(),
            engine_group: change.engine_group.clone(),
            realized: false,
            settled: false,
            spec: change.spec.clone(),
        };
        let uuid = service.uuid.clone();
        let owner = owner(&service.urn(), &service.spec.name);
        self.virtuals.insert(uuid.clone(), service);
        let operation = Operation {
            kind: kinds::VIRTUAL_SERVICE.create,
            starter,
            owner,
            holds: vec![gateway.to_owned(), uuid.clone()],
            change: Change::Service(uuid.clone(), Edit::Create(Box::new(change))),
        };
        let task = self.submit(operation, ctx);
        Ok(Started { task, uuid })
    }

    /// Starts to replace what is written about a virtual service. The gateway stays.
    ///
    /// # Errors
    /// 400: `BAD_REQUEST`, `DUPLICATE_NAME` or `BUSY_ENTITY`.
    pub(crate) fn replace_virtual_service(
        &mut self,
        uuid: &str,
        spec: VirtualServiceSpec,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        validate(&spec)?;
        let found = self.virtuals.get(uuid);
        let service = found.ok_or_else(|| gone("virtual service", uuid))?;
        let gateway = service.gateway.clone();
        let owner = owner(&service.urn(), &service.spec.name);
        let namesake = self.virtual_service_by_name(&gateway, &spec.name);
        if namesake.is_some_and(|other| other.uuid != uuid) {
            return Err(duplicate("virtual service", &spec.name));
        }
        let change = self.fit(&gateway, Some(uuid), spec, ctx)?;
        let operation = Operation {
            kind: kinds::VIRTUAL_SERVICE.update,
            starter,
            owner,
            holds: vec![gateway, uuid.to_owned()],
            change: Change::Service(uuid.to_owned(), Edit::Replace(Box::new(change))),
        };
        Ok(self.submit(operation, ctx))
    }

    /// Starts to delete a virtual service.
    ///
    /// # Errors
    /// 400 `BUSY_ENTITY`.
    pub(crate) fn delete_virtual_service(
        &mut self,
        uuid: &str,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let found = self.virtuals.get(uuid);
        let service = found.ok_or_else(|| gone("virtual service", uuid))?;
        let gateway = service.gateway.clone();
        let owner = owner(&service.urn(), &service.spec.name);
        self.require_free("gateway", &gateway)?;
        let operation = Operation {
            kind: kinds::VIRTUAL_SERVICE.delete,
            starter,
            owner,
            holds: vec![gateway, uuid.to_owned()],
            change: Change::Service(uuid.to_owned(), Edit::Delete),
        };
        Ok(self.submit(operation, ctx))
    }

    /// Checks everything that `spec` refers to, and completes it. `known` is the service that is
    /// replaced.
    fn fit(
        &self,
        gateway: &str,
        known: Option<&str>,
        spec: VirtualServiceSpec,
        ctx: &Context<'_>,
    ) -> Result<ServiceChange, Problem> {
        let mut spec = spec;
        spec.gateway_ref = self.require_balancing(gateway)?;
        let pool = bare(&spec.load_balancer_pool_ref.id).to_owned();
        let found = self.pools.get(&pool).filter(|pool| pool.gateway == gateway);
        let found =
            found.ok_or_else(|| missing("loadBalancerPoolRef", &spec.load_balancer_pool_ref))?;
        spec.load_balancer_pool_ref = EntityRef {
            name: found.spec.name.clone(),
            id: found.urn(),
        };
        let group = bare(&spec.service_engine_group_ref.id).to_owned();
        spec.service_engine_group_ref =
            self.require_room(gateway, &group, known, &spec.service_engine_group_ref)?;
        self.require_certificate(gateway, &mut spec)?;
        let others = self
            .virtuals
            .values()
            .filter(|other| other.gateway == gateway && Some(other.uuid.as_str()) != known);
        for other in others {
            let same = other.spec.virtual_ip_address == spec.virtual_ip_address
                && !spec.virtual_ip_address.is_empty();
            if same && (ctx.settings.virtual_addresses_are_exclusive || overlap(&other.spec, &spec))
            {
                return Err(Problem::bad_request(format!(
                    "The virtual service {} uses the address {} with these ports already.",
                    other.spec.name, spec.virtual_ip_address
                )));
            }
        }
        Ok(ServiceChange {
            pool,
            engine_group: group,
            spec,
        })
    }

    /// The engine group as others refer to it, if it is assigned to the gateway and has room.
    fn require_room(
        &self,
        gateway: &str,
        group: &str,
        known: Option<&str>,
        asked: &EntityRef,
    ) -> Result<EntityRef, Problem> {
        let mut assignments = self.assignments.values();
        let assignment = assignments.find(|one| one.gateway == gateway && one.group == group);
        let assignment = assignment.ok_or_else(|| missing("serviceEngineGroupRef", asked))?;
        let found = self.engine_groups.get(group);
        let found = found.ok_or_else(|| missing("serviceEngineGroupRef", asked))?;
        let known = known.and_then(|uuid| self.virtuals.get(uuid));
        let itself = usize::from(known.is_some_and(|service| service.engine_group == group));
        let deployed = self.deployed(gateway, group).saturating_sub(itself);
        if deployed >= usize::try_from(assignment.max_virtual_services).unwrap_or(usize::MAX) {
            return Err(Problem::bad_request(format!(
                "The service engine group {} has reached the maximum number of virtual services.",
                found.name
            )));
        }
        Ok(EntityRef {
            name: found.name.clone(),
            id: found.urn(),
        })
    }

    /// What is encrypted needs a certificate of the organization's library.
    fn require_certificate(
        &self,
        gateway: &str,
        spec: &mut VirtualServiceSpec,
    ) -> Result<(), Problem> {
        let encrypted = matches!(spec.application_profile.kind.as_str(), "HTTPS" | "L4_TLS");
        let Some(asked) = spec.certificate_ref.take() else {
            return if encrypted {
                Err(Problem::bad_request(
                    "certificateRef is required for this application profile.",
                ))
            } else {
                Ok(())
            };
        };
        let org = self.gateway_org(gateway);
        let found = self.certificates.get(bare(&asked.id));
        let found = found.filter(|certificate| certificate.org_id == org);
        let found = found.ok_or_else(|| missing("certificateRef", &asked))?;
        spec.certificate_ref = Some(EntityRef {
            name: found.alias.clone(),
            id: found.urn(),
        });
        Ok(())
    }

    /// Lets a change of a virtual service happen.
    pub(super) fn edit_virtual_service(
        &mut self,
        uuid: &str,
        edit: Edit<ServiceChange>,
        ctx: &mut Context<'_>,
    ) -> Result<(), Problem> {
        let (effect, change) = match edit {
            Edit::Create(change) => ("lb.vs.created", *change),
            Edit::Replace(change) => ("lb.vs.updated", *change),
            Edit::Delete => {
                let removed = self.virtuals.remove(uuid);
                let service = removed.ok_or_else(|| gone("virtual service", uuid))?;
                ctx.history.count("lb.vs.deleted", &service.spec.name);
                return Ok(());
            }
        };
        let found = self.virtuals.get_mut(uuid);
        let service = found.ok_or_else(|| gone("virtual service", uuid))?;
        ctx.history.count(effect, &change.spec.name);
        if !service.realized {
            let service = uuid.to_owned();
            put(Due::Settle { service }, ctx.timings.health, ctx);
        }
        service.realized = true;
        service.pool = change.pool;
        service.engine_group = change.engine_group;
        service.spec = change.spec;
        Ok(())
    }
}

impl VirtualService {
    /// How the engines see it, given its pool.
    pub(crate) fn health(&self, pool: Option<&PoolHealth>) -> &'static str {
        if !self.spec.enabled {
            "DISABLED"
        } else if !self.settled {
            "PENDING"
        } else if pool.is_some_and(|pool| pool.up_count() > 0) {
            "UP"
        } else {
            "DOWN"
        }
    }
}

/// 400: something that `field` names is not there, or not for this gateway.
fn missing(field: &str, asked: &EntityRef) -> Problem {
    Problem::bad_request(format!(
        "{field} {} does not exist or is not available to the edge gateway.",
        asked.id
    ))
}
