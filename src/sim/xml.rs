//! XML documents of the legacy API: one tree type, read from requests and rendered into answers.
//!
//! Flow: request body -> [`Element::parse`] -> handlers; handlers -> [`Element`] -> [`Element::document`].
//!
//! Invariants:
//! - Look-ups go by local name: clients of VCD echo prefixes they never declare, so a prefix tells
//!   nothing. What is rendered carries the literal prefixes given by the handler.
//! - Markup is only ever made by quick-xml's writer, never by joining strings.
//!
//! Source: VCD API, namespace `http://www.vmware.com/vcloud/v1.5`, error and task documents.

mod body;
pub(crate) mod json;
#[cfg(test)]
mod properties;
mod reader;
mod task;

use std::borrow::Cow;

use memchr::{memchr2, memchr3};
use quick_xml::Writer;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::name::QName;
use serde::{Deserialize, Serialize};

pub(crate) use task::{reference, task_document, task_element};

use super::reply::Problem;

/// The default namespace of `/api` documents.
pub(crate) const VCLOUD: &str = "http://www.vmware.com/vcloud/v1.5";
/// Namespace of the prefix `ovf`.
pub(crate) const OVF: &str = "http://schemas.dmtf.org/ovf/envelope/1";
/// Namespace of the prefix `xsi`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// One element with its attributes, text and child elements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// An empty element; `name` with its prefix.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// An empty element in the default namespace of `/api`; for roots.
    pub(crate) fn root(name: &str) -> Self {
        Self::new(name).attr("xmlns", VCLOUD)
    }

    /// An element that holds text only.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "call sites read like the document"
    )]
    pub(crate) fn leaf(name: &str, text: impl ToString) -> Self {
        Self {
            text: text.to_string(),
            ..Self::new(name)
        }
    }

    /// The same element with one more attribute.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "call sites read like the document"
    )]
    #[must_use]
    pub(crate) fn attr(mut self, name: &str, value: impl ToString) -> Self {
        self.attributes.push((name.to_owned(), value.to_string()));
        self
    }

    /// The same element with one more child.
    #[must_use]
    pub(crate) fn child(mut self, child: Element) -> Self {
        self.children.push(child);
        self
    }

    /// The same element with more children.
    #[must_use]
    pub(crate) fn children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children);
        self
    }

    /// The same element with attributes before those it has; for namespaces of a new root.
    #[must_use]
    pub(crate) fn with_first_attributes<'a>(
        mut self,
        first: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let first = first
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.attributes = first.chain(self.attributes).collect();
        self
    }

    /// The same element with one more child before those it has.
    #[must_use]
    pub(crate) fn with_first_child(mut self, child: Element) -> Self {
        self.children.insert(0, child);
        self
    }

    /// The same tree with one prefix for all elements and attributes, and without declarations.
    pub(crate) fn with_prefix(&self, prefix: &str) -> Self {
        let prefixed = |name: &str| format!("{prefix}:{}", local(name));
        let attributes = self.attributes.iter();
        let attributes = attributes.filter(|(key, _)| key != "xmlns" && !key.starts_with("xmlns:"));
        Self {
            name: prefixed(&self.name),
            attributes: attributes
                .map(|(key, value)| (prefixed(key), value.clone()))
                .collect(),
            text: self.text.trim().to_owned(),
            children: self
                .children
                .iter()
                .map(|child| child.with_prefix(prefix))
                .collect(),
        }
    }

    /// Local name: without prefix.
    pub(crate) fn local_name(&self) -> &str {
        local(&self.name)
    }

    /// Child elements of one local name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.children
            .iter()
            .filter(move |child| child.local_name() == name)
    }

    /// First child element of one local name.
    pub(crate) fn get(&self, name: &str) -> Option<&Element> {
        self.all(name).next()
    }

    /// The element reached by following local names from child to child.
    pub(crate) fn path(&self, names: &[&str]) -> Option<&Element> {
        names
            .iter()
            .try_fold(self, |element, name| element.get(name))
    }

    /// Text of a child element, trimmed.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name).map(Element::text)
    }

    /// Own text, trimmed.
    pub(crate) fn text(&self) -> &str {
        self.text.trim()
    }

    /// An attribute by local name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| local(key) == name)
            .map(|(_, value)| value.as_str())
    }

    /// The whole document, with its declaration.
    pub(crate) fn document(&self) -> String {
        let mut writer = Writer::new(Vec::new());
        let declaration = BytesDecl::new("1.0", Some("UTF-8"), None);
        let written = writer
            .write_event(Event::Decl(declaration))
            .and_then(|()| self.write(&mut writer));
        // A Vec takes every write, and quick-xml is given text only.
        debug_assert!(written.is_ok(), "writing XML into memory cannot fail");
        String::from_utf8(writer.into_inner()).unwrap_or_default()
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        let mut start = BytesStart::new(self.name.as_str());
        for (key, value) in &self.attributes {
            if is_plain(value) {
                let (key, value) = (QName(key), Cow::Borrowed(value.as_str()));
                start.push_attribute(Attribute { key, value });
            } else {
                start.push_attribute((key.as_str(), value.as_str()));
            }
        }
        if self.children.is_empty() && self.text.is_empty() {
            return writer.write_event(Event::Empty(start));
        }
        writer.write_event(Event::Start(start))?;
        if !self.text.is_empty() {
            let text = if is_plain(&self.text) {
                BytesText::from_escaped(&self.text)
            } else {
                BytesText::new(&self.text)
            };
            writer.write_event(Event::Text(text))?;
        }
        for child in &self.children {
            child.write(writer)?;
        }
        writer.write_event(Event::End(BytesEnd::new(self.name.as_str())))
    }
}

/// Whether the writer has nothing to escape in it. It would look byte by byte, and scripts of guests are attributes of
/// tens of kilobytes.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr3(b'<', b'>', b'&', bytes).is_none()
        && memchr3(b'"', b'\'', b'\r', bytes).is_none()
        && memchr2(b'\n', b'\t', bytes).is_none()
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// The legacy error document; `message` already begins with the request id.
pub(crate) fn error_document(problem: &Problem, message: &str) -> String {
    Element::root("Error")
        .attr("message", message)
        .attr("majorErrorCode", problem.status)
        .attr("minorErrorCode", problem.minor.as_ref())
        .attr("stackTrace", "")
        .document()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_values_is_escaped() {
        let problem = Problem::bad_request("a <b> & \"c\"");
        let text = error_document(&problem, "[ 1 ] a <b> & \"c\"");
        let read = Element::parse(text.as_bytes()).map(|root| {
            (
                root.local_name().to_owned(),
                root.attribute("message").map(str::to_owned),
            )
        });
        assert_eq!(
            read,
            Ok(("Error".to_owned(), Some("[ 1 ] a <b> & \"c\"".to_owned())))
        );
    }

    #[test]
    fn line_ends_in_attribute_values_survive() {
        let text = Element::new("a").attr("v", "one\ntwo").document();
        let read = Element::parse(text.as_bytes());
        assert_eq!(
            read.map(|root| root.attribute("v").map(str::to_owned)),
            Ok(Some("one\ntwo".to_owned()))
        );
    }
}
