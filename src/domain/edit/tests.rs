//! What clients may and may not do to a running cluster, rule by rule.

use serde_json::{Map, Value, json};

use super::*;
use crate::domain::cluster::sample;

const PLANE: &str = "kite7-control-plane-node-pool";
const NEXT: &str = "v1.28.4+vmware.1";

/// What CAPVCD reports of the sample cluster.
pub(crate) fn report() -> Value {
    let nodes = |pool: &str, count: usize| -> Value {
        (0..count)
            .map(|n| (format!("{pool}-{n}"), json!("Running")))
            .collect::<Map<String, Value>>()
            .into()
    };
    json!({
        "phase": "Provisioned",
        "kubernetes": "v1.27.8+vmware.1",
        "upgrade": {
            "current": {"kubernetesVersion": "v1.27.8+vmware.1", "tkgVersion": "v2.5.0"},
            "previous": null, "ready": true,
        },
        "nodePool": [
            {"name": "blue", "desiredReplicas": 4, "availableReplicas": 4, "sizingPolicy": "TKG medium",
             "storageProfile": "gold", "diskSizeMb": 40960, "nodeStatus": nodes("blue", 4)},
            {"name": "red", "desiredReplicas": 2, "availableReplicas": 2, "diskSizeMb": 20480,
             "placementPolicy": "gpu-profile", "nodeStatus": nodes("red", 2)},
            {"name": PLANE, "desiredReplicas": 3, "availableReplicas": 3, "sizingPolicy": "TKG small",
             "storageProfile": "gold", "diskSizeMb": 20480, "nodeStatus": nodes(PLANE, 3)},
        ],
        "k8sNetwork": {
            "pods": {"cidrBlocks": ["100.96.0.0/11"]}, "services": {"cidrBlocks": ["100.64.0.0/13"]},
        },
        "vcdProperties": {
            "site": "https://vcd.example.test",
            "organizations": [{"name": "nimbus", "id": "urn:vcloud:org:1"}],
            "orgVdcs": [{"name": "nimbus-vdc-a", "id": "nimbus-vdc-a", "ovdcNetworkName": "kite-net"}],
        },
        "clusterApiStatus": {"phase": "Ready", "apiEndpoints": [{"host": "192.0.2.10", "port": 6443}]},
    })
}

fn running_with(edit: impl FnOnce(&mut Value)) -> RunningCluster {
    let mut report = report();
    edit(&mut report);
    let entity = json!({"status": {"capvcd": report}});
    RunningCluster::read(entity.as_object().unwrap()).unwrap()
}

/// Names and texts of the violations of an edit of the sample cluster.
fn found(
    running: &RunningCluster,
    edit: impl FnOnce(&mut Vec<Value>),
) -> Vec<(&'static str, String)> {
    let entity = sample::entity_edited(edit);
    let found = Edit::read(&entity, running).violations;
    for one in &found {
        assert!(Violation::NAMES.contains(&one.name()), "{}", one.name());
    }
    found
        .iter()
        .map(|one| (one.name(), one.to_string()))
        .collect()
}

fn names(running: &RunningCluster, edit: impl FnOnce(&mut Vec<Value>)) -> Vec<&'static str> {
    let found = found(running, edit).into_iter();
    found.map(|(name, _)| name).collect()
}

fn same(_: &mut Value) {}

/// Versions, templates and labels of everything, as clients write them together.
fn upgrade_to(documents: &mut [Value], version: &str) {
    use sample::set;
    let core = version.split('+').next().unwrap();
    let template = json!(format!("ubuntu-2204-kube-{version}-tkg.1-ab"));
    set(
        documents,
        "KubeadmControlPlane",
        "",
        ("/spec/version", json!(version)),
    );
    set(
        documents,
        "MachineDeployment",
        "",
        ("/spec/template/spec/version", json!(version)),
    );
    set(
        documents,
        "VCDMachineTemplate",
        "",
        ("/spec/template/spec/template", template),
    );
    set(
        documents,
        "Cluster",
        "",
        (
            "/metadata/labels/tanzuKubernetesRelease",
            json!(format!("{core}---vmware.1-tkg.1")),
        ),
    );
}

