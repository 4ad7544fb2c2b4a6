//! The whole fleet in a bounded number of rows: what needs a person first, everything counted.
//!
//! Flow: every listed cluster once through [`Fleet::take`], page by page -> [`Fleet::finish`] -> [`FleetView`].
//!
//! Invariants:
//! - Memory does not grow with the fleet: at most `limit` rows and [`MOST_HOLDERS`] holders are kept, whatever
//!   tenants write; the rest is counted.
//! - A cluster that a filter hides is counted in the totals all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::Outlook;
use super::cluster::{ClusterSeen, Holder};
use super::explain::harmless;
use super::pulse::{Pulses, Sign};
use super::situation::{Attention, Situation, guest_phase};
use super::words::printable;
use crate::domain::claim::ClaimPhase;
use crate::domain::status::ClusterState;

/// Most holders that are told apart.
pub const MOST_HOLDERS: usize = 500;
/// Longest name of something, in characters.
const MOST_NAME: usize = 63;
/// Longest text of an error in a row, in characters.
const MOST_ERROR: usize = 300;

/// Which clusters are shown.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those of this organization.
    pub org: Option<String>,
    /// Those in one of these states.
    pub states: Vec<State>,
    /// Most rows; 0 for all.
    pub limit: usize,
}

/// `status.vcdKe.state` for filters and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No server has taken it yet.
    New,
    /// Being created.
    Provisioning,
    /// Usable.
    Provisioned,
    /// Failed.
    Error,
    /// Being deleted, or marked for it.
    Deleting,
    /// Another one.
    Unknown,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::New,
        Self::Provisioning,
        Self::Provisioned,
        Self::Error,
        Self::Deleting,
        Self::Unknown,
    ];

    /// In tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Provisioning => "provisioning",
            Self::Provisioned => "provisioned",
            Self::Error => "error",
            Self::Deleting => "deleting",
            Self::Unknown => "unknown",
        }
    }

    fn of(seen: &ClusterSeen) -> Self {
        if seen.summary.wants_deletion() {
            return Self::Deleting;
        }
        match seen.summary.state {
            ClusterState::Unclaimed => Self::New,
            ClusterState::Provisioning => Self::Provisioning,
            ClusterState::Provisioned => Self::Provisioned,
            ClusterState::Error => Self::Error,
            ClusterState::Deleting => Self::Deleting,
            ClusterState::Unknown => Self::Unknown,
        }
    }
}

/// The newest error of a cluster, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Brief {
    /// Its name.
    pub name: String,
    /// The beginning of its text.
    pub text: String,
}

/// One cluster in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// How much it wants attention.
    pub attention: Attention,
    /// Its URN.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its organization.
    pub org: String,
    /// Its state.
    pub state: State,
    /// Where it stands.
    pub situation: Situation,
    /// How far it has come; empty where there is nothing to tell.
    pub phase: String,
    /// Who holds it.
    pub holder: Option<Holder>,
    /// Number of the attempt; 0 before the first.
    pub attempt: u32,
    /// Since when it stands so, by the dates of its events.
    pub since: Option<Timestamp>,
    /// The newest error.
    pub error: Option<Brief>,
}

impl Row {
    /// The row of a cluster.
    pub fn of(seen: &ClusterSeen, outlook: &Outlook) -> Self {
        let situation = Situation::of(seen, None);
        Self {
            attention: situation.attention(seen, outlook),
            id: seen.id.as_str().to_owned(),
            name: printable(&seen.name, MOST_NAME),
            org: printable(&seen.org, MOST_NAME),
            state: State::of(seen),
            phase: phase(seen, situation),
            holder: seen.holder.as_ref().map(harmless),
            attempt: seen.document.incarnation,
            since: situation.since(seen),
            error: brief(seen, situation),
            situation,
        }
    }
}

