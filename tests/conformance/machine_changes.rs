//! What can be changed of a VM: hardware, extra config, guest properties, network cards, media.

use super::fact::Mark::{Documents, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::legacy::{Legacy, attribute, attributes, link};

const VCLOUD: &str = "http://www.vmware.com/vcloud/v1.5";
const OVF: &str = "http://schemas.dmtf.org/ovf/envelope/1";
const HARDWARE: &str = "application/vnd.vmware.vcloud.virtualHardwareSection+xml";
const PRODUCTS: &str = "application/vnd.vmware.vcloud.productSections+xml";
const NICS: &str = "application/vnd.vmware.vcloud.networkConnectionSection+xml";
const MEDIA: &str = "application/vnd.vmware.vcloud.mediaInsertOrEjectParams+xml";

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "6.8",
            Source,
            "reconfigureVm changes CPUs, memory and disks; a disk without an id is new, one that is missing goes",
            reconfigurevm_changes_cpus_memory_disks,
        ),
        fact(
            "6.8",
            Source,
            "extra config is read and written as go-vcloud-director does it, and a key with a space is refused",
            extra_config_read_written_go,
        ),
        fact(
            "6.8",
            Source,
            "guest properties of a VM and of a vApp are written and read with their values",
            guest_properties_vm_vapp_written,
        ),
        fact(
            "6.8",
            Source,
            "network cards are added and removed by their section; each of mode POOL has an address of its own",
            network_cards_added_removed_their,
        ),
        fact(
            "6.8",
            Source,
            "media are inserted and ejected by the links of a VM",
            media_inserted_ejected_links_vm,
        ),
        fact(
            "6.8",
            Documents,
            "the hardware version is upgraded, disks are consolidated, snapshots come and go, each with 202",
            hardware_version_upgraded_disks_consolidated,
        ),
    ]
}

