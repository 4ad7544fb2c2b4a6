//! The workflows whose every call is tried.

use std::time::Duration;

use cse_server::sim::seed::{ClusterEdit, TKG_IMAGES};
use serde_json::json;

use super::workflow::{Deed, Turn, Workflow, is_gone, urn};
use crate::effort::on_virtual_time;
use crate::support::fleet::{Fleet, Saved};

const HOUR: Duration = Duration::from_hours(1);
/// A second; deletions and creations are looked at that often.
const SECOND: Duration = Duration::from_secs(1);
const POOL: &str = "workers-a";
const NEW: &str = "v1.28.4+vmware.1";

pub(super) static ALL: [Workflow; 20] = [
    Workflow {
        name: "create",
        prepare: || asked(5_000, false, |_| {}),
        ..CREATE
    },
    Workflow {
        name: "create, failing",
        prepare: || asked(5_010, false, |fleet| fail(fleet, "workers")),
        over: |fleet| fleet.is_in(urn(fleet), "error") && fleet.is_let_go(urn(fleet)),
        truths: &[("its VM is kept", |fleet| {
            !fleet.world().bootstrap_leftovers().is_empty()
        })],
        ..CREATE
    },
    Workflow {
        name: "create, repaired",
        prepare: || asked(5_020, true, |fleet| fail(fleet, "workers")),
        ..CREATE
    },
    Workflow {
        name: "collect what failed",
        prepare: || on_virtual_time(kept(5_030)),
        over: |fleet| is_collected(fleet) && fleet.is_let_go(urn(fleet)),
        truths: &[("the failure stays", |fleet| {
            fleet.is_in(urn(fleet), "error")
        })],
        ..CREATE
    },
    Workflow {
        name: "restart",
        prepare: || asked(5_040, false, |_| {}),
        turns: &[Turn {
            when: |fleet| has(fleet, "vm.powered_on"),
            deed: Deed::Restart,
        }],
        ..CREATE
    },
    Workflow {
        name: "drain",
        prepare: || asked(5_050, false, |_| {}),
        turns: &[Turn {
            when: |fleet| has(fleet, "vm.powered_on"),
            deed: Deed::Drain,
        }],
        ..CREATE
    },
    Workflow {
        name: "take over",
        prepare: || on_virtual_time(orphaned(5_060)),
        ..CREATE
    },
    Workflow {
        name: "new configuration",
        prepare: || asked(5_070, false, |_| {}),
        turns: &[Turn {
            when: |fleet| has(fleet, "vm.powered_on"),
            deed: Deed::Configure,
        }],
        ..CREATE
    },
    Workflow {
        name: "document rolled back",
        prepare: || asked(5_080, false, |_| {}),
        turns: &[Turn {
            when: |fleet| has(fleet, "vm.powered_on"),
            deed: Deed::Restore,
        }],
        ..CREATE
    },
    Workflow {
        name: "resize",
        prepare: || {
            let to = ClusterEdit::Resize {
                pool: POOL.to_owned(),
                replicas: 3,
            };
            on_virtual_time(edited(5_090, to))
        },
        over: |fleet| tells(fleet, "NodePoolReady") && fleet.is_let_go(urn(fleet)),
        progress: &["NodePoolChanging"],
        ..FOLLOW
    },
    Workflow {
        name: "upgrade",
        prepare: || {
            let image = TKG_IMAGES.iter().find(|image| image.kubernetes() == NEW);
            let to = ClusterEdit::Upgrade { to: image.unwrap() };
            on_virtual_time(edited(5_100, to))
        },
        over: |fleet| tells(fleet, "ClusterUpgraded") && fleet.is_let_go(urn(fleet)),
        progress: &[
            "ClusterUpgrading",
            "NodePoolChanging",
            "NodePoolReady",
            "NodePoolDegraded",
        ],
        ..FOLLOW
    },
    Workflow {
        name: "delete",
        prepare: || on_virtual_time(provisioned(5_200, async |_| {}, false)),
        ..DELETE
    },
    Workflow {
        name: "delete, forced, with Services",
        prepare: || on_virtual_time(provisioned(5_210, with_services, true)),
        ..DELETE
    },
    Workflow {
        name: "delete before anything",
        prepare: || asked(5_220, false, |fleet| mark(fleet, false)),
        ..DELETE
    },
    Workflow {
        name: "delete, vApp made",
        prepare: || on_virtual_time(begun(5_230, |fleet| has(fleet, "vapp.composed"))),
        ..DELETE
    },
    Workflow {
        name: "delete, VM made",
        prepare: || on_virtual_time(begun(5_240, |fleet| has(fleet, "vm.created"))),
        ..DELETE
    },
    Workflow {
        name: "delete, guest at work",
        prepare: || on_virtual_time(begun(5_250, |fleet| fleet.world().vms().len() > 2)),
        ..DELETE
    },
    Workflow {
        name: "delete, teardown",
        prepare: || on_virtual_time(begun(5_260, |fleet| tells(fleet, "ClusterReady"))),
        ..DELETE
    },
    Workflow {
        name: "marked while the VM is made",
        prepare: || asked(5_270, false, |_| {}),
        turns: &[Turn {
            when: |fleet| has(fleet, "vapp.composed"),
            deed: Deed::Change(|fleet| mark(fleet, false)),
        }],
        ..DELETE
    },
    Workflow {
        name: "marked while the cluster grows",
        prepare: || asked(5_280, true, |_| {}),
        turns: &[Turn {
            when: |fleet| fleet.world().vms().len() > 3,
            deed: Deed::Change(|fleet| mark(fleet, true)),
        }],
        ..DELETE
    },
];