/// A server that holds clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HolderSeen {
    /// Who.
    #[serde(flatten)]
    pub holder: Holder,
    /// `vcdKeInstanceId` that it writes.
    pub instance: String,
    /// How many clusters it holds.
    pub clusters: usize,
    /// Its newest claim, by its own clock.
    pub renewed: Option<Timestamp>,
    /// Clusters whose claim was seen to change between two looks.
    pub seen_renewed: usize,
    /// Clusters whose claim was the same at every look.
    pub seen_same: usize,
    /// How long ago one of its claims was last seen to change, in seconds.
    pub changed_secs_ago: Option<u64>,
}

impl HolderSeen {
    /// Whether it lives, as far as two looks tell.
    pub const fn is_alive(&self) -> Option<bool> {
        if self.seen_renewed > 0 {
            Some(true)
        } else if self.seen_same > 0 {
            Some(false)
        } else {
            None
        }
    }
}

/// How many clusters there are of what kind; filters do not count here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Clusters of this service.
    pub total: usize,
    /// By state.
    pub by_state: BTreeMap<State, usize>,
    /// By attention.
    pub by_attention: BTreeMap<Attention, usize>,
    /// Entities of the type that are no clusters of this service.
    pub not_managed: usize,
    /// Listed entities that cannot be read at all.
    pub unreadable: usize,
}

/// The fleet at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FleetView {
    /// Servers that hold clusters, by name.
    pub replicas: Vec<HolderSeen>,
    /// Holders beyond those.
    pub more_replicas: usize,
    /// All clusters, counted.
    pub counts: Counts,
    /// Clusters, the most urgent first.
    pub clusters: Vec<Row>,
    /// Clusters that fit the filters and are not among the rows.
    pub left_out: usize,
}

/// A fleet being read.
#[derive(Debug)]
pub struct Fleet<'a> {
    wanted: &'a Wanted,
    outlook: &'a Outlook,
    pulses: &'a mut Pulses,
    at: Duration,
    rows: BTreeMap<(Attention, String, String), Row>,
    holders: BTreeMap<Holder, HolderSeen>,
    view: FleetView,
}

