//! Who works inside the simulated machines: the bootstrap guest and the cluster's own controllers.
//!
//! Flow: a VM that powers on boots ([`guest`]); a guest that applies a cluster's manifests starts its
//! controllers ([`capvcd`]), which build VMs in `infra` and report in the entity.
//!
//! Invariants:
//! - Actors model what runs in reality and know nothing of the server: the guest interprets its user
//!   data, the controllers interpret manifests.
//! - They act through the schedule only and stop when the machine they run on stops.

pub(crate) mod capvcd;
pub(crate) mod guest;
mod manifest;
mod nodes;
mod status;
mod userdata;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use capvcd::Cluster;
use guest::Guest;

/// A failure that was ordered for a guest's phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OrderedFailure {
    /// Marker of the VM, or name of the cluster.
    subject: String,
    phase: String,
    left: u32,
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
    /// Orders the next `times` runs of `phase` to fail where the VM's marker or its cluster's name is
    /// `subject`.
    pub(crate) fn fail(&mut self, subject: &str, phase: &str, times: u32) {
        self.failures.push(OrderedFailure {
            subject: subject.to_owned(),
            phase: phase.to_owned(),
            left: times,
        });
    }

    /// Uses up one ordered failure of `phase` for any of `subjects`.
    fn take_failure(&mut self, subjects: &[&str], phase: &str) -> bool {
        let ordered = self.failures.iter_mut().find(|one| {
            one.left > 0 && one.phase == phase && subjects.contains(&one.subject.as_str())
        });
        match ordered {
            Some(one) => {
                one.left -= 1;
                true
            }
            None => false,
        }
    }
}
