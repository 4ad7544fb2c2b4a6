//! What is wanted of one cluster: the part of a cluster entity's content that the server acts on.
//!
//! Flow: entity content (hostile: any tenant may write it) in, [`ClusterSpec`] or every
//! [`SpecProblem`] out. [`ClusterFlags`] are read apart, because deleting must work for an entity
//! whose YAML nobody can read.
//!
//! Invariants:
//! - Sizes are checked before anything is parsed; names that reach file names, scripts or VCD are
//!   checked against the rules of their kind.
//! - No token is in a `Debug` output, a problem or an error.
//!
//! Not here: whether the VDC, network, template or policies exist (observed with the tenant's
//! token), what was reported about the cluster (`status`).
//! Source: JSON schema of `vmware:capvcdCluster` 1.1.0 to 1.3.0; CAPI YAML as go-vcloud-director and
//! the CAPVCD templates write it.

mod checks;
mod document;
mod parse;
mod place;
mod pool;
mod problem;
#[cfg(test)]
pub(crate) mod sample;

use std::fmt;

use secrecy::SecretString;
use serde_json::{Map, Value};

pub use self::checks::{AddressRange, RESERVED_RANGES};
pub use self::document::{Documents, Kind};
pub(crate) use self::document::{api_group, name_of, text_at};
pub use self::parse::api_token;
pub use self::pool::{MachineTemplate, Pool, PoolSize};
pub use self::problem::SpecProblem;

/// Name of the Secret with the tenant's token, in the cluster's namespace.
pub const CREDENTIALS_SECRET: &str = "capi-user-credentials";

/// The wishes outside the YAML (`spec.vcdKe`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent switches of the entity"
)]
pub struct ClusterFlags {
    /// The entity is for the server; everything else must be left alone.
    pub is_vcdke: bool,
    /// It is to be deleted.
    pub mark_for_delete: bool,
    /// Deleting goes on past what fails.
    pub force_delete: bool,
    /// A failed creation is cleaned up and tried again. Absent means no, though the schema says
    /// otherwise: clients drop the key when it is false.
    pub auto_repair: bool,
}

impl ClusterFlags {
    /// Reads the flags of an entity's content; whatever is absent or strange is false.
    pub fn read(entity: &Map<String, Value>) -> Self {
        let section = entity.get("spec").and_then(|spec| spec.get("vcdKe"));
        let is_set = |key: &str| match section.and_then(|section| section.get(key)) {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
            None | Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                false
            }
        };
        Self {
            is_vcdke: is_set("isVCDKECluster"),
            mark_for_delete: is_set("markForDelete"),
            force_delete: is_set("forceDelete"),
            auto_repair: is_set("autoRepairOnErrors"),
        }
    }
}

/// The default storage class a tenant asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClassOptions {
    /// Its name in Kubernetes.
    pub name: String,
    /// The VCD storage profile its disks come from; `None` for the VDC's default.
    pub storage_profile: Option<String>,
    /// `ext4` or `xfs`.
    pub filesystem: String,
    /// Whether the disk goes when its claim goes, or stays.
    pub delete_with_claim: bool,
}

/// Whether the content came with its secure fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecureFields {
    /// Read through `getFullEntity`: the token must be there.
    Included,
    /// A plain read: VCD leaves the token out.
    LeftOut,
}

/// What is wanted of one cluster.
#[derive(Clone)]
pub struct ClusterSpec {
    /// Its name; also that of the Cluster object and of the vApp.
    pub name: String,
    /// Namespace of its Cluster API objects.
    pub namespace: String,
    /// Organization, by name.
    pub org: String,
    /// VDC, by name.
    pub vdc: String,
    /// VDC network, by name.
    pub network: String,
    /// Base URL of VCD without `/api`, as the tenant's client wrote it.
    pub site: String,
    /// Kubernetes version, such as `v1.27.8+vmware.1`.
    pub kubernetes_version: String,
    /// Control plane nodes: odd.
    pub control_plane_count: u32,
    /// Template of the control plane's machines; the bootstrap VM is made from it too.
    pub control_plane: MachineTemplate,
    /// Worker pools in the order of the YAML.
    pub pools: Vec<Pool>,
    /// Fixed address of the API, if one is asked for.
    pub control_plane_host: Option<String>,
    /// Subnet of the load balancer's addresses, if one is given.
    pub vip_subnet: Option<String>,
    /// The default storage class.
    pub storage_class: Option<StorageClassOptions>,
    /// The wishes outside the YAML.
    pub flags: ClusterFlags,
    /// The tenant's API token; absent when the secure fields were left out.
    pub api_token: Option<SecretString>,
    /// Every document of the YAML, as written.
    pub documents: Documents,
}

impl ClusterSpec {
    /// Types an entity's content and checks all that can be checked without VCD.
    ///
    /// # Errors
    /// Every [`SpecProblem`] found; only the tenant can mend them.
    pub fn parse(
        entity: &Map<String, Value>,
        secure: SecureFields,
    ) -> Result<Self, Vec<SpecProblem>> {
        parse::parse(entity, secure)
    }
}

impl fmt::Debug for ClusterSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterSpec")
            .field("name", &self.name)
            .field("org", &self.org)
            .field("vdc", &self.vdc)
            .field("kubernetes_version", &self.kubernetes_version)
            .field("control_plane_count", &self.control_plane_count)
            .field("pools", &self.pools)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}
