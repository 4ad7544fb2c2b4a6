//! `/oauth`: API tokens become access tokens, clients become API tokens or service accounts.
//!
//! Invariants:
//! - The provider's endpoint knows provider tokens only, a tenant's endpoint that tenant's only;
//!   everything else is `invalid_grant` in JSON, which CAPVCD relies on when it tries both.
//! - User API tokens do not expire and are not rotated; those of service accounts are, on every use.
//!
//! Not here: service accounts as resources (`service_accounts`), tokens as resources (`tokens`).
//! Source: VCD API, "Generate an API access token"; `go-vcloud-director` token and service account
//! creation; the device flow of OAuth 2.0.

use std::time::Duration;

use http::{Method, header};
use serde_json::{Value, json};

use super::bearer;
use super::service_accounts::{self, Request, URN_PREFIX};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::{ApiClient, TokenKind, User, is_system};
use crate::sim::gate::Arrival;
use crate::sim::reply::{Problem, Reply};

/// Seconds that an access token is said to live; the session's limits end it much earlier.
const EXPIRES_IN_SECS: u64 = 2_592_000;

/// Characters of a new API token.
const API_TOKEN_CHARS: usize = 32;

/// How long the codes of a device are good.
const DEVICE_TIME: Duration = Duration::from_hours(1);

/// Seconds between two questions of a device.
const DEVICE_INTERVAL_SECS: u32 = 60;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Which endpoint was called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Realm<'a> {
    Provider,
    /// The organization in the path.
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

    /// URN of the organization.
    fn org_id(self, ctx: &Context<'_>) -> Option<String> {
        let name = match self {
            Self::Provider => crate::sim::directory::SYSTEM,
            Self::Tenant(name) => name,
        };
        ctx.directory.org_by_name(name).map(|org| org.id.clone())
    }
}

/// Fields of a form.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(arrival: &Arrival<'_>) -> Result<Self, Problem> {
        if *arrival.method != Method::POST {
            return Err(Problem::wrong_method());
        }
        let media = arrival.headers.get(header::CONTENT_TYPE);
        let media = media.and_then(|media| media.to_str().ok());
        if media.is_some_and(|media| !media.contains("x-www-form-urlencoded")) {
            let message = "The request's media type is not supported; a form is.";
            return Err(Problem::new(415, "UNSUPPORTED_MEDIA_TYPE", message));
        }
        let pairs = url::form_urlencoded::parse(arrival.body);
        Ok(Self(pairs.into_owned().collect()))
    }

    fn field(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// `POST /oauth/{provider|tenant/<org>}/token`; needs no session.
pub(crate) fn token(
    arrival: &Arrival<'_>,
    realm: Realm<'_>,
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    let form = Form::read(arrival)?;
    let (access, refresh) = match form.field("grant_type") {
        "refresh_token" => exchange(form.field("refresh_token"), realm, ctx)?,
        JWT_BEARER => {
            let assertion = form.field("assertion");
            let issued = issue(form.field("client_id"), assertion, realm, ctx)?;
            (assertion.to_owned(), Some(issued))
        }
        DEVICE_CODE => {
            let codes = (form.field("client_id"), form.field("device_code"));
            authorized(codes, realm, ctx)?
        }
        _ => return Err(refused("unsupported_grant_type", "Unsupported grant type.")),
    };
    let expires_in = if ctx.settings.tokens_tell_idle_time {
        ctx.sessions.limits.idle.as_secs()
    } else {
        EXPIRES_IN_SECS
    };
    let body = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": expires_in,
        "refresh_token": refresh,
    });
    Ok(Reply::json(200, arrival.version, &body))
}

fn refused(minor: &'static str, message: &str) -> Problem {
    Problem::new(400, minor, message)
}

fn invalid_grant(ctx: &Context<'_>) -> Problem {
    let status = if ctx.settings.invalid_grant_is_unauthorized {
        401
    } else {
        400
    };
    Problem::new(
        status,
        "invalid_grant",
        "Invalid refresh token: it is unknown, revoked or of another organization.",
    )
}

fn secret(ctx: &mut Context<'_>) -> String {
    std::iter::repeat_with(|| ctx.rng.alphanumeric())
        .take(API_TOKEN_CHARS)
        .collect()
}

/// An access token for a refresh token, and the refresh token that replaces it, if one does.
fn exchange(
    api_token: &str,
    realm: Realm<'_>,
    ctx: &mut Context<'_>,
) -> Result<(String, Option<String>), Problem> {
    let user = ctx
        .directory
        .token_user(api_token)
        .filter(|user| realm.admits(user, ctx));
    let user = user.ok_or_else(|| invalid_grant(ctx))?.clone();
    let rotated = user.id.strip_prefix(URN_PREFIX).map(|client_id| {
        let fresh = secret(ctx);
        service_accounts::rotate(client_id, fresh.clone(), ctx.directory);
        fresh
    });
    let token = ctx.sessions.open(&user, Some(api_token), ctx.now, ctx.rng);
    Ok((token, rotated))
}

