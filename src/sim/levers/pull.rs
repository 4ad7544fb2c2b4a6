//! Pulling levers: at once, later, and all steps of a scenario.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::scenario::Scenario;
use super::{Action, FaultOrder};
use crate::clock::Moment;
use crate::sim::faults::{Fault, Faults, Refusal};
use crate::sim::world::World;

/// Why a lever could not be pulled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeverError {
    /// It names something that the site does not have.
    #[error("there is no {kind} {name:?}")]
    Unknown {
        /// Such as `user`.
        kind: &'static str,
        /// As given.
        name: String,
    },
    /// A value that cannot be.
    #[error("{field}: {what}")]
    Invalid {
        /// Name of the field.
        field: String,
        /// What is wrong with its value.
        what: String,
    },
}

impl LeverError {
    pub(crate) fn unknown(kind: &'static str, name: &str) -> Self {
        Self::Unknown {
            kind,
            name: name.to_owned(),
        }
    }

    pub(crate) fn invalid(field: &str, what: &str) -> Self {
        Self::Invalid {
            field: field.to_owned(),
            what: what.to_owned(),
        }
    }
}

/// A site in somebody's hands.
#[derive(Debug)]
pub struct Lever<'a> {
    /// The simulated VCD.
    pub world: &'a mut World,
    /// What goes wrong on the way to it.
    pub faults: &'a Faults,
    /// Both clocks.
    pub at: (Moment, Timestamp),
}

impl Lever<'_> {
    /// Does `action` at once; the answer tells what came of it.
    ///
    /// # Errors
    /// [`LeverError`]: it names what is not there, or has a value that cannot be.
    pub fn pull(&mut self, action: &Action) -> Result<Value, LeverError> {
        let (now, wall) = self.at;
        self.world.advance(now, wall);
        let ids = self.arm(action, "", now)?;
        let mut told = self.world.pull(action, "", self.at)?;
        if !ids.is_empty()
            && let Some(members) = told.as_object_mut()
        {
            members.insert("faults".to_owned(), json!(ids));
        }
        Ok(told)
    }

    /// Starts a scenario: every step at its time from now on. One of the same name is stopped first.
    ///
    /// # Errors
    /// [`LeverError`]: a step that is due at once cannot be done, or one has a value that cannot be; then
    /// nothing of the scenario stays.
    pub fn start(&mut self, scenario: &Scenario) -> Result<(), LeverError> {
        let (now, wall) = self.at;
        self.world.advance(now, wall);
        self.stop(&scenario.name);
        for step in &scenario.steps {
            let at = now.plus(step.at);
            let done = match self.arm(&step.action, &scenario.name, at) {
                Ok(_) if at > now => {
                    self.world.order(&step.action, &scenario.name, at);
                    Ok(())
                }
                Ok(_) => {
                    let pulled = self.world.pull(&step.action, &scenario.name, self.at);
                    pulled.map(|told| {
                        let levers = &mut self.world.levers;
                        levers.tell(&scenario.name, &step.action, wall, Ok(told));
                    })
                }
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                self.stop(&scenario.name);
                return Err(error);
            }
        }
        self.world.levers.started(scenario, wall);
        Ok(())
    }

    /// Stops a scenario: what it has armed and changed ends, what is still to come does not happen. False
    /// when none of this name runs.
    pub fn stop(&mut self, name: &str) -> bool {
        self.faults.disarm_where(|armed| armed.label == name);
        self.world.stop_scenario(name)
    }

    /// Arms what of `action` are faults, from `at` on.
    fn arm(&self, action: &Action, label: &str, at: Moment) -> Result<Vec<u64>, LeverError> {
        let orders = match action {
            Action::Fault(order) => vec![order.clone()],
            Action::Maintenance { lasts } => vec![FaultOrder {
                except: Some("/api/versions".to_owned()),
                ..FaultOrder::all(Fault::Refused(Refusal::Maintenance), *lasts)
            }],
            Action::FailOver { cut, .. } => vec![FaultOrder::all(Fault::NotSent, *cut)],
            Action::QueryLag { .. }
            | Action::ExpireSessions { .. }
            | Action::RevokeToken { .. }
            | Action::LimitPool { .. }
            | Action::FailPhase(_)
            | Action::FailTask(_)
            | Action::Slow { .. }
            | Action::Set { .. }
            | Action::FailNode(_)
            | Action::AskForCluster { .. }
            | Action::CreateService { .. }
            | Action::DeleteService { .. }
            | Action::CreateVolume { .. }
            | Action::DeleteVolume { .. }
            | Action::Snapshot { .. }
            | Action::Restore { .. } => Vec::new(),
        };
        let arm = |order: FaultOrder| {
            let target = order.target(at)?;
            Ok(self.faults.arm_for(label, target, order.what))
        };
        orders.into_iter().map(arm).collect()
    }
}
