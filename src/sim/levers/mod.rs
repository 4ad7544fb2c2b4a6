//! What an operator of the simulator can do to the site, by hand or by a scenario.
//!
//! Flow: the control API and scenario files spell an [`Action`]; [`Lever`] pulls it at once, or orders it for
//! a later moment. Faults are armed with their span of time; everything else goes to the world's schedule.
//!
//! Invariants:
//! - One spelling: a scenario's step is the body of a call to the control API.
//! - What does not exist (a user, a network, a cluster) is an error that names it, and changes nothing.
//! - What a scenario has changed for a time ends when its time is over or when the scenario is stopped.
//!
//! Not here: levers that only tests need (`sim::control`), the API (`sim::control_api`).

mod apply;
mod changes;
mod pull;
pub mod scenario;
mod snapshots;
mod stale;
mod wishes;

use std::time::Duration;

use http::Method;
use jiff::fmt::serde::unsigned_duration::friendly::compact::{optional, required};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::apply::Due;
pub use self::pull::{Lever, LeverError};
pub use self::scenario::{Scenario, ScenarioError};
pub(crate) use self::snapshots::Snapshot;
pub(crate) use self::stale::{Reads, Stale};
use super::faults::{Fault, Target};
use crate::clock::Moment;

pub(crate) use self::changes::Changes;

/// One thing that can be done to a site. Names are as clients see them; durations are texts such as `90s`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Lets requests go wrong.
    Fault(FaultOrder),
    /// The cells are in maintenance mode: 503 to everything but `/api/versions`.
    Maintenance {
        /// For how long.
        #[serde(with = "required")]
        lasts: Duration,
    },
    /// A cell dies and another one takes its place: connections are cut, its sessions are lost.
    FailOver {
        /// How long connections are cut.
        #[serde(with = "required")]
        cut: Duration,
        /// Of a thousand sessions so many are lost; all of them when absent.
        #[serde(default = "thousand")]
        lost_per_mille: u32,
        /// How long the new cell answers reads of entities as they were at the moment of its taking over.
        #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
        stale_for: Option<Duration>,
    },
    /// The query service lags behind: its records are up to `lag` old.
    QueryLag {
        /// Greatest age.
        #[serde(with = "required")]
        lag: Duration,
        /// For how long.
        #[serde(with = "required")]
        lasts: Duration,
    },
    /// Ends sessions: of one user, of one organization, or all of them.
    ExpireSessions {
        /// Name of the organization.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        org: Option<String>,
        /// Name of the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// Revokes every API token of a user and ends the sessions that came from them.
    RevokeToken {
        /// Name of the organization.
        org: String,
        /// Name of the user.
        user: String,
        /// Gives the user a new token, as an operator who rotates it does; the answer tells it.
        #[serde(default)]
        replace: bool,
    },
    /// Leaves so many addresses free in the pool of a network.
    LimitPool {
        /// Name of the organization VDC network.
        network: String,
        /// Addresses that stay free.
        free: u32,
    },
    /// Lets a phase of the bootstrap go wrong inside the machine.
    FailPhase(PhaseFailure),
    /// Lets tasks of vApps and VMs end in an error, without their effect.
    FailTask(TaskFailure),
    /// Makes operations slower.
    Slow {
        /// Names of timings, such as `recompose`; all of them when empty.
        #[serde(default)]
        operations: Vec<String>,
        /// So many times as slow.
        factor: f64,
        /// For how long; until it is changed again when absent.
        #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
        lasts: Option<Duration>,
    },
    /// Changes settings, timings and limits of sessions, by their names.
    Set {
        /// Settings and their new values.
        #[serde(default)]
        settings: Map<String, Value>,
        /// Timings and their new values.
        #[serde(default)]
        timings: Map<String, Value>,
        /// Limits of sessions, `idle` and `absolute`.
        #[serde(default)]
        sessions: Map<String, Value>,
        /// For how long; until they are changed again when absent.
        #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
        lasts: Option<Duration>,
    },
    /// Takes a node of a cluster away behind its back.
    FailNode(NodeFailure),
    /// Has a tenant ask for a small cluster, as the Terraform provider does; the answer tells its id.
    AskForCluster {
        /// Name of the organization.
        org: String,
        /// Name of the cluster.
        name: String,
        /// How many workers it is to have.
        #[serde(default = "one")]
        workers: u32,
    },
    /// Makes a Service of type `LoadBalancer` in a running cluster.
    CreateService {
        /// Name or URN of the cluster.
        cluster: String,
        /// Namespace of the Service.
        #[serde(default = "default_namespace")]
        namespace: String,
        /// Its name.
        name: String,
        /// Its ports.
        #[serde(default = "web")]
        ports: Vec<u16>,
    },
    /// Deletes a Service of a running cluster.
    DeleteService {
        /// Name or URN of the cluster.
        cluster: String,
        /// Namespace of the Service.
        #[serde(default = "default_namespace")]
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Claims a persistent volume in a running cluster.
    CreateVolume {
        /// Name or URN of the cluster.
        cluster: String,
        /// Its name, and that of its disk.
        name: String,
        /// Its size in MiB.
        size_mib: u64,
        /// Whether its disk stays when it is deleted.
        #[serde(default)]
        retain: bool,
    },
    /// Deletes a persistent volume of a running cluster.
    DeleteVolume {
        /// Name or URN of the cluster.
        cluster: String,
        /// Its name.
        name: String,
    },
    /// Keeps all entities as they are now under a name.
    Snapshot {
        /// Name; one that is there already is replaced.
        name: String,
    },
    /// Brings all entities back to a snapshot: contents and states of then, with versions above all of now.
    /// Entities made since are gone; everything else of the site stays.
    Restore {
        /// Name of the snapshot.
        name: String,
    },
}

impl Action {
    /// As scenarios and the control API spell them.
    pub const NAMES: [&'static str; 19] = [
        "fault",
        "maintenance",
        "fail_over",
        "query_lag",
        "expire_sessions",
        "revoke_token",
        "limit_pool",
        "fail_phase",
        "fail_task",
        "slow",
        "set",
        "fail_node",
        "ask_for_cluster",
        "create_service",
        "delete_service",
        "create_volume",
        "delete_volume",
        "snapshot",
        "restore",
    ];
}

const fn one() -> u32 {
    1
}

const fn thousand() -> u32 {
    1000
}

/// Which requests go wrong, how, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultOrder {
    /// What becomes of them.
    pub what: Fault,
    /// Only this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only paths (with their query) that contain this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Not paths that contain this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<String>,
    /// Only callers whose label contains this text; the label of a process is its `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Lets so many matching requests pass first.
    #[serde(default)]
    pub after: u64,
    /// Strikes so many matching requests; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Of a thousand matching requests so many count, by chance; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_mille: Option<u32>,
    /// For how long; until it is disarmed when absent.
    #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Duration>,
}

