//! Everything that keeps a replica from starting: one line that says what to do, and a telling exit code.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use cse_server::sim::control::NewUser;
use cse_server::sim::seed::default_config;
use cse_server::sim::world::World;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use crate::support::process::{End, Process};
use crate::support::vcd::Vcd;

/// Includes name look-up on a host without name servers.
const PATIENCE: Duration = Duration::from_secs(20);
const PREFIX: &str = "cse-server: ";

/// Runs a replica that must fail with `code`. Returns the one line that says why.
async fn refused(vcd: &Vcd, code: i32, config: &str) -> String {
    let file = vcd.file("refused.toml", config);
    refused_with(vcd, code, &file, &[]).await
}

async fn refused_with(vcd: &Vcd, code: i32, config: &Path, env: &[(&str, &OsStr)]) -> String {
    let end = Process::replica(config, env).end(PATIENCE).await;
    let line = the_line(vcd, &end);
    assert_eq!(end.code, Some(code), "{line}");
    line
}

/// The line that tells the failure: a record of the log, or what is said when there is none yet.
fn the_line(vcd: &Vcd, end: &End) -> String {
    let tells = |line: &&String| line.starts_with(PREFIX) || !line.contains(" INFO ");
    let lines: Vec<&String> = end.lines.iter().filter(tells).collect();
    assert_eq!(lines.len(), 1, "{:#?}", end.lines);
    for secret in [&vcd.access.provider_token, &vcd.tenant.api_token] {
        let leak = end.lines.iter().find(|line| line.contains(secret.as_str()));
        assert_eq!(leak, None);
    }
    let line = lines[0];
    let told = line.split_once("cannot start: ").map(|(_, told)| told);
    told.or(line.strip_prefix(PREFIX))
        .unwrap_or_else(|| panic!("no failure: {line}"))
        .to_owned()
}

