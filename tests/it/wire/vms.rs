//! VMs: what is read of them, and changes that leave the rest of the machine alone.

use cse_server::domain::ids::{TaskId, VmId};
use cse_server::vcd::error::VcdError;
use cse_server::vcd::model::VcdStatus;

use super::site::{Client, Site, xml};
use super::xml_tree::{Node, OVF, VCLOUD, VMW};

const TASK: &str = "<Task xmlns=\"http://www.vmware.com/vcloud/v1.5\" status=\"running\" \
    id=\"urn:vcloud:task:0d9c\" href=\"https://vcd.example/api/task/0d9c\"/>";

/// As VCD writes it: declarations on the root and on the section, links among the hardware.
const VM: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Vm xmlns="http://www.vmware.com/vcloud/v1.5" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:vmw="http://www.vmware.com/schema/ovf"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="urn:vssd"
  needsCustomization="true" deployed="true" status="4" name="EPHEMERAL &lt;VM&gt;" id="urn:vcloud:vm:aa01" href="https://vcd.example/api/vApp/vm-aa01">
 <Link rel="power:powerOn" href="https://vcd.example/api/vApp/vm-aa01/power/action/powerOn"/>
 <Description>rde=x;e=1 &lt;&amp;</Description>
 <!-- comments may be anywhere -->
 <Tasks><Task status="success" id="urn:vcloud:task:1"/></Tasks>
 <ovf:VirtualHardwareSection xmlns:ns10="http://www.vmware.com/vcloud/v1.5" ovf:transport="" ns10:href="https://vcd.example/h" ns10:type="x">
  <ovf:Info>Virtual hardware requirements</ovf:Info>
  <ovf:System><vssd:ElementName>Virtual Hardware Family</vssd:ElementName></ovf:System>
  <ovf:Item><rasd:Address>00:50:56:01:00:0a</rasd:Address><rasd:Connection ns10:ipAddress="10.7.0.21">routed1</rasd:Connection></ovf:Item>
  <ovf:Item ns10:href="https://vcd.example/d"><rasd:HostResource ns10:capacity="20480"/></ovf:Item>
  <vmw:ExtraConfig ovf:required="true" vmw:key="guestinfo.cse.exit" vmw:value="0"/>
  <Link rel="edit" href="https://vcd.example/h"/>
  <vmw:ExtraConfig ovf:required="false" vmw:key="guestinfo.quoted" vmw:value="a&amp;b &quot;c&quot;&#10;d"/>
 </ovf:VirtualHardwareSection>
 <NetworkConnectionSection ovf:required="false"><ovf:Info>i</ovf:Info><PrimaryNetworkConnectionIndex>1</PrimaryNetworkConnectionIndex>
  <NetworkConnection network="a"><NetworkConnectionIndex>0</NetworkConnectionIndex><IpAddress>10.0.0.1</IpAddress></NetworkConnection>
  <NetworkConnection network="b"><NetworkConnectionIndex>1</NetworkConnectionIndex><IpAddress>10.7.0.21</IpAddress></NetworkConnection></NetworkConnectionSection>
 <GuestCustomizationSection><ComputerName>x</ComputerName></GuestCustomizationSection>
</Vm>"#;

fn id() -> VmId {
    VmId::parse("urn:vcloud:vm:aa01").unwrap()
}

fn task() -> TaskId {
    TaskId::parse("urn:vcloud:task:0d9c").unwrap()
}

async fn with_vm(vm: &str) -> (Site, Client) {
    let site = Site::start().await;
    site.answer("GET", "/api/vApp/vm-aa01", xml(200, vm)).await;
    let client = site.client().await;
    (site, client)
}

