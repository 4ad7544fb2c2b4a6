//! The query service, and the documents that lead to everything else.

use super::fact::Mark::{Documents, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::legacy::{Legacy, attribute, attributes, hrefs, link};
use super::support::wire::Ask;

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "6.2",
            Source,
            "every query type answers with its own record element, the admin variants for providers only",
            every_query_type_answers_own,
        ),
        fact(
            "6.2",
            Source,
            "a VM is found by name, container and VDC with its address and status; machines in templates are not listed with it",
            vm_found_name_container_vdc,
        ),
        fact(
            "4.3",
            Source,
            "references are compared by href, by URN and by UUID; filtering by org is for providers",
            references_compared_href_urn_uuid,
        ),
        fact(
            "4.3",
            Documents,
            "records are paged, sorted, cut to fields and given as references; unknown types, keys, fields and sizes are 400",
            records_paged_sorted_cut_fields,
        ),
        fact(
            "6.1",
            Source,
            "an org leads to its VDCs and catalogs; its admin form has users, catalogs and VDCs",
            org_leads_vdcs_catalogs_admin,
        ),
        fact(
            "6.3",
            Source,
            "a VDC has its networks, profiles, hardware versions and default policy; storage profiles are served to tenants under admin too",
            vdc_networks_profiles_hardware_versions,
        ),
        fact(
            "6.4",
            Source,
            "catalog, item, template and its VM lead to one another, and the VM tells the exact VERSION",
            catalog_item_template_vm_lead,
        ),
        fact(
            "2.3",
            Documents,
            "the general settings tell providers how long sessions last",
            general_settings_tell_providers_how,
        ),
    ]
}

async fn every_query_type_answers_own(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    legacy.machine("v", "m").await;
    let provider = Legacy::of(&bench, bench.administrator().await);
    for (kind, admin, record) in [
        ("orgVdc", "adminOrgVdc", "VdcRecord"),
        ("vAppTemplate", "adminVAppTemplate", "VAppTemplateRecord"),
        ("catalog", "adminCatalog", "CatalogRecord"),
        ("catalogItem", "adminCatalogItem", "CatalogItemRecord"),
        ("media", "adminMedia", "MediaRecord"),
        (
            "orgVdcStorageProfile",
            "adminOrgVdcStorageProfile",
            "OrgVdcStorageProfileRecord",
        ),
        ("vApp", "adminVApp", "VAppRecord"),
        ("vm", "adminVM", "VMRecord"),
        ("task", "adminTask", "TaskRecord"),
        ("organization", "", "OrgRecord"),
        ("orgVdcNetwork", "", "OrgVdcNetworkRecord"),
        ("edgeGateway", "", "EdgeGatewayRecord"),
    ] {
        let found = legacy.get(&format!("/api/query?type={kind}")).await;
        let tenants = if kind == "orgVdc" {
            "OrgVdcRecord"
        } else {
            record
        };
        assert!(found.contains(&format!("<{tenants} ")), "{kind}: {found}");
        assert_eq!(attribute(&found, "<QueryResultRecords ", "name"), kind);
        if !admin.is_empty() {
            let path = format!("/api/query?type={admin}");
            legacy.ask(Ask::get(&path).xml()).await.expect(403);
            let found = provider.get(&path).await;
            assert!(
                found.contains(&format!("<Admin{record} ")),
                "{admin}: {found}"
            );
        }
    }
}

async fn vm_found_name_container_vdc(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (vapp, vm) = legacy.machine("v", "m").await;
    let container = legacy.url(&vapp);
    let path =
        format!("/api/query?&type=vm&filter=container=={container};name==m;isVAppTemplate==false");
    let found = legacy.get(&path).await;
    assert_eq!(hrefs(&found, "<VMRecord "), [legacy.url(&vm)]);
    for part in [
        "ipAddress=\"10.1.1.1\"",
        "status=\"POWERED_OFF\"",
        "containerName=\"v\"",
    ] {
        assert!(found.contains(part), "{part} in {found}");
    }
}

async fn references_compared_href_urn_uuid(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let vdc = attribute(&legacy.vdc().await, "<Vdc ", "id");
    let uuid = vdc.rsplit(':').next().unwrap();
    let href = legacy.url(&format!("/api/vdc/{uuid}"));
    for value in [vdc.as_str(), uuid, href.as_str()] {
        let found = legacy
            .get(&format!(
                "/api/query?type=orgVdcStorageProfile&filter=vdc=={value}"
            ))
            .await;
        assert_eq!(
            attribute(&found, "<QueryResultRecords ", "total"),
            "1",
            "{value}"
        );
    }
    let found = legacy
        .get(&format!("/api/query?type=orgVdc&filter=id!={vdc}"))
        .await;
    assert_eq!(attribute(&found, "<QueryResultRecords ", "total"), "0");
    let org = legacy.url(&format!(
        "/api/org/{}",
        bench.tenant.org_id.rsplit(':').next().unwrap()
    ));
    let by_org = format!("type=orgVdc&filter=org=={org}");
    legacy
        .ask(Ask::get(&format!("/api/query?{by_org}")).xml())
        .await
        .expect(400);
    let provider = Legacy::of(&bench, bench.administrator().await);
    let found = provider
        .get(&format!(
            "/api/query?{}",
            by_org.replace("orgVdc", "adminOrgVdc")
        ))
        .await;
    assert_eq!(
        attributes(&found, "<AdminVdcRecord ", "name"),
        std::slice::from_ref(&bench.tenant.vdc)
    );
}

