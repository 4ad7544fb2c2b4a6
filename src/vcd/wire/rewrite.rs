//! Documents that go back to VCD as they came, with one thing added.
//!
//! A VM's hardware and a vApp's networks are replaced by what a request says. Anything left out is
//! removed, so what is not understood here has to survive: the parts are copied byte for byte.
//!
//! Invariants:
//! - Copied parts keep their prefixes, and the declarations these need are copied along.
//! - Added elements declare their own namespaces, whatever prefixes VCD chose.
//! - A document type is refused: its entities would mean something else in the request.
//!
//! Source: VCD API 37.2, `reconfigureVm` and `networkConfigSection`; request shape of CAPVCD.

use std::ops::Range;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::xml::{OVF, VCLOUD, VMW};

/// Why a document cannot be rewritten; quotes none of it.
type Problem = String;

/// One step through a document: the event, where it is, and how deep.
struct Step<'a> {
    event: Event<'a>,
    at: Range<usize>,
    /// Elements around it.
    depth: usize,
}

/// Walks a document and knows the position of everything in it.
struct Walk<'a> {
    document: &'a str,
    reader: Reader<&'a [u8]>,
    depth: usize,
}

impl<'a> Walk<'a> {
    fn new(document: &'a str) -> Self {
        Self {
            document,
            reader: Reader::from_str(document),
            depth: 0,
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn step(&mut self) -> Result<Step<'a>, Problem> {
        let from = self.position();
        let event = self
            .reader
            .read_event()
            .map_err(|error| error.to_string())?;
        if matches!(event, Event::DocType(_)) {
            return Err("a document type is not accepted".to_owned());
        }
        if matches!(event, Event::End(_)) {
            self.depth = self.depth.saturating_sub(1);
        }
        let depth = self.depth;
        if matches!(event, Event::Start(_)) {
            self.depth += 1;
        }
        Ok(Step {
            event,
            at: from..self.position(),
            depth,
        })
    }

    /// Skips the rest of the element that `start` began and gives all of it as text.
    fn rest_of(&mut self, start: &BytesStart<'_>, from: usize) -> Result<&'a str, Problem> {
        self.reader
            .read_to_end(start.name())
            .map_err(|error| error.to_string())?;
        self.depth = self.depth.saturating_sub(1);
        self.slice(from..self.position())
    }

    fn slice(&self, range: Range<usize>) -> Result<&'a str, Problem> {
        self.document
            .get(range)
            .ok_or_else(|| "positions do not fit the document".to_owned())
    }
}

/// The parts of a VM that a change of extra config repeats.
struct VmParts<'a> {
    root: BytesStart<'a>,
    description: &'a str,
    hardware_start: &'a str,
    hardware_end: String,
    hardware: Vec<&'a str>,
}

/// The request that adds `pairs` to the extra config of the VM that `document` shows.
///
/// Repeats the VM's name, its description, and of the hardware section `Info`, `System` and every
/// `Item`. Keys that are not mentioned keep their values, so existing extra config is left out.
pub(in crate::vcd) fn extra_config(
    document: &str,
    pairs: &[(&str, &str)],
) -> Result<String, Problem> {
    let parts = vm_parts(document)?;
    let mut text = String::with_capacity(document.len());
    text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let mut root = BytesStart::new(name_of(&parts.root));
    for attribute in parts.root.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let key = attribute.key.as_ref();
        if key == "xmlns" || key.starts_with("xmlns:") || key == "name" {
            root.push_attribute(attribute);
        }
    }
    push_tag(&mut text, &root, ">");
    text.push_str(parts.description);
    text.push_str(parts.hardware_start);
    for part in parts.hardware {
        text.push_str(part);
    }
    for (key, value) in pairs {
        let mut pair = BytesStart::new("vmw:ExtraConfig");
        pair.push_attribute(("xmlns:vmw", VMW));
        pair.push_attribute(("xmlns:ovf", OVF));
        pair.push_attribute(("ovf:required", "true"));
        pair.push_attribute(("vmw:key", *key));
        pair.push_attribute(("vmw:value", *value));
        push_tag(&mut text, &pair, "/>");
    }
    push_end(&mut text, &parts.hardware_end);
    push_end(&mut text, &name_of(&parts.root));
    Ok(text)
}

