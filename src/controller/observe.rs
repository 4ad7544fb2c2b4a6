//! Looking at one claimed cluster: document, tenant's side, bootstrap vApp, guest, running task.
//!
//! Flow: [`observe`] fills an `Observation` for `reconcile::decide`.
//!
//! Invariants:
//! - Reads only. What a look cannot see is absent in the observation, never guessed.
//! - "Gone" is said only of what is visible neither by id nor in the VDC's listing.
//! - What stays in [`Memory`] saves requests and measures waits; losing it loses no safety.

use std::time::Duration;

use super::Deps;
use super::claim::Held;
use super::day_two::observe_running;
use super::deletion;
use super::document;
use super::evidence::{self, Listing};
use super::guest::guest_seen;
use super::history;
use super::memory::{DOUBTS, Memory};
use super::preflight::{Look, PATIENCE, VappOwner, examine, find_targets, vapp_owner};
use super::tenant::{Full, NoTenant, full_entity, has_kubeconfig, refused_token, sign_in};
use crate::domain::claim::ClaimPhase;
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::{VappId, VmId};
use crate::domain::marker::Marker;
use crate::domain::status::ClusterState;
use crate::reconcile::failure::FailureReason;
use crate::reconcile::inspection;
use crate::reconcile::observation::{
    GuestSeen, Observation, Power, Preparation, RemovalSeen, TaskSeen, VappSeen, VmSeen,
};
use crate::reconcile::sight;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::{TaskStatus, Vapp, VappVm, VcdStatus, Vdc};
use crate::vcd::transport::Transport;

/// How long a listing of vApps stays good while the guest is the only one at work.
const LISTING_GOOD_FOR: Duration = Duration::from_mins(1);

/// One complete look at the cluster.
pub(super) async fn observe<T: Transport>(
    deps: &Deps<T>,
    held: &Held<T>,
    memory: &mut Memory<T>,
) -> Result<Observation, VcdError> {
    let now = deps.clock.now();
    let content = &held.document().entity;
    let resolved = held.document().state == "RESOLVED";
    let wall = deps.clock.wall();
    let mut seen = Observation {
        document: document::seen(&held.document().id, content, resolved),
        preparation: Ok(Preparation {
            network: String::new(),
        }),
        vapps: Vec::new(),
        vm: None,
        cluster_vapps: Vec::new(),
        estate: None,
        task: TaskSeen::None,
        action_failures: memory.action_failures,
        phase_age: Duration::ZERO,
        stage_age: memory.stage_age(held, now),
        failure_age: history::failure_age(content, wall),
        inspection_over: inspection::is_over(&document::summary(content), wall, &deps.policy),
        removal: RemovalSeen {
            condemned: memory.condemned.clone(),
            ..RemovalSeen::default()
        },
        running: None,
    };
    if seen.document.phase == ClaimPhase::Deleting {
        deletion::look(deps, held, memory, &mut seen).await?;
        return Ok(seen);
    }
    if seen.document.state == ClusterState::Provisioned {
        seen.running = Some(observe_running(deps, held, &mut memory.follow).await);
        return Ok(seen);
    }
    if sight::is_needless(&seen) {
        return Ok(seen);
    }
    let looked = match prepare(deps, held, memory).await {
        Ok(()) => look((deps, held), memory, &mut seen)
            .await
            .map_err(refused_token),
        Err(problem) => Err(problem),
    };
    match looked {
        Ok(()) => {
            memory.token_refusals = 0;
            memory.doubts = 0;
        }
        Err(problem) => {
            seen.preparation = Err(memory.understand(problem)?);
            return Ok(seen);
        }
    }
    await_kubeconfig(deps, memory, &mut seen).await?;
    seen.phase_age = memory.phase_age(&seen, now);
    if let Some(guest) = &mut seen.vm {
        guest.silent_for = memory.silent_for(guest, now);
    }
    Ok(seen)
}

async fn prepare<T: Transport>(
    deps: &Deps<T>,
    held: &Held<T>,
    memory: &mut Memory<T>,
) -> Result<(), NoTenant> {
    if memory.tenant.is_none() {
        let tenant = sign_in(deps, held.document()).await?;
        memory.tenant = Some(tenant.behind(held.fence()));
    }
    Ok(())
}

