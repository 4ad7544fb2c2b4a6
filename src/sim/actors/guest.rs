//! The guest of a VM: boots, runs its user data once, reports through guestinfo.
//!
//! Flow: power-on -> [`boot`] -> cloud-init reads the user data -> one phase script after the other;
//! each sets its key to `in_progress`, then `successful` or `failed`.
//!
//! The script CAPVCD gives to a node is run by [`node_guest`](super::node_guest).
//!
//! Invariants:
//! - A program starts once in the life of a VM: cloud-init marks it as run before it runs. After a
//!   restart it goes on only if it has put a unit of its own in place; phases that ended stay ended.
//! - A runner that gives signs of life does so as long as it runs, at every step it takes.
//! - A phase ends by what its script does: applying manifests ends when the API server takes them,
//!   waiting for the control plane or for all nodes when they are there, and so does moving.
//!
//! Not here: what the applied manifests set in motion (`actors::capvcd`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::home::Home;
use super::manifest::{Documents, Manifest};
use super::node_guest::{self, NodeRun};
use super::userdata::{self, Phase, Program};
use super::{Ordered, capvcd};
use crate::clock::Moment;
use crate::sim::context::Context;
use crate::sim::entities::Entities;
use crate::sim::infra::Infra;
use crate::sim::infra::machine::Vm;
use crate::sim::world;

/// How often a waiting script looks again.
pub(super) const RECHECK: Duration = Duration::from_secs(10);

/// Its next step.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Due {
    /// Bare UUID.
    vm: String,
    /// Only the newest appointment counts: a reboot makes older ones void.
    ticket: u64,
}

/// What runs in one VM.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Guest {
    ticket: u64,
    /// Booted, with nothing more to start.
    up: bool,
    /// cloud-init has run its user data in this or an earlier boot.
    ran: bool,
    run: Option<Run>,
    /// The script of a node on its way.
    pub(super) node: Option<NodeRun>,
}

impl Guest {
    /// Whether the machine has booted and what it runs is up.
    pub(super) fn is_up(&self) -> bool {
        self.up
    }
}

/// A program on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    program: Program,
    next: usize,
    /// When the running phase began; none between two phases.
    began: Option<Moment>,
    /// Entity of the cluster whose manifests were applied.
    cluster: Option<String>,
}

/// How a look at the running phase ends.
enum Verdict {
    Done,
    Wait,
    /// The machine no longer does anything.
    Dead,
    Failed(String),
}

/// The VM was powered on or restarted.
pub(crate) fn boot(vm: &str, ctx: &mut Context<'_>, infra: &mut Infra) {
    let guest = infra.actors.guests.entry(vm.to_owned()).or_default();
    guest.up = false;
    guest.run = guest.run.take().filter(|run| run.program.survives_restart);
    // cloud-init does not run a node's script again.
    guest.node = None;
    if let Some(run) = &mut guest.run {
        run.began = None;
    }
    let takes = ctx.timings.vary(ctx.timings.power, ctx.rng);
    appoint(vm, takes, ctx, infra);
}

/// The VM goes on after a suspension, where it was.
pub(crate) fn resume(vm: &str, ctx: &mut Context<'_>, infra: &mut Infra) {
    appoint(vm, RECHECK, ctx, infra);
}

pub(super) fn appoint(vm: &str, delay: Duration, ctx: &mut Context<'_>, infra: &mut Infra) {
    let guest = infra.actors.guests.entry(vm.to_owned()).or_default();
    guest.ticket += 1;
    let due = Due {
        vm: vm.to_owned(),
        ticket: guest.ticket,
    };
    ctx.schedule
        .put(ctx.now.plus(delay), world::Due::Guest(due));
}

/// Lets the guest take its next step.
pub(crate) fn fire(due: Due, ctx: &mut Context<'_>, infra: &mut Infra, entities: &mut Entities) {
    let Due { vm, ticket } = due;
    if !infra.vms.contains_key(&vm) {
        infra.actors.guests.remove(&vm);
        return;
    }
    let current = infra
        .actors
        .guests
        .get(&vm)
        .is_some_and(|guest| guest.ticket == ticket);
    if current && infra.runs(&vm) {
        start_program(&vm, ctx, infra);
        step(&vm, ctx, infra, entities);
        node_guest::step(&vm, ctx, infra);
    }
}