#[tokio::test]
async fn a_vm_is_read_with_its_primary_address_and_extra_config() {
    let (_site, client) = with_vm(VM).await;
    let vm = client.vm(&id()).await.unwrap();
    assert_eq!((&vm.id, vm.name.as_str()), (&id(), "EPHEMERAL <VM>"));
    assert_eq!(vm.description, "rde=x;e=1 <&");
    assert_eq!(
        (vm.status, vm.deployed, vm.busy),
        (VcdStatus::PoweredOn, true, false)
    );
    assert_eq!(vm.ip_address.as_deref(), Some("10.7.0.21"));
    let pairs: Vec<_> = vm
        .extra_config
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("guestinfo.cse.exit", "0"),
            ("guestinfo.quoted", "a&b \"c\"\nd")
        ]
    );
    assert!(!format!("{vm:?}").contains("guestinfo"));
}

#[tokio::test]
async fn a_vm_without_sections_is_a_vm() {
    let bare = "<Vm id=\"urn:vcloud:vm:aa01\" name=\"x\" status=\"-1\"/>";
    let (_site, client) = with_vm(bare).await;
    let vm = client.vm(&id()).await.unwrap();
    assert_eq!(
        (vm.status, vm.ip_address, vm.deployed),
        (VcdStatus::FailedCreation, None, false)
    );
}

#[tokio::test]
async fn a_large_user_data_survives_the_way_back() {
    let data = "QUJD".repeat(10_000);
    let vm = format!(
        "<Vm xmlns:vmw=\"{VMW}\" id=\"urn:vcloud:vm:aa01\" name=\"x\" status=\"8\"><VirtualHardwareSection>\
        <vmw:ExtraConfig vmw:key=\"guestinfo.userdata\" vmw:value=\"{data}\"/></VirtualHardwareSection></Vm>"
    );
    let (_site, client) = with_vm(&vm).await;
    let vm = client.vm(&id()).await.unwrap();
    assert_eq!(vm.extra_config["guestinfo.userdata"], data);
}

/// Goal: setting a key changes no hardware and does not clear the description with our marker.
#[tokio::test]
async fn extra_config_is_added_to_hardware_that_stays_as_it_was() {
    let (site, client) = with_vm(VM).await;
    let target = "/api/vApp/vm-aa01/action/reconfigureVm";
    site.answer("POST", target, xml(202, TASK)).await;
    let hostile = "\"/><ovf:Item/> <&'\n\tend";
    let pairs = [
        ("guestinfo.userdata", "QUJD=="),
        ("disk.enableUUID", "1"),
        ("odd", hostile),
    ];
    assert_eq!(
        client.set_extra_config(&id(), &pairs).await.unwrap(),
        task()
    );

    let request = site.only("POST", target).await;
    assert_eq!(
        request.headers["content-type"],
        "application/vnd.vmware.vcloud.vm+xml"
    );
    let (was, sent) = (Node::parse(VM.as_bytes()), Node::parse(&request.body));
    assert!(sent.is(VCLOUD, "Vm"));
    assert_eq!(sent.attribute("name"), Some("EPHEMERAL <VM>"));
    assert_eq!(
        sent.attribute("status"),
        None,
        "only what is changed, and the name"
    );
    assert_eq!(sent.order(), ["Description", "VirtualHardwareSection"]);
    assert_eq!(sent.at(&["Description"]), was.at(&["Description"]));

    let (before, after) = (
        was.at(&["VirtualHardwareSection"]),
        sent.at(&["VirtualHardwareSection"]),
    );
    assert!(after.is(OVF, "VirtualHardwareSection"));
    assert_eq!(after.at(&["Info"]), before.at(&["Info"]));
    assert_eq!(after.at(&["System"]), before.at(&["System"]));
    assert_eq!(after.all("Item"), before.all("Item"), "hardware");
    assert_eq!(after.order()[..4], ["Info", "System", "Item", "Item"]);
    let added: Vec<_> = after
        .all("ExtraConfig")
        .into_iter()
        .map(|pair| {
            assert!(pair.is(VMW, "ExtraConfig"));
            assert!(pair.attribute_in(OVF, "required").is_some());
            (
                pair.attribute_in(VMW, "key").unwrap(),
                pair.attribute_in(VMW, "value").unwrap(),
            )
        })
        .collect();
    assert_eq!(added, pairs, "the new keys, and no others");
    assert!(after.all("Link").is_empty());
}

