//! Requests that arrive twice, because something on the way repeats them: every effect of a creation and of a
//! deletion, and every write of the document. The first answer comes back; single requests of which the second
//! one does are tried with every call (`calls`).

use std::time::Duration;

use libtest_mimic::Trial;

use super::{until_created, until_deleted, until_soon};
use crate::effort::{on_virtual_time, trial};
use crate::stage::{asked, begun, has, provisioned, with_services};
use crate::support::fleet::{Fleet, Saved};
use crate::support::snare::{Snare, Which};

/// Which requests are repeated, each time.
const REPEATED: [(&str, &str, &str); 5] = [
    ("write of the document", "PUT", "/entities/"),
    ("POST", "POST", "/api/"),
    ("change of a section", "PUT", "/api/"),
    ("removal", "DELETE", ""),
    ("call of a behavior or for a token", "POST", "/"),
];

/// The effects of a creation.
const EFFECTS: [(&str, &str); 7] = [
    ("POST", "composeVApp"),
    ("PUT", "networkConfigSection"),
    ("POST", "recomposeVApp"),
    ("POST", "reconfigureVm"),
    ("POST", "powerOn"),
    ("POST", "undeploy"),
    ("DELETE", "/vApp/"),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    for (what, method, path) in REPEATED {
        let name = |of: &str| format!("sieve: a {of} in which every {what} arrives twice");
        all.push(trial(name("creation"), move || {
            let saved = asked(6_700, false, |_| {});
            on_virtual_time(async {
                let fleet = repeated(&saved, (method, path)).await;
                until_created(&fleet).await;
                fleet.assert_converged();
            });
        }));
        all.push(trial(name("deletion"), move || {
            let saved = on_virtual_time(provisioned(6_710, with_services, true));
            on_virtual_time(async {
                let fleet = repeated(&saved, (method, path)).await;
                until_deleted(&fleet).await;
            });
        }));
    }
    all.push(trial(
        "sieve: whatever the second answer to a request that arrived twice says, its object is made once",
        || {
            let saved = asked(6_720, false, |_| {});
            for (method, path) in EFFECTS {
                on_virtual_time(async {
                    let mut fleet = Fleet::resume(&saved);
                    fleet.seed += 500;
                    fleet.what = format!("{method} {path}");
                    fleet.snare("a", Which::next(method, path), Snare::TwiceSecond);
                    fleet.start("a");
                    until_created(&fleet).await;
                    assert_eq!(fleet.snares.sprung("a"), 1, "{}", fleet.context());
                    fleet.assert_converged();
                });
            }
        },
    ));
    all.push(trial(
        "sieve: a bootstrap vApp that is at work already is removed as soon as it is not",
        bootstrap_at_work,
    ));
    all.push(trial(
        "sieve: a claim whose request arrives twice and that is told of a conflict is worked on at once",
        || {
            let saved = asked(6_730, false, |_| {});
            on_virtual_time(async {
                let mut fleet = Fleet::resume(&saved);
                fleet.seed += 500;
                fleet.snare("a", Which::next("PUT", "/entities/urn"), Snare::TwiceSecond);
                fleet.start("a");
                let begun = |fleet: &Fleet| has(fleet, "vapp.composed");
                let soon = fleet.until(Duration::from_secs(15), begun).await;
                assert!(soon, "{}", fleet.context());
                assert_eq!(fleet.snares.sprung("a"), 1, "{}", fleet.context());
            });
        },
    ));
    all
}

async fn repeated(saved: &Saved, (method, path): (&'static str, &'static str)) -> Fleet {
    let mut fleet = Fleet::resume(saved);
    fleet.seed += 500;
    fleet.what = format!("twice: {method} {path}");
    for name in ["a", "b"] {
        let which = Which {
            times: u64::MAX,
            ..Which::next(method, path)
        };
        fleet.snare(name, which, Snare::TwiceFirst);
    }
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(5)).await;
    assert!(fleet.snares.sprung("a") > 0 || method == "DELETE" || path == "/api/");
    fleet.start("b");
    fleet
}

fn bootstrap_at_work() {
    let there = |fleet: &Fleet| has(fleet, "vm.powered_on");
    let saved = on_virtual_time(begun(6_740, there));
    let clean = on_virtual_time(removed(&saved, false));
    let took = on_virtual_time(removed(&saved, true));
    let limit = clean + Duration::from_secs(20);
    assert!(took <= limit, "{took:?}, {clean:?} without");
}

/// How long it takes until the bootstrap vApp is gone, when the request to switch it off arrives twice.
async fn removed(saved: &Saved, twice: bool) -> Duration {
    let mut fleet = Fleet::resume(saved);
    fleet.seed += 500;
    fleet.what = format!("twice: {twice}");
    if twice {
        fleet.snare("a", Which::next("POST", "undeploy"), Snare::TwiceSecond);
    }
    let begun = fleet.clock.now();
    fleet.start("a");
    until_soon(&fleet, |fleet| fleet.world().vapps().is_empty()).await;
    let took = fleet.clock.now().since(begun);
    assert_eq!(fleet.snares.sprung("a") == 1, twice, "{}", fleet.context());
    until_deleted(&fleet).await;
    took
}
