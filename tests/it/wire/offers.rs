//! What a site offers: limits, networks, gateways, policies, storage, the login itself.

use std::net::Ipv4Addr;

use cse_server::domain::cluster::AddressRange;
use cse_server::domain::ids::{GatewayId, VdcId};
use cse_server::domain::site::{Allowance, EngineRoom, NetworkKind};
use cse_server::vcd::model::{NetworkRef, StorageProfileRef, TemplateRef};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::site::{self, Site, xml};

const GATEWAY: &str = "urn:vcloud:gateway:77";
const NETWORKS: &str = "/cloudapi/1.0.0/orgVdcNetworks/urn:vcloud:network:44ee";
const EDGE: &str = "/cloudapi/1.0.0/edgeGateways/urn:vcloud:gateway:77";

fn json_answer(body: &Value) -> ResponseTemplate {
    site::json(200, &body.to_string())
}

fn list(values: &Value) -> ResponseTemplate {
    let total = values.as_array().map_or(0, Vec::len);
    json_answer(&json!({"resultTotal": total, "pageCount": 1, "values": values}))
}

fn gateway() -> GatewayId {
    GatewayId::parse(GATEWAY).unwrap()
}

fn vdc() -> VdcId {
    VdcId::parse("urn:vcloud:vdc:22cc").unwrap()
}

fn limited(limit: u64, used: u64) -> Allowance {
    Allowance {
        limit: Some(limit),
        used,
    }
}

#[tokio::test]
async fn limits_of_a_vdc_are_none_where_vcd_writes_zero_or_another_unit() {
    let site = Site::start().await;
    let part = |name: &str, units: &str, limit: u32, used: u32| {
        format!(
            "<{name}><Units>{units}</Units><Allocated>0</Allocated><Limit>{limit}</Limit><Used>{used}</Used></{name}>"
        )
    };
    let document = |cpu: String, memory: String, quota: u32| {
        format!(
            "<Vdc xmlns=\"http://www.vmware.com/vcloud/v1.5\" name=\"v\"><AllocationModel>Flex</AllocationModel>\
             <ComputeCapacity>{cpu}{memory}</ComputeCapacity><NicQuota>0</NicQuota>\
             <VmQuota>{quota}</VmQuota><IsEnabled>true</IsEnabled></Vdc>"
        )
    };
    let first = document(part("Cpu", "MHz", 0, 7), part("Memory", "MB", 4096, 9), 12);
    let second = document(part("Cpu", "GHz", 3, 1), part("Memory", "GB", 4, 9), 0);
    site.answer_once("GET", "/api/vdc/22cc", xml(200, &first))
        .await;
    site.answer("GET", "/api/vdc/22cc", xml(200, &second)).await;
    let client = site.client().await;
    let limits = client.vdc(&vdc()).await.unwrap().limits;
    assert_eq!((limits.vms, limits.nics), (Some(12), None));
    assert_eq!(limits.memory_mib, limited(4096, 9));
    assert_eq!(limits.cpu_mhz.left(), None);
    let limits = client.vdc(&vdc()).await.unwrap().limits;
    assert_eq!(
        (limits.vms, limits.cpu_mhz.limit, limits.memory_mib.limit),
        (None, None, None)
    );
}

#[tokio::test]
async fn a_template_tells_which_image_it_is() {
    let property = |attributes: &str, inner: &str| {
        format!("<ovf:Property ovf:key=\"VERSION\" {attributes}>{inner}</ovf:Property>")
    };
    let table = [
        (property("ovf:value=\"v1-tkg\"", ""), Some("v1-tkg")),
        (
            property("ovf:value=\"old\"", "<ovf:Value ovf:value=\"new\"/>"),
            Some("new"),
        ),
        (property("ovf:value=\"\"", ""), None),
        (
            "<ovf:Property ovf:key=\"OTHER\" ovf:value=\"x\"/>".to_owned(),
            None,
        ),
        (String::new(), None),
    ];
    for (properties, want) in table {
        let site = Site::start().await;
        let document = format!(
            "<VAppTemplate xmlns=\"http://www.vmware.com/vcloud/v1.5\" xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" \
             name=\"t\" href=\"https://vcd.example/t\" status=\"8\"><Children><Vm href=\"https://vcd.example/vm-1\">\
             <ovf:ProductSection><ovf:Info>x</ovf:Info>{properties}</ovf:ProductSection></Vm></Children></VAppTemplate>"
        );
        let target = "/api/vAppTemplate/vappTemplate-88bb";
        site.answer("GET", target, xml(200, &document)).await;
        let (id, name, catalog) = ("88bb".to_owned(), "t".to_owned(), "c".to_owned());
        let wanted = TemplateRef { id, name, catalog };
        let template = site.client().await.template(&wanted).await.unwrap();
        assert_eq!(template.version.as_deref(), want, "{properties}");
    }
}

