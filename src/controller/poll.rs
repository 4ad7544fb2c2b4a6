//! Finding the clusters that need work, at the price of one request, or of one listing.
//!
//! Flow: pages of entities -> [`Row`]s of clusters that need work -> `watch`.
//!
//! Two kinds of poll: the hot poll asks VCD for unfinished clusters only, one request every few
//! seconds; the full sweep reads every page and is what correctness rests on, because a filter may
//! hide an entity that lacks the filtered key. A page that has not changed since the last sweep is
//! recognised by its hash and not parsed: an idle cluster costs its bytes and nothing else.
//!
//! Invariants:
//! - One page in memory at a time; per page eight bytes are kept, per provisioned cluster a fingerprint
//!   and a verdict (`known`).
//! - A row that cannot be read hides no other row.
//!
//! Not here: who may be claimed and since when a record is silent (`watch`).

use jiff::Timestamp;
use tracing::warn;
use twox_hash::XxHash3_64;

use super::known::Known;
use super::listed::{read_head, read_page};
use crate::clock::Moment;
use crate::domain::claim::Claim;
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::{EntityId, OrgId};
use crate::reconcile::day_two::Look;
use crate::reconcile::sharing::Errand;
use crate::telemetry::{chain, event};
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::EntityQuery;
use crate::vcd::paging::{MAX_PAGE_SIZE, MAX_PAGES};
use crate::vcd::transport::Transport;

/// What the hot poll asks for: everything that is not finished, and everything that is to go.
const UNFINISHED: &str = "state==PRE_CREATED,entity.status.vcdKe.state==provisioning,\
    entity.status.vcdKe.state==error,entity.status.vcdKe.state==deleting,\
    entity.spec.vcdKe.markForDelete==true";
/// And, unless VCD refuses that, what a server like this one holds, `<name>/<random>`: a finished cluster's may be
/// lost, too. Source: VCD API, FIQL; that `*` is good for keys within an entity is not documented.
const HELD: &str = "entity.status.vcdKe.workerId==*/*";
/// How many filters there are to try.
const FILTERS: usize = 2;

/// After so many sweeps a refused hot poll is tried again: a right may have been missing for a while.
const HOT_RETRY_SWEEPS: u32 = 30;

/// A listed cluster that needs work.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) entity: EntityId,
    pub(crate) claim: Claim,
    /// Its organization.
    pub(crate) org: Option<OrgId>,
    /// What it is claimed for.
    pub(crate) errand: Errand,
    /// Since when the record of an original server has been the same, if it was seen before there was
    /// anything to do for the cluster.
    pub(crate) same_since: Option<Moment>,
    /// Set when nothing is to be done but to collect a bootstrap VM that is kept since then.
    pub(crate) kept_since: Option<Timestamp>,
}

/// What one poll found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Clusters that need work, of the pages that were read.
    pub(crate) rows: Vec<Row>,
    /// Pages whose rows are the same as last time, because not a byte changed.
    pub(crate) unchanged_pages: u32,
    /// Requests made.
    pub(crate) requests: u32,
    /// Clusters in VCD, as the listing counts them.
    pub(crate) total: u64,
}

/// The poller of one replica.
#[derive(Debug, Default)]
pub struct Poller {
    /// Hash and rows of each page at the last sweep.
    pages: Vec<PageMemory>,
    /// How many of the filters of the hot poll VCD refuses.
    filters_refused: usize,
    /// Sweeps since it refused the last of them.
    sweeps_since_refusal: u32,
    /// Provisioned clusters.
    known: Known,
}

#[derive(Debug)]
struct PageMemory {
    hash: u64,
    rows: Vec<Row>,
}

/// All cluster entities, of every version of the type.
pub fn cluster_query(filter: Option<&str>) -> EntityQuery {
    EntityQuery {
        vendor: "vmware".to_owned(),
        nss: "capvcdCluster".to_owned(),
        version: None,
        filter: filter.map(str::to_owned),
        page_size: MAX_PAGE_SIZE,
    }
}

impl Poller {
    /// From where provisioned clusters are looked at.
    pub(crate) fn look_from(&mut self, look: Look, now: Moment) {
        if self.known.look_from(look, now) {
            // Pages that have not changed have to be read again, too.
            self.pages.clear();
        }
    }

