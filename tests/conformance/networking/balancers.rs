//! Load balancer pools and virtual services.

use std::time::Duration;

use serde_json::json;

use super::tenant::{Net, ODD_ACCEPT, owner, text};
use crate::fact::Mark::{Documents, Inferred, Source};
use crate::fact::{Fact, fact};
use crate::support::wire::Ask;

const POOLS: &str = "/cloudapi/1.0.0/loadBalancer/pools";
const SERVICES: &str = "/cloudapi/1.0.0/loadBalancer/virtualServices";
const NAME: &str =
    "blue-urn:vcloud:entity:vmware:capvcdCluster:5b7e0000-0000-4000-8000-000000000000-tcp";

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = pools();
    facts.extend(services());
    facts.extend(refusals());
    facts.extend(settings());
    facts
}

fn pools() -> Vec<Fact> {
    vec![
        fact(
            "7.2",
            Source,
            "a pool is created with 202 by a task that it owns, and listed when the task succeeds",
            async |bench| {
                let net = Net::of(bench).await;
                let task = net.change(Ask::post(POOLS).json(&net.pool(NAME))).await;
                let summary = net.summary("poolSummaries", NAME).await.unwrap();
                assert_eq!(json!(owner(&task)), summary["id"]);
                assert_eq!(summary["status"], "REALIZED");
                assert_eq!(summary["memberCount"], 0);
                let pool = net.get(&format!("{POOLS}/{}", text(&summary["id"]))).await;
                assert_eq!(pool["algorithm"], "ROUND_ROBIN");
                assert_eq!(pool["gracefulTimeoutPeriod"], 0);
                assert_eq!(pool["healthMonitors"][0]["type"], "TCP");
                assert_eq!(pool["gatewayRef"], net.gateway);
                assert_eq!(pool["members"], json!([]));
                assert!(pool["persistenceProfile"].is_null());
            },
        ),
        fact(
            "7.2",
            Source,
            "a PUT without id and status replaces the members of the path's pool",
            async |bench| {
                let net = Net::of(bench).await;
                let summary = net.new_pool(NAME).await;
                let path = format!("{POOLS}/{}", text(&summary["id"]));
                let mut body = net.pool(NAME);
                body["members"] = json!([
                    {"ipAddress": "10.1.1.1", "port": 6443, "ratio": 1, "enabled": true},
                    {"ipAddress": "10.1.1.2", "port": 6443, "ratio": 1, "enabled": true},
                ]);
                net.change(Ask::put(&path).json(&body)).await;
                let pool = net.get(&path).await;
                assert_eq!(pool["memberCount"], 2);
                assert_eq!(pool["members"].as_array().unwrap().len(), 2);
                assert_eq!(pool["members"][1]["ipAddress"], "10.1.1.2");
                assert_eq!(pool["members"][1]["healthStatus"], "DOWN");
                assert_eq!(pool["members"][1]["markedDownBy"], json!(["TCP"]));
                assert_eq!(pool["id"], summary["id"]);
            },
        ),
        fact(
            "7.2",
            Source,
            "a pool is deleted with 202, and then there is none of its name",
            async |bench| {
                let net = Net::of(bench).await;
                let summary = net.new_pool(NAME).await;
                let path = format!("{POOLS}/{}", text(&summary["id"]));
                net.change(Ask::delete(&path)).await;
                assert!(net.summary("poolSummaries", NAME).await.is_none());
                let gone = net.send(Ask::get(&path)).await;
                gone.refused(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN");
                let effects = net.bench.world().effects().clone();
                for effect in ["lb.pool.created", "lb.pool.deleted"] {
                    assert_eq!(effects.get(&(effect.into(), NAME.to_owned())), Some(&1));
                }
            },
        ),
    ]
}

fn services() -> Vec<Fact> {
    vec![
        fact(
            "7.2",
            Source,
            "a virtual service is listed when its task succeeds, and reports health within seconds",
            async |bench| {
                let net = Net::of(bench).await;
                let pool = net.new_pool(NAME).await;
                let address = net.free_address().await;
                let summary = net.new_service(NAME, &pool, &address).await;
                assert_eq!(summary["loadBalancerPoolRef"]["name"], NAME);
                assert_eq!(summary["servicePorts"][0]["portStart"], 6443);
                assert_eq!(summary["servicePorts"][0]["portEnd"], 6443);
                assert_eq!(summary["virtualIpAddress"], json!(address));
                assert_eq!(summary["status"], "REALIZED");
                assert_eq!(summary["applicationProfileType"], "L4");
                let mut health = text(&summary["healthStatus"]);
                for _ in 0..3 {
                    net.bench.pass(Duration::from_secs(5));
                    let found = net.summary("virtualServiceSummaries", NAME).await.unwrap();
                    health = text(&found["healthStatus"]);
                }
                assert_eq!(health, "DOWN", "an empty pool is down");
                let path = format!("{SERVICES}/{}", text(&summary["id"]));
                let service = net.get(&path).await;
                assert_eq!(
                    service["applicationProfile"]["name"],
                    "System-L4-Application"
                );
                assert!(service["serviceEngineGroupRef"]["name"].is_string());
            },
        ),
        fact(
            "7.2",
            Source,
            "ports and address of a virtual service are changed with what was read",
            async |bench| {
                let net = Net::of(bench).await;
                let pool = net.new_pool(NAME).await;
                let summary = net.new_service(NAME, &pool, "192.168.8.2").await;
                let path = format!("{SERVICES}/{}", text(&summary["id"]));
                let mut service = net.get(&path).await;
                service["servicePorts"][0]["portStart"] = json!(443);
                service["servicePorts"][0]["portEnd"] = json!(443);
                service["virtualIpAddress"] = json!("192.168.8.3");
                net.change(Ask::put(&path).json(&service)).await;
                let found = net.summary("virtualServiceSummaries", NAME).await.unwrap();
                assert_eq!(found["servicePorts"][0]["portStart"], 443);
                assert_eq!(found["virtualIpAddress"], "192.168.8.3");
            },
        ),
        fact(
            "7.5",
            Source,
            "a virtual service goes before its pool",
            async |bench| {
                let net = Net::of(bench).await;
                let pool = net.new_pool(NAME).await;
                let service = net.new_service(NAME, &pool, "192.168.8.2").await;
                let pool = format!("{POOLS}/{}", text(&pool["id"]));
                let refs = net.get(&pool).await["virtualServiceRefs"].clone();
                assert_eq!(refs[0]["id"], service["id"]);
                net.send(Ask::delete(&pool))
                    .await
                    .refused(400, "BAD_REQUEST");
                let service = format!("{SERVICES}/{}", text(&service["id"]));
                net.change(Ask::delete(&service)).await;
                net.change(Ask::delete(&pool)).await;
            },
        ),
        fact(
            "7.2",
            Source,
            "TLS needs a certificate, which is found by its alias",
            async |bench| {
                let net = Net::of(bench).await;
                let pool = net.new_pool("p").await;
                let mut body = net.service("s", &pool, "192.168.8.2").await;
                body["applicationProfile"] = json!({
                    "name": "System-SSL-Application", "type": "L4_TLS", "systemDefined": true,
                });
                body["servicePorts"][0]["sslEnabled"] = json!(true);
                net.send(Ask::post(SERVICES).json(&body))
                    .await
                    .refused(400, "BAD_REQUEST");
                let library = "/cloudapi/1.0.0/ssl/certificateLibrary";
                let path = format!("{library}?page=1&pageSize=128&filter=alias==acme-cert");
                let found = net.get(&path).await;
                assert_eq!(found["resultTotal"], 1);
                let item = &found["values"][0];
                body["certificateRef"] = json!({"name": item["alias"], "id": item["id"]});
                net.change(Ask::post(SERVICES).json(&body)).await;
                let one = net.get(&format!("{library}/{}", text(&item["id"]))).await;
                assert_eq!(one["consumerCount"], 1);
            },
        ),
    ]
}

fn refusals() -> Vec<Fact> {
    vec![
        fact(
            "10",
            Documents,
            "a gateway does one thing at a time: another request is refused as BUSY_ENTITY",
            async |bench| {
                let net = Net::of(bench).await;
                let ask = Ask::post(POOLS).json(&net.pool("a")).accept(ODD_ACCEPT);
                let accepted = net.send(ask).await.expect(202);
                let refusal = net.send(Ask::post(POOLS).json(&net.pool("b"))).await;
                let refusal = refusal.refused(400, "BUSY_ENTITY").text();
                let bare = net.gateway_id().rsplit(':').next().unwrap().to_owned();
                for part in [
                    &format!(
                        "com.vmware.vcloud.entity.gateway:{bare} is busy completing an operation "
                    ),
                    "LOAD_BALANCER_POOL_CREATE(com.vmware.vcloud.entity.task:",
                ] {
                    assert!(refusal.contains(part), "{refusal}");
                }
                net.bench.succeeded(&accepted, &net.token).await;
                net.new_pool("b").await;
            },
        ),
        fact(
            "10",
            Documents,
            "names of pools and virtual services are unique per gateway",
            async |bench| {
                let net = Net::of(bench).await;
                let pool = net.new_pool(NAME).await;
                net.send(Ask::post(POOLS).json(&net.pool(NAME)))
                    .await
                    .refused(400, "DUPLICATE_NAME");
                net.new_service(NAME, &pool, "192.168.8.2").await;
                let body = net.service(NAME, &pool, "192.168.8.3").await;
                net.send(Ask::post(SERVICES).json(&body))
                    .await
                    .refused(400, "DUPLICATE_NAME");
            },
        ),
        fact(
            "5.3",
            Documents,
            "what does not fit is refused, and creates nothing",
            async |bench| {
                let net = Net::of(bench).await;
                for (field, value) in [
                    ("name", json!("")),
                    ("defaultPort", json!(70000)),
                    ("defaultPort", json!("6443")),
                    ("algorithm", json!("GUESS")),
                    ("members", json!([{"ipAddress": "10.1.1"}])),
                    ("healthMonitors", json!([{"type": "SMELL"}])),
                ] {
                    let mut body = net.pool("p");
                    body[field] = value;
                    let refusal = net.send(Ask::post(POOLS).json(&body)).await;
                    refusal.refused(400, "BAD_REQUEST");
                }
                net.send(Ask::post(POOLS).json(&json!([])))
                    .await
                    .expect(400);
                net.send(Ask::get(POOLS)).await.expect(405);
                let stranger = net.bench.stranger().await;
                let theirs = Ask::post(POOLS).json(&net.pool("p")).by(&stranger);
                net.bench.send(theirs).await.expect(403);
                assert!(net.summary("poolSummaries", "p").await.is_none());
            },
        ),
        fact(
            "7.2",
            Documents,
            "a virtual service needs a pool of its gateway, a port, an address, and no one else's",
            async |bench| {
                let net = Net::of(bench).await;
                let pool = net.new_pool("p").await;
                net.new_service("s", &pool, "192.168.8.2").await;
                let elsewhere = json!({"id": "urn:vcloud:loadBalancerPool:nowhere"});
                for (field, value) in [
                    ("loadBalancerPoolRef", elsewhere.clone()),
                    ("serviceEngineGroupRef", elsewhere),
                    ("servicePorts", json!([])),
                    ("servicePorts", json!([{"portStart": 90, "portEnd": 80}])),
                    ("virtualIpAddress", json!("nine")),
                    ("applicationProfile", json!({"type": "L9"})),
                    ("name", json!("other")),
                ] {
                    let mut body = net.service("t", &pool, "192.168.8.2").await;
                    body[field] = value;
                    let refusal = net.send(Ask::post(SERVICES).json(&body)).await;
                    refusal.refused(400, "BAD_REQUEST");
                }
                let mut shared = net.service("t", &pool, "192.168.8.2").await;
                shared["servicePorts"][0]["portStart"] = json!(443);
                net.change(Ask::post(SERVICES).json(&shared)).await;
            },
        ),
    ]
}

fn settings() -> Vec<Fact> {
    vec![
        fact(
            "7.2",
            Inferred,
            "a pool that is being created is listed as PENDING, unless the setting says otherwise",
            async |bench| {
                let net = Net::of(bench).await;
                let accepted = net.send(Ask::post(POOLS).json(&net.pool("p"))).await;
                let summary = net.summary("poolSummaries", "p").await.unwrap();
                assert_eq!(summary["status"], "PENDING");
                net.set(|set| set.new_balancers_are_hidden = true);
                assert!(net.summary("poolSummaries", "p").await.is_none());
                net.bench.succeeded(&accepted, &net.token).await;
                assert!(net.summary("poolSummaries", "p").await.is_some());
            },
        ),
        fact(
            "7.2",
            Inferred,
            "members are up without a machine, where the setting says so, and so is the service",
            async |bench| {
                let net = Net::of(bench).await;
                net.set(|set| {
                    set.pool_members_need_no_machine = true;
                    set.missing_network_objects_are_404 = true;
                });
                let mut body = net.pool("p");
                body["members"] = json!([{"ipAddress": "10.1.1.1"}]);
                net.change(Ask::post(POOLS).json(&body)).await;
                let pool = net.summary("poolSummaries", "p").await.unwrap();
                assert_eq!(pool["healthStatus"], "UP");
                assert_eq!(pool["upMemberCount"], 1);
                net.new_service("s", &pool, "192.168.8.2").await;
                net.bench.pass(Duration::from_secs(10));
                let service = net.summary("virtualServiceSummaries", "s").await.unwrap();
                assert_eq!(service["healthStatus"], "UP");
                let nowhere = format!("{POOLS}/urn:vcloud:loadBalancerPool:x");
                net.send(Ask::get(&nowhere))
                    .await
                    .refused(404, "RESOURCE_NOT_FOUND");
            },
        ),
        fact(
            "7.2",
            Inferred,
            "virtual services share an address, unless the setting says otherwise",
            async |bench| {
                let net = Net::of(bench).await;
                net.set(|set| set.virtual_addresses_are_exclusive = true);
                let pool = net.new_pool("p").await;
                net.new_service("s", &pool, "192.168.8.2").await;
                let mut other = net.service("t", &pool, "192.168.8.2").await;
                other["servicePorts"][0]["portStart"] = json!(443);
                let refusal = net.send(Ask::post(SERVICES).json(&other)).await;
                refusal.refused(400, "BAD_REQUEST");
            },
        ),
    ]
}
