//! Runtime defined entities: creation, states, tags, reads in other versions.

use cse_server::sim::choices::{InvalidRewrite, UnresolvableRewrite, UnresolvedDeletion};
use serde_json::json;

use super::fact::Mark::{Documents, Inferred, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::rde::{
    CLUSTERS, at, cluster, created, post, read, resolve, resolved, state, task, thing,
};
use super::support::wire::{Answer, Ask};

async fn put(bench: &Bench, token: &str, urn: &str, content: &serde_json::Value) -> Answer {
    let body = json!({"name": "blue", "entity": content});
    bench.send(Ask::put(&at(urn)).by(token).json(&body)).await
}

/// An entity that does not fit its type, brought to `state`.
async fn broken(bench: &Bench, token: &str) -> String {
    let (_, urn) = post(bench, token, (CLUSTERS, "blue"), &json!({"kind": "x"})).await;
    assert_eq!(
        resolve(bench, token, &urn).await.json()["state"],
        "RESOLUTION_ERROR"
    );
    urn
}

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = life();
    facts.extend(tags());
    facts.extend(versions());
    facts
}

fn life() -> Vec<Fact> {
    vec![
        fact(
            "3.4",
            Source,
            "the task of a creation owns the entity at once and runs until it is resolved",
            async |bench| {
                let token = bench.author().await;
                let (answer, urn) = post(&bench, &token, (CLUSTERS, "blue"), &cluster("b")).await;
                assert!(answer.text().is_empty());
                let running = task(&bench, &token, &answer).await;
                assert!(running.contains("operationName=\"createDefinedEntity\""));
                assert!(running.contains("status=\"running\""), "{running}");
                assert!(running.contains(&format!(
                    "operation=\"Creating Runtime Defined Entity blue({urn})\""
                )));
                resolve(&bench, &token, &urn).await;
                let ended = task(&bench, &token, &answer).await;
                assert!(ended.contains("status=\"success\""), "{ended}");
            },
        ),
        fact(
            "3.4",
            Documents,
            "resolveEntity=true resolves at once, or leaves a reason and a running task",
            async |bench| {
                let token = bench.author().await;
                let urn = format!("{CLUSTERS}?resolveEntity=true");
                let (answer, good) = post(&bench, &token, (&urn, "blue"), &cluster("b")).await;
                assert_eq!(state(&bench, &token, &good).await, "RESOLVED");
                assert!(
                    task(&bench, &token, &answer)
                        .await
                        .contains("status=\"success\"")
                );
                let (answer, bad) = post(&bench, &token, (&urn, "red"), &json!({})).await;
                let entity = read(&bench, &token, &bad).await.json();
                assert_eq!(entity["entityState"], "RESOLUTION_ERROR");
                assert!(entity["message"].as_str().unwrap().contains("required"));
                assert!(
                    task(&bench, &token, &answer)
                        .await
                        .contains("status=\"running\"")
                );
            },
        ),
        fact(
            "3.3",
            Documents,
            "a PUT is checked against the schema only where the entity is resolved",
            async |bench| {
                let token = bench.author().await;
                let urn = created(&bench, &token, "blue").await;
                put(&bench, &token, &urn, &json!({"kind": "x"}))
                    .await
                    .expect(200);
                assert_eq!(state(&bench, &token, &urn).await, "PRE_CREATED");
                put(&bench, &token, &urn, &cluster("b")).await.expect(200);
                resolve(&bench, &token, &urn).await;
                let refused = put(&bench, &token, &urn, &json!({"kind": "x"})).await;
                refused.refused(400, "BAD_REQUEST");
                let kept = read(&bench, &token, &urn).await.json();
                assert_eq!(kept["state"], "RESOLVED");
                assert_eq!(kept["entity"]["kind"], "CAPVCDCluster");
            },
        ),
        fact(
            "3.3",
            Inferred,
            "what a PUT makes of an unresolvable or newly invalid entity is a setting",
            async |bench| {
                let token = bench.author().await;
                let urn = broken(&bench, &token).await;
                put(&bench, &token, &urn, &json!({"kind": "y"}))
                    .await
                    .expect(200);
                assert_eq!(state(&bench, &token, &urn).await, "PRE_CREATED");
                {
                    let mut world = bench.world();
                    let settings = world.settings_mut();
                    settings.unresolvable_rewrite = UnresolvableRewrite::ResolutionError;
                    settings.invalid_rewrite = InvalidRewrite::Stored;
                }
                resolve(&bench, &token, &urn).await;
                put(&bench, &token, &urn, &json!({"kind": "z"}))
                    .await
                    .expect(200);
                assert_eq!(state(&bench, &token, &urn).await, "RESOLUTION_ERROR");
                let urn = resolved(&bench, &token, "blue").await;
                put(&bench, &token, &urn, &json!({"kind": "z"}))
                    .await
                    .expect(200);
                assert_eq!(state(&bench, &token, &urn).await, "RESOLUTION_ERROR");
            },
        ),
        fact(
            "3.3",
            Source,
            "what was never resolved cannot be deleted, what failed to resolve can",
            async |bench| {
                let token = bench.author().await;
                let urn = created(&bench, &token, "blue").await;
                let deletion = || Ask::delete(&at(&urn)).by(&token);
                let refused = bench.send(deletion()).await;
                refused.refused(400, "RDE_ENTITY_NOT_RESOLVED");
                bench.world().settings_mut().unresolved_deletion = UnresolvedDeletion::Conflict;
                let refused = bench.send(deletion()).await;
                refused.refused(409, "RDE_ENTITY_NOT_RESOLVED");
                let urn = broken(&bench, &token).await;
                bench
                    .send(Ask::delete(&at(&urn)).by(&token))
                    .await
                    .expect(204);
                read(&bench, &token, &urn).await.expect(403);
            },
        ),
        fact(
            "3.6",
            Documents,
            "an entity set to IN_DELETION is found by that state and waits for its DELETE",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                let body =
                    json!({"name": "b", "entity": cluster("b"), "entityState": "IN_DELETION"});
                bench
                    .send(Ask::put(&at(&urn)).by(&token).json(&body))
                    .await
                    .expect(200);
                let list = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1.2.0";
                let list = format!("{list}?filter=(entityState==IN_DELETION)");
                let listed = bench
                    .send(Ask::get(&list).by(&token))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(listed["values"][0]["id"], urn.as_str());
                put(&bench, &token, &urn, &json!({})).await.expect(200);
                assert_eq!(state(&bench, &token, &urn).await, "IN_DELETION");
                bench
                    .send(Ask::delete(&at(&urn)).by(&token))
                    .await
                    .expect(204);
                read(&bench, &token, &urn).await.expect(403);
            },
        ),
    ]
}

