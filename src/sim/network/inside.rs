//! Load balancers as in-cluster controllers ask for them: step by step, and safe to repeat.
//!
//! Flow: a controller calls [`create_load_balancer`], [`update_members`] or [`delete_load_balancer`]
//! at every look, with the same request; each call does the next missing step and tells whether a
//! task is running now or everything is as asked. Nothing is remembered between the calls: what is
//! there is found by name, as CAPVCD and its cloud provider do.
//!
//! Invariants:
//! - The same rules, tasks and counts as through the API.
//! - One step per call at most, so a controller that dies between two leaves what a real one leaves.
//!
//! Source: CAPVCD and the VCD cloud provider: external address, then port profile and DNAT rule (one
//! arm only), pool, virtual service; deletion in the order service, pool, rule, profile, address.

use std::net::Ipv4Addr;

use super::Services;
use super::changes::gone;
use super::model::{Gateway, Range, VirtualService};
use super::spaces::Wish;
use super::specs::{
    AllocationSpec, ApplicationPort, ApplicationProfile, EntityRef, HealthMonitor, Member, NatSpec,
    PoolSpec, ProfileSpec, ServicePort, TcpUdpProfile, VirtualServiceSpec,
};
use crate::sim::context::Context;
use crate::sim::reply::Problem;
use crate::sim::tasks::Starter;

/// One load-balanced port.
#[derive(Clone, Debug)]
pub(crate) struct LoadBalancerRequest<'a> {
    /// Bare UUID of the edge gateway; see [`Services::gateway_of_network`].
    pub(crate) gateway: &'a str,
    /// Name of the virtual service. The DNAT rule is `dnat-<name>`, its profile `appPort_dnat-<name>`.
    pub(crate) name: &'a str,
    /// Name of the pool; CAPVCD gives it the service's name.
    pub(crate) pool: &'a str,
    /// Port the service answers at.
    pub(crate) port: u16,
    /// Default port of the pool.
    pub(crate) member_port: u16,
    /// Address and port of each member.
    pub(crate) members: Vec<(Ipv4Addr, u16)>,
    /// The external address to use instead of a free one.
    pub(crate) virtual_ip: Option<Ipv4Addr>,
    /// Where a free external address may come from instead of the gateway's whole subnets.
    pub(crate) vip_subnet: Option<Range>,
    /// One-arm mode: internal addresses for virtual services.
    pub(crate) one_arm: Option<Range>,
    /// Description by which a floating address is known to be ours.
    pub(crate) claim: &'a str,
    pub(crate) starter: &'a Starter,
}

/// Name and URN of what makes up a load balancer, as `vcdResourceSet` lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoadBalancer {
    /// The address clients outside use.
    pub(crate) external_ip: String,
    pub(crate) virtual_service: EntityRef,
    pub(crate) pool: EntityRef,
    pub(crate) dnat_rule: Option<EntityRef>,
    pub(crate) port_profile: Option<EntityRef>,
    /// Whether the engines have reported: health is `UP` or `DOWN` and no longer `PENDING`.
    pub(crate) reported: bool,
}

/// Where a call has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress<T> {
    /// This task (bare UUID) was started; look again later.
    Started(String),
    /// Everything is as asked.
    Done(T),
}

impl LoadBalancerRequest<'_> {
    fn rule_name(&self) -> String {
        format!("dnat-{}", self.name)
    }

    fn profile_name(&self) -> String {
        format!("appPort_{}", self.rule_name())
    }

    fn members(&self) -> Vec<Member> {
        let member = |&(address, port): &(Ipv4Addr, u16)| Member {
            ip_address: address.to_string(),
            port: Some(port),
            ..Member::default()
        };
        self.members.iter().map(member).collect()
    }

    fn pool_spec(&self) -> PoolSpec {
        PoolSpec {
            name: self.pool.to_owned(),
            algorithm: "ROUND_ROBIN".to_owned(),
            default_port: self.member_port,
            graceful_timeout_period: 0,
            health_monitors: vec![HealthMonitor {
                kind: "TCP".to_owned(),
                ..HealthMonitor::default()
            }],
            members: self.members(),
            ..PoolSpec::default()
        }
    }
}

