//! `/cloudapi/1.0.0/entities/types/...` and `/entities/interfaces/...`: entities page by page.
//!
//! Invariants:
//! - Rows carry the full content the caller may see, and no tag: whoever wants to write reads by id.
//! - A filter or an order can reach nothing that the caller cannot read.
//! - An unknown key of the envelope is a 400; an unknown path in the content matches nothing.
//!
//! Source: VCD `OpenAPI` 37.2, lists of defined entities; a version in the path may be a prefix.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use super::api::level_with;
use super::render::{self, View};
use super::{Entities, Entity};
use crate::sim::access::TypeRights;
use crate::sim::call::{ApiVersion, Call};
use crate::sim::context::Context;
use crate::sim::fiql::{Case, Comparable, Filter};
use crate::sim::paging::{self, Cut, MAX_PAGE_SIZE, Order, Page};
use crate::sim::registry::{Registry, TypeRules, interface_urn};
use crate::sim::reply::{Problem, Reply, stamp};
use crate::sim::versions::MASKED_SINCE;

const KEYS: [&str; 6] = [
    "id",
    "name",
    "externalId",
    "entityType",
    "state",
    "entityState",
];

/// Keys from API 38.0 on.
const NEWER_KEYS: [&str; 2] = ["creationDate", "lastModificationDate"];

/// A row before it is rendered: what it is sorted by, and what will be shown.
type Row<'e> = (Option<Comparable<'e>>, (&'e str, View));

/// Answers the lists.
pub(super) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
    (entities, registry): (&mut Entities, &Registry),
) -> Result<Reply, Problem> {
    if *call.method != Method::GET {
        return Err(Problem::wrong_method());
    }
    let types = scope(rest, registry)?;
    let page = Page::of(call, MAX_PAGE_SIZE)?;
    let known = |key: &str| is_known(key, call.version);
    let filter = paging::filter(call)?;
    let order = Order::of(call);
    let asked = filter
        .as_ref()
        .and_then(|filter| filter.unknown_key(&known));
    let sorted = order
        .as_ref()
        .map(|order| order.key.as_str())
        .filter(|key| !known(key));
    if let Some(key) = asked.or(sorted) {
        return Err(paging::unknown_key(key));
    }
    let query = Query {
        call,
        types: &types,
        filter: filter.as_ref(),
        order: order.as_ref(),
    };
    let rows = query.rows(entities, registry);
    let total = rows.len();
    let cut: Vec<(String, View)> = page
        .cut(&rows)
        .iter()
        .map(|(_, (id, view))| ((*id).to_owned(), *view))
        .collect();
    drop(rows);
    let shown: Vec<Bytes> = cut
        .iter()
        .filter_map(|(id, view)| Some(render::text(entities.get_mut(id)?, *view, ctx.directory)))
        .collect();
    Ok(paging::reply(
        call,
        ctx.site,
        "DefinedEntities",
        Cut { page, total, shown },
    ))
}

/// URNs of the types a list covers; none for types that are not registered.
fn scope(rest: &[&str], registry: &Registry) -> Result<Vec<String>, Problem> {
    let matching = |wanted: &dyn Fn(&TypeRules) -> bool| {
        let types = registry.types.values().filter(|found| wanted(&found.rules));
        types
            .map(|found| found.rules.type_urn.clone())
            .collect::<Vec<_>>()
    };
    let implementing = |interface: &str| {
        let types = registry.types.values();
        let types =
            types.filter(|found| found.definition.interfaces.iter().any(|id| id == interface));
        types
            .map(|found| found.rules.type_urn.clone())
            .collect::<Vec<_>>()
    };
    match rest {
        ["types", urn] => Ok(matching(&|rules| rules.type_urn == *urn)),
        ["types", vendor, nss] => Ok(matching(&|rules| {
            rules.vendor == *vendor && rules.nss == *nss
        })),
        ["types", vendor, nss, version] => Ok(matching(&|rules| {
            rules.vendor == *vendor && rules.nss == *nss && is_prefix(version, &rules.version)
        })),
        ["interfaces", urn] => Ok(implementing(urn)),
        ["interfaces", vendor, nss, version] => {
            Ok(implementing(&interface_urn((vendor, nss, version))))
        }
        _ => Err(Problem::no_such_url()),
    }
}

/// Whether `1` or `1.2` stands for `1.2.0`.
fn is_prefix(prefix: &str, version: &str) -> bool {
    version
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn is_known(key: &str, version: ApiVersion) -> bool {
    KEYS.contains(&key)
        || (NEWER_KEYS.contains(&key) && version >= MASKED_SINCE)
        || key
            .strip_prefix("entity.")
            .is_some_and(|path| !path.is_empty())
}

/// What rows are asked for.
struct Query<'q> {
    call: &'q Call<'q>,
    types: &'q [String],
    filter: Option<&'q Filter>,
    order: Option<&'q Order>,
}

impl Query<'_> {
    fn rows<'e>(&self, entities: &'e Entities, registry: &Registry) -> Vec<Row<'e>> {
        // Entities of one type share their rules, so rights are looked up once per type.
        let mut rights: Vec<(&Arc<TypeRules>, Option<TypeRights>)> = Vec::new();
        let mut rows = Vec::new();
        for entity in entities.iter() {
            let seen = rights
                .iter()
                .find(|(rules, _)| Arc::ptr_eq(rules, &entity.rules));
            let held = if let Some((_, held)) = seen {
                *held
            } else {
                let wanted = self.types.contains(&entity.type_urn);
                let held = wanted
                    .then(|| TypeRights::of(&self.call.principal, &entity.rules.right_prefix()));
                rights.push((&entity.rules, held));
                held
            };
            rows.extend(held.and_then(|held| self.row(entity, registry, held)));
        }
        if let Some(order) = self.order {
            order.sort(&mut rows);
        }
        rows
    }

    fn row<'e>(
        &self,
        entity: &'e Entity,
        registry: &Registry,
        held: TypeRights,
    ) -> Option<Row<'e>> {
        let level = level_with(self.call, entity, registry, held)?;
        let view = View::of(level, self.call.version);
        if let Some(filter) = self.filter
            && !filter.matches(Case::Sensitive, &|key| field(entity, key, view))
        {
            return None;
        }
        let sort = self.order.and_then(|order| field(entity, &order.key, view));
        Some((sort.map(Comparable::of), (&entity.id, view)))
    }
}

fn field<'e>(entity: &'e Entity, key: &str, view: View) -> Option<Cow<'e, str>> {
    match key {
        "id" => Some(Cow::Borrowed(&entity.id)),
        "name" => Some(Cow::Borrowed(&entity.name)),
        "externalId" => entity.external_id.as_deref().map(Cow::Borrowed),
        "entityType" => Some(Cow::Borrowed(&entity.type_urn)),
        "state" | "entityState" => Some(Cow::Borrowed(entity.state.name())),
        "creationDate" => Some(Cow::Owned(stamp(entity.created))),
        "lastModificationDate" => Some(Cow::Owned(stamp(entity.modified))),
        nested => {
            let value = render::visible_at(entity, nested.strip_prefix("entity.")?, view)?;
            paging::plain(value)
        }
    }
}
