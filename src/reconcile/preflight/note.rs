//! What preflight finds odd without refusing it: told to the operator, who chose the versions.

use super::words::Quoted;

/// Something unusual that may work all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreflightNote {
    /// Outside of what Cluster API was tested with.
    #[error(
        "Kubernetes {version} is outside of what Cluster API {cluster_api} of the server's configuration was \
         tested with, 1.{oldest} to 1.{newest}; the creation goes on"
    )]
    KubernetesUntested {
        /// As asked for.
        version: Quoted,
        /// As configured.
        cluster_api: Quoted,
        /// Oldest minor release.
        oldest: u32,
        /// Newest minor release.
        newest: u32,
    },
    /// An image that clients do not know.
    #[error(
        "template {name} is TKG image {version}, which clients of this release do not know; the creation goes on"
    )]
    ImageUnknown {
        /// Name of the template.
        name: Quoted,
        /// Its `VERSION`.
        version: Quoted,
    },
}
