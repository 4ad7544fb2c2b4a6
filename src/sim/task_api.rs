//! `GET /api/task/{uuid}` and its cancellation, in XML and in JSON.
//!
//! Invariants:
//! - A task is visible to its organization and to the provider.
//! - Cancelling is answered and noted; which operations it stops, `infra::operations` knows. Others run on.
//!
//! Not here: the XML of a task (`sim::xml`), which other documents hold too.
//! Source: VCD API, `Task`.

use http::{Method, header};
use serde_json::{Value, json};

use super::call::Call;
use super::context::Context;
use super::reply::{Problem, Reply, stamp};
use super::tasks::{Reference, Task, TaskState};
use super::xml;

/// Days after which VCD forgets a finished task, as its `expiryTime` tells; the simulator keeps it.
const RETENTION_DAYS: i64 = 90;

/// Media type of a task, the part after `application/`.
pub(crate) const TASK_MEDIA: &str = "vnd.vmware.vcloud.task+xml";

/// Media type of a list of tasks, the part after `application/`.
pub(crate) const TASKS_MEDIA: &str = "vnd.vmware.vcloud.tasksList+xml";

/// The tasks of an organization.
fn list(call: &Call<'_>, org: &str, ctx: &Context<'_>) -> Result<Reply, Problem> {
    if *call.method != Method::GET {
        return Err(Problem::wrong_method());
    }
    let id = format!("urn:vcloud:org:{org}");
    let who = &call.principal;
    if !ctx.directory.orgs.contains_key(&id) || !(who.provider || who.acting_org_id == id) {
        return Err(Problem::forbidden(format!(
            "No access to entity \"com.vmware.vcloud.entity.org:{org}\" or it does not exist."
        )));
    }
    let tasks = ctx.tasks.iter().filter(|task| task.org.id == id);
    let root = xml::Element::root("TasksList")
        .attr("name", "Tasks Lists")
        .attr("href", format!("{}/api/tasksList/{org}", ctx.site))
        .attr("type", format!("application/{TASKS_MEDIA}"))
        .children(tasks.map(|task| xml::task_element(task, ctx)));
    Ok(Reply::xml(200, call.version, TASKS_MEDIA, root.document()))
}

/// Answers `/api/task/{uuid}[/action/cancel]` and `/api/tasksList/{org}`.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    match (call.method, rest) {
        (_, [org]) if call.path().get(1) == Some(&"tasksList") => list(call, org, ctx),
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
            let body = xml::task_document(task, ctx);
            Ok(Reply::xml(200, call.version, TASK_MEDIA, body))
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

/// What both forms of a task say.
pub(crate) struct Facts {
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) status: &'static str,
    pub(crate) start: String,
    pub(crate) end: Option<String>,
    pub(crate) expiry: String,
    pub(crate) cancel_requested: bool,
    /// Percent; absent for a failed task.
    pub(crate) progress: Option<u8>,
    /// Major code, minor code and message with the request id.
    pub(crate) error: Option<(u16, String, String)>,
    pub(crate) result: Option<String>,
}

impl Facts {
    /// Reads them off `task`.
    pub(crate) fn of(task: &Task, ctx: &Context<'_>) -> Self {
        let (status, progress, error, result) = match &task.state {
            TaskState::Running { progress } => ("running", Some(*progress), None, None),
            TaskState::Success { result } => ("success", Some(100), None, result.clone()),
            TaskState::Canceled => ("canceled", None, None, None),
            TaskState::Failed(problem) => {
                let message = format!("[ {} ] {}", task.request_id, problem.message);
                (
                    "error",
                    None,
                    Some((problem.status, problem.minor.to_string(), message)),
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
            start: stamp(task.started),
            end: task.ended.map(stamp),
            expiry: stamp(expiry),
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
