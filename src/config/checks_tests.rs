//! Tables for the checks.

use super::super::{load, read_log_filter};
use super::*;

pub(super) const SAMPLE: &str = include_str!("../../config/cse-server.toml");

/// Loads `text` as a file, with a token in the environment.
pub(super) fn load_text(text: &str, more: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cse-server.toml");
    std::fs::write(&path, text).unwrap();
    load(&path, &|name| {
        let found = more
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned());
        found.or_else(|| (name == "CSE_VCD_API_TOKEN").then(|| "token".to_owned()))
    })
}

fn refusals(text: &str) -> Vec<(&'static str, String)> {
    match load_text(text, &[]) {
        Err(ConfigError::Refused { refusals }) => refusals
            .into_iter()
            .map(|one| (one.key, format!("{}; {}", one.what, one.remedy)))
            .collect(),
        Ok(_) => Vec::new(),
        Err(other) => unreachable!("{other}"),
    }
}

#[test]
fn addresses_as_people_and_the_appliance_write_them() {
    let rows = [
        ("https://vcd.example.com", Some("https://vcd.example.com/")),
        ("vcd.example.com", Some("https://vcd.example.com/")),
        (" vcd.example.com/ ", Some("https://vcd.example.com/")),
        (
            "vcd.example.com:8443",
            Some("https://vcd.example.com:8443/"),
        ),
        (
            "https://vcd.example.com/api",
            Some("https://vcd.example.com/"),
        ),
        (
            "https://vcd.example.com/api/",
            Some("https://vcd.example.com/"),
        ),
        (
            "https://vcd.example.com/cloudapi",
            Some("https://vcd.example.com/"),
        ),
        ("HTTPS://VCD.example.com", Some("https://vcd.example.com/")),
        ("https://[2001:db8::1]:443", Some("https://[2001:db8::1]/")),
        ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080/")),
        ("http://localhost:8080", Some("http://localhost:8080/")),
        ("http://vcd.example.com", None),
        ("ftp://vcd.example.com", None),
        ("https://vcd.example.com/tenant/acme", None),
        ("https://vcd.example.com/?a=b", None),
        ("https://vcd.example.com/#x", None),
        ("https://user@vcd.example.com", None),
        ("https://", None),
        ("", None),
        ("two words", None),
    ];
    for (written, want) in rows {
        let got = site_url(written);
        assert_eq!(
            got.as_ref().ok().map(Url::as_str),
            want,
            "{written:?}: {got:?}"
        );
    }
}

#[test]
fn a_minimal_file_gets_every_default() {
    let config = load_text("[vcd]\nurl = \"vcd.example.com\"\n", &[]).unwrap();
    assert_eq!(config.vcd.org, "System");
    assert_eq!(config.vcd.api_version.to_string(), "37.2");
    assert!(!config.vcd.http1_only && config.vcd.ca_pem.is_none());
    assert_eq!(config.vcd.request_timeout, Duration::from_secs(30));
    let replica = config.replica;
    assert_eq!(replica.name, super::super::machine_name());
    assert_eq!(
        (replica.slots, replica.state_dir),
        (Slots::standard(), None)
    );
    let times = LocalTimes {
        profile: ClaimProfile::Standard,
        heartbeat: Duration::from_secs(30),
        self_fence: Duration::from_secs(90),
        takeover: Duration::from_mins(3),
        hot_poll: Duration::from_secs(10),
        request: Duration::from_secs(30),
    };
    assert_eq!(replica.times, times);
    assert_eq!(replica.drain_timeout, Duration::from_secs(30));
    let log = LogConfig {
        filter: "info".to_owned(),
        format: LogFormat::Auto,
    };
    assert_eq!(config.log, log);
    assert!((config.simulation.time_scale - 1.0).abs() < f64::EPSILON);
}

#[test]
fn sharing_and_the_claim_profile_are_set_in_the_file_or_the_environment() {
    let text = "[vcd]\nurl = \"v\"\nrequest_timeout_secs = 40\n[replica]\nslots = 10\n\
        org_share_percent = 50\norg_deletions = 3\nclaims = \"compat\"\n";
    let replica = load_text(text, &[]).unwrap().replica;
    assert_eq!(replica.slots, Slots::new(10, 50, 3));
    assert_eq!(replica.times.profile, ClaimProfile::Compat);
    assert_eq!(replica.times.request, Duration::from_secs(40));
    let env = [("CSE_REPLICA_CLAIMS", "standard")];
    let replica = load_text(text, &env).unwrap().replica;
    assert_eq!(replica.times.profile, ClaimProfile::Standard);
}