impl FaultOrder {
    /// Every request for `lasts`, in the way of `what`.
    fn all(what: Fault, lasts: Duration) -> Self {
        Self {
            what,
            method: None,
            path: None,
            except: None,
            caller: None,
            after: 0,
            times: None,
            per_mille: None,
            lasts: Some(lasts),
        }
    }

    /// The target, from `at` on.
    ///
    /// # Errors
    /// The method is none.
    fn target(&self, at: Moment) -> Result<Target, LeverError> {
        let method = self.method.as_deref().map(|name| {
            Method::from_bytes(name.to_ascii_uppercase().as_bytes())
                .map_err(|_cause| LeverError::invalid("method", &format!("{name:?} is none")))
        });
        if self.per_mille.is_some_and(|chance| chance > 1000) {
            return Err(LeverError::invalid("per_mille", "it is above 1000"));
        }
        Ok(Target {
            method: method.transpose()?,
            path: self.path.clone(),
            except: self.except.clone(),
            caller: None,
            caller_part: self.caller.clone(),
            after: self.after,
            times: self.times.unwrap_or(u64::MAX),
            from: Some(at),
            until: self.lasts.map(|lasts| at.plus(lasts)),
            per_mille: self.per_mille,
        })
    }
}

/// A phase of the bootstrap that will go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseFailure {
    /// Name of the cluster; `*` for every cluster.
    #[serde(default = "every")]
    pub cluster: String,
    /// Name of the phase as in its guestinfo key, such as `network`.
    pub phase: String,
    /// Only in this bootstrap machine of the cluster, counted from 1; in any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// So often in all; always when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The phase goes on until its time limit instead of failing at once.
    #[serde(default)]
    pub hangs: bool,
    /// The machine stops doing anything instead, until it is restarted.
    #[serde(default)]
    pub dies: bool,
}

fn default_namespace() -> String {
    "default".to_owned()
}

fn web() -> Vec<u16> {
    vec![80]
}

fn every() -> String {
    "*".to_owned()
}

/// Tasks that will fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFailure {
    /// `operationName` of the task, such as `vdcRecomposeVapp`; `*` for every one.
    pub operation: String,
    /// Only tasks on an object whose name contains this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// So often in all; always when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Text of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A node that goes away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFailure {
    /// Name or URN of the cluster; `*` for every cluster that has nodes.
    pub cluster: String,
    /// Name of the node; the first worker when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How it goes.
    #[serde(default)]
    pub how: NodeEnd,
}

/// How a node goes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeEnd {
    /// Somebody switches its VM off.
    #[default]
    PowerOff,
    /// Somebody deletes its VM.
    Remove,
    /// Its kubelet ends, and its VM goes on.
    Kubelet,
}
