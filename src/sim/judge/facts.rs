//! What the history has told so far, as far as rules depend on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::documents::added;
use crate::clock::Moment;
use crate::domain::claim::{ClaimPhase, Hold};
use crate::domain::marker::Marker;
use crate::sim::entities::look::{Look, Said};
use crate::sim::history::{Actor, Deed, Entry, Item, Machine, MachineChange, MachineKind, Written};

/// Clusters that are remembered after their end.
pub(super) const MAX_GONE: usize = 1_000;
/// Versions of a document whose holders are remembered.
const MAX_VERSIONS: usize = 64;

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// By URN.
    pub(super) clusters: BTreeMap<String, Cluster>,
    /// vApps and VMs that exist, by URN.
    pub(super) machines: BTreeMap<String, Known>,
    /// When replicas were told to stop, by label.
    pub(super) stopping: BTreeMap<String, Moment>,
    /// Clusters that are gone, the first one first.
    gone: VecDeque<String>,
}

/// A cluster that is followed.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// Its document; nothing once it is gone.
    pub(super) look: Option<Arc<Look>>,
    /// The replica that removed it.
    pub(super) removed_by: Option<String>,
    /// By label of each replica that ever wrote it as its holder.
    pub(super) holds: BTreeMap<String, HoldOf>,
    /// Since when the removal of an incarnation, and of all before it, is written down.
    pub(super) intents: BTreeMap<u32, Moment>,
    /// VMs that were ever committed.
    pub(super) committed: BTreeSet<String>,
    /// Ids and names that its status ever recorded.
    pub(super) recorded: BTreeSet<String>,
    /// VMs that replicas have powered on, by incarnation.
    pub(super) powered_on: BTreeMap<u32, BTreeSet<String>>,
    /// Events that its holder has recorded.
    pub(super) said: SaidOnce,
    /// Revision, holder and epoch of its latest versions.
    pub(super) versions: VecDeque<(u64, String, u64)>,
}

/// Events about no object that were recorded in one attempt and under one epoch: name and details.
#[derive(Debug, Default)]
pub(super) struct SaidOnce {
    incarnation: u32,
    epoch: u64,
    texts: BTreeSet<(String, u64)>,
}

impl SaidOnce {
    /// Whether the document is of the same attempt and epoch.
    pub(super) fn is_of(&self, look: &Look) -> bool {
        let record = look.claim.heartbeat.as_ref();
        record.is_some_and(|it| (it.incarnation, it.epoch) == (self.incarnation, self.epoch))
    }

    pub(super) fn has(&self, said: &Said) -> bool {
        self.texts.contains(&(said.name.clone(), said.details))
    }

    /// Somebody else has written: what that took away may be told again.
    fn forget(&mut self, before: &Look, after: &Look) {
        for gone in added(&after.sets.events.value, &before.sets.events.value) {
            self.texts.remove(&(gone.name.clone(), gone.details));
        }
    }

    fn take_in(&mut self, before: &Look, after: &Look) {
        if !self.is_of(after) {
            let record = after.claim.heartbeat.as_ref();
            self.incarnation = record.map_or(0, |it| it.incarnation);
            self.epoch = record.map_or(0, |it| it.epoch);
            self.texts.clear();
        }
        let new = added(&before.sets.events.value, &after.sets.events.value);
        let about_nothing = new.into_iter().filter(|said| said.resource.is_empty());
        self.texts
            .extend(about_nothing.map(|said| (said.name.clone(), said.details)));
    }
}

/// What a replica knows of its own claim.
#[derive(Clone, Debug, Default)]
pub(super) struct HoldOf {
    /// When it sent the last write that keeps the claim.
    pub(super) sent: Moment,
    /// Its holder id and epoch then.
    pub(super) holder: String,
    pub(super) epoch: u64,
    /// For how long others leave it alone.
    pub(super) term: Duration,
    /// When it sent the write that let go.
    pub(super) released: Option<Moment>,
    /// When it received a document with a newer claim of another holder.
    pub(super) lost: Option<Moment>,
}