async fn records_paged_sorted_cut_fields(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let first = legacy
        .get("/api/query?type=vAppTemplate&pageSize=3&sortDesc=name&fields=name")
        .await;
    assert_eq!(attribute(&first, "<QueryResultRecords ", "total"), "7");
    let names = attributes(&first, "<VAppTemplateRecord ", "name");
    assert_eq!(names.len(), 3);
    assert!(names.is_sorted_by(|a, b| a >= b), "{names:?}");
    assert!(
        first.contains("rel=\"nextPage\"") && !first.contains("catalogName="),
        "{first}"
    );
    let past = legacy.get("/api/query?type=vAppTemplate&page=9").await;
    assert!(!past.contains("<VAppTemplateRecord "));
    let references = legacy
        .get("/api/query?type=catalog&format=references")
        .await;
    assert!(
        references.contains("<CatalogReference ")
            && references.contains("id=\"urn:vcloud:catalog:")
    );
    let ids = legacy.get("/api/query?type=catalog&format=idrecords").await;
    assert!(
        ids.contains("<CatalogRecord id=\"urn:vcloud:catalog:"),
        "{ids}"
    );
    for wrong in [
        "type=nothing",
        "type=",
        "type=disk&filter=colour==red",
        "type=vm&fields=colour",
        "type=vm&sortAsc=colour",
        "type=vm&pageSize=129",
        "type=vm&page=0",
        "type=vm&format=html",
    ] {
        legacy
            .ask(Ask::get(&format!("/api/query?{wrong}")).xml())
            .await
            .refused(400, "BAD_REQUEST");
    }
}

async fn org_leads_vdcs_catalogs_admin(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let orgs = legacy.get("/api/org").await;
    assert_eq!(
        attributes(&orgs, "<Org ", "name"),
        std::slice::from_ref(&bench.tenant.org)
    );
    let org = attribute(&orgs, "<Org ", "href");
    let document = legacy.get(&org).await;
    link(&document, "down", "application/vnd.vmware.vcloud.vdc+xml");
    let provider = Legacy::of(&bench, bench.administrator().await);
    let admin = provider
        .get(&org.replace("/api/org", "/api/admin/org"))
        .await;
    for part in [
        "<AdminOrg ",
        "<UserReference ",
        "<CatalogReference ",
        "<Vdcs><Vdc ",
        "<VAppLeaseSettings ",
    ] {
        assert!(admin.contains(part), "{part} in {admin}");
    }
}

async fn vdc_networks_profiles_hardware_versions(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let vdc = legacy.vdc().await;
    legacy
        .get(&attribute(&vdc, "<SupportedHardwareVersion ", "href"))
        .await;
    assert!(vdc.contains("<DefaultComputePolicy "), "{vdc}");
    let profile = attribute(&vdc, "<VdcStorageProfile ", "href");
    let admin = legacy
        .get(&profile.replace("/api/vdcStorageProfile", "/api/admin/vdcStorageProfile"))
        .await;
    assert!(
        admin.contains("<AdminVdcStorageProfile ") && admin.contains("<Units>MB</Units>"),
        "{admin}"
    );
    let network = legacy.get(&attribute(&vdc, "<Network ", "href")).await;
    assert!(
        network.contains("<OrgVdcNetwork ") && network.contains("<Gateway>"),
        "{network}"
    );
    let provider = Legacy::of(&bench, bench.administrator().await);
    let href = attribute(&vdc, "<Vdc ", "href").replace("/api/vdc", "/api/admin/vdc");
    assert!(provider.get(&href).await.contains("<AdminVdc "));
    let capabilities = format!(
        "/cloudapi/1.0.0/vdcs/{}/capabilities",
        attribute(&vdc, "<Vdc ", "id")
    );
    let found = legacy.ask(Ask::get(&capabilities)).await.expect(200).json();
    assert!(found["values"].to_string().contains("NSX_T"), "{found}");
}

async fn catalog_item_template_vm_lead(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let catalog = attribute(
        &legacy.get("/api/query?type=catalog").await,
        "<CatalogRecord ",
        "href",
    );
    let items = legacy.get(&catalog).await;
    let item = legacy
        .get(&attribute(&items, "<CatalogItem ", "href"))
        .await;
    let template = legacy.get(&attribute(&item, "<Entity ", "href")).await;
    assert_eq!(attribute(&template, "<VAppTemplate ", "status"), "8");
    let version = attribute(&template, "<ovf:Property ", "ovf:value");
    assert!(attribute(&template, "<VAppTemplate ", "name").ends_with(&version));
}

async fn general_settings_tell_providers_how(bench: Bench) {
    let path = "/api/admin/extension/settings/general";
    let provider = Legacy::of(&bench, bench.administrator().await);
    let shown = provider.get(path).await;
    assert!(
        shown.contains("SessionTimeoutMinutes>30<") && shown.contains(">1440<"),
        "{shown}"
    );
    Legacy::author(&bench).await.refused(path).await;
}