/// Does the next missing step towards a load balancer: floating address (IP spaces only), port
/// profile and DNAT rule (one arm only), pool, virtual service.
///
/// # Errors
/// What the API would refuse with: `BUSY_ENTITY` while another task holds the gateway (retry later),
/// `BAD_REQUEST` when addresses or engines have run out.
pub(crate) fn create_load_balancer(
    ctx: &mut Context<'_>,
    services: &mut Services,
    request: &LoadBalancerRequest<'_>,
) -> Result<Progress<LoadBalancer>, Problem> {
    let gateway = services.gateways.get(request.gateway);
    let gateway = gateway.ok_or_else(|| gone("edge gateway", request.gateway))?;
    let gateway = gateway.clone();
    if let Some(found) = services.load_balancer(request.gateway, request.name, request.pool)
        && (request.one_arm.is_none() || found.dnat_rule.is_some())
    {
        services.require_settled(request)?;
        return Ok(Progress::Done(found));
    }
    let external = match services.external_address(&gateway, request, ctx)? {
        Progress::Done(address) => address,
        Progress::Started(task) => return Ok(Progress::Started(task)),
    };
    let address = match request.one_arm {
        None => external,
        Some(range) => match services.translate(request, range, &external, ctx)? {
            Progress::Done(internal) => internal,
            Progress::Started(task) => return Ok(Progress::Started(task)),
        },
    };
    let Some(pool) = services.pool_by_name(request.gateway, request.pool) else {
        let spec = request.pool_spec();
        let started = services.create_pool(request.gateway, spec, request.starter, ctx)?;
        return Ok(Progress::Started(started.task));
    };
    let pool = EntityRef {
        name: pool.spec.name.clone(),
        id: pool.urn(),
    };
    let spec = services.service_spec(request, pool, address)?;
    let started = services.create_virtual_service(request.gateway, spec, request.starter, ctx)?;
    Ok(Progress::Started(started.task))
}

/// Brings the members of the pool to what `request` says; ports and addresses stay.
///
/// # Errors
/// `INVALID_REFERENCE` when the pool does not exist; otherwise what the API would refuse with.
pub(crate) fn update_members(
    ctx: &mut Context<'_>,
    services: &mut Services,
    request: &LoadBalancerRequest<'_>,
) -> Result<Progress<()>, Problem> {
    let pool = services.pool_by_name(request.gateway, request.pool);
    let pool = pool.ok_or_else(|| gone("pool", request.pool))?;
    let addresses = |members: &[Member]| {
        let mut addresses: Vec<_> = members
            .iter()
            .map(|member| (member.ip_address.clone(), member.port))
            .collect();
        addresses.sort();
        addresses
    };
    if addresses(&pool.spec.members) == addresses(&request.members()) {
        return Ok(Progress::Done(()));
    }
    let (uuid, spec) = (pool.uuid.clone(), request.pool_spec());
    let task = services.replace_pool(&uuid, spec, request.starter, ctx)?;
    Ok(Progress::Started(task))
}

/// Does the next step of taking a load balancer away: virtual service, pool, DNAT rule, port profile,
/// floating address. What is missing is skipped.
///
/// # Errors
/// What the API would refuse with; `BUSY_ENTITY` while another task holds the gateway.
pub(crate) fn delete_load_balancer(
    ctx: &mut Context<'_>,
    services: &mut Services,
    request: &LoadBalancerRequest<'_>,
) -> Result<Progress<()>, Problem> {
    let (gateway, starter) = (request.gateway, request.starter);
    if let Some(service) = services.virtual_service_by_name(gateway, request.name) {
        let uuid = service.uuid.clone();
        let task = services.delete_virtual_service(&uuid, starter, ctx)?;
        return Ok(Progress::Started(task));
    }
    if let Some(pool) = services.pool_by_name(gateway, request.pool) {
        let uuid = pool.uuid.clone();
        let task = services.delete_pool(&uuid, starter, ctx)?;
        return Ok(Progress::Started(task));
    }
    if let Some(rule) = services.nat_rule_by_name(gateway, &request.rule_name()) {
        let uuid = rule.uuid.clone();
        let task = services.delete_nat_rule(&uuid, starter, ctx)?;
        return Ok(Progress::Started(task));
    }
    let org = services.gateway_org(gateway);
    let name = request.profile_name();
    if let Some(profile) = services.profile_by_name(Some(&org), "TENANT", &name) {
        let uuid = profile.uuid.clone();
        let task = services.delete_profile(&uuid, starter, ctx)?;
        return Ok(Progress::Started(task));
    }
    services.give_back(request, ctx)
}

