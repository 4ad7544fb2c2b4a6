//! Whatever a fleet is like: the urgent comes first, memory is bounded, nothing is lost from the counts.

use serde_json::{Value, json};

use super::*;
use crate::views::sample::{outlook, seen};

fn cluster(id: usize, vcd_ke: &Value) -> ClusterSeen {
    seen(&id.to_string(), &json!({"status": {"vcdKe": vcd_ke}}))
}

fn look(wanted: &Wanted, clusters: &[ClusterSeen], pulses: &mut Pulses, secs: u64) -> FleetView {
    let outlook = outlook();
    let mut fleet = Fleet::new(wanted, &outlook, (pulses, Duration::from_secs(secs)));
    for cluster in clusters {
        fleet.take(cluster);
    }
    fleet.take_unreadable();
    fleet.finish()
}

#[test]
fn what_needs_a_person_comes_first_and_the_rest_is_counted() {
    let done = "k1;e=1;s=1;n=1;t=180;p=done;i=1;x=released";
    let mut clusters: Vec<ClusterSeen> = (0..300)
        .map(|n| cluster(n, &json!({"state": "provisioned", "heartbeatString": done})))
        .collect();
    clusters.push(cluster(900, &json!({"state": "error", "heartbeatString": done,
        "errorSet": [{"name": "VdcNotFound", "additionalDetails": {"Detailed Error": "Attempt 1: no\u{1b}[2J VDC."}}]})));
    clusters.push(cluster(901, &json!({})));
    let wanted = Wanted {
        limit: 10,
        ..Wanted::default()
    };
    let view = look(&wanted, &clusters, &mut Pulses::default(), 0);
    assert_eq!((view.clusters.len(), view.left_out), (10, 292));
    assert_eq!(view.clusters[0].situation, Situation::Failed);
    let error = view.clusters[0].error.as_ref().unwrap();
    assert_eq!(error.text, "Attempt 1: no?[2J VDC.");
    assert_eq!(view.clusters[1].situation, Situation::New);
    assert_eq!((view.counts.total, view.counts.unreadable), (302, 1));
    assert_eq!(view.counts.by_state[&State::Provisioned], 300);
    assert_eq!(view.counts.by_attention[&Attention::Person], 1);

    let wanted = Wanted {
        states: vec![State::Error],
        ..Wanted::default()
    };
    let view = look(&wanted, &clusters, &mut Pulses::default(), 0);
    assert_eq!(
        (view.clusters.len(), view.left_out, view.counts.total),
        (1, 0, 302)
    );
    let wanted = Wanted {
        org: Some("Nobody".to_owned()),
        ..Wanted::default()
    };
    let view = look(&wanted, &clusters, &mut Pulses::default(), 0);
    assert_eq!((view.clusters.len(), view.counts.total), (0, 302));
}

#[test]
fn replicas_are_seen_by_their_claims_and_alive_when_these_change() {
    let held = |id: usize, worker: &str, seq: u64| {
        let beat = format!("k1;e=1;s={seq};n={seq:x};t=180;p=creating;i=1;x=held");
        cluster(
            id,
            &json!({"state": "provisioning", "workerId": worker, "vcdKeInstanceId": "i-1",
            "heartbeatString": beat, "heartbeatTimestamp": "2026-03-01T09:59:48.000Z"}),
        )
    };
    let original = cluster(
        9,
        &json!({"state": "provisioning", "workerId": "w-1-abc", "vcdKeInstanceId": "old-1",
        "heartbeatString": "beat", "heartbeatTimestamp": "2026-03-01T09:50:00Z"}),
    );
    let finished = cluster(
        10,
        &json!({"state": "provisioned", "workerId": "w-1-def", "vcdKeInstanceId": "old-1",
        "heartbeatString": "beat"}),
    );
    let mut pulses = Pulses::default();
    let wanted = Wanted::default();
    let fleet = |a: u64| {
        [
            held(1, "a/11112222333344445555666677778888", a),
            held(2, "b/1", 1),
            original.clone(),
            finished.clone(),
        ]
    };
    let first = look(&wanted, &fleet(1), &mut pulses, 0);
    let names: Vec<&str> = first.replicas.iter().map(|one| one.holder.name()).collect();
    assert_eq!(names, ["a", "b", "old-1"]);
    assert!(first.replicas.iter().all(|one| one.is_alive().is_none()));
    assert!(first.replicas[2].holder.is_original());
    assert_eq!(
        first.replicas[2].clusters, 1,
        "what it has finished is not held"
    );
    let second = look(&wanted, &fleet(2), &mut pulses, 45);
    let alive: Vec<Option<bool>> = second.replicas.iter().map(HolderSeen::is_alive).collect();
    assert_eq!(alive, [Some(true), Some(false), Some(false)]);
    let json = serde_json::to_value(&second.replicas[0]).unwrap();
    assert_eq!(
        (&json["kind"], &json["process"]),
        (&json!("replica"), &json!("11112222"))
    );
}

/// Goal: a tenant who forges holders makes the view neither large nor wrong.
#[test]
fn forged_holders_are_bounded_and_harmless() {
    let clusters: Vec<ClusterSeen> = (0..MOST_HOLDERS + 40)
        .map(|n| {
            let worker = format!("\u{1b}[31m{n}/x");
            cluster(
                n,
                &json!({"state": "provisioning", "workerId": worker,
                "heartbeatString": "k1;e=1;s=1;n=1;t=180;p=creating;i=1;x=held"}),
            )
        })
        .collect();
    let view = look(&Wanted::default(), &clusters, &mut Pulses::default(), 0);
    assert_eq!(
        (view.replicas.len(), view.more_replicas),
        (MOST_HOLDERS, 40)
    );
    let text = format!("{view:?}");
    assert!(!text.contains("\\u{1b}"), "{text}");
}
