//! What was done against the rules: the invariants of this server, each judged from the history alone.
//!
//! Flow: the history shows every [`Entry`] once, in order; the groups of rules (`machines`, `documents`,
//! `claims`) compare it with the [`Facts`] of before, then the facts take it in. What can only be told at the
//! end (`machines::left_over`) is judged when somebody asks.
//!
//! Invariants:
//! - Pure: history in, verdicts out. No rule asks the site, a replica or its log.
//! - A rule judges what replicas do; clients, clusters and operators may do anything.
//! - What is not known, because a site was read back or a cluster was not followed, is not held against
//!   anybody.
//! - Memory is bounded by what exists, besides the first [`MAX_VERDICTS`] verdicts and [`MAX_GONE`] clusters.
//!
//! Not here: how long things may take (`liveness`, over a whole history), objects without a marker (`sim::leaks`).

mod claims;
mod documents;
mod facts;
pub mod liveness;
mod machines;
#[cfg(test)]
mod sample;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use self::facts::Facts;
use super::entities::look::Look;
use super::history::{Actor, Entry};
use crate::clock::Moment;

/// Verdicts that are kept.
const MAX_VERDICTS: usize = 1_000;

/// A promise that has to hold at every moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Invariant {
    /// One VM of a cluster and an incarnation is ever powered on by replicas.
    I1,
    /// One bootstrap VM of a cluster is on at any time.
    I2,
    /// A committed VM is deleted only after the intent to remove it was written.
    I3,
    /// What a server does not own stays as it was, byte for byte.
    I4,
    /// When a server has removed a cluster, nothing with its marker is left.
    I5,
    /// Nothing is removed or adopted that is not known to be the cluster's.
    I6,
    /// The state changes along allowed edges only.
    I7,
    /// No effect leaves a replica that may not act any more; no record goes back.
    I8,
    /// No request holds a secret field of a cluster.
    I9,
    /// No request holds a token.
    I10,
    /// Events and errors are recorded once per occurrence; their sets stay within their windows.
    I11,
    /// Every cluster ends well or in a named error.
    L1,
    /// A claim that is free or stale is taken in time.
    L3,
    /// No new cluster waits while replicas are there.
    L4,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Something that was done against the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The rule.
    pub invariant: Invariant,
    /// URN of the cluster; empty when it is about none.
    pub entity: String,
    /// When.
    pub at: Moment,
    /// Number of the entry.
    pub number: u64,
    /// Label of the replica.
    pub replica: String,
    /// What was done, in words.
    pub what: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.at.since_origin().as_secs_f64();
        let (number, replica) = (self.number, &self.replica);
        write!(
            f,
            "{} at {secs:.3} s (entry {number}), {replica}, {}: {}",
            self.invariant, self.entity, self.what
        )
    }
}

/// The verdicts so far, and what the next one depends on.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    facts: Facts,
    verdicts: Vec<Verdict>,
}

/// Verdicts on one entry.
struct Findings<'e> {
    entry: &'e Entry,
    found: Vec<Verdict>,
}

impl Findings<'_> {
    fn add(&mut self, invariant: Invariant, entity: &str, what: impl Into<String>) {
        self.found.push(Verdict {
            invariant,
            entity: entity.to_owned(),
            at: self.entry.at,
            number: self.entry.number,
            replica: self.entry.by.caller.clone(),
            what: what.into(),
        });
    }
}

impl Judge {
    /// Judges the next entry.
    pub(crate) fn see(&mut self, entry: &Entry) {
        let mut findings = Findings {
            entry,
            found: Vec::new(),
        };
        if entry.by.actor == Actor::Replica {
            documents::judge(&self.facts, &mut findings);
            claims::judge(&self.facts, &mut findings);
        }
        machines::judge(&self.facts, &mut findings);
        self.facts.take_in(entry);
        let room = MAX_VERDICTS.saturating_sub(self.verdicts.len());
        self.verdicts.extend(findings.found.into_iter().take(room));
    }

    /// All verdicts, as if the history ended at `now`.
    pub(crate) fn verdicts(&self, now: Moment) -> Vec<Verdict> {
        let mut all = self.verdicts.clone();
        all.extend(machines::left_over(&self.facts, now));
        all
    }

    /// What the document was like at the last entry about it.
    pub(crate) fn look(&self, urn: &str) -> Option<&Arc<Look>> {
        self.facts.clusters.get(urn)?.look.as_ref()
    }
}

#[cfg(test)]
mod tests;
