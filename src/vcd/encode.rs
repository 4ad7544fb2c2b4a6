//! Percent-encoding of paths and queries, and filters that cannot be broken out of.
//!
//! Invariants:
//! - Everything outside RFC 3986 "unreserved" is encoded in queries, so no name can add a parameter.
//! - A name goes into a filter only if it holds nothing that means something to a filter; otherwise
//!   the list is fetched whole and filtered here.
//!
//! Source: RFC 3986, sections 2.3 and 3.3; VCD API filters (FIQL).

use std::fmt::Write;

/// Encodes a query value.
pub(super) fn query_value(text: &str) -> String {
    encode(text, is_unreserved)
}

/// Encodes one path segment; colons stay, as URNs are written with them.
pub(super) fn path_segment(text: &str) -> String {
    encode(text, |b| is_unreserved(b) || b == b':')
}

fn encode(text: &str, keep: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if keep(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// A filter that demands each `(key, value)`, or nothing if a value cannot be put into one safely.
///
/// Filters ignore case and treat `*` as a wildcard: callers compare the results once more.
pub(super) fn filter_equal(terms: &[(&str, &str)]) -> Option<String> {
    let mut filter = String::new();
    for (key, value) in terms {
        if value.is_empty() || !value.bytes().all(is_literal_in_filter) {
            return None;
        }
        let separator = if filter.is_empty() { "" } else { ";" };
        write!(filter, "{separator}{key}=={value}").unwrap_or_default();
    }
    Some(filter)
}

/// A filter that demands that `key` begins with `prefix`, or nothing if that cannot be said safely.
pub(super) fn filter_prefix(key: &str, prefix: &str) -> Option<String> {
    filter_equal(&[(key, prefix)]).map(|filter| format!("{filter}*"))
}

fn is_literal_in_filter(byte: u8) -> bool {
    is_unreserved(byte) || byte == b':' || byte == b'/' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_value_cannot_add_a_parameter() {
        assert_eq!(query_value("a b&page=2#+%"), "a%20b%26page%3D2%23%2B%25");
        assert_eq!(query_value("\u{fc}"), "%C3%BC");
    }

    #[test]
    fn a_path_segment_stays_one_segment() {
        assert_eq!(path_segment("../x/y?z"), "..%2Fx%2Fy%3Fz");
        assert_eq!(path_segment("urn:vcloud:org:1"), "urn:vcloud:org:1");
    }

    #[test]
    fn names_that_mean_something_to_a_filter_are_not_put_into_one() {
        assert_eq!(
            filter_equal(&[("name", "blue-1"), ("id", "a")]).as_deref(),
            Some("name==blue-1;id==a")
        );
        for name in [
            "", "a b", "a;b", "a,b", "a*", "(a)", "a+b", "a=b", "a%41", "a\"b",
        ] {
            assert_eq!(filter_equal(&[("name", name)]), None, "{name}");
        }
    }
}
