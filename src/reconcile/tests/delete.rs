//! Deletion: what goes first, what is told, what blocks, and when the entity itself may go.

use super::removal::{disk, full, item};
use super::*;
use crate::reconcile::delete::Departure;
use crate::reconcile::estate::{EstateKind, EstateSeen, Proof, Serves};
use crate::reconcile::observation::ErrorSeen;
use crate::reconcile::removal::{Obstacle, Removing, Stage};

fn deleting() -> Observation {
    edit(fresh(), |seen| {
        seen.document.phase = ClaimPhase::Deleting;
        seen.document.state = ClusterState::Deleting;
        seen.document.resolved = true;
        seen.estate = Some(full());
    })
}

/// Nothing is left, and everything has been told.
fn empty() -> Observation {
    edit(deleting(), |seen| {
        seen.estate = Some(EstateSeen::default());
        let all = Stage::ALL.map(|stage| Departure::Part(stage).event());
        let told = all
            .into_iter()
            .chain([Departure::Bootstrap.event(), Departure::Everything.event()]);
        seen.document.deletion.announced = told.map(str::to_owned).collect();
        seen.removal.empty_for = Some(Duration::from_mins(2));
    })
}

fn block(obstacles: Vec<Obstacle>, secs: u64) -> Decision {
    Decision::Commit(Change::BlockDeletion {
        obstacles,
        retry_in: Duration::from_secs(secs),
    })
}

fn unseen(gap: &str) -> Obstacle {
    Obstacle::Unseen(gap.to_owned())
}

#[test]
fn the_bootstrap_goes_first_then_the_estate() {
    let with_bootstrap = || {
        edit(deleting(), |seen| {
            seen.vapps = vec![vapp(7, 1)];
            seen.vapps[0].deployed = true;
        })
    };
    check(vec![
        (
            "bootstrap vApp at work",
            with_bootstrap(),
            Decision::Act(Action::UndeployVapp(vapp_id(7))),
        ),
        (
            "bootstrap vApp off",
            edit(with_bootstrap(), |seen| seen.vapps[0].deployed = false),
            Decision::Act(Action::DeleteVapp(vapp_id(7))),
        ),
        (
            "VCD at work on the bootstrap vApp",
            edit(with_bootstrap(), |seen| seen.vapps[0].busy = true),
            wait(WaitReason::BusyObject, 2),
        ),
        (
            "somebody else's vApp of that name",
            edit(with_bootstrap(), |seen| seen.vapps = vec![foreign_vapp(7)]),
            Decision::Act(Action::Remove(Removing::StopVapp(vapp_id(1)))),
        ),
        (
            "a task runs",
            edit(with_bootstrap(), |seen| seen.task = TaskSeen::Running),
            wait(WaitReason::Task, 2),
        ),
        (
            "the machines are off: that is told first",
            edit(deleting(), |seen| {
                let mut estate = full();
                estate.vapps[0].deployed = false;
                seen.estate = Some(estate);
            }),
            Decision::Commit(Change::ReportRemoval {
                news: vec![Departure::Bootstrap, Departure::Part(Stage::Stop)],
                healed: Vec::new(),
            }),
        ),
    ]);
}

#[test]
fn the_entity_goes_last_after_a_quarantine_and_resolved() {
    check(vec![
        (
            "nothing left, all told",
            empty(),
            Decision::Act(Action::DeleteEntity),
        ),
        (
            "just seen empty",
            edit(empty(), |seen| {
                seen.removal.empty_for = Some(Duration::from_secs(20));
            }),
            wait(WaitReason::Quarantine, 100),
        ),
        (
            "not resolved",
            edit(empty(), |seen| seen.document.resolved = false),
            Decision::Act(Action::ResolveEntity),
        ),
        (
            "cannot be resolved",
            edit(empty(), |seen| {
                seen.document.resolved = false;
                seen.removal.resolve_tried = true;
            }),
            Decision::Act(Action::DeleteEntity),
        ),
        (
            "nobody ever began to create it",
            edit(empty(), |seen| {
                seen.document.deletion.never_built = true;
                seen.document.incarnation = 0;
                seen.removal.empty_for = Some(Duration::ZERO);
            }),
            Decision::Act(Action::DeleteEntity),
        ),
        (
            "not looked at",
            edit(empty(), |seen| seen.estate = None),
            wait(WaitReason::Task, 2),
        ),
    ]);
}

#[test]
fn without_a_complete_look_only_a_cluster_goes_that_never_had_anything() {
    let blind = |reason: FailureReason| {
        edit(empty(), |seen| {
            seen.preparation = Err(reason);
            seen.estate = None;
        })
    };
    let gap = || {
        edit(empty(), |seen| {
            seen.estate = Some(EstateSeen {
                gaps: vec!["no VDC".to_owned()],
                ..EstateSeen::default()
            });
        })
    };
    let never = |seen| edit(seen, |seen| seen.document.deletion.never_built = true);
    let refused = || FailureReason::TokenRefused("401".to_owned());
    check(vec![
        (
            "no token",
            blind(FailureReason::TokenMissing),
            block(vec![Obstacle::TokenMissing], 60),
        ),
        (
            "dead token, third try",
            edit(blind(refused()), |seen| {
                seen.removal.paused = Duration::from_mins(2);
            }),
            block(vec![Obstacle::TokenRefused("401".to_owned())], 240),
        ),
        (
            "the pause is bounded",
            edit(blind(refused()), |seen| {
                seen.removal.paused = Duration::from_hours(2);
            }),
            block(vec![Obstacle::TokenRefused("401".to_owned())], 900),
        ),
        (
            "dead token, never built",
            never(blind(refused())),
            Decision::Act(Action::DeleteEntity),
        ),
        ("a gap", gap(), block(vec![unseen("no VDC")], 60)),
        (
            "a gap, never built",
            never(gap()),
            Decision::Act(Action::DeleteEntity),
        ),
        (
            "a gap, nothing recorded, and yet something found",
            never(edit(gap(), |seen| {
                let found = item(EstateKind::Pool, Serves::Service, 1);
                seen.estate.as_mut().unwrap().items.push(found);
            })),
            block(vec![unseen("no VDC")], 60),
        ),
    ]);
}

