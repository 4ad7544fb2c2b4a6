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

use http::Method;

use super::api::level_with;
use super::content::visible_at;
use super::render::{self, View};
use super::walk::{Path, Rows};
use super::{Entities, Entity};
use crate::sim::access::TypeRights;
use crate::sim::call::{ApiVersion, Call};
use crate::sim::context::Context;
use crate::sim::fiql::{Case, Comparable};
use crate::sim::paging::{self, MAX_PAGE_SIZE, Order, Page};
use crate::sim::registry::{EntityType, Registry, TypeRules, interface_urn};
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
    let path = Path {
        principal: call.principal.clone(),
        version: call.version,
        settings: *ctx.settings,
        types,
        filter,
        order,
    };
    let rows = if let Some(rows) = entities.walks.rows(&path) {
        rows
    } else {
        let rows = Query { call, path: &path }.rows(entities, registry);
        entities.walks.begin(path, Arc::clone(&rows));
        rows
    };
    let cut = page.cut(&rows);
    let shown = cut
        .iter()
        .filter_map(|(id, view)| Some((entities.get(id)?, *view)));
    let bytes = shown.clone().map(|(entity, _)| render::size(entity)).sum();
    let mut body = paging::Body::begin(page, rows.len(), bytes);
    for (entity, view) in shown {
        body.row(|out| render::write(entity, view, ctx.directory, out));
    }
    Ok(body.end(call, ctx.site, "DefinedEntities"))
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
    path: &'q Path,
}

/// What the caller may do with the entities of one type; looked up once, as they share their rules.
struct OfType<'q> {
    rules: &'q Arc<TypeRules>,
    found: Option<&'q EntityType>,
    /// None when the list does not cover the type.
    held: Option<TypeRights>,
}

impl Query<'_> {
    fn rows(&self, entities: &Entities, registry: &Registry) -> Rows {
        let mut types: Vec<OfType<'_>> = Vec::new();
        let mut rows = Vec::new();
        for (id, entity) in &entities.by_id {
            let seen = types
                .iter()
                .position(|seen| Arc::ptr_eq(seen.rules, &entity.rules));
            let seen = seen.unwrap_or_else(|| {
                types.push(self.of_type(entity, registry));
                types.len() - 1
            });
            let row = types
                .get(seen)
                .and_then(|of_type| self.row(entity, of_type));
            rows.extend(row.map(|(sort, view)| (sort, (id, view))));
        }
        if let Some(order) = &self.path.order {
            order.sort(&mut rows);
        }
        rows.into_iter()
            .map(|(_, (id, view))| (Arc::clone(id), view))
            .collect()
    }

    fn of_type<'e>(&self, entity: &'e Entity, registry: &'e Registry) -> OfType<'e> {
        let wanted = self.path.types.contains(&entity.type_urn);
        let prefix = entity.rules.right_prefix();
        OfType {
            rules: &entity.rules,
            found: registry.types.get(&entity.type_urn),
            held: wanted.then(|| TypeRights::of(&self.call.principal, &prefix)),
        }
    }

    /// What the entity is sorted by and how it is shown; `None` when it is not in the list.
    fn row<'e>(
        &self,
        entity: &'e Entity,
        of_type: &OfType<'_>,
    ) -> Option<(Option<Comparable<'e>>, View)> {
        let level = level_with(self.call, entity, of_type.found, of_type.held?)?;
        let view = View::of(level, self.call.version);
        if let Some(filter) = &self.path.filter
            && !filter.matches(Case::Sensitive, &|key| field(entity, key, view))
        {
            return None;
        }
        let order = self.path.order.as_ref();
        let sort = order.and_then(|order| field(entity, &order.key, view));
        Some((sort.map(Comparable::of), view))
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
            let path = nested.strip_prefix("entity.")?;
            let value = visible_at(&entity.content, &entity.rules.fields, path, view)?;
            Some(Cow::Owned(value))
        }
    }
}
