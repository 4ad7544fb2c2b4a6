//! Organizations, users and API tokens.
//!
//! Not here: sessions and token exchange (`sim::auth`), what a right permits (each handler).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An organization.
#[derive(Clone, Debug)]
pub(crate) struct Org {
    /// `urn:vcloud:org:<uuid>`
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) full_name: String,
}

/// A user and what its role permits.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// `urn:vcloud:user:<uuid>`
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) org_id: String,
    pub(crate) role: String,
    pub(crate) rights: Arc<BTreeSet<String>>,
}

/// Orgs by URN, users by URN, API tokens by their secret text.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) orgs: BTreeMap<String, Org>,
    pub(crate) users: BTreeMap<String, User>,
    /// API token text -> user URN. A revoked token is removed.
    pub(crate) api_tokens: BTreeMap<String, String>,
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
        self.users.get(self.api_tokens.get(token)?)
    }
}
