//! Each check against a site that can carry the sample cluster, with one thing changed.

use serde_json::json;

use super::*;
use crate::domain::cluster::sample::{entity, entity_edited, set};
use crate::domain::cluster::{AddressRange, SecureFields};
use crate::domain::ids::GatewayId;
use crate::domain::site::{Allowance, EngineRoom, NetworkKind, StorageDetails, TemplateState};

const IMAGE: &str = "v1.27.8+vmware.1-tkg.1-e77cdad8d69e4f76f2ded5e1356235b3";

fn spec() -> ClusterSpec {
    ClusterSpec::parse(&entity(), SecureFields::Included).unwrap()
}

fn edited(kind: &str, name: &str, at: &str, value: serde_json::Value) -> ClusterSpec {
    let entity = entity_edited(|documents| set(documents, kind, name, (at, value)));
    ClusterSpec::parse(&entity, SecureFields::Included).unwrap()
}

fn range(text: &str) -> AddressRange {
    AddressRange::parse(text).unwrap()
}

fn entity_id(end: &str) -> EntityId {
    EntityId::parse(&format!("urn:vcloud:entity:vmware:capvcdCluster:{end}")).unwrap()
}

fn policy(name: &str, memory_mib: u64) -> PolicyOffer {
    PolicyOffer {
        id: format!("urn:vcloud:vdcComputePolicy:{name}"),
        name: name.to_owned(),
        sizing_only: true,
        cpus: Some(2),
        cpu_mhz: Some(1000),
        memory_mib: Some(memory_mib),
    }
}

fn rights() -> std::collections::BTreeSet<String> {
    let names = [
        "Catalog: Add vApp from My Cloud",
        "Organization vDC Compute Policy: View",
        "Organization vDC Gateway: Configure Load Balancer",
        "Organization vDC Gateway: View",
        "Organization vDC Named Disk: Create",
        "Organization vDC Network: View Properties",
        "vApp Template / Media: View",
        "vApp: Allow All Extra Config",
        "vApp: Create / Reconfigure",
        "vApp: Delete",
        "vApp: Edit Properties",
        "vApp: Edit VM Hard Disk",
        "vApp: Edit VM Properties",
        "vApp: Power Operations",
        "vmware:capvcdCluster: Full Access",
    ];
    names.into_iter().map(str::to_owned).collect()
}

fn author(spec: &ClusterSpec) -> Account {
    Account {
        user_id: "urn:vcloud:user:1".to_owned(),
        user: "author".to_owned(),
        org: spec.org.clone(),
        rights: Some(rights()),
    }
}

fn good_network() -> NetworkOffer {
    NetworkOffer {
        kind: NetworkKind::Routed,
        gateway: GatewayId::parse("urn:vcloud:gateway:1").ok(),
        subnets: vec![range("10.1.0.0/24")],
        name_servers: vec![range("10.1.0.2")],
        pool: Some(Allowance {
            limit: Some(200),
            used: 20,
        }),
    }
}

fn good_gateway() -> GatewayOffer {
    GatewayOffer {
        name: "edge".to_owned(),
        uplinks: 1,
        subnets: vec![range("203.0.113.0/24")],
        uses_ip_spaces: false,
        balancing: Some(true),
        engines: Some(EngineRoom::Free),
        free_address: Some(true),
    }
}

/// A site that has everything the sample cluster asks for.
fn good() -> Facts {
    let spec = spec();
    let template = |catalog: &str, name: &str| TemplateOffer {
        catalog: catalog.to_owned(),
        name: name.to_owned(),
        state: TemplateState::Ready {
            version: Some(IMAGE.to_owned()),
        },
    };
    let machine = &spec.control_plane;
    let named = spec.pools.iter().map(|pool| &pool.template);
    let mut policies: Vec<PolicyOffer> = std::iter::once(machine)
        .chain(named.clone())
        .filter_map(|template| template.sizing_policy.as_deref())
        .map(|name| policy(name, 4096))
        .collect();
    policies.extend(
        named.filter_map(|one| one.placement_policy.as_deref().map(|name| policy(name, 0))),
    );
    policies.push(policy("TKG small", 4048));
    Facts {
        entity: EntityFacts {
            id: entity_id("5"),
            org: Some(spec.org.clone()),
            owner: Some("urn:vcloud:user:1".to_owned()),
        },
        setup: SetupFacts {
            sizing_policy: "TKG small".to_owned(),
            cluster_api: "v1.7.4".to_owned(),
        },
        account: Some(author(&spec)),
        vdc: VdcFacts {
            enabled: true,
            limits: VdcLimits::default(),
            vms: None,
            fast_provisioning: Some(false),
        },
        network: Lookup::Found(good_network()),
        gateway: Some(good_gateway()),
        templates: vec![template(&machine.catalog, &machine.template)],
        policies: Some(policies),
        bootstrap_policy: Lookup::Found(()),
        storage: vec![StorageOffer {
            name: "gold".to_owned(),
            details: Some(StorageDetails {
                enabled: true,
                is_default: true,
                space_mib: Allowance::default(),
            }),
        }],
        namesakes: Vec::new(),
        foreign_vapps: Vec::new(),
    }
}

