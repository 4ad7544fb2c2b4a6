//! Request bodies into element trees.
//!
//! Invariants:
//! - Nesting and the number of elements are bounded; a document beyond that is refused as malformed.
//! - Entities other than the five of XML itself are refused, so no document grows while it is read.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::Element;
use crate::sim::reply::Problem;

/// Deepest nesting accepted; VCD's own documents stay below 15.
const MAX_DEPTH: usize = 64;
/// Most elements accepted in one body; a VM document has about 200.
const MAX_ELEMENTS: usize = 20_000;

impl Element {
    /// Reads a whole document.
    ///
    /// # Errors
    /// 400 `BAD_REQUEST`: no well-formed XML with one root, or beyond the limits.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        Self::parse_within(body, MAX_ELEMENTS)
    }

    /// Reads a document of our own making, however long.
    pub(crate) fn parse_own(document: &[u8]) -> Result<Self, Problem> {
        Self::parse_within(document, usize::MAX)
    }

    fn parse_within(body: &[u8], limit: usize) -> Result<Self, Problem> {
        let text = std::str::from_utf8(body).map_err(|cause| malformed(&cause))?;
        let mut reader = Reader::from_str(text);
        let mut tree = Tree {
            limit,
            ..Tree::default()
        };
        loop {
            match reader.read_event().map_err(|cause| malformed(&cause))? {
                Event::Start(start) => tree.open(element(&start)?)?,
                Event::Empty(start) => {
                    tree.open(element(&start)?)?;
                    tree.close();
                }
                Event::End(_) => tree.close(),
                Event::Text(content) => tree.append(&content.xml10_content()),
                Event::CData(content) => tree.append(&content.xml10_content()),
                Event::GeneralRef(reference) => tree.append(&resolve(&reference)?),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
                Event::Eof => break,
            }
        }
        match tree.root {
            Some(root) if tree.open.is_empty() => Ok(root),
            _ => Err(malformed(&"the document is not complete")),
        }
    }
}

#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    count: usize,
    limit: usize,
}

impl Tree {
    fn open(&mut self, element: Element) -> Result<(), Problem> {
        self.count += 1;
        if self.open.len() >= MAX_DEPTH || self.count > self.limit {
            return Err(malformed(&"the document is too large"));
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) {
        let Some(done) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(done),
            None => self.root = Some(done),
        }
    }

    fn append(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, Problem> {
    let mut element = Element::new(start.name().as_ref());
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|cause| malformed(&cause))?;
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|cause| malformed(&cause))?;
        element
            .attributes
            .push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, Problem> {
    match reference
        .resolve_char_ref()
        .map_err(|cause| malformed(&cause))?
    {
        Some(character) => Ok(character.to_string()),
        None => resolve_predefined_entity(reference)
            .map(str::to_owned)
            .ok_or_else(|| malformed(&"unknown entity")),
    }
}

fn malformed(cause: &impl ToString) -> Problem {
    Problem::bad_request(format!(
        "The request body is not valid XML: {}",
        cause.to_string()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undeclared_prefixes_are_tolerated() {
        let body = br#"<Vm><ovf:VirtualHardwareSection><vmw:ExtraConfig vmw:key="a" ns10:value="&lt;1"/></ovf:VirtualHardwareSection></Vm>"#;
        let pair = Element::parse(body).ok().and_then(|vm| {
            let config = vm.path(&["VirtualHardwareSection", "ExtraConfig"])?;
            Some((
                config.attribute("key")?.to_owned(),
                config.attribute("value")?.to_owned(),
            ))
        });
        assert_eq!(pair, Some(("a".to_owned(), "<1".to_owned())));
    }

    #[test]
    fn text_is_joined_over_references() {
        let name = Element::parse(b"<a><b>x &amp; y&#33;</b></a>")
            .ok()
            .and_then(|root| root.text_of("b").map(str::to_owned));
        assert_eq!(name.as_deref(), Some("x & y!"));
    }

    #[test]
    fn incomplete_and_deep_documents_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        for (name, body) in [
            ("cut", "<a><b>"),
            ("text", "no xml"),
            ("deep", deep.as_str()),
        ] {
            assert_eq!(
                Element::parse(body.as_bytes()).map_err(|p| p.status),
                Err(400),
                "{name}"
            );
        }
    }
}
