//! Named disks as the CSI driver and go-vcloud-director use them.

use super::fact::Mark::{Documents, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::legacy::{Legacy, attribute, hrefs, link};
use super::support::wire::Ask;

const CREATE: &str = "application/vnd.vmware.vcloud.diskCreateParams+xml";
const ATTACH: &str = "application/vnd.vmware.vcloud.diskAttachOrDetachParams+xml";
const DISK: &str = "application/vnd.vmware.vcloud.disk+xml";

/// The body of the CSI driver.
fn create_params(name: &str, profile: &str) -> String {
    format!(
        "<DiskCreateParams xmlns=\"http://www.vmware.com/vcloud/v1.5\"><Disk name=\"{name}\" sizeMb=\"1024\" \
         busType=\"6\" busSubType=\"VirtualSCSI\"><Description>pvc</Description>\
         <StorageProfile href=\"{profile}\"></StorageProfile></Disk></DiskCreateParams>"
    )
}

fn reference(href: &str) -> String {
    format!(
        "<DiskAttachOrDetachParams xmlns=\"http://www.vmware.com/vcloud/v1.5\"><Disk href=\"{href}\"></Disk>\
         </DiskAttachOrDetachParams>"
    )
}

/// Creates a disk through the link of its VDC; returns its path.
async fn create(legacy: &Legacy<'_>, name: &str) -> String {
    let vdc = legacy.vdc().await;
    let link = link(&vdc, "add", CREATE);
    let profile = hrefs(&vdc, "<VdcStorageProfile ")[0].clone();
    let body = create_params(name, &profile);
    let created = legacy.post(&link, CREATE, &body).await.expect(201);
    let document = created.text();
    assert!(document.contains("<Tasks><Task "), "{document}");
    let disk = attribute(&document, "<Disk ", "href");
    legacy.succeeded(&document).await;
    legacy.path(&disk)
}

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "7.6",
            Source,
            "a disk is created by the add link of its VDC with 201, its task inside, and listed as a resource entity",
            disk_created_add_link_vdc,
        ),
        fact(
            "7.6",
            Source,
            "a disk is attached and detached by the links of a VM, and lists the VMs it is attached to",
            disk_attached_detached_links_vm,
        ),
        fact(
            "7.6",
            Source,
            "an attached disk grows by the settings of its VM, as the CSI driver expands volumes",
            attached_disk_grows_settings_vm,
        ),
        fact(
            "7.6",
            Source,
            "a disk that is not attached is renamed and grown by PUT, and never shrinks",
            disk_not_attached_renamed_grown,
        ),
        fact(
            "6.2",
            Source,
            "disks are queried by name and VDC, the VDC as a UUID, and foreign ones are not found",
            disks_queried_name_vdc_vdc,
        ),
        fact(
            "5.3",
            Documents,
            "a disk of another organization is refused like one that is not there",
            disk_another_organization_refused_like,
        ),
        fact(
            "5.3",
            Documents,
            "creating a disk asks for the right to create named disks",
            creating_disk_asks_right_create,
        ),
    ]
}

async fn disk_created_add_link_vdc(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let path = create(&legacy, "pvc-1").await;
    let vdc = legacy.vdc().await;
    assert!(
        vdc.contains(&format!("type=\"{DISK}\"")) && vdc.contains("pvc-1"),
        "{vdc}"
    );
    let disk = legacy.get(&path).await;
    for part in [
        "sizeMb=\"1024\"",
        "busType=\"6\"",
        "busSubType=\"VirtualSCSI\"",
        "shareable=\"false\"",
        "uuid=\"6000c29",
        "rel=\"remove\"",
        "vnd.vmware.vcloud.vms+xml",
        "status=\"1\"",
    ] {
        assert!(disk.contains(part), "{part} in {disk}");
    }
    let effects = bench.world().effects().clone();
    assert_eq!(
        effects.get(&("disk.created".into(), "pvc-1".to_owned())),
        Some(&1)
    );
}

