//! Load balancers step by step, as controllers inside clusters ask for them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;

use super::inside::{
    LoadBalancer, LoadBalancerRequest, Progress, create_load_balancer, delete_load_balancer,
    update_members,
};
use super::model::{Range, Services};
use crate::clock::Moment;
use crate::sim::context::Context;
use crate::sim::reply::Problem;
use crate::sim::seed::Tenant;
use crate::sim::tasks::{Starter, TaskState};
use crate::sim::timings::Timings;
use crate::sim::world::World;

const CLAIM: &str = "cluster-blue-id-x";

struct Lab {
    world: World,
    tenant: Tenant,
    gateway: String,
    starter: Starter,
    seconds: u64,
}

impl Lab {
    fn new() -> Self {
        let mut world = World::new("https://vcd.example", 7, Timings::default());
        world.seed_site();
        let tenant = world.seed_tenant("acme");
        let network = world.infra.networks.keys().next().unwrap();
        let gateway = world.network.gateway_of_network(network).unwrap();
        let gateway = gateway.uuid.clone();
        let starter = Starter {
            user_id: tenant.author_id.clone(),
            user_name: tenant.author.clone(),
            org_id: tenant.org_id.clone(),
            request_id: "r".to_owned(),
        };
        Self {
            world,
            tenant,
            gateway,
            starter,
            seconds: 0,
        }
    }

    fn now(&self) -> (Moment, Timestamp) {
        let origin: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let passed = Duration::from_secs(self.seconds);
        (Moment::from_origin(passed), origin + passed)
    }

    /// One call with the request for `name`, which `adapt` may change.
    fn ask<T>(
        &mut self,
        name: &str,
        adapt: impl FnOnce(&mut LoadBalancerRequest<'_>),
        call: impl FnOnce(
            &mut Context<'_>,
            &mut Services,
            &LoadBalancerRequest<'_>,
        ) -> Result<Progress<T>, Problem>,
    ) -> Result<Progress<T>, Problem> {
        let (now, wall) = self.now();
        let (gateway, starter) = (self.gateway.clone(), self.starter.clone());
        let mut request = LoadBalancerRequest {
            gateway: &gateway,
            name,
            pool: name,
            port: 6443,
            member_port: 6443,
            members: Vec::new(),
            virtual_ip: None,
            vip_subnet: None,
            one_arm: None,
            claim: CLAIM,
            starter: &starter,
        };
        adapt(&mut request);
        let (mut ctx, areas) = self.world.split(now, wall);
        call(&mut ctx, areas.network, &request)
    }

    /// Repeats a call until everything is as asked; the names of the tasks on the way.
    fn repeat<T>(
        &mut self,
        mut step: impl FnMut(&mut Self) -> Result<Progress<T>, Problem>,
    ) -> (T, Vec<&'static str>) {
        let mut tasks = Vec::new();
        for _ in 0..20 {
            match step(self).unwrap() {
                Progress::Done(done) => return (done, tasks),
                Progress::Started(task) => {
                    self.wait(6);
                    let task = self.world.tasks.get(&task).unwrap();
                    assert!(matches!(task.state, TaskState::Success { .. }), "{task:?}");
                    tasks.push(crate_name(&task.operation_name));
                }
            }
        }
        panic!("no end: {tasks:?}");
    }

    fn create(&mut self, name: &str) -> (LoadBalancer, Vec<&'static str>) {
        self.repeat(|lab| lab.ask(name, |_| {}, create_load_balancer))
    }

    fn wait(&mut self, seconds: u64) {
        self.seconds += seconds;
        let (now, wall) = self.now();
        self.world.advance(now, wall);
    }

    fn effects(&self, effect: &str) -> u32 {
        let all = self.world.history.effects.iter();
        all.filter(|((name, _), _)| name == effect)
            .map(|(_, times)| times)
            .sum()
    }
}

/// Task names are compared with constants.
fn crate_name(name: &str) -> &'static str {
    let known = [
        "loadBalancerPoolCreate",
        "loadBalancerPoolUpdate",
        "loadBalancerPoolDelete",
        "loadBalancerVirtualServiceCreate",
        "loadBalancerVirtualServiceDelete",
        "natRuleCreate",
        "natRuleDelete",
        "applicationPortProfileCreate",
        "applicationPortProfileDelete",
        "ipSpaceAllocate",
        "ipSpaceIpAllocationUpdate",
        "ipSpaceIpAllocationDelete",
    ];
    known
        .into_iter()
        .find(|one| *one == name)
        .unwrap_or("another")
}

