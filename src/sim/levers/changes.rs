//! Settings and timings that are changed for a while, and what levers have done so far.
//!
//! Invariants:
//! - What is in force is the base with all running changes over it, in the order they began; when the last
//!   of them ends, the base is in force again, exactly.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Action, LeverError, Scenario};
use crate::sim::auth::SessionLimits;
use crate::sim::context::Settings;
use crate::sim::timings::Timings;

/// Deeds that are remembered.
const MAX_TOLD: usize = 200;

/// The values that the site goes by.
pub(super) struct InForce<'a> {
    pub(super) timings: &'a mut Timings,
    pub(super) settings: &'a mut Settings,
    pub(super) sessions: &'a mut SessionLimits,
}

/// The same, apart from the site.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Values {
    timings: Timings,
    settings: Settings,
    sessions: SessionLimits,
}

impl InForce<'_> {
    fn values(&self) -> Values {
        Values {
            timings: *self.timings,
            settings: *self.settings,
            sessions: *self.sessions,
        }
    }

    fn set(&mut self, values: &Values) {
        *self.timings = values.timings;
        *self.settings = values.settings;
        *self.sessions = values.sessions;
    }
}

/// One change that runs.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    id: u64,
    label: String,
    change: Change,
}

/// What it changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Change {
    Slow {
        operations: Vec<String>,
        factor: f64,
    },
    Set {
        settings: Map<String, Value>,
        timings: Map<String, Value>,
        sessions: Map<String, Value>,
    },
}

/// Something a scenario has done.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    scenario: String,
    at: Timestamp,
    action: Value,
    /// What came of it, or why nothing did.
    outcome: Value,
}

/// A scenario that was started.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Started {
    description: String,
    at: Timestamp,
}

/// All that levers leave in the world.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Changes {
    base: Option<Values>,
    running: Vec<Running>,
    changed_ever: u64,
    scenarios: BTreeMap<String, Started>,
    told: VecDeque<Told>,
}

impl Change {
    /// The values with this change over them.
    pub(super) fn over(&self, mut values: Values) -> Result<Values, LeverError> {
        match self {
            Self::Slow { operations, factor } => {
                if !(0.001..=100_000.0).contains(factor) {
                    return Err(LeverError::invalid(
                        "factor",
                        "it is not between 0.001 and 100000",
                    ));
                }
                values.timings = slowed(values.timings, operations, *factor)?;
                Ok(values)
            }
            Self::Set {
                settings,
                timings,
                sessions,
            } => Ok(Values {
                timings: patched("timings", values.timings, timings)?,
                settings: patched("settings", values.settings, settings)?,
                sessions: patched("sessions", values.sessions, sessions)?,
            }),
        }
    }
}

