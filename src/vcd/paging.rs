//! Lists in pages: the envelope, borrowed parsing, and a walk that always ends.
//!
//! Invariants:
//! - A walk ends at an empty page, at the announced end, or at [`MAX_PAGES`], whichever comes first;
//!   a server that announces nothing, or forever more, is no endless loop.
//! - The numbers of the envelope only end the walk; they never size a buffer.
//!
//! Not here: change detection over raw pages (the poll loop).
//! Source: VCD `OpenAPI`, paging envelope (API 37.2).

use serde::Deserialize;

use super::error::VcdError;
use super::json;
use super::operation::Operation;

/// Most pages one walk reads: 128 000 entities at 128 a page.
pub const MAX_PAGES: u32 = 1_000;

/// Most entries VCD puts on a page.
pub const MAX_PAGE_SIZE: u16 = 128;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// Entries of the whole list, as of this page.
    #[serde(default)]
    pub result_total: u64,
    /// Pages of the whole list, as of this page; 0 when not announced.
    #[serde(default)]
    pub page_count: u64,
    /// Number of this page, from 1.
    #[serde(default)]
    pub page: u64,
    /// Entries per page, as VCD understood it.
    #[serde(default)]
    pub page_size: u64,
    /// The entries.
    pub values: Vec<T>,
}

impl<T> Page<T> {
    /// Whether nothing comes after page `number`, with `seen` entries read so far.
    pub fn is_last(&self, number: u32, seen: u64) -> bool {
        if self.values.is_empty() {
            return true;
        }
        if self.page_count > 0 {
            u64::from(number) >= self.page_count
        } else {
            seen >= self.result_total
        }
    }
}

/// Reads a page of the JSON API; `T` may borrow from `bytes`.
///
/// Use `&serde_json::value::RawValue` for `T` to keep one odd entry from spoiling the whole page.
///
/// # Errors
/// [`VcdError::Unreadable`]: no JSON, or not a page of such entries.
pub fn parse_page<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<Page<T>, VcdError> {
    json::read(Operation::LIST_ENTITIES, bytes)
}

/// The same for lists of other things.
pub(super) fn parse_page_of<'a, T: Deserialize<'a>>(
    op: Operation,
    bytes: &'a [u8],
) -> Result<Page<T>, VcdError> {
    json::read(op, bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    fn page(json: &str) -> Page<u8> {
        parse_page(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_walk_ends_where_the_list_does() {
        let cases = [
            (
                "announced end",
                r#"{"resultTotal":3,"pageCount":2,"values":[3]}"#,
                2,
                3,
                true,
            ),
            (
                "more announced",
                r#"{"resultTotal":3,"pageCount":2,"values":[1,2]}"#,
                1,
                2,
                false,
            ),
            (
                "past the end",
                r#"{"resultTotal":3,"pageCount":9,"values":[]}"#,
                3,
                3,
                true,
            ),
            ("by total", r#"{"resultTotal":3,"values":[3]}"#, 2, 3, true),
            (
                "not yet by total",
                r#"{"resultTotal":3,"values":[2]}"#,
                1,
                2,
                false,
            ),
            ("nothing announced", r#"{"values":[1]}"#, 1, 1, true),
        ];
        for (name, json, number, seen, want) in cases {
            assert_eq!(page(json).is_last(number, seen), want, "{name}");
        }
    }

    #[test]
    fn entries_borrow_from_the_page() {
        #[derive(Deserialize)]
        struct Name<'a> {
            name: &'a str,
        }
        let bytes = br#"{"values":[{"name":"blue","entity":{"deep":[1,2,3]}}]}"#.to_vec();
        let page: Page<Name<'_>> = parse_page(&bytes).unwrap();
        let name = page.values.first().unwrap().name;
        assert!(
            bytes.as_ptr_range().contains(&name.as_ptr()),
            "the name was copied"
        );
    }

    #[test]
    fn an_unreadable_page_says_where_and_quotes_nothing() {
        let error = parse_page::<u8>(br#"{"values":["secret"]}"#).unwrap_err();
        let text = format!(
            "{error} {:?}",
            std::error::Error::source(&error).map(ToString::to_string)
        );
        assert!(
            !text.contains("secret") && text.contains("line 1"),
            "{text}"
        );
    }
}
