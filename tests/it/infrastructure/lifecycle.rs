//! A vApp and its VM from composition to deletion.

use crate::support::lab::{Lab, path_of};
use crate::support::site::Ask;
use crate::support::xml;

const MARKER: &str = "rde=urn:vcloud:entity:vmware:capvcdCluster:1;e=3;i=abc";

/// A lab with a vApp `v` and one powered-off VM `m`; returns both paths.
fn with_vm() -> (Lab, String, String) {
    let mut lab = Lab::new();
    let vapp = lab.vapp("v", MARKER);
    let answer = lab.recompose(&vapp, "m", MARKER);
    lab.succeed(&answer);
    let vm = lab.vm_path(&vapp, "m");
    (lab, vapp, vm)
}

#[test]
fn a_composed_vapp_is_listed_at_once_and_ready_after_its_task() {
    let mut lab = Lab::new();
    let answer = lab.compose("v", MARKER);
    let document = answer.text();
    assert_eq!(answer.status(), 201, "{document}");
    assert_eq!(xml::attribute(&document, "VApp", "status"), "0");
    assert_eq!(xml::attribute(&document, "Task", "status"), "running");
    assert!(document.contains("<NetworkConfigSection "), "{document}");
    let vdc = lab.vdc_path();
    let names = xml::all(&lab.get(&vdc), "ResourceEntity", "name");
    assert!(names.contains(&"v".to_owned()), "{names:?}");
    lab.wait(10);
    let document = lab.get(&path_of(&xml::attribute(&document, "VApp", "href")));
    assert_eq!(xml::attribute(&document, "VApp", "status"), "8");
    assert!(!document.contains("<Tasks>"), "{document}");
    assert_eq!(xml::texts(&document, "Description"), [MARKER]);
}

#[test]
fn a_copy_is_unresolved_until_its_task_ends_and_then_has_an_address() {
    let mut lab = Lab::new();
    let vapp = lab.vapp("v", MARKER);
    let answer = lab.recompose(&vapp, "m", MARKER);
    assert_eq!(answer.status(), 202, "{}", answer.text());
    let vm = lab.vm_path(&vapp, "m");
    let busy = lab.get(&vm);
    assert_eq!(xml::attribute(&busy, "Vm", "status"), "0");
    assert_eq!(xml::attribute(&busy, "Task", "status"), "running");
    assert!(!busy.contains("<IpAddress>"), "{busy}");
    lab.succeed(&answer);
    let document = lab.get(&vm);
    assert_eq!(xml::attribute(&document, "Vm", "status"), "8");
    assert_eq!(xml::attribute(&document, "Vm", "deployed"), "false");
    assert_eq!(xml::texts(&document, "IpAddress"), ["10.1.1.1"]);
    for section in [
        "ovf:VirtualHardwareSection",
        "NetworkConnectionSection",
        "VmSpecSection",
    ] {
        assert!(
            document.contains(&format!("<{section} ")),
            "{section} in {document}"
        );
    }
    for prefix in [
        "vmext", "ovf", "vssd", "common", "rasd", "vmw", "ovfenv", "ns9", "ns10",
    ] {
        assert!(
            document.contains(&format!("xmlns:{prefix}=")),
            "{prefix} in {document}"
        );
    }
    let children = lab.get(&vapp);
    let descriptions = xml::texts(&children, "Description");
    assert_eq!(descriptions.last().map(String::as_str), Some(MARKER));
}

#[test]
fn extra_config_is_merged_and_an_empty_value_removes_a_key() {
    let (mut lab, _, vm) = with_vm();
    let answer = lab.extra_config(&vm, &[("a", "1"), ("b", "2")]);
    lab.succeed(&answer);
    let answer = lab.extra_config(
        &vm,
        &[("b", "3"), ("guestinfo.userdata", &"x".repeat(120_000))],
    );
    lab.succeed(&answer);
    let body = "<VirtualHardwareSection><vmw:ExtraConfig vmw:key=\"a\" vmw:value=\"\"/></VirtualHardwareSection>";
    let answer = lab.xml(Ask::put(&format!("{vm}/virtualHardwareSection/")).body(body));
    lab.succeed(&answer);
    let section = lab.get(&format!("{vm}/virtualHardwareSection/"));
    assert_eq!(
        xml::all(&section, "ExtraConfig", "key"),
        ["b", "guestinfo.userdata"]
    );
    assert_eq!(xml::all(&section, "ExtraConfig", "value")[0], "3");
}

