//! Entities: nothing lost on the way back, tags byte for byte, behaviors through their task.

use cse_server::domain::error_class::ErrorClass;
use cse_server::domain::ids::{EntityId, TaskId};
use cse_server::domain::versioned::ETag;
use cse_server::vcd::error::VcdError;
use cse_server::vcd::model::TaskStatus;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::site::{ENTITY, Site, entity_json, fault, no_access, xml};

const BEHAVIOR: &str = "urn:vcloud:behavior-interface:getFullEntity:cse:capvcd:1.0.0";

fn id() -> EntityId {
    EntityId::parse(ENTITY).unwrap()
}

fn target() -> String {
    format!("/cloudapi/1.0.0/entities/{ENTITY}")
}

fn answer(entity: &Value, etag: &str) -> ResponseTemplate {
    super::site::json(200, &entity.to_string()).insert_header("etag", etag)
}

#[tokio::test]
async fn a_read_shows_the_fields_and_the_tag() {
    let site = Site::start().await;
    site.answer("GET", &target(), answer(&entity_json(), "\"r1\""))
        .await;
    let read = site.client().await.get_entity(&id()).await.unwrap();
    assert_eq!(read.etag, ETag::new("\"r1\""));
    let document = read.value;
    assert_eq!(document.id, id());
    assert_eq!(
        document.entity_type,
        "urn:vcloud:type:vmware:capvcdCluster:1.3.0"
    );
    assert_eq!(
        (document.name.as_str(), document.state.as_str()),
        ("blue", "RESOLVED")
    );
    assert_eq!(document.message, None);
    assert_eq!(document.owner.as_ref().unwrap().id, "urn:vcloud:user:77aa");
    assert_eq!(document.org.as_ref().unwrap().name, "acme");
    assert_eq!(document.entity["kind"], "CAPVCDCluster");
    assert_eq!(document.rest["futureKey"], json!({ "kept": "yes" }));
    let shown = format!("{document:?}");
    assert!(
        !shown.contains("capiYaml") && shown.contains("blue"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_newer_spelling_of_the_state_is_understood() {
    let site = Site::start().await;
    let mut entity = entity_json();
    entity.as_object_mut().unwrap().remove("state");
    site.answer("GET", &target(), answer(&entity, "r1")).await;
    let read = site.client().await.get_entity(&id()).await.unwrap();
    assert_eq!(read.value.state, "RESOLVED");
}

/// Goal: a write changes what was changed and nothing else, whatever VCD has added by then.
#[tokio::test]
async fn a_write_sends_exactly_the_keys_that_were_read_and_the_tag_byte_for_byte() {
    for tag in [
        "\"r17\"",
        "r17",
        "W/\"r 17, \\\"x\\\"\"",
        "~!@#$%^&*()_+{}|:<>?",
    ] {
        let site = Site::start().await;
        let mut newer_only = entity_json();
        newer_only.as_object_mut().unwrap().remove("state");
        newer_only.as_object_mut().unwrap().remove("owner");
        for present in [entity_json(), newer_only] {
            let site = &site;
            site.server.reset().await;
            site.answer(
                "POST",
                "/oauth/tenant/acme/token",
                super::site::granted("access-1"),
            )
            .await;
            site.answer("GET", "/api/versions", super::site::versions(&["37.2"]))
                .await;
            site.answer("GET", &target(), answer(&present, tag)).await;
            site.answer("PUT", &target(), answer(&present, "next"))
                .await;
            let client = site.client().await;
            let mut read = client.get_entity(&id()).await.unwrap();
            read.value
                .entity
                .insert("status".to_owned(), json!({ "vcdKe": { "state": "x" } }));
            let written = client.replace_entity(&read.value, read.etag).await.unwrap();
            assert_eq!(written.etag, ETag::new("next"));

            let request = site.only("PUT", &target()).await;
            assert_eq!(request.headers["if-match"].as_bytes(), tag.as_bytes());
            assert_eq!(request.headers["content-type"], "application/json");
            let mut want = present.clone();
            want["entity"]["status"] = json!({ "vcdKe": { "state": "x" } });
            assert_eq!(request.body_json::<Value>().unwrap(), want);
        }
    }
}

#[tokio::test]
async fn a_lost_race_is_a_conflict_and_nothing_is_sent_again() {
    let site = Site::start().await;
    site.answer("GET", &target(), answer(&entity_json(), "r1"))
        .await;
    site.answer(
        "PUT",
        &target(),
        fault(412, "PRECONDITION_FAILED", "The ETag is stale."),
    )
    .await;
    let client = site.client().await;
    let read = client.get_entity(&id()).await.unwrap();
    let error = client
        .replace_entity(&read.value, read.etag)
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict);
    site.only("PUT", &target()).await;
}

/// A 401 comes before anything is done, so the repeat may and must carry the same tag.
#[tokio::test]
async fn a_write_repeated_after_a_401_is_the_same_write() {
    let site = Site::start().await;
    site.answer("GET", &target(), answer(&entity_json(), "\"r1\""))
        .await;
    site.answer_once("PUT", &target(), fault(401, "UNAUTHORIZED", "expired"))
        .await;
    site.answer("PUT", &target(), answer(&entity_json(), "\"r2\""))
        .await;
    let client = site.client().await;
    let read = client.get_entity(&id()).await.unwrap();
    client.replace_entity(&read.value, read.etag).await.unwrap();
    let sent = site.seen("PUT", &target()).await;
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].body, sent[1].body);
    assert!(sent.iter().all(|r| r.headers["if-match"] == "\"r1\""));
}

