//! Which documents of the entity are the agent's business, and in which form they are applied.
//!
//! Flow: content of the entity (hostile: whoever may edit it wrote it) in; documents in the order of
//! applying, and what is refused, out.
//!
//! Invariants:
//! - A YAML that cannot be read as a whole, or an edit that would do harm, leads to nothing at all: half a
//!   YAML must neither be applied nor decide what is removed.
//! - Of a document go in: labels, annotations, `spec` and what else is content. Never finalizers, owners,
//!   status, `spec.paused` (a move or a person stopped the controllers) or `spec.rdeId` (the server injected
//!   it, and another value would bind the cluster to another entity).
//! - Tokens stay where they are: Secrets are left to the server, so that a rotated token has one source.
//!
//! Not here: what is in the cluster (`plan`).
//! Source: `spec.capiYaml` and `spec.yamlSet` of `capvcdCluster`.

use serde_json::{Map, Value, json};

use super::findings::error;
use super::kinds::{AUTOSCALER, Address, Kind, Part, Place, SYSTEM_NAMESPACE};
use crate::domain::cluster::{
    ClusterFlags, ClusterSpec, SecureFields, api_group, name_of, text_at,
};
use crate::domain::edit::{Edit, RunningCluster};
use crate::domain::ids::EntityId;
use crate::domain::status::ClusterState;
use crate::yaml;

/// Label of what the agent may delete again; its value is the UUID of the entity.
pub(super) const APPLIED_FOR: &str = "cse-agent/applied-for";
/// Most documents taken from `spec.yamlSet`.
const MAX_EXTRA: usize = 64;

/// A document to apply.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    pub(super) address: Address,
    pub(super) body: Value,
}

