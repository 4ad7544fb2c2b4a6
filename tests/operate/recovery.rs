//! Disaster recovery: VCD's own backup is restored, to an earlier time or as another site, and replicas that know
//! nothing start on it.

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::controller::orphans::Eyes;
use serde_json::{Value, json};

use crate::support::fleet::{Fleet, SITE, Saved};

const HOUR: Duration = Duration::from_hours(1);
const BOOTSTRAP_VM: &str = "EPHEMERAL_TEMP_VM";

/// Nodes of the cluster called `name`.
fn nodes(fleet: &Fleet, name: &str) -> Vec<String> {
    let vms = fleet.world().vms().into_iter();
    vms.filter(|vm| vm.vapp == name && vm.name != BOOTSTRAP_VM)
        .map(|vm| vm.urn)
        .collect()
}

fn resize(fleet: &Fleet, urn: &str, pool: &str, replicas: u32) {
    fleet.change(urn, |content| {
        let yaml = content["spec"]["capiYaml"].as_str().unwrap();
        let mut documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
        let mut all = documents.iter_mut();
        let pool = all
            .find(|one| one["kind"] == "MachineDeployment" && one["metadata"]["name"] == pool)
            .unwrap();
        pool["spec"]["replicas"] = json!(replicas);
        let texts = documents
            .iter()
            .map(|one| serde_saphyr::to_string(one).unwrap());
        content["spec"]["capiYaml"] = json!(texts.collect::<Vec<_>>().join("---\n"));
    });
}

async fn until(fleet: &Fleet, what: &str, done: impl Fn(&Fleet) -> bool) {
    let reached = fleet.until(4 * HOUR, done).await;
    assert!(reached, "{what}\n{}", fleet.context());
}

fn is_gone(fleet: &Fleet, urn: &str) -> bool {
    fleet.world().entity_content(urn).is_none()
}

/// Goal: entities that go back to an earlier time harm nothing: what can go on goes on, the rest is told.
///
/// Method: at the time of the backup one cluster is at rest, one is about to be deleted by its owner, one is
/// in the middle of its creation, one in an attempt that fails, one in its deletion. Life goes on; then all
/// entities are set back, and replicas of other names start without any state.
#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn entities_set_back_to_an_earlier_time_harm_no_cluster() {
    let mut fleet = Fleet::quick(5_400);
    let oak = fleet.ask_for("oak");
    let elm = fleet.ask_for("elm");
    let bay = fleet.ask_for("bay");
    fleet.start("a");
    fleet.start("b");
    until(&fleet, "three are made", Fleet::all_provisioned).await;
    let ash = fleet.ask_for_repaired("ash");
    let fir = fleet.ask_for_repaired("fir");
    fleet.world().fail_guest("fir", "workers", 1);
    fleet.mark(&bay, false);
    until(&fleet, "bay is being deleted", |fleet| {
        fleet.is_in(&bay, "deleting")
            && nodes(fleet, "ash").is_empty()
            && fleet.effect("vm.powered_on", &ash) == 1
    })
    .await;
    fleet.pull(&json!({"snapshot": {"name": "backup"}}));

    // Life goes on.
    until(&fleet, "ash and fir are made, bay is gone", |fleet| {
        is_gone(fleet, &bay) && fleet.is_in(&ash, "provisioned") && fleet.is_in(&fir, "provisioned")
    })
    .await;
    resize(&fleet, &oak, "workers-a", 4);
    fleet.mark(&elm, false);
    let yew = fleet.ask_for("yew");
    until(&fleet, "oak has grown, elm is gone, yew is made", |fleet| {
        nodes(fleet, "oak").len() == 6 && is_gone(fleet, &elm) && fleet.is_in(&yew, "provisioned")
    })
    .await;
    fleet.pass_time(Duration::from_mins(5)).await;
    let standing: BTreeMap<&str, Vec<String>> = ["ash", "fir", "yew"]
        .map(|name| (name, nodes(&fleet, name)))
        .into();
    let bootstraps = [&ash, &fir].map(|urn| fleet.effect("vm.powered_on", urn));
    fleet.stop("a").await;
    fleet.stop("b").await;

    fleet.pull(&json!({"restore": {"name": "backup"}}));
    assert!(is_gone(&fleet, &yew) && !is_gone(&fleet, &elm) && !is_gone(&fleet, &bay));
    fleet.start("c");
    fleet.start("d");
    until(&fleet, "what can go on has gone on", |fleet| {
        fleet.is_in(&ash, "provisioned")
            && fleet.is_in(&fir, "provisioned")
            && is_gone(fleet, &bay)
            && nodes(fleet, "oak").len() == 4
    })
    .await;
    fleet.pass_time(6 * HOUR).await;
    let context = fleet.context();
    // No cluster that stands was touched or made a second time.
    for (name, vms) in &standing {
        assert_eq!(nodes(&fleet, name), *vms, "{name}\n{context}");
    }
    assert_eq!(
        [&ash, &fir].map(|urn| fleet.effect("vm.powered_on", urn)),
        bootstraps,
        "{context}"
    );
    // The request of then holds: oak has its old size again.
    assert!(fleet.is_in(&oak, "provisioned"), "{context}");
    // What was deleted meanwhile is not built again, and its entity says what is wrong.
    assert_eq!(nodes(&fleet, "elm"), Vec::<String>::new(), "{context}");
    // It cannot know better: whoever looks through the organization is told, and deletes it.
    assert!(fleet.is_in(&elm, "provisioned"), "{context}");
    let administrator = fleet
        .client("System", &fleet.access.administrator_token)
        .await;
    let eyes = Eyes::on(
        fleet.provider().await,
        administrator,
        "nimbus",
        fleet.clock.clone(),
    )
    .await;
    let found = eyes.unwrap().find().await.unwrap();
    let hollow: Vec<&str> = found
        .look_alikes
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(hollow, [elm.as_str()], "{:?}", found.look_alikes);
    // What was made meanwhile runs on without an entity; it is listed, and nobody removes it by himself.
    let without: Vec<&str> = found
        .clusters
        .iter()
        .map(|one| one.entity.as_str())
        .collect();
    assert_eq!(without, [yew.as_str()]);
    let leaks = fleet.world().leaks();
    let is_of_yew = |why: &str| why.contains("yew") || why.contains(&yew);
    assert!(
        leaks.len() >= 5 && leaks.iter().all(|leak| is_of_yew(&leak.why)),
        "{leaks:?}"
    );
    fleet.mark(&elm, false);
    until(&fleet, "elm is gone", |fleet| is_gone(fleet, &elm)).await;
    assert_eq!(fleet.verdicts(), Vec::<String>::new());
}