async fn disk_attached_detached_links_vm(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let disk = create(&legacy, "pvc-2").await;
    let (vapp, vm) = legacy.machine("v", "m").await;
    let document = legacy.get(&vm).await;
    let body = reference(&legacy.url(&disk));
    let attach = link(&document, "disk:attach", ATTACH);
    legacy
        .done(&legacy.post(&attach, ATTACH, &body).await)
        .await;
    let vms = legacy.get(&format!("{disk}/attachedVms")).await;
    assert_eq!(hrefs(&vms, "<VmReference "), [legacy.url(&vm)]);
    let shown = legacy.get(&vm).await;
    assert!(
        shown.contains(&format!("<Disk href=\"{}\"", legacy.url(&disk))),
        "{shown}"
    );
    legacy.post(&attach, ATTACH, &body).await.expect(400);
    legacy.delete(&vm).await.expect(400);
    legacy.delete(&vapp).await.expect(400);
    legacy.delete(&disk).await.expect(400);
    let detach = link(&shown, "disk:detach", ATTACH);
    legacy
        .done(&legacy.post(&detach, ATTACH, &body).await)
        .await;
    legacy.post(&detach, ATTACH, &body).await.expect(400);
    legacy.done(&legacy.delete(&disk).await).await;
    legacy.refused(&disk).await;
    legacy.done(&legacy.delete(&vapp).await).await;
}

async fn attached_disk_grows_settings_vm(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let disk = create(&legacy, "pvc-3").await;
    let (_, vm) = legacy.machine("v", "m").await;
    let body = reference(&legacy.url(&disk));
    let attached = legacy
        .post(&format!("{vm}/disk/action/attach"), ATTACH, &body)
        .await;
    legacy.done(&attached).await;
    let shown = legacy.get(&vm).await;
    let (_, rest) = shown.split_once("<DiskSection>").unwrap();
    let (disks, _) = rest.split_once("</DiskSection>").unwrap();
    let section = disks.replace("<SizeMb>1024<", "<SizeMb>2048<");
    let body = format!(
        "<Vm xmlns=\"http://www.vmware.com/vcloud/v1.5\" name=\"m\"><VmSpecSection Modified=\"true\">\
         <DiskSection>{section}</DiskSection></VmSpecSection></Vm>"
    );
    legacy.reconfigure(&vm, &body).await;
    assert!(legacy.get(&disk).await.contains("sizeMb=\"2048\""));
}

async fn disk_not_attached_renamed_grown(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let disk = create(&legacy, "pvc-4").await;
    let body = |size: u32| {
        format!(
            "<Disk xmlns=\"http://www.vmware.com/vcloud/v1.5\" name=\"renamed\" sizeMb=\"{size}\">\
             <Description>d</Description></Disk>"
        )
    };
    legacy
        .done(&legacy.put(&disk, DISK, &body(4096)).await)
        .await;
    let shown = legacy.get(&disk).await;
    assert!(
        shown.contains("name=\"renamed\"") && shown.contains("sizeMb=\"4096\""),
        "{shown}"
    );
    legacy.put(&disk, DISK, &body(10)).await.expect(400);
}

async fn disks_queried_name_vdc_vdc(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    create(&legacy, "pvc-5").await;
    let vdc = attribute(&legacy.vdc().await, "<Vdc ", "href");
    let vdc = vdc.rsplit('/').next().unwrap();
    let query = format!(
        "/api/query?&type=disk&filter=name=={};vdc=={vdc}&filterEncoded=true",
        "pvc-5"
    );
    let found = legacy.get(&query).await;
    assert!(
        found.contains("<DiskRecord ") && found.contains("isAttached=\"false\""),
        "{found}"
    );
    assert!(found.contains("total=\"1\""), "{found}");
    let stranger = Legacy::of(&bench, bench.stranger().await);
    let found = stranger.get("/api/query?type=disk").await;
    assert!(found.contains("total=\"0\""), "{found}");
}

async fn disk_another_organization_refused_like(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let disk = create(&legacy, "pvc-6").await;
    let stranger = Legacy::of(&bench, bench.stranger().await);
    let foreign = stranger.refused(&disk).await;
    let missing = stranger
        .refused("/api/disk/00000000-0000-4000-8000-000000000000")
        .await;
    let plain = |text: &str| text.contains("is invalid.");
    assert!(plain(&foreign) && plain(&missing), "{foreign} {missing}");
}

async fn creating_disk_asks_right_create(bench: Bench) {
    let administrator = bench.administrator().await;
    let legacy = Legacy::author(&bench).await;
    let vdc = legacy.vdc().await;
    let link = link(&vdc, "add", CREATE);
    let service = bench.token("System", &bench.access.provider_token).await;
    let ask = |token: &str| {
        Ask::post(&legacy.path(&link)).xml().by(token).document(
            CREATE,
            "<DiskCreateParams><Disk name=\"x\" sizeMb=\"1\"/></DiskCreateParams>",
        )
    };
    bench.send(ask(&service)).await.expect(403);
    bench.send(ask(&administrator)).await.expect(201);
}
