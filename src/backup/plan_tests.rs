//! What a restore would write, and what it never does.

use serde_json::json;

use super::*;
use crate::domain::ids::EntityId;
use crate::vcd::model::EntityDocument;

fn content(value: &Value) -> Content {
    value.as_object().unwrap().clone()
}

fn saved(nss: &str, content: &Value) -> SavedEntity {
    let document = EntityDocument {
        id: EntityId::parse(&format!("urn:vcloud:entity:vmware:{nss}:1")).unwrap(),
        entity_type: format!("urn:vcloud:type:vmware:{nss}:1.3.0"),
        name: "oak".to_owned(),
        state: "RESOLVED".to_owned(),
        message: None,
        owner: None,
        org: None,
        entity: self::content(content),
        rest: Map::new(),
    };
    SavedEntity::of(&document, Vec::new()).0
}

fn cluster_content() -> Value {
    json!({
        "kind": "CAPVCDCluster",
        "metadata": {"name": "oak"},
        "spec": {"capiYaml": "kind: Cluster\n", "vcdKe": {"isVCDKECluster": true, "autoRepairOnErrors": true, "secure": {"apiToken": "hush"}}},
        "status": {"vcdKe": {"state": "provisioned", "workerId": "", "eventSet": [{"name": "a"}]},
            "capvcd": {"phase": "Provisioned", "private": {"kubeConfig": "kc"}}},
    })
}

fn wanted(standing: &Standing) -> Value {
    match standing {
        Standing::Differs { wanted, .. } => Value::Object(wanted.clone()),
        other @ (Standing::Same | Standing::Refused(_)) => unreachable!("{other:?}"),
    }
}

#[test]
fn what_is_as_it_was_is_not_written_whatever_was_left_out() {
    let live = cluster_content();
    let backup = saved("capvcdCluster", &live);
    assert!(!serde_json::to_string(&backup).unwrap().contains("hush"));
    assert_eq!(
        compare(&backup, &content(&live), Orders::default()),
        Standing::Same
    );
    // As a login sees it that never sees secure fields.
    let mut omitted = live.clone();
    omitted["spec"]["vcdKe"]
        .as_object_mut()
        .unwrap()
        .shift_remove("secure");
    omitted["status"]["capvcd"]
        .as_object_mut()
        .unwrap()
        .shift_remove("private");
    assert_eq!(
        compare(&backup, &content(&omitted), Orders::default()),
        Standing::Same
    );
}

#[test]
fn a_damaged_request_goes_back_and_newer_reports_stay() {
    let backup = saved("capvcdCluster", &cluster_content());
    let mut live = cluster_content();
    live["spec"]["capiYaml"] = json!("");
    live["status"]["capvcd"]["phase"] = json!("Newer");
    live["status"]["vcdKe"]
        .as_object_mut()
        .unwrap()
        .shift_remove("eventSet");
    let standing = compare(&backup, &content(&live), Orders::default());
    let Standing::Differs { notes, .. } = &standing else {
        unreachable!("{standing:?}")
    };
    assert!(notes[0].contains("spec.capiYaml"), "{notes:?}");
    let new = wanted(&standing);
    assert_eq!(new["spec"], cluster_content()["spec"]);
    assert_eq!(new["status"]["capvcd"]["phase"], "Newer");
    assert_eq!(new["status"]["vcdKe"]["eventSet"], json!([{"name": "a"}]));
    let orders = Orders {
        with_status: true,
        ..Orders::default()
    };
    assert_eq!(
        wanted(&compare(&backup, &content(&live), orders)),
        cluster_content()
    );
}

