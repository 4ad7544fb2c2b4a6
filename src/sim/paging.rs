//! Lists as the `OpenAPI` answers them: envelope, page bounds, links, filter and order.
//!
//! Invariants:
//! - A page past the end is 200 with no values: clients walk until they see one.
//! - A page size above the limit of the list is a 400, never silently less.
//!
//! Not here: lists of entities choose and render their rows themselves (`sim::entities::list`).
//! Source: VCD `OpenAPI`, paged results; `go-vcloud-director` follows `rel="nextPage"`.

use std::borrow::Cow;
use std::cmp::Ordering;

use bytes::Bytes;
use serde_json::Value;

use super::call::Call;
use super::fiql::{Case, Comparable, Filter};
use super::reply::{Problem, Reply};

/// Rows of a page when the caller does not say.
const DEFAULT_PAGE_SIZE: usize = 25;

/// Most rows of a page, unless a list says less.
pub(crate) const MAX_PAGE_SIZE: usize = 128;

/// What one list offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing<'a> {
    /// Name of the model in link headers.
    pub(crate) model: &'a str,
    /// Keys to filter and sort by, dotted where nested.
    pub(crate) keys: &'a [&'a str],
    pub(crate) max_page_size: usize,
}

impl<'a> Listing<'a> {
    /// A list of `model` with the usual page limit.
    pub(crate) const fn of(model: &'a str, keys: &'a [&'a str]) -> Self {
        Self {
            model,
            keys,
            max_page_size: MAX_PAGE_SIZE,
        }
    }
}

/// The page asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// Reads `page` and `pageSize`.
    pub(crate) fn of(call: &Call<'_>, max_size: usize) -> Result<Self, Problem> {
        let number = |name: &str, default: usize| match call.query(name) {
            None | Some("") => Ok(default),
            Some(text) => text
                .parse::<usize>()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| {
                    Problem::bad_request(format!(
                        "The query parameter {name} must be a positive number."
                    ))
                }),
        };
        let mut page = Self {
            number: number("page", 1)?,
            size: number("pageSize", DEFAULT_PAGE_SIZE)?,
        };
        if call.settings.oversized_pages_are_cut {
            page.size = page.size.min(max_size);
        }
        if page.size > max_size {
            return Err(Problem::bad_request(format!(
                "The query parameter pageSize must not be greater than {max_size}."
            )));
        }
        Ok(page)
    }

    /// Number of the page, from 1.
    pub(crate) const fn number(self) -> usize {
        self.number
    }

    /// Rows of a full page.
    pub(crate) const fn size(self) -> usize {
        self.size
    }

    /// The rows of this page out of all.
    pub(crate) fn cut<T>(self, rows: &[T]) -> &[T] {
        let start = (self.number - 1).saturating_mul(self.size).min(rows.len());
        let end = start.saturating_add(self.size).min(rows.len());
        rows.get(start..end).unwrap_or_default()
    }
}

/// The order asked for: `sortAsc` or `sortDesc` and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) key: String,
    descending: bool,
}

impl Order {
    /// Reads the query.
    pub(crate) fn of(call: &Call<'_>) -> Option<Self> {
        let read = |name, descending| {
            let key = call.query(name).filter(|key| !key.is_empty())?;
            Some(Self {
                key: key.to_owned(),
                descending,
            })
        };
        read("sortAsc", false).or_else(|| read("sortDesc", true))
    }

    /// Orders two values of the key; what has none comes last, whichever way.
    pub(crate) fn compare(&self, a: Option<&str>, b: Option<&str>) -> Ordering {
        let read = |text: &str| Comparable::of(Cow::Owned(text.to_owned()));
        self.compare_read(a.map(read).as_ref(), b.map(read).as_ref())
    }

