//! What unmodified clients stumble over where an answer is only nearly right.
//!
//! Source of each: the requests that go-vcloud-director, CAPVCD, the CPI and CSI drivers, pyvcloud and
//! vcd-cli send, in their order.

use super::fact::Mark::{Documents, Inferred, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::legacy::{Legacy, attribute, attributes, hrefs, link};
use super::support::people::knock;
use super::support::wire::Ask;

const VCLOUD: &str = "http://www.vmware.com/vcloud/v1.5";
const OVF: &str = "http://schemas.dmtf.org/ovf/envelope/1";
const COMPOSE: &str = "application/vnd.vmware.vcloud.composeVAppParams+xml";
const NETWORKS: &str = "application/vnd.vmware.vcloud.networkConfigSection+xml";
const CATALOG: &str = "application/vnd.vmware.admin.catalog+xml";

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "1.3",
            Source,
            "a token is asked for in any version: CPI and CSI name 36.1, whether it is offered or not",
            token_asked_any_version,
        ),
        fact(
            "6.5",
            Inferred,
            "an empty vApp is ready for the next request: CAPVCD connects it to its network at once",
            empty_vapp_ready_next_request,
        ),
        fact(
            "6.5",
            Inferred,
            "on other sites an empty vApp is busy for a time",
            empty_vapp_busy_elsewhere,
        ),
        fact(
            "4.3",
            Source,
            "one filter may spell one reference as URN and another one as address",
            filter_mixes_spellings,
        ),
        fact(
            "6.2",
            Source,
            "the VMs of templates are listed with the others, and found by template, catalog and isVAppTemplate",
            template_vms_listed,
        ),
        fact(
            "6.5",
            Source,
            "an isolated network is made inside a vApp, has its id in a link, gives addresses and is deleted by id",
            isolated_network,
        ),
        fact(
            "6.1",
            Source,
            "an org leads to its tasks and its queries, its admin form to roles and the making of catalogs",
            org_leads_tasks_queries_roles,
        ),
        fact(
            "6.2",
            Documents,
            "a query without a type answers with a link to each list; those of the provider are for providers",
            query_without_type,
        ),
        fact(
            "6.2",
            Documents,
            "users, roles and rights are listed; provider VDCs and their storage profiles for providers",
            people_and_provider_listed,
        ),
        fact(
            "6.4",
            Source,
            "a template tells its lease and the network cards of its VM",
            template_lease_and_cards,
        ),
        fact(
            "6.4",
            Documents,
            "an administrator makes a catalog, describes it anew, and deletes it by a task; metadata comes along",
            catalog_made_and_deleted,
        ),
        fact(
            "6.6",
            Source,
            "pyvcloud reads the item of CPUs or memory, changes its quantity and writes it back",
            hardware_items_written_back,
        ),
        fact(
            "9.1",
            Source,
            "an administrator makes a user by a document, disables it and deletes it; it logs in by password meanwhile",
            user_by_document,
        ),
        fact(
            "6.3",
            Source,
            "a VDC leads to its compute policies and edge gateways; assigning a policy without a reference is refused",
            vdc_leads_policies_gateways,
        ),
    ]
}

async fn token_asked_any_version(bench: Bench) {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", bench.tenant.api_token.as_str()),
    ];
    for accept in ["application/json;version=36.1", "application/json;version="] {
        let path = format!("/oauth/tenant/{}/token", bench.tenant.org);
        let ask = Ask::post(&path).form(&pairs).accept(accept);
        bench.send(ask).await.expect(200);
    }
    let ask = Ask::get("/api/org").accept("application/*+xml;version=36.1");
    let token = bench.author().await;
    bench.send(ask.by(&token)).await.expect(406);
}

/// Composes a vApp without networks; returns the answer's document.
async fn compose(legacy: &Legacy<'_>) -> String {
    let vdc = attribute(&legacy.vdc().await, "<Vdc ", "href");
    let body = format!(
        "<ComposeVAppParams xmlns=\"{VCLOUD}\" name=\"e\"><Description>d</Description></ComposeVAppParams>"
    );
    let path = format!("{vdc}/action/composeVApp");
    legacy.post(&path, COMPOSE, &body).await.expect(201).text()
}

/// A section with one network.
fn section(name: &str, configuration: &str) -> String {
    format!(
        "<NetworkConfigSection xmlns=\"{VCLOUD}\" xmlns:ovf=\"{OVF}\"><ovf:Info>i</ovf:Info>\
         <NetworkConfig networkName=\"{name}\"><Description>own</Description>\
         <Configuration>{configuration}</Configuration></NetworkConfig></NetworkConfigSection>"
    )
}

