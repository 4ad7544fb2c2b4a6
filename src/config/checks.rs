//! From what is written to what is meant: defaults, ranges, and the relations the claim protocol needs.
//!
//! Flow: `RawConfig` in, `Config` out, or every refusal at once.
//!
//! Invariants:
//! - heartbeat <= self-fence / 3 and takeover >= 2 x self-fence: two heartbeats may be lost before a
//!   holder stops, and a holder stops long before anybody takes over, even if its clock runs half as
//!   fast as the other's.
//! - self-fence >= request time limit + 5 s + heartbeat: otherwise a healthy holder would have no moment
//!   at which it may still begin something.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use super::error::{ConfigError, Refusal};
use super::file::{Origin, Origins, RawConfig, RawMetrics, RawReplica, RawVcd};
use super::ovf::Properties;
use super::{
    Config, Environment, LogConfig, LogFormat, MetricsConfig, ReplicaConfig, SimulationConfig,
    VcdConfig, token,
};
use crate::reconcile::policy::{ClaimProfile, LocalTimes};
use crate::reconcile::sharing::Slots;
use crate::telemetry;
use crate::vcd::versions::{ApiVersion, InvalidApiVersion};

/// Time a request needs beyond its own limit before its effect is certain to have ended, in seconds.
const ADMISSION_MARGIN_SECS: u64 = 5;
/// The provider organization.
const PROVIDER_ORG: &str = "System";
/// Longest wait for one answer, unless another one is set.
const DEFAULT_REQUEST: Duration = Duration::from_secs(30);
/// What is logged, unless something else is set.
pub(super) const DEFAULT_FILTER: &str = "info";
/// Longest replica name, in characters; the name is part of `workerId` in every claimed entity.
const MAX_NAME_CHARS: usize = 63;

/// Where values come from.
pub(super) struct Sources<'a> {
    pub(super) file: &'a Path,
    /// Of the values that are not from the file.
    pub(super) origins: Origins,
    pub(super) properties: Properties,
    pub(super) env: Environment<'a>,
}

/// Turns the written values into a configuration.
pub(super) fn check(
    raw: RawConfig,
    sources: Sources<'_>,
    early: Vec<Refusal>,
) -> Result<Config, ConfigError> {
    let mut checks = Checks {
        sources,
        refusals: early,
    };
    let vcd = checks.vcd(raw.vcd);
    let request = vcd
        .as_ref()
        .map_or(DEFAULT_REQUEST, |vcd| vcd.request_timeout);
    let replica = checks.replica(raw.replica, request);
    checks.relations(&replica.times);
    let log = checks.log(raw.log.filter, raw.log.format);
    let metrics = checks.metrics(&raw.metrics);
    let time_scale = checks.time_scale(raw.simulation.time_scale, vcd.as_ref());
    let token = checks.token(raw.credentials.token_file);
    match (vcd, token, checks.refusals.is_empty()) {
        (Some(vcd), Some((token, token_place)), true) => Ok(Config {
            vcd,
            token,
            token_place,
            replica,
            log,
            metrics,
            simulation: SimulationConfig { time_scale },
        }),
        _ => Err(ConfigError::Refused {
            refusals: checks.refusals,
        }),
    }
}

/// The same of the part about VCD alone.
pub(super) fn check_site(
    raw: RawVcd,
    sources: Sources<'_>,
    early: Vec<Refusal>,
) -> Result<VcdConfig, ConfigError> {
    let mut checks = Checks {
        sources,
        refusals: early,
    };
    match (checks.vcd(raw), checks.refusals.is_empty()) {
        (Some(vcd), true) => Ok(vcd),
        _ => Err(ConfigError::Refused {
            refusals: checks.refusals,
        }),
    }
}

struct Checks<'a> {
    sources: Sources<'a>,
    refusals: Vec<Refusal>,
}

