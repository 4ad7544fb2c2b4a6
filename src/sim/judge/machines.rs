//! I1, I2, I3, I5, I6: what may become of vApps, VMs and everything else that a cluster has in VCD.
//!
//! Invariants:
//! - I2 holds whoever switched the machines on; the others are about replicas alone.
//! - An address that goes back to its IP space names no cluster: I6 does not judge it.
//!
//! Source: claim and marker as `crate::domain` has them; what CAPVCD, CPI and CSI write into names,
//! descriptions and metadata.

use std::collections::BTreeSet;

use super::facts::{Cluster, Facts};
use super::{Findings, Invariant, Verdict};
use crate::clock::Moment;
use crate::domain::marker::Marker;
use crate::sim::history::{Actor, Deed, Item, Machine, MachineChange, MachineKind, Written};

/// Effects that remove something besides vApps and VMs, and name the cluster that had it.
const REMOVALS: [&str; 6] = [
    "lb.vs.deleted",
    "lb.pool.deleted",
    "nat.deleted",
    "profile.deleted",
    "network.deleted",
    "disk.deleted",
];

/// Judges one entry.
pub(super) fn judge(facts: &Facts, findings: &mut Findings<'_>) {
    let entry = findings.entry;
    let by_replica = entry.by.actor == Actor::Replica;
    match &entry.deed {
        Deed::Machine(machine) => match machine.change {
            MachineChange::PoweredOn => powered_on(facts, machine, findings),
            MachineChange::Deleted if by_replica => deleted(facts, machine, findings),
            MachineChange::Created
            | MachineChange::PoweredOff
            | MachineChange::Changed
            | MachineChange::Deleted => {}
        },
        Deed::Item(item) if by_replica => removed(facts, item, findings),
        Deed::Written(written) if by_replica => adopted(facts, written, findings),
        Deed::Gone { entity } if by_replica => ended(facts, entity, findings),
        Deed::Item(_)
        | Deed::Written(_)
        | Deed::Gone { .. }
        | Deed::Seen { .. }
        | Deed::Leaked { .. }
        | Deed::Started { .. }
        | Deed::Stopping { .. } => {}
    }
}

fn powered_on(facts: &Facts, machine: &Machine, findings: &mut Findings<'_>) {
    let Some(marker) = machine.marker() else {
        return;
    };
    let entity = marker.entity.as_str();
    let others = facts.machines.iter().filter(|(id, other)| {
        let same = other
            .marker
            .as_ref()
            .is_some_and(|one| one.entity == marker.entity);
        same && other.kind == MachineKind::Vm && other.on && **id != machine.id
    });
    for (id, other) in others {
        let what = format!(
            "{} ({}) is switched on while {} ({id}) of the same cluster is on",
            machine.name, machine.id, other.name
        );
        findings.add(Invariant::I2, entity, what);
    }
    if findings.entry.by.actor != Actor::Replica {
        return;
    }
    let cluster = facts.clusters.get(entity);
    let before = cluster.and_then(|cluster| cluster.powered_on.get(&marker.incarnation));
    if let Some(other) = before.and_then(|vms| vms.iter().find(|id| **id != machine.id)) {
        let what = format!(
            "{} ({}) is switched on for incarnation {}, and so was {other}",
            machine.name, machine.id, marker.incarnation
        );
        findings.add(Invariant::I1, entity, what);
    }
}

fn deleted(facts: &Facts, machine: &Machine, findings: &mut Findings<'_>) {
    let clusters = facts.clusters_of(machine);
    let what = (machine.name.as_str(), machine.id.as_str());
    proven(facts, &clusters, (what, findings));
    let sent = findings.entry.by.sent.unwrap_or(findings.entry.at);
    let Some(Marker {
        entity,
        incarnation,
        ..
    }) = machine.marker()
    else {
        return;
    };
    let committed = |cluster: &&Cluster| cluster.committed.contains(&machine.id);
    let cluster = facts.clusters.get(entity.as_str());
    if let Some(cluster) = cluster.filter(committed)
        && machine.kind == MachineKind::Vm
        && !cluster.meant_to_remove(incarnation, sent)
    {
        let what = format!(
            "{} ({}) is committed for incarnation {incarnation}, and no intent to remove it was written before",
            machine.name, machine.id
        );
        findings.add(Invariant::I3, entity.as_str(), what);
    }
}