async fn empty_vapp_ready_next_request(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let document = compose(&legacy).await;
    assert!(
        attribute(&document, "<VApp ", "status")
            .parse::<u8>()
            .is_ok()
    );
    let vapp = attribute(&document, "<VApp ", "href");
    let network = hrefs(&legacy.vdc().await, "<Network ")[0].clone();
    let bridge = format!("<ParentNetwork href=\"{network}\"/><FenceMode>bridged</FenceMode>");
    let path = format!("{vapp}/networkConfigSection/");
    let accepted = legacy.put(&path, NETWORKS, &section("n", &bridge)).await;
    legacy.done(&accepted).await;
    legacy.done(&legacy.delete(&vapp).await).await;
}

async fn empty_vapp_busy_elsewhere(bench: Bench) {
    bench.world().settings_mut().empty_vapps_compose_busily = true;
    let legacy = Legacy::author(&bench).await;
    let vapp = attribute(&compose(&legacy).await, "<VApp ", "href");
    legacy.delete(&vapp).await.refused(400, "BUSY_ENTITY");
}

async fn filter_mixes_spellings(bench: Bench) {
    let provider = Legacy::of(&bench, bench.administrator().await);
    let vdc = attribute(&Legacy::author(&bench).await.vdc().await, "<Vdc ", "id");
    let org = bench.tenant.org_id.rsplit(':').next().unwrap();
    let href = provider.url(&format!("/api/org/{org}"));
    let path = format!("/api/query?type=adminOrgVdc&filter=id=={vdc};org=={href};orgName==*");
    let found = provider.get(&path).await;
    assert_eq!(attribute(&found, "<QueryResultRecords ", "total"), "1");
}

async fn template_vms_listed(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let name = bench.tenant.template.replace('+', "%2B");
    let query = format!("/api/query?type=vAppTemplate&filter=name=={name}");
    let template = attribute(&legacy.get(&query).await, "<VAppTemplateRecord ", "href");
    let inside = legacy.template_vm().await;
    for filter in [
        format!("container=={template};name=={name};isVAppTemplate==true"),
        format!(
            "catalogName=={};containerName=={name};status!=UNKNOWN",
            bench.tenant.catalog
        ),
    ] {
        let found = legacy
            .get(&format!("/api/query?type=vm&filter={filter}"))
            .await;
        assert_eq!(hrefs(&found, "<VMRecord ")[0], inside, "{filter}");
    }
    let machines = legacy
        .get("/api/query?type=vm&filter=isVAppTemplate==false")
        .await;
    assert_eq!(hrefs(&machines, "<VMRecord "), [legacy.url(&vm)]);
}

