//! Sessions, API tokens and service accounts.

use std::time::Duration;

use serde_json::{Value, json};

use super::fact::Mark::{Documents, Inferred, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::people::{knock, person, root};
use super::support::wire::{Answer, Ask};

const MANAGE: &str = "API Tokens: Manage";

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = sessions();
    facts.extend(tokens());
    facts.extend(service_accounts());
    facts
}

async fn exchange(bench: &Bench, realm: &str, api_token: &str) -> Answer {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", api_token),
    ];
    let ask = Ask::post(&format!("/oauth/{realm}/token")).form(&pairs);
    bench.send(ask.accept("application/json;version=")).await
}

fn sessions() -> Vec<Fact> {
    vec![
        fact(
            "2.1",
            Source,
            "a password login is 200 with a session and a long bearer token in a header",
            async |bench| {
                person(&bench, ("acme", "anna"), "Viewer", &[]).await;
                let answer = knock(&bench, ("acme", "anna"), "correct horse")
                    .await
                    .expect(200);
                let token = answer.header("x-vmware-vcloud-access-token").unwrap();
                assert!(token.len() > 32);
                assert_eq!(
                    answer.header("x-vmware-vcloud-token-type").unwrap(),
                    "Bearer"
                );
                let session = answer.json();
                assert_eq!(session["user"]["name"], "anna");
                assert_eq!(session["org"]["name"], "acme");
                assert_eq!(session["roles"], json!(["Viewer"]));
                assert_eq!(session["sessionIdleTimeoutMinutes"], 30);
                let wrong = knock(&bench, ("acme", "anna"), "wrong").await;
                wrong.refused(401, "UNAUTHORIZED");
            },
        ),
        fact(
            "2.3",
            Documents,
            "sessions are listed, read and ended by id, each user's own only",
            async |bench| {
                let anna = person(&bench, ("acme", "anna"), "Viewer", &[]).await;
                let bert = person(&bench, ("acme", "bert"), "Viewer", &[]).await;
                let sessions = "/cloudapi/1.0.0/sessions";
                let listed = bench
                    .send(Ask::get(sessions).by(&anna))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(listed["resultTotal"], 1);
                let id = listed["values"][0]["id"].as_str().unwrap();
                let one = format!("{sessions}/{id}");
                bench.send(Ask::get(&one).by(&anna)).await.expect(200);
                bench.send(Ask::get(&one).by(&bert)).await.expect(403);
                let places = format!("{one}/accessibleLocations");
                let places = bench
                    .send(Ask::get(&places).by(&anna))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(places["values"][0]["org"]["name"], "acme");
                let token = bench
                    .send(Ask::get(&format!("{one}/token")).by(&anna))
                    .await;
                assert_eq!(token.expect(200).json()["token"], anna.as_str());
                bench.send(Ask::delete(&one).by(&bert)).await.expect(403);
                bench.send(Ask::delete(&one).by(&anna)).await.expect(204);
                bench.send(Ask::get(sessions).by(&anna)).await.expect(401);
            },
        ),
        fact(
            "2.3",
            Inferred,
            "a session ends after 30 idle minutes or 24 hours, and every path is 401 then",
            async |bench| {
                let token = bench.author().await;
                bench.pass(Duration::from_mins(31));
                for path in [
                    "/cloudapi/1.0.0/sessions/current",
                    "/api/task/0b7e5c3a-2a4b-4a54-9c52-5b2ff2ac1111",
                    "/api/org",
                    "/cloudapi/1.0.0/no/such/path",
                ] {
                    bench.send(Ask::get(path).by(&token)).await.expect(401);
                }
                let token = bench.author().await;
                let current = || Ask::get("/cloudapi/1.0.0/sessions/current").by(&token);
                for _ in 0..57 {
                    bench.pass(Duration::from_mins(25));
                    bench.send(current()).await.expect(200);
                }
                bench.pass(Duration::from_mins(25));
                bench.send(current()).await.expect(401);
            },
        ),
        fact(
            "2.7",
            Inferred,
            "a tenant that names another organization is 403, or by setting stays at home",
            async |bench| {
                let token = bench.author().await;
                let rival = bench.rival.org_id.clone();
                let own = bench.tenant.org_id.clone();
                let bare = own.rsplit(':').next().unwrap().to_owned();
                let ask = |org: &str| {
                    let ask = Ask::get("/cloudapi/1.0.0/sessions/current").by(&token);
                    ask.header("x-vmware-vcloud-tenant-context", org)
                };
                bench.send(ask(&own)).await.expect(200);
                bench.send(ask(&bare)).await.expect(200);
                bench.send(ask(&rival)).await.expect(403);
                bench.world().settings_mut().foreign_context_is_ignored = true;
                bench.send(ask(&rival)).await.expect(200);
            },
        ),
        fact(
            "2.1",
            Documents,
            "the legacy session is XML, and links to its organization",
            async |bench| {
                let token = bench.author().await;
                let session = bench.send(Ask::get("/api/session").xml().by(&token)).await;
                let text = session.expect(200).text();
                assert!(
                    text.contains("<Session ") && text.contains("/api/org/"),
                    "{text}"
                );
                bench
                    .send(Ask::delete("/api/session").xml().by(&token))
                    .await
                    .expect(204);
                bench
                    .send(Ask::get("/api/session").xml().by(&token))
                    .await
                    .expect(401);
            },
        ),
    ]
}

