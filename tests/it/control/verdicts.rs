//! What the control API tells of the past: who did what, and what of it no replica may do.

use serde_json::{Value, json};

use super::api::{Open, options};

/// What a replica that is called `one` sends as its name.
const REPLICA: &str = "cse-server/9.9.9 (one)";

/// Changes the tenant's part of a cluster's document under the name of `agent`.
async fn change_spec(site: &Open, urn: &str, agent: &str) {
    let session = site.login().await;
    let url = format!("{}/cloudapi/1.0.0/entities/{urn}", site.url);
    let accept = "application/json;version=37.2";
    let read = site.client.get(&url).bearer_auth(&session);
    let read = read.header("accept", accept).send().await.unwrap();
    let tag = read.headers()["etag"].clone();
    let mut document: Value = serde_json::from_str(&read.text().await.unwrap()).unwrap();
    document["entity"]["spec"]["changed_by"] = json!(agent);
    let write = site.client.put(&url).bearer_auth(&session);
    let write = write
        .header("accept", accept)
        .header("content-type", "application/json")
        .header("if-match", tag)
        .header("user-agent", agent);
    let answer = write.body(document.to_string()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

#[tokio::test]
async fn a_test_with_real_processes_can_ask_what_replicas_have_done_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let site = Open::with(&options(&dir));
    let clusters = site.get("/clusters").await;
    let urn = clusters[0]["urn"].as_str().unwrap();
    change_spec(&site, urn, "terraform/1").await;
    assert_eq!(site.get("/verdicts").await["verdicts"], json!([]));
    change_spec(&site, urn, REPLICA).await;
    let verdicts = site.get("/verdicts").await["verdicts"].clone();
    let verdict = &verdicts[0];
    assert_eq!(verdicts.as_array().unwrap().len(), 1, "{verdicts}");
    assert_eq!(verdict["invariant"], "I4", "{verdicts}");
    assert_eq!(verdict["entity"], urn, "{verdicts}");
    assert_eq!(verdict["replica"], REPLICA, "{verdicts}");
    let number = verdict["number"].as_u64().unwrap();
    let path = format!("/history?entity={urn}&after={}", number - 1);
    let history = site.get(&path).await["history"].clone();
    assert_eq!(history[0]["number"], number, "{history}");
    assert_eq!(history[0]["by"]["actor"], "replica", "{history}");
    assert_eq!(history[0]["deed"]["written"]["entity"], urn, "{history}");
    site.close().await;
}