async fn isolated_network(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let vapp = attribute(&compose(&legacy).await, "<VApp ", "href");
    let path = format!("{vapp}/networkConfigSection/");
    let scope = "<IpScopes><IpScope><IsInherited>false</IsInherited><Gateway>192.168.7.1</Gateway>\
         <SubnetPrefixLength>24</SubnetPrefixLength><IsEnabled>true</IsEnabled><IpRanges><IpRange>\
         <StartAddress>192.168.7.10</StartAddress><EndAddress>192.168.7.20</EndAddress></IpRange></IpRanges>\
         </IpScope></IpScopes><FenceMode>isolated</FenceMode>";
    legacy
        .put(
            &path,
            NETWORKS,
            &section("iso", "<FenceMode>isolated</FenceMode>"),
        )
        .await
        .expect(400);
    let made = legacy.put(&path, NETWORKS, &section("iso", scope)).await;
    legacy.done(&made).await;
    let shown = legacy.get(&path).await;
    for part in [
        "<FenceMode>isolated<",
        "<Netmask>255.255.255.0<",
        "<Description>own<",
        "<EndAddress>192.168.7.20<",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let reset = hrefs(&shown, "<Link rel=\"repair\"")[0].clone();
    let id = reset.rsplit('/').nth(2).unwrap().to_owned();
    assert!(reset.ends_with(&format!("/api/admin/network/{id}/action/reset")));
    let body = format!(
        "<RecomposeVAppParams xmlns=\"{VCLOUD}\" xmlns:ovf=\"{OVF}\"><SourcedItem><Source href=\"{}\"/>\
         <VmGeneralParams><Name>m</Name></VmGeneralParams><InstantiationParams><NetworkConnectionSection>\
         <ovf:Info/><NetworkConnection network=\"iso\"><NetworkConnectionIndex>0</NetworkConnectionIndex>\
         <IsConnected>true</IsConnected><IpAddressAllocationMode>POOL</IpAddressAllocationMode>\
         </NetworkConnection></NetworkConnectionSection></InstantiationParams></SourcedItem>\
         </RecomposeVAppParams>",
        legacy.template_vm().await
    );
    legacy
        .done(&legacy.recompose(&legacy.path(&vapp), &body).await)
        .await;
    let document = legacy.get(&vapp).await;
    assert!(document.contains("<IpAddress>192.168.7.10<"), "{document}");
    let network = format!("/api/network/{id}");
    legacy.delete(&network).await.expect(400);
    legacy
        .done(&legacy.delete(&attribute(&document, "<Vm ", "href")).await)
        .await;
    legacy.done(&legacy.delete(&network).await).await;
    assert!(!legacy.get(&path).await.contains("networkName=\"iso\""));
}

async fn org_leads_tasks_queries_roles(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    legacy.vapp("v").await;
    let org = attribute(&legacy.get("/api/org").await, "<Org ", "href");
    let document = legacy.get(&org).await;
    let tasks = link(
        &document,
        "down",
        "application/vnd.vmware.vcloud.tasksList+xml",
    );
    assert!(
        legacy
            .get(&tasks)
            .await
            .contains("operationName=\"vdcComposeVapp\"")
    );
    let queries = hrefs(&document, "<Link rel=\"down\"");
    for kind in ["orgVdc", "catalog"] {
        let wanted = format!("/api/query?type={kind}&format=records");
        let query = queries.iter().find(|href| href.ends_with(&wanted)).unwrap();
        legacy.get(query).await;
    }
    let provider = Legacy::of(&bench, bench.administrator().await);
    let admin = provider
        .get(&org.replace("/api/org", "/api/admin/org"))
        .await;
    let roles = attributes(&admin, "<RoleReference ", "name");
    assert!(
        roles.contains(&"Kubernetes Cluster Author".to_owned()),
        "{roles:?}"
    );
    link(&admin, "add", CATALOG);
}

async fn query_without_type(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let provider = Legacy::of(&bench, bench.administrator().await);
    let (own, all) = (
        legacy.get("/api/query").await,
        provider.get("/api/query").await,
    );
    let names = |list: &str| attributes(list, "<Link ", "name");
    assert!(
        names(&own).contains(&"vApp".to_owned()) && !names(&own).contains(&"adminVApp".to_owned())
    );
    assert!(names(&all).contains(&"providerVdc".to_owned()), "{all}");
    for href in hrefs(&own, "<Link ") {
        legacy.get(&href).await;
    }
}

async fn people_and_provider_listed(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let users = legacy.get("/api/query?type=user&format=records").await;
    assert_eq!(
        attributes(&users, "<UserRecord ", "name"),
        std::slice::from_ref(&bench.tenant.author)
    );
    let roles = legacy.get("/api/query?type=role").await;
    assert!(
        roles.contains("name=\"Kubernetes Cluster Author\""),
        "{roles}"
    );
    let rights = legacy.get("/api/query?type=right&pageSize=128").await;
    assert!(rights.contains("<RightRecord "), "{rights}");
    for kind in ["providerVdc", "providerVdcStorageProfile"] {
        let path = format!("/api/query?type={kind}");
        legacy.ask(Ask::get(&path).xml()).await.expect(403);
        let provider = Legacy::of(&bench, bench.administrator().await);
        let found = provider.get(&path).await;
        assert_eq!(
            attribute(&found, "<QueryResultRecords ", "total"),
            "1",
            "{found}"
        );
    }
}

async fn template_lease_and_cards(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let found = legacy.get("/api/query?type=vAppTemplate").await;
    let template = legacy
        .get(&attribute(&found, "<VAppTemplateRecord ", "href"))
        .await;
    let lease = attribute(&template, "<LeaseSettingsSection ", "href");
    assert!(
        legacy
            .get(&lease)
            .await
            .contains("<StorageLeaseInSeconds>0<")
    );
    assert!(
        template.contains("<PrimaryNetworkConnectionIndex>0<"),
        "{template}"
    );
}

async fn catalog_made_and_deleted(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let provider = Legacy::of(&bench, bench.administrator().await);
    let org = bench.tenant.org_id.rsplit(':').next().unwrap();
    let path = format!("/api/admin/org/{org}/catalogs");
    let body = |text: &str| {
        format!(
            "<AdminCatalog xmlns=\"{VCLOUD}\" name=\"c\"><Description>{text}</Description></AdminCatalog>"
        )
    };
    legacy.post(&path, CATALOG, &body("d")).await.expect(403);
    let made = provider
        .post(&path, CATALOG, &body("d"))
        .await
        .expect(201)
        .text();
    provider
        .post(&path, CATALOG, &body("d"))
        .await
        .refused(400, "DUPLICATE_NAME");
    let admin = attribute(&made, "<AdminCatalog ", "href");
    let changed = provider
        .put(&admin, CATALOG, &body("e"))
        .await
        .expect(200)
        .text();
    assert!(
        changed.contains("<Description>e</Description>"),
        "{changed}"
    );
    let tenant = admin.replace("/api/admin/", "/api/");
    let metadata = format!("{tenant}/metadata");
    let entry = format!(
        "<MetadataValue xmlns=\"{VCLOUD}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <TypedValue xsi:type=\"MetadataStringValue\"><Value>x</Value></TypedValue></MetadataValue>"
    );
    let media = "application/vnd.vmware.vcloud.metadata.value+xml";
    let put = provider.put(&format!("{metadata}/k"), media, &entry).await;
    provider.done(&put).await;
    assert!(legacy.get(&metadata).await.contains("<Key>k<"));
    let path = format!("{admin}?recursive=true&force=true");
    provider.done(&provider.delete(&path).await).await;
    legacy.refused(&tenant).await;
}

async fn vdc_leads_policies_gateways(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let vdc = legacy.vdc().await;
    let media = "application/vnd.vmware.vcloud.vdcComputePolicyReferences+xml";
    let policies = legacy.get(&link(&vdc, "down", media)).await;
    assert!(
        policies.contains("<VdcComputePolicyReference "),
        "{policies}"
    );
    let records = "application/vnd.vmware.vcloud.query.records+xml";
    let gateways = legacy.get(&link(&vdc, "edgeGateways", records)).await;
    assert_eq!(attribute(&gateways, "<QueryResultRecords ", "total"), "1");
    let provider = Legacy::of(&bench, bench.administrator().await);
    let uuid = attribute(&vdc, "<Vdc ", "href");
    let uuid = uuid.rsplit('/').next().unwrap();
    let path = format!("/api/admin/vdc/{uuid}/computePolicies");
    let body = format!(
        "<VdcComputePolicyReferences xmlns=\"{VCLOUD}\"><VdcComputePolicyReference/></VdcComputePolicyReferences>"
    );
    provider.put(&path, media, &body).await.expect(400);
    assert!(
        legacy
            .get(&link(&vdc, "down", media))
            .await
            .contains("TKG small")
    );
}

async fn user_by_document(bench: Bench) {
    bench.world().set_password("administrator", "secret");
    let admin = knock(&bench, ("System", "administrator"), "secret").await;
    let token = admin.expect(200).header("x-vmware-vcloud-access-token");
    let provider = Legacy::of(&bench, token.unwrap());
    let org = bench.tenant.org_id.rsplit(':').next().unwrap();
    let document = provider.get(&format!("/api/admin/org/{org}")).await;
    let role = attribute(&document, "<RoleReference ", "href");
    let body = |enabled: bool| {
        format!(
            "<User xmlns=\"{VCLOUD}\" name=\"joan\"><FullName>J</FullName><IsEnabled>{enabled}</IsEnabled>\
             <ProviderType>INTEGRATED</ProviderType><Role href=\"{role}\"/><Password>pw</Password></User>"
        )
    };
    let media = "application/vnd.vmware.admin.user+xml";
    let path = format!("/api/admin/org/{org}/users");
    let made = provider
        .post(&path, media, &body(true))
        .await
        .expect(201)
        .text();
    let user = attribute(&made, "<User ", "href");
    assert!(!made.contains("Password"), "{made}");
    knock(&bench, (&bench.tenant.org, "joan"), "pw")
        .await
        .expect(200);
    provider.put(&user, media, &body(false)).await.expect(200);
    knock(&bench, (&bench.tenant.org, "joan"), "pw")
        .await
        .expect(401);
    provider
        .act(&format!("{user}/action/takeOwnership"))
        .await
        .expect(204);
    provider.delete(&user).await.expect(204);
    provider.refused(&user).await;
    Legacy::author(&bench)
        .await
        .post(&path, media, &body(true))
        .await
        .expect(403);
}

async fn hardware_items_written_back(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let media = "application/vnd.vmware.vcloud.rasdItem+xml";
    for (item, quantity) in [("cpu", "4"), ("memory", "2048")] {
        let path = format!("{vm}/virtualHardwareSection/{item}");
        let shown = legacy.get(&path).await;
        let (start, rest) = shown.split_once("<rasd:VirtualQuantity>").unwrap();
        let (_, end) = rest.split_once('<').unwrap();
        let body = format!("{start}<rasd:VirtualQuantity>{quantity}<{end}");
        legacy.done(&legacy.put(&path, media, &body).await).await;
        let wanted = format!("<rasd:VirtualQuantity>{quantity}<");
        assert!(legacy.get(&path).await.contains(&wanted));
    }
}
