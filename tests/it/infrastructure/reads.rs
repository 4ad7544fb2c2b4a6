//! Organizations, VDCs, catalogs, templates, policies, networks and the query service.

use serde_json::Value;

use crate::support::lab::{Lab, path_of};
use crate::support::site::Ask;
use crate::support::xml;

#[test]
fn a_template_carries_its_version_where_clients_look_for_it() {
    let mut lab = Lab::new();
    let url = lab.template_vm();
    let vm = lab.get(&path_of(&url));
    assert_eq!(xml::all(&vm, "Property", "key"), ["VERSION"]);
    let version = xml::attribute(&vm, "Property", "value");
    assert_eq!(format!("ubuntu-2004-kube-{version}"), lab.tenant.template);
    let found = lab.get("/api/query?type=vAppTemplate&filter=catalogName==tkg-images&pageSize=128");
    let template = lab.get(&path_of(&xml::all(&found, "VAppTemplateRecord", "href")[0]));
    assert_eq!(xml::attribute(&template, "VAppTemplate", "status"), "8");
    assert!(template.contains("<ovf:ProductSection "), "{template}");
    assert!(
        xml::all(&found, "VAppTemplateRecord", "id").is_empty(),
        "{found}"
    );
}

#[test]
fn filters_are_evaluated_in_any_order_and_by_href_or_urn() {
    let mut lab = Lab::new();
    let vdc = lab.vdc_path();
    let uuid = vdc.rsplit('/').next().unwrap().to_owned();
    for (filter, hits) in [
        ("name==acme-vdc;orgName==acme".to_owned(), 1),
        ("orgName==ACME;name==ACME-VDC".to_owned(), 1),
        (format!("orgName==acme;id==urn:vcloud:vdc:{uuid}"), 1),
        ("name==acme*".to_owned(), 1),
        ("name==other".to_owned(), 0),
    ] {
        let found = lab.get(&format!(
            "/api/query?&type=orgVdc&format=records&filter={filter}"
        ));
        assert_eq!(
            xml::all(&found, "OrgVdcRecord", "name").len(),
            hits,
            "{filter}"
        );
        assert_eq!(
            xml::attribute(&found, "QueryResultRecords", "total"),
            hits.to_string()
        );
    }
    for filter in [
        format!("vdc==urn:vcloud:vdc:{uuid}"),
        format!("vdc==https://vcd.example{vdc}"),
    ] {
        let found = lab.get(&format!(
            "/api/query?type=orgVdcStorageProfile&filter={filter}"
        ));
        assert_eq!(
            xml::all(&found, "OrgVdcStorageProfileRecord", "name"),
            ["gold"],
            "{filter}"
        );
    }
    let answer = lab.xml(Ask::get("/api/query?type=orgVdc&filter=colour==red"));
    assert_eq!(answer.status(), 400);
    assert_eq!(
        lab.xml(Ask::get("/api/query?type=adminOrgVdc")).status(),
        403
    );
    assert_eq!(lab.xml(Ask::get("/api/query?type=teapot")).status(), 400);
}

#[test]
fn queries_are_paged_with_links() {
    let mut lab = Lab::new();
    let first = lab.get("/api/query?type=vAppTemplate&pageSize=3");
    assert_eq!(xml::all(&first, "VAppTemplateRecord", "name").len(), 3);
    assert_eq!(
        xml::all(&first, "Link", "rel"),
        ["firstPage", "lastPage", "nextPage"]
    );
    let mut names = xml::all(&first, "VAppTemplateRecord", "name");
    for page in 2..=4 {
        let next = lab.get(&format!(
            "/api/query?type=vAppTemplate&pageSize=3&page={page}"
        ));
        names.extend(xml::all(&next, "VAppTemplateRecord", "name"));
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), cse_server::sim::seed::TKG_IMAGES.len());
}

