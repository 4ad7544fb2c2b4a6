//! Organizations, users, roles and API tokens.
//!
//! Invariants:
//! - Ids of things that have no state of their own (roles, rights, the site) are derived from their
//!   names, so they are the same wherever they are rendered.
//!
//! Not here: sessions and token exchange (`sim::auth`), what a right permits (each handler).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Builder;

use serde::{Deserialize, Serialize};

use super::accounts::plugins::Plugin;
use super::auth::service_accounts::ServiceAccount;
use super::rights::RightSet;

/// Name of the provider's organization.
pub(crate) const SYSTEM: &str = "System";

/// Whether `org` names the provider's organization, ignoring case as VCD does.
pub(crate) fn is_system(org: &str) -> bool {
    org.eq_ignore_ascii_case(SYSTEM)
}

/// An organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Org {
    /// `urn:vcloud:org:<uuid>`
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) full_name: String,
    #[serde(default)]
    pub(crate) profile: Profile,
}

/// What is told of an organization or a user and means little.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) full_name: String,
    pub(crate) description: String,
    pub(crate) email: String,
    /// Whether nobody logs in.
    pub(crate) disabled: bool,
    /// Whether an organization publishes catalogs.
    pub(crate) can_publish: bool,
}

/// A user and what its role permits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    /// `urn:vcloud:user:<uuid>`
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) org_id: String,
    pub(crate) role: String,
    pub(crate) rights: Arc<BTreeSet<String>>,
    #[serde(default)]
    pub(crate) profile: Profile,
}

impl User {
    /// `urn:vcloud:role:<uuid>` of the user's role in its organization.
    pub(crate) fn role_id(&self) -> String {
        role_id(&self.org_id, &self.role)
    }
}

/// A registered API client: an API token's identity, before and after its secret is issued.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ApiClient {
    pub(crate) name: String,
    pub(crate) user_id: String,
    /// The token's text; absent until it is asked for.
    pub(crate) secret: Option<String>,
    #[serde(default)]
    pub(crate) kind: TokenKind,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TokenKind {
    /// An API token.
    #[default]
    Refresh,
    Proxy,
    Extension,
}

impl TokenKind {
    /// As VCD spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Refresh => "REFRESH",
            Self::Proxy => "PROXY",
            Self::Extension => "EXTENSION",
        }
    }
}

/// Orgs by URN, users by URN, API tokens by their secret text.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Directory {
    pub(crate) orgs: BTreeMap<String, Org>,
    pub(crate) users: BTreeMap<String, User>,
    /// API token text -> user URN. A revoked token is removed.
    pub(crate) api_tokens: BTreeMap<String, String>,
    /// Client id (the bare UUID of the token's URN) -> client. Tokens without one are not listed.
    pub(crate) api_clients: BTreeMap<String, ApiClient>,
    /// User URN -> password; users without one cannot log in with a password.
    pub(crate) passwords: BTreeMap<String, String>,
    /// Names of rights that exist besides those users hold.
    pub(crate) rights: BTreeSet<String>,
    /// Roles, global roles and rights bundles by URN.
    pub(crate) right_sets: BTreeMap<String, RightSet>,
    /// Service accounts by client id, the bare UUID of their URN. Each acts as a user under its URN.
    #[serde(default)]
    pub(crate) service_accounts: BTreeMap<String, ServiceAccount>,
    /// UI plug-ins by URN.
    #[serde(default)]
    pub(crate) plugins: BTreeMap<String, Plugin>,
}

impl Directory {
    /// Name of the organization `id` (URN).
    pub(crate) fn org_name(&self, id: &str) -> Option<&str> {
        self.orgs.get(id).map(|org| org.name.as_str())
    }

    /// Organization by name, ignoring case as VCD does.
    pub(crate) fn org_by_name(&self, name: &str) -> Option<&Org> {
        self.orgs
            .values()
            .find(|org| org.name.eq_ignore_ascii_case(name))
    }

    /// User an API token belongs to.
    pub(crate) fn token_user(&self, token: &str) -> Option<&User> {
        let user = self.users.get(self.api_tokens.get(token)?);
        user.filter(|user| self.may_enter(user))
    }

    /// Whether neither the user nor its organization is disabled.
    pub(crate) fn may_enter(&self, user: &User) -> bool {
        let org = self.orgs.get(&user.org_id);
        !user.profile.disabled && org.is_some_and(|org| !org.profile.disabled)
    }

    /// User that logs in by name, organization and password.
    pub(crate) fn password_user(&self, name: &str, org: &str, password: &str) -> Option<&User> {
        let org = self.org_by_name(org)?;
        let mut users = self.users.values();
        let user =
            users.find(|user| user.org_id == org.id && user.name.eq_ignore_ascii_case(name))?;
        let known = self.passwords.get(&user.id)? == password;
        (known && self.may_enter(user)).then_some(user)
    }

    /// `urn:vcloud:site:<uuid>` of this site, derived from the id of its System organization.
    pub(crate) fn site_id(&self) -> String {
        let system = self.org_by_name(SYSTEM).map(|org| org.id.as_str());
        derived_urn("site", system.unwrap_or_default())
    }

    /// Revokes an API token. Sessions that came from it are ended by the caller.
    pub(crate) fn revoke(&mut self, secret: &str) {
        self.api_tokens.remove(secret);
        self.api_clients
            .retain(|_, client| client.secret.as_deref() != Some(secret));
    }
}

/// The URN of a role, derived from organization and name.
pub(crate) fn role_id(org_id: &str, role: &str) -> String {
    derived_urn("role", &format!("{org_id}/{role}"))
}

/// `urn:vcloud:<kind>:<uuid>` with a UUID that only depends on `kind` and `name`.
pub(crate) fn derived_urn(kind: &str, name: &str) -> String {
    let half = |seed| {
        u128::from(twox_hash::XxHash3_64::oneshot_with_seed(
            seed,
            format!("{kind}/{name}").as_bytes(),
        ))
    };
    let bits = (half(1) << 64) | half(2);
    let uuid = Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
    format!("urn:vcloud:{kind}:{uuid}")
}

/// The bare UUID at the end of a URN or an href.
pub(crate) fn bare(reference: &str) -> &str {
    reference.rsplit(['/', ':']).next().unwrap_or_default()
}
