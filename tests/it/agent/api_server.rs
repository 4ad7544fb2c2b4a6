//! A stand-in for the API server of a cluster: objects, server-side apply, deletion with preconditions.
//!
//! Goal: an apply means here what it means to Kubernetes, so that tests of the agent judge what becomes of
//! the objects.
//!
//! Simplified: hardly any schema (what is applied is stored), lists are atomic, no finalizers, one webhook.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request, Response};
use kube::client::Body;
use serde_json::{Map, Value, json};

use super::fields::{Manager, Operation, get, leaves, put, remove, spelled};

/// What the server knows the plural of.
const SERVED: [(&str, &str); 13] = [
    ("clusters", "Cluster"),
    ("vcdclusters", "VCDCluster"),
    ("vcdmachinetemplates", "VCDMachineTemplate"),
    ("kubeadmcontrolplanes", "KubeadmControlPlane"),
    ("machinedeployments", "MachineDeployment"),
    ("kubeadmconfigtemplates", "KubeadmConfigTemplate"),
    ("machinehealthchecks", "MachineHealthCheck"),
    ("deployments", "Deployment"),
    ("serviceaccounts", "ServiceAccount"),
    ("roles", "Role"),
    ("clusterroles", "ClusterRole"),
    ("clusterrolebindings", "ClusterRoleBinding"),
    ("secrets", "Secret"),
];

struct Object {
    value: Value,
    managers: Vec<Manager>,
}

#[derive(Default)]
struct State {
    /// By plural and name: no two kinds of these tests share a plural.
    objects: BTreeMap<(String, String), Object>,
    versions: u64,
    /// Method, plural and name of every request.
    requests: Vec<String>,
    /// Nothing answers.
    down: bool,
    /// What the webhook of the control plane answers.
    denies: Option<(u16, String)>,
}

/// The server; clones are the same one.
#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<State>>);

/// A refusal.
type No = (u16, &'static str, String, Vec<Value>);

fn no(code: u16, reason: &'static str, message: &str) -> No {
    (code, reason, message.to_owned(), Vec::new())
}

impl ApiServer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client of this server.
    pub(super) fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                server.answer(&parts, &body)
            }
        });
        kube::Client::new(service, "default")
    }

    fn answer(
        &self,
        parts: &http::request::Parts,
        body: &[u8],
    ) -> Result<Response<Body>, tower::BoxError> {
        let mut state = self.state();
        if state.down {
            return Err("connection refused".into());
        }
        let (code, value) = match state.serve(parts, body) {
            Ok(value) => (200, value),
            Err((code, reason, message, causes)) => (
                code,
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": message, "reason": reason, "code": code, "details": {"causes": causes}}),
            ),
        };
        let response = Response::builder().status(code);
        Ok(response.body(Body::from(value.to_string().into_bytes()))?)
    }

    /// Whether nothing answers.
    pub(super) fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    /// Lets the control plane's webhook refuse every change of its version.
    pub(super) fn deny_upgrades(&self, answer: Option<(u16, &str)>) {
        self.state().denies = answer.map(|(code, text)| (code, text.to_owned()));
    }

    /// Requests so far: method, plural, name.
    pub(super) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Makes an object as `manager` would.
    pub(super) fn seed(&self, document: &Value, manager: &str) {
        let kind = document["kind"].as_str().unwrap();
        let (plural, _) = SERVED.iter().find(|(_, known)| *known == kind).unwrap();
        let mut state = self.state();
        let name = document["metadata"]["name"].as_str().unwrap().to_owned();
        let object = state.fresh(document);
        let manager = Manager {
            name: manager.to_owned(),
            operation: Operation::Update,
            fields: leaves(&content(document)),
        };
        let managers = vec![manager];
        let object = Object {
            value: object,
            managers,
        };
        state.objects.insert(((*plural).to_owned(), name), object);
    }

    /// Sets a field as `manager` would with an update, such as `kubectl edit`.
    pub(super) fn edit(&self, (plural, name): (&str, &str), pointer: &str, new: Value, who: &str) {
        self.write((plural, name), (pointer, new), (who, Operation::Update));
    }

    /// Declares a field as `manager` would by a forced apply of it alone.
    pub(super) fn claim(&self, (plural, name): (&str, &str), pointer: &str, new: Value, who: &str) {
        self.write((plural, name), (pointer, new), (who, Operation::Apply));
    }

    fn write(
        &self,
        (plural, name): (&str, &str),
        (pointer, new): (&str, Value),
        (who, operation): (&str, Operation),
    ) {
        let path: Vec<String> = pointer.split('/').skip(1).map(str::to_owned).collect();
        let mut state = self.state();
        state.versions += 1;
        let version = state.versions;
        let key = (plural.to_owned(), name.to_owned());
        let object = state.objects.get_mut(&key).unwrap();
        for manager in &mut object.managers {
            manager.fields.remove(&path);
        }
        put(&mut object.value, &path, new);
        object.bump(version, true);
        object.manager(who, operation).fields.insert(path);
    }

    /// Ends a manager's claims.
    pub(super) fn forget(&self, (plural, name): (&str, &str), who: &str) {
        let mut state = self.state();
        let key = (plural.to_owned(), name.to_owned());
        let object = state.objects.get_mut(&key).unwrap();
        object.managers.retain(|manager| manager.name != who);
    }

    /// Sets the status, as controllers do.
    pub(super) fn set_status(&self, (plural, name): (&str, &str), status: Value) {
        let mut state = self.state();
        state.versions += 1;
        let version = state.versions;
        let key = (plural.to_owned(), name.to_owned());
        let object = state.objects.get_mut(&key).unwrap();
        object.value["status"] = status;
        object.bump(version, false);
    }

    /// Takes an object away.
    pub(super) fn take(&self, plural: &str, name: &str) {
        let key = (plural.to_owned(), name.to_owned());
        self.state().objects.remove(&key).unwrap();
    }

    /// An object as it stands.
    pub(super) fn object(&self, plural: &str, name: &str) -> Option<Value> {
        let state = self.state();
        let object = state.objects.get(&(plural.to_owned(), name.to_owned()));
        object.map(|object| object.value.clone())
    }

    /// Who owns the field.
    pub(super) fn owners(&self, plural: &str, name: &str, pointer: &str) -> Vec<String> {
        let path: Vec<String> = pointer.split('/').skip(1).map(str::to_owned).collect();
        let state = self.state();
        let object = &state.objects[&(plural.to_owned(), name.to_owned())];
        let owning = object
            .managers
            .iter()
            .filter(|manager| manager.fields.contains(&path));
        owning.map(|manager| manager.name.clone()).collect()
    }

    /// Names of all objects, `plural/name`.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let state = self.state();
        let keys = state.objects.keys();
        keys.map(|(plural, name)| format!("{plural}/{name}"))
            .collect()
    }
}

