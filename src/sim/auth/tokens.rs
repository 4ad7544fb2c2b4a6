//! `/cloudapi/1.0.0/tokens`: API tokens as resources.
//!
//! Invariants:
//! - A session that came from an API token manages no tokens; a password session may manage its
//!   own, and all of its organization with the right to.
//!
//! Source: VCD `OpenAPI` 36.1, `tokens`; rights `API Tokens: Manage` and `API Tokens: Manage All`.

use http::Method;
use serde_json::{Value, json};

use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::{ApiClient, Directory, TokenKind};
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

const KEYS: [&str; 7] = [
    "id",
    "name",
    "type",
    "owner.name",
    "owner.id",
    "username",
    "org.id",
];

/// Characters of a new token.
const TOKEN_CHARS: usize = 32;

/// Whether the caller may create, list and revoke API tokens at all.
pub(super) fn may_manage(call: &Call<'_>) -> Result<(), Problem> {
    let who = &call.principal;
    if who.by_token {
        return Err(Problem::forbidden(
            "A session created from an API token cannot manage API tokens.",
        ));
    }
    if who.has("API Tokens: Manage") || who.has("API Tokens: Manage All") {
        Ok(())
    } else {
        Err(Problem::forbidden(
            "Either you need some or all of the following rights [API Tokens: Manage].",
        ))
    }
}

/// Answers `/cloudapi/1.0.0/tokens...`.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    may_manage(call)?;
    match (call.method, rest) {
        (&Method::GET, []) => {
            let clients = ctx.directory.api_clients.iter();
            let visible = clients.filter(|(_, client)| manages(call, client, ctx.directory));
            let rows = visible
                .map(|(id, client)| document(id, client, ctx.directory))
                .collect();
            paging::list(call, ctx.site, &Listing::of("Tokens", &KEYS), rows)
        }
        (&Method::POST, []) => create(call, ctx),
        (&Method::GET, [urn]) => {
            let (id, client) = find(call, urn, ctx.directory)?;
            Ok(Reply::json(
                200,
                call.version,
                &document(id, client, ctx.directory),
            ))
        }
        (&Method::DELETE, [urn]) => {
            let (id, client) = find(call, urn, ctx.directory)?;
            let (id, secret) = (id.to_owned(), client.secret.clone());
            ctx.directory.api_clients.remove(&id);
            if let Some(secret) = secret {
                ctx.directory.api_tokens.remove(&secret);
                ctx.sessions.close_of_api_token(&secret);
            }
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// Makes a token that is no API token; its text is told here and never again.
fn create(call: &Call<'_>, ctx: &mut Context<'_>) -> Result<Reply, Problem> {
    let body = call.json()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let kind = match text("type") {
        "PROXY" => TokenKind::Proxy,
        "EXTENSION" if call.principal.provider => TokenKind::Extension,
        "EXTENSION" => return Err(Problem::forbidden("Tenants have no extensions.")),
        _ => return Err(Problem::bad_request("type is neither PROXY nor EXTENSION")),
    };
    let name = text("name");
    if name.is_empty() {
        return Err(Problem::bad_request("name is missing"));
    }
    let id = ctx.uuid();
    let secret: String = std::iter::repeat_with(|| ctx.rng.alphanumeric())
        .take(TOKEN_CHARS)
        .collect();
    let client = ApiClient {
        name: name.to_owned(),
        user_id: call.principal.user_id.clone(),
        secret: Some(secret.clone()),
        kind,
    };
    let mut body = document(&id, &client, ctx.directory);
    if let Some(body) = body.as_object_mut() {
        body.insert("token".to_owned(), json!(secret));
    }
    ctx.directory.api_clients.insert(id, client);
    Ok(Reply::json(201, call.version, &body))
}

fn manages(call: &Call<'_>, client: &ApiClient, directory: &Directory) -> bool {
    let who = &call.principal;
    let same_org = directory
        .users
        .get(&client.user_id)
        .is_some_and(|user| user.org_id == who.acting_org_id);
    client.user_id == who.user_id || (who.has("API Tokens: Manage All") && same_org)
}

fn find<'d>(
    call: &Call<'_>,
    urn: &str,
    directory: &'d Directory,
) -> Result<(&'d str, &'d ApiClient), Problem> {
    let id = urn.strip_prefix("urn:vcloud:token:").unwrap_or(urn);
    let found = directory.api_clients.get_key_value(id);
    let found = found.filter(|(_, client)| manages(call, client, directory));
    let (id, client) = found.ok_or_else(|| {
        Problem::forbidden(format!(
            "Token {urn} does not exist or you lack access to it."
        ))
    })?;
    Ok((id, client))
}

fn document(id: &str, client: &ApiClient, directory: &Directory) -> Value {
    let user = directory.users.get(&client.user_id);
    let user_name = user.map(|user| user.name.as_str()).unwrap_or_default();
    let org_id = user.map(|user| user.org_id.as_str()).unwrap_or_default();
    let org_name = directory.org_name(org_id).unwrap_or_default();
    json!({
        "id": format!("urn:vcloud:token:{id}"),
        "name": client.name,
        "token": null,
        "type": client.kind.name(),
        "owner": {"name": user_name, "id": client.user_id},
        "org": {"name": org_name, "id": org_id},
        "username": user_name,
        "userId": client.user_id,
        "orgName": org_name,
        "expirationTimeUtc": null,
    })
}
