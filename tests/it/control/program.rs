//! `cse-server sim` as a process: what it prints works, and what it keeps survives.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use cse_server::vcd::http::install_crypto_provider;
use serde_json::{Value, json};

use crate::support::process::{Process, until};

const PATIENCE: Duration = Duration::from_secs(30);
const TYPE: &str = "urn:vcloud:type:vmware:capvcdCluster:1.3.0";

/// A simulator that has said how to use it.
struct Simulator {
    process: Process,
    url: String,
    control: String,
    client: reqwest::Client,
}

impl Simulator {
    async fn start(dir: &Path, more: &[&str]) -> Self {
        install_crypto_provider();
        let ca = dir.join("ca.pem");
        let state = dir.join("state");
        let config = dir.join("config");
        let mut arguments: Vec<&OsStr> = vec!["sim".as_ref(), "--ca-out".as_ref(), ca.as_ref()];
        arguments.extend(["--state".as_ref(), state.as_os_str()]);
        arguments.extend(["--write-config".as_ref(), config.as_os_str()]);
        let free = ["--control", "127.0.0.1:0", "--time-scale", "60"];
        arguments.extend(free.iter().chain(more).map(OsStr::new));
        let process = Process::start(&arguments, &[]);
        until("the simulator says how to use it", PATIENCE, || {
            let lines = process.lines();
            lines.iter().any(|line| line.contains("curl:"))
                || lines.iter().any(|line| line.contains("cse-server: "))
        })
        .await;
        let lines = process.lines();
        let after = |words: &str| -> String {
            let found = lines
                .iter()
                .find_map(|line| line.trim().strip_prefix(words));
            let found = found.unwrap_or_else(|| panic!("{words} in {lines:?}"));
            found.split_whitespace().next().unwrap().to_owned()
        };
        let pem = std::fs::read(&ca).unwrap();
        let authority = reqwest::Certificate::from_pem(&pem).unwrap();
        Self {
            url: after("simulated VCD at"),
            control: after("control API"),
            client: reqwest::Client::builder()
                .tls_certs_only([authority])
                .build()
                .unwrap(),
            process,
        }
    }

    /// The API token that a line of its greeting tells.
    fn token(&self, who: &str) -> String {
        let lines = self.process.lines();
        let line = lines.iter().find(|line| line.contains(who)).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    }

    async fn login(&self, org: &str) -> String {
        let token = self.token(&format!("org {org},"));
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        let url = format!("{}/oauth/tenant/{org}/token", self.url);
        let request = self.client.post(url);
        let media = "application/x-www-form-urlencoded";
        let request = request.header("content-type", media).body(form);
        let text = request.send().await.unwrap().text().await.unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// `ETag` and name of an entity.
    async fn entity(&self, session: &str, urn: &str) -> (String, Value) {
        let url = format!("{}/cloudapi/1.0.0/entities/{urn}", self.url);
        let request = self.client.get(url).bearer_auth(session);
        let answer = request
            .header("accept", "application/json;version=37.2")
            .send()
            .await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200);
        let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        (etag, body["name"].clone())
    }