/// First step after a boot: the guest is up, and cloud-init runs what it has not run yet.
fn start_program(uuid: &str, ctx: &mut Context<'_>, infra: &mut Infra) {
    let Infra { vms, actors, .. } = infra;
    let (Some(vm), Some(guest)) = (vms.get_mut(uuid), actors.guests.get_mut(uuid)) else {
        return;
    };
    if std::mem::replace(&mut guest.up, true) {
        return;
    }
    vm.customization.complete = true;
    if guest.ran {
        // The temporary cluster comes back with its VM, and its controllers with it.
        let cluster = guest.run.as_ref().and_then(|run| run.cluster.clone());
        if let Some(rde_id) = cluster {
            capvcd::wake(&rde_id, ctx, infra);
        }
        return;
    }
    if let Some(program) = userdata::program(&vm.extra_config) {
        guest.ran = true;
        guest.run = Some(Run {
            program,
            next: 0,
            began: None,
            cluster: None,
        });
    } else if let Some(script) = userdata::node_script(&vm.extra_config) {
        guest.ran = true;
        guest.node = Some(NodeRun::new(script));
    }
}

/// Runs the program as far as it goes now.
fn step(uuid: &str, ctx: &mut Context<'_>, infra: &mut Infra, entities: &mut Entities) {
    // Taken out for the step, so that the phase may change everything else.
    let Some(mut run) = infra
        .actors
        .guests
        .get_mut(uuid)
        .and_then(|guest| guest.run.take())
    else {
        return;
    };
    if run.program.beats {
        let beat = ctx.wall.as_second().to_string();
        report(uuid, infra, [("guestinfo.cse.beat", beat)]);
    }
    let goes_on = loop {
        let Some(phase) = run.program.phases.get(run.next).cloned() else {
            finish(uuid, infra, &run);
            break None;
        };
        let key = format!("guestinfo.cse.phase.{}.status", phase.name);
        let Some(began) = run.began else {
            report(uuid, infra, [(key.as_str(), "in_progress".to_owned())]);
            run.began = Some(ctx.now);
            break Some(ctx.timings.vary(ctx.timings.guest_phase, ctx.rng));
        };
        match judge(uuid, &mut run, &phase, (ctx, infra, entities)) {
            Verdict::Done => {
                report(uuid, infra, [(key.as_str(), "successful".to_owned())]);
                run.next += 1;
                run.began = None;
            }
            // Nothing moves in it until it is restarted.
            Verdict::Dead => {
                run.began = None;
                if let Some(guest) = infra.actors.guests.get_mut(uuid) {
                    guest.run = Some(run);
                }
                return;
            }
            Verdict::Wait if ctx.now.since(began) < phase.limit => break Some(RECHECK),
            Verdict::Wait => {
                let secs = phase.limit.as_secs();
                let reason = format!("phase {} did not end within {secs} s", phase.name);
                fail(uuid, infra, (&key, &phase), &reason);
                clear_user_data(uuid, infra, &run);
                break None;
            }
            Verdict::Failed(reason) => {
                fail(uuid, infra, (&key, &phase), &reason);
                clear_user_data(uuid, infra, &run);
                break None;
            }
        }
    };
    if let Some(delay) = goes_on {
        if let Some(guest) = infra.actors.guests.get_mut(uuid) {
            guest.run = Some(run);
        }
        appoint(uuid, delay, ctx, infra);
    }
}

