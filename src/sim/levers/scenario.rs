//! Scenario files: what goes wrong when, as data.
//!
//! Format: TOML with `name`, `description` and any number of `[[step]]`, each with `at` (time since the start
//! of the scenario, at once when absent) and one `[step.action.<action>]`, spelled as in [`Action`]. A key
//! that is not known is an error.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required;
use serde::{Deserialize, Serialize};

use super::Action;

/// Most steps of one scenario.
const MAX_STEPS: usize = 1_000;

/// What goes wrong when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// By which it is stopped.
    pub name: String,
    /// What it is for, in a sentence.
    pub description: String,
    /// In any order.
    #[serde(rename = "step", default)]
    pub steps: Vec<Step>,
}

/// One action and its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Time since the scenario was started, on the site's clock.
    #[serde(default, with = "required")]
    pub at: Duration,
    /// What happens then.
    pub action: Action,
}

/// A scenario that cannot be used; the text says where and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScenarioError(String);

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// [`ScenarioError`]: it is no TOML, has an unknown key, or a value that cannot be.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)
            .map_err(|cause| ScenarioError(cause.to_string().trim().replace('\n', " ")))?;
        scenario.checked()
    }

    /// Checks what the format alone does not.
    ///
    /// # Errors
    /// [`ScenarioError`]: no name, too many steps, or values that no site accepts.
    pub fn checked(self) -> Result<Self, ScenarioError> {
        if self.name.trim().is_empty() {
            return Err(ScenarioError("name: it is empty".to_owned()));
        }
        if self.steps.len() > MAX_STEPS {
            return Err(ScenarioError(format!("step: more than {MAX_STEPS}")));
        }
        for (index, step) in self.steps.iter().enumerate() {
            let checked = step.action.check();
            checked.map_err(|error| ScenarioError(format!("step {}: {error}", index + 1)))?;
        }
        Ok(self)
    }
}
