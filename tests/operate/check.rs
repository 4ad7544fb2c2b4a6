//! `cse-server check` in a good world and in every broken one: which line tells, and the exit code.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use cse_server::sim::seed::default_config;
use cse_server::sim::world::World;
use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use crate::init::desk::Desk;
use crate::support::process::Process;
use crate::support::vcd::Vcd;

/// Longest run of the command; it promises less.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one run said.
struct Said {
    code: i32,
    checks: Vec<Value>,
    text: String,
}

impl Said {
    fn verdict(&self, check: &str) -> (&str, &str) {
        let found = self.checks.iter().find(|one| one["check"] == check);
        let found = found.unwrap_or_else(|| panic!("no line {check}: {}", self.text));
        (
            found["verdict"].as_str().unwrap(),
            found["found"].as_str().unwrap(),
        )
    }

    /// The check has the verdict, and its text all parts.
    fn tells(&self, check: &str, verdict: &str, parts: &[&str]) {
        let (found, text) = self.verdict(check);
        assert_eq!(found, verdict, "{check}: {}", self.text);
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {check}: {text}");
        }
    }

    fn failures(&self) -> Vec<&str> {
        let failed = self.checks.iter().filter(|one| one["verdict"] == "fail");
        failed.map(|one| one["check"].as_str().unwrap()).collect()
    }
}

async fn check_with(vcd: &Vcd, config: &str, env: &[(&str, &OsStr)]) -> Said {
    let file = vcd.file("check.toml", config);
    let run = async |json: bool| {
        let file: &Path = &file;
        let mut arguments = vec![
            OsStr::new("check"),
            OsStr::new("--config"),
            file.as_os_str(),
        ];
        arguments.extend(json.then(|| OsStr::new("--json")));
        Process::start(&arguments, env).end(PATIENCE).await
    };
    let end = run(true).await;
    let text = end.lines.join("\n");
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    for secret in [&vcd.access.provider_token, &vcd.tenant.api_token] {
        assert!(
            secret == "none" || !text.contains(secret.as_str()),
            "{text}"
        );
    }
    let checks = document["checks"].as_array().unwrap().clone();
    let said = Said {
        code: end.code.unwrap(),
        checks,
        text,
    };
    assert_eq!(said.checks.len(), 17, "{}", said.text);
    assert_eq!(document["exit_code"], said.code, "{}", said.text);
    assert_eq!(document["works"], said.code == 0, "{}", said.text);
    said
}

