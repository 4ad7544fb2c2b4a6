//! `<Task>`: background work, its owner, its error and its result.
//!
//! Source: VCD API 37.2, `GET /api/task/{uuid}`; go-vcloud-director for the meaning of the statuses.

use serde::Deserialize;

use super::fault::Fault;
use crate::domain::ids::TaskId;
use crate::vcd::error::VcdError;
use crate::vcd::model::{Task, TaskStatus};
use crate::vcd::operation::Operation;
use crate::vcd::refusal::{Refusal, clean};
use crate::vcd::verdict::class_of_failed_task;

/// A task on its own, or nested in the object it works on.
#[derive(Deserialize)]
pub(in crate::vcd) struct TaskElement {
    #[serde(rename = "@id")]
    id: Option<String>,
    #[serde(rename = "@href")]
    href: Option<String>,
    #[serde(rename = "@status")]
    status: String,
    #[serde(rename = "Owner")]
    owner: Option<Owner>,
    #[serde(rename = "Error")]
    error: Option<ErrorElement>,
    #[serde(rename = "Result")]
    result: Option<ResultElement>,
}

#[derive(Deserialize)]
struct Owner {
    #[serde(rename = "@id")]
    id: Option<String>,
}

#[derive(Deserialize)]
struct ErrorElement {
    #[serde(rename = "@majorErrorCode")]
    major: Option<String>,
    #[serde(rename = "@minorErrorCode")]
    minor: Option<String>,
    #[serde(rename = "@message")]
    message: Option<String>,
}

#[derive(Deserialize)]
struct ResultElement {
    #[serde(rename = "ResultContent")]
    content: Option<String>,
}

/// The tasks nested in a vApp or VM.
#[derive(Deserialize, Default)]
pub(in crate::vcd) struct Tasks {
    #[serde(rename = "Task", default)]
    tasks: Vec<TaskElement>,
}

impl Tasks {
    /// Whether one of them is still at work.
    pub(in crate::vcd) fn any_running(&self) -> bool {
        self.tasks.iter().any(TaskElement::is_running)
    }
}

impl TaskElement {
    fn is_running(&self) -> bool {
        matches!(
            self.status.as_str(),
            "queued"
                | "preRunning"
                | "pre-running"
                | "pending"
                | "running"
                | "postRunning"
                | "expectingAction"
        )
    }

    /// The task for the callers of the client.
    pub(in crate::vcd) fn into_task(self, op: Operation) -> Result<Task, VcdError> {
        let id = self.task_id(op)?;
        let status = if self.is_running() {
            TaskStatus::Running
        } else if self.status == "success" {
            TaskStatus::Success
        } else {
            failure(&self.status, self.error)
        };
        Ok(Task {
            id,
            status,
            owner: self
                .owner
                .and_then(|owner| owner.id)
                .filter(|id| !id.is_empty()),
            result: self.result.and_then(|result| result.content),
        })
    }

    fn task_id(&self, op: Operation) -> Result<TaskId, VcdError> {
        let from_href = || {
            let uuid = self
                .href
                .as_deref()?
                .trim_end_matches('/')
                .rsplit('/')
                .next()?;
            TaskId::parse(&format!("urn:vcloud:task:{uuid}")).ok()
        };
        let from_id = self.id.as_deref().and_then(|id| TaskId::parse(id).ok());
        from_id
            .or_else(from_href)
            .ok_or_else(|| VcdError::unreadable(op, "the task has neither id nor href"))
    }
}

/// A task ends without success as `error`, `aborted` or `canceled`; only the first has to say why.
fn failure(status: &str, error: Option<ErrorElement>) -> TaskStatus {
    let Some(error) = error else {
        let class = crate::domain::error_class::ErrorClass::Transient;
        let code = clean(status, 40);
        return TaskStatus::Failed {
            class,
            message: format!("the task ended as {code}"),
            code,
        };
    };
    let major = error
        .major
        .and_then(|code| code.trim().parse().ok())
        .unwrap_or_default();
    let fault = Fault {
        minor_error_code: error.minor,
        message: error.message,
    };
    let refusal = Refusal::spoken(major, fault);
    TaskStatus::Failed {
        class: class_of_failed_task(&refusal),
        code: refusal.minor_code.unwrap_or_else(|| clean(status, 40)),
        message: refusal.message.unwrap_or_default(),
    }
}