fn names(spec: &ClusterSpec, facts: &Facts) -> Vec<&'static str> {
    let found = check(spec, facts).problems;
    found.iter().map(PreflightProblem::name).collect()
}

fn network(facts: &mut Facts) -> &mut NetworkOffer {
    match &mut facts.network {
        Lookup::Found(network) => network,
        Lookup::Unknown | Lookup::Absent => panic!("the good site has a network"),
    }
}

#[test]
fn a_site_that_has_everything_is_good() {
    let found = check(&spec(), &good());
    assert_eq!(found, Findings::default());
}

#[test]
fn what_is_not_known_is_no_problem() {
    let facts = Facts {
        account: None,
        network: Lookup::Unknown,
        gateway: None,
        templates: Vec::new(),
        policies: None,
        bootstrap_policy: Lookup::Unknown,
        ..good()
    };
    assert_eq!(check(&spec(), &facts).problems, []);
    let mut facts = good();
    facts.account.as_mut().unwrap().rights = None;
    facts.account.as_mut().unwrap().user_id = "urn:vcloud:user:2".to_owned();
    network(&mut facts).pool = None;
    let gateway = facts.gateway.as_mut().unwrap();
    (gateway.balancing, gateway.engines, gateway.free_address) = (None, None, None);
    facts.templates[0].state = TemplateState::Unknown;
    facts.storage[0].details = None;
    facts.vdc.fast_provisioning = None;
    facts.vdc.limits.vms = Some(1);
    assert_eq!(check(&spec(), &facts).problems, []);
}

type Change = fn(&mut Facts);

/// One change of the good site, and the only problem it makes.
const TABLE: [(&str, Change); 27] = [
    ("OrganizationMismatch", |f| {
        f.entity.org = Some("x".to_owned());
    }),
    ("ApiTokenOfSystemAdministrator", |f| {
        f.account.as_mut().unwrap().org = "system".to_owned();
    }),
    ("ApiTokenOfAnotherUser", |f| {
        f.entity.owner = Some("urn:vcloud:user:2".to_owned());
    }),
    ("RightsMissing", |f| {
        let held = f.account.as_mut().unwrap().rights.as_mut().unwrap();
        held.remove("vApp: Delete");
    }),
    ("RightsMissing", |f| {
        f.gateway.as_mut().unwrap().uses_ip_spaces = true;
    }),
    ("VdcDisabled", |f| {
        f.vdc.enabled = false;
    }),
    ("VmQuotaExceeded", |f| {
        (f.vdc.limits.vms, f.vdc.vms) = (Some(20), Some(19));
    }),
    ("NicQuotaExceeded", |f| {
        f.vdc.limits.nics = Some(1);
    }),
    ("MemoryLimitExceeded", |f| {
        f.vdc.limits.memory_mib = Allowance {
            limit: Some(9000),
            used: 1000,
        };
    }),
    ("CpuLimitExceeded", |f| {
        f.vdc.limits.cpu_mhz = Allowance {
            limit: Some(9000),
            used: 1000,
        };
    }),
    ("NetworkNotFound", |f| {
        f.network = Lookup::Absent;
    }),
    ("NetworkUnsupported", |f| {
        network(f).kind = NetworkKind::Other("OPAQUE".to_owned());
    }),
    ("NetworkUnsupported", |f| {
        network(f).gateway = None;
    }),
    ("NetworkWithoutPool", |f| {
        network(f).pool = Some(Allowance {
            limit: Some(0),
            used: 0,
        });
    }),
    ("NetworkAddressesExhausted", |f| {
        network(f).pool = Some(Allowance {
            limit: Some(200),
            used: 199,
        });
    }),
    ("NetworkRangeOverlap", |f| {
        network(f).name_servers = vec![range("100.64.0.10")];
    }),
    ("NetworkRangeReserved", |f| {
        f.gateway.as_mut().unwrap().subnets = vec![range("172.16.0.0/12")];
    }),
    ("EdgeGatewayUnsupported", |f| {
        f.gateway.as_mut().unwrap().uplinks = 2;
    }),
    ("LoadBalancerDisabled", |f| {
        f.gateway.as_mut().unwrap().balancing = Some(false);
    }),
    ("ServiceEnginesMissing", |f| {
        f.gateway.as_mut().unwrap().engines = Some(EngineRoom::Unassigned);
    }),
    ("ServiceEnginesFull", |f| {
        f.gateway.as_mut().unwrap().engines = Some(EngineRoom::Full);
    }),
    ("ExternalAddressesExhausted", |f| {
        f.gateway.as_mut().unwrap().free_address = Some(false);
    }),
    ("BootstrapSizingPolicyNotPublished", |f| {
        f.bootstrap_policy = Lookup::Absent;
    }),
    ("StorageProfileDisabled", |f| {
        f.storage[0].details.as_mut().unwrap().enabled = false;
    }),
    ("StorageLimitExceeded", |f| {
        let space = &mut f.storage[0].details.as_mut().unwrap().space_mib;
        *space = Allowance {
            limit: Some(50_000),
            used: 40_000,
        };
    }),
    ("VappNameTaken", |f| {
        f.foreign_vapps = vec!["kite7".to_owned()];
    }),
    ("DiskSizeNotPossible", |f| {
        f.vdc.fast_provisioning = Some(true);
    }),
];

