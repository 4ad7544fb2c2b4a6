//! An account that cannot fail proves nothing: what it has to notice, it notices.

use std::sync::Arc;
use std::time::Duration;

use cse_server::sim::transport::InProcess;
use fastrand::Rng;
use libtest_mimic::Trial;
use serde_json::json;

use super::ledger::{Account, Ledger, Update};
use super::marks::{self, Marks};
use super::wild::{Kind, Writer};
use super::yard::{Plot, Yard};
use crate::effort::{on_virtual_time, trial};
use crate::support::client::Client;
use crate::support::fleet::Fleet;

const UPDATES: u64 = 3;

pub(super) fn trials() -> Vec<Trial> {
    let case = |name: &str, tamper: fn(&Scene), complaint: &'static str| {
        trial(format!("writers::noticed::{name}"), move || {
            on_virtual_time(noticed(tamper, complaint));
        })
    };
    vec![
        case("nothing_is_wrong_where_nothing_is", |_| {}, ""),
        case("an_update_that_is_not_there_any_more", lost, "is lost"),
        case(
            "an_update_that_was_acknowledged_but_not_made",
            pretended,
            "are no version",
        ),
        case(
            "an_update_that_was_made_but_not_acknowledged",
            silent,
            "was not acknowledged",
        ),
        case("a_servers_write_that_is_undone", undone, "undoes"),
    ]
}

/// A cluster that the portal has updated.
struct Scene {
    fleet: Fleet,
    ledger: Ledger,
    urn: String,
}

impl Scene {
    async fn open() -> Self {
        let mut fleet = Fleet::quick(1);
        let urn = fleet.ask_for("oak");
        // The author's password.
        Client::of(&fleet, 0);
        let scene = Self {
            fleet,
            ledger: Ledger::default(),
            urn,
        };
        scene.write(&scene.ledger, UPDATES).await;
        scene
    }

    async fn write(&self, ledger: &Ledger, updates: u64) {
        let (world, faults) = (&self.fleet.world, &self.fleet.faults);
        let clock = self.fleet.clock.clone();
        let way = InProcess::new(Arc::clone(world), clock, Arc::clone(faults));
        let yard = Yard::default();
        yard.plots().push(Plot {
            urn: self.urn.clone(),
            name: "oak".to_owned(),
            tenant: 0,
            until: None,
            going: false,
            marked: false,
        });
        let with = (&way, self.fleet.tenants.as_slice());
        let rng = Rng::with_seed(1);
        let writer = Writer::new(Kind::Portal, with, (ledger, &yard), rng);
        writer.work(updates).await;
    }

    fn marks(&self) -> Marks {
        marks::read(&self.fleet.content(&self.urn).into())
    }

    fn account(&self) -> Result<Account, String> {
        let world = self.fleet.world();
        self.ledger.account(world.history().entries())
    }
}

fn lost(scene: &Scene) {
    let mut marks = scene.marks();
    marks[0] = Some(UPDATES - 1);
    scene.ledger.saw(&scene.urn, u64::MAX, marks);
}

fn pretended(scene: &Scene) {
    let update = Update {
        number: UPDATES + 1,
        marks: scene.marks(),
        tries: 1,
    };
    scene.ledger.acknowledged(&scene.urn, Kind::Portal, update);
}

fn silent(scene: &Scene) {
    scene.ledger.forget(&scene.urn, Kind::Portal);
}

fn undone(scene: &Scene) {
    scene.fleet.change(&scene.urn, |content| {
        content.insert("status".to_owned(), json!({"vcdKe": {"workerId": "other"}}));
    });
}

async fn noticed(tamper: fn(&Scene), complaint: &str) {
    let scene = Scene::open().await;
    tamper(&scene);
    // What an operator does is taken down at the next moment.
    scene.fleet.pass_time(Duration::from_secs(1)).await;
    match scene.account() {
        Ok(mut account) => {
            assert_eq!(complaint, "", "nothing was noticed");
            let fate = account.of(Kind::Portal);
            let made = usize::try_from(UPDATES).unwrap();
            assert_eq!((fate.acknowledged, fate.there, fate.lost()), (made, 1, 0));
        }
        Err(told) => assert!(
            !complaint.is_empty() && told.contains(complaint),
            "{told} instead of {complaint:?}"
        ),
    }
}
