//! Service accounts: registered by one, granted by another, used by software.
//!
//! Flow: `oauth` registers the client and hands out its codes and tokens; a person looks the user code up
//! and grants it here; from then on the software exchanges its refresh token.
//!
//! Invariants:
//! - Every use of a refresh token gives a new one, and the old one dies.
//! - The status follows from what there is: codes, a grant, a token.
//! - The account acts as a user of its organization under its own URN, with the rights of its role.
//!
//! Source: VCD `OpenAPI` 37.2, `serviceAccounts` and `deviceLookup`; `go-vcloud-director` service accounts.

use std::sync::Arc;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Moment;
use crate::sim::accounts::users::take_over;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::{Directory, Profile, User};
use crate::sim::entities::Entities;
use crate::sim::gate::decode;
use crate::sim::infra::access::sees;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};
use crate::sim::rights;

/// What the URN of a service account begins with.
pub(crate) const URN_PREFIX: &str = "urn:vcloud:serviceAccount:";

/// Largest page of the list.
const MAX_PAGE: usize = 32;

const KEYS: [&str; 7] = [
    "name",
    "softwareId",
    "softwareVersion",
    "status",
    "uri",
    "role.name",
    "org.id",
];

/// A service account; its name, organization and role are those of the user it acts as.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ServiceAccount {
    pub(super) software_id: String,
    pub(super) software_version: String,
    pub(super) uri: String,
    pub(super) request: Option<Request>,
    /// Text of its present refresh token.
    pub(super) token: Option<String>,
}

/// A request for authorization by a device.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) device_code: String,
    pub(super) user_code: String,
    pub(super) ends: Moment,
    /// None until somebody decides.
    pub(super) granted: Option<bool>,
}

impl ServiceAccount {
    fn status(&self) -> &'static str {
        match (&self.token, &self.request) {
            (Some(_), _) => "ACTIVE",
            (None, Some(request)) if request.granted == Some(true) => "GRANTED",
            (None, Some(_)) => "REQUESTED",
            (None, None) => "CREATED",
        }
    }
}

/// Registers an account named `name` in `org_id` with the role of `scope`; its client id.
pub(super) fn register(
    body: &Value,
    (name, org_id): (&str, &str),
    ctx: &mut Context<'_>,
) -> Result<String, Problem> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let scope = text("scope").strip_prefix("urn:vcloud:role:");
    let role = scope.map(decode).unwrap_or_default();
    let (role, rights) = rights::role_of(ctx.directory, org_id, ("", &role))
        .ok_or_else(|| Problem::bad_request(format!("scope names no role: {role}")))?;
    let client_id = ctx.uuid();
    let id = format!("{URN_PREFIX}{client_id}");
    let user = User {
        id: id.clone(),
        name: name.to_owned(),
        org_id: org_id.to_owned(),
        role,
        rights: Arc::new(rights),
        profile: Profile::default(),
    };
    let account = ServiceAccount {
        software_id: text("software_id").to_owned(),
        software_version: text("software_version").to_owned(),
        uri: text("client_uri").to_owned(),
        request: None,
        token: None,
    };
    ctx.directory.users.insert(id, user);
    (ctx.directory.service_accounts).insert(client_id.clone(), account);
    Ok(client_id)
}

