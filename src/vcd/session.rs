//! One login: an API token or a password, and the access token VCD last gave for it.
//!
//! Flow: `vcd::call` asks for the access token before each request, and for a newer one after a 401.
//!
//! Invariants:
//! - At most one exchange runs at a time; whoever waited for it shares its outcome, good or bad.
//! - A token that another call has already replaced is never replaced again: generations tell.
//! - Tokens are in memory only, in no error text and in no `Debug`; headers with one are sensitive.
//! - Nothing is renewed ahead of time: VCD's idle limit makes `expires_in` no promise.
//!
//! Not here: the one repeat after a 401 (`vcd::call`). Token rotation: service accounts get a new API
//! token with each exchange; it replaces the old one for this process but is stored nowhere, so such
//! an account cannot be shared by replicas.
//! Source: VCD API, `POST /oauth/{provider|tenant/<org>}/token` and `POST /cloudapi/1.0.0/sessions` (API
//! 37.2); RFC 6749, section 6; RFC 7617.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::call::Gateway;
use super::encode::{path_segment, query_value};
use super::error::VcdError;
use super::operation::Operation;
use super::refusal::Refusal;
use super::transport::{Request, Response, Transport};
use super::versions::ApiVersion;
use super::{Login, PasswordLogin, json};

/// The organization whose users are the provider's.
const PROVIDER_ORG: &str = "system";

/// Where VCD puts the access token of a password login.
const ACCESS_TOKEN: &str = "x-vmware-vcloud-access-token";

/// What a login is proved with.
enum Secret {
    ApiToken(SecretString),
    Password {
        user: String,
        password: SecretString,
        version: ApiVersion,
    },
}

impl Secret {
    const fn word(&self) -> &'static str {
        match self {
            Self::ApiToken(_) => "API token",
            Self::Password { .. } => "user name and password",
        }
    }
}

/// A secret and the access token it was last exchanged for.
pub(super) struct Session {
    org: String,
    /// What the secret is called in errors.
    secret_word: &'static str,
    state: Mutex<State>,
    /// Exchanges that ended, well or not; tells a waiter that it need not try itself.
    ended: AtomicU64,
}

struct State {
    secret: Secret,
    access: Option<Access>,
    failure: Option<VcdError>,
}

/// The right to call VCD for a while.
#[derive(Clone)]
pub(super) struct Access {
    /// `Bearer <token>`, marked sensitive.
    pub(super) authorization: HeaderValue,
    generation: u64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
}

impl Session {
    pub(super) fn new(login: Login) -> Self {
        Self::with(login.org, Secret::ApiToken(login.token))
    }

    /// Of a user with its password; such a session speaks one API version from the start.
    pub(super) fn of_password(login: PasswordLogin, version: ApiVersion) -> Self {
        let secret = Secret::Password {
            user: login.user,
            password: login.password,
            version,
        };
        Self::with(login.org, secret)
    }

    fn with(org: String, secret: Secret) -> Self {
        let state = State {
            secret,
            access: None,
            failure: None,
        };
        Self {
            org,
            secret_word: state.secret.word(),
            state: Mutex::new(state),
            ended: AtomicU64::new(0),
        }
    }

    /// Whether this is a login of the provider.
    pub(super) fn is_provider(&self) -> bool {
        self.org.eq_ignore_ascii_case(PROVIDER_ORG)
    }

