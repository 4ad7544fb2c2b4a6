//! Documents that go back in time: a cluster that was provisioned stays, and no second one is begun.

use serde_json::Map;

use super::*;

/// What of an old copy is written back.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Everything, as Terraform or a restored backup does.
    Whole,
    /// `status`.
    Status,
    /// `status` without what the cluster's own controllers reported.
    OwnStatus,
    /// `status.vcdKe.state` and the flag of auto-repair.
    StateAndFlag,
}

fn restore(fleet: &Fleet, urn: &str, copy: &Map<String, Value>, part: Part) {
    fleet.change(urn, |content| match part {
        Part::Whole => content.clone_from(copy),
        Part::Status => match copy.get("status") {
            Some(status) => content["status"] = status.clone(),
            None => {
                content.remove("status");
            }
        },
        Part::OwnStatus => {
            let own = copy.get("status").map(|status| status["vcdKe"].clone());
            content["status"]["vcdKe"] = own.unwrap_or_else(|| json!({}));
            content["spec"]["vcdKe"]["autoRepairOnErrors"] = json!(true);
        }
        Part::StateAndFlag => {
            content["spec"]["vcdKe"]["autoRepairOnErrors"] = json!(true);
            content["status"]["vcdKe"]["state"] = json!("provisioning");
        }
    });
}

const PARTS: [Part; 4] = [
    Part::Whole,
    Part::Status,
    Part::OwnStatus,
    Part::StateAndFlag,
];

/// The copies of the document at every change of its state or claim phase, and every half minute.
async fn copies_of_a_creation(fleet: &mut Fleet, urn: &str) -> Vec<Map<String, Value>> {
    let mut copies = vec![fleet.content(urn)];
    fleet.start("a");
    for second in 0..3_600_u32 {
        if fleet.is_in(urn, "provisioned") {
            break;
        }
        let content = fleet.content(urn);
        let moved = |copy: &Map<String, Value>| {
            let of = |content: &Map<String, Value>| {
                let own = content.get("status").map(|status| status["vcdKe"].clone());
                let own = own.unwrap_or_default();
                (own["state"].clone(), own["vcdResourceSet"].clone())
            };
            of(copy) != of(&content)
        };
        if second % 30 == 0 || copies.last().is_some_and(moved) {
            copies.push(content);
        }
        fleet.pass_time(Duration::from_secs(1)).await;
    }
    assert!(fleet.is_in(urn, "provisioned"), "{}", fleet.context());
    copies
}

/// Goal: a provisioned cluster survives any old copy of its document, and is reported as provisioned again.
///
/// Method: collect copies while it is created, also of an attempt that fails; then write each of them
/// back, in whole and in part, with the replicas running or started later.
#[tokio::test(start_paused = true)]
async fn a_provisioned_cluster_survives_every_old_copy_of_its_document() {
    let mut tried = 0;
    for (seed, failing) in (4_000..).zip([None, Some("workers")]) {
        let mut fleet = Fleet::quick(seed);
        let urn = fleet.ask_for_repaired("oak");
        if let Some(phase) = failing {
            fleet.world().fail_guest("oak", phase, 1);
        }
        let copies = copies_of_a_creation(&mut fleet, &urn).await;
        fleet.pass_time(Duration::from_mins(2)).await;
        let built = nodes(&fleet);
        assert_eq!(built.len(), 4, "{}", fleet.context());
        let bootstraps = fleet.effect("vm.powered_on", &urn);
        for (number, copy) in copies.iter().enumerate() {
            for part in PARTS {
                fleet.what = format!("{part:?} of copy {number} of {}", copies.len());
                let late = (number + tried) % 3 == 0;
                if late {
                    fleet.stop("a").await;
                }
                restore(&fleet, &urn, copy, part);
                if late {
                    fleet.pass_time(Duration::from_mins(1)).await;
                    fleet.start("a");
                }
                let back = |fleet: &Fleet| fleet.is_in(&urn, "provisioned");
                fleet.pass_time(Duration::from_secs(30)).await;
                assert!(fleet.until(HOUR, back).await, "{}", fleet.context());
                fleet.pass_time(Duration::from_secs(30)).await;
                assert!(back(&fleet), "{}", fleet.context());
                assert_eq!(nodes(&fleet), built, "{}", fleet.context());
                assert_eq!(
                    fleet.effect("vm.powered_on", &urn),
                    bootstraps,
                    "{}",
                    fleet.context()
                );
                assert_eq!(
                    fleet.cluster(&urn).auto_repair,
                    Some(false),
                    "{}",
                    fleet.context()
                );
                assert_no_leaks(&fleet);
                tried += 1;
            }
        }
    }
    assert!(tried >= 60, "only {tried} copies were written back");
}

