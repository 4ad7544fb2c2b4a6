//! Records of the query service: what a search by name gives back.
//!
//! Invariants:
//! - A record without a usable `href` is an error, never silently left out: an absent name decides
//!   whether something is created.
//!
//! Source: VCD API 37.2, `GET /api/query`, record format; admin records for provider sessions.

use serde::Deserialize;

/// One page of records; which kinds it holds depends on the type asked for.
#[derive(Deserialize)]
pub(in crate::vcd) struct Records {
    /// Records of the whole result.
    #[serde(rename = "@total", default)]
    pub(in crate::vcd) total: u64,
    #[serde(rename = "OrgVdcRecord", alias = "AdminVdcRecord", default)]
    pub(in crate::vcd) vdcs: Vec<Record>,
    #[serde(
        rename = "VAppTemplateRecord",
        alias = "AdminVAppTemplateRecord",
        default
    )]
    pub(in crate::vcd) templates: Vec<Record>,
    #[serde(rename = "DiskRecord", alias = "AdminDiskRecord", default)]
    pub(in crate::vcd) disks: Vec<Record>,
    #[serde(rename = "VAppRecord", alias = "AdminVAppRecord", default)]
    pub(in crate::vcd) vapps: Vec<Record>,
}

/// The attributes that are read, of any kind of record.
#[derive(Deserialize)]
pub(in crate::vcd) struct Record {
    #[serde(rename = "@href")]
    pub(in crate::vcd) href: String,
    #[serde(rename = "@name")]
    pub(in crate::vcd) name: String,
    /// Of a template: the catalog it is in.
    #[serde(rename = "@catalogName", default)]
    pub(in crate::vcd) catalog: String,
    /// Of a VDC: the name of its organization.
    #[serde(rename = "@orgName", default)]
    pub(in crate::vcd) org: String,
    /// Of a disk; not every version shows it.
    #[serde(rename = "@description")]
    pub(in crate::vcd) description: Option<String>,
    /// Of a disk; it says nothing about which VM.
    #[serde(rename = "@isAttached", default)]
    pub(in crate::vcd) attached: bool,
}