#[test]
fn each_fact_has_its_problem() {
    for (name, change) in TABLE {
        let mut facts = good();
        change(&mut facts);
        let found = check(&spec(), &facts).problems;
        assert!(!found.is_empty(), "{name}");
        for problem in &found {
            assert_eq!(problem.name(), name, "{problem}");
            let text = problem.to_string();
            assert!(text.len() > 40 && text.len() < 600, "{text}");
        }
    }
}

#[test]
fn templates_and_policies_are_judged_for_every_group_that_uses_them() {
    let mut facts = good();
    facts.templates[0].state = TemplateState::Absent;
    assert_eq!(names(&spec(), &facts), ["TemplateNotFound"], "told once");
    facts.templates[0].state = TemplateState::Unfinished;
    assert_eq!(names(&spec(), &facts), ["TemplateUnfinished"]);
    facts.templates[0].state = TemplateState::Ready { version: None };
    assert_eq!(names(&spec(), &facts), ["TemplateNoTkgImage"]);
    let version = Some("v1.26.8+vmware.1-tkg.1-0edd4dafbefbdb503f64d5472e500cf8".to_owned());
    facts.templates[0].state = TemplateState::Ready { version };
    let groups = 1 + spec().pools.len();
    assert_eq!(
        names(&spec(), &facts),
        vec!["TemplateVersionMismatch"; groups]
    );

    let mut facts = good();
    facts.policies = Some(vec![policy("TKG small", 4048)]);
    let found = names(&spec(), &facts);
    let expected = ["SizingPolicyNotPublished", "PlacementPolicyNotPublished"];
    assert_eq!(found[0], expected[0], "{found:?}");
    assert!(
        found.iter().all(|name| expected.contains(name)),
        "{found:?}"
    );
    let mut facts = good();
    for policy in facts.policies.as_mut().unwrap() {
        policy.sizing_only = false;
    }
    assert_eq!(names(&spec(), &facts)[0], "SizingPolicyUnsuitable");
    let placed = edited(
        "VCDMachineTemplate",
        "blue",
        "/spec/template/spec/placementPolicy",
        json!("gpu"),
    );
    assert_eq!(names(&placed, &good()), ["PlacementPolicyNotPublished"]);
    let stored = edited(
        "VCDMachineTemplate",
        "blue",
        "/spec/template/spec/storageProfile",
        json!("lead"),
    );
    assert_eq!(names(&stored, &good()), ["StorageProfileNotFound"]);
}