#[tokio::test]
async fn extra_config_works_whatever_prefixes_vcd_uses() {
    let vm = format!(
        "<v:Vm xmlns:v=\"{VCLOUD}\" xmlns:o=\"{OVF}\" xmlns:vmw=\"urn:something-else\" v:x=\"1\" name=\"n\">\
        <v:Description/><o:VirtualHardwareSection><o:Info/><o:Item>1</o:Item></o:VirtualHardwareSection></v:Vm>"
    );
    let (site, client) = with_vm(&vm).await;
    let target = "/api/vApp/vm-aa01/action/reconfigureVm";
    site.answer("POST", target, xml(202, TASK)).await;
    client.set_extra_config(&id(), &[("k", "v")]).await.unwrap();
    let sent = Node::parse(&site.only("POST", target).await.body);
    assert!(sent.is(VCLOUD, "Vm"));
    let hardware = sent.at(&["VirtualHardwareSection"]);
    assert!(hardware.is(OVF, "VirtualHardwareSection"));
    let pair = hardware.at(&["ExtraConfig"]);
    assert_eq!(pair.attribute_in(VMW, "key"), Some("k"));
}

#[tokio::test]
async fn a_machine_that_shows_no_hardware_is_not_reconfigured() {
    for vm in [
        "<Vm name=\"x\"><Description/></Vm>",
        "<Vm name=\"x\"><ovf:VirtualHardwareSection></Vm>",
        "<VApp name=\"x\"><VirtualHardwareSection></VirtualHardwareSection></VApp>",
        "<Vm/>",
        "",
    ] {
        let (site, client) = with_vm(vm).await;
        let error = client
            .set_extra_config(&id(), &[("k", "v")])
            .await
            .unwrap_err();
        assert!(
            matches!(error, VcdError::Unreadable { .. }),
            "{vm}: {error:?}"
        );
        assert!(
            site.seen("POST", "/api/vApp/vm-aa01/action/reconfigureVm")
                .await
                .is_empty()
        );
    }
}

#[tokio::test]
async fn the_guest_gets_its_name_and_script_verbatim() {
    let (site, client) = with_vm(VM).await;
    let target = "/api/vApp/vm-aa01/guestCustomizationSection";
    site.answer("PUT", target, xml(202, TASK)).await;
    let script = "#!/bin/sh\nif [ \"$1\" = precustomization ]; then echo '<a>&b'; fi\n";
    assert_eq!(
        client
            .customise_guest(&id(), "host-1", script)
            .await
            .unwrap(),
        task()
    );
    let request = site.only("PUT", target).await;
    assert_eq!(
        request.headers["content-type"],
        "application/vnd.vmware.vcloud.guestCustomizationSection+xml"
    );
    let body = Node::parse(&request.body);
    assert!(body.is(VCLOUD, "GuestCustomizationSection"));
    assert!(body.at(&["Info"]).is(OVF, "Info"));
    assert_eq!(body.at(&["Enabled"]).text, "true");
    assert_eq!(body.at(&["CustomizationScript"]).text, script);
    assert_eq!(body.at(&["ComputerName"]).text, "host-1");
    assert_eq!(body.order().last(), Some(&"ComputerName"));
}

#[tokio::test]
async fn power_undeploy_and_delete_start_tasks() {
    let (site, client) = with_vm(VM).await;
    let power = "/api/vApp/vm-aa01/power/action/powerOn";
    let undeploy = "/api/vApp/vm-aa01/action/undeploy";
    site.answer("POST", power, xml(202, TASK)).await;
    site.answer("POST", undeploy, xml(202, TASK)).await;
    site.answer("DELETE", "/api/vApp/vm-aa01", xml(202, TASK))
        .await;
    assert_eq!(client.power_on(&id()).await.unwrap(), task());
    assert_eq!(client.undeploy_vm(&id()).await.unwrap(), task());
    assert_eq!(client.delete_vm(&id()).await.unwrap(), task());
    assert!(site.only("POST", power).await.body.is_empty());
    let body = Node::parse(&site.only("POST", undeploy).await.body);
    assert_eq!(body.at(&["UndeployPowerAction"]).text, "powerOff");
}
