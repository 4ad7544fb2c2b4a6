//! The writers that a cluster's document has besides the servers, each as it behaves in the wild.
//!
//! Flow: read, a pause, write back under the tag that was read; again when somebody was faster, as often as this
//! writer does it. All of it over HTTP, as the author of the tenant.
//!
//! Invariants:
//! - Each writer is one process: one update after the other.
//! - The pause is before the first write; what was refused is read and written again at once, as all of them do.
//! - Terraform reads the document into its own structure first, and writes that under the tag of a later read: its
//!   pause lies before its tries, and what it writes is as old as the pause is long.
//! - A migration of the type keeps of the status what CAPVCD keeps: not the projector's section.
//!
//! Source: go-vcloud-director (6 tries, on conflicts only), CAPVCD `PatchRDE`, CPI and CSI (10 tries). How often the
//! portal and the projector try is not public: the portal is given Terraform's 6, the projector CAPVCD's 10.

use std::time::Duration;

use cse_server::clock::Clock;
use cse_server::sim::seed::Tenant;
use cse_server::sim::transport::InProcess;
use cse_server::vcd::transport::{CallLimits, Transport};
use fastrand::Rng;
use serde_json::{Value, json};

use super::ledger::{Ledger, Update};
use super::marks;
use super::yard::{Plot, Yard};
use crate::support::client::read::Cluster;
use crate::support::client::{PASSWORD, yaml};
use crate::support::site::{Answer, Ask, basic, entity};

/// Longest time between reading and writing, in milliseconds.
const PAUSE: u64 = 2_000;
/// The same between two calls that follow each other in a loop.
const AT_ONCE: u64 = 200;
/// Longest time between two updates of one writer.
const REST: u64 = 2_000;
const LIMITS: CallLimits = CallLimits {
    timeout: Duration::from_mins(1),
    max_body_bytes: 64 << 20,
};
/// What a migration of the type keeps of the status.
const KEPT: [&str; 6] = [
    "persistentVolumes",
    "virtualIPs",
    "vcdKe",
    "cpi",
    "csi",
    "capvcd",
];
const TYPES: [&str; 2] = [
    "urn:vcloud:type:vmware:capvcdCluster:1.2.0",
    "urn:vcloud:type:vmware:capvcdCluster:1.3.0",
];
/// How the labels of the writers begin.
pub(super) const LABEL: &str = "wild ";

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The tenant portal: manifests, and the wish to delete.
    Portal,
    Capvcd,
    Cpi,
    Csi,
    Projector,
    /// Moves the document to another version of its type.
    Upgrade,
    /// Writes the whole document as its structure knows it.
    Terraform,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Portal,
        Self::Capvcd,
        Self::Cpi,
        Self::Csi,
        Self::Projector,
        Self::Upgrade,
        Self::Terraform,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Portal => "portal",
            Self::Capvcd => "capvcd",
            Self::Cpi => "cpi",
            Self::Csi => "csi",
            Self::Projector => "projector",
            Self::Upgrade => "upgrade",
            Self::Terraform => "terraform",
        }
    }

    /// Writes of one update before it is given up.
    pub(super) const fn tries(self) -> usize {
        match self {
            Self::Portal | Self::Terraform => 6,
            Self::Capvcd | Self::Cpi | Self::Csi | Self::Projector | Self::Upgrade => 10,
        }
    }
}

/// A client of the site, logged in for each tenant.
struct Door {
    transport: InProcess,
    tenants: Vec<Tenant>,
    tokens: Vec<Option<String>>,
}

impl Door {
    async fn call(&mut self, tenant: usize, ask: &Ask) -> Answer {
        loop {
            if self.tokens[tenant].is_none() {
                let Tenant { author, org, .. } = &self.tenants[tenant];
                let login = basic("/cloudapi/1.0.0/sessions", author, org, PASSWORD);
                let session = self.send(login).await;
                let token = session.header("x-vmware-vcloud-access-token");
                self.tokens[tenant] = Some(token.expect("the author may log in").to_owned());
            }
            let token = self.tokens[tenant].clone().unwrap_or_default();
            let answer = self.send(ask.clone().by(&token)).await;
            if answer.status() != 401 {
                return answer;
            }
            self.tokens[tenant] = None;
        }
    }

    async fn send(&self, ask: Ask) -> Answer {
        let request = ask.version("37.0").request();
        let answer = self.transport.send(request, LIMITS).await;
        Answer(answer.expect("nothing goes wrong on the way"))
    }
}

/// A document as it was read.
struct Read {
    envelope: Value,
    tag: String,
}

/// One writer at work.
pub(super) struct Writer {
    kind: Kind,
    door: Door,
    clock: Clock,
    rng: Rng,
    ledger: Ledger,
    yard: Yard,
}

impl Writer {
    pub(super) fn new(
        kind: Kind,
        (transport, tenants): (&InProcess, &[Tenant]),
        (ledger, yard): (&Ledger, &Yard),
        rng: Rng,
    ) -> Self {
        let label = format!("{LABEL}{}", kind.name());
        let door = Door {
            transport: transport.labelled(&label),
            tenants: tenants.to_vec(),
            tokens: vec![None; tenants.len()],
        };
        Self {
            kind,
            door,
            clock: transport.clock().clone(),
            rng,
            ledger: ledger.clone(),
            yard: yard.clone(),
        }
    }