fn tokens() -> Vec<Fact> {
    vec![
        fact(
            "2.5",
            Source,
            "an API token is registered, read, issued once, found by filter, used and deleted",
            async |bench| {
                let anna = person(&bench, ("acme", "anna"), "Viewer", &[MANAGE]).await;
                let register = Ask::post("/oauth/tenant/acme/register").by(&anna);
                let register = register.accept("application/json;version=");
                let body = json!({"client_name": "k8s-bot"});
                let made = bench.send(register.json(&body)).await.expect(200).json();
                let client = made["client_id"].as_str().unwrap();
                assert_eq!(
                    made["grant_types"],
                    json!(["urn:ietf:params:oauth:grant-type:jwt-bearer"])
                );
                let one = format!("/cloudapi/1.0.0/tokens/urn:vcloud:token:{client}");
                let token = bench
                    .send(Ask::get(&one).by(&anna))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(
                    (&token["type"], &token["org"]["name"]),
                    (&json!("REFRESH"), &json!("acme"))
                );
                let pairs = [
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("client_id", client),
                    ("assertion", anna.as_str()),
                ];
                let issue = Ask::post("/oauth/tenant/acme/token").form(&pairs);
                let issued = bench.send(issue).await.expect(200).json();
                let secret = issued["refresh_token"].as_str().unwrap();
                let filter = "(name==k8s-bot;owner.name==anna;(type==PROXY,type==REFRESH))";
                let list = format!("/cloudapi/1.0.0/tokens?filter={filter}");
                let listed = bench
                    .send(Ask::get(&list).by(&anna))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(listed["resultTotal"], 1);
                let access = exchange(&bench, "tenant/acme", secret)
                    .await
                    .expect(200)
                    .json();
                assert_eq!(access["expires_in"], 2_592_000);
                assert_eq!(access["refresh_token"], Value::Null);
                exchange(&bench, "tenant/acme", secret).await.expect(200);
                bench.send(Ask::delete(&one).by(&anna)).await.expect(204);
                let gone = exchange(&bench, "tenant/acme", secret).await;
                gone.refused(400, "invalid_grant");
                let session = access["access_token"].as_str().unwrap();
                bench
                    .send(Ask::get("/api/org").xml().by(session))
                    .await
                    .expect(401);
            },
        ),
        fact(
            "2.4",
            Documents,
            "a session of an API token manages neither tokens nor users nor roles",
            async |bench| {
                let token = bench.administrator().await;
                let name = json!({"name": "x", "client_name": "x", "username": "x"});
                for (path, status) in [
                    ("/cloudapi/1.0.0/tokens", 403),
                    ("/cloudapi/1.0.0/roles", 200),
                    ("/cloudapi/1.0.0/users", 200),
                    ("/cloudapi/1.0.0/rightsBundles", 200),
                ] {
                    bench.send(Ask::get(path).by(&token)).await.expect(status);
                    bench
                        .send(Ask::post(path).by(&token).json(&name))
                        .await
                        .expect(403);
                }
                let register = Ask::post("/oauth/provider/register").by(&token);
                bench.send(register.json(&name)).await.expect(403);
            },
        ),
        fact(
            "2.5",
            Documents,
            "a proxy token tells its text once and logs nobody in",
            async |bench| {
                let anna = person(&bench, ("acme", "anna"), "Viewer", &[MANAGE]).await;
                let tokens = "/cloudapi/1.0.0/tokens";
                let body = json!({"name": "p", "type": "PROXY"});
                let made = bench.send(Ask::post(tokens).by(&anna).json(&body)).await;
                let made = made.expect(201).json();
                let text = made["token"].as_str().unwrap();
                exchange(&bench, "tenant/acme", text).await.expect(400);
                let one = format!("{tokens}/{}", made["id"].as_str().unwrap());
                let read = bench
                    .send(Ask::get(&one).by(&anna))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(
                    (&read["token"], &read["type"]),
                    (&Value::Null, &json!("PROXY"))
                );
                let body = json!({"name": "p", "type": "REFRESH"});
                bench
                    .send(Ask::post(tokens).by(&anna).json(&body))
                    .await
                    .expect(400);
            },
        ),
        fact(
            "2.4",
            Inferred,
            "the status of a wrong token and the life a token is told are settings",
            async |bench| {
                exchange(&bench, "provider", "none")
                    .await
                    .refused(400, "invalid_grant");
                {
                    let mut world = bench.world();
                    let settings = world.settings_mut();
                    settings.invalid_grant_is_unauthorized = true;
                    settings.tokens_tell_idle_time = true;
                }
                exchange(&bench, "provider", "none")
                    .await
                    .refused(401, "invalid_grant");
                let api_token = bench.tenant.api_token.clone();
                let access = exchange(&bench, "tenant/acme", &api_token)
                    .await
                    .expect(200);
                assert_eq!(access.json()["expires_in"], 1800);
            },
        ),
    ]
}

