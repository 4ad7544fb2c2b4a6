//! Who works inside the simulated machines: the bootstrap guest and the cluster's own controllers.
//!
//! Flow: a VM that powers on boots ([`guest`]); a guest that applies a cluster's manifests starts its
//! controllers ([`capvcd`]), which build VMs in `infra` and report in the entity.
//!
//! Code map: `manifest`, `health` and `home` are what the controllers are told; `infrastructure`, `pools`,
//! `nodes`, `machine_vm`, `remediation` and `deletion` are Cluster API with CAPVCD; `cpi`, `csi` and `projector` run beside
//! them; `status`, `sections` and `report` are what all of them write; `userdata` and `node_guest` are guests.
//!
//! Invariants:
//! - Actors model what runs in reality and know nothing of the server: the guest interprets its user
//!   data, the controllers interpret manifests.
//! - They act through the schedule only and stop when the machine they run on stops.

pub(crate) mod capvcd;
pub(crate) mod cluster;
mod cpi;
mod csi;
mod deletion;
pub(crate) mod guest;
mod health;
mod home;
mod infrastructure;
mod machine_vm;
mod manifest;
mod node_guest;
mod nodes;
mod pools;
mod projector;
mod remediation;
mod report;
mod sections;
mod status;
mod userdata;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use cluster::Cluster;
use guest::Guest;

use super::levers::PhaseFailure;

/// A failure that was ordered for a guest's phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OrderedFailure {
    /// Of which cluster; its name may also be the marker of a VM.
    of: PhaseFailure,
    left: u32,
    /// Scenario that ordered it.
    label: String,
    /// VMs that came to the phase, by cluster, in the order of their coming.
    met: BTreeMap<String, Vec<String>>,
    /// VMs in which it lets the phase hang.
    struck: Vec<String>,
}

/// What was ordered for a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ordered {
    Failure,
    Hang,
    Death,
}

/// Everything that runs inside machines.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Actors {
    /// Guests by bare VM UUID.
    guests: BTreeMap<String, Guest>,
    /// Controllers by entity URN.
    clusters: BTreeMap<String, Cluster>,
    failures: Vec<OrderedFailure>,
}

impl Actors {
    /// URN of the cluster of that name or URN, and whether its control plane has come up.
    pub(crate) fn find(&self, cluster: &str) -> Option<(&str, bool)> {
        let mut all = self.clusters.iter();
        let (id, found) = all.find(|(id, one)| *id == cluster || one.is_named(cluster))?;
        Some((id, found.is_initialized()))
    }

    pub(crate) fn cluster_mut(&mut self, id: &str) -> Option<&mut Cluster> {
        self.clusters.get_mut(id)
    }

    /// What runs in a VM, by its bare UUID.
    fn guest(&self, vm: &str) -> Option<&Guest> {
        self.guests.get(vm)
    }

    fn guest_mut(&mut self, vm: &str) -> Option<&mut Guest> {
        self.guests.get_mut(vm)
    }

    /// Orders the next `times` runs of `phase` to fail where the VM's marker or its cluster's name is
    /// `subject`.
    pub(crate) fn fail(&mut self, subject: &str, phase: &str, times: u32) {
        let failure = PhaseFailure {
            cluster: subject.to_owned(),
            phase: phase.to_owned(),
            attempt: None,
            times: Some(times),
            hangs: false,
            dies: false,
        };
        self.order(failure, "");
    }

    /// Orders phases to go wrong.
    pub(crate) fn order(&mut self, of: PhaseFailure, label: &str) {
        self.failures.push(OrderedFailure {
            left: of.times.unwrap_or(u32::MAX),
            of,
            label: label.to_owned(),
            met: BTreeMap::new(),
            struck: Vec::new(),
        });
    }

    /// Takes back what a scenario has ordered.
    pub(crate) fn withdraw(&mut self, label: &str) {
        self.failures.retain(|one| one.label != label);
    }

    /// Uses up one order for `phase` of the VM `vm`, which has `marker` and belongs to `cluster`. One that
    /// lets the phase hang goes on doing so.
    fn ordered(
        &mut self,
        vm: &str,
        (marker, cluster): (&str, &str),
        phase: &str,
    ) -> Option<Ordered> {
        let matching = self.failures.iter_mut().filter(|one| {
            let name = one.of.cluster.as_str();
            one.of.phase == phase && [marker, cluster, "*"].contains(&name)
        });
        let mut found = None;
        for one in matching {
            let strikes = one.strikes(vm, cluster);
            if strikes && found.is_none() {
                found = Some(if one.of.dies {
                    Ordered::Death
                } else if one.of.hangs {
                    Ordered::Hang
                } else {
                    Ordered::Failure
                });
            }
        }
        found
    }
}

impl OrderedFailure {
    /// Takes a VM in whose turn it is; whether the phase goes wrong in it.
    fn strikes(&mut self, vm: &str, cluster: &str) -> bool {
        if self.of.hangs && self.struck.iter().any(|one| one == vm) {
            return true;
        }
        let met = self.met.entry(cluster.to_owned()).or_default();
        let place = met.iter().position(|one| one == vm).unwrap_or_else(|| {
            met.push(vm.to_owned());
            met.len() - 1
        });
        let attempt = self
            .of
            .attempt
            .map(|attempt| usize::try_from(attempt).unwrap_or(usize::MAX));
        if self.left == 0 || attempt.is_some_and(|attempt| attempt != place + 1) {
            return false;
        }
        self.left -= 1;
        if self.of.hangs {
            self.struck.push(vm.to_owned());
        }
        true
    }
}