fn assert_tells(line: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(line.contains(wanted), "{wanted:?} is not in: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_file_that_cannot_be_used() {
    let vcd = Vcd::open();
    let good = vcd.config("cse-1");

    let missing = vcd.path("missing.toml");
    let line = refused_with(&vcd, 78, &missing, &[]).await;
    assert_tells(&line, &["missing.toml: No such file", "--config"]);

    let line = refused(&vcd, 78, &good.replace("state_dir", "state_directory")).await;
    assert_tells(
        &line,
        &[
            "refused.toml:10: ",
            "unknown field `state_directory`",
            "`state_dir`",
        ],
    );

    let two = good.replace("[vcd]", "[vcd]\nrequest_timeout_secs = 0");
    let line = refused(&vcd, 78, &two.replace("'text'", "'xml'")).await;
    assert_tells(
        &line,
        &[
            "(1 of 2) ",
            "request_timeout_secs: 0",
            "(2 of 2) ",
            "log.format",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_read_or_must_not_be_used() {
    let vcd = Vcd::open();
    let config = |token: &str, text: &str| {
        let file = vcd.file(token, text);
        let good = vcd.path("token");
        let good = good.display().to_string();
        (
            vcd.config("cse-1")
                .replace(&good, &file.display().to_string()),
            file,
        )
    };

    let (text, file) = config("gone", "");
    std::fs::remove_file(file).unwrap();
    let line = refused(&vcd, 78, &text).await;
    assert_tells(
        &line,
        &["credentials.token_file", "/gone: No such file", "create"],
    );

    let (text, file) = config("public", &vcd.access.provider_token);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(file, mode).unwrap();
    let line = refused(&vcd, 78, &text).await;
    assert_tells(&line, &["everybody on this machine", "chmod o-rwx /"]);

    let (text, _) = config("wrong", "0123456789abcdef0123456789abcdef");
    let line = refused(&vcd, 77, &text).await;
    assert_tells(
        &line,
        &[
            "does not accept the API token",
            "\"System\"",
            "/wrong",
            "vcd.org",
        ],
    );
    assert!(!line.contains("0123456789abcdef"), "{line}");

    let (text, _) = config("tenant", &vcd.tenant.api_token);
    let line = refused(&vcd, 77, &text).await;
    assert_tells(&line, &["of another organization"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_be_reached() {
    let vcd = Vcd::open();
    let at = |url: &str| vcd.config("cse-1").replace(&vcd.url, url);

    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = free.local_addr().unwrap().to_string();
    drop(free);
    let line = refused(&vcd, 69, &at(&format!("https://{closed}"))).await;
    assert_tells(
        &line,
        &["VCD at https://", &closed, "connection refused", "vcd.url"],
    );

    let unknown = at("https://vcd.invalid").replace("time_scale = 120.0", "");
    let file = vcd.file("unknown.toml", &unknown);
    let quick = [("RES_OPTIONS", OsStr::new("timeout:1 attempts:1"))];
    let line = refused_with(&vcd, 69, &file, &quick).await;
    assert_tells(
        &line,
        &[
            "VCD at https://vcd.invalid: ",
            "name look-up failed",
            "vcd.url",
        ],
    );

    let ca = format!("ca_file = '{}'\n", vcd.path("ca.pem").display());
    let untrusting = vcd.file("untrusting.toml", &vcd.config("cse-1").replace(&ca, ""));
    // In place of the system's certificates, which not every machine has.
    let other = vcd.file("other.pem", &authority("another one"));
    let system = [("SSL_CERT_FILE", other.as_os_str())];
    let line = refused_with(&vcd, 69, &untrusting, &system).await;
    assert_tells(
        &line,
        &["certificate not trusted (unknown issuer)", "vcd.ca_file"],
    );
}

/// Certificate of an authority that has signed nothing.
fn authority(name: &str) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn something_that_is_no_vcd() {
    let vcd = Vcd::open();
    let at = |url: &str| vcd.config("cse-1").replace(&vcd.url, url);
    let page = MockServer::start().await;

    let line = refused(&vcd, 76, &at(&page.uri().replace("http:", "https:"))).await;
    assert_tells(&line, &["does not speak TLS", "port in vcd.url"]);

    let html = "<!DOCTYPE html><html><head><title>Portal</title></head><body>Hi<br></body></html>";
    for (status, what) in [
        (200, "it is a web page"),
        (302, "status 302"),
        (403, "status 403"),
        (404, "status 404"),
    ] {
        page.reset().await;
        let answer = ResponseTemplate::new(status)
            .insert_header("location", "/login")
            .set_body_raw(html, "text/html");
        Mock::given(matchers::any())
            .respond_with(answer)
            .mount(&page)
            .await;
        let line = refused(&vcd, 76, &at(&page.uri())).await;
        assert_tells(
            &line,
            &[&page.uri(), "list API versions: ", what, "vcd.url"],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vcd_that_is_too_old_or_too_new() {
    let vcd = Vcd::with(|world: &mut World| world.offer_versions(&[(36, 3), (40, 0)]));
    let line = refused(&vcd, 76, &vcd.config("cse-1")).await;
    assert_tells(
        &line,
        &["wanted 37.2, offered [36.3, 40.0]", "10.4.2 to 10.6"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_cannot_be_used() {
    let vcd = Vcd::open();
    let good = vcd.config("cse-1");
    let ca = vcd.path("ca.pem").display().to_string();

    let broken = "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n";
    let file = vcd.file("broken.pem", broken).display().to_string();
    let line = refused(&vcd, 78, &good.replace(&ca, &file)).await;
    assert_tells(&line, &["broken.pem", "vcd.ca_file"]);

    let file = vcd.file("key.pem", "-----BEGIN PRIVATE KEY-----\n");
    let line = refused(&vcd, 78, &good.replace(&ca, &file.display().to_string())).await;
    assert_tells(&line, &["vcd.ca_file", "key.pem holds no PEM certificate"]);

    let none = vcd.file("none.toml", &good.replace(&format!("ca_file = '{ca}'"), ""));
    let system = [
        ("SSL_CERT_FILE", OsStr::new("/nonexistent")),
        ("SSL_CERT_DIR", OsStr::new("/nonexistent")),
    ];
    let line = refused_with(&vcd, 78, &none, &system).await;
    assert_tells(
        &line,
        &[
            "no system CA certificates",
            "ca-certificates",
            "vcd.ca_file",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_configuration_that_cannot_be_used() {
    let none = Vcd::with(|_| ());
    let line = refused(&none, 78, &none.config("cse-1")).await;
    assert_tells(&line, &["no entity \"vcdKeConfig\"", "CSE Admin Role"]);

    let mut content = default_config();
    content["profiles"][0]["serverConfig"]["rdePollIntervalInMin"] = json!("soon");
    let invalid = Vcd::with(|world: &mut World| world.seed_config(content));
    let line = refused(&invalid, 78, &invalid.config("cse-1")).await;
    assert_tells(
        &line,
        &[
            "profiles[0].serverConfig.rdePollIntervalInMin",
            "\"soon\"",
            "urn:vcloud:entity:",
        ],
    );

    let two = Vcd::with(|world: &mut World| {
        world.seed_config(default_config());
        world.seed_config(default_config());
    });
    let line = refused(&two, 78, &two.config("cse-1")).await;
    assert_tells(&line, &["2 entities \"vcdKeConfig\"", "delete the others"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_without_its_rights() {
    let rows: [(&str, &[&str], i32); 2] = [
        ("none", &[], 78),
        (
            "reads only",
            &[
                "vmware:VCDKEConfig: View",
                "vmware:VCDKEConfig: Administrator View",
            ],
            77,
        ),
    ];
    for (name, rights, code) in rows {
        let token = "fedcba9876543210fedcba9876543210";
        let vcd = Vcd::with(|world: &mut World| {
            world.seed_config(default_config());
            world.add_user(NewUser {
                org: "System",
                name: "weak",
                role: "Weak",
                rights,
                api_token: Some(token),
                ..NewUser::default()
            });
        });
        vcd.file("token", token);
        let line = refused(&vcd, code, &vcd.config("cse-1")).await;
        assert_tells(&line, &["vcdKeConfig", "\"CSE Admin Role\""]);
        assert!(!line.contains(token), "{name}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_for_programs_has_the_line_as_its_only_error() {
    let vcd = Vcd::with(|_| ());
    let end = Process::replica(&vcd.replica("cse-1"), &[])
        .end(PATIENCE)
        .await;
    let errors = end.errors();
    assert_eq!((end.code, errors.len()), (Some(78), 1), "{:#?}", end.lines);
    let record: Value = serde_json::from_str(errors[0]).unwrap();
    let fields = &record["fields"];
    assert_eq!(fields["event"], "replica.failed");
    assert_eq!(fields["exit_code"], 78);
    let message = fields["message"].as_str().unwrap();
    assert!(
        message.starts_with("cannot start: VCD at https"),
        "{message}"
    );
}

/// Whoever filters the log is told all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_log_does_not_silence_the_failure() {
    let vcd = Vcd::with(|_| ());
    let silent = vcd
        .config("cse-1")
        .replace("'text'", "'text'\nfilter = 'off'");
    let line = refused(&vcd, 78, &silent).await;
    assert_tells(&line, &["no entity \"vcdKeConfig\""]);
}