#[test]
fn the_state_directory_is_the_one_that_systemd_gives() {
    let minimal = "[vcd]\nurl = \"vcd.example.com\"\n";
    let written = format!("{minimal}[replica]\nstate_dir = \"/own\"\n");
    let both = [
        ("RUNTIME_DIRECTORY", "/run/a:/run/b"),
        ("STATE_DIRECTORY", "/var/lib/a"),
    ];
    let rows = [
        ("none", minimal, &both[2..], None),
        ("state", minimal, &both[1..], Some("/var/lib/a")),
        ("both", minimal, &both[..], Some("/run/a")),
        ("written", &written, &both[..], Some("/own")),
    ];
    for (name, text, env, want) in rows {
        let got = load_text(text, env).unwrap().replica.state_dir;
        assert_eq!(got, want.map(PathBuf::from), "{name}");
    }
}

/// File, key refused, part of the refusal.
const REFUSED: &[(&str, &str, &str)] = &[
    ("[vcd]\n", "vcd.url", "set it to the address"),
    (
        "[vcd]\nurl = \"http://v.example.com\"\n",
        "vcd.url",
        "clear text",
    ),
    (
        "[vcd]\nurl = \"v\"\napi_version = \"v37\"\n",
        "vcd.api_version",
        "\"37.2\"",
    ),
    ("[vcd]\nurl = \"v\"\norg = \"\"\n", "vcd.org", "System"),
    (
        "[vcd]\nurl = \"v\"\nca_file = \"ca.pem\"\n",
        "vcd.ca_file",
        "absolute",
    ),
    (
        "[vcd]\nurl = \"v\"\nca_file = \"/dev/null\"\n",
        "vcd.ca_file",
        "PEM",
    ),
    (
        "[vcd]\nurl = \"v\"\nca_file = \"/none\"\n",
        "vcd.ca_file",
        "No such file",
    ),
    (
        "[vcd]\nurl = \"v\"\nrequest_timeout_secs = 0\n",
        "vcd.request_timeout_secs",
        "1 to 120",
    ),
    (
        "[vcd]\nurl = \"v\"\nrequest_timeout_secs = 60\n",
        "replica.self_fence_secs",
        "least 95",
    ),
    (
        "[vcd]\nurl = \"v\"\n[replica]\nname = \"a/b\"\n",
        "replica.name",
        "letters",
    ),
    (
        "[vcd]\nurl = \"v\"\n[replica]\nslots = 0\n",
        "replica.slots",
        "the default is 32",
    ),
    (
        "[vcd]\nurl = \"v\"\n[replica]\norg_share_percent = 0\n",
        "replica.org_share_percent",
        "the default is 25",
    ),
    (
        "[vcd]\nurl = \"v\"\n[replica]\norg_deletions = 0\n",
        "replica.org_deletions",
        "the default is 2",
    ),
    (
        "[vcd]\nurl = \"v\"\n[replica]\nclaims = \"Compat\"\n",
        "replica.claims",
        "standard or compat",
    ),
    (
        "[vcd]\nurl = \"v\"\n[replica]\nheartbeat_secs = 19\n",
        "replica.heartbeat_secs",
        "20 to",
    ),
    (
        "[vcd]\nurl = \"v\"\n[replica]\nheartbeat_secs = 31\n",
        "replica.heartbeat_secs",
        "to 30",
    ),
    (
        "[vcd]\nurl = \"v\"\n[replica]\ntakeover_secs = 179\n",
        "replica.takeover_secs",
        "to 180",
    ),
    (
        "[vcd]\nurl = \"v\"\n[replica]\ndrain_timeout_secs = 41\n",
        "replica.drain_timeout_secs",
        "40",
    ),
    (
        "[vcd]\nurl = \"v\"\n[replica]\nstate_dir = \"x\"\n",
        "replica.state_dir",
        "absolute",
    ),
    (
        "[vcd]\nurl = \"v\"\n[log]\nfilter = \"a=b=c\"\n",
        "log.filter",
        "level",
    ),
    (
        "[vcd]\nurl = \"v\"\n[log]\nformat = \"xml\"\n",
        "log.format",
        "journald",
    ),
    (
        "[vcd]\nurl = \"v\"\n[simulation]\ntime_scale = 2\n",
        "simulation.time_scale",
        "demo",
    ),
    (
        "[vcd]\nurl = \"v\"\n[simulation]\ntime_scale = 0.5\n",
        "simulation.time_scale",
        "1 and",
    ),
    (
        "[vcd]\nurl = \"v\"\n[credentials]\ntoken_file = \"x\"\n",
        "credentials.token_file",
        "abs",
    ),
];