fn tags() -> Vec<Fact> {
    vec![
        fact(
            "3.5",
            Source,
            "the tag goes out with GET, PUT and resolve, and not with lists and creations",
            async |bench| {
                let token = bench.author().await;
                let (answer, urn) = post(&bench, &token, (CLUSTERS, "blue"), &cluster("b")).await;
                assert_eq!(answer.header("etag"), None);
                let first = read(&bench, &token, &urn).await.header("etag").unwrap();
                let second = resolve(&bench, &token, &urn).await.header("etag").unwrap();
                let third = put(&bench, &token, &urn, &cluster("c")).await;
                let third = third.expect(200).header("etag").unwrap();
                assert!(first != second && second != third && first != third);
                let list = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1";
                let list = bench.send(Ask::get(list).by(&token)).await.expect(200);
                assert_eq!(list.header("etag"), None);
            },
        ),
        fact(
            "3.5",
            Source,
            "a stale If-Match is 412 with a text that says etag; without one a PUT overwrites",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                let tag = read(&bench, &token, &urn).await.header("etag").unwrap();
                put(&bench, &token, &urn, &cluster("c")).await.expect(200);
                let body = json!({"name": "n", "entity": cluster("d")});
                for ask in [Ask::put(&at(&urn)).json(&body), Ask::delete(&at(&urn))] {
                    let stale = bench.send(ask.by(&token).header("if-match", &tag)).await;
                    let text = stale.expect(412).text().to_lowercase();
                    assert!(text.contains("etag"), "{text}");
                }
                let tag = read(&bench, &token, &urn).await.header("etag").unwrap();
                let ask = Ask::put(&at(&urn)).by(&token).json(&body);
                bench.send(ask.header("if-match", &tag)).await.expect(200);
            },
        ),
        fact(
            "3.5",
            Inferred,
            "quotes around tags and the wildcard are settings, and a tag is taken back either way",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                bench.world().settings_mut().bare_etags = true;
                let tag = read(&bench, &token, &urn).await.header("etag").unwrap();
                assert!(!tag.contains('"'), "{tag}");
                let body = json!({"name": "n", "entity": cluster("d")});
                let ask = || Ask::put(&at(&urn)).by(&token).json(&body);
                let quoted = format!("\"{tag}\"");
                bench
                    .send(ask().header("if-match", &quoted))
                    .await
                    .expect(200);
                bench.send(ask().header("if-match", "*")).await.expect(200);
                bench.world().settings_mut().wildcard_tag_is_stale = true;
                bench.send(ask().header("if-match", "*")).await.expect(412);
            },
        ),
        fact(
            "3.6",
            Source,
            "a missing entity and one of another tenant are the same 403 on every verb",
            async |bench| {
                let (token, stranger) = (bench.author().await, bench.stranger().await);
                let urn = resolved(&bench, &token, "blue").await;
                let none =
                    "urn:vcloud:entity:vmware:capvcdCluster:0b7e5c3a-2a4b-4a54-9c52-5b2ff2ac1111";
                for urn in [urn.as_str(), none] {
                    let body = json!({"name": "n", "entity": {}});
                    for ask in [
                        Ask::get(&at(urn)),
                        Ask::put(&at(urn)).json(&body),
                        Ask::delete(&at(urn)),
                        Ask::post(&format!("{}/resolve", at(urn))),
                        Ask::get(&format!("{}/metadata", at(urn))),
                        Ask::get(&format!("/cloudapi/1.0.0/entity/{urn}")),
                    ] {
                        let answer = bench.send(ask.by(&stranger)).await;
                        answer.refused(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN");
                    }
                }
            },
        ),
    ]
}

