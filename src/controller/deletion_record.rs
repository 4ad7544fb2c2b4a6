//! Writing the course of a deletion down: events for the tenant, errors that come and go.
//!
//! Invariants:
//! - An error that stands there already is not written again: its date tells since when.
//!
//! Not here: which errors are over, what is news (`reconcile::delete`); record and state (`reconcile::step`).

use jiff::Timestamp;

use super::document::Edit;
use crate::domain::claim::{Claim, ClaimPhase};
use crate::domain::status::EventEntry;
use crate::reconcile::delete::Departure;
use crate::reconcile::observation::{DeletionSeen, ErrorSeen};
use crate::reconcile::removal::{Obstacle, Stage};

/// Longest list of names in an event.
const MAX_NAMES: usize = 20;

/// The claim of a cluster that is to be deleted: the intent is in the document from here on.
pub(super) fn claimed(before: &Claim, at: Timestamp) -> Edit {
    let events = match before.phase() {
        // Somebody looks again whether what was in the way still is: no news.
        ClaimPhase::Deleting if !before.pause().is_zero() => Vec::new(),
        ClaimPhase::Deleting => vec![event(
            at,
            "ClusterDeletionResumed",
            "Another server process goes on with the deletion where it stands.",
        )],
        ClaimPhase::Pending | ClaimPhase::Creating | ClaimPhase::Done | ClaimPhase::Teardown => {
            vec![started(at)]
        }
    };
    told(events)
}

/// The cluster was marked while somebody worked on it.
pub(super) fn begun(at: Timestamp) -> Edit {
    told(vec![started(at)])
}

/// What is gone, and which errors are over.
pub(super) fn reported(news: &[Departure], healed: &[ErrorSeen], at: Timestamp) -> Edit {
    let events = news
        .iter()
        .map(|departure| event(at, departure.event(), sentence(departure)));
    Edit {
        events: events.collect(),
        healed: healed.to_vec(),
        ..Edit::default()
    }
}

/// What is in the way; the errors in the document are these from now on.
pub(super) fn blocked(obstacles: &[Obstacle], (seen, at): (&DeletionSeen, Timestamp)) -> Edit {
    let wanted: Vec<(ErrorSeen, &Obstacle)> = obstacles
        .iter()
        .map(|obstacle| (error_of(obstacle), obstacle))
        .collect();
    let stays = |error: &ErrorSeen| wanted.iter().any(|(want, _)| want == error);
    let healed = seen.errors.iter().filter(|error| !stays(error));
    let new = wanted
        .iter()
        .filter(|(want, _)| !seen.errors.contains(want));
    let errors: Vec<EventEntry> = new
        .map(|(want, obstacle)| EventEntry {
            name: obstacle.name(),
            at,
            detail: want.detail.clone(),
            resource: obstacle.resource(),
        })
        .collect();
    let events = if errors.is_empty() {
        Vec::new()
    } else {
        let detail = format!(
            "The deletion cannot go on: {} in the way. Each is in the error set with what to do. It is tried again by itself.",
            match obstacles.len() {
                1 => "1 problem is".to_owned(),
                count => format!("{count} problems are"),
            }
        );
        vec![event(at, "ClusterDeletionBlocked", detail)]
    };
    Edit {
        events,
        errors,
        healed: healed.cloned().collect(),
        ..Edit::default()
    }
}

/// The document went back to before the deletion began; `touched` when something may be gone already.
pub(super) fn rolled_back(touched: bool, at: Timestamp) -> Edit {
    if !touched {
        let detail = "An older version of the cluster was written over its deletion before anything was removed. The cluster stays; mark it for deletion again to delete it.";
        return told(vec![event(at, "RollbackDetected", detail)]);
    }
    let detail = "an older version of the cluster was written over its deletion, and parts of it are gone already; nothing is done until somebody decides: mark it for deletion again to remove the rest";
    Edit {
        events: vec![event(
            at,
            "RollbackDetected",
            "The deletion stops: an older version of the cluster was written over it.",
        )],
        errors: vec![event(at, "DeletionRolledBack", detail)],
        ..Edit::default()
    }
}

fn told(events: Vec<EventEntry>) -> Edit {
    Edit {
        events,
        ..Edit::default()
    }
}

fn started(at: Timestamp) -> EventEntry {
    let detail = "A server removes everything that belongs to the cluster, then the cluster itself. Nothing of it is created any more.";
    event(at, "ClusterDeletionStarted", detail)
}

fn event(at: Timestamp, name: &'static str, detail: impl Into<String>) -> EventEntry {
    EventEntry {
        name,
        at,
        detail: detail.into(),
        resource: None,
    }
}

fn error_of(obstacle: &Obstacle) -> ErrorSeen {
    ErrorSeen {
        name: obstacle.name().to_owned(),
        resource: obstacle.resource().map_or_else(String::new, |(id, _)| id),
        detail: super::document::clipped(&obstacle.to_string()),
    }
}

fn sentence(departure: &Departure) -> String {
    let text = match departure {
        Departure::Bootstrap => "Nothing is left of the bootstrap VM and its vApp.",
        Departure::Part(Stage::Stop) => "All machines of the cluster are off.",
        Departure::Part(Stage::Network) => {
            "No load balancer, NAT rule or IP address of the cluster is left."
        }
        Departure::Part(Stage::Machines) => "No machine of the cluster is left.",
        Departure::Part(Stage::Disks) => "No persistent volume of the cluster is left.",
        Departure::Part(Stage::Vapps) => "The vApp of the cluster is gone.",
        Departure::Everything => {
            "Nothing of the cluster is left; the cluster itself is removed after a last look."
        }
        Departure::VolumesKept(names) => {
            return format!(
                "These persistent volumes are kept as named disks, with their data: {}. They go only with a forced deletion of a cluster whose storage class has the reclaim policy Delete; delete the disks by hand if nobody needs them.",
                listed(names)
            );
        }
        Departure::LookAlikesKept(names) => {
            return format!(
                "These vApps have the name of the cluster, are not its own, and stay: {}.",
                listed(names)
            );
        }
    };
    text.to_owned()
}

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(MAX_NAMES).map(String::as_str).collect();
    let more = names.len().saturating_sub(MAX_NAMES);
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