/// Ends with a provisioned cluster that nobody holds.
const CREATE: Workflow = Workflow {
    name: "",
    prepare: || asked(0, false, |_| {}),
    turns: &[],
    over: |fleet| fleet.all_provisioned() && is_collected(fleet) && fleet.is_let_go(urn(fleet)),
    truths: &[
        ("the cluster is as promised", |fleet| {
            fleet.assert_sound();
            true
        }),
        ("nothing is left over", |fleet| {
            fleet.world().leaks().is_empty()
        }),
    ],
    progress: &[],
    step: SECOND,
};

/// Ends with an edit that is told, and nobody who looks on.
const FOLLOW: Workflow = Workflow {
    truths: &[("no error is left", |fleet| {
        fleet.errors(urn(fleet)).is_empty()
    })],
    step: Duration::from_secs(5),
    ..CREATE
};

/// Ends with nothing.
const DELETE: Workflow = Workflow {
    over: is_gone,
    truths: &[
        ("nothing is left over", |fleet| {
            fleet.world().leaks().is_empty()
        }),
        ("no vApp is left", |fleet| fleet.world().vapps().is_empty()),
        ("no network object is left", |fleet| {
            fleet.world().network_objects().is_empty()
        }),
    ],
    ..CREATE
};

/// A cluster that was asked for, and nobody at work.
fn asked(seed: u64, repaired: bool, then: fn(&Fleet)) -> Saved {
    on_virtual_time(async {
        let mut fleet = Fleet::quick(seed);
        if repaired {
            fleet.ask_for_repaired("oak");
        } else {
            fleet.ask_for("oak");
        }
        then(&fleet);
        fleet.save()
    })
}

/// A fleet whose only replica has brought its only cluster so far.
async fn brought(seed: u64, there: impl Fn(&Fleet) -> bool) -> Fleet {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_for("oak");
    fleet.start("z");
    assert!(fleet.until(HOUR, there).await, "{}", fleet.context());
    fleet
}

/// A cluster whose creation has begun, marked for deletion after its replica was stopped.
async fn begun(seed: u64, there: impl Fn(&Fleet) -> bool) -> Saved {
    let mut fleet = brought(seed, there).await;
    fleet.stop("z").await;
    mark(&fleet, false);
    fleet.save()
}

/// A running cluster, marked for deletion.
async fn provisioned(seed: u64, with: impl AsyncFnOnce(&Fleet), forced: bool) -> Saved {
    let mut fleet = brought(seed, Fleet::all_provisioned).await;
    fleet.stop("z").await;
    with(&fleet).await;
    mark(&fleet, forced);
    fleet.save()
}

/// Two Services, of one and of two ports.
async fn with_services(fleet: &Fleet) {
    for (name, ports) in [("web", &[80_u16, 443][..]), ("db", &[5432])] {
        let at = (fleet.clock.now(), fleet.clock.wall());
        let made = fleet
            .world()
            .create_load_balancer_service("oak", ("default", name), ports, at);
        made.unwrap();
        let up = |fleet: &Fleet| {
            let objects = fleet.world().network_objects();
            let wanted = format!("ingress-vs-{name}-");
            objects
                .iter()
                .filter(|object| object.contains(&wanted))
                .count()
                == ports.len()
        };
        assert!(fleet.until(HOUR, up).await, "{}", fleet.context());
    }
}

/// A bootstrap VM that nobody looks after, because its replica was killed.
async fn orphaned(seed: u64) -> Saved {
    let mut fleet = brought(seed, |fleet| has(fleet, "vm.powered_on")).await;
    fleet.kill("z").await;
    fleet.save()
}

/// The bootstrap VM of a failed creation, right after the time for its inspection is over.
async fn kept(seed: u64) -> Saved {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_for("oak");
    fail(&fleet, "kind");
    fleet.start("z");
    let failed = |fleet: &Fleet| fleet.is_in(urn(fleet), "error") && fleet.is_let_go(urn(fleet));
    assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
    fleet.stop("z").await;
    fleet.pass_time(24 * HOUR + HOUR / 12).await;
    fleet.save()
}

/// A running cluster at rest that a tenant has just edited; its machines take a while.
async fn edited(seed: u64, edit: ClusterEdit) -> Saved {
    let mut fleet = brought(seed, Fleet::all_provisioned).await;
    // Its report follows, and half an hour later nobody takes it for new any more.
    fleet.pass_time(Duration::from_mins(35)).await;
    fleet.stop("z").await;
    fleet.world().timings_mut().node = Duration::from_mins(6);
    let (now, wall) = (fleet.clock.now(), fleet.clock.wall());
    let tenant = fleet.tenants[0].clone();
    let edited = fleet
        .world()
        .edit_cluster((&tenant, urn(&fleet)), &edit, now, wall);
    assert!(edited, "{}", fleet.context());
    fleet.save()
}

/// Lets the bootstrap fail once in a phase.
fn fail(fleet: &Fleet, phase: &str) {
    fleet.world().fail_guest("oak", phase, 1);
}

/// Marks the cluster for deletion, as the portal or Terraform does.
fn mark(fleet: &Fleet, forced: bool) {
    fleet.change(urn(fleet), |content| {
        let section = &mut content["spec"]["vcdKe"];
        section["markForDelete"] = json!(true);
        section["forceDelete"] = json!(forced);
    });
}

fn has(fleet: &Fleet, effect: &str) -> bool {
    fleet.effect(effect, urn(fleet)) > 0
}

fn tells(fleet: &Fleet, event: &str) -> bool {
    fleet
        .event_names(urn(fleet))
        .iter()
        .any(|name| name == event)
}

fn is_collected(fleet: &Fleet) -> bool {
    fleet.world().bootstrap_leftovers().is_empty()
}
