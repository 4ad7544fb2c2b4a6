//! Looking things up by name: organizations, VDCs, templates, policies.

use cse_server::domain::ids::{OrgId, VdcId};
use cse_server::vcd::model::{NamedRef, NetworkRef, StorageProfileRef, TemplateRef};
use cse_server::vcd::{ClientOptions, VcdClient};
use serde_json::json;

use super::site::{Site, granted, login, transport, xml};

const QUERY: &str = "/api/query";

fn records(total: usize, body: &str) -> wiremock::ResponseTemplate {
    xml(
        200,
        &format!(
            "<QueryResultRecords xmlns=\"http://www.vmware.com/vcloud/v1.5\" page=\"1\" pageSize=\"128\" total=\"{total}\">\
         <Link rel=\"firstPage\" href=\"https://vcd.example/api/query\"/>{body}</QueryResultRecords>"
        ),
    )
}

fn parameter(request: &wiremock::Request, name: &str) -> Option<String> {
    request
        .url
        .query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn organizations_come_by_id_or_by_address() {
    let site = Site::start().await;
    let list = "<OrgList xmlns=\"http://www.vmware.com/vcloud/v1.5\">\
        <Org href=\"https://vcd.example/api/org/11bb\" name=\"acme\" type=\"application/vnd.vmware.vcloud.org+xml\"/>\
        <Org href=\"https://vcd.example/api/org/x\" id=\"urn:vcloud:org:22cc\" name=\"a &amp; b\"/></OrgList>";
    site.answer("GET", "/api/org", xml(200, list)).await;
    let org = |id, name: &str| NamedRef {
        id: OrgId::parse(id).unwrap(),
        name: name.to_owned(),
    };
    let want = [
        org("urn:vcloud:org:11bb", "acme"),
        org("urn:vcloud:org:22cc", "a & b"),
    ];
    assert_eq!(site.client().await.orgs().await.unwrap(), want);
}

#[tokio::test]
async fn a_vdc_is_found_by_its_exact_name_only() {
    let site = Site::start().await;
    let found = "<OrgVdcRecord href=\"https://vcd.example/api/vdc/22cc\" name=\"vdc1\" isEnabled=\"true\"/>\
        <OrgVdcRecord href=\"https://vcd.example/api/vdc/33dd\" name=\"VDC1\"/>";
    site.answer("GET", QUERY, records(2, found)).await;
    let vdcs = site.client().await.find_vdcs("vdc1").await.unwrap();
    let id = VdcId::parse("urn:vcloud:vdc:22cc").unwrap();
    assert_eq!(
        vdcs,
        [NamedRef {
            id,
            name: "vdc1".to_owned()
        }]
    );
    let request = site.only("GET", QUERY).await;
    assert_eq!(parameter(&request, "type").as_deref(), Some("orgVdc"));
    assert_eq!(parameter(&request, "format").as_deref(), Some("records"));
    assert_eq!(parameter(&request, "filter").as_deref(), Some("name==vdc1"));
}

#[tokio::test]
async fn a_name_that_means_something_to_a_filter_is_looked_for_here() {
    for name in ["a;name==*", "with space", "star*", "a,b"] {
        let site = Site::start().await;
        let record = format!(
            "<OrgVdcRecord href=\"https://vcd.example/api/vdc/22cc\" name=\"{name}\"/>\
            <OrgVdcRecord href=\"https://vcd.example/api/vdc/33dd\" name=\"other\"/>"
        );
        site.answer("GET", QUERY, records(2, &record)).await;
        let vdcs = site.client().await.find_vdcs(name).await.unwrap();
        assert_eq!(vdcs.len(), 1, "{name}");
        assert_eq!(
            parameter(&site.only("GET", QUERY).await, "filter"),
            None,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_provider_login_asks_for_admin_records() {
    let site = Site::start().await;
    site.answer("POST", "/oauth/provider/token", granted("provider-1"))
        .await;
    let found = "<AdminVdcRecord href=\"https://vcd.example/api/admin/vdc/22cc\" name=\"vdc1\"/>";
    site.answer("GET", QUERY, records(1, found)).await;
    let transport = transport(&site.server.uri());
    let client = VcdClient::connect(transport, login("System"), ClientOptions::default())
        .await
        .unwrap();
    let vdcs = client.find_vdcs("vdc1").await.unwrap();
    assert_eq!(vdcs[0].id.as_str(), "urn:vcloud:vdc:22cc");
    let request = site.only("GET", QUERY).await;
    assert_eq!(parameter(&request, "type").as_deref(), Some("adminOrgVdc"));
}

#[tokio::test]
async fn a_search_reads_on_until_the_total() {
    let site = Site::start().await;
    let record =
        |n: u32| format!("<OrgVdcRecord href=\"https://vcd.example/api/vdc/{n}\" name=\"vdc1\"/>");
    let first: String = (0..128).map(record).collect();
    site.answer_once("GET", QUERY, records(129, &first)).await;
    site.answer("GET", QUERY, records(129, &record(128))).await;
    assert_eq!(
        site.client().await.find_vdcs("vdc1").await.unwrap().len(),
        129
    );
    let pages: Vec<_> = site
        .seen("GET", QUERY)
        .await
        .iter()
        .map(|r| parameter(r, "page"))
        .collect();
    assert_eq!(pages, [Some("1".to_owned()), Some("2".to_owned())]);
}

/// The lists of VCD are interleaved with links and other elements.
#[tokio::test]
async fn a_vdc_shows_what_is_in_it() {
    let site = Site::start().await;
    let vdc = r#"<?xml version="1.0"?>
<Vdc xmlns="http://www.vmware.com/vcloud/v1.5" id="urn:vcloud:vdc:22cc" name="vdc1" href="https://vcd.example/api/vdc/22cc" status="1">
 <Link rel="up" href="https://vcd.example/api/org/11bb"/><AllocationModel>Flex</AllocationModel>
 <Link rel="add" type="application/vnd.vmware.vcloud.composeVAppParams+xml" href="https://vcd.example/x"/>
 <ResourceEntities>
  <ResourceEntity href="https://vcd.example/api/vAppTemplate/vappTemplate-77" name="tpl" type="application/vnd.vmware.vcloud.vAppTemplate+xml"/>
  <ResourceEntity href="https://vcd.example/api/vApp/vapp-33dd" id="urn:vcloud:vapp:33dd" name="blue" type="application/vnd.vmware.vcloud.vApp+xml"/>
 </ResourceEntities>
 <AvailableNetworks><Network href="https://vcd.example/api/network/44ee" id="urn:vcloud:network:44ee" name="routed1"/></AvailableNetworks>
 <IsEnabled>true</IsEnabled>
 <VdcStorageProfiles><VdcStorageProfile href="https://vcd.example/api/vdcStorageProfile/55ff" name="gold"/></VdcStorageProfiles>
</Vdc>"#;
    site.answer("GET", "/api/vdc/22cc", xml(200, vdc)).await;
    let id = VdcId::parse("urn:vcloud:vdc:22cc").unwrap();
    let vdc = site.client().await.vdc(&id).await.unwrap();
    assert_eq!((vdc.name.as_str(), vdc.enabled), ("vdc1", true));
    let vapps: Vec<_> = vdc
        .vapps
        .iter()
        .map(|v| (v.id.as_str(), v.name.as_str()))
        .collect();
    assert_eq!(vapps, [("urn:vcloud:vapp:33dd", "blue")]);
    let href = "https://vcd.example/api/network/44ee".to_owned();
    assert_eq!(
        vdc.networks,
        [NetworkRef {
            name: "routed1".to_owned(),
            href
        }]
    );
    let href = "https://vcd.example/api/vdcStorageProfile/55ff".to_owned();
    assert_eq!(
        vdc.storage_profiles,
        [StorageProfileRef {
            name: "gold".to_owned(),
            href
        }]
    );
}

#[tokio::test]
async fn an_empty_vdc_is_a_vdc() {
    let site = Site::start().await;
    let vdc = "<Vdc xmlns=\"http://www.vmware.com/vcloud/v1.5\" name=\"v\"><ResourceEntities/>\
        <AvailableNetworks/><IsEnabled>false</IsEnabled></Vdc>";
    site.answer("GET", "/api/vdc/22cc", xml(200, vdc)).await;
    let id = VdcId::parse("urn:vcloud:vdc:22cc").unwrap();
    let vdc = site.client().await.vdc(&id).await.unwrap();
    assert!(!vdc.enabled && vdc.vapps.is_empty() && vdc.networks.is_empty());
}

#[tokio::test]
async fn a_template_is_found_in_its_catalog_and_gives_its_first_vm() {
    let site = Site::start().await;
    let record = |catalog: &str, id: &str| {
        format!(
            "<VAppTemplateRecord href=\"https://vcd.example/api/vAppTemplate/vappTemplate-{id}\" \
            id=\"\" name=\"ubuntu\" catalogName=\"{catalog}\" status=\"RESOLVED\"/>"
        )
    };
    let found = record("tkg", "88bb") + &record("TKG", "99cc");
    site.answer("GET", QUERY, records(2, &found)).await;
    let template = "<VAppTemplate xmlns=\"http://www.vmware.com/vcloud/v1.5\" xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" \
        id=\"urn:vcloud:vapptemplate:88bb\" name=\"ubuntu\" href=\"https://vcd.example/api/vAppTemplate/vappTemplate-88bb\" status=\"8\">\
        <Children><Vm id=\"urn:vcloud:vm:99\" name=\"tpl\" href=\"https://vcd.example/api/vAppTemplate/vm-99\" status=\"8\">\
        <ovf:ProductSection><ovf:Info/></ovf:ProductSection></Vm></Children></VAppTemplate>";
    site.answer(
        "GET",
        "/api/vAppTemplate/vappTemplate-88bb",
        xml(200, template),
    )
    .await;
    let client = site.client().await;
    let found = client.find_templates("tkg", "ubuntu").await.unwrap();
    let (id, name, catalog) = ("88bb".to_owned(), "ubuntu".to_owned(), "tkg".to_owned());
    assert_eq!(found, [TemplateRef { id, name, catalog }]);
    let filter = parameter(&site.only("GET", QUERY).await, "filter");
    assert_eq!(filter.as_deref(), Some("catalogName==tkg;name==ubuntu"));
    let template = client.template(&found[0]).await.unwrap();
    assert!(template.ready);
    assert_eq!(
        template.vm_href,
        "https://vcd.example/api/vAppTemplate/vm-99"
    );
}

#[tokio::test]
async fn a_policy_with_a_blank_in_its_name_is_found_on_any_page() {
    let site = Site::start().await;
    let target = "/cloudapi/2.0.0/vdcComputePolicies";
    let page = |values: serde_json::Value| {
        super::site::json(
            200,
            &json!({ "resultTotal": 2, "pageCount": 2, "values": values }).to_string(),
        )
    };
    let policy = |id: &str, name: &str| json!({ "id": id, "name": name, "cpuCount": 2 });
    site.answer_once(
        "GET",
        target,
        page(json!([policy("urn:1", "System Default")])),
    )
    .await;
    site.answer("GET", target, page(json!([policy("urn:2", "TKG small")])))
        .await;
    let found = site
        .client()
        .await
        .find_policies("TKG small")
        .await
        .unwrap();
    assert_eq!(
        found,
        [NamedRef {
            id: "urn:2".to_owned(),
            name: "TKG small".to_owned()
        }]
    );
}
