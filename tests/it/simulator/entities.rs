//! Life, tags, states and restricted fields of entities, and what behaviors see.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::site::{Answer, Ask, FULL_ENTITY, Site, TYPE, cluster, entity};

fn read(site: &mut Site, token: &str, id: &str) -> Answer {
    site.call(Ask::get(&entity(id)).by(token))
}

fn put(token: &str, id: &str, content: &Value) -> Ask {
    Ask::put(&entity(id))
        .by(token)
        .json(&json!({"name": "blue", "entity": content}))
}

#[test]
fn creation_answers_a_task_that_names_the_entity_and_runs_until_it_is_resolved() {
    let mut site = Site::new();
    let author = site.login("author", "acme");
    let (answer, task) = site.create_with_task(&author, "blue", &cluster("blue"));
    assert!(answer.text().is_empty());
    let running = site
        .call(
            Ask::get(&task)
                .by(&author)
                .accept("application/*+xml;version=37.2"),
        )
        .text();
    let doc = site.call(Ask::get(&task).by(&author)).json();
    let id = doc["owner"]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("urn:vcloud:entity:vmware:capvcdCluster:"));
    for part in [
        "status=\"running\"",
        "operationName=\"createDefinedEntity\"",
        &format!("operation=\"Creating Runtime Defined Entity blue({id})\""),
        &format!("<Owner href=\"\" id=\"{id}\" name=\"entity\" type=\"application/json\"/>"),
        "<Progress>1</Progress>",
        "startTime=\"2026-03-01T10:00:00.000Z\"",
        "name=\"acme\" type=\"application/vnd.vmware.vcloud.org+xml\"",
    ] {
        assert!(running.contains(part), "{part} in {running}");
    }
    site.wait(Duration::from_hours(5));
    let author = site.login("author", "acme");
    assert_eq!(
        site.call(Ask::get(&task).by(&author)).json()["status"],
        "running"
    );
    site.resolve(&author, &id);
    let done = site.call(Ask::get(&task).by(&author)).json();
    assert_eq!(
        (&done["status"], &done["endTime"]),
        (&json!("success"), &json!("2026-03-01T15:00:00.000Z"))
    );
    // The same request again makes another entity.
    assert_ne!(site.create(&author, "blue", &cluster("blue")), id);
    assert_eq!(site.world.clusters().len(), 2);
}

#[test]
fn creation_wants_name_content_and_a_known_type() {
    let mut site = Site::new();
    let author = site.login("author", "acme");
    let path = format!("/cloudapi/1.0.0/entityTypes/{TYPE}");
    for (path, body, status) in [
        (path.as_str(), json!({"entity": {}}), 400),
        (path.as_str(), json!({"name": "blue"}), 400),
        (
            path.as_str(),
            json!({"name": "blue", "entity": {}, "entityType": "urn:other"}),
            400,
        ),
        (
            "/cloudapi/1.0.0/entityTypes/urn:vcloud:type:no:such:1.0.0",
            json!({"name": "b", "entity": {}}),
            403,
        ),
    ] {
        assert_eq!(
            site.call(Ask::post(path).by(&author).json(&body)).status(),
            status,
            "{body}"
        );
    }
    assert!(site.world.clusters().is_empty());
    // Content is not checked now, unless resolution is asked for.
    let ask = Ask::post(&format!("{path}?resolveEntity=true")).by(&author);
    assert_eq!(
        site.call(ask.json(&json!({"name": "b", "entity": {"kind": 1}})))
            .status(),
        202
    );
    assert_eq!(site.world.clusters()[0].rde_state, "RESOLUTION_ERROR");
}