impl Services {
    /// The gateway that routes an organization VDC network, by the network's bare UUID.
    pub(crate) fn gateway_of_network(&self, network: &str) -> Option<&Gateway> {
        let gateway = self.networks.get(network)?.gateway.as_ref()?;
        self.gateways.get(gateway)
    }

    /// A load balancer that is complete, by the names of its service and pool.
    pub(crate) fn load_balancer(
        &self,
        gateway: &str,
        name: &str,
        pool: &str,
    ) -> Option<LoadBalancer> {
        let service = self.virtual_service_by_name(gateway, name)?;
        let pool = self.pool_by_name(gateway, pool)?;
        let rule = self.nat_rule_by_name(gateway, &format!("dnat-{name}"));
        let external = rule.map_or(&service.spec.virtual_ip_address, |rule| {
            &rule.spec.external_addresses
        });
        Some(LoadBalancer {
            external_ip: external.clone(),
            virtual_service: EntityRef {
                name: service.spec.name.clone(),
                id: service.urn(),
            },
            pool: EntityRef {
                name: pool.spec.name.clone(),
                id: pool.urn(),
            },
            dnat_rule: rule.map(|rule| EntityRef {
                name: rule.spec.name.clone(),
                id: rule.uuid.clone(),
            }),
            port_profile: rule.and_then(|rule| rule.spec.application_port_profile.clone()),
            reported: service.settled,
        })
    }

    /// Refuses while the task that creates the service runs: it is there, but not to be relied on.
    fn require_settled(&self, request: &LoadBalancerRequest<'_>) -> Result<(), Problem> {
        let service = self.virtual_service_by_name(request.gateway, request.name);
        match service {
            Some(VirtualService {
                realized: false,
                uuid,
                ..
            }) => self.require_free("loadBalancerVirtualService", uuid),
            _ => Ok(()),
        }
    }

