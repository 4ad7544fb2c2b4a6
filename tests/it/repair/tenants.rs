//! What tenants do to a creation while it runs: flags, and the bootstrap VM under the server's hands.

use cse_server::domain::ids::VappId;

use super::*;

#[tokio::test(start_paused = true)]
async fn the_flag_counts_as_it_stands_when_the_attempt_fails() {
    for (seed, (asked, then)) in (3_600..).zip([(false, true), (true, false)]) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("auto-repair {asked}, then {then}");
        let urn = if asked {
            fleet.ask_for_repaired("oak")
        } else {
            fleet.ask_for("oak")
        };
        fleet.world().fail_guest("oak", "workers", 1);
        fleet.start("a");
        let begun = |fleet: &Fleet| fleet.effect("vm.powered_on", &urn) == 1;
        assert!(fleet.until(HOUR, begun).await, "{}", fleet.context());
        set_repair(&fleet, &urn, then);
        let ended = |fleet: &Fleet| {
            fleet.is_in(&urn, "provisioned") || fleet.cluster(&urn).holder.as_deref() == Some("")
        };
        assert!(fleet.until(HOUR, ended).await, "{}", fleet.context());
        if then {
            fleet.assert_sound();
            assert_eq!(
                fleet.effect("vm.powered_on", &urn),
                2,
                "{}",
                fleet.context()
            );
        } else {
            assert_given_up(&fleet, &urn, &["BootstrapPhaseFailed"]);
        }
    }
}

/// Goal: auto-repair that is turned off while the failed attempt is cleaned up begins no further one.
#[tokio::test(start_paused = true)]
async fn auto_repair_turned_off_in_the_pause_begins_no_attempt() {
    let mut fleet = Fleet::quick(3_650);
    let urn = fleet.ask_for_repaired("oak");
    fleet.world().fail_guest("oak", "kind", 1);
    fleet.start("a");
    let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
    assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
    set_repair(&fleet, &urn, false);
    fleet.pass_time(HOUR).await;
    assert_given_up(&fleet, &urn, &["BootstrapPhaseFailed"]);
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        1,
        "{}",
        fleet.context()
    );
    assert_eq!(fleet.world().bootstrap_leftovers(), Vec::<String>::new());
}

/// Goal: a bootstrap VM that somebody switches off or deletes, early or late, costs an attempt at most.
#[tokio::test(start_paused = true)]
async fn a_bootstrap_vm_that_somebody_takes_away_costs_an_attempt() {
    let cases = [
        (true, "NetworkReady", "BootstrapVmLost"),
        (false, "NetworkReady", "BootstrapVmStopped"),
        (true, "ControlPlaneInitialized", "BootstrapVmLost"),
        (false, "ControlPlaneInitialized", "BootstrapVmStopped"),
    ];
    for (seed, (delete, moment, error)) in (3_700..).zip(cases) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("{error} after {moment}");
        let urn = fleet.ask_for_repaired("oak");
        fleet.start("a");
        let reached = |fleet: &Fleet| has_event(fleet, &urn, moment);
        assert!(fleet.until(HOUR, reached).await, "{}", fleet.context());
        let author = fleet.author().await;
        let vm = id_of(&bootstrap_vm(&fleet).unwrap());
        let task = author.undeploy_vm(&vm).await.unwrap();
        done(&fleet, &author, task).await;
        if delete {
            let vapp = fleet.content(&urn)["status"]["vcdKe"]["vcdResourceSet"][0]["id"].clone();
            let vapp = VappId::parse(vapp.as_str().unwrap()).unwrap();
            if author.vapp(&vapp).await.unwrap().deployed {
                let task = author.undeploy_vapp(&vapp).await.unwrap();
                done(&fleet, &author, task).await;
            }
            let deleted = author.delete_vapp(&vapp).await;
            if let Ok(task) = deleted {
                done(&fleet, &author, task).await;
            }
        }
        let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
        assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
        let named = fleet.errors(&urn)[0].0.clone();
        // A replica that looks before the vApp is gone sees a VM that is off.
        assert!(
            named == error || named == "BootstrapVmStopped",
            "{named}\n{}",
            fleet.context()
        );
        if named == "BootstrapVmLost" && moment == "ControlPlaneInitialized" {
            // It could be finished as well: a person decides.
            // What VCD was at work on comes to its end.
            fleet.pass_time(Duration::from_mins(10)).await;
            let built = nodes(&fleet);
            fleet.pass_time(HOUR).await;
            assert_given_up(&fleet, &urn, &["BootstrapVmLost"]);
            assert_eq!(nodes(&fleet), built, "{}", fleet.context());
            assert!(!built.is_empty(), "{}", fleet.context());
            continue;
        }
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_sound();
        assert_eq!(nodes(&fleet).len(), 4, "{}", fleet.context());
        assert_eq!(
            fleet.effect("vm.powered_on", &urn),
            2,
            "{}",
            fleet.context()
        );
        assert_no_leaks(&fleet);
    }
}

/// Goal: an operation that always fails is repeated, then repaired, then given up, and leaves nothing.
#[tokio::test(start_paused = true)]
async fn an_operation_that_never_succeeds_is_given_up_and_leaves_nothing() {
    for (seed, repaired) in (3_800..).zip([false, true]) {
        let mut fleet = Fleet::quick(seed);
        let urn = if repaired {
            fleet.ask_for_repaired("oak")
        } else {
            fleet.ask_for("oak")
        };
        fleet.pull(&json!({"fail_task": {"operation": "vdcRecomposeVapp"}}));
        fleet.start("a");
        let given_up = |fleet: &Fleet| {
            fleet.is_in(&urn, "error")
                && fleet.cluster(&urn).holder.as_deref() == Some("")
                && fleet.world().bootstrap_leftovers().is_empty()
        };
        assert!(fleet.until(6 * HOUR, given_up).await, "{}", fleet.context());
        let names: Vec<String> = fleet
            .errors(&urn)
            .into_iter()
            .map(|error| error.0)
            .collect();
        assert!(
            names.iter().all(|name| name.starts_with("VcdOperation")) && !names.is_empty(),
            "{names:?}\n{}",
            fleet.context()
        );
        assert_eq!(
            fleet.effect("vm.powered_on", &urn),
            0,
            "{}",
            fleet.context()
        );
        assert_eq!(fleet.cluster(&urn).auto_repair, Some(false));
    }
}