    /// Makes so many updates that are acknowledged, of clusters that are there.
    pub(super) async fn work(mut self, updates: u64) {
        let mut done = 0;
        while done < updates {
            self.pause(REST).await;
            if let Some(plot) = self.yard.pick(self.kind, &mut self.rng) {
                done += u64::from(self.update(&plot, done + 1).await);
            }
        }
    }

    async fn pause(&mut self, most: u64) {
        let millis = self.rng.u64(0..most);
        self.clock.sleep(Duration::from_millis(millis)).await;
    }

    /// Whether the update was acknowledged.
    async fn update(&mut self, plot: &Plot, number: u64) -> bool {
        let mut known = None;
        if self.kind == Kind::Terraform {
            known = self.typed(plot, number).await;
            if known.is_none() {
                return false;
            }
            self.pause(PAUSE).await;
        }
        for tries in 1..=self.kind.tries() {
            let Some(mut read) = self.read(plot).await else {
                return false;
            };
            if let Some(typed) = &known {
                read.envelope["entity"] = typed.clone();
            } else if !self.edit(plot, &mut read.envelope, number) {
                return false;
            }
            let first = tries == 1 && known.is_none();
            self.pause(if first { PAUSE } else { AT_ONCE }).await;
            let ask = Ask::put(&entity(&plot.urn)).header("if-match", &read.tag);
            let ask = ask.json(&read.envelope);
            let answer = self.door.call(plot.tenant, &ask).await;
            match answer.status() {
                200 => {
                    self.acknowledged(plot, (&read.envelope["entity"], number), tries);
                    return true;
                }
                412 => {}
                403 => return false,
                status => {
                    let text = answer.text();
                    let told = format!("{} of {}: {status} {text}", self.kind.name(), plot.urn);
                    self.ledger.complain(told);
                    return false;
                }
            }
        }
        self.ledger.gave_up(self.kind);
        false
    }

    fn acknowledged(&self, plot: &Plot, (content, number): (&Value, u64), tries: usize) {
        if self.kind == Kind::Portal && content["spec"]["vcdKe"]["markForDelete"] == true {
            self.yard.marked(&plot.urn);
        }
        let update = Update {
            number,
            marks: marks::read(content),
            tries,
        };
        self.ledger.acknowledged(&plot.urn, self.kind, update);
    }

    /// The document, and a look at everybody's marks in it; `None` when it is gone.
    async fn read(&mut self, plot: &Plot) -> Option<Read> {
        let ask = Ask::get(&entity(&plot.urn));
        let answer = self.door.call(plot.tenant, &ask).await;
        if answer.status() == 403 {
            return None;
        }
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let (envelope, tag) = (answer.json(), answer.etag());
        let revision = tag.trim_matches(|c: char| !c.is_ascii_digit());
        let revision = revision.parse().expect("tags of the site are revisions");
        let marks = marks::read(&envelope["entity"]);
        self.ledger.saw(&plot.urn, revision, marks);
        Some(Read { envelope, tag })
    }

    /// What a typed client would write back: it changes provisioned clusters only.
    async fn typed(&mut self, plot: &Plot, number: u64) -> Option<Value> {
        let read = self.read(plot).await?;
        let cluster = match Cluster::read(&read.envelope["entity"]) {
            Ok(cluster) => cluster,
            Err(why) => {
                self.ledger
                    .complain(format!("{} cannot be read: {why}", plot.urn));
                return None;
            }
        };
        if cluster.state != "provisioned" {
            return None;
        }
        let mut typed = cluster.typed;
        resize(&mut typed, &mut self.rng);
        marks::put(&mut typed, self.kind, number).then_some(typed)
    }

    /// The change of every other writer; false when there is nothing to change yet.
    fn edit(&mut self, plot: &Plot, envelope: &mut Value, number: u64) -> bool {
        match self.kind {
            Kind::Portal => {
                if self.rng.u8(0..6) == 0 {
                    resize(&mut envelope["entity"], &mut self.rng);
                }
                if plot.going {
                    envelope["entity"]["spec"]["vcdKe"]["markForDelete"] = json!(true);
                }
            }
            Kind::Upgrade => {
                let Some(status) = envelope["entity"]["status"].as_object_mut() else {
                    return false;
                };
                status.retain(|section, _| KEPT.contains(&section.as_str()));
                let newest = envelope["entityType"] == TYPES[1];
                envelope["entityType"] = json!(TYPES[usize::from(!newest)]);
            }
            Kind::Capvcd | Kind::Cpi | Kind::Csi | Kind::Projector | Kind::Terraform => {}
        }
        marks::put(&mut envelope["entity"], self.kind, number)
    }
}

/// Another number of nodes in each worker pool, as clients write manifests.
fn resize(content: &mut Value, rng: &mut Rng) {
    let yaml = content["spec"]["capiYaml"].as_str().unwrap_or_default();
    let mut documents = yaml::split(yaml).expect("manifests of this site");
    for document in &mut documents {
        if document["kind"] == "MachineDeployment" {
            document["spec"]["replicas"] = json!(rng.u32(1..4));
        }
    }
    content["spec"]["capiYaml"] = json!(yaml::join(&documents));
}