/// Registers a service account of acme; its client id.
async fn registered(bench: &Bench, root: &str, role: &str) -> String {
    let body = json!({"client_name": "robot", "software_version": "1.0", "client_uri": "https://x",
        "software_id": "0b7e5c3a-2a4b-4a54-9c52-5b2ff2ac1111",
        "scope": format!("urn:vcloud:role:{role}")});
    let ask = Ask::post("/oauth/tenant/acme/register")
        .by(root)
        .json(&body);
    let made = bench.send(ask).await.expect(200).json();
    made["client_id"].as_str().unwrap().to_owned()
}

async fn status(bench: &Bench, root: &str, client: &str) -> Value {
    let path = format!("/cloudapi/1.0.0/serviceAccounts/urn:vcloud:serviceAccount:{client}");
    let read = bench
        .send(Ask::get(&path).by(root))
        .await
        .expect(200)
        .json();
    read["status"].clone()
}

/// Asks for authorization and has it granted; the device code.
async fn granted(bench: &Bench, root: &str, client: &str) -> String {
    let pairs = [("client_id", client)];
    let ask = Ask::post("/oauth/tenant/acme/device_authorization").form(&pairs);
    let codes = bench.send(ask).await.expect(200).json();
    assert_eq!(status(bench, root, client).await, "REQUESTED");
    let device = codes["device_code"].as_str().unwrap().to_owned();
    first_token(bench, client, &device)
        .await
        .refused(400, "authorization_pending");
    let org = bench.tenant.org_id.clone();
    let ask = Ask::post("/cloudapi/1.0.0/deviceLookup/grant").by(root);
    let ask = ask.header("x-vmware-vcloud-tenant-context", &org);
    let ask = ask.json(&json!({"userCode": codes["user_code"]}));
    bench.send(ask).await.expect(204);
    assert_eq!(status(bench, root, client).await, "GRANTED");
    device
}

async fn first_token(bench: &Bench, client: &str, device: &str) -> Answer {
    let pairs = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", client),
        ("device_code", device),
    ];
    bench
        .send(Ask::post("/oauth/tenant/acme/token").form(&pairs))
        .await
}

