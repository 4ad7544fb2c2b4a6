//! Requests on named disks: create, read, change, delete, attach, detach.
//!
//! Flow: look up -> rights -> body -> `infra::volumes`.
//!
//! Source: VCD API, `POST /api/vdc/{uuid}/disk`, `/api/disk/{uuid}`, `disk/action/attach` of a VM;
//! go-vcloud-director and the named-disk CSI driver follow the links of VDC, disk and VM.

use http::Method;

use super::access::{refused, require, right, sees};
use super::disk::{Disk, Slot};
use super::disk_document::{self as document, DISK, VMS, disk_reference};
use super::disk_effects::{DiskChange, Properties};
use super::machine::Vm;
use super::operations::{Change, Kind};
use super::vm_changes::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, checked, number};
use super::volumes::{NewDisk, attached};
use super::{Desk, Infra, metadata, require_method, vdcs};
use crate::sim::call::Call;
use crate::sim::directory::bare;
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::Starter;
use crate::sim::xml::Element;

/// Largest disk accepted, in MiB: 62 TiB, as vSphere has it.
const MAX_SIZE_MIB: u64 = 62 * 1024 * 1024;

/// The disk, if the caller may see it.
fn visible<'a>(call: &Call<'_>, infra: &'a Infra, uuid: &str) -> Result<&'a Disk, Problem> {
    let found = infra
        .disks
        .get(uuid)
        .filter(|disk| sees(&call.principal, &disk.org_id) && call.principal.has(right::DISK_VIEW));
    found.ok_or_else(|| refused(right::DISK_VIEW, "DISK_VIEW", uuid))
}

/// Answers `POST /api/vdc/{uuid}/disk` with 201 and the disk, its task inside.
pub(crate) fn create(desk: &mut Desk<'_, '_>, vdc: &str) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::POST)?;
    vdcs::visible(desk.call, desk.infra, vdc)?;
    require(desk.call, right::DISK_CREATE, "DISK_CREATE", vdc)?;
    let body = desk.call.document("DiskCreateParams")?;
    let asked = body
        .get("Disk")
        .ok_or_else(|| Problem::bad_request("DiskCreateParams has no Disk."))?;
    let new = new_disk(desk, vdc, asked)?;
    let starter = Starter::of(desk.call);
    let (uuid, _) = desk.infra.create_disk(new, &starter, desk.ctx)?;
    let created = visible(desk.call, desk.infra, &uuid)?;
    let href = document::disk_href(desk.ctx.site, &uuid);
    let text = document::disk(desk.ctx, desk.infra, created).document();
    Ok(Reply::xml(201, desk.call.version, DISK, text).with_header("location", href))
}

fn new_disk(desk: &Desk<'_, '_>, vdc: &str, asked: &Element) -> Result<NewDisk, Problem> {
    let attribute = |name: &str| asked.attribute(name).filter(|text| !text.is_empty());
    let name = attribute("name").unwrap_or_default();
    let description = asked.text_of("Description").unwrap_or_default();
    let shared = attribute("shareable") == Some("true");
    let sharing = attribute("sharingType").unwrap_or(if shared { "DiskSharing" } else { "None" });
    if !["None", "DiskSharing", "ControllerSharing"].contains(&sharing) {
        return Err(Problem::bad_request(format!(
            "The value \"{sharing}\" of sharingType is invalid."
        )));
    }
    if sharing != "None" {
        require(desk.call, right::DISK_SHARE, "DISK_CREATE_SHARED", vdc)?;
    }
    let bus_type = attribute("busType").unwrap_or("6");
    if !["5", "6", "20"].contains(&bus_type) {
        return Err(Problem::bad_request(format!(
            "The value \"{bus_type}\" of busType is invalid."
        )));
    }
    Ok(NewDisk {
        name: checked("name", name, MAX_NAME_CHARS)?,
        description: checked("Description", description, MAX_DESCRIPTION_CHARS)?,
        vdc: vdc.to_owned(),
        size_mib: size(asked)?.ok_or_else(|| Problem::bad_request("The disk has no sizeMb."))?,
        bus_type: bus_type.to_owned(),
        bus_sub_type: attribute("busSubType")
            .unwrap_or(match bus_type {
                "5" => "IDE",
                "20" => "ahci",
                _ => "VirtualSCSI",
            })
            .to_owned(),
        sharing: sharing.to_owned(),
        storage_profile: desk.infra.profile_of(vdc, asked)?,
    })
}

/// `sizeMb`, or `size` in bytes as before API 33.0.
fn size(asked: &Element) -> Result<Option<u64>, Problem> {
    let read = |name: &str, unit: u64| {
        let text = asked.attribute(name)?;
        let size = text.parse::<u64>().ok().map(|size| size.div_ceil(unit));
        let size = size.filter(|mib| (1..=MAX_SIZE_MIB).contains(mib));
        Some(size.ok_or_else(|| {
            Problem::bad_request(format!("The value \"{text}\" of {name} is invalid."))
        }))
    };
    let asked = read("sizeMb", 1).or_else(|| read("size", 1024 * 1024));
    asked.transpose()
}

