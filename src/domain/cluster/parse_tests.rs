//! Tables for reading cluster documents: both client generations, and every refusal.

use secrecy::ExposeSecret;
use serde_json::json;

use super::super::sample::{CAPI_YAML, entity, entity_edited, entity_with, set};
use super::super::{PoolSize, RESERVED_RANGES};
use super::*;

fn parse_edited(edit: impl FnOnce(&mut Vec<Value>)) -> Result<ClusterSpec, Vec<SpecProblem>> {
    ClusterSpec::parse(&entity_edited(edit), SecureFields::Included)
}

fn remove(kind: &'static str) -> impl FnOnce(&mut Vec<Value>) {
    move |documents| documents.retain(|document| document["kind"] != kind)
}

#[test]
fn the_document_of_a_current_client_is_read() {
    let spec = ClusterSpec::parse(&entity(), SecureFields::Included).unwrap();
    assert_eq!(
        (spec.name.as_str(), spec.namespace.as_str()),
        ("kite7", "kite7-ns")
    );
    assert_eq!(
        (spec.org.as_str(), spec.vdc.as_str(), spec.network.as_str()),
        ("nimbus", "nimbus-vdc-a", "kite-net")
    );
    assert_eq!(spec.site, "https://vcd.example.test");
    assert_eq!(
        (spec.kubernetes_version.as_str(), spec.control_plane_count),
        ("v1.27.8+vmware.1", 3)
    );
    assert_eq!(spec.control_plane.name, "kite7-control-plane-node-pool");
    assert_eq!(
        spec.control_plane.sizing_policy.as_deref(),
        Some("TKG small")
    );
    assert_eq!(spec.control_plane.disk_mib, Some(20 * 1024));
    assert_eq!(
        spec.api_token.as_ref().unwrap().expose_secret(),
        "tenant-token-7f3a"
    );
    let (blue, red) = (&spec.pools[0], &spec.pools[1]);
    assert_eq!(
        (blue.name.as_str(), blue.size),
        ("blue", PoolSize::Fixed(4))
    );
    assert_eq!(red.size, PoolSize::Autoscaled { min: 1, max: 5 });
    assert_eq!(
        red.template.placement_policy.as_deref(),
        Some("gpu-profile")
    );
    assert_eq!(
        (&red.template.sizing_policy, &red.template.storage_profile),
        (&None, &None)
    );
    let class = spec.storage_class.unwrap();
    assert_eq!(
        (
            class.name.as_str(),
            class.filesystem.as_str(),
            class.delete_with_claim
        ),
        ("kite-default", "ext4", true)
    );
    assert_eq!(class.storage_profile.as_deref(), Some("gold"));
}

#[test]
fn the_token_may_be_in_a_secret_of_the_yaml_as_in_4_0() {
    for (name, field) in [
        ("encoded", json!({"data": {"refreshToken": "dG9rZW4tNDA="}})),
        ("plain", json!({"stringData": {"refreshToken": "token-40"}})),
    ] {
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": CREDENTIALS_SECRET, "namespace": "kite7-ns"}});
        secret
            .as_object_mut()
            .unwrap()
            .extend(field.as_object().unwrap().clone());
        let mut content = entity_edited(|documents| documents.insert(0, secret));
        content["spec"]["vcdKe"]["secure"] = json!(null);
        let spec = ClusterSpec::parse(&content, SecureFields::Included).unwrap();
        assert_eq!(
            spec.api_token.unwrap().expose_secret(),
            "token-40",
            "{name}"
        );
    }
}

#[test]
fn a_plain_read_lacks_the_token_and_that_is_no_problem() {
    let mut content = entity();
    content["spec"]["vcdKe"]["secure"] = json!(null);
    assert!(
        ClusterSpec::parse(&content, SecureFields::LeftOut)
            .unwrap()
            .api_token
            .is_none()
    );
    assert_eq!(
        ClusterSpec::parse(&content, SecureFields::Included).unwrap_err(),
        [SpecProblem::TokenMissing]
    );
}

#[test]
fn both_spellings_of_the_file_system_are_read() {
    for (options, want) in [
        (
            json!({"k8sStorageClassName": "c", "fileSystem": "xfs"}),
            Some(("xfs", false)),
        ),
        (
            json!({"k8sStorageClassName": "c", "filesystem": "XFS", "useDeleteReclaimPolicy": true}),
            Some(("xfs", true)),
        ),
        (json!({"k8sStorageClassName": "c"}), Some(("ext4", false))),
        (json!({"k8sStorageClassName": ""}), None),
        (json!(null), None),
    ] {
        let mut content = entity();
        content["spec"]["vcdKe"]["defaultStorageClassOptions"] = options.clone();
        let class = ClusterSpec::parse(&content, SecureFields::Included)
            .unwrap()
            .storage_class;
        let got = class
            .as_ref()
            .map(|class| (class.filesystem.as_str(), class.delete_with_claim));
        assert_eq!(got, want, "{options}");
    }
}

