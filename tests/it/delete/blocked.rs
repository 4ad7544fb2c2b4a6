//! Deletions that cannot go on: what the tenant is told, what stays, and how they end.

use std::time::Duration;

use cse_server::domain::ids::VmId;
use cse_server::sim::faults::{Fault, Refusal, Target};
use cse_server::sim::transport::InProcess;
use cse_server::vcd::VcdClient;
use cse_server::vcd::model::NewVm;
use http::Method;
use serde_json::json;

use super::{HOUR, How, assert_clean, belongings, is_gone, mark, names, provisioned, until_gone};
use crate::support::fleet::Fleet;

async fn until_error(fleet: &Fleet, urn: &str, error: &str) {
    let told = |fleet: &Fleet| {
        names(fleet, urn, "errorSet")
            .iter()
            .any(|name| name == error)
    };
    let seen = fleet.until(HOUR, told).await;
    assert!(seen, "{error} of {urn}\n{}", fleet.context());
}

/// Goal: without a good token the deletion waits, says so once, costs little, and goes on with a new one.
#[tokio::test(start_paused = true)]
async fn a_dead_token_is_waited_for_and_a_new_one_is_used() {
    let mut fleet = provisioned(3_300, &["oak"]).await;
    fleet.start("b");
    let urn = fleet.urns[0].clone();
    let tenant = fleet.tenants[0].clone();
    let user = json!({"org": tenant.org, "user": tenant.author, "replace": true});
    let answer = fleet.pull(&json!({"revoke_token": user}));
    let before = belongings(&fleet, "oak", &urn);
    mark(&fleet, &urn, How::Forced);
    until_error(&fleet, &urn, "ApiTokenRefused").await;
    fleet.pass_time(HOUR).await;
    fleet.sent.clear();
    fleet.pass_time(HOUR).await;
    let writes = fleet
        .sent
        .lines()
        .iter()
        .filter(|line| line.starts_with("PUT"))
        .count();
    assert!(writes < 24, "{writes} writes\n{}", fleet.context());
    assert!(fleet.is_in(&urn, "deleting"));
    assert_eq!(
        names(&fleet, &urn, "errorSet"),
        ["ApiTokenRefused"],
        "told once"
    );
    let events = names(&fleet, &urn, "eventSet");
    let blocked = events
        .iter()
        .filter(|name| *name == "ClusterDeletionBlocked")
        .count();
    assert_eq!(blocked, 1, "{events:?}");
    assert_eq!(
        belongings(&fleet, "oak", &urn),
        before,
        "nothing is touched"
    );
    let (_, text) = &fleet.errors(&urn)[0];
    assert!(text.contains("spec.vcdKe.secure.apiToken"), "{text}");

    let token = answer["api_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    fleet.change(&urn, |content| {
        content["spec"]["vcdKe"]["secure"]["apiToken"] = json!(token);
    });
    until_gone(&fleet, &urn).await;
    assert_clean(&fleet, &[]);
}

/// Goal: a plain deletion stops at what cannot be removed; a forced one removes the rest; both end when it can.
#[tokio::test(start_paused = true)]
async fn what_vcd_refuses_to_remove_stops_plain_deletions_and_is_left_by_forced_ones() {
    for (seed, how) in (3_310..).zip([How::Plain, How::Forced]) {
        let fleet = provisioned(seed, &["oak"]).await;
        let urn = fleet.urns[0].clone();
        fleet.service("oak", "web", &[80, 443]).await;
        let refused = Target {
            method: Some(Method::DELETE),
            path: Some("/loadBalancer/pools/".to_owned()),
            times: u64::MAX,
            ..Target::default()
        };
        fleet.faults.arm(refused, Fault::Refused(Refusal::Busy));
        mark(&fleet, &urn, how);
        until_error(&fleet, &urn, "ResourceNotRemoved").await;
        fleet.pass_time(Duration::from_mins(20)).await;
        let left = belongings(&fleet, "oak", &urn);
        let machines = left.iter().filter(|name| name.starts_with("VM ")).count();
        let pools = left
            .iter()
            .filter(|name| name.starts_with("lb-pool "))
            .count();
        let services = left
            .iter()
            .filter(|name| name.starts_with("virtual-service "))
            .count();
        match how {
            How::Plain => {
                assert_eq!((machines, pools, services), (4, 3, 1), "{left:?}");
                assert_eq!(fleet.errors(&urn).len(), 1, "{:?}", fleet.errors(&urn));
            }
            How::Forced => {
                assert_eq!((machines, pools, services), (0, 3, 0), "{left:?}");
                assert_eq!(fleet.errors(&urn).len(), 3, "{:?}", fleet.errors(&urn));
            }
        }
        assert!(fleet.is_in(&urn, "deleting"));
        fleet.faults.disarm();
        until_gone(&fleet, &urn).await;
        assert_clean(&fleet, &[]);
    }
}