fn versions() -> Vec<Fact> {
    vec![
        fact(
            "3.6",
            Documents,
            "entityVersion shows an entity as another version of its type has it, and stores nothing",
            async |bench| {
                let admin = bench.administrator().await;
                let old = thing(&bench, &admin, "1.0.0", &json!(null)).await;
                thing(&bench, &admin, "1.1.0", &json!(null)).await;
                let (_, urn) = post(&bench, &admin, (&old, "t"), &json!({"size": 1})).await;
                let path = format!("{}?entityVersion=1.1.0", at(&urn));
                let shown = bench
                    .send(Ask::get(&path).by(&admin))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(shown["entityType"], "urn:vcloud:type:acme:thing:1.1.0");
                assert_eq!(shown["entity"]["color"], "blue");
                let kept = read(&bench, &admin, &urn).await.json();
                assert_eq!(kept["entityType"], old.as_str());
                assert_eq!(kept["entity"], json!({"size": 1}));
                let path = format!("{}?entityVersion=7.0.0", at(&urn));
                bench.send(Ask::get(&path).by(&admin)).await.expect(400);
            },
        ),
        fact(
            "3.6",
            Documents,
            "a PUT with another version of the type moves the entity there and fills defaults",
            async |bench| {
                let admin = bench.administrator().await;
                let old = thing(&bench, &admin, "1.0.0", &json!(null)).await;
                let new = thing(&bench, &admin, "1.1.0", &json!(null)).await;
                let (_, urn) = post(&bench, &admin, (&old, "t"), &json!({"size": 1})).await;
                let body = json!({"name": "t", "entityType": new, "entity": {"size": 2}});
                let moved = bench.send(Ask::put(&at(&urn)).by(&admin).json(&body)).await;
                let moved = moved.expect(200).json();
                assert_eq!(moved["entityType"], new.as_str());
                assert_eq!(moved["entity"], json!({"size": 2, "color": "blue"}));
            },
        ),
        fact(
            "3.2",
            Documents,
            "migrateEntities moves all entities of a type in a task, and force takes invalid ones along",
            async |bench| {
                let admin = bench.administrator().await;
                let old = thing(&bench, &admin, "1.0.0", &json!(null)).await;
                let new = thing(&bench, &admin, "2.0.0", &json!(null)).await;
                let (_, urn) = post(&bench, &admin, (&old, "t"), &json!({"size": 1})).await;
                let path = format!("/cloudapi/1.0.0/entityTypes/{old}/migrateEntities");
                let body = json!({"targetEntityType": new, "forceMigrate": false});
                let accepted = bench.send(Ask::post(&path).by(&admin).json(&body)).await;
                bench.succeeded(&accepted, &admin).await;
                let moved = read(&bench, &admin, &urn).await.json();
                assert_eq!(moved["entityType"], new.as_str());
                let body = json!({"targetEntityType": CLUSTERS});
                let foreign = bench.send(Ask::post(&path).by(&admin).json(&body)).await;
                foreign.refused(400, "BAD_REQUEST");
            },
        ),
        fact(
            "3.3",
            Inferred,
            "dates of an entity begin with 38.0, or by setting with 39.0",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                let dated = async |version: &str| {
                    let ask = Ask::get(&at(&urn)).by(&token).version(version);
                    let entity = bench.send(ask).await.expect(200).json();
                    entity.get("creationDate").is_some()
                };
                assert!(!dated("37.3").await && dated("38.0").await);
                bench.world().settings_mut().entities_are_dated_late = true;
                assert!(!dated("38.1").await && dated("39.0").await);
            },
        ),
    ]
}
