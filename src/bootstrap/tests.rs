//! The whole user data: a snapshot, hostile names, and its limits.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::cluster::SecureFields;
use crate::domain::cluster::sample::{entity, entity_edited, set};
use crate::domain::phase::Phase;

/// What one attempt's inputs borrow from.
pub(super) struct Attempt {
    pub(super) spec: ClusterSpec,
    pub(super) config: ServerConfig,
    pub(super) entity: EntityId,
    pub(super) token: SecretString,
    pub(super) authorities: Vec<String>,
}

impl Attempt {
    pub(super) fn sample() -> Self {
        let urn = "urn:vcloud:entity:vmware:capvcdCluster:7a1cbf0e-5c1e-4f0e-9d59-3f1f7b1c2d3e";
        Self {
            spec: ClusterSpec::parse(&entity(), SecureFields::Included).unwrap(),
            config: config(&json!({})),
            entity: EntityId::parse(urn).unwrap(),
            token: SecretString::from("tenant-token-7f3a"),
            authorities: Vec::new(),
        }
    }

    fn of(content: &Map<String, Value>) -> Self {
        Self {
            spec: ClusterSpec::parse(content, SecureFields::Included).unwrap(),
            ..Self::sample()
        }
    }

    pub(super) fn inputs(&self) -> BootstrapInputs<'_> {
        BootstrapInputs {
            spec: &self.spec,
            config: &self.config,
            entity: &self.entity,
            org: "nimbus",
            user: "ada",
            token: &self.token,
            marker: "rde=urn;e=1;i=2",
            vcd_authorities: &self.authorities,
            agent_manifest: None,
        }
    }

    fn user_data(&self) -> Result<UserData, BootstrapProblem> {
        user_data(&self.inputs())
    }

    /// The written files by path.
    pub(super) fn files(&self) -> BTreeMap<String, String> {
        files_of(&self.inputs())
    }
}

/// The files that the user data of `inputs` makes cloud-init write, by path.
pub(super) fn files_of(inputs: &BootstrapInputs<'_>) -> BTreeMap<String, String> {
    let data = user_data(inputs).unwrap();
    let documents = yaml::read_documents(data.cloud_config.expose_secret()).unwrap();
    assert_eq!(
        documents[0]["runcmd"],
        json!([["/bin/bash", "/opt/cse/bootstrap.sh"]])
    );
    let file = |file: &Value| {
        let text = |key: &str| file[key].as_str().unwrap().to_owned();
        let content = match file["encoding"].as_str() {
            Some("b64") => String::from_utf8(BASE64.decode(text("content")).unwrap()).unwrap(),
            other => {
                assert_eq!(other, None);
                text("content")
            }
        };
        (text("path"), content)
    };
    documents[0]["write_files"]
        .as_array()
        .unwrap()
        .iter()
        .map(file)
        .collect()
}

pub(super) fn config(profile: &Value) -> ServerConfig {
    let content = Map::from_iter([("profiles".to_owned(), json!([profile]))]);
    ServerConfig::parse(&content).unwrap()
}

/// A configuration with everything that can be configured.
fn full_config() -> ServerConfig {
    config(&json!({
        "githubConfig": {"githubPersonalAccessToken": "github-token"},
        "bootstrapClusterConfig": {
            "dockerVersion": "26.1.4", "kubectlVersion": "1.30.0",
            "capiEcosystem": {"coreCapiVersion": "v1.7.4", "infraProvider": {"version": "1.3.2"}},
            "proxyConfig": {"httpProxy": "http://u:proxy-pw@proxy.example.test:3128", "noProxy": "vcd.example.test"},
            "certificateAuthorities": ["-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"],
        },
        "containerRegistryUrl": "registry.example.test/vcd",
    }))
}