#[test]
fn pool_then_service_and_a_repeat_changes_nothing() {
    let mut lab = Lab::new();
    let (made, tasks) = lab.create("blue");
    assert_eq!(
        tasks,
        ["loadBalancerPoolCreate", "loadBalancerVirtualServiceCreate"]
    );
    assert!(made.external_ip.starts_with("100.64."), "{made:?}");
    assert!(!made.reported);
    lab.wait(10);
    let (again, tasks) = lab.create("blue");
    assert!(again.reported && tasks.is_empty());
    let (other, _) = lab.create("green");
    assert_ne!(other.external_ip, made.external_ip);
    assert_eq!(lab.effects("lb.pool.created"), 2);
    assert_eq!(lab.effects("lb.vs.created"), 2);
    let objects: Vec<_> = lab.world.network.objects().collect();
    assert_eq!(objects.len(), 4);
    assert!(objects.iter().all(|one| one.org_id == lab.tenant.org_id));
    assert!(objects.iter().any(|one| one.kind.name() == "lb-pool"));
}

#[test]
fn one_step_at_a_time_and_busy_meanwhile() {
    let mut lab = Lab::new();
    let started = lab.ask("blue", |_| {}, create_load_balancer).unwrap();
    assert!(matches!(started, Progress::Started(_)));
    for name in ["blue", "green"] {
        let busy = lab.ask(name, |_| {}, create_load_balancer).unwrap_err();
        assert_eq!(busy.status, 400);
        assert_eq!(busy.minor, "BUSY_ENTITY");
    }
    lab.wait(6);
    lab.ask("blue", |_| {}, create_load_balancer).unwrap();
    let busy = lab.ask("blue", |_| {}, create_load_balancer).unwrap_err();
    assert_eq!(busy.minor, "BUSY_ENTITY", "the service is not there yet");
}

#[test]
fn looking_again_too_early_asks_for_nothing_twice() {
    let mut lab = Lab::new();
    let tenant = lab.tenant.clone();
    lab.world.use_ip_space(&tenant);
    let one_arm = |request: &mut LoadBalancerRequest<'_>| {
        request.one_arm = Some(Range {
            first: Ipv4Addr::new(192, 168, 8, 2),
            last: Ipv4Addr::new(192, 168, 8, 100),
        });
    };
    for _ in 0..8 {
        match lab.ask("blue", one_arm, create_load_balancer) {
            Ok(Progress::Done(_)) => break,
            Ok(Progress::Started(_)) => {
                let busy = lab.ask("blue", one_arm, create_load_balancer).unwrap_err();
                assert_eq!(busy.minor, "BUSY_ENTITY");
            }
            Err(problem) => panic!("{problem:?}"),
        }
        lab.wait(6);
    }
    assert_eq!(lab.world.network.objects().count(), 5, "one of each kind");
}

#[test]
fn members_are_written_once_and_a_missing_pool_is_told() {
    let mut lab = Lab::new();
    let missing = lab.ask("blue", |_| {}, update_members).unwrap_err();
    assert_eq!(missing.minor, "INVALID_REFERENCE");
    lab.create("blue");
    let members = |request: &mut LoadBalancerRequest<'_>| {
        request.members = vec![(Ipv4Addr::new(10, 1, 1, 1), 6443)];
    };
    let ((), tasks) = lab.repeat(|lab| lab.ask("blue", members, update_members));
    assert_eq!(tasks, ["loadBalancerPoolUpdate"]);
    let ((), tasks) = lab.repeat(|lab| lab.ask("blue", members, update_members));
    assert!(tasks.is_empty());
}