fn vm_parts(document: &str) -> Result<VmParts<'_>, Problem> {
    let mut walk = Walk::new(document);
    let root = loop {
        let step = walk.step()?;
        if let Event::Start(start) = step.event {
            if start.local_name().as_ref() == "Vm" {
                break start;
            }
            return Err("the document is no VM".to_owned());
        }
        if matches!(step.event, Event::Empty(_) | Event::Eof) {
            return Err("the document is no VM".to_owned());
        }
    };
    let mut description = "";
    loop {
        let step = walk.step()?;
        if let Event::Start(start) = &step.event {
            if start.local_name().as_ref() == "Description" {
                description = walk.rest_of(start, step.at.start)?;
            } else if start.local_name().as_ref() == "VirtualHardwareSection" {
                let hardware_start = walk.slice(step.at.clone())?;
                let hardware_end = name_of(start);
                let hardware = hardware_parts(&mut walk)?;
                return Ok(VmParts {
                    root,
                    description,
                    hardware_start,
                    hardware_end,
                    hardware,
                });
            } else {
                walk.rest_of(start, step.at.start)?;
            }
        } else if matches!(step.event, Event::End(_) | Event::Eof) {
            return Err("the VM has no hardware section".to_owned());
        }
    }
}

fn hardware_parts<'a>(walk: &mut Walk<'a>) -> Result<Vec<&'a str>, Problem> {
    let mut parts = Vec::new();
    loop {
        let step = walk.step()?;
        let keep = |start: &BytesStart<'_>| {
            matches!(start.local_name().as_ref(), "Info" | "System" | "Item")
        };
        if let Event::Start(start) = &step.event {
            let part = walk.rest_of(start, step.at.start)?;
            parts.extend(keep(start).then_some(part));
        } else if let Event::Empty(start) = &step.event {
            parts.extend(keep(start).then_some(walk.slice(step.at)?));
        } else if matches!(step.event, Event::End(_)) {
            return Ok(parts);
        } else if matches!(step.event, Event::Eof) {
            return Err("the hardware section does not end".to_owned());
        }
    }
}

/// The network section of `document` with an organization network added, bridged; unchanged if a
/// network of that name is there already.
pub(in crate::vcd) fn added_network(
    document: &str,
    name: &str,
    href: &str,
) -> Result<String, Problem> {
    let mut walk = Walk::new(document);
    let mut present = false;
    loop {
        let step = walk.step()?;
        if let Event::Start(start) | Event::Empty(start) = &step.event
            && step.depth == 1
        {
            present |= is_config_of(start, name)?;
        } else if let Event::Empty(root) = &step.event
            && step.depth == 0
        {
            let mut text = walk.slice(0..step.at.start)?.to_owned();
            push_tag(&mut text, root, ">");
            push_network(&mut text, name, href);
            push_end(&mut text, &name_of(root));
            return Ok(text);
        } else if matches!(step.event, Event::End(_)) && step.depth == 0 {
            let mut text = walk.slice(0..step.at.start)?.to_owned();
            if !present {
                push_network(&mut text, name, href);
            }
            text.push_str(walk.slice(step.at)?);
            return Ok(text);
        } else if matches!(step.event, Event::Eof) {
            return Err("the network section does not end".to_owned());
        }
    }
}

fn is_config_of(start: &BytesStart<'_>, name: &str) -> Result<bool, Problem> {
    if start.local_name().as_ref() != "NetworkConfig" {
        return Ok(false);
    }
    let attribute = start
        .try_get_attribute("networkName")
        .map_err(|error| error.to_string())?;
    let value = attribute.map(|attribute| attribute.normalized_value(XmlVersion::Implicit1_0));
    let value = value.transpose().map_err(|error| error.to_string())?;
    Ok(value.as_deref() == Some(name))
}

fn push_network(text: &mut String, name: &str, href: &str) {
    let mut config = BytesStart::new("NetworkConfig");
    config.push_attribute(("xmlns", VCLOUD));
    config.push_attribute(("networkName", name));
    push_tag(text, &config, "><Configuration>");
    let mut parent = BytesStart::new("ParentNetwork");
    parent.push_attribute(("href", href));
    parent.push_attribute(("name", name));
    push_tag(text, &parent, "/>");
    text.push_str(
        "<FenceMode>bridged</FenceMode>\
         <RetainNetInfoAcrossDeployments>false</RetainNetInfoAcrossDeployments></Configuration>\
         <IsDeployed>false</IsDeployed></NetworkConfig>",
    );
}

fn name_of(start: &BytesStart<'_>) -> String {
    start.name().as_ref().to_owned()
}

/// Writes `<name attributes` and `close`; the attributes are escaped already.
fn push_tag(text: &mut String, start: &BytesStart<'_>, close: &str) {
    text.push('<');
    text.push_str(start.name().as_ref());
    text.push_str(start.attributes_raw());
    text.push_str(close);
}

fn push_end(text: &mut String, name: &str) {
    text.push_str("</");
    text.push_str(name);
    text.push('>');
}
