//! Hooks and behaviors of runtime defined entities.

use std::time::Duration;

use serde_json::{Value, json};

use super::fact::Mark::{Documents, Inferred, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::rde::{at, behavior, post, read, resolved, state, task, thing};
use super::support::wire::{Answer, Ask};

/// A thing whose type has the hook, posted with content of its own size.
async fn hooked(bench: &Bench, admin: &str, hook: &str, name: &str) -> (Answer, String) {
    let hooks = json!({hook: behavior(name)});
    let urn = thing(bench, admin, "1.0.0", &hooks).await;
    post(bench, admin, (&urn, "t"), &json!({"size": 1})).await
}

/// Lets the hooks run.
fn wait(bench: &Bench) {
    bench.pass(Duration::from_secs(5));
}

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = creation();
    facts.extend(deletion());
    facts.extend(behaviors());
    facts
}

fn creation() -> Vec<Fact> {
    vec![
        fact(
            "3.9",
            Documents,
            "a PreCreate hook holds the entity in PRE_VALIDATED and may replace its content",
            async |bench| {
                let admin = bench.administrator().await;
                let (_, urn) = hooked(&bench, &admin, "PreCreate", "fill").await;
                assert_eq!(state(&bench, &admin, &urn).await, "PRE_VALIDATED");
                let body = json!({"name": "t", "entity": {}});
                let refused = bench.send(Ask::put(&at(&urn)).by(&admin).json(&body)).await;
                refused.refused(400, "BAD_REQUEST");
                wait(&bench);
                let entity = read(&bench, &admin, &urn).await.json();
                assert_eq!(entity["state"], "PRE_CREATED");
                assert_eq!(entity["entity"], json!({"size": 5}));
            },
        ),
        fact(
            "3.9",
            Documents,
            "a PreCreate hook that fails removes the entity and fails its task",
            async |bench| {
                let admin = bench.administrator().await;
                let (answer, urn) = hooked(&bench, &admin, "PreCreate", "bad").await;
                wait(&bench);
                read(&bench, &admin, &urn).await.expect(403);
                let failed = task(&bench, &admin, &answer).await;
                assert!(
                    failed.contains("minorErrorCode=\"NOT_IMPLEMENTED\""),
                    "{failed}"
                );
            },
        ),
        fact(
            "3.9",
            Documents,
            "a PostCreate hook resolves the entity, or makes it RESOLUTION_ERROR",
            async |bench| {
                let admin = bench.administrator().await;
                let (answer, urn) = hooked(&bench, &admin, "PostCreate", "good").await;
                bench.succeeded(&answer, &admin).await;
                assert_eq!(state(&bench, &admin, &urn).await, "RESOLVED");
                let hooks = json!({"PostCreate": behavior("bad")});
                let other = thing(&bench, &admin, "2.0.0", &hooks).await;
                let (_, urn) = post(&bench, &admin, (&other, "t"), &json!({"size": 1})).await;
                wait(&bench);
                assert_eq!(state(&bench, &admin, &urn).await, "RESOLUTION_ERROR");
            },
        ),
        fact(
            "3.6",
            Documents,
            "a PostUpdate hook is announced in a header and changes nothing",
            async |bench| {
                let admin = bench.administrator().await;
                let (_, urn) = hooked(&bench, &admin, "PostUpdate", "bad").await;
                let body = json!({"name": "t", "entity": {"size": 2}});
                let answer = bench.send(Ask::put(&at(&urn)).by(&admin).json(&body)).await;
                let answer = answer.expect(200);
                let task = answer.header("x-vmware-vcloud-task-location").unwrap();
                assert!(task.starts_with(&format!("{}/api/task/", bench.url)));
                wait(&bench);
                assert_eq!(state(&bench, &admin, &urn).await, "PRE_CREATED");
            },
        ),
    ]
}

fn deletion() -> Vec<Fact> {
    vec![
        fact(
            "3.9",
            Documents,
            "a PreDelete hook that fails keeps the entity, unless hooks are skipped",
            async |bench| {
                let admin = bench.administrator().await;
                let (_, urn) = hooked(&bench, &admin, "PreDelete", "bad").await;
                bench
                    .send(Ask::post(&format!("{}/resolve", at(&urn))).by(&admin))
                    .await;
                let refused = bench.send(Ask::delete(&at(&urn)).by(&admin)).await;
                let failed = bench.finished(&refused, &admin).await;
                assert!(failed.contains("operationName=\"deleteDefinedEntity\""));
                assert!(failed.contains("status=\"error\""), "{failed}");
                assert_eq!(state(&bench, &admin, &urn).await, "RESOLVED");
                let body =
                    json!({"name": "t", "entity": {"size": 2}, "entityState": "IN_DELETION"});
                let asked = bench.send(Ask::put(&at(&urn)).by(&admin).json(&body)).await;
                let failed = bench.finished(&asked, &admin).await;
                assert!(failed.contains("operationName=\"updateDefinedEntity\""));
                assert_eq!(read(&bench, &admin, &urn).await.json()["entity"]["size"], 1);
                let path = format!("{}?invokeHooks=false", at(&urn));
                bench.send(Ask::delete(&path).by(&admin)).await.expect(204);
            },
        ),
        fact(
            "3.6",
            Documents,
            "with a PostDelete hook a DELETE is 202, and the entity is IN_DELETION until it succeeds",
            async |bench| {
                let admin = bench.administrator().await;
                let (_, urn) = hooked(&bench, &admin, "PostDelete", "good").await;
                bench
                    .send(Ask::post(&format!("{}/resolve", at(&urn))).by(&admin))
                    .await;
                let answer = bench.send(Ask::delete(&at(&urn)).by(&admin)).await;
                assert_eq!(state(&bench, &admin, &urn).await, "IN_DELETION");
                bench.succeeded(&answer, &admin).await;
                read(&bench, &admin, &urn).await.expect(403);
            },
        ),
        fact(
            "3.2",
            Documents,
            "a hook must name a behavior of an interface that the type implements",
            async |bench| {
                let admin = bench.administrator().await;
                let body = json!({"name": "T", "vendor": "a", "nss": "b", "version": "1.0.0",
                    "schema": {}, "hooks": {"PostCreate": "urn:vcloud:behavior-interface:x:y:z:1.0.0"}});
                let ask = Ask::post("/cloudapi/1.0.0/entityTypes")
                    .by(&admin)
                    .json(&body);
                bench
                    .send(ask)
                    .await
                    .refused(400, "RDE_INVALID_BEHAVIOR_SCOPE");
            },
        ),
    ]
}

