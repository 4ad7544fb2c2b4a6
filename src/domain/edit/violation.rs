//! What can be wrong with an edit, in words the tenant can act on.
//!
//! Invariants:
//! - The set of names is closed and stable: [`Violation::NAMES`] tells ours from errors of others.
//! - Tenant text is repeated short and escaped.

use super::RunningCluster;
use crate::domain::cluster::{SpecProblem, excerpt};

/// One rule that an edit breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The YAML cannot be read, or what it asks for cannot be made at all.
    #[error("{0}")]
    Invalid(SpecProblem),
    /// Nothing keeps a single worker.
    #[error(
        "no worker pool is sure to keep a node: the numbers of nodes and the minimums of the autoscaler \
         add up to zero; keep at least one worker node, or the cluster cannot run its own controllers"
    )]
    NoWorkerLeft,
    /// A pool is there twice.
    #[error("worker pool {0:?} is in spec.capiYaml twice; every pool needs a name of its own")]
    PoolRepeated(String),
    /// A second upgrade before the first has reached every node.
    #[error(
        "the upgrade to {running} is still under way, {asked} is asked for; set the version back to {running} \
         and ask again when every node has it"
    )]
    UpgradeUnderWay {
        /// The version the cluster goes to.
        running: String,
        /// The version asked for.
        asked: String,
    },
    /// A lower version.
    #[error(
        "the cluster runs {running}, {asked} is older; Kubernetes cannot go back, keep {running}"
    )]
    Downgrade {
        /// The version that runs.
        running: String,
        /// The version asked for.
        asked: String,
    },
    /// More than one minor version at once.
    #[error(
        "the cluster runs {running}, {asked} is asked for; upgrade one minor version at a time, \
         first to a version {next}"
    )]
    SkipsMinor {
        /// The version that runs.
        running: String,
        /// The version asked for.
        asked: String,
        /// The next minor version, such as `v1.28`.
        next: String,
    },
    /// Workers of another version than the control plane.
    #[error(
        "worker pool {pool:?} asks for {asked}, the control plane for {control_plane}; \
         give all of them the same version"
    )]
    WorkerVersion {
        /// Name of the pool.
        pool: String,
        /// Its version.
        asked: String,
        /// The control plane's.
        control_plane: String,
    },
    /// A template that holds another version than the one asked for.
    #[error(
        "{owner:?} asks for {asked}, but its template {template:?} holds {held}; \
         choose the template of the version"
    )]
    TemplateVersion {
        /// Pool or control plane.
        owner: String,
        /// The version asked for.
        asked: String,
        /// Name of the template.
        template: String,
        /// The version in the template's name.
        held: String,
    },
    /// A template nobody has.
    #[error(
        "{owner:?} asks for template {template:?} of catalog {catalog:?}, which does not exist or is not \
         visible to the cluster's author; upload it into this catalog, or choose one that is there"
    )]
    TemplateMissing {
        /// Pool or control plane.
        owner: String,
        /// Catalog.
        catalog: String,
        /// Name of the template.
        template: String,
    },
    /// `TKGVERSION` or the release label do not fit.
    #[error("the Cluster document has {field} {found:?}; expected {expected}")]
    Release {
        /// Annotation or label.
        field: &'static str,
        /// What is there, cut.
        found: String,
        /// What belongs there.
        expected: String,
    },
    /// A field that cannot change any more.
    #[error(
        "{}{what} is {running:?} and cannot be changed, {asked:?} is asked for; set it back to {running:?}",
        .pool.as_ref().map(|pool| format!("pool {pool:?}: ")).unwrap_or_default()
    )]
    Immutable {
        /// Pool or control plane, if it is about one.
        pool: Option<String>,
        /// Which field, in words.
        what: &'static str,
        /// What runs.
        running: String,
        /// What is asked for, cut.
        asked: String,
    },
}

