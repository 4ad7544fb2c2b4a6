//! Bodies that are written from scratch: compose, recompose, undeploy, guest customization.
//!
//! Invariants:
//! - Elements come in the order of VCD's schema, with every prefix declared on the root.
//! - Nothing here powers a VM on: `deploy` and `powerOn` are always false.
//!
//! Source: VCD API 37.2 schemas; CAPVCD and go-vcloud-director for what VCD accepts in practice.

use serde::Serialize;

use super::xml::{OVF, VCLOUD};
use crate::vcd::model::{NewVm, Vapp};

/// What `ovf:Info` of every section says; VCD demands the element, not a text.
const INFO: &str = "Set by cse-server";

#[derive(Serialize)]
#[serde(rename = "ComposeVAppParams")]
pub(in crate::vcd) struct ComposeVapp<'a> {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(rename = "@name")]
    name: &'a str,
    #[serde(rename = "@deploy")]
    deploy: bool,
    #[serde(rename = "@powerOn")]
    power_on: bool,
    #[serde(rename = "Description")]
    description: &'a str,
    #[serde(rename = "AllEULAsAccepted")]
    eulas_accepted: bool,
}

impl<'a> ComposeVapp<'a> {
    pub(in crate::vcd) fn new(name: &'a str, description: &'a str) -> Self {
        let (deploy, power_on, eulas_accepted) = (false, false, true);
        Self {
            xmlns: VCLOUD,
            name,
            deploy,
            power_on,
            description,
            eulas_accepted,
        }
    }
}

#[derive(Serialize)]
#[serde(rename = "RecomposeVAppParams")]
pub(in crate::vcd) struct AddVm<'a> {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(rename = "@xmlns:ovf")]
    xmlns_ovf: &'static str,
    #[serde(rename = "@name")]
    name: &'a str,
    #[serde(rename = "@deploy")]
    deploy: bool,
    #[serde(rename = "@powerOn")]
    power_on: bool,
    #[serde(rename = "Description")]
    description: &'a str,
    #[serde(rename = "SourcedItem")]
    item: SourcedItem<'a>,
    #[serde(rename = "AllEULAsAccepted")]
    eulas_accepted: bool,
}

#[derive(Serialize)]
struct SourcedItem<'a> {
    #[serde(rename = "Source")]
    source: Source<'a>,
    #[serde(rename = "VmGeneralParams")]
    general: GeneralParams<'a>,
    #[serde(rename = "VAppScopedLocalId")]
    local_id: &'a str,
    #[serde(rename = "InstantiationParams")]
    instantiation: InstantiationParams<'a>,
    #[serde(rename = "StorageProfile", skip_serializing_if = "Option::is_none")]
    storage_profile: Option<Href<'a>>,
    #[serde(rename = "ComputePolicy", skip_serializing_if = "Option::is_none")]
    compute_policy: Option<ComputePolicy<'a>>,
}

#[derive(Serialize)]
struct Source<'a> {
    #[serde(rename = "@href")]
    href: &'a str,
    #[serde(rename = "@name")]
    name: &'a str,
}

#[derive(Serialize)]
struct Href<'a> {
    #[serde(rename = "@href")]
    href: &'a str,
}

#[derive(Serialize)]
struct GeneralParams<'a> {
    #[serde(rename = "Name")]
    name: &'a str,
    #[serde(rename = "Description")]
    description: &'a str,
    #[serde(rename = "NeedsCustomization")]
    needs_customization: bool,
    #[serde(rename = "RegenerateBiosUuid")]
    regenerate_bios_uuid: bool,
}

#[derive(Serialize)]
struct InstantiationParams<'a> {
    #[serde(rename = "GuestCustomizationSection")]
    guest: GuestSection<'a>,
    #[serde(rename = "NetworkConnectionSection")]
    network: ConnectionSection<'a>,
}

