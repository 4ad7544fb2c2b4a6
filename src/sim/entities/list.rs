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
use super::{Entities, Entity, metadata};
use crate::sim::access::TypeRights;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::Directory;
use crate::sim::fiql::{Case, Comparable};
use crate::sim::paging::{self, MAX_PAGE_SIZE, Order, Page};
use crate::sim::registry::{EntityType, Interface, Registry, TypeRules, types};
use crate::sim::reply::{Problem, Reply, stamp};

const KEYS: [&str; 6] = [
    "id",
    "name",
    "externalId",
    "entityType",
    "state",
    "entityState",
];

/// Keys of the versions that show dates.
const NEWER_KEYS: [&str; 2] = ["creationDate", "lastModificationDate"];

/// Keys of sites that have them.
const OWNER_KEYS: [&str; 4] = ["owner.id", "owner.name", "org.id", "org.name"];

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
    let known = |key: &str| is_known(key, call);
    let filter = paging::filter(call)?;
    let metadata = paging::metadata_filter(call)?;
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
        metadata,
        order,
    };
    let rows = if let Some(rows) = entities.walks.rows(&path) {
        rows
    } else {
        let query = Query {
            call,
            path: &path,
            directory: ctx.directory,
        };
        let rows = query.rows(entities, registry);
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
    let implementing = |wanted: &dyn Fn(&Interface) -> bool| {
        let known = |id: &String| registry.interfaces.get(id).is_some_and(wanted);
        let types = registry.types.values();
        let types = types.filter(|found| found.definition.interfaces.iter().any(known));
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
        ["interfaces", urn] => Ok(implementing(&|interface| interface.id == *urn)),
        ["interfaces", vendor, nss, version] => Ok(implementing(&|interface| {
            (interface.vendor.as_str(), interface.nss.as_str()) == (*vendor, *nss)
                && is_prefix(version, &interface.version)
        })),
        _ => Err(Problem::no_such_url()),
    }
}

/// Whether `1` or `1.2` stands for `1.2.0`.
fn is_prefix(prefix: &str, version: &str) -> bool {
    version
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn is_known(key: &str, call: &Call<'_>) -> bool {
    KEYS.contains(&key)
        || (NEWER_KEYS.contains(&key) && render::shows_dates(call))
        || (OWNER_KEYS.contains(&key) && call.settings.lists_filter_by_owner)
        || key
            .strip_prefix("entity.")
            .is_some_and(|path| !path.is_empty())
}

/// What rows are asked for.
struct Query<'q> {
    call: &'q Call<'q>,
    path: &'q Path,
    directory: &'q Directory,
}

/// What the caller may do with the entities of one type; looked up once, as they share their rules.
struct OfType<'q> {
    rules: &'q Arc<TypeRules>,
    found: Option<&'q EntityType>,
    /// None when the list does not cover the type.
    held: Option<TypeRights>,
}

impl<'q> Query<'q> {
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
        let found = registry.types.get(&entity.type_urn);
        let rights = || types::rights(&self.call.principal, &entity.rules, found);
        OfType {
            rules: &entity.rules,
            found,
            held: wanted.then(rights),
        }
    }

    /// What the entity is sorted by and how it is shown; `None` when it is not in the list.
    fn row<'e>(
        &self,
        entity: &'e Entity,
        of_type: &OfType<'_>,
    ) -> Option<(Option<Comparable<'e>>, View)>
    where
        'q: 'e,
    {
        let who = &self.call.principal;
        let abroad = who.provider && !who.in_context && entity.org_id != who.org_id;
        if abroad && self.call.settings.providers_list_own_org_only {
            return None;
        }
        let level = level_with(self.call, entity, of_type.found, of_type.held?)?;
        let view = View::of(self.call, level);
        if let Some(filter) = &self.path.filter
            && !filter.matches(Case::Sensitive, &|key| self.field(entity, key, view))
        {
            return None;
        }
        if let Some(filter) = &self.path.metadata
            && !metadata::matches(self.call, entity, filter)
        {
            return None;
        }
        let order = self.path.order.as_ref();
        let sort = order.and_then(|order| self.field(entity, &order.key, view));
        Some((sort.map(Comparable::of), view))
    }

    fn field<'e>(&self, entity: &'e Entity, key: &str, view: View) -> Option<Cow<'e, str>>
    where
        'q: 'e,
    {
        match key {
            "owner.id" => Some(Cow::Borrowed(&entity.owner_id)),
            "org.id" => Some(Cow::Borrowed(&entity.org_id)),
            "org.name" => self.directory.org_name(&entity.org_id).map(Cow::Borrowed),
            "owner.name" => {
                let owner = self.directory.users.get(&entity.owner_id)?;
                Some(Cow::Borrowed(&owner.name))
            }
            _ => field(entity, key, view),
        }
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