fn removed(facts: &Facts, item: &Item, findings: &mut Findings<'_>) {
    if REMOVALS.contains(&item.effect) {
        let clusters = facts.clusters_of_item(item);
        let what = (item.name.as_str(), item.effect);
        proven(facts, &clusters, (what, findings));
    }
}

/// Something of one of `clusters` was removed by a replica that must have held that cluster.
fn proven(
    facts: &Facts,
    clusters: &BTreeSet<String>,
    ((name, what), findings): ((&str, &str), &mut Findings<'_>),
) {
    let caller = &findings.entry.by.caller;
    let held = |urn: &String| {
        let cluster = facts.clusters.get(urn);
        cluster.is_some_and(|cluster| cluster.holds.contains_key(caller))
    };
    if clusters.iter().any(held) {
        return;
    }
    let (entity, what) = match clusters.first() {
        Some(urn) => (
            urn.clone(),
            format!("{name} ({what}) was removed by a replica that never held its cluster"),
        ),
        None => (
            String::new(),
            format!("{name} ({what}) was removed although nothing says that it is a cluster's"),
        ),
    };
    findings.add(Invariant::I6, &entity, what);
}

fn adopted(facts: &Facts, written: &Written, findings: &mut Findings<'_>) {
    let before = facts.clusters.get(&written.entity);
    let known = |id: &String| {
        let committed = before.and_then(|cluster| cluster.look.as_ref());
        committed.is_some_and(|look| look.committed.contains(id))
    };
    let look = &written.look;
    for id in look.committed.iter().filter(|id| !known(id)) {
        let Some(machine) = facts.machines.get(id) else {
            continue;
        };
        let marker = machine.marker.as_ref();
        if marker.is_none_or(|marker| marker.entity.as_str() != written.entity) {
            let what = format!(
                "{} ({id}) is adopted, and its marker is another one",
                machine.name
            );
            findings.add(Invariant::I6, &written.entity, what);
        }
    }
}

fn ended(facts: &Facts, entity: &str, findings: &mut Findings<'_>) {
    for (id, machine) in &facts.machines {
        if is_marked(machine.marker.as_ref(), entity) {
            let what = format!(
                "the cluster is removed while {} ({id}) with its marker exists",
                machine.name
            );
            findings.add(Invariant::I5, entity, what);
        }
    }
}

fn is_marked(marker: Option<&Marker>, entity: &str) -> bool {
    marker.is_some_and(|marker| marker.entity.as_str() == entity)
}

/// What exists at the end of clusters that replicas have removed, made after that.
pub(super) fn left_over(facts: &Facts, now: Moment) -> Vec<Verdict> {
    let mut found = Vec::new();
    for (id, machine) in &facts.machines {
        let entity = machine.marker.as_ref().map(|marker| marker.entity.as_str());
        let cluster = entity.and_then(|entity| facts.clusters.get(entity));
        let removed = cluster.filter(|cluster| cluster.look.is_none());
        let Some((replica, entity)) = removed
            .and_then(|cluster| cluster.removed_by.as_ref())
            .zip(entity)
        else {
            continue;
        };
        found.push(Verdict {
            invariant: Invariant::I5,
            entity: entity.to_owned(),
            at: now,
            number: 0,
            replica: replica.clone(),
            what: format!(
                "the {} {} ({id}) with its marker exists, and the cluster is gone",
                match machine.kind {
                    MachineKind::Vapp => "vApp",
                    MachineKind::Vm => "VM",
                },
                machine.name
            ),
        });
    }
    found
}
