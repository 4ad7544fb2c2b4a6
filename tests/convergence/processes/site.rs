//! One simulated VCD as a process of its own, and the hands of its operator on it.
//!
//! Not here: what tenants do (`tenant`), replicas (`replica`).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cse_server::clock::Clock;
use cse_server::sim::faults::Fault;
use cse_server::sim::seed::Tenant;
use cse_server::vcd::http::install_crypto_provider;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::daemon::{Daemon, Group, PROGRAM, write_private};
use crate::support::process::until;

/// Longest wait for the simulator's greeting, in real time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Entries of a cluster's history that are shown before a verdict.
const LATEST: usize = 8;
/// Requests that the simulator's log keeps.
const REQUESTS: &str = "300000";

/// How the site is.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Chooses ids, tokens and delays.
    pub(crate) seed: u64,
    /// How much faster than real time the site and its replicas live.
    pub(crate) scale: u32,
    /// `name=value` of timings.
    pub(crate) timings: &'static [&'static str],
}

/// What the configuration of a replica says besides the usual, by section.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    pub(crate) vcd: &'static str,
    pub(crate) replica: &'static str,
}

/// A cluster as the operator sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) urn: String,
    /// `status.vcdKe.state`; empty before the first claim.
    pub(crate) state: String,
    /// `workerId` while it is held; empty otherwise.
    pub(crate) holder: String,
}

impl Seen {
    /// Name of the replica that holds it.
    pub(crate) fn replica(&self) -> &str {
        self.holder.split('/').next().unwrap_or_default()
    }
}

/// An accepted write of an entity by a replica.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// On the site's clock.
    pub(crate) at: Duration,
    /// Name of the replica.
    pub(crate) by: String,
}

/// The site. Its processes end before its directory goes.
pub(crate) struct Site {
    pub(crate) plan: Plan,
    pub(crate) url: String,
    pub(crate) tenants: Vec<Tenant>,
    /// Trusts the site's authority.
    pub(crate) http: reqwest::Client,
    control: String,
    pub(crate) process: Daemon,
    pub(crate) group: Group,
    pub(crate) dir: TempDir,
}

