//! Metadata of vApps and VMs: typed values by domain and key.
//!
//! Source: VCD API, `{object}/metadata/`; CAPVCD marks its vApp with the key `CapvcdInfraId`.

use http::Method;

use super::Desk;
use super::access::{refused, require};
use super::machine::{Metadata, MetadataValue};
use super::operations::{Change, Kind, Operation};
use crate::sim::call::Call;
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::{Reference, Starter};
use crate::sim::xml::{Element, XSI};

/// The domain every tenant may write to.
const GENERAL: &str = "GENERAL";
const SYSTEM: &str = "SYSTEM";

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

/// Answers requests below `{object}/metadata`.
pub(crate) fn handle(
    desk: &mut Desk<'_, '_>,
    object: Object,
    path: &[&str],
) -> Result<Reply, Problem> {
    if desk.call.method == Method::GET {
        return read(desk.call, &object, path);
    }
    let entries = match (desk.call.method, path) {
        (&Method::POST, []) => merged(&Element::parse(desk.call.body)?)?,
        (&Method::PUT, [rest @ .., key]) => {
            let value = value(&Element::parse(desk.call.body)?)?;
            vec![((domain(rest)?, (*key).to_owned()), Some(value))]
        }
        (&Method::DELETE, [rest @ .., key]) => {
            let known = (domain(rest)?, (*key).to_owned());
            if !object.values.contains_key(&known) {
                return Err(refused("Base", "METADATA_VIEW", key));
            }
            vec![(known, None)]
        }
        _ => return Err(Problem::no_such_url()),
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

fn read(call: &Call<'_>, object: &Object, path: &[&str]) -> Result<Reply, Problem> {
    let Some((key, rest)) = path.split_last() else {
        let entries = object.values.iter().map(|((domain, key), value)| {
            Element::new("MetadataEntry")
                .child(Element::leaf("Domain", domain).attr("visibility", "READWRITE"))
                .child(Element::leaf("Key", key))
                .child(typed(value))
        });
        let root = Element::root("Metadata")
            .attr("xmlns:xsi", XSI)
            .children(entries);
        return Ok(Reply::xml(
            200,
            call.version,
            "vnd.vmware.vcloud.metadata+xml",
            root.document(),
        ));
    };
    let found = object.values.get(&(domain(rest)?, (*key).to_owned()));
    let found = found.ok_or_else(|| refused("Base", "METADATA_VIEW", key))?;
    let root = Element::root("MetadataValue")
        .attr("xmlns:xsi", XSI)
        .child(typed(found));
    Ok(Reply::xml(
        200,
        call.version,
        "vnd.vmware.vcloud.metadata.value+xml",
        root.document(),
    ))
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

fn value(holder: &Element) -> Result<MetadataValue, Problem> {
    let typed = holder.get("TypedValue");
    let typed = typed.ok_or_else(|| Problem::bad_request("The metadata has no TypedValue."))?;
    Ok(MetadataValue {
        kind: typed
            .attribute("type")
            .unwrap_or("MetadataStringValue")
            .to_owned(),
        value: typed.text_of("Value").unwrap_or_default().to_owned(),
        visibility: "READWRITE".to_owned(),
    })
}

fn merged(body: &Element) -> Result<Vec<Entry>, Problem> {
    let entries = body.all("MetadataEntry").map(|entry| {
        let domain = entry.text_of("Domain").unwrap_or(GENERAL).to_owned();
        let key = entry.text_of("Key").filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Problem::bad_request("A metadata entry has no Key."))?;
        Ok(((domain, key.to_owned()), Some(value(entry)?)))
    });
    entries.collect()
}
