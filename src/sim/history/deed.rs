//! The entries of the history.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::Moment;
use crate::domain::marker::Marker;
use crate::sim::entities::look::Look;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Counted from 1.
    pub number: u64,
    /// When it took effect.
    pub at: Moment,
    /// The date of that moment.
    pub wall: Timestamp,
    /// Who is behind it.
    pub by: Arc<Origin>,
    /// What it is.
    pub deed: Deed,
}

/// Kind of who is behind something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A replica of this server.
    Replica,
    /// Another client of the API.
    Client,
    /// The controllers inside clusters, the guests, and VCD itself.
    Cluster,
    /// Levers and tests.
    #[default]
    Operator,
}

/// Who is behind something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Its kind.
    pub actor: Actor,
    /// Label of the caller: a replica's name in process, the `User-Agent` over HTTP; empty when nobody called.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub caller: String,
    /// `name@organization` of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When the caller sent the request; known of replicas in this process only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Moment>,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// The document of a cluster was made or changed.
    Written(Written),
    /// The document of a cluster is gone.
    Gone {
        /// URN of the cluster.
        entity: String,
    },
    /// A replica has received this version of a document.
    Seen {
        /// URN of the cluster.
        entity: String,
        /// Its revision.
        revision: u64,
    },
    /// Something became of a vApp or a VM.
    Machine(Box<Machine>),
    /// Something became of another object of a tenant.
    Item(Box<Item>),
    /// A request held a secret where none belongs.
    Leaked {
        /// Kind of the secret.
        secret: &'static str,
        /// URN of the cluster, if the request was about one.
        entity: String,
        /// Method and path of the request, without ids.
        endpoint: String,
    },
    /// A replica was started; it is called like the caller.
    Started {
        /// Its label.
        replica: String,
    },
    /// A replica was told to stop.
    Stopping {
        /// Its label.
        replica: String,
    },
}

/// A document after a change.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// URN of the cluster.
    pub entity: String,
    /// Its revision.
    pub revision: u64,
    /// What it says.
    pub look: Arc<Look>,
}

/// vApp or VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum MachineKind {
    /// A vApp.
    #[serde(rename = "vApp")]
    Vapp,
    /// A VM.
    #[serde(rename = "VM")]
    Vm,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineChange {
    /// It is complete, and off.
    Created,
    /// It was switched on.
    PoweredOn,
    /// It was switched off or suspended.
    PoweredOff,
    /// Its settings or its metadata are others.
    Changed,
    /// It is gone.
    Deleted,
}

/// What became of a vApp or a VM.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// What it is.
    pub kind: MachineKind,
    /// What became of it.
    pub change: MachineChange,
    /// Its URN.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its description, if that is a marker.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub marker: String,
    /// URN of the vApp of a VM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vapp: Option<String>,
    /// URNs of the clusters that its own name, description or metadata names.
    pub clusters: Vec<String>,
}

impl Machine {
    /// The marker, understood.
    pub fn marker(&self) -> Option<Marker> {
        Marker::parse(&self.marker)
    }
}

/// What became of another object.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// Such as `nat.deleted`.
    pub effect: &'static str,
    /// Its URN; empty where the name alone is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// URNs of the clusters that it names.
    pub clusters: Vec<String>,
}
