//! Single answers that are mistakes: nobody believes them at once, and no tenant is told.

use std::collections::BTreeSet;
use std::time::Duration;

use cse_server::sim::faults::{Fault, Refusal, Target};
use http::Method;
use libtest_mimic::Trial;

use super::{until_created, until_deleted, until_soon};
use crate::effort::{on_virtual_time, trial};
use crate::stage::{asked, mark, provisioned, urn};
use crate::support::fleet::{Fleet, Saved};

const UNHEARD: [Fault; 3] = [
    Fault::NotSent,
    Fault::RequestLost,
    Fault::Refused(Refusal::Forbidden),
];

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "sieve: a resolution that never reached VCD is asked for again before the entity goes",
            || {
                for fault in UNHEARD {
                    let saved = asked(6_900, false, |fleet| mark(fleet, false));
                    on_virtual_time(unheard(&saved, "/resolve", fault, true));
                }
            },
        ),
        trial(
            "sieve: one refusal to show the token of a cluster to delete is no missing token",
            || {
                let saved = on_virtual_time(provisioned(6_910, async |_| {}, false));
                let fault = Fault::Refused(Refusal::Forbidden);
                on_virtual_time(unheard(&saved, "/invocations", fault, true));
            },
        ),
        trial(
            "sieve: one refusal to show the token of a cluster to create is no missing token",
            || {
                let saved = asked(6_920, false, |_| {});
                let fault = Fault::Refused(Refusal::Forbidden);
                on_virtual_time(unheard(&saved, "/invocations", fault, false));
            },
        ),
        trial(
            "sieve: one refusal to show a bootstrap vApp or VM that is listed is not its loss",
            || {
                let saved = asked(6_930, true, |_| {});
                for (path, after) in [
                    ("/vApp/vapp-", 2),
                    ("/vApp/vapp-", 6),
                    ("/vApp/vm-", 1),
                    ("/vApp/vm-", 9),
                ] {
                    on_virtual_time(hidden(&saved, path, after));
                }
            },
        ),
        trial(
            "sieve: one refusal to show its holder a cluster is no loss of the claim",
            || {
                let created = asked(6_940, false, |_| {});
                let deleted = on_virtual_time(provisioned(6_950, async |_| {}, false));
                for after in 1..4 {
                    on_virtual_time(out_of_sight(&created, after, false));
                }
                // A deletion reads it once more only: right before it deletes it.
                on_virtual_time(out_of_sight(&deleted, 1, true));
            },
        ),
        trial(
            "sieve: a part of a look that is refused in a quarantine does not begin it anew",
            looks_with_gaps,
        ),
        trial(
            "sieve: half a minute of answers that are not VCD's ends no creation",
            strange_answers,
        ),
    ]
}

fn strange_answers() {
    let saved = asked(6_970, false, |_| {});
    for after in [2, 9] {
        on_virtual_time(async {
            let mut fleet = Fleet::resume(&saved);
            fleet.what = format!("after {after} looks");
            let target = Target {
                times: 7,
                ..Target::next(after, Method::GET, "/api/vdc/")
            };
            fleet.faults.arm(target, Fault::Malformed);
            fleet.start("a");
            until_created(&fleet).await;
            assert_eq!(fleet.faults.struck(), 7, "{}", fleet.context());
            fleet.assert_converged();
        });
    }
}

fn looks_with_gaps() {
    let saved = on_virtual_time(provisioned(6_960, async |_| {}, false));
    let clean = on_virtual_time(quarantined(&saved, None));
    for path in ["/edgeGateways", "/applicationPortProfiles"] {
        let took = on_virtual_time(quarantined(&saved, Some(path)));
        let limit = clean + Duration::from_secs(45);
        assert!(took <= limit, "403 on {path}: {took:?}, {clean:?} without");
    }
}

/// How long a deletion takes from the moment in which the machines are gone, when late in its quarantine a read of
/// this kind is refused once.
async fn quarantined(saved: &Saved, path: Option<&str>) -> Duration {
    let mut fleet = Fleet::resume(saved);
    fleet.seed += 500;
    fleet.what = format!("403 on {path:?}");
    fleet.start("a");
    until_soon(&fleet, |fleet| fleet.world().vapps().is_empty()).await;
    let begun = fleet.clock.now();
    fleet.pass_time(Duration::from_mins(1)).await;
    if let Some(path) = path {
        let target = Target::next(1, Method::GET, path);
        fleet.faults.arm(target, Fault::Refused(Refusal::Forbidden));
    }
    until_deleted(&fleet).await;
    assert_eq!(
        fleet.faults.struck() == 1,
        path.is_some(),
        "{}",
        fleet.context()
    );
    fleet.clock.now().since(begun)
}

/// The holder's own read of the entity is refused once; it goes on under the claim that it has.
async fn out_of_sight(saved: &Saved, after: u64, deletes: bool) {
    let mut fleet = Fleet::resume(saved);
    fleet.seed += 500;
    fleet.what = format!("403 on read {after} of the entity");
    fleet.versions.watch();
    let target = Target {
        after,
        ..Target::next(
            1,
            Method::GET,
            "/entities/urn:vcloud:entity:vmware:capvcdCluster",
        )
    };
    fleet.faults.arm(target, Fault::Refused(Refusal::Forbidden));
    fleet.start("a");
    if deletes {
        until_deleted(&fleet).await;
    } else {
        until_created(&fleet).await;
    }
    assert_eq!(fleet.faults.struck(), 1, "{}", fleet.context());
    let versions = fleet.versions.of(urn(&fleet));
    let holders: BTreeSet<&str> = versions
        .iter()
        .filter_map(|content| content.get("status")?["vcdKe"]["heartbeatString"].as_str())
        .filter(|text| text.ends_with("x=held"))
        .filter_map(|text| text.split(';').find(|part| part.starts_with("e=")))
        .collect();
    assert_eq!(holders.len(), 1, "{holders:?}\n{}", fleet.context());
}

/// One read of this kind is refused; the attempt goes on.
async fn hidden(saved: &Saved, path: &str, after: u64) {
    let mut fleet = Fleet::resume(saved);
    fleet.seed += 500;
    fleet.what = format!("403 on read {after} of {path}");
    let target = Target {
        after,
        ..Target::next(1, Method::GET, path)
    };
    fleet.faults.arm(target, Fault::Refused(Refusal::Forbidden));
    fleet.start("a");
    until_created(&fleet).await;
    assert_eq!(fleet.faults.struck(), 1, "{}", fleet.context());
    fleet.assert_converged();
}

/// One request of this kind goes wrong; no error is ever told for it.
async fn unheard(saved: &Saved, path: &str, fault: Fault, deletes: bool) {
    let mut fleet = Fleet::resume(saved);
    fleet.seed += 500;
    fleet.what = format!("{fault:?} on {path}");
    fleet.versions.watch();
    fleet.faults.arm(Target::next(1, Method::POST, path), fault);
    fleet.start("a");
    if deletes {
        until_deleted(&fleet).await;
    } else {
        until_created(&fleet).await;
        fleet.assert_converged();
    }
    assert_eq!(fleet.faults.struck(), 1, "{}", fleet.context());
    let told = fleet.versions.of(urn(&fleet));
    assert!(told.len() > 1, "{} versions", told.len());
    for content in told {
        let own = content
            .get("status")
            .map(|status| &status["vcdKe"]["errorSet"]);
        let errors = own.and_then(|set| set.as_array()).map_or(0, Vec::len);
        assert_eq!(errors, 0, "{content}\n{}", fleet.context());
    }
}
