//! A ready-made site: provider, tenants with what they build on, and the requests clients send.
//!
//! Flow: `seed_site` once, `seed_config`, then `seed_tenant` per organization; `create_cluster` sends
//! what Terraform sends, through the API.
//!
//! Invariants:
//! - Rights, types and names are those a CSE 4.2 set-up leaves behind; no role holds more.
//! - Everything comes from the world's seed: the same calls give the same ids and tokens.
//!
//! Source: CSE 4.2 set-up guide of the Terraform provider for VCD.

mod capi_yaml;
mod config;
mod edits;
mod idle;
mod network;
mod offer;
mod payload;
mod site;
mod templates;
mod tenant;

use jiff::Timestamp;

pub use super::infra::site::VdcLimits;
pub use config::default_config;
pub use edits::ClusterEdit;
pub use payload::{ClusterRequest, CseShape, cluster_payload};
pub use site::SiteAccess;
pub(crate) use site::{ADMINISTRATOR, SERVICE_USER};
pub(crate) use templates::DEFAULT_IMAGE;
pub use templates::{TKG_IMAGES, TkgImage};
pub(crate) use tenant::DEFAULT_CATALOG;
pub use tenant::Tenant;

/// Date of everything that was there before the simulation began: 2026-01-01T00:00:00Z.
const SEEDED_AT: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Characters of a seeded API token; VCD's own have 32 and more.
const TOKEN_CHARS: usize = 40;
