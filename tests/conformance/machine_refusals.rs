//! What is refused of vApps and VMs, and in which words.

use super::fact::Mark::{Documents, Inferred, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::legacy::{Legacy, attribute};
use super::support::wire::{Answer, Ask};

const VCLOUD: &str = "http://www.vmware.com/vcloud/v1.5";

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "5.3",
            Source,
            "a VM that is gone is refused in the words by which CAPVCD knows it",
            vm_gone_refused_words_capvcd,
        ),
        fact(
            "5.3",
            Documents,
            "a wrong method is 405, a wrong media type 415, malformed XML and a wrong root 400, an unknown URL 404",
            wrong_method_wrong_media_type,
        ),
        fact(
            "10",
            Documents,
            "one task at a time: a second one on the same VM, its vApp or a disk is refused as busy",
            task_time_second_same_vm,
        ),
        fact(
            "6.8",
            Inferred,
            "CPUs of a running VM change only where hot-add was switched on",
            cpus_running_vm_change_where,
        ),
        fact(
            "6.5",
            Source,
            "CAPVCD changes the networks of a new vApp at once, and is not told that it is busy",
            networks_of_new_vapp,
        ),
        fact(
            "6.5",
            Inferred,
            "a site may keep an empty vApp busy until it is composed",
            busy_while_composed,
        ),
    ]
}

async fn vm_gone_refused_words_capvcd(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let text = legacy
        .refused("/api/vApp/vm-00000000-0000-4000-8000-000000000000")
        .await;
    for words in [
        "Either you need some or all of the following rights [Base]",
        "to perform operations [VAPP_VM_VIEW]",
        "target entity is invalid",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

async fn wrong_method_wrong_media_type(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (vapp, vm) = legacy.machine("v", "m").await;
    let vdc = legacy.path(&attribute(&legacy.vdc().await, "<Vdc ", "href"));
    for (path, status) in [
        (format!("{vm}/action/reconfigureVm"), 405),
        (format!("{vapp}/power/action/powerOn"), 405),
        (format!("{vdc}/action/composeVApp"), 405),
        (format!("{vm}/nothing"), 404),
        ("/api/nothing".to_owned(), 404),
    ] {
        legacy.ask(Ask::get(&path).xml()).await.expect(status);
    }
    legacy
        .put(&vm, "application/vnd.vmware.vcloud.vm+xml", "<Vm/>")
        .await
        .expect(405);
    let path = format!("{vm}/action/reconfigureVm");
    legacy
        .post(&path, "text/plain", "<Vm/>")
        .await
        .refused(415, "UNSUPPORTED_MEDIA_TYPE");
    legacy
        .post(&path, "application/vnd.vmware.vcloud.vm+xml", "<Vm")
        .await
        .expect(400);
    legacy
        .post(&path, "application/vnd.vmware.vcloud.vm+xml", "<VApp/>")
        .await
        .expect(400);
}

async fn task_time_second_same_vm(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (vapp, vm) = legacy.machine("v", "m").await;
    let first = legacy.act(&format!("{vm}/power/action/powerOn")).await;
    for path in [
        format!("{vm}/power/action/powerOn"),
        format!("{vapp}/power/action/powerOn"),
        format!("{vm}/action/consolidate"),
    ] {
        let text = legacy.act(&path).await.refused(400, "BUSY_ENTITY").text();
        assert!(
            text.contains(
                "is busy completing an operation VAPP_DEPLOY_VM(com.vmware.vcloud.entity.task:"
            ),
            "{text}"
        );
    }
    legacy.delete(&vm).await.refused(400, "BUSY_ENTITY");
    legacy.done(&first).await;
}

async fn cpus_running_vm_change_where(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let media = "application/vnd.vmware.vcloud.vm+xml";
    let body = format!(
        "<Vm xmlns=\"{VCLOUD}\" name=\"m\"><VmSpecSection Modified=\"true\"><NumCpus>8</NumCpus></VmSpecSection></Vm>"
    );
    legacy
        .done(&legacy.act(&format!("{vm}/power/action/powerOn")).await)
        .await;
    let path = format!("{vm}/action/reconfigureVm");
    legacy.post(&path, media, &body).await.expect(400);
    let capabilities = format!(
        "<VmCapabilities xmlns=\"{VCLOUD}\"><MemoryHotAddEnabled>false</MemoryHotAddEnabled><CpuHotAddEnabled>true</CpuHotAddEnabled></VmCapabilities>"
    );
    let kind = "application/vnd.vmware.vcloud.vmCapabilitiesSection+xml";
    legacy
        .done(
            &legacy
                .put(&format!("{vm}/vmCapabilities"), kind, &capabilities)
                .await,
        )
        .await;
    legacy.done(&legacy.post(&path, media, &body).await).await;
}

/// Composes as CAPVCD does and sends its next request, the networks, without waiting for the task.
async fn networks_at_once(legacy: &Legacy<'_>) -> Answer {
    let vdc = legacy.vdc().await;
    let network = attribute(&vdc, "<Network ", "href");
    let vdc = attribute(&vdc, "<Vdc ", "href");
    let compose = format!(
        "<ComposeVAppParams xmlns=\"{VCLOUD}\" name=\"blue\" deploy=\"false\" powerOn=\"false\">\
         <Description>blue</Description></ComposeVAppParams>"
    );
    let media = "application/vnd.vmware.vcloud.composeVAppParams+xml";
    let composed = legacy
        .post(&format!("{vdc}/action/composeVApp"), media, &compose)
        .await
        .expect(201)
        .text();
    assert!(composed.contains("<Tasks><Task "), "{composed}");
    let section = format!(
        "<NetworkConfigSection xmlns=\"{VCLOUD}\"><NetworkConfig networkName=\"n\"><Configuration>\
         <ParentNetwork href=\"{network}\"/><FenceMode>bridged</FenceMode></Configuration></NetworkConfig>\
         </NetworkConfigSection>"
    );
    let vapp = attribute(&composed, "<VApp ", "href");
    let media = "application/vnd.vmware.vcloud.networkConfigSection+xml";
    legacy
        .put(&format!("{vapp}/networkConfigSection/"), media, &section)
        .await
}

async fn networks_of_new_vapp(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let accepted = networks_at_once(&legacy).await;
    legacy.done(&accepted).await;
    let found = legacy.get("/api/query?type=vApp&filter=name==blue").await;
    assert_eq!(attribute(&found, "<VAppRecord ", "status"), "POWERED_OFF");
}

async fn busy_while_composed(bench: Bench) {
    bench.world().settings_mut().empty_vapps_compose_busily = true;
    let legacy = Legacy::author(&bench).await;
    networks_at_once(&legacy).await.refused(400, "BUSY_ENTITY");
}
