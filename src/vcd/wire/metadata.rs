//! `<Metadata>` as it is read, and `<MetadataValue>` as it is written.
//!
//! Source: VCD API 37.2, `{object}/metadata`; an entry without a domain is in GENERAL.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::xml::VCLOUD;

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The domain every tenant may write to.
const GENERAL: &str = "GENERAL";

#[derive(Deserialize)]
pub(in crate::vcd) struct Metadata {
    #[serde(rename = "MetadataEntry", default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "Domain")]
    domain: Option<Domain>,
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "TypedValue")]
    value: TypedValue,
}

#[derive(Deserialize)]
struct Domain {
    #[serde(rename = "$text", default)]
    name: String,
}

#[derive(Deserialize)]
struct TypedValue {
    #[serde(rename = "Value", default)]
    value: String,
}

impl Metadata {
    /// The entries of the domain GENERAL.
    pub(in crate::vcd) fn into_general(self) -> BTreeMap<String, String> {
        let entries = self.entries.into_iter();
        let general = entries.filter(|entry| {
            let domain = entry.domain.as_ref();
            domain.is_none_or(|domain| domain.name.trim() == GENERAL)
        });
        general
            .map(|entry| (entry.key, entry.value.value))
            .collect()
    }
}

#[derive(Serialize)]
pub(in crate::vcd) struct MetadataValue<'a> {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(rename = "@xmlns:xsi")]
    xmlns_xsi: &'static str,
    #[serde(rename = "TypedValue")]
    typed: TypedText<'a>,
}

#[derive(Serialize)]
struct TypedText<'a> {
    #[serde(rename = "@xsi:type")]
    kind: &'static str,
    #[serde(rename = "Value")]
    value: &'a str,
}

impl<'a> MetadataValue<'a> {
    /// A text.
    pub(in crate::vcd) fn text(value: &'a str) -> Self {
        Self {
            xmlns: VCLOUD,
            xmlns_xsi: XSI,
            typed: TypedText {
                kind: "MetadataStringValue",
                value,
            },
        }
    }
}
