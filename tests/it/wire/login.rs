//! Tokens: one exchange, one repeat, one refresh for all, and no secret in any text.

use std::error::Error;

use cse_server::domain::error_class::ErrorClass;
use cse_server::domain::ids::{EntityId, OrgId};
use cse_server::vcd::error::VcdError;
use cse_server::vcd::{ClientOptions, VcdClient};
use futures_util::future::join_all;
use wiremock::Mock;
use wiremock::ResponseTemplate;
use wiremock::matchers::{header, method, path};

use super::site::{
    API_TOKEN, ENTITY, Site, entity_json, fault, granted, json, limits, login, transport, versions,
};

const TOKENS: &str = "/oauth/tenant/acme/token";

fn entity_path() -> String {
    format!("/cloudapi/1.0.0/entities/{ENTITY}")
}

fn entity() -> ResponseTemplate {
    json(200, &entity_json().to_string()).insert_header("etag", "\"r1\"")
}

fn id() -> EntityId {
    EntityId::parse(ENTITY).unwrap()
}

/// Answers `status` to the old access token and the entity to the new one.
async fn expire_first_token(site: &Site) {
    let old = header("authorization", "Bearer access-1");
    let refuse = Mock::given(method("GET")).and(path(entity_path())).and(old);
    refuse
        .respond_with(fault(401, "UNAUTHORIZED", "expired"))
        .mount(&site.server)
        .await;
    let new = header("authorization", "Bearer access-2");
    let allow = Mock::given(method("GET")).and(path(entity_path())).and(new);
    allow.respond_with(entity()).mount(&site.server).await;
}

async fn site_with_two_tokens() -> Site {
    let server = wiremock::MockServer::start().await;
    let site = Site { server };
    site.answer("GET", "/api/versions", versions(&["37.2"]))
        .await;
    site.answer_once("POST", TOKENS, granted("access-1")).await;
    site.answer("POST", TOKENS, granted("access-2")).await;
    site
}