impl Violation {
    /// Every name an error about an edit can have.
    pub const NAMES: [&'static str; 13] = [
        "CapiYamlUnreadable",
        "CapiYamlInvalid",
        "ControlPlaneCountInvalid",
        "NoWorkerLeft",
        "WorkerPoolRepeated",
        "UpgradeUnderWay",
        "DowngradeRefused",
        "UpgradeSkipsMinorVersion",
        "WorkerVersionDiffers",
        "TemplateVersionDiffers",
        "TemplateNotFound",
        "ReleaseDiffers",
        "ImmutableFieldChanged",
    ];

    /// The error's stable name in `errorSet`; one of [`Self::NAMES`].
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Invalid(
                SpecProblem::YamlMissing
                | SpecProblem::YamlTooLarge { .. }
                | SpecProblem::YamlUnreadable { .. },
            ) => "CapiYamlUnreadable",
            Self::Invalid(SpecProblem::ControlPlaneCount { .. }) => "ControlPlaneCountInvalid",
            Self::Invalid(SpecProblem::AllPoolsEmpty | SpecProblem::NoPools)
            | Self::NoWorkerLeft => "NoWorkerLeft",
            Self::Invalid(_) => "CapiYamlInvalid",
            Self::PoolRepeated(_) => "WorkerPoolRepeated",
            Self::UpgradeUnderWay { .. } => "UpgradeUnderWay",
            Self::Downgrade { .. } => "DowngradeRefused",
            Self::SkipsMinor { .. } => "UpgradeSkipsMinorVersion",
            Self::WorkerVersion { .. } => "WorkerVersionDiffers",
            Self::TemplateVersion { .. } => "TemplateVersionDiffers",
            Self::TemplateMissing { .. } => "TemplateNotFound",
            Self::Release { .. } => "ReleaseDiffers",
            Self::Immutable { .. } => "ImmutableFieldChanged",
        }
    }

    /// The pool it is about, if it is about one.
    pub fn pool(&self) -> Option<&str> {
        match self {
            Self::PoolRepeated(pool) | Self::WorkerVersion { pool, .. } => Some(pool),
            Self::TemplateVersion { owner, .. } | Self::TemplateMissing { owner, .. } => {
                Some(owner)
            }
            Self::Immutable { pool, .. } => pool.as_deref(),
            Self::Invalid(_)
            | Self::NoWorkerLeft
            | Self::UpgradeUnderWay { .. }
            | Self::Downgrade { .. }
            | Self::SkipsMinor { .. }
            | Self::Release { .. } => None,
        }
    }

    /// A template that was looked for in VCD and is not there.
    pub fn template_missing(owner: &str, catalog: &str, template: &str) -> Self {
        Self::TemplateMissing {
            owner: excerpt(owner),
            catalog: excerpt(catalog),
            template: excerpt(template),
        }
    }
}

/// Whether a problem of the request concerns a cluster that runs.
pub(super) fn concerns(problem: &SpecProblem, running: &RunningCluster) -> bool {
    match problem {
        SpecProblem::YamlMissing
        | SpecProblem::YamlTooLarge { .. }
        | SpecProblem::YamlUnreadable { .. }
        | SpecProblem::NoObject { .. }
        | SpecProblem::DocumentMissing { .. }
        | SpecProblem::DocumentRepeated { .. }
        | SpecProblem::FieldMissing { .. }
        | SpecProblem::FieldInvalid { .. }
        | SpecProblem::NameMismatch { .. }
        | SpecProblem::ControlPlaneCount { .. }
        | SpecProblem::NoPools
        | SpecProblem::AllPoolsEmpty
        | SpecProblem::PoolTooLarge { .. }
        | SpecProblem::AutoscalerRange { .. }
        | SpecProblem::TemplateMissing { .. }
        | SpecProblem::DiskSize { .. } => true,
        // The name of a pool that runs has proven itself.
        SpecProblem::NameInvalid { what, name } => {
            *what == "worker pool" && running.pool(name).is_none()
        }
        SpecProblem::FileSystem { .. }
        | SpecProblem::RangeInvalid { .. }
        | SpecProblem::RangeOverlap { .. }
        | SpecProblem::RangeReserved { .. }
        | SpecProblem::TokenMissing => false,
    }
}
