//! IP spaces and floating addresses.

use serde_json::{Value, json};

use super::tenant::{Net, text};
use crate::fact::Mark::{Inferred, Source};
use crate::fact::{Fact, fact};
use crate::support::bench::Bench;
use crate::support::wire::Ask;

const SPACES: &str = "/cloudapi/1.0.0/ipSpaces";
const CLAIM: &str = "cluster-blue-id-urn:vcloud:entity:vmware:capvcdCluster:5b7e";

/// A session whose gateway uses the tenant's IP space, and a path to that space.
async fn floating(bench: Bench) -> (Net, String) {
    bench.world().use_ip_space(&bench.tenant);
    let net = Net::of(bench).await;
    let path = format!(
        "{SPACES}/floatingIpSuggestions?filter=gatewayId=={}&page=1&pageSize=10\
         &sortAsc=ipSpaceRef.name&sortDesc=",
        net.gateway_id()
    );
    let found = net.get(&path).await;
    assert_eq!(found["resultTotal"], 1);
    let space = text(&found["values"][0]["ipSpaceRef"]["id"]);
    (net, format!("{SPACES}/{space}"))
}

/// Allocates one address as CAPVCD does, and returns what the task's result says.
async fn allocate(net: &Net, space: &str) -> Value {
    let body = json!({"type": "FLOATING_IP", "quantity": 1});
    let task = net
        .change(Ask::post(&format!("{space}/allocate")).json(&body))
        .await;
    let result = task.split("<ResultContent").nth(1).expect("a result");
    let result = result.split('>').nth(1).unwrap().split('<').next().unwrap();
    let result = result.replace("&quot;", "\"");
    let result: Value = serde_json::from_str(&result).expect("a JSON result");
    assert_eq!(result.as_array().unwrap().len(), 1);
    result[0].clone()
}

async fn allocations(net: &Net, space: &str, filter: &str) -> Vec<Value> {
    let path = format!("{space}/allocations/?filter=type==FLOATING_IP;{filter}&pageSize=128");
    net.get(&path).await["values"].as_array().unwrap().clone()
}

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = reads();
    facts.extend(floats());
    facts
}

fn reads() -> Vec<Fact> {
    vec![
        fact(
            "7.4",
            Source,
            "a gateway on an IP space says so, has no subnets, and suggests the space",
            async |bench| {
                let (net, space) = floating(bench).await;
                let path = format!("/cloudapi/1.0.0/edgeGateways/{}", net.gateway_id());
                let uplinks = net.get(&path).await["edgeGatewayUplinks"].clone();
                assert_eq!(uplinks.as_array().unwrap().len(), 1);
                assert_eq!(uplinks[0]["usingIpSpace"], true);
                assert!(uplinks[0]["subnets"].is_null());
                let space = net.get(&space).await;
                assert_eq!(space["type"], "PUBLIC");
                assert_eq!(space["status"], "REALIZED");
                let utilization = &space["utilization"]["floatingIPs"];
                assert!(utilization["totalCount"].is_string());
                let range = &space["ipSpaceRanges"]["ipRanges"][0];
                assert!(range["startIpAddress"].is_string());
                let list = net.get(&format!("{SPACES}/summaries?pageSize=128")).await;
                assert_eq!(list["values"][0]["id"], space["id"]);
            },
        ),
        fact(
            "7.4",
            Source,
            "suggestions for a gateway without IP spaces are refused with 403",
            async |bench| {
                let net = Net::of(bench).await;
                let path = format!(
                    "{SPACES}/floatingIpSuggestions?filter=gatewayId=={}",
                    net.gateway_id()
                );
                net.send(Ask::get(&path)).await.expect(403);
                let bare = format!("{SPACES}/floatingIpSuggestions");
                net.send(Ask::get(&bare)).await.refused(400, "BAD_REQUEST");
            },
        ),
        fact(
            "4.2",
            Source,
            "a list of allocations needs their type",
            async |bench| {
                let (net, space) = floating(bench).await;
                let path = format!("{space}/allocations?pageSize=128");
                net.send(Ask::get(&path)).await.refused(400, "BAD_REQUEST");
                let stranger = net.bench.stranger().await;
                let theirs = Ask::get(&space).by(&stranger);
                net.bench.send(theirs).await.expect(403);
            },
        ),
    ]
}

