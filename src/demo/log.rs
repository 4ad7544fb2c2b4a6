//! What a replica's log says: one JSON object per line, as `log.format = "json"` writes them.
//!
//! Invariants:
//! - A panic is noticed although it is no JSON; the half line of a killed process is not an error.

use serde_json::Value;

/// One line of a replica's standard error that the demo cares about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogLine {
    /// A record of level ERROR, or the first line of a panic.
    Error(String),
    /// A record that names its kind in the field `event`.
    Event {
        /// Such as `claim.taken_over`.
        kind: String,
        /// The constant message, and the cluster if one is named.
        text: String,
    },
    /// Nothing to act on.
    Other,
}

/// Reads one line.
pub(super) fn scan(line: &str) -> LogLine {
    let Ok(record) = serde_json::from_str::<Value>(line) else {
        let panic = line.starts_with("thread '") && line.contains("panicked at");
        return if panic {
            LogLine::Error(line.to_owned())
        } else {
            LogLine::Other
        };
    };
    let field = |name: &str| {
        record
            .pointer(&format!("/fields/{name}"))
            .and_then(Value::as_str)
    };
    let cluster = field("cluster_name");
    let message = field("message").unwrap_or_default();
    let text = match cluster {
        Some(cluster) => format!("{cluster}: {message}"),
        None => message.to_owned(),
    };
    let cause = field("error").or_else(|| field("reason"));
    if record.get("level").and_then(Value::as_str) == Some("ERROR") {
        return LogLine::Error(cause.map_or(text.clone(), |cause| format!("{text}: {cause}")));
    }
    match field("event") {
        Some(kind) => LogLine::Event {
            kind: kind.to_owned(),
            text,
        },
        None => LogLine::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let event = |kind: &str, text: &str| LogLine::Event {
            kind: kind.into(),
            text: text.into(),
        };
        let error = |text: &str| LogLine::Error(text.into());
        let rows = [
            (
                r#"{"level":"INFO","fields":{"message":"cluster claimed","event":"cluster.claimed","cluster_name":"blue"},"target":"x"}"#,
                event("cluster.claimed", "blue: cluster claimed"),
            ),
            (
                r#"{"level":"INFO","fields":{"message":"taken","event":"claim.taken_over"}}"#,
                event("claim.taken_over", "taken"),
            ),
            (
                r#"{"level":"ERROR","fields":{"message":"pass failed","event":"pass.failed","error":"a: b"}}"#,
                error("pass failed: a: b"),
            ),
            (
                r#"{"level":"ERROR","fields":{"message":"bad"}}"#,
                error("bad"),
            ),
            (
                r#"{"level":"WARN","fields":{"message":"slow"}}"#,
                LogLine::Other,
            ),
            (
                r#"{"level":"INFO","fields":{"message":"half a li"#,
                LogLine::Other,
            ),
            ("[]", LogLine::Other),
            ("", LogLine::Other),
            (
                "thread 'main' panicked at src/x.rs:1:1:",
                error("thread 'main' panicked at src/x.rs:1:1:"),
            ),
        ];
        for (line, want) in rows {
            assert_eq!(scan(line), want, "{line}");
        }
    }
}
