//! Metadata of vApps, VMs, templates and disks: typed values by domain and key.
//!
//! Invariants:
//! - A value is one of VCD's four types, and what it holds is of that type.
//! - Tenants write to the domain GENERAL only, where everything is READWRITE; of SYSTEM they read what is
//!   READONLY, and never learn of what is PRIVATE.
//!
//! Source: VCD API, `{object}/metadata/`; CAPVCD marks its vApp with the key `CapvcdInfraId`.

use http::Method;

use super::Desk;
use super::access::{refused, require};
use super::document::link;
use super::machine::{Metadata, MetadataValue};
use super::operations::{Change, Kind, Operation};
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::{Reference, Starter};
use crate::sim::xml::{Element, XSI};

/// The domain every tenant may write to.
const GENERAL: &str = "GENERAL";
const SYSTEM: &str = "SYSTEM";
const METADATA: &str = "vnd.vmware.vcloud.metadata+xml";
const VALUE: &str = "vnd.vmware.vcloud.metadata.value+xml";

/// The object whose metadata is asked for.
pub(crate) struct Object {
    /// Bare UUID.
    pub(crate) uuid: String,
    /// Whether a change may start now.
    pub(crate) free: Result<(), Problem>,
    /// Demanded for a change.
    pub(crate) right: &'static str,
    pub(crate) values: Metadata,
    pub(crate) owner: Reference,
}

type Entry = ((String, String), Option<MetadataValue>);

/// Longest key.
const MAX_KEY_CHARS: usize = 256;

/// Answers requests below `{object}/metadata`.
pub(crate) fn handle(
    desk: &mut Desk<'_, '_>,
    object: Object,
    path: &[&str],
) -> Result<Reply, Problem> {
    let provider = desk.call.principal.provider;
    let shown = |value: &MetadataValue| provider || value.visibility != "PRIVATE";
    if desk.call.method == Method::GET {
        let mut object = object;
        object.values.retain(|_, value| shown(value));
        return read(desk, &object, path);
    }
    let entries = match (desk.call.method, path) {
        (&Method::POST, []) => merged(&desk.call.document("Metadata")?)?,
        (&Method::PUT, [rest @ .., key]) => {
            let domain = domain(rest)?;
            let value = value(&domain, &desk.call.document("MetadataValue")?)?;
            vec![(entry_key(&domain, key)?, Some(value))]
        }
        (&Method::DELETE, [rest @ .., key]) => {
            let known = (domain(rest)?, (*key).to_owned());
            if !object.values.get(&known).is_some_and(shown) {
                return Err(refused("Base", "METADATA_VIEW", key));
            }
            vec![(known, None)]
        }
        _ => return Err(Problem::wrong_method()),
    };
    write(desk, object, entries)
}

fn write(desk: &mut Desk<'_, '_>, object: Object, entries: Vec<Entry>) -> Result<Reply, Problem> {
    require(desk.call, object.right, "VAPP_METADATA_EDIT", &object.uuid)?;
    if entries.iter().any(|((domain, _), _)| domain == SYSTEM) && !desk.call.principal.provider {
        return Err(refused(
            "General: Administrator Control",
            "METADATA_SYSTEM_EDIT",
            &object.uuid,
        ));
    }
    object.free?;
    let operation = Operation {
        kind: Kind {
            name: "metadataUpdate",
            busy_name: "METADATA_UPDATE",
            verb: "Updating metadata for",
            takes: desk.ctx.timings.reconfigure,
        },
        starter: &Starter::of(desk.call),
        owner: object.owner,
        holds: vec![object.uuid.clone()],
        change: Change::Metadata {
            object: object.uuid,
            entries,
        },
    };
    let task = desk.infra.submit(operation, desk.ctx);
    Ok(desk.accepted(&task))
}

fn read(desk: &Desk<'_, '_>, object: &Object, path: &[&str]) -> Result<Reply, Problem> {
    let version = desk.call.version;
    let Some((key, rest)) = path.split_last() else {
        let href = format!("{}/metadata", object.owner.href);
        let entries = object
            .values
            .iter()
            .map(|((domain, key), value)| entry(&href, (domain, key), value));
        let root = Element::root("Metadata")
            .attr("xmlns:xsi", XSI)
            .attr("href", &href)
            .attr("type", format!("application/{METADATA}"))
            .child(link("up", &object.owner.href, None))
            .child(link("add", &href, Some(METADATA)))
            .children(entries);
        return Ok(Reply::xml(200, version, METADATA, root.document()));
    };
    let domain = domain(rest)?;
    let found = object.values.get(&(domain.clone(), (*key).to_owned()));
    let found = found.ok_or_else(|| refused("Base", "METADATA_VIEW", key))?;
    let shown = Element::leaf("Domain", &domain).attr("visibility", &found.visibility);
    let root = Element::root("MetadataValue")
        .attr("xmlns:xsi", XSI)
        .attr("type", format!("application/{VALUE}"))
        .child(shown)
        .child(typed(found));
    Ok(Reply::xml(200, version, VALUE, root.document()))
}

