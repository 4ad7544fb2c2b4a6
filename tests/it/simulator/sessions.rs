//! Logins, access tokens, API tokens and the tenant context.

use std::time::Duration;

use cse_server::sim::SessionLimits;
use http::Method;
use serde_json::json;

use crate::support::site::{Answer, Ask, Site, basic};

const CURRENT: &str = "/cloudapi/1.0.0/sessions/current";
const PROVIDER: &str = "/oauth/provider/token";
const ACME: &str = "/oauth/tenant/acme/token";

fn exchange(site: &mut Site, path: &str, api_token: &str) -> Answer {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", api_token),
    ];
    site.call(
        Ask::post(path)
            .form(&form)
            .accept("application/json;version="),
    )
}

#[test]
fn every_token_header_is_understood_and_nothing_else_opens_the_door() {
    let mut site = Site::new();
    let token = site.login("author", "acme");
    assert!(
        token.len() > 32 && token.split('.').count() == 3,
        "looks like a JWT: {token}"
    );
    for (name, value, status) in [
        ("authorization", format!("Bearer {token}"), 200),
        ("authorization", format!("bearer {token}"), 200),
        ("x-vmware-vcloud-access-token", token.clone(), 200),
        ("x-vcloud-authorization", token.clone(), 200),
        ("authorization", format!("Bearer {token}x"), 401),
        ("authorization", token.clone(), 401),
        ("authorization", "Basic YTpi".to_owned(), 401),
    ] {
        let answer = site.call(Ask::get(CURRENT).header(name, &value));
        assert_eq!(answer.status(), status, "{name}");
    }
    assert_eq!(site.call(Ask::get(CURRENT)).status(), 401);
    // The legacy API says it in XML.
    let legacy = site.call(Ask::get("/api/task/x"));
    assert_eq!(legacy.status(), 401);
    assert!(legacy.header("content-type").unwrap().contains("xml"));
}

#[test]
fn each_login_door_admits_its_own_users_only() {
    let mut site = Site::new();
    let (tenant, provider) = (
        "/cloudapi/1.0.0/sessions",
        "/cloudapi/1.0.0/sessions/provider",
    );
    for (path, user, org, password, status) in [
        (tenant, "author", "acme", "author", 200),
        (tenant, "author", "ACME", "author", 200),
        (tenant, "author", "acme", "wrong", 401),
        (tenant, "author", "zeta", "author", 401),
        (tenant, "admin", "System", "admin", 401),
        (provider, "admin", "system", "admin", 200),
        (provider, "author", "acme", "author", 401),
        ("/api/sessions", "author", "acme", "author", 200),
    ] {
        let answer = site.call(basic(path, user, org, password));
        assert_eq!(answer.status(), status, "{path} {user}@{org}");
        assert_eq!(
            answer.header("x-vmware-vcloud-access-token").is_some(),
            status == 200
        );
    }
}

#[test]
fn the_session_tells_user_organization_and_role_until_it_is_closed() {
    let mut site = Site::new();
    let token = site.login("author", "acme");
    let session = site.call(Ask::get(CURRENT).by(&token)).json();
    assert_eq!(session["user"]["name"], "author");
    assert_eq!(session["org"], json!({"name": "acme", "id": site.acme}));
    assert_eq!(session["roleRefs"][0]["name"], "Author");
    assert_eq!(session["sessionIdleTimeoutMinutes"], 30);
    let role = session["roleRefs"][0]["id"].as_str().unwrap();
    let rights = site
        .call(Ask::get(&format!("/cloudapi/1.0.0/roles/{role}/rights")).by(&token))
        .json();
    assert_eq!(rights["resultTotal"], 4);
    assert_eq!(site.call(Ask::delete(CURRENT).by(&token)).status(), 204);
    assert_eq!(site.call(Ask::get(CURRENT).by(&token)).status(), 401);
}

#[test]
fn an_api_token_is_good_at_its_own_endpoint_only() {
    let mut site = Site::new();
    for (path, token, status) in [
        (PROVIDER, "service-token", 200),
        (ACME, "author-token", 200),
        ("/oauth/tenant/ACME/token", "author-token", 200),
        (PROVIDER, "author-token", 400),
        (ACME, "service-token", 400),
        (ACME, "rival-token", 400),
        ("/oauth/tenant/System/token", "service-token", 400),
        ("/oauth/tenant/nobody/token", "author-token", 400),
        (PROVIDER, "unknown", 400),
        (PROVIDER, "", 400),
    ] {
        let answer = exchange(&mut site, path, token);
        assert_eq!(answer.status(), status, "{path} {token}");
        if status == 200 {
            let body = answer.json();
            assert!(body["access_token"].as_str().unwrap().len() > 32);
            assert!(body["expires_in"].as_u64().unwrap() > 0);
            assert!(body["refresh_token"].is_null(), "user tokens do not rotate");
        } else {
            assert_eq!(answer.problem().0, "invalid_grant");
        }
    }
}

