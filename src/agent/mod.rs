//! `cse-agent`: the small process inside each cluster that brings the entity's YAML into effect, so that
//! resizing and upgrading need no server.
//!
//! Flow: read the entity -> [`judge`] its documents -> look at the cluster -> [`plan`] each document ->
//! apply it by server-side apply -> remove what was switched off -> [`report`] into `status.projector`.
//!
//! Invariants:
//! - Level-based: everything a pass needs is read in the pass; what is remembered only saves requests and
//!   keeps an event from being told twice.
//! - Only kinds and names of [`kinds`] are ever touched, in the cluster's own namespace and, for the
//!   autoscaler, in `kube-system`. A Cluster, its infrastructure and its control plane are changed but never
//!   made and never deleted: an agent that lost its bearings cannot start or end a cluster.
//! - One field manager, `rdeProjector`, the name of the vendor's projector: fields that it set and the YAML
//!   dropped go with the first apply after a take-over, and the other way round. While the vendor's
//!   projector is installed the agent stands aside.
//! - A worker never gets a version that its control plane does not run yet.
//! - Two agents do no harm: both apply the same, and reports are conditional writes.
//!
//! Not here: what makes an edit acceptable (`domain::cluster`, `domain::edit`), the manifest of the agent
//! (`bootstrap::agent`), resizing as seen by the servers.
//! Source: CAPVCD, prototype of the RDE projector (2022); `status.projector` of `capvcdCluster` 1.3.0;
//! Kubernetes, server-side apply.

pub mod cli;
mod compare;
mod conflict;
pub mod credentials;
mod findings;
mod judge;
mod kinds;
pub mod kubernetes;
mod pass;
mod plan;
mod report;
pub mod run;

/// The field manager of everything that is applied, as the vendor's projector calls itself.
pub const FIELD_MANAGER: &str = "rdeProjector";
/// `status.projector.name`.
pub const NAME: &str = "cse-agent";
