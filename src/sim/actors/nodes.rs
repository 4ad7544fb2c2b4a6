//! The machines of a cluster: each one's way from nothing to a node, and away again.
//!
//! Flow: a machine without a VM -> copy of the template -> member of the load balancer (control plane) ->
//! user data, power on -> the guest's script (`node_guest`) -> node; deleted: out of the load balancer,
//! volumes off, VM undeployed and deleted.
//!
//! Invariants:
//! - Every step looks at the VM as it is; what the guest has done is read from guestinfo.
//! - The vApp takes one copy at a time, as VCD keeps it busy; who comes too early tries again.
//! - A script that failed is never run again: such a machine can only be replaced.
//!
//! Not here: how many machines there shall be (`pools`), which are given up (`remediation`).
//! Source: CAPVCD, `vcdmachine_controller.go`; Cluster API, machine phases.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::{infrastructure, machine_vm, node_guest};
use crate::clock::Moment;
use crate::sim::context::Context;
use crate::sim::infra::Infra;
use crate::sim::infra::machine::{Status, Vm};
use crate::sim::infra::power::PowerRequest;
use crate::sim::infra::submissions::{Recomposition, vm_deletion};
use crate::sim::network::Services;

/// A node whose kubelet has been silent for so long counts as `Ready=Unknown`.
pub(super) const GRACE: Duration = Duration::from_secs(40);
/// CAPVCD complains about a script that takes longer.
const SCRIPT_LIMIT: Duration = Duration::from_mins(30);

/// The parts of the world that controllers act on.
pub(super) struct Reach<'a, 'c> {
    pub(super) ctx: &'a mut Context<'c>,
    pub(super) infra: &'a mut Infra,
    pub(super) network: &'a mut Services,
}

/// Where a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodePhase {
    /// Without a VM.
    Pending,
    /// The VM is being copied or powered on.
    Provisioning,
    /// The VM runs its script since that moment.
    Booting {
        since: Moment,
    },
    /// The script has ended well; the node is about to register.
    Provisioned,
    /// The node has registered; whether it is ready is another question.
    Running,
    Deleting,
}

impl NodePhase {
    /// The phase of the Cluster API machine.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Provisioning | Self::Booting { .. } => "Provisioning",
            Self::Provisioned => "Provisioned",
            Self::Running => "Running",
            Self::Deleting => "Deleting",
        }
    }
}

/// One machine.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is true for a reason of its own"
)]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) pool: String,
    pub(crate) control_plane: bool,
    pub(crate) version: String,
    /// Name of the `VCDMachineTemplate` it was made from.
    pub(crate) machine_template: String,
    /// Bare UUID.
    pub(crate) vm: Option<String>,
    pub(crate) phase: NodePhase,
    pub(crate) created: Moment,
    /// Its kubelet has ended though the VM runs.
    pub(crate) failed: bool,
    /// Nothing has been heard of its kubelet since.
    pub(crate) silent: Option<Moment>,
    /// The VM of a node that had registered does not exist any more.
    pub(crate) gone: bool,
    /// It was ready at the last look.
    was_ready: bool,
    /// The failure of its script has been reported.
    complained: bool,
}

impl Node {
    /// A machine of a pool, yet without a VM.
    pub(super) fn new(name: String, pool: &super::manifest::Pool, now: Moment) -> Self {
        Self {
            name,
            pool: pool.name.clone(),
            control_plane: pool.control_plane,
            version: pool.version.clone(),
            machine_template: pool.machine_template.clone(),
            vm: None,
            phase: NodePhase::Pending,
            created: now,
            failed: false,
            silent: None,
            gone: false,
            was_ready: false,
            complained: false,
        }
    }

    /// Whether its node is there and ready.
    pub(crate) fn is_ready(&self, now: Moment) -> bool {
        self.phase == NodePhase::Running
            && !self.gone
            && self.silent.is_none_or(|since| now.since(since) < GRACE)
    }

    /// Whether its machine runs and has joined the cluster.
    fn serves(&self, infra: &Infra) -> bool {
        !self.failed && self.vm.as_deref().is_some_and(|vm| is_up(vm, infra))
    }

    fn urn(&self) -> String {
        let urn = self.vm.as_ref().map(|vm| format!("urn:vcloud:vm:{vm}"));
        urn.unwrap_or_default()
    }
}

fn is_up(vm: &str, infra: &Infra) -> bool {
    infra.runs(vm)
        && infra
            .actors
            .guest(vm)
            .is_some_and(super::guest::Guest::is_up)
}