fn floats() -> Vec<Fact> {
    vec![
        fact(
            "7.4",
            Source,
            "an address is allocated by a task whose result is a JSON array, then marked, then freed",
            async |bench| {
                let (net, space) = floating(bench).await;
                let result = allocate(&net, &space).await;
                let value = text(&result["value"]);
                let found = allocations(&net, &space, &format!("value=={value}")).await;
                assert_eq!(found.len(), 1);
                assert_eq!(found[0]["id"], result["id"]);
                assert_eq!(found[0]["usageState"], "UNUSED");
                assert_eq!(found[0]["orgRef"]["id"], json!(net.bench.tenant.org_id));
                let path = format!("{space}/allocations/{}", text(&result["id"]));
                let mut allocation = found[0].clone();
                allocation["usageState"] = json!("USED_MANUAL");
                allocation["description"] = json!(CLAIM);
                net.change(Ask::put(&path).json(&allocation)).await;
                let marked = allocations(&net, &space, "usageState==USED_MANUAL").await;
                assert_eq!(marked[0]["description"], CLAIM);
                net.send(Ask::delete(&path))
                    .await
                    .refused(400, "BAD_REQUEST");
                allocation["usageState"] = json!("UNUSED");
                allocation["description"] = json!("");
                net.change(Ask::put(&path).json(&allocation)).await;
                net.change(Ask::delete(&path)).await;
                assert!(
                    allocations(&net, &space, &format!("value=={value}"))
                        .await
                        .is_empty()
                );
                net.send(Ask::get(&path)).await.expect(403);
            },
        ),
        fact(
            "7.4",
            Source,
            "an address that a virtual service uses is USED by itself",
            async |bench| {
                let (net, space) = floating(bench).await;
                let result = allocate(&net, &space).await;
                let value = text(&result["value"]);
                let pool = net.new_pool("p").await;
                let service = net.new_service("s", &pool, &value).await;
                let path = format!("{space}/allocations/{}", text(&result["id"]));
                let allocation = net.get(&path).await;
                assert_eq!(allocation["usageState"], "USED");
                assert_eq!(allocation["usedByRef"]["id"], service["id"]);
                let used = net.get(&net.below("usedIpAddresses?pageSize=25")).await;
                assert_eq!(used["values"][0]["ipAddress"], json!(value));
                net.send(Ask::delete(&path))
                    .await
                    .refused(400, "BAD_REQUEST");
            },
        ),
        fact(
            "7.4",
            Source,
            "a space that has run out fails the task",
            async |bench| {
                let (net, space) = floating(bench).await;
                net.bench
                    .world()
                    .limit_external_addresses(&net.bench.tenant, 1);
                allocate(&net, &space).await;
                let body = json!({"type": "FLOATING_IP", "quantity": 1});
                let accepted = net
                    .send(Ask::post(&format!("{space}/allocate")).json(&body))
                    .await;
                let task = net.bench.finished(&accepted, &net.token).await;
                assert!(task.contains("status=\"error\""), "{task}");
                assert!(task.contains("not enough free IP addresses"), "{task}");
            },
        ),
        fact(
            "7.4",
            Inferred,
            "requests for addresses that do not fit are refused",
            async |bench| {
                let (net, space) = floating(bench).await;
                for body in [
                    json!({"type": "FLOATING_IP"}),
                    json!({"type": "IP_PREFIX", "quantity": 1}),
                    json!({"type": "FLOATING_IP", "quantity": 0}),
                    json!({"type": "FLOATING_IP", "quantity": 1, "value": "100.64.32.1"}),
                    json!({"type": "FLOATING_IP", "value": "10.0.0.1"}),
                    json!({"type": "FLOATING_IP", "value": "here"}),
                ] {
                    let ask = Ask::post(&format!("{space}/allocate")).json(&body);
                    net.send(ask).await.refused(400, "BAD_REQUEST");
                }
                net.set(|set| set.used_addresses_are_released = true);
                let result = allocate(&net, &space).await;
                let path = format!("{space}/allocations/{}", text(&result["id"]));
                let mark = json!({"usageState": "USED_MANUAL", "description": "d"});
                net.change(Ask::put(&path).json(&mark)).await;
                net.change(Ask::delete(&path)).await;
            },
        ),
    ]
}
