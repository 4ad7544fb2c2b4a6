//! Creations that cannot work: every reason is named with what to do, at once, and nothing is made.
//!
//! Method: a world in which one thing is missing, a request, one replica; then the entity's errors and
//! what the world holds are looked at.

mod cost;
mod worlds;

use std::sync::Arc;
use std::time::Duration;

use cse_server::sim::control::NewUser;
use cse_server::sim::seed::VdcLimits;
use cse_server::sim::transport::InProcess;
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use secrecy::SecretString;
use serde_json::json;

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);
/// Long enough for a verdict, far too short for a creation.
const SOON: Duration = Duration::from_mins(2);

/// What a role made by hand needs at least, the right to work on others' entities left out.
const LEAST_RIGHTS: [&str; 19] = [
    "Access All Organization VDCs",
    "API Tokens: Manage",
    "Catalog: Add vApp from My Cloud",
    "Catalog: View Private and Shared Catalogs",
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
    "vApp: Edit VM Compute Policy",
    "vApp: Edit VM Hard Disk",
    "vApp: Edit VM Properties",
    "vApp: Power Operations",
    "vmware:capvcdCluster: Full Access",
];

fn in_yaml(fleet: &Fleet, urn: &str, from: &str, to: &str) {
    fleet.change(urn, |content| {
        let yaml = content["spec"]["capiYaml"].as_str().unwrap();
        assert!(yaml.contains(from), "{from} is in no request\n{yaml}");
        content["spec"]["capiYaml"] = json!(yaml.replace(from, to));
    });
}

fn set_token(fleet: &Fleet, urn: &str, token: &str) {
    fleet.change(urn, |content| {
        content["spec"]["vcdKe"]["secure"]["apiToken"] = json!(token);
    });
}

/// Nothing of the cluster exists, and nothing was tried.
fn assert_nothing_made(fleet: &Fleet, urn: &str) {
    let context = fleet.context();
    assert_eq!(fleet.effect("vapp.composed", urn), 0, "{context}");
    let vms = fleet.world().vms();
    assert!(vms.is_empty(), "{} VMs\n{context}", vms.len());
    let left = fleet.world().bootstrap_leftovers();
    assert!(left.is_empty(), "{left:?}\n{context}");
    let lines = fleet.journal.lines();
    let tried = lines.iter().find(|line| line.contains("/action/"));
    assert_eq!(tried, None, "{context}");
}

/// Lets one replica judge the cluster and gives the names and texts of its errors.
async fn verdict(fleet: &mut Fleet, urn: &str) -> Vec<(String, String)> {
    fleet.start("a");
    let failed = fleet.until(SOON, |fleet| fleet.is_in(urn, "error")).await;
    assert!(failed, "no verdict\n{}", fleet.context());
    let status = fleet.content(urn)["status"].clone();
    assert_eq!(
        status["capvcd"]["errorSet"],
        status["vcdKe"]["errorSet"],
        "Terraform reads the mirror\n{}",
        fleet.context()
    );
    assert_eq!(fleet.cluster(urn).holder.as_deref(), Some(""));
    fleet.errors(urn)
}

#[tokio::test(start_paused = true)]
async fn tokens_of_the_wrong_people_are_named() {
    let mut fleet = Fleet::quick(6_300);
    let urn = fleet.ask_for("oak");
    let token = fleet.access.administrator_token.clone();
    set_token(&fleet, &urn, &token);
    let errors = verdict(&mut fleet, &urn).await;
    assert_eq!(errors[0].0, "ApiTokenOfSystemAdministrator", "{errors:?}");
    assert!(errors[0].1.contains("a user of organization \"acme\""));
    assert!(!fleet.context().contains(&token), "the token is in a text");
    assert_nothing_made(&fleet, &urn);

    let mut fleet = Fleet::quick(6_301);
    let urn = fleet.ask_for("oak");
    let user = NewUser {
        org: "acme",
        name: "passer-by",
        role: "Handmade",
        rights: &LEAST_RIGHTS,
        api_token: Some("passer-by-token"),
        ..NewUser::default()
    };
    fleet.world().add_user(user).unwrap();
    set_token(&fleet, &urn, "passer-by-token");
    let errors = verdict(&mut fleet, &urn).await;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].0, "ApiTokenOfAnotherUser", "{errors:?}");
    assert!(errors[0].1.contains("\"passer-by\""), "{errors:?}");
    assert_nothing_made(&fleet, &urn);
}