/// `timings` with the named ones, or all, `factor` times as long.
fn slowed(timings: Timings, names: &[String], factor: f64) -> Result<Timings, LeverError> {
    #[derive(Serialize, Deserialize)]
    struct Text(#[serde(with = "required")] Duration);

    let wrong = |cause: serde_json::Error| LeverError::invalid("timings", &cause.to_string());
    let document = serde_json::to_value(timings).map_err(wrong)?;
    let mut all: Map<String, Value> = serde_json::from_value(document).map_err(wrong)?;
    let is_time = |name: &String| all.get(name).is_some_and(Value::is_string);
    if let Some(unknown) = names.iter().find(|name| !is_time(name)) {
        return Err(LeverError::unknown("timing", unknown));
    }
    for (name, value) in &mut all {
        if value.is_string() && (names.is_empty() || names.contains(name)) {
            let Text(duration) = serde_json::from_value(value.take()).map_err(wrong)?;
            *value = json!(Text(duration.mul_f64(factor)));
        }
    }
    serde_json::from_value(Value::Object(all)).map_err(wrong)
}

/// `values` with the members of `patch` in place of its own.
pub(super) fn patched<T: Serialize + DeserializeOwned>(
    what: &str,
    values: T,
    patch: &Map<String, Value>,
) -> Result<T, LeverError> {
    let mut values = values;
    for (name, value) in patch {
        let field = format!("{what}.{name}");
        let wrong = |cause: serde_json::Error| LeverError::invalid(&field, &cause.to_string());
        let mut document = serde_json::to_value(&values).map_err(wrong)?;
        let Some(old) = document.get_mut(name) else {
            return Err(LeverError::invalid(&field, "there is no such one"));
        };
        *old = value.clone();
        values = serde_json::from_value(document).map_err(wrong)?;
    }
    Ok(values)
}

impl Changes {
    /// Lets `change` run over what is in force; returns its number.
    pub(super) fn begin(
        &mut self,
        change: Change,
        label: &str,
        force: &mut InForce<'_>,
    ) -> Result<u64, LeverError> {
        // Judged before anything is changed.
        change.over(force.values())?;
        self.base.get_or_insert(force.values());
        self.changed_ever += 1;
        self.running.push(Running {
            id: self.changed_ever,
            label: label.to_owned(),
            change,
        });
        self.put_in_force(force);
        Ok(self.changed_ever)
    }

    /// Changes the base itself, for good.
    pub(super) fn rebase(
        &mut self,
        change: &Change,
        force: &mut InForce<'_>,
    ) -> Result<(), LeverError> {
        let base = self.base.unwrap_or(force.values());
        let base = change.over(base)?;
        if self.base.is_some() {
            self.base = Some(base);
            self.put_in_force(force);
        } else {
            force.set(&base);
        }
        Ok(())
    }

    /// Ends the changes that `which` says yes to, by number and label.
    pub(super) fn end(&mut self, which: impl Fn(u64, &str) -> bool, force: &mut InForce<'_>) {
        self.running.retain(|one| !which(one.id, &one.label));
        self.put_in_force(force);
    }

    fn put_in_force(&mut self, force: &mut InForce<'_>) {
        let Some(base) = self.base else { return };
        let mut values = base;
        for one in &self.running {
            values = one.change.over(values).unwrap_or(values);
        }
        force.set(&values);
        if self.running.is_empty() {
            self.base = None;
        }
    }

    /// Remembers what came of an action of a scenario.
    pub(super) fn tell(
        &mut self,
        scenario: &str,
        action: &Action,
        at: Timestamp,
        outcome: Result<Value, LeverError>,
    ) {
        if self.told.len() >= MAX_TOLD {
            self.told.pop_front();
        }
        self.told.push_back(Told {
            scenario: scenario.to_owned(),
            at,
            action: json!(action),
            outcome: match outcome {
                Ok(told) => told,
                Err(error) => json!({"error": error.to_string()}),
            },
        });
    }

    /// Remembers that a scenario runs.
    pub(super) fn started(&mut self, scenario: &Scenario, at: Timestamp) {
        let started = Started {
            description: scenario.description.clone(),
            at,
        };
        self.scenarios.insert(scenario.name.clone(), started);
    }

    /// Forgets a scenario; false when it does not run.
    pub(super) fn stopped(&mut self, name: &str) -> bool {
        self.scenarios.remove(name).is_some()
    }

    /// The scenarios that run and what was done, for people.
    pub(crate) fn document(&self) -> Value {
        let scenarios = self.scenarios.iter();
        let scenarios = scenarios.map(
            |(name, one)| json!({"name": name, "description": one.description, "started": one.at}),
        );
        json!({"running": scenarios.collect::<Vec<Value>>(), "done": self.told})
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    fn slow(operations: &[&str], factor: f64) -> Change {
        Change::Slow {
            operations: operations.iter().map(|name| (*name).to_owned()).collect(),
            factor,
        }
    }

    #[test]
    fn every_timing_can_be_slowed() {
        let values = slow(&[], 2.0).over(Values::default()).unwrap();
        let plain = json!(Timings::default());
        let slowed = json!(values.timings);
        let times = slowed.as_object().unwrap().iter();
        for (name, slowed) in times.filter(|(name, _)| *name != "spread") {
            assert_ne!(plain.get(name), Some(slowed), "{name}");
        }
        let back = slow(&[], 0.5).over(values).unwrap();
        assert_eq!(back.timings, Timings::default());
    }

    /// Goal: changes may overlap and end in any order, and what was before is there again at the end.
    #[test]
    fn overlapping_changes_end_in_any_order() {
        for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1]] {
            let mut changes = Changes::default();
            let (mut timings, mut settings, mut sessions) = (
                Timings::default(),
                Settings::default(),
                SessionLimits::default(),
            );
            let mut force = InForce {
                timings: &mut timings,
                settings: &mut settings,
                sessions: &mut sessions,
            };
            for change in [slow(&["power"], 3.0), slow(&[], 7.0), slow(&["node"], 1.1)] {
                changes.begin(change, "x", &mut force).unwrap();
            }
            // By hand and for good, in the middle of it.
            changes.rebase(&slow(&["delete"], 2.0), &mut force).unwrap();
            for id in order {
                assert_ne!(*force.timings, Timings::default());
                changes.end(|one, _| one == id, &mut force);
            }
            let delete = Timings::default().delete * 2;
            assert_eq!(
                timings,
                Timings {
                    delete,
                    ..Timings::default()
                },
                "{order:?}"
            );
        }
    }

    #[test]
    fn a_change_that_cannot_be_changes_nothing() {
        let mut changes = Changes::default();
        let (mut timings, mut settings, mut sessions) = (
            Timings::default(),
            Settings::default(),
            SessionLimits::default(),
        );
        let mut force = InForce {
            timings: &mut timings,
            settings: &mut settings,
            sessions: &mut sessions,
        };
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(changes.begin(slow(&[], factor), "x", &mut force).is_err());
        }
        assert!(changes.begin(slow(&["nap"], 2.0), "x", &mut force).is_err());
        assert_eq!(timings, Timings::default());
    }
}
