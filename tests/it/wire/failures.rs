//! Answers that are no success, or no sense: what each becomes for the caller.

use std::error::Error;
use std::time::Duration;

use cse_server::domain::error_class::ErrorClass;
use cse_server::domain::ids::{EntityId, TaskId, VappId, VdcId, VmId};
use cse_server::domain::versioned::ETag;
use cse_server::vcd::error::VcdError;
use cse_server::vcd::model::EntityDocument;
use wiremock::ResponseTemplate;

use super::site::{Client, ENTITY, Site, entity_json, fault, json, no_access, xml};

const READ: &str = "/cloudapi/1.0.0/entities/urn:vcloud:entity:vmware:capvcdCluster:5b7e0000-0000-4000-8000-000000000001";

fn document() -> EntityDocument {
    let id = EntityId::parse(ENTITY).unwrap();
    EntityDocument {
        id,
        entity_type: "urn:vcloud:type:vmware:capvcdCluster:1.3.0".to_owned(),
        name: "blue".to_owned(),
        state: "RESOLVED".to_owned(),
        message: None,
        owner: None,
        org: None,
        entity: serde_json::Map::new(),
        rest: serde_json::Map::new(),
    }
}

async fn read(client: &Client) -> VcdError {
    client
        .get_entity(&EntityId::parse(ENTITY).unwrap())
        .await
        .unwrap_err()
}

async fn write(client: &Client) -> VcdError {
    client
        .replace_entity(&document(), ETag::new("r1"))
        .await
        .unwrap_err()
}

/// The error of a read and of a write that get the same answer.
async fn both(answer: ResponseTemplate) -> (VcdError, VcdError) {
    let site = Site::start().await;
    site.answer("GET", READ, answer.clone()).await;
    site.answer("PUT", READ, answer).await;
    let client = site.client().await;
    let errors = (read(&client).await, write(&client).await);
    site.only("GET", READ).await;
    site.only("PUT", READ).await;
    errors
}

fn html(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw("<html><p>Bad gateway<br></html>", "text/html")
}

#[tokio::test]
async fn a_stale_tag_is_a_conflict_by_status_or_by_word() {
    let by_status = fault(
        412,
        "PRECONDITION_FAILED",
        "The ETag in If-Match does not match.",
    );
    let by_word = fault(400, "BAD_REQUEST", "Invalid etag.");
    for answer in [by_status, by_word, ResponseTemplate::new(412), html(412)] {
        let (_, error) = both(answer).await;
        assert!(matches!(error, VcdError::Conflict { .. }), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Conflict);
    }
}

#[tokio::test]
async fn being_asked_to_slow_down_carries_the_wait() {
    let date = "Wed, 21 Oct 2026 07:28:00 GMT";
    let later = "Wed, 21 Oct 2026 07:29:30 GMT";
    let slow = |status, wait: &str| html(status).insert_header("retry-after", wait);
    for (answer, seconds) in [
        (slow(429, "7"), Some(7)),
        (slow(503, "120"), Some(120)),
        (slow(429, later).insert_header("date", date), Some(90)),
        (html(429), None),
    ] {
        let want = ErrorClass::Throttled {
            retry_after: seconds.map(Duration::from_secs),
        };
        let (read, write) = both(answer).await;
        assert_eq!((read.class(), write.class()), (want, want), "{read:?}");
    }
}

#[tokio::test]
async fn maintenance_without_a_wait_is_transient_for_every_call() {
    let (read, write) = both(html(503)).await;
    assert_eq!(
        (read.class(), write.class()),
        (ErrorClass::Transient, ErrorClass::Transient)
    );
}

#[tokio::test]
async fn a_gateway_that_gives_up_leaves_a_write_unknown() {
    for status in [500, 502, 504] {
        let (read, write) = both(html(status)).await;
        assert_eq!(read.class(), ErrorClass::Transient, "{status}");
        assert_eq!(write.class(), ErrorClass::OutcomeUnknown, "{status}");
    }
}

#[tokio::test]
async fn a_busy_object_is_worth_another_try() {
    let words = "The entity vm is busy completing an operation VAPP_DEPLOY.";
    let (read, write) = both(fault(400, "BUSY_ENTITY", words)).await;
    assert_eq!(
        (read.class(), write.class()),
        (ErrorClass::Transient, ErrorClass::Transient)
    );
    assert_eq!(write.minor_code(), Some("BUSY_ENTITY"));
    assert_eq!(write.message(), Some(words));
    assert_eq!(write.request_id(), Some("12-2026-request"));
}

#[tokio::test]
async fn a_403_of_vcd_means_not_visible_and_that_of_a_firewall_does_not() {
    let (read, write) = both(no_access()).await;
    assert!(matches!(read, VcdError::NotVisible { .. }), "{read:?}");
    assert!(matches!(write, VcdError::NotVisible { .. }), "{write:?}");
    let (read, _) = both(html(403)).await;
    assert!(matches!(read, VcdError::Rejected { .. }), "{read:?}");
}