#[test]
fn the_tag_goes_out_by_id_only_and_a_stale_one_changes_nothing() {
    let mut site = Site::new();
    let author = site.login("author", "acme");
    let id = site.create(&author, "blue", &cluster("blue"));
    let first = read(&mut site, &author, &id).etag();
    assert_eq!(
        read(&mut site, &author, &id).etag(),
        first,
        "reading changes nothing"
    );
    let list =
        site.call(Ask::get("/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1").by(&author));
    assert_eq!(list.header("etag"), None);

    let mut content = cluster("blue");
    content["spec"]["capiYaml"] = json!("second");
    let written = site.call(put(&author, &id, &content).header("if-match", &first));
    assert_eq!(written.status(), 200);
    assert_ne!(written.etag(), first);
    content["spec"]["capiYaml"] = json!("lost");
    for method in [Method::PUT, Method::DELETE] {
        let body = json!({"name": "blue", "entity": content});
        let ask = Ask::new(method, &entity(&id)).by(&author).json(&body);
        let stale = site.call(ask.header("if-match", &first));
        assert_eq!(stale.status(), 412);
        assert!(stale.problem().1.to_lowercase().contains("etag"));
    }
    let now = read(&mut site, &author, &id);
    assert_eq!(now.json()["entity"]["spec"]["capiYaml"], "second");
    assert_eq!(now.etag(), written.etag());
    let resolved = site.resolve(&author, &id);
    assert_ne!(resolved.etag(), written.etag(), "resolving is a change");
    let unquoted = resolved.etag().trim_matches('"').to_owned();
    content["spec"]["capiYaml"] = json!("third");
    let unquoted = site.call(put(&author, &id, &content).header("if-match", &unquoted));
    assert_eq!(unquoted.status(), 200, "quotes are the client's affair");
    content["spec"]["capiYaml"] = json!("fourth");
    assert_eq!(
        site.call(put(&author, &id, &content)).status(),
        200,
        "no tag, no check"
    );
    assert_eq!(
        read(&mut site, &author, &id).json()["entity"]["spec"]["capiYaml"],
        "fourth"
    );
}

/// State before, action, content sent, status, state after.
type StateRow<'a> = (&'a str, &'a str, &'a Value, u16, Option<&'a str>);

/// Goal: the table of states and actions. Method: one entity per row, brought into the state first.
#[test]
fn states_follow_the_table() {
    let (good, bad) = (cluster("blue"), json!({"kind": 7}));
    let table: [StateRow<'_>; 13] = [
        ("PRE_CREATED", "put", &bad, 200, Some("PRE_CREATED")),
        ("PRE_CREATED", "resolve", &good, 200, Some("RESOLVED")),
        ("PRE_CREATED", "delete", &good, 400, Some("PRE_CREATED")),
        ("RESOLUTION_ERROR", "put", &bad, 200, Some("PRE_CREATED")),
        (
            "RESOLUTION_ERROR",
            "resolve",
            &bad,
            200,
            Some("RESOLUTION_ERROR"),
        ),
        ("RESOLUTION_ERROR", "delete", &bad, 204, None),
        ("RESOLVED", "put", &good, 200, Some("RESOLVED")),
        ("RESOLVED", "put", &bad, 400, Some("RESOLVED")),
        ("RESOLVED", "resolve", &good, 200, Some("RESOLVED")),
        ("RESOLVED", "delete", &good, 204, None),
        ("IN_DELETION", "put", &bad, 200, Some("IN_DELETION")),
        ("IN_DELETION", "resolve", &good, 200, Some("IN_DELETION")),
        ("IN_DELETION", "delete", &good, 204, None),
    ];
    for (state, action, content, status, after) in table {
        let mut site = Site::new();
        let author = site.login("author", "acme");
        let first = if state == "RESOLUTION_ERROR" {
            &bad
        } else {
            &good
        };
        let id = bring_to(&mut site, &author, state, first);
        let answer = match action {
            "put" => site.call(put(&author, &id, content)),
            "resolve" => site.resolve(&author, &id),
            _ => site.call(Ask::delete(&entity(&id)).by(&author)),
        };
        let row = format!("{state} {action}: {}", answer.text());
        assert_eq!(answer.status(), status, "{row}");
        let now = site
            .world
            .clusters()
            .first()
            .map(|cluster| cluster.rde_state.clone());
        assert_eq!(now.as_deref(), after, "{row}");
        if (state, action) == ("PRE_CREATED", "delete") {
            assert_eq!(answer.problem().0, "RDE_ENTITY_NOT_RESOLVED");
        }
        if (state, action) == ("RESOLUTION_ERROR", "resolve") {
            let message = answer.json()["message"].as_str().unwrap().to_owned();
            assert!(
                message.contains("validation failed at the root"),
                "{message}"
            );
        }
    }
}

/// Creates an entity with `content` and brings it into `state`.
fn bring_to(site: &mut Site, token: &str, state: &str, content: &Value) -> String {
    let id = site.create(token, "blue", content);
    if state != "PRE_CREATED" {
        site.resolve(token, &id);
    }
    if state == "IN_DELETION" {
        let body = json!({"name": "blue", "entity": content, "entityState": state});
        site.call(Ask::put(&entity(&id)).by(token).json(&body));
    }
    assert_eq!(site.world.clusters()[0].rde_state, state);
    id
}

