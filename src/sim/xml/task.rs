//! Tasks as XML: documents of their own, and nested in those of vApps and VMs.
//!
//! Source: VCD API, `GET /api/task/{uuid}`; the order of elements is that of the schema.

use super::{Element, VCLOUD, XSI};
use crate::sim::context::Context;
use crate::sim::task_api::{Facts, TASK_MEDIA};
use crate::sim::tasks::{Reference, Task, TaskState};

/// The whole `<Task>` document.
pub(crate) fn task_document(task: &Task, ctx: &Context<'_>) -> String {
    let namespace = [("xmlns", VCLOUD)];
    task_element(task, ctx)
        .with_first_attributes(namespace)
        .document()
}

/// `<Task>` without a namespace declaration, to be nested in a document of the default namespace.
pub(crate) fn task_element(task: &Task, ctx: &Context<'_>) -> Element {
    let facts = Facts::of(task, ctx);
    let running = matches!(task.state, TaskState::Running { .. });
    let cancel = running.then(|| {
        let href = format!("{}/action/cancel", facts.href);
        Element::new("Link")
            .attr("rel", "task:cancel")
            .attr("href", href)
    });
    let error = facts.error.map(|(major, minor, message)| {
        Element::new("Error")
            .attr("majorErrorCode", major)
            .attr("minorErrorCode", minor)
            .attr("message", message)
            .attr("vendorSpecificErrorCode", "")
            .attr("stackTrace", "")
    });
    let mut element = Element::new("Task")
        .attr("name", "task")
        .attr("status", facts.status)
        .attr("operation", &task.operation)
        .attr("operationName", task.operation_name.as_ref())
        .attr("serviceNamespace", "com.vmware.vcloud")
        .attr("startTime", facts.start);
    if let Some(ended) = facts.end {
        element = element.attr("endTime", ended);
    }
    element
        .attr("expiryTime", facts.expiry)
        .attr("cancelRequested", facts.cancel_requested)
        .attr("id", facts.id)
        .attr("href", facts.href)
        .attr("type", format!("application/{TASK_MEDIA}"))
        .children(cancel)
        .child(reference("Owner", &task.owner))
        .children(error)
        .child(reference("User", &task.user))
        .child(reference("Organization", &task.org))
        .children(
            facts
                .progress
                .map(|percent| Element::leaf("Progress", percent)),
        )
        .child(Element::new("Details"))
        .children(facts.result.map(result))
}

fn result(text: String) -> Element {
    let content = Element::leaf("ResultContent", text)
        .attr("xmlns:xsi", XSI)
        .attr("xsi:type", "xs:string")
        .attr("xmlns:xs", "http://www.w3.org/2001/XMLSchema");
    Element::new("Result").child(content)
}

/// `<name href= id= name= type=/>`.
pub(crate) fn reference(element: &str, to: &Reference) -> Element {
    Element::new(element)
        .attr("href", &to.href)
        .attr("id", &to.id)
        .attr("name", &to.name)
        .attr("type", &to.media_type)
}
