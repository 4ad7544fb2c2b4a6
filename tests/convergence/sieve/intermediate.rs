//! Intermediate state: a replica that dies between any two effects leaves nothing that its successor, in
//! its place or another one, cannot finish.

use std::time::Duration;

use libtest_mimic::Trial;

use super::{until_created, until_deleted, until_soon};
use crate::effort::{on_virtual_time, trial};
use crate::stage::{asked, provisioned, with_services};
use crate::support::fleet::{Fleet, Saved};
use crate::support::snare::{Snare, Which};

/// Where a replica dies: before this request leaves, or after it was processed.
struct Death {
    between: &'static str,
    which: Which,
    snare: Snare,
}

const fn before(between: &'static str, method: &'static str, path: &'static str) -> Death {
    Death {
        between,
        which: Which::next(method, path),
        snare: Snare::HoldRequest,
    }
}

const fn after(between: &'static str, method: &'static str, path: &'static str) -> Death {
    Death {
        snare: Snare::HoldAnswer,
        ..before(between, method, path)
    }
}

const ENTITY: &str = "/entities/urn";

/// In the order of a creation.
const CREATION: [Death; 14] = [
    before("the look at a cluster and its claim", "PUT", ENTITY),
    after(
        "the claim of a cluster and the first look at it",
        "PUT",
        ENTITY,
    ),
    before("the first look and the vApp", "POST", "composeVApp"),
    after("the vApp and its commit", "POST", "composeVApp"),
    before(
        "the commit of the vApp and its network",
        "PUT",
        "networkConfigSection",
    ),
    after("the network and the VM", "PUT", "networkConfigSection"),
    after("the VM and its commit", "POST", "recomposeVApp"),
    before(
        "the commit of the VM and its user data",
        "POST",
        "reconfigureVm",
    ),
    after("the user data and the power", "POST", "reconfigureVm"),
    before("the last commit and the power", "POST", "powerOn"),
    after("the power and the first report", "POST", "powerOn"),
    before(
        "the intent to tear down and the first step of it",
        "POST",
        "undeploy",
    ),
    before(
        "the power off and the removal of the vApp",
        "DELETE",
        "/vApp/",
    ),
    after(
        "the removal of the vApp and the last write",
        "DELETE",
        "/vApp/",
    ),
];

/// In the order of a deletion.
const DELETION: [Death; 9] = [
    before("the mark and the intent to delete", "PUT", ENTITY),
    after("the intent to delete and the first look", "PUT", ENTITY),
    before("the look and the first removal", "DELETE", "/cloudapi"),
    after("two virtual services", "DELETE", "virtualServices"),
    after(
        "the virtual services and the pools",
        "DELETE",
        "loadBalancer",
    ),
    after(
        "the stop of the machines and their removal",
        "POST",
        "undeploy",
    ),
    before(
        "the stop of the machines and the removal of the vApp",
        "DELETE",
        "/vApp/",
    ),
    after("the removal of the vApp and the end", "DELETE", "/vApp/"),
    before(
        "the last proof and the removal of the entity",
        "DELETE",
        ENTITY,
    ),
];

pub(super) fn trials() -> Vec<Trial> {
    let created = CREATION.iter().map(|death| {
        trial(name_of(death, "creation"), || {
            let saved = asked(6_000, false, |_| {});
            for successor in ["a", "b"] {
                on_virtual_time(async {
                    let fleet = died(&saved, death, successor).await;
                    until_created(&fleet).await;
                    fleet.assert_converged();
                });
            }
        })
    });
    let deleted = DELETION.iter().map(|death| {
        trial(name_of(death, "deletion"), || {
            let saved = on_virtual_time(provisioned(6_100, with_services, true));
            for successor in ["a", "b"] {
                on_virtual_time(async {
                    let fleet = died(&saved, death, successor).await;
                    until_deleted(&fleet).await;
                });
            }
        })
    });
    let mut all: Vec<Trial> = created.chain(deleted).collect();
    all.push(trial(
        "sieve: an effect of several requests that stands still between two of them does not go on",
        || {
            let saved = asked(6_050, false, |_| {});
            for read in 0..8 {
                for snare in [Snare::HoldRequest, Snare::HoldAnswer] {
                    on_virtual_time(stood_still(&saved, read, snare));
                }
            }
        },
    ));
    all
}

/// The replica freezes at a read of the bootstrap VM, and goes on when another one has the cluster.
async fn stood_still(saved: &Saved, read: u64, snare: Snare) {
    let mut fleet = Fleet::resume(saved);
    fleet.seed += 500;
    fleet.what = format!("{snare:?}, read {read} of the VM");
    let which = Which {
        after: read,
        ..Which::next("GET", "/api/vApp/vm-")
    };
    fleet.snare("a", which, snare);
    fleet.start("a");
    until_soon(&fleet, |fleet| fleet.is_frozen("a")).await;
    fleet.start("b");
    fleet.pass_time(Duration::from_secs(245)).await;
    fleet.freeze("a", false);
    until_created(&fleet).await;
    fleet.assert_converged();
}

fn name_of(death: &Death, of: &str) -> String {
    format!("sieve: a {of} survives a death between {}", death.between)
}

/// The fleet after `a` has died there and its successor has come.
async fn died(saved: &Saved, death: &Death, successor: &str) -> Fleet {
    let mut fleet = Fleet::resume(saved);
    fleet.seed += 500;
    fleet.what = format!("between {}, then {successor}", death.between);
    fleet.snare("a", death.which, death.snare);
    fleet.start("a");
    until_soon(&fleet, |fleet| fleet.is_frozen("a")).await;
    fleet.kill("a").await;
    fleet.pass_time(Duration::from_secs(2)).await;
    fleet.start(successor);
    fleet
}
