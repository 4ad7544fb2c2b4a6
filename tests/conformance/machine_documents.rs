//! Metadata, lease, sharing, and the JSON form of what describes vApps and VMs.

use super::fact::Mark::{Documents, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::legacy::{Legacy, attribute, hrefs};
use super::support::wire::Ask;

const VCLOUD: &str = "http://www.vmware.com/vcloud/v1.5";
const OVF: &str = "http://schemas.dmtf.org/ovf/envelope/1";
const METADATA: &str = "application/vnd.vmware.vcloud.metadata.value+xml";
const LEASE: &str = "application/vnd.vmware.vcloud.leaseSettingsSection+xml";

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "6.5",
            Source,
            "metadata has four types and two domains; tenants write GENERAL, and never see what is PRIVATE",
            metadata_four_types_two_domains,
        ),
        fact(
            "6.5",
            Source,
            "metadata is merged by POST, on VMs, templates and disks alike",
            metadata_merged_post_vms_templates,
        ),
        fact(
            "6.5",
            Source,
            "the lease of a vApp is renewed by its section",
            lease_vapp_renewed_section,
        ),
        fact(
            "1.3",
            Source,
            "CSE 3 shares the vApp of a cluster by a JSON body, and reads in XML who has access",
            cse_shares_vapp_cluster_json,
        ),
        fact(
            "1.3",
            Documents,
            "the same documents are answered in JSON to application/*+json, errors included",
            same_documents_answered_json_application,
        ),
    ]
}

async fn metadata_four_types_two_domains(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let provider = Legacy::of(&bench, bench.administrator().await);
    let vapp = legacy.vapp("v").await;
    let body = |kind: &str, value: &str, domain: &str| {
        format!(
            "<MetadataValue xmlns=\"{VCLOUD}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             {domain}<TypedValue xsi:type=\"{kind}\"><Value>{value}</Value></TypedValue></MetadataValue>"
        )
    };
    let path = format!("{vapp}/metadata/n");
    let number = body(
        "MetadataNumberValue",
        "7",
        "<Domain visibility=\"READWRITE\">GENERAL</Domain>",
    );
    legacy
        .done(&legacy.put(&path, METADATA, &number).await)
        .await;
    let shown = legacy.get(&path).await;
    assert!(
        shown.contains("xsi:type=\"MetadataNumberValue\"") && shown.contains("<Value>7<"),
        "{shown}"
    );
    legacy
        .put(&path, METADATA, &body("MetadataNumberValue", "x", ""))
        .await
        .expect(400);
    legacy
        .put(&path, METADATA, &body("MetadataBlobValue", "x", ""))
        .await
        .expect(400);
    let hidden = body(
        "MetadataStringValue",
        "s",
        "<Domain visibility=\"PRIVATE\">SYSTEM</Domain>",
    );
    let system = format!("{vapp}/metadata/SYSTEM/p");
    legacy.put(&system, METADATA, &hidden).await.expect(403);
    provider
        .done(&provider.put(&system, METADATA, &hidden).await)
        .await;
    assert!(
        provider
            .get(&system)
            .await
            .contains("visibility=\"PRIVATE\"")
    );
    legacy.refused(&system).await;
    let all = legacy.get(&format!("{vapp}/metadata/")).await;
    assert_eq!(all.matches("<MetadataEntry ").count(), 1, "{all}");
    legacy.done(&legacy.delete(&path).await).await;
    legacy.refused(&path).await;
}

async fn metadata_merged_post_vms_templates(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let query = format!(
        "/api/query?type=vAppTemplate&filter=catalogName=={}",
        bench.tenant.catalog
    );
    let template = hrefs(&legacy.get(&query).await, "<VAppTemplateRecord ")[0].clone();
    let body = format!(
        "<Metadata xmlns=\"{VCLOUD}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><MetadataEntry>\
         <Key>a</Key><TypedValue xsi:type=\"MetadataBooleanValue\"><Value>true</Value></TypedValue>\
         </MetadataEntry><MetadataEntry><Key>b</Key><TypedValue xsi:type=\"MetadataStringValue\">\
         <Value>x</Value></TypedValue></MetadataEntry></Metadata>"
    );
    for object in [vm, template] {
        let path = format!("{object}/metadata");
        let media = "application/vnd.vmware.vcloud.metadata+xml";
        legacy.done(&legacy.post(&path, media, &body).await).await;
        assert_eq!(legacy.get(&path).await.matches("<Key>").count(), 2);
    }
}

async fn lease_vapp_renewed_section(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let vapp = legacy.vapp("v").await;
    let href = attribute(&legacy.get(&vapp).await, "<LeaseSettingsSection ", "href");
    let body = format!(
        "<LeaseSettingsSection xmlns=\"{VCLOUD}\" xmlns:ovf=\"{OVF}\" href=\"{href}\"><ovf:Info>i</ovf:Info>\
         <DeploymentLeaseInSeconds>3600</DeploymentLeaseInSeconds>\
         <StorageLeaseInSeconds>7200</StorageLeaseInSeconds></LeaseSettingsSection>"
    );
    legacy.done(&legacy.put(&href, LEASE, &body).await).await;
    assert!(
        legacy
            .get(&href)
            .await
            .contains("<StorageLeaseInSeconds>7200<")
    );
}

async fn cse_shares_vapp_cluster_json(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let vapp = legacy.vapp("v").await;
    let user = bench
        .tenant
        .author_id
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let body = serde_json::json!({
        "isSharedToEveryone": false,
        "accessSettings": {"accessSetting": [{
            "accessLevel": "Change",
            "subject": {"name": bench.tenant.author, "id": user,
                        "href": legacy.url(&format!("/api/admin/user/{user}"))},
        }]},
    });
    let ask = Ask::post(&format!("{vapp}/action/controlAccess")).xml();
    let ask = ask.document("application/*+json", &body.to_string());
    legacy.ask(ask).await.expect(200);
    let shown = legacy.get(&format!("{vapp}/controlAccess")).await;
    assert!(
        shown.contains("<AccessLevel>Change</AccessLevel>"),
        "{shown}"
    );
    assert_eq!(attribute(&shown, "<Subject ", "name"), bench.tenant.author);
}

async fn same_documents_answered_json_application(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (vapp, vm) = legacy.machine("v", "m").await;
    let json = |path: &str| Ask::get(path).accept("application/*+json;version=37.2");
    let answer = legacy.ask(json(&vapp)).await.expect(200);
    assert_eq!(
        answer.header("content-type").unwrap(),
        "application/vnd.vmware.vcloud.vApp+json;version=37.2"
    );
    let shown = answer.json();
    assert_eq!((&shown["name"], &shown["status"]), (&"v".into(), &8.into()));
    assert_eq!(shown["children"]["vm"][0]["name"], "m");
    let records = legacy
        .ask(json("/api/query?type=vm"))
        .await
        .expect(200)
        .json();
    assert_eq!(records["record"][0]["href"], legacy.url(&vm));
    let missing = legacy.ask(json("/api/vApp/vm-x")).await;
    assert_eq!(
        missing
            .refused(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN")
            .json()["stackTrace"],
        serde_json::Value::Null
    );
}
