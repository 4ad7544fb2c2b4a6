//! The nodes of a cluster: how many there are, at which version, and each one's way to Ready.
//!
//! Invariants:
//! - The first control-plane node comes up alone; others and workers follow.
//! - A roll-out adds the new node before it takes an old one away; only a changed version rolls out.
//! - The vApp takes one copy at a time, as VCD keeps it busy; who comes too early tries again.
//! - A lost node is replaced only where a `MachineHealthCheck` asks for it.
//!
//! Source: Cluster API, `KubeadmControlPlane` and `MachineDeployment`; CAPVCD, machine creation and guestinfo phases.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::capvcd::{Cluster, Notice};
use super::manifest::Pool;
use crate::clock::Moment;
use crate::sim::context::Context;
use crate::sim::infra::Infra;
use crate::sim::infra::machine::{Customization, Nic, Status, Vm};
use crate::sim::infra::power::PowerRequest;
use crate::sim::infra::recompose::NewVm;
use crate::sim::infra::submissions::{Recomposition, vm_deletion};
use crate::sim::infra::vm_spec::Hardware;
use crate::sim::timings::Timings;

/// Letters Kubernetes uses in generated names.
const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How long a node is gone before a health check replaces it.
const UNHEALTHY: Duration = Duration::from_mins(5);

/// Where a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodePhase {
    /// Without a VM.
    Pending,
    /// The VM is being copied or powered on.
    Provisioning,
    /// The VM runs and joins; ready at that moment.
    Provisioned {
        ready_at: Moment,
    },
    Running,
    /// Its VM is off or gone since that moment.
    Lost {
        since: Moment,
    },
    Deleting,
}

impl NodePhase {
    /// The phase of the Cluster API machine.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Provisioning => "Provisioning",
            Self::Provisioned { .. } => "Provisioned",
            // The machine keeps its phase while its node does not answer.
            Self::Running | Self::Lost { .. } => "Running",
            Self::Deleting => "Deleting",
        }
    }
}

/// One machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) pool: String,
    pub(crate) control_plane: bool,
    pub(crate) version: String,
    /// Bare UUID.
    pub(crate) vm: Option<String>,
    pub(crate) phase: NodePhase,
}

/// Whether any machine that serves the API runs.
pub(crate) fn control_plane_runs(cluster: &Cluster, infra: &Infra) -> bool {
    let mut planes = cluster.nodes.iter().filter(|node| node.control_plane);
    planes.any(|node| node.vm.as_ref().is_some_and(|vm| infra.runs(vm)))
}

/// Brings the nodes nearer to what is wanted.
pub(crate) fn reconcile(cluster: &mut Cluster, ctx: &mut Context<'_>, infra: &mut Infra) {
    for index in 0..cluster.nodes.len() {
        let Some(mut node) = cluster.nodes.get(index).cloned() else {
            continue;
        };
        advance(&mut node, cluster, ctx, infra);
        if let Some(place) = cluster.nodes.get_mut(index) {
            *place = node;
        }
    }
    cluster
        .nodes
        .retain(|node| node.phase != NodePhase::Deleting || node.vm.is_some());
    let pools = cluster.wanted.pools.clone();
    for pool in &pools {
        if pool.control_plane || cluster.initialized {
            resize(pool, cluster, ctx);
        }
    }
    cluster.settled = pools.iter().all(|pool| is_settled(pool, &cluster.nodes));
}

/// Whether a pool is as wanted.
fn is_settled(pool: &Pool, nodes: &[Node]) -> bool {
    let mine: Vec<&Node> = nodes.iter().filter(|node| node.pool == pool.name).collect();
    let right = |node: &&&Node| node.phase == NodePhase::Running && node.version == pool.version;
    let wanted = usize::try_from(pool.replicas).unwrap_or(usize::MAX);
    mine.len() == wanted && mine.iter().filter(right).count() == wanted
}

/// Adds or takes away machines of one pool.
fn resize(pool: &Pool, cluster: &mut Cluster, ctx: &mut Context<'_>) {
    let mine: Vec<&Node> = cluster
        .nodes
        .iter()
        .filter(|node| node.pool == pool.name && node.phase != NodePhase::Deleting)
        .collect();
    let wanted = usize::try_from(pool.replicas).unwrap_or(usize::MAX);
    let steady = mine.iter().all(|node| node.phase == NodePhase::Running);
    let outdated = mine.iter().position(|node| node.version != pool.version);
    if mine.len() < wanted {
        // The control plane grows by one node at a time: each joins the etcd of the others.
        let missing = if pool.control_plane {
            usize::from(steady)
        } else {
            wanted - mine.len()
        };
        add(pool, missing, cluster, ctx);
    } else if mine.len() > wanted {
        let all_up = mine
            .iter()
            .filter(|node| node.phase == NodePhase::Running)
            .count()
            >= wanted;
        let victim = outdated.unwrap_or(mine.len() - 1);
        let name = mine.get(victim).map(|node| node.name.clone());
        if outdated.is_none() || (all_up && steady) {
            mark_deleted(cluster, name.as_deref());
        }
    } else if outdated.is_some() && steady {
        add(pool, 1, cluster, ctx);
    }
}

