//! `MachineHealthCheck`: which nodes are taken for lost, and when they are replaced.
//!
//! Flow: manifest -> [`HealthCheck`]; the controllers ask [`HealthCheck::is_unhealthy`] of each machine
//! and [`HealthCheck::permits`] of all of them together.
//!
//! Invariants:
//! - What the document leaves out has the default of Cluster API; a timeout that cannot be read is one
//!   that is never reached.
//! - Nodes of this model are ready or silent; none says of itself that it is not ready.
//! - While more machines are unhealthy than permitted, none is replaced.
//!
//! Source: Cluster API v1beta1, `MachineHealthCheck`; its durations are Go's (`300s`, `5m`, `1h30m`).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::text;

/// Without a `nodeStartupTimeout`.
const DEFAULT_STARTUP: Duration = Duration::from_mins(10);
const NEVER: Duration = Duration::MAX;

/// How many machines may be unhealthy while remediation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Limit {
    Percent(usize),
    Count(usize),
}

/// What a health check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthCheck {
    max_unhealthy: Limit,
    /// A machine without a node is given up after this time; none switches that off.
    startup: Option<Duration>,
    /// `Ready=Unknown` for so long.
    unknown: Duration,
}

/// How a machine's node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vital {
    /// No node has appeared since the machine was made, so long ago.
    Starting(Duration),
    Ready,
    /// Its kubelet has not been heard of for so long.
    Unknown(Duration),
    /// Its machine does not exist any more.
    Gone,
}

impl HealthCheck {
    /// Reads the document.
    pub(crate) fn of(document: &Value) -> Self {
        let spec = |field: &str| document.pointer(&format!("/spec/{field}"));
        let startup = spec("nodeStartupTimeout").and_then(Value::as_str);
        let startup = startup.map_or(DEFAULT_STARTUP, |text| duration(text).unwrap_or(NEVER));
        let conditions = spec("unhealthyConditions").and_then(Value::as_array);
        let timeout = |status: &str| {
            let mut all = conditions.into_iter().flatten();
            let found = all.find(|condition| {
                text(condition, "/type") == Some("Ready")
                    && text(condition, "/status") == Some(status)
            });
            let limit = found.and_then(|condition| text(condition, "/timeout"));
            limit.and_then(duration).unwrap_or(NEVER)
        };
        Self {
            max_unhealthy: spec("maxUnhealthy").map_or(Limit::Percent(100), limit),
            startup: (!startup.is_zero()).then_some(startup),
            unknown: timeout("Unknown"),
        }
    }

    /// Whether a machine shall be replaced.
    pub(crate) fn is_unhealthy(&self, vital: Vital) -> bool {
        match vital {
            Vital::Ready => false,
            Vital::Gone => true,
            Vital::Starting(since) => self.startup.is_some_and(|limit| since >= limit),
            Vital::Unknown(since) => since >= self.unknown,
        }
    }

    /// Whether it still acts when `unhealthy` of `total` machines are; percentages round down.
    pub(crate) fn permits(&self, unhealthy: usize, total: usize) -> bool {
        match self.max_unhealthy {
            Limit::Percent(percent) => unhealthy <= total.saturating_mul(percent) / 100,
            Limit::Count(count) => unhealthy <= count,
        }
    }
}

fn limit(value: &Value) -> Limit {
    let number = |text: &str| text.trim().parse().ok();
    match value {
        Value::String(text) => match text.strip_suffix('%') {
            Some(percent) => Limit::Percent(number(percent).unwrap_or_default()),
            None => Limit::Count(number(text).unwrap_or_default()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Limit::Count(
                value
                    .as_u64()
                    .and_then(|count| usize::try_from(count).ok())
                    .unwrap_or_default(),
            )
        }
    }
}

/// A duration of Go, in whole seconds: `1h30m`, `300s`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        let unit = tail.chars().next()?;
        let secs = match unit {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(Duration::from_secs(number.checked_mul(secs)?))?;
        rest = tail.strip_prefix(unit)?;
    }
    (!text.trim().is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(spec: &Value) -> HealthCheck {
        HealthCheck::of(&json!({"spec": spec}))
    }

    #[test]
    fn durations_are_those_of_go() {
        let table = [
            ("300s", Some(300)),
            ("1h30m", Some(5400)),
            ("0s", Some(0)),
            ("", None),
            ("300", None),
            ("5d", None),
            ("99999999999999999999s", None),
        ];
        for (text, secs) in table {
            assert_eq!(duration(text), secs.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn conditions_strike_after_their_own_time() {
        let spec = json!({"nodeStartupTimeout": "900s", "unhealthyConditions": [
            {"type": "Ready", "status": "Unknown", "timeout": "5m"},
            {"type": "Ready", "status": "False", "timeout": "10m"},
        ]});
        let secs = Duration::from_secs;
        let table = [
            (Vital::Ready, false),
            (Vital::Starting(secs(899)), false),
            (Vital::Starting(secs(900)), true),
            (Vital::Unknown(secs(299)), false),
            (Vital::Unknown(secs(300)), true),
        ];
        for (vital, unhealthy) in table {
            assert_eq!(check(&spec).is_unhealthy(vital), unhealthy, "{vital:?}");
        }
        let off = check(&json!({"nodeStartupTimeout": "0s"}));
        assert!(!off.is_unhealthy(Vital::Starting(secs(9999))));
        let bare = check(&json!({}));
        assert!(bare.is_unhealthy(Vital::Starting(secs(600))), "ten minutes");
        assert!(
            !bare.is_unhealthy(Vital::Unknown(secs(9999))),
            "no condition"
        );
    }

    #[test]
    fn too_many_unhealthy_machines_stop_it() {
        let table = [
            (json!("40%"), 2, 5, true),
            (json!("40%"), 3, 5, false),
            (json!("40%"), 2, 4, false),
            (json!("100%"), 4, 4, true),
            (json!(1), 1, 9, true),
            (json!("1"), 2, 9, false),
            (json!("some"), 1, 9, false),
        ];
        for (limit, unhealthy, total, permits) in table {
            let check = check(&json!({"maxUnhealthy": limit}));
            assert_eq!(
                check.permits(unhealthy, total),
                permits,
                "{limit} {unhealthy}/{total}"
            );
        }
        assert!(check(&json!({})).permits(9, 9), "all by default");
    }
}
