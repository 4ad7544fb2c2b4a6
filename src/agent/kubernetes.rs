//! The cluster's API server: reading, server-side apply and deletion of single objects.
//!
//! Flow: [`Kubernetes`] is called with an address and gives an object or a [`Failure`] that says whether
//! trying again can help.
//!
//! Invariants:
//! - The only place that names `kube`. Every call has a time limit; nothing is repeated here.
//! - A deletion names the uid and the version that was looked at.
//!
//! Source: Kubernetes API conventions; server-side apply; `metav1.Status`.

use std::path::Path;
use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Config};
use serde_json::Value;

use super::FIELD_MANAGER;
use super::conflict::Clash;
use super::kinds::Address;
use crate::clock::Clock;
use crate::telemetry::chain;

/// Longest wait for an answer.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// Why an object could not be read or written.
#[derive(Debug)]
pub(super) enum Failure {
    /// The API server or something it needs does not work; later it may.
    Later(String),
    /// It says no, and will say no again.
    Refused(String),
    /// Others hold fields of the document.
    Clash(Vec<Clash>),
}

/// The connection cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach the cluster's API server: {0}")]
pub struct NoCluster(String);

/// The API server of the agent's own cluster.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
    clock: Clock,
}

impl std::fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kubernetes")
    }
}

impl Kubernetes {
    /// Through a client that is at hand.
    pub fn new(client: Client, clock: Clock) -> Self {
        Self { client, clock }
    }

    /// With the service account of the pod, or, outside a cluster, with a kubeconfig.
    ///
    /// # Errors
    /// [`NoCluster`]: not in a pod and no kubeconfig, or one that cannot be used.
    pub async fn connect(kubeconfig: Option<&Path>, clock: Clock) -> Result<Self, NoCluster> {
        let no = |error: &dyn std::error::Error| NoCluster(chain(error).to_string());
        let mut config = match kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|error| no(&error))?;
                Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                    .await
                    .map_err(|error| no(&error))?
            }
            None => Config::incluster().map_err(|error| no(&error))?,
        };
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| no(&error))?;
        Ok(Self { client, clock })
    }

    fn objects(&self, at: &Address) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(at.kind.group, &at.version, at.kind.name);
        let resource = ApiResource::from_gvk_with_plural(&gvk, at.kind.plural);
        if at.namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &at.namespace, &resource)
        }
    }

    /// An object, if it is there.
    pub(super) async fn get(&self, at: &Address) -> Result<Option<Value>, Failure> {
        let objects = self.objects(at);
        let found = self.limited(objects.get_opt(&at.name)).await?;
        found.as_ref().map(value).transpose()
    }

    /// The objects of a kind with a label.
    pub(super) async fn list(&self, at: &Address, label: &str) -> Result<Vec<Value>, Failure> {
        let objects = self.objects(at);
        let wanted = ListParams::default().labels(label).limit(100);
        let found = self.limited(objects.list(&wanted)).await?;
        found.items.iter().map(value).collect()
    }

    /// Applies a document; `force` takes fields away from others.
    pub(super) async fn apply(
        &self,
        at: &Address,
        body: &Value,
        force: bool,
    ) -> Result<Value, Failure> {
        let objects = self.objects(at);
        let mut how = PatchParams::apply(FIELD_MANAGER);
        how.force = force;
        let patch = Patch::Apply(body);
        let after = self.limited(objects.patch(&at.name, &how, &patch)).await?;
        value(&after)
    }

    /// Deletes `object`, unless it changed since it was read.
    pub(super) async fn delete(&self, at: &Address, object: &Value) -> Result<(), Failure> {
        let text = |place: &str| {
            let text = object.pointer(place).and_then(Value::as_str);
            text.map(str::to_owned)
        };
        let how = DeleteParams {
            preconditions: Some(Preconditions {
                uid: text("/metadata/uid"),
                resource_version: text("/metadata/resourceVersion"),
            }),
            ..DeleteParams::background()
        };
        let objects = self.objects(at);
        match self.limited(objects.delete(&at.name, &how)).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    async fn limited<T>(
        &self,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            outcome = call => outcome.map_err(|error| failure(&error)),
            () = self.clock.sleep(CALL_LIMIT) => Err(Failure::Later(format!(
                "the API server did not answer within {} s", CALL_LIMIT.as_secs()
            ))),
        }
    }
}

fn value(object: &DynamicObject) -> Result<Value, Failure> {
    serde_json::to_value(object)
        .map_err(|error| Failure::Refused(format!("the API server's answer is unusable: {error}")))
}

fn failure(error: &kube::Error) -> Failure {
    let kube::Error::Api(status) = error else {
        return Failure::Later(chain(error).to_string());
    };
    let causes = status.details.as_ref().map(|details| &details.causes);
    let clashes: Vec<Clash> = causes
        .into_iter()
        .flatten()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| Clash::read(&cause.field, &cause.message))
        .collect();
    if !clashes.is_empty() {
        return Failure::Clash(clashes);
    }
    let told = format!("{} (HTTP {})", status.message, status.code);
    match status.code {
        // A conflict of another kind: it changed while it was looked at.
        401 | 408 | 409 | 429 | 500..=599 => Failure::Later(told),
        _ => Failure::Refused(told),
    }
}