/// Goal: one try tells everything, each as an error of its own.
#[tokio::test(start_paused = true)]
async fn all_problems_are_told_together() {
    let mut fleet = Fleet::quick(6_400);
    let tenant = fleet.tenants[0].clone();
    let urn = fleet.ask_for("oak");
    in_yaml(&fleet, &urn, "storageProfile: gold", "storageProfile: lead");
    let limits = VdcLimits {
        vms: 1,
        ..VdcLimits::default()
    };
    fleet.world().limit_vdc(&tenant, limits);
    fleet.world().limit_pool(&tenant, 1);
    fleet.world().enable_load_balancing(&tenant, false);
    fleet
        .world()
        .withdraw_rights(&tenant.author, &["vApp: Power Operations"]);
    let errors = verdict(&mut fleet, &urn).await;
    let mut names: Vec<&str> = errors.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "LoadBalancerDisabled",
            "NetworkAddressesExhausted",
            "RightsMissing",
            "StorageProfileNotFound",
            "VmQuotaExceeded",
        ],
        "{}",
        fleet.context()
    );
    assert_nothing_made(&fleet, &urn);
    let events = fleet.event_names(&urn);
    assert!(events.iter().any(|name| name == "ClusterCreationFailed"));
}

/// Goal: names of tenants cannot break an error text or grow it without bound.
#[tokio::test(start_paused = true)]
async fn hostile_names_are_cut_and_escaped() {
    let mut fleet = Fleet::quick(6_500);
    let urn = fleet.ask_for("oak");
    let hostile = format!("'x\"; $(reboot) <b> \u{202e} {}'", "y".repeat(150));
    in_yaml(
        &fleet,
        &urn,
        "ovdcNetwork: acme-net",
        &format!("ovdcNetwork: {hostile}"),
    );
    let errors = verdict(&mut fleet, &urn).await;
    let (name, detail) = &errors[0];
    assert_eq!(name, "NetworkNotFound", "{errors:?}");
    assert!(detail.contains("x\\\"; $(reboot)"), "{detail}");
    assert!(!detail.contains('\u{202e}'), "{detail}");
    assert!(detail.contains("yyy...\""), "{detail}");
    assert!(detail.len() < 400, "{detail}");
    assert_nothing_made(&fleet, &urn);
}

/// Goal: of two clusters of one name in an organization one is created; elsewhere the name is free.
#[tokio::test(start_paused = true)]
async fn a_name_is_given_to_one_cluster_of_an_organization() {
    let mut fleet = Fleet::quick(6_600);
    // Tenants take turns: the second one is of another organization.
    let urns = [0, 1, 2].map(|_| fleet.ask_for("oak"));
    fleet.start("a");
    fleet.start("b");
    let settled = |fleet: &Fleet| {
        let is = |urn: &String, state| fleet.is_in(urn, state);
        urns.iter()
            .all(|urn| is(urn, "provisioned") || is(urn, "error"))
    };
    assert!(fleet.until(HOUR, settled).await, "{}", fleet.context());
    let context = fleet.context();
    assert!(fleet.is_in(&urns[1], "provisioned"), "{context}");
    let [first, second] = [&urns[0], &urns[2]];
    let (winner, loser) = if fleet.is_in(first, "provisioned") {
        (first, second)
    } else {
        (second, first)
    };
    assert!(fleet.is_in(winner, "provisioned"), "{context}");
    let errors = fleet.errors(loser);
    assert_eq!(errors.len(), 1, "{context}");
    assert_eq!(errors[0].0, "ClusterNameTaken", "{context}");
    assert!(errors[0].1.contains(winner.as_str()), "{errors:?}");
    assert_eq!(fleet.effect("vapp.composed", loser), 0, "{context}");
    // The name stays taken while its cluster runs, and a cluster that failed does not hold it.
    let late = fleet.ask_for("elm");
    let third = fleet.ask_for("oak");
    let refused = |fleet: &Fleet| fleet.is_in(&third, "error");
    assert!(fleet.until(SOON, refused).await, "{}", fleet.context());
    let errors = fleet.errors(&third);
    assert!(errors[0].1.contains(winner.as_str()), "{errors:?}");
    let done = |fleet: &Fleet| fleet.is_in(&late, "provisioned");
    assert!(fleet.until(HOUR, done).await, "{}", fleet.context());
}

