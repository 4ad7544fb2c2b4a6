//! What holds for every body there can be.

use proptest::prelude::*;

use super::Element;

fn element() -> impl Strategy<Value = Element> {
    let name = "([a-z]{1,3}:)?[A-Za-z][A-Za-z0-9]{0,6}";
    let text = "[ -~ü😀\"'<>&\\r\\n\\t]{0,12}";
    let attributes = prop::collection::btree_map(name, text, 0..3);
    let leaf = (name, text, attributes).prop_map(|(name, text, attributes)| Element {
        name,
        // Blanks around a text are layout.
        text: text.trim().to_owned(),
        attributes: attributes.into_iter().collect(),
        children: Vec::new(),
    });
    leaf.prop_recursive(4, 24, 4, |inner| {
        (inner.clone(), prop::collection::vec(inner, 1..4)).prop_map(|(outer, children)| Element {
            text: String::new(),
            children,
            ..outer
        })
    })
}

/// By local names, as everything here is looked up.
fn same(a: &Element, b: &Element) -> bool {
    let local = |name: &str| name.rsplit(':').next().map(str::to_owned);
    let attributes = |one: &Element| {
        let pairs = one.attributes.iter();
        pairs
            .map(|(name, value)| (local(name), value.clone()))
            .collect::<Vec<_>>()
    };
    local(&a.name) == local(&b.name)
        && a.text.trim() == b.text.trim()
        && attributes(a) == attributes(b)
        && a.children.len() == b.children.len()
        && a.children.iter().zip(&b.children).all(|(a, b)| same(a, b))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(root in element()) {
        let text = root.clone().document();
        let read = Element::parse(text.as_bytes());
        prop_assert!(read.as_ref().is_ok_and(|read| same(read, &root)), "{text}\n{read:?}");
    }

    #[test]
    fn whatever_arrives_is_a_document_or_refused(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "[<>/a-c:=\"'&;#x0-9!?\\[\\]-]{0,60}".prop_map(String::into_bytes),
            "(<a b=\"c\">|</a>|<a/>|&amp;|&#x0;|&#60;|<!\\[CDATA\\[|\\]\\]>|<!--|-->|<!DOCTYPE a>|<\\?xml\\?>|x){0,12}"
                .prop_map(String::into_bytes),
        ],
    ) {
        if let Ok(read) = Element::parse(&bytes) {
            prop_assert!(Element::parse(read.document().as_bytes()).is_ok());
        }
    }
}