/// Goal: an owner without the right to see load balancers is told, and the cluster stays.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_seen_is_not_believed_to_be_gone() {
    let fleet = provisioned(3_320, &["oak"]).await;
    let urn = fleet.urns[0].clone();
    let hidden = Target {
        path: Some("/loadBalancer/poolSummaries".to_owned()),
        times: u64::MAX,
        ..Target::default()
    };
    fleet.faults.arm(hidden, Fault::Malformed);
    mark(&fleet, &urn, How::Plain);
    until_error(&fleet, &urn, "ResourcesNotVisible").await;
    let machines = |fleet: &Fleet| {
        let all = belongings(fleet, "oak", &urn);
        all.iter().filter(|name| name.starts_with("VM ")).count()
    };
    assert_eq!(
        machines(&fleet),
        4,
        "a plain deletion does not begin what it cannot end"
    );
    mark(&fleet, &urn, How::Forced);
    let gone = |fleet: &Fleet| machines(fleet) == 0;
    assert!(fleet.until(HOUR, gone).await, "{}", fleet.context());
    fleet.pass_time(HOUR).await;
    assert!(!is_gone(&fleet, &urn), "{}", fleet.context());
    fleet.faults.disarm();
    until_gone(&fleet, &urn).await;
    assert_clean(&fleet, &[]);
}

/// Goal: somebody else's machine in the cluster's vApp is never deleted.
#[tokio::test(start_paused = true)]
async fn somebody_elses_machine_in_the_vapp_survives_and_keeps_the_cluster() {
    for (seed, how) in (3_330..).zip([How::Plain, How::Forced]) {
        let fleet = provisioned(seed, &["oak"]).await;
        let urn = fleet.urns[0].clone();
        let client = fleet.author().await;
        let stranger = add_stranger(&fleet, &client).await;
        mark(&fleet, &urn, how);
        until_error(&fleet, &urn, "ForeignVmInClusterVapp").await;
        fleet.pass_time(HOUR).await;
        let left = belongings(&fleet, "oak", &urn);
        assert!(left.contains("VM guest POWERED_OFF"), "{left:?}");
        let machines = left.iter().filter(|name| name.starts_with("VM ")).count();
        assert_eq!(machines, if how == How::Plain { 5 } else { 1 }, "{left:?}");
        client.delete_vm(&stranger).await.unwrap();
        until_gone(&fleet, &urn).await;
        assert_clean(&fleet, &[]);
    }
}

/// Puts a machine of the tenant's own into the vApp of `oak`; its id.
async fn add_stranger(fleet: &Fleet, client: &VcdClient<InProcess>) -> VmId {
    let tenant = fleet.tenants[0].clone();
    let vdc = client.find_vdcs(&tenant.vdc).await.unwrap().remove(0).id;
    let found = client.vdc(&vdc).await.unwrap().vapps;
    let vapp = found
        .into_iter()
        .find(|vapp| vapp.name == "oak")
        .unwrap()
        .id;
    let template = client.find_templates(&tenant.catalog, &tenant.template);
    let template = client.template(&template.await.unwrap()[0]).await.unwrap();
    let new = NewVm {
        name: "guest".to_owned(),
        description: "the tenant's own".to_owned(),
        computer_name: "guest".to_owned(),
        template_vm_href: template.vm_href,
        network: tenant.network,
        sizing_policy_urn: None,
        storage_profile_href: None,
        customization_script: String::new(),
    };
    client.add_vm(&vapp, &new).await.unwrap();
    fleet.pass_time(Duration::from_mins(10)).await;
    let vms = client.vapp(&vapp).await.unwrap().vms;
    vms.into_iter().find(|vm| vm.name == "guest").unwrap().id
}

/// Goal: what a tenant has removed by hand is no obstacle, and what only has the cluster's name is not touched.
#[tokio::test(start_paused = true)]
async fn a_vapp_deleted_by_hand_leaves_nothing_and_a_look_alike_stays() {
    let fleet = provisioned(3_340, &["oak"]).await;
    let urn = fleet.urns[0].clone();
    fleet.service("oak", "web", &[80, 443]).await;
    let client = fleet.author().await;
    let vdc = client.find_vdcs("acme-vdc").await.unwrap().remove(0).id;
    let found = client.vdc(&vdc).await.unwrap().vapps;
    let vapp = found
        .into_iter()
        .find(|vapp| vapp.name == "oak")
        .unwrap()
        .id;
    client.undeploy_vapp(&vapp).await.unwrap();
    fleet.pass_time(Duration::from_mins(5)).await;
    client.delete_vapp(&vapp).await.unwrap();
    fleet.pass_time(Duration::from_mins(5)).await;
    assert_eq!(fleet.world().vapps(), Vec::<String>::new());
    client
        .compose_vapp(&vdc, "oak", "a vApp of the tenant")
        .await
        .unwrap();
    mark(&fleet, &urn, How::Plain);
    until_gone(&fleet, &urn).await;
    assert_eq!(fleet.world().vapps(), ["oak"], "the look-alike stays");
    assert_eq!(fleet.world().network_objects(), Vec::<String>::new());
    assert_clean(&fleet, &[]);
}
