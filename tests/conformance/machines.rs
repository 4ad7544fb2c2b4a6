//! How vApps and VMs come to be.

use super::fact::Mark::Source;
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::legacy::{Legacy, attribute, attributes, hrefs, link};

const VCLOUD: &str = "http://www.vmware.com/vcloud/v1.5";
const OVF: &str = "http://schemas.dmtf.org/ovf/envelope/1";
const CREATE_VM: &str = "application/vnd.vmware.vcloud.createVmParams+xml";
const FROM_VM_TEMPLATE: &str = "application/vnd.vmware.vcloud.instantiateVmTemplateParams+xml";
const FROM_TEMPLATE: &str = "application/vnd.vmware.vcloud.instantiateVAppTemplateParams+xml";
const UNDEPLOY: &str = "application/vnd.vmware.vcloud.undeployVAppParams+xml";

/// The specification of a VM that has no template, as go-vcloud-director sends it.
fn specification(hardware: &str) -> String {
    format!(
        "<VmSpecSection Modified=\"true\"><ovf:Info>i</ovf:Info><OsType>debian10_64Guest</OsType>\
         <NumCpus>2</NumCpus><NumCoresPerSocket>1</NumCoresPerSocket>\
         <MemoryResourceMb><Configured>1024</Configured></MemoryResourceMb>\
         <DiskSection><DiskSettings><SizeMb>1024</SizeMb><UnitNumber>0</UnitNumber><BusNumber>0</BusNumber>\
         <AdapterType>5</AdapterType></DiskSettings></DiskSection>\
         <HardwareVersion>{hardware}</HardwareVersion></VmSpecSection>"
    )
}

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "6.6",
            Source,
            "a standalone VM is created by the link of its VDC; its task belongs to a hidden vApp that holds it alone",
            standalone_vm_created_link_vdc,
        ),
        fact(
            "6.6",
            Source,
            "a standalone VM is copied from the VM of a template",
            standalone_vm_copied_vm_template,
        ),
        fact(
            "6.5",
            Source,
            "a vApp is instantiated from a template with 201 and holds the template's VM",
            vapp_instantiated_template_holds_template,
        ),
        fact(
            "6.6",
            Source,
            "an empty VM comes into a vApp by CreateItem and a copy of it by SourcedItem; a DeleteItem takes one away",
            empty_vm_comes_vapp_createitem,
        ),
        fact(
            "6.5",
            Source,
            "a recomposition renames a vApp and describes it anew",
            recomposition_renames_vapp_describes_anew,
        ),
    ]
}

async fn standalone_vm_created_link_vdc(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let vdc = legacy.vdc().await;
    let link = link(&vdc, "add", CREATE_VM);
    let body = format!(
        "<CreateVmParams xmlns:ovf=\"{OVF}\" xmlns=\"{VCLOUD}\" name=\"alone\" powerOn=\"true\">\
         <Description>d</Description><CreateVm name=\"alone\">{}\
         <NetworkConnectionSection><ovf:Info/><NetworkConnection network=\"{}\">\
         <NetworkConnectionIndex>0</NetworkConnectionIndex><IsConnected>true</IsConnected>\
         <IpAddressAllocationMode>POOL</IpAddressAllocationMode></NetworkConnection>\
         </NetworkConnectionSection></CreateVm></CreateVmParams>",
        specification("vmx-19"),
        bench.tenant.network,
    );
    let task = legacy
        .done(&legacy.post(&link, CREATE_VM, &body).await)
        .await;
    let vapp = legacy.get(&attribute(&task, "<Owner ", "href")).await;
    assert!(vapp.contains("<autoNature>true</autoNature>"), "{vapp}");
    let vms = hrefs(&vapp, "<Vm ");
    assert_eq!(vms.len(), 1);
    let vm = legacy.get(&vms[0]).await;
    assert_eq!(attribute(&vm, "<Vm ", "status"), "4");
    for part in [
        "<IpAddress>",
        "debian10_64Guest",
        "<SizeMb>1024</SizeMb>",
        "name=\"alone\"",
    ] {
        assert!(vm.contains(part), "{part} in {vm}");
    }
    let undeploy = format!(
        "<UndeployVAppParams xmlns=\"{VCLOUD}\"><UndeployPowerAction>powerOff</UndeployPowerAction></UndeployVAppParams>"
    );
    let stopped = legacy
        .post(&format!("{}/action/undeploy", vms[0]), UNDEPLOY, &undeploy)
        .await;
    legacy.done(&stopped).await;
    legacy.done(&legacy.delete(&vms[0]).await).await;
    legacy.refused(&attribute(&task, "<Owner ", "href")).await;
    assert!(bench.world().vapps().is_empty());
}