#[test]
fn a_deletion_begun_by_state_ends_by_itself_where_the_site_is_set_so() {
    let mut site = Site::new();
    site.world.settings_mut().marked_entities_go = true;
    let author = site.login("author", "acme");
    let id = site.create(&author, "blue", &cluster("blue"));
    site.resolve(&author, &id);
    let body = json!({"name": "blue", "entity": cluster("blue"), "entityState": "IN_DELETION"});
    site.call(Ask::put(&entity(&id)).by(&author).json(&body));
    site.wait(Duration::from_mins(1));
    assert_eq!(read(&mut site, &author, &id).status(), 403);
}

#[test]
fn missing_and_invisible_entities_look_the_same_on_every_verb() {
    let mut site = Site::new();
    let (author, viewer) = (site.login("author", "acme"), site.login("viewer", "acme"));
    let hidden = site.create(&author, "blue", &cluster("blue"));
    let missing = "urn:vcloud:entity:vmware:capvcdCluster:00000000-0000-4000-8000-000000000000";
    for id in [hidden.as_str(), missing] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = site.call(Ask::new(method, &entity(id)).by(&viewer));
            assert_eq!(answer.status(), 403);
            let (minor, message) = answer.problem();
            assert_eq!(minor, "ACCESS_TO_RESOURCE_IS_FORBIDDEN");
            assert!(
                message.contains("not found or you lack access"),
                "{message}"
            );
        }
        assert_eq!(site.resolve(&viewer, id).status(), 403);
    }
}

#[test]
fn secure_fields_are_left_out_below_38_and_masked_from_there_on() {
    let mut site = Site::new();
    let author = site.login("author", "acme");
    let id = site.create(&author, "blue", &cluster("blue"));
    for (version, secure) in [
        ("37.0", None),
        ("37.2", None),
        ("38.0", Some("******")),
        ("39.1", Some("******")),
    ] {
        let body = site
            .call(Ask::get(&entity(&id)).by(&author).version(version))
            .json();
        let shown = |path: &str| body["entity"].pointer(path).and_then(Value::as_str);
        assert_eq!(shown("/spec/vcdKe/secure"), secure, "{version}");
        assert_eq!(shown("/status/capvcd/private"), secure, "{version}");
        assert_eq!(
            shown("/spec/projector/operations/0/values"),
            secure,
            "{version}"
        );
        assert_eq!(shown("/spec/capiYaml"), Some("a: 1"));
        assert_eq!(
            body.get("creationDate").is_some(),
            secure.is_some(),
            "{version}"
        );
        assert_eq!(
            (&body["state"], &body["entityState"]),
            (&json!("PRE_CREATED"), &json!("PRE_CREATED"))
        );
        assert_eq!(body["owner"]["name"], "author");
    }
    assert_eq!(
        site.world.entity_content(&id).unwrap()["spec"]["vcdKe"]["secure"]["apiToken"],
        "hush"
    );
}

#[test]
fn a_rewrite_without_secure_fields_keeps_them_below_38_and_clears_them_from_there_on() {
    for (version, kept) in [("37.2", true), ("38.0", false)] {
        let mut site = Site::new();
        let author = site.login("author", "acme");
        let id = site.create(&author, "blue", &cluster("blue"));
        let mut content = cluster("blue");
        content["spec"]["vcdKe"]
            .as_object_mut()
            .unwrap()
            .remove("secure");
        assert_eq!(
            site.call(put(&author, &id, &content).version(version))
                .status(),
            200
        );
        let content = site.world.entity_content(&id).unwrap();
        let secure = content["spec"]["vcdKe"].get("secure");
        assert_eq!(secure.is_some(), kept, "{version}");
    }
}

fn invoke(site: &mut Site, token: &str, id: &str) -> Answer {
    let path = format!("{}/behaviors/{FULL_ENTITY}/invocations", entity(id));
    site.call(
        Ask::post(&path)
            .by(token)
            .json(&json!({"arguments": {"a": 1}})),
    )
}

fn task_of(answer: &Answer) -> String {
    answer
        .header("location")
        .unwrap()
        .strip_prefix("https://vcd.example")
        .unwrap()
        .to_owned()
}

