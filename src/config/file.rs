//! The configuration as it is written: the TOML file, then the environment over it.
//!
//! Invariants:
//! - A key the program does not know is an error, never ignored: a misspelled limit must not count as unset.
//! - Nothing is defaulted or judged here; an absent key stays `None`.
//!
//! Not here: defaults, ranges and relations between keys (`config::checks`), the token (`config::token`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;

use super::Environment;
use super::error::{ConfigError, Refusal};

/// The file, every key optional.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(PartialEq, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) vcd: RawVcd,
    pub(super) credentials: RawCredentials,
    pub(super) replica: RawReplica,
    pub(super) log: RawLog,
    pub(super) metrics: RawMetrics,
    pub(super) simulation: RawSimulation,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(PartialEq, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawVcd {
    pub(super) url: Option<String>,
    pub(super) org: Option<String>,
    pub(super) api_version: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) http1_only: Option<bool>,
    pub(super) request_timeout_secs: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(PartialEq, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCredentials {
    pub(super) token_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(PartialEq, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawReplica {
    pub(super) name: Option<String>,
    pub(super) state_dir: Option<String>,
    pub(super) slots: Option<u64>,
    pub(super) org_share_percent: Option<u64>,
    pub(super) org_deletions: Option<u64>,
    pub(super) claims: Option<String>,
    pub(super) hot_poll_interval_secs: Option<u64>,
    pub(super) heartbeat_secs: Option<u64>,
    pub(super) self_fence_secs: Option<u64>,
    pub(super) takeover_secs: Option<u64>,
    pub(super) drain_timeout_secs: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(PartialEq, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLog {
    pub(super) filter: Option<String>,
    pub(super) format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(PartialEq, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawMetrics {
    pub(super) listen: Option<String>,
    pub(super) allow_remote: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(PartialEq, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSimulation {
    pub(super) time_scale: Option<f64>,
}

/// Parses the text of `file`.
pub(super) fn parse(file: &Path, text: &str) -> Result<RawConfig, ConfigError> {
    toml::from_str(text).map_err(|mut cause| {
        let line = cause
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(0, |before| before.matches('\n').count() + 1);
        // Without its input the parser's error does not quote the line, which may hold a token
        // that was put into the wrong file.
        cause.set_input(None);
        let message = cause.to_string().trim().replace('\n', " ");
        ConfigError::Malformed {
            file: file.to_owned(),
            line,
            message,
        }
    })
}

/// Where the values that are not from the file came from, by key.
pub(super) type Origins = BTreeMap<&'static str, Origin>;

/// Where a value that is not from the file came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This environment variable.
    Variable(&'static str),
    /// An OVF property, in words.
    Property(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Property(words) => f.write_str(words),
        }
    }
}

/// Puts the environment over what the file says. A variable set to nothing counts as not set.
pub(super) fn apply_environment(
    raw: &mut RawConfig,
    env: Environment<'_>,
) -> (Origins, Vec<Refusal>) {
    let mut over = Overlay {
        env,
        set: Origins::new(),
        refusals: Vec::new(),
    };
    over.vcd(&mut raw.vcd);
    let token_file = &mut raw.credentials.token_file;
    over.put(
        token_file,
        "credentials.token_file",
        "CSE_CREDENTIALS_TOKEN_FILE",
    );
    over.replica(&mut raw.replica);
    // The one variable people type by hand has a short name.
    over.put(&mut raw.log.filter, "log.filter", "CSE_LOG");
    over.put(&mut raw.log.format, "log.format", "CSE_LOG_FORMAT");
    let metrics = &mut raw.metrics;
    over.put(&mut metrics.listen, "metrics.listen", "CSE_METRICS_LISTEN");
    let remote = &mut metrics.allow_remote;
    over.put(remote, "metrics.allow_remote", "CSE_METRICS_ALLOW_REMOTE");
    let scale = &mut raw.simulation.time_scale;
    over.put(scale, "simulation.time_scale", "CSE_SIMULATION_TIME_SCALE");
    (over.set, over.refusals)
}

struct Overlay<'a> {
    env: Environment<'a>,
    set: Origins,
    refusals: Vec<Refusal>,
}

impl Overlay<'_> {
    fn vcd(&mut self, raw: &mut RawVcd) {
        self.put(&mut raw.url, "vcd.url", "CSE_VCD_URL");
        self.put(&mut raw.org, "vcd.org", "CSE_VCD_ORG");
        self.put(
            &mut raw.api_version,
            "vcd.api_version",
            "CSE_VCD_API_VERSION",
        );
        self.put(&mut raw.ca_file, "vcd.ca_file", "CSE_VCD_CA_FILE");
        self.put(&mut raw.http1_only, "vcd.http1_only", "CSE_VCD_HTTP1_ONLY");
        let timeout = &mut raw.request_timeout_secs;
        self.put(
            timeout,
            "vcd.request_timeout_secs",
            "CSE_VCD_REQUEST_TIMEOUT_SECS",
        );
    }

    fn replica(&mut self, raw: &mut RawReplica) {
        self.put(&mut raw.name, "replica.name", "CSE_REPLICA_NAME");
        self.put(
            &mut raw.state_dir,
            "replica.state_dir",
            "CSE_REPLICA_STATE_DIR",
        );
        self.sharing(raw);
        self.put(&mut raw.claims, "replica.claims", "CSE_REPLICA_CLAIMS");
        let poll = &mut raw.hot_poll_interval_secs;
        self.put(
            poll,
            "replica.hot_poll_interval_secs",
            "CSE_REPLICA_HOT_POLL_INTERVAL_SECS",
        );
        let heartbeat = &mut raw.heartbeat_secs;
        self.put(
            heartbeat,
            "replica.heartbeat_secs",
            "CSE_REPLICA_HEARTBEAT_SECS",
        );
        let fence = &mut raw.self_fence_secs;
        self.put(
            fence,
            "replica.self_fence_secs",
            "CSE_REPLICA_SELF_FENCE_SECS",
        );
        let takeover = &mut raw.takeover_secs;
        self.put(
            takeover,
            "replica.takeover_secs",
            "CSE_REPLICA_TAKEOVER_SECS",
        );
        let drain = &mut raw.drain_timeout_secs;
        self.put(
            drain,
            "replica.drain_timeout_secs",
            "CSE_REPLICA_DRAIN_TIMEOUT_SECS",
        );
    }

    fn sharing(&mut self, raw: &mut RawReplica) {
        self.put(&mut raw.slots, "replica.slots", "CSE_REPLICA_SLOTS");
        let share = &mut raw.org_share_percent;
        self.put(
            share,
            "replica.org_share_percent",
            "CSE_REPLICA_ORG_SHARE_PERCENT",
        );
        let deletions = &mut raw.org_deletions;
        self.put(
            deletions,
            "replica.org_deletions",
            "CSE_REPLICA_ORG_DELETIONS",
        );
    }

    fn put<T: FromStr>(&mut self, slot: &mut Option<T>, key: &'static str, variable: &'static str) {
        let Some(text) = (self.env)(variable).filter(|text| !text.trim().is_empty()) else {
            return;
        };
        match text.trim().parse() {
            Ok(value) => {
                *slot = Some(value);
                self.set.insert(key, Origin::Variable(variable));
            }
            Err(_) => self.refusals.push(Refusal {
                origin: format!("environment variable {variable}"),
                key,
                what: format!("{text:?} has the wrong type"),
                remedy: "use the same type as in the file, without quotes".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    fn read(text: &str) -> Result<RawConfig, ConfigError> {
        parse(Path::new("/etc/x.toml"), text)
    }

    #[test]
    fn mistakes_in_the_file_name_line_and_key_but_never_quote_the_line() {
        let rows = [
            (
                "unknown key",
                "[vcd]\ntoken = \"s3cr3t\"\n",
                2,
                "unknown field `token`",
            ),
            (
                "unknown table",
                "\n\n[vdc]\nurl = \"s3cr3t\"\n",
                3,
                "unknown field `vdc`",
            ),
            (
                "wrong type",
                "[replica]\nslots = true\n",
                2,
                "invalid type: boolean",
            ),
            ("negative", "[replica]\nslots = -1\n", 2, "slots"),
            ("no TOML", "[vcd]\nurl = s3cr3t\n", 2, ""),
            (
                "twice",
                "[log]\nfilter = \"s3cr3t\"\nfilter = \"s3cr3t\"\n",
                3,
                "duplicate key",
            ),
        ];
        for (name, text, want_line, want_message) in rows {
            let Err(error @ ConfigError::Malformed { line, .. }) = read(text) else {
                unreachable!("{name}: accepted or refused otherwise");
            };
            let shown = format!("{error} {error:?}");
            assert_eq!(line, want_line, "{name}: {shown}");
            assert!(shown.contains(want_message), "{name}: {shown}");
            assert!(!shown.contains("s3cr3t"), "{name}: {shown}");
        }
    }

    #[test]
    fn every_key_has_its_environment_variable() {
        let asked = RefCell::new(BTreeSet::new());
        let mut raw = RawConfig::default();
        apply_environment(&mut raw, &|name| {
            asked.borrow_mut().insert(name.to_owned());
            None
        });
        let tables = serde_json::to_value(&raw).unwrap();
        let want: BTreeSet<String> = tables
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(table, keys)| {
                keys.as_object()
                    .unwrap()
                    .keys()
                    .map(move |key| format!("CSE_{table}_{key}"))
            })
            .map(|name| name.to_uppercase().replace("CSE_LOG_FILTER", "CSE_LOG"))
            .collect();
        assert_eq!(want.len(), 23);
        assert_eq!(*asked.borrow(), want);
    }

    #[test]
    fn environment_wins_over_the_file_and_empty_counts_as_unset() {
        let mut raw =
            read("[vcd]\nurl = \"file\"\norg = \"file\"\n[replica]\nslots = 1\n").unwrap();
        let (set, refusals) = apply_environment(&mut raw, &|name| match name {
            "CSE_VCD_URL" => Some(" env ".to_owned()),
            "CSE_VCD_ORG" => Some(String::new()),
            "CSE_REPLICA_SLOTS" => Some("many".to_owned()),
            _ => None,
        });
        assert_eq!(raw.vcd.url.as_deref(), Some("env"));
        assert_eq!(raw.vcd.org.as_deref(), Some("file"));
        assert_eq!(raw.replica.slots, Some(1));
        let want = Origin::Variable("CSE_VCD_URL");
        assert_eq!(set, Origins::from([("vcd.url", want)]));
        let shown: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "environment variable CSE_REPLICA_SLOTS: replica.slots: \"many\" has the wrong \
                 type; use the same type as in the file, without quotes"
            ]
        );
    }
}
