//! The query service: typed lists of records, filtered, ordered and paged.
//!
//! Invariants:
//! - A filter is evaluated, never compared as text: clients send its terms in any order.
//! - A reference matches by href or by URN, whichever the client filters with.
//! - A page past the end is answered without records.
//!
//! Source: VCD API, `GET /api/query`.

use std::borrow::Cow;

use http::Method;

use super::records::{self, Record};
use super::{Infra, require_method};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::fiql::{Case, Filter};
use crate::sim::paging::{self, MAX_PAGE_SIZE, Order, Page};
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::Element;

/// How records are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Records,
    IdRecords,
    References,
}

/// Answers `GET /api/query`.
pub(crate) fn handle(call: &Call<'_>, ctx: &Context<'_>, infra: &Infra) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    let kind = call.query("type").unwrap_or_default();
    let format = format(call)?;
    let mut found = records::of_type(call, ctx, infra, kind)?
        .ok_or_else(|| Problem::bad_request(format!("The query type \"{kind}\" is invalid.")))?;
    let page = Page::of(call, MAX_PAGE_SIZE)?;
    if let Some(filter) = paging::filter(call)? {
        check_keys(&filter, &found)?;
        found.retain(|record| matches(&filter, record));
    }
    if let Some(order) = Order::of(call) {
        found.sort_by(|a, b| order.compare(a.value(&order.key), b.value(&order.key)));
    }
    Ok(answer(call, ctx.site, (kind, format), (page, &found)))
}

fn format(call: &Call<'_>) -> Result<Format, Problem> {
    match call.query("format") {
        None | Some("" | "records") => Ok(Format::Records),
        Some("idrecords") => Ok(Format::IdRecords),
        Some("references") => Ok(Format::References),
        Some(other) => Err(Problem::bad_request(format!(
            "The format \"{other}\" is not supported."
        ))),
    }
}

/// All records of a type have the same keys, so the first tells which there are.
fn check_keys(filter: &Filter, records: &[Record]) -> Result<(), Problem> {
    let Some(record) = records.first() else {
        return Ok(());
    };
    match filter.unknown_key(&|key| record.value(key).is_some()) {
        Some(key) => Err(paging::unknown_key(key)),
        None => Ok(()),
    }
}

fn matches(filter: &Filter, record: &Record) -> bool {
    filter.matches(Case::Ignored, &|key| record.value(key).map(Cow::Borrowed))
        || filter.matches(Case::Ignored, &|key| record.value_by_urn(key))
}

fn answer(
    call: &Call<'_>,
    site: &str,
    (kind, format): (&str, Format),
    (page, found): (Page, &[Record]),
) -> Reply {
    let (root, format_name, media) = match format {
        Format::Records => (
            "QueryResultRecords",
            "records",
            "vnd.vmware.vcloud.query.records+xml",
        ),
        Format::IdRecords => (
            "QueryResultRecords",
            "idrecords",
            "vnd.vmware.vcloud.query.idrecords+xml",
        ),
        Format::References => (
            "References",
            "references",
            "vnd.vmware.vcloud.query.references+xml",
        ),
    };
    let url = |number: usize| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let kept = call
            .query
            .iter()
            .filter(|(key, _)| !key.is_empty() && key != "page");
        query.extend_pairs(kept);
        query.append_pair("page", &number.to_string());
        format!("{}/api/query?{}", site, query.finish())
    };
    let pages = found.len().div_ceil(page.size()).max(1);
    let mut links = vec![("firstPage", 1), ("lastPage", pages)];
    links.extend((page.number() < pages).then_some(("nextPage", page.number() + 1)));
    links.extend((page.number() > 1).then(|| ("previousPage", page.number() - 1)));
    let links = links.into_iter().map(|(rel, number)| {
        Element::new("Link")
            .attr("rel", rel)
            .attr("href", url(number))
            .attr("type", format!("application/{media}"))
    });
    let rows = page.cut(found).iter().map(|record| match format {
        Format::Records => record.element(false),
        Format::IdRecords => record.element(true),
        Format::References => record.reference(),
    });
    let root = Element::root(root)
        .attr("name", kind)
        .attr("page", page.number())
        .attr("pageSize", page.size())
        .attr("total", found.len())
        .attr(
            "href",
            format!("{}/api/query?type={kind}&format={format_name}", site),
        )
        .attr("type", format!("application/{media}"))
        .children(links)
        .children(rows);
    Reply::xml(200, call.version, media, root.document())
}
