//! `/api/admin/org/{id}/users` and `/api/admin/user/{id}`: users in the legacy API.
//!
//! Flow: a document becomes the body that the `OpenAPI` takes; the rest is the same (`accounts::users`).
//!
//! Source: VCD API, `User`; go-vcloud-director and the Terraform provider make users this way.

use http::Method;
use serde_json::{Value, json};

use super::users::{self, blank, remove, replace};
use super::{administers, not_found};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::{User, bare};
use crate::sim::entities::Entities;
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::Element;

const USER: &str = "vnd.vmware.admin.user+xml";

/// Answers `POST /api/admin/org/{org}/users` and `/api/admin/user/{uuid}...`.
pub(crate) fn handle(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    entities: &mut Entities,
) -> Result<Reply, Problem> {
    match call.path().as_slice() {
        ["api", "admin", "org", org, "users"] => create(call, org, ctx),
        ["api", "admin", "user", uuid, rest @ ..] => one(call, (uuid, rest), ctx, entities),
        _ => Err(Problem::no_such_url()),
    }
}

/// Answers a creation with 201 and the user.
fn create(call: &Call<'_>, org: &str, ctx: &mut Context<'_>) -> Result<Reply, Problem> {
    if *call.method != Method::POST {
        return Err(Problem::wrong_method());
    }
    administers(call)?;
    let org_id = format!("urn:vcloud:org:{org}");
    if !ctx.directory.orgs.contains_key(&org_id) || !manages(call, &org_id) {
        return Err(not_found(&org_id));
    }
    let blank = blank(&org_id, ctx);
    let user = users::read(&body(call)?, blank, ctx)?;
    let reply = document(call, 201, &user, ctx);
    replace(user, ctx);
    Ok(reply)
}

/// Answers requests on one user and its `action/takeOwnership`.
fn one(
    call: &Call<'_>,
    (uuid, rest): (&str, &[&str]),
    ctx: &mut Context<'_>,
    entities: &mut Entities,
) -> Result<Reply, Problem> {
    let id = format!("urn:vcloud:user:{uuid}");
    let user = ctx.directory.users.get(&id);
    let user = user.filter(|user| manages(call, &user.org_id));
    let user = user.cloned().ok_or_else(|| not_found(&id))?;
    match (call.method, rest) {
        (&Method::GET, []) => {
            if user.id != call.principal.user_id {
                users::views(call)?;
            }
            Ok(document(call, 200, &user, ctx))
        }
        (&Method::PUT, []) => {
            administers(call)?;
            let user = users::read(&body(call)?, user, ctx)?;
            let reply = document(call, 200, &user, ctx);
            replace(user, ctx);
            Ok(reply)
        }
        (&Method::DELETE, []) => {
            administers(call)?;
            remove(&id, ctx);
            Ok(Reply::empty(204))
        }
        (&Method::POST, ["action", "takeOwnership"]) => {
            administers(call)?;
            users::take_over(call, &id, ctx, entities);
            Ok(Reply::empty(204))
        }
        (_, [] | ["action", "takeOwnership"]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn manages(call: &Call<'_>, org_id: &str) -> bool {
    let who = &call.principal;
    who.acting_org_id == org_id || (who.provider && !who.in_context)
}

/// The document of a request, member by member as the `OpenAPI` has it.
fn body(call: &Call<'_>) -> Result<Value, Problem> {
    let user = call.document("User")?;
    let mut body = serde_json::Map::new();
    let mut put = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), Value::from(value));
        }
    };
    put("username", user.attribute("name"));
    put("fullName", user.text_of("FullName"));
    put("description", user.text_of("Description"));
    put("email", user.text_of("EmailAddress"));
    put("password", user.text_of("Password"));
    let enabled = user.text_of("IsEnabled").unwrap_or("false") == "true";
    body.insert("enabled".to_owned(), Value::from(enabled));
    if let Some(role) = user.get("Role") {
        let named = |key| role.attribute(key).filter(|text| !text.is_empty());
        let reference = named("href").or(named("id"));
        let id = reference.map(|text| {
            let last = text.rsplit('/').next().unwrap_or_default();
            format!("urn:vcloud:role:{}", bare(last))
        });
        let name = named("name");
        body.insert(
            "roleEntityRefs".to_owned(),
            json!([{"id": id, "name": name}]),
        );
    }
    Ok(Value::Object(body))
}

fn document(call: &Call<'_>, status: u16, user: &User, ctx: &Context<'_>) -> Reply {
    let site = ctx.site;
    let role = Element::new("Role")
        .attr(
            "href",
            format!("{site}/api/admin/role/{}", bare(&user.role_id())),
        )
        .attr("id", user.role_id())
        .attr("name", &user.role)
        .attr("type", "application/vnd.vmware.admin.role+xml");
    let href = format!("{site}/api/admin/user/{}", bare(&user.id));
    let root = Element::root("User")
        .attr("name", &user.name)
        .attr("id", &user.id)
        .attr("href", &href)
        .attr("type", format!("application/{USER}"))
        .child(Element::leaf("Description", &user.profile.description))
        .child(Element::leaf("FullName", &user.profile.full_name))
        .child(Element::leaf("EmailAddress", &user.profile.email))
        .child(Element::leaf("IsEnabled", !user.profile.disabled))
        .child(Element::leaf("IsLocked", false))
        .child(Element::leaf("NameInSource", &user.name))
        .child(Element::leaf("IsExternal", false))
        .child(Element::leaf("ProviderType", "INTEGRATED"))
        .child(Element::leaf("IsGroupRole", false))
        .child(Element::leaf("StoredVmQuota", 0))
        .child(Element::leaf("DeployedVmQuota", 0))
        .child(role);
    Reply::xml(status, call.version, USER, root.document()).with_header("location", href)
}
