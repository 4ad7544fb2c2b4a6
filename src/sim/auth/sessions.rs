//! Password login and the session resource.
//!
//! Not here: token exchange (`super::oauth`), expiry (`super::Sessions`).
//! Source: VCD `OpenAPI`, `/cloudapi/1.0.0/sessions`; legacy `/api/sessions`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use super::oauth::own_token;
use super::{Session, Sessions};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::{User, bare, is_system};
use crate::sim::gate::Arrival;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::Element;

/// Media type of the legacy session, the part after `application/`.
const SESSION_MEDIA: &str = "vnd.vmware.vcloud.session+xml";

/// Which login endpoint was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Tenant,
    Provider,
    /// `/api/sessions`, for both.
    Legacy,
}

/// Logs in with `Authorization: Basic user@org:password`; needs no session.
pub(crate) fn login(
    arrival: &Arrival<'_>,
    door: Door,
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    let refused = || {
        Problem::new(
            401,
            "UNAUTHORIZED",
            "Invalid user name, organization or password.",
        )
    };
    let (who, password) = basic(arrival.headers).ok_or_else(refused)?;
    let (name, org) = who.rsplit_once('@').ok_or_else(refused)?;
    let provider = is_system(org);
    let open = match door {
        Door::Tenant => !provider,
        Door::Provider => provider,
        Door::Legacy => true,
    };
    let user = ctx
        .directory
        .password_user(name, org, &password)
        .filter(|_| open);
    let user = user.ok_or_else(refused)?.clone();
    let token = ctx.sessions.open(&user, None, ctx.now, ctx.rng);
    let session = ctx.sessions.get(&token).cloned().ok_or_else(refused)?;
    let reply = match door {
        Door::Tenant | Door::Provider => {
            Reply::json(200, arrival.version, &document(&session, &user, ctx))
        }
        Door::Legacy => {
            let body = legacy_document(&session, &user, ctx);
            Reply::xml(200, arrival.version, SESSION_MEDIA, body)
                .with_header("x-vcloud-authorization", token.clone())
        }
    };
    Ok(reply
        .with_header("x-vmware-vcloud-access-token", token)
        .with_header("x-vmware-vcloud-token-type", "Bearer".to_owned()))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (who, password) = decoded.split_once(':')?;
    Some((who.to_owned(), password.to_owned()))
}

/// The session as the legacy API has it, with links to where its user goes from here.
fn legacy_document(session: &Session, user: &User, ctx: &Context<'_>) -> String {
    let site = ctx.site;
    let org = ctx.directory.org_name(&user.org_id).unwrap_or_default();
    let org_href = format!("{site}/api/org/{}", bare(&user.org_id));
    let link = |rel: &str, media: &str, href: &str| {
        Element::new("Link")
            .attr("rel", rel)
            .attr("type", format!("application/{media}"))
            .attr("href", href)
    };
    let mut root = Element::root("Session")
        .attr("user", &user.name)
        .attr("userId", &user.id)
        .attr("org", org)
        .attr(
            "locationId",
            ctx.directory.site_id().replace(":site:", ":location:"),
        )
        .attr("roles", &user.role)
        .attr("id", &session.id)
        .attr("href", format!("{site}/api/session"))
        .attr("type", format!("application/{SESSION_MEDIA}"))
        .child(link(
            "down",
            "vnd.vmware.vcloud.orgList+xml",
            &format!("{site}/api/org"),
        ))
        .child(link("remove", "", &format!("{site}/api/session")));
    if is_system(org) {
        let admin = format!("{site}/api/admin/");
        let extension = format!("{site}/api/admin/extension");
        root = root
            .child(link("down", "vnd.vmware.admin.vcloud+xml", &admin))
            .child(link(
                "down:extensibility",
                "vnd.vmware.vcloud.apiextensibility+xml",
                &extension,
            ));
    }
    root.child(link("down", "vnd.vmware.vcloud.org+xml", &org_href).attr("name", org))
        .child(link(
            "down",
            "vnd.vmware.vcloud.query.queryList+xml",
            &format!("{site}/api/query"),
        ))
        .document()
}

/// The session as JSON.
fn document(session: &Session, user: &User, ctx: &Context<'_>) -> Value {
    let host = ctx.site.split("://").nth(1).unwrap_or_default();
    let org = ctx.directory.org_name(&user.org_id).unwrap_or_default();
    json!({
        "id": session.id,
        "site": {"name": host, "id": ctx.directory.site_id()},
        "user": {"name": user.name, "id": user.id},
        "org": {"name": org, "id": user.org_id},
        "location": ctx.directory.site_id().replace(":site:", ":location:"),
        "roles": [user.role],
        "roleRefs": [{"name": user.role, "id": user.role_id()}],
        "sessionIdleTimeoutMinutes": ctx.sessions.limits.idle.as_secs() / 60,
    })
}

