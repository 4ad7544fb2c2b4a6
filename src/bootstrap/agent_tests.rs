//! The agent's manifest: where it runs, what it may do, and what no tenant can put into it.

use serde_json::{Value, json};

use super::super::tests::{Attempt, config};
use super::*;
use crate::domain::cluster::ClusterSpec;
use crate::domain::cluster::SecureFields;
use crate::domain::cluster::sample::{entity_edited, set};

fn documents(attempt: &Attempt) -> Vec<Value> {
    let text = manifest(&attempt.inputs()).unwrap().unwrap();
    yaml::read_documents(&text).unwrap()
}

fn one(documents: &[Value], kind: &str) -> Value {
    let mut found = documents.iter().filter(|document| document["kind"] == kind);
    let document = found.next().unwrap().clone();
    assert!(found.next().is_none(), "one {kind}");
    document
}

fn with(profile: &Value) -> Attempt {
    Attempt {
        config: config(profile),
        ..Attempt::sample()
    }
}

#[test]
fn the_pod_knows_its_cluster_and_takes_the_token_from_the_secret_of_capvcd() {
    let deployment = one(&documents(&Attempt::sample()), "Deployment");
    assert_eq!(deployment["metadata"]["namespace"], "kite7-ns");
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
    let pod = &deployment["spec"]["template"]["spec"];
    let env = pod["containers"][0]["env"].as_array().unwrap();
    let value = |name: &str| {
        let found = env.iter().find(|pair| pair["name"] == name);
        found.unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(value("CSE_ORG"), "nimbus");
    assert_eq!(value("CSE_NAMESPACE"), "kite7-ns");
    assert!(value("CSE_ENTITY_ID").starts_with("urn:vcloud:entity:"));
    let secret = &pod["volumes"][0]["secret"];
    assert_eq!(secret["secretName"], "capi-user-credentials");
    let token = format!(
        "{TOKEN_DIR}/{}",
        secret["items"][0]["path"].as_str().unwrap()
    );
    assert_eq!(value("CSE_TOKEN_FILE"), token);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
}

#[test]
fn no_token_and_no_password_stands_outside_a_secret() {
    let proxy = json!({"bootstrapClusterConfig": {"proxyConfig": {
        "httpsProxy": "http://user:hush@proxy.example.test:3128", "noProxy": "localhost",
    }}});
    let attempt = with(&proxy);
    let documents = documents(&attempt);
    let secret = one(&documents, "Secret");
    assert!(
        secret["stringData"]["HTTPS_PROXY"]
            .as_str()
            .unwrap()
            .contains("hush")
    );
    assert!(
        secret["stringData"]["NO_PROXY"]
            .as_str()
            .unwrap()
            .contains("100.64.0.0/13")
    );
    for document in documents
        .iter()
        .filter(|document| document["kind"] != "Secret")
    {
        let text = document.to_string();
        assert!(
            !text.contains("hush") && !text.contains("tenant-token"),
            "{text}"
        );
    }
    let pod = &one(&documents, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(
        pod["containers"][0]["envFrom"][0]["secretRef"]["name"],
        secret["metadata"]["name"]
    );
}

#[test]
fn the_image_comes_from_the_registry_unless_one_is_named() {
    let image = |profile: Value| {
        let text = manifest(&with(&profile).inputs()).unwrap()?;
        let documents = yaml::read_documents(&text).unwrap();
        let pod = one(&documents, "Deployment")["spec"]["template"]["spec"].clone();
        pod["containers"][0]["image"].as_str().map(str::to_owned)
    };
    let version = env!("CARGO_PKG_VERSION");
    let rows = [
        (
            json!({"containerRegistryUrl": "reg.example.test/vcd"}),
            Some(format!("reg.example.test/vcd/cse-agent:{version}")),
        ),
        (
            json!({"K8Config": {"agent": {"image": "other.example.test/a@sha256:12"}}}),
            Some("other.example.test/a@sha256:12".to_owned()),
        ),
        (json!({"K8Config": {"agent": {"image": "none"}}}), None),
    ];
    for (profile, want) in rows {
        assert_eq!(image(profile.clone()), want, "{profile}");
    }
}

#[test]
fn the_rights_make_and_delete_no_cluster_and_read_no_secret() {
    let documents = documents(&Attempt::sample());
    let mut rules = 0;
    for role in documents
        .iter()
        .filter(|document| document["kind"] == "Role" || document["kind"] == "ClusterRole")
    {
        for rule in role["rules"].as_array().unwrap() {
            rules += 1;
            let text = rule.to_string();
            assert!(!text.contains('*') && !text.contains("secrets"), "{text}");
            let touches = |word: &str| rule["resources"].as_array().unwrap().contains(&json!(word));
            let may = |verb: &str| rule["verbs"].as_array().unwrap().contains(&json!(verb));
            if touches("clusters") || touches("vcdclusters") || touches("kubeadmcontrolplanes") {
                assert!(!may("create") && !may("delete"), "{text}");
            }
            if may("delete") && !touches("machinehealthchecks") || may("escalate") {
                assert_eq!(
                    rule["resourceNames"],
                    json!(["cluster-autoscaler"]),
                    "{text}"
                );
            }
        }
        let binding = documents.iter().find(|document| {
            document["kind"] == format!("{}Binding", role["kind"].as_str().unwrap())
                && document["metadata"] == role["metadata"]
        });
        let subject = &binding.unwrap()["subjects"][0];
        assert_eq!(
            (&subject["name"], &subject["namespace"]),
            (&json!(NAME), &json!("kite7-ns"))
        );
    }
    assert_eq!(rules, 13, "every rule was looked at");
}

#[test]
fn certificates_reach_the_pod_as_a_file() {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let attempt = Attempt {
        authorities: vec![pem.to_owned()],
        ..with(&json!({"bootstrapClusterConfig": {"certificateAuthorities": [pem]}}))
    };
    let documents = documents(&attempt);
    let data = one(&documents, "ConfigMap")["data"]["ca.crt"].clone();
    assert_eq!(data, format!("{pem}{pem}"));
    let pod = one(&documents, "Deployment")["spec"]["template"]["spec"].to_string();
    assert!(pod.contains("/etc/cse-agent/ca/ca.crt"), "{pod}");
}

#[test]
fn hostile_names_stay_values() {
    let hostile = "x\"}]\n---\nkind: Secret\n$(id)";
    let content = entity_edited(|documents| {
        set(
            documents,
            "VCDCluster",
            "",
            ("/spec/userContext/secretRef/name", json!(hostile)),
        );
    });
    let attempt = Attempt {
        spec: ClusterSpec::parse(&content, SecureFields::Included).unwrap(),
        ..Attempt::sample()
    };
    let mut inputs = attempt.inputs();
    inputs.org = hostile;
    let text = manifest(&inputs).unwrap().unwrap();
    let documents = yaml::read_documents(&text).unwrap();
    assert_eq!(documents.len(), 8);
    let pod = &one(&documents, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], hostile);
    let env = pod["containers"][0]["env"].as_array().unwrap();
    assert!(
        env.contains(&json!({"name": "CSE_ORG", "value": hostile})),
        "{env:?}"
    );
    assert!(
        !documents
            .iter()
            .any(|document| document["kind"] == "Secret")
    );
}

#[test]
fn the_manifest_looks_like_this() {
    let text = manifest(&Attempt::sample().inputs()).unwrap().unwrap();
    let shown = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!(shown);
}
