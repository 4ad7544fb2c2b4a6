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

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tracing::{debug, warn};
use twox_hash::XxHash3_64;

use super::document::{self, Content};
use super::history;
use super::known::{Known, fingerprint};
use crate::domain::claim::{Claim, ClaimPhase};
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::EntityId;
use crate::domain::status::ClusterState;
use crate::reconcile::day_two::Look;
use crate::reconcile::inspection::kept_since;
use crate::reconcile::interest::{Summary, needs_work};
use crate::telemetry::{chain, event};
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::EntityQuery;
use crate::vcd::paging::{MAX_PAGE_SIZE, MAX_PAGES, Page, parse_page};
use crate::vcd::transport::Transport;

/// What the hot poll asks for: everything that is not finished, and everything that is to go.
const HOT_FILTER: &str = "(state==PRE_CREATED,entity.status.vcdKe.state==provisioning,\
    entity.status.vcdKe.state==error,entity.status.vcdKe.state==deleting,\
    entity.spec.vcdKe.markForDelete==true)";

/// After so many sweeps a refused hot poll is tried again: a right may have been missing for a while.
const HOT_RETRY_SWEEPS: u32 = 30;

/// A listed cluster that needs work.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) entity: EntityId,
    pub(crate) claim: Claim,
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
    /// Sweeps since VCD refused the filter of the hot poll.
    hot_refused: Option<u32>,
    /// Provisioned clusters.
    known: Known,
}

#[derive(Debug)]
struct PageMemory {
    hash: u64,
    rows: Vec<Row>,
}

/// The few fields of a listed entity that matter; everything else is skipped, not stored.
#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    entity: ListedEntity<'a>,
}

#[derive(Deserialize)]
struct ListedEntity<'a> {
    #[serde(borrow, default)]
    spec: ListedSpec<'a>,
    #[serde(borrow, default)]
    status: ListedStatus<'a>,
}

#[derive(Default, Deserialize)]
struct ListedSpec<'a> {
    #[serde(borrow, default, rename = "vcdKe")]
    vcd_ke: ListedFlags<'a>,
    #[serde(borrow, default, rename = "capiYaml")]
    capi_yaml: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedFlags<'a> {
    #[serde(borrow, default, rename = "isVCDKECluster")]
    is_vcdke: Option<&'a RawValue>,
    #[serde(borrow, default)]
    mark_for_delete: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct ListedStatus<'a> {
    #[serde(borrow, default, rename = "vcdKe")]
    vcd_ke: ListedReport<'a>,
    #[serde(borrow, default)]
    capvcd: ListedCluster<'a>,
}

