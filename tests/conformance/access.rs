//! Who sees and writes what of an entity: restricted fields, access controls, metadata.

use cse_server::sim::choices::RestrictedWrites;
use serde_json::{Value, json};

use super::fact::Mark::{Documents, Inferred};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::people::person;
use super::support::rde::{at, cluster, read, resolve, resolved, state};
use super::support::wire::{Answer, Ask};

const VIEW: &str = "vmware:capvcdCluster: View";
const MODIFY: &str = "vmware:capvcdCluster: Modify";

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = fields();
    facts.extend(grants());
    facts.extend(metadata());
    facts
}

async fn put(bench: &Bench, token: &str, urn: &str, version: &str, content: &Value) -> Answer {
    let body = json!({"name": "blue", "entity": content});
    let ask = Ask::put(&at(urn)).by(token).version(version).json(&body);
    bench.send(ask).await
}

/// The secret as it is stored.
async fn secret(bench: &Bench, token: &str, urn: &str) -> Value {
    let ask = Ask::get(&format!("{}/fullContents", at(urn))).by(token);
    let full = bench.send(ask).await.expect(200).json();
    full["entity"]["spec"]["vcdKe"]["secure"].clone()
}

async fn share(bench: &Bench, token: &str, urn: &str, (member, level): (&str, &str)) -> Answer {
    let body = json!({"grantType": "MembershipAccessControlGrant", "memberId": member,
        "accessLevelId": format!("urn:vcloud:accessLevel:{level}")});
    let ask = Ask::post(&format!("{}/accessControls", at(urn))).by(token);
    bench.send(ask.json(&body)).await
}

fn fields() -> Vec<Fact> {
    vec![
        fact(
            "3.7",
            Documents,
            "secure fields are left out below 38.0 and masked from there on",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                for (version, want) in [("37.0", Value::Null), ("38.0", json!("******"))] {
                    let ask = Ask::get(&at(&urn)).by(&token).version(version);
                    let entity = bench.send(ask).await.expect(200).json();
                    assert_eq!(
                        entity["entity"]["spec"]["vcdKe"]["secure"], want,
                        "{version}"
                    );
                }
            },
        ),
        fact(
            "3.7",
            Documents,
            "a PUT keeps a secure field by absence below 38.0 and by the mask from there on",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                let with = |secure: Option<Value>| {
                    let mut content = cluster("b");
                    let ke = content["spec"]["vcdKe"].as_object_mut().unwrap();
                    ke.remove("secure");
                    ke.extend(secure.map(|secure| ("secure".to_owned(), secure)));
                    content
                };
                let stored = json!({"apiToken": "hidden"});
                for (version, sent, want) in [
                    ("37.0", None, stored.clone()),
                    ("38.0", Some(json!("******")), stored.clone()),
                    (
                        "37.0",
                        Some(json!({"apiToken": "n"})),
                        json!({"apiToken": "n"}),
                    ),
                    ("38.0", None, Value::Null),
                    ("37.0", Some(stored.clone()), stored),
                    ("37.0", Some(Value::Null), Value::Null),
                ] {
                    put(&bench, &token, &urn, version, &with(sent))
                        .await
                        .expect(200);
                    assert_eq!(secret(&bench, &token, &urn).await, want, "{version}");
                }
            },
        ),
        fact(
            "3.7",
            Inferred,
            "who lacks full control changes no restricted field, silently or by setting with a 403",
            async |bench| {
                let token = bench.author().await;
                let editor = person(&bench, ("acme", "ed"), "Editor", &[VIEW, MODIFY]).await;
                let urn = resolved(&bench, &token, "blue").await;
                let org = bench.tenant.org_id.clone();
                share(&bench, &token, &urn, (&org, "ReadWrite"))
                    .await
                    .expect(201);
                let mut content = cluster("b");
                content["status"] = json!({"vcdKe": {"state": "forged"}});
                put(&bench, &editor, &urn, "37.0", &content)
                    .await
                    .expect(200);
                let entity = read(&bench, &token, &urn).await.json();
                assert!(entity["entity"].get("status").is_none(), "{entity}");
                bench.world().settings_mut().restricted_writes = RestrictedWrites::Refused;
                let refused = put(&bench, &editor, &urn, "37.0", &content).await;
                assert!(refused.expect(403).text().contains("status"));
                content.as_object_mut().unwrap().shift_remove("status");
                content["spec"]["vcdKe"]
                    .as_object_mut()
                    .unwrap()
                    .shift_remove("secure");
                put(&bench, &editor, &urn, "37.0", &content)
                    .await
                    .expect(200);
                assert_eq!(
                    secret(&bench, &token, &urn).await,
                    json!({"apiToken": "hidden"})
                );
            },
        ),
        fact(
            "3.2",
            Documents,
            "full contents want full control by ownership or grant; no right alone opens them",
            async |bench| {
                let (token, admin) = (bench.author().await, bench.administrator().await);
                let urn = resolved(&bench, &token, "blue").await;
                let path = format!("{}/fullContents", at(&urn));
                bench.send(Ask::get(&path).by(&token)).await.expect(200);
                bench.send(Ask::get(&path).by(&admin)).await.expect(403);
            },
        ),
    ]
}

