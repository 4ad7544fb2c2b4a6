//! What one run is to suffer: a fault at a call, or two.

use std::time::Duration;

use cse_server::sim::faults::Target;

use super::fault::{Fault, TAKEOVER};
use super::workflow::Workflow;
use crate::support::fleet::Fleet;
use crate::support::snare::Which;

/// How often a write is refused in a row by the fault that does so.
const IN_A_ROW: u64 = 5;

/// A fault at a call of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) by: &'static str,
    /// Counted from 0, over restarts.
    pub(super) call: usize,
    /// How many documents that replica has written before.
    pub(super) writes: usize,
    pub(super) fault: Fault,
}

/// One fault at a call of replica `a`, and perhaps another one later, at a call of `a` or `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Experiment {
    pub(super) first: Strike,
    pub(super) second: Option<Strike>,
}

impl Experiment {
    /// One fault at a call of `a`.
    pub(super) fn single(calls: &[String], call: usize, fault: Fault) -> Self {
        let earlier = calls.iter().take(call);
        let first = Strike {
            by: "a",
            call,
            writes: earlier.filter(|line| writes_document(line)).count(),
            fault,
        };
        Self {
            first,
            second: None,
        }
    }

    pub(super) fn strikes(&self) -> impl Iterator<Item = Strike> {
        [self.first].into_iter().chain(self.second)
    }

    /// `create/37/reply lost`, and `create/37/reply lost/b/12/412` with a second fault.
    pub(super) fn name(&self, workflow: &Workflow) -> String {
        let Strike { call, fault, .. } = self.first;
        let second = self
            .second
            .map(|second| format!("/{}/{}/{}", second.by, second.call, second.fault.name()));
        format!(
            "{}/{call}/{}{}",
            workflow.name,
            fault.name(),
            second.unwrap_or_default()
        )
    }

    /// Lets it strike.
    pub(super) fn arm(&self, fleet: &Fleet) {
        self.first.arm(fleet, self.first.call);
        if let Some(second) = self.second {
            // Replicas count what they decide to send, VCD's faults what leaves.
            let same = second.by == self.first.by;
            let left = if same && self.first.fault == Fault::Twice {
                second.call + 1
            } else if same && self.first.fault == Fault::CrashBefore {
                second.call - 1
            } else {
                second.call
            };
            second.arm(fleet, left);
        }
    }

    /// How many of the faults have struck.
    pub(super) fn struck(fleet: &Fleet) -> u64 {
        let armed = fleet.faults.armed();
        let refused = armed.iter().filter(|armed| armed.struck > 0).count();
        u64::try_from(refused).unwrap() + fleet.snares.sprung("a") + fleet.snares.sprung("b")
    }

    /// Whether the replica that a fault has killed is started again. In every second run somebody else has to
    /// wait until the claim has run out; one who is to be struck again comes back, and there is always one.
    pub(super) fn restarts(&self, strike: Strike) -> bool {
        let again = self
            .second
            .is_some_and(|second| second != strike && second.by == strike.by);
        let turn = strike.call + usize::from(strike.fault == Fault::CrashAfter);
        strike.by == "b" || again || turn.is_multiple_of(2)
    }

    /// How much longer than without it the workflow may take.
    pub(super) fn costs(&self, workflow: &Workflow) -> Duration {
        let each = self.strikes().map(|strike| {
            let alone = strike.fault.is_crash() && !self.restarts(strike);
            // Who comes anew, and who sees once more what is gone, waits anew.
            let anew = if strike.fault.holds() || strike.fault == Fault::Stale {
                workflow.anew
            } else {
                Duration::ZERO
            };
            anew + strike.fault.costs(alone.then_some(workflow.standby)) + self.patience(strike)
        });
        each.sum()
    }
}

impl Experiment {
    /// Who waits for the claim of the dead to run out, and dies and comes back, begins to wait anew: a process
    /// believes in what it has seen itself only.
    fn patience(&self, strike: Strike) -> Duration {
        let Strike { by, fault, .. } = self.first;
        let waits = fault.is_crash() && !self.restarts(self.first) && strike.by != by;
        if waits && strike.fault.is_crash() {
            TAKEOVER
        } else {
            Duration::ZERO
        }
    }
}

impl Strike {
    fn arm(&self, fleet: &Fleet, left: usize) {
        let nth = |call: usize| Target::nth(call.try_into().unwrap());
        let caller = Some(self.by.to_owned());
        if let Some(fault) = self.fault.sim() {
            let target = if self.fault == Fault::Conflicts {
                Target {
                    method: Some(http::Method::PUT),
                    path: Some("/entities/".to_owned()),
                    times: IN_A_ROW,
                    ..nth(self.writes)
                }
            } else {
                nth(left)
            };
            fleet.faults.arm(Target { caller, ..target }, fault);
        }
        if let Some(snare) = self.fault.snare() {
            let call = self.call.try_into().unwrap();
            fleet.snare(self.by, Which::nth(call), snare);
        }
    }
}

/// Whether a call writes a document.
pub(super) fn writes_document(line: &str) -> bool {
    line.starts_with("PUT ") && line.contains("/entities/")
}

pub(super) fn is_read(line: &str) -> bool {
    line.starts_with("GET ")
}
