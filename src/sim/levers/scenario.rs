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
        let scenario: Self =
            toml::from_str(text).map_err(|cause| ScenarioError(told(&cause, text)))?;
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

/// What is wrong with `text`, in one line that begins with the line's number.
pub(crate) fn told(cause: &toml::de::Error, text: &str) -> String {
    let before = cause.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    let message = cause.message().trim().replace('\n', " ");
    format!("line {line}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a scenario with this step is refused.
    fn refused(step: &str) -> String {
        let text = format!("name = 'x'\ndescription = ''\n[[step]]\n{step}\n");
        let parsed = Scenario::parse(&text);
        parsed.map_or_else(
            |error| error.to_string(),
            |scenario| format!("taken: {scenario:?}"),
        )
    }

    #[test]
    fn what_is_not_known_or_cannot_be_is_refused_with_its_place() {
        let rows = [
            ("att = '1m'", "att"),
            ("at = '1 parsec'", "at"),
            ("at = '-1m'\naction = { expire_sessions = {} }", "line 4: "),
            ("", "action"),
            ("action = { expire = {} }", "expire"),
            ("action = { expire_sessions = { users = 'a' } }", "users"),
            (
                "action = { fault = { what = { refused = { throttled = { retry = 1 } } } } }",
                "retry",
            ),
            (
                "action = { fault = { what = 'reply_lost', per_mille = 1001 } }",
                "step 1: per_mille",
            ),
            (
                "action = { set = { timings = { compose = '1x' } } }",
                "step 1: timings.compose",
            ),
            (
                "action = { slow = { factor = 2, operations = ['nap'] } }",
                "step 1: there is no timing",
            ),
            (
                "action = { fail_node = { cluster = 'a', how = 'magic' } }",
                "magic",
            ),
        ];
        for (step, want) in rows {
            let told = refused(step);
            assert!(
                told.contains(want) && !told.starts_with("taken"),
                "{step}: {told}"
            );
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }
}
