//! Lists: raw pages, walks that end, and one odd entry among many.

use cse_server::domain::error_class::ErrorClass;
use cse_server::vcd::error::VcdError;
use cse_server::vcd::model::EntityQuery;
use cse_server::vcd::paging::parse_page;
use serde::Deserialize;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, ResponseTemplate};

use super::site::{Site, entity_json};

const LIST: &str = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1";

/// What a poll wants to know of an entity, borrowed from the page.
#[derive(Deserialize)]
struct Name<'a> {
    name: &'a str,
}

fn query() -> EntityQuery {
    EntityQuery {
        vendor: "vmware".to_owned(),
        nss: "capvcdCluster".to_owned(),
        version: Some("1".to_owned()),
        filter: Some("entity.metadata.orgName==acme;state==RESOLVED".to_owned()),
        page_size: 2,
    }
}

fn entity(number: u32) -> Value {
    let mut entity = entity_json();
    entity["id"] = json!(format!("urn:vcloud:entity:vmware:capvcdCluster:{number}"));
    entity["name"] = json!(format!("cluster-{number}"));
    entity
}

fn envelope(total: u64, pages: u64, values: &[Value]) -> ResponseTemplate {
    let page = json!({
        "resultTotal": total, "pageCount": pages, "page": 1, "pageSize": 2,
        "associations": null, "values": values,
    });
    super::site::json(200, &page.to_string())
}

async fn page(site: &Site, number: u32, answer: ResponseTemplate) {
    Mock::given(method("GET"))
        .and(path(LIST))
        .and(query_param("page", number.to_string()))
        .and(query_param("pageSize", "2"))
        .and(query_param(
            "filter",
            "entity.metadata.orgName==acme;state==RESOLVED",
        ))
        .respond_with(answer)
        .mount(&site.server)
        .await;
}

async fn names(site: &Site) -> Vec<String> {
    let found = site.client().await.entities(&query()).await.unwrap();
    found.into_iter().map(|entity| entity.name).collect()
}

#[tokio::test]
async fn a_page_is_handed_out_as_it_came() {
    let site = Site::start().await;
    let odd = "{ \"values\" : [ {\"name\":\"a\", \"x\": 1e400} ] , \"resultTotal\":1 }";
    page(&site, 3, super::site::json(200, odd)).await;
    let bytes = site.client().await.entity_page(&query(), 3).await.unwrap();
    assert_eq!(bytes, odd.as_bytes());
    let page = parse_page::<Name<'_>>(&bytes).unwrap();
    assert_eq!(page.values[0].name, "a");
    assert!(
        bytes.as_ptr_range().contains(&page.values[0].name.as_ptr()),
        "copied"
    );
}

#[tokio::test]
async fn a_walk_reads_every_page_once() {
    let site = Site::start().await;
    page(&site, 1, envelope(5, 3, &[entity(1), entity(2)])).await;
    page(&site, 2, envelope(5, 3, &[entity(3), entity(4)])).await;
    page(&site, 3, envelope(5, 3, &[entity(5)])).await;
    let want: Vec<_> = (1..=5).map(|n| format!("cluster-{n}")).collect();
    assert_eq!(names(&site).await, want);
    assert_eq!(site.seen("GET", LIST).await.len(), 3);
}

#[tokio::test]
async fn a_walk_ends_at_a_page_past_the_end() {
    let site = Site::start().await;
    page(&site, 1, envelope(4, 2, &[entity(1), entity(2)])).await;
    page(&site, 2, envelope(2, 1, &[])).await;
    assert_eq!(names(&site).await, ["cluster-1", "cluster-2"]);
}

#[tokio::test]
async fn an_entity_that_moves_to_the_next_page_counts_once() {
    let site = Site::start().await;
    page(&site, 1, envelope(3, 2, &[entity(1), entity(2)])).await;
    page(&site, 2, envelope(4, 2, &[entity(2), entity(3)])).await;
    assert_eq!(names(&site).await, ["cluster-1", "cluster-2", "cluster-3"]);
}

#[tokio::test]
async fn one_odd_entity_does_not_hide_the_others() {
    let site = Site::start().await;
    let mut poisoned = entity(2);
    poisoned["entity"] = json!("not an object");
    let mut nameless = entity(3);
    nameless["id"] = json!("urn:vcloud:entity:../../etc");
    page(
        &site,
        1,
        envelope(4, 1, &[entity(1), poisoned, nameless, entity(4)]),
    )
    .await;
    assert_eq!(names(&site).await, ["cluster-1", "cluster-4"]);
}

#[tokio::test]
async fn a_list_without_end_is_an_error() {
    let site = Site::start().await;
    let endless = envelope(u64::MAX, u64::MAX, &[entity(1)]);
    site.answer("GET", LIST, endless).await;
    let error = site.client().await.entities(&query()).await.unwrap_err();
    assert!(
        matches!(error, VcdError::TooManyPages { limit: 1_000, .. }),
        "{error:?}"
    );
    assert_eq!(error.class(), ErrorClass::Terminal);
}

#[tokio::test]
async fn the_page_size_stays_within_what_vcd_takes() {
    let site = Site::start().await;
    site.answer(
        "GET",
        "/cloudapi/1.0.0/entities/types/v%2Fx/n",
        envelope(0, 0, &[]),
    )
    .await;
    let client = site.client().await;
    for (asked, sent) in [(0, "1"), (128, "128"), (60_000, "128")] {
        let mut query = query();
        query.vendor = "v/x".to_owned();
        query.nss = "n".to_owned();
        (query.version, query.filter, query.page_size) = (None, None, asked);
        client.entities(&query).await.unwrap();
        let last = site
            .seen("GET", "/cloudapi/1.0.0/entities/types/v%2Fx/n")
            .await
            .pop()
            .unwrap();
        let sent_size = last
            .url
            .query_pairs()
            .find(|(key, _)| key == "pageSize")
            .unwrap()
            .1;
        assert_eq!(sent_size, sent);
    }
}
