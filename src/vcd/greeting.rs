//! The first exchange with a VCD: which API versions it offers, and what time it thinks it is.
//!
//! Flow: [`Greeting::with`] asks for the versions, without a login; [`Greeting::log_in`] makes a client.
//!
//! Invariants:
//! - Nothing secret is sent before a usable version is agreed on: what answers may be no VCD at all.
//!
//! Source: `GET /api/versions`, VCD API 37.2; RFC 9110, `Date`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;

use super::call::{Gateway, Limits};
use super::error::VcdError;
use super::operation::Operation;
use super::refusal::Refusal;
use super::session::Session;
use super::transport::Transport;
use super::versions::{self, ApiVersion};
use super::{ClientOptions, Login, PasswordLogin, VcdClient, date};

/// A VCD that can be spoken to, without a login.
pub struct Greeting<T: Transport> {
    gateway: Arc<Gateway<T>>,
    version: ApiVersion,
    offered: Vec<ApiVersion>,
    date: Option<Timestamp>,
}

impl<T: Transport> fmt::Debug for Greeting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Greeting")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl<T: Transport> Greeting<T> {
    /// Agrees on an API version.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::ApiVersion`]: this is no VCD of 10.4 or later.
    /// - others: see [`VcdError::class`].
    pub async fn with(transport: Arc<T>, options: ClientOptions) -> Result<Self, VcdError> {
        let op = Operation::LIST_VERSIONS;
        let invalid = |reason: String| VcdError::InvalidRequest { op, reason };
        let user_agent = HeaderValue::try_from(options.user_agent.as_str())
            .map_err(|error| invalid(format!("user agent: {error}")))?;
        let limits = Limits {
            call: options.call,
            page: options.page,
        };
        let gateway = Gateway {
            transport,
            limits,
            user_agent,
            pacing: options.pacing,
            meter: options.meter,
        };
        let request = http::Request::builder()
            .method(Method::GET)
            .uri("/api/versions")
            .header(ACCEPT, "application/*+xml")
            .body(Bytes::new())
            .map_err(|error| invalid(error.to_string()))?;
        let response = gateway.send(op, request, limits.call).await?;
        if response.status() != StatusCode::OK {
            return Err(VcdError::refused(op, Refusal::read(&response)));
        }
        let offered = versions::offered(&response)?;
        Ok(Self {
            gateway: Arc::new(gateway),
            version: versions::choose(options.api_version, offered.clone())?,
            offered,
            date: date::of(&response),
        })
    }

    /// The version that will be spoken.
    pub const fn version(&self) -> ApiVersion {
        self.version
    }

    /// The versions that VCD lists, in its order.
    pub fn offered(&self) -> &[ApiVersion] {
        &self.offered
    }

    /// VCD's time as it answered, in whole seconds; `None` where the answer has none.
    pub const fn date(&self) -> Option<Timestamp> {
        self.date
    }

    /// Logs in with an API token.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::Unauthenticated`]: the API token is refused.
    /// - others: see [`VcdError::class`].
    pub async fn log_in(&self, login: Login) -> Result<VcdClient<T>, VcdError> {
        self.client(Session::new(login)).await
    }

    /// Logs in with a password.
    ///
    /// Repeat: safe; but VCD may lock an account after several wrong passwords. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::Unauthenticated`]: user, organization or password is wrong.
    /// - others: see [`VcdError::class`].
    pub async fn log_in_with_password(
        &self,
        login: PasswordLogin,
    ) -> Result<VcdClient<T>, VcdError> {
        self.client(Session::of_password(login, self.version)).await
    }

    async fn client(&self, session: Session) -> Result<VcdClient<T>, VcdError> {
        session.access(&self.gateway, None).await?;
        Ok(VcdClient {
            gateway: Arc::clone(&self.gateway),
            session: Arc::new(session),
            version: self.version,
            context: None,
            fence: None,
        })
    }
}
