//! Roles, global roles and rights bundles: named sets of rights, and which organizations have them.
//!
//! Invariants:
//! - Rights are added, never set: what is in a set besides stays.
//! - Sets are known by name here; VCD keeps names unique within a kind and an organization.
//!
//! Not here: the caller's own rights (`vcd::account`).
//! Source: VCD `OpenAPI` 37.2, `rights`, `roles`, `globalRoles`, `rightsBundles`. A session that came from
//! an API token only reads them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use super::VcdClient;
use super::encode::path_segment;
use super::error::VcdError;
use super::lists::List;
use super::model::IdName;
use super::operation::Operation;
use super::paging::MAX_PAGE_SIZE;
use super::transport::Transport;

/// What VCD's own client sends for sets whose names are not translated.
const UNTRANSLATED: &str = "com.vmware.vcloud.undefined.key";

/// The three kinds of named sets of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RightSetKind {
    /// A role of the login's own organization.
    Role,
    /// A role that organizations are given.
    GlobalRole,
    /// Rights that organizations may use at all.
    RightsBundle,
}

impl RightSetKind {
    /// Where the API has them.
    const fn path(self) -> &'static str {
        match self {
            Self::Role => "/1.0.0/roles",
            Self::GlobalRole => "/1.0.0/globalRoles",
            Self::RightsBundle => "/1.0.0/rightsBundles",
        }
    }

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::GlobalRole => "global role",
            Self::RightsBundle => "rights bundle",
        }
    }

    /// Whether organizations can be given one.
    pub const fn is_published(self) -> bool {
        match self {
            Self::Role => false,
            Self::GlobalRole | Self::RightsBundle => true,
        }
    }
}

/// A named set of rights.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RightSet {
    /// Its URN.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether all organizations have it, those to come included; absent from roles.
    #[serde(default)]
    pub publish_all: Option<bool>,
}

impl<T: Transport> VcdClient<T> {
    /// All rights of the site: name to URN.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn rights(&self) -> Result<BTreeMap<String, String>, VcdError> {
        let list = whole(Operation::LIST_RIGHTS, "/1.0.0/rights");
        let found = self.list::<IdName>(list).await?;
        Ok(found.into_iter().map(|one| (one.name, one.id)).collect())
    }

    /// The set of a kind and a name.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn right_set(
        &self,
        kind: RightSetKind,
        name: &str,
    ) -> Result<Option<RightSet>, VcdError> {
        let list = whole(Operation::LIST_RIGHT_SETS, kind.path());
        let found = self.list::<RightSet>(list).await?;
        Ok(found.into_iter().find(|set| set.name == name))
    }

    /// Names of the rights in a set.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn rights_in(
        &self,
        kind: RightSetKind,
        id: &str,
    ) -> Result<BTreeSet<String>, VcdError> {
        let path = below(kind, id, "rights");
        let list = whole(Operation::LIST_RIGHTS_OF_SET, &path);
        let found = self.list::<IdName>(list).await?;
        Ok(found.into_iter().map(|one| one.name).collect())
    }

    /// Names of the organizations that a set is published to one by one.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn published_to(
        &self,
        kind: RightSetKind,
        id: &str,
    ) -> Result<BTreeSet<String>, VcdError> {
        let path = below(kind, id, "tenants");
        let list = whole(Operation::LIST_PUBLISHED, &path);
        let found = self.list::<IdName>(list).await?;
        Ok(found.into_iter().map(|one| one.name).collect())
    }

    /// Creates an empty set.
    ///
    /// Repeat: safe after a read. Cancel: may leave it created.
    ///
    /// # Errors
    /// See [`VcdError::class`]; one that exists is [`VcdError::Rejected`].
    pub async fn create_right_set(
        &self,
        kind: RightSetKind,
        name: &str,
        description: &str,
    ) -> Result<(), VcdError> {
        let body = json!({
            "name": name,
            "description": description,
            "bundleKey": UNTRANSLATED,
            "readOnly": false,
        });
        self.post(Operation::CREATE_RIGHT_SET, kind.path(), &body)
            .await
    }

    /// Adds rights to a set.
    ///
    /// Repeat: safe. Cancel: may leave them added.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn add_rights(
        &self,
        kind: RightSetKind,
        id: &str,
        rights: &[IdName],
    ) -> Result<(), VcdError> {
        let path = below(kind, id, "rights");
        let body = json!({"values": references(rights)});
        self.post(Operation::ADD_RIGHTS, &path, &body).await
    }

    /// Gives a set to all organizations, those to come included.
    ///
    /// Repeat: safe. Cancel: may leave it published.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn publish_to_all(&self, kind: RightSetKind, id: &str) -> Result<(), VcdError> {
        let path = below(kind, id, "tenants/publishAll");
        self.post(Operation::PUBLISH, &path, &json!({})).await
    }

    /// Gives a set to these organizations; others keep it.
    ///
    /// Repeat: safe. Cancel: may leave it published.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn publish_to(
        &self,
        kind: RightSetKind,
        id: &str,
        orgs: &[IdName],
    ) -> Result<(), VcdError> {
        let path = below(kind, id, "tenants/publish");
        let body = json!({"values": references(orgs)});
        self.post(Operation::PUBLISH, &path, &body).await
    }
}

fn references(named: &[IdName]) -> Vec<serde_json::Value> {
    let reference = |one: &IdName| json!({"id": one.id, "name": one.name});
    named.iter().map(reference).collect()
}

fn whole(op: Operation, path: &str) -> List<'_> {
    List {
        op,
        path,
        query: "",
        page_size: MAX_PAGE_SIZE,
    }
}

fn below(kind: RightSetKind, id: &str, last: &str) -> String {
    format!("{}/{}/{last}", kind.path(), path_segment(id))
}
