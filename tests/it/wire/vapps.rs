//! vApps: what is read of them, and what the requests about them mean.

use cse_server::domain::error_class::ErrorClass;
use cse_server::domain::ids::{TaskId, VappId, VdcId};
use cse_server::vcd::model::{NetworkRef, NewVm, VcdStatus};

use super::site::{Site, fault, xml};
use super::xml_tree::{Node, OVF, VCLOUD};

const TASK: &str = "<Task xmlns=\"http://www.vmware.com/vcloud/v1.5\" status=\"running\" \
    id=\"urn:vcloud:task:0d9c\" href=\"https://vcd.example/api/task/0d9c\"><Progress>1</Progress></Task>";

/// As VCD writes it: prefixes, links between elements of a list, a placeholder network.
const VAPP: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<vcloud:VApp xmlns:vcloud="http://www.vmware.com/vcloud/v1.5" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  name="blue_ephemeral_vapp" id="urn:vcloud:vapp:33dd" href="https://vcd.example/api/vApp/vapp-33dd" status="10" deployed="true">
 <vcloud:Link rel="up" href="https://vcd.example/api/vdc/22cc"/>
 <vcloud:Description>rde=urn:vcloud:entity:x;e=1;i=a &lt;&amp;&gt;</vcloud:Description>
 <vcloud:Tasks><vcloud:Task status="success" id="urn:vcloud:task:1"/><vcloud:Task status="queued" id="urn:vcloud:task:2"/></vcloud:Tasks>
 <vcloud:NetworkConfigSection ovf:required="false"><ovf:Info>networks</ovf:Info>
  <vcloud:NetworkConfig networkName="none"><vcloud:Description/></vcloud:NetworkConfig>
  <vcloud:Link rel="edit" href="https://vcd.example/x"/>
  <vcloud:NetworkConfig networkName="routed1"><vcloud:Configuration/></vcloud:NetworkConfig>
 </vcloud:NetworkConfigSection>
 <vcloud:Children>
  <vcloud:Vm name="EPHEMERAL_TEMP_VM" id="urn:vcloud:vm:aa01" status="8" deployed="false"><vcloud:Description>marker</vcloud:Description>
   <vcloud:NetworkConnectionSection><vcloud:NetworkConnection network="routed1"/></vcloud:NetworkConnectionSection></vcloud:Vm>
  <vcloud:Vm name="second" id="urn:vcloud:vm:aa02" status="4" deployed="true"/>
 </vcloud:Children>
</vcloud:VApp>"#;

fn id() -> VappId {
    VappId::parse("urn:vcloud:vapp:33dd").unwrap()
}

fn task() -> TaskId {
    TaskId::parse("urn:vcloud:task:0d9c").unwrap()
}

fn new_vm() -> NewVm {
    NewVm {
        name: "EPHEMERAL_TEMP_VM".to_owned(),
        description: "rde=<&\"';e=1".to_owned(),
        computer_name: "ephemeral".to_owned(),
        template_vm_href: "https://vcd.example/api/vAppTemplate/vm-99?a=1&b=2".to_owned(),
        network: "net \"one\" <&>".to_owned(),
        sizing_policy_urn: Some("urn:vcloud:vdcComputePolicy:66aa".to_owned()),
        storage_profile_href: Some("https://vcd.example/api/vdcStorageProfile/55ff".to_owned()),
        customization_script: "#!/bin/bash\n[ \"$1\" = 'x' ] && echo <a> \t]]>\n".to_owned(),
    }
}

