//! I8: what replicas may do depends on their claim, as far as they can know it.
//!
//! Flow: an effect counts as of the moment at which the replica sent its request, however late it came.
//!
//! Invariants:
//! - A replica that cannot renew stops itself in half the time after which others take over.
//! - An object that a replica has made after its last write it may remove again, whatever became of its
//!   claim: nobody else can know of it.
//! - Where the moment of sending is not known, as over HTTP, only what a replica has no claim for is judged.
//!
//! Source: rules R9, R10 and the timers of the protocol (`crate::domain::claim`).

use std::time::Duration;

use super::facts::{Facts, HoldOf};
use super::{Findings, Invariant};
use crate::clock::Moment;
use crate::sim::history::{Deed, Item, Machine, MachineChange, Written};

/// How long a request may have been decided on when the answer to another one comes in.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// How long a replica that was told to stop may work on, at most.
const HARD_STOP: Duration = Duration::from_secs(40);

/// Judges one entry of a replica.
pub(super) fn judge(facts: &Facts, findings: &mut Findings<'_>) {
    let entry = findings.entry;
    match &entry.deed {
        Deed::Machine(machine) => machine_effect(facts, machine, findings),
        Deed::Item(item) => item_effect(facts, item, findings),
        Deed::Gone { entity } => {
            if let Some(why) = denied(facts, entity, findings) {
                let what = format!("the cluster is removed by a replica {why}");
                findings.add(Invariant::I8, entity, what);
            }
        }
        Deed::Written(written) => record(facts, written, findings),
        Deed::Seen { .. } | Deed::Leaked { .. } | Deed::Started { .. } | Deed::Stopping { .. } => {}
    }
}

fn machine_effect(facts: &Facts, machine: &Machine, findings: &mut Findings<'_>) {
    let clusters = facts.clusters_of(machine);
    let marked = machine
        .marker()
        .map(|marker| marker.entity.as_str().to_owned());
    let Some(entity) = marked.as_ref().or_else(|| clusters.first()) else {
        return;
    };
    if machine.change == MachineChange::Deleted && is_own(facts, (machine, entity), findings) {
        return;
    }
    if let Some(why) = denied(facts, entity, findings) {
        let what = format!(
            "{} ({}): {:?} by a replica {why}",
            machine.name, machine.id, machine.change
        );
        findings.add(Invariant::I8, entity, what);
    }
}

fn item_effect(facts: &Facts, item: &Item, findings: &mut Findings<'_>) {
    let clusters = facts.clusters_of_item(item);
    if let Some(entity) = clusters.first()
        && let Some(why) = denied(facts, entity, findings)
    {
        let what = format!("{}: {} by a replica {why}", item.name, item.effect);
        findings.add(Invariant::I8, entity, what);
    }
}

/// Whether the replica has made the machine itself, since its last write.
fn is_own(facts: &Facts, (machine, entity): (&Machine, &str), findings: &Findings<'_>) -> bool {
    let caller = &findings.entry.by.caller;
    let made = facts
        .machines
        .get(&machine.id)
        .and_then(|known| known.made.as_ref());
    let Some((_, at)) = made.filter(|(maker, _)| maker == caller) else {
        return false;
    };
    let hold = facts
        .clusters
        .get(entity)
        .and_then(|cluster| cluster.holds.get(caller));
    hold.is_none_or(|hold| hold.sent <= *at)
}

/// Why the caller may not act on the cluster; nothing if it may.
fn denied(facts: &Facts, entity: &str, findings: &Findings<'_>) -> Option<String> {
    let by = &findings.entry.by;
    let cluster = facts.clusters.get(entity)?;
    let Some(hold) = cluster.holds.get(&by.caller) else {
        return Some("that never held it".to_owned());
    };
    let sent = by.sent?;
    let told = facts.stopping.get(&by.caller);
    if let Some(told) = told.filter(|told| sent > told.plus(HARD_STOP)) {
        return Some(format!(
            "that was told to stop {} before",
            secs(sent, *told)
        ));
    }
    denied_at(hold, sent)
}

fn denied_at(hold: &HoldOf, sent: Moment) -> Option<String> {
    if let Some(released) = hold.released.filter(|released| sent > *released) {
        return Some(format!("that had let go {} before", secs(sent, released)));
    }
    if let Some(lost) = hold.lost.filter(|lost| sent > lost.plus(UNDER_WAY)) {
        return Some(format!(
            "that knew of another holder for {}",
            secs(sent, lost)
        ));
    }
    let fence = hold.term / 2;
    (sent > hold.sent.plus(fence)).then(|| {
        format!(
            "whose last write was sent {} before; it stops itself after {} s",
            secs(sent, hold.sent),
            fence.as_secs()
        )
    })
}

fn secs(later: Moment, earlier: Moment) -> String {
    format!("{:.3} s", later.since(earlier).as_secs_f64())
}

/// A record follows the one it replaces: a higher epoch, or the same one and a higher sequence.
fn record(facts: &Facts, written: &Written, findings: &mut Findings<'_>) {
    let before = facts.clusters.get(&written.entity);
    let before = before.and_then(|cluster| cluster.look.as_ref());
    let was = before.and_then(|look| look.claim.heartbeat.as_ref());
    let is = written.look.claim.heartbeat.as_ref();
    let (Some(was), Some(is)) = (was, is) else {
        return;
    };
    // Resolving a cluster is a write that leaves the record as it is.
    let back = (is.epoch, is.seq) <= (was.epoch, was.seq) || is.incarnation < was.incarnation;
    // A tenant may have forged the highest epoch there is, which nothing can follow.
    if back && is != was && was.epoch != u64::MAX {
        let what = format!("the record {is} is written over {was}");
        findings.add(Invariant::I8, &written.entity, what);
    }
}