#[test]
fn a_rendered_cloud_config_looks_like_this() {
    let attempt = Attempt {
        config: full_config(),
        authorities: vec![
            "-----BEGIN CERTIFICATE-----\nBB\n-----END CERTIFICATE-----\n".to_owned(),
        ],
        ..Attempt::sample()
    };
    let files = attempt.files();
    let show = |(path, content): (&String, &String)| {
        let is_script = content.starts_with("#!/bin/bash");
        let text = if is_script {
            "(a script)\n"
        } else {
            content.as_str()
        };
        format!("=== {path}\n{text}")
    };
    let mut shown: String = files.iter().map(show).collect();
    for secret in ["tenant-token-7f3a", "github-token", "proxy-pw"] {
        shown = shown
            .replace(secret, "<secret>")
            .replace(&BASE64.encode(secret), "<secret in base64>");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn the_head_of_the_user_data_is_what_cloud_init_looks_for() {
    let data = Attempt::sample().user_data().unwrap();
    let text = data.cloud_config.expose_secret();
    assert!(text.starts_with("#cloud-config\nwrite_files:\n"));
    assert!(text.contains("permissions: \"0600\"") || text.contains("permissions: '0600'"));
    assert_eq!(
        BASE64.decode(data.base64.expose_secret()).unwrap(),
        text.as_bytes()
    );
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let attempt = Attempt::sample();
    let [one, other] = [attempt.user_data().unwrap(), attempt.user_data().unwrap()];
    assert_eq!(one.base64.expose_secret(), other.base64.expose_secret());
}

#[test]
fn scripts_are_the_same_for_every_cluster() {
    let hostile = hostile_attempt("'; touch /tmp/owned; $(id)");
    let (one, other) = (Attempt::sample().files(), hostile.files());
    let scripts = |files: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let is_script = |(_, content): &(&String, &String)| content.starts_with("#!/bin/bash");
        files
            .iter()
            .filter(is_script)
            .map(|(path, content)| (path.clone(), content.clone()))
            .collect()
    };
    assert_eq!(scripts(&one).len(), Phase::ALL.len() + 2);
    assert_eq!(scripts(&one), scripts(&other));
}

fn hostile_attempt(name: &str) -> Attempt {
    let content = entity_edited(|documents| {
        set(
            documents,
            "VCDCluster",
            "",
            ("/spec/ovdcNetwork", json!(name)),
        );
        set(documents, "VCDCluster", "", ("/spec/ovdc", json!(name)));
        set(
            documents,
            "VCDMachineTemplate",
            "",
            ("/spec/template/spec/catalog", json!(name)),
        );
    });
    Attempt {
        token: SecretString::from(name.replace(' ', "-")),
        ..Attempt::of(&content)
    }
}

/// The environment as bash reads it from `env`.
fn through_bash(env: &str) -> BTreeMap<String, String> {
    let script = format!(
        "{env}\nfor name in ${{!CSE_*}}; do printf '%s=%s\\0' \"$name\" \"${{!name}}\"; done"
    );
    let output = Command::new("bash")
        .args(["-euc", &script])
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text
        .split_terminator('\0')
        .map(|pair| pair.split_once('=').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn hostile_names_are_data_everywhere() {
    for name in [
        "'; touch /tmp/owned; '",
        "$(touch /tmp/owned)",
        "`id`",
        "a'b\"c\\d",
        "--- a: b",
        "#!x: [",
        "${HOME}",
    ] {
        let attempt = hostile_attempt(name);
        let files = attempt.files();
        let values = through_bash(&files["/opt/cse/env"]);
        assert_eq!(values["CSE_API_TOKEN"], attempt.token.expose_secret());
        let settings = yaml::read_documents(&files["/opt/cse/workload.yaml"]).unwrap();
        let map = settings
            .iter()
            .find(|document| document["metadata"]["name"] == "vcloud-ccm-configmap")
            .unwrap();
        let inner = map["data"]["vcloud-ccm-config.yaml"].as_str().unwrap();
        let inner = yaml::read_documents(inner).unwrap();
        assert_eq!(
            (
                &inner[0]["vcd"]["vdc"],
                &inner[0]["loadbalancer"]["network"]
            ),
            (&json!(name), &json!(name))
        );
        let cluster = yaml::read_documents(&files["/opt/cse/cluster.yaml"]).unwrap();
        let infrastructure = cluster
            .iter()
            .find(|document| document["kind"] == "VCDCluster")
            .unwrap();
        assert_eq!(infrastructure["spec"]["ovdcNetwork"], name);
    }
}

#[test]
fn every_variable_of_the_scripts_is_set_and_none_in_vain() {
    let attempt = Attempt {
        config: full_config(),
        ..Attempt::sample()
    };
    let values = through_bash(&attempt.files()["/opt/cse/env"]);
    let set: BTreeSet<String> = values
        .keys()
        .filter_map(|name| name.strip_prefix("CSE_"))
        .filter(|name| !name.starts_with("LIMIT_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(phases::tests::variables_used(), set);
    for phase in Phase::ALL {
        let name = format!("CSE_LIMIT_{}", phase.name().replace('-', "_"));
        assert_eq!(values[&name], phase.limit().as_secs().to_string());
    }
}

#[test]
fn versions_have_the_spelling_of_their_downloads() {
    let values = through_bash(&Attempt::sample().files()["/opt/cse/env"]);
    let want = [
        ("CSE_KUBECTL_VERSION", "v1.27.8"),
        ("CSE_CNI_VERSION", "v1.15.1"),
        ("CSE_CPI_VERSION", "1.4.0"),
        ("CSE_PRIVATE_REGISTRY", "0"),
        ("CSE_SITE", "https://vcd.example.test"),
    ];
    for (name, value) in want {
        assert_eq!(values[name], value, "{name}");
    }
    assert!(values["CSE_POD_NO_PROXY"].ends_with("100.96.0.0/11,100.64.0.0/13"));
}

#[test]
fn optional_files_are_there_when_they_are_asked_for() {
    let plain = Attempt::sample();
    let inputs = BootstrapInputs {
        agent_manifest: Some("kind: Agent\n"),
        ..plain.inputs()
    };
    let data = user_data(&inputs).unwrap();
    assert!(
        data.cloud_config
            .expose_secret()
            .contains("/opt/cse/agent.yaml")
    );
    let has =
        |attempt: &Attempt, name: &str| attempt.files().contains_key(&format!("/opt/cse/{name}"));
    assert!(
        has(&plain, "storage-class.yaml")
            && has(&plain, "workload-extra.yaml")
            && has(&plain, "clusterctl.yaml")
    );
    assert!(
        !has(&plain, "agent.yaml")
            && !has(&plain, "clusterctl-registry.yaml")
            && !has(&plain, "ca/00.crt")
    );
    let own =
        json!({"bootstrapClusterConfig": {"clusterctl": {"clusterctlyaml": "providers: []"}}});
    let own = Attempt {
        config: config(&own),
        ..Attempt::sample()
    };
    assert!(has(&own, "clusterctl-override.yaml") && !has(&own, "clusterctl.yaml"));
    let mut content = entity();
    content["spec"]["vcdKe"]["defaultStorageClassOptions"] = json!(null);
    assert!(!has(&Attempt::of(&content), "storage-class.yaml"));
}

#[test]
fn user_data_beyond_the_limit_is_a_problem() {
    let long = (
        "/metadata/annotations",
        json!({"long": "x".repeat(MAX_USER_DATA_BYTES)}),
    );
    let content = entity_edited(|documents| set(documents, "Cluster", "", long));
    let problem = Attempt::of(&content).user_data().unwrap_err();
    assert!(
        matches!(problem, BootstrapProblem::TooLarge { bytes } if bytes > MAX_USER_DATA_BYTES),
        "{problem}"
    );
}

#[test]
fn a_typical_cluster_is_far_below_the_limit() {
    let length = Attempt::sample()
        .user_data()
        .unwrap()
        .base64
        .expose_secret()
        .len();
    assert!(length < MAX_USER_DATA_BYTES / 3, "{length}");
}

#[test]
fn inputs_that_cannot_work_are_refused_by_name() {
    let attempt = Attempt::sample();
    let foreign = BootstrapInputs {
        org: "cirrus",
        ..attempt.inputs()
    };
    assert!(matches!(
        user_data(&foreign).unwrap_err(),
        BootstrapProblem::ForeignOrg { .. }
    ));
    let same = BootstrapInputs {
        org: "NIMBUS",
        ..attempt.inputs()
    };
    assert!(user_data(&same).is_ok());
    let calico = Attempt {
        config: config(&json!({"K8Config": {"cni": {"name": "calico"}}})),
        ..Attempt::sample()
    };
    assert!(matches!(
        calico.user_data().unwrap_err(),
        BootstrapProblem::UnknownCni { .. }
    ));
    for token in ["", "a\0b", "a\nCSE_X=1", "to ken", "tökèn"] {
        let strange = Attempt {
            token: SecretString::from(token),
            ..Attempt::sample()
        };
        let problem = strange.user_data().unwrap_err();
        assert_eq!(problem, BootstrapProblem::StrangeToken, "{token:?}");
    }
    let unquotable = BootstrapInputs {
        marker: "a\0b",
        ..attempt.inputs()
    };
    let want = BootstrapProblem::Unquotable {
        variable: "CSE_MARKER".to_owned(),
    };
    assert_eq!(user_data(&unquotable).unwrap_err(), want);
}

#[test]
fn debug_shows_no_secret() {
    let attempt = Attempt {
        config: full_config(),
        ..Attempt::sample()
    };
    let text = format!("{:?} {:?}", attempt.inputs(), attempt.user_data().unwrap());
    for secret in ["tenant-token", "github-token", "proxy-pw"] {
        assert!(!text.contains(secret), "{secret}");
    }
}