async fn standalone_vm_copied_vm_template(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let link = link(&legacy.vdc().await, "add", FROM_VM_TEMPLATE);
    let body = format!(
        "<InstantiateVmTemplateParams xmlns:ovf=\"{OVF}\" xmlns=\"{VCLOUD}\" name=\"copy\" powerOn=\"false\">\
         <SourcedVmTemplateItem><Source href=\"{}\"/><VmGeneralParams><Name>copy</Name>\
         </VmGeneralParams></SourcedVmTemplateItem><AllEULAsAccepted>true</AllEULAsAccepted>\
         </InstantiateVmTemplateParams>",
        legacy.template_vm().await
    );
    let task = legacy
        .done(&legacy.post(&link, FROM_VM_TEMPLATE, &body).await)
        .await;
    let vapp = legacy.get(&attribute(&task, "<Owner ", "href")).await;
    let found = legacy.get("/api/query?type=vm&filter=name==copy").await;
    assert!(found.contains("isAutoNature=\"true\""), "{found}");
    assert_eq!(hrefs(&found, "<VMRecord "), hrefs(&vapp, "<Vm "));
}

async fn vapp_instantiated_template_holds_template(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let link = link(&legacy.vdc().await, "add", FROM_TEMPLATE);
    let query = format!(
        "/api/query?type=vAppTemplate&filter=catalogName=={}",
        bench.tenant.catalog
    );
    let template = hrefs(&legacy.get(&query).await, "<VAppTemplateRecord ")[0].clone();
    let body = format!(
        "<InstantiateVAppTemplateParams xmlns=\"{VCLOUD}\" name=\"app\" deploy=\"false\" powerOn=\"false\">\
         <Description/><Source href=\"{template}\"/><AllEULAsAccepted>true</AllEULAsAccepted>\
         </InstantiateVAppTemplateParams>"
    );
    let made = legacy
        .post(&link, FROM_TEMPLATE, &body)
        .await
        .expect(201)
        .text();
    legacy.succeeded(&made).await;
    let vapp = legacy.get(&attribute(&made, "<VApp ", "href")).await;
    assert_eq!(attribute(&vapp, "<VApp ", "status"), "8");
    assert_eq!(hrefs(&vapp, "<Vm ").len(), 1);
}

async fn empty_vm_comes_vapp_createitem(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let vapp = legacy.vapp("v").await;
    let body = |inner: &str| {
        format!(
            "<RecomposeVAppParams xmlns=\"{VCLOUD}\" xmlns:ovf=\"{OVF}\">{inner}</RecomposeVAppParams>"
        )
    };
    let create = body(&format!(
        "<CreateItem name=\"empty\"><Description>d</Description>{}</CreateItem>",
        specification("vmx-18")
    ));
    legacy.done(&legacy.recompose(&vapp, &create).await).await;
    let first = hrefs(&legacy.get(&vapp).await, "<Vm ")[0].clone();
    assert!(
        legacy
            .get(&first)
            .await
            .contains("<HardwareVersion>vmx-18</HardwareVersion>")
    );
    let copy = body(&format!(
        "<SourcedItem><Source href=\"{first}\" name=\"second\"/></SourcedItem>"
    ));
    legacy.done(&legacy.recompose(&vapp, &copy).await).await;
    let delete = body(&format!("<DeleteItem href=\"{first}\"/>"));
    legacy.done(&legacy.recompose(&vapp, &delete).await).await;
    assert_eq!(
        attributes(&legacy.get(&vapp).await, "<Vm ", "name"),
        ["second"]
    );
}

async fn recomposition_renames_vapp_describes_anew(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let vapp = legacy.vapp("v").await;
    let body = format!(
        "<RecomposeVAppParams xmlns=\"{VCLOUD}\" name=\"w\"><Description>new</Description></RecomposeVAppParams>"
    );
    legacy.done(&legacy.recompose(&vapp, &body).await).await;
    let shown = legacy.get(&vapp).await;
    assert_eq!(attribute(&shown, "<VApp ", "name"), "w");
    assert!(shown.contains("<Description>new</Description>"));
}