#[test]
fn what_clients_may_do_breaks_no_rule() {
    let running = running_with(same);
    let resize = |kind: &'static str, name: &'static str, count: u32| {
        move |documents: &mut Vec<Value>| {
            sample::set(documents, kind, name, ("/spec/replicas", json!(count)));
        }
    };
    let none: [&str; 0] = [];
    assert_eq!(names(&running, |_| {}), none, "no edit at all");
    assert_eq!(
        names(&running, resize("MachineDeployment", "blue", 9)),
        none
    );
    assert_eq!(
        names(&running, resize("MachineDeployment", "blue", 0)),
        none
    );
    assert_eq!(names(&running, resize("KubeadmControlPlane", "", 1)), none);
    assert_eq!(names(&running, |all| upgrade_to(all, NEXT)), none);
    assert_eq!(
        names(&running, |all| upgrade_to(all, "v1.27.15+vmware.1")),
        none
    );
    let without_check =
        |all: &mut Vec<Value>| all.retain(|one| one["kind"] != "MachineHealthCheck");
    assert_eq!(names(&running, without_check), none);
    let added = |all: &mut Vec<Value>| {
        for kind in ["VCDMachineTemplate", "MachineDeployment"] {
            let mut copy = all
                .iter()
                .find(|one| one["kind"] == kind && one["metadata"]["name"] == "blue")
                .unwrap()
                .clone();
            copy["metadata"]["name"] = json!("green");
            if kind == "MachineDeployment" {
                copy["spec"]["template"]["spec"]["infrastructureRef"]["name"] = json!("green");
            }
            all.push(copy);
        }
    };
    assert_eq!(names(&running, added), none, "a pool is added");
}

#[test]
fn numbers_of_nodes_follow_the_rules_of_etcd_and_of_the_controllers() {
    let running = running_with(same);
    let plane = |count: u32| {
        move |all: &mut Vec<Value>| {
            sample::set(
                all,
                "KubeadmControlPlane",
                "",
                ("/spec/replicas", json!(count)),
            );
        }
    };
    for count in [0, 2, 4, 9] {
        assert_eq!(
            names(&running, plane(count)),
            ["ControlPlaneCountInvalid"],
            "{count}"
        );
    }
    let to_zero = |all: &mut Vec<Value>| {
        sample::set(all, "MachineDeployment", "", ("/spec/replicas", json!(0)));
        for one in all
            .iter_mut()
            .filter(|one| one["metadata"]["name"] == "red")
        {
            one["metadata"]["annotations"] = json!({});
        }
    };
    assert_eq!(names(&running, to_zero), ["NoWorkerLeft"]);
    let autoscaled_to_zero = |all: &mut Vec<Value>| {
        sample::set(
            all,
            "MachineDeployment",
            "blue",
            ("/spec/replicas", json!(0)),
        );
        let key =
            "/metadata/annotations/cluster.x-k8s.io~1cluster-api-autoscaler-node-group-min-size";
        for one in all.iter_mut() {
            if let Some(min) = one.pointer_mut(key) {
                *min = json!("0");
            }
        }
    };
    assert_eq!(names(&running, autoscaled_to_zero), ["NoWorkerLeft"]);
}

