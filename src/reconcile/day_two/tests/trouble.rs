//! What goes wrong with clusters that run, and the limits of their health checks.

use serde_json::{Value, json};

use super::*;

#[test]
fn a_new_cluster_that_still_settles_is_left_alone() {
    let mut story = Story::new();
    story.content["status"]["vcdKe"]["eventSet"] = json!([
        {"name": "ClusterProvisioned", "occurredAt": "2026-03-01T08:50:00.000Z"}]);
    story.report(
        "blue",
        (4, 1),
        &["Running", "Provisioning", "Pending", "Pending"],
    );
    assert!(!story.needs_work());
    story.look.now = "2026-03-01T09:30:00Z".parse().unwrap();
    assert!(
        story.needs_work(),
        "after half an hour somebody has to ask what is wrong"
    );
    story.look.now = "2026-03-01T09:00:00Z".parse().unwrap();
    story.ask_nodes("MachineDeployment", "blue", 9);
    assert!(story.needs_work(), "an edit is one at any time");
}

#[test]
fn a_broken_rule_is_an_error_until_it_is_mended_and_nobody_waits_for_it() {
    let mut story = Story::new();
    story.ask_nodes("KubeadmControlPlane", "", 2);
    assert!(story.needs_work());
    assert_eq!(
        story.pass(NOW),
        complains(&[], &["ControlPlaneCountInvalid"], true)
    );
    assert_eq!(
        story.error(),
        "The request breaks a rule: 2 control plane nodes are asked for; etcd needs an odd number: 1, 3, 5 or 7."
    );
    assert!(!story.needs_work(), "told once");
    let told = story.content["status"]["vcdKe"].clone();
    story.content["status"]["vcdKe"]["errorSet"] = json!([]);
    assert!(
        story.needs_work(),
        "a client rolled it back, and it is still true"
    );
    story.content["status"]["vcdKe"] = told;
    upgrade(&mut story, "v1.29.6+vmware.1");
    assert_eq!(
        story.pass(NOW),
        complains(&[CHECK], &["UpgradeSkipsMinorVersion"], true)
    );
    story.ask(|_| {});
    assert_eq!(story.pass(NOW), complains(&[], &[], true));
    assert!(!story.needs_work());
}

#[test]
fn errors_of_others_stay() {
    let mut story = Story::new();
    story.content["status"]["vcdKe"]["errorSet"] = json!([{"name": "SomebodyElses"}]);
    assert!(!story.needs_work());
    story.ask_nodes("KubeadmControlPlane", "", 2);
    story.pass(NOW);
    story.ask(|_| {});
    story.pass(NOW);
    assert_eq!(
        story.content["status"]["vcdKe"]["errorSet"],
        json!([{"name": "SomebodyElses"}])
    );
}

#[test]
fn more_broken_rules_than_the_set_takes_do_not_write_for_ever() {
    let mut story = Story::new();
    story.ask(|all| {
        for n in 0..30 {
            let mut copy = all
                .iter()
                .find(|one| one["kind"] == "MachineDeployment")
                .unwrap()
                .clone();
            copy["metadata"]["name"] = json!(format!("p{n}"));
            copy["spec"]["template"]["spec"]["version"] = json!("v1.26.0");
            all.push(copy);
        }
    });
    let Passed::Tells { errors, .. } = story.pass(NOW) else {
        panic!("nothing told")
    };
    assert_eq!(errors.unwrap().len(), MOST_ERRORS);
    assert!(!story.needs_work());
}