impl<'a> Fleet<'a> {
    /// Nothing yet; `at` is the moment of this look for `pulses`.
    pub fn new(
        wanted: &'a Wanted,
        outlook: &'a Outlook,
        (pulses, at): (&'a mut Pulses, Duration),
    ) -> Self {
        Self {
            wanted,
            outlook,
            pulses,
            at,
            rows: BTreeMap::new(),
            holders: BTreeMap::new(),
            view: FleetView::default(),
        }
    }

    /// A listed cluster.
    pub fn take(&mut self, seen: &ClusterSeen) {
        if !seen.flags.is_vcdke {
            self.view.counts.not_managed += 1;
            return;
        }
        let row = Row::of(seen, self.outlook);
        let counts = &mut self.view.counts;
        counts.total += 1;
        *counts.by_state.entry(row.state).or_default() += 1;
        *counts.by_attention.entry(row.attention).or_default() += 1;
        self.note_holder(seen);
        let wanted = self.wanted;
        let org_fits = wanted
            .org
            .as_ref()
            .is_none_or(|org| org.eq_ignore_ascii_case(&seen.org));
        let state_fits = wanted.states.is_empty() || wanted.states.contains(&row.state);
        if !(org_fits && state_fits) {
            return;
        }
        let key = (row.attention, row.name.clone(), row.id.clone());
        self.rows.insert(key, row);
        if wanted.limit > 0 && self.rows.len() > wanted.limit {
            self.rows.pop_last();
            self.view.left_out += 1;
        }
    }

    /// A listed entity that cannot be read.
    pub fn take_unreadable(&mut self) {
        self.view.counts.unreadable += 1;
    }

    /// Everything that was taken.
    pub fn finish(self) -> FleetView {
        FleetView {
            replicas: self.holders.into_values().collect(),
            clusters: self.rows.into_values().collect(),
            ..self.view
        }
    }

    fn note_holder(&mut self, seen: &ClusterSeen) {
        let Some(holder) = &seen.holder else { return };
        // An original server leaves its name in clusters that it has finished with.
        let at_rest = matches!(
            seen.summary.state,
            ClusterState::Provisioned | ClusterState::Error
        );
        if holder.is_original() && at_rest && !seen.summary.wants_deletion() {
            return;
        }
        // Its threads have names of their own; what is shown is the server.
        let holder = if holder.is_original() && !seen.instance.is_empty() {
            Holder::Original {
                name: printable(&seen.instance, MOST_NAME),
            }
        } else {
            harmless(holder)
        };
        if !self.holders.contains_key(&holder) && self.holders.len() >= MOST_HOLDERS {
            self.view.more_replicas += 1;
            return;
        }
        let sign = self
            .pulses
            .look(seen.id.as_str(), &seen.summary.claim, self.at);
        let known = self.holders.entry(holder.clone()).or_insert(HolderSeen {
            holder,
            instance: printable(&seen.instance, MOST_NAME),
            clusters: 0,
            renewed: None,
            seen_renewed: 0,
            seen_same: 0,
            changed_secs_ago: None,
        });
        known.clusters += 1;
        known.renewed = known.renewed.max(seen.renewed);
        match sign {
            Sign::Renewed(ago) => {
                known.seen_renewed += 1;
                let secs = known
                    .changed_secs_ago
                    .unwrap_or(u64::MAX)
                    .min(ago.as_secs());
                known.changed_secs_ago = Some(secs);
            }
            Sign::Same(_) => known.seen_same += 1,
            Sign::Unknown => {}
        }
    }
}

fn phase(seen: &ClusterSeen, situation: Situation) -> String {
    let text = match situation {
        Situation::Creating => match guest_phase(seen) {
            Some((phase, false)) => phase.name(),
            Some((phase, true)) => phase.next().map_or("status", |_| phase.name()),
            None if seen.document.committed_vm.is_some() => "boot",
            None if seen.document.committed_vapp.is_some() => "make VM",
            None => "prepare",
        },
        Situation::Finishing
        | Situation::Clearing
        | Situation::CleaningUp
        | Situation::Resuming => "clean up",
        Situation::Deleting | Situation::DeletionBlocked => deletion_phase(seen),
        Situation::NotManaged
        | Situation::UnknownState
        | Situation::New
        | Situation::WentBack
        | Situation::OriginalAtWork
        | Situation::Provisioned
        | Situation::Changing
        | Situation::EditRefused
        | Situation::Stuck
        | Situation::Complaining
        | Situation::Failed
        | Situation::FailedKept
        | Situation::FailedElsewhere
        | Situation::RolledBack
        | Situation::DeletionRolledBack
        | Situation::DeletionAsked => "",
    };
    text.to_owned()
}

/// The part of a deletion that is under way, by the newest part that is over.
fn deletion_phase(seen: &ClusterSeen) -> &'static str {
    if seen.document.phase != ClaimPhase::Deleting {
        return "";
    }
    let parts = [
        ("ClusterResourcesRemoved", "last look"),
        ("ClusterVappRemoved", "last look"),
        ("VolumesRemoved", "vApp"),
        ("ClusterNodesRemoved", "disks"),
        ("LoadBalancersRemoved", "machines"),
        ("ClusterNodesStopped", "load balancers"),
    ];
    let over = |(event, _): &&(&str, &str)| seen.document.deletion.announced.contains(*event);
    parts.iter().find(over).map_or("stop", |(_, next)| *next)
}

/// The newest error that says why it stands so.
fn brief(seen: &ClusterSeen, situation: Situation) -> Option<Brief> {
    let worst = seen
        .complaints
        .iter()
        .max_by_key(|one| (one.name != "LoadBalancerPending", one.at));
    let error = if situation == Situation::Complaining {
        worst
    } else {
        seen.last_error()
    }?;
    Some(Brief {
        name: printable(&error.name, MOST_NAME),
        text: printable(&error.detail, MOST_ERROR),
    })
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
