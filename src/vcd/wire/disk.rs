//! `<Disk>`, the VMs it is attached to, and the request that detaches it.
//!
//! Source: VCD API 37.2, `Disk`, `Vms`, `DiskAttachOrDetachParams`.

use serde::{Deserialize, Serialize};

use super::inventory::{Reference, uuid_of};
use super::task::Tasks;
use super::xml::VCLOUD;
use crate::domain::ids::{DiskId, VmId};
use crate::vcd::error::VcdError;
use crate::vcd::model::Disk;
use crate::vcd::operation::Operation;

#[derive(Deserialize)]
pub(in crate::vcd) struct DiskElement {
    #[serde(rename = "@name")]
    name: String,
    #[serde(rename = "@href")]
    pub(in crate::vcd) href: String,
    #[serde(rename = "Description", default)]
    description: String,
    #[serde(rename = "Tasks", default)]
    tasks: Tasks,
}

impl DiskElement {
    /// The disk asked for as `id`.
    pub(in crate::vcd) fn into_disk(self, id: &DiskId) -> Disk {
        Disk {
            id: id.clone(),
            name: self.name,
            description: self.description,
            busy: self.tasks.any_running(),
        }
    }
}

#[derive(Deserialize)]
pub(in crate::vcd) struct VmReferences {
    #[serde(rename = "VmReference", default)]
    vms: Vec<Reference>,
}

impl VmReferences {
    pub(in crate::vcd) fn into_ids(self, op: Operation) -> Result<Vec<VmId>, VcdError> {
        let ids = self.vms.iter().map(|vm| {
            VmId::parse(&format!("urn:vcloud:vm:{}", uuid_of(&vm.href)))
                .map_err(|error| VcdError::unreadable(op, error.to_string()))
        });
        ids.collect()
    }
}

#[derive(Serialize)]
#[serde(rename = "DiskAttachOrDetachParams")]
pub(in crate::vcd) struct DetachDisk<'a> {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(rename = "Disk")]
    disk: DiskHref<'a>,
}

#[derive(Serialize)]
struct DiskHref<'a> {
    #[serde(rename = "@href")]
    href: &'a str,
}

impl<'a> DetachDisk<'a> {
    pub(in crate::vcd) fn new(href: &'a str) -> Self {
        Self {
            xmlns: VCLOUD,
            disk: DiskHref { href },
        }
    }
}