#[tokio::test]
async fn a_vapp_is_read_with_its_networks_vms_and_running_tasks() {
    let site = Site::start().await;
    site.answer("GET", "/api/vApp/vapp-33dd", xml(200, VAPP))
        .await;
    let vapp = site.client().await.vapp(&id()).await.unwrap();
    assert_eq!(
        (vapp.name.as_str(), &vapp.id),
        ("blue_ephemeral_vapp", &id())
    );
    assert_eq!(vapp.description, "rde=urn:vcloud:entity:x;e=1;i=a <&>");
    assert_eq!(
        (vapp.status, vapp.deployed, vapp.busy),
        (VcdStatus::Mixed, true, true)
    );
    assert_eq!(vapp.networks, ["routed1"], "the placeholder is no network");
    let vms: Vec<_> = vapp
        .vms
        .iter()
        .map(|vm| (vm.id.as_str(), vm.status, vm.deployed))
        .collect();
    let want = [
        ("urn:vcloud:vm:aa01", VcdStatus::PoweredOff, false),
        ("urn:vcloud:vm:aa02", VcdStatus::PoweredOn, true),
    ];
    assert_eq!(vms, want);
    assert_eq!(vapp.vms[0].description, "marker");
}

#[tokio::test]
async fn composing_asks_for_an_empty_vapp_that_is_off() {
    let site = Site::start().await;
    let target = "/api/vdc/22cc/action/composeVApp";
    let created = "<VApp xmlns=\"http://www.vmware.com/vcloud/v1.5\" name=\"blue\" id=\"urn:vcloud:vapp:33dd\" \
        status=\"0\" deployed=\"false\"><Tasks><Task status=\"running\" id=\"urn:vcloud:task:1\"/></Tasks></VApp>";
    site.answer("POST", target, xml(201, created)).await;
    let vdc = VdcId::parse("urn:vcloud:vdc:22cc").unwrap();
    let name = "a\"<b>&'";
    let description = "rde=x;e=1\nsecond line </Description><Evil/>";
    let vapp = site
        .client()
        .await
        .compose_vapp(&vdc, name, description)
        .await
        .unwrap();
    assert_eq!(
        (vapp.id, vapp.status, vapp.busy),
        (id(), VcdStatus::Unresolved, true)
    );

    let request = site.only("POST", target).await;
    assert_eq!(
        request.headers["content-type"],
        "application/vnd.vmware.vcloud.composeVAppParams+xml"
    );
    assert_eq!(request.headers["accept"], "application/*+xml;version=37.2");
    let body = Node::parse(&request.body);
    assert!(body.is(VCLOUD, "ComposeVAppParams"));
    assert_eq!(body.attribute("name"), Some(name));
    assert_eq!(body.attribute("deploy"), Some("false"));
    assert_eq!(body.attribute("powerOn"), Some("false"));
    assert_eq!(body.order(), ["Description", "AllEULAsAccepted"]);
    assert_eq!(body.at(&["Description"]).text, description);
}

/// The request that adds `vm` to the vApp above.
async fn recompose(vm: &NewVm) -> Node {
    let site = Site::start().await;
    site.answer("GET", "/api/vApp/vapp-33dd", xml(200, VAPP))
        .await;
    let target = "/api/vApp/vapp-33dd/action/recomposeVApp";
    site.answer("POST", target, xml(202, TASK)).await;
    assert_eq!(site.client().await.add_vm(&id(), vm).await.unwrap(), task());
    let request = site.only("POST", target).await;
    let media = "application/vnd.vmware.vcloud.recomposeVAppParams+xml";
    assert_eq!(request.headers["content-type"], media);
    Node::parse(&request.body)
}

#[tokio::test]
async fn adding_a_vm_powers_nothing_on_and_keeps_name_and_description_of_the_vapp() {
    let body = recompose(&new_vm()).await;
    assert!(body.is(VCLOUD, "RecomposeVAppParams"));
    assert_eq!(body.attribute("name"), Some("blue_ephemeral_vapp"));
    assert_eq!(body.attribute("deploy"), Some("false"));
    assert_eq!(body.attribute("powerOn"), Some("false"));
    let description = &body.at(&["Description"]).text;
    assert_eq!(description, "rde=urn:vcloud:entity:x;e=1;i=a <&>");
    let order = ["Description", "SourcedItem", "AllEULAsAccepted"];
    assert_eq!(body.order(), order);
}