#[test]
fn upgrades_go_one_minor_version_up_and_one_at_a_time() {
    let running = running_with(same);
    for (version, want) in [
        ("v1.29.6+vmware.1", "UpgradeSkipsMinorVersion"),
        ("v1.26.11+vmware.1", "DowngradeRefused"),
        ("v1.27.5+vmware.1", "DowngradeRefused"),
    ] {
        let found = found(&running, |all| upgrade_to(all, version));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, want);
        assert!(found[0].1.contains(version) && found[0].1.contains("v1.27.8"));
    }
    let busy = running_with(|report| report["upgrade"]["ready"] = json!(false));
    assert_eq!(
        names(&busy, |_| {}),
        [""; 0],
        "the upgrade itself is no violation"
    );
    assert_eq!(
        names(&busy, |all| upgrade_to(all, NEXT)),
        ["UpgradeUnderWay"]
    );
    let unknown = running_with(|report| {
        report["upgrade"].as_object_mut().unwrap().remove("ready");
    });
    assert_eq!(names(&unknown, |all| upgrade_to(all, NEXT)), [""; 0]);
}

#[test]
fn versions_of_one_edit_agree_with_each_other() {
    use sample::set;
    let running = running_with(same);
    let half = |all: &mut Vec<Value>| {
        upgrade_to(all, NEXT);
        set(
            all,
            "MachineDeployment",
            "blue",
            ("/spec/template/spec/version", json!("v1.27.8+vmware.1")),
        );
    };
    assert_eq!(names(&running, half), ["WorkerVersionDiffers"]);
    let wrong_template = |all: &mut Vec<Value>| {
        upgrade_to(all, NEXT);
        let template = json!("ubuntu-2204-kube-v1.29.6+vmware.1-tkg.3-c6");
        set(
            all,
            "VCDMachineTemplate",
            "blue",
            ("/spec/template/spec/template", template),
        );
    };
    let text = found(&running, wrong_template);
    assert_eq!(text.len(), 1, "{text:?}");
    assert_eq!(
        text[0],
        (
            "TemplateVersionDiffers",
            "\"blue\" asks for v1.28.4+vmware.1, but its template \"ubuntu-2204-kube-v1.29.6+vmware.1-tkg.3-c6\" \
             holds v1.29.6+vmware.1; choose the template of the version"
                .to_owned()
        )
    );
    let own_name = |all: &mut Vec<Value>| {
        upgrade_to(all, NEXT);
        set(
            all,
            "VCDMachineTemplate",
            "",
            ("/spec/template/spec/template", json!("golden-image")),
        );
    };
    assert_eq!(
        names(&running, own_name),
        [""; 0],
        "a template may be called anything"
    );
    for (field, value) in [
        ("/metadata/annotations/TKGVERSION", "latest"),
        ("/metadata/annotations/TKGVERSION", "v2.4.0"),
        (
            "/metadata/labels/tanzuKubernetesRelease",
            "v1.28.4---vmware.1-tkg.1",
        ),
    ] {
        let edit = |all: &mut Vec<Value>| set(all, "Cluster", "", (field, json!(value)));
        assert_eq!(names(&running, edit), ["ReleaseDiffers"], "{field} {value}");
    }
}

/// Kind, name, field (of the machine without a slash), value, and the beginning of the sentence.
type Change = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);
const FIXED: [Change; 7] = [
    (
        "VCDCluster",
        "",
        "/spec/ovdc",
        "other",
        "the VDC is \"nimbus-vdc-a\"",
    ),
    (
        "VCDCluster",
        "",
        "/spec/ovdcNetwork",
        "other",
        "the network is \"kite-net\"",
    ),
    (
        "VCDCluster",
        "",
        "/spec/org",
        "other",
        "the organization is \"nimbus\"",
    ),
    (
        "VCDMachineTemplate",
        "blue",
        "diskSize",
        "80Gi",
        "pool \"blue\": the size of the disk is \"40Gi\"",
    ),
    (
        "VCDMachineTemplate",
        "blue",
        "sizingPolicy",
        "TKG large",
        "the sizing policy is \"TKG medium\"",
    ),
    (
        "VCDMachineTemplate",
        "red",
        "placementPolicy",
        "other",
        "the placement policy is \"gpu-profile\"",
    ),
    (
        "VCDMachineTemplate",
        PLANE,
        "storageProfile",
        "tin",
        "the storage profile is \"gold\"",
    ),
];