/// What CAPVCD says of a running cluster, as far as an operation shows in it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedCluster<'a> {
    #[serde(borrow, default)]
    node_pool: Option<&'a RawValue>,
    #[serde(borrow, default)]
    upgrade: Option<&'a RawValue>,
    #[serde(borrow, default)]
    kubernetes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cluster_api_status: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "k8sNetwork")]
    ranges: Option<&'a RawValue>,
    #[serde(borrow, default)]
    vcd_properties: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedReport<'a> {
    #[serde(borrow, default)]
    state: Cow<'a, str>,
    #[serde(borrow, default)]
    worker_id: Cow<'a, str>,
    #[serde(borrow, default)]
    heartbeat_string: Cow<'a, str>,
    #[serde(borrow, default)]
    event_set: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error_set: Option<&'a RawValue>,
    /// Looked at where a creation has failed only.
    #[serde(borrow, default)]
    vcd_resource_set: Option<&'a RawValue>,
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
    pub(crate) fn look_from(&mut self, look: Look) {
        if self.known.look_from(look) {
            // Pages that have not changed have to be read again, too.
            self.pages.clear();
        }
    }

    /// Whether the hot poll is of use: VCD may refuse its filter.
    pub(crate) const fn has_hot_poll(&self) -> bool {
        self.hot_refused.is_none()
    }

    /// Lists the unfinished clusters only.
    pub(crate) async fn hot<T: Transport>(
        &mut self,
        client: &VcdClient<T>,
    ) -> Result<Found, VcdError> {
        let query = cluster_query(Some(HOT_FILTER));
        let mut found = Found::default();
        for number in 1..=MAX_PAGES {
            let body = match client.entity_page(&query, number).await {
                Ok(body) => body,
                Err(error) if error.class() == ErrorClass::Terminal => {
                    warn!(
                        event = event::POLL_FAILED,
                        error = %chain(&error),
                        "VCD refuses the filter of the quick poll; new clusters are found by the full listing only"
                    );
                    self.hot_refused = Some(0);
                    return Ok(found);
                }
                Err(error) => return Err(error),
            };
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
        self.hot_refused = self
            .hot_refused
            .map(|sweeps| sweeps.saturating_add(1))
            .filter(|sweeps| *sweeps < HOT_RETRY_SWEEPS);
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

struct PageRows {
    rows: Vec<Row>,
    page_count: u32,
    total: u64,
}

fn read_page(body: &[u8], known: &mut Known) -> Result<PageRows, VcdError> {
    let page = parse_page::<&RawValue>(body)?;
    let mut rows = Vec::new();
    for raw in &page.values {
        match serde_json::from_str::<Listed<'_>>(raw.get()) {
            Ok(listed) => rows.extend(row(&listed, raw, known)),
            Err(error) => {
                debug!(error = %error, "a listed entity is oddly built");
                rows.extend(odd_row(raw, known));
            }
        }
    }
    Ok(PageRows {
        rows,
        page_count: pages(&page),
        total: page.result_total,
    })
}

fn read_head(body: &[u8]) -> Result<PageRows, VcdError> {
    let page = parse_page::<serde::de::IgnoredAny>(body)?;
    Ok(PageRows {
        rows: Vec::new(),
        page_count: pages(&page),
        total: page.result_total,
    })
}

/// Pages of the whole list, bounded; an empty page ends it wherever it stands.
fn pages<T>(page: &Page<T>) -> u32 {
    if page.values.is_empty() {
        return 0;
    }
    u32::try_from(page.page_count)
        .unwrap_or(MAX_PAGES)
        .clamp(1, MAX_PAGES)
}

fn row(listed: &Listed<'_>, raw: &RawValue, known: &mut Known) -> Option<Row> {
    let report = &listed.entity.status.vcd_ke;
    let mut summary = Summary {
        is_vcdke: is_true(listed.entity.spec.vcd_ke.is_vcdke),
        marked_for_delete: is_true(listed.entity.spec.vcd_ke.mark_for_delete),
        state: ClusterState::from_wire(&report.state),
        claim: Claim::from_wire(&report.worker_id, &report.heartbeat_string),
        bootstrap_since: None,
        restorable: false,
    };
    if summary.state == ClusterState::Error && summary.claim.phase() == ClaimPhase::Done {
        let errors = entries(report.error_set);
        let resources = entries(report.vcd_resource_set);
        summary.bootstrap_since = history::bootstrap_since(&resources, &errors);
        summary.restorable = history::is_restorable(
            &errors,
            is_ready(listed.entity.status.capvcd.cluster_api_status),
        );
    }
    let wanted = needs_work(&summary)
        || may_run(&summary) && known.wants_look(&listed.id, listed.entity.fingerprint(), raw);
    row_of(&listed.id, summary, wanted)
}

/// The row of a cluster that needs work, or keeps what has to be collected one day.
fn row_of(id: &str, summary: Summary, wanted: bool) -> Option<Row> {
    let kept_since = if wanted {
        None
    } else {
        Some(kept_since(&summary)?)
    };
    Some(Row {
        entity: EntityId::parse(id).ok()?,
        claim: summary.claim,
        kept_since,
    })
}

fn entries(raw: Option<&RawValue>) -> Vec<Value> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// Whether `status.capvcd.clusterApiStatus` shows a control plane that answers.
fn is_ready(api: Option<&RawValue>) -> bool {
    let section = api.and_then(|raw| serde_json::from_str::<Content>(raw.get()).ok());
    section.as_ref().is_some_and(document::api_ready)
}

/// The same for an entity with fields of wrong types: they count as absent, as everywhere else. Its
/// author is to be told what is wrong with it.
fn odd_row(raw: &RawValue, known: &mut Known) -> Option<Row> {
    let listed: Value = serde_json::from_str(raw.get()).ok()?;
    let content = listed.get("entity")?.as_object()?;
    let summary = document::summary(content);
    let id = listed.get("id")?.as_str()?;
    let wanted = needs_work(&summary)
        || may_run(&summary) && known.wants_look(id, fingerprint(&[Some(raw)]), raw);
    row_of(id, summary, wanted)
}

/// Whether it may be a running cluster that wants somebody to look at it.
fn may_run(summary: &Summary) -> bool {
    summary.is_vcdke && !summary.marked_for_delete && summary.state == ClusterState::Provisioned
}

impl ListedEntity<'_> {
    /// Of everything that the verdict on a running cluster depends on.
    fn fingerprint(&self) -> u64 {
        let (report, cluster) = (&self.status.vcd_ke, &self.status.capvcd);
        fingerprint(&[
            self.spec.capi_yaml,
            cluster.node_pool,
            cluster.upgrade,
            cluster.kubernetes,
            cluster.cluster_api_status,
            cluster.ranges,
            cluster.vcd_properties,
            report.event_set,
            report.error_set,
        ])
    }
}

