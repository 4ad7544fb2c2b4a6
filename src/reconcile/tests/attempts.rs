//! Which failures lead to another attempt, and when it ends for good.

use super::*;

#[test]
fn attempts_are_bounded_and_only_repairable_causes_are_repeated() {
    let stopped = |auto_repair, incarnation| {
        edit(
            running(&[("tools", PhaseStatus::InProgress)], None),
            |seen| {
                seen.vm.as_mut().unwrap().power = Power::Off;
                seen.document.auto_repair = auto_repair;
                seen.document.incarnation = incarnation;
                seen.vapps[0].marker = Some(marker(incarnation));
                seen.vapps[0].vms[0].marker = Some(marker(incarnation));
            },
        )
    };
    let blocked = |reason: FailureReason| {
        edit(fresh(), |seen| {
            seen.document.auto_repair = true;
            seen.preparation = Err(reason);
        })
    };
    check(vec![
        (
            "auto-repair off",
            stopped(false, 1),
            fail(FailureReason::BootstrapVmStopped, false),
        ),
        (
            "auto-repair on",
            stopped(true, 1),
            fail(FailureReason::BootstrapVmStopped, true),
        ),
        (
            "second attempt",
            stopped(true, 2),
            fail(FailureReason::BootstrapVmStopped, true),
        ),
        (
            "last attempt",
            stopped(true, 3),
            fail(FailureReason::BootstrapVmStopped, false),
        ),
        (
            "a refused token does not heal",
            blocked(FailureReason::TokenMissing),
            fail(FailureReason::TokenMissing, false),
        ),
    ]);
}

#[test]
fn a_failing_operation_is_repeated_up_to_its_limit_and_a_refused_one_never() {
    let failing = TaskSeen::FailedForNow("busy".to_owned());
    check(vec![
        (
            "an operation failed for now",
            edit(fresh(), |seen| seen.task = failing.clone()),
            Decision::Act(Action::ComposeVapp),
        ),
        (
            "an operation failed too often",
            edit(fresh(), |seen| {
                seen.task = failing.clone();
                seen.action_failures = policy().max_action_failures;
            }),
            fail(FailureReason::OperationFailing("busy".to_owned()), false),
        ),
        (
            "an operation was refused",
            edit(fresh(), |seen| {
                seen.task = TaskSeen::Failed("no".to_owned());
            }),
            fail(FailureReason::OperationRefused("no".to_owned()), false),
        ),
    ]);
}