    /// Creates an entity and returns its URN.
    async fn create(&self, session: &str, name: &str) -> String {
        let url = format!("{}/cloudapi/1.0.0/entityTypes/{TYPE}", self.url);
        let body = json!({"entityType": TYPE, "name": name, "entity": {"kind": "CAPVCDCluster"}});
        let request = self.client.post(url).bearer_auth(session);
        let request = request.header("accept", "application/json;version=37.2");
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 202);
        let clusters = self.client.get(format!("{}/clusters", self.control));
        let text = clusters.send().await.unwrap().text().await.unwrap();
        let clusters: Vec<Value> = serde_json::from_str(&text).unwrap();
        let found = clusters
            .iter()
            .find(|cluster| cluster["name"] == name)
            .unwrap();
        found["urn"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_simulator_goes_on_where_it_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let first = Simulator::start(dir.path(), &["--listen", "127.0.0.1:0"]).await;
    let session = first.login("acme").await;
    let urn = first.create(&session, "oak").await;
    let seen = first.entity(&session, &urn).await;
    let state = dir.path().join("state");
    until("the state is saved", PATIENCE, || {
        let text = std::fs::read_to_string(&state).unwrap_or_default();
        text.contains("\"oak\"") && text.ends_with("}}\n")
    })
    .await;
    let address = first.url.trim_start_matches("https://").to_owned();
    let killed = first.process.kill().await;
    assert_eq!(killed.code, None, "killed by a signal");

    let ca = std::fs::read(dir.path().join("ca.pem")).unwrap();
    let again = Simulator::start(dir.path(), &["--listen", &address]).await;
    assert_eq!(
        std::fs::read(dir.path().join("ca.pem")).unwrap(),
        ca,
        "clients trust it as before"
    );
    assert_eq!(
        again.entity(&session, &urn).await,
        seen,
        "and their sessions go on"
    );
    let greeting = again.process.lines().join("\n");
    assert!(greeting.contains("read, and kept in"), "{greeting}");
    again.process.terminate();
    let end = again.process.end(PATIENCE).await;
    assert_eq!(end.code, Some(0), "{:?}", end.lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_it_writes_starts_a_replica() {
    let dir = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(dir.path(), &["--listen", "127.0.0.1:0"]).await;
    let config = dir.path().join("config/cse-server.toml");
    let replica = Process::replica(&config, &[("CSE_LOG_FORMAT", "json".as_ref())]);
    until("the replica is ready", PATIENCE, || {
        replica.count("replica.ready") == 1
    })
    .await;
    replica.terminate();
    let end = replica.end(PATIENCE).await;
    assert_eq!(
        (end.code, end.errors()),
        (Some(0), Vec::<&String>::new()),
        "{:?}",
        end.lines
    );
    simulator.process.terminate();
    assert_eq!(simulator.process.end(PATIENCE).await.code, Some(0));
}

/// Goal: whatever keeps it from starting is one line and a telling code.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_says_why_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let newer = file("newer", "{\"cse_simulator_state\":7}\n");
    let unknown = file("unknown.toml", "name = 'x'\ndescription = ''\nstepp = []\n");
    let wrong = file("wrong.toml", "[timings]\nrecompose = 5\n");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let missing = dir.path().join("none.pem").to_str().unwrap().to_owned();
    let rows: [(&[&str], i32, &str); 9] = [
        (&["--state", &newer], 78, "format 7"),
        (&["--scenario", &unknown], 78, "stepp"),
        (&["--scenario", &missing], 71, "cannot read"),
        (
            &["--settings", "colour=red"],
            78,
            "colour=red: there is no such",
        ),
        (&["--settings", "recompose=soon"], 78, "soon"),
        (&["--settings", &wrong], 78, "recompose"),
        (
            &["--tls-cert", &missing, "--tls-key", &missing],
            71,
            "cannot read",
        ),
        (&["--orgs", "0", "--clusters", "1"], 64, "--orgs"),
        (&["--orgs", "system"], 64, "system"),
    ];
    for (more, code, text) in rows {
        let mut arguments = vec!["sim", "--listen", "127.0.0.1:0", "--control", "none"];
        arguments.extend(more);
        let end = Process::start(&arguments, &[]).end(PATIENCE).await;
        let told = end.lines.join("\n");
        assert_eq!(end.code, Some(code), "{more:?}: {told}");
        assert!(told.contains(text), "{more:?}: {told}");
        assert!(code == 64 || end.lines.len() == 1, "{more:?}: {told}");
    }
    let arguments = ["sim", "--listen", taken.as_str(), "--control", "none"];
    let end = Process::start(&arguments, &[]).end(PATIENCE).await;
    assert_eq!(end.code, Some(71), "{:?}", end.lines);
    assert!(
        end.lines.join("").contains("cannot listen on"),
        "{:?}",
        end.lines
    );
    drop(other);
}
