//! The estate of a cluster, surveyed and removed over the wire of a simulated VCD.

mod survey;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cse_server::clock::{Clock, Moment};
use cse_server::controller::estate::{self, Scope};
use cse_server::domain::ids::{EntityId, TaskId, VappId};
use cse_server::reconcile::estate::{EstateKind, EstateSeen};
use cse_server::sim::control::NewUser;
use cse_server::sim::faults::Faults;
use cse_server::sim::transport::InProcess;
use cse_server::sim::world::World;
use cse_server::vcd::model::TaskStatus;
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::bootstrap::{PHASES, bootstrap, capvcd, claim, exit, manifests, userdata};
use crate::support::lab::{Lab, path_of};
use crate::support::site::Ask;
use crate::support::xml;

/// Beginning of a lab's time.
const START: &str = "2026-03-01T10:00:00Z";
/// Most steps of taking one cluster apart.
const MAX_STEPS: u32 = 200;

type Client = VcdClient<InProcess>;

/// A site with clusters that were built in a [`Lab`], and clients of it in virtual time.
struct Site {
    world: Arc<Mutex<World>>,
    faults: Arc<Faults>,
    clock: Clock,
    author_token: String,
    service_token: String,
}

impl Site {
    /// Goes on where the lab stopped.
    async fn of(lab: Lab) -> Self {
        let start: Timestamp = START.parse().unwrap();
        let clock = Clock::virtual_at(start);
        clock
            .sleep(lab.now().since(Moment::from_origin(Duration::ZERO)))
            .await;
        Self {
            author_token: lab.tenant.api_token.clone(),
            service_token: lab.access.provider_token.clone(),
            world: Arc::new(Mutex::new(lab.world)),
            faults: Arc::new(Faults::none()),
            clock,
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    async fn client(&self, org: &str, token: &str) -> Client {
        let (world, faults) = (Arc::clone(&self.world), Arc::clone(&self.faults));
        let transport = InProcess::new(world, self.clock.clone(), faults);
        let login = Login {
            org: org.to_owned(),
            token: token.into(),
        };
        VcdClient::connect(Arc::new(transport), login, ClientOptions::default())
            .await
            .unwrap()
    }

    async fn author(&self) -> Client {
        self.client("acme", &self.author_token).await
    }

    async fn service(&self) -> Client {
        self.client("System", &self.service_token).await
    }

    /// The scope of a cluster as the service account reads its entity.
    async fn scope(&self, urn: &str) -> Scope {
        let id = EntityId::parse(urn).unwrap();
        let service = self.service().await;
        Scope::of(&service.get_entity(&id).await.unwrap().value)
    }

    async fn finish(&self, client: &Client, task: &TaskId) -> TaskStatus {
        for _ in 0..1_000 {
            match client.task(task).await.unwrap().status {
                TaskStatus::Running => self.clock.sleep(Duration::from_secs(2)).await,
                ended @ (TaskStatus::Success | TaskStatus::Failed { .. }) => return ended,
            }
        }
        panic!("task {task} does not end");
    }

    /// Takes apart whatever the surveys show, disks included; returns the removed kinds in order.
    async fn take_apart(&self, scope: &Scope) -> Vec<&'static str> {
        let client = self.author().await;
        let mut steps = Vec::new();
        for _ in 0..MAX_STEPS {
            let seen = estate::survey(&client, scope).await.unwrap();
            if seen.is_empty() {
                return steps;
            }
            let (name, task) = step(&client, &seen).await;
            if let Some(task) = task {
                let ended = self.finish(&client, &task).await;
                assert_eq!(ended, TaskStatus::Success, "{name} after {steps:?}");
            }
            steps.push(name);
        }
        panic!("not empty after {MAX_STEPS} steps: {steps:?}");
    }
}

/// One step in an order that VCD accepts.
async fn step(client: &Client, seen: &EstateSeen) -> (&'static str, Option<TaskId>) {
    let vapps = seen.vapps.iter().filter(|vapp| vapp.proof.suffices());
    let vapps: Vec<_> = vapps.collect();
    if let Some(vapp) = vapps.iter().find(|vapp| vapp.deployed) {
        return ("stop", Some(client.undeploy_vapp(&vapp.id).await.unwrap()));
    }
    let mut items: Vec<_> = seen.items.iter().collect();
    items.retain(|item| item.proof.suffices());
    items.sort_by_key(|item| item.kind);
    let disk = items.iter().find(|item| !item.attached_to.is_empty());
    if let Some(disk) = disk {
        let task = estate::detach(client, disk, &disk.attached_to[0]).await;
        return ("detach", task.unwrap());
    }
    if let Some(item) = items.first() {
        return (
            item.kind.name(),
            estate::remove(client, item).await.unwrap(),
        );
    }
    let id: &VappId = &vapps[0].id;
    ("vApp", Some(client.delete_vapp(id).await.unwrap()))
}

fn count(seen: &EstateSeen, kind: EstateKind) -> usize {
    seen.items.iter().filter(|item| item.kind == kind).count()
}

/// Lets a cluster of one control plane and one worker come up; returns its URN.
fn grow(lab: &mut Lab, name: &str) -> String {
    grow_with(lab, name, |_| {})
}

/// The same with a change of its manifests.
fn grow_with(lab: &mut Lab, name: &str, change: impl FnOnce(&mut Vec<Value>)) -> String {
    log_in(lab);
    let urn = lab.cluster(name, 1);
    let wall = lab.wall();
    lab.world.modify_entity(&urn, wall, |content| {
        let yaml = content["spec"]["capiYaml"].as_str().unwrap();
        let mut documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
        change(&mut documents);
        let texts = documents
            .iter()
            .map(|one| serde_saphyr::to_string(one).unwrap());
        content["spec"]["capiYaml"] = json!(texts.collect::<Vec<_>>().join("---\n"));
    });
    claim(lab, &urn);
    let token = lab.tenant.api_token.clone();
    let data = userdata(&PHASES, &manifests(lab, &urn, &token));
    let vm = bootstrap(lab, name, &data);
    lab.until(&format!("{name} is up"), 3600, |lab| {
        let status = capvcd(lab, &urn);
        let pools = status["nodePool"].as_array();
        let ready = |pool: &Value| pool["availableReplicas"] == json!(1);
        let ready = pools.is_some_and(|pools| pools.len() == 2 && pools.iter().all(ready));
        ready && exit(lab).is_some()
    });
    log_in(lab);
    let (vm, vapp) = (vm, format!("{name}_ephemeral_vapp"));
    remove_bootstrap(lab, &vm, &vapp);
    urn
}

/// Removes the bootstrap vApp, as a server does once the cluster is up.
fn remove_bootstrap(lab: &mut Lab, vm: &str, vapp: &str) {
    let body = "<UndeployVAppParams xmlns=\"http://www.vmware.com/vcloud/v1.5\">\
        <UndeployPowerAction>powerOff</UndeployPowerAction></UndeployVAppParams>";
    let answer = lab.xml(Ask::post(&format!("{vm}/action/undeploy")).body(body));
    lab.succeed(&answer);
    let found = lab.get(&format!("/api/query?type=vApp&filter=name=={vapp}"));
    let path = path_of(&xml::attribute(&found, "VAppRecord", "href"));
    let answer = lab.xml(Ask::delete(&path));
    lab.succeed(&answer);
}

/// A session of the author that has not expired.
fn log_in(lab: &mut Lab) {
    let token = lab.tenant.api_token.clone();
    lab.author = lab.token_of("acme", &token);
}

/// Gives a cluster a Service with two ports and a volume that is attached to its worker.
fn furnish(lab: &mut Lab, cluster: &str) {
    let at = (lab.now(), lab.wall());
    let world = &mut lab.world;
    world
        .create_load_balancer_service(cluster, ("default", "web"), &[80, 443], at)
        .unwrap();
    world
        .create_volume(cluster, &format!("pvc-{cluster}"), (64, false), at)
        .unwrap();
    lab.wait(300);
}

/// A second user of the tenant with these rights only; returns an API token.
fn user_with(lab: &mut Lab, rights: &[&str]) -> String {
    let new = NewUser {
        org: "acme",
        name: "auditor",
        role: "Auditor",
        rights,
        api_token: Some("token-of-the-auditor"),
        ..NewUser::default()
    };
    lab.world.add_user(new).unwrap();
    "token-of-the-auditor".to_owned()
}