    /// Whether the hot poll is of use: VCD may refuse its filters.
    pub(crate) const fn has_hot_poll(&self) -> bool {
        self.filters_refused < FILTERS
    }

    /// Lists the unfinished clusters only.
    pub(crate) async fn hot<T: Transport>(
        &mut self,
        client: &VcdClient<T>,
    ) -> Result<Found, VcdError> {
        while self.has_hot_poll() {
            let filter = if self.filters_refused == 0 {
                format!("({UNFINISHED},{HELD})")
            } else {
                format!("({UNFINISHED})")
            };
            match self.filtered(client, &filter).await {
                Err(error) if error.class() == ErrorClass::Terminal => self.filter_refused(&error),
                listed => return listed,
            }
        }
        Ok(Found::default())
    }

    fn filter_refused(&mut self, error: &VcdError) {
        self.filters_refused += 1;
        self.sweeps_since_refusal = 0;
        let found_late = if self.has_hot_poll() {
            "clusters that run already and whose server was lost"
        } else {
            "new clusters"
        };
        warn!(
            event = event::POLL_DEGRADED,
            request_id = error.request_id(),
            error = %chain(error),
            "VCD refuses the filter of the quick poll; {found_late} are found by the full listing only"
        );
    }

    async fn filtered<T: Transport>(
        &mut self,
        client: &VcdClient<T>,
        filter: &str,
    ) -> Result<Found, VcdError> {
        let query = cluster_query(Some(filter));
        let mut found = Found::default();
        for number in 1..=MAX_PAGES {
            let body = client.entity_page(&query, number).await?;
            found.requests += 1;
            let page = read_page(&body, &mut self.known)?;
            found.total = page.total;
            found.rows.extend(page.rows);
            if number >= page.page_count {
                break;
            }
        }
        Ok(found)
    }

    /// Lists every cluster; pages that have not changed are not parsed.
    ///
    /// Public for the benchmark, which measures exactly this.
    ///
    /// # Errors
    /// Whatever a page answers; pages read before keep their place in memory.
    pub async fn sweep<T: Transport>(&mut self, client: &VcdClient<T>) -> Result<Swept, VcdError> {
        let found = self.full(client).await?;
        Ok(Swept {
            requests: found.requests,
            unchanged_pages: found.unchanged_pages,
            clusters: found.total,
            need_work: found.rows.len(),
        })
    }

    pub(crate) async fn full<T: Transport>(
        &mut self,
        client: &VcdClient<T>,
    ) -> Result<Found, VcdError> {
        let query = cluster_query(None);
        let mut found = Found::default();
        let mut last = 1;
        let mut number = 1;
        while number <= last {
            let body = client.entity_page(&query, number).await?;
            found.requests += 1;
            let hash = XxHash3_64::oneshot(&body);
            let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
            match self.pages.get(index) {
                Some(known) if known.hash == hash => {
                    found.unchanged_pages += 1;
                    found.rows.extend(known.rows.iter().cloned());
                    if number == 1 {
                        let head = read_head(&body)?;
                        (last, found.total) = (head.page_count, head.total);
                    }
                }
                _ => {
                    let page = read_page(&body, &mut self.known)?;
                    (last, found.total) = (page.page_count, page.total);
                    self.remember(
                        index,
                        PageMemory {
                            hash,
                            rows: page.rows.clone(),
                        },
                    );
                    found.rows.extend(page.rows);
                }
            }
            number += 1;
        }
        self.sweeps_since_refusal = self.sweeps_since_refusal.saturating_add(1);
        if self.sweeps_since_refusal >= HOT_RETRY_SWEEPS {
            self.filters_refused = 0;
        }
        self.pages
            .truncate(usize::try_from(last).unwrap_or(usize::MAX));
        self.known.fit(found.total);
        Ok(found)
    }

    fn remember(&mut self, index: usize, page: PageMemory) {
        match self.pages.get_mut(index) {
            Some(slot) => *slot = page,
            // A page beyond a gap cannot happen: pages are read in order.
            None => self.pages.push(page),
        }
    }
}

/// Figures of one full sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Requests made.
    pub requests: u32,
    /// Pages recognised as unchanged.
    pub unchanged_pages: u32,
    /// Clusters in VCD.
    pub clusters: u64,
    /// Clusters that need work.
    pub need_work: usize,
}