/// The first tokens of a service account whose request somebody granted.
fn authorized(
    (client_id, device_code): (&str, &str),
    realm: Realm<'_>,
    ctx: &mut Context<'_>,
) -> Result<(String, Option<String>), Problem> {
    let user = ctx.directory.users.get(&format!("{URN_PREFIX}{client_id}"));
    let user = user.filter(|user| realm.admits(user, ctx)).cloned();
    let account = ctx.directory.service_accounts.get(client_id);
    let request = account.and_then(|account| account.request.as_ref());
    let request = request.filter(|request| request.device_code == device_code);
    let (user, request) = user.zip(request).ok_or_else(|| invalid_grant(ctx))?;
    match request.granted {
        _ if request.ends <= ctx.now => Err(refused("expired_token", "The codes have expired.")),
        None => Err(refused(
            "authorization_pending",
            "Nobody has granted the request yet.",
        )),
        Some(false) => Err(refused("access_denied", "The request was denied.")),
        Some(true) => {
            let fresh = secret(ctx);
            service_accounts::rotate(client_id, fresh.clone(), ctx.directory);
            let token = ctx.sessions.open(&user, Some(&fresh), ctx.now, ctx.rng);
            Ok((token, Some(fresh)))
        }
    }
}

/// `POST /oauth/{provider|tenant/<org>}/device_authorization`; needs no session.
pub(crate) fn device_authorization(
    arrival: &Arrival<'_>,
    realm: Realm<'_>,
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    let form = Form::read(arrival)?;
    let client_id = form.field("client_id");
    let user = ctx.directory.users.get(&format!("{URN_PREFIX}{client_id}"));
    if !user.is_some_and(|user| realm.admits(user, ctx)) {
        let message = "The client is unknown or of another organization.";
        return Err(refused("invalid_client", message));
    }
    let device_code = secret(ctx);
    let letters: String = std::iter::repeat_with(|| ctx.rng.uppercase())
        .take(8)
        .collect();
    let (first, second) = letters.split_at_checked(4).unwrap_or_default();
    let user_code = format!("{first}-{second}");
    let request = Request {
        device_code: device_code.clone(),
        user_code: user_code.clone(),
        ends: ctx.now.plus(DEVICE_TIME),
        granted: None,
    };
    if let Some(account) = ctx.directory.service_accounts.get_mut(client_id) {
        account.request = Some(request);
    }
    let place = match realm {
        Realm::Provider => "provider".to_owned(),
        Realm::Tenant(org) => format!("tenant/{org}"),
    };
    let body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": format!("{}/{place}/administration/settings/service-accounts", ctx.site),
        "expires_in": DEVICE_TIME.as_secs(),
        "interval": DEVICE_INTERVAL_SECS,
    });
    Ok(Reply::json(200, arrival.version, &body))
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
        .ok_or_else(|| invalid_grant(ctx))?;
    let user = ctx
        .directory
        .users
        .get(&caller.user_id)
        .filter(|user| realm.admits(user, ctx));
    let owns = |client: &ApiClient| client.user_id == caller.user_id && client.secret.is_none();
    let known = ctx.directory.api_clients.get(client_id).is_some_and(owns);
    if user.is_none() || !known || caller.by_token {
        return Err(invalid_grant(ctx));
    }
    let secret = secret(ctx);
    ctx.directory
        .api_tokens
        .insert(secret.clone(), caller.user_id);
    if let Some(client) = ctx.directory.api_clients.get_mut(client_id) {
        client.secret = Some(secret.clone());
    }
    Ok(secret)
}

/// `POST /oauth/{provider|tenant/<org>}/register`: the first step of a new API token, or with a
/// `software_id` of a service account.
pub(crate) fn register(
    call: &Call<'_>,
    realm: Realm<'_>,
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    if *call.method != Method::POST {
        return Err(Problem::wrong_method());
    }
    let own = |org_id: &String| call.principal.provider || *org_id == call.principal.org_id;
    let org_id = realm.org_id(ctx).filter(own);
    let org_id = org_id.ok_or_else(|| Problem::forbidden("No access to that organization."))?;
    let body: Value = call.json()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let name = text("client_name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Problem::bad_request("client_name is missing"))?;
    let serves = text("software_id").is_some_and(|id| !id.is_empty());
    let client_id = if serves {
        service_accounts::register(&body, (name, &org_id), ctx)?
    } else {
        super::tokens::may_manage(call)?;
        let client_id = ctx.uuid();
        let client = ApiClient {
            name: name.to_owned(),
            user_id: call.principal.user_id.clone(),
            secret: None,
            kind: TokenKind::Refresh,
        };
        ctx.directory.api_clients.insert(client_id.clone(), client);
        client_id
    };
    let grant_type = if serves { DEVICE_CODE } else { JWT_BEARER };
    let body = json!({
        "client_name": name,
        "client_id": client_id,
        "grant_types": [grant_type],
        "token_endpoint_auth_method": "none",
        "scope": text("scope"),
        "software_id": text("software_id"),
        "software_version": text("software_version"),
        "client_uri": text("client_uri"),
    });
    Ok(Reply::json(200, call.version, &body))
}

/// The caller's own access token; present in every authenticated call.
pub(crate) fn own_token<'a>(call: &'a Call<'_>) -> &'a str {
    bearer(call.headers).unwrap_or_default()
}