#[test]
fn flags_are_read_without_the_yaml() {
    let content =
        |section: Value| Map::from_iter([("spec".to_owned(), json!({ "vcdKe": section }))]);
    assert_eq!(ClusterFlags::read(&Map::new()), ClusterFlags::default());
    let flags = ClusterFlags::read(&content(
        json!({"isVCDKECluster": true, "markForDelete": "true", "forceDelete": 1}),
    ));
    let want = ClusterFlags {
        is_vcdke: true,
        mark_for_delete: true,
        force_delete: false,
        auto_repair: false,
    };
    assert_eq!(flags, want);
    assert!(ClusterFlags::read(&content(json!({"autoRepairOnErrors": true}))).auto_repair);
}

#[test]
fn the_control_plane_template_is_found_without_a_reference() {
    let spec = parse_edited(|documents| {
        let no_reference = ("/spec/machineTemplate", json!({}));
        set(documents, "KubeadmControlPlane", "", no_reference);
    });
    assert_eq!(
        spec.unwrap().control_plane.name,
        "kite7-control-plane-node-pool"
    );
}

#[test]
fn a_pool_without_replicas_and_limits_has_one_node() {
    let spec = parse_edited(|documents| {
        set(
            documents,
            "MachineDeployment",
            "red",
            ("/metadata/annotations", json!({})),
        );
    });
    assert_eq!(spec.unwrap().pools[1].size, PoolSize::Fixed(1));
}

/// Which documents to change, where, to what JSON, and the codes of the problems it must give.
type Mistake = (&'static str, &'static str, &'static str, &'static str);

fn check(mistakes: &[Mistake]) {
    for (kind, pointer, value, codes) in mistakes {
        let change = (*pointer, serde_json::from_str(value).unwrap());
        let problems = parse_edited(|documents| set(documents, kind, "", change)).unwrap_err();
        let got: Vec<&str> = problems.iter().map(SpecProblem::code).collect();
        assert_eq!(
            got.join(" "),
            *codes,
            "{kind} {pointer} {value}: {problems:?}"
        );
    }
}

#[test]
fn missing_and_repeated_documents_are_named() {
    type Change = Box<dyn FnOnce(&mut Vec<Value>)>;
    let table: [(Change, &str); 9] = [
        (Box::new(remove("Cluster")), "DocumentMissing"),
        (Box::new(remove("VCDCluster")), "DocumentMissing"),
        (Box::new(remove("KubeadmControlPlane")), "DocumentMissing"),
        (Box::new(remove("KubeadmConfigTemplate")), "DocumentMissing"),
        (Box::new(remove("MachineDeployment")), "NoPools"),
        (
            Box::new(remove("VCDMachineTemplate")),
            "TemplateMissing TemplateMissing TemplateMissing",
        ),
        (
            Box::new(|documents| documents.extend_from_within(7..8)),
            "DocumentRepeated",
        ),
        (
            Box::new(|documents| documents.push(json!({"kind": "X"}))),
            "NoObject",
        ),
        (
            Box::new(|documents| documents.push(json!(["x"]))),
            "NoObject",
        ),
    ];
    for (index, (change, codes)) in table.into_iter().enumerate() {
        let problems = parse_edited(change).unwrap_err();
        let got: Vec<&str> = problems.iter().map(SpecProblem::code).collect();
        assert_eq!(got.join(" "), codes, "row {index}: {problems:?}");
    }
}

