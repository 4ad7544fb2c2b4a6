//! `GET /verdicts` and `GET /history`: what was done, and what of it was against the rules.
//!
//! Flow: a test with real processes asks for the verdicts at its end; a person who wants to know how one came
//! about asks for the entries of the cluster up to its number.

use http::Method;
use serde_json::{Value, json};

use super::routes::with_world;
use super::{Asked, Operator, Refused};
use crate::sim::history::{Deed, Entry, Written};

/// Entries in an answer, unless told otherwise.
const ENTRIES: usize = 100;

/// Answers one request.
pub(super) fn answer(operator: &Operator, asked: &Asked<'_>) -> Result<Value, Refused> {
    if *asked.method != Method::GET {
        return Err(Refused::method());
    }
    if asked.path().as_slice() == ["verdicts"] {
        return Ok(with_world(
            operator,
            |world| json!({"entries": world.history().len(), "verdicts": world.judge()}),
        ));
    }
    asked.parameters(&["limit", "after", "entity"])?;
    let limit = asked.parameter("limit")?.unwrap_or(ENTRIES);
    let after: u64 = asked.parameter("after")?.unwrap_or_default();
    let entity: Option<String> = asked.parameter("entity")?;
    Ok(with_world(operator, |world| {
        let entries = world.history().entries();
        let wanted = |entry: &&Entry| {
            let about = entity.as_ref().is_none_or(|urn| is_about(&entry.deed, urn));
            entry.number > after && about
        };
        let found: Vec<&Entry> = entries.filter(wanted).take(limit).collect();
        json!({"entries": world.history().len(), "history": found})
    }))
}

/// Whether an entry is about the cluster `urn` or something that names it.
fn is_about(deed: &Deed, urn: &str) -> bool {
    let named = |clusters: &[String]| clusters.iter().any(|one| one == urn);
    match deed {
        Deed::Written(Written { entity, .. })
        | Deed::Gone { entity }
        | Deed::Seen { entity, .. }
        | Deed::Leaked { entity, .. } => entity == urn,
        Deed::Machine(machine) => named(&machine.clusters),
        Deed::Item(item) => named(&item.clusters),
        Deed::Started { .. } | Deed::Stopping { .. } => false,
    }
}