#[test]
fn an_operation_without_progress_is_stuck_with_the_most_specific_cause() {
    let errors = |names: &[&str]| -> Value {
        let entry = |name: &&str| json!({"name": name, "additionalDetails": {"error": format!("text of {name}")}});
        names.iter().map(entry).collect()
    };
    let mut story = Story::new();
    story.ask_nodes("MachineDeployment", "blue", 6);
    story.pass(NOW);
    story.report(
        "blue",
        (6, 4),
        &["Running", "Running", "Running", "Running", "Failed"],
    );
    let capvcd = &mut story.content["status"]["capvcd"];
    capvcd["errorSet"] = errors(&["RdeError", "VcdMachineCreationError", "LoadBalancerPending"]);
    story.content["status"]["csi"] = json!({"errorSet": errors(&["DiskCreateError"])});
    assert_eq!(
        story.pass(STALLED),
        complains(&[], &["ClusterChangeStuck"], true)
    );
    assert_eq!(
        story.error(),
        "worker pool \"blue\": 4 nodes are ready of 6 asked for: no progress for 45 minutes. \
         CAPVCD reports VcdMachineCreationError: text of VcdMachineCreationError"
    );
    assert!(!story.needs_work(), "told, and let go");
    story.content["status"]["capvcd"]["errorSet"] = json!([]);
    assert!(!story.needs_work(), "the situation is the same");
    story.report("blue", (6, 5), &["Running"; 5]);
    assert!(story.needs_work(), "it goes on");
    assert_eq!(
        story.pass(NOW),
        complains(&[], &[], false),
        "healed, and followed again"
    );
    story.report("blue", (6, 6), &["Running"; 6]);
    assert_eq!(story.pass(NOW), tells(&["NodePoolReady"], true));
}

