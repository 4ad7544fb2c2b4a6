//! What a site lacks, and what a request asks for in vain: a table of worlds with one error each.

use std::net::Ipv4Addr;

use cse_server::sim::seed::{Tenant, VdcLimits};
use cse_server::sim::world::World;

use super::{assert_nothing_made, in_yaml, verdict};
use crate::support::fleet::Fleet;

type Arrange = fn(&mut World, &Tenant);

/// Error, a part of its text, and what the site lacks.
const SITE: [(&str, &str, Arrange); 17] = [
    ("VdcDisabled", "ask your provider", |world, tenant| {
        world.enable_vdc(tenant, false);
    }),
    (
        "VmQuotaExceeded",
        "3 VMs left and the cluster needs 5",
        |world, tenant| {
            let limits = VdcLimits {
                vms: 3,
                ..VdcLimits::default()
            };
            world.limit_vdc(tenant, limits);
        },
    ),
    ("NicQuotaExceeded", "needs 5", |world, tenant| {
        let limits = VdcLimits {
            nics: 2,
            ..VdcLimits::default()
        };
        world.limit_vdc(tenant, limits);
    }),
    ("MemoryLimitExceeded", "MiB of memory", |world, tenant| {
        let limits = VdcLimits {
            memory_mib: 8192,
            ..VdcLimits::default()
        };
        world.limit_vdc(tenant, limits);
    }),
    ("NetworkUnsupported", "is isolated", |world, tenant| {
        world.change_network_kind(tenant, "ISOLATED");
    }),
    ("NetworkUnsupported", "a direct network", |world, tenant| {
        world.change_network_kind(tenant, "DIRECT");
    }),
    ("NetworkWithoutPool", "DHCP alone", |world, tenant| {
        world.drop_pool(tenant);
    }),
    (
        "NetworkAddressesExhausted",
        "4 free addresses and the cluster needs 5",
        |world, tenant| {
            world.limit_pool(tenant, 4);
        },
    ),
    ("NetworkRangeReserved", "172.18.0.0/16", |world, tenant| {
        let gateway = Ipv4Addr::new(172, 18, 7, 1);
        world.move_network(tenant, (gateway, Ipv4Addr::new(9, 9, 9, 9)));
    }),
    ("NetworkRangeReserved", "name server", |world, tenant| {
        let gateway = Ipv4Addr::new(10, 9, 0, 1);
        world.move_network(tenant, (gateway, Ipv4Addr::new(172, 17, 0, 2)));
    }),
    (
        "NetworkRangeOverlap",
        "the pod range, 100.96.0.0/11",
        |world, tenant| {
            let gateway = Ipv4Addr::new(100, 97, 0, 1);
            world.move_network(tenant, (gateway, Ipv4Addr::new(9, 9, 9, 9)));
        },
    ),
    (
        "LoadBalancerDisabled",
        "edge gateway \"acme-edge\"",
        |world, tenant| {
            world.enable_load_balancing(tenant, false);
        },
    ),
    (
        "ServiceEnginesMissing",
        "ask your provider",
        |world, tenant| {
            world.unassign_engines(tenant);
        },
    ),
    ("ServiceEnginesFull", "virtual services", |world, tenant| {
        world.limit_virtual_services(tenant, 0);
    }),
    (
        "ExternalAddressesExhausted",
        "control plane",
        |world, tenant| {
            world.limit_external_addresses(tenant, 0);
        },
    ),
    (
        "ExternalAddressesExhausted",
        "control plane",
        |world, tenant| {
            world.use_ip_space(tenant);
            world.limit_external_addresses(tenant, 0);
        },
    ),
    ("StorageProfileDisabled", "\"gold\"", |world, tenant| {
        world.limit_storage(tenant, 0, false);
    }),
];

/// The same for templates, policies, storage and rights.
const OFFERS: [(&str, &str, Arrange); 8] = [
    ("TemplateNoTkgImage", "VERSION", |world, tenant| {
        world.set_template_version(&tenant.template, "");
    }),
    (
        "TemplateVersionMismatch",
        "holds Kubernetes \"v1.26.8+vmware.1\"",
        |world, tenant| {
            let version = "v1.26.8+vmware.1-tkg.1-0edd4dafbefbdb503f64d5472e500cf8";
            world.set_template_version(&tenant.template, version);
        },
    ),
    (
        "BootstrapSizingPolicyNotPublished",
        "ask your provider",
        |world, _| {
            world.withhold_policy("TKG small");
        },
    ),
    ("SizingPolicyNotPublished", "of worker pool", |world, _| {
        world.withhold_policy("TKG medium");
    }),
    (
        "StorageLimitExceeded",
        "has 4096 MiB left",
        |world, tenant| {
            world.limit_storage(tenant, 4096, true);
        },
    ),
    (
        "RightsMissing",
        "\"vApp: Allow All Extra Config\"",
        |world, tenant| {
            world.withdraw_rights(&tenant.author, &["vApp: Allow All Extra Config"]);
        },
    ),
    (
        "RightsMissing",
        "\"IP Spaces: Allocate\"",
        |world, tenant| {
            world.use_ip_space(tenant);
            world.withdraw_rights(&tenant.author, &["IP Spaces: Allocate"]);
        },
    ),
    (
        "DiskSizeNotPossible",
        "fast provisioning",
        |world, tenant| {
            let limits = VdcLimits {
                fast_provisioning: true,
                ..VdcLimits::default()
            };
            world.limit_vdc(tenant, limits);
        },
    ),
];