impl Site {
    pub(crate) async fn open(plan: Plan) -> Self {
        install_crypto_provider();
        let group = Group::new();
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        let (scale, seed) = (plan.scale.to_string(), plan.seed.to_string());
        let mut arguments = vec!["sim", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
        arguments.extend(["--ca-out", ca.to_str().unwrap(), "--orgs", "3"]);
        arguments.extend(["--time-scale", &scale, "--seed", &seed]);
        arguments.extend(["--log-requests", REQUESTS]);
        for timing in plan.timings {
            arguments.extend(["--settings", timing]);
        }
        let log = dir.path().join("sim.log");
        let process = Daemon::start(&group, PROGRAM, &arguments, &log);
        until("the simulator says how to use it", PATIENCE, || {
            process.said().contains("curl:")
        })
        .await;
        let greeting = process.said();
        let after = |words: &str| -> String {
            let mut lines = greeting.lines();
            let found = lines.find_map(|line| line.trim().strip_prefix(words));
            let found = found.and_then(|rest| rest.split_whitespace().next());
            found.expect("the simulator's greeting").to_owned()
        };
        let authority = std::fs::read(&ca).unwrap();
        let authority = reqwest::Certificate::from_pem(&authority).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([authority])
            .no_proxy()
            .timeout(PATIENCE);
        let mut site = Self {
            url: after("simulated VCD at"),
            control: after("control API"),
            tenants: Vec::new(),
            http: http.build().unwrap(),
            plan,
            process,
            group,
            dir,
        };
        site.meet().await;
        site
    }

    /// Learns the names of the site, and puts the replicas' token into a file.
    async fn meet(&mut self) {
        let access = self.look("/site").await["access"].take();
        let token = access["service_token"].as_str().unwrap();
        write_private(&self.dir.path().join("token"), token);
        let tenants = access["tenants"].as_array().unwrap().iter();
        self.tenants = tenants.map(tenant).collect();
    }

    /// Host and port of the site.
    pub(crate) fn address(&self) -> SocketAddr {
        self.url.rsplit('/').next().unwrap().parse().unwrap()
    }

    /// Host and port of the control API.
    pub(crate) fn control_address(&self) -> SocketAddr {
        self.control.rsplit('/').next().unwrap().parse().unwrap()
    }

    /// Real time that so much time of the site takes.
    pub(crate) fn real(&self, site_time: Duration) -> Duration {
        site_time / self.plan.scale
    }

    /// Writes the configuration of a replica of that name, with files of that name, that reaches the site at
    /// `address`.
    pub(crate) fn configure(
        &self,
        (name, files): (&str, &str),
        address: SocketAddr,
        more: Lines,
    ) -> PathBuf {
        let dir = self.dir.path();
        let mut text = String::new();
        write!(
            text,
            "[vcd]\nurl = 'https://{address}'\nca_file = '{}'\n{}\n[credentials]\ntoken_file = '{}'\n\n\
             [replica]\nname = '{name}'\nstate_dir = '{}'\n{}\n[log]\nformat = 'json'\n\n\
             [simulation]\ntime_scale = {}.0\n",
            dir.join("ca.pem").display(),
            more.vcd,
            dir.join("token").display(),
            dir.join(format!("{files}.state")).display(),
            more.replica,
            self.plan.scale,
        )
        .unwrap();
        let path = dir.join(format!("{files}.toml"));
        write_private(&path, &text);
        path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn look(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.control)).send();
        let text = answer.await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn order(&self, path: &str, order: &Value) {
        let url = format!("{}{path}", self.control);
        let post = self.http.post(url).body(order.to_string());
        let answer = post.header("content-type", "application/json").send().await;
        let answer = answer.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{order}: {text}");
    }

    /// Lets of a thousand requests of replicas so many go wrong, for so much real time.
    pub(crate) async fn arm(&self, fault: Fault, per_mille: u32, lasts: Duration) {
        let lasts = lasts * self.plan.scale;
        let order = json!({
            "what": fault,
            "caller": "cse-server",
            "per_mille": per_mille,
            "lasts": format!("{}ms", lasts.as_millis()),
        });
        self.order("/faults", &order).await;
    }

    /// Nothing goes wrong any more.
    pub(crate) async fn disarm(&self) {
        let disarm = self.http.delete(format!("{}/faults", self.control));
        assert_eq!(disarm.send().await.unwrap().status(), 200);
    }

    /// Ends all sessions of the replicas' account.
    pub(crate) async fn expire_sessions(&self) {
        let order = json!({"expire_sessions": {"org": "System"}});
        self.order("/levers", &order).await;
    }

    /// All clusters.
    pub(crate) async fn clusters(&self) -> Vec<Seen> {
        let clusters = self.look("/clusters").await;
        let seen = |one: &Value| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let held = text("heartbeat").ends_with(";x=held");
            Seen {
                urn: text("urn"),
                state: text("state"),
                holder: if held { text("holder") } else { String::new() },
            }
        };
        clusters.as_array().unwrap().iter().map(seen).collect()
    }

    /// Objects that no cluster accounts for, and why.
    pub(crate) async fn leaks(&self) -> Vec<String> {
        let leaks = self.look("/leaks").await;
        let told = |leak: &Value| format!("{} {}: {}", leak["type"], leak["name"], leak["why"]);
        leaks.as_array().unwrap().iter().map(told).collect()
    }

    /// The site's clock.
    pub(crate) async fn moment(&self) -> Duration {
        let clock = self.look("/clock").await;
        Duration::from_secs_f64(clock["moment_secs"].as_f64().unwrap())
    }

    /// Accepted writes of an entity by replicas, oldest first, as far as the log goes back.
    pub(crate) async fn writes(&self, urn: &str) -> Vec<Written> {
        let query = format!("method=PUT&status=200&caller=cse-server&path={urn}&limit={REQUESTS}");
        let lines = self.look(&format!("/requests?{query}")).await;
        let written = |line: &Value| {
            // `cse-server/<version> (<replica>)`
            let caller = line["caller"].as_str().unwrap();
            let by = caller.rsplit_once('(').map_or("", |(_, name)| name);
            Written {
                at: Duration::from_millis(line["clock_ms"].as_u64().unwrap()),
                by: by.trim_end_matches(')').to_owned(),
            }
        };
        lines.as_array().unwrap().iter().map(written).collect()
    }

