//! Stale reads: cells and query services that answer from an older state cost time, never a cluster, and
//! nothing is done twice for it.

use std::time::Duration;

use cse_server::sim::faults::{Fault, Target};
use http::Method;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{until_created, until_deleted, until_soon};
use crate::effort::{on_virtual_time, trial};
use crate::stage::{asked, begun, has, orphaned, provisioned, tells, urn, with_services};
use crate::support::fleet::{Fleet, Saved};
use crate::support::snare::{Snare, Which};

/// A new cell knows entities as they were when it took over.
fn old_cell(stale_for: &str) -> Value {
    json!({"fail_over": {"cut": "0s", "lost_per_mille": 0, "stale_for": stale_for}})
}

/// The query service knows records as they were a while ago.
fn old_records() -> Value {
    json!({"query_lag": {"lag": "50s", "lasts": "10m"}})
}

/// The moment from which on reads are old.
struct Lag {
    name: &'static str,
    when: fn(&Fleet) -> bool,
    lever: fn() -> Value,
}

const CREATION: [Lag; 9] = [
    Lag {
        name: "a replica that reads a free cluster which another one has claimed takes nothing from it",
        when: |_| true,
        lever: || old_cell("90s"),
    },
    Lag {
        name: "a holder that reads its document from before its claim does nothing twice",
        when: |fleet| fleet.cluster(urn(fleet)).holder.is_some(),
        lever: || old_cell("2m"),
    },
    Lag {
        name: "a holder that reads its document from before the commit of the vApp makes no second one",
        when: |fleet| has(fleet, "vapp.composed"),
        lever: || old_cell("2m"),
    },
    Lag {
        name: "a holder that reads its document from before the commit of the VM powers no second one on",
        when: |fleet| has(fleet, "vm.created"),
        lever: || old_cell("2m"),
    },
    Lag {
        name: "a holder that reads the cluster's report late waits for it",
        when: |fleet| has(fleet, "vm.powered_on"),
        lever: || old_cell("3m"),
    },
    Lag {
        name: "a holder that reads of no teardown does not begin anew",
        when: |fleet| tells(fleet, "ClusterReady"),
        lever: || old_cell("2m"),
    },
    Lag {
        name: "a replica that reads of a creation which is over leaves the cluster alone",
        when: Fleet::all_provisioned,
        lever: || old_cell("5m"),
    },
    Lag {
        name: "a query service that does not know the vApp yet costs no second one",
        when: |_| true,
        lever: old_records,
    },
    Lag {
        name: "a query service that still knows the bootstrap vApp costs no second removal",
        when: |fleet| tells(fleet, "ClusterReady"),
        lever: old_records,
    },
];

const DELETION: [Lag; 5] = [
    Lag {
        name: "a replica that reads of no mark deletes nothing until it does",
        when: |_| true,
        lever: || old_cell("2m"),
    },
    Lag {
        name: "a holder that reads its document from before the deletion goes on or starts again, and nothing stays",
        when: |fleet| fleet.is_in(urn(fleet), "deleting"),
        lever: || old_cell("2m"),
    },
    Lag {
        name: "a holder that reads of a cluster whose machines it has removed removes nothing else",
        when: |fleet| !fleet.world().vapps().iter().any(|vapp| vapp == "oak"),
        lever: || old_cell("3m"),
    },
    Lag {
        name: "a query service that still lists what was removed costs no second removal",
        when: |_| true,
        lever: old_records,
    },
    Lag {
        name: "a query service that lists the machines late is no proof that they are gone",
        when: |fleet| fleet.is_in(urn(fleet), "deleting"),
        lever: old_records,
    },
];

pub(super) fn trials() -> Vec<Trial> {
    let created = CREATION.iter().map(|lag| {
        trial(format!("sieve: {}", lag.name), || {
            let saved = asked(6_200, false, |_| {});
            on_virtual_time(async {
                let fleet = lagging(&saved, lag).await;
                until_created(&fleet).await;
                fleet.pass(Duration::from_mins(6)).await;
                fleet.assert_converged();
            });
        })
    });
    let deleted = DELETION.iter().map(|lag| {
        trial(format!("sieve: {}", lag.name), || {
            let saved = on_virtual_time(provisioned(6_300, with_services, true));
            on_virtual_time(async {
                let fleet = lagging(&saved, lag).await;
                until_deleted(&fleet).await;
            });
        })
    });
    let mut all: Vec<Trial> = created.chain(deleted).collect();
    all.push(trial(
        "sieve: a write whose reply is lost, followed by an old read, is neither lost nor repeated",
        lost_reply_and_old_read,
    ));
    all.push(trial(
        "sieve: a deletion of a half made cluster that begins with old reads leaves nothing",
        deletion_of_a_half_made_cluster,
    ));
    all.push(trial(
        "sieve: a vApp that is shown as it was before it was stopped does not block its deletion",
        late_vapps,
    ));
    all.push(trial(
        "sieve: a vApp that is shown as it was before its bootstrap VM was made costs no creation",
        vapps_without_their_machine,
    ));
    all.push(trial(
        "sieve: a VDC that lists its vApps late costs neither a second vApp nor the creation",
        late_listings,
    ));
    all.push(trial(
        "sieve: a bootstrap VM that is shown as it was before it was switched on costs no creation",
        late_machines,
    ));
    all.push(trial(
        "sieve: a single old answer to any read of an entity while the guest is at work costs nothing",
        single_old_answers,
    ));
    all
}

