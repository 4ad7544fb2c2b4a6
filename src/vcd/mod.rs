//! The wire: the only home of HTTP, URLs, JSON and XML of VCD.
//!
//! Flow: `controller` calls a method of [`VcdClient`]; `call` adds version, login and context and
//! sends through a [`transport::Transport`]; `wire` reads the answer into [`model`]; anything else
//! comes back as a classified [`error::VcdError`].
//!
//! Invariants:
//! - Nothing is retried here, but for the one repeat after a 401.
//! - A read of an entity gives value and tag together; a write spends the tag.
//! - Every answer, list and nesting is bounded: [`ClientOptions`], [`paging::MAX_PAGES`], 128 levels.
//!
//! Not here: when to call again (`reconcile::backoff`), what entities mean (`domain`).
//! Source: VCD `OpenAPI` and vCloud API 37.2.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use secrecy::SecretString;

use self::call::Gateway;
use self::error::VcdError;
use self::fence::Fence;
use self::greeting::Greeting;
use self::meter::CallMeter;
use self::operation::Operation;
use self::pacing::Pacing;
use self::session::Session;
use self::transport::{CallLimits, Transport};
use self::versions::ApiVersion;
use crate::domain::ids::OrgId;

mod account;
mod call;
pub mod certificate;
mod date;
mod disks;
mod encode;
mod entities;
pub mod entity_copies;
pub mod error;
pub mod fence;
mod gateways;
pub mod greeting;
pub mod http;
mod infrastructure;
mod ip_spaces;
mod json;
mod lists;
mod load_balancers;
mod metadata;
pub mod meter;
pub mod model;
mod nat;
mod network_failure;
mod offers;
pub mod operation;
pub mod pacing;
pub mod paging;
pub mod refusal;
pub mod registry;
pub mod right_sets;
mod session;
mod tasks;
pub mod transport;
mod uplinks;
mod vapps;
mod verdict;
pub mod versions;
mod vms;
mod wire;

/// Who logs in, and where.
#[derive(Clone, Debug)]
pub struct Login {
    /// Organization; `System`, in any case, is the provider's.
    pub org: String,
    /// API token of a user of that organization.
    pub token: SecretString,
}

/// A user who logs in with a password.
///
/// A session that comes from an API token only reads roles and rights bundles: whoever sets a site up
/// needs this one.
#[derive(Clone, Debug)]
pub struct PasswordLogin {
    /// Organization; `System`, in any case, is the provider's.
    pub org: String,
    /// Login name, without the organization.
    pub user: String,
    /// Its password.
    pub password: SecretString,
}

/// What a client may be told beyond its login.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// API version to speak when VCD offers it.
    pub api_version: ApiVersion,
    /// Limits of every call but list pages.
    pub call: CallLimits,
    /// Limits of a list page.
    pub page: CallLimits,
    /// Product and version, for VCD's access log.
    pub user_agent: String,
    /// How much is asked at once, and when not; `None` asks whenever a caller does.
    pub pacing: Option<Arc<Pacing>>,
    /// Told about every request that ended.
    pub meter: Option<Arc<dyn CallMeter>>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        let mib = 1024 * 1024;
        let call = CallLimits {
            timeout: Duration::from_secs(30),
            max_body_bytes: 16 * mib,
        };
        // 128 entities of half a MiB each; the usual page is a few MiB.
        let page = CallLimits {
            timeout: Duration::from_mins(1),
            max_body_bytes: 64 * mib,
        };
        Self {
            api_version: ApiVersion::WRITTEN_AGAINST,
            call,
            page,
            user_agent: concat!("cse-server/", env!("CARGO_PKG_VERSION")).to_owned(),
            pacing: None,
            meter: None,
        }
    }
}

/// A login at one VCD, and the calls it may make. Cheap to clone.
pub struct VcdClient<T: Transport> {
    gateway: Arc<Gateway<T>>,
    session: Arc<Session>,
    version: ApiVersion,
    context: Option<OrgId>,
    fence: Option<Fence>,
}

impl<T: Transport> Clone for VcdClient<T> {
    fn clone(&self) -> Self {
        Self {
            gateway: Arc::clone(&self.gateway),
            session: Arc::clone(&self.session),
            version: self.version,
            context: self.context.clone(),
            fence: self.fence.clone(),
        }
    }
}

impl<T: Transport> fmt::Debug for VcdClient<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VcdClient")
            .field("version", &self.version)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl<T: Transport> VcdClient<T> {
    /// Agrees on an API version and logs in.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::ApiVersion`]: this is no VCD of 10.4 or later.
    /// - [`VcdError::Unauthenticated`]: the API token is refused.
    /// - others: see [`VcdError::class`].
    pub async fn connect(
        transport: Arc<T>,
        login: Login,
        options: ClientOptions,
    ) -> Result<Self, VcdError> {
        Greeting::with(transport, options)
            .await?
            .log_in(login)
            .await
    }

    /// The same VCD under another login, which is made at the first call.
    #[must_use]
    pub fn for_tenant(&self, login: Login) -> Self {
        Self {
            gateway: Arc::clone(&self.gateway),
            session: Arc::new(Session::new(login)),
            version: self.version,
            context: None,
            fence: None,
        }
    }

    /// How many calls may be under way at once; `None` when nothing limits them.
    pub fn window(&self) -> Option<usize> {
        self.gateway.pacing.as_ref().map(|pacing| pacing.window())
    }

    /// What is left of a pause that VCD asked for.
    pub fn pause(&self) -> Duration {
        let pacing = self.gateway.pacing.as_ref();
        pacing.map_or(Duration::ZERO, |pacing| pacing.pause())
    }

    /// The same login, acting within `org`; for logins of the provider.
    #[must_use]
    pub fn in_org(&self, org: &OrgId) -> Self {
        Self {
            context: Some(org.clone()),
            ..self.clone()
        }
    }

    /// The same login, which changes nothing while `fence` is closed.
    #[must_use]
    pub fn behind(&self, fence: Fence) -> Self {
        Self {
            fence: Some(fence),
            ..self.clone()
        }
    }

    /// The same login without a fence: for what may be done by whoever made it, at any time.
    #[must_use]
    pub fn unfenced(&self) -> Self {
        Self {
            fence: None,
            ..self.clone()
        }
    }

    /// Ends the session at VCD; the next call logs in again.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`]; the session then ends when it has been idle for long enough.
    pub async fn log_out(&self) -> Result<(), VcdError> {
        let op = Operation::END_SESSION;
        let call = call::Call::json(op, Method::DELETE, "/1.0.0/sessions/current");
        self.perform(call).await.map(drop)
    }

    /// Whether the login is one of the provider's organization.
    pub fn is_provider(&self) -> bool {
        self.session.is_provider()
    }

    /// The API version in use.
    pub fn api_version(&self) -> ApiVersion {
        self.version
    }
}