    /// Sorts rows by the value each has; for long lists, as it reads every value once.
    pub(crate) fn sort<T>(&self, rows: &mut [(Option<Comparable<'_>>, T)]) {
        rows.sort_by(|(a, _), (b, _)| self.compare_read(a.as_ref(), b.as_ref()));
    }

    fn compare_read(&self, a: Option<&Comparable<'_>>, b: Option<&Comparable<'_>>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) if self.descending => b.compare(a),
            (Some(a), Some(b)) => a.compare(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }
}

/// Reads `filter` and `filterEncoded`.
pub(crate) fn filter(call: &Call<'_>) -> Result<Option<Filter>, Problem> {
    let encoded = call
        .query("filterEncoded")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let text = call.query("filter").filter(|text| !text.trim().is_empty());
    text.map(|text| Filter::parse(text, encoded)).transpose()
}

/// Reads `metadata`, whose keys are `[namespace|]key` and whose texts stand between single quotes.
pub(crate) fn metadata_filter(call: &Call<'_>) -> Result<Option<Filter>, Problem> {
    let text = call
        .query("metadata")
        .filter(|text| !text.trim().is_empty());
    text.map(|text| Filter::parse(text, false)).transpose()
}

/// 400 for a key that a list cannot filter or sort by.
pub(crate) fn unknown_key(key: &str) -> Problem {
    Problem::bad_request(format!(
        "Invalid filter or sort key: {key} is not searchable."
    ))
}

/// Answers with the page of `rows` that the caller asks for.
pub(crate) fn list(
    call: &Call<'_>,
    site: &str,
    listing: &Listing<'_>,
    mut rows: Vec<Value>,
) -> Result<Reply, Problem> {
    let page = Page::of(call, listing.max_page_size)?;
    let known = |key: &str| listing.keys.contains(&key);
    if let Some(filter) = filter(call)? {
        if let Some(key) = filter.unknown_key(&known) {
            return Err(unknown_key(key));
        }
        rows.retain(|row| filter.matches(Case::Sensitive, &|key| text_at(row, key)));
    }
    if let Some(order) = Order::of(call) {
        if !known(&order.key) {
            return Err(unknown_key(&order.key));
        }
        rows.sort_by(|a, b| {
            let (a, b) = (text_at(a, &order.key), text_at(b, &order.key));
            order.compare(a.as_deref(), b.as_deref())
        });
    }
    let mut body = Body::begin(page, rows.len(), 0);
    for row in page.cut(&rows) {
        body.row(|out| out.extend_from_slice(row.to_string().as_bytes()));
    }
    Ok(body.end(call, site, listing.model))
}

/// The text of a plain value at a dotted key; objects, arrays and nulls have none.
pub(crate) fn text_at<'v>(row: &'v Value, key: &str) -> Option<Cow<'v, str>> {
    plain(
        key.split('.')
            .try_fold(row, |value, part| value.get(part))?,
    )
}

/// The text of a plain value.
pub(crate) fn plain(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A page under construction: rows are written where they will lie.
#[derive(Debug)]
pub(crate) struct Body {
    page: Page,
    pages: usize,
    text: Vec<u8>,
    begun: bool,
}

impl Body {
    /// A page of a list of `total` rows, with room for rows of `bytes` bytes.
    pub(crate) fn begin(page: Page, total: usize, bytes: usize) -> Self {
        let pages = total.div_ceil(page.size);
        let head = format!(
            "{{\"resultTotal\":{total},\"pageCount\":{pages},\"page\":{},\"pageSize\":{},\
             \"associations\":null,\"values\":[",
            page.number, page.size
        );
        let mut text = Vec::with_capacity(head.len() + bytes + page.size.min(MAX_PAGE_SIZE) + 2);
        text.extend_from_slice(head.as_bytes());
        Self {
            page,
            pages,
            text,
            begun: false,
        }
    }

    /// Adds the row that `write` puts at the end of the text, as JSON.
    pub(crate) fn row(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.begun {
            self.text.push(b',');
        }
        self.begun = true;
        write(&mut self.text);
    }

    /// The answer, with link headers.
    pub(crate) fn end(mut self, call: &Call<'_>, site: &str, model: &str) -> Reply {
        self.text.extend_from_slice(b"]}");
        let mut reply = Reply::json_text(200, call.version, Bytes::from(self.text));
        for (rel, number) in links(self.page.number, self.pages) {
            let link = format!(
                "<{}>;rel=\"{rel}\";type=\"application/json\";model=\"{model}\"",
                page_url(call, site, number)
            );
            reply = reply.with_header("link", link);
        }
        reply
    }
}

fn links(number: usize, pages: usize) -> Vec<(&'static str, usize)> {
    let mut links = Vec::new();
    if number > 1 {
        links.push(("firstPage", 1));
        links.push(("previousPage", number - 1));
    }
    if number < pages {
        links.push(("nextPage", number + 1));
        links.push(("lastPage", pages));
    }
    links
}

fn page_url(call: &Call<'_>, site: &str, number: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("page", &number.to_string());
    query.extend_pairs(call.query.iter().filter(|(key, _)| key != "page"));
    format!("{site}/{}?{}", call.segments.join("/"), query.finish())
}
