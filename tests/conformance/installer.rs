//! What sets a site up for Kubernetes: interfaces, behaviors, types, roles and bundles.

use serde_json::{Value, json};

use super::fact::Mark::{Documents, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::people::{knock, person, root};
use super::support::rde::{at, post, thing};
use super::support::wire::{Answer, Ask};

const API: &str = "/cloudapi/1.0.0";

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = definitions();
    facts.extend(roles());
    facts
}

async fn make(bench: &Bench, token: &str, path: &str, body: &Value) -> Value {
    let ask = Ask::post(&format!("{API}/{path}")).by(token).json(body);
    bench.send(ask).await.expect(201).json()
}

async fn get(bench: &Bench, token: &str, path: &str) -> Answer {
    bench
        .send(Ask::get(&format!("{API}/{path}")).by(token))
        .await
}

fn id(made: &Value) -> &str {
    made["id"].as_str().unwrap()
}

fn definitions() -> Vec<Fact> {
    vec![
        fact(
            "11.8",
            Source,
            "the CSE installer's calls register interface, behavior, type, access and configuration",
            async |bench| {
                let root = root(&bench).await;
                let body =
                    json!({"name": "cse", "vendor": "acme", "nss": "kit", "version": "1.0.0"});
                let interface = make(&bench, &root, "interfaces", &body).await;
                assert_eq!(id(&interface), "urn:vcloud:interface:acme:kit:1.0.0");
                let body = json!({"name": "getFullEntity",
                    "execution": {"type": "noop", "id": "getFullEntity"}});
                let behaviors = format!("interfaces/{}/behaviors", id(&interface));
                let behavior = make(&bench, &root, &behaviors, &body).await;
                assert_eq!(behavior["ref"], behavior["id"]);
                let body = json!({"name": "Kit", "vendor": "acme", "nss": "kit", "version": "1.0.0",
                    "interfaces": [interface["id"]], "schema": {"type": "object"}});
                let kit = make(&bench, &root, "entityTypes", &body).await;
                let levels = json!({"values": [{"behaviorId": behavior["id"],
                    "accessLevelId": "urn:vcloud:accessLevel:FullControl"}]});
                let path = format!("{API}/entityTypes/{}/behaviorAccessControls", id(&kit));
                let set = bench.send(Ask::put(&path).by(&root).json(&levels)).await;
                assert_eq!(set.expect(200).json()["values"], levels["values"]);
                let filter =
                    "entityTypes/?filter=vendor==acme;nss==kit;version==1.0.0&pageSize=128";
                assert_eq!(get(&bench, &root, filter).await.json()["resultTotal"], 1);
                for name in [
                    "View",
                    "Modify",
                    "Full Access",
                    "Administrator View",
                    "Administrator Full access",
                ] {
                    let path = format!(
                        "rights?filter=name==acme:kit:%20{}",
                        name.replace(' ', "%20")
                    );
                    let found = get(&bench, &root, &path).await.expect(200).json();
                    assert_eq!(found["resultTotal"], 1, "{name}");
                }
                let bundle = "rightsBundles?filter=name==acme:kit%20Entitlement";
                assert_eq!(get(&bench, &root, bundle).await.json()["resultTotal"], 1);
                let (_, urn) = post(&bench, &root, (id(&kit), "kit"), &json!({})).await;
                let ask = Ask::post(&format!("{}/resolve", at(&urn))).by(&root);
                assert_eq!(
                    bench.send(ask).await.expect(200).json()["state"],
                    "RESOLVED"
                );
            },
        ),
        fact(
            "3.2",
            Source,
            "a duplicate behavior is RDE_BEHAVIOR_ALREADY_EXISTS, and what is in use does not change",
            async |bench| {
                let admin = bench.administrator().await;
                let urn = "interfaces/urn:vcloud:interface:acme:life:1.0.0";
                thing(&bench, &admin, "1.0.0", &json!(null)).await;
                let behavior = json!({"name": "good", "execution": {"type": "noop"}});
                let path = format!("{API}/{urn}/behaviors");
                for ask in [
                    Ask::post(&path).json(&behavior),
                    Ask::put(&path).json(&json!({"values": []})),
                    Ask::delete(&format!("{API}/{urn}")),
                ] {
                    bench.send(ask.by(&admin)).await.refused(400, "BAD_REQUEST");
                }
                bench.world().settings_mut().interfaces_free_until_entities = true;
                let again = bench
                    .send(Ask::post(&path).by(&admin).json(&behavior))
                    .await;
                again.refused(400, "RDE_BEHAVIOR_ALREADY_EXISTS");
                let renamed = json!({"name": "other"});
                let path = format!("{API}/{urn}");
                bench
                    .send(Ask::put(&path).by(&admin).json(&renamed))
                    .await
                    .expect(200);
                let moved = json!({"name": "other", "nss": "moved"});
                bench
                    .send(Ask::put(&path).by(&admin).json(&moved))
                    .await
                    .expect(400);
            },
        ),
        fact(
            "3.2",
            Documents,
            "a type with entities keeps its schema and stays; the last version takes its rights along",
            async |bench| {
                let admin = bench.administrator().await;
                let urn = thing(&bench, &admin, "1.0.0", &json!(null)).await;
                let (_, entity) = post(&bench, &admin, (&urn, "t"), &json!({"size": 1})).await;
                let path = format!("{API}/entityTypes/{urn}");
                let mut body = bench
                    .send(Ask::get(&path).by(&admin))
                    .await
                    .expect(200)
                    .json();
                body["description"] = json!("changed");
                bench
                    .send(Ask::put(&path).by(&admin).json(&body))
                    .await
                    .expect(200);
                body["schema"] = json!({});
                bench
                    .send(Ask::put(&path).by(&admin).json(&body))
                    .await
                    .expect(400);
                bench.send(Ask::delete(&path).by(&admin)).await.expect(400);
                bench
                    .send(Ask::post(&format!("{}/resolve", at(&entity))).by(&admin))
                    .await;
                bench
                    .send(Ask::delete(&at(&entity)).by(&admin))
                    .await
                    .expect(204);
                bench.send(Ask::delete(&path).by(&admin)).await.expect(204);
                let rights = get(&bench, &admin, "rights?filter=name==acme:thing*").await;
                assert_eq!(rights.expect(200).json()["resultTotal"], 0);
            },
        ),
        fact(
            "3.2",
            Documents,
            "a new version inherits access, and schemas are of draft 4, 6 or 7",
            async |bench| {
                let admin = bench.administrator().await;
                let urn = thing(&bench, &admin, "1.0.0", &json!(null)).await;
                let grant = json!({"grantType": "MembershipAccessControlGrant",
                    "memberId": bench.tenant.org_id,
                    "accessLevelId": "urn:vcloud:accessLevel:ReadOnly"});
                make(
                    &bench,
                    &admin,
                    &format!("entityTypes/{urn}/accessControls"),
                    &grant,
                )
                .await;
                let newer = thing(&bench, &admin, "1.1.0", &json!(null)).await;
                let path = format!("entityTypes/{newer}/accessControls");
                assert_eq!(get(&bench, &admin, &path).await.json()["resultTotal"], 1);
                let draft = |number: &str| {
                    json!({"name": "D", "vendor": "acme", "nss": number.replace('/', ""),
                        "version": "1.0.0",
                        "schema": {"$schema": format!("http://json-schema.org/{number}/schema#")}})
                };
                make(&bench, &admin, "entityTypes", &draft("draft-04")).await;
                make(&bench, &admin, "entityTypes", &draft("draft-07")).await;
                let path = format!("{API}/entityTypes");
                let newest = bench.send(Ask::post(&path).by(&admin).json(&draft("draft/2020-12")));
                newest.await.refused(400, "RDE_TYPE_INVALID_SCHEMA");
            },
        ),
        fact(
            "3.2",
            Source,
            "tenants register nothing, and below 39.0 see types that they hold a right on",
            async |bench| {
                let clerk = person(&bench, ("acme", "clerk"), "Clerk", &[]).await;
                let token = bench.author().await;
                let body = json!({"name": "x", "vendor": "a", "nss": "b", "version": "1.0.0"});
                for path in ["interfaces", "entityTypes"] {
                    let ask = Ask::post(&format!("{API}/{path}")).by(&token).json(&body);
                    bench
                        .send(ask)
                        .await
                        .refused(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN");
                }
                let filter = "entityTypes?filter=vendor==vmware;nss==capvcdCluster;version==1.2.0";
                assert_eq!(get(&bench, &token, filter).await.json()["resultTotal"], 1);
                assert_eq!(get(&bench, &clerk, filter).await.json()["resultTotal"], 0);
                let path = format!("{API}/{filter}");
                let newer = bench.send(Ask::get(&path).by(&clerk).version("39.0")).await;
                assert_eq!(newer.json()["resultTotal"], 1);
            },
        ),
    ]
}

fn roles() -> Vec<Fact> {
    vec![
        fact(
            "9.1",
            Source,
            "a global role is made, filled, published, and then a read-only role of every tenant",
            async |bench| {
                let root = root(&bench).await;
                let body = json!({"name": "Kubernetes User", "description": "d"});
                let made = make(&bench, &root, "globalRoles", &body).await;
                let path = format!("{API}/globalRoles/{}", id(&made));
                let values = json!({"values": [{"name": "vmware:capvcdCluster: View", "id": ""}]});
                let rights = format!("{path}/rights");
                bench
                    .send(Ask::put(&rights).by(&root).json(&values))
                    .await
                    .expect(200);
                let org = json!([{"name": "acme", "id": bench.tenant.org_id}]);
                let tenants = format!("{path}/tenants");
                let body = json!({"values": org});
                let set = bench.send(Ask::put(&tenants).by(&root).json(&body)).await;
                assert_eq!(set.expect(200).json()["values"][0]["name"], "acme");
                for verb in ["publishAll", "unpublishAll"] {
                    let ask = Ask::post(&format!("{tenants}/{verb}")).by(&root);
                    bench.send(ask).await.expect(200);
                }
                let publish = Ask::post(&format!("{tenants}/publish"))
                    .by(&root)
                    .json(&body);
                bench.send(publish).await.expect(200);
                let (author, rival) = (bench.author().await, bench.stranger().await);
                let roles = "roles?filter=name==Kubernetes%20User";
                let found = get(&bench, &author, roles).await.expect(200).json();
                assert_eq!(found["values"][0]["readOnly"], true);
                let own = format!("roles/{}/rights", id(&found["values"][0]));
                let held = get(&bench, &author, &own).await.expect(200).json();
                assert_eq!(held["values"][0]["name"], "vmware:capvcdCluster: View");
                assert_eq!(get(&bench, &rival, roles).await.json()["resultTotal"], 0);
            },
        ),
        fact(
            "9.1",
            Documents,
            "a right on an entity type is worth something to a tenant only while a bundle publishes it",
            async |bench| {
                let root = root(&bench).await;
                let admin = bench.administrator().await;
                let urn = thing(&bench, &admin, "1.0.0", &json!(null)).await;
                let org = bench.tenant.org_id.clone();
                let in_org =
                    |ask: Ask| ask.by(&root).header("x-vmware-vcloud-tenant-context", &org);
                let role = json!({"name": "Maker"});
                let ask = in_org(Ask::post(&format!("{API}/roles"))).json(&role);
                let role = bench.send(ask).await.expect(201).json();
                person(&bench, ("acme", "mia"), "Maker", &[]).await;
                let values = json!({"values": [{"name": "acme:thing: Full Access"}]});
                let rights = format!("{API}/roles/{}/rights", id(&role));
                bench
                    .send(in_org(Ask::post(&rights)).json(&values))
                    .await
                    .expect(200);
                let mia = knock(&bench, ("acme", "mia"), "correct horse")
                    .await
                    .expect(200);
                let mia = mia.header("x-vmware-vcloud-access-token").unwrap();
                let body = json!({"name": "t", "entity": {}});
                let path = format!("{API}/entityTypes/{urn}");
                let create = || Ask::post(&path).by(&mia).json(&body);
                bench.send(create()).await.expect(403);
                let bundle = "rightsBundles?filter=name==acme:thing%20Entitlement";
                let bundle = get(&bench, &root, bundle).await.json();
                let tenants = format!("{API}/rightsBundles/{}/tenants", id(&bundle["values"][0]));
                let publish = Ask::post(&format!("{tenants}/publishAll")).by(&root);
                bench.send(publish).await.expect(200);
                bench.send(create()).await.expect(202);
                let unpublish = Ask::post(&format!("{tenants}/unpublishAll")).by(&root);
                bench.send(unpublish).await.expect(200);
                bench.send(create()).await.expect(403);
            },
        ),
        fact(
            "2.8",
            Source,
            "the way from the session to the own rights works, in the caller's organization",
            async |bench| {
                let token = bench.author().await;
                let session = get(&bench, &token, "sessions/current")
                    .await
                    .expect(200)
                    .json();
                let role = id(&session["roleRefs"][0]).to_owned();
                get(&bench, &token, &format!("roles/{role}"))
                    .await
                    .expect(200);
                let rights =
                    get(&bench, &token, &format!("roles/{role}/rights?pageSize=128")).await;
                assert_eq!(rights.expect(200).json()["resultTotal"], 62);
                get(&bench, &token, "rightsCategories").await.expect(200);
                for provider_only in ["globalRoles", "rightsBundles"] {
                    get(&bench, &token, provider_only).await.expect(403);
                }
            },
        ),
    ]
}
