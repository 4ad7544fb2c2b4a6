//! The networking parts of a cluster's life, call by call as CAPVCD sends them.

use std::time::Duration;

use serde_json::{Value, json};

use super::tenant::{Net, owner, text};
use crate::fact::Mark::Source;
use crate::fact::{Fact, fact};
use crate::support::wire::Ask;

const POOLS: &str = "/cloudapi/1.0.0/loadBalancer/pools";
const SERVICES: &str = "/cloudapi/1.0.0/loadBalancer/virtualServices";
const PROFILES: &str = "/cloudapi/1.0.0/applicationPortProfiles";
const NAME: &str =
    "blue-urn:vcloud:entity:vmware:capvcdCluster:5b7e0000-0000-4000-8000-000000000000-tcp";

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "11.6",
            Source,
            "the control plane's load balancer: reads, free address, engine group, pool, service, member",
            async |bench| {
                let net = Net::of(bench).await;
                assert!(net.summary("virtualServiceSummaries", NAME).await.is_none());
                assert!(net.summary("poolSummaries", NAME).await.is_none());
                let address = net.free_address().await;
                assert!(net.engine_group().await["id"].is_string());
                let pool = net.new_pool(NAME).await;
                net.new_service(NAME, &pool, &address).await;
                wait_for_health(&net).await;
                let path = format!("{POOLS}/{}", text(&pool["id"]));
                assert_eq!(net.get(&path).await["memberCount"], 0);
                let mut body = net.pool(NAME);
                body["members"] = json!([
                    {"ipAddress": "10.1.1.1", "port": 6443, "ratio": 1, "enabled": true},
                ]);
                net.change(Ask::put(&path).json(&body)).await;
                let summary = net.summary("poolSummaries", NAME).await.unwrap();
                assert_eq!(summary["memberCount"], 1);
                assert_eq!(summary["status"], "REALIZED");
                delete_balancer(&net).await;
            },
        ),
        fact(
            "11.7",
            Source,
            "one-arm mode: profile, DNAT rule, internal address; deletion in the opposite order",
            async |bench| {
                let net = Net::of(bench).await;
                let address = net.free_address().await;
                let (rule, profile) = (format!("dnat-{NAME}"), format!("appPort_dnat-{NAME}"));
                let body = json!({
                    "name": profile, "description": format!("App Port Profile [{profile}]"),
                    "applicationPorts": [{"protocol": "TCP", "destinationPorts": ["6443"]}],
                    "orgRef": {"name": "acme", "id": net.bench.tenant.org_id},
                    "contextEntityId": net.vdc, "scope": "TENANT",
                });
                let task = net.change(Ask::post(PROFILES).json(&body)).await;
                let profile_path = format!("{PROFILES}/{}", owner(&task));
                let body = json!({
                    "name": rule, "enabled": true, "ruleType": "DNAT",
                    "externalAddresses": address, "internalAddresses": "192.168.8.2",
                    "dnatExternalPort": "6443",
                    "applicationPortProfile": {"name": profile, "id": owner(&task)},
                });
                net.change(Ask::post(&net.below("nat/rules")).json(&body))
                    .await;
                let pool = net.new_pool(NAME).await;
                net.new_service(NAME, &pool, "192.168.8.2").await;
                wait_for_health(&net).await;
                assert_ne!(net.free_address().await, address, "the rule has it");
                delete_balancer(&net).await;
                let rules = net.get(&net.below("nat/rules?pageSize=128")).await;
                let id = text(&rules["values"][0]["id"]);
                net.change(Ask::delete(&net.below(&format!("nat/rules/{id}"))))
                    .await;
                net.change(Ask::delete(&profile_path)).await;
                assert_eq!(
                    net.free_address().await,
                    address,
                    "the address is free again"
                );
            },
        ),
        fact(
            "7.2",
            Source,
            "a service whose pool has nobody who works is DOWN, and says why",
            async |bench| {
                let net = Net::of(bench).await;
                let pool = net.new_pool(NAME).await;
                net.new_service(NAME, &pool, "192.168.8.2").await;
                wait_for_health(&net).await;
                let summary = net.summary("virtualServiceSummaries", NAME).await.unwrap();
                assert_eq!(summary["healthStatus"], "DOWN");
                assert!(summary["healthMessage"].is_string());
            },
        ),
    ]
}

/// Polls every 5 s until the service has reported, as CAPVCD does.
async fn wait_for_health(net: &Net) {
    for _ in 0..6 {
        let summary = net.summary("virtualServiceSummaries", NAME).await.unwrap();
        if ["UP", "DOWN"].contains(&text(&summary["healthStatus"]).as_str()) {
            return;
        }
        assert_eq!(summary["healthStatus"], "PENDING");
        net.bench.pass(Duration::from_secs(5));
    }
    panic!("no health within half a minute");
}

/// Virtual service, then pool; each must be REALIZED before.
async fn delete_balancer(net: &Net) {
    for (list, path) in [
        ("virtualServiceSummaries", SERVICES),
        ("poolSummaries", POOLS),
    ] {
        let summary: Value = net.summary(list, NAME).await.unwrap();
        assert_eq!(summary["status"], "REALIZED");
        let path = format!("{path}/{}", text(&summary["id"]));
        net.change(Ask::delete(&path)).await;
        assert!(net.summary(list, NAME).await.is_none());
    }
}
