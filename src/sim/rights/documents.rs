//! Single rights and their categories.
//!
//! Source: VCD `OpenAPI`, `rights` and `rightsCategories`.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::known;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::derived_urn;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

const RIGHT_KEYS: [&str; 5] = ["id", "name", "category", "rightType", "bundleKey"];

/// Answers `/cloudapi/1.0.0/{rights|rightsCategories}...`.
pub(super) fn handle(
    call: &Call<'_>,
    (area, rest): (&str, &[&str]),
    ctx: &Context<'_>,
) -> Result<Reply, Problem> {
    let who = &call.principal;
    let names = known(ctx.directory).into_iter();
    let names = names.filter(|name| who.provider || who.has(name));
    let (rows, listing) = if area == "rights" {
        (
            names.map(right).collect(),
            Listing::of("Rights", &RIGHT_KEYS),
        )
    } else {
        let listing = Listing::of("RightsCategoryNodes", &["id", "name"]);
        (categories(names), listing)
    };
    match (call.method, rest) {
        (&Method::GET, []) => paging::list(call, ctx.site, &listing, rows),
        (&Method::GET, [id]) => {
            let row = rows
                .iter()
                .find(|row| row.get("id").is_some_and(|own| own == id));
            let row = row.ok_or_else(super::not_found)?;
            Ok(Reply::json(200, call.version, row))
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// A right as a document.
pub(super) fn right(name: &str) -> Value {
    json!({
        "id": derived_urn("right", name),
        "name": name,
        "description": name,
        "category": derived_urn("rightsCategory", category(name)),
        "bundleKey": null,
        "serviceNamespace": null,
        "rightType": if is_view(name) { "VIEW" } else { "MODIFY" },
        "impliedRights": [],
    })
}

/// Rights are named by category and action, such as `vApp: Copy`.
fn category(name: &str) -> &str {
    name.rsplit_once(": ")
        .map_or(name, |(category, _)| category)
}

fn is_view(name: &str) -> bool {
    name.ends_with("View") || name.contains(": View")
}

fn categories<'n>(names: impl Iterator<Item = &'n str>) -> Vec<Value> {
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for name in names {
        let (views, changes) = counts.entry(category(name)).or_default();
        *(if is_view(name) { views } else { changes }) += 1;
    }
    let node = |(name, (view, modify)): (&str, (u32, u32))| {
        json!({
            "id": derived_urn("rightsCategory", name),
            "name": name,
            "bundleKey": null,
            "parent": null,
            "rightsCount": {"view": view, "modify": modify},
            "subCategories": [],
        })
    };
    counts.into_iter().map(node).collect()
}