#[test]
fn a_session_ends_by_idleness_and_by_age() {
    let mut site = Site::new();
    let minutes = Duration::from_mins;
    site.world.set_session_limits(SessionLimits {
        idle: minutes(30),
        absolute: minutes(100),
    });
    let idle = site.login("author", "acme");
    site.wait(minutes(31));
    assert_eq!(site.call(Ask::get(CURRENT).by(&idle)).status(), 401);
    let busy = site.login("author", "acme");
    for (minute, status) in [(25, 200), (50, 200), (75, 200), (100, 200), (101, 401)] {
        site.elapsed = minutes(31 + minute);
        assert_eq!(
            site.call(Ask::get(CURRENT).by(&busy)).status(),
            status,
            "minute {minute}"
        );
    }
}

#[test]
fn a_revoked_api_token_takes_its_sessions_along() {
    let mut site = Site::new();
    let access = exchange(&mut site, PROVIDER, "service-token").json()["access_token"].clone();
    let access = access.as_str().unwrap();
    let other = site.login("service", "System");
    site.world.revoke_api_token("service-token");
    assert_eq!(site.call(Ask::get(CURRENT).by(access)).status(), 401);
    assert_eq!(
        site.call(Ask::get(CURRENT).by(&other)).status(),
        200,
        "a password session stays"
    );
    assert_eq!(
        exchange(&mut site, PROVIDER, "service-token").problem().0,
        "invalid_grant"
    );
}

#[test]
fn a_new_api_token_is_registered_read_issued_once_and_deleted() {
    let mut site = Site::new();
    let password = site.login("author", "acme");
    let register = Ask::post("/oauth/tenant/acme/register").json(&json!({"client_name": "bot"}));
    let client = site.call(register.clone().by(&password)).json()["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let urn = format!("/cloudapi/1.0.0/tokens/urn:vcloud:token:{client}");
    let token = site.call(Ask::get(&urn).by(&password)).json();
    assert_eq!(
        (&token["name"], &token["type"]),
        (&json!("bot"), &json!("REFRESH"))
    );

    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", client.as_str()),
        ("assertion", password.as_str()),
    ];
    let issued = site.call(Ask::post(ACME).form(&form)).json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        site.call(Ask::post(ACME).form(&form)).status(),
        400,
        "it is shown once"
    );
    let access = exchange(&mut site, ACME, &issued).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();

    // A session that came from a token manages none.
    assert_eq!(site.call(register.by(&access)).status(), 403);
    assert_eq!(
        site.call(Ask::get("/cloudapi/1.0.0/tokens").by(&access))
            .status(),
        403
    );

    let filter =
        "/cloudapi/1.0.0/tokens?filter=(name==bot;owner.name==author;(type==PROXY,type==REFRESH))";
    assert_eq!(
        site.call(Ask::get(filter).by(&password)).json()["resultTotal"],
        1
    );
    assert_eq!(site.call(Ask::delete(&urn).by(&password)).status(), 204);
    assert_eq!(site.call(Ask::get(CURRENT).by(&access)).status(), 401);
    assert_eq!(exchange(&mut site, ACME, &issued).status(), 400);
    assert_eq!(site.call(Ask::get(&urn).by(&password)).status(), 403);
}

#[test]
fn a_tenant_names_its_own_organization_only_and_a_provider_any() {
    let mut site = Site::new();
    let (author, service) = (
        site.login("author", "acme"),
        site.login("service", "System"),
    );
    let bare = |urn: &str| urn.rsplit(':').next().unwrap().to_owned();
    let (acme, zeta) = (site.acme.clone(), site.zeta.clone());
    for (token, context, status) in [
        (&author, acme.clone(), 200),
        (&author, bare(&acme), 200),
        (&author, zeta.clone(), 403),
        (&author, bare(&zeta), 403),
        (&service, acme.clone(), 200),
        (&service, bare(&zeta), 200),
        (
            &service,
            "urn:vcloud:org:00000000-0000-4000-8000-000000000000".to_owned(),
            403,
        ),
    ] {
        let ask = Ask::get(CURRENT)
            .by(token)
            .header("x-vmware-vcloud-tenant-context", &context);
        assert_eq!(site.call(ask).status(), status, "{context}");
    }
}

#[test]
fn token_endpoints_take_posts_only() {
    let mut site = Site::new();
    assert_eq!(site.call(Ask::new(Method::GET, PROVIDER)).status(), 405);
    let form = [("grant_type", "password")];
    assert_eq!(
        site.call(Ask::post(PROVIDER).form(&form)).problem().0,
        "unsupported_grant_type"
    );
}
