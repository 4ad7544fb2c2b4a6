//! What tests and the demo look at: machines as plain rows, without going through the API.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Infra;
use super::machine::Status;
use super::volumes::NewDisk;
use crate::clock::Clock;
use crate::sim::seed::Tenant;
use crate::sim::tasks::Starter;
use crate::sim::world::World;

/// Ending of the names of bootstrap vApps.
const BOOTSTRAP_VAPP: &str = "_ephemeral_vapp";

/// One VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmView {
    /// VM URN.
    pub urn: String,
    /// VM name.
    pub name: String,
    /// Name of its vApp.
    pub vapp: String,
    /// VM description.
    pub description: String,
    /// Status as the query service spells it, such as `POWERED_ON`.
    pub status: &'static str,
    /// Address of the first card.
    pub ip: Option<String>,
    /// What the guest reported and clients wrote.
    pub extra_config: BTreeMap<String, String>,
}

impl World {
    /// Names of vApps and VMs of bootstrap attempts that still exist: marked `rde=...` or named so.
    pub fn bootstrap_leftovers(&self) -> Vec<String> {
        let vapps = self.infra.vapps.values().filter(|vapp| {
            vapp.description.starts_with("rde=") || vapp.name.ends_with(BOOTSTRAP_VAPP)
        });
        let vms = self
            .infra
            .vms
            .values()
            .filter(|vm| vm.description.starts_with("rde="));
        let mut names: Vec<String> = vapps
            .map(|vapp| vapp.name.clone())
            .chain(vms.map(|vm| vm.name.clone()))
            .collect();
        names.sort();
        names
    }

    /// Names of all named disks, sorted.
    pub fn disks(&self) -> Vec<String> {
        let built = self.infra.built().filter(|built| built.kind == "disk");
        let mut names: Vec<String> = built.map(|disk| disk.name.to_owned()).collect();
        names.sort();
        names
    }

    /// Lets somebody outside any cluster order a named disk in the tenant's VDC, unless there is one of that name.
    pub fn order_disk(&mut self, tenant: &Tenant, name: &str, size_mib: u64, clock: &Clock) {
        let (mut ctx, areas) = self.split(clock.now(), clock.wall());
        let mut vdcs = areas.infra.vdcs.values();
        let Some(vdc) = vdcs.find(|vdc| vdc.org_id == tenant.org_id) else {
            return;
        };
        let new = NewDisk::volume(name, &vdc.uuid, size_mib);
        if areas.infra.disk_named(&new.vdc, name).is_none() {
            let starter = Starter {
                user_id: tenant.author_id.clone(),
                user_name: tenant.author.clone(),
                org_id: tenant.org_id.clone(),
                request_id: String::new(),
            };
            let ordered = areas.infra.create_disk(new, &starter, &mut ctx);
            debug_assert!(ordered.is_ok(), "the tenant's VDC has a storage profile");
        }
    }

    /// All VMs, oldest first.
    pub fn vms(&self) -> Vec<VmView> {
        let mut vms: Vec<_> = self.infra.vms.values().collect();
        vms.sort_by(|a, b| (a.created, &a.uuid).cmp(&(b.created, &b.uuid)));
        vms.into_iter().map(|vm| view(&self.infra, vm)).collect()
    }

    /// Descriptions of the VMs that are on; a bootstrap VM's is its marker.
    pub fn powered_on(&self) -> Vec<String> {
        let vms = self.infra.vms.values();
        vms.filter(|vm| vm.status == Status::PoweredOn)
            .map(|vm| vm.description.clone())
            .collect()
    }

    /// Names of all vApps, sorted.
    pub fn vapps(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .infra
            .vapps
            .values()
            .map(|vapp| vapp.name.clone())
            .collect();
        names.sort();
        names
    }

    /// How often each effect was applied, by (effect, subject).
    pub fn effects(&self) -> &BTreeMap<(Cow<'static, str>, String), u32> {
        &self.history.effects
    }

    /// Lets the next `times` runs of a guest fail in `phase`; `subject` is the marker of its VM or
    /// the name of its cluster.
    pub fn fail_guest(&mut self, subject: &str, phase: &str, times: u32) {
        self.infra.actors.fail(subject, phase, times);
    }

    /// Whether VDCs refuse a second vApp of one name; they do unless told otherwise.
    pub fn set_unique_vapp_names(&mut self, unique: bool) {
        self.infra.rules.unique_vapp_names = unique;
    }
}

fn view(infra: &Infra, vm: &super::machine::Vm) -> VmView {
    let vapp = infra.vapps.get(&vm.vapp);
    VmView {
        urn: format!("urn:vcloud:vm:{}", vm.uuid),
        name: vm.name.clone(),
        vapp: vapp.map(|vapp| vapp.name.clone()).unwrap_or_default(),
        description: vm.description.clone(),
        status: vm.status.name(),
        ip: vm.ip().map(|ip| ip.to_string()),
        extra_config: vm.extra_config.clone(),
    }
}