fn mark_deleted(cluster: &mut Cluster, name: Option<&str>) {
    let victim = cluster
        .nodes
        .iter_mut()
        .find(|node| Some(node.name.as_str()) == name);
    if let Some(node) = victim {
        node.phase = NodePhase::Deleting;
    }
}

fn add(pool: &Pool, count: usize, cluster: &mut Cluster, ctx: &mut Context<'_>) {
    for _ in 0..count {
        let suffix = |ctx: &mut Context<'_>| -> String {
            let letter = |_| ctx.rng.choice(SUFFIX).map_or('x', |byte| char::from(*byte));
            (0..5).map(letter).collect()
        };
        let name = format!("{}-{}", pool.name, suffix(ctx));
        cluster.nodes.push(Node {
            name,
            pool: pool.name.clone(),
            control_plane: pool.control_plane,
            version: pool.version.clone(),
            vm: None,
            phase: NodePhase::Pending,
        });
    }
}

/// One step of one machine, by what its VM is now.
fn advance(node: &mut Node, cluster: &mut Cluster, ctx: &mut Context<'_>, infra: &mut Infra) {
    let vm = node.vm.as_ref().and_then(|vm| infra.vms.get(vm)).cloned();
    match (node.phase, vm) {
        (NodePhase::Deleting, Some(vm)) => remove(&vm, cluster, ctx, infra),
        (NodePhase::Deleting, None) => node.vm = None,
        (NodePhase::Pending, _) => create(node, cluster, ctx, infra),
        (NodePhase::Provisioning, None) => {
            // The copy failed; its task says why. Cluster API tries again.
            machine_notice(
                cluster,
                node,
                "VcdMachineCreationError",
                "the VM could not be created",
            );
            node.vm = None;
            node.phase = NodePhase::Pending;
        }
        (NodePhase::Provisioning, Some(vm)) => bring_up(node, &vm, cluster, (ctx, infra)),
        (NodePhase::Provisioned { ready_at }, Some(vm)) if vm.status == Status::PoweredOn => {
            if ctx.now >= ready_at {
                join(node, cluster, infra);
            }
        }
        (NodePhase::Running, Some(vm)) if vm.status == Status::PoweredOn => {}
        (NodePhase::Lost { .. }, Some(vm)) if vm.status == Status::PoweredOn => {
            node.phase = NodePhase::Running;
        }
        (NodePhase::Running | NodePhase::Provisioned { .. }, _) => {
            node.phase = NodePhase::Lost { since: ctx.now };
        }
        (NodePhase::Lost { since }, _) => {
            if cluster.wanted.health_check && ctx.now.since(since) >= UNHEALTHY {
                machine_notice(
                    cluster,
                    node,
                    "VcdMachineNodeUnhealthy",
                    "the node is replaced",
                );
                node.phase = NodePhase::Deleting;
            }
        }
    }
}

fn machine_notice(cluster: &mut Cluster, node: &Node, name: &'static str, detail: &str) {
    let id = node
        .vm
        .as_ref()
        .map(|vm| format!("urn:vcloud:vm:{vm}"))
        .unwrap_or_default();
    let notice = Notice::new(name, (id, node.name.clone()), detail);
    cluster.notices.push(notice);
}

fn create(node: &mut Node, cluster: &mut Cluster, ctx: &mut Context<'_>, infra: &mut Infra) {
    let Some(vapp) = cluster
        .vapp
        .as_ref()
        .and_then(|vapp| infra.vapps.get(vapp))
        .cloned()
    else {
        return;
    };
    if infra.require_vapp_free(&vapp.uuid).is_err() {
        return;
    }
    let pool = cluster.wanted.pool(&node.pool);
    let Some(new) = pool.map(|pool| new_vm(node, pool, cluster, infra)) else {
        return;
    };
    match new {
        Ok(new) => {
            let vm = infra.add_copy(&vapp, new, ctx);
            let plan = Recomposition {
                added: vec![vm.clone()],
                ..Recomposition::default()
            };
            infra.recompose((&vapp, plan), &cluster.starter, ctx);
            node.vm = Some(vm);
            node.phase = NodePhase::Provisioning;
        }
        Err(reason) => machine_notice(cluster, node, "VcdMachineCreationError", &reason),
    }
}