#[test]
fn a_vm_goes_on_off_and_away_and_each_effect_is_counted_once() {
    let (mut lab, vapp, vm) = with_vm();
    let answer = lab.xml(Ask::post(&format!("{vm}/power/action/powerOn")));
    lab.succeed(&answer);
    let document = lab.get(&vapp);
    assert_eq!(xml::attribute(&document, "VApp", "status"), "4");
    assert_eq!(xml::attribute(&document, "VApp", "deployed"), "true");
    let body = "<UndeployVAppParams><UndeployPowerAction>powerOff</UndeployPowerAction></UndeployVAppParams>";
    let answer = lab.xml(Ask::post(&format!("{vm}/action/undeploy")).body(body));
    lab.succeed(&answer);
    let answer = lab.xml(Ask::delete(&vm));
    lab.succeed(&answer);
    let answer = lab.xml(Ask::delete(&vapp));
    lab.succeed(&answer);
    assert_eq!(lab.xml(Ask::get(&vapp)).status(), 403);
    assert_eq!(lab.world.bootstrap_leftovers(), Vec::<String>::new());
    for effect in [
        "vapp.composed",
        "vm.created",
        "vm.powered_on",
        "vm.deleted",
        "vapp.deleted",
    ] {
        let count = lab.world.effects().get(&(effect.into(), MARKER.to_owned()));
        assert_eq!(count, Some(&1), "{effect}");
    }
}

#[test]
fn guest_customization_is_pending_until_the_guest_has_booted() {
    let (mut lab, _, vm) = with_vm();
    let body = "<GuestCustomizationSection><Enabled>true</Enabled>\
                <CustomizationScript>#!/bin/sh\necho a &amp; b</CustomizationScript>\
                <ComputerName>host-1</ComputerName></GuestCustomizationSection>";
    let answer = lab.xml(Ask::put(&format!("{vm}/guestCustomizationSection")).body(body));
    lab.succeed(&answer);
    let section = lab.get(&format!("{vm}/guestCustomizationSection/"));
    assert_eq!(xml::texts(&section, "ComputerName"), ["host-1"]);
    let status = format!("{vm}/guestcustomizationstatus");
    assert_eq!(
        xml::texts(&lab.get(&status), "GuestCustStatus"),
        ["GC_PENDING"]
    );
    let answer = lab.xml(Ask::post(&format!("{vm}/power/action/powerOn")));
    lab.succeed(&answer);
    lab.wait(60);
    assert_eq!(
        xml::texts(&lab.get(&status), "GuestCustStatus"),
        ["GC_COMPLETE"]
    );
}

#[test]
fn a_network_section_keeps_what_was_put() {
    let (mut lab, vapp, _) = with_vm();
    let section = lab.get(&format!("{vapp}/networkConfigSection/"));
    assert_eq!(
        xml::all(&section, "NetworkConfig", "networkName"),
        ["acme-net"]
    );
    assert_eq!(xml::texts(&section, "FenceMode"), ["bridged"]);
}

#[test]
fn metadata_is_written_read_and_deleted_by_key() {
    let (mut lab, vapp, _) = with_vm();
    let value = "<MetadataValue xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
                 <TypedValue xsi:type=\"MetadataStringValue\"><Value>urn:x</Value></TypedValue></MetadataValue>";
    let path = format!("{vapp}/metadata/CapvcdInfraId");
    let answer = lab.xml(Ask::put(&path).body(value));
    lab.succeed(&answer);
    assert_eq!(xml::texts(&lab.get(&path), "Value"), ["urn:x"]);
    let all = lab.get(&format!("{vapp}/metadata/"));
    assert_eq!(xml::texts(&all, "Key"), ["CapvcdInfraId"]);
    let answer = lab.xml(Ask::delete(&path));
    lab.succeed(&answer);
    assert_eq!(lab.xml(Ask::get(&path)).status(), 403);
}

#[test]
fn a_recompose_takes_vms_away() {
    let (mut lab, vapp, vm) = with_vm();
    let body = format!(
        "<RecomposeVAppParams><DeleteItem href=\"https://vcd.example{vm}\"/></RecomposeVAppParams>"
    );
    let answer = lab.xml(Ask::post(&format!("{vapp}/action/recomposeVApp")).body(&body));
    lab.succeed(&answer);
    assert_eq!(lab.xml(Ask::get(&vm)).status(), 403);
}
