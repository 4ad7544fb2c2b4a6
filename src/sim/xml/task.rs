//! Tasks as `/api/task/{uuid}` and operation answers show them.
//!
//! Source: VCD API, `GET /api/task/{uuid}`; order of children as VCD writes it.

use std::time::Duration;

use jiff::Timestamp;

use super::{Element, XSI};
use crate::sim::tasks::{Reference, Task, TaskState};

/// Time a finished task stays readable.
const RETENTION: Duration = Duration::from_hours(90 * 24);

/// The whole `<Task>` document.
pub(crate) fn task_document(task: &Task, site: &str) -> String {
    let mut root = task_element(task, site);
    root.attributes
        .insert(0, ("xmlns".to_owned(), super::VCLOUD.to_owned()));
    root.document()
}

/// `<Task>` without a namespace declaration, to be nested in a document of the default namespace.
pub(crate) fn task_element(task: &Task, site: &str) -> Element {
    let href = format!("{site}/api/task/{}", task.uuid);
    let mut element = Element::new("Task")
        .attr("name", "task")
        .attr("status", status(&task.state))
        .attr("operation", &task.operation)
        .attr("operationName", task.operation_name)
        .attr("serviceNamespace", "com.vmware.vcloud")
        .attr("startTime", stamp(task.started))
        .attr(
            "expiryTime",
            stamp(
                task.started
                    .checked_add(RETENTION)
                    .unwrap_or(Timestamp::MAX),
            ),
        )
        .attr("cancelRequested", "false")
        .attr("id", format!("urn:vcloud:task:{}", task.uuid))
        .attr("href", &href)
        .attr("type", "application/vnd.vmware.vcloud.task+xml");
    if let Some(ended) = task.ended {
        element = element.attr("endTime", stamp(ended));
    }
    if matches!(task.state, TaskState::Running { .. }) {
        let cancel = Element::new("Link").attr("rel", "task:cancel");
        element = element.child(cancel.attr("href", format!("{href}/action/cancel")));
    }
    element = element.child(reference("Owner", &task.owner));
    if let TaskState::Failed(problem) = &task.state {
        element = element.child(
            Element::new("Error")
                .attr("majorErrorCode", problem.status)
                .attr("minorErrorCode", problem.minor)
                .attr(
                    "message",
                    format!("[ {} ] {}", task.request_id, problem.message),
                )
                .attr("stackTrace", ""),
        );
    }
    element = element
        .child(reference("User", &task.user))
        .child(reference("Organization", &task.org))
        .child(Element::leaf("Progress", progress(&task.state)))
        .child(Element::new("Details"));
    match &task.state {
        TaskState::Success { result: Some(text) } => element.child(
            Element::new("Result").child(
                Element::leaf("ResultContent", text)
                    .attr("xmlns:xsi", XSI)
                    .attr("xmlns:xs", "http://www.w3.org/2001/XMLSchema")
                    .attr("xsi:type", "xs:string"),
            ),
        ),
        TaskState::Success { result: None } | TaskState::Running { .. } | TaskState::Failed(_) => {
            element
        }
    }
}

/// `<name href= id= name= type=/>`.
pub(crate) fn reference(element: &str, to: &Reference) -> Element {
    Element::new(element)
        .attr("href", &to.href)
        .attr("id", &to.id)
        .attr("name", &to.name)
        .attr("type", &to.media_type)
}

/// A date as VCD writes it: RFC 3339 with milliseconds and `Z`.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn status(state: &TaskState) -> &'static str {
    match state {
        TaskState::Running { .. } => "running",
        TaskState::Success { .. } => "success",
        TaskState::Failed(_) => "error",
    }
}

fn progress(state: &TaskState) -> u8 {
    match state {
        TaskState::Running { progress } => *progress,
        TaskState::Success { .. } => 100,
        TaskState::Failed(_) => 1,
    }
}