/// What the entity asks for.
#[derive(Debug)]
pub(super) struct Wish {
    /// Version of the control plane.
    pub(super) version: String,
    /// In the order of applying.
    pub(super) documents: Vec<Document>,
    /// Documents and operations that are left out: name of the error, and why.
    pub(super) refusals: Vec<(&'static str, String)>,
    /// Changes when anything of it changes.
    pub(super) fingerprint: u64,
}

/// What to do about the entity.
#[derive(Debug)]
pub(super) enum Judgement {
    /// Nothing, and nothing is to be told: the cluster goes.
    Leave,
    /// Nothing, and why: names of errors, and details.
    Refuse(Vec<(&'static str, String)>),
    /// Bring this into effect.
    Apply(Box<Wish>),
}

/// Judges the content of `entity`, whose cluster lives in `namespace`.
pub(super) fn judge(content: &Map<String, Value>, entity: &EntityId, namespace: &str) -> Judgement {
    let flags = ClusterFlags::read(content);
    let state = text_of(content, &["status", "vcdKe", "state"]).unwrap_or_default();
    if flags.mark_for_delete
        || flags.force_delete
        || ClusterState::from_wire(state) == ClusterState::Deleting
    {
        return Judgement::Leave;
    }
    let spec = match acceptable(content) {
        Ok(spec) => spec,
        Err(told) => return Judgement::Refuse(told),
    };
    if spec.namespace != namespace {
        let told = format!(
            "the documents are for namespace {:?}, this cluster's objects are in {namespace:?}",
            spec.namespace
        );
        return Judgement::Refuse(vec![(error::FOREIGN, told)]);
    }
    Judgement::Apply(Box::new(wish(content, &spec, entity)))
}

/// The request, if it can be read and breaks no rule of running clusters. Before the controllers have
/// reported anything there is nothing to compare it with.
fn acceptable(content: &Map<String, Value>) -> Result<ClusterSpec, Vec<(&'static str, String)>> {
    let Some(running) = RunningCluster::read(content) else {
        return ClusterSpec::parse(content, SecureFields::LeftOut).map_err(|problems| {
            let told = problems.iter();
            told.map(|problem| (error::YAML, problem.to_string()))
                .collect()
        });
    };
    let edit = Edit::read(content, &running);
    match edit.spec {
        Some(spec) if edit.violations.is_empty() => Ok(spec),
        Some(_) | None => Err(edit
            .violations
            .iter()
            .map(|violation| (violation.name(), violation.to_string()))
            .collect()),
    }
}

fn wish(content: &Map<String, Value>, spec: &ClusterSpec, entity: &EntityId) -> Wish {
    let mut wish = Wish {
        version: spec.kubernetes_version.clone(),
        documents: Vec::new(),
        refusals: Vec::new(),
        fingerprint: 0,
    };
    let scope = Scope {
        namespace: &spec.namespace,
        uuid: entity.uuid(),
    };
    for document in spec.documents.all() {
        wish.take(document, &scope);
    }
    match extra(content) {
        Ok(documents) => {
            for document in &documents {
                wish.take(document, &scope);
            }
        }
        Err(reason) => wish.refusals.push((error::DOCUMENT, reason)),
    }
    wish.refusals.extend(operations(content));
    wish.documents
        .sort_by_key(|document| document.address.kind.order());
    wish.fingerprint = fingerprint(&wish);
    wish
}

/// The cluster that documents are judged for.
struct Scope<'a> {
    namespace: &'a str,
    uuid: &'a str,
}

impl Wish {
    fn take(&mut self, document: &Value, scope: &Scope<'_>) {
        match accept(document, scope) {
            // The YAML counts before the set; a name stands once.
            Ok(Some(taken)) => {
                let known = |other: &Document| other.address == taken.address;
                if !self.documents.iter().any(known) {
                    self.documents.push(taken);
                }
            }
            Ok(None) => {}
            Err(reason) => self.refusals.push((error::DOCUMENT, reason)),
        }
    }
}

/// `Ok(None)` for what is somebody else's job and no reason to complain.
fn accept(document: &Value, scope: &Scope<'_>) -> Result<Option<Document>, String> {
    if is_of_the_server(document, scope) {
        return Ok(None);
    }
    let kind = text_at(document, &["kind"]).unwrap_or_default();
    let name = name_of(document);
    let refuse = |why: &str| Err(format!("{kind:?} {name:?} is not applied: {why}"));
    let Some(known) = Kind::of(document) else {
        return refuse("the agent applies Cluster API objects and the autoscaler only");
    };
    let given = text_at(document, &["metadata", "namespace"]);
    let namespace = match known.place {
        Place::Own => scope.namespace,
        Place::Autoscaler => SYSTEM_NAMESPACE,
        Place::AutoscalerEverywhere => "",
    };
    if known.place == Place::Own {
        if given.is_some_and(|given| given != namespace) {
            return refuse("it is in another namespace than the cluster");
        }
    } else if name != AUTOSCALER
        || known.place == Place::Autoscaler && given != Some(SYSTEM_NAMESPACE)
    {
        return refuse("only the objects kube-system/cluster-autoscaler are allowed");
    }
    let Some(version) = version(document) else {
        return refuse("its apiVersion has no version such as v1beta1");
    };
    if let Some(why) = too_much(known, document) {
        return refuse(why);
    }
    if !is_object_name(name) {
        return refuse("the name is no name of a Kubernetes object");
    }
    let address = Address {
        kind: known,
        version: version.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let body = body(document, &address, scope.uuid);
    Ok(Some(Document { address, body }))
}

/// Namespace, credentials and add-ons: the server puts them there at bootstrap.
fn is_of_the_server(document: &Value, scope: &Scope<'_>) -> bool {
    let group = api_group(document);
    let kind = text_at(document, &["kind"]).unwrap_or_default();
    let namespace = text_at(document, &["metadata", "namespace"]).unwrap_or(scope.namespace);
    match (group, kind) {
        ("", "Namespace") => name_of(document) == scope.namespace,
        ("", "Secret" | "ConfigMap") | ("addons.cluster.x-k8s.io", "ClusterResourceSet") => {
            namespace == scope.namespace
        }
        _ => false,
    }
}

fn version(document: &Value) -> Option<&str> {
    let api_version = text_at(document, &["apiVersion"])?;
    let version = api_version.rsplit('/').next()?;
    let digits = version.strip_prefix('v')?;
    let allowed = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
    let is_version = digits.len() <= 12
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(allowed);
    is_version.then_some(version)
}

/// It goes into a path.
fn is_object_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || matches!(b, b'-' | b'.');
    name.len() <= 253
        && name.bytes().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// What an autoscaler never needs and an intruder would like.
fn too_much(kind: &Kind, document: &Value) -> Option<&'static str> {
    match kind.name {
        "ClusterRole" | "Role" => {
            let rules = items(document, "rules");
            let bad = rules.iter().any(|rule| {
                let has = |key: &str, words: &[&str]| {
                    items(rule, key)
                        .iter()
                        .filter_map(Value::as_str)
                        .any(|word| words.contains(&word))
                };
                has("verbs", &["escalate", "bind", "impersonate"])
                    || has("verbs", &["*"]) && has("resources", &["*"])
                    || has("apiGroups", &["*", "rbac.authorization.k8s.io"])
                    || has("resources", &["secrets", "*"]) && has("apiGroups", &[""])
            });
            bad.then_some("an autoscaler needs neither secrets nor rights over rights")
        }
        "ClusterRoleBinding" => {
            let to = text_at(document, &["roleRef", "name"]) == Some(AUTOSCALER)
                && text_at(document, &["roleRef", "kind"]) == Some("ClusterRole");
            let subjects = items(document, "subjects");
            let is_own = |subject: &Value| {
                let text = |key: &str| text_at(subject, &[key]);
                (text("kind"), text("name"), text("namespace"))
                    == (
                        Some("ServiceAccount"),
                        Some(AUTOSCALER),
                        Some(SYSTEM_NAMESPACE),
                    )
            };
            let fine = to && !subjects.is_empty() && subjects.iter().all(is_own);
            (!fine)
                .then_some("it must give the role cluster-autoscaler to its service account only")
        }
        "Deployment" => {
            let pod = document
                .pointer("/spec/template/spec")
                .unwrap_or(&Value::Null);
            let host = ["hostNetwork", "hostPID", "hostIPC"]
                .iter()
                .any(|key| pod.get(key) == Some(&Value::Bool(true)));
            let mut containers = items(pod, "containers")
                .iter()
                .chain(items(pod, "initContainers"));
            let privileged = containers.any(|container| {
                container.pointer("/securityContext/privileged") == Some(&Value::Bool(true))
            });
            (host || privileged).then_some("an autoscaler needs no access to its node")
        }
        _ => None,
    }
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn body(document: &Value, address: &Address, uuid: &str) -> Value {
    let mut body = without_nulls(document);
    let Some(fields) = body.as_object_mut() else {
        return body;
    };
    fields.shift_remove("status");
    let given = fields.shift_remove("metadata").unwrap_or_default();
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(address.name));
    if !address.namespace.is_empty() {
        metadata.insert("namespace".to_owned(), json!(address.namespace));
    }
    for key in ["labels", "annotations"] {
        if let Some(Value::Object(pairs)) = given.get(key) {
            metadata.insert(key.to_owned(), json!(pairs));
        }
    }
    if address.kind.may_remove {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(APPLIED_FOR.to_owned(), json!(uuid));
        }
    }
    fields.insert("metadata".to_owned(), Value::Object(metadata));
    if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
        match address.kind.part {
            Part::Cluster => spec.shift_remove("paused"),
            Part::Infrastructure => spec.shift_remove("rdeId"),
            Part::MachineTemplate | Part::ControlPlane | Part::Workers | Part::Other => None,
        };
    }
    body
}