async fn check(vcd: &Vcd) -> Said {
    check_with(vcd, &vcd.config("cse-1"), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_in_which_a_replica_works() {
    let vcd = Vcd::open();
    let said = check(&vcd).await;
    assert_eq!(said.code, 0, "{}", said.text);
    assert_eq!(said.failures(), Vec::<&str>::new());
    said.tells(
        "configuration",
        "ok",
        &[&vcd.url, "organization System", "cse-1"],
    );
    said.tells("dns", "ok", &["127.0.0.1"]);
    said.tells("tcp", "ok", &[" ms"]);
    said.tells("mtu", "ok", &["bytes"]);
    said.tells("tls", "ok", &["signed by", "valid until"]);
    said.tells("api_version", "ok", &["37.2 of "]);
    said.tells("token", "ok", &[]);
    said.tells("organization", "ok", &["System, user cse-service"]);
    said.tells("rights", "ok", &["CSE Admin Role"]);
    said.tells("entity_types", "ok", &["1.3.0"]);
    said.tells("behavior", "ok", &[]);
    said.tells("server_configuration", "ok", &["urn:vcloud:entity:"]);
    said.tells("conditional_writes", "ok", &[]);
    said.tells("replicas", "ok", &["nobody holds one of 0 clusters"]);

    let file = vcd.file("check.toml", &vcd.config("cse-1"));
    let arguments = [
        OsStr::new("check"),
        OsStr::new("--config"),
        file.as_os_str(),
    ];
    let end = Process::start(&arguments, &[]).end(PATIENCE).await;
    assert_eq!(end.code, Some(0));
    assert_eq!(end.lines.len(), 19, "{:#?}", end.lines);
    assert!(end.lines[0].starts_with("ok"), "{:#?}", end.lines);
    assert!(
        end.lines[18].contains("a replica would work here"),
        "{:#?}",
        end.lines
    );
    assert!(!end.lines.join("").contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_at_work_are_seen() {
    let vcd = Vcd::open();
    let (tenant, at) = (vcd.tenant.clone(), Timestamp::now());
    let urn = vcd.world().seed_provisioned(&tenant, "oak", 9_000);
    vcd.world().modify_entity(&urn, at, |content| {
        content["status"]["vcdKe"]["workerId"] =
            json!("cse-2\u{1b}[2J/00000000000000000000000000000001");
        content["status"]["vcdKe"]["heartbeatString"] = json!("another server's");
        content["status"]["vcdKe"]["heartbeatTimestamp"] = json!(at.to_string());
    });
    let said = check(&vcd).await;
    assert_eq!(said.code, 0, "{}", said.text);
    said.tells(
        "replicas",
        "ok",
        &["of 1 clusters: cse-2", "holds 1, last wrote "],
    );

    let file = vcd.path("check.toml");
    let arguments = [
        OsStr::new("check"),
        OsStr::new("--config"),
        file.as_os_str(),
    ];
    let end = Process::start(&arguments, &[]).end(PATIENCE).await;
    assert!(!end.lines.join("").contains('\u{1b}'), "{:#?}", end.lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_to_vcd_that_is_broken() {
    let mut vcd = Vcd::open();
    let good = vcd.config("cse-1");

    let said = check_with(&vcd, &good.replace("[vcd]", "[vdc]"), &[]).await;
    assert_eq!(said.code, 78, "{}", said.text);
    said.tells("configuration", "fail", &["unknown field `vdc`"]);
    said.tells("replicas", "skipped", &["the configuration cannot be used"]);

    let unknown = good
        .replace(&vcd.url, "https://vcd.invalid")
        .replace("time_scale = 120.0", "");
    let quick = [("RES_OPTIONS", OsStr::new("timeout:1 attempts:1"))];
    let said = check_with(&vcd, &unknown, &quick).await;
    assert_eq!(said.code, 69, "{}", said.text);
    assert_eq!(said.failures(), ["dns"]);
    said.tells("dns", "fail", &["vcd.invalid", "name servers"]);
    said.tells("tcp", "skipped", &["the name is not known"]);
    said.tells("token", "skipped", &["the name is not known"]);

    let other = vcd.file("other.pem", &authority()).display().to_string();
    let ca = vcd.path("ca.pem").display().to_string();
    let said = check_with(&vcd, &good.replace(&ca, &other), &[]).await;
    assert_eq!(said.code, 69, "{}", said.text);
    assert_eq!(said.failures(), ["tls"]);
    said.tells("tls", "fail", &["vcd.ca_file", "VCD shows "]);
    said.tells("api_version", "skipped", &["certificate"]);

    let proxy = [("HTTPS_PROXY", OsStr::new("http://user:s3cr3t@127.0.0.1:1"))];
    let said = check_with(&vcd, &good, &proxy).await;
    assert_eq!(said.code, 69, "{}", said.text);
    said.tells("proxy", "ok", &["http://127.0.0.1:1 (HTTPS_PROXY)"]);
    said.tells("tcp", "skipped", &["proxy"]);
    said.tells("tls", "fail", &["connection refused"]);
    assert!(!said.text.contains("s3cr3t"), "{}", said.text);

    vcd.close().await;
    let said = check(&vcd).await;
    assert_eq!(said.code, 69, "{}", said.text);
    assert_eq!(said.failures(), ["tcp"]);
    said.tells("tcp", "fail", &["refused", "whether VCD is up"]);
    said.tells("tls", "skipped", &["there is no connection"]);
}

/// Certificate of an authority that has signed nothing.
fn authority() -> String {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "another one");
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn something_that_is_no_usable_vcd() {
    let old = Vcd::with(|world: &mut World| world.offer_versions(&[(36, 3), (40, 0)]));
    let said = check(&old).await;
    assert_eq!(said.code, 76, "{}", said.text);
    said.tells("tls", "ok", &["signed by"]);
    said.tells("api_version", "fail", &["offered [36.3, 40.0]"]);
    said.tells("clock", "skipped", &["usable VCD"]);

    let (_server, clear) = old.serve_in_clear();
    let config = old
        .config("cse-1")
        .replace(&old.url, &format!("https://{clear}"));
    let said = check_with(&old, &config, &[]).await;
    assert_eq!(said.code, 76, "{}", said.text);
    said.tells("tls", "fail", &["does not speak TLS", "port in vcd.url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_do_the_work() {
    let vcd = Vcd::open();
    vcd.world().withdraw_rights(
        "cse-service",
        &["vmware:capvcdCluster: Administrator Full access"],
    );
    let said = check(&vcd).await;
    assert_eq!(said.code, 77, "{}", said.text);
    said.tells(
        "rights",
        "fail",
        &["vmware:capvcdCluster: Administrator Full access"],
    );

    let vcd = Vcd::open();
    vcd.world()
        .withdraw_rights("cse-service", &["IP Spaces: Allocate"]);
    let said = check(&vcd).await;
    assert_eq!(said.code, 0, "{}", said.text);
    said.tells("rights", "warn", &["IP Spaces: Allocate"]);

    let vcd = Vcd::open();
    let token = vcd.access.provider_token.clone();
    vcd.world().revoke_api_token(&token);
    let said = check(&vcd).await;
    assert_eq!(said.code, 77, "{}", said.text);
    assert_eq!(said.failures(), ["token"]);
    said.tells(
        "token",
        "fail",
        &["does not accept the API token", "/token"],
    );
    said.tells("rights", "skipped", &["there is no login"]);

    let vcd = Vcd::open();
    vcd.file("token", &vcd.tenant.api_token);
    let config = vcd.config("cse-1").replace("[vcd]", "[vcd]\norg = 'acme'");
    let said = check_with(&vcd, &config, &[]).await;
    assert_eq!(said.code, 78, "{}", said.text);
    said.tells(
        "organization",
        "fail",
        &["acme-author", "only a user of System"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_not_set_up() {
    let none = Vcd::with(|_| ());
    let said = check(&none).await;
    assert_eq!(said.code, 78, "{}", said.text);
    assert_eq!(said.failures(), ["server_configuration"]);
    said.tells(
        "conditional_writes",
        "skipped",
        &["no server configuration"],
    );

    let several = Vcd::with(|world: &mut World| {
        world.seed_config(default_config());
        world.seed_config(default_config());
    });
    let said = check(&several).await;
    assert_eq!(said.code, 78, "{}", said.text);
    said.tells(
        "server_configuration",
        "fail",
        &["2 entities", "delete the others"],
    );

    let mut content = default_config();
    content["profiles"][0]["serverConfig"]["rdePollIntervalInMin"] = json!("soon");
    content["profiles"][0]["K8Config"]["mhc"]["nodeStartupTimeout"] = json!("later");
    let invalid = Vcd::with(|world: &mut World| world.seed_config(content));
    let said = check(&invalid).await;
    assert_eq!(said.code, 78, "{}", said.text);
    let both = ["rdePollIntervalInMin", "nodeStartupTimeout"];
    said.tells("server_configuration", "fail", &both);

    let vcd = Vcd::open();
    let desk = Desk::at(&vcd);
    desk.delete("entityTypes/urn:vcloud:type:vmware:capvcdCluster:1.3.0");
    let said = check(&vcd).await;
    assert_eq!(said.code, 0, "{}", said.text);
    said.tells(
        "entity_types",
        "warn",
        &["capvcdCluster 1.3.0", "cse-server init"],
    );
    for version in ["1.1.0", "1.2.0"] {
        desk.delete(&format!(
            "entityTypes/urn:vcloud:type:vmware:capvcdCluster:{version}"
        ));
    }
    desk.delete("interfaces/urn:vcloud:interface:cse:capvcd:1.0.0");
    let said = check(&vcd).await;
    assert_eq!(said.code, 77, "{}", said.text);
    said.tells("entity_types", "fail", &["capvcdCluster 1.1.0"]);
    said.tells("behavior", "fail", &["getFullEntity is not registered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn something_in_between_that_drops_conditions_or_a_clock_that_is_wrong() {
    let vcd = Vcd::open();
    let (_server, clear) = vcd.serve_in_clear();
    let through = |meddler: Meddler| {
        let address = meddle(clear, meddler);
        vcd.config("cse-1")
            .replace(&vcd.url, &format!("http://{address}"))
    };

    let said = check_with(&vcd, &through(Meddler::DropsConditions), &[]).await;
    assert_eq!(said.code, 76, "{}", said.text);
    assert_eq!(said.failures(), ["conditional_writes"]);
    said.tells(
        "conditional_writes",
        "fail",
        &["accepted a write with a wrong If-Match", "proxy"],
    );

    let said = check_with(&vcd, &through(Meddler::IsTwoHoursLate), &[]).await;
    assert_eq!(said.code, 0, "{}", said.text);
    said.tells(
        "clock",
        "warn",
        &["2 h ahead of VCD's", "time synchronization"],
    );
}

#[derive(Clone, Copy)]
enum Meddler {
    DropsConditions,
    IsTwoHoursLate,
}

/// Something between clients and VCD that changes bytes, never how many.
fn meddle(target: SocketAddr, meddler: Meddler) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(target).unwrap();
            let (there, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pump(there, server, meddler));
            thread::spawn(move || pump(back, client, meddler));
        }
    });
    address
}

fn pump(mut from: TcpStream, mut to: TcpStream, meddler: Meddler) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let bytes = &mut buffer[..read];
        match meddler {
            Meddler::DropsConditions => replace(bytes, b"if-match:", b"x-match-:"),
            Meddler::IsTwoHoursLate => {
                let late = Timestamp::now() - Duration::from_hours(2);
                let late = late.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
                for at in places(bytes, b"date: ") {
                    bytes[at + 6..at + 6 + late.len()].copy_from_slice(late.as_bytes());
                }
            }
        }
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    // The other direction may have ended both already.
    to.shutdown(Shutdown::Both).unwrap_or(());
}

fn places(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(needle.len()).enumerate();
    let found = windows.filter(|(_, window)| window.eq_ignore_ascii_case(needle));
    found.map(|(at, _)| at).collect()
}

fn replace(bytes: &mut [u8], needle: &[u8], with: &[u8]) {
    for at in places(bytes, needle) {
        bytes[at..at + with.len()].copy_from_slice(with);
    }
}
