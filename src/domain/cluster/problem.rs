//! What can be wrong with a tenant's cluster document, in words the tenant can act on.
//!
//! Invariants:
//! - The set is closed; [`SpecProblem::code`] is stable and goes into events and searches.
//! - Tenant text is repeated short and escaped, so it can break neither a log line nor an event.

use super::checks::AddressRange;
use super::document::Kind;

/// Longest part of a tenant's text that a problem repeats, in characters.
const EXCERPT_CHARS: usize = 60;

/// The beginning of a tenant's text; [`SpecProblem`] prints it escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let cut: String = text.chars().take(EXCERPT_CHARS).collect();
    if cut.len() < text.len() {
        format!("{cut}...")
    } else {
        cut
    }
}

/// One thing wrong with a cluster document; only the tenant can mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecProblem {
    /// No CAPI YAML.
    #[error("spec.capiYaml is missing or empty; it must hold the cluster's Cluster API documents")]
    YamlMissing,
    /// Too much of it.
    #[error("spec.capiYaml is {bytes} bytes long; at most {limit} are accepted")]
    YamlTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Not readable as YAML.
    #[error("spec.capiYaml cannot be read: line {line}: {reason}")]
    YamlUnreadable {
        /// Line from 1; 0 if unknown.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A document that is no Kubernetes object.
    #[error("document {index} of spec.capiYaml has no apiVersion, kind and metadata.name")]
    NoObject {
        /// Counted from 1.
        index: usize,
    },
    /// A needed document is missing.
    #[error("spec.capiYaml has no {kind} document")]
    DocumentMissing {
        /// What is missing.
        kind: Kind,
    },
    /// Several documents where one is meant.
    #[error("spec.capiYaml has {count} {kind} documents; exactly one is expected")]
    DocumentRepeated {
        /// What is repeated.
        kind: Kind,
        /// How often.
        count: usize,
    },
    /// A needed field is missing or of the wrong type.
    #[error("{kind} {name:?}: {field} is missing; expected {expected}")]
    FieldMissing {
        /// Of which document.
        kind: Kind,
        /// Name of the document.
        name: String,
        /// Path of the field.
        field: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// A field has a value that cannot work.
    #[error("{kind} {name:?}: {field} is {found:?}; expected {expected}")]
    FieldInvalid {
        /// Of which document.
        kind: Kind,
        /// Name of the document.
        name: String,
        /// Path of the field.
        field: &'static str,
        /// What is there, cut.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A name against the rule.
    #[error(
        "the {what} name {name:?} is not allowed; use 1 to 31 lower case letters, digits and hyphens, \
         beginning with a letter and not ending with a hyphen"
    )]
    NameInvalid {
        /// Name of what.
        what: &'static str,
        /// The name, cut.
        name: String,
    },
    /// The entity and its YAML speak of two clusters.
    #[error("the entity is for cluster {entity:?} but its YAML describes cluster {yaml:?}")]
    NameMismatch {
        /// `metadata.name` of the entity.
        entity: String,
        /// Name of the Cluster document.
        yaml: String,
    },
    /// Zero or an even number of control plane nodes.
    #[error("{count} control plane nodes are asked for; etcd needs an odd number: 1, 3, 5 or 7")]
    ControlPlaneCount {
        /// The number asked for.
        count: u64,
    },
    /// No worker pool at all.
    #[error("spec.capiYaml has no worker pool (MachineDeployment); at least one is needed")]
    NoPools,
    /// No pool will ever have a node.
    #[error("all worker pools are set to zero nodes; at least one worker node is needed")]
    AllPoolsEmpty,
    /// More nodes than any cluster can have.
    #[error("worker pool {pool:?} asks for {count} nodes; at most {limit} are accepted")]
    PoolTooLarge {
        /// Name of the pool.
        pool: String,
        /// The number asked for.
        count: u64,
        /// The limit.
        limit: u32,
    },
    /// Autoscaler limits that contradict each other.
    #[error("worker pool {pool:?}: the autoscaler's minimum {min} is above its maximum {max}")]
    AutoscalerRange {
        /// Name of the pool.
        pool: String,
        /// Its minimum.
        min: u32,
        /// Its maximum.
        max: u32,
    },
    /// A pool whose machine template is not in the YAML.
    #[error("{owner:?} refers to the machine template {template:?}, which is not in spec.capiYaml")]
    TemplateMissing {
        /// Pool or control plane.
        owner: String,
        /// Name of the template.
        template: String,
    },
    /// Not a disk size.
    #[error("machine template {template:?}: disk size {found:?} is not of the form 20Gi")]
    DiskSize {
        /// Name of the template.
        template: String,
        /// What is there, cut.
        found: String,
    },
    /// A file system the storage driver does not make.
    #[error("default storage class: file system {found:?} is not supported; use ext4 or xfs")]
    FileSystem {
        /// What is there, cut.
        found: String,
    },
    /// Not an address range.
    #[error("{what} {found:?} is not an IPv4 range such as 100.96.0.0/11")]
    RangeInvalid {
        /// Which range.
        what: &'static str,
        /// What is there, cut.
        found: String,
    },
    /// Two ranges of the cluster share addresses.
    #[error(
        "{first} {first_range} and {second} {second_range} overlap; choose ranges apart from each other"
    )]
    RangeOverlap {
        /// Which range.
        first: &'static str,
        /// Its addresses.
        first_range: AddressRange,
        /// Which other range.
        second: &'static str,
        /// Its addresses.
        second_range: AddressRange,
    },
    /// An address that the bootstrap VM must reach is taken by its container networks.
    #[error(
        "{what} {range} lies in {reserved}, which the bootstrap VM uses for its containers; \
         choose addresses outside 172.17.0.0/16 and 172.18.0.0/16"
    )]
    RangeReserved {
        /// Which address or range.
        what: &'static str,
        /// Its addresses.
        range: AddressRange,
        /// The container network it meets.
        reserved: AddressRange,
    },
    /// No token to act with.
    #[error(
        "no API token: neither spec.vcdKe.secure.apiToken nor a Secret capi-user-credentials with a refreshToken; \
         create an API token as the cluster's owner and send it with the cluster"
    )]
    TokenMissing,
}

impl SpecProblem {
    /// Stable name of the kind of problem.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::YamlMissing => "YamlMissing",
            Self::YamlTooLarge { .. } => "YamlTooLarge",
            Self::YamlUnreadable { .. } => "YamlUnreadable",
            Self::NoObject { .. } => "NoObject",
            Self::DocumentMissing { .. } => "DocumentMissing",
            Self::DocumentRepeated { .. } => "DocumentRepeated",
            Self::FieldMissing { .. } => "FieldMissing",
            Self::FieldInvalid { .. } => "FieldInvalid",
            Self::NameInvalid { .. } => "NameInvalid",
            Self::NameMismatch { .. } => "NameMismatch",
            Self::ControlPlaneCount { .. } => "ControlPlaneCount",
            Self::NoPools => "NoPools",
            Self::AllPoolsEmpty => "AllPoolsEmpty",
            Self::PoolTooLarge { .. } => "PoolTooLarge",
            Self::AutoscalerRange { .. } => "AutoscalerRange",
            Self::TemplateMissing { .. } => "TemplateMissing",
            Self::DiskSize { .. } => "DiskSize",
            Self::FileSystem { .. } => "FileSystem",
            Self::RangeInvalid { .. } => "RangeInvalid",
            Self::RangeOverlap { .. } => "RangeOverlap",
            Self::RangeReserved { .. } => "RangeReserved",
            Self::TokenMissing => "TokenMissing",
        }
    }
}