/// What managers own: everything but what says which object it is.
fn content(document: &Value) -> Value {
    let mut content = document.clone();
    let fields = content.as_object_mut().unwrap();
    for key in ["apiVersion", "kind", "status"] {
        fields.shift_remove(key);
    }
    let metadata = fields.get("metadata").cloned().unwrap_or_default();
    let kept: Map<String, Value> = ["labels", "annotations"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), metadata.get(key)?.clone())))
        .collect();
    fields.shift_remove("metadata");
    if !kept.is_empty() {
        fields.insert("metadata".to_owned(), Value::Object(kept));
    }
    content
}

impl Object {
    fn bump(&mut self, version: u64, spec: bool) {
        self.value["metadata"]["resourceVersion"] = json!(version.to_string());
        if spec {
            let generation = self.value["metadata"]["generation"].as_u64().unwrap_or(0);
            self.value["metadata"]["generation"] = json!(generation + 1);
        }
    }

    fn manager(&mut self, name: &str, operation: Operation) -> &mut Manager {
        let is_meant = |manager: &Manager| manager.name == name && manager.operation == operation;
        if !self.managers.iter().any(is_meant) {
            let fields = BTreeSet::new();
            let name = name.to_owned();
            self.managers.push(Manager {
                name,
                operation,
                fields,
            });
        }
        self.managers
            .iter_mut()
            .find(|manager| is_meant(manager))
            .unwrap()
    }

    /// Fields that others hold with another value.
    fn clashes(&self, wanted: &Value, who: &str) -> Vec<(Vec<String>, usize)> {
        let mut found = Vec::new();
        for (index, manager) in self.managers.iter().enumerate() {
            if manager.name == who && manager.operation == Operation::Apply {
                continue;
            }
            for path in leaves(wanted) {
                let differs = get(&self.value, &path) != get(wanted, &path);
                let overlaps = |other: &Vec<String>| {
                    other.starts_with(&path) && get(wanted, &path) != Some(&json!({}))
                        || path.starts_with(other) && other.len() < path.len()
                };
                if differs && manager.fields.iter().any(overlaps) {
                    found.push((path, index));
                }
            }
        }
        found
    }

    fn merge(&mut self, wanted: &Value, who: &str) {
        let before = self.manager(who, Operation::Apply).fields.clone();
        let now = leaves(wanted);
        for path in &now {
            put(&mut self.value, path, get(wanted, path).unwrap().clone());
        }
        let fields = &mut self.manager(who, Operation::Apply).fields;
        fields.clone_from(&now);
        for path in before.difference(&now) {
            let held = self
                .managers
                .iter()
                .any(|manager| manager.fields.contains(path));
            if !held {
                remove(&mut self.value, path);
            }
        }
    }
}

impl State {
    fn fresh(&mut self, document: &Value) -> Value {
        self.versions += 1;
        let mut object = document.clone();
        object["metadata"]["uid"] = json!(format!("uid-{}", self.versions));
        object["metadata"]["resourceVersion"] = json!(self.versions.to_string());
        object["metadata"]["generation"] = json!(1);
        object
    }