#[tokio::test]
async fn networks_of_every_kind_are_read_whatever_is_null() {
    let subnet = json!({"gateway": "10.7.0.1", "prefixLength": 24, "dnsServer1": "10.7.0.2", "dnsServer2": "",
        "totalIpCount": 100, "usedIpCount": 98, "ipRanges": {"values": []}});
    let routed = json!({"networkType": "NAT_ROUTED", "subnets": {"values": [subnet]}, "totalIpCount": null,
        "connection": {"routerRef": {"id": GATEWAY, "name": "edge"}, "connected": true}, "orgVdc": null});
    let bare = json!({"networkType": "DIRECT", "subnets": null, "connection": null});
    let reference = NetworkRef {
        name: "n".to_owned(),
        href: "https://vcd.example/api/network/44ee".to_owned(),
    };
    let site = Site::start().await;
    site.answer_once("GET", NETWORKS, json_answer(&routed))
        .await;
    site.answer("GET", NETWORKS, json_answer(&bare)).await;
    let client = site.client().await;
    let network = client.network(&reference).await.unwrap();
    assert_eq!(
        (network.kind, network.gateway),
        (NetworkKind::Routed, Some(gateway()))
    );
    assert_eq!(network.pool, Some(limited(100, 98)));
    assert_eq!(
        network.subnets,
        [AddressRange::parse("10.7.0.0/24").unwrap()]
    );
    assert_eq!(
        network.name_servers,
        [AddressRange::parse("10.7.0.2").unwrap()]
    );
    let network = client.network(&reference).await.unwrap();
    assert_eq!((network.kind, network.pool), (NetworkKind::Direct, None));
}

#[tokio::test]
async fn a_free_external_address_is_one_that_nobody_uses_within_what_is_allowed() {
    let site = Site::start().await;
    let uplink = json!({"usingIpSpace": false, "subnets": {"values": [{"gateway": "203.0.113.1", "prefixLength": 24,
        "ipRanges": {"values": [{"startAddress": "203.0.113.10", "endAddress": "203.0.113.12"}]}}]}});
    let edge = json!({"name": "edge", "edgeGatewayUplinks": [uplink]});
    site.answer("GET", EDGE, json_answer(&edge)).await;
    let used =
        json!([{"ipAddress": "203.0.113.10"}, {"ipAddress": "203.0.113.12"}, {"ipAddress": null}]);
    site.answer("GET", &format!("{EDGE}/usedIpAddresses"), list(&used))
        .await;
    let client = site.client().await;
    let uplinks = client.uplinks(&gateway()).await.unwrap();
    assert_eq!(uplinks.offer.uplinks, 1);
    let ends = (
        Ipv4Addr::new(203, 0, 113, 10),
        Ipv4Addr::new(203, 0, 113, 12),
    );
    assert_eq!(uplinks.ranges, [ends]);
    for (allowed, want) in [
        (None, true),
        (Some("203.0.113.11"), true),
        (Some("203.0.113.12/30"), false),
        (Some("198.51.100.0/24"), false),
    ] {
        let range = allowed.map(|text| AddressRange::parse(text).unwrap());
        let free = client.has_free_address(&gateway(), (&uplinks, range)).await;
        assert_eq!(free.unwrap(), want, "{allowed:?}");
    }
}

