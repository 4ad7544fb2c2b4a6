//! What stand-ins remember between two calls, and what they write down.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// One call of a stand-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    /// Phase it was made in; `start` before the first.
    pub(crate) phase: String,
    /// Its number within the phase, from 1.
    pub(crate) number: u32,
    pub(crate) tool: String,
    pub(crate) arguments: Vec<String>,
    /// Standard input, of the calls that read it.
    pub(crate) input: String,
    /// Variables that somebody relies on.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Call {
    /// The call as one line.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.tool, self.arguments.join(" "))
    }
}

/// What goes wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) phase: String,
    pub(crate) what: What,
    pub(crate) which: Which,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// It has no effect and fails.
    Fails,
    /// It takes effect and fails all the same.
    FailsLate,
    /// It never ends.
    Hangs,
    /// The runner is killed, and the call never ends.
    KillsRunner,
    /// A move that stops half way.
    Halves,
}

/// Which calls go wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Which {
    /// The one with this number in its phase.
    Number(u32),
    /// All of this program whose arguments have this in them.
    All(String, String),
}

/// The world outside of the VM, and the programs in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct World {
    pub(crate) phase: String,
    pub(crate) number: u32,
    /// Seconds of pauses in this phase.
    pub(crate) paused_secs: f64,
    pub(crate) docker_runs: bool,
    pub(crate) kind_exists: bool,
    pub(crate) kind_runs: bool,
    /// Times the temporary cluster was made.
    pub(crate) kinds_made: u32,
    pub(crate) temporary: Cluster,
    pub(crate) new: Cluster,
    /// What must never happen, and did.
    pub(crate) violations: Vec<String>,
}

/// One of the two clusters.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cluster {
    /// As `type/name`.
    pub(crate) providers: BTreeSet<String>,
    /// Whether the Cluster object is in it.
    pub(crate) declared: bool,
    pub(crate) paused: bool,
    pub(crate) machines: u32,
    pub(crate) capvcd_runs: bool,
    pub(crate) capvcd_webhooks: bool,
    /// Files applied to it, without their directories.
    pub(crate) applied: BTreeSet<String>,
}

impl World {
    /// Calls are counted anew.
    pub(crate) fn begin(&mut self, phase: &str) {
        phase.clone_into(&mut self.phase);
        self.number = 0;
        self.paused_secs = 0.0;
    }

    /// What two runs that did the same have in common.
    pub(crate) fn outcome(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        (
            self.docker_runs,
            self.kind_exists,
            self.temporary.clone(),
            self.new.clone(),
        )
    }
}