#[tokio::test(start_paused = true)]
async fn a_vapp_of_somebody_else_is_in_the_way() {
    for (seed, name) in (6_700..).zip(["oak", "oak_ephemeral_vapp"]) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("a vApp {name}");
        let tenant = fleet.tenants[0].clone();
        let transport = InProcess::new(
            Arc::clone(&fleet.world),
            fleet.clock.clone(),
            Arc::clone(&fleet.faults),
        );
        let login = Login {
            org: tenant.org.clone(),
            token: SecretString::from(tenant.api_token.clone()),
        };
        let client = VcdClient::connect(Arc::new(transport), login, ClientOptions::default());
        let client = client.await.unwrap();
        let vdc = client.find_vdcs(&tenant.vdc).await.unwrap().remove(0);
        client.compose_vapp(&vdc.id, name, "mine").await.unwrap();
        let urn = fleet.ask_for("oak");
        let errors = verdict(&mut fleet, &urn).await;
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].0, "VappNameTaken", "{errors:?}");
        let named = format!("\"{name}\"");
        assert!(errors[0].1.contains(&named), "{errors:?}");
        let mine = client.vdc(&vdc.id).await.unwrap().vapps;
        assert_eq!(mine.len(), 1, "it is somebody's\n{}", fleet.context());
    }
}

/// Goal: what heals by itself is waited for with auto-repair, attempt by attempt.
#[tokio::test(start_paused = true)]
async fn with_auto_repair_a_quota_is_waited_for_and_a_missing_right_is_not() {
    let mut fleet = Fleet::quick(6_800);
    let tenant = fleet.tenants[0].clone();
    let urn = fleet.ask_for_repaired("oak");
    let limits = VdcLimits {
        vms: 2,
        ..VdcLimits::default()
    };
    fleet.world().limit_vdc(&tenant, limits);
    fleet.start("a");
    let failed = fleet.until(SOON, |fleet| fleet.is_in(&urn, "error")).await;
    assert!(failed, "{}", fleet.context());
    assert_nothing_made(&fleet, &urn);
    fleet.world().limit_vdc(&tenant, VdcLimits::default());
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_sound();
    assert_eq!(fleet.effect("vapp.composed", &urn), 1);
    assert_eq!(fleet.errors(&urn), [], "{}", fleet.context());

    let mut fleet = Fleet::quick(6_801);
    let tenant = fleet.tenants[0].clone();
    let urn = fleet.ask_for_repaired("oak");
    fleet.world().limit_vdc(&tenant, limits);
    fleet
        .world()
        .withdraw_rights(&tenant.author, &["vApp: Power Operations"]);
    let errors = verdict(&mut fleet, &urn).await;
    assert_eq!(errors.len(), 2, "{}", fleet.context());
    fleet.pass_time(HOUR).await;
    assert_eq!(fleet.errors(&urn).len(), 2, "{}", fleet.context());
    assert_nothing_made(&fleet, &urn);
}