/// What a holder found out, and the beginning of the cause.
type Silence = (fn(&mut RunningSeen), &'static str);

#[test]
fn who_says_nothing_is_a_cause_too() {
    let mut story = Story::new();
    story.ask_nodes("MachineDeployment", "blue", 6);
    story.pass(NOW);
    let cause_of = |story: &Story, change: fn(&mut RunningSeen)| {
        let mut seen = story.seen(STALLED);
        change(&mut seen);
        let mut told = Story {
            content: story.content.clone(),
            look: story.look,
        };
        told.pass_with(&seen);
        told.error()
    };
    let cases: [Silence; 3] = [
        (
            |seen| seen.token_refused = Some("HTTP 400".to_owned()),
            "VCD refuses the API token of the cluster's author (HTTP 400)",
        ),
        (
            |seen| seen.silent_for = Duration::from_mins(45),
            "Its controllers have written nothing for 45 minutes",
        ),
        (
            |_| {},
            "The agent inside the cluster has not applied the request",
        ),
    ];
    for (change, text) in cases {
        let error = cause_of(&story, change);
        assert!(error.contains(text), "{error}");
    }
    story.report(
        "blue",
        (6, 4),
        &["Running", "Running", "Running", "Running", "Pending"],
    );
    let error = cause_of(&story, |_| {});
    assert!(error.contains("No component reports an error"), "{error}");
    let refused = json!([{"name": "ApplyError", "additionalDetails": {"Detailed Error": "webhook\nsays no"}}]);
    story.content["status"]["projector"] = json!({"errorSet": refused});
    let error = cause_of(&story, |_| {});
    assert!(
        error.ends_with("The agent inside the cluster reports ApplyError: webhooksays no"),
        "{error}"
    );
}

#[test]
fn nodes_that_fail_are_told_once_and_so_is_their_recovery() {
    for (available, phases) in [
        (3, vec!["Running", "Running", "Running", "Failed"]),
        (3, vec!["Running"; 4]),
    ] {
        let mut story = Story::new();
        story.report("blue", (4, available), &phases);
        assert!(story.needs_work());
        assert_eq!(story.pass(NOW), tells(&["NodePoolDegraded", CHECK], true));
        assert!(!story.needs_work(), "{phases:?}");
        story.report(
            "blue",
            (4, 3),
            &["Running", "Running", "Running", "Pending"],
        );
        assert!(!story.needs_work(), "its replacement comes");
        story.report("blue", (4, 4), &["Running"; 4]);
        assert_eq!(story.pass(NOW), tells(&["NodePoolRecovered"], true));
        assert!(!story.needs_work());
    }
    let mut story = Story::new();
    story.content["status"]["capvcd"]["nodePool"][0] =
        json!({"name": "blue", "desiredReplicas": 4, "availableReplicas": 3});
    assert!(
        !story.needs_work(),
        "a client dropped what tells failing from coming"
    );
}

#[test]
fn templates_that_do_not_exist_are_told_by_who_looked_and_kept_by_who_did_not() {
    let mut story = Story::new();
    upgrade(&mut story, NEXT);
    let templates = story.facts();
    let templates: Vec<String> = templates
        .awaited_templates()
        .iter()
        .map(|(_, machine)| machine.template.clone())
        .collect();
    assert_eq!(templates.len(), 3);
    let mut seen = story.seen(NOW);
    seen.missing_templates = Some(templates);
    let told = story.pass_with(&seen);
    assert_eq!(told, complains(&[CHECK], &["TemplateNotFound"; 3], true));
    assert!(!story.needs_work(), "nobody has looked since");
    let mut seen = story.seen(NOW);
    seen.missing_templates = Some(Vec::new());
    let told = story.pass_with(&seen);
    assert_eq!(told, complains(&["ClusterUpgradeRequested"], &[], false));
    assert!(Story::new().facts().awaited_templates().is_empty());
}

fn limits(seconds: u64) -> NodeHealthCheck {
    NodeHealthCheck {
        max_unhealthy_percent: 40,
        node_startup: Duration::from_secs(seconds),
        node_not_ready: Duration::from_mins(5),
        node_unknown: Duration::from_mins(6),
    }
}

#[test]
fn new_limits_change_one_document_and_no_other_byte() {
    let mut story = Story::new();
    let before = story.content["spec"]["capiYaml"]
        .as_str()
        .unwrap()
        .to_owned();
    story.look.health_check = Some(limits(1200));
    assert!(story.needs_work());
    assert_eq!(
        story.pass(NOW),
        tells(&["NodeHealthCheckChanged", CHECK], true)
    );
    assert!(!story.needs_work());
    let after = story.content["spec"]["capiYaml"]
        .as_str()
        .unwrap()
        .to_owned();
    let parts = |yaml: &str| -> Vec<String> { yaml.split("---\n").map(str::to_owned).collect() };
    let (old, new) = (parts(&before), parts(&after));
    assert_eq!(
        old[1..],
        new[1..],
        "every other document is the same to the byte"
    );
    let check = &crate::yaml::read_documents(&new[0]).unwrap()[0];
    let spec = &check["spec"];
    assert_eq!(spec["maxUnhealthy"], "40%");
    assert_eq!(spec["nodeStartupTimeout"], "1200s");
    assert_eq!(spec["unhealthyConditions"][0]["timeout"], "360s");
    assert_eq!(spec["unhealthyConditions"][1]["timeout"], "300s");
    assert_eq!(spec["clusterName"], "kite7");
    assert_eq!(
        rewritten(&after, &limits(1200)),
        None,
        "nothing is left to do"
    );
}

#[test]
fn the_same_limits_in_other_words_and_clusters_without_a_check_are_left_alone() {
    let mut story = Story::new();
    story.look.health_check = Some(NodeHealthCheck {
        max_unhealthy_percent: 100,
        node_startup: Duration::from_mins(15),
        node_not_ready: Duration::from_mins(5),
        node_unknown: Duration::from_mins(5),
    });
    assert!(!story.needs_work());
    story.look.health_check = Some(limits(1200));
    story.ask(|all| all.retain(|one| one["kind"] != "MachineHealthCheck"));
    assert!(!story.needs_work());
}

#[test]
fn turning_the_health_check_on_and_off_is_told() {
    let mut story = Story::new();
    assert!(!story.needs_work(), "how it always was is no news");
    story.ask_nodes("MachineDeployment", "blue", 5);
    assert_eq!(
        story.pass(NOW),
        tells(&["NodePoolResizeRequested", CHECK], false)
    );
    story.report("blue", (5, 5), &["Running"; 5]);
    story.pass(NOW);
    story.ask(|all| {
        all.retain(|one| one["kind"] != "MachineHealthCheck");
        sample::set(
            all,
            "MachineDeployment",
            "blue",
            ("/spec/replicas", json!(5)),
        );
    });
    assert_eq!(story.pass(NOW), tells(&["NodeHealthCheckOff"], true));
    assert!(!story.needs_work());
    story.ask_nodes("MachineDeployment", "blue", 5);
    assert_eq!(story.pass(NOW), tells(&["NodeHealthCheckOn"], true));
    assert!(!story.needs_work());
}

#[test]
fn a_cluster_that_is_to_be_deleted_is_not_looked_at() {
    let mut story = Story::new();
    story.ask_nodes("MachineDeployment", "blue", 9);
    story.content["spec"]["vcdKe"]["markForDelete"] = json!(true);
    assert!(Facts::read(&story.content, &story.look).is_none());
}
