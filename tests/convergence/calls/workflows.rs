//! The workflows whose every call is tried.

use std::time::Duration;

use cse_server::sim::seed::{ClusterEdit, TKG_IMAGES};

use super::workflow::{Deed, Turn, Workflow};
use crate::effort::on_virtual_time;
use crate::stage::{
    asked, begun, edited, fail, has, is_collected, is_gone, kept, mark, orphaned, provisioned,
    tells, urn, with_services,
};

/// A second; deletions and creations are looked at that often.
const SECOND: Duration = Duration::from_secs(1);
/// Longer than a takeover takes.
const LATE: Duration = Duration::from_mins(10);
/// Q of the default policy.
const QUARANTINE: Duration = Duration::from_mins(2);
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
        windowed: true,
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
        standby: LATE,
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
        standby: LATE,
        excused: Some(("I11", "what a client took away is told again")),
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
        grows: true,
        ..DELETE
    },
    Workflow {
        name: "delete, teardown",
        prepare: || on_virtual_time(begun(5_260, |fleet| tells(fleet, "ClusterReady"))),
        ..DELETE
    },
    Workflow {
        name: "marked when the VM is made",
        // Whether the mark or the commit of the VM comes first is a race.
        progress: &["BootstrapVmCreated"],
        prepare: || asked(5_270, false, |_| {}),
        turns: &[Turn {
            when: |fleet| has(fleet, "vm.created"),
            deed: Deed::Change(|fleet| mark(fleet, false)),
        }],
        ..DELETE
    },
    Workflow {
        name: "marked while the cluster grows",
        prepare: || asked(5_280, true, |_| {}),
        grows: true,
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
    windowed: false,
    grows: false,
    excused: None,
    anew: Duration::ZERO,
    standby: Duration::from_secs(5),
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
    anew: QUARANTINE,
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
