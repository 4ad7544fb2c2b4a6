//! The JSON form of the legacy API: the same trees, with attributes and children as members.
//!
//! Flow: a handler answers XML; when the caller accepts JSON only, [`adapt`] reads it back and renders it.
//!
//! Invariants:
//! - Names begin with a small letter; declarations of namespaces are left out.
//! - What may occur several times is an array even when it occurs once; records of a query are `record`.
//! - OVF sections of a vApp, VM or template stand in one array `section`, told apart by `_type`.
//! - Texts that people write stay texts, whatever they look like; other values are numbers and booleans
//!   where they can be.
//!
//! Not here: tasks, which have a form of their own (`sim::task_api`).
//! Source: VCD API, media type `application/*+json`: scripts ask queries, VMs and vApps so; CSE 3 writes
//! `controlAccess` of a vApp so, and everything else in XML.

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::{Element, local};
use crate::sim::call::ApiVersion;
use crate::sim::reply::Reply;

/// Elements that may be repeated.
const LISTS: [&str; 33] = [
    "CatalogItem",
    "DiskSettings",
    "ExtraConfig",
    "IpRange",
    "IpScope",
    "Item",
    "Link",
    "MediaSettings",
    "MetadataEntry",
    "Network",
    "NetworkConfig",
    "NetworkConnection",
    "Org",
    "ProductSection",
    "Property",
    "ResourceEntity",
    "SupportedHardwareVersion",
    "Task",
    "User",
    "Vdc",
    "VdcStorageProfile",
    "VersionInfo",
    "Vm",
    "VmReference",
    "VAppReference",
    "VMReference",
    "DiskReference",
    "OrgReference",
    "CatalogReference",
    "VAppTemplateReference",
    "OrgVdcReference",
    "RoleReference",
    "UserReference",
];
/// Members that are texts, whatever they look like.
const TEXTS: [&str; 18] = [
    "name",
    "value",
    "key",
    "description",
    "fullName",
    "displayName",
    "computerName",
    "customizationScript",
    "message",
    "script",
    "containerName",
    "networkName",
    "ownerName",
    "objectName",
    "catalogName",
    "busType",
    "adapterType",
    "diskId",
];
/// Documents whose OVF sections are gathered.
const SECTIONED: [&str; 3] = ["VApp", "Vm", "VAppTemplate"];
/// The exception: it is no OVF section but a member of its own.
const OWN_SECTION: &str = "VmSpecSection";

/// Whether a caller wants JSON and would not understand XML.
pub(crate) fn wanted(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter();
    let accepts: Vec<&str> = accepts.filter_map(|accept| accept.to_str().ok()).collect();
    accepts.iter().any(|accept| accept.contains("+json"))
        && !accepts.iter().any(|accept| accept.contains("xml"))
}

/// The answer in the form that the caller of `/api` wants.
pub(crate) fn adapt(headers: &HeaderMap, version: ApiVersion, reply: Reply) -> Reply {
    if !wanted(headers) {
        return reply;
    }
    let media = reply
        .headers
        .iter()
        .find(|(name, _)| *name == "content-type");
    let media = media.and_then(|(_, media)| media.strip_prefix("application/"));
    let Some((kind, _)) = media.and_then(|media| media.split_once("+xml")) else {
        return reply;
    };
    let Ok(root) = Element::parse_own(&reply.body) else {
        return reply;
    };
    let mut members = Map::new();
    members.insert("otherAttributes".to_owned(), Value::Object(Map::new()));
    if let Value::Object(rest) = value(&root) {
        members.extend(rest);
    }
    let mut adapted = Reply::json(reply.status, version, &Value::Object(members));
    for header in &mut adapted.headers {
        if header.0 == "content-type" {
            header.1 = format!("application/{kind}+json;version={version}");
        }
    }
    let others = reply.headers.into_iter();
    adapted
        .headers
        .extend(others.filter(|(name, _)| *name != "content-type"));
    adapted
}

/// A document out of its JSON form, with the root `name`.
///
/// Every plain member becomes an attribute and a child: JSON does not tell which of both it is.
pub(crate) fn document(name: &str, value: &Value) -> Element {
    let mut element = Element::new(name);
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                grow(&mut element, key, value);
            }
        }
        Value::Null | Value::Array(_) => {}
        plain @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            element.text = text(plain);
        }
    }
    element
}

