//! Interfaces, behaviors, entity types and who may use them; VM sizing policies: what sets a site up.
//!
//! Invariants:
//! - Everything is added, nothing replaced: what somebody else registered stays as it is.
//!
//! Not here: entities (`vcd::entities`), roles and rights (`vcd::right_sets`).
//! Source: VCD `OpenAPI` 37.2, `interfaces`, `entityTypes`, `vdcComputePolicies` (2.0.0).

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::Call;
use super::encode::path_segment;
use super::error::VcdError;
use super::lists::List;
use super::operation::Operation;
use super::paging::MAX_PAGE_SIZE;
use super::transport::Transport;
use super::{VcdClient, json};

/// Media type of JSON bodies.
const JSON: &str = "application/json";

/// The access level of whoever may change everything about an entity.
pub const FULL_CONTROL: &str = "urn:vcloud:accessLevel:FullControl";
/// The access level of whoever may look.
pub const READ_ONLY: &str = "urn:vcloud:accessLevel:ReadOnly";

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// A behavior of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Behavior {
    /// Its URN.
    pub id: String,
    /// Its name, such as `getFullEntity`.
    pub name: String,
}

/// An entity type, without its schema.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EntityType {
    /// Its URN.
    pub id: String,
    /// URNs of the interfaces it implements.
    #[serde(default)]
    pub interfaces: Option<Vec<String>>,
}

/// Which access level a caller of a behavior needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BehaviorLevel {
    /// URN of the behavior.
    pub behavior_id: String,
    /// URN of the level.
    pub access_level_id: String,
}

/// An entry of a type's access control list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeGrant {
    /// URN of the right whose holders it is for; `None` for other kinds.
    #[serde(default)]
    pub right_id: Option<String>,
}

/// A VM sizing policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SizingPolicy {
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    #[serde(default)]
    pub cpu_count: Option<u32>,
    /// Memory, in MiB.
    #[serde(default)]
    pub memory: Option<u32>,
}

impl<T: Transport> VcdClient<T> {
    /// URNs of all interfaces.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn interfaces(&self) -> Result<Vec<String>, VcdError> {
        let list = whole(Operation::LIST_INTERFACES, "/1.0.0/interfaces");
        let found = self.list::<Id>(list).await?;
        Ok(found.into_iter().map(|one| one.id).collect())
    }

    /// The behaviors of an interface.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: there is no such interface, or no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn behaviors(&self, interface: &str) -> Result<Vec<Behavior>, VcdError> {
        let path = format!("/1.0.0/interfaces/{}/behaviors", path_segment(interface));
        self.list(whole(Operation::LIST_BEHAVIORS, &path)).await
    }

    /// Registers an interface; `body` as VCD documents it.
    ///
    /// Repeat: safe after a read. Cancel: may leave it registered.
    ///
    /// # Errors
    /// See [`VcdError::class`]; one that exists is [`VcdError::Rejected`].
    pub async fn create_interface(&self, body: &Value) -> Result<(), VcdError> {
        let op = Operation::CREATE_INTERFACE;
        self.post(op, "/1.0.0/interfaces", body).await
    }

    /// Adds a behavior to an interface; `body` as VCD documents it.
    ///
    /// Repeat: safe after a read. Cancel: may leave it added.
    ///
    /// # Errors
    /// See [`VcdError::class`]; [`VcdError::Rejected`], among others, when a type uses the interface.
    pub async fn create_behavior(&self, interface: &str, body: &Value) -> Result<(), VcdError> {
        let path = format!("/1.0.0/interfaces/{}/behaviors", path_segment(interface));
        self.post(Operation::CREATE_BEHAVIOR, &path, body).await
    }

    /// All entity types of a vendor whose name is plain.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn entity_types(&self, vendor: &str) -> Result<Vec<EntityType>, VcdError> {
        let filter = format!("&filter=vendor=={}", path_segment(vendor));
        let list = List {
            query: &filter,
            ..whole(Operation::LIST_ENTITY_TYPES, "/1.0.0/entityTypes")
        };
        self.list(list).await
    }

    /// Registers an entity type; `body` as VCD documents it. Its rights come into being with it.
    ///
    /// Repeat: safe after a read. Cancel: may leave it registered.
    ///
    /// # Errors
    /// See [`VcdError::class`]; one that exists is [`VcdError::Rejected`].
    pub async fn create_entity_type(&self, body: &Value) -> Result<(), VcdError> {
        self.post(Operation::CREATE_TYPE, "/1.0.0/entityTypes", body)
            .await
    }

    /// The access levels that a type demands for behaviors.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn behavior_levels(&self, type_urn: &str) -> Result<Vec<BehaviorLevel>, VcdError> {
        let path = type_path(type_urn, "behaviorAccessControls");
        self.list(whole(Operation::LIST_BEHAVIOR_LEVELS, &path))
            .await
    }

    /// Adds one to them; the others stay.
    ///
    /// Repeat: safe after a read. Cancel: may leave it added.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn add_behavior_level(
        &self,
        type_urn: &str,
        level: &BehaviorLevel,
    ) -> Result<(), VcdError> {
        let path = type_path(type_urn, "behaviorAccessControls");
        self.post(Operation::SET_BEHAVIOR_LEVEL, &path, level).await
    }

    /// The access control list of a type, which holds for all its entities.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn type_grants(&self, type_urn: &str) -> Result<Vec<TypeGrant>, VcdError> {
        let path = type_path(type_urn, "accessControls");
        self.list(whole(Operation::LIST_TYPE_GRANTS, &path)).await
    }

    /// Lets everybody who holds a right read the type's entities, in every organization.
    ///
    /// Repeat: safe after a read. Cancel: may leave it granted.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn grant_reading(&self, type_urn: &str, right_id: &str) -> Result<(), VcdError> {
        let body = json!({
            "grantType": "RightAccessControlGrant",
            "accessLevelId": READ_ONLY,
            "rightId": right_id,
        });
        let path = type_path(type_urn, "accessControls");
        self.post(Operation::GRANT_TYPE, &path, &body).await
    }

    /// All compute policies that VMs can have.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn sizing_policies(&self) -> Result<Vec<SizingPolicy>, VcdError> {
        let list = whole(Operation::LIST_POLICIES, "/2.0.0/vdcComputePolicies");
        self.list(list).await
    }

    /// Creates a VM sizing policy, which no VDC has yet.
    ///
    /// Repeat: safe after a read. Cancel: may leave it created.
    ///
    /// # Errors
    /// See [`VcdError::class`]; one that exists is [`VcdError::Rejected`].
    pub async fn create_sizing_policy(&self, policy: &SizingPolicy) -> Result<(), VcdError> {
        let body = json!({
            "name": policy.name,
            "policyType": "VdcVmPolicy",
            "cpuCount": policy.cpu_count,
            "coresPerSocket": 1,
            "memory": policy.memory,
        });
        self.post(Operation::CREATE_POLICY, "/2.0.0/vdcComputePolicies", &body)
            .await
    }

    /// Posts a document; of the answer only its success counts.
    pub(super) async fn post<B: Serialize>(
        &self,
        op: Operation,
        path: &str,
        body: &B,
    ) -> Result<(), VcdError> {
        let call = Call::json(op, Method::POST, path).body(JSON, json::write(op, body)?);
        self.perform(call).await.map(drop)
    }
}

fn whole(op: Operation, path: &str) -> List<'_> {
    List {
        op,
        path,
        query: "",
        page_size: MAX_PAGE_SIZE,
    }
}

fn type_path(type_urn: &str, below: &str) -> String {
    format!("/1.0.0/entityTypes/{}/{below}", path_segment(type_urn))
}