fn grants() -> Vec<Fact> {
    vec![
        fact(
            "3.8",
            Documents,
            "access controls are created 201, read, replaced 200 and deleted 204, for users, orgs and rights",
            async |bench| {
                let token = bench.author().await;
                let viewer = person(&bench, ("acme", "vi"), "Viewer", &[VIEW]).await;
                let urn = resolved(&bench, &token, "blue").await;
                read(&bench, &viewer, &urn).await.expect(403);
                let org = bench.tenant.org_id.clone();
                let made = share(&bench, &token, &urn, (&org, "ReadOnly")).await;
                let made = made.expect(201).json();
                assert_eq!(made["objectId"], urn.as_str());
                assert_eq!(made["tenant"]["name"], "acme");
                read(&bench, &viewer, &urn).await.expect(200);
                let list = format!("{}/accessControls/", at(&urn));
                let listed = bench
                    .send(Ask::get(&list).by(&viewer))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(listed["resultTotal"], 1);
                let one = format!("{list}{}", made["id"].as_str().unwrap());
                let refused = bench.send(Ask::delete(&one).by(&viewer)).await;
                refused.expect(403);
                let wider = json!({"grantType": "MembershipAccessControlGrant",
                    "memberId": org, "accessLevelId": "urn:vcloud:accessLevel:ReadWrite"});
                bench
                    .send(Ask::put(&one).by(&token).json(&wider))
                    .await
                    .expect(200);
                bench.send(Ask::delete(&one).by(&token)).await.expect(204);
                read(&bench, &viewer, &urn).await.expect(403);
                let rights = "/cloudapi/1.0.0/rights?filter=name==vmware:capvcdCluster:%20View";
                let right = bench
                    .send(Ask::get(rights).by(&token))
                    .await
                    .expect(200)
                    .json();
                let by_right = json!({"grantType": "RightAccessControlGrant",
                    "rightId": right["values"][0]["id"],
                    "accessLevelId": "urn:vcloud:accessLevel:ReadOnly"});
                bench
                    .send(Ask::post(&list).by(&token).json(&by_right))
                    .await
                    .expect(201);
                read(&bench, &viewer, &urn).await.expect(200);
                let nobody =
                    share(&bench, &token, &urn, ("urn:vcloud:user:none", "ReadOnly")).await;
                nobody.refused(400, "BAD_REQUEST");
            },
        ),
        fact(
            "3.8",
            Documents,
            "the lower of right and grant decides, and nobody grants more than it has",
            async |bench| {
                let token = bench.author().await;
                let editor = person(&bench, ("acme", "ed"), "Editor", &[VIEW, MODIFY]).await;
                let urn = resolved(&bench, &token, "blue").await;
                let org = bench.tenant.org_id.clone();
                share(&bench, &token, &urn, (&org, "FullControl"))
                    .await
                    .expect(201);
                resolve(&bench, &editor, &urn).await;
                bench
                    .send(Ask::delete(&at(&urn)).by(&editor))
                    .await
                    .expect(403);
                share(&bench, &editor, &urn, (&org, "FullControl"))
                    .await
                    .expect(403);
                share(&bench, &editor, &urn, (&org, "ReadWrite"))
                    .await
                    .expect(201);
            },
        ),
        fact(
            "3.8",
            Documents,
            "tenants read vcdKeConfig of System, and by setting share nothing across organizations",
            async |bench| {
                let (token, stranger) = (bench.author().await, bench.stranger().await);
                let config = "/cloudapi/1.0.0/entities/types/vmware/VCDKEConfig/1.1.0\
                    ?filter=name==vcdKeConfig&pageSize=128";
                let found = bench
                    .send(Ask::get(config).by(&token))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(found["resultTotal"], 1);
                let urn = resolved(&bench, &token, "blue").await;
                let rival = bench.rival.org_id.clone();
                share(&bench, &token, &urn, (&rival, "ReadOnly"))
                    .await
                    .expect(201);
                read(&bench, &stranger, &urn).await.expect(200);
                bench.world().settings_mut().tenancy_barrier = true;
                read(&bench, &stranger, &urn).await.expect(403);
                let found = bench
                    .send(Ask::get(config).by(&stranger))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(found["resultTotal"], 1);
            },
        ),
        fact(
            "3.8",
            Documents,
            "a provider shares its own entity with a tenant that it names as context",
            async |bench| {
                let (admin, stranger) = (bench.administrator().await, bench.stranger().await);
                bench.world().settings_mut().tenancy_barrier = true;
                let urn = resolved(&bench, &admin, "ours").await;
                let rival = bench.rival.org_id.clone();
                let body = json!({"grantType": "MembershipAccessControlGrant", "memberId": rival,
                    "accessLevelId": "urn:vcloud:accessLevel:ReadOnly"});
                let ask = Ask::post(&format!("{}/accessControls", at(&urn))).by(&admin);
                let ask = ask.header("x-vmware-vcloud-tenant-context", &rival);
                let made = bench.send(ask.json(&body)).await.expect(201).json();
                assert_eq!(made["tenant"]["id"], rival.as_str());
                assert_eq!(state(&bench, &stranger, &urn).await, "RESOLVED");
            },
        ),
        fact(
            "3.8",
            Documents,
            "providers list all organizations for their administrator rights, or by setting System only",
            async |bench| {
                let (token, admin) = (bench.author().await, bench.administrator().await);
                resolved(&bench, &token, "blue").await;
                let list = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1";
                let total = async |context: Option<&str>| {
                    let ask = Ask::get(list).by(&admin);
                    let ask = match context {
                        Some(org) => ask.header("x-vmware-vcloud-tenant-context", org),
                        None => ask,
                    };
                    bench.send(ask).await.expect(200).json()["resultTotal"].clone()
                };
                let org = bench.tenant.org_id.clone();
                assert_eq!(
                    (total(None).await, total(Some(&org)).await),
                    (json!(1), json!(1))
                );
                bench.world().settings_mut().providers_list_own_org_only = true;
                assert_eq!(
                    (total(None).await, total(Some(&org)).await),
                    (json!(0), json!(1))
                );
            },
        ),
        fact(
            "3.2",
            Documents,
            "maxImplicitRight gives rights by a grant on the type, and is told from 37.1 on",
            async |bench| {
                let admin = bench.administrator().await;
                let clerk = person(&bench, ("acme", "clerk"), "Clerk", &[]).await;
                let body = json!({"name": "N", "vendor": "acme", "nss": "note", "version": "1.0.0",
                    "schema": {}, "maxImplicitRight": "urn:vcloud:accessLevel:ReadWrite"});
                let types = "/cloudapi/1.0.0/entityTypes";
                let made = bench.send(Ask::post(types).by(&admin).json(&body)).await;
                let made = made.expect(201).json();
                assert_eq!(made["maxImplicitRight"], "urn:vcloud:accessLevel:ReadWrite");
                let path = format!("{types}/{}", made["id"].as_str().unwrap());
                let old = bench.send(Ask::get(&path).by(&admin).version("37.0")).await;
                assert!(old.expect(200).json().get("maxImplicitRight").is_none());
                let note = json!({"name": "n", "entity": {}});
                bench
                    .send(Ask::post(&path).by(&clerk).json(&note))
                    .await
                    .expect(403);
                let grant = json!({"grantType": "MembershipAccessControlGrant",
                    "memberId": bench.tenant.org_id,
                    "accessLevelId": "urn:vcloud:accessLevel:FullControl"});
                let grants = format!("{path}/accessControls");
                bench
                    .send(Ask::post(&grants).by(&admin).json(&grant))
                    .await
                    .expect(201);
                bench
                    .send(Ask::post(&path).by(&clerk).json(&note))
                    .await
                    .expect(202);
            },
        ),
    ]
}