fn service_accounts() -> Vec<Fact> {
    const ROLE: &str = "Kubernetes%20Cluster%20Author";
    vec![
        fact(
            "2.6",
            Source,
            "a service account is created, requested, granted and active, and acts with its role",
            async |bench| {
                let root = root(&bench).await;
                let client = registered(&bench, &root, ROLE).await;
                assert_eq!(status(&bench, &root, &client).await, "CREATED");
                let device = granted(&bench, &root, &client).await;
                let tokens = first_token(&bench, &client, &device)
                    .await
                    .expect(200)
                    .json();
                assert_eq!(status(&bench, &root, &client).await, "ACTIVE");
                assert!(tokens["refresh_token"].is_string());
                let token = tokens["access_token"].as_str().unwrap();
                let current = "/cloudapi/1.0.0/sessions/current";
                let session = bench
                    .send(Ask::get(current).by(token))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(session["user"]["name"], "robot");
                assert_eq!(session["roles"], json!(["Kubernetes Cluster Author"]));
                super::support::rde::created(&bench, token, "blue").await;
                first_token(&bench, &client, &device)
                    .await
                    .refused(400, "invalid_grant");
            },
        ),
        fact(
            "2.6",
            Source,
            "the refresh token of a service account changes with every use, and the old one dies",
            async |bench| {
                let root = root(&bench).await;
                let client = registered(&bench, &root, ROLE).await;
                let device = granted(&bench, &root, &client).await;
                let tokens = first_token(&bench, &client, &device)
                    .await
                    .expect(200)
                    .json();
                let first = tokens["refresh_token"].as_str().unwrap();
                let used = exchange(&bench, "tenant/acme", first)
                    .await
                    .expect(200)
                    .json();
                let second = used["refresh_token"].as_str().unwrap();
                assert_ne!(first, second);
                exchange(&bench, "tenant/acme", first)
                    .await
                    .refused(400, "invalid_grant");
                exchange(&bench, "tenant/acme", second).await.expect(200);
            },
        ),
        fact(
            "2.6",
            Source,
            "revoking a service account takes its token and sessions; it is updated and deleted",
            async |bench| {
                let root = root(&bench).await;
                let client = registered(&bench, &root, ROLE).await;
                let device = granted(&bench, &root, &client).await;
                let tokens = first_token(&bench, &client, &device)
                    .await
                    .expect(200)
                    .json();
                let token = tokens["access_token"].as_str().unwrap();
                let one =
                    format!("/cloudapi/1.0.0/serviceAccounts/urn:vcloud:serviceAccount:{client}");
                bench
                    .send(Ask::post(&format!("{one}/revoke")).by(&root))
                    .await
                    .expect(204);
                bench
                    .send(Ask::get("/api/org").xml().by(token))
                    .await
                    .expect(401);
                let refresh = tokens["refresh_token"].as_str().unwrap();
                exchange(&bench, "tenant/acme", refresh).await.expect(400);
                assert_eq!(status(&bench, &root, &client).await, "CREATED");
                let body = json!({"name": "robot", "softwareVersion": "2.0"});
                let changed = bench.send(Ask::put(&one).by(&root).json(&body)).await;
                assert_eq!(changed.expect(200).json()["softwareVersion"], "2.0");
                let list = "/cloudapi/1.0.0/serviceAccounts?filter=name==robot&pageSize=32";
                let org = bench.tenant.org_id.clone();
                let ask = Ask::get(list)
                    .by(&root)
                    .header("x-vmware-vcloud-tenant-context", &org);
                assert_eq!(bench.send(ask).await.expect(200).json()["resultTotal"], 1);
                let list = "/cloudapi/1.0.0/serviceAccounts?pageSize=33";
                bench
                    .send(Ask::get(list).by(&root))
                    .await
                    .refused(400, "BAD_REQUEST");
                bench.send(Ask::delete(&one).by(&root)).await.expect(204);
                bench.send(Ask::get(&one).by(&root)).await.expect(403);
            },
        ),
    ]
}
