//! Documents as VCD spells them: serde structs for JSON and XML, and the XML that must survive untouched.
//!
//! Flow: bytes of an answer -> wire struct -> `vcd::model`; arguments -> wire struct -> request body.
//!
//! Invariants:
//! - Reading ignores namespace prefixes and unknown elements; writing always declares the namespaces.
//! - Escaping is done by quick-xml and `serde_json` alone; no text is pasted into a document.
//! - No wire struct has `Debug`: documents carry tokens and user data.
//! - Nesting is bounded by the parsers (128 levels), size by the caller's limits; document types and
//!   their entities are refused, never expanded.
//!
//! Source: VCD `OpenAPI` and vCloud API 37.2; shapes checked against go-vcloud-director and CAPVCD.

pub(super) mod compose;
pub(super) mod disk;
pub(super) mod entity;
pub(super) mod fault;
pub(super) mod inventory;
pub(super) mod metadata;
pub(super) mod network;
pub(super) mod query;
pub(super) mod rewrite;
pub(super) mod task;
pub(super) mod uplink;
pub(super) mod vapp;
pub(super) mod xml;