async fn look<T: Transport>(
    (deps, held): (&Deps<T>, &Held<T>),
    memory: &mut Memory<T>,
    seen: &mut Observation,
) -> Result<(), VcdError> {
    let Some(tenant) = &memory.tenant else {
        return Ok(());
    };
    seen.preparation = Ok(Preparation {
        network: tenant.spec.network.clone(),
    });
    if let Some(reason) = &memory.blocked {
        seen.preparation = Err(reason.clone());
        return Ok(());
    }
    seen.task = task_seen(&tenant.client, memory).await?;
    if seen.task == TaskSeen::Running {
        return Ok(());
    }
    memory.task_ended(&seen.task);
    seen.action_failures = memory.action_failures;
    let now = deps.clock.now();
    let reusable = memory.listing_may_age;
    let listing = match &memory.listing {
        Some((at, listing)) if reusable && now.since(*at) < LISTING_GOOD_FOR => listing.clone(),
        _ => match list_vapps((deps, held), memory, seen).await? {
            Ok(listing) => {
                memory.listing = Some((now, listing.clone()));
                listing
            }
            Err(reason) => {
                seen.preparation = Err(reason);
                return Ok(());
            }
        },
    };
    seen.vapps = listing.vapps;
    let Some(tenant) = &memory.tenant else {
        return Ok(());
    };
    let client = tenant.client.clone();
    if let Some(vm) = &seen.document.committed_vm
        && seen.document.phase == ClaimPhase::Creating
    {
        seen.vm = guest(&client, memory, (seen, vm)).await?;
    }
    if sight::is_wanted(seen) {
        let entity = &seen.document.entity;
        seen.cluster_vapps = evidence::cluster_vapps(&client, entity, &listing.candidates).await?;
    }
    let pausing = memory.pausing_until.is_some_and(|until| now < until);
    if sight::is_clean_up(seen) && !pausing {
        seen.estate = Some(evidence::survey(&client, held.document()).await?);
    }
    Ok(())
}

/// The committed VM, unless it is gone.
async fn guest<T: Transport>(
    client: &VcdClient<T>,
    memory: &mut Memory<T>,
    (seen, vm): (&Observation, &VmId),
) -> Result<Option<GuestSeen>, VcdError> {
    let mut listed = seen.vapps.iter().flat_map(|vapp| &vapp.vms);
    let listed = listed.any(|one| one.id == *vm);
    match client.vm(vm).await {
        Ok(vm) => Ok(Some(guest_seen(&vm))),
        Err(error) if !is_unseen(&error) || listed && memory.doubt(DOUBTS) => {
            memory.listing = None;
            Err(error)
        }
        Err(_) => Ok(None),
    }
}

/// "Not visible" about what its container lists: a right may be missing or a cell out of date for a moment, and
/// nothing is torn down for that.
const fn is_unseen(error: &VcdError) -> bool {
    matches!(error, VcdError::NotVisible { .. })
}

pub(super) async fn task_seen<T: Transport>(
    client: &VcdClient<T>,
    memory: &Memory<T>,
) -> Result<TaskSeen, VcdError> {
    if let Some(refusal) = &memory.refusal {
        return Ok(refusal.clone());
    }
    let Some(task) = &memory.task else {
        return Ok(TaskSeen::None);
    };
    // A task that is no longer visible has ended; what it did is seen in the objects.
    let Some(report) = visible(client.task(task).await)? else {
        return Ok(TaskSeen::None);
    };
    Ok(match report.status {
        TaskStatus::Running => TaskSeen::Running,
        TaskStatus::Success => TaskSeen::None,
        TaskStatus::Failed {
            class,
            code,
            message,
        } => {
            let why = format!("{message} ({code})");
            match class {
                ErrorClass::Terminal | ErrorClass::Unauthenticated => TaskSeen::Failed(why),
                ErrorClass::Transient
                | ErrorClass::Throttled { .. }
                | ErrorClass::Conflict
                | ErrorClass::OutcomeUnknown => TaskSeen::FailedForNow(why),
            }
        }
    })
}

/// All vApps with the bootstrap name or the committed id; and, when creating, the request's targets.
async fn list_vapps<T: Transport>(
    (deps, held): (&Deps<T>, &Held<T>),
    memory: &mut Memory<T>,
    seen: &Observation,
) -> Result<Result<Listing, FailureReason>, VcdError> {
    let Some(tenant) = &memory.tenant else {
        return Ok(Ok(Listing {
            vapps: Vec::new(),
            candidates: Vec::new(),
        }));
    };
    let vdc = tenant.client.vdc(&tenant.vdc).await?;
    let wanted = bootstrap_vapp_name(&tenant.spec.name);
    let candidates = evidence::candidates(&vdc.vapps, &tenant.spec.name);
    let mut ids: Vec<VappId> = vdc
        .vapps
        .iter()
        .filter(|vapp| vapp.name == wanted)
        .map(|vapp| vapp.id.clone())
        .collect();
    if let Some(committed) = &seen.document.committed_vapp
        && !ids.contains(committed)
    {
        ids.push(committed.clone());
    }
    let client = tenant.client.clone();
    let mut vapps = Vec::new();
    for id in ids {
        let answer = client.vapp(&id).await;
        let listed = vdc.vapps.iter().any(|vapp| vapp.id == id);
        match answer {
            Ok(vapp) => vapps.push(vapp_seen(vapp, seen)),
            Err(error) if !is_unseen(&error) || listed && memory.doubt(DOUBTS) => {
                return Err(error);
            }
            Err(_) => {}
        }
    }
    if seen.document.phase != ClaimPhase::Creating {
        return Ok(Ok(Listing { vapps, candidates }));
    }
    let prepared = prepare_creation((deps, held), memory, (seen, &vdc, &vapps)).await?;
    Ok(prepared.map(|()| Listing { vapps, candidates }))
}