fn grow(element: &mut Element, key: &str, value: &Value) {
    let mut letters = key.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let name: String = first.chain(letters).collect();
    match value {
        Value::Null => {}
        Value::Array(items) => {
            let items = items.iter().map(|item| document(&name, item));
            element.children.extend(items);
        }
        Value::Object(_) => element.children.push(document(&name, value)),
        plain @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            element.attributes.push((key.to_owned(), text(plain)));
            element.children.push(Element::leaf(&name, text(plain)));
        }
    }
}

fn text(plain: &Value) -> String {
    let text = plain.as_str().map(str::to_owned);
    text.unwrap_or_else(|| plain.to_string())
}

fn value(element: &Element) -> Value {
    let attributes: Vec<(&str, &str)> = element
        .attributes
        .iter()
        .filter(|(key, _)| key != "xmlns" && !key.starts_with("xmlns:"))
        .map(|(key, text)| (local(key), text.as_str()))
        .collect();
    let name = member(element.local_name());
    if attributes.is_empty() && element.children.is_empty() {
        return scalar(&name, element.text());
    }
    let mut members = Map::new();
    for (key, text) in attributes {
        let key = if key == "type" && element.local_name() == "TypedValue" {
            "_type".to_owned()
        } else {
            member(key)
        };
        let text = media(&key, text);
        members.insert(key.clone(), scalar(&key, &text));
    }
    if element.children.is_empty() && !element.text().is_empty() {
        members.insert("value".to_owned(), scalar(&name, element.text()));
    }
    for child in &element.children {
        add(element, child, &mut members);
    }
    Value::Object(members)
}

fn add(parent: &Element, child: &Element, members: &mut Map<String, Value>) {
    let name = child.local_name();
    let sectioned = SECTIONED.contains(&parent.local_name());
    let mut shown = value(child);
    let (key, list) = if name.ends_with("Record") {
        if let Value::Object(record) = &mut shown {
            let kind = format!("QueryResult{name}Type");
            record.insert("_type".to_owned(), Value::String(kind));
        }
        ("record".to_owned(), true)
    } else if sectioned && name.ends_with("Section") && name != OWN_SECTION {
        if let Value::Object(section) = &mut shown {
            let kind = format!("{name}Type");
            section.insert("_type".to_owned(), Value::String(kind));
        }
        ("section".to_owned(), true)
    } else {
        (member(name), LISTS.contains(&name))
    };
    match members.get_mut(&key) {
        Some(Value::Array(there)) => there.push(shown),
        Some(there) => *there = Value::Array(vec![there.take(), shown]),
        None if list => {
            members.insert(key, Value::Array(vec![shown]));
        }
        None => {
            members.insert(key, shown);
        }
    }
}

/// The name of a member: its first letter is small.
fn member(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Media types inside the document are those of its own form.
fn media(key: &str, text: &str) -> String {
    if key == "type" {
        text.replace("+xml", "+json")
    } else {
        text.to_owned()
    }
}

fn scalar(key: &str, text: &str) -> Value {
    let plain = || Value::String(text.to_owned());
    if TEXTS.contains(&key) {
        return plain();
    }
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match text.parse::<i64>() {
            // Texts such as 007 are no numbers.
            Ok(number) if number.to_string() == text => Value::from(number),
            _ => plain(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_links_and_sections_become_arrays_and_names_stay_texts() {
        let text = br#"<VApp xmlns="x" xmlns:ovf="y" name="12" status="8" deployed="false">
            <Link rel="up" type="application/a+xml"/><Description>1</Description>
            <NetworkConfigSection ovf:required="false"><ovf:Info>i</ovf:Info></NetworkConfigSection>
            <VMRecord name="a"/></VApp>"#;
        let shown = Element::parse(text).map(|root| value(&root));
        assert_eq!(
            shown,
            Ok(json!({
                "name": "12", "status": 8, "deployed": false,
                "link": [{"rel": "up", "type": "application/a+json"}],
                "description": "1",
                "section": [{"required": false, "info": "i", "_type": "NetworkConfigSectionType"}],
                "record": [{"name": "a", "_type": "QueryResultVMRecordType"}],
            }))
        );
    }
}