#[test]
fn versions_too_old_or_ahead_of_the_control_plane_are_refused_and_untested_ones_noted() {
    let ahead = edited(
        "MachineDeployment",
        "blue",
        "/spec/template/spec/version",
        json!("v1.28.4+vmware.1"),
    );
    let found = names(&ahead, &good());
    assert_eq!(found, ["WorkerVersionAhead", "TemplateVersionMismatch"]);
    let old = edited("KubeadmControlPlane", "", "/spec/version", json!("v1.18.9"));
    assert!(names(&old, &good()).contains(&"KubernetesVersionUnsupported"));

    let mut facts = good();
    facts.setup.cluster_api = "v1.4.0".to_owned();
    let found = check(&spec(), &facts);
    assert_eq!((found.problems.len(), found.notes.len()), (0, 1));
    let version = Some("v1.27.8+vmware.1-tkg.9-0123456789abcdef".to_owned());
    facts.templates[0].state = TemplateState::Ready { version };
    let found = check(&spec(), &facts);
    assert_eq!(
        (found.problems.len(), found.notes.len()),
        (0, 2),
        "{found:?}"
    );
}

#[test]
fn an_address_of_ones_own_needs_no_free_one() {
    let mut facts = good();
    facts.gateway.as_mut().unwrap().free_address = Some(false);
    let host = json!({"host": "10.1.0.200", "port": 6443});
    let own = edited("VCDCluster", "", "/spec/controlPlaneEndpoint", host);
    assert_eq!(check(&own, &facts).problems, []);
}

#[test]
fn a_reservation_pool_may_promise_more_than_it_has() {
    let mut facts = good();
    facts.vdc.limits.allocation_model = "ReservationPool".to_owned();
    facts.vdc.limits.memory_mib = Allowance {
        limit: Some(1),
        used: 1,
    };
    facts.vdc.limits.cpu_mhz = Allowance {
        limit: Some(1),
        used: 1,
    };
    assert_eq!(check(&spec(), &facts).problems, []);
}

/// Goal: whoever looks, exactly one of two clusters of a name has it.
#[test]
fn one_of_two_clusters_gets_the_name() {
    let taken = |own: &str, other: &str, standing| {
        let mut facts = good();
        facts.entity.id = entity_id(own);
        facts.namesakes = vec![Namesake {
            id: entity_id(other),
            standing,
        }];
        names(&spec(), &facts) == ["ClusterNameTaken"]
    };
    for (own, other) in [("1", "2"), ("2", "1")] {
        assert!(taken(own, other, Standing::Established), "{own} {other}");
        assert!(!taken(own, other, Standing::Empty), "{own} {other}");
    }
    assert_ne!(
        taken("1", "2", Standing::Starting),
        taken("2", "1", Standing::Starting)
    );
}

#[test]
fn many_problems_are_counted_beyond_a_dozen() {
    let mut facts = good();
    facts.foreign_vapps = (0..40).map(|n| format!("vapp{n}")).collect();
    let found = check(&spec(), &facts).problems;
    assert_eq!(found.len(), MAX_PROBLEMS);
    assert_eq!(found.last(), Some(&PreflightProblem::More { count: 29 }));
}

#[test]
fn a_creation_that_has_begun_is_judged_by_what_it_still_needs() {
    let mut facts = good();
    facts.vdc.enabled = false;
    facts.vdc.limits.nics = Some(1);
    facts.templates[0].state = TemplateState::Ready { version: None };
    facts.foreign_vapps = vec!["kite7".to_owned()];
    assert_eq!(check_targets(&spec(), &facts), Findings::default());
    facts.network = Lookup::Absent;
    facts.templates[0].state = TemplateState::Absent;
    facts.bootstrap_policy = Lookup::Absent;
    let found = check_targets(&spec(), &facts).problems;
    let found: Vec<_> = found.iter().map(PreflightProblem::name).collect();
    let want = [
        "NetworkNotFound",
        "TemplateNotFound",
        "BootstrapSizingPolicyNotPublished",
    ];
    assert_eq!(found, want);
}

#[test]
fn texts_of_others_are_short_escaped_and_in_quotes() {
    let hostile = format!("a\"b\u{1b}[31m\n{}", "c".repeat(500));
    let text = Quoted::of(&hostile).to_string();
    assert!(text.starts_with("\"a\\\"b\\u{1b}[31m\\n"), "{text}");
    assert!(text.len() < 100 && text.ends_with("...\""), "{text}");
}