#[tokio::test]
async fn a_new_vm_comes_from_its_template_with_its_marker_and_policies() {
    let vm = new_vm();
    let body = recompose(&vm).await;
    let item = body.at(&["SourcedItem"]);
    let order = [
        "Source",
        "VmGeneralParams",
        "VAppScopedLocalId",
        "InstantiationParams",
        "StorageProfile",
        "ComputePolicy",
    ];
    assert_eq!(item.order(), order);
    let source = item.at(&["Source"]).attribute("href");
    assert_eq!(source, Some(vm.template_vm_href.as_str()));
    let general = item.at(&["VmGeneralParams"]);
    assert_eq!(general.at(&["Name"]).text, vm.name);
    assert_eq!(general.at(&["Description"]).text, vm.description);
    assert_eq!(general.at(&["NeedsCustomization"]).text, "true");
    let profile = item.at(&["StorageProfile"]).attribute("href");
    assert_eq!(profile, vm.storage_profile_href.as_deref());
    let policy = item.at(&["ComputePolicy", "VmSizingPolicy"]);
    let policy = policy.attribute("href");
    assert_eq!(policy, vm.sizing_policy_urn.as_deref());
}

#[tokio::test]
async fn a_new_vm_gets_its_script_its_name_and_an_address_of_the_pool() {
    let vm = new_vm();
    let body = recompose(&vm).await;
    let params = body.at(&["SourcedItem", "InstantiationParams"]);
    let guest = params.at(&["GuestCustomizationSection"]);
    assert!(guest.at(&["Info"]).is(OVF, "Info"));
    let script = guest.at(&["CustomizationScript"]);
    assert!(script.is(VCLOUD, "CustomizationScript"));
    assert_eq!(script.text, vm.customization_script);
    assert_eq!(guest.at(&["ComputerName"]).text, "ephemeral");
    let network = params.at(&["NetworkConnectionSection"]);
    assert!(network.at(&["Info"]).is(OVF, "Info"));
    let connection = network.at(&["NetworkConnection"]);
    assert_eq!(connection.attribute("network"), Some(vm.network.as_str()));
    assert_eq!(connection.at(&["IpAddressAllocationMode"]).text, "POOL");
    assert_eq!(connection.at(&["NetworkAdapterType"]).text, "VMXNET3");
}

#[tokio::test]
async fn what_is_not_chosen_is_left_to_the_vdc() {
    let vm = NewVm {
        sizing_policy_urn: None,
        storage_profile_href: None,
        ..new_vm()
    };
    let body = recompose(&vm).await;
    let item = body.at(&["SourcedItem"]);
    assert!(item.all("StorageProfile").is_empty() && item.all("ComputePolicy").is_empty());
}

