//! Who may do what: rights, ownership, grants, organizations, and the registry.

use http::Method;
use serde_json::{Value, json};

use crate::support::site::{Ask, Site, TYPE, cluster, entity};

const LIST: &str = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1";

fn share(site: &mut Site, owner: &str, id: &str, member: &str, level: &str) -> String {
    let body = json!({"grantType": "MembershipAccessControlGrant", "memberId": member,
        "accessLevelId": format!("urn:vcloud:accessLevel:{level}")});
    let answer = site.call(
        Ask::post(&format!("{}/accessControls", entity(id)))
            .by(owner)
            .json(&body),
    );
    assert_eq!(answer.status(), 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Goal: access is right and grant together. Method: every user tries every verb on one entity.
#[test]
fn the_lower_of_right_and_grant_decides_and_administrator_rights_need_no_grant() {
    // user, organization, granted level, then the answers to GET, PUT, resolve, DELETE
    let table = [
        ("author", "acme", None, [200, 200, 200, 204]),
        ("editor", "acme", None, [403, 403, 403, 403]),
        ("editor", "acme", Some("FullControl"), [200, 200, 200, 403]),
        ("viewer", "acme", Some("FullControl"), [200, 403, 403, 403]),
        ("viewer", "acme", Some("ReadOnly"), [200, 403, 403, 403]),
        ("boss", "acme", None, [200, 403, 403, 403]),
        ("boss", "acme", Some("FullControl"), [200, 403, 403, 403]),
        ("rival", "zeta", None, [403, 403, 403, 403]),
        ("rival", "zeta", Some("ReadWrite"), [200, 200, 200, 403]),
        ("service", "System", None, [200, 200, 200, 204]),
        ("admin", "System", None, [200, 200, 200, 204]),
    ];
    for (user, org, grant, want) in table {
        let mut site = Site::new();
        let (author, token) = (site.login("author", "acme"), site.login(user, org));
        let id = site.create(&author, "blue", &cluster("blue"));
        site.resolve(&author, &id);
        if let Some(level) = grant {
            let session = site
                .call(Ask::get("/cloudapi/1.0.0/sessions/current").by(&token))
                .json();
            let member = session["user"]["id"].as_str().unwrap().to_owned();
            share(&mut site, &author, &id, &member, level);
        }
        let body = json!({"name": "blue", "entity": cluster("blue")});
        let got = [
            site.call(Ask::get(&entity(&id)).by(&token)).status(),
            site.call(Ask::put(&entity(&id)).by(&token).json(&body))
                .status(),
            site.resolve(&token, &id).status(),
            site.call(Ask::delete(&entity(&id)).by(&token)).status(),
        ];
        assert_eq!(got, want, "{user} with {grant:?}");
    }
}

#[test]
fn without_full_control_private_fields_are_hidden_and_survive_a_rewrite() {
    let mut site = Site::new();
    let (author, editor) = (site.login("author", "acme"), site.login("editor", "acme"));
    let id = site.create(&author, "blue", &cluster("blue"));
    let acme = site.acme.clone();
    share(&mut site, &author, &id, &acme, "ReadWrite");
    let before = site.world.entity_content(&id).unwrap().clone();
    let mut seen = site.call(Ask::get(&entity(&id)).by(&editor)).json()["entity"].clone();
    assert!(seen["spec"].get("projector").is_none(), "private: {seen}");
    assert_eq!(
        seen["status"]["vcdKe"]["state"], "provisioning",
        "protected is readable"
    );
    seen["status"]["vcdKe"]["state"] = json!("forged");
    seen["spec"]["capiYaml"] = json!("edited");
    let body = json!({"name": "blue", "entity": seen});
    assert_eq!(
        site.call(Ask::put(&entity(&id)).by(&editor).json(&body))
            .status(),
        200
    );
    let mut want = Value::Object(before);
    want["spec"]["capiYaml"] = json!("edited");
    assert_eq!(
        &want,
        &Value::Object(site.world.entity_content(&id).unwrap().clone())
    );
}

#[test]
fn the_provider_sees_all_organizations_and_with_a_context_only_that_one() {
    let mut site = Site::new();
    let (author, rival) = (site.login("author", "acme"), site.login("rival", "zeta"));
    let service = site.login("service", "System");
    site.create(&author, "blue", &cluster("blue"));
    site.create(&rival, "red", &cluster("red"));
    site.create(&service, "own", &cluster("own"));
    let (acme, zeta) = (site.acme.clone(), site.zeta.clone());
    let mut names = |token: &str, context: Option<&str>| {
        let ask = Ask::get(&format!("{LIST}?sortAsc=name")).by(token);
        let ask = match context {
            Some(org) => ask.header("x-vmware-vcloud-tenant-context", org),
            None => ask,
        };
        let list = site.call(ask).json();
        let values = list["values"].as_array().unwrap().clone();
        values
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&service, None), ["blue", "own", "red"]);
    assert_eq!(names(&service, Some(&acme)), ["blue"]);
    assert_eq!(names(&service, Some(&zeta)), ["red"]);
    assert_eq!(names(&author, None), ["blue"]);
    assert_eq!(names(&rival, None), ["red"]);
}

#[test]
fn an_entity_made_in_a_context_belongs_to_that_organization() {
    let mut site = Site::new();
    let service = site.login("service", "System");
    let body = json!({"name": "blue", "entity": cluster("blue")});
    let ask = Ask::post(&format!("/cloudapi/1.0.0/entityTypes/{TYPE}"))
        .by(&service)
        .json(&body);
    let acme = site.acme.clone();
    site.call(ask.header("x-vmware-vcloud-tenant-context", &acme));
    assert_eq!(site.world.clusters()[0].org, "acme");
}

#[test]
fn grants_are_listed_changed_and_taken_back_by_full_control() {
    let mut site = Site::new();
    let (author, rival) = (site.login("author", "acme"), site.login("rival", "zeta"));
    let id = site.create(&author, "blue", &cluster("blue"));
    let zeta = site.zeta.clone();
    let grant = share(&mut site, &author, &id, &zeta, "ReadOnly");
    let path = format!("{}/accessControls", entity(&id));
    assert_eq!(site.call(Ask::get(&path).by(&rival)).status(), 200);
    let more = json!({"grantType": "MembershipAccessControlGrant", "memberId": zeta,
        "accessLevelId": "urn:vcloud:accessLevel:ReadOnly"});
    assert_eq!(
        site.call(Ask::post(&path).by(&rival).json(&more)).status(),
        403
    );
    let listed = site.call(Ask::get(&path).by(&author)).json();
    assert_eq!(listed["values"][0]["memberId"], zeta);
    let wider = json!({"grantType": "MembershipAccessControlGrant", "memberId": zeta,
        "accessLevelId": "urn:vcloud:accessLevel:ReadWrite"});
    assert_eq!(
        site.call(
            Ask::put(&format!("{path}/{grant}"))
                .by(&author)
                .json(&wider)
        )
        .status(),
        200
    );
    assert_eq!(site.resolve(&rival, &id).status(), 200);
    assert_eq!(
        site.call(Ask::delete(&format!("{path}/{grant}")).by(&author))
            .status(),
        204
    );
    assert_eq!(site.resolve(&rival, &id).status(), 403);
}

#[test]
fn changing_owner_or_type_needs_full_control_and_something_that_exists() {
    let mut site = Site::new();
    let (author, editor) = (site.login("author", "acme"), site.login("editor", "acme"));
    let admin = site.login("admin", "System");
    let id = site.create(&author, "blue", &cluster("blue"));
    let acme = site.acme.clone();
    share(&mut site, &author, &id, &acme, "ReadWrite");
    let newer = json!({"name": "n", "vendor": "vmware", "nss": "capvcdCluster", "version": "1.4.0",
        "schema": {"properties": {"spec": {"properties": {"added": {"default": 7}}}}}});
    assert_eq!(
        site.call(
            Ask::post("/cloudapi/1.0.0/entityTypes")
                .by(&admin)
                .json(&newer)
        )
        .status(),
        201
    );
    let session = site
        .call(Ask::get("/cloudapi/1.0.0/sessions/current").by(&editor))
        .json();
    let owner = json!({"id": session["user"]["id"]});
    let newer = "urn:vcloud:type:vmware:capvcdCluster:1.4.0";
    for (token, extra, status) in [
        (&editor, json!({"entityType": newer}), 403),
        (&editor, json!({"owner": owner}), 403),
        (
            &author,
            json!({"entityType": "urn:vcloud:type:vmware:capvcdCluster:9.9.9"}),
            400,
        ),
        (
            &author,
            json!({"owner": {"id": "urn:vcloud:user:nobody"}}),
            400,
        ),
        (&author, json!({"entityType": newer}), 200),
        (&author, json!({"owner": owner}), 200),
    ] {
        let mut body = json!({"name": "blue", "entity": cluster("blue")});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let answer = site.call(Ask::put(&entity(&id)).by(token).json(&body));
        assert_eq!(answer.status(), status, "{extra}: {}", answer.text());
        if status == 200 && extra.get("entityType").is_some() {
            let added = &answer.json()["entity"]["spec"]["added"];
            assert_eq!(added, 7, "the newer schema's default fills the gap");
        }
    }
    let now = site.call(Ask::get(&entity(&id)).by(&admin)).json();
    assert_eq!(
        (&now["owner"]["name"], &now["entityType"]),
        (&json!("editor"), &json!(newer))
    );
}

#[test]
fn skipping_hooks_needs_the_administrators_full_access() {
    let mut site = Site::new();
    let (author, service) = (
        site.login("author", "acme"),
        site.login("service", "System"),
    );
    let id = site.create(&author, "blue", &cluster("blue"));
    site.resolve(&author, &id);
    let path = format!("{}?invokeHooks=false", entity(&id));
    assert_eq!(site.call(Ask::delete(&path).by(&author)).status(), 403);
    assert_eq!(site.call(Ask::delete(&path).by(&service)).status(), 204);
}

#[test]
fn a_new_type_brings_five_rights_and_a_bundle_and_tenants_register_nothing() {
    let mut site = Site::new();
    let (admin, author) = (site.login("admin", "System"), site.login("author", "acme"));
    let definition =
        json!({"name": "n", "vendor": "v", "nss": "s", "version": "1.0.0", "schema": {}});
    let types = "/cloudapi/1.0.0/entityTypes";
    let refused = site.call(Ask::post(types).by(&author).json(&definition));
    assert_eq!(refused.problem().0, "ACCESS_TO_RESOURCE_IS_FORBIDDEN");
    assert_eq!(
        site.call(Ask::post(types).by(&admin).json(&definition))
            .status(),
        201
    );
    assert_eq!(
        site.call(Ask::post(types).by(&admin).json(&definition))
            .status(),
        400,
        "once only"
    );
    let rights = site
        .call(Ask::get("/cloudapi/1.0.0/rights?filter=name==v:s:*").by(&admin))
        .json();
    assert_eq!(rights["resultTotal"], 5);
    let bundles = "/cloudapi/1.0.0/rightsBundles?filter=name==v:s Entitlement".replace(' ', "%20");
    assert_eq!(
        site.call(Ask::get(&bundles).by(&admin)).json()["resultTotal"],
        1
    );
    // Below 39.0 a tenant without a right on the type does not see it.
    for (version, total) in [("37.2", 1), ("39.0", 2)] {
        let list = site
            .call(Ask::get(types).by(&author).version(version))
            .json();
        assert_eq!(list["resultTotal"], total, "{version}");
    }
    let invalid = json!({"name": "n", "vendor": "v", "nss": "s", "version": "1.0", "schema": {}});
    assert_eq!(
        site.call(Ask::post(types).by(&admin).json(&invalid))
            .status(),
        400
    );
    let broken =
        json!({"name": "n", "vendor": "v", "nss": "t", "version": "1.0.0", "schema": {"type": 5}});
    assert_eq!(
        site.call(Ask::post(types).by(&admin).json(&broken))
            .problem()
            .0,
        "RDE_TYPE_INVALID_SCHEMA"
    );
}

#[test]
fn what_is_in_use_keeps_its_meaning() {
    let mut site = Site::new();
    let (admin, author) = (site.login("admin", "System"), site.login("author", "acme"));
    let interface = "/cloudapi/1.0.0/interfaces/urn:vcloud:interface:cse:capvcd:1.0.0";
    let behaviors = format!("{interface}/behaviors");
    let more = json!({"name": "more", "execution": {"type": "noop"}});
    assert_eq!(
        site.call(Ask::post(&behaviors).by(&admin).json(&more))
            .status(),
        400
    );
    assert_eq!(site.call(Ask::delete(interface).by(&admin)).status(), 400);
    let path = format!("/cloudapi/1.0.0/entityTypes/{TYPE}");
    let mut definition = site.call(Ask::get(&path).by(&admin)).json();
    definition["schema"]["properties"]["extra"] = json!({"type": "string"});
    assert_eq!(
        site.call(Ask::put(&path).by(&admin).json(&definition))
            .status(),
        200,
        "no entity yet"
    );
    site.create(&author, "blue", &cluster("blue"));
    definition["schema"]["properties"]["another"] = json!({"type": "string"});
    for method in [Method::PUT, Method::DELETE] {
        let ask = Ask::new(method, &path).by(&admin).json(&definition);
        assert_eq!(site.call(ask).status(), 400);
    }
    let schema = site.call(Ask::get(&path).by(&admin)).json()["schema"].clone();
    assert!(
        schema["properties"].get("extra").is_some()
            && schema["properties"].get("another").is_none()
    );
}

#[test]
fn a_type_overrides_a_behavior_under_the_same_reference() {
    let mut site = Site::new();
    let admin = site.login("admin", "System");
    let behaviors = format!("/cloudapi/1.0.0/entityTypes/{TYPE}/behaviors");
    let path = format!("{behaviors}/urn:vcloud:behavior-interface:getFullEntity:cse:capvcd:1.0.0");
    let body = json!({"name": "getFullEntity", "execution": {"type": "noop", "id": "other"}});
    let over = site.call(Ask::put(&path).by(&admin).json(&body)).json();
    assert_eq!(
        over["id"],
        "urn:vcloud:behavior-type:getFullEntity:vmware:capvcdCluster:1.3.0:cse:capvcd:1.0.0"
    );
    let listed = site.call(Ask::get(&behaviors).by(&admin)).json();
    assert_eq!(listed["values"][0]["execution"]["id"], "other");
    assert_eq!(site.call(Ask::delete(&path).by(&admin)).status(), 204);
    let back = site.call(Ask::get(&path).by(&admin)).json();
    assert_eq!(back["execution"]["id"], "getFullEntity");
    let unknown = format!("{behaviors}/urn:vcloud:behavior-interface:no:cse:capvcd:1.0.0");
    assert_eq!(
        site.call(Ask::get(&unknown).by(&admin)).problem().0,
        "RDE_INVALID_BEHAVIOR_SCOPE"
    );
}

#[test]
fn a_role_is_made_filled_and_felt_by_its_users_but_not_from_a_token_session() {
    let mut site = Site::new();
    let admin = site.login("admin", "System");
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "admin-token"),
    ];
    let by_token = site
        .call(Ask::post("/oauth/provider/token").form(&form))
        .json();
    let by_token = by_token["access_token"].as_str().unwrap().to_owned();
    let body = json!({"name": "Viewer", "description": "d"});
    let roles = "/cloudapi/1.0.0/globalRoles";
    assert_eq!(
        site.call(Ask::post(roles).by(&by_token).json(&body))
            .status(),
        403
    );
    let role = site.call(Ask::post(roles).by(&admin).json(&body)).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let rights = json!({"values": [{"name": "vmware:capvcdCluster: Administrator View"}]});
    let path = format!("{roles}/{role}/rights");
    assert_eq!(
        site.call(Ask::put(&path).by(&admin).json(&rights)).status(),
        200
    );
    let unknown = json!({"values": [{"name": "no such right"}]});
    assert_eq!(
        site.call(Ask::put(&path).by(&admin).json(&unknown))
            .status(),
        400
    );
    let author = site.login("author", "acme");
    let id = site.create(&author, "blue", &cluster("blue"));
    let viewer = site.login("viewer", "acme");
    // What no bundle publishes to its organization is worth nothing to a tenant.
    assert_eq!(site.call(Ask::get(&entity(&id)).by(&viewer)).status(), 403);
    let bundles = "/cloudapi/1.0.0/rightsBundles";
    let filter = "?filter=name==vmware:capvcdCluster%20Entitlement";
    let listed = site.call(Ask::get(&format!("{bundles}{filter}")).by(&admin));
    let listed = listed.json();
    let bundle = listed["values"][0]["id"].as_str().unwrap();
    let publish = format!("{bundles}/{bundle}/tenants/publishAll");
    assert_eq!(site.call(Ask::post(&publish).by(&admin)).status(), 200);
    assert_eq!(site.call(Ask::get(&entity(&id)).by(&viewer)).status(), 200);
    let publish = format!("{roles}/{role}/tenants/publishAll");
    assert_eq!(site.call(Ask::post(&publish).by(&admin)).status(), 200);
}

#[test]
fn the_kubernetes_interface_is_built_in() {
    let mut site = Site::new();
    let admin = site.login("admin", "System");
    let path = "/cloudapi/1.0.0/interfaces/urn:vcloud:interface:vmware:k8s:1.0.0";
    assert_eq!(
        site.call(Ask::get(path).by(&admin)).json()["readonly"],
        true
    );
    assert_eq!(site.call(Ask::delete(path).by(&admin)).status(), 400);
    let behaviors = site
        .call(Ask::get(&format!("{path}/behaviors")).by(&admin))
        .json();
    assert_eq!(behaviors["values"][0]["name"], "createKubeConfig");
}