fn entry(key: &str, value: &Value, kind: &str) -> Value {
    json!({"persistent": false, "readOnly": false, "keyValue": {"domain": "TENANT", "key": key,
        "value": {"value": value, "type": kind}}})
}

fn metadata() -> Vec<Fact> {
    vec![
        fact(
            "3.2",
            Documents,
            "metadata entries have tags of their own and leave the entity's alone",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                let before = read(&bench, &token, &urn).await.header("etag");
                let all = format!("{}/metadata", at(&urn));
                let text = entry("tier", &json!("gold"), "StringEntry");
                let made = bench
                    .send(Ask::post(&all).by(&token).json(&text))
                    .await
                    .expect(201);
                let tag = made.header("etag").unwrap();
                let id = made.json()["id"].as_str().unwrap().to_owned();
                assert!(id.starts_with("urn:vcloud:metadata:"));
                let again = bench.send(Ask::post(&all).by(&token).json(&text)).await;
                again.refused(400, "DUPLICATE_NAME");
                let one = format!("{all}/{id}");
                let other = entry("tier", &json!("lead"), "StringEntry");
                let change = || {
                    Ask::put(&one)
                        .by(&token)
                        .json(&other)
                        .header("if-match", &tag)
                };
                bench.send(change()).await.expect(200);
                assert!(
                    bench
                        .send(change())
                        .await
                        .expect(412)
                        .text()
                        .contains("ETag")
                );
                let moved = entry("level", &json!("lead"), "StringEntry");
                bench
                    .send(Ask::put(&one).by(&token).json(&moved))
                    .await
                    .expect(400);
                let typed = entry("n", &json!("text"), "NumberEntry");
                bench
                    .send(Ask::post(&all).by(&token).json(&typed))
                    .await
                    .expect(400);
                let listed = bench
                    .send(Ask::get(&all).by(&token))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(listed["values"][0]["keyValue"]["value"]["value"], "lead");
                assert_eq!(read(&bench, &token, &urn).await.header("etag"), before);
                bench.send(Ask::delete(&one).by(&token)).await.expect(204);
                bench.send(Ask::get(&one).by(&token)).await.expect(403);
            },
        ),
        fact(
            "3.2",
            Documents,
            "tenants make nothing read-only, see nothing of PROVIDER and change nothing read-only",
            async |bench| {
                let (token, admin) = (bench.author().await, bench.administrator().await);
                let urn = resolved(&bench, &token, "blue").await;
                let all = format!("{}/metadata", at(&urn));
                for (domain, read_only, visible) in
                    [("PROVIDER", false, false), ("TENANT", true, true)]
                {
                    let mut body = entry(domain, &json!(7), "NumberEntry");
                    body["keyValue"]["domain"] = json!(domain);
                    body["readOnly"] = json!(read_only);
                    bench
                        .send(Ask::post(&all).by(&token).json(&body))
                        .await
                        .expect(403);
                    let made = bench.send(Ask::post(&all).by(&admin).json(&body)).await;
                    let made = made.expect(201).json();
                    let one = format!("{all}/{}", made["id"].as_str().unwrap());
                    let status = if visible { 200 } else { 403 };
                    bench.send(Ask::get(&one).by(&token)).await.expect(status);
                    bench.send(Ask::delete(&one).by(&token)).await.expect(403);
                    bench.send(Ask::delete(&one).by(&admin)).await.expect(204);
                }
            },
        ),
        fact(
            "4.1",
            Documents,
            "lists are filtered by metadata, with texts in quotes and namespaces before a bar",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                resolved(&bench, &token, "red").await;
                let all = format!("{}/metadata", at(&urn));
                let mut text = entry("tier", &json!("gold"), "StringEntry");
                text["keyValue"]["namespace"] = json!("org");
                bench
                    .send(Ask::post(&all).by(&token).json(&text))
                    .await
                    .expect(201);
                let number = entry("n", &json!(42), "NumberEntry");
                bench
                    .send(Ask::post(&all).by(&token).json(&number))
                    .await
                    .expect(201);
                for (filter, want) in [
                    ("n==42", 1),
                    ("n=gt=42", 0),
                    ("n==*", 1),
                    ("org%7Ctier=='gold'", 1),
                    ("org%7Ctier=='g*'", 1),
                    ("tier=='gold'", 0),
                    ("org%7Ctier==gold", 0),
                ] {
                    let list = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1";
                    let path = format!("{list}?metadata={filter}");
                    let listed = bench
                        .send(Ask::get(&path).by(&token))
                        .await
                        .expect(200)
                        .json();
                    assert_eq!(listed["resultTotal"], want, "{filter}");
                }
            },
        ),
    ]
}