#[test]
fn an_administrator_finds_admin_records_of_every_tenant() {
    let mut lab = Lab::new();
    lab.world.seed_tenant("zeta");
    let token = lab.access.administrator_token.clone();
    let admin = lab.token_of("System", &token);
    let ask = Ask::get("/api/query?type=adminOrgVdc").accept("application/*+xml;version=37.2");
    let found = lab.call(ask.by(&admin)).text();
    let mut names = xml::all(&found, "AdminVdcRecord", "name");
    names.sort();
    assert_eq!(names, ["acme-vdc", "zeta-vdc"]);
    assert!(xml::all(&found, "AdminVdcRecord", "href")[0].contains("/api/admin/vdc/"));
}

#[test]
fn a_vdc_lists_networks_profiles_and_templates() {
    let mut lab = Lab::new();
    let vdc = lab.vdc_path();
    let document = lab.get(&vdc);
    assert_eq!(xml::all(&document, "Network", "name"), ["acme-net"]);
    assert_eq!(xml::all(&document, "VdcStorageProfile", "name"), ["gold"]);
    assert_eq!(xml::texts(&document, "IsEnabled"), ["true"]);
    let network = lab.get(&path_of(&xml::attribute(&document, "Network", "href")));
    assert_eq!(
        xml::attribute(&network, "OrgVdcNetwork", "name"),
        "acme-net"
    );
    let profile = path_of(&xml::attribute(&document, "VdcStorageProfile", "href"));
    assert_eq!(xml::texts(&lab.get(&profile), "Enabled"), ["true"]);
    let admin = lab.get(&profile.replace("/api/", "/api/admin/"));
    assert_eq!(
        xml::attribute(&admin, "AdminVdcStorageProfile", "name"),
        "gold"
    );
}

#[test]
fn organizations_catalogs_and_items_lead_to_templates() {
    let mut lab = Lab::new();
    let orgs = lab.get("/api/org");
    assert_eq!(xml::all(&orgs, "Org", "name"), ["acme"]);
    let org = lab.get(&path_of(&xml::attribute(&orgs, "Org", "href")));
    assert_eq!(xml::texts(&org, "FullName"), ["acme"]);
    let found = lab.get("/api/query?type=catalog&filter=name==tkg-images");
    let catalog = lab.get(&path_of(&xml::attribute(&found, "CatalogRecord", "href")));
    let item = lab.get(&path_of(&xml::all(&catalog, "CatalogItem", "href")[0]));
    assert!(xml::attribute(&item, "Entity", "href").contains("/api/vAppTemplate/vappTemplate-"));
}

#[test]
fn policies_and_networks_are_listed_and_read_by_urn() {
    let mut lab = Lab::new();
    let author = lab.author.clone();
    let json = |lab: &mut Lab, path: &str| -> Value {
        let answer = lab.call(Ask::get(path).by(&author));
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        answer.json()
    };
    for version in ["1.0.0", "2.0.0"] {
        let path = format!(
            "/cloudapi/{version}/vdcComputePolicies/?pageSize=128&filter=name==TKG%20small"
        );
        let found = json(&mut lab, &path);
        assert_eq!(found["resultTotal"], 1, "{found}");
        assert_eq!(found["values"][0]["memory"], 4048);
        let urn = found["values"][0]["id"].as_str().unwrap();
        let one = json(
            &mut lab,
            &format!("/cloudapi/{version}/vdcComputePolicies/{urn}"),
        );
        assert_eq!(one["isSizingOnly"], true);
    }
    let uuid = lab.vdc_path().rsplit('/').next().unwrap().to_owned();
    let path = format!(
        "/cloudapi/1.0.0/orgVdcNetworks/?pageSize=32&filter=name==acme-net;\
         orgVdc.id==urn:vcloud:vdc:{uuid};_context==includeAccessible"
    );
    let found = json(&mut lab, &path);
    assert_eq!(found["resultTotal"], 1, "{found}");
    assert_eq!(found["values"][0]["networkType"], "NAT_ROUTED");
    let answer = lab.call(Ask::get("/cloudapi/1.0.0/orgVdcNetworks?pageSize=33").by(&author));
    assert_eq!(answer.status(), 400);
}
