//! The conditional write of the configuration, under races and faults.

use std::cell::Cell;
use std::time::Duration;

use cse_server::controller::settings::change::{ChangeError, Plan, change};
use cse_server::domain::ids::EntityId;
use cse_server::domain::tree::TreePath;
use cse_server::sim::faults::{Fault, Target};
use serde_json::{Map, Value, json};

use crate::support::fleet::Fleet;

/// Sets the poll interval to `minutes`, as `config set` does it.
async fn set_poll(fleet: &Fleet, minutes: u64, disturb: &dyn Fn()) -> Result<(), ChangeError> {
    let id = EntityId::parse(&fleet.configuration().await).unwrap();
    let path = TreePath::parse("profiles[0].serverConfig.rdePollIntervalInMin").unwrap();
    let place = path.clone();
    let make = |content: &Map<String, Value>| {
        disturb();
        let mut document = Value::Object(content.clone());
        path.set(&mut document, json!(minutes)).unwrap();
        Ok(document.as_object().unwrap().clone())
    };
    let plan = Plan {
        make: &make,
        places: &move |_| vec![place.clone()],
    };
    let client = fleet.provider().await;
    change(&client, &id, &plan).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_is_run_again_unless_the_same_key_was_changed() {
    let fleet = Fleet::new(5_100);
    let urn = fleet.configuration().await;
    let once = Cell::new(true);
    let elsewhere = || {
        if once.take() {
            fleet.change(&urn, |content| {
                content["profiles"][0]["name"] = json!("renamed");
            });
        }
    };
    set_poll(&fleet, 2, &elsewhere).await.unwrap();
    let content = fleet.content(&urn);
    assert_eq!(
        content["profiles"][0]["name"], "renamed",
        "the other change stays"
    );
    assert_eq!(
        content["profiles"][0]["serverConfig"]["rdePollIntervalInMin"],
        2
    );

    let once = Cell::new(true);
    let same = || {
        if once.take() {
            fleet.change(&urn, |content| {
                content["profiles"][0]["serverConfig"]["rdePollIntervalInMin"] = json!(7);
            });
        }
    };
    let error = set_poll(&fleet, 3, &same).await.unwrap_err();
    assert!(
        matches!(&error, ChangeError::Meanwhile(changes) if changes.len() == 1),
        "{error}"
    );
    assert_eq!(
        fleet.content(&urn)["profiles"][0]["serverConfig"]["rdePollIntervalInMin"],
        7
    );
}

/// Goal: whatever becomes of any call, the value is either the old or the new one, and the answer tells which.
#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_a_call_the_answer_is_true() {
    let mut changed = 0;
    for fault in Fault::ALL {
        for call in 0..3 {
            let fleet = Fleet::new(5_200);
            let urn = fleet.configuration().await;
            let target = Target {
                path: Some("/entities/urn".to_owned()),
                after: call,
                times: 1,
                ..Target::default()
            };
            fleet.faults.arm(target, fault);
            let result = set_poll(&fleet, 2, &|| ()).await;
            fleet.pass_time(Duration::from_mins(2)).await;
            let now =
                fleet.content(&urn)["profiles"][0]["serverConfig"]["rdePollIntervalInMin"].clone();
            let context = format!("{fault:?} at call {call}: {result:?}");
            match result {
                Ok(()) => assert_eq!(now, 2, "{context}"),
                Err(ChangeError::Unknown { .. }) => {}
                // Late, and nobody knows yet: the answer says that it is not known.
                Err(_) if matches!(fault, Fault::Delayed(_)) => {}
                Err(_) => assert_eq!(now, 1, "{context}"),
            }
            changed += u32::from(now == 2);
        }
    }
    assert!(changed > 20, "only {changed} runs changed anything");
}