/// A vApp or VM that exists.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) kind: MachineKind,
    pub(super) name: String,
    pub(super) marker: Option<Marker>,
    /// Clusters that it names itself.
    pub(super) clusters: Vec<String>,
    pub(super) on: bool,
    /// Whether a client that is no replica has made it.
    pub(super) foreign: bool,
    /// Label of the replica that made it, and when it sent the request.
    pub(super) made: Option<(String, Moment)>,
}

impl Facts {
    /// Learns what `entry` tells.
    pub(super) fn take_in(&mut self, entry: &Entry) {
        match &entry.deed {
            Deed::Written(written) => self.written(entry, written),
            Deed::Gone { entity } => self.end(entry, entity),
            Deed::Seen { entity, revision } => self.seen(entry, entity, *revision),
            Deed::Machine(machine) => self.machine(entry, machine),
            Deed::Started { replica } => {
                self.stopping.remove(replica);
            }
            Deed::Stopping { replica } => {
                self.stopping.insert(replica.clone(), entry.at);
            }
            Deed::Item(_) | Deed::Leaked { .. } => {}
        }
    }

    fn written(&mut self, entry: &Entry, written: &Written) {
        let look = &written.look;
        let known = self.clusters.entry(written.entity.clone()).or_default();
        let changed =
            |old: &Look| !Arc::ptr_eq(&old.sets.recorded.value, &look.sets.recorded.value);
        if known.look.as_ref().is_none_or(|old| changed(old)) {
            known
                .recorded
                .extend(look.sets.recorded.value.iter().cloned());
        }
        known.committed.extend(look.committed.iter().cloned());
        let epoch = look
            .claim
            .heartbeat
            .as_ref()
            .map_or(0, |record| record.epoch);
        known
            .versions
            .push_back((look.revision, look.worker_id.clone(), epoch));
        if known.versions.len() > MAX_VERSIONS {
            known.versions.pop_front();
        }
        if entry.by.actor == Actor::Replica {
            known.keep_claim(entry, look);
        }
        match &known.look {
            Some(before) if entry.by.actor == Actor::Replica => known.said.take_in(before, look),
            Some(before) => known.said.forget(before, look),
            None => {}
        }
        if entry.by.actor == Actor::Replica || known.look.is_none() {
            known.keep_intent(entry, look);
        }
        known.look = Some(Arc::clone(look));
    }

    fn end(&mut self, entry: &Entry, entity: &str) {
        let Some(known) = self.clusters.get_mut(entity) else {
            return;
        };
        known.look = None;
        known.removed_by = (entry.by.actor == Actor::Replica).then(|| entry.by.caller.clone());
        self.gone.push_back(entity.to_owned());
        if self.gone.len() > MAX_GONE
            && let Some(first) = self.gone.pop_front()
        {
            self.clusters.remove(&first);
        }
    }

    fn seen(&mut self, entry: &Entry, entity: &str, revision: u64) {
        let Some(known) = self.clusters.get_mut(entity) else {
            return;
        };
        let version = known
            .versions
            .iter()
            .find(|(number, _, _)| *number == revision);
        let Some((_, holder, epoch)) = version else {
            return;
        };
        if let Some(hold) = known.holds.get_mut(&entry.by.caller)
            && *holder != hold.holder
            && *epoch > hold.epoch
        {
            hold.lost.get_or_insert(entry.at);
        }
    }

    fn machine(&mut self, entry: &Entry, machine: &Machine) {
        let by_replica = entry.by.actor == Actor::Replica;
        match machine.change {
            MachineChange::Created => {
                let sent = entry.by.sent.unwrap_or(entry.at);
                let known = Known {
                    kind: machine.kind,
                    name: machine.name.clone(),
                    marker: machine.marker(),
                    clusters: machine.clusters.clone(),
                    on: false,
                    foreign: entry.by.actor == Actor::Client,
                    made: by_replica.then(|| (entry.by.caller.clone(), sent)),
                };
                self.machines.insert(machine.id.clone(), known);
            }
            MachineChange::Deleted => {
                self.machines.remove(&machine.id);
            }
            MachineChange::Changed => {
                if let Some(known) = self.machines.get_mut(&machine.id) {
                    known.marker = machine.marker();
                    known.clusters.clone_from(&machine.clusters);
                }
            }
            MachineChange::PoweredOn => self.power(machine, (true, by_replica)),
            MachineChange::PoweredOff => self.power(machine, (false, by_replica)),
        }
    }

