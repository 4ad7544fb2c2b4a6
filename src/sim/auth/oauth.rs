//! `/oauth`: API tokens become access tokens, and clients become API tokens.
//!
//! Invariants:
//! - The provider's endpoint knows provider tokens only, a tenant's endpoint that tenant's only;
//!   everything else is `invalid_grant` in JSON, which CAPVCD relies on when it tries both.
//! - User API tokens do not expire and are not rotated.
//!
//! Source: VCD API, "Generate an API access token"; `go-vcloud-director` token creation.

use http::Method;
use serde_json::{Value, json};

use super::bearer;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::{ApiClient, User, is_system};
use crate::sim::gate::Arrival;
use crate::sim::reply::{Problem, Reply};

/// Seconds that an access token is said to live; the session's limits end it much earlier.
const EXPIRES_IN_SECS: u32 = 2_592_000;

/// Characters of a new API token.
const API_TOKEN_CHARS: usize = 32;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Which token endpoint was called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Realm<'a> {
    Provider,
    /// By organization name.
    Tenant(&'a str),
}

impl Realm<'_> {
    fn admits(self, user: &User, ctx: &Context<'_>) -> bool {
        let org = ctx.directory.org_name(&user.org_id).unwrap_or_default();
        match self {
            Self::Provider => is_system(org),
            Self::Tenant(name) => org.eq_ignore_ascii_case(name) && !is_system(org),
        }
    }
}

/// `POST /oauth/{provider|tenant/<org>}/token`; needs no session.
pub(crate) fn token(
    arrival: &Arrival<'_>,
    realm: Realm<'_>,
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    if *arrival.method != Method::POST {
        return Err(Problem::wrong_method());
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(arrival.body)
        .into_owned()
        .collect();
    let field = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    };
    let (access, refresh) = match field("grant_type") {
        "refresh_token" => (exchange(field("refresh_token"), realm, ctx)?, None),
        JWT_BEARER => {
            let assertion = field("assertion");
            let issued = issue(field("client_id"), assertion, realm, ctx)?;
            (assertion.to_owned(), Some(issued))
        }
        _ => {
            return Err(Problem::new(
                400,
                "unsupported_grant_type",
                "Unsupported grant type.",
            ));
        }
    };
    let body = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": EXPIRES_IN_SECS,
        "refresh_token": refresh,
    });
    Ok(Reply::json(200, arrival.version, &body))
}

fn invalid_grant() -> Problem {
    Problem::new(
        400,
        "invalid_grant",
        "Invalid refresh token: it is unknown, revoked or of another organization.",
    )
}

fn exchange(api_token: &str, realm: Realm<'_>, ctx: &mut Context<'_>) -> Result<String, Problem> {
    let user = ctx
        .directory
        .token_user(api_token)
        .filter(|user| realm.admits(user, ctx));
    let user = user.ok_or_else(invalid_grant)?;
    let token = ctx.sessions.open(user, Some(api_token), ctx.now, ctx.rng);
    Ok(token)
}

/// Gives the registered client an API token; the assertion is the caller's present access token.
fn issue(
    client_id: &str,
    assertion: &str,
    realm: Realm<'_>,
    ctx: &mut Context<'_>,
) -> Result<String, Problem> {
    let caller = ctx
        .sessions
        .principal(assertion, ctx.directory, ctx.now)
        .ok_or_else(invalid_grant)?;
    let user = ctx
        .directory
        .users
        .get(&caller.user_id)
        .filter(|user| realm.admits(user, ctx));
    let owns = |client: &ApiClient| client.user_id == caller.user_id && client.secret.is_none();
    let known = ctx.directory.api_clients.get(client_id).is_some_and(owns);
    if user.is_none() || !known || caller.by_token {
        return Err(invalid_grant());
    }
    let secret: String = std::iter::repeat_with(|| ctx.rng.alphanumeric())
        .take(API_TOKEN_CHARS)
        .collect();
    ctx.directory
        .api_tokens
        .insert(secret.clone(), caller.user_id);
    if let Some(client) = ctx.directory.api_clients.get_mut(client_id) {
        client.secret = Some(secret.clone());
    }
    Ok(secret)
}

/// `POST /oauth/{provider|tenant/<org>}/register`: the first step of a new API token.
pub(crate) fn register(call: &Call<'_>, ctx: &mut Context<'_>) -> Result<Reply, Problem> {
    if *call.method != Method::POST {
        return Err(Problem::wrong_method());
    }
    super::tokens::may_manage(call)?;
    let body: Value = call.json()?;
    let name = body
        .get("client_name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if name.is_empty() {
        return Err(Problem::bad_request("client_name is missing"));
    }
    let client_id = ctx.uuid();
    let client = ApiClient {
        name: name.to_owned(),
        user_id: call.principal.user_id.clone(),
        secret: None,
    };
    ctx.directory.api_clients.insert(client_id.clone(), client);
    let body = json!({
        "client_name": name,
        "client_id": client_id,
        "grant_types": [JWT_BEARER],
        "token_endpoint_auth_method": "none",
        "scope": null,
        "software_id": null,
        "software_version": null,
        "client_uri": null,
    });
    Ok(Reply::json(200, call.version, &body))
}

/// The caller's own access token; present in every authenticated call.
pub(crate) fn own_token<'a>(call: &'a Call<'_>) -> &'a str {
    bearer(call.headers).unwrap_or_default()
}