/// Whether the API server answers: the members of its etcd that serve are more than half.
pub(super) fn control_plane_serves(cluster: &Cluster, infra: &Infra) -> bool {
    let members = cluster.nodes.iter().filter(|node| {
        node.control_plane && matches!(node.phase, NodePhase::Provisioned | NodePhase::Running)
    });
    let (mut all, mut serving) = (0_usize, 0_usize);
    for node in members {
        all += 1;
        serving += usize::from(node.serves(infra));
    }
    serving * 2 > all
}

/// Moves every machine on by what can be done now.
pub(super) fn advance_all(cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    for index in 0..cluster.nodes.len() {
        let Some(mut node) = cluster.nodes.get(index).cloned() else {
            continue;
        };
        let before = (node.phase.name(), node.was_ready);
        advance(&mut node, cluster, reach);
        node.was_ready = node.is_ready(reach.ctx.now);
        cluster.nudged |= before != (node.phase.name(), node.was_ready);
        if let Some(place) = cluster.nodes.get_mut(index) {
            *place = node;
        }
    }
    let gone = |node: &Node| node.phase == NodePhase::Deleting && node.vm.is_none();
    cluster.nodes.retain(|node| !gone(node));
}

/// One step of one machine, by what its VM is now.
fn advance(node: &mut Node, cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    let vm = node
        .vm
        .as_ref()
        .and_then(|vm| reach.infra.vms.get(vm))
        .cloned();
    match (node.phase, vm) {
        (NodePhase::Deleting, Some(vm)) => remove(node, &vm, cluster, reach),
        (NodePhase::Deleting, None) => {
            if node.vm.take().is_some() {
                cluster.event("VcdMachineInfraVmDeleted", ("", &node.name), reach.ctx);
            }
        }
        (NodePhase::Pending, _) => create(node, cluster, reach),
        (NodePhase::Provisioning, None) => {
            // The copy failed; its task says why. CAPVCD tries again.
            let why = "error provisioning infrastructure for the machine; the VM was not created";
            cluster.error(
                "VcdMachineCreationError",
                ("", &node.name),
                (why, reach.ctx),
            );
            node.vm = None;
            node.phase = NodePhase::Pending;
        }
        (NodePhase::Provisioning, Some(vm)) => bring_up(node, &vm, cluster, reach),
        (NodePhase::Booting { since }, Some(vm)) => {
            watch_script(node, (&vm, since), cluster, reach);
        }
        (NodePhase::Provisioned, Some(_)) => {
            if node.serves(reach.infra) {
                node.phase = NodePhase::Running;
            }
        }
        (NodePhase::Running, Some(_)) => {
            if node.serves(reach.infra) {
                node.silent = None;
            } else {
                node.silent = node.silent.or(Some(reach.ctx.now));
            }
        }
        // The cloud provider takes nodes away whose machine does not exist any more.
        (NodePhase::Booting { .. } | NodePhase::Provisioned | NodePhase::Running, None) => {
            node.gone = true;
        }
    }
}

/// Orders the copy of the template, if it can be made at all and the vApp is free.
fn create(node: &mut Node, cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    let vapp = cluster.vapp.as_ref();
    let Some(vapp) = vapp.and_then(|vapp| reach.infra.vapps.get(vapp)).cloned() else {
        return;
    };
    if reach.infra.require_vapp_free(&vapp.uuid).is_err() {
        return;
    }
    let Some(pool) = cluster.wanted.pool(&node.pool) else {
        return;
    };
    match machine_vm::new_vm(node, pool, cluster, reach.infra) {
        Ok(new) => {
            cluster.event(
                "VcdMachineBootstrapScriptGenerated",
                ("", &node.name),
                reach.ctx,
            );
            cluster.forgive("VcdMachineCreationError", Some(&node.name));
            let vm = reach.infra.add_copy(&vapp, new, reach.ctx);
            let plan = Recomposition {
                added: vec![vm.clone()],
                ..Recomposition::default()
            };
            reach
                .infra
                .recompose((&vapp, plan), &cluster.starter, reach.ctx);
            node.vm = Some(vm);
            node.phase = NodePhase::Provisioning;
        }
        Err(why) => {
            cluster.error(
                "VcdMachineCreationError",
                ("", &node.name),
                (&why, reach.ctx),
            );
        }
    }
}