/// Guest customization, on its own or within a recompose; the namespaces only when on its own.
///
/// No password is set: nobody logs in to a bootstrap VM.
#[derive(Serialize)]
#[serde(rename = "GuestCustomizationSection")]
pub(in crate::vcd) struct GuestSection<'a> {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    xmlns: Option<&'static str>,
    #[serde(rename = "@xmlns:ovf", skip_serializing_if = "Option::is_none")]
    xmlns_ovf: Option<&'static str>,
    #[serde(rename = "ovf:Info")]
    info: &'static str,
    #[serde(rename = "Enabled")]
    enabled: bool,
    #[serde(rename = "AdminPasswordEnabled")]
    admin_password: bool,
    #[serde(rename = "ResetPasswordRequired")]
    reset_password: bool,
    #[serde(rename = "CustomizationScript")]
    script: &'a str,
    #[serde(rename = "ComputerName")]
    computer_name: &'a str,
}

impl<'a> GuestSection<'a> {
    fn nested(computer_name: &'a str, script: &'a str) -> Self {
        let (enabled, admin_password, reset_password) = (true, false, false);
        let (xmlns, xmlns_ovf, info) = (None, None, INFO);
        Self {
            xmlns,
            xmlns_ovf,
            info,
            enabled,
            admin_password,
            reset_password,
            script,
            computer_name,
        }
    }

    /// A document of its own.
    pub(in crate::vcd) fn document(computer_name: &'a str, script: &'a str) -> Self {
        let nested = Self::nested(computer_name, script);
        Self {
            xmlns: Some(VCLOUD),
            xmlns_ovf: Some(OVF),
            ..nested
        }
    }
}

#[derive(Serialize)]
struct ConnectionSection<'a> {
    #[serde(rename = "ovf:Info")]
    info: &'static str,
    #[serde(rename = "PrimaryNetworkConnectionIndex")]
    primary: u32,
    #[serde(rename = "NetworkConnection")]
    connection: Connection<'a>,
}

#[derive(Serialize)]
struct Connection<'a> {
    #[serde(rename = "@network")]
    network: &'a str,
    #[serde(rename = "NetworkConnectionIndex")]
    index: u32,
    #[serde(rename = "IsConnected")]
    connected: bool,
    #[serde(rename = "IpAddressAllocationMode")]
    allocation: &'static str,
    #[serde(rename = "NetworkAdapterType")]
    adapter: &'static str,
}

#[derive(Serialize)]
struct ComputePolicy<'a> {
    /// The bare URN, not a URL: that is what VCD takes here.
    #[serde(rename = "VmSizingPolicy")]
    sizing: Href<'a>,
}

impl<'a> AddVm<'a> {
    /// Into `vapp`, whose name and description are repeated: VCD would clear what is left out.
    pub(in crate::vcd) fn new(vapp: &'a Vapp, vm: &'a NewVm) -> Self {
        let connection = Connection {
            network: &vm.network,
            index: 0,
            connected: true,
            allocation: "POOL",
            adapter: "VMXNET3",
        };
        let item = SourcedItem {
            source: Source {
                href: &vm.template_vm_href,
                name: &vm.name,
            },
            general: GeneralParams {
                name: &vm.name,
                description: &vm.description,
                needs_customization: true,
                regenerate_bios_uuid: true,
            },
            local_id: &vm.name,
            instantiation: InstantiationParams {
                guest: GuestSection::nested(&vm.computer_name, &vm.customization_script),
                network: ConnectionSection {
                    info: INFO,
                    primary: 0,
                    connection,
                },
            },
            storage_profile: vm.storage_profile_href.as_deref().map(|href| Href { href }),
            compute_policy: vm.sizing_policy_urn.as_deref().map(|href| ComputePolicy {
                sizing: Href { href },
            }),
        };
        Self {
            xmlns: VCLOUD,
            xmlns_ovf: OVF,
            name: &vapp.name,
            deploy: false,
            power_on: false,
            description: &vapp.description,
            item,
            eulas_accepted: true,
        }
    }
}

#[derive(Serialize)]
#[serde(rename = "UndeployVAppParams")]
pub(in crate::vcd) struct Undeploy {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(rename = "UndeployPowerAction")]
    action: &'static str,
}

impl Undeploy {
    /// Without asking the guest to shut down: a bootstrap VM has nothing to save.
    pub(in crate::vcd) const POWER_OFF: Self = Self {
        xmlns: VCLOUD,
        action: "powerOff",
    };
}