#[tokio::test]
async fn the_api_token_is_exchanged_as_a_form_before_the_first_call() {
    let site = Site::start().await;
    site.answer("GET", &entity_path(), entity()).await;
    site.client().await.get_entity(&id()).await.unwrap();

    let exchange = site.only("POST", TOKENS).await;
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&exchange.body)
        .into_owned()
        .collect();
    let want = [
        ("grant_type", "refresh_token"),
        ("refresh_token", API_TOKEN),
    ];
    assert_eq!(form, want.map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert_eq!(
        exchange.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert!(!exchange.headers.contains_key("authorization"));

    let call = site.only("GET", &entity_path()).await;
    assert_eq!(call.headers["authorization"], "Bearer access-1");
    assert_eq!(call.headers["accept"], "application/json;version=37.2");
    assert_eq!(call.headers.get_all("authorization").iter().count(), 1);
    assert!(
        call.headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("cse-server/")
    );
}

#[tokio::test]
async fn a_provider_login_uses_the_provider_endpoint_whatever_the_case() {
    for org in ["System", "system", "SYSTEM"] {
        let site = Site::start().await;
        site.answer("POST", "/oauth/provider/token", granted("provider-1"))
            .await;
        let transport = transport(&site.server.uri());
        VcdClient::connect(transport, login(org), ClientOptions::default())
            .await
            .unwrap();
        site.only("POST", "/oauth/provider/token").await;
    }
}

#[tokio::test]
async fn an_organization_name_stays_one_path_segment() {
    let site = Site::start().await;
    let client = site.client().await.for_tenant(login("a/../b c"));
    client.get_entity(&id()).await.unwrap_err();
    site.only("POST", "/oauth/tenant/a%2F..%2Fb%20c/token")
        .await;
}

#[tokio::test]
async fn one_401_costs_one_exchange_and_one_repeat() {
    let site = site_with_two_tokens().await;
    expire_first_token(&site).await;
    let client = site.client().await;
    assert_eq!(client.get_entity(&id()).await.unwrap().value.name, "blue");
    client.get_entity(&id()).await.unwrap();
    assert_eq!(
        site.seen("POST", TOKENS).await.len(),
        2,
        "one at the start, one after the 401"
    );
    assert_eq!(site.seen("GET", &entity_path()).await.len(), 3);
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_exchange() {
    let site = site_with_two_tokens().await;
    expire_first_token(&site).await;
    let client = site.client().await;
    let ids = [(); 16].map(|()| id());
    let answers = join_all(ids.iter().map(|id| client.get_entity(id))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(site.seen("POST", TOKENS).await.len(), 2);
}

#[tokio::test]
async fn calls_that_wait_for_an_exchange_share_its_failure() {
    let site = Site::start().await;
    let broken =
        fault(500, "INTERNAL_SERVER_ERROR", "no").set_delay(std::time::Duration::from_millis(200));
    site.answer("POST", "/oauth/tenant/other/token", broken)
        .await;
    let client = site.client().await.for_tenant(login("other"));
    let ids = [(); 8].map(|()| id());
    let answers = join_all(ids.iter().map(|id| client.get_entity(id))).await;
    for answer in answers {
        assert_eq!(answer.unwrap_err().class(), ErrorClass::Transient);
    }
    site.only("POST", "/oauth/tenant/other/token").await;
}

#[tokio::test]
async fn a_second_401_is_not_answered_with_a_third_try() {
    let site = site_with_two_tokens().await;
    site.answer("GET", &entity_path(), fault(401, "UNAUTHORIZED", "no"))
        .await;
    let error = site.client().await.get_entity(&id()).await.unwrap_err();
    assert!(
        matches!(error, VcdError::Unauthenticated { .. }),
        "{error:?}"
    );
    assert_eq!(error.class(), ErrorClass::Unauthenticated);
    assert_eq!(site.seen("GET", &entity_path()).await.len(), 2);
    assert_eq!(site.seen("POST", TOKENS).await.len(), 2);
}

#[tokio::test]
async fn a_wrong_api_token_is_named_with_its_organization_and_never_quoted() {
    for status in [400, 401, 403] {
        let site = Site::start().await;
        let words = format!("Invalid refresh token {API_TOKEN}");
        site.answer(
            "POST",
            "/oauth/tenant/other/token",
            fault(status, "invalid_grant", &words),
        )
        .await;
        let client = site.client().await.for_tenant(login("other"));
        let error = client.get_entity(&id()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unauthenticated, "{status}");
        assert_eq!(error.minor_code(), Some("invalid_grant"));
        assert!(
            error
                .to_string()
                .contains("API token for organization \"other\""),
            "{error}"
        );
        let everything = format!("{error} {error:?} {}", error.source().unwrap());
        assert!(!everything.contains(API_TOKEN), "{everything}");
        assert_eq!(site.seen("GET", &entity_path()).await.len(), 0);
    }
}

#[tokio::test]
async fn a_proxy_page_at_the_token_endpoint_does_not_condemn_the_token() {
    let site = Site::start().await;
    let page = ResponseTemplate::new(403).set_body_raw("<html>blocked</html>", "text/html");
    site.answer("POST", "/oauth/tenant/other/token", page).await;
    let error = site
        .client()
        .await
        .for_tenant(login("other"))
        .get_entity(&id())
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Terminal, "{error}");
}

#[tokio::test]
async fn an_unusable_access_token_is_an_unreadable_answer() {
    for token in ["", "with\\nbreak"] {
        let site = Site::start().await;
        site.answer("POST", "/oauth/tenant/other/token", granted(token))
            .await;
        let client = site.client().await.for_tenant(login("other"));
        let error = client.get_entity(&id()).await.unwrap_err();
        assert!(
            matches!(error, VcdError::Unreadable { .. }),
            "{token:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_rotated_api_token_is_used_from_then_on() {
    let site = Site {
        server: wiremock::MockServer::start().await,
    };
    site.answer("GET", "/api/versions", versions(&["37.2"]))
        .await;
    let rotated = r#"{"access_token":"access-1","refresh_token":"second"}"#;
    site.answer_once("POST", TOKENS, json(200, rotated)).await;
    site.answer("POST", TOKENS, granted("access-2")).await;
    expire_first_token(&site).await;
    site.client().await.get_entity(&id()).await.unwrap();
    let last = site.seen("POST", TOKENS).await.pop().unwrap();
    assert!(
        String::from_utf8(last.body)
            .unwrap()
            .ends_with("refresh_token=second")
    );
}

#[tokio::test]
async fn acting_in_an_organization_sends_its_bare_id_on_every_call() {
    let site = Site::start().await;
    site.answer("GET", &entity_path(), entity()).await;
    let client = site.client().await;
    let org = OrgId::parse("urn:vcloud:org:11bb").unwrap();
    client.in_org(&org).get_entity(&id()).await.unwrap();
    client.get_entity(&id()).await.unwrap();
    let contexts: Vec<_> = site
        .seen("GET", &entity_path())
        .await
        .into_iter()
        .map(|r| r.headers.get("x-vmware-vcloud-tenant-context").cloned())
        .collect();
    assert_eq!(contexts, [Some("11bb".parse().unwrap()), None]);
    assert_eq!(
        site.seen("POST", TOKENS).await.len(),
        1,
        "one login for both"
    );
}

#[tokio::test]
async fn a_tenant_login_is_made_at_the_first_call_only() {
    let site = Site::start().await;
    site.answer("POST", "/oauth/tenant/other/token", granted("other-1"))
        .await;
    site.answer("GET", &entity_path(), entity()).await;
    let tenant = site.client().await.for_tenant(login("other"));
    assert_eq!(
        site.seen("POST", "/oauth/tenant/other/token").await.len(),
        0
    );
    tenant.get_entity(&id()).await.unwrap();
    assert_eq!(
        site.only("GET", &entity_path()).await.headers["authorization"],
        "Bearer other-1"
    );
}

#[tokio::test]
async fn nothing_printable_holds_a_token() {
    let shown = format!("{:?}", login("acme"));
    assert!(!shown.contains(API_TOKEN), "{shown}");
    let site = Site::start().await;
    let options = limits(std::time::Duration::from_secs(5));
    let error = VcdClient::connect(transport(&site.server.uri()), login("nobody"), options).await;
    let error = error.err().unwrap();
    assert!(!format!("{error:?}").contains(API_TOKEN));
}
