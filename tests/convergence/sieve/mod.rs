//! The classic bugs of controllers, by name: work that stops half way, reads that lag behind, changes that
//! nobody sees, requests that arrive twice.
//!
//! Source: the families of faults of Sieve (OSDI '22), and the all-actions-twice helpers of steno.

mod doubt;
mod intermediate;
mod stale;
mod twice;
mod unobserved;

use std::time::Duration;

use libtest_mimic::Trial;

use crate::figures;
use crate::stage::{HOUR, is_collected, is_gone, urn};
use crate::support::fleet::Fleet;

pub(crate) fn trials() -> Vec<Trial> {
    let families = [
        ("intermediate state", intermediate::trials()),
        ("stale reads", stale::trials()),
        ("unobserved transitions", unobserved::trials()),
        ("requests that arrive twice", twice::trials()),
        ("single answers that are mistakes", doubt::trials()),
    ];
    let mut all = Vec::new();
    for (family, trials) in families {
        let row = vec![family.to_owned(), trials.len().to_string()];
        figures::add(
            "Classic bugs of controllers",
            &["family", "named tests"],
            [row],
        );
        all.extend(trials);
    }
    all
}

/// Waits until the cluster is provisioned, nothing is left of its creation and nobody holds it.
async fn until_created(fleet: &Fleet) {
    let there = |fleet: &Fleet| {
        fleet.all_provisioned() && is_collected(fleet) && fleet.is_let_go(urn(fleet))
    };
    let created = fleet.until(2 * HOUR, there).await;
    assert!(created, "{}", fleet.context());
}

/// Waits until the cluster is gone, and nothing of it is left.
async fn until_deleted(fleet: &Fleet) {
    let gone = fleet.until(2 * HOUR, is_gone).await;
    assert!(gone, "{}", fleet.context());
    assert_nothing_left(fleet);
}

fn assert_nothing_left(fleet: &Fleet) {
    let leaks = fleet.world().leaks();
    assert_eq!(leaks, [], "{}", fleet.context());
    let mut left = fleet.world().vapps();
    left.extend(fleet.world().network_objects());
    assert_eq!(left, Vec::<String>::new(), "{}", fleet.context());
    for effect in ["vm.deleted", "vapp.deleted"] {
        let times = fleet.effect(effect, urn(fleet));
        assert!(times <= 1, "{effect} {times} times\n{}", fleet.context());
    }
    fleet.assert_lawful();
}

/// Looks often, for something that lasts for moments only.
async fn until_soon(fleet: &Fleet, there: impl Fn(&Fleet) -> bool) {
    for _ in 0..36_000 {
        if there(fleet) {
            return;
        }
        fleet.pass_time(Duration::from_millis(100)).await;
    }
    panic!("it never comes\n{}", fleet.context());
}
