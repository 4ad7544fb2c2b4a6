//! Load balancers, NAT, addresses, disks and metadata: what is asked for, and what is made of the answers.

use cse_server::domain::error_class::ErrorClass;
use cse_server::domain::ids::{DiskId, GatewayId, TaskId, VappId, VmId};
use cse_server::vcd::error::VcdError;
use cse_server::vcd::model::NetworkObject;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::site::{Site, fault, json as reply, no_access, xml};

const GATEWAY: &str = "urn:vcloud:gateway:ee11";
const TASK: &str = "urn:vcloud:task:0d9c";

fn gateway() -> GatewayId {
    GatewayId::parse(GATEWAY).unwrap()
}

fn disk() -> DiskId {
    DiskId::parse("urn:vcloud:disk:dd01").unwrap()
}

fn accepted() -> ResponseTemplate {
    ResponseTemplate::new(202).insert_header("location", "https://vcd.example/api/task/0d9c")
}

fn task_document() -> ResponseTemplate {
    xml(
        202,
        "<Task xmlns=\"http://www.vmware.com/vcloud/v1.5\" status=\"running\" \
         id=\"urn:vcloud:task:0d9c\" href=\"https://vcd.example/api/task/0d9c\"/>",
    )
}

fn page(total: u64, values: &[Value]) -> ResponseTemplate {
    let body = json!({"resultTotal": total, "pageCount": 1, "page": 1, "values": values});
    reply(200, &body.to_string())
}

fn object(id: &str, name: &str, busy: bool) -> NetworkObject {
    NetworkObject {
        id: id.to_owned(),
        name: name.to_owned(),
        busy,
    }
}

fn task() -> TaskId {
    TaskId::parse(TASK).unwrap()
}

#[tokio::test]
async fn services_and_pools_tell_whether_vcd_is_at_work_on_them() {
    let site = Site::start().await;
    let base = format!("/cloudapi/1.0.0/edgeGateways/{GATEWAY}/loadBalancer");
    let values = ["REALIZED", "PENDING", "CONFIGURING", "REALIZATION_FAILED"];
    let values = values.map(|status| json!({"id": status, "name": "x", "status": status}));
    for list in ["virtualServiceSummaries", "poolSummaries"] {
        site.answer("GET", &format!("{base}/{list}"), page(4, &values))
            .await;
    }
    let client = site.client().await;
    let busy = |found: Vec<NetworkObject>| found.iter().map(|one| one.busy).collect::<Vec<_>>();
    let want = [false, true, true, false];
    assert_eq!(
        busy(client.virtual_services(&gateway()).await.unwrap()),
        want
    );
    assert_eq!(busy(client.pools(&gateway()).await.unwrap()), want);
}

/// Goal: what is on a page that got lost is not taken for deleted.
#[tokio::test]
async fn a_list_that_ends_early_is_no_list() {
    let site = Site::start().await;
    let base = format!("/cloudapi/1.0.0/edgeGateways/{GATEWAY}");
    let one = [json!({"id": "a", "name": "x"})];
    site.answer(
        "GET",
        &format!("{base}/loadBalancer/poolSummaries"),
        page(2, &one),
    )
    .await;
    site.answer("GET", &format!("{base}/nat/rules"), page(2, &one))
        .await;
    let records = "<QueryResultRecords total=\"2\"/>";
    site.answer("GET", "/api/query", xml(200, records)).await;
    let client = site.client().await;
    let errors = [
        client.pools(&gateway()).await.unwrap_err(),
        client.nat_rules(&gateway()).await.unwrap_err(),
        client.disks(None).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.class(), ErrorClass::Transient, "{error:?}");
    }
}

#[tokio::test]
async fn nat_rules_are_paged_by_cursor() {
    let site = Site::start().await;
    let target = format!("/cloudapi/1.0.0/edgeGateways/{GATEWAY}/nat/rules");
    let link = "<https://vcd.example/cloudapi/1.0.0/edgeGateways/x/nat/rules?pageSize=128&\
                cursor=a%2Fb>;rel=\"nextPage\";type=\"application/json\"";
    let rule = |id: &str| json!({"id": id, "name": format!("dnat-{id}"), "ruleType": "DNAT"});
    let first = page(2, &[rule("1")]).insert_header("link", link);
    site.answer_once("GET", &target, first).await;
    site.answer("GET", &target, page(2, &[rule("2")])).await;
    let found = site.client().await.nat_rules(&gateway()).await.unwrap();
    assert_eq!(
        found,
        [object("1", "dnat-1", false), object("2", "dnat-2", false)]
    );
    let seen = site.seen("GET", &target).await;
    let queries: Vec<_> = seen
        .iter()
        .map(|request| request.url.query().unwrap())
        .collect();
    assert_eq!(queries, ["pageSize=128", "pageSize=128&cursor=a%2Fb"]);
}