/// Goal: a cluster whose nodes are off when its document goes back is reported, not touched, and comes back
/// by itself.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_cannot_speak_for_itself_is_left_alone_until_it_can() {
    let mut fleet = Fleet::quick(4_100);
    let urn = fleet.ask_for_repaired("oak");
    let copy = fleet.content(&urn);
    fleet.start("a");
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_sound();
    let author = fleet.author().await;
    let vms = fleet.world().vms();
    for vm in &vms {
        let task = author.undeploy_vm(&id_of(vm)).await.unwrap();
        done(&fleet, &author, task).await;
    }
    restore(&fleet, &urn, &copy, Part::Whole);
    let told = |fleet: &Fleet| fleet.is_in(&urn, "error");
    assert!(fleet.until(HOUR, told).await, "{}", fleet.context());
    fleet.pass_time(26 * HOUR).await;
    assert_given_up(&fleet, &urn, &["RollbackDetected"]);
    assert_eq!(nodes(&fleet).len(), 4, "{}", fleet.context());
    for vm in &vms {
        let task = author.power_on(&id_of(vm)).await.unwrap();
        done(&fleet, &author, task).await;
    }
    let back = |fleet: &Fleet| fleet.is_in(&urn, "provisioned");
    assert!(fleet.until(2 * HOUR, back).await, "{}", fleet.context());
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        1,
        "{}",
        fleet.context()
    );
    assert_eq!(fleet.errors(&urn), [], "{}", fleet.context());
    assert!(has_event(&fleet, &urn, "RollbackDetected"));
}

/// Goal: an old copy that arrives while a failed attempt is cleaned up wins no attempt and costs no cluster.
#[tokio::test(start_paused = true)]
async fn an_old_copy_in_the_middle_of_a_clean_up_wins_no_attempt() {
    let mut tried = 0;
    let moments = [
        (1, Part::Whole),
        (15, Part::Status),
        (30, Part::Whole),
        (50, Part::Whole),
    ];
    for (seed, (moment, part)) in (4_200..).zip(moments) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("{part:?} written back {moment} s after the failure");
        let urn = fleet.ask_for_repaired("oak");
        let copy = fleet.content(&urn);
        fleet.world().fail_guest("oak", "workers", u32::MAX);
        fleet.start("a");
        fleet.start("b");
        let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
        assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
        fleet.pass_time(Duration::from_secs(moment)).await;
        assert!(failed(&fleet), "{}", fleet.context());
        restore(&fleet, &urn, &copy, part);
        let given_up = |fleet: &Fleet| {
            fleet.is_in(&urn, "error") && fleet.cluster(&urn).auto_repair == Some(false)
        };
        assert!(fleet.until(3 * HOUR, given_up).await, "{}", fleet.context());
        fleet.pass_time(Duration::from_mins(10)).await;
        let attempts = fleet.effect("vm.powered_on", &urn);
        assert_eq!(attempts, 3, "{}", fleet.context());
        fleet.assert_lawful();
        tried += 1;
    }
    assert_eq!(tried, 4);
}
