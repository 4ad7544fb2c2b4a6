//! An original server beside ours, as far as other servers can see it.
//!
//! It reads all clusters every minute, claims what nobody works on or whose written time is older than the
//! stale interval by its own clock, renews its claim every minute in words of its own, and reports the
//! cluster as finished after a while. What it builds meanwhile is nobody's business here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cse_server::clock::{Clock, Moment};
use cse_server::controller::poll::cluster_query;
use cse_server::domain::ids::EntityId;
use cse_server::sim::transport::InProcess;
use cse_server::vcd::model::EntityDocument;
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use super::fleet::Fleet;

const POLL: Duration = Duration::from_mins(1);
/// `staleHeartbeatIntervalInMin` of the default configuration.
const STALE: Duration = Duration::from_mins(30);

/// What changes in its record from one heartbeat to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Text and time.
    New,
    /// The time alone.
    Same,
}

/// How an original server works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    pub(crate) words: Words,
    /// Most clusters at work.
    pub(crate) threads: usize,
    /// From the claim to the end of a creation.
    pub(crate) work: Duration,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            words: Words::New,
            threads: 4,
            work: Duration::from_mins(12),
        }
    }
}

/// Starts an original server; aborting the task is its crash.
pub(crate) fn start(fleet: &Fleet, name: &str, ways: Ways) -> JoinHandle<()> {
    let transport = InProcess::new(
        Arc::clone(&fleet.world),
        fleet.clock.clone(),
        Arc::clone(&fleet.faults),
    );
    let server = Server {
        transport: transport.labelled(name).recorded(&fleet.journal),
        token: fleet.access.provider_token.clone(),
        clock: fleet.clock.clone(),
        name: name.to_owned(),
        ways,
        beats: 0,
        at_work: BTreeMap::new(),
    };
    tokio::spawn(server.run())
}

struct Server {
    transport: InProcess,
    token: String,
    clock: Clock,
    name: String,
    ways: Ways,
    beats: u64,
    /// Since when.
    at_work: BTreeMap<EntityId, Moment>,
}

impl Server {
    async fn run(mut self) {
        let login = Login {
            org: "System".to_owned(),
            token: SecretString::from(self.token.clone()),
        };
        let transport = Arc::new(self.transport.clone());
        let client = VcdClient::connect(transport, login, ClientOptions::default());
        let client = client.await.expect("a login");
        loop {
            self.round(&client).await;
            self.clock.sleep(POLL).await;
        }
    }

    async fn round(&mut self, client: &VcdClient<InProcess>) {
        let held: Vec<EntityId> = self.at_work.keys().cloned().collect();
        for id in held {
            self.go_on(client, &id).await;
        }
        let listed = client.entities(&cluster_query(None)).await;
        for cluster in listed.unwrap_or_default() {
            if self.at_work.len() < self.ways.threads && self.may_take(&cluster.entity) {
                self.take(client, &cluster.id).await;
            }
        }
    }

    fn may_take(&self, content: &Map<String, Value>) -> bool {
        let record = Record::of(content);
        let wanted = matches!(record.state.as_str(), "" | "provisioning");
        let age = |at: &Timestamp| self.clock.wall().duration_since(*at);
        let stale = record
            .time
            .parse()
            .is_ok_and(|at| age(&at).as_secs() > STALE.as_secs().cast_signed());
        wanted && (record.worker.is_empty() || record.time.is_empty() || stale)
    }

    async fn take(&mut self, client: &VcdClient<InProcess>, id: &EntityId) {
        let Ok(mut read) = client.get_entity(id).await else {
            return;
        };
        if !self.may_take(&read.value.entity) {
            return;
        }
        self.sign(&mut read.value, "provisioning");
        if client.replace_entity(&read.value, read.etag).await.is_ok() {
            self.at_work.insert(id.clone(), self.clock.now());
        }
    }

    async fn go_on(&mut self, client: &VcdClient<InProcess>, id: &EntityId) {
        let Ok(mut read) = client.get_entity(id).await else {
            return;
        };
        if Record::of(&read.value.entity).worker != self.worker(id) {
            self.at_work.remove(id);
            return;
        }
        let since = self.at_work.get(id).copied().unwrap_or_default();
        let finished = self.clock.now().since(since) >= self.ways.work;
        let state = if finished {
            "provisioned"
        } else {
            "provisioning"
        };
        self.sign(&mut read.value, state);
        if client.replace_entity(&read.value, read.etag).await.is_ok() && finished {
            self.at_work.remove(id);
        }
    }

    fn worker(&self, id: &EntityId) -> String {
        format!("{}-worker-{}", self.name, id.uuid())
    }

    fn sign(&mut self, document: &mut EntityDocument, state: &str) {
        self.beats += 1;
        let text = match self.ways.words {
            Words::New => format!("{} is alive, {}", self.name, self.beats),
            Words::Same => format!("{} is alive", self.name),
        };
        let worker = self.worker(&document.id);
        let status = document.entity.entry("status").or_insert_with(|| json!({}));
        status["vcdKe"]["state"] = json!(state);
        status["vcdKe"]["workerId"] = json!(worker);
        status["vcdKe"]["vcdKeInstanceId"] = json!(self.name);
        status["vcdKe"]["heartbeatString"] = json!(text);
        status["vcdKe"]["heartbeatTimestamp"] = json!(self.clock.wall().to_string());
    }
}

/// The keys of a claim as an original server understands them.
pub(crate) struct Record {
    pub(crate) state: String,
    pub(crate) worker: String,
    pub(crate) time: String,
}

impl Record {
    pub(crate) fn of(content: &Map<String, Value>) -> Self {
        let status = content.get("status").map(|status| &status["vcdKe"]);
        let text = |key: &str| {
            let text = status.and_then(|status| status[key].as_str());
            text.unwrap_or_default().to_owned()
        };
        Self {
            state: text("state"),
            worker: text("workerId"),
            time: text("heartbeatTimestamp"),
        }
    }
}