/// Answers requests below `/api/disk/{uuid}`.
pub(crate) fn handle(desk: &mut Desk<'_, '_>, uuid: &str, rest: &[&str]) -> Result<Reply, Problem> {
    let volume = visible(desk.call, desk.infra, uuid)?.clone();
    match (desk.call.method, rest) {
        (&Method::GET, []) => {
            let text = document::disk(desk.ctx, desk.infra, &volume).document();
            Ok(Reply::xml(200, desk.call.version, DISK, text))
        }
        (&Method::PUT, []) => change(desk, &volume),
        (&Method::DELETE, []) => {
            require(desk.call, right::DISK_DELETE, "DISK_DELETE", uuid)?;
            let starter = Starter::of(desk.call);
            let task = desk.infra.delete_disk(uuid, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (&Method::GET, ["attachedVms"]) => {
            let vms = document::attached_vms(desk.ctx.site, desk.infra, &volume);
            Ok(Reply::xml(200, desk.call.version, VMS, vms.document()))
        }
        (_, ["metadata", path @ ..]) => {
            let object = metadata::Object {
                uuid: volume.uuid.clone(),
                free: desk.infra.require_free("disk", uuid),
                right: right::DISK_EDIT,
                owner: disk_reference(&volume, desk.ctx.site),
                values: volume.metadata,
            };
            metadata::handle(desk, object, path)
        }
        (_, [] | ["attachedVms"]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn change(desk: &mut Desk<'_, '_>, volume: &Disk) -> Result<Reply, Problem> {
    require(desk.call, right::DISK_EDIT, "DISK_EDIT", &volume.uuid)?;
    desk.infra.require_free("disk", &volume.uuid)?;
    let body = desk.call.document("Disk")?;
    if !volume.attached.is_empty() {
        return Err(attached(volume));
    }
    let size_mib = size(&body)?.unwrap_or(volume.size_mib);
    if size_mib < volume.size_mib {
        return Err(Problem::bad_request(format!(
            "The disk \"{}\" cannot shrink from {} MB to {size_mib} MB.",
            volume.name, volume.size_mib
        )));
    }
    let name = body.attribute("name").unwrap_or(&volume.name);
    let description = body.text_of("Description").unwrap_or_default();
    let profile = desk.infra.profile_of(&volume.vdc, &body)?;
    let change = Change::Disk {
        disk: volume.uuid.clone(),
        change: DiskChange::Update(Properties {
            name: checked("name", name, MAX_NAME_CHARS)?,
            description: checked("Description", description, MAX_DESCRIPTION_CHARS)?,
            size_mib,
            storage_profile: profile.unwrap_or_else(|| volume.storage_profile.clone()),
        }),
    };
    let kind = Kind {
        name: "vdcUpdateDisk",
        busy_name: "VDC_UPDATE_DISK",
        verb: "Updating Disk",
        takes: desk.ctx.timings.reconfigure,
    };
    let starter = Starter::of(desk.call);
    let task = desk
        .infra
        .submit_on_disk(&volume.uuid, (kind, change), &starter, desk.ctx)?;
    Ok(desk.accepted(&task))
}

/// Answers `POST {vm}/disk/action/attach` and `detach`.
pub(crate) fn attach_or_detach(
    desk: &mut Desk<'_, '_>,
    vm: &Vm,
    attach: bool,
) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::POST)?;
    require(desk.call, right::VM_DISK, "VAPP_VM_EDIT_DISK", &vm.uuid)?;
    let body = desk.call.document("DiskAttachOrDetachParams")?;
    let href = body.get("Disk").and_then(|disk| disk.attribute("href"));
    let uuid = bare(href.unwrap_or_default());
    let volume = visible(desk.call, desk.infra, uuid)?;
    let vapp = desk.infra.vapps.get(&vm.vapp);
    if vapp.is_none_or(|vapp| vapp.vdc != volume.vdc) {
        return Err(Problem::bad_request(format!(
            "The disk \"{}\" and the VM \"{}\" are in different VDCs.",
            volume.name, vm.name
        )));
    }
    let uuid = volume.uuid.clone();
    let starter = Starter::of(desk.call);
    let task = if attach {
        let bus = number::<u32>(body.get("BusNumber"))?;
        let unit = number::<u32>(body.get("UnitNumber"))?;
        let slot = bus.zip(unit).map(|(bus, unit)| Slot { bus, unit });
        desk.infra
            .attach_disk((&uuid, &vm.uuid), slot, &starter, desk.ctx)?
    } else {
        desk.infra
            .detach_disk((&uuid, &vm.uuid), &starter, desk.ctx)?
    };
    Ok(desk.accepted(&task))
}
