//! Which failures lead to another attempt, and when it ends for good.

use super::*;
use crate::reconcile::preflight::{PreflightProblem, Quoted};

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

#[test]
fn what_may_come_by_itself_is_waited_for_and_then_repaired() {
    let reason = unfinished();
    let waiting = || {
        edit(fresh(), |seen| {
            seen.document.auto_repair = true;
            seen.preparation = Err(unfinished());
        })
    };
    check(vec![
        (
            "for a time",
            waiting(),
            wait(WaitReason::NotYet(reason.clone()), 60),
        ),
        (
            "then it is a failure",
            edit(waiting(), |seen| seen.stage_age = policy().patience),
            fail(reason, true),
        ),
    ]);
}

#[test]
fn errors_of_attempts_outweigh_a_record_that_knows_fewer() {
    let told = |auto_repair, attempts| {
        edit(fresh(), |seen| {
            seen.document.auto_repair = auto_repair;
            seen.document.failed_attempts = attempts;
        })
    };
    check(vec![
        (
            "one failed before this one",
            edit(told(true, 1), |seen| seen.document.incarnation = 2),
            Decision::Act(Action::ComposeVapp),
        ),
        (
            "the record went back",
            told(true, 2),
            Decision::Commit(Change::RaiseIncarnation {
                incarnation: 3,
                epoch_at_least: 1,
                because: "the document was rolled back to an earlier version",
            }),
        ),
        (
            "none is left",
            told(true, 3),
            fail(FailureReason::AttemptsUsedUp(3), false),
        ),
        (
            "none is wanted",
            told(false, 1),
            fail(FailureReason::AttemptsUsedUp(1), false),
        ),
    ]);
}

#[test]
fn a_lost_bootstrap_is_made_again_until_the_guest_has_begun() {
    let what = "the committed bootstrap VM is gone";
    let lost = |begun: bool| {
        edit(with_vm(), |seen| {
            seen.vapps[0].vms.clear();
            seen.vm = None;
            seen.document.auto_repair = true;
            if begun {
                seen.document.reported = ["ToolsBegun".to_owned()].into();
            }
        })
    };
    let raised = Decision::Commit(Change::RaiseIncarnation {
        incarnation: 2,
        epoch_at_least: 1,
        because: what,
    });
    check(vec![
        ("before the guest has begun", lost(false), raised),
        (
            "after it has begun",
            lost(true),
            fail(FailureReason::BootstrapVmLost(what), true),
        ),
        (
            "for the last time",
            edit(lost(false), |seen| {
                seen.document.incarnation = 3;
                seen.vapps[0].marker = Some(marker(3));
            }),
            fail(FailureReason::BootstrapVmLost(what), false),
        ),
    ]);
}

/// A template that is still being copied.
fn unfinished() -> FailureReason {
    let name = Quoted::of("tkg");
    FailureReason::Preflight(vec![PreflightProblem::TemplateUnfinished { name }])
}

fn silent() -> FailureReason {
    FailureReason::BootstrapVmSilent {
        phase: "kind".to_owned(),
        minutes: 5,
    }
}

/// Every cause, with its class.
fn causes() -> Vec<(FailureReason, FailureClass)> {
    let (text, minutes) = (|| "x".to_owned(), 5);
    let disabled = PreflightProblem::VdcDisabled {
        name: Quoted::of("x"),
    };
    vec![
        (
            FailureReason::InvalidSpec(vec![text()]),
            FailureClass::Terminal,
        ),
        (FailureReason::TokenMissing, FailureClass::Terminal),
        (FailureReason::TokenRefused(text()), FailureClass::Terminal),
        (
            FailureReason::Preflight(vec![disabled]),
            FailureClass::Terminal,
        ),
        (FailureReason::NameTaken(text()), FailureClass::Terminal),
        (unfinished(), FailureClass::Transient),
        (
            FailureReason::OperationRefused(text()),
            FailureClass::Terminal,
        ),
        (
            FailureReason::OperationFailing(text()),
            FailureClass::Repairable,
        ),
        (FailureReason::BootstrapVmStopped, FailureClass::Repairable),
        (silent(), FailureClass::Repairable),
        (
            FailureReason::BootstrapVmLost("x"),
            FailureClass::Repairable,
        ),
        (
            FailureReason::PhaseFailed {
                phase: text(),
                reason: text(),
            },
            FailureClass::Repairable,
        ),
        (
            FailureReason::PhaseTimedOut {
                phase: text(),
                minutes,
            },
            FailureClass::Repairable,
        ),
        (
            FailureReason::StatusIncomplete { minutes },
            FailureClass::Repairable,
        ),
        (FailureReason::RollbackDetected, FailureClass::Terminal),
        (FailureReason::AttemptsUsedUp(3), FailureClass::Terminal),
        (
            FailureReason::CleanupBlocked(text()),
            FailureClass::Terminal,
        ),
    ]
}

/// Goal: a cause has one class, a name of its own and a hint, and the class decides about repetition.
#[test]
fn every_cause_has_a_class_a_name_and_a_hint() {
    let causes = causes();
    let names: BTreeSet<&str> = causes.iter().map(|(cause, _)| cause.name()).collect();
    assert_eq!(names.len(), causes.len(), "a name is used twice");
    for (cause, class) in causes {
        assert_eq!(cause.class(), class, "{cause:?}");
        assert_eq!(
            cause.is_repairable(),
            class != FailureClass::Terminal,
            "{cause:?}"
        );
        if matches!(cause, FailureReason::Preflight(_)) {
            // Each of its problems says what to do.
            continue;
        }
        let said = cause.to_string();
        assert!(said.ends_with(&format!("; {}", cause.hint())), "{said}");
        assert!(
            cause.hint().len() > 20 && !cause.hint().ends_with('.'),
            "{said}"
        );
    }
}