/// Copied: into the load balancer, user data, power. Powered on: the script begins.
fn bring_up(node: &mut Node, vm: &Vm, cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    match vm.status {
        Status::PoweredOff if reach.infra.require_vm_free(&vm.uuid).is_ok() => {
            // The first node needs the endpoint it is going to serve.
            if node.control_plane && !infrastructure::is_member(cluster, vm, reach) {
                return;
            }
            let pool = cluster.wanted.pool(&node.pool);
            let disk = pool.map(|pool| pool.disk_mib).unwrap_or_default();
            let first = node.control_plane && !cluster.initialized;
            let data = machine_vm::user_data(node, first, cluster, reach.ctx.site);
            if let Some(vm) = reach.infra.vms.get_mut(&vm.uuid) {
                vm.grow_boot_disk(disk);
                vm.extra_config.extend(data);
            }
            let vms = vec![vm.uuid.clone()];
            let on = PowerRequest::PowerOn.operation(false, vms, reach.ctx.timings);
            reach
                .infra
                .submit_on_vm((vm, &cluster.starter), on, reach.ctx);
        }
        Status::PoweredOn => {
            cluster.event("VcdMachineInfraVMPoweredOn", ("", &node.name), reach.ctx);
            let since = reach.ctx.now;
            node.phase = NodePhase::Booting { since };
        }
        Status::PoweredOff | Status::Unresolved | Status::Suspended | Status::Mixed => {}
    }
}

/// Reads from guestinfo how far the script has come.
fn watch_script(
    node: &mut Node,
    (vm, since): (&Vm, Moment),
    cluster: &mut Cluster,
    reach: &mut Reach<'_, '_>,
) {
    let value = |key: &str| vm.extra_config.get(key).map(String::as_str);
    let last = machine_vm::last_phase(node.control_plane && !cluster.initialized);
    if value(last) == Some("successful") {
        node.phase = NodePhase::Provisioned;
        cluster.event("VcdMachineBootstrapped", ("", &node.name), reach.ctx);
        cluster.forgive("VcdMachineScriptExecutionError", Some(&node.name));
        if node.control_plane && !cluster.initialized {
            cluster.initialized = true;
            cluster.nudged = true;
            let rde_id = cluster.home.rde_id.clone();
            cluster.event("ControlplaneReady", (&rde_id, ""), reach.ctx);
        }
        return;
    }
    let status = value(node_guest::EXIT).filter(|status| *status != "0");
    let why = match status {
        Some(status) => {
            let reason = value(node_guest::REASON).unwrap_or_default();
            format!("script failed with status [{status}] and reason [{reason}]")
        }
        None if reach.ctx.now.since(since) > SCRIPT_LIMIT => {
            let secs = SCRIPT_LIMIT.as_secs();
            format!("time for postcustomization status [{last}] exceeded timeout [{secs}]")
        }
        None => return,
    };
    if !std::mem::replace(&mut node.complained, true) {
        let resource = (node.urn(), node.name.clone());
        let resource = (resource.0.as_str(), resource.1.as_str());
        cluster.error(
            "VcdMachineScriptExecutionError",
            resource,
            (&why, reach.ctx),
        );
    }
}

/// Takes the VM away: out of the load balancer, without volumes, undeployed.
fn remove(node: &mut Node, vm: &Vm, cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    if reach.infra.require_vm_free(&vm.uuid).is_err() {
        return;
    }
    if node.control_plane && infrastructure::is_member(cluster, vm, reach) {
        return;
    }
    let attached: Vec<String> = reach
        .infra
        .disks_of(&vm.uuid)
        .into_iter()
        .map(|(_, disk)| disk.name.clone())
        .collect();
    if let Some(disk) = attached.first() {
        // The CSI driver takes its own volumes off; somebody else's stop the deletion.
        if !cluster.volumes.contains_key(disk) && !std::mem::replace(&mut node.complained, true) {
            let why = format!(
                "cannot delete VM [{}]: named disk [{disk}] is attached",
                vm.name
            );
            cluster.error(
                "VcdMachineDeletionError",
                ("", &node.name),
                (&why, reach.ctx),
            );
        }
        return;
    }
    let operation = if vm.deployed {
        PowerRequest::Undeploy.operation(false, vec![vm.uuid.clone()], reach.ctx.timings)
    } else {
        vm_deletion(vm, reach.ctx.timings)
    };
    reach
        .infra
        .submit_on_vm((vm, &cluster.starter), operation, reach.ctx);
}

/// Machine name -> phase, for one pool.
pub(super) fn phases(pool: &str, nodes: &[Node]) -> BTreeMap<String, &'static str> {
    let mine = nodes.iter().filter(|node| node.pool == pool);
    mine.map(|node| (node.name.clone(), node.phase.name()))
        .collect()
}