/// Two replicas, and old reads from the moment on.
async fn lagging(saved: &Saved, lag: &Lag) -> Fleet {
    let mut fleet = Fleet::resume(saved);
    fleet.seed += 500;
    lag.name.clone_into(&mut fleet.what);
    fleet.start("a");
    until_soon(&fleet, lag.when).await;
    fleet.pull(&(lag.lever)());
    fleet.pass_time(Duration::from_secs(3)).await;
    fleet.start("b");
    fleet
}

/// Every write of the entity in turn loses its reply, and what is read next is from before.
fn lost_reply_and_old_read() {
    let saved = asked(6_400, false, |_| {});
    for write in 0..12 {
        on_virtual_time(async {
            let mut fleet = Fleet::resume(&saved);
            fleet.what = format!("write {write}");
            let target = Target {
                after: write,
                ..Target::next(1, Method::PUT, "/entities/urn")
            };
            fleet.faults.arm(target, Fault::ReplyLost);
            fleet.start("a");
            until_soon(&fleet, |fleet| fleet.faults.struck() == 1).await;
            fleet.snare("a", Which::next("GET", "/entities/urn"), Snare::Stale);
            fleet.start("b");
            until_created(&fleet).await;
            fleet.assert_converged();
        });
    }
}

fn deletion_of_a_half_made_cluster() {
    let stages: [fn(&Fleet) -> bool; 3] = [
        |fleet| has(fleet, "vapp.composed"),
        |fleet| has(fleet, "vm.created"),
        |fleet| fleet.world().vms().len() > 2,
    ];
    for (seed, stage) in (6_500..).zip(stages) {
        let saved = on_virtual_time(begun(seed, stage));
        for lever in [old_cell("2m"), old_records()] {
            on_virtual_time(async {
                let mut fleet = Fleet::resume(&saved);
                fleet.seed += 500;
                fleet.what = format!("{lever}");
                fleet.pull(&lever);
                fleet.start("a");
                fleet.start("b");
                until_deleted(&fleet).await;
            });
        }
    }
}

/// Every read of a vApp of a deletion in turn is late; no tenant is told of an obstacle.
fn late_vapps() {
    let saved = on_virtual_time(provisioned(6_640, async |_| {}, false));
    let mut sprung = 0;
    for read in 0..6 {
        sprung += on_virtual_time(async {
            let mut fleet = Fleet::resume(&saved);
            fleet.seed += 500;
            fleet.what = format!("read {read} of a vApp");
            fleet.versions.watch();
            let which = Which {
                after: read,
                ..Which::next("GET", "/api/vApp/vapp-")
            };
            fleet.snare("a", which, Snare::Stale);
            fleet.start("a");
            until_deleted(&fleet).await;
            for content in fleet.versions.of(urn(&fleet)) {
                let errors = &content["status"]["vcdKe"]["errorSet"];
                let errors = errors.as_array().map_or(0, Vec::len);
                assert_eq!(errors, 0, "{content}\n{}", fleet.context());
            }
            fleet.snares.sprung("a")
        });
    }
    assert!(sprung > 0, "no vApp was late");
}

/// Every read of `path` in turn is late in a creation that goes on from `saved`; how many were.
fn each_late(saved: &Saved, path: &'static str, reads: u64) -> u64 {
    let late = |read| async move {
        let mut fleet = Fleet::resume(saved);
        fleet.what = format!("read {read} of {path}");
        let which = Which {
            after: read,
            ..Which::next("GET", path)
        };
        fleet.snare("a", which, Snare::Stale);
        fleet.start("a");
        until_created(&fleet).await;
        fleet.assert_converged();
        fleet.snares.sprung("a")
    };
    (0..reads).map(|read| on_virtual_time(late(read))).sum()
}

/// Until the VM in it is at work.
fn vapps_without_their_machine() {
    let late = each_late(&asked(6_670, false, |_| {}), "/api/vApp/vapp-", 24);
    assert!(late >= 4, "only {late} answers were old");
}

fn late_listings() {
    let late = each_late(&asked(6_650, false, |_| {}), "/api/vdc/", 8);
    assert!(late > 0, "no listing was late");
}

/// By a process that has just started: it switches a VM on that is on, and VCD refuses.
fn late_machines() {
    let saved = on_virtual_time(orphaned(6_660));
    let late = each_late(&saved, "/api/vApp/vm-", 8);
    assert!(late > 0, "no VM was late");
}

fn single_old_answers() {
    let saved = asked(6_600, false, |_| {});
    let mut sprung = 0;
    for read in 0..10 {
        sprung += on_virtual_time(async {
            let mut fleet = Fleet::resume(&saved);
            fleet.what = format!("read {read}");
            let which = Which {
                after: read,
                ..Which::next("GET", "/entities/urn")
            };
            fleet.snare("a", which, Snare::Stale);
            fleet.start("a");
            fleet.pass_time(Duration::from_secs(5)).await;
            fleet.start("b");
            until_created(&fleet).await;
            fleet.assert_converged();
            fleet.snares.sprung("a")
        });
    }
    assert!(sprung >= 4, "only {sprung} answers were old");
}