fn new_vm(node: &Node, pool: &Pool, cluster: &Cluster, infra: &Infra) -> Result<NewVm, String> {
    let home = &cluster.home;
    let mut templates = infra.templates.values();
    let template = templates.find(|one| {
        let catalog = infra.catalogs.get(&one.catalog);
        one.name == pool.template
            && one.upload.is_none()
            && catalog.is_some_and(|catalog| {
                catalog.name == pool.catalog && catalog.org_id == home.org_id
            })
    });
    let template = template.ok_or_else(|| {
        format!(
            "template \"{}\" not found in catalog \"{}\"",
            pool.template, pool.catalog
        )
    })?;
    let mut profiles = infra.storage_profiles.values();
    let profile = profiles.find(|one| one.vdc == home.vdc && one.name == pool.storage_profile);
    if profile.is_none() && !pool.storage_profile.is_empty() {
        return Err(format!(
            "storage profile \"{}\" not found",
            pool.storage_profile
        ));
    }
    let policy = |name: &str| {
        let found = infra.policies.values().find(|one| one.name == name);
        if found.is_none() && !name.is_empty() {
            return Err(format!("compute policy \"{name}\" not found"));
        }
        Ok::<_, String>(found.map(|policy| policy.uuid.clone()))
    };
    let network = infra
        .networks
        .get(&home.network)
        .map(|network| network.name.clone());
    Ok(NewVm {
        hardware: Hardware::default(),
        name: node.name.clone(),
        description: "Auto-created VM".to_owned(),
        template: template.uuid.clone(),
        customization: Customization {
            enabled: true,
            computer_name: node.name.clone(),
            ..Customization::default()
        },
        nics: vec![Nic {
            network: network.unwrap_or_default(),
            mode: "POOL".to_owned(),
            ip: None,
            mac: String::new(),
            adapter: "VMXNET3".to_owned(),
            connected: true,
        }],
        storage_profile: profile.map(|profile| profile.uuid.clone()),
        sizing_policy: policy(&pool.sizing_policy)?,
        placement_policy: policy(&pool.placement_policy)?,
    })
}

/// Copied: power it on. Powered on: let it join.
fn bring_up(
    node: &mut Node,
    vm: &Vm,
    cluster: &mut Cluster,
    (ctx, infra): (&mut Context<'_>, &mut Infra),
) {
    match vm.status {
        Status::PoweredOff if infra.require_vm_free(&vm.uuid).is_ok() => {
            let pool = cluster.wanted.pool(&node.pool);
            let disk = pool.map(|pool| pool.disk_mib).unwrap_or_default();
            if let Some(vm) = infra.vms.get_mut(&vm.uuid) {
                vm.grow_boot_disk(disk);
                vm.extra_config
                    .insert("disk.enableUUID".to_owned(), "1".to_owned());
            }
            let on = PowerRequest::PowerOn.operation(false, vec![vm.uuid.clone()], ctx.timings);
            infra.submit_on_vm((vm, &cluster.starter), on, ctx);
        }
        Status::PoweredOn => {
            machine_notice(
                cluster,
                node,
                "VcdMachineInfraVMPoweredOn",
                "the VM is powered on",
            );
            set_phase(&vm.uuid, infra, "networkconfiguration", "in_progress");
            let takes = Timings::vary(ctx.timings.node, ctx.rng);
            node.phase = NodePhase::Provisioned {
                ready_at: ctx.now.plus(takes),
            };
        }
        Status::PoweredOff | Status::Unresolved | Status::Suspended | Status::Mixed => {}
    }
}

/// The node has come up and answers.
fn join(node: &mut Node, cluster: &mut Cluster, infra: &mut Infra) {
    if let Some(vm) = &node.vm {
        let last = match (node.control_plane, cluster.initialized) {
            (true, false) => "kubeinit",
            _ => "kubeadm.node.join",
        };
        set_phase(vm, infra, "networkconfiguration", "successful");
        set_phase(vm, infra, last, "successful");
    }
    node.phase = NodePhase::Running;
    machine_notice(
        cluster,
        node,
        "VcdMachineBootstrapped",
        "the node has joined",
    );
    if node.control_plane && !cluster.initialized {
        cluster.initialized = true;
        cluster.notice("ControlplaneReady", "the control plane is initialized");
    }
}

fn set_phase(vm: &str, infra: &mut Infra, phase: &str, value: &str) {
    if let Some(vm) = infra.vms.get_mut(vm) {
        let key = format!("guestinfo.postcustomization.{phase}.status");
        vm.extra_config.insert(key, value.to_owned());
    }
}

/// Undeploys, then deletes, the VM of a machine that is not wanted any more.
fn remove(vm: &Vm, cluster: &mut Cluster, ctx: &mut Context<'_>, infra: &mut Infra) {
    if infra.require_vm_free(&vm.uuid).is_err() {
        return;
    }
    let operation = if vm.deployed {
        PowerRequest::Undeploy.operation(false, vec![vm.uuid.clone()], ctx.timings)
    } else {
        vm_deletion(vm, ctx.timings)
    };
    infra.submit_on_vm((vm, &cluster.starter), operation, ctx);
}

/// Machine name -> phase, for one pool.
pub(crate) fn phases(pool: &str, nodes: &[Node]) -> BTreeMap<String, &'static str> {
    let mine = nodes.iter().filter(|node| node.pool == pool);
    mine.map(|node| (node.name.clone(), node.phase.name()))
        .collect()
}
