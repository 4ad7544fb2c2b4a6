//! A cluster with its entity in a simulated VCD, its objects in a stand-in API server, and agents.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cse_server::agent::credentials::TokenFile;
use cse_server::agent::kubernetes::Kubernetes;
use cse_server::agent::run::{Home, Setup, run};
use cse_server::chance::Chance;
use cse_server::clock::Clock;
use cse_server::domain::ids::EntityId;
use cse_server::sim::faults::Faults;
use cse_server::sim::seed::{ClusterRequest, CseShape, SiteAccess, Tenant, default_config};
use cse_server::sim::timings::Timings;
use cse_server::sim::transport::{InProcess, Journal};
use cse_server::sim::world::World;
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use cse_server::yaml;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::api_server::ApiServer;
use crate::support::fleet::SITE;

pub(super) const OLD: &str = "v1.27.8+vmware.1";
pub(super) const NEW: &str = "v1.28.4+vmware.1";
pub(super) const NAMESPACE: &str = "kite7-ns";
pub(super) const PLANE: &str = "kite7-control-plane-node-pool";
pub(super) const MINUTE: Duration = Duration::from_mins(1);

pub(super) struct Scene {
    pub(super) clock: Clock,
    pub(super) world: Arc<Mutex<World>>,
    pub(super) faults: Arc<Faults>,
    pub(super) journal: Journal,
    pub(super) api: ApiServer,
    pub(super) tenant: Tenant,
    access: SiteAccess,
    pub(super) urn: String,
    directory: TempDir,
    running: RefCell<BTreeMap<String, (CancellationToken, JoinHandle<()>)>>,
    started: RefCell<u64>,
}

impl Scene {
    /// A provisioned cluster `kite7` with two workers in pool `blue`, moved into itself; no agent yet.
    pub(super) async fn new() -> Self {
        Self::of(CseShape::V42).await
    }

    pub(super) async fn of(shape: CseShape) -> Self {
        let clock = Clock::virtual_at("2026-03-01T09:00:00Z".parse().unwrap());
        let mut world = World::new(SITE, 7, Timings::default());
        let access = world.seed_site();
        world.seed_config(default_config());
        let tenant = world.seed_tenant("acme");
        let request = ClusterRequest {
            name: "kite7".to_owned(),
            shape,
            control_planes: 3,
            pools: vec![("blue".to_owned(), 2)],
            auto_repair: false,
        };
        let urn = world.create_cluster(&tenant, &request, clock.now(), clock.wall());
        let scene = Self {
            clock,
            world: Arc::new(Mutex::new(world)),
            faults: Arc::new(Faults::none()),
            journal: Journal::default(),
            api: ApiServer::default(),
            tenant,
            access,
            urn,
            directory: tempfile::tempdir().unwrap(),
            running: RefCell::default(),
            started: RefCell::default(),
        };
        scene.put_token(&scene.tenant.api_token);
        scene.change(|content| {
            content["status"]["vcdKe"] = json!({"state": "provisioned", "vcdKeVersion": "4.2.3"});
        });
        scene.resolve().await;
        scene.seed();
        scene
    }

    async fn resolve(&self) {
        let login = Login {
            org: "System".to_owned(),
            token: SecretString::from(self.access.provider_token.clone()),
        };
        let transport = Arc::new(self.transport());
        let client = VcdClient::connect(transport, login, ClientOptions::default());
        let resolved = client.await.unwrap().resolve_entity(&self.id()).await;
        assert_eq!(resolved.unwrap().value.state, "RESOLVED");
    }

    fn transport(&self) -> InProcess {
        InProcess::new(
            Arc::clone(&self.world),
            self.clock.clone(),
            Arc::clone(&self.faults),
        )
    }

    /// The objects as bootstrap and move leave them.
    fn seed(&self) {
        for mut document in self.documents() {
            if document["kind"] == "VCDCluster" {
                document["spec"]["rdeId"] = json!(self.urn);
            }
            if document["kind"] == "MachineDeployment" {
                // Filled in by the webhook.
                document["spec"]["selector"] = json!({"matchLabels": {"pool": "blue"}});
            }
            self.api.seed(&document, "clusterctl");
        }
        self.run_control_plane(OLD, 3);
    }

