//! Restoring from files: damage, interruptions, clusters that are gone or at work.

use std::collections::BTreeMap;

use cse_server::backup::apply::{State, Wish, restore};
use cse_server::sim::faults::{Fault, Refusal, Target};
use serde_json::{Value, json};

use super::{HOUR, all_of_it, everything, saved, settled, states};
use crate::support::fleet::Fleet;

/// What goes wrong with the documents: a client's rewrite, lost sections, a rolled-back configuration.
fn damage(fleet: &Fleet, config: &str) {
    fleet.change(&fleet.urns[0], |content| {
        content["spec"]["capiYaml"] = json!("");
        content.remove("metadata");
    });
    fleet.change(&fleet.urns[1], |content| {
        content.remove("status");
    });
    fleet.change(config, |content| {
        let profile = &mut content["profiles"][0];
        profile["K8Config"] = json!({});
        profile["serverConfig"]["rdePollIntervalInMin"] = json!(1_000_000);
    });
}

#[tokio::test(start_paused = true)]
async fn damaged_documents_come_back_as_they_were() {
    let fleet = settled(5_310).await;
    let config = fleet.configuration().await;
    let dir = tempfile::tempdir().unwrap();
    let (_, backup) = saved(&fleet, &dir).await;
    let before = everything(&fleet, &config);
    damage(&fleet, &config);
    let damaged = everything(&fleet, &config);
    assert_ne!(damaged, before);
    let client = fleet.provider().await;

    // A look, and a run that may not overwrite, change nothing.
    for wish in [
        Wish {
            apply: false,
            ..all_of_it()
        },
        Wish {
            apply: true,
            ..Wish::default()
        },
    ] {
        let result = restore(&client, &backup, &wish).await.unwrap();
        let differs = result.iter().filter(|one| one.state != State::Same).count();
        assert_eq!(differs, 3, "{result:?}");
        assert!(
            result
                .iter()
                .all(|one| matches!(one.state, State::Same | State::WouldRestore | State::Kept))
        );
        assert_eq!(everything(&fleet, &config), damaged);
    }

    let only = Wish {
        only: vec!["oak".to_owned()],
        ..all_of_it()
    };
    let result = restore(&client, &backup, &only).await.unwrap();
    assert_eq!(
        states(&result),
        BTreeMap::from([("oak".to_owned(), State::Restored)])
    );

    let result = restore(&client, &backup, &all_of_it()).await.unwrap();
    assert!(result.iter().all(|one| !one.state.is_left()), "{result:?}");
    let after = everything(&fleet, &config);
    for (urn, content) in &before {
        if *urn == fleet.urns[1] {
            // The kubeconfig went with the whole status; CAPVCD writes it again.
            let mut want = Value::Object(content.clone());
            want["status"]["capvcd"]
                .as_object_mut()
                .unwrap()
                .shift_remove("private");
            assert_eq!(Value::Object(after[urn].clone()), want, "{urn}");
        } else {
            assert_eq!(after[urn], *content, "{urn}");
        }
    }
}

/// Goal: whichever call fails, running it again ends where an undisturbed run ends.
#[tokio::test(start_paused = true)]
async fn a_restore_that_is_interrupted_at_any_call_goes_on_when_it_is_run_again() {
    let fleet = settled(5_320).await;
    let config = fleet.configuration().await;
    let dir = tempfile::tempdir().unwrap();
    let (_, backup) = saved(&fleet, &dir).await;
    let saved_fleet = fleet.save();
    let mut interrupted = 0;
    let faults = [
        Fault::NotSent,
        Fault::RequestLost,
        Fault::ReplyLost,
        Fault::Refused(Refusal::Conflict),
        Fault::Malformed,
    ];
    for fault in faults {
        for call in 0..24 {
            let fleet = Fleet::resume(&saved_fleet);
            damage(&fleet, &config);
            assert!(
                fleet.world().forget_entity(&config),
                "the configuration is gone as well"
            );
            let client = fleet.provider().await;
            fleet.faults.arm(Target::nth(call), fault);
            let first = restore(&client, &backup, &all_of_it()).await;
            let clean = first
                .as_ref()
                .is_ok_and(|result| result.iter().all(|one| !one.state.is_left()));
            interrupted += u32::from(!clean);
            fleet.faults.disarm();
            let result = restore(&client, &backup, &all_of_it()).await.unwrap();
            let context = format!("{fault:?} at call {call}\n{first:?}\n{result:?}");
            assert!(result.iter().all(|one| !one.state.is_left()), "{context}");
            // There is one configuration again, and replicas can work with it.
            let settings = cse_server::controller::settings::read_settings(&client).await;
            let settings = settings.unwrap_or_else(|error| panic!("{error}\n{context}"));
            assert_eq!(settings.document.state, "RESOLVED", "{context}");
            let grants = client.entity_grants(&settings.document.id).await.unwrap();
            assert_eq!(grants.len(), 1, "{context}\n{grants:?}");
            for urn in &fleet.urns {
                let document = Value::Object(fleet.content(urn));
                assert!(
                    document["spec"]["capiYaml"]
                        .as_str()
                        .is_some_and(|text| text.len() > 500),
                    "{context}"
                );
                assert_eq!(
                    document["status"]["vcdKe"]["state"], "provisioned",
                    "{context}"
                );
            }
        }
    }
    assert!(
        interrupted >= 30,
        "only {interrupted} runs were interrupted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_whose_entity_is_gone_is_told_and_not_made_anew() {
    let mut fleet = settled(5_330).await;
    let dir = tempfile::tempdir().unwrap();
    let (_, backup) = saved(&fleet, &dir).await;
    let gone = fleet.urns[0].clone();
    assert!(fleet.world().forget_entity(&gone));
    let later = fleet.ask_for("yew");
    let vms = fleet.world().vms().len();
    let result = restore(&fleet.provider().await, &backup, &all_of_it())
        .await
        .unwrap();
    assert_eq!(states(&result)["oak"], State::Gone);
    let oak = result.iter().find(|one| one.name == "oak").unwrap();
    assert!(
        oak.notes
            .iter()
            .any(|note| note.contains("orphans --delete")),
        "{oak:?}"
    );
    assert_eq!(states(&result)["yew"], State::Newer);
    assert!(
        fleet.world().entity_content(&gone).is_none()
            && fleet.world().entity_content(&later).is_some()
    );
    assert_eq!(fleet.world().clusters().len(), 3, "nothing was made");
    assert_eq!(fleet.world().vms().len(), vms);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_at_work_is_not_written() {
    let mut fleet = settled(5_340).await;
    let fir = fleet.ask_for("fir");
    let dir = tempfile::tempdir().unwrap();
    let (_, backup) = saved(&fleet, &dir).await;
    fleet.start("a");
    let at_work = |fleet: &Fleet| {
        fleet
            .cluster(&fir)
            .holder
            .is_some_and(|holder| !holder.is_empty())
    };
    assert!(fleet.until(HOUR, at_work).await, "{}", fleet.context());
    fleet.change(&fir, |content| {
        content["metadata"]
            .as_object_mut()
            .unwrap()
            .shift_remove("site");
    });
    let result = restore(&fleet.provider().await, &backup, &all_of_it())
        .await
        .unwrap();
    let told = result.iter().find(|one| one.name == "fir").unwrap();
    assert_eq!(told.state, State::Refused, "{told:?}");
    assert!(told.notes[0].contains("is at work on it"), "{told:?}");
    assert!(fleet.content(&fir)["metadata"].get("site").is_none());
}
