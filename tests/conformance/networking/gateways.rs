//! Edge gateways, their addresses, their engine groups.

use serde_json::json;

use super::tenant::{Net, text};
use crate::fact::Mark::{Documents, Inferred, Source};
use crate::fact::{Fact, fact};
use crate::support::wire::Ask;

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = shape();
    facts.extend(balancing());
    facts
}

fn shape() -> Vec<Fact> {
    vec![
        fact(
            "7.1",
            Source,
            "an edge gateway has exactly one uplink, which says whether it uses an IP space, and ranges",
            async |bench| {
                let net = Net::of(bench).await;
                let path = format!("/cloudapi/1.0.0/edgeGateways/{}", net.gateway_id());
                let gateway = net.get(&path).await;
                assert_eq!(gateway["status"], "REALIZED");
                assert_eq!(gateway["name"], "acme-edge");
                assert_eq!(gateway["gatewayBacking"]["gatewayType"], "NSXT_BACKED");
                assert_eq!(gateway["ownerRef"]["id"], json!(net.vdc));
                assert_eq!(gateway["orgRef"]["id"], json!(net.bench.tenant.org_id));
                let uplinks = gateway["edgeGatewayUplinks"].as_array().unwrap();
                assert_eq!(uplinks.len(), 1);
                assert_eq!(uplinks[0]["usingIpSpace"], false);
                let subnet = &uplinks[0]["subnets"]["values"][0];
                assert!(subnet["prefixLength"].is_u64() && subnet["gateway"].is_string());
                assert!(subnet["ipRanges"]["values"][0]["endAddress"].is_string());
            },
        ),
        fact(
            "7.1",
            Source,
            "edge gateways are listed by name, VDC and owner, and nobody sees a stranger's",
            async |bench| {
                let net = Net::of(bench).await;
                for filter in [
                    "name==acme-edge".to_owned(),
                    format!("ownerRef.id=={};name==acme-edge", net.vdc),
                    format!("orgVdc.id=={}", net.vdc),
                ] {
                    let path =
                        format!("/cloudapi/1.0.0/edgeGateways/?filter={filter}&pageSize=128");
                    let found = net.get(&path).await;
                    assert_eq!(found["resultTotal"], 1, "{filter}");
                    assert_eq!(found["values"][0]["id"], net.gateway["id"]);
                }
                let stranger = net.bench.stranger().await;
                let list = Ask::get("/cloudapi/1.0.0/edgeGateways").by(&stranger);
                let list = net.bench.send(list).await.expect(200).json();
                assert_eq!(list["values"][0]["name"], "zeta-edge");
                let path = format!("/cloudapi/1.0.0/edgeGateways/{}", net.gateway_id());
                let answer = net.bench.send(Ask::get(&path).by(&stranger)).await;
                answer.refused(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN");
                let list = "/cloudapi/1.0.0/edgeGateways?filter=color==blue";
                net.send(Ask::get(list)).await.refused(400, "BAD_REQUEST");
            },
        ),
        fact(
            "7.1",
            Source,
            "used addresses are listed page by page until an empty page, with what they are used for",
            async |bench| {
                let net = Net::of(bench).await;
                let address = net.free_address().await;
                let pool = net.new_pool("p").await;
                net.new_service("s", &pool, &address).await;
                let path = net.below("usedIpAddresses?page=1&pageSize=25");
                let used = net.get(&path).await["values"].as_array().unwrap().clone();
                let row = used.iter().find(|row| row["ipAddress"] == json!(address));
                assert_eq!(row.unwrap()["category"], "Load_Balancer");
                assert!(row.unwrap()["networkRef"]["id"].is_string());
                let beyond = net.below("usedIpAddresses?page=2&pageSize=25");
                assert_eq!(net.get(&beyond).await["values"], json!([]));
                assert_ne!(net.free_address().await, address);
            },
        ),
        fact(
            "1.4",
            Documents,
            "an uplink tells of IP spaces from API 37.1 on",
            async |bench| {
                let net = Net::of(bench).await;
                let path = format!("/cloudapi/1.0.0/edgeGateways/{}", net.gateway_id());
                for (version, told) in [("37.0", false), ("37.1", true), ("39.0", true)] {
                    let answer = net.send(Ask::get(&path).version(version)).await;
                    let gateway = answer.expect(200).json();
                    let uplink = gateway["edgeGatewayUplinks"][0].as_object().unwrap();
                    assert_eq!(uplink.contains_key("usingIpSpace"), told, "{version}");
                }
            },
        ),
        fact(
            "7.1",
            Inferred,
            "a gateway is CONFIGURING while a task changes it, unless the setting says otherwise",
            async |bench| {
                let net = Net::of(bench).await;
                let path = format!("/cloudapi/1.0.0/edgeGateways/{}", net.gateway_id());
                let pool = Ask::post("/cloudapi/1.0.0/loadBalancer/pools").json(&net.pool("p"));
                let accepted = net.send(pool).await.expect(202);
                assert_eq!(net.get(&path).await["status"], "CONFIGURING");
                net.set(|set| set.busy_gateways_stay_realized = true);
                assert_eq!(net.get(&path).await["status"], "REALIZED");
                net.bench.succeeded(&accepted, &net.token).await;
            },
        ),
        fact(
            "7.3",
            Source,
            "a gateway's firewall can be read, by whom that is permitted",
            async |bench| {
                let net = Net::of(bench).await;
                let path = net.below("firewall/rules");
                net.send(Ask::get(&path)).await.expect(403);
                let admin = net.bench.administrator().await;
                let rules = net.bench.send(Ask::get(&path).by(&admin)).await;
                let rules = rules.expect(200).json();
                assert_eq!(rules["defaultRules"][0]["actionValue"], "ALLOW");
                let groups = Ask::get("/cloudapi/1.0.0/firewallGroups/?pageSize=128").by(&admin);
                let groups = net.bench.send(groups).await.expect(200).json();
                assert_eq!(groups["values"], json!([]));
            },
        ),
    ]
}

fn balancing() -> Vec<Fact> {
    vec![
        fact(
            "7.2",
            Documents,
            "load balancing of a gateway is read, and switched with 202",
            async |bench| {
                let net = Net::of(bench).await;
                let path = net.below("loadBalancer");
                let mut config = net.get(&path).await;
                assert_eq!(config["enabled"], true);
                assert_eq!(config["supportedFeatureSet"], "PREMIUM");
                assert_eq!(config["serviceNetworkDefinition"], "192.168.255.1/25");
                assert!(config["loadBalancerCloudRef"]["id"].is_string());
                config["enabled"] = json!(false);
                net.change(Ask::put(&path).json(&config)).await;
                assert_eq!(net.get(&path).await["enabled"], false);
                let pool = Ask::post("/cloudapi/1.0.0/loadBalancer/pools").json(&net.pool("p"));
                net.send(pool).await.refused(400, "BAD_REQUEST");
                let old = net.send(Ask::get(&path).version("36.3")).await;
                if old.status() == 200 {
                    assert_eq!(old.json()["licenseType"], "ENTERPRISE");
                }
            },
        ),
        fact(
            "7.1",
            Source,
            "an engine group is assigned to the gateway and counts its virtual services",
            async |bench| {
                let net = Net::of(bench).await;
                let path = format!(
                    "/cloudapi/1.0.0/loadBalancer/serviceEngineGroups/assignments?\
                     filter=gatewayRef.id=={}&page=1&pageSize=25",
                    net.gateway_id()
                );
                let before = net.get(&path).await["values"][0].clone();
                assert_eq!(before["numDeployedVirtualServices"], 0);
                assert!(before["maxVirtualServices"].as_u64().unwrap() > 0);
                assert_eq!(before["gatewayRef"], net.gateway);
                let pool = net.new_pool("p").await;
                net.new_service("s", &pool, "192.168.8.2").await;
                let one = format!(
                    "/cloudapi/1.0.0/loadBalancer/serviceEngineGroups/assignments/{}",
                    text(&before["id"])
                );
                assert_eq!(net.get(&one).await["numDeployedVirtualServices"], 1);
                net.bench
                    .world()
                    .limit_virtual_services(&net.bench.tenant, 1);
                let full = net.get(&path).await["values"][0].clone();
                assert_eq!(full["maxVirtualServices"], 1);
                let body = net.service("t", &pool, "192.168.8.3").await;
                let ask = Ask::post("/cloudapi/1.0.0/loadBalancer/virtualServices").json(&body);
                net.send(ask).await.refused(400, "BAD_REQUEST");
            },
        ),
    ]
}
