//! I4, I7, I9, I10, I11: what replicas may write into documents and send.
//!
//! Invariants:
//! - The document of before is the one that the write replaced, so an update of another writer that a write
//!   undid shows as a change of what the replica does not own.
//! - A health check is the one thing a server changes in `spec.capiYaml`, and of provisioned clusters only.
//!
//! Source: the fields a server owns and the states clients know, as go-vcloud-director reads them.

use std::sync::Arc;

use super::facts::{Cluster, Facts};
use super::{Findings, Invariant};
use crate::domain::claim::ClaimPhase;
use crate::domain::status::ClusterState;
use crate::sim::entities::look::{Look, Said};
use crate::sim::history::Deed;

/// Longest event or error set that a server leaves behind, in entries.
const WINDOW: usize = 40;

/// The event that says that a document went back in time.
const ROLLED_BACK: &str = "RollbackDetected";

/// Judges one entry of a replica.
pub(super) fn judge(facts: &Facts, findings: &mut Findings<'_>) {
    let entry = findings.entry;
    match &entry.deed {
        Deed::Written(written) => {
            if let Some(cluster) = facts.clusters.get(&written.entity)
                && let Some(before) = &cluster.look
            {
                let pair = (before.as_ref(), written.look.as_ref());
                let mut add = |invariant, what| findings.add(invariant, &written.entity, what);
                if let Some(what) = foreign_change(pair) {
                    add(Invariant::I4, what);
                }
                if let Some(what) = forbidden_edge(pair) {
                    add(Invariant::I7, what);
                }
                for what in said_wrongly(pair)
                    .into_iter()
                    .chain(said_twice(cluster, pair))
                {
                    add(Invariant::I11, what);
                }
            }
        }
        Deed::Leaked {
            secret,
            entity,
            endpoint,
        } => {
            let invariant = if entity.is_empty() {
                Invariant::I10
            } else {
                Invariant::I9
            };
            findings.add(invariant, entity, format!("{endpoint} holds a {secret}"));
        }
        Deed::Gone { .. }
        | Deed::Seen { .. }
        | Deed::Machine(_)
        | Deed::Item(_)
        | Deed::Started { .. }
        | Deed::Stopping { .. } => {}
    }
}

/// What a server does not own and changed nevertheless.
fn foreign_change((before, after): (&Look, &Look)) -> Option<String> {
    let (was, is) = (&before.parts, &after.parts);
    let provisioned = [before, after].map(|look| state(look) == ClusterState::Provisioned);
    let rows = [
        ("spec", was.spec != is.spec),
        (
            "spec.capiYaml",
            was.capi_yaml != is.capi_yaml && provisioned != [true, true],
        ),
        // A new attempt forgets what the controllers of the last one have said.
        (
            "status.capvcd",
            was.capvcd != is.capvcd && is.capvcd.is_some(),
        ),
        (
            "status.capvcd.private",
            was.kubeconfig != is.kubeconfig && is.kubeconfig.is_some(),
        ),
        ("status.cpi", was.cpi != is.cpi && is.cpi.is_some()),
        ("something else", was.rest != is.rest),
    ];
    let changed: Vec<&str> = rows.iter().filter(|row| row.1).map(|row| row.0).collect();
    (!changed.is_empty()).then(|| {
        format!(
            "the write of revision {} changes {}, which is not the server's",
            after.revision,
            changed.join(", ")
        )
    })
}

fn state(look: &Look) -> ClusterState {
    ClusterState::from_wire(&look.state)
}

/// The change of the state, if no decision leads from the one to the other.
fn forbidden_edge((before, after): (&Look, &Look)) -> Option<String> {
    use ClusterState as S;
    let (from, to) = (state(before), state(after));
    if before.state == after.state {
        return None;
    }
    let wants_deletion = before.marked || before.claim.phase() == ClaimPhase::Deleting;
    let over = before.claim.phase() == ClaimPhase::Done;
    let rolled_back = added(&before.sets.events.value, &after.sets.events.value)
        .iter()
        .any(|said| said.name == ROLLED_BACK);
    let allowed = match (from, to) {
        (S::Unclaimed | S::Provisioning, S::Provisioning | S::Error | S::Provisioned) => true,
        // An attempt that failed is followed by the next one; when none follows, its record is at its end.
        (S::Error, S::Provisioning) => rolled_back || !over,
        (S::Error, S::Provisioned) => before.ready,
        // Only a document that went back to before the deletion ends one.
        (_, S::Error) => rolled_back,
        (_, S::Deleting) => wants_deletion,
        (_, S::Provisioned | S::Provisioning | S::Unclaimed | S::Unknown) => false,
    };
    (!allowed).then(|| {
        format!(
            "the state goes from \"{}\" to \"{}\" (phase {}, marked for deletion: {})",
            before.state,
            after.state,
            before.claim.phase().as_str(),
            before.marked
        )
    })
}

/// Entries of `after` that `before` has not, or not as often.
pub(super) fn added<'s>(before: &Arc<Vec<Said>>, after: &'s Arc<Vec<Said>>) -> Vec<&'s Said> {
    if Arc::ptr_eq(before, after) {
        return Vec::new();
    }
    let mut left: Vec<&Said> = before.iter().collect();
    let mut new = Vec::new();
    for said in after.iter() {
        match left.iter().position(|old| *old == said) {
            Some(at) => {
                left.swap_remove(at);
            }
            None => new.push(said),
        }
    }
    new
}

/// Events and errors that stand there already, and sets that are too long.
fn said_wrongly((before, after): (&Look, &Look)) -> Vec<String> {
    let sets = [
        ("event", &before.sets.events.value, &after.sets.events.value),
        ("error", &before.sets.errors.value, &after.sets.errors.value),
    ];
    let mut found = Vec::new();
    for (kind, was, is) in sets {
        let new = added(was, is);
        if !new.is_empty() && is.len() > WINDOW {
            found.push(format!("the {kind} set has {} entries", is.len()));
        }
        for said in new {
            let again = |old: &&Said| {
                let same = old.name == said.name && old.resource == said.resource;
                // A phase of a bootstrap VM begins and ends once, whatever is told of it.
                let of_object = kind == "event" && !said.resource.is_empty();
                let alike = old.about == said.about && old.details == said.details;
                same && (of_object || alike && (kind == "error" || old.at == said.at))
            };
            if let Some(old) = was.iter().find(again) {
                found.push(format!(
                    "the {kind} {} of {} is recorded again, it stands there since {}",
                    said.name, said.at, old.at
                ));
            }
        }
    }
    found
}

/// Events about no object that this holder has recorded before in the same attempt: what was dropped from
/// the window, or repeated because an answer was lost, counts too.
fn said_twice(cluster: &Cluster, (before, after): (&Look, &Look)) -> Vec<String> {
    let creates = match after.claim.phase() {
        ClaimPhase::Pending | ClaimPhase::Creating | ClaimPhase::Teardown => true,
        ClaimPhase::Done | ClaimPhase::Deleting => false,
    };
    if !creates || !cluster.said.is_of(after) {
        return Vec::new();
    }
    let new = added(&before.sets.events.value, &after.sets.events.value);
    let again = new.into_iter().filter(|said| said.resource.is_empty());
    again
        .filter(|said| cluster.said.has(said))
        .map(|said| format!("the event {} of {} was recorded before", said.name, said.at))
        .collect()
}