    fn serve(&mut self, parts: &http::request::Parts, body: &[u8]) -> Result<Value, No> {
        let path = parts.uri.path();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let served = |word: &&str| SERVED.iter().any(|(plural, _)| plural == word);
        // `namespaces/<name>` comes before the plural; a name may be spelled like one.
        let at = segments.iter().position(served);
        let Some(at) = at else {
            let message = "the server could not find the requested resource";
            return Err(no(404, "NotFound", message));
        };
        let plural = segments[at].to_owned();
        let name = segments.get(at + 1).copied().unwrap_or_default().to_owned();
        self.requests
            .push(format!("{} {plural}/{name}", parts.method));
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let key = (plural, name);
        match parts.method {
            Method::GET if key.1.is_empty() => Ok(self.list(&key.0, &query)),
            Method::GET => self.get(&key),
            Method::PATCH => {
                assert_eq!(
                    parts.headers["content-type"],
                    "application/apply-patch+yaml"
                );
                let document: Value = serde_json::from_slice(body).unwrap();
                let force = query.get("force").is_some_and(|force| force == "true");
                self.apply(&key, &document, (&query["fieldManager"], force))
            }
            Method::DELETE => self.delete(&key, &serde_json::from_slice(body).unwrap()),
            _ => Err(no(405, "MethodNotAllowed", "not in this server")),
        }
    }

    fn missing(key: &(String, String)) -> No {
        no(404, "NotFound", &format!("{} {:?} not found", key.0, key.1))
    }

    fn get(&self, key: &(String, String)) -> Result<Value, No> {
        let found = self.objects.get(key);
        found
            .map(|object| object.value.clone())
            .ok_or_else(|| Self::missing(key))
    }

    fn list(&self, plural: &str, query: &BTreeMap<String, String>) -> Value {
        let (label, value) = query["labelSelector"].split_once('=').unwrap();
        let of_kind = self.objects.iter().filter(|((of, _), _)| of == plural);
        let items: Vec<&Value> = of_kind
            .map(|(_, object)| &object.value)
            .filter(|object| object["metadata"]["labels"][label] == value)
            .collect();
        json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
    }

    fn apply(
        &mut self,
        key: &(String, String),
        document: &Value,
        (who, force): (&String, bool),
    ) -> Result<Value, No> {
        let uid = document["metadata"]["uid"].as_str();
        let wanted = content(document);
        self.admit(key, document)?;
        if !self.objects.contains_key(key) {
            if uid.is_some() {
                return Err(no(
                    409,
                    "Conflict",
                    "uid mismatch: no existing object was found",
                ));
            }
            let value = self.fresh(document);
            let managers = Vec::new();
            self.objects.insert(key.clone(), Object { value, managers });
        }
        self.versions += 1;
        let version = self.versions;
        let object = self.objects.get_mut(key).unwrap();
        if uid.is_some_and(|uid| object.value["metadata"]["uid"] != uid) {
            return Err(no(
                409,
                "Conflict",
                "Precondition failed: UID in precondition",
            ));
        }
        let clashes = object.clashes(&wanted, who);
        if !clashes.is_empty() && !force {
            let causes = clashes.iter().map(|(path, index)| {
                let manager = &object.managers[*index];
                let using = match manager.operation {
                    Operation::Apply => String::new(),
                    Operation::Update => " using v1 at 2026-03-01T09:00:00Z".to_owned(),
                };
                json!({"reason": "FieldManagerConflict", "field": spelled(path),
                    "message": format!("conflict with {:?}{using}", manager.name)})
            });
            let causes: Vec<Value> = causes.collect();
            let message = format!("Apply failed with {} conflicts", causes.len());
            return Err((409, "Conflict", message, causes));
        }
        for (path, index) in clashes {
            let fields = &mut object.managers[index].fields;
            fields.retain(|held| !held.starts_with(&path) && !path.starts_with(held));
        }
        let before = (object.value.clone(), object.managers.clone());
        object.merge(&wanted, who);
        if key.0 == "machinedeployments" && object.value["spec"]["selector"].is_null() {
            (object.value, object.managers) = before;
            return Err(no(422, "Invalid", "spec.selector: Required value"));
        }
        let before = before.0;
        if object.value != before {
            let spec = object.value["spec"] != before["spec"];
            object.bump(version, spec);
        }
        Ok(object.value.clone())
    }

    /// The webhook of the control plane.
    fn admit(&self, key: &(String, String), document: &Value) -> Result<(), No> {
        let Some((code, text)) = &self.denies else {
            return Ok(());
        };
        let before = self.objects.get(key).map(|object| &object.value);
        let version = |object: &Value| object["spec"]["version"].clone();
        let upgrades = before.is_some_and(|before| version(before) != version(document));
        if key.0 == "kubeadmcontrolplanes" && upgrades {
            let reason = if *code == 500 {
                "InternalError"
            } else {
                "Forbidden"
            };
            return Err(no(*code, reason, text));
        }
        Ok(())
    }

    fn delete(&mut self, key: &(String, String), how: &Value) -> Result<Value, No> {
        let object = self.get(key)?;
        for field in ["uid", "resourceVersion"] {
            let asked = &how["preconditions"][field];
            assert!(
                asked.is_string(),
                "a deletion says what it looked at: {how}"
            );
            if *asked != object["metadata"][field] {
                return Err(no(409, "Conflict", "the object has been modified"));
            }
        }
        self.objects.remove(key);
        Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
    }
}