fn is_true(value: Option<&RawValue>) -> bool {
    value.is_some_and(|raw| raw.get().trim_matches('"').eq_ignore_ascii_case("true"))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests {
    use super::*;

    fn page(values: &[&str]) -> Vec<u8> {
        let head = r#"{"resultTotal":300,"pageCount":3,"page":1,"pageSize":128,"associations":null,"values":["#;
        format!("{head}{}]}}", values.join(",")).into_bytes()
    }

    fn entity(id: &str, entity: &str) -> String {
        format!(
            r#"{{"id":"urn:vcloud:entity:vmware:capvcdCluster:{id}","name":"x","entity":{entity}}}"#
        )
    }

    #[test]
    fn only_clusters_that_need_work_come_out_and_odd_ones_hide_nobody() {
        let new = entity(
            "1",
            r#"{"spec":{"vcdKe":{"isVCDKECluster":true},"capiYaml":"a: \"b\"\n"}}"#,
        );
        let as_text = entity(
            "2",
            r#"{"spec":{"vcdKe":{"isVCDKECluster":"true"}},"status":{"vcdKe":{}}}"#,
        );
        let ready = entity(
            "3",
            r#"{"spec":{"vcdKe":{"isVCDKECluster":true}},"status":{"vcdKe":{"state":"provisioned"}}}"#,
        );
        let twisted = entity(
            "7",
            r#"{"spec":{"vcdKe":{"isVCDKECluster":true},"capiYaml":7},"status":{"vcdKe":[]}}"#,
        );
        let numbered = entity(
            "8",
            r#"{"spec":{"vcdKe":{"isVCDKECluster":true}},"status":{"vcdKe":{"state":"provisioned","workerId":7}}}"#,
        );
        let plain = entity("4", r#"{"spec":{"capiYaml":"x"}}"#);
        let odd = entity("5", r#"{"spec":[],"status":7}"#);
        let held = entity(
            "6",
            r#"{"status":{"vcdKe":{"state":"provisioning","workerId":"b\/1",
                "heartbeatString":"k1;e=4;s=2;n=1;t=180;p=creating;i=1;x=held"}},
                "spec":{"vcdKe":{"isVCDKECluster":true,"markForDelete":false}}}"#,
        );
        let body = page(&[
            &odd, &new, &ready, &plain, &as_text, &held, &twisted, &numbered,
        ]);
        let read = read_page(&body, &mut Known::default()).unwrap();
        let ids: Vec<&str> = read.rows.iter().map(|row| row.entity.uuid()).collect();
        assert_eq!(ids, ["1", "2", "6", "7"]);
        assert_eq!((read.total, read.page_count), (300, 3));
        let heartbeat = read.rows[2].claim.heartbeat.as_ref().unwrap();
        assert_eq!(heartbeat.epoch, 4);
        assert_eq!(read.rows[2].claim.holder.as_ref().unwrap().as_str(), "b/1");
    }

    #[test]
    fn the_end_of_a_list_is_bounded_whatever_it_announces() {
        let announced = |count: &str, values: &str| {
            let text = format!(r#"{{"resultTotal":1,"pageCount":{count},"values":[{values}]}}"#);
            read_page(text.as_bytes(), &mut Known::default())
                .unwrap()
                .page_count
        };
        assert_eq!(announced("3", "{}"), 3);
        assert_eq!(announced("0", "{}"), 1);
        assert_eq!(announced("99999999", "{}"), MAX_PAGES);
        assert_eq!(announced("3", ""), 0, "an empty page ends the list");
    }
}