#[test]
fn refusals_name_the_key_and_the_remedy() {
    for &(text, key, want) in REFUSED {
        let got = refusals(text);
        assert_eq!(got.len(), 1, "{text}: {got:?}");
        assert!(
            got.iter().all(|(k, text)| *k == key && text.contains(want)),
            "{text}: {got:?}"
        );
    }
}

#[test]
fn all_refusals_come_at_once_with_their_origin() {
    let text = "[vcd]\nurl = \"v\"\n[replica]\nslots = 0\n";
    let env = [
        ("CSE_VCD_URL", "ftp://v"),
        ("CSE_REPLICA_TAKEOVER_SECS", "soon"),
    ];
    let shown = load_text(text, &env).unwrap_err().to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(
        shown.contains("environment variable CSE_VCD_URL: vcd.url: ftp://"),
        "{shown}"
    );
    assert!(
        shown.contains("CSE_REPLICA_TAKEOVER_SECS: replica.takeover_secs: \"soon\""),
        "{shown}"
    );
    assert!(
        shown.contains("cse-server.toml: replica.slots: 0 is out of range"),
        "{shown}"
    );
}

#[test]
fn the_relations_accept_their_boundaries() {
    let rows = [
        (
            "heartbeat_secs = 30\nself_fence_secs = 90\ntakeover_secs = 180",
            true,
        ),
        (
            "heartbeat_secs = 20\nself_fence_secs = 60\ntakeover_secs = 120",
            true,
        ),
        (
            "heartbeat_secs = 200\nself_fence_secs = 600\ntakeover_secs = 1200",
            true,
        ),
        (
            "heartbeat_secs = 201\nself_fence_secs = 600\ntakeover_secs = 1200",
            false,
        ),
        (
            "heartbeat_secs = 200\nself_fence_secs = 600\ntakeover_secs = 1199",
            false,
        ),
    ];
    for (keys, want) in rows {
        let got = refusals(&format!("[vcd]\nurl = \"v\"\n[replica]\n{keys}\n"));
        assert_eq!(got.is_empty(), want, "{keys}: {got:?}");
    }
}

#[test]
fn speeding_time_up_needs_a_simulator_on_this_machine() {
    let text = "[vcd]\nurl = \"https://127.0.0.1:9\"\n[simulation]\ntime_scale = 30\n";
    let config = load_text(text, &[]).unwrap();
    assert!((config.simulation.time_scale - 30.0).abs() < f64::EPSILON);
}

