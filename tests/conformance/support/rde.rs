//! Runtime defined entities as cases make them.

use serde_json::{Value, json};

use super::bench::Bench;
use super::wire::{Answer, Ask};

/// The cluster type of CSE 4.1.
pub(crate) const CLUSTERS: &str = "urn:vcloud:type:vmware:capvcdCluster:1.2.0";

/// A cluster as its type wants it, with one secret.
pub(crate) fn cluster(name: &str) -> Value {
    json!({
        "kind": "CAPVCDCluster",
        "apiVersion": "capvcd.vmware.com/v1.1",
        "metadata": {"name": name, "orgName": "acme", "site": "https://vcd.example",
            "virtualDataCenterName": "acme-vdc"},
        "spec": {"vcdKe": {"isVCDKECluster": true, "secure": {"apiToken": "hidden"}},
            "capiYaml": "kind: Cluster"},
    })
}

/// Address of an entity.
pub(crate) fn at(urn: &str) -> String {
    format!("/cloudapi/1.0.0/entities/{urn}")
}

/// Posts an entity of `type_urn`, to which a query may be attached; the answer and the entity's URN.
pub(crate) async fn post(
    bench: &Bench,
    token: &str,
    (type_urn, name): (&str, &str),
    content: &Value,
) -> (Answer, String) {
    let body = json!({"name": name, "entity": content});
    let path = format!("/cloudapi/1.0.0/entityTypes/{type_urn}");
    let answer = bench.send(Ask::post(&path).by(token).json(&body)).await;
    let answer = answer.expect(202);
    let task = task(bench, token, &answer).await;
    let owner = task.split("<Owner ").nth(1).expect("an owner");
    let id = owner.split(" id=\"").nth(1).or(owner.split("id=\"").nth(1));
    let id = id.unwrap().split('"').next().unwrap().to_owned();
    (answer, id)
}

/// The task that an answer names, as it is now.
pub(crate) async fn task(bench: &Bench, token: &str, answer: &Answer) -> String {
    let location = answer.header("location").expect("a Location");
    let path = location.strip_prefix(&bench.url).unwrap().to_owned();
    let ask = Ask::get(&path).xml().by(token);
    bench.send(ask).await.expect(200).text()
}

/// A cluster entity, not yet resolved.
pub(crate) async fn created(bench: &Bench, token: &str, name: &str) -> String {
    post(bench, token, (CLUSTERS, name), &cluster(name)).await.1
}

/// A resolved cluster entity.
pub(crate) async fn resolved(bench: &Bench, token: &str, name: &str) -> String {
    let urn = created(bench, token, name).await;
    let answer = resolve(bench, token, &urn).await;
    assert_eq!(answer.json()["state"], "RESOLVED");
    urn
}

pub(crate) async fn resolve(bench: &Bench, token: &str, urn: &str) -> Answer {
    let ask = Ask::post(&format!("{}/resolve", at(urn))).by(token);
    bench.send(ask).await.expect(200)
}

pub(crate) async fn read(bench: &Bench, token: &str, urn: &str) -> Answer {
    bench.send(Ask::get(&at(urn)).by(token)).await
}

/// State of an entity.
pub(crate) async fn state(bench: &Bench, token: &str, urn: &str) -> String {
    let entity = read(bench, token, urn).await.expect(200).json();
    assert_eq!(entity["state"], entity["entityState"]);
    entity["state"].as_str().unwrap().to_owned()
}

/// Registers the interface `acme:life:1.0.0` with no-op behaviors `good`, `bad` and `fill`, and the type
/// `acme:thing:{version}` with these hooks.
pub(crate) async fn thing(bench: &Bench, admin: &str, version: &str, hooks: &Value) -> String {
    let interface = "urn:vcloud:interface:acme:life:1.0.0";
    let found = bench
        .send(Ask::get(&format!("/cloudapi/1.0.0/interfaces/{interface}")).by(admin))
        .await;
    if found.status() == 403 {
        let body = json!({"name": "life", "vendor": "acme", "nss": "life", "version": "1.0.0"});
        let ask = Ask::post("/cloudapi/1.0.0/interfaces")
            .by(admin)
            .json(&body);
        bench.send(ask).await.expect(201);
        let error = json!({"majorErrorCode": 501, "minorErrorCode": "NOT_IMPLEMENTED",
            "message": "Not Implemented"});
        for (name, execution) in [
            ("good", json!({"type": "noop"})),
            (
                "bad",
                json!({"type": "noop", "execution_properties": {"returnError": error}}),
            ),
            (
                "fill",
                json!({"type": "noop", "execution_properties": {"returnValue": {"size": 5}}}),
            ),
        ] {
            let body = json!({"name": name, "execution": execution});
            let path = format!("/cloudapi/1.0.0/interfaces/{interface}/behaviors");
            let ask = Ask::post(&path).by(admin).json(&body);
            bench.send(ask).await.expect(201);
        }
    }
    let body = json!({"name": "Thing", "vendor": "acme", "nss": "thing", "version": version,
        "interfaces": [interface], "hooks": hooks,
        "schema": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer"}, "color": {"type": "string", "default": "blue"}}}});
    let ask = Ask::post("/cloudapi/1.0.0/entityTypes")
        .by(admin)
        .json(&body);
    let made = bench.send(ask).await.expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

/// The behavior `name` of the interface that [`thing`] registers.
pub(crate) fn behavior(name: &str) -> String {
    format!("urn:vcloud:behavior-interface:{name}:acme:life:1.0.0")
}