/// A site lost at once, in the middle of its work, replicas included: one cluster at rest, two in the making.
async fn lost(seed: u64) -> (Saved, Vec<String>) {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_for("oak");
    fleet.start("a");
    until(&fleet, "oak is made", Fleet::all_provisioned).await;
    let ash = fleet.ask_for_repaired("ash");
    fleet.ask_for("gum");
    until(&fleet, "a bootstrap VM works", |fleet| {
        fleet.effect("vm.powered_on", &ash) == 1
    })
    .await;
    fleet.kill("a").await;
    (fleet.save(), nodes(&fleet, "oak"))
}

/// Goal: a copy of the whole site that answers under the name of the lost one ends as that would have.
#[tokio::test(start_paused = true)]
async fn a_copy_of_the_site_under_its_old_name_is_taken_over_by_fresh_replicas() {
    let (saved, before) = lost(5_410).await;
    let mut copy = Fleet::resume(&saved);
    copy.start("x");
    copy.start("y");
    until(&copy, "everything is made", Fleet::all_provisioned).await;
    copy.pass_time(HOUR).await;
    assert_eq!(nodes(&copy, "oak"), before, "{}", copy.context());
    copy.assert_converged();
    let leaks = copy.world().leaks();
    assert_eq!(leaks, [], "{}", copy.context());
}

/// Goal: under another URL clusters that run are left alone, requests that name the old URL fail with it as the
/// reason, and new requests work.
#[tokio::test(start_paused = true)]
async fn a_copy_of_the_site_under_another_url_tells_which_requests_name_the_old_one() {
    let (saved, before) = lost(5_420).await;
    let mut copy = Fleet::resume_at(&saved, Some("https://vcd.elsewhere.example"));
    copy.what = "as another site".to_owned();
    copy.start("x");
    copy.start("y");
    let [oak, ash, gum] = [0, 1, 2].map(|number: usize| copy.urns[number].clone());
    until(&copy, "what cannot go on is given up", |copy| {
        let given_up =
            |urn: &String| copy.is_in(urn, "error") && copy.cluster(urn).auto_repair == Some(false);
        given_up(&ash) && given_up(&gum)
    })
    .await;
    for urn in [&ash, &gum] {
        let errors = copy.errors(urn);
        let names_it = format!("spec.site \"{SITE}\" cannot be reached");
        assert!(
            !errors.is_empty() && errors.iter().all(|(_, text)| text.contains(&names_it)),
            "{errors:?}"
        );
    }
    let new = copy.ask_for("elm");
    until(&copy, "a new cluster is made", |copy| {
        copy.is_in(&new, "provisioned")
    })
    .await;
    copy.pass_time(26 * HOUR).await;
    assert!(copy.is_in(&oak, "provisioned"));
    assert_eq!(nodes(&copy, "oak"), before, "{}", copy.context());
    copy.assert_lawful();
    let leaks = copy.world().leaks();
    assert_eq!(leaks, [], "{}", copy.context());
}