#[test]
fn what_is_in_the_way_is_said_and_force_goes_past_it() {
    let stuck = |id: &str| {
        let id = id.to_owned();
        move |seen: &mut Observation| {
            seen.removal.failed.insert(id, "no right".to_owned());
        }
    };
    let vapp_stuck = Obstacle::Stuck {
        what: "bootstrap vApp",
        name: "blue_ephemeral_vapp".to_owned(),
        id: vapp_id(7).as_str().to_owned(),
        why: "no right".to_owned(),
    };
    let with_bootstrap = || edit(deleting(), |seen| seen.vapps = vec![vapp(7, 1)]);
    let forced = |seen| edit(seen, |seen| seen.document.deletion.forced = true);
    let entity_stuck = Obstacle::Stuck {
        what: "entity of the cluster",
        name: entity().as_str().to_owned(),
        id: entity().as_str().to_owned(),
        why: "no right".to_owned(),
    };
    check(vec![
        (
            "the bootstrap vApp, plain",
            edit(with_bootstrap(), stuck(vapp_id(7).as_str())),
            block(vec![vapp_stuck.clone()], 60),
        ),
        (
            "the bootstrap vApp, forced",
            forced(edit(with_bootstrap(), stuck(vapp_id(7).as_str()))),
            Decision::Act(Action::Remove(Removing::StopVapp(vapp_id(1)))),
        ),
        (
            "the bootstrap vApp, forced, and nothing else left",
            forced(edit(with_bootstrap(), |seen| {
                seen.estate = Some(EstateSeen::default());
                stuck(vapp_id(7).as_str())(seen);
            })),
            block(vec![vapp_stuck], 60),
        ),
        (
            "the entity",
            edit(empty(), stuck(entity().as_str())),
            block(vec![entity_stuck], 60),
        ),
        (
            "VCD at work for too long",
            edit(with_bootstrap(), |seen| {
                seen.vapps = Vec::new();
                seen.estate.as_mut().unwrap().vapps[0].busy = true;
                seen.removal.busy_for = Duration::from_mins(20);
            }),
            wait(WaitReason::BusyObject, 2),
        ),
    ]);
}

#[test]
fn errors_that_are_over_are_taken_back_and_volumes_that_stay_are_named() {
    let error = |name: &str, resource: &str| ErrorSeen {
        name: name.to_owned(),
        resource: resource.to_owned(),
        detail: "why".to_owned(),
    };
    let over = error("ApiTokenRefused", "");
    let gone = error("ResourceNotRemoved", "load-balancer-pool-9");
    let stands = error("ResourceNotRemoved", "load-balancer-pool-1");
    let errors = vec![over.clone(), gone.clone(), stands];
    check(vec![
        (
            "errors",
            edit(deleting(), |seen| seen.document.deletion.errors = errors),
            Decision::Commit(Change::ReportRemoval {
                news: vec![Departure::Bootstrap],
                healed: vec![over, gone],
            }),
        ),
        (
            "a volume and a look-alike stay",
            edit(empty(), |seen| {
                let mut estate = full();
                estate.items.truncate(1);
                estate.items[0].attached_to.clear();
                estate.vapps[0].proof = Proof::Unproven;
                seen.estate = Some(estate);
                seen.document
                    .deletion
                    .announced
                    .remove("ClusterResourcesRemoved");
            }),
            Decision::Commit(Change::ReportRemoval {
                news: vec![
                    Departure::VolumesKept(vec!["named disk 1".to_owned()]),
                    Departure::LookAlikesKept(vec!["kite7".to_owned()]),
                    Departure::Everything,
                ],
                healed: Vec::new(),
            }),
        ),
    ]);
}

#[test]
fn volumes_go_only_when_the_deletion_is_forced_and_their_class_says_so() {
    let disk_only = |forced, reclaims| {
        edit(empty(), |seen| {
            let mut estate = full();
            estate.vapps.clear();
            estate.items.truncate(1);
            estate.items[0].attached_to.clear();
            seen.estate = Some(estate);
            seen.document.deletion.forced = forced;
            seen.document.deletion.reclaims_volumes = reclaims;
            seen.document
                .deletion
                .announced
                .insert("VolumesKept".to_owned());
        })
    };
    let gone = || {
        let disk = disk(1, &[]);
        Decision::Act(Action::Remove(Removing::DeleteItem(disk)))
    };
    let leave = || Decision::Act(Action::DeleteEntity);
    check(vec![
        ("plain, Retain", disk_only(false, false), leave()),
        ("plain, Delete", disk_only(false, true), leave()),
        ("forced, Retain", disk_only(true, false), leave()),
        ("forced, Delete", disk_only(true, true), gone()),
    ]);
}