/// Goal: adding a network never removes or changes one that is there, whatever it looks like.
#[tokio::test]
async fn a_network_is_added_behind_those_that_are_there() {
    let there = "<NetworkConfig networkName=\"own\"><Configuration><Features><Odd x=\"&lt;1&gt;\"/></Features>\
        <FenceMode>natRouted</FenceMode></Configuration></NetworkConfig>";
    let section = |inner: &str| {
        format!(
            "<?xml version=\"1.0\"?>\n<NetworkConfigSection xmlns=\"{VCLOUD}\" xmlns:ovf=\"{OVF}\" ovf:required=\"false\">\
            <ovf:Info>networks</ovf:Info>{inner}</NetworkConfigSection>\n"
        )
    };
    let prefixed = format!(
        "<v:NetworkConfigSection xmlns:v=\"{VCLOUD}\" xmlns:ovf=\"{OVF}\"><ovf:Info/></v:NetworkConfigSection>"
    );
    let bare = format!("<NetworkConfigSection xmlns=\"{VCLOUD}\"/>");
    for (present, before) in [
        (section(there), 1),
        (section(""), 0),
        (prefixed, 0),
        (bare, 0),
    ] {
        let site = Site::start().await;
        let target = "/api/vApp/vapp-33dd/networkConfigSection/";
        site.answer("GET", target, xml(200, &present)).await;
        site.answer("PUT", target, xml(202, TASK)).await;
        let href = "https://vcd.example/api/network/44ee?a&b".to_owned();
        let network = NetworkRef {
            name: "routed \"1\" <&>".to_owned(),
            href,
        };
        let started = site
            .client()
            .await
            .add_vapp_network(&id(), &network)
            .await
            .unwrap();
        assert_eq!(started, task());

        let request = site.only("PUT", target).await;
        assert_eq!(
            request.headers["content-type"],
            "application/vnd.vmware.vcloud.networkConfigSection+xml"
        );
        let (was, sent) = (Node::parse(present.as_bytes()), Node::parse(&request.body));
        assert!(sent.is(VCLOUD, "NetworkConfigSection"));
        let configs = sent.all("NetworkConfig");
        assert_eq!(configs.len(), before + 1);
        assert_eq!(
            was.children[..],
            sent.children[..was.children.len()],
            "copied as it was"
        );
        let added = configs[before];
        assert!(added.is(VCLOUD, "NetworkConfig"));
        assert_eq!(added.attribute("networkName"), Some(network.name.as_str()));
        let parent = added.at(&["Configuration", "ParentNetwork"]);
        assert_eq!(parent.attribute("href"), Some(network.href.as_str()));
        assert_eq!(added.at(&["Configuration", "FenceMode"]).text, "bridged");
    }
}

#[tokio::test]
async fn a_network_that_is_there_is_not_added_again() {
    let site = Site::start().await;
    let target = "/api/vApp/vapp-33dd/networkConfigSection/";
    let present = format!(
        "<NetworkConfigSection xmlns=\"{VCLOUD}\">\
        <NetworkConfig networkName=\"a &amp; b\"><Configuration/></NetworkConfig></NetworkConfigSection>"
    );
    site.answer("GET", target, xml(200, &present)).await;
    site.answer("PUT", target, xml(202, TASK)).await;
    let network = NetworkRef {
        name: "a & b".to_owned(),
        href: "https://vcd.example/n".to_owned(),
    };
    site.client()
        .await
        .add_vapp_network(&id(), &network)
        .await
        .unwrap();
    let sent = site.only("PUT", target).await.body;
    assert_eq!(Node::parse(&sent), Node::parse(present.as_bytes()));
}

#[tokio::test]
async fn undeploy_and_delete_start_tasks() {
    let site = Site::start().await;
    let undeploy = "/api/vApp/vapp-33dd/action/undeploy";
    site.answer("POST", undeploy, xml(202, TASK)).await;
    site.answer("DELETE", "/api/vApp/vapp-33dd", xml(202, TASK))
        .await;
    let client = site.client().await;
    assert_eq!(client.undeploy_vapp(&id()).await.unwrap(), task());
    assert_eq!(client.delete_vapp(&id()).await.unwrap(), task());
    let request = site.only("POST", undeploy).await;
    assert_eq!(
        request.headers["content-type"],
        "application/vnd.vmware.vcloud.undeployVAppParams+xml"
    );
    let body = Node::parse(&request.body);
    assert!(body.is(VCLOUD, "UndeployVAppParams"));
    assert_eq!(body.at(&["UndeployPowerAction"]).text, "powerOff");
}

#[tokio::test]
async fn undeploying_what_is_not_deployed_is_refused_for_good() {
    let site = Site::start().await;
    let refusal = fault(400, "BAD_REQUEST", "The vApp is not running.");
    site.answer("POST", "/api/vApp/vapp-33dd/action/undeploy", refusal)
        .await;
    let error = site.client().await.undeploy_vapp(&id()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Terminal);
    assert_eq!(error.message(), Some("The vApp is not running."));
}
