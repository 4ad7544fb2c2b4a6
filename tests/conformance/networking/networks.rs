//! Organization VDC networks through the `OpenAPI`.

use serde_json::{Value, json};

use super::tenant::{Net, owner, text};
use crate::fact::Mark::{Documents, Source};
use crate::fact::{Fact, fact};
use crate::support::wire::Ask;

const NETWORKS: &str = "/cloudapi/1.0.0/orgVdcNetworks";

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = reads();
    facts.extend(writes());
    facts
}

fn reads() -> Vec<Fact> {
    vec![
        fact(
            "7.1",
            Source,
            "a network leads to the edge gateway that routes it",
            async |bench| {
                let net = Net::of(bench).await;
                let list = net.get(&format!("{NETWORKS}?page=1&pageSize=32")).await;
                let row = &list["values"][0];
                assert_eq!(row["name"], "acme-net");
                let path = format!("{NETWORKS}/{}", text(&row["id"]));
                let network = net.get(&path).await;
                assert_eq!(network["networkType"], "NAT_ROUTED");
                assert_eq!(network["backingNetworkType"], "NSXT_FLEXIBLE_SEGMENT");
                assert_eq!(network["connection"]["connected"], true);
                let router = &network["connection"]["routerRef"];
                assert_eq!(router["name"], "acme-edge");
                let gateway = format!("/cloudapi/1.0.0/edgeGateways/{}", text(&router["id"]));
                assert_eq!(net.get(&gateway).await["orgVdcNetworkCount"], 1);
                let beyond = net.get(&format!("{NETWORKS}?page=2&pageSize=32")).await;
                assert_eq!(beyond["values"], json!([]));
            },
        ),
        fact(
            "11.3",
            Source,
            "a network is found by name and VDC, with _context, exactly once",
            async |bench| {
                let net = Net::of(bench).await;
                let path = format!(
                    "{NETWORKS}/?filter=name==acme-net;orgVdc.id=={};_context==includeAccessible\
                     &pageSize=32",
                    net.vdc
                );
                assert_eq!(net.get(&path).await["resultTotal"], 1);
                let org = &net.bench.tenant.org_id;
                let path = format!("{NETWORKS}/?filter=orgRef.id=={org}&pageSize=32");
                let id = text(&net.get(&path).await["values"][0]["id"]);
                let path = format!("{NETWORKS}/{id}/dhcp?filter=orgVdc.id=={}", net.vdc);
                assert_eq!(net.get(&path).await["enabled"], false);
            },
        ),
        fact(
            "4.1",
            Documents,
            "a page of networks holds 32 at most",
            async |bench| {
                let net = Net::of(bench).await;
                let path = format!("{NETWORKS}?pageSize=33");
                net.send(Ask::get(&path)).await.refused(400, "BAD_REQUEST");
            },
        ),
        fact(
            "7.1",
            Documents,
            "allocated addresses, DHCP and segment profiles of a network can be read",
            async |bench| {
                let net = Net::of(bench).await;
                let list = net.get(&format!("{NETWORKS}?pageSize=32")).await;
                let path = format!("{NETWORKS}/{}", text(&list["values"][0]["id"]));
                let allocated = net.get(&format!("{path}/allocatedIpAddresses")).await;
                assert_eq!(allocated["values"], json!([]));
                assert_eq!(net.get(&format!("{path}/dhcp")).await["enabled"], false);
                let bindings = net
                    .get(&format!("{path}/dhcp/bindings/?pageSize=128"))
                    .await;
                assert_eq!(bindings["values"], json!([]));
                let profiles = net.get(&format!("{path}/segmentProfiles")).await;
                assert!(profiles["ipDiscoveryProfile"].is_null());
            },
        ),
    ]
}

/// A routed network as Terraform posts it.
fn routed(net: &Net, name: &str) -> Value {
    json!({
        "name": name, "description": "d", "networkType": "NAT_ROUTED",
        "ownerRef": {"id": net.vdc},
        "connection": {"routerRef": net.gateway, "connectionType": "INTERNAL"},
        "subnets": {"values": [{
            "gateway": "10.200.0.1", "prefixLength": 24, "dnsServer1": "10.200.0.2",
            "ipRanges": {"values": [{"startAddress": "10.200.0.10", "endAddress": "10.200.0.19"}]},
        }]},
    })
}

fn writes() -> Vec<Fact> {
    vec![
        fact(
            "7.1",
            Documents,
            "a network is created, changed and deleted by tasks that it owns",
            async |bench| {
                let mut net = Net::of(bench).await;
                net.token = net.bench.administrator().await;
                let post = Ask::post(NETWORKS).json(&routed(&net, "second"));
                let task = net.change(post).await;
                let path = format!("{NETWORKS}/{}", owner(&task));
                let mut network = net.get(&path).await;
                assert_eq!(network["name"], "second");
                assert_eq!(network["totalIpCount"], 10);
                assert_eq!(network["connection"]["routerRef"], net.gateway);
                network["description"] = json!("other");
                net.change(Ask::put(&path).json(&network)).await;
                assert_eq!(net.get(&path).await["description"], "other");
                net.change(Ask::delete(&format!("{path}?force=true"))).await;
                let gone = net.send(Ask::get(&path)).await;
                gone.refused(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN");
            },
        ),
        fact(
            "7.1",
            Documents,
            "a network is refused without the right, with a taken name, outside its subnet",
            async |bench| {
                let mut net = Net::of(bench).await;
                let post = Ask::post(NETWORKS).json(&routed(&net, "second"));
                let refusal = net.send(post).await;
                refusal.refused(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN");
                net.token = net.bench.administrator().await;
                let post = Ask::post(NETWORKS).json(&routed(&net, "acme-net"));
                net.send(post).await.refused(400, "DUPLICATE_NAME");
                let mut wide = routed(&net, "wide");
                let range = json!([{"startAddress": "10.9.0.1", "endAddress": "10.9.0.9"}]);
                wide["subnets"]["values"][0]["ipRanges"]["values"] = range;
                let post = Ask::post(NETWORKS).json(&wide);
                net.send(post).await.refused(400, "BAD_REQUEST");
                let nowhere = json!({"name": "x", "networkType": "ISOLATED"});
                net.send(Ask::post(NETWORKS).json(&nowhere))
                    .await
                    .expect(403);
            },
        ),
        fact(
            "7.1",
            Documents,
            "DHCP of a network is written and read back",
            async |bench| {
                let mut net = Net::of(bench).await;
                net.token = net.bench.administrator().await;
                let list = net.get(&format!("{NETWORKS}?pageSize=32")).await;
                let path = format!("{NETWORKS}/{}/dhcp", text(&list["values"][0]["id"]));
                let body = json!({"enabled": true, "mode": "EDGE", "leaseTime": 60, "dhcpPools": [
                    {"enabled": true, "ipRange": {"startAddress": "10.1.0.9", "endAddress": "10.1.0.9"}},
                ]});
                net.send(Ask::put(&path).json(&body)).await.expect(200);
                let dhcp = net.get(&path).await;
                assert_eq!(dhcp["dhcpPools"][0]["ipRange"]["startAddress"], "10.1.0.9");
                net.send(Ask::delete(&path)).await.expect(204);
                assert_eq!(net.get(&path).await["enabled"], false);
            },
        ),
    ]
}