#[tokio::test]
async fn resolving_reports_the_state_whatever_it_is() {
    let resolve = format!("{}/resolve", target());
    for (state, message) in [
        ("RESOLVED", Value::Null),
        ("RESOLUTION_ERROR", json!("kind: missing")),
    ] {
        let site = Site::start().await;
        let mut entity = entity_json();
        entity["state"] = json!(state);
        entity["entityState"] = json!(state);
        entity["message"] = message.clone();
        site.answer("POST", &resolve, answer(&entity, "r2")).await;
        let resolved = site.client().await.resolve_entity(&id()).await.unwrap();
        assert_eq!(resolved.value.state, state);
        assert_eq!(resolved.value.message.as_deref(), message.as_str());
        assert_eq!(resolved.etag, ETag::new("r2"));
        let request = site.only("POST", &resolve).await;
        assert!(request.body.is_empty());
        assert_eq!(request.headers["content-length"], "0");
    }
}

#[tokio::test]
async fn an_answer_without_a_name_is_read_again_and_never_written_back() {
    let site = Site::start().await;
    let part =
        json!({ "id": ENTITY, "entity": {}, "state": "RESOLVED", "entityState": "RESOLVED" });
    site.answer(
        "POST",
        &format!("{}/resolve", target()),
        answer(&part, "r2"),
    )
    .await;
    site.answer("GET", &target(), answer(&entity_json(), "r3"))
        .await;
    let resolved = site.client().await.resolve_entity(&id()).await.unwrap();
    assert_eq!(
        (resolved.value.name.as_str(), resolved.etag),
        ("blue", ETag::new("r3"))
    );
}

#[tokio::test]
async fn a_delete_may_be_conditional_and_may_only_begin() {
    for status in [200, 202, 204] {
        let site = Site::start().await;
        site.answer("DELETE", &target(), ResponseTemplate::new(status))
            .await;
        let client = site.client().await;
        client
            .delete_entity(&id(), Some(ETag::new("\"r9\"")))
            .await
            .unwrap();
        client.delete_entity(&id(), None).await.unwrap();
        let sent = site.seen("DELETE", &target()).await;
        let tags: Vec<_> = sent
            .iter()
            .map(|r| r.headers.get("if-match").cloned())
            .collect();
        assert_eq!(tags, [Some("\"r9\"".parse().unwrap()), None]);
    }
    let site = Site::start().await;
    site.answer("DELETE", &target(), no_access()).await;
    let error = site
        .client()
        .await
        .delete_entity(&id(), None)
        .await
        .unwrap_err();
    assert!(matches!(error, VcdError::NotVisible { .. }), "{error:?}");
}