/// Error, what is replaced in the YAML and by what, and a part of the error's text.
const REQUESTS: [(&str, &str, &str, &str); 9] = [
    (
        "OrganizationMismatch",
        "org: acme",
        "org: other",
        "belongs to organization \"acme\"",
    ),
    (
        "NetworkNotFound",
        "ovdcNetwork: acme-net",
        "ovdcNetwork: gone",
        "\"gone\"",
    ),
    (
        "StorageProfileNotFound",
        "storageProfile: gold",
        "storageProfile: lead",
        "\"lead\"",
    ),
    (
        "PlacementPolicyNotPublished",
        "placementPolicy: \"\"",
        "placementPolicy: here",
        "\"here\"",
    ),
    (
        "SizingPolicyNotPublished",
        "sizingPolicy: TKG medium",
        "sizingPolicy: huge",
        "\"huge\"",
    ),
    (
        "KubernetesVersionUnsupported",
        "version: v1.27.8",
        "version: v1.18.9",
        "too old",
    ),
    ("RangeOverlap", "100.64.0.0/13", "100.96.0.0/13", "overlap"),
    (
        "ControlPlaneCount",
        "replicas: 1\n  version",
        "replicas: 2\n  version",
        "odd number",
    ),
    (
        "VdcNotFound",
        "ovdc: acme-vdc",
        "ovdc: gone",
        "is not visible",
    ),
];

/// Goal: each thing that a site can lack is named, with a part of the hint.
#[tokio::test(start_paused = true)]
async fn whatever_the_site_lacks_is_named_and_nothing_is_made() {
    for (seed, (name, text, arrange)) in (6_000..).zip(SITE) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("{name}: {text}");
        let tenant = fleet.tenants[0].clone();
        let urn = fleet.ask_for("oak");
        arrange(&mut fleet.world(), &tenant);
        let errors = verdict(&mut fleet, &urn).await;
        assert_eq!(errors.len(), 1, "{}", fleet.context());
        assert_eq!(errors[0].0, name, "{}", fleet.context());
        assert!(errors[0].1.contains(text), "{}", fleet.context());
        assert_nothing_made(&fleet, &urn);
    }
}

#[tokio::test(start_paused = true)]
async fn templates_policies_storage_and_rights_are_named_as_well() {
    for (seed, (name, text, arrange)) in (6_100..).zip(OFFERS) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("{name}: {text}");
        let tenant = fleet.tenants[0].clone();
        let urn = fleet.ask_for("oak");
        if name == "DiskSizeNotPossible" {
            in_yaml(&fleet, &urn, "diskSize: 20Gi", "diskSize: 50Gi");
        }
        arrange(&mut fleet.world(), &tenant);
        let errors = verdict(&mut fleet, &urn).await;
        let context = fleet.context();
        // A policy or template is used by several groups, and each is told.
        assert_eq!(errors[0].0, name, "{errors:?}\n{context}");
        assert!(errors[0].1.contains(text), "{context}");
        assert_nothing_made(&fleet, &urn);
    }
}

/// Goal: what only the request can mend is named by what to change in it.
#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_fit_the_site_is_named() {
    let template = |fleet: &Fleet| fleet.tenants[0].template.clone();
    for (seed, (name, from, to, text)) in (6_200..).zip(REQUESTS) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("{name}: {to}");
        assert!(
            template(&fleet).contains("v1.27.8"),
            "the table is of 1.27.8"
        );
        let urn = fleet.ask_for("oak");
        in_yaml(&fleet, &urn, from, to);
        let errors = verdict(&mut fleet, &urn).await;
        let context = fleet.context();
        assert!(
            errors
                .iter()
                .any(|(found, detail)| found == name && detail.contains(text)),
            "{errors:?}\n{context}"
        );
        assert_nothing_made(&fleet, &urn);
    }
}