    pub(super) fn id(&self) -> EntityId {
        EntityId::parse(&self.urn).unwrap()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token_file(&self) -> PathBuf {
        self.directory.path().join("refreshToken")
    }

    pub(super) fn put_token(&self, token: &str) {
        std::fs::write(self.token_file(), token).unwrap();
    }

    /// Starts an agent.
    pub(super) fn start(&self, name: &str) {
        *self.started.borrow_mut() += 1;
        let setup = Setup {
            transport: Arc::new(self.transport().labelled(name).recorded(&self.journal)),
            options: ClientOptions::default(),
            org: "acme".to_owned(),
            token: TokenFile::new(&self.token_file()),
            home: Home {
                entity: self.id(),
                namespace: NAMESPACE.to_owned(),
            },
            kubernetes: Kubernetes::new(self.api.client(), self.clock.clone()),
            interval: MINUTE,
            clock: self.clock.clone(),
            chance: Arc::new(Chance::seeded(*self.started.borrow())),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(setup, stop.clone()));
        self.running
            .borrow_mut()
            .insert(name.to_owned(), (stop, task));
    }

    /// Stops an agent and waits for its end.
    pub(super) async fn stop(&self, name: &str) {
        let (stop, task) = self.running.borrow_mut().remove(name).unwrap();
        stop.cancel();
        task.await.unwrap();
    }

    /// Starts an agent and waits until it has had a look.
    pub(super) async fn settled() -> Self {
        let scene = Self::new().await;
        scene.start("a");
        scene
            .until("the first report", |scene| !scene.section().is_null())
            .await;
        scene
    }

    pub(super) async fn pass_time(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// Waits a quarter of an hour at most.
    pub(super) async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.clock.now().plus(15 * MINUTE);
        while !done(self) {
            let told = self.section();
            assert!(self.clock.now() < end, "{what}: not in time\n{told:#}");
            self.pass_time(Duration::from_secs(1)).await;
        }
    }

    pub(super) fn content(&self) -> Map<String, Value> {
        self.world().entity_content(&self.urn).unwrap()
    }

    /// Changes the entity behind the API's back.
    pub(super) fn change(&self, change: impl FnOnce(&mut Map<String, Value>)) {
        let wall = self.clock.wall();
        let changed = self.world().modify_entity(&self.urn, wall, |content| {
            content.entry("status").or_insert_with(|| json!({}));
            change(content);
        });
        assert!(changed);
    }

    pub(super) fn documents(&self) -> Vec<Value> {
        let content = self.content();
        yaml::read_documents(content["spec"]["capiYaml"].as_str().unwrap()).unwrap()
    }

    /// Edits the YAML as a client does.
    pub(super) fn edit(&self, edit: impl FnOnce(&mut Vec<Value>)) {
        let mut documents = self.documents();
        edit(&mut documents);
        let text = yaml::write_documents(&documents).unwrap();
        self.change(|content| content["spec"]["capiYaml"] = json!(text));
    }

    /// Sets a field in every document of a kind.
    pub(super) fn set(&self, kind: &str, pointer: &str, value: &Value) {
        self.edit(|documents| {
            let mut found = 0;
            for document in documents.iter_mut().filter(|one| one["kind"] == kind) {
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                document.pointer_mut(parent).unwrap()[key] = value.clone();
                found += 1;
            }
            assert!(found > 0, "no {kind}");
        });
    }

    /// Asks for version and image of everything, as clients upgrade.
    pub(super) fn upgrade(&self, version: &str) {
        self.set(
            "VCDMachineTemplate",
            "/spec/template/spec/template",
            &json!(version),
        );
        self.set(
            "MachineDeployment",
            "/spec/template/spec/version",
            &json!(version),
        );
        self.set("KubeadmControlPlane", "/spec/version", &json!(version));
    }

    /// Reports `updated` of 3 nodes at `version`, as the control plane's controller does.
    pub(super) fn run_control_plane(&self, version: &str, updated: u64) {
        let at = ("kubeadmcontrolplanes", PLANE);
        let generation = self.object(at.0, at.1)["metadata"]["generation"].clone();
        let lowest = if updated == 3 { version } else { OLD };
        self.api.set_status(
            at,
            json!({"version": lowest, "observedGeneration": generation, "replicas": 3,
                "updatedReplicas": updated, "readyReplicas": 3}),
        );
    }

    pub(super) fn object(&self, plural: &str, name: &str) -> Value {
        self.api.object(plural, name).unwrap_or_default()
    }

    pub(super) fn replicas(&self) -> u64 {
        self.object("machinedeployments", "blue")["spec"]["replicas"]
            .as_u64()
            .unwrap_or(0)
    }

    pub(super) fn worker_version(&self) -> String {
        let pool = self.object("machinedeployments", "blue");
        let version = pool.pointer("/spec/template/spec/version");
        version
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// `status.projector`; null if there is none.
    pub(super) fn section(&self) -> Value {
        let content = self.content();
        content["status"]["projector"].clone()
    }

    /// Names and texts of a set of the section.
    fn told(&self, set: &str, detail: &str) -> Vec<(String, String)> {
        let section = self.section();
        let entries = section[set].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        entries
            .iter()
            .map(|entry| {
                (
                    text(&entry["name"]),
                    text(&entry["additionalDetails"][detail]),
                )
            })
            .collect()
    }

    pub(super) fn events(&self) -> Vec<(String, String)> {
        self.told("eventSet", "event")
    }

    pub(super) fn errors(&self) -> Vec<(String, String)> {
        self.told("errorSet", "Detailed Error")
    }

    pub(super) fn has_event(&self, name: &str, text: &str) -> bool {
        let mut events = self.events().into_iter();
        events.any(|(event, told)| event == name && told.contains(text))
    }

    pub(super) fn has_error(&self, name: &str, text: &str) -> bool {
        let mut errors = self.errors().into_iter();
        errors.any(|(error, told)| error == name && told.contains(text))
    }

    pub(super) fn revoke(&self, token: &str) {
        self.world().revoke_api_token(token);
    }

    /// Another API token of the author.
    pub(super) fn new_token(&self, token: &str) {
        self.world().add_api_token(&self.tenant.author_id, token);
    }
}
