//! The certificate authorities that the nodes of a cluster trust in addition.
//!
//! Clients write them into the YAML when they create a cluster: base64 of each into `files`, and a
//! command into `preKubeadmCommands` that installs them. YAML that was written by hand lacks them.
//!
//! Invariants:
//! - Only what the tenant's YAML leaves out is added. The agent applies that YAML again later; a list
//!   of ours in the place of one of the tenant's would then change back, and every node be replaced.
//! - So a document with files of its own keeps them, and one whose commands install no certificates is
//!   left alone.
//!
//! Source: CAPI YAML as go-vcloud-director writes it for CSE 4.1 and 4.2 (`cse/4.2/capiyaml_*.tmpl`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::capi::object_at;
use crate::domain::cluster::Kind;

/// Where clients put the certificates; their command moves them on from there.
const DIRECTORY: &str = "/etc/ssl/certs";
/// What the client's command and ours have in common.
const REFRESH: &str = "update-ca-certificates";
/// Installs the certificates; as harmless without any as the client's.
const COMMAND: &str = "mv /etc/ssl/certs/custom_certificate_*.crt /usr/local/share/ca-certificates && update-ca-certificates";

/// Adds `authorities` to a document that describes how nodes are set up.
pub(super) fn complete(document: &mut Value, authorities: &[String]) {
    if authorities.is_empty() {
        return;
    }
    let setup = if Kind::KubeadmControlPlane.is(document) {
        object_at(document, "spec")
            .and_then(|spec| spec.get_mut("kubeadmConfigSpec"))
            .and_then(Value::as_object_mut)
    } else if Kind::KubeadmConfigTemplate.is(document) {
        document
            .pointer_mut("/spec/template/spec")
            .and_then(Value::as_object_mut)
    } else {
        None
    };
    if let Some(setup) = setup {
        add(setup, authorities);
    }
}

fn add(setup: &mut Map<String, Value>, authorities: &[String]) {
    let is_absent = |key: &str| setup.get(key).is_none_or(Value::is_null);
    if !is_absent("files") {
        return;
    }
    let commands = setup.get("preKubeadmCommands").and_then(Value::as_array);
    let installs = commands.is_some_and(|commands| {
        let mut texts = commands.iter().filter_map(Value::as_str);
        texts.any(|command| command.contains(REFRESH))
    });
    if !installs && !is_absent("preKubeadmCommands") {
        return;
    }
    if !installs {
        setup.insert("preKubeadmCommands".to_owned(), json!([COMMAND]));
    }
    let file = |(index, pem): (usize, &String)| {
        json!({
            "path": format!("{DIRECTORY}/custom_certificate_{index}.crt"),
            "owner": "root",
            "permissions": "0644",
            "encoding": "base64",
            "content": BASE64.encode(pem),
        })
    };
    let files: Vec<Value> = authorities.iter().enumerate().map(file).collect();
    setup.insert("files".to_owned(), Value::Array(files));
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests fail loudly")]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";

    fn completed(setup: &Value) -> Value {
        let mut plane = json!({
            "apiVersion": "controlplane.cluster.x-k8s.io/v1beta1", "kind": "KubeadmControlPlane",
            "metadata": {"name": "p"}, "spec": {"kubeadmConfigSpec": setup},
        });
        let mut template = json!({
            "apiVersion": "bootstrap.cluster.x-k8s.io/v1beta1", "kind": "KubeadmConfigTemplate",
            "metadata": {"name": "t"}, "spec": {"template": {"spec": setup}},
        });
        complete(&mut plane, &[PEM.to_owned()]);
        complete(&mut template, &[PEM.to_owned()]);
        assert_eq!(
            plane["spec"]["kubeadmConfigSpec"],
            template["spec"]["template"]["spec"]
        );
        template["spec"]["template"]["spec"].take()
    }

    #[test]
    fn yaml_of_clients_gets_the_files_its_command_looks_for() {
        let client = json!({"preKubeadmCommands": ["mv /etc/ssl/certs/custom_certificate_*.crt /x && update-ca-certificates"]});
        let done = completed(&client);
        assert_eq!(done["preKubeadmCommands"], client["preKubeadmCommands"]);
        assert_eq!(
            done["files"],
            json!([{
                "path": "/etc/ssl/certs/custom_certificate_0.crt", "owner": "root", "permissions": "0644",
                "encoding": "base64", "content": BASE64.encode(PEM),
            }])
        );
    }

    #[test]
    fn yaml_without_files_and_commands_gets_both() {
        let done = completed(&json!({}));
        assert_eq!(done["preKubeadmCommands"], json!([COMMAND]));
        assert_eq!(done["files"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn lists_of_the_tenant_are_never_replaced() {
        for setup in [
            json!({"files": [{"path": "/x"}]}),
            json!({"files": [], "preKubeadmCommands": ["update-ca-certificates"]}),
            json!({"preKubeadmCommands": ["echo hello"]}),
        ] {
            assert_eq!(completed(&setup), setup);
        }
    }

    #[test]
    fn without_authorities_nothing_changes() {
        let document = json!({"kind": "KubeadmControlPlane", "spec": {"kubeadmConfigSpec": {}}});
        let mut done = document.clone();
        complete(&mut done, &[]);
        assert_eq!(done, document);
    }
}