#[test]
fn no_claim_no_deletion_and_no_auto_repair_go_back() {
    let mut old = cluster_content();
    old["spec"]["vcdKe"]["markForDelete"] = json!(true);
    old["status"]["vcdKe"]["workerId"] = json!("a/1");
    old["status"]["vcdKe"]["heartbeatString"] = json!("k1;e=1;s=1;n=0;t=180;p=creating;i=1;x=held");
    let backup = saved("capvcdCluster", &old);
    let mut live = cluster_content();
    live["spec"]["vcdKe"]["autoRepairOnErrors"] = json!(false);
    live["metadata"] = json!({});
    for with_status in [false, true] {
        let orders = Orders {
            with_status,
            ..Orders::default()
        };
        let standing = compare(&backup, &content(&live), orders);
        let new = wanted(&standing);
        assert_eq!(new["spec"]["vcdKe"]["autoRepairOnErrors"], false);
        assert_eq!(new["spec"]["vcdKe"].get("markForDelete"), None);
        assert_eq!(new["status"]["vcdKe"]["workerId"], "");
        assert_eq!(new["metadata"]["name"], "oak");
        if with_status {
            assert_eq!(new["status"]["vcdKe"].get("heartbeatString"), None);
        }
    }
}

#[test]
fn a_cluster_at_work_or_being_deleted_is_left_alone() {
    let backup = saved("capvcdCluster", &cluster_content());
    let mut damaged = cluster_content();
    damaged["metadata"] = json!({});
    let mut held = damaged.clone();
    held["status"]["vcdKe"]["workerId"] = json!("a/1");
    held["status"]["vcdKe"]["heartbeatString"] =
        json!("k1;e=1;s=1;n=0;t=180;p=creating;i=1;x=held");
    let mut marked = damaged.clone();
    marked["spec"]["vcdKe"]["markForDelete"] = json!(true);
    let mut deleting = damaged;
    deleting["status"]["vcdKe"]["state"] = json!("deleting");
    for (live, word) in [
        (held, "\"a\" is at work"),
        (marked, "deleted"),
        (deleting, "deleted"),
    ] {
        match compare(&backup, &content(&live), Orders::default()) {
            Standing::Refused(reason) => assert!(reason.contains(word), "{reason}"),
            other @ (Standing::Same | Standing::Differs { .. }) => unreachable!("{other:?}"),
        }
    }
}

#[test]
fn a_token_in_the_request_is_taken_from_vcd_or_nothing_is_written() {
    let yaml = "kind: Secret\nmetadata:\n  name: s\nstringData:\n  refreshToken: abcdefghijkl\n";
    let mut old = cluster_content();
    old["spec"]["capiYaml"] = json!(yaml);
    let backup = saved("capvcdCluster", &old);
    assert!(
        !serde_json::to_string(&backup)
            .unwrap()
            .contains("abcdefghijkl")
    );
    let mut live = old.clone();
    live["metadata"] = json!({});
    assert_eq!(
        wanted(&compare(&backup, &content(&live), Orders::default())),
        old
    );
    live["spec"]["capiYaml"] = json!("");
    let refused = compare(&backup, &content(&live), Orders::default());
    assert!(
        matches!(&refused, Standing::Refused(reason) if reason.contains("spec.capiYaml")),
        "{refused:?}"
    );
}

#[test]
fn a_configuration_goes_back_with_its_secrets_or_tells_what_is_lost() {
    let old = json!({"profiles": [{"name": "p", "K8Config": {}, "githubConfig": {"githubPersonalAccessToken": "ghp_1"}}]});
    let backup = saved("VCDKEConfig", &old);
    let mut live = old.clone();
    live["profiles"][0]["K8Config"] = json!({"x": 1});
    assert_eq!(
        wanted(&compare(&backup, &content(&live), Orders::default())),
        old
    );
    let (anew, notes) = configuration_anew(&backup).unwrap();
    assert_eq!(
        anew["profiles"][0]["githubConfig"]["githubPersonalAccessToken"],
        ""
    );
    assert!(notes[0].contains("githubPersonalAccessToken"), "{notes:?}");
    let broken = saved("VCDKEConfig", &json!({"profiles": []}));
    assert!(configuration_anew(&broken).is_err());
}

#[test]
fn grants_are_posted_as_far_as_they_are_missing() {
    let right = json!({"id": "1", "grantType": "RightAccessControlGrant", "rightId": "r", "accessLevelId": "ro", "objectId": "o"});
    let member = json!({"id": "2", "grantType": "MembershipAccessControlGrant", "memberId": "m", "accessLevelId": "ro"});
    let missing = missing_grants(&[right, member.clone()], &[member]);
    assert_eq!(
        missing,
        [json!({"grantType": "RightAccessControlGrant", "rightId": "r", "accessLevelId": "ro"})]
    );
}