fn entry(href: &str, (domain, key): (&str, &str), value: &MetadataValue) -> Element {
    let prefix = if domain == GENERAL { "" } else { "SYSTEM/" };
    let href = format!("{href}/{prefix}{key}");
    let links = [
        link("edit", &href, Some(VALUE)),
        link("remove", &href, None),
    ];
    Element::new("MetadataEntry")
        .attr("href", &href)
        .attr("type", format!("application/{VALUE}"))
        .children(links)
        .child(Element::leaf("Domain", domain).attr("visibility", &value.visibility))
        .child(Element::leaf("Key", key))
        .child(typed(value))
}

fn typed(value: &MetadataValue) -> Element {
    Element::new("TypedValue")
        .attr("xsi:type", &value.kind)
        .child(Element::leaf("Value", &value.value))
}

fn domain(path: &[&str]) -> Result<String, Problem> {
    match path {
        [] => Ok(GENERAL.to_owned()),
        [one @ ("GENERAL" | "SYSTEM")] => Ok((*one).to_owned()),
        _ => Err(Problem::no_such_url()),
    }
}

fn entry_key(domain: &str, key: &str) -> Result<(String, String), Problem> {
    if key.is_empty() || key.chars().count() > MAX_KEY_CHARS {
        return Err(Problem::bad_request(format!(
            "A metadata key must have between 1 and {MAX_KEY_CHARS} characters."
        )));
    }
    Ok((domain.to_owned(), key.to_owned()))
}

/// The typed value inside `holder`, with the visibility of its `Domain`.
fn value(domain: &str, holder: &Element) -> Result<MetadataValue, Problem> {
    let typed = holder.get("TypedValue");
    let typed = typed.ok_or_else(|| Problem::bad_request("The metadata has no TypedValue."))?;
    let kind = typed.attribute("type").unwrap_or("MetadataStringValue");
    let kind = kind.rsplit(':').next().unwrap_or_default();
    let text = typed.text_of("Value").unwrap_or_default();
    let fits = match kind {
        "MetadataStringValue" => true,
        "MetadataNumberValue" => text.parse::<i64>().is_ok(),
        "MetadataBooleanValue" => ["true", "false", "1", "0"].contains(&text),
        "MetadataDateTimeValue" => text.parse::<jiff::Timestamp>().is_ok(),
        _ => {
            return Err(Problem::bad_request(format!(
                "The type \"{kind}\" is no type of metadata."
            )));
        }
    };
    if !fits {
        return Err(Problem::bad_request(format!(
            "The value \"{text}\" is no {kind}."
        )));
    }
    let tag = holder
        .get("Domain")
        .and_then(|tag| tag.attribute("visibility"));
    let visibility = tag.filter(|text| !text.is_empty()).unwrap_or("READWRITE");
    let permitted: &[&str] = if domain == GENERAL {
        &["READWRITE"]
    } else {
        &["READWRITE", "READONLY", "PRIVATE"]
    };
    if !permitted.contains(&visibility) {
        // VCD's own words for it, which clients recognise by their end.
        return Err(Problem::new(500, "INTERNAL_SERVER_ERROR", "visibility"));
    }
    Ok(MetadataValue {
        kind: kind.to_owned(),
        value: text.to_owned(),
        visibility: visibility.to_owned(),
    })
}

fn merged(body: &Element) -> Result<Vec<Entry>, Problem> {
    let entries = body.all("MetadataEntry").map(|entry| {
        let domain = entry.text_of("Domain").filter(|text| !text.is_empty());
        let domain = domain.unwrap_or(GENERAL);
        if ![GENERAL, SYSTEM].contains(&domain) {
            return Err(Problem::bad_request(format!(
                "The domain \"{domain}\" does not exist."
            )));
        }
        let key = entry_key(domain, entry.text_of("Key").unwrap_or_default())?;
        Ok((key, Some(value(domain, entry)?)))
    });
    entries.collect()
}