#[tokio::test]
async fn deleting_gives_the_task_or_is_done_at_once() {
    let site = Site::start().await;
    let base = "/cloudapi/1.0.0";
    let vs = format!("{base}/loadBalancer/virtualServices/urn:vcloud:loadBalancerVirtualService:1");
    let pool = format!("{base}/loadBalancer/pools/urn:vcloud:loadBalancerPool:2");
    let rule = format!("{base}/edgeGateways/{GATEWAY}/nat/rules/3");
    let profile = format!("{base}/applicationPortProfiles/urn:vcloud:applicationPortProfile:4");
    for target in [&vs, &pool, &rule] {
        site.answer("DELETE", target, accepted()).await;
    }
    site.answer("DELETE", &profile, ResponseTemplate::new(204))
        .await;
    let client = site.client().await;
    let id = "urn:vcloud:loadBalancerVirtualService:1";
    assert_eq!(
        client.delete_virtual_service(id).await.unwrap(),
        Some(task())
    );
    let id = "urn:vcloud:loadBalancerPool:2";
    assert_eq!(client.delete_pool(id).await.unwrap(), Some(task()));
    assert_eq!(
        client.delete_nat_rule(&gateway(), "3").await.unwrap(),
        Some(task())
    );
    let id = "urn:vcloud:applicationPortProfile:4";
    assert_eq!(client.delete_port_profile(id).await.unwrap(), None);
}

#[tokio::test]
async fn busy_and_gone_stay_apart_from_refused() {
    let site = Site::start().await;
    let target = "/cloudapi/1.0.0/loadBalancer/pools/p";
    let busy = fault(
        400,
        "BUSY_ENTITY",
        "The entity gateway is busy completing an operation.",
    );
    site.answer_once("DELETE", target, busy).await;
    site.answer_once("DELETE", target, no_access()).await;
    let used = fault(400, "BAD_REQUEST", "The pool is used by a virtual service.");
    site.answer("DELETE", target, used).await;
    let client = site.client().await;
    let busy = client.delete_pool("p").await.unwrap_err();
    assert_eq!(busy.class(), ErrorClass::Transient);
    let gone = client.delete_pool("p").await.unwrap_err();
    assert!(matches!(gone, VcdError::NotVisible { .. }), "{gone:?}");
    let used = client.delete_pool("p").await.unwrap_err();
    assert!(matches!(used, VcdError::Rejected { .. }), "{used:?}");
}

#[tokio::test]
async fn an_id_cannot_lead_elsewhere() {
    let site = Site::start().await;
    let error = site
        .client()
        .await
        .delete_pool("../gateways/x?force=true")
        .await;
    error.unwrap_err();
    let requests = site.server.received_requests().await.unwrap();
    let last = requests.last().unwrap();
    let path = "/cloudapi/1.0.0/loadBalancer/pools/..%2Fgateways%2Fx%3Fforce%3Dtrue";
    assert_eq!((last.url.path(), last.url.query()), (path, None));
}