#[test]
fn what_cannot_change_is_named_with_both_values() {
    let running = running_with(same);
    for (kind, name, field, value, text) in FIXED {
        let pointer = if field.starts_with('/') {
            field.to_owned()
        } else {
            format!("/spec/template/spec/{field}")
        };
        let edit = |all: &mut Vec<Value>| sample::set(all, kind, name, (&pointer, json!(value)));
        let found = found(&running, edit);
        assert_eq!(found.len(), 1, "{field}: {found:?}");
        assert_eq!(found[0].0, "ImmutableFieldChanged");
        assert!(
            found[0].1.contains(text) && found[0].1.contains(value),
            "{}",
            found[0].1
        );
    }
    let ranges = |all: &mut Vec<Value>| {
        let pods = json!({"cidrBlocks": ["10.0.0.0/8"]});
        sample::set(all, "Cluster", "", ("/spec/clusterNetwork/pods", pods));
        let endpoint = json!({"host": "192.0.2.99", "port": 6443});
        sample::set(
            all,
            "VCDCluster",
            "",
            ("/spec/controlPlaneEndpoint", endpoint),
        );
    };
    assert_eq!(names(&running, ranges), ["ImmutableFieldChanged"; 2]);
}

#[test]
fn what_a_client_has_dropped_from_the_report_is_not_compared() {
    let running = running_with(|report| {
        let pools = report["nodePool"].as_array_mut().unwrap();
        for pool in pools {
            let pool = pool.as_object_mut().unwrap();
            pool.retain(|key, _| ["name", "desiredReplicas"].contains(&key.as_str()));
        }
        for key in ["upgrade", "vcdProperties", "k8sNetwork", "clusterApiStatus"] {
            report.as_object_mut().unwrap().remove(key);
        }
    });
    assert_eq!(running.pools[0].nodes, None);
    let edit = |all: &mut Vec<Value>| {
        sample::set(all, "VCDCluster", "", ("/spec/ovdc", json!("other")));
        sample::set(
            all,
            "VCDMachineTemplate",
            "blue",
            ("/spec/template/spec/diskSize", json!("80Gi")),
        );
    };
    assert_eq!(names(&running, edit), [""; 0]);
}

#[test]
fn unreadable_texts_and_hostile_reports_are_told_or_taken_as_absent() {
    let running = running_with(same);
    for (yaml, want) in [
        ("", "CapiYamlUnreadable"),
        ("a: [", "CapiYamlUnreadable"),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
            "CapiYamlInvalid",
        ),
    ] {
        let edit = Edit::read(&sample::entity_with(yaml), &running);
        assert_eq!(edit.violations[0].name(), want, "{yaml}");
        assert!(edit.spec.is_none());
    }
    for odd in [
        json!({}),
        json!({"status": 7}),
        json!({"status": {"capvcd": []}}),
        json!({"status": {"capvcd": {"nodePool": {"name": "blue"}}}}),
        json!({"status": {"capvcd": {"nodePool": [7, {"name": 3}]}}}),
    ] {
        assert_eq!(
            RunningCluster::read(odd.as_object().unwrap()),
            None,
            "{odd}"
        );
    }
}

#[test]
fn rules_of_creation_do_not_trouble_a_cluster_that_runs() {
    let running = running_with(|report| {
        report["k8sNetwork"]["services"]["cidrBlocks"] = json!(["172.18.0.0/16"]);
    });
    let overlap = |all: &mut Vec<Value>| {
        let services = json!({"cidrBlocks": ["172.18.0.0/16"]});
        sample::set(
            all,
            "Cluster",
            "",
            ("/spec/clusterNetwork/services", services),
        );
        let balancer = json!({"vipSubnet": "172.18.3.0/24"});
        sample::set(
            all,
            "VCDCluster",
            "",
            ("/spec/loadBalancerConfigSpec", balancer),
        );
    };
    assert_eq!(names(&running, overlap), [""; 0]);
}
