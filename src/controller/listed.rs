//! One page of a listing: which of its clusters need work.
//!
//! Flow: the bytes of a page -> the few fields of each entity that matter -> [`Row`]s.
//!
//! Invariants:
//! - Fields that do not matter are skipped, not stored; a row that cannot be read hides no other row.
//!
//! Not here: the listing itself, and pages that have not changed (`poll`).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tracing::debug;

use super::document::{self, Content};
use super::history;
use super::known::{Known, fingerprint};
use super::poll::Row;
use crate::domain::claim::{Claim, ClaimPhase};
use crate::domain::ids::{EntityId, OrgId};
use crate::domain::status::ClusterState;
use crate::reconcile::inspection::kept_since;
use crate::reconcile::interest::{Summary, is_held, needs_work};
use crate::reconcile::sharing::Errand;
use crate::vcd::error::VcdError;
use crate::vcd::paging::{MAX_PAGES, Page, parse_page};

/// The few fields of a listed entity that matter; everything else is skipped, not stored.
#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    org: Option<ListedOrg<'a>>,
    #[serde(borrow)]
    entity: ListedEntity<'a>,
}

#[derive(Deserialize)]
struct ListedOrg<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
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
    heartbeat_timestamp: Cow<'a, str>,
    #[serde(borrow, default)]
    event_set: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error_set: Option<&'a RawValue>,
    /// Looked at where a creation has failed only.
    #[serde(borrow, default)]
    vcd_resource_set: Option<&'a RawValue>,
}

/// What a page holds.
pub(super) struct PageRows {
    pub(super) rows: Vec<Row>,
    pub(super) page_count: u32,
    pub(super) total: u64,
}

pub(super) fn read_page(body: &[u8], known: &mut Known) -> Result<PageRows, VcdError> {
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

pub(super) fn read_head(body: &[u8]) -> Result<PageRows, VcdError> {
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
        claim: Claim::from_wire(&report.worker_id, &report.heartbeat_string)
            .stamped(&report.heartbeat_timestamp),
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
        || is_held(&summary)
        || may_run(&summary) && known.wants_look(&listed.id, listed.entity.fingerprint(), raw);
    let org = listed.org.as_ref().map(|org| &*org.id);
    row_of((&listed.id, org), summary, wanted, known)
}

/// The row of a cluster that needs work, or keeps what has to be collected one day.
fn row_of(
    (id, org): (&str, Option<&str>),
    summary: Summary,
    wanted: bool,
    known: &mut Known,
) -> Option<Row> {
    let same_since = known.same_since(id, &summary.claim);
    let kept_since = if wanted {
        None
    } else {
        Some(kept_since(&summary)?)
    };
    let errand = if summary.wants_deletion() {
        Errand::Removal
    } else if needs_work(&summary) {
        Errand::Creation
    } else {
        Errand::Upkeep
    };
    Some(Row {
        entity: EntityId::parse(id).ok()?,
        claim: summary.claim,
        org: org.and_then(|org| OrgId::parse(org).ok()),
        errand,
        same_since,
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
    let org = listed.get("org").and_then(|org| org.get("id")?.as_str());
    let wanted = needs_work(&summary)
        || is_held(&summary)
        || may_run(&summary) && known.wants_look(id, fingerprint(&[Some(raw)]), raw);
    row_of((id, org), summary, wanted, known)
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
            r#"{{"id":"urn:vcloud:entity:vmware:capvcdCluster:{id}","name":"x","entity":{entity},
                "org":{{"name":"acme","id":"urn:vcloud:org:{id}"}}}}"#
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
        let orgs = read.rows.iter().map(|row| row.org.as_ref().unwrap().uuid());
        assert!(orgs.eq(ids), "each with its organization");
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