#[test]
fn names_and_places_that_cannot_be_are_refused() {
    check(&[
        (
            "Cluster",
            "/metadata/name",
            r#""Kite7""#,
            "NameInvalid NameMismatch",
        ),
        ("Cluster", "/metadata/name", r#""other""#, "NameMismatch"),
        ("Cluster", "/metadata/namespace", r#""a/b""#, "FieldInvalid"),
        (
            "MachineDeployment",
            "/metadata/name",
            r#""a_b""#,
            "NameInvalid NameInvalid",
        ),
        ("VCDCluster", "/spec/ovdcNetwork", r#""""#, "FieldMissing"),
        ("VCDCluster", "/spec/org", r#""a\nb""#, "FieldInvalid"),
        (
            "VCDCluster",
            "/spec/site",
            r#""vcd.example.test""#,
            "FieldInvalid",
        ),
        (
            "KubeadmControlPlane",
            "/spec/version",
            r#""1.27""#,
            "FieldInvalid",
        ),
    ]);
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let disk = "/spec/template/spec/diskSize";
    let catalog = "/spec/template/spec/catalog";
    check(&[
        (
            "KubeadmControlPlane",
            "/spec/replicas",
            "2",
            "ControlPlaneCount",
        ),
        (
            "KubeadmControlPlane",
            "/spec/replicas",
            "0",
            "ControlPlaneCount",
        ),
        (
            "KubeadmControlPlane",
            "/spec/replicas",
            "9",
            "ControlPlaneCount",
        ),
        (
            "KubeadmControlPlane",
            "/spec/replicas",
            r#""3""#,
            "ControlPlaneCount",
        ),
        (
            "MachineDeployment",
            "/spec/replicas",
            "1000000",
            "PoolTooLarge",
        ),
        ("MachineDeployment", "/spec/replicas", "-1", "FieldInvalid"),
        (
            "VCDMachineTemplate",
            disk,
            r#""20G""#,
            "DiskSize DiskSize DiskSize",
        ),
        (
            "VCDMachineTemplate",
            catalog,
            r#""""#,
            "FieldMissing FieldMissing FieldMissing",
        ),
    ]);
}

#[test]
fn pools_that_never_have_a_node_are_refused() {
    let limits = json!({
        "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size": "0",
        "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": "0",
    });
    let problems = parse_edited(|documents| {
        set(
            documents,
            "MachineDeployment",
            "",
            ("/spec/replicas", json!(0)),
        );
        set(
            documents,
            "MachineDeployment",
            "red",
            ("/metadata/annotations", limits),
        );
    });
    assert_eq!(problems.unwrap_err(), [SpecProblem::AllPoolsEmpty]);
}

#[test]
fn addresses_that_clash_are_refused() {
    let pods = "/spec/clusterNetwork/pods/cidrBlocks";
    let endpoint = "/spec/controlPlaneEndpoint";
    let balancer = "/spec/loadBalancerConfigSpec";
    check(&[
        ("Cluster", pods, r#"["100.64.0.0/10"]"#, "RangeOverlap"),
        ("Cluster", pods, r#"["10.0.0.0/40"]"#, "RangeInvalid"),
        (
            "VCDCluster",
            "/spec/site",
            r#""https://172.17.9.9:443""#,
            "RangeReserved",
        ),
        (
            "VCDCluster",
            endpoint,
            r#"{"host": "172.18.1.1"}"#,
            "RangeReserved",
        ),
        (
            "VCDCluster",
            endpoint,
            r#"{"host": "100.96.1.1"}"#,
            "RangeOverlap",
        ),
        (
            "VCDCluster",
            balancer,
            r#"{"vipSubnet": "172.16.0.0/12"}"#,
            "RangeReserved",
        ),
        (
            "VCDCluster",
            balancer,
            r#"{"vipSubnet": "x"}"#,
            "RangeInvalid",
        ),
    ]);
}

#[test]
fn autoscaler_limits_must_agree() {
    let limits = json!({
        "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size": "6",
        "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": "5",
    });
    let problems = parse_edited(|documents| {
        set(
            documents,
            "MachineDeployment",
            "red",
            ("/metadata/annotations", limits),
        );
    });
    assert_eq!(
        problems.unwrap_err(),
        [SpecProblem::AutoscalerRange {
            pool: "red".to_owned(),
            min: 6,
            max: 5
        }]
    );
}

#[test]
fn a_text_that_is_no_cluster_is_refused_before_it_costs_anything() {
    let large = "a".repeat(yaml::MAX_BYTES + 1);
    for (text, code) in [
        ("", "YamlMissing"),
        (" \n", "YamlMissing"),
        (large.as_str(), "YamlTooLarge"),
        ("a: [", "YamlUnreadable"),
    ] {
        let problems = ClusterSpec::parse(&entity_with(text), SecureFields::Included).unwrap_err();
        assert_eq!(
            problems.iter().map(SpecProblem::code).collect::<Vec<_>>(),
            [code]
        );
    }
    assert_eq!(
        ClusterSpec::parse(&Map::new(), SecureFields::Included).unwrap_err(),
        [SpecProblem::YamlMissing]
    );
    let broken = format!("{CAPI_YAML}---\na: 1\na: 2\n");
    let problems = ClusterSpec::parse(&entity_with(&broken), SecureFields::Included).unwrap_err();
    let line = u64::try_from(broken.lines().count()).unwrap();
    assert!(
        matches!(problems[..], [SpecProblem::YamlUnreadable { line: at, .. }] if at == line),
        "{problems:?}"
    );
}

#[test]
fn problems_repeat_hostile_text_short_and_escaped() {
    let hostile = format!("x\n\u{1b}[31m{}", "y".repeat(500));
    let mut content = entity();
    content["metadata"]["name"] = json!(hostile);
    let problems = ClusterSpec::parse(&content, SecureFields::Included).unwrap_err();
    let text = problems[0].to_string();
    assert!(
        text.len() < 250 && !text.chars().any(char::is_control),
        "{text}"
    );
}

#[test]
fn clashes_name_both_sides() {
    let change = ("/spec/controlPlaneEndpoint", json!({"host": "172.18.1.1"}));
    let problems = parse_edited(|documents| set(documents, "VCDCluster", "", change)).unwrap_err();
    assert!(
        matches!(problems[..], [SpecProblem::RangeReserved { reserved, .. }] if reserved == RESERVED_RANGES[1])
    );
    assert!(
        problems[0]
            .to_string()
            .starts_with("control plane address 172.18.1.1 lies in 172.18.0.0/16")
    );
}

#[test]
fn debug_shows_no_token() {
    let spec = ClusterSpec::parse(&entity(), SecureFields::Included).unwrap();
    assert!(!format!("{spec:?} {:?}", spec.documents).contains("tenant-token"));
}