    /// The address of the load balancer: given, found in what is there, floating, or the next free one.
    fn external_address(
        &mut self,
        gateway: &Gateway,
        request: &LoadBalancerRequest<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Progress<String>, Problem> {
        if let Some(rule) = self.nat_rule_by_name(&gateway.uuid, &request.rule_name()) {
            return Ok(Progress::Done(rule.spec.external_addresses.clone()));
        }
        if let Some(address) = request.virtual_ip {
            return Ok(Progress::Done(address.to_string()));
        }
        let Some(space) = &gateway.ip_space else {
            let free = self.free_address(gateway, request.vip_subnet);
            let free = free.ok_or_else(|| {
                let message = format!(
                    "unable to obtain free IP from gateway [{}]; all are used",
                    gateway.name
                );
                Problem::bad_request(message)
            })?;
            return Ok(Progress::Done(free.to_string()));
        };
        if let Some(found) = self.claimed(space, &gateway.org_id, request.claim) {
            return Ok(Progress::Done(found.value.to_string()));
        }
        self.require_free("ipSpaceIpAllocation", request.claim)?;
        let found = self.ip_spaces.get(space).cloned();
        let found = found.ok_or_else(|| gone("IP Space", space))?;
        let wish = Wish {
            space: space.clone(),
            org_id: gateway.org_id.clone(),
            quantity: 1,
            value: None,
            claim: Some(request.claim.to_owned()),
        };
        let task = self.submit_wish(&found, wish, request.starter, ctx);
        Ok(Progress::Started(task))
    }

    /// Port profile and DNAT rule of the one-arm mode; the answer is the internal address.
    fn translate(
        &mut self,
        request: &LoadBalancerRequest<'_>,
        range: Range,
        external: &str,
        ctx: &mut Context<'_>,
    ) -> Result<Progress<String>, Problem> {
        if let Some(rule) = self.nat_rule_by_name(request.gateway, &request.rule_name()) {
            return Ok(Progress::Done(rule.spec.internal_addresses.clone()));
        }
        let org = self.gateway_org(request.gateway);
        let name = request.profile_name();
        let Some(profile) = self.profile_by_name(Some(&org), "TENANT", &name) else {
            let spec = ProfileSpec {
                description: format!("App Port Profile [{name}]"),
                name,
                application_ports: vec![ApplicationPort {
                    protocol: "TCP".to_owned(),
                    destination_ports: vec![request.port.to_string()],
                }],
                scope: "TENANT".to_owned(),
                ..ProfileSpec::default()
            };
            let started = self.create_profile(Some(&org), spec, request.starter, ctx)?;
            return Ok(Progress::Started(started.task));
        };
        let profile = EntityRef {
            name: profile.spec.name.clone(),
            id: profile.urn(),
        };
        let internal = self.free_internal_address(request.gateway, range);
        let internal = internal.ok_or_else(|| {
            let (first, last) = (range.first, range.last);
            let message = format!("unable to find unused IP address in range [{first}-{last}]");
            Problem::bad_request(message)
        })?;
        let spec = NatSpec {
            name: request.rule_name(),
            enabled: true,
            kind: Some("DNAT".to_owned()),
            external_addresses: external.to_owned(),
            internal_addresses: internal.to_string(),
            dnat_external_port: request.port.to_string(),
            application_port_profile: Some(profile),
            ..NatSpec::default()
        };
        let started = self.create_nat_rule(request.gateway, spec, request.starter, ctx)?;
        Ok(Progress::Started(started.task))
    }

    /// The virtual service, on an engine group that has room.
    fn service_spec(
        &self,
        request: &LoadBalancerRequest<'_>,
        pool: EntityRef,
        address: String,
    ) -> Result<VirtualServiceSpec, Problem> {
        let mut assignments = self.assignments.values();
        let free = assignments.find(|one| {
            let deployed = self.deployed(&one.gateway, &one.group);
            let max = usize::try_from(one.max_virtual_services).unwrap_or(usize::MAX);
            one.gateway == request.gateway && deployed < max
        });
        let group = free.and_then(|one| self.engine_groups.get(&one.group));
        let group = group.ok_or_else(|| {
            Problem::bad_request("unable to find service engine group with free instances")
        })?;
        Ok(VirtualServiceSpec {
            name: request.name.to_owned(),
            virtual_ip_address: address,
            load_balancer_pool_ref: pool,
            service_engine_group_ref: EntityRef {
                name: group.name.clone(),
                id: group.urn(),
            },
            service_ports: vec![ServicePort {
                tcp_udp_profile: Some(TcpUdpProfile {
                    kind: "TCP_PROXY".to_owned(),
                    system_defined: false,
                }),
                port_start: request.port,
                port_end: None,
                ssl_enabled: false,
            }],
            application_profile: ApplicationProfile {
                name: "System-L4-Application".to_owned(),
                kind: "L4".to_owned(),
                system_defined: true,
            },
            ..VirtualServiceSpec::default()
        })
    }

    /// Unmarks the floating address, then gives it back.
    fn give_back(
        &mut self,
        request: &LoadBalancerRequest<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Progress<()>, Problem> {
        let gateway = self.gateways.get(request.gateway);
        let space = gateway.and_then(|gateway| gateway.ip_space.clone());
        let Some(space) = space else {
            return Ok(Progress::Done(()));
        };
        let org = self.gateway_org(request.gateway);
        let mut ours = self.allocations.values().filter(|one| {
            one.space == space && one.org_id == org && one.description == request.claim
        });
        let Some(found) = ours.next() else {
            return Ok(Progress::Done(()));
        };
        let (uuid, claimed) = (found.uuid.clone(), found.claimed);
        let task = if claimed {
            // Keeps its description until it is gone, so that a repeat still finds it.
            let spec = AllocationSpec {
                usage_state: "UNUSED".to_owned(),
                description: request.claim.to_owned(),
            };
            self.start_marking(&uuid, spec, request.starter, ctx)?
        } else {
            self.start_release(&uuid, request.starter, ctx)?
        };
        Ok(Progress::Started(task))
    }
}
