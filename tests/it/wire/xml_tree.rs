//! Request bodies as a namespace-aware tree, so that tests look at the meaning and not at the text.

use std::collections::BTreeMap;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

pub(super) const VCLOUD: &str = "http://www.vmware.com/vcloud/v1.5";
pub(super) const OVF: &str = "http://schemas.dmtf.org/ovf/envelope/1";
pub(super) const VMW: &str = "http://www.vmware.com/schema/ovf";

/// An element: namespace and local name, attributes likewise.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Node {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) attributes: BTreeMap<(String, String), String>,
    pub(super) text: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn parse(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).unwrap();
        let mut reader = NsReader::from_str(text);
        let mut stack = vec![Self::default()];
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => stack.push(element(&reader, &start)),
                Event::Empty(start) => {
                    let node = element(&reader, &start);
                    stack.last_mut().unwrap().children.push(node);
                }
                Event::End(_) => {
                    let node = stack.pop().unwrap();
                    stack.last_mut().unwrap().children.push(node);
                }
                Event::Text(text) => stack
                    .last_mut()
                    .unwrap()
                    .text
                    .push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let raw = format!("&{};", reference.xml10_content());
                    let value = quick_xml::escape::unescape(&raw).unwrap().into_owned();
                    stack.last_mut().unwrap().text.push_str(&value);
                }
                Event::Decl(_) | Event::Comment(_) => {}
                Event::Eof => break,
                other @ (Event::CData(_) | Event::PI(_) | Event::DocType(_)) => {
                    unreachable!("no request holds {other:?}")
                }
            }
        }
        assert_eq!(stack.len(), 1, "the document is not closed: {text}");
        let mut document = stack.remove(0);
        assert_eq!(document.children.len(), 1, "one root element: {text}");
        document.children.remove(0)
    }

    /// The element at `path` below this one, each step the only child of its name.
    pub(super) fn at(&self, path: &[&str]) -> &Self {
        path.iter().fold(self, |node, step| {
            let named = node.all(step);
            assert_eq!(named.len(), 1, "{step} of {path:?} in {node:#?}");
            named[0]
        })
    }

    pub(super) fn all(&self, name: &str) -> Vec<&Self> {
        self.children
            .iter()
            .filter(|child| child.name == name)
            .collect()
    }

    /// An attribute without a namespace.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attribute_in("", name)
    }

    pub(super) fn attribute_in(&self, namespace: &str, name: &str) -> Option<&str> {
        self.attributes
            .get(&(namespace.to_owned(), name.to_owned()))
            .map(String::as_str)
    }

    /// Names of the children in their order.
    pub(super) fn order(&self) -> Vec<&str> {
        self.children
            .iter()
            .map(|child| child.name.as_str())
            .collect()
    }

    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Node {
    let (resolved, local) = reader.resolver().resolve_element(start.name());
    let mut node = Node {
        namespace: namespace(&resolved),
        name: local.as_ref().to_owned(),
        ..Node::default()
    };
    for attribute in start.attributes() {
        let attribute = attribute.unwrap();
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let (resolved, local) = reader.resolver().resolve_attribute(attribute.key);
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .unwrap()
            .into_owned();
        node.attributes
            .insert((namespace(&resolved), local.as_ref().to_owned()), value);
    }
    node
}

fn namespace(resolved: &ResolveResult<'_>) -> String {
    match resolved {
        ResolveResult::Bound(namespace) => namespace.as_ref().to_owned(),
        ResolveResult::Unbound => String::new(),
        ResolveResult::Unknown(prefix) => unreachable!("nobody declares {prefix:?}"),
    }
}