/// Answers `/cloudapi/1.0.0/serviceAccounts...`.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
    entities: &mut Entities,
) -> Result<Reply, Problem> {
    let (urn, rest) = match rest {
        [] => return list(call, ctx),
        [urn, rest @ ..] => (*urn, rest),
    };
    let user = ctx.directory.users.get(urn);
    let user = user
        .filter(|user| sees(&call.principal, &user.org_id))
        .cloned();
    let not_found = || Problem::forbidden(format!("{urn} not found or you lack access to it."));
    let mut user = user.ok_or_else(not_found)?;
    let client_id = urn.strip_prefix(URN_PREFIX).unwrap_or_default().to_owned();
    let org = ctx.directory.org_name(&user.org_id).map(str::to_owned);
    let account = ctx.directory.service_accounts.get_mut(&client_id);
    let account = account.ok_or_else(not_found)?;
    match (call.method, rest) {
        (&Method::GET, []) => {
            let body = document(&user, account, org.as_deref());
            Ok(Reply::json(200, call.version, &body))
        }
        (&Method::PUT, []) => {
            update(call, (&mut user, &client_id), ctx)?;
            let account = ctx.directory.service_accounts.get(&client_id);
            let account = account.ok_or_else(not_found)?;
            let body = document(&user, account, org.as_deref());
            Ok(Reply::json(200, call.version, &body))
        }
        (&Method::DELETE, []) => {
            revoke(&client_id, ctx);
            ctx.directory.service_accounts.remove(&client_id);
            ctx.directory.users.remove(&user.id);
            Ok(Reply::empty(204))
        }
        (&Method::POST, ["revoke"]) => {
            revoke(&client_id, ctx);
            Ok(Reply::empty(204))
        }
        (&Method::POST, ["takeOwnership"]) => {
            take_over(call, &user.id, ctx, entities);
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// Takes over what a body says of an account.
fn update(
    call: &Call<'_>,
    (user, client_id): (&mut User, &str),
    ctx: &mut Context<'_>,
) -> Result<(), Problem> {
    let body = call.json()?;
    let role = body.get("role").unwrap_or(&Value::Null);
    let named = |key: &str| role.get(key).and_then(Value::as_str).unwrap_or_default();
    let by = (named("id"), named("name"));
    if by != ("", "") {
        let found = rights::role_of(ctx.directory, &user.org_id, by);
        let (role, rights) =
            found.ok_or_else(|| Problem::bad_request(format!("There is no role {}.", by.1)))?;
        (user.role, user.rights) = (role, Arc::new(rights));
    }
    let set = |key: &str, field: &mut String| {
        let sent = body.get(key).and_then(Value::as_str);
        if let Some(sent) = sent.filter(|sent| !sent.is_empty()) {
            sent.clone_into(field);
        }
    };
    set("name", &mut user.name);
    if let Some(account) = ctx.directory.service_accounts.get_mut(client_id) {
        set("softwareId", &mut account.software_id);
        set("softwareVersion", &mut account.software_version);
        set("uri", &mut account.uri);
    }
    ctx.directory.users.insert(user.id.clone(), user.clone());
    Ok(())
}

fn list(call: &Call<'_>, ctx: &Context<'_>) -> Result<Reply, Problem> {
    let accounts = ctx.directory.service_accounts.iter();
    let rows = accounts.filter_map(|(client_id, account)| {
        let user = ctx
            .directory
            .users
            .get(&format!("{URN_PREFIX}{client_id}"))?;
        let own = user.org_id == call.principal.acting_org_id;
        own.then(|| document(user, account, ctx.directory.org_name(&user.org_id)))
    });
    let mut listing = Listing::of("ServiceAccounts", &KEYS);
    listing.max_page_size = MAX_PAGE;
    paging::list(call, ctx.site, &listing, rows.collect())
}

fn document(user: &User, account: &ServiceAccount, org: Option<&str>) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "softwareId": account.software_id,
        "softwareVersion": account.software_version,
        "uri": account.uri,
        "role": {"name": user.role, "id": user.role_id()},
        "org": {"name": org, "id": user.org_id},
        "status": account.status(),
    })
}

/// Takes token, codes and sessions from an account.
fn revoke(client_id: &str, ctx: &mut Context<'_>) {
    let urn = format!("{URN_PREFIX}{client_id}");
    let directory = &mut *ctx.directory;
    directory.api_tokens.retain(|_, owner| *owner != urn);
    if let Some(account) = directory.service_accounts.get_mut(client_id) {
        account.token = None;
        account.request = None;
    }
    ctx.sessions.close_of_user(&urn);
}

/// Gives the account a new refresh token in place of the one it has.
pub(super) fn rotate(client_id: &str, token: String, directory: &mut Directory) {
    let urn = format!("{URN_PREFIX}{client_id}");
    directory.api_tokens.retain(|_, owner| *owner != urn);
    directory.api_tokens.insert(token.clone(), urn);
    if let Some(account) = directory.service_accounts.get_mut(client_id) {
        account.token = Some(token);
        account.request = None;
    }
}

/// Answers `/cloudapi/1.0.0/deviceLookup[/grant|/deny]`.
pub(crate) fn device_lookup(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    let body = call.json()?;
    let code = body.get("userCode").and_then(Value::as_str);
    let code = code.unwrap_or_default();
    let org_id = &call.principal.acting_org_id;
    let users = &ctx.directory.users;
    let mut accounts = ctx.directory.service_accounts.iter_mut();
    let found = accounts.find_map(|(client_id, account)| {
        let request = account.request.as_mut()?;
        let user = users.get(&format!("{URN_PREFIX}{client_id}"))?;
        let open = request.granted.is_none() && request.ends > ctx.now;
        (request.user_code == code && user.org_id == *org_id && open).then_some((user, request))
    });
    let (user, request) =
        found.ok_or_else(|| Problem::bad_request(format!("There is no user code {code}.")))?;
    match rest {
        [] => {
            let location = format!("{}/cloudapi/1.0.0/serviceAccounts/{}", ctx.site, user.id);
            Ok(Reply::empty(303).with_header("location", location))
        }
        [verb] => {
            request.granted = Some(*verb == "grant");
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::no_such_url()),
    }
}
