//! What people and other programs do in a fleet, each through the door it has in reality.

use std::sync::Arc;
use std::time::Duration;

use cse_server::domain::ids::{TaskId, VmId};
use cse_server::sim::faults::Faults;
use cse_server::sim::seed::{ClusterEdit, TKG_IMAGES, Tenant};
use cse_server::sim::transport::InProcess;
use cse_server::vcd::error::VcdError;
use cse_server::vcd::model::TaskStatus;
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use secrecy::SecretString;
use serde_json::json;

use super::plan::{Failing, Guest, Removal};
use crate::support::fleet::Fleet;

/// Who an original server says it is.
pub(super) const ORIGINAL: &str = "w1";
/// The version that upgrades go to.
const NEW: &str = "v1.28.4+vmware.1";
/// How long a person waits for a task.
const PATIENCE: u32 = 120;

/// Lets guests of a cluster go wrong.
pub(super) fn fail_guest(fleet: &Fleet, cluster: &str, guest: Guest) {
    let mut failure = json!({
        "cluster": cluster,
        "phase": guest.phase,
        "hangs": guest.how == Failing::Hangs,
        "dies": guest.how == Failing::Dies,
    });
    if guest.times < u32::MAX {
        failure["times"] = json!(guest.times);
    }
    let pulled = fleet.try_pull(&json!({"fail_phase": failure})).is_ok();
    assert!(pulled, "every guest can go wrong");
}

/// Edits a cluster as its author; whether the site took it.
pub(super) fn edit(fleet: &Fleet, (tenant, urn): (&Tenant, &str), edit: &ClusterEdit) -> bool {
    let (now, wall) = (fleet.clock.now(), fleet.clock.wall());
    fleet.world().edit_cluster((tenant, urn), edit, now, wall)
}

/// The edit that an upgrade is.
pub(super) fn upgrade() -> ClusterEdit {
    let mut images = TKG_IMAGES.iter();
    let to = images.find(|image| image.kubernetes() == NEW).unwrap();
    ClusterEdit::Upgrade { to }
}

/// An original server writes its `beat`-th heartbeat into a cluster that it has, or takes at the first.
pub(super) fn beat_as_original(fleet: &Fleet, urn: &str, beat: u64) {
    let wall = fleet.clock.wall();
    let world = &mut fleet.world();
    let Some(content) = world.entity_content(urn) else {
        return;
    };
    let holder = content
        .get("status")
        .map(|status| status["vcdKe"]["workerId"].clone());
    if beat > 0 && holder != Some(json!(ORIGINAL)) || beat == 0 && holder.is_some() {
        return;
    }
    let record = json!({
        "state": "provisioning",
        "workerId": ORIGINAL,
        "vcdKeInstanceId": "other",
        "heartbeatString": format!("beat {beat}"),
        "heartbeatTimestamp": wall.to_string(),
    });
    world.modify_entity(urn, wall, |content| {
        content.insert("status".to_owned(), json!({"vcdKe": record}));
    });
}

/// The bootstrap machine of a cluster, by URN of both.
pub(super) fn machine(fleet: &Fleet, urn: &str) -> Option<VmId> {
    let mark = format!("rde={urn};");
    let vms = fleet.world().vms();
    let vm = vms
        .into_iter()
        .find(|vm| vm.description.starts_with(&mark))?;
    VmId::parse(&vm.urn).ok()
}

/// Somebody at VCD's own pages.
pub(super) struct Person {
    fleet: (
        Arc<std::sync::Mutex<cse_server::sim::world::World>>,
        cse_server::clock::Clock,
    ),
    tenant: Tenant,
}

impl Person {
    pub(super) fn of(fleet: &Fleet, tenant: &Tenant) -> Self {
        Self {
            fleet: (Arc::clone(&fleet.world), fleet.clock.clone()),
            tenant: tenant.clone(),
        }
    }

    /// Stops or removes the bootstrap machine of the cluster called `name`; gives up where VCD refuses.
    pub(super) async fn take_away(self, name: String, vm: VmId, what: Removal) {
        let transport = InProcess::new(
            Arc::clone(&self.fleet.0),
            self.fleet.1.clone(),
            Arc::new(Faults::none()),
        );
        let login = Login {
            org: self.tenant.org.clone(),
            token: SecretString::from(self.tenant.api_token.clone()),
        };
        let client = VcdClient::connect(Arc::new(transport), login, ClientOptions::default());
        let Ok(client) = client.await else { return };
        let vapps = client.vapps_beginning(&format!("{name}_ephemeral")).await;
        let vapp = vapps.ok().and_then(|mut vapps| vapps.pop());
        match (what, vapp) {
            (Removal::Stop, _) => drop(client.undeploy_vm(&vm).await),
            (Removal::Vapp, Some(vapp)) => {
                self.done(&client, client.undeploy_vapp(&vapp.id).await)
                    .await;
                drop(client.delete_vapp(&vapp.id).await);
            }
            (Removal::Vm | Removal::Vapp, _) => {
                self.done(&client, client.undeploy_vm(&vm).await).await;
                drop(client.delete_vm(&vm).await);
            }
        }
    }

    async fn done(&self, client: &VcdClient<InProcess>, task: Result<TaskId, VcdError>) {
        let Ok(task) = task else { return };
        for _ in 0..PATIENCE {
            match client.task(&task).await {
                Ok(task) if task.status == TaskStatus::Running => {}
                _ => return,
            }
            self.fleet.1.sleep(Duration::from_secs(1)).await;
        }
    }
}
