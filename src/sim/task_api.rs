//! `GET /api/task/{uuid}` and its cancellation, in XML and in JSON.
//!
//! Invariants:
//! - A task is visible to its organization and to the provider.
//! - Cancelling is answered and noted, but simulated operations run on; real ones mostly do too.
//!
//! Source: VCD API, `Task`; the order of elements is that of the schema.

use http::{Method, header};
use serde::Serialize;
use serde_json::{Value, json};

use super::call::Call;
use super::context::Context;
use super::reply::{Problem, Reply};
use super::tasks::{Reference, Task, TaskState};
use super::versions::xml_reply;

/// Days after which VCD forgets a finished task, as its `expiryTime` tells; the simulator keeps it.
const RETENTION_DAYS: i64 = 90;

const TASK_MEDIA: &str = "vnd.vmware.vcloud.task+xml";

/// Answers `/api/task/{uuid}[/action/cancel]`.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    match (call.method, rest) {
        (&Method::GET, [uuid]) => {
            let task = find(call, uuid, ctx)?;
            let json = call
                .headers
                .get_all(header::ACCEPT)
                .iter()
                .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("json")));
            if json {
                return Ok(Reply::json(200, call.version, &json_document(task, ctx)));
            }
            Ok(xml_reply(
                call.version,
                TASK_MEDIA,
                "Task",
                &TaskDocument::of(task, ctx, true),
            ))
        }
        (&Method::POST, [uuid, "action", "cancel"]) => {
            let uuid = find(call, uuid, ctx)?.uuid.clone();
            ctx.tasks.request_cancel(&uuid);
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::wrong_method()),
    }
}

fn find<'t>(call: &Call<'_>, uuid: &str, ctx: &'t Context<'_>) -> Result<&'t Task, Problem> {
    let who = &call.principal;
    let task = ctx.tasks.get(uuid);
    let task = task.filter(|task| who.provider || task.org.id == who.acting_org_id);
    task.ok_or_else(|| {
        Problem::forbidden(format!(
            "No access to entity \"com.vmware.vcloud.entity.task:{uuid}\" or it does not exist."
        ))
    })
}

/// `202` with the task in `Location`.
pub(crate) fn accepted(site: &str, uuid: &str) -> Reply {
    Reply::empty(202).with_header("location", format!("{site}/api/task/{uuid}"))
}

/// A task as XML; also nested in the documents of vApps and VMs, without the namespace.
#[derive(Debug, Serialize)]
pub(crate) struct TaskDocument {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    xmlns: Option<&'static str>,
    #[serde(rename = "@name")]
    name: &'static str,
    #[serde(rename = "@status")]
    status: &'static str,
    #[serde(rename = "@operation")]
    operation: String,
    #[serde(rename = "@operationName")]
    operation_name: &'static str,
    #[serde(rename = "@serviceNamespace")]
    service_namespace: &'static str,
    #[serde(rename = "@startTime")]
    start_time: String,
    #[serde(rename = "@endTime", skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    #[serde(rename = "@expiryTime")]
    expiry_time: String,
    #[serde(rename = "@cancelRequested")]
    cancel_requested: bool,
    #[serde(rename = "@id")]
    id: String,
    #[serde(rename = "@href")]
    href: String,
    #[serde(rename = "@type")]
    media_type: String,
    #[serde(rename = "Link", skip_serializing_if = "Option::is_none")]
    link: Option<LinkElement>,
    #[serde(rename = "Owner")]
    owner: ReferenceElement,
    #[serde(rename = "Error", skip_serializing_if = "Option::is_none")]
    error: Option<ErrorElement>,
    #[serde(rename = "User")]
    user: ReferenceElement,
    #[serde(rename = "Organization")]
    organization: ReferenceElement,
    #[serde(rename = "Progress", skip_serializing_if = "Option::is_none")]
    progress: Option<u8>,
    #[serde(rename = "Details")]
    details: String,
    #[serde(rename = "Result", skip_serializing_if = "Option::is_none")]
    result: Option<ResultElement>,
}

#[derive(Debug, Serialize)]
struct LinkElement {
    #[serde(rename = "@rel")]
    rel: &'static str,
    #[serde(rename = "@href")]
    href: String,
}

#[derive(Debug, Serialize)]
struct ReferenceElement {
    #[serde(rename = "@href")]
    href: String,
    #[serde(rename = "@id")]
    id: String,
    #[serde(rename = "@name")]
    name: String,
    #[serde(rename = "@type")]
    media_type: String,
}

#[derive(Debug, Serialize)]
struct ErrorElement {
    #[serde(rename = "@majorErrorCode")]
    major: u16,
    #[serde(rename = "@minorErrorCode")]
    minor: &'static str,
    #[serde(rename = "@message")]
    message: String,
    #[serde(rename = "@vendorSpecificErrorCode")]
    vendor: &'static str,
    #[serde(rename = "@stackTrace")]
    stack_trace: &'static str,
}