    fn power(&mut self, machine: &Machine, (on, by_replica): (bool, bool)) {
        if let Some(known) = self.machines.get_mut(&machine.id) {
            known.on = on;
        }
        if on
            && by_replica
            && let Some(marker) = machine.marker()
        {
            let cluster = self.clusters.entry(marker.entity.as_str().to_owned());
            let powered_on = &mut cluster.or_default().powered_on;
            let vms = powered_on.entry(marker.incarnation).or_default();
            vms.insert(machine.id.clone());
        }
    }

    /// Clusters that a machine is known to belong to: by what it says itself, by what a status records of it,
    /// and, unless a stranger has put it there, by its vApp.
    pub(super) fn clusters_of(&self, machine: &Machine) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = machine.clusters.iter().cloned().collect();
        let vapp = machine.vapp.as_ref();
        let foreign = self
            .machines
            .get(&machine.id)
            .is_some_and(|known| known.foreign);
        if let Some(vapp) = vapp.and_then(|vapp| self.machines.get(vapp))
            && !foreign
        {
            found.extend(vapp.clusters.iter().cloned());
        }
        let ids = [Some(&machine.id), vapp.filter(|_| !foreign)];
        found.extend(self.recording(ids.into_iter().flatten().map(String::as_str)));
        found
    }

    /// The same of another object.
    pub(super) fn clusters_of_item(&self, item: &Item) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = item.clusters.iter().cloned().collect();
        let known = [item.id.as_str(), item.name.as_str()];
        found.extend(self.recording(known.into_iter().filter(|text| !text.is_empty())));
        found
    }

    /// Clusters whose status ever recorded one of `texts`.
    fn recording<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Vec<String> {
        let texts: Vec<&str> = texts.collect();
        let records = |cluster: &Cluster| texts.iter().any(|text| cluster.recorded.contains(*text));
        let clusters = self.clusters.iter();
        clusters
            .filter(|(_, cluster)| records(cluster))
            .map(|(urn, _)| urn.clone())
            .collect()
    }
}

impl Cluster {
    /// A replica has written the document.
    fn keep_claim(&mut self, entry: &Entry, look: &Look) {
        let Some(record) = &look.claim.heartbeat else {
            return;
        };
        let sent = entry.by.sent.unwrap_or(entry.at);
        let hold = self.holds.entry(entry.by.caller.clone()).or_default();
        if record.hold == Hold::Held {
            *hold = HoldOf {
                sent,
                holder: look.worker_id.clone(),
                epoch: record.epoch,
                term: record.term,
                released: None,
                lost: None,
            };
        } else {
            hold.released = Some(sent);
        }
    }

    /// What the record says of removals: of its incarnation in some phases, of all before it in any.
    fn keep_intent(&mut self, entry: &Entry, look: &Look) {
        let Some(record) = &look.claim.heartbeat else {
            return;
        };
        let removable = match record.phase {
            ClaimPhase::Pending | ClaimPhase::Creating => record.incarnation.checked_sub(1),
            ClaimPhase::Done | ClaimPhase::Teardown | ClaimPhase::Deleting => {
                Some(record.incarnation)
            }
        };
        if let Some(incarnation) = removable {
            self.intents.entry(incarnation).or_insert(entry.at);
        }
    }

    /// Whether the removal of an incarnation was written down before `moment`.
    pub(super) fn meant_to_remove(&self, incarnation: u32, moment: Moment) -> bool {
        let mut later = self.intents.range(incarnation..);
        later.any(|(_, since)| *since <= moment)
    }
}
