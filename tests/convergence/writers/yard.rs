//! The clusters that are there at a moment, as those know them who write into their documents.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cse_server::clock::Moment;
use fastrand::Rng;

use super::wild::Kind;

/// One cluster.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    pub(super) urn: String,
    pub(super) name: String,
    pub(super) tenant: usize,
    /// It is to be deleted when it has been provisioned until then.
    pub(super) until: Option<Moment>,
    /// Its tenant wants it deleted.
    pub(super) going: bool,
    /// Whether that stands in its document, as far as the portal knows.
    pub(super) marked: bool,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Yard(Arc<Mutex<Vec<Plot>>>);

impl Yard {
    pub(super) fn plots(&self) -> MutexGuard<'_, Vec<Plot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A cluster to write into; the portal first takes one that is to be deleted, Terraform one that has been
    /// provisioned.
    pub(super) fn pick(&self, kind: Kind, rng: &mut Rng) -> Option<Plot> {
        let plots = self.plots();
        let due = plots.iter().find(|plot| plot.going && !plot.marked);
        match due {
            Some(due) if kind == Kind::Portal => Some(due.clone()),
            Some(_) | None => {
                let fits = |plot: &&Plot| kind != Kind::Terraform || plot.until.is_some();
                let fitting: Vec<&Plot> = plots.iter().filter(fits).collect();
                rng.choice(fitting).cloned()
            }
        }
    }

    pub(super) fn marked(&self, urn: &str) {
        let mut plots = self.plots();
        for plot in plots.iter_mut().filter(|plot| plot.urn == urn) {
            plot.marked = true;
        }
    }
}