/// `/cloudapi/1.0.0/sessions...` of an authenticated caller.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    let own = own_token(call).to_owned();
    let mine = |session: &&Session| session.user_id == call.principal.user_id;
    let (id, rest) = match (call.method, rest) {
        (&Method::GET, []) => {
            let rows = rows(&mut ctx.sessions.iter().filter(mine), ctx);
            return paging::list(call, ctx.site, &Listing::of("Sessions", &["id"]), rows);
        }
        (&Method::DELETE, [] | ["current" | "provider"]) => {
            ctx.sessions.close(&own);
            return Ok(Reply::empty(204));
        }
        (_, [id, rest @ ..]) => (*id, rest),
        _ => return Err(Problem::wrong_method()),
    };
    let found = if id == "current" {
        ctx.sessions.get(&own)
    } else {
        ctx.sessions
            .iter()
            .filter(mine)
            .find(|session| session.id == id)
    };
    let refused = || Problem::forbidden("The session does not exist or you lack access to it.");
    let session = found.cloned().ok_or_else(refused)?;
    let user = ctx.directory.users.get(&session.user_id);
    let user = user.ok_or_else(refused)?.clone();
    match (call.method, rest) {
        (&Method::GET, []) => {
            let body = document(&session, &user, ctx);
            Ok(Reply::json(200, call.version, &body))
        }
        (&Method::DELETE, []) => {
            ctx.sessions.close_by_id(&session.id);
            Ok(Reply::empty(204))
        }
        (&Method::GET, ["token"]) => {
            let of_session = ctx.sessions.token_of(&session.id).unwrap_or_default();
            Ok(Reply::json(
                200,
                call.version,
                &token(&user, of_session, ctx),
            ))
        }
        (&Method::GET, ["accessibleLocations"]) => {
            let rows = vec![location(call, &user, ctx)];
            let listing = Listing::of("AccessibleLocations", &["locationId"]);
            paging::list(call, ctx.site, &listing, rows)
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// The access token of a session as a resource.
fn token(user: &User, token: &str, ctx: &Context<'_>) -> Value {
    let org = ctx.directory.org_name(&user.org_id).unwrap_or_default();
    json!({
        "id": null,
        "name": user.name,
        "token": token,
        "type": "JWT",
        "owner": {"name": user.name, "id": user.id},
        "org": {"name": org, "id": user.org_id},
        "username": user.name,
        "userId": user.id,
        "orgName": org,
        "expirationTimeUtc": null,
    })
}

fn location(call: &Call<'_>, user: &User, ctx: &Context<'_>) -> Value {
    let org = ctx.directory.org_name(&user.org_id).unwrap_or_default();
    let host = ctx.site.split("://").nth(1).unwrap_or_default();
    let place = if is_system(org) {
        "provider".to_owned()
    } else {
        format!("tenant/{org}")
    };
    json!({
        "locationId": ctx.directory.site_id().replace(":site:", ":location:"),
        "site": {"name": host, "id": ctx.directory.site_id()},
        "org": {"name": org, "id": user.org_id},
        "restApiEndpoint": ctx.site,
        "uiEndpoint": format!("{}/{place}", ctx.site),
        "apiVersion": call.version.to_string(),
    })
}

fn rows(sessions: &mut dyn Iterator<Item = &Session>, ctx: &Context<'_>) -> Vec<Value> {
    let row = |session: &Session| {
        let user = ctx.directory.users.get(&session.user_id)?;
        Some(document(session, user, ctx))
    };
    sessions.filter_map(row).collect()
}

/// `GET /api/session`: the caller's own session.
pub(crate) fn legacy(call: &Call<'_>, ctx: &Context<'_>) -> Result<Reply, Problem> {
    let session = ctx.sessions.get(own_token(call));
    let user = ctx.directory.users.get(&call.principal.user_id);
    let (session, user) = session
        .zip(user)
        .ok_or_else(|| Problem::forbidden("The session does not exist."))?;
    let body = legacy_document(session, user, ctx);
    Ok(Reply::xml(200, call.version, SESSION_MEDIA, body))
}

impl Sessions {
    /// `DELETE /api/session`: ends the caller's own session.
    pub(crate) fn logout(&mut self, call: &Call<'_>) -> Reply {
        self.close(own_token(call));
        Reply::empty(204)
    }
}
