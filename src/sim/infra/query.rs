//! The query service: typed lists of records, filtered, ordered and paged.
//!
//! Invariants:
//! - A filter is evaluated, never compared as text: clients send its terms in any order.
//! - A reference matches by href, by URN or by UUID, whichever the client filters with; only providers
//!   may filter by organization.
//! - A page past the end is answered without records; a query without a type by links to all lists.
//!
//! Source: VCD API, `GET /api/query`.

use http::Method;

use super::records::{self, Record, Spelling};
use super::{Infra, require_method};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::fiql::Case;
use crate::sim::network::Services;
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
pub(crate) fn handle(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    services: &Services,
) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    let Some(kind) = call.query("type") else {
        return Ok(overview(call, ctx.site));
    };
    let format = format(call)?;
    let found = records::of_type(call, ctx, (infra, services), kind)?;
    let (known, mut found) = found
        .ok_or_else(|| Problem::bad_request(format!("The query type \"{kind}\" is invalid.")))?;
    let page = Page::of(call, MAX_PAGE_SIZE)?;
    let fields = fields(call, known.keys)?;
    if let Some(filter) = paging::filter(call)? {
        let searchable = |key: &str| {
            let foreign = key == "org" && !call.principal.provider;
            !foreign && (key == "id" || known.keys.contains(&key))
        };
        if let Some(key) = filter.unknown_key(&searchable) {
            return Err(paging::unknown_key(key));
        }
        found.retain(|record| {
            filter.matches_as(Case::Ignored, &|key, asked| {
                record.spelled(key, Spelling::of(asked))
            })
        });
    }
    if let Some(order) = Order::of(call) {
        if order.key != "id" && !known.keys.contains(&order.key.as_str()) {
            return Err(paging::unknown_key(&order.key));
        }
        found.sort_by(|a, b| order.compare(a.value(&order.key), b.value(&order.key)));
    }
    let shape = Shape {
        kind,
        format,
        fields: fields.as_deref(),
    };
    Ok(answer(call, ctx.site, &shape, (page, &found)))
}

/// The answer to a query without a type: a link to each list, in each format.
fn overview(call: &Call<'_>, site: &str) -> Reply {
    let media = "vnd.vmware.vcloud.query.queryList+xml";
    let links = records::names(call.principal.provider).flat_map(|name| {
        ["references", "records", "idrecords"].map(|format| {
            Element::new("Link")
                .attr("rel", "down")
                .attr(
                    "type",
                    format!("application/vnd.vmware.vcloud.query.{format}+xml"),
                )
                .attr("name", name)
                .attr(
                    "href",
                    format!("{site}/api/query?type={name}&format={format}"),
                )
        })
    });
    let root = Element::root("QueryList")
        .attr("href", format!("{site}/api/query"))
        .attr("type", format!("application/{media}"))
        .children(links);
    Reply::xml(200, call.version, media, root.document())
}

/// What a list looks like.
struct Shape<'a> {
    kind: &'a str,
    format: Format,
    fields: Option<&'a [&'a str]>,
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

/// The attributes asked for; metadata among them is left out.
fn fields<'a>(call: &'a Call<'_>, known: &[&str]) -> Result<Option<Vec<&'a str>>, Problem> {
    let Some(text) = call.query("fields").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let plain = |field: &&&str| !field.starts_with("metadata");
    match fields
        .iter()
        .filter(plain)
        .find(|field| !["id", "type"].contains(field) && !known.contains(field))
    {
        Some(unknown) => Err(Problem::bad_request(format!(
            "The field \"{unknown}\" is not known for this query type."
        ))),
        None => Ok(Some(fields)),
    }
}

fn answer(
    call: &Call<'_>,
    site: &str,
    &Shape {
        kind,
        format,
        fields,
    }: &Shape<'_>,
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
        Format::Records => record.element(false, fields),
        Format::IdRecords => record.element(true, fields),
        Format::References => record.reference(),
    });
    let root = Element::root(root)
        .attr("name", kind)
        .attr("page", page.number())
        .attr("pageSize", page.size())
        .attr("total", found.len())
        .attr(
            "href",
            format!("{site}/api/query?type={kind}&format={format_name}"),
        )
        .attr("type", format!("application/{media}"))
        .children(links)
        .children(rows);
    Reply::xml(200, call.version, media, root.document())
}