async fn invoke(bench: &Bench, token: &str, urn: &str, behavior: &str, body: &Value) -> Answer {
    let path = format!("{}/behaviors/{behavior}/invocations", at(urn));
    bench.send(Ask::post(&path).by(token).json(body)).await
}

fn behaviors() -> Vec<Fact> {
    const FULL: &str = "urn:vcloud:behavior-interface:getFullEntity:cse:capvcd:1.0.0";
    vec![
        fact(
            "3.9",
            Source,
            "getFullEntity answers in its task with the entity and its secrets",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                let accepted = invoke(&bench, &token, &urn, FULL, &json!({})).await;
                let done = bench.succeeded(&accepted, &token).await;
                assert!(done.contains("operationName=\"executeBehavior\""));
                assert!(
                    done.contains("<ResultContent") && done.contains("hidden"),
                    "{done}"
                );
                let location = accepted.header("location").unwrap();
                let task = location.rsplit('/').next().unwrap();
                let log = format!("{}/behaviors/{FULL}/invocations/{task}/log", at(&urn));
                bench.send(Ask::get(&log).by(&token)).await.expect(200);
                let log = format!("{}/behaviors/{FULL}/invocations/none/log", at(&urn));
                bench.send(Ask::get(&log).by(&token)).await.expect(403);
            },
        ),
        fact(
            "3.9",
            Source,
            "a behavior that is not defined is refused with RDE_INVALID_BEHAVIOR_SCOPE",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                let refused = invoke(&bench, &token, &urn, &behavior("x"), &json!({})).await;
                refused.refused(400, "RDE_INVALID_BEHAVIOR_SCOPE");
            },
        ),
        fact(
            "3.9",
            Documents,
            "a no-op returns what it is told to, and nobody answers for an extension in time",
            async |bench| {
                let admin = bench.administrator().await;
                let (_, urn) = hooked(&bench, &admin, "PostUpdate", "good").await;
                let told = invoke(&bench, &admin, &urn, &behavior("fill"), &json!({})).await;
                assert!(bench.succeeded(&told, &admin).await.contains("size"));
                let path = "/cloudapi/1.0.0/interfaces";
                let body = json!({"name": "q", "vendor": "acme", "nss": "q", "version": "1.0.0"});
                bench
                    .send(Ask::post(path).by(&admin).json(&body))
                    .await
                    .expect(201);
                let path = format!("{path}/urn:vcloud:interface:acme:q:1.0.0/behaviors");
                let body = json!({"name": "m", "execution": {"type": "MQTT", "_secure_key": "s"}});
                let made = bench.send(Ask::post(&path).by(&admin).json(&body)).await;
                let made = made.expect(201).json();
                assert!(made["execution"].get("_secure_key").is_none());
                let silent = made["id"].as_str().unwrap();
                let accepted = invoke(&bench, &admin, &urn, silent, &json!({})).await;
                bench.pass(Duration::from_secs(9));
                assert!(
                    task(&bench, &admin, &accepted)
                        .await
                        .contains("status=\"running\"")
                );
                bench.pass(Duration::from_secs(2));
                assert!(
                    task(&bench, &admin, &accepted)
                        .await
                        .contains("status=\"error\"")
                );
            },
        ),
        fact(
            "3.9",
            Inferred,
            "a behavior without an access level needs full control, or by setting runs for nobody",
            async |bench| {
                let admin = bench.administrator().await;
                let (_, urn) = hooked(&bench, &admin, "PostUpdate", "good").await;
                let behavior = behavior("good");
                invoke(&bench, &admin, &urn, &behavior, &json!({}))
                    .await
                    .expect(202);
                bench.world().settings_mut().ungoverned_behaviors_are_closed = true;
                invoke(&bench, &admin, &urn, &behavior, &json!({}))
                    .await
                    .expect(403);
                let path = "/cloudapi/1.0.0/entityTypes/urn:vcloud:type:acme:thing:1.0.0";
                let path = format!("{path}/behaviorAccessControls");
                let body = json!({"values": [{"behaviorId": behavior,
                    "accessLevelId": "urn:vcloud:accessLevel:ReadOnly"}]});
                bench
                    .send(Ask::put(&path).by(&admin).json(&body))
                    .await
                    .expect(200);
                invoke(&bench, &admin, &urn, &behavior, &json!({}))
                    .await
                    .expect(202);
            },
        ),
    ]
}