/// Clients write `matchLabels: null` where they mean nothing; an apply would claim it.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// The documents of `spec.yamlSet`: texts beside the YAML, under the same rules.
fn extra(content: &Map<String, Value>) -> Result<Vec<Value>, String> {
    let set = content
        .get("spec")
        .map_or(&[][..], |spec| items(spec, "yamlSet"));
    let mut documents = Vec::new();
    for text in set.iter().filter_map(Value::as_str) {
        let read = yaml::read_documents(text)
            .map_err(|problem| format!("spec.yamlSet cannot be read: {problem}"))?;
        documents.extend(read);
        if documents.len() > MAX_EXTRA {
            return Err(format!(
                "spec.yamlSet holds more than {MAX_EXTRA} documents"
            ));
        }
    }
    Ok(documents)
}

/// Operations bring arbitrary manifests, some by link, into the cluster: nobody but the vendor's projector
/// carries them out. One that is newer than what was carried out is answered, so that nobody waits for it.
fn operations(content: &Map<String, Value>) -> Vec<(&'static str, String)> {
    let projector = content.get("spec").and_then(|spec| spec.get("projector"));
    let operations = projector.map_or(&[][..], |projector| items(projector, "operations"));
    let done = content
        .get("status")
        .and_then(|status| status.pointer("/projector/lastAppliedSequence"))
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let sequence = |operation: &Value| operation.get("sequence").and_then(Value::as_u64);
    let open: Vec<u64> = operations
        .iter()
        .filter_map(sequence)
        // A section that knows of no operation says 1.
        .filter(|number| *number > done || done <= 1)
        .take(20)
        .collect();
    if open.is_empty() {
        return Vec::new();
    }
    let told = format!(
        "operations {open:?} of spec.projector are not carried out: cse-agent applies spec.capiYaml only; \
         upgrade components with kubectl, or install the vendor's projector"
    );
    vec![(error::OPERATION, told)]
}

fn fingerprint(wish: &Wish) -> u64 {
    let bodies: Vec<&Value> = wish
        .documents
        .iter()
        .map(|document| &document.body)
        .collect();
    let text = json!([bodies, wish.refusals]).to_string();
    twox_hash::XxHash3_64::oneshot(text.as_bytes())
}

fn text_of<'a>(content: &'a Map<String, Value>, path: &[&str]) -> Option<&'a str> {
    let (first, rest) = path.split_first()?;
    text_at(content.get(*first)?, rest)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
