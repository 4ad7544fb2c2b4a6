//! Lists that somebody is in the middle of: which entities are in them, in which order.
//!
//! Who walks a list of hundred thousand asks for hundreds of pages, one after the other. What is on them is
//! found out for the first and kept for the others, as long as nothing at all changes.
//!
//! Invariants:
//! - Two requests share a walk only if everything the answer depends on is the same: who asks, from
//!   where, at which version, under which settings, for which rows in which order. Page and page size
//!   do not matter.
//! - Every change of an entity, and every request that could change anything, ends all walks.
//!
//! Not here: which rows belong to a list (`list`).

use std::collections::VecDeque;
use std::sync::Arc;

use super::render::View;
use crate::sim::call::{ApiVersion, Principal};
use crate::sim::context::Settings;
use crate::sim::fiql::Filter;
use crate::sim::paging::Order;

/// Walks kept at the same time.
const MOST: usize = 8;

/// Everything a list depends on besides the state of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) principal: Principal,
    pub(super) version: ApiVersion,
    pub(super) settings: Settings,
    /// URNs of the types.
    pub(super) types: Vec<String>,
    pub(super) filter: Option<Filter>,
    pub(super) metadata: Option<Filter>,
    pub(super) order: Option<Order>,
}

/// The rows of a list: URN of the entity, and how much of it is shown.
pub(super) type Rows = Arc<[(Arc<str>, View)]>;

/// The walks under way, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Walks(VecDeque<(Path, Rows)>);

impl Walks {
    /// Something changes.
    pub(super) fn end(&mut self) {
        self.0.clear();
    }

    pub(super) fn rows(&self, path: &Path) -> Option<Rows> {
        let found = self.0.iter().find(|(known, _)| known == path)?;
        Some(Arc::clone(&found.1))
    }

    pub(super) fn begin(&mut self, path: Path, rows: Rows) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back((path, rows));
    }
}
