//! What holds for every filter there can be.

use std::borrow::Cow;

use proptest::prelude::*;

use super::{Case, Comparison, Filter, Node, Operator};

const OPERATORS: [(Operator, &str); 6] = [
    (Operator::Equal, "=="),
    (Operator::NotEqual, "!="),
    (Operator::Greater, "=gt="),
    (Operator::GreaterOrEqual, "=ge="),
    (Operator::Less, "=lt="),
    (Operator::LessOrEqual, "=le="),
];

fn comparison() -> impl Strategy<Value = Node> {
    let key = "[a-z_][A-Za-z0-9._:@/-]{0,8}";
    let value = "([a-z0-9*:%=!ü'\"<]([a-z0-9*: %=ü]{0,6}[a-z0-9*])?)?(\\([a-z;,]{0,4}\\))?";
    let operator = prop::sample::select(OPERATORS.to_vec());
    (key, operator, value).prop_map(|(key, (operator, _), value)| {
        Node::Is(Comparison {
            key,
            operator,
            value,
        })
    })
}

fn node() -> impl Strategy<Value = Node> {
    comparison().prop_recursive(4, 24, 4, |inner| {
        let several = prop::collection::vec(inner, 2..4);
        (several, any::<bool>()).prop_map(|(nodes, all)| {
            if all {
                Node::All(nodes)
            } else {
                Node::Any(nodes)
            }
        })
    })
}

fn write(node: &Node) -> String {
    let group = |nodes: &[Node], between: &str| {
        let parts: Vec<String> = nodes
            .iter()
            .map(|node| match node {
                Node::Is(_) => write(node),
                Node::All(_) | Node::Any(_) => format!("({})", write(node)),
            })
            .collect();
        parts.join(between)
    };
    match node {
        Node::Is(comparison) => {
            let sign = OPERATORS
                .iter()
                .find(|(operator, _)| *operator == comparison.operator);
            let sign = sign.map_or("", |(_, sign)| sign);
            format!("{}{sign}{}", comparison.key, comparison.value)
        }
        Node::All(nodes) => group(nodes, ";"),
        Node::Any(nodes) => group(nodes, ","),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(root in node()) {
        let text = write(&root);
        prop_assert_eq!(Filter::parse(&text, false), Ok(Filter { root }), "{}", text);
    }

    #[test]
    fn whatever_arrives_is_a_filter_or_refused(
        text in prop_oneof!["\\PC{0,60}", "[a-c=!gtle;,()*%0-9. -]{0,60}"],
        encoded in any::<bool>(),
        value in prop::option::of("\\PC{0,12}"),
    ) {
        if let Ok(filter) = Filter::parse(&text, encoded) {
            for case in [Case::Sensitive, Case::Ignored] {
                filter.matches(case, &|_| value.as_deref().map(Cow::Borrowed));
            }
            filter.unknown_key(&|_| false);
        }
    }
}