/// Whether the running phase is over.
fn judge(
    uuid: &str,
    run: &mut Run,
    phase: &Phase,
    (ctx, infra, entities): (&mut Context<'_>, &mut Infra, &mut Entities),
) -> Verdict {
    match ordered_failure(uuid, &phase.name, infra) {
        Some(Ordered::Failure) => {
            return Verdict::Failed(format!("simulated failure of phase {}", phase.name));
        }
        Some(Ordered::Hang) => return Verdict::Wait,
        Some(Ordered::Death) => return Verdict::Dead,
        None => {}
    }
    let script = phase.script.as_str();
    if script.contains("cluster.yaml") && script.contains("kubectl") && script.contains("apply") {
        match apply(
            uuid,
            run.program.manifests.as_deref(),
            (ctx, infra, entities),
        ) {
            Ok(rde_id) => run.cluster = Some(rde_id),
            Err(reason) => return Verdict::Failed(reason),
        }
    }
    let cluster = run
        .cluster
        .as_deref()
        .and_then(|id| infra.actors.clusters.get_mut(id));
    if script.contains("ControlPlaneInitialized")
        && !cluster.as_ref().is_some_and(|one| one.is_initialized())
    {
        return Verdict::Wait;
    }
    if script.contains("wait nodes --all") && !cluster.as_ref().is_some_and(|one| one.is_complete())
    {
        return Verdict::Wait;
    }
    if script.contains("clusterctl move") {
        match cluster {
            Some(cluster) if cluster.is_complete() => cluster.move_into_itself(),
            Some(_) => return Verdict::Wait,
            None => return Verdict::Failed("no cluster to move".to_owned()),
        }
    }
    Verdict::Done
}

pub(super) fn ordered_failure(uuid: &str, phase: &str, infra: &mut Infra) -> Option<Ordered> {
    let Infra {
        vms, vapps, actors, ..
    } = infra;
    let vm = vms.get(uuid)?;
    let vapp = vapps
        .get(&vm.vapp)
        .map(|vapp| vapp.name.as_str())
        .unwrap_or_default();
    let cluster = vapp
        .split_once("_ephemeral")
        .map_or(vapp, |(cluster, _)| cluster);
    actors.ordered(uuid, (&vm.description, cluster), phase)
}

/// Applies the manifests; the controllers start, or go on, with them.
fn apply(
    uuid: &str,
    manifests: Option<&str>,
    (ctx, infra, entities): (&mut Context<'_>, &mut Infra, &mut Entities),
) -> Result<String, String> {
    let text = manifests.ok_or("error: the path \"/opt/cse/cluster.yaml\" does not exist")?;
    let documents = Documents::parse(text)?;
    let manifest = Manifest::of(&documents)?;
    let home = Home::find(&documents, ctx, infra, entities)?;
    let rde_id = home.rde_id.clone();
    capvcd::start(uuid, (home, manifest), ctx, infra);
    Ok(rde_id)
}

fn fail(uuid: &str, infra: &mut Infra, (key, phase): (&str, &Phase), reason: &str) {
    let log = format!("+ /opt/cse/phases: {}\n{reason}\n", phase.name);
    let line = reason.lines().next().unwrap_or_default().to_owned();
    let keys = [
        (key, "failed".to_owned()),
        ("guestinfo.cse.reason", line),
        ("guestinfo.cse.log", STANDARD.encode(log)),
        ("guestinfo.cse.exit", "1".to_owned()),
    ];
    report(uuid, infra, keys);
}

/// All phases have ended well.
fn finish(uuid: &str, infra: &mut Infra, run: &Run) {
    clear_user_data(uuid, infra, run);
    report(uuid, infra, [("guestinfo.cse.exit", "0".to_owned())]);
}

/// cloud-init takes a lone document separator for "no user data".
fn clear_user_data(uuid: &str, infra: &mut Infra, run: &Run) {
    if run.program.clears_user_data {
        report(uuid, infra, [("guestinfo.userdata", "---".to_owned())]);
    }
}

/// `vmtoolsd --cmd "info-set ..."`.
pub(super) fn report<'k>(
    uuid: &str,
    infra: &mut Infra,
    keys: impl IntoIterator<Item = (&'k str, String)>,
) {
    if let Some(Vm { extra_config, .. }) = infra.vms.get_mut(uuid) {
        extra_config.extend(keys.into_iter().map(|(key, value)| (key.to_owned(), value)));
    }
}