async fn reconfigurevm_changes_cpus_memory_disks(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let body = |disks: &str| {
        format!(
            "<Vm xmlns=\"{VCLOUD}\" xmlns:ovf=\"{OVF}\" name=\"m\"><VmSpecSection Modified=\"true\">\
             <ovf:Info/><NumCpus>4</NumCpus><MemoryResourceMb><Configured>8192</Configured>\
             </MemoryResourceMb><DiskSection>{disks}</DiskSection></VmSpecSection></Vm>"
        )
    };
    let boot = "<DiskSettings><DiskId>2000</DiskId><SizeMb>30720</SizeMb></DiskSettings>";
    let new = "<DiskSettings><SizeMb>100</SizeMb><UnitNumber>3</UnitNumber><BusNumber>0</BusNumber><AdapterType>5</AdapterType></DiskSettings>";
    legacy
        .reconfigure(&vm, &body(&format!("{boot}{new}")))
        .await;
    let shown = legacy.get(&vm).await;
    for part in [
        "<NumCpus>4<",
        "<Configured>8192<",
        "<SizeMb>30720<",
        "<DiskId>2003<",
        "<SizeMb>100<",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    legacy.reconfigure(&vm, &body(boot)).await;
    assert!(!legacy.get(&vm).await.contains("<DiskId>2003<"));
    let smaller = body(&boot.replace("30720", "1"));
    let answer = legacy
        .post(
            &format!("{vm}/action/reconfigureVm"),
            "application/vnd.vmware.vcloud.vm+xml",
            &smaller,
        )
        .await;
    answer.expect(400);
}

async fn extra_config_read_written_go(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let section = format!("{vm}/virtualHardwareSection/");
    let body = |key: &str, value: &str| {
        format!(
            "<ovf:VirtualHardwareSection xmlns:ovf=\"{OVF}\" xmlns:vmw=\"http://www.vmware.com/schema/ovf\">\
             <ovf:Info>Virtual hardware requirements</ovf:Info>\
             <vmw:ExtraConfig vmw:key=\"{key}\" vmw:value=\"{value}\" ovf:required=\"false\"/>\
             </ovf:VirtualHardwareSection>"
        )
    };
    legacy
        .done(
            &legacy
                .put(&section, HARDWARE, &body("guestinfo.a", "1"))
                .await,
        )
        .await;
    legacy
        .done(
            &legacy
                .put(&section, HARDWARE, &body("guestinfo.b", "2"))
                .await,
        )
        .await;
    let keys = attributes(&legacy.get(&section).await, "<vmw:ExtraConfig ", "vmw:key");
    assert_eq!(keys, ["guestinfo.a", "guestinfo.b"]);
    legacy
        .done(
            &legacy
                .put(&section, HARDWARE, &body("guestinfo.a", ""))
                .await,
        )
        .await;
    let keys = attributes(&legacy.get(&section).await, "<vmw:ExtraConfig ", "vmw:key");
    assert_eq!(keys, ["guestinfo.b"]);
    legacy
        .put(&section, HARDWARE, &body("a b", "1"))
        .await
        .expect(400);
}

async fn guest_properties_vm_vapp_written(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (vapp, vm) = legacy.machine("v", "m").await;
    assert!(
        legacy
            .get(&format!("{vm}/productSections"))
            .await
            .contains("VERSION")
    );
    // go-vcloud-director declares the namespace anew on every element.
    let body = format!(
        "<ProductSectionList xmlns:ovf=\"{OVF}\" xmlns=\"{VCLOUD}\"><ProductSection xmlns=\"{OVF}\">\
         <Info>Custom properties</Info><Property xmlns=\"{OVF}\" xmlns:_xmlns=\"xmlns\" key=\"cse.vcdHost\" \
         type=\"string\" userConfigurable=\"true\"><Label>host</Label><Value value=\"https://x\"/>\
         </Property></ProductSection></ProductSectionList>"
    );
    for object in [&vm, &vapp] {
        let path = format!("{object}/productSections");
        legacy.done(&legacy.put(&path, PRODUCTS, &body).await).await;
        let shown = legacy.get(&path).await;
        assert_eq!(
            attribute(&shown, "<ovf:Property ", "ovf:key"),
            "cse.vcdHost"
        );
        assert_eq!(attribute(&shown, "<ovf:Value ", "ovf:value"), "https://x");
    }
}

async fn network_cards_added_removed_their(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let network = &bench.tenant.network;
    let card = |index: u32, mode: &str| {
        format!(
            "<NetworkConnection network=\"{network}\"><NetworkConnectionIndex>{index}</NetworkConnectionIndex>\
             {mode}<IsConnected>true</IsConnected></NetworkConnection>"
        )
    };
    let pool = "<IpAddressAllocationMode>POOL</IpAddressAllocationMode>";
    let manual =
        "<IpAddress>10.1.7.7</IpAddress><IpAddressAllocationMode>MANUAL</IpAddressAllocationMode>";
    let body = |cards: String| {
        format!(
            "<NetworkConnectionSection xmlns=\"{VCLOUD}\" xmlns:ovf=\"{OVF}\"><ovf:Info/>\
             <PrimaryNetworkConnectionIndex>1</PrimaryNetworkConnectionIndex>{cards}</NetworkConnectionSection>"
        )
    };
    let path = format!("{vm}/networkConnectionSection/");
    let both = body(card(1, manual) + &card(0, pool));
    legacy.done(&legacy.put(&path, NICS, &both).await).await;
    let shown = legacy.get(&path).await;
    for part in [
        "<IpAddress>10.1.1.1<",
        "<IpAddress>10.1.7.7<",
        "<PrimaryNetworkConnectionIndex>1<",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    legacy
        .done(&legacy.put(&path, NICS, &body(card(0, pool))).await)
        .await;
    let shown = legacy.get(&path).await;
    assert_eq!(shown.matches("<NetworkConnection ").count(), 1);
}

async fn media_inserted_ejected_links_vm(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let found = legacy.get("/api/query?type=media").await;
    let medium = attribute(&found, "<MediaRecord ", "href");
    legacy.get(&medium).await;
    let shown = legacy.get(&vm).await;
    let body = format!(
        "<MediaInsertOrEjectParams xmlns=\"{VCLOUD}\"><Media href=\"{medium}\"/></MediaInsertOrEjectParams>"
    );
    let insert = link(&shown, "media:insertMedia", MEDIA);
    legacy.done(&legacy.post(&insert, MEDIA, &body).await).await;
    assert!(legacy.get(&vm).await.contains("vmware.cdrom.iso"));
    let eject = link(&shown, "media:ejectMedia", MEDIA);
    legacy.done(&legacy.post(&eject, MEDIA, &body).await).await;
    assert!(!legacy.get(&vm).await.contains("vmware.cdrom.iso"));
}

async fn hardware_version_upgraded_disks_consolidated(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    for action in [
        "consolidate",
        "upgradeHardwareVersion",
        "createSnapshot",
        "revertToCurrentSnapshot",
        "removeAllSnapshots",
    ] {
        legacy
            .done(&legacy.act(&format!("{vm}/action/{action}")).await)
            .await;
    }
    assert!(
        legacy
            .get(&vm)
            .await
            .contains("<HardwareVersion>vmx-20</HardwareVersion>")
    );
    legacy
        .act(&format!("{vm}/action/revertToCurrentSnapshot"))
        .await
        .expect(400);
}
