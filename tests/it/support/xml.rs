//! A look into XML answers by local names.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// The attribute of every element of that name, in document order; elements without it are left out.
pub(crate) fn all(document: &str, element: &str, attribute: &str) -> Vec<String> {
    let mut reader = Reader::from_str(document);
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) | Event::Empty(start) if is(&start, element) => {
                let mut attributes = start.attributes().map(Result::unwrap);
                let wanted = attributes.find(|one| one.key.local_name().as_ref() == attribute);
                found.extend(wanted.map(|one| {
                    one.normalized_value(XmlVersion::Explicit1_0)
                        .unwrap()
                        .into_owned()
                }));
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

/// The attribute of the first element of that name that has it.
pub(crate) fn attribute(document: &str, element: &str, attribute: &str) -> String {
    let found = all(document, element, attribute).into_iter().next();
    found.unwrap_or_else(|| panic!("no {element}@{attribute} in {document}"))
}

/// Text of every element of that name.
pub(crate) fn texts(document: &str, element: &str) -> Vec<String> {
    let mut reader = Reader::from_str(document);
    let mut found = Vec::new();
    let mut inside = false;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) if is(&start, element) => {
                inside = true;
                found.push(String::new());
            }
            Event::Empty(start) if is(&start, element) => found.push(String::new()),
            Event::End(end) if end.local_name().as_ref() == element => inside = false,
            Event::Text(text) if inside => {
                found.last_mut().unwrap().push_str(&text.xml10_content());
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn is(start: &BytesStart<'_>, element: &str) -> bool {
    start.local_name().as_ref() == element
}