    /// What was done to the site so far: (effect, subject) -> how often. Subjects of bootstrap objects are their
    /// marks, `rde=<urn>;e=<epoch>;i=<incarnation>`.
    pub(crate) async fn effects(&self) -> BTreeMap<(String, String), u64> {
        let file = self.file("effects.state");
        self.order("/state/save", &json!({"file": file})).await;
        let text = std::fs::read_to_string(&file).unwrap();
        // The second line is the world without its entities.
        let world: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        let effects = world["history"]["effects"].as_array().unwrap().iter();
        effects
            .map(|pair| {
                let text = |at: usize| pair[0][at].as_str().unwrap().to_owned();
                ((text(0), text(1)), pair[1].as_u64().unwrap())
            })
            .collect()
    }

    /// Ends the simulator; says what is wrong with its end, and what is left of the experiment.
    pub(crate) async fn close(&mut self) -> Vec<String> {
        let clock = Clock::system();
        let end = clock.now().plus(PATIENCE);
        self.process.terminate();
        let mut status = None;
        while status.is_none() && clock.now() < end {
            clock.sleep(Duration::from_millis(10)).await;
            status = self.process.ended();
        }
        let mut wrong = Vec::new();
        if !status.is_some_and(|status| status.success()) {
            wrong.push(format!("the simulator ended with {status:?}"));
        }
        let left = self.group.members();
        wrong.extend(
            left.iter()
                .map(|(id, state)| format!("process {id} is left, in state {state}")),
        );
        for address in [self.address(), self.control_address()] {
            if TcpStream::connect(address).await.is_ok() {
                wrong.push(format!("somebody still listens at {address}"));
            }
        }
        wrong
    }

    /// What the replicas have done against the rules, each with what happened before.
    pub(crate) async fn verdicts(&self) -> Vec<String> {
        let judged = self.look("/verdicts").await;
        if judged["entries"].as_u64() == Some(0) {
            return vec!["nothing has happened".to_owned()];
        }
        let mut told = Vec::new();
        for verdict in judged["verdicts"].as_array().unwrap() {
            let number = verdict["number"].as_u64().unwrap_or_default();
            let entity = verdict["entity"].as_str().unwrap_or_default();
            let path = format!("/history?entity={entity}&limit=100000");
            let past = self.look(&path).await;
            let past = past["history"].as_array().unwrap().iter();
            let past = past.filter(|entry| entry["number"].as_u64() <= Some(number));
            let past: Vec<String> = past.map(Value::to_string).collect();
            let latest = past[past.len().saturating_sub(LATEST)..].join("\n  ");
            told.push(format!("{verdict}\n  {latest}"));
        }
        told
    }

    /// Every log of the experiment, by name.
    pub(crate) fn logs(&self) -> BTreeMap<String, String> {
        let is_log = |path: &Path| path.extension().is_some_and(|ending| ending == "log");
        let files = std::fs::read_dir(self.dir.path()).unwrap().flatten();
        let paths = files.map(|entry| entry.path()).filter(|path| is_log(path));
        paths
            .map(|path| {
                let text = std::fs::read(&path).unwrap();
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                (name, String::from_utf8_lossy(&text).into_owned())
            })
            .collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            println!(
                "logs and configurations are in {}",
                self.dir.path().display()
            );
        }
    }
}

fn tenant(guide: &Value) -> Tenant {
    let text = |key: &str| guide[key].as_str().unwrap().to_owned();
    Tenant {
        org: text("org"),
        // Requests name an organization and its author; nobody asks for their ids.
        org_id: String::new(),
        vdc: text("vdc"),
        network: text("network"),
        catalog: "tkg-images".to_owned(),
        template: text("template"),
        author: text("user"),
        author_id: String::new(),
        api_token: text("api_token"),
        storage_profile: text("storage_profile"),
    }
}