/// Finds the request's targets; before the first effect of an attempt, with everything that can stand in
/// the way of a creation.
async fn prepare_creation<T: Transport>(
    (deps, held): (&Deps<T>, &Held<T>),
    memory: &mut Memory<T>,
    (seen, vdc, vapps): (&Observation, &Vdc, &[VappSeen]),
) -> Result<Result<(), FailureReason>, VcdError> {
    let Some(tenant) = &mut memory.tenant else {
        return Ok(Ok(()));
    };
    let attempt = seen.document.incarnation;
    let mut has_begun = seen.document.committed_vapp.is_some()
        || memory.examined == Some(attempt)
        || vapps.iter().any(|vapp| vapp.marker.is_some());
    if has_begun && tenant.targets.is_some() {
        return Ok(Ok(()));
    }
    let mut foreign: Vec<String> = Vec::new();
    if !has_begun {
        foreign.extend(vapps.iter().map(|vapp| vapp.name.clone()));
        match vapp_owner(tenant, vdc, &seen.document.entity).await? {
            VappOwner::Nobody => {}
            // Something of this very cluster is there: what becomes of it is not preflight's to say.
            VappOwner::Cluster => has_begun = true,
            VappOwner::Other => foreign.push(tenant.spec.name.clone()),
        }
    }
    let whole = !has_begun;
    let look = Look {
        deps,
        document: held.document(),
        tenant,
        vdc,
        foreign_vapps: foreign,
        patient: memory.vain_looks < PATIENCE,
    };
    let found = if whole {
        Box::pin(examine(&look)).await
    } else {
        Box::pin(find_targets(&look)).await
    };
    memory.vain_looks = match &found {
        Ok(_) => 0,
        Err(_) => memory.vain_looks.saturating_add(1),
    };
    Ok(found?.map(|targets| {
        tenant.targets = Some(targets);
        if whole {
            memory.examined = Some(attempt);
        }
    }))
}

/// Name of a cluster's bootstrap vApp.
pub(super) fn bootstrap_vapp_name(cluster: &str) -> String {
    format!("{cluster}_ephemeral_vapp")
}

/// "Not visible" as absence: VCD answers 403 for both, and only objects of our own making are asked for.
pub(super) fn visible<R>(answer: Result<R, VcdError>) -> Result<Option<R>, VcdError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(VcdError::NotVisible { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn own_marker(description: &str, seen: &Observation) -> Option<Marker> {
    Marker::parse(description).filter(|marker| marker.entity == seen.document.entity)
}

pub(super) fn vapp_seen(vapp: Vapp, seen: &Observation) -> VappSeen {
    VappSeen {
        marker: own_marker(&vapp.description, seen),
        busy: vapp.busy,
        deployed: vapp.deployed || vapp.vms.iter().any(|vm| vm.deployed),
        networks: vapp.networks,
        vms: vapp.vms.into_iter().map(|vm| vm_seen(vm, seen)).collect(),
        id: vapp.id,
        name: vapp.name,
    }
}

fn vm_seen(vm: VappVm, seen: &Observation) -> VmSeen {
    VmSeen {
        marker: own_marker(&vm.description, seen),
        power: power(vm.status),
        id: vm.id,
        name: vm.name,
    }
}

pub(super) fn power(status: VcdStatus) -> Power {
    match status {
        VcdStatus::FailedCreation => Power::Failed,
        VcdStatus::Unresolved => Power::Unresolved,
        VcdStatus::PoweredOn => Power::On,
        VcdStatus::PoweredOff | VcdStatus::Resolved => Power::Off,
        VcdStatus::Suspended | VcdStatus::Mixed | VcdStatus::Other(_) => Power::Other,
    }
}

/// Once the script is through, the kubeconfig is looked for; GET never shows it, the behavior does.
async fn await_kubeconfig<T: Transport>(
    deps: &Deps<T>,
    memory: &mut Memory<T>,
    seen: &mut Observation,
) -> Result<(), VcdError> {
    let through = seen.vm.as_ref().is_some_and(|vm| vm.report.exit == Some(0));
    if !through || !seen.document.control_plane_ready {
        return Ok(());
    }
    if !memory.kubeconfig_seen {
        let full = full_entity(deps, &seen.document.entity).await?;
        memory.kubeconfig_seen = match &full {
            Full::Shown(content) => has_kubeconfig(content),
            // CSE 4.0 types have no such behavior, and no secure kubeconfig either.
            Full::Absent => true,
            Full::Refused(_) => !memory.doubt(DOUBTS),
        };
    }
    seen.document.control_plane_ready = memory.kubeconfig_seen;
    Ok(())
}
