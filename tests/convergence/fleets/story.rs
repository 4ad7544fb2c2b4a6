//! One cluster of a fleet: what befell it, and which ends its history allows.

use std::collections::{BTreeMap, BTreeSet};

use cse_server::sim::view::ClusterView;

use super::plan::{Failing, Guest, Wish};
use crate::support::fleet::Fleet;

/// Attempts of a creation with auto-repair.
const ATTEMPTS: u32 = 3;
/// What a creation ends with when somebody takes its machine away.
const TAKEN_AWAY: [&str; 3] = ["BootstrapVmLost", "BootstrapVmStopped", "BootstrapVmSilent"];
/// What a creation may end with when one of its nodes goes.
const NODE_GONE: [&str; 3] = [
    "BootstrapPhaseFailed",
    "BootstrapPhaseTimedOut",
    "ClusterStatusIncomplete",
];
/// What a cluster may end with when its document goes back in time.
const GONE_BACK: [&str; 3] = ["RollbackDetected", "DeletionRolledBack", "BootstrapVmLost"];

/// A cluster since somebody asked for it.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) urn: String,
    pub(super) name: String,
    pub(super) wish: Wish,
    /// Somebody has marked it for deletion, forced or not.
    pub(super) marked: Option<bool>,
    /// Its document was written back by a client.
    pub(super) rewritten: bool,
    /// Its bootstrap machine was taken away so many times.
    pub(super) taken_away: u32,
    /// One of its nodes went.
    pub(super) node_failed: bool,
}

/// How it stands with a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// At rest, as it may be.
    Good(&'static str),
    /// Not at rest.
    Working,
    /// At rest, as it may not be.
    Bad(String),
}

impl Story {
    pub(super) fn new(urn: String, name: String, wish: Wish) -> Self {
        Self {
            urn,
            name,
            wish,
            marked: None,
            rewritten: false,
            taken_away: 0,
            node_failed: false,
        }
    }

    /// Names of errors that its history explains; empty when it has to be provisioned.
    fn explained(&self) -> BTreeSet<&'static str> {
        let mut names = BTreeSet::new();
        let mut spent = self.taken_away;
        if let Some(guest) = self.wish.guest {
            spent = spent.saturating_add(guest.times);
            if !self.wish.repaired || spent >= ATTEMPTS {
                names.extend(errors_of(guest));
            }
        }
        if self.taken_away > 0 {
            names.extend(TAKEN_AWAY);
            names.extend(self.wish.guest.map(errors_of).into_iter().flatten());
        }
        if self.rewritten {
            names.extend(GONE_BACK);
            names.extend(self.wish.guest.map(errors_of).into_iter().flatten());
        }
        if self.node_failed {
            names.extend(NODE_GONE);
        }
        names
    }

    /// Nothing happened to it that would explain a second attempt.
    pub(super) const fn is_plain(&self) -> bool {
        !self.rewritten && self.taken_away == 0 && !self.node_failed && self.wish.guest.is_none()
    }

    /// How it stands, from the listing of all clusters.
    pub(super) fn standing(
        &self,
        listed: &BTreeMap<&str, &ClusterView>,
        fleet: &Fleet,
    ) -> Standing {
        let Some(view) = listed.get(self.urn.as_str()) else {
            return match self.marked {
                Some(_) => Standing::Good("gone"),
                None => Standing::Bad("gone, and nobody asked for that".to_owned()),
            };
        };
        let free = view.holder.as_deref().is_none_or(str::is_empty);
        if self.marked.is_some() || !free {
            return Standing::Working;
        }
        match view.state.as_deref() {
            Some("provisioned") => self.as_provisioned(view),
            // A typed client's rewrite drops what is false.
            Some("error") if view.auto_repair != Some(true) || self.rewritten => {
                self.as_failed(fleet)
            }
            _ => Standing::Working,
        }
    }

    fn as_provisioned(&self, view: &ClusterView) -> Standing {
        let never = self.wish.guest.is_some_and(|guest| guest.times == u32::MAX);
        if never && !self.wish.runs && !self.rewritten {
            return Standing::Bad("provisioned by a guest that cannot".to_owned());
        }
        // What a client writes into a finished cluster is nobody's work.
        let flag = view.auto_repair == Some(false) || self.rewritten || self.wish.runs;
        if !flag || view.rde_state != "RESOLVED" {
            return Standing::Working;
        }
        Standing::Good("provisioned")
    }

    fn as_failed(&self, fleet: &Fleet) -> Standing {
        let explained = self.explained();
        let errors = fleet.errors(&self.urn);
        let strange = errors
            .iter()
            .find(|(name, _)| !explained.contains(name.as_str()));
        match strange {
            Some((name, text)) => Standing::Bad(format!("{name}: {text}")),
            None if errors.is_empty() => Standing::Bad("failed without an error".to_owned()),
            None => Standing::Good("error"),
        }
    }
}

/// Whoever notices first, guest or server, names it.
const fn errors_of(guest: Guest) -> &'static [&'static str] {
    match guest.how {
        Failing::Fails => &["BootstrapPhaseFailed"],
        Failing::Hangs => &["BootstrapPhaseFailed", "BootstrapPhaseTimedOut"],
        Failing::Dies => &["BootstrapVmSilent"],
    }
}
