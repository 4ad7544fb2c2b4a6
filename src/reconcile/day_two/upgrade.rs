//! Upgrades: asked for, under way, done.
//!
//! CAPVCD shows the new version as `current` from the moment the agent has applied it, and `ready`
//! once every machine has it. Clients drop `ready` when it is false: then an event of ours tells that
//! an upgrade is under way.

use super::{Ages, Facts, Findings, Note, pools};
use crate::domain::cluster::ClusterSpec;

const REQUESTED: &str = "ClusterUpgradeRequested";
const PROGRESS: &str = "ClusterUpgrading";
const DONE: &str = "ClusterUpgraded";

/// Finds out about the upgrade; the answer is whether one is under way.
pub(super) fn find(
    facts: &Facts,
    spec: &ClusterSpec,
    ages: &Ages<'_>,
    findings: &mut Findings,
) -> bool {
    let running = &facts.running;
    let (wanted, Some(current)) = (&spec.kubernetes_version, &running.version) else {
        return false;
    };
    let is_open = match facts.told.newest_about(&[REQUESTED, PROGRESS, DONE]) {
        Some((name, about)) => name != DONE && about == wanted,
        None => false,
    };
    let is_applied = current == wanted;
    let rolls = if let Some(ready) = running.upgrade_ready {
        !ready
    } else {
        let previous = running.previous_version.as_ref();
        is_open || previous.is_some_and(|previous| previous != current)
    };
    let settled = is_applied && !rolls && (!is_open || pools::all_complete(facts, spec));
    if settled || (facts.settling && is_applied) {
        if is_open && settled {
            let detail = format!("Every node has {wanted}.");
            findings.events.push(Note::new(DONE, wanted, &detail));
        }
        return false;
    }
    let text = if is_applied {
        let counts = pools::counts(facts, spec);
        format!("Upgrade to {wanted}: {counts}")
    } else {
        findings.unapplied = true;
        format!("Upgrade from {current} to {wanted}: not begun yet")
    };
    if !is_open {
        let from = running.previous_version.as_ref().filter(|_| is_applied);
        let from = from.unwrap_or(current);
        let detail = if from == wanted {
            format!("An upgrade to {wanted} is under way.")
        } else {
            format!("An upgrade from {from} to {wanted} is asked for.")
        };
        findings.events.push(Note::new(REQUESTED, wanted, &detail));
    } else if ages.may_report && is_applied {
        let progress = Note::new(PROGRESS, wanted, &format!("{text}."));
        let newest = facts.told.newest(&[REQUESTED, PROGRESS, DONE], wanted);
        if newest.is_none_or(|(_, told)| told != progress.detail) {
            findings.events.push(progress);
        }
    }
    findings.under_way.push(text);
    true
}