#[tokio::test]
async fn a_behavior_gives_its_result_through_the_task() {
    let site = Site::start().await;
    let invocations = format!("{}/behaviors/{BEHAVIOR}/invocations", target());
    let location = "https://vcd.example/api/task/0d9c";
    let accepted = ResponseTemplate::new(202).insert_header("location", location);
    site.answer("POST", &invocations, accepted).await;
    let result = json!({ "entity": { "secret": "<&\"' \u{fc}" }, "_metadata": {} }).to_string();
    let escaped = quick_xml::escape::escape(result.as_str()).into_owned();
    let running = "<Task xmlns=\"http://www.vmware.com/vcloud/v1.5\" status=\"running\" \
        id=\"urn:vcloud:task:0d9c\"><Progress>1</Progress></Task>";
    let done = format!(
        "<Task xmlns=\"http://www.vmware.com/vcloud/v1.5\" status=\"success\" id=\"urn:vcloud:task:0d9c\">\
         <Owner id=\"{ENTITY}\" href=\"\" name=\"entity\" type=\"application/json\"/>\
         <Result><ResultContent xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xsi:type=\"xs:string\">{escaped}</ResultContent></Result></Task>"
    );
    site.answer_once("GET", "/api/task/0d9c", xml(200, running))
        .await;
    site.answer("GET", "/api/task/0d9c", xml(200, &done)).await;

    let client = site.client().await;
    let task = client
        .invoke_behavior(&id(), BEHAVIOR, &json!({ "a": 1 }))
        .await
        .unwrap();
    assert_eq!(task, TaskId::parse("urn:vcloud:task:0d9c").unwrap());
    let sent = site.only("POST", &invocations).await;
    assert_eq!(
        sent.body_json::<Value>().unwrap(),
        json!({ "arguments": { "a": 1 } })
    );

    assert_eq!(
        client.task(&task).await.unwrap().status,
        TaskStatus::Running
    );
    let task = client.task(&task).await.unwrap();
    assert_eq!(task.status, TaskStatus::Success);
    assert_eq!(task.owner.as_deref(), Some(ENTITY));
    assert_eq!(task.result.as_deref(), Some(result.as_str()));
    assert!(!format!("{task:?}").contains("secret"));
    let read = site.seen("GET", "/api/task/0d9c").await;
    assert_eq!(read[0].headers["accept"], "application/*+xml;version=37.2");
}

#[tokio::test]
async fn no_arguments_are_an_empty_invocation_and_no_location_is_no_task() {
    let site = Site::start().await;
    let invocations = format!("{}/behaviors/{BEHAVIOR}/invocations", target());
    for answer in [
        ResponseTemplate::new(202),
        ResponseTemplate::new(202).insert_header("location", "https://vcd.example/"),
    ] {
        site.answer_once("POST", &invocations, answer).await;
        let client = site.client().await;
        let error = client
            .invoke_behavior(&id(), BEHAVIOR, &Value::Null)
            .await
            .unwrap_err();
        assert_eq!(error.class(), ErrorClass::OutcomeUnknown, "{error:?}");
    }
    let sent = site.seen("POST", &invocations).await;
    assert_eq!(sent[0].body_json::<Value>().unwrap(), json!({}));
}

#[tokio::test]
async fn a_failed_task_says_why_and_what_may_be_done() {
    let task = |status: &str, error: &str| {
        format!(
            "<Task xmlns=\"http://www.vmware.com/vcloud/v1.5\" status=\"{status}\" \
             href=\"https://vcd.example/api/task/0d9c\">{error}</Task>"
        )
    };
    let error = |major: u16, minor: &str, text: &str| {
        format!(
            "<Error majorErrorCode=\"{major}\" minorErrorCode=\"{minor}\" \
             message=\"[ 12-r ] {text}\" vendorSpecificErrorCode=\"\" stackTrace=\"\"/>"
        )
    };
    let site = Site::start().await;
    let client = site.client().await;
    let id = TaskId::parse("urn:vcloud:task:0d9c").unwrap();
    let rows = [
        (
            task("error", &error(400, "BAD_REQUEST", "no &lt;pool&gt;")),
            ErrorClass::Terminal,
            "BAD_REQUEST",
            "no <pool>",
        ),
        (
            task("error", &error(400, "BUSY_ENTITY", "busy")),
            ErrorClass::Transient,
            "BUSY_ENTITY",
            "busy",
        ),
        (
            task("error", &error(500, "INTERNAL_SERVER_ERROR", "fault")),
            ErrorClass::Transient,
            "INTERNAL_SERVER_ERROR",
            "fault",
        ),
        (
            task("canceled", ""),
            ErrorClass::Transient,
            "canceled",
            "the task ended as canceled",
        ),
        (
            task("aborted", ""),
            ErrorClass::Transient,
            "aborted",
            "the task ended as aborted",
        ),
    ];
    for (body, class, code, message) in rows {
        site.answer_once("GET", "/api/task/0d9c", xml(200, &body))
            .await;
        let (code, message) = (code.to_owned(), message.to_owned());
        let want = TaskStatus::Failed {
            class,
            code,
            message,
        };
        assert_eq!(client.task(&id).await.unwrap().status, want);
    }
}
