//! What the history is told of vApps and VMs.

use super::Infra;
use super::machine::{Metadata, Status, Vapp, Vm, subject};
use crate::sim::history::{Deed, History, Machine, MachineChange, MachineKind};
use crate::sim::leaks::named_clusters;

/// Counts what became of a VM, and notes it.
pub(crate) fn vm(history: &mut History, (change, vm): (MachineChange, &Vm)) {
    let effect = match change {
        MachineChange::Created => Some("vm.created"),
        MachineChange::PoweredOn => Some("vm.powered_on"),
        MachineChange::Deleted => Some("vm.deleted"),
        MachineChange::PoweredOff | MachineChange::Changed => None,
    };
    if let Some(effect) = effect {
        history.count(effect, subject(&vm.description, &vm.name));
    }
    history.note(vm_deed(change, vm));
}

/// The same of a vApp.
pub(crate) fn vapp(history: &mut History, (change, vapp): (MachineChange, &Vapp)) {
    let effect = match change {
        MachineChange::Created => Some("vapp.composed"),
        MachineChange::Deleted => Some("vapp.deleted"),
        MachineChange::PoweredOn | MachineChange::PoweredOff | MachineChange::Changed => None,
    };
    if let Some(effect) = effect {
        history.count(effect, subject(&vapp.description, &vapp.name));
    }
    history.note(vapp_deed(change, vapp));
}

fn vm_deed(change: MachineChange, vm: &Vm) -> Deed {
    Deed::Machine(Box::new(Machine {
        kind: MachineKind::Vm,
        change,
        id: format!("urn:vcloud:vm:{}", vm.uuid),
        name: vm.name.clone(),
        marker: marker(&vm.description),
        vapp: Some(format!("urn:vcloud:vapp:{}", vm.vapp)),
        clusters: clusters((&vm.name, &vm.description), &vm.metadata),
    }))
}

fn vapp_deed(change: MachineChange, vapp: &Vapp) -> Deed {
    Deed::Machine(Box::new(Machine {
        kind: MachineKind::Vapp,
        change,
        id: format!("urn:vcloud:vapp:{}", vapp.uuid),
        name: vapp.name.clone(),
        marker: marker(&vapp.description),
        vapp: None,
        clusters: clusters((&vapp.name, &vapp.description), &vapp.metadata),
    }))
}

fn marker(description: &str) -> String {
    if description.starts_with("rde=") {
        description.to_owned()
    } else {
        String::new()
    }
}

fn clusters((name, description): (&str, &str), metadata: &Metadata) -> Vec<String> {
    let values = metadata.values().map(|value| value.value.as_str());
    let texts = values.chain([name, description]);
    let mut named: Vec<String> = texts.flat_map(named_clusters).collect();
    named.sort();
    named.dedup();
    named
}

impl Infra {
    /// Every vApp and VM as if it had just been made, and switched on if it is.
    pub(crate) fn machines_as_found(&self) -> Vec<Deed> {
        let vapps = self.vapps.values();
        let mut deeds: Vec<Deed> = vapps
            .map(|vapp| vapp_deed(MachineChange::Created, vapp))
            .collect();
        for vm in self.vms.values() {
            deeds.push(vm_deed(MachineChange::Created, vm));
            if vm.status == Status::PoweredOn {
                deeds.push(vm_deed(MachineChange::PoweredOn, vm));
            }
        }
        deeds
    }
}
