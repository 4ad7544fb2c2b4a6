//! What is known of every cluster: the rows of the table, who held it one after the other, and when a
//! replica is caught in the middle of its work.
//!
//! Flow: snapshots of the simulated site in, rows and findings out. Pure; time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Moment;
use crate::sim::view::ClusterView;

/// Phase in which a holder has begun to create things.
const CREATING: &str = "creating";
/// A holder that has been creating for so long has something to lose.
const WORTH_KILLING: Duration = Duration::from_secs(30);

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) cluster: String,
    pub(super) org: String,
    pub(super) state: String,
    pub(super) phase: String,
    pub(super) holder: String,
    pub(super) last_event: String,
    /// Since it was asked for, until it was provisioned; on the clock of the site.
    pub(super) age: Duration,
}

impl Row {
    /// Whether anything but the age differs.
    pub(super) fn differs(&self, earlier: &Self) -> bool {
        Self {
            age: earlier.age,
            ..self.clone()
        } != *earlier
    }
}

/// The clusters seen so far.
#[derive(Debug, Default)]
pub(super) struct Board {
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    first: Moment,
    provisioned: Option<Moment>,
    creating: Option<Moment>,
    /// `workerId` of every process that held it, in order, without repeats of the same one.
    holders: Vec<String>,
}

impl Board {
    /// Takes a snapshot in.
    pub(super) fn update(&mut self, views: &[ClusterView], now: Moment) -> Vec<Row> {
        views.iter().map(|view| self.row(view, now)).collect()
    }

    fn row(&mut self, view: &ClusterView, now: Moment) -> Row {
        let seen = self.seen.entry(view.urn.clone()).or_insert_with(|| Seen {
            first: now,
            provisioned: None,
            creating: None,
            holders: Vec::new(),
        });
        let state = view.state.clone().unwrap_or_else(|| "waiting".to_owned());
        if state == "provisioned" {
            seen.provisioned.get_or_insert(now);
        }
        let phase = phase(view).unwrap_or_default();
        if phase == CREATING {
            seen.creating.get_or_insert(now);
        } else {
            seen.creating = None;
        }
        let holder = holder(view).unwrap_or_default();
        if !holder.is_empty() && seen.holders.last().map(String::as_str) != Some(holder) {
            seen.holders.push(holder.to_owned());
        }
        Row {
            cluster: view.name.clone(),
            org: view.org.clone(),
            state,
            phase: phase.to_owned(),
            holder: replica_of(holder).to_owned(),
            last_event: view.last_event.clone().unwrap_or_default(),
            age: seen.provisioned.unwrap_or(now).since(seen.first),
        }
    }

    /// The replica to kill and the cluster it is creating, once there is one worth it.
    pub(super) fn victim(&self, views: &[ClusterView], now: Moment) -> Option<(String, String)> {
        views.iter().find_map(|view| {
            let since = self.seen.get(&view.urn)?.creating?;
            let holder = holder(view).filter(|_| now.since(since) >= WORTH_KILLING)?;
            Some((replica_of(holder).to_owned(), view.name.clone()))
        })
    }

    /// How often a cluster went on in another process than the one that had begun.
    pub(super) fn takeovers(&self) -> usize {
        self.seen
            .values()
            .map(|seen| seen.holders.len().saturating_sub(1))
            .sum()
    }
}

fn phase(view: &ClusterView) -> Option<&str> {
    field(view.heartbeat.as_deref()?, "p")
}

/// `workerId` while it is held.
fn holder(view: &ClusterView) -> Option<&str> {
    let released = field(view.heartbeat.as_deref().unwrap_or_default(), "x") == Some("released");
    view.holder
        .as_deref()
        .filter(|holder| !holder.is_empty() && !released)
}

/// `workerId` is `<replica name>/<random part of the process>`.
fn replica_of(holder: &str) -> &str {
    holder.split('/').next().unwrap_or_default()
}

/// A field of `heartbeatString`, which is `k1;e=3;s=7;...;p=creating;...`.
fn field<'a>(heartbeat: &'a str, name: &str) -> Option<&'a str> {
    let pairs = heartbeat.split(';').filter_map(|part| part.split_once('='));
    pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .next()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(secs: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(secs))
    }

    fn view(holder: &str, heartbeat: &str, state: Option<&str>) -> ClusterView {
        ClusterView {
            urn: "urn:1".to_owned(),
            name: "blue".to_owned(),
            org: "acme".to_owned(),
            rde_state: "PRE_CREATED".to_owned(),
            state: state.map(str::to_owned),
            holder: Some(holder.to_owned()),
            heartbeat: Some(heartbeat.to_owned()),
            last_event: None,
            created: Timestamp::UNIX_EPOCH,
            capvcd_phase: None,
            auto_repair: None,
        }
    }

    #[test]
    fn a_row_tells_who_holds_what_in_which_phase() {
        let mut board = Board::default();
        let heartbeat = "k1;e=1;s=4;n=ab;t=180;p=creating;i=1;x=held";
        let views = [view("replica-2/ff", heartbeat, Some("provisioning"))];
        board.update(&views, at(5));
        let rows = board.update(&views, at(9));
        let row = Row {
            cluster: "blue".to_owned(),
            org: "acme".to_owned(),
            state: "provisioning".to_owned(),
            phase: "creating".to_owned(),
            holder: "replica-2".to_owned(),
            last_event: String::new(),
            age: Duration::from_secs(4),
        };
        assert_eq!(rows, [row]);
    }

    #[test]
    fn a_cluster_nobody_has_touched_is_waiting_and_a_released_one_is_nobodys() {
        let mut board = Board::default();
        let rows = board.update(&[view("", "", None)], at(0));
        assert!(
            rows.iter()
                .all(|row| row.state == "waiting" && row.holder.is_empty())
        );
        let rows = board.update(&[view("a/1", "k1;p=done;x=released", None)], at(0));
        assert!(
            rows.iter()
                .all(|row| row.phase == "done" && row.holder.is_empty())
        );
    }

    #[test]
    fn the_age_stops_when_the_cluster_is_provisioned() {
        let mut board = Board::default();
        board.update(&[view("", "", None)], at(10));
        board.update(&[view("", "", Some("provisioned"))], at(70));
        let rows = board.update(&[view("", "", Some("provisioned"))], at(100));
        assert!(rows.iter().all(|row| row.age == Duration::from_mins(1)));
    }

    #[test]
    fn a_victim_has_been_creating_for_a_while() {
        let mut board = Board::default();
        let pending = [view("a/1", "k1;p=pending;x=held", None)];
        let creating = [view("a/1", "k1;p=creating;x=held", None)];
        board.update(&pending, at(0));
        assert_eq!(board.victim(&pending, at(100)), None);
        board.update(&creating, at(100));
        assert_eq!(board.victim(&creating, at(129)), None);
        let want = Some(("a".to_owned(), "blue".to_owned()));
        assert_eq!(board.victim(&creating, at(130)), want);
    }

    #[test]
    fn takeovers_count_processes_not_replicas() {
        let mut board = Board::default();
        for holder in ["a/1", "a/1", "", "a/1", "a/2", "b/1"] {
            board.update(&[view(holder, "k1;p=creating;x=held", None)], at(0));
        }
        assert_eq!(board.takeovers(), 2);
    }
}