#[tokio::test]
async fn an_address_loses_its_claim_before_it_is_released() {
    let site = Site::start().await;
    let target = "/cloudapi/1.0.0/ipSpaces/urn:vcloud:ipSpace:1/allocations/urn:vcloud:ip:2";
    let allocation = |usage: &str| {
        let body = json!({
            "id": "urn:vcloud:ip:2", "type": "FLOATING_IP", "value": "203.0.113.4",
            "usageState": usage, "description": "cluster-blue-id-x", "orgRef": {"id": "o"},
        });
        reply(200, &body.to_string())
    };
    site.answer_once("GET", target, allocation("USED_MANUAL"))
        .await;
    site.answer("GET", target, allocation("UNUSED")).await;
    site.answer("PUT", target, accepted()).await;
    site.answer("DELETE", target, accepted()).await;
    let client = site.client().await;
    let (space, id) = ("urn:vcloud:ipSpace:1", "urn:vcloud:ip:2");
    client.give_back_allocation(space, id).await.unwrap();
    assert_eq!(site.seen("DELETE", target).await.len(), 0);
    client.give_back_allocation(space, id).await.unwrap();
    assert_eq!(site.seen("DELETE", target).await.len(), 1);
    let body: Value = site.only("PUT", target).await.body_json().unwrap();
    let want = json!({
        "id": id, "value": "203.0.113.4", "usageState": "UNUSED", "description": "cluster-blue-id-x",
    });
    assert_eq!(
        body, want,
        "the description stays, so that a repeat finds it"
    );
}

#[tokio::test]
async fn the_spaces_of_a_gateway_are_read_from_its_suggestions() {
    let site = Site::start().await;
    let target = "/cloudapi/1.0.0/ipSpaces/floatingIpSuggestions";
    let row = |id: &str| json!({"ipSpaceRef": {"id": id, "name": "s"}, "unusedValues": []});
    site.answer("GET", target, page(3, &[row("b"), row("a"), row("b")]))
        .await;
    let spaces = site.client().await.ip_spaces(&gateway()).await.unwrap();
    let ids: Vec<&str> = spaces.iter().map(|space| space.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    let query = site
        .only("GET", target)
        .await
        .url
        .query()
        .unwrap()
        .to_owned();
    assert!(
        query.contains("gatewayId%3D%3Durn%3Avcloud%3Agateway%3Aee11"),
        "{query}"
    );
}

#[tokio::test]
async fn gateways_tell_of_ip_spaces_and_networks_of_their_gateway() {
    let site = Site::start().await;
    let gateways = [
        json!({"id": GATEWAY, "name": "edge1", "orgRef": {"id": "urn:vcloud:org:1"},
            "edgeGatewayUplinks": [{"usingIpSpace": true}]}),
        json!({"id": "urn:vcloud:gateway:2", "name": "edge2", "orgRef": null,
            "edgeGatewayUplinks": [{}]}),
    ];
    site.answer("GET", "/cloudapi/1.0.0/edgeGateways", page(2, &gateways))
        .await;
    let networks = [
        json!({"id": "n1", "name": "net", "connection": {"routerRef": {"id": GATEWAY}}}),
        json!({"id": "n2", "name": "net", "connection": null}),
        json!({"id": "n3", "name": "NET", "connection": null}),
    ];
    site.answer("GET", "/cloudapi/1.0.0/orgVdcNetworks", page(3, &networks))
        .await;
    let client = site.client().await;
    let found = client.edge_gateways().await.unwrap();
    let spaces: Vec<bool> = found.iter().map(|one| one.uses_ip_spaces).collect();
    assert_eq!(spaces, [true, false]);
    let found = client.find_networks("net").await.unwrap();
    let gateways: Vec<_> = found.iter().map(|one| one.gateway.clone()).collect();
    assert_eq!(gateways, [Some(gateway()), None]);
    let query = site.only("GET", "/cloudapi/1.0.0/orgVdcNetworks").await;
    assert!(
        query.url.query().unwrap().contains("pageSize=32"),
        "more is refused"
    );
}

/// A site with one disk that is attached to one VM.
async fn with_disk() -> Site {
    let site = Site::start().await;
    let records = "<QueryResultRecords xmlns=\"http://www.vmware.com/vcloud/v1.5\" total=\"2\">\
        <DiskRecord href=\"https://vcd.example/api/disk/dd01\" name=\"pvc-1\" description=\"of blue\" \
         isAttached=\"true\"/><DiskRecord href=\"https://vcd.example/api/disk/dd02\" name=\"old\"/>\
        </QueryResultRecords>";
    site.answer("GET", "/api/query", xml(200, records)).await;
    let document = "<Disk xmlns=\"http://www.vmware.com/vcloud/v1.5\" name=\"pvc-1\" \
        id=\"urn:vcloud:disk:dd01\" href=\"https://vcd.example/api/disk/dd01\" status=\"1\">\
        <Description>of blue</Description><Tasks><Task status=\"running\" id=\"urn:vcloud:task:1\"/>\
        </Tasks></Disk>";
    site.answer("GET", "/api/disk/dd01", xml(200, document))
        .await;
    let vms = "<Vms xmlns=\"http://www.vmware.com/vcloud/v1.5\"><VmReference name=\"n\" \
        href=\"https://vcd.example/api/vApp/vm-aa01\"/></Vms>";
    site.answer("GET", "/api/disk/dd01/attachedVms", xml(200, vms))
        .await;
    site.answer(
        "POST",
        "/api/vApp/vm-aa01/disk/action/detach",
        task_document(),
    )
    .await;
    site.answer("DELETE", "/api/disk/dd01", task_document())
        .await;
    site
}

#[tokio::test]
async fn disks_are_found_read_detached_and_deleted() {
    let site = with_disk().await;
    let client = site.client().await;
    let found = client.disks(None).await.unwrap();
    let facts: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), one.description.as_deref(), one.attached))
        .collect();
    assert_eq!(
        facts,
        [("pvc-1", Some("of blue"), true), ("old", None, false)]
    );
    let read = client.disk(&disk()).await.unwrap();
    assert_eq!((read.description.as_str(), read.busy), ("of blue", true));
    let vm = VmId::parse("urn:vcloud:vm:aa01").unwrap();
    let vms = client.vms_of_disk(&disk()).await.unwrap();
    assert_eq!(vms, std::slice::from_ref(&vm));
    assert_eq!(client.detach_disk(&vm, &disk()).await.unwrap(), task());
    let detach = site
        .only("POST", "/api/vApp/vm-aa01/disk/action/detach")
        .await;
    let kind = detach
        .headers
        .get("content-type")
        .unwrap()
        .to_str()
        .unwrap();
    assert_eq!(
        kind,
        "application/vnd.vmware.vcloud.diskAttachOrDetachParams+xml"
    );
    let body = String::from_utf8(detach.body).unwrap();
    assert!(
        body.ends_with(
            "<DiskAttachOrDetachParams xmlns=\"http://www.vmware.com/vcloud/v1.5\">\
         <Disk href=\"https://vcd.example/api/disk/dd01\"/></DiskAttachOrDetachParams>"
        ),
        "{body}"
    );
    assert_eq!(client.delete_disk(&disk()).await.unwrap(), task());
}

