//! Password login and the session resource.
//!
//! Not here: token exchange (`super::oauth`), expiry (`super::Sessions`).
//! Source: VCD `OpenAPI`, `/cloudapi/1.0.0/sessions`; legacy `/api/sessions`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, header};
use serde::Serialize;
use serde_json::{Value, json};

use super::oauth::own_token;
use super::{Session, Sessions};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::{User, is_system};
use crate::sim::gate::Arrival;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};
use crate::sim::versions::xml_reply;

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
            let document = LegacySession {
                xmlns: "http://www.vmware.com/vcloud/v1.5",
                user: user.name,
                org: org.to_owned(),
                href: format!("{}/api/session", ctx.site),
            };
            xml_reply(
                arrival.version,
                "vnd.vmware.vcloud.session+xml",
                "Session",
                &document,
            )
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

#[derive(Serialize)]
struct LegacySession {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(rename = "@user")]
    user: String,
    #[serde(rename = "@org")]
    org: String,
    #[serde(rename = "@href")]
    href: String,
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
    let own_id = ctx
        .sessions
        .get(&own)
        .map(|session| session.id.clone())
        .unwrap_or_default();
    let is_own = |id: &str| id == "current" || id == own_id;
    match (call.method, rest) {
        (&Method::GET, []) => {
            let visible = |session: &&Session| {
                let user = ctx.directory.users.get(&session.user_id);
                call.principal.provider
                    || user.is_some_and(|user| user.org_id == call.principal.org_id)
            };
            let rows = rows(&mut ctx.sessions.iter().filter(visible), ctx);
            paging::list(call, ctx.site, &Listing::of("Sessions", &["id"]), rows)
        }
        (&Method::GET, [id]) if is_own(id) => {
            let session = ctx.sessions.get(&own).cloned();
            let body = session.and_then(|session| {
                let user = ctx.directory.users.get(&session.user_id)?;
                Some(document(&session, user, ctx))
            });
            Ok(Reply::json(200, call.version, &body.unwrap_or_default()))
        }
        (&Method::DELETE, []) => {
            ctx.sessions.close(&own);
            Ok(Reply::empty(204))
        }
        (&Method::DELETE, [id]) if is_own(id) => {
            ctx.sessions.close(&own);
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::forbidden(
            "The session does not exist or you lack access to it.",
        )),
    }
}

fn rows(sessions: &mut dyn Iterator<Item = &Session>, ctx: &Context<'_>) -> Vec<Value> {
    let row = |session: &Session| {
        let user = ctx.directory.users.get(&session.user_id)?;
        Some(document(session, user, ctx))
    };
    sessions.filter_map(row).collect()
}

impl Sessions {
    /// `DELETE /api/session`: ends the caller's own session.
    pub(crate) fn logout(&mut self, call: &Call<'_>) -> Reply {
        self.close(own_token(call));
        Reply::empty(204)
    }
}
