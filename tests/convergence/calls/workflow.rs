//! What a workflow is: where it starts, what happens in it, when it is over.

use std::time::Duration;

use crate::support::fleet::{Fleet, Saved};

/// One workflow of one cluster, the first of its fleet.
pub(super) struct Workflow {
    pub(super) name: &'static str,
    /// The fleet right before replica `a` starts to work on it.
    pub(super) prepare: fn() -> Saved,
    /// What happens besides, one after the other. Only calls about the first of them and later are tried.
    pub(super) turns: &'static [Turn],
    pub(super) over: fn(&Fleet) -> bool,
    /// What has to hold at the end of every run, by name.
    pub(super) truths: &'static [Truth],
    /// Entries that tell how something advances: how many there are depends on who looks when.
    pub(super) progress: &'static [&'static str],
    /// Whether the sets of entries get longer than is kept of them.
    pub(super) windowed: bool,
    /// Whether the cluster makes and removes machines by itself meanwhile.
    pub(super) grows: bool,
    /// An invariant that the judge does not hold against it, and why.
    pub(super) excused: Option<(&'static str, &'static str)>,
    /// What has to begin anew when another process goes on, or the same one after a while: the quarantine before a
    /// document is removed, of which nothing is written down. Source: reliability-performance, C.5 (R11).
    pub(super) anew: Duration,
    /// When `b` comes: soon after `a`, or so late that `a` does what is to be done.
    pub(super) standby: Duration,
    /// Time between two looks.
    pub(super) step: Duration,
}

/// What holds, and whether it does.
pub(super) type Truth = (&'static str, fn(&Fleet) -> bool);

/// Something that happens as soon as it is time for it.
pub(super) struct Turn {
    pub(super) when: fn(&Fleet) -> bool,
    pub(super) deed: Deed,
}

/// What happens.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    /// Replica `a` gets a SIGTERM.
    Drain,
    /// Replica `a` is killed and started again.
    Restart,
    /// A tenant or an operator changes something.
    Change(fn(&Fleet)),
    /// A client writes the document over with what it was at the beginning.
    Restore,
    /// An operator changes the shared configuration.
    Configure,
}