/// Goal: an appliance that the original's automation deploys needs no file, and a file is still the last word.
#[test]
fn properties_of_the_appliance_stand_below_the_file_and_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cse-server.toml");
    let properties = [
        ("cse.vcdHost", "vcd.example.net"),
        ("cse.userOrg", "solutions"),
        ("cse.vcdRefreshToken", "s3cr3t"),
    ];
    let lines = properties.map(|(key, value)| format!("<Property key='{key}' value='{value}'/>"));
    let section = format!("<PropertySection>{}</PropertySection>", lines.concat());
    let document = dir.path().join("ovf-env.xml");
    std::fs::write(&document, format!("<Environment>{section}</Environment>")).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&document, private).unwrap();
    let given = |text: &str, env: Environment<'_>| {
        std::fs::write(&path, text).unwrap();
        load(&path, env)
    };

    let config = given(SAMPLE, &|_| None).unwrap();
    assert_eq!(config.vcd.url.as_str(), "https://vcd.example.net/");
    assert_eq!(config.vcd.org, "solutions");
    assert_eq!(config.vcd.other_org.as_deref(), Some("System"));
    let place = config.token_place;
    assert!(
        place.starts_with("OVF property cse.vcdRefreshToken (/"),
        "{place}"
    );

    let config = given("[vcd]\nurl = \"file\"\norg = \"written\"\n", &|_| None).unwrap();
    assert_eq!(config.vcd.url.as_str(), "https://file/");
    assert_eq!(
        (config.vcd.org.as_str(), config.vcd.other_org),
        ("written", None)
    );

    let env = |name: &str| (name == "CSE_VCD_URL").then(|| "env".to_owned());
    let config = given("[vcd]\nurl = \"file\"\n", &env).unwrap();
    assert_eq!(config.vcd.url.as_str(), "https://env/");

    let text = std::fs::read_to_string(&document).unwrap();
    std::fs::write(&document, text.replace("vcd.example.net", "http://vcd")).unwrap();
    let said = given(SAMPLE, &|_| None).unwrap_err().to_string();
    let want = "OVF property cse.vcdHost (/";
    assert!(
        said.starts_with(want) && said.contains(": vcd.url: http would"),
        "{said}"
    );
    std::fs::write(&document, "<x/>").unwrap();
    let said = given(SAMPLE, &|_| None).unwrap_err().to_string();
    assert!(said.contains("its root is not <Environment>"), "{said}");
    assert!(said.contains("vcd.url: not set"), "{said}");
}

#[test]
fn metrics_are_for_this_machine_unless_asked_for_otherwise() {
    let rows = [
        ("", Ok(None)),
        ("listen = \"\"", Ok(None)),
        ("listen = \"127.0.0.1:9187\"", Ok(Some("127.0.0.1:9187"))),
        ("listen = \"[::1]:9187\"", Ok(Some("[::1]:9187"))),
        (
            "listen = \"0.0.0.0:9187\"\nallow_remote = true",
            Ok(Some("0.0.0.0:9187")),
        ),
        (
            "listen = \"0.0.0.0:9187\"",
            Err(
                "0.0.0.0:9187 can be reached from other machines, without a login; use \"127.0.0.1:9187\", \
                 or set metrics.allow_remote = true",
            ),
        ),
        (
            "listen = \"localhost\"",
            Err("\"localhost\" is no address with a port; write it as \"127.0.0.1:9187\""),
        ),
    ];
    for (keys, want) in rows {
        let text = format!("[vcd]\nurl = \"v\"\n[metrics]\n{keys}\n");
        let got = match load_text(&text, &[]) {
            Ok(config) => Ok(config.metrics.listen.map(|address| address.to_string())),
            Err(_) => Err(refusals(&text)),
        };
        let want = match want {
            Ok(address) => Ok(address.map(str::to_owned)),
            Err(why) => Err(vec![("metrics.listen", why.to_owned())]),
        };
        assert_eq!(got, want, "{keys}");
    }
}

#[test]
fn the_log_filter_can_be_read_again_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cse-server.toml");
    let read = |text: &str, env: &str| {
        std::fs::write(&path, text).unwrap();
        let env = env.to_owned();
        read_log_filter(&path, &|name| (name == "CSE_LOG").then(|| env.clone()))
    };
    assert_eq!(
        read("[replica]\nslots = 9999\n", "").unwrap(),
        "info",
        "other keys are not judged"
    );
    assert_eq!(read("[log]\nfilter = \"warn\"\n", "").unwrap(), "warn");
    assert_eq!(
        read("[log]\nfilter = \"warn\"\n", "debug").unwrap(),
        "debug"
    );
    let malformed = read("[log\n", "").unwrap_err();
    assert!(
        matches!(malformed, ConfigError::Malformed { line: 1, .. }),
        "{malformed}"
    );
}

#[test]
fn a_configuration_shows_no_token() {
    let text = "[vcd]\nurl = \"v\"\n";
    let config = load_text(text, &[("CSE_VCD_API_TOKEN", "s3cr3t")]).unwrap();
    assert!(!format!("{config:?}").contains("s3cr3t"));
}