#[tokio::test]
async fn a_missing_vm_or_vapp_is_not_visible() {
    let site = Site::start().await;
    let gone = r#"<?xml version="1.0"?><Error xmlns="http://www.vmware.com/vcloud/v1.5"
        message="[ 12-r ] Either you need some or all of the following rights [Base] to perform operations [VAPP_VM_VIEW] for x or the target entity is invalid."
        majorErrorCode="403" minorErrorCode="ACCESS_TO_RESOURCE_IS_FORBIDDEN" stackTrace=""/>"#;
    site.answer("GET", "/api/vApp/vm-aa01", xml(403, gone))
        .await;
    site.answer("GET", "/api/vApp/vapp-33dd", xml(403, gone))
        .await;
    let client = site.client().await;
    let vm = client
        .vm(&VmId::parse("urn:vcloud:vm:aa01").unwrap())
        .await
        .unwrap_err();
    assert!(matches!(vm, VcdError::NotVisible { .. }), "{vm:?}");
    assert!(
        vm.message()
            .unwrap()
            .ends_with("the target entity is invalid.")
    );
    assert_eq!(vm.request_id(), Some("12-r"));
    let vapp = client
        .vapp(&VappId::parse("urn:vcloud:vapp:33dd").unwrap())
        .await
        .unwrap_err();
    assert!(matches!(vapp, VcdError::NotVisible { .. }), "{vapp:?}");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_leaves_a_write_unknown() {
    let whole = entity_json().to_string();
    let cut = whole.get(..whole.len() / 2).unwrap();
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let tagged = |body: &str| json(200, body).insert_header("etag", "r2");
    for (name, answer) in [
        ("cut short", tagged(cut)),
        ("malformed", tagged("{\"id\":}")),
        ("deep", tagged(&deep)),
        (
            "of another shape",
            tagged("{\"id\":[\"secret\"],\"entity\":\"secret\"}"),
        ),
        (
            "not UTF-8",
            json(200, "").set_body_raw(vec![b'{', 0xff, b'}'], "application/json"),
        ),
        ("a page", html(200)),
        ("nothing", ResponseTemplate::new(200)),
        ("no tag", json(200, &whole)),
        ("accepted, not done", ResponseTemplate::new(202)),
    ] {
        let (read, write) = both(answer).await;
        assert!(
            matches!(read, VcdError::Unreadable { .. }),
            "{name}: {read:?}"
        );
        assert_eq!(
            write.class(),
            ErrorClass::OutcomeUnknown,
            "{name}: {write:?}"
        );
        let cause = write.source().unwrap().to_string();
        assert!(
            !cause.is_empty() && !cause.contains("secret"),
            "{name}: {cause}"
        );
    }
}

#[tokio::test]
async fn xml_that_makes_no_sense_is_an_error_and_nothing_is_expanded() {
    let bomb = format!(
        "<!DOCTYPE Task [<!ENTITY a \"{}\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>\
         <Task status=\"success\" id=\"urn:vcloud:task:0d9c\"><Result><ResultContent>&b;</ResultContent></Result></Task>",
        "x".repeat(1_000)
    );
    let file = "<!DOCTYPE Task [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>\
        <Task status=\"&f;\" id=\"urn:vcloud:task:0d9c\"/>";
    let deep = format!(
        "{}{}",
        "<Task status=\"a\">".repeat(3_000),
        "</Task>".repeat(3_000)
    );
    let site = Site::start().await;
    let client = site.client().await;
    let id = TaskId::parse("urn:vcloud:task:0d9c").unwrap();
    for (name, body) in [
        ("bomb", bomb.as_str()),
        ("file", file),
        ("deep", &deep),
        (
            "cut short",
            "<Task status=\"running\" id=\"urn:vcloud:task:0d9c\"><Owner",
        ),
        (
            "crossed",
            "<Task status=\"running\" id=\"urn:vcloud:task:0d9c\"><A></Task></A>",
        ),
        ("no id", "<Task status=\"running\"/>"),
        ("no status", "<Task id=\"urn:vcloud:task:0d9c\"/>"),
        ("empty", ""),
    ] {
        site.answer_once("GET", "/api/task/0d9c", xml(200, body))
            .await;
        let error = client.task(&id).await.unwrap_err();
        assert!(
            matches!(error, VcdError::Unreadable { .. }),
            "{name}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_document_type_is_never_sent_back() {
    let site = Site::start().await;
    let vm = "<!DOCTYPE Vm [<!ENTITY e \"x\">]><Vm name=\"&e;\"><VirtualHardwareSection/></Vm>";
    site.answer("GET", "/api/vApp/vm-aa01", xml(200, vm)).await;
    let client = site.client().await;
    let id = VmId::parse("urn:vcloud:vm:aa01").unwrap();
    let error = client
        .set_extra_config(&id, &[("a", "b")])
        .await
        .unwrap_err();
    assert!(matches!(error, VcdError::Unreadable { .. }), "{error:?}");
    assert!(
        site.seen("POST", "/api/vApp/vm-aa01/action/reconfigureVm")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let site = Site::start().await;
    let elsewhere = ResponseTemplate::new(302).insert_header("location", "/cloudapi/elsewhere");
    site.answer("GET", READ, elsewhere).await;
    let error = read(&site.client().await).await;
    assert_eq!(error.class(), ErrorClass::Terminal);
    assert!(site.seen("GET", "/cloudapi/elsewhere").await.is_empty());
}

#[tokio::test]
async fn what_xml_cannot_carry_is_refused_before_it_is_sent() {
    let site = Site::start().await;
    let client = site.client().await;
    let vdc = VdcId::parse("urn:vcloud:vdc:22cc").unwrap();
    let error = client
        .compose_vapp(&vdc, "bell\u{7}", "text")
        .await
        .unwrap_err();
    assert!(
        matches!(error, VcdError::InvalidRequest { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("U+0007"), "{error}");
    assert!(
        site.seen("POST", "/api/vdc/22cc/action/composeVApp")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn messages_are_one_bounded_line() {
    let words = format!("first\nsecond\u{1b}[31m{}", "x".repeat(5_000));
    let (error, _) = both(fault(400, "BAD_REQUEST", &words)).await;
    let message = error.message().unwrap();
    assert!(
        message.len() <= 500 && !message.contains(['\n', '\u{1b}']),
        "{message}"
    );
}