    /// The access token at hand, or a new one if there is none or it is `refused`.
    ///
    /// Cancel: safe; the next caller starts over.
    pub(super) async fn access<T: Transport>(
        &self,
        gateway: &Gateway<T>,
        refused: Option<&Access>,
    ) -> Result<Access, VcdError> {
        let ended_before = self.ended.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(access) = &state.access
            && refused.is_none_or(|refused| refused.generation != access.generation)
        {
            return Ok(access.clone());
        }
        // Somebody failed while this call waited: a second try a moment later would only add load.
        if let Some(failure) = &state.failure
            && self.ended.load(Ordering::Acquire) != ended_before
        {
            return Err(failure.clone());
        }
        let outcome = self.exchange(gateway, &state.secret).await;
        let generation = self.ended.fetch_add(1, Ordering::AcqRel);
        match outcome {
            Ok((authorization, rotated)) => {
                let access = Access {
                    authorization,
                    generation,
                };
                state.access = Some(access.clone());
                state.failure = None;
                if let Some(rotated) = rotated {
                    state.secret = Secret::ApiToken(rotated);
                }
                Ok(access)
            }
            Err(failure) => {
                state.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    async fn exchange<T: Transport>(
        &self,
        gateway: &Gateway<T>,
        secret: &Secret,
    ) -> Result<(HeaderValue, Option<SecretString>), VcdError> {
        match secret {
            Secret::ApiToken(api_token) => self.exchange_token(gateway, api_token).await,
            Secret::Password {
                user,
                password,
                version,
            } => {
                let request = self.password_request((user, password), *version)?;
                let response = self.ask(gateway, request, password).await?;
                Ok((granted_to_password(&response)?, None))
            }
        }
    }

    /// Sends a login; what the refusal says must not hold the secret.
    async fn ask<T: Transport>(
        &self,
        gateway: &Gateway<T>,
        request: Request,
        secret: &SecretString,
    ) -> Result<Response, VcdError> {
        let op = Operation::EXCHANGE_TOKEN;
        let response = gateway.send(op, request, gateway.limits.call).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let refusal = Refusal::read(&response);
        Err(self.refused(op, refusal.without_message_holding(secret.expose_secret())))
    }

    async fn exchange_token<T: Transport>(
        &self,
        gateway: &Gateway<T>,
        api_token: &SecretString,
    ) -> Result<(HeaderValue, Option<SecretString>), VcdError> {
        let op = Operation::EXCHANGE_TOKEN;
        let request = self.request(op, api_token)?;
        let response = self.ask(gateway, request, api_token).await?;
        let granted: Granted = json::read(op, response.body())?;
        let authorization = bearer(&granted.access_token).ok_or_else(|| {
            VcdError::unreadable(op, "the access token is empty or no header text")
        })?;
        let rotated = granted.refresh_token.filter(|token| !token.is_empty());
        Ok((authorization, rotated.map(SecretString::from)))
    }

    fn password_request(
        &self,
        (user, password): (&str, &SecretString),
        version: ApiVersion,
    ) -> Result<Request, VcdError> {
        let op = Operation::EXCHANGE_TOKEN;
        let door = if self.is_provider() { "/provider" } else { "" };
        let text = format!("{user}@{}:{}", self.org, password.expose_secret());
        let invalid = |reason: String| VcdError::InvalidRequest { op, reason };
        let mut basic = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(text)))
            .map_err(|error| invalid(error.to_string()))?;
        basic.set_sensitive(true);
        http::Request::builder()
            .method(Method::POST)
            .uri(format!("/cloudapi/1.0.0/sessions{door}"))
            .header(
                http::header::ACCEPT,
                format!("application/json;version={version}"),
            )
            .header(http::header::AUTHORIZATION, basic)
            .body(Bytes::new())
            .map_err(|error| invalid(error.to_string()))
    }

    fn request(&self, op: Operation, api_token: &SecretString) -> Result<Request, VcdError> {
        let target = if self.is_provider() {
            "/oauth/provider/token".to_owned()
        } else {
            format!("/oauth/tenant/{}/token", path_segment(&self.org))
        };
        let token = query_value(api_token.expose_secret());
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        http::Request::builder()
            .method(Method::POST)
            .uri(target)
            .header(http::header::ACCEPT, "application/json")
            .header(
                http::header::CONTENT_TYPE,
                "application/x-www-form-urlencoded",
            )
            .body(Bytes::from(form))
            .map_err(|error| VcdError::InvalidRequest {
                op,
                reason: error.to_string(),
            })
    }

    /// VCD answers a bad token with 400, 401 or 403 alike; none of them is about an object.
    fn refused(&self, op: Operation, refusal: Refusal) -> VcdError {
        match refusal.status {
            401 => self.bad_token(op, refusal),
            400 | 403 | 404 if refusal.from_vcd => self.bad_token(op, refusal),
            _ => VcdError::refused(op, refusal),
        }
    }

    fn bad_token(&self, op: Operation, refusal: Refusal) -> VcdError {
        let reason = format!(
            "VCD does not accept the {} for organization {:?}; it is wrong, revoked or of another \
             organization",
            self.secret_word, self.org
        );
        VcdError::Unauthenticated {
            op,
            reason,
            refusal: Box::new(refusal),
        }
    }

    /// The error for a call that was refused with a token VCD had just granted.
    pub(super) fn fresh_token_refused(&self, op: Operation, refusal: Refusal) -> VcdError {
        let reason = format!(
            "VCD refuses the access token it has just granted to organization {:?}",
            self.org
        );
        VcdError::Unauthenticated {
            op,
            reason,
            refusal: Box::new(refusal),
        }
    }
}

/// The header for calls after a password login.
fn granted_to_password(response: &Response) -> Result<HeaderValue, VcdError> {
    let granted = response.headers().get(ACCESS_TOKEN);
    let granted = granted.and_then(|value| value.to_str().ok());
    granted.and_then(bearer).ok_or_else(|| {
        let reason = "there is no access token in the answer";
        VcdError::unreadable(Operation::EXCHANGE_TOKEN, reason)
    })
}

fn bearer(token: &str) -> Option<HeaderValue> {
    if token.is_empty() {
        return None;
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn the_header_with_the_token_does_not_show_it() {
        let header = bearer("secret").unwrap();
        assert_eq!(header, "Bearer secret");
        assert!(header.is_sensitive());
        assert!(!format!("{header:?}").contains("secret"));
    }

    #[test]
    fn what_cannot_be_a_header_is_no_token() {
        for token in ["", "a\nb", "a\u{0}"] {
            assert!(bearer(token).is_none(), "{token:?}");
        }
    }
}
