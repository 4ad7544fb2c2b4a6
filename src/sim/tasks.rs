//! Tasks: what VCD answers when work takes time.
//!
//! Invariants:
//! - A task knows its owner from its first read on; clients take the new object's id from there.
//! - A finished task never changes again.
//!
//! Not here: when a task ends (`World::advance` with the schedule), how it is rendered (`sim::xml`).
//! Source: VCD API, `GET /api/task/{uuid}`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::directory::bare;
use super::levers::TaskFailure;
use super::reply::Problem;

/// A reference as VCD spells it: `<Owner href= id= name= type=/>`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) href: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) media_type: String,
}

impl Reference {
    /// A runtime defined entity, which has no address in the legacy API and no name of its own there.
    pub(crate) fn entity(urn: &str) -> Self {
        Self {
            href: String::new(),
            id: urn.to_owned(),
            name: "entity".to_owned(),
            media_type: "application/json".to_owned(),
        }
    }

    /// The user `(urn, name)`.
    pub(crate) fn user(site: &str, (urn, name): (&str, &str)) -> Self {
        Self {
            href: format!("{site}/api/admin/user/{}", bare(urn)),
            id: urn.to_owned(),
            name: name.to_owned(),
            media_type: "application/vnd.vmware.admin.user+xml".to_owned(),
        }
    }

    /// The organization `(urn, name)`.
    pub(crate) fn org(site: &str, (urn, name): (&str, &str)) -> Self {
        Self {
            href: format!("{site}/api/org/{}", bare(urn)),
            id: urn.to_owned(),
            name: name.to_owned(),
            media_type: "application/vnd.vmware.vcloud.org+xml".to_owned(),
        }
    }
}

/// On whose behalf a task runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Starter {
    /// `urn:vcloud:user:<uuid>`
    pub(crate) user_id: String,
    pub(crate) user_name: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) request_id: String,
}

impl Starter {
    /// The caller of a request.
    pub(crate) fn of(call: &Call<'_>) -> Self {
        let who = &call.principal;
        Self {
            user_id: who.user_id.clone(),
            user_name: who.user_name.clone(),
            org_id: who.acting_org_id.clone(),
            request_id: call.request_id.clone(),
        }
    }

    /// The user, as tasks and owned objects refer to it.
    pub(crate) fn user(&self, site: &str) -> Reference {
        Reference::user(site, (&self.user_id, &self.user_name))
    }
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TaskState {
    Running {
        progress: u8,
    },
    Success {
        result: Option<String>,
    },
    Failed(Problem),
    /// Somebody canceled it, and it stopped.
    Canceled,
}

/// One task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Bare UUID.
    pub(crate) uuid: String,
    /// Such as `vdcRecomposeVapp`.
    pub(crate) operation_name: Cow<'static, str>,
    /// Sentence for people, such as `Creating Runtime Defined Entity blue(urn:...)`.
    pub(crate) operation: String,
    pub(crate) owner: Reference,
    pub(crate) user: Reference,
    pub(crate) org: Reference,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    /// Id of the request that started it; begins the error message.
    pub(crate) request_id: String,
    pub(crate) state: TaskState,
}

/// All tasks, by bare UUID.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tasks {
    by_uuid: BTreeMap<String, Task>,
    cancel_requested: BTreeSet<String>,
    ordered: Vec<OrderedFailure>,
}

/// A failure that was ordered for tasks.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OrderedFailure {
    of: TaskFailure,
    /// Scenario that ordered it.
    label: String,
    left: u32,
}

impl Tasks {
    /// Adds a task.
    pub(crate) fn add(&mut self, task: Task) {
        self.by_uuid.insert(task.uuid.clone(), task);
    }

    /// Looks a task up by its bare UUID.
    pub(crate) fn get(&self, uuid: &str) -> Option<&Task> {
        self.by_uuid.get(uuid)
    }

    /// Notes that somebody asked to cancel a task.
    pub(crate) fn request_cancel(&mut self, uuid: &str) {
        self.cancel_requested.insert(uuid.to_owned());
    }

    /// Whether somebody asked to cancel a task.
    pub(crate) fn cancel_requested(&self, uuid: &str) -> bool {
        self.cancel_requested.contains(uuid)
    }

    /// All tasks, by UUID.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Task> {
        self.by_uuid.values()
    }

    /// Orders tasks to fail.
    pub(crate) fn order(&mut self, of: TaskFailure, label: &str) {
        let left = of.times.unwrap_or(u32::MAX);
        let label = label.to_owned();
        self.ordered.push(OrderedFailure { of, label, left });
    }

    /// Takes back what a scenario has ordered.
    pub(crate) fn withdraw(&mut self, label: &str) {
        self.ordered.retain(|one| one.label != label);
    }

    /// Uses up one ordered failure of the task `uuid`, which ends now.
    pub(crate) fn ordered_failure(&mut self, uuid: &str) -> Option<Problem> {
        let task = self.by_uuid.get(uuid)?;
        let ordered = self.ordered.iter_mut().find(|one| {
            let of = &one.of;
            one.left > 0
                && (of.operation == "*" || of.operation == task.operation_name)
                && of
                    .object
                    .as_ref()
                    .is_none_or(|part| task.owner.name.contains(part.as_str()))
        })?;
        ordered.left -= 1;
        let message = ordered.of.message.clone();
        let message =
            message.unwrap_or_else(|| "The operation failed in the infrastructure.".to_owned());
        Some(Problem::new(500, "INTERNAL_SERVER_ERROR", message))
    }

    /// Tells how far a running task is, in percent.
    pub(crate) fn progress(&mut self, uuid: &str, percent: u8) {
        if let Some(task) = self.by_uuid.get_mut(uuid)
            && let TaskState::Running { progress } = &mut task.state
        {
            *progress = percent;
        }
    }

    /// Ends a running task; a finished one keeps its first outcome.
    pub(crate) fn finish(&mut self, uuid: &str, outcome: TaskState, ended: Timestamp) {
        if let Some(task) = self.by_uuid.get_mut(uuid)
            && matches!(task.state, TaskState::Running { .. })
        {
            task.state = outcome;
            task.ended = Some(ended);
        }
    }
}