#[test]
fn one_arm_puts_a_rule_in_front_and_takes_all_of_it_away() {
    let mut lab = Lab::new();
    let one_arm = |request: &mut LoadBalancerRequest<'_>| {
        request.one_arm = Some(Range {
            first: Ipv4Addr::new(192, 168, 8, 2),
            last: Ipv4Addr::new(192, 168, 8, 100),
        });
    };
    let (made, tasks) = lab.repeat(|lab| lab.ask("blue", one_arm, create_load_balancer));
    assert_eq!(
        tasks,
        [
            "applicationPortProfileCreate",
            "natRuleCreate",
            "loadBalancerPoolCreate",
            "loadBalancerVirtualServiceCreate",
        ]
    );
    assert!(made.external_ip.starts_with("100.64."), "{made:?}");
    assert_eq!(made.dnat_rule.unwrap().name, "dnat-blue");
    assert_eq!(made.port_profile.unwrap().name, "appPort_dnat-blue");
    let service = lab.world.network.virtuals.values().next().unwrap();
    assert_eq!(service.spec.virtual_ip_address, "192.168.8.2");
    let ((), tasks) = lab.repeat(|lab| lab.ask("blue", one_arm, delete_load_balancer));
    assert_eq!(
        tasks,
        [
            "loadBalancerVirtualServiceDelete",
            "loadBalancerPoolDelete",
            "natRuleDelete",
            "applicationPortProfileDelete",
        ]
    );
    assert_eq!(lab.world.network.objects().count(), 0);
}

#[test]
fn a_floating_address_is_claimed_used_and_given_back() {
    let mut lab = Lab::new();
    let tenant = lab.tenant.clone();
    lab.world.use_ip_space(&tenant);
    let (made, tasks) = lab.create("blue");
    assert_eq!(tasks.first(), Some(&"ipSpaceAllocate"));
    let allocation = lab.world.network.allocations.values().next().unwrap();
    assert_eq!(allocation.value.to_string(), made.external_ip);
    assert_eq!(
        (allocation.description.as_str(), allocation.claimed),
        (CLAIM, true)
    );
    let ((), tasks) = lab.repeat(|lab| lab.ask("blue", |_| {}, delete_load_balancer));
    assert_eq!(
        tasks,
        [
            "loadBalancerVirtualServiceDelete",
            "loadBalancerPoolDelete",
            "ipSpaceIpAllocationUpdate",
            "ipSpaceIpAllocationDelete",
        ]
    );
    assert_eq!(lab.world.network.objects().count(), 0);
}

#[test]
fn addresses_and_engines_run_out() {
    let mut lab = Lab::new();
    let tenant = lab.tenant.clone();
    lab.world.limit_external_addresses(&tenant, 1);
    lab.create("blue");
    let none = lab.ask("green", |_| {}, create_load_balancer).unwrap_err();
    assert!(none.message.contains("all are used"), "{none:?}");
    let given = |request: &mut LoadBalancerRequest<'_>| {
        request.virtual_ip = Some(Ipv4Addr::new(100, 64, 9, 9));
    };
    lab.world.limit_virtual_services(&tenant, 1);
    lab.ask("green", given, create_load_balancer).unwrap();
    lab.wait(6);
    let full = lab.ask("green", given, create_load_balancer).unwrap_err();
    assert!(full.message.contains("service engine group"), "{full:?}");
}

#[test]
fn an_address_comes_from_the_subnet_that_was_asked_for() {
    let mut lab = Lab::new();
    let allowed = Range {
        first: Ipv4Addr::new(100, 64, 1, 0),
        last: Ipv4Addr::new(100, 64, 1, 255),
    };
    let within = |request: &mut LoadBalancerRequest<'_>| request.vip_subnet = Some(allowed);
    let (made, _) = lab.repeat(|lab| lab.ask("blue", within, create_load_balancer));
    assert_eq!(made.external_ip, "100.64.1.0");
}

#[test]
fn tenants_have_addresses_of_their_own_and_one_name_gives_one_id() {
    let mut lab = Lab::new();
    lab.world.seed_tenant("zeta");
    let ranges: Vec<Range> = lab
        .world
        .network
        .gateways
        .values()
        .flat_map(|gateway| lab.world.network.external_ranges(gateway))
        .chain(
            lab.world
                .network
                .ip_spaces
                .values()
                .map(|space| space.range),
        )
        .collect();
    assert_eq!(ranges.len(), 4);
    for (at, one) in ranges.iter().enumerate() {
        assert!(one.size() > 1000);
        for other in ranges.iter().skip(at + 1) {
            assert!(!one.contains(other.first) && !one.contains(other.last));
        }
    }
    let mut second = World::new("https://vcd.example", 8, Timings::default());
    second.seed_site();
    second.seed_tenant("acme");
    assert!(second.network.gateways.contains_key(&lab.gateway));
}