impl Checks<'_> {
    fn origin(&self, key: &'static str) -> String {
        match self.sources.origins.get(key) {
            Some(origin) => origin.to_string(),
            None => self.sources.file.display().to_string(),
        }
    }

    fn refuse(&mut self, key: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        let origin = self.origin(key);
        self.refusals.push(Refusal {
            origin,
            key,
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    fn vcd(&mut self, raw: RawVcd) -> Option<VcdConfig> {
        let org = raw.org.unwrap_or_else(|| PROVIDER_ORG.to_owned());
        if org.is_empty() || org.chars().any(char::is_control) {
            self.refuse(
                "vcd.org",
                format!("{org:?} is no organization name"),
                "use System",
            );
        }
        let written = raw.api_version.as_deref();
        let api_version = written.map_or(Ok(ApiVersion::WRITTEN_AGAINST), str::parse);
        let api_version = api_version.unwrap_or_else(|cause: InvalidApiVersion| {
            self.refuse("vcd.api_version", cause.to_string(), "write it as \"37.2\"");
            ApiVersion::WRITTEN_AGAINST
        });
        let timeout = self.seconds(
            "vcd.request_timeout_secs",
            raw.request_timeout_secs,
            DEFAULT_REQUEST.as_secs(),
            1..=120,
        );
        let ca_file = self.path("vcd.ca_file", raw.ca_file);
        let ca_pem = ca_file
            .as_deref()
            .and_then(|path| self.ca_certificates(path));
        let url = self.url(raw.url)?;
        Some(VcdConfig {
            url,
            other_org: self.other_org(&org),
            org,
            api_version,
            ca_file,
            ca_pem,
            http1_only: raw.http1_only.unwrap_or(false),
            request_timeout: timeout,
        })
    }

    /// What an operator has written is meant; the property often names the appliance's organization.
    fn other_org(&self, org: &str) -> Option<String> {
        match self.sources.origins.get("vcd.org") {
            Some(Origin::Property(_)) if !org.eq_ignore_ascii_case(PROVIDER_ORG) => {
                Some(PROVIDER_ORG.to_owned())
            }
            Some(Origin::Property(_) | Origin::Variable(_)) | None => None,
        }
    }

    fn url(&mut self, written: Option<String>) -> Option<Url> {
        let key = "vcd.url";
        let Some(written) = written else {
            self.refuse(
                key,
                "not set",
                "set it to the address of VCD: \"https://vcd.example.com\"",
            );
            return None;
        };
        match site_url(&written) {
            Ok(url) => Some(url),
            Err(what) => {
                let remedy = "write the address of VCD, such as \"https://vcd.example.com\"";
                self.refuse(key, what, remedy);
                None
            }
        }
    }

    fn ca_certificates(&mut self, path: &Path) -> Option<Vec<u8>> {
        let shown = path.display();
        let remedy = "name a file with the certificates of the authorities to trust, in PEM form";
        match std::fs::read(path) {
            Err(cause) => {
                self.refuse(
                    "vcd.ca_file",
                    format!("cannot read {shown}: {cause}"),
                    remedy,
                );
                None
            }
            Ok(pem) if String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") => {
                Some(pem)
            }
            Ok(_) => {
                self.refuse(
                    "vcd.ca_file",
                    format!("{shown} holds no PEM certificate"),
                    remedy,
                );
                None
            }
        }
    }

    fn replica(&mut self, raw: RawReplica, request: Duration) -> ReplicaConfig {
        let (slots, times) = (self.slots(&raw), self.times(&raw, request));
        let name = raw.name.unwrap_or_else(super::machine_name);
        if !is_name(&name) {
            let what = format!("{name:?} cannot name a replica");
            let remedy = format!(
                "set a name of 1 to {MAX_NAME_CHARS} letters, digits, dots, dashes and underscores"
            );
            self.refuse("replica.name", what, remedy);
        }
        let written = self.path("replica.state_dir", raw.state_dir);
        // The run-time directory comes first: it does not survive a copy of the machine's disk, so a
        // cloned machine does not take the original's claims for those of a dead predecessor.
        let given = ["RUNTIME_DIRECTORY", "STATE_DIRECTORY"]
            .into_iter()
            .find_map(self.sources.env);
        // systemd separates several directories with colons.
        let given = given.and_then(|list| list.split(':').next().map(PathBuf::from));
        let drain = raw.drain_timeout_secs;
        ReplicaConfig {
            name,
            state_dir: written.or(given),
            slots,
            times,
            drain_timeout: self.seconds("replica.drain_timeout_secs", drain, 30, 1..=40),
        }
    }

    fn slots(&mut self, raw: &RawReplica) -> Slots {
        let slots = self.count("replica.slots", raw.slots, 32, 1..=512);
        let share = self.count(
            "replica.org_share_percent",
            raw.org_share_percent,
            25,
            1..=100,
        );
        let deletions = self.count("replica.org_deletions", raw.org_deletions, 2, 1..=512);
        Slots::new(slots, share, deletions)
    }

    fn times(&mut self, raw: &RawReplica, request: Duration) -> LocalTimes {
        let poll = raw.hot_poll_interval_secs;
        let (fence, takeover) = (raw.self_fence_secs, raw.takeover_secs);
        LocalTimes {
            profile: self.profile(raw.claims.as_deref()),
            heartbeat: self.seconds("replica.heartbeat_secs", raw.heartbeat_secs, 30, 20..=600),
            self_fence: self.seconds("replica.self_fence_secs", fence, 90, 60..=1800),
            takeover: self.seconds("replica.takeover_secs", takeover, 180, 120..=3600),
            hot_poll: self.seconds("replica.hot_poll_interval_secs", poll, 10, 1..=300),
            request,
        }
    }

    fn profile(&mut self, written: Option<&str>) -> ClaimProfile {
        match written {
            None | Some("standard") => ClaimProfile::Standard,
            Some("compat") => ClaimProfile::Compat,
            Some(other) => {
                let what = format!("{other:?} is no claim profile");
                self.refuse("replica.claims", what, "use standard or compat");
                ClaimProfile::Standard
            }
        }
    }

    fn relations(&mut self, times: &LocalTimes) {
        let heartbeat = times.heartbeat.as_secs();
        let fence = times.self_fence.as_secs();
        let takeover = times.takeover.as_secs();
        if heartbeat.saturating_mul(3) > fence {
            let what = format!("{heartbeat} s is more than a third of self_fence_secs = {fence}");
            let remedy = format!("lower it to {} or raise self_fence_secs", fence / 3);
            self.refuse("replica.heartbeat_secs", what, remedy);
        }
        if takeover < fence.saturating_mul(2) {
            let what = format!("{takeover} s is less than twice self_fence_secs = {fence}");
            let remedy = format!("raise it to {} or lower self_fence_secs", fence * 2);
            self.refuse("replica.takeover_secs", what, remedy);
        }
        let least = times.request.as_secs() + ADMISSION_MARGIN_SECS + heartbeat;
        if fence < least {
            let what = format!(
                "{fence} s is less than vcd.request_timeout_secs + {ADMISSION_MARGIN_SECS} + \
                 heartbeat_secs = {least}"
            );
            self.refuse(
                "replica.self_fence_secs",
                what,
                format!("raise it to at least {least}"),
            );
        }
    }

    fn log(&mut self, filter: Option<String>, format: Option<String>) -> LogConfig {
        let filter = filter.unwrap_or_else(|| DEFAULT_FILTER.to_owned());
        if let Err(cause) = telemetry::parse_filter(&filter) {
            let remedy = "write a level, or \"info,cse_server::vcd=trace\"";
            self.refuse("log.filter", cause.to_string(), remedy);
        }
        let written = format.unwrap_or_else(|| "auto".to_owned());
        let format = LogFormat::parse(&written).unwrap_or_else(|| {
            let what = format!("{written:?} is no log format");
            self.refuse("log.format", what, "use auto, journald, json or text");
            LogFormat::Auto
        });
        LogConfig { filter, format }
    }

    fn metrics(&mut self, raw: &RawMetrics) -> MetricsConfig {
        let key = "metrics.listen";
        let written = raw.listen.as_deref().map(str::trim).unwrap_or_default();
        if written.is_empty() {
            return MetricsConfig { listen: None };
        }
        let Ok(listen) = written.parse::<SocketAddr>() else {
            let what = format!("{written:?} is no address with a port");
            self.refuse(key, what, "write it as \"127.0.0.1:9187\"");
            return MetricsConfig { listen: None };
        };
        if !listen.ip().is_loopback() && raw.allow_remote != Some(true) {
            let what = format!("{listen} can be reached from other machines, without a login");
            let remedy = "use \"127.0.0.1:9187\", or set metrics.allow_remote = true";
            self.refuse(key, what, remedy);
        }
        MetricsConfig {
            listen: Some(listen),
        }
    }

    fn time_scale(&mut self, written: Option<f64>, vcd: Option<&VcdConfig>) -> f64 {
        let key = "simulation.time_scale";
        let scale = written.unwrap_or(1.0);
        if !(1.0..=1000.0).contains(&scale) {
            self.refuse(
                key,
                format!("{scale} is not between 1 and 1000"),
                "leave it out",
            );
        } else if scale > 1.0 && vcd.is_some_and(|vcd| !is_loopback(&vcd.url)) {
            let what = "time must not be sped up against a VCD that is not on this machine";
            self.refuse(key, what, "leave it out; it is for the demo's simulator");
        }
        scale
    }

    fn token(&mut self, written: Option<String>) -> Option<token::Found> {
        let key = "credentials.token_file";
        let named = written.is_some();
        let path = self.path(key, written).map(|path| (path, self.origin(key)));
        if named && path.is_none() {
            return None;
        }
        token::load(path, &self.sources)
            .map_err(|refusal| self.refusals.push(refusal))
            .ok()
    }

    /// An absolute path. The text is not repeated in the refusal: it may be a token put in the wrong place.
    fn path(&mut self, key: &'static str, written: Option<String>) -> Option<PathBuf> {
        let path = PathBuf::from(written?);
        if path.is_absolute() {
            return Some(path);
        }
        self.refuse(
            key,
            "not an absolute path",
            "write a path that begins with /",
        );
        None
    }

    fn seconds(
        &mut self,
        key: &'static str,
        written: Option<u64>,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_secs(self.number(key, written, default, range))
    }

    fn count(
        &mut self,
        key: &'static str,
        written: Option<u64>,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> usize {
        usize::try_from(self.number(key, written, default, range)).unwrap_or(usize::MAX)
    }

    fn number(
        &mut self,
        key: &'static str,
        written: Option<u64>,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let value = written.unwrap_or(default);
        if range.contains(&value) {
            return value;
        }
        let (low, high) = range.into_inner();
        let remedy = format!("use a number from {low} to {high}; the default is {default}");
        self.refuse(key, format!("{value} is out of range"), remedy);
        default
    }
}

/// The address of the site: scheme, host and port, nothing after it.
///
/// Takes what people and the vendor's appliance write: with or without scheme, with a trailing slash or
/// `/api`. Clear text is for this machine only, because the token travels in the request.
fn site_url(written: &str) -> Result<Url, String> {
    let text = written.trim();
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let mut url = Url::parse(&full).map_err(|cause| format!("{written:?} is no URL ({cause})"))?;
    if url.host().is_none_or(|host| host == Host::Domain("")) {
        return Err(format!("{written:?} names no host"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err("http would send the token in clear text".to_owned()),
        other => return Err(format!("{other}:// is not supported")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user name or password does not belong into the address".to_owned());
    }
    let path = url.path().trim_end_matches('/');
    if !matches!(path, "" | "/api" | "/cloudapi")
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(format!("{written:?} has more than host and port"));
    }
    url.set_path("/");
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=MAX_NAME_CHARS).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
#[path = "checks_tests.rs"]
mod tests;

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
#[path = "sample_tests.rs"]
mod sample_tests;