#[tokio::test]
async fn metadata_is_read_of_the_tenants_domain_and_written_escaped() {
    let site = Site::start().await;
    let entry = |domain: &str, key: &str, value: &str| {
        format!(
            "<MetadataEntry>{domain}<Key>{key}</Key><TypedValue xsi:type=\"MetadataStringValue\">\
             <Value>{value}</Value></TypedValue></MetadataEntry>"
        )
    };
    let general = "<Domain visibility=\"READWRITE\">GENERAL</Domain>";
    let system = "<Domain visibility=\"READONLY\">SYSTEM</Domain>";
    let body = format!(
        "<Metadata xmlns=\"http://www.vmware.com/vcloud/v1.5\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><Link rel=\"up\" href=\"x\"/>{}{}{}</Metadata>",
        entry(general, "CapvcdInfraId", "urn:x"),
        entry(system, "CapvcdInfraId", "another"),
        entry("", "a", "b &amp; c"),
    );
    site.answer("GET", "/api/vApp/vapp-33dd/metadata/", xml(200, &body))
        .await;
    site.answer("PUT", "/api/vApp/vapp-33dd/metadata/Key", task_document())
        .await;
    let client = site.client().await;
    let vapp = VappId::parse("urn:vcloud:vapp:33dd").unwrap();
    let found: Vec<_> = client
        .vapp_metadata(&vapp)
        .await
        .unwrap()
        .into_iter()
        .collect();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(found, [pair("CapvcdInfraId", "urn:x"), pair("a", "b & c")]);
    client
        .set_vapp_metadata(&vapp, "Key", "a<b>&\"")
        .await
        .unwrap();
    let put = site.only("PUT", "/api/vApp/vapp-33dd/metadata/Key").await;
    let body = String::from_utf8(put.body).unwrap();
    assert!(
        body.contains("<TypedValue xsi:type=\"MetadataStringValue\"><Value>a&lt;b&gt;&amp;"),
        "{body}"
    );
}
