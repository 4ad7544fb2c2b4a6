//! What a look costs, and what it does not cost a cluster when look-ups are refused or fail.

use cse_server::sim::faults::{Fault, Refusal, Target};

use super::HOUR;
use crate::support::fleet::Fleet;

/// Goal: what VCD does not show, or does not answer for long, keeps no cluster from being created.
#[tokio::test(start_paused = true)]
async fn a_look_up_that_is_refused_or_fails_for_ever_refuses_nothing() {
    let leaves = [
        "/rights",
        "usedIpAddresses",
        "/loadBalancer",
        "serviceEngineGroups",
        "/vdcStorageProfile/",
        "/admin/vdc/",
    ];
    let roots = [
        "/sessions/current",
        "/orgVdcNetworks/",
        "name%3D%3Doak",
        "/vdcStorageProfile/",
    ];
    // What is refused for the policies of a VDC is looked for by name; a failure is waited for.
    let policies = ["/computePolicies"];
    let worlds = [
        (Refusal::Forbidden, [&leaves[..], &policies].concat()),
        (Refusal::Forbidden, roots.to_vec()),
        (Refusal::ServerError, roots.to_vec()),
    ];
    for (seed, (refusal, paths)) in (6_900..).zip(worlds) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("{refusal:?} at {paths:?}");
        fleet.ask_for("oak");
        for path in &paths {
            let target = Target {
                path: Some((*path).to_owned()),
                caller: Some("a".to_owned()),
                times: u64::MAX,
                ..Target::default()
            };
            fleet.faults.arm(target, Fault::Refused(refusal));
        }
        fleet.start("a");
        fleet.until(HOUR, Fleet::all_provisioned).await;
        let armed = u64::try_from(paths.len()).unwrap();
        assert!(fleet.faults.struck() >= armed, "{}", fleet.context());
        fleet.assert_converged();
    }
}

/// Requests of a creation before its first effect, in order.
async fn requests_before_the_first_effect(fleet: &mut Fleet) -> Vec<String> {
    fleet.start("a");
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
    let lines = fleet.journal.lines();
    let calls = lines.iter().map(|line| {
        let call = line.split(" -> ").next().unwrap_or_default();
        call.split(' ').skip(2).collect::<Vec<_>>().join(" ")
    });
    calls
        .skip_while(|call| !call.contains("/oauth/tenant/"))
        .take_while(|call| !call.contains("composeVApp"))
        .collect()
}

/// Goal: the cost of a look is known, and it is paid once.
#[tokio::test(start_paused = true)]
async fn preflight_costs_a_known_number_of_requests() {
    let mut fleet = Fleet::quick(7_000);
    fleet.ask_for("oak");
    let calls = requests_before_the_first_effect(&mut fleet).await;
    let want = [
        "POST /oauth/tenant/{id}/token",
        "GET /api/query",
        "GET /api/vdc/{id}",
        "GET /cloudapi/1.0.0/sessions/current",
        "GET /cloudapi/1.0.0/roles/{id}/rights",
        "GET /cloudapi/1.0.0/entities/types/vmware/capvcdCluster",
        "GET /cloudapi/1.0.0/orgVdcNetworks/{id}",
        "GET /cloudapi/1.0.0/edgeGateways/{id}",
        "GET /cloudapi/1.0.0/edgeGateways/{id}/loadBalancer",
        "GET /cloudapi/1.0.0/loadBalancer/serviceEngineGroups/assignments",
        "GET /cloudapi/1.0.0/edgeGateways/{id}/usedIpAddresses",
        "GET /api/query",
        "GET /api/vAppTemplate/{id}",
        "GET /cloudapi/2.0.0/vdcs/{id}/computePolicies",
        "GET /api/vdcStorageProfile/{id}",
        // Because the request asks for disks of another size than the image's.
        "GET /api/admin/vdc/{id}",
    ];
    assert_eq!(calls, want, "{}", fleet.context());
}