#[tokio::test]
async fn an_ip_space_has_room_by_its_counts_which_come_as_texts() {
    let suggestions = "/cloudapi/1.0.0/ipSpaces/floatingIpSuggestions";
    let space = |counts: Value| json!({"id": "urn:vcloud:ipSpace:1", "utilization": {"floatingIPs": counts}});
    for (unused, counts, want) in [
        (json!(["203.0.113.9"]), json!(null), Some(true)),
        (
            json!([]),
            json!({"totalCount": "8", "allocatedCount": "7"}),
            Some(true),
        ),
        (
            json!([]),
            json!({"totalCount": "8", "allocatedCount": 8}),
            Some(false),
        ),
        (json!([]), json!(null), None),
    ] {
        let site = Site::start().await;
        let row = json!([{"ipSpaceRef": {"id": "urn:vcloud:ipSpace:1", "name": "s"}, "unusedValues": unused}]);
        site.answer("GET", suggestions, list(&row)).await;
        let target = "/cloudapi/1.0.0/ipSpaces/urn:vcloud:ipSpace:1";
        site.answer("GET", target, json_answer(&space(counts.clone())))
            .await;
        let free = site.client().await.has_floating_address(&gateway()).await;
        assert_eq!(free.unwrap(), want, "{unused} {counts}");
    }
}

#[tokio::test]
async fn engines_policies_and_storage_are_read() {
    let site = Site::start().await;
    let assignment = |gateway: &str, deployed: u32| {
        json!({"gatewayRef": {"id": gateway, "name": "e"},
        "maxVirtualServices": 2, "numDeployedVirtualServices": deployed})
    };
    let target = "/cloudapi/1.0.0/loadBalancer/serviceEngineGroups/assignments";
    let other = assignment("urn:vcloud:gateway:78", 0);
    let full = assignment(GATEWAY, 2);
    let free = assignment(GATEWAY, 1);
    for rows in [json!([other]), json!([other, full]), json!([full, free])] {
        site.answer_once("GET", target, list(&rows)).await;
    }
    let policies = json!([
        {"id": "urn:1", "name": "TKG small", "policyType": "VdcVmPolicy", "isSizingOnly": true, "cpuCount": 2,
            "memory": 4048, "cpuSpeed": null},
        {"id": "urn:2", "name": "clusters", "policyType": "VdcK8sPolicy"},
    ]);
    let target = "/cloudapi/2.0.0/vdcs/urn:vcloud:vdc:22cc/computePolicies";
    site.answer("GET", target, list(&policies)).await;
    let profile = "<VdcStorageProfile xmlns=\"http://www.vmware.com/vcloud/v1.5\"><Enabled>true</Enabled>\
        <Units>MB</Units><Limit>900</Limit><Default>true</Default><StorageUsedMB>100</StorageUsedMB></VdcStorageProfile>";
    site.answer("GET", "/api/vdcStorageProfile/55ff", xml(200, profile))
        .await;
    let client = site.client().await;
    for want in [EngineRoom::Unassigned, EngineRoom::Full, EngineRoom::Free] {
        assert_eq!(client.engine_room(&gateway()).await.unwrap(), want);
    }
    let policies = client.vdc_policies(&vdc()).await.unwrap();
    assert_eq!(policies.len(), 1);
    assert_eq!(
        (policies[0].cpus, policies[0].memory_mib),
        (Some(2), Some(4048))
    );
    let reference = StorageProfileRef {
        name: "gold".to_owned(),
        href: "https://vcd.example/api/vdcStorageProfile/55ff".to_owned(),
    };
    let details = client.storage_details(&reference).await.unwrap();
    assert!(details.enabled && details.is_default);
    assert_eq!(details.space_mib.left(), Some(800));
}

#[tokio::test]
async fn a_login_tells_its_user_organization_and_roles() {
    let site = Site::start().await;
    let session = json!({"id": "s", "user": {"name": "author", "id": "urn:vcloud:user:1"},
        "org": {"name": "acme", "id": "urn:vcloud:org:1"}, "roles": ["Author"],
        "roleRefs": [{"name": "Author", "id": "urn:vcloud:role:5"}]});
    let target = "/cloudapi/1.0.0/sessions/current";
    site.answer("GET", target, json_answer(&session)).await;
    let rights = json!([{"name": "vApp: Delete", "id": "urn:vcloud:right:1"}]);
    let target = "/cloudapi/1.0.0/roles/urn:vcloud:role:5/rights";
    site.answer("GET", target, list(&rights)).await;
    let client = site.client().await;
    let login = client.login().await.unwrap();
    assert_eq!(login.account.user, "author");
    assert_eq!(login.account.org, "acme");
    let held = client.role_rights(&login.roles[0]).await.unwrap();
    assert!(held.contains("vApp: Delete"));
}
