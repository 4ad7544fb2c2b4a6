//! `/cloudapi/1.0.0/users`: the users of the organization that the caller acts in.
//!
//! Invariants:
//! - Passwords are taken and never told. A user that is disabled or gone has no session left.
//!
//! Source: VCD `OpenAPI` 37.2, `VcdUser`; rights `General: Administrator View` and `... Control`.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::{administers, not_found, text};
use crate::sim::auth::service_accounts::URN_PREFIX;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::{Profile, User};
use crate::sim::entities::Entities;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};
use crate::sim::rights;

const KEYS: [&str; 6] = [
    "id",
    "username",
    "fullName",
    "enabled",
    "providerType",
    "orgEntityRef.id",
];

/// Answers `/cloudapi/1.0.0/users...`.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
    entities: &mut Entities,
) -> Result<Reply, Problem> {
    match (call.method, rest) {
        (&Method::GET, []) => {
            views(call)?;
            let users = ctx.directory.users.values();
            let users = users.filter(|user| visible(call, user));
            let rows = users.map(|user| document(user, ctx)).collect();
            paging::list(call, ctx.site, &Listing::of("VcdUsers", &KEYS), rows)
        }
        (&Method::POST, []) => create(call, ctx),
        (_, [id, rest @ ..]) => {
            let user = ctx.directory.users.get(*id);
            let user = user.filter(|user| visible(call, user)).cloned();
            let user = user.ok_or_else(|| not_found(id))?;
            match (call.method, rest) {
                (&Method::GET, []) => {
                    if user.id != call.principal.user_id {
                        views(call)?;
                    }
                    Ok(Reply::json(200, call.version, &document(&user, ctx)))
                }
                (&Method::PUT, []) => update(call, user, ctx),
                (&Method::DELETE, []) => {
                    administers(call)?;
                    remove(&user.id, ctx);
                    Ok(Reply::empty(204))
                }
                (&Method::POST, ["takeOwnership"]) => {
                    administers(call)?;
                    take_over(call, &user.id, ctx, entities);
                    Ok(Reply::empty(204))
                }
                _ => Err(Problem::wrong_method()),
            }
        }
        _ => Err(Problem::wrong_method()),
    }
}

pub(super) fn views(call: &Call<'_>) -> Result<(), Problem> {
    let who = &call.principal;
    let held = [
        "General: Administrator View",
        "General: Administrator Control",
    ];
    if who.provider || held.iter().any(|right| who.has(right)) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "Either you need some or all of the following rights [General: Administrator View].",
    ))
}

fn visible(call: &Call<'_>, user: &User) -> bool {
    user.org_id == call.principal.acting_org_id && !user.id.starts_with(URN_PREFIX)
}

fn document(user: &User, ctx: &Context<'_>) -> Value {
    json!({
        "username": user.name,
        "fullName": user.profile.full_name,
        "description": user.profile.description,
        "id": user.id,
        "roleEntityRefs": [{"name": user.role, "id": user.role_id()}],
        "orgEntityRef": {"name": ctx.directory.org_name(&user.org_id), "id": user.org_id},
        "password": null,
        "deployedVmQuota": 0,
        "storedVmQuota": 0,
        "email": user.profile.email,
        "nameInSource": user.name,
        "enabled": !user.profile.disabled,
        "isGroupRole": false,
        "providerType": "LOCAL",
        "locked": false,
        "stranded": false,
    })
}

/// What a body says about a user; absent members stay as they are in `user`.
pub(super) fn read(body: &Value, mut user: User, ctx: &mut Context<'_>) -> Result<User, Problem> {
    let name = text(body, "username").filter(|name| !name.is_empty());
    user.name = name.unwrap_or(user.name);
    if user.name.is_empty() {
        return Err(Problem::bad_request("username is missing"));
    }
    let same_name = |other: &User| {
        other.id != user.id
            && other.org_id == user.org_id
            && other.name.eq_ignore_ascii_case(&user.name)
    };
    if ctx.directory.users.values().any(same_name) {
        let message = format!("The user {} already exists.", user.name);
        return Err(Problem::new(400, "DUPLICATE_NAME", message));
    }
    let role = body.get("roleEntityRefs").and_then(|roles| roles.get(0));
    if let Some(role) = role {
        let wanted = |key: &str| role.get(key).and_then(Value::as_str).unwrap_or_default();
        let by = (wanted("id"), wanted("name"));
        let (name, rights) = rights::role_of(ctx.directory, &user.org_id, by)
            .ok_or_else(|| Problem::bad_request(format!("There is no role {} {}.", by.1, by.0)))?;
        (user.role, user.rights) = (name, Arc::new(rights));
    }
    if user.role.is_empty() {
        return Err(Problem::bad_request("roleEntityRefs is missing"));
    }
    let profile = &mut user.profile;
    let take = |key: &str, field: &mut String| *field = text(body, key).unwrap_or(field.clone());
    take("fullName", &mut profile.full_name);
    take("description", &mut profile.description);
    take("email", &mut profile.email);
    let enabled = body.get("enabled").and_then(Value::as_bool);
    profile.disabled = enabled.map_or(profile.disabled, |enabled| !enabled);
    if let Some(password) = text(body, "password").filter(|password| !password.is_empty()) {
        ctx.directory.passwords.insert(user.id.clone(), password);
    }
    Ok(user)
}

/// A user of an organization of whom nothing is known yet.
pub(super) fn blank(org_id: &str, ctx: &mut Context<'_>) -> User {
    User {
        id: format!("urn:vcloud:user:{}", ctx.uuid()),
        name: String::new(),
        org_id: org_id.to_owned(),
        role: String::new(),
        rights: Arc::default(),
        profile: Profile::default(),
    }
}

fn create(call: &Call<'_>, ctx: &mut Context<'_>) -> Result<Reply, Problem> {
    administers(call)?;
    let blank = blank(&call.principal.acting_org_id, ctx);
    let user = read(&call.json()?, blank, ctx)?;
    let reply = Reply::json(201, call.version, &document(&user, ctx));
    ctx.directory.users.insert(user.id.clone(), user);
    Ok(reply)
}

fn update(call: &Call<'_>, user: User, ctx: &mut Context<'_>) -> Result<Reply, Problem> {
    administers(call)?;
    let user = read(&call.json()?, user, ctx)?;
    let reply = Reply::json(200, call.version, &document(&user, ctx));
    replace(user, ctx);
    Ok(reply)
}

/// Stores a user as it is now; a disabled one has no session left.
pub(super) fn replace(user: User, ctx: &mut Context<'_>) {
    if user.profile.disabled {
        ctx.sessions.close_of_user(&user.id);
    }
    ctx.directory.users.insert(user.id.clone(), user);
}

/// Takes a user away, with its sessions and tokens.
pub(super) fn remove(id: &str, ctx: &mut Context<'_>) {
    ctx.sessions.close_of_user(id);
    let directory = &mut *ctx.directory;
    directory.users.remove(id);
    directory.passwords.remove(id);
    directory.api_tokens.retain(|_, owner| owner != id);
    directory
        .api_clients
        .retain(|_, client| client.user_id != id);
}

/// Gives everything that `owner` owns to the caller.
pub(crate) fn take_over(call: &Call<'_>, owner: &str, ctx: &Context<'_>, entities: &mut Entities) {
    let found = entities.iter().filter(|entity| entity.owner_id == owner);
    let found: Vec<String> = found.map(|entity| entity.id.clone()).collect();
    for id in found {
        if let Some(entity) = entities.get_mut(&id) {
            entity.owner_id.clone_from(&call.principal.user_id);
            entity.touch(ctx.wall);
        }
    }
}