#[derive(Debug, Serialize)]
struct ResultElement {
    #[serde(rename = "ResultContent")]
    content: ResultContent,
}

#[derive(Debug, Serialize)]
struct ResultContent {
    #[serde(rename = "@xmlns:xsi")]
    xsi: &'static str,
    #[serde(rename = "@xsi:type")]
    xsi_type: &'static str,
    #[serde(rename = "@xmlns:xs")]
    xs: &'static str,
    #[serde(rename = "$text")]
    text: String,
}

impl TaskDocument {
    /// Renders `task`; `root` says whether it stands alone.
    pub(crate) fn of(task: &Task, ctx: &Context<'_>, root: bool) -> Self {
        let facts = Facts::of(task, ctx);
        let running = matches!(task.state, TaskState::Running { .. });
        let link = running.then(|| LinkElement {
            rel: "task:cancel",
            href: format!("{}/action/cancel", facts.href),
        });
        Self {
            xmlns: root.then_some("http://www.vmware.com/vcloud/v1.5"),
            name: "task",
            status: facts.status,
            operation: task.operation.clone(),
            operation_name: task.operation_name,
            service_namespace: "com.vmware.vcloud",
            start_time: facts.start,
            end_time: facts.end,
            expiry_time: facts.expiry,
            cancel_requested: facts.cancel_requested,
            id: facts.id,
            href: facts.href,
            media_type: format!("application/{TASK_MEDIA}"),
            link,
            owner: reference(&task.owner),
            error: facts.error.map(|(major, minor, message)| ErrorElement {
                major,
                minor,
                message,
                vendor: "",
                stack_trace: "",
            }),
            user: reference(&task.user),
            organization: reference(&task.org),
            progress: facts.progress,
            details: String::new(),
            result: facts.result.map(|text| ResultElement {
                content: ResultContent {
                    xsi: "http://www.w3.org/2001/XMLSchema-instance",
                    xsi_type: "xs:string",
                    xs: "http://www.w3.org/2001/XMLSchema",
                    text,
                },
            }),
        }
    }
}

fn reference(reference: &Reference) -> ReferenceElement {
    ReferenceElement {
        href: reference.href.clone(),
        id: reference.id.clone(),
        name: reference.name.clone(),
        media_type: reference.media_type.clone(),
    }
}

/// What both forms of a task say.
struct Facts {
    id: String,
    href: String,
    status: &'static str,
    start: String,
    end: Option<String>,
    expiry: String,
    cancel_requested: bool,
    progress: Option<u8>,
    error: Option<(u16, &'static str, String)>,
    result: Option<String>,
}

impl Facts {
    fn of(task: &Task, ctx: &Context<'_>) -> Self {
        let (status, progress, error, result) = match &task.state {
            TaskState::Running { progress } => ("running", Some(*progress), None, None),
            TaskState::Success { result } => ("success", Some(100), None, result.clone()),
            TaskState::Failed(problem) => {
                let message = format!("[ {} ] {}", task.request_id, problem.message);
                (
                    "error",
                    None,
                    Some((problem.status, problem.minor, message)),
                    None,
                )
            }
        };
        let retention = jiff::SignedDuration::from_hours(RETENTION_DAYS * 24);
        let expiry = task.started.checked_add(retention).unwrap_or(task.started);
        Self {
            id: format!("urn:vcloud:task:{}", task.uuid),
            href: format!("{}/api/task/{}", ctx.site, task.uuid),
            status,
            start: format!("{:.3}", task.started),
            end: task.ended.map(|ended| format!("{ended:.3}")),
            expiry: format!("{expiry:.3}"),
            cancel_requested: ctx.tasks.cancel_requested(&task.uuid),
            progress,
            error,
            result,
        }
    }
}

fn json_document(task: &Task, ctx: &Context<'_>) -> Value {
    let facts = Facts::of(task, ctx);
    let reference = |of: &Reference| json!({"href": of.href, "id": of.id, "name": of.name, "type": of.media_type});
    let error = facts.error.map(|(major, minor, message)| {
        json!({"majorErrorCode": major, "minorErrorCode": minor, "message": message,
               "vendorSpecificErrorCode": null, "stackTrace": ""})
    });
    json!({
        "otherAttributes": {},
        "id": facts.id,
        "href": facts.href,
        "type": "application/vnd.vmware.vcloud.task+json",
        "name": "task",
        "status": facts.status,
        "operation": task.operation,
        "operationName": task.operation_name,
        "serviceNamespace": "com.vmware.vcloud",
        "startTime": facts.start,
        "endTime": facts.end,
        "expiryTime": facts.expiry,
        "cancelRequested": facts.cancel_requested,
        "owner": reference(&task.owner),
        "user": reference(&task.user),
        "organization": reference(&task.org),
        "progress": facts.progress,
        "details": "",
        "error": error,
        "result": facts.result.map(|text| json!({"resultContent": text})),
    })
}