#[test]
fn the_full_entity_behavior_shows_secure_fields_in_the_task_result() {
    let mut site = Site::new();
    let author = site.login("author", "acme");
    let id = site.create(&author, "blue", &cluster("blue"));
    let answer = invoke(&mut site, &author, &id);
    assert_eq!(answer.status(), 202);
    let task = task_of(&answer);
    assert_eq!(
        site.call(Ask::get(&task).by(&author)).json()["status"],
        "running"
    );
    site.wait(Duration::from_secs(2));
    let done = site.call(Ask::get(&task).by(&author)).json();
    assert_eq!(
        (&done["status"], &done["operationName"]),
        (&json!("success"), &json!("executeBehavior"))
    );
    assert_eq!(
        done["operation"],
        format!("Invoked getFullEntity blue({id})")
    );
    let result: Value =
        serde_json::from_str(done["result"]["resultContent"].as_str().unwrap()).unwrap();
    assert_eq!(
        result["entity"]["spec"]["vcdKe"]["secure"]["apiToken"],
        "hush"
    );
    assert_eq!(
        result["entity"]["status"]["capvcd"]["private"]["kubeConfig"],
        "kc"
    );
    assert_eq!(
        (&result["arguments"], &result["entityId"]),
        (&json!({"a": 1}), &json!(id))
    );
    let xml = site
        .call(
            Ask::get(&task)
                .by(&author)
                .accept("application/*+xml;version=37.2"),
        )
        .text();
    assert!(
        xml.contains("xsi:type=\"xs:string\"") && xml.contains("hush"),
        "{xml}"
    );
}

#[test]
fn behaviors_need_full_control_a_known_name_and_by_switch_a_resolved_entity() {
    let mut site = Site::new();
    let (author, boss) = (site.login("author", "acme"), site.login("boss", "acme"));
    let id = site.create(&author, "blue", &cluster("blue"));
    assert_eq!(invoke(&mut site, &boss, &id).status(), 403);
    let unknown = format!(
        "{}/behaviors/urn:vcloud:behavior-interface:x:y:z:1.0.0/invocations",
        entity(&id)
    );
    let unknown = site.call(Ask::post(&unknown).by(&author));
    assert_eq!(unknown.problem().0, "RDE_INVALID_BEHAVIOR_SCOPE");
    site.world.settings_mut().behaviors_need_resolution = true;
    assert_eq!(
        invoke(&mut site, &author, &id).problem().0,
        "RDE_ENTITY_NOT_RESOLVED"
    );
    site.resolve(&author, &id);
    let answer = invoke(&mut site, &author, &id);
    assert_eq!(answer.status(), 202);
    // The entity goes before the invocation ends.
    site.call(Ask::delete(&entity(&id)).by(&author));
    site.wait(Duration::from_secs(2));
    assert_eq!(
        site.call(Ask::get(&task_of(&answer)).by(&author)).json()["status"],
        "error"
    );
}

#[test]
fn full_contents_open_to_the_owner_and_to_nobody_by_right_alone() {
    let mut site = Site::new();
    let (author, service) = (
        site.login("author", "acme"),
        site.login("service", "System"),
    );
    let id = site.create(&author, "blue", &cluster("blue"));
    let path = format!("{}/fullContents", entity(&id));
    let body = site.call(Ask::get(&path).by(&author)).json();
    assert_eq!(
        body["entity"]["spec"]["vcdKe"]["secure"]["apiToken"],
        "hush"
    );
    assert_eq!(site.call(Ask::get(&path).by(&service)).status(), 403);
}

#[test]
fn tasks_are_visible_to_their_organization_and_a_cancel_is_noted() {
    let mut site = Site::new();
    let (author, rival) = (site.login("author", "acme"), site.login("rival", "zeta"));
    let admin = site.login("admin", "System");
    let (_, task) = site.create_with_task(&author, "blue", &cluster("blue"));
    assert_eq!(site.call(Ask::get(&task).by(&rival)).status(), 403);
    assert_eq!(site.call(Ask::get(&task).by(&admin)).status(), 200);
    assert_eq!(
        site.call(Ask::post(&format!("{task}/action/cancel")).by(&author))
            .status(),
        204
    );
    let doc = site.call(Ask::get(&task).by(&author)).json();
    assert_eq!(
        (&doc["cancelRequested"], &doc["status"]),
        (&json!(true), &json!("running"))
    );
}
