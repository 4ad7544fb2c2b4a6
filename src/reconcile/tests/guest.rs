//! The guest at work: what it reports, what becomes of it, and what the tenant is told.

use super::*;

#[test]
fn a_guest_at_work_is_waited_for_within_the_time_of_its_phase() {
    use PhaseStatus::{Failed, InProgress, Successful};
    let failed = FailureReason::PhaseFailed {
        phase: "pivot".to_owned(),
        reason: "the bootstrap script ended with exit code 3".to_owned(),
    };
    check(vec![
        ("silent", running(&[], None), wait(WaitReason::Guest, 10)),
        (
            "at work",
            running(&[("tools", InProgress)], None),
            wait(WaitReason::Guest, 10),
        ),
        (
            "at work for too long",
            edit(running(&[("tools", InProgress)], None), |seen| {
                seen.phase_age = Duration::from_secs(601);
            }),
            fail(
                FailureReason::PhaseTimedOut {
                    phase: "tools".to_owned(),
                    minutes: 10,
                },
                false,
            ),
        ),
        (
            "slow, with signs of life",
            edit(running(&[("tools", InProgress)], None), |seen| {
                seen.phase_age = Duration::from_mins(10);
                seen.vm.as_mut().unwrap().silent_for = Some(Duration::from_mins(10));
            }),
            wait(WaitReason::Guest, 10),
        ),
        (
            "without a sign of life",
            edit(running(&[("tools", InProgress)], None), |seen| {
                seen.vm.as_mut().unwrap().silent_for = Some(Duration::from_secs(601));
            }),
            fail(
                FailureReason::BootstrapVmSilent {
                    phase: "tools".to_owned(),
                    minutes: 10,
                },
                false,
            ),
        ),
        (
            "failed",
            running(&[("tools", Successful), ("pivot", Failed)], Some(3)),
            fail(failed, false),
        ),
        (
            "switched off half way",
            edit(running(&[("tools", InProgress)], None), |seen| {
                seen.vm.as_mut().unwrap().power = Power::Off;
            }),
            fail(FailureReason::BootstrapVmStopped, false),
        ),
    ]);
}

#[test]
fn a_guest_that_came_through_waits_for_the_status_before_it_goes() {
    use PhaseStatus::Successful;
    let done = [("pivot", Successful), ("tools", Successful)];
    check(vec![
        (
            "through, status missing",
            running(&done, Some(0)),
            wait(WaitReason::ClusterStatus, 10),
        ),
        (
            "through, status never came",
            edit(running(&done, Some(0)), |seen| {
                seen.phase_age = Duration::from_secs(1201);
            }),
            fail(FailureReason::StatusIncomplete { minutes: 20 }, false),
        ),
        (
            "through and ready, not resolved",
            edit(running(&done, Some(0)), |seen| {
                seen.document.control_plane_ready = true;
                seen.cluster_vapps = vec![cluster_vapp(Proof::Marked, true)];
            }),
            Decision::Act(Action::ResolveEntity),
        ),
        (
            "complete",
            edit(running(&done, Some(0)), |seen| {
                seen.document.control_plane_ready = true;
                seen.document.resolved = true;
                seen.cluster_vapps = vec![cluster_vapp(Proof::Marked, true)];
            }),
            Decision::Commit(Change::BeginTeardown),
        ),
    ]);
}

#[test]
fn progress_is_reported_once_even_when_old_events_fell_out_of_the_window() {
    use PhaseStatus::{InProgress, Successful};
    let reported = |names: &[&str], phases: &[(&str, PhaseStatus)]| {
        edit(running(phases, None), |seen| {
            seen.document.reported = names.iter().map(|name| (*name).to_owned()).collect();
        })
    };
    let milestone = |phase, succeeded| Milestone { phase, succeeded };
    let both = [("tools", Successful), ("pivot", InProgress)];
    check(vec![
        (
            "nothing reported",
            reported(&[], &both),
            Decision::Commit(Change::ReportProgress(vec![
                milestone(0, false),
                milestone(0, true),
                milestone(1, false),
            ])),
        ),
        (
            "first phase reported",
            reported(&["ToolsBegun"], &both),
            Decision::Commit(Change::ReportProgress(vec![
                milestone(0, true),
                milestone(1, false),
            ])),
        ),
        (
            "earlier events are gone",
            reported(&["PivotBegun"], &both),
            wait(WaitReason::Guest, 10),
        ),
    ]);
}
