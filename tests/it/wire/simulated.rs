//! The client against the simulated site: both sides read the same documents the same way.
//!
//! Method: the whole life of a bootstrap VM on virtual time, then an entity's, through the client alone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cse_server::clock::Clock;
use cse_server::domain::error_class::ErrorClass;
use cse_server::domain::ids::{EntityId, OrgId, TaskId, VappId};
use cse_server::sim::faults::Faults;
use cse_server::sim::seed::{ClusterRequest, CseShape, SiteAccess, Tenant, default_config};
use cse_server::sim::timings::Timings;
use cse_server::sim::transport::InProcess;
use cse_server::sim::world::World;
use cse_server::vcd::error::VcdError;
use cse_server::vcd::model::{EntityQuery, NewVm, Task, TaskStatus, Vapp, VcdStatus, Vdc};
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use jiff::Timestamp;
use serde_json::{Value, json};

type Client = VcdClient<InProcess>;

/// What is hard to keep: markup, quotes and the separators of the marker.
const MARKER: &str = "rde=urn:vcloud:entity:x;e=1;i=a <&>\"";

struct Simulated {
    clock: Clock,
    access: SiteAccess,
    tenant: Tenant,
    entity: EntityId,
    transport: Arc<InProcess>,
}

impl Simulated {
    fn new() -> Self {
        let wall = Timestamp::from_second(1_800_000_000).unwrap();
        let clock = Clock::virtual_at(wall);
        let mut world = World::new("https://vcd.example", 7, Timings::default());
        world.settings_mut().empty_vapps_compose_busily = true;
        let access = world.seed_site();
        world.seed_config(default_config());
        let tenant = world.seed_tenant("acme");
        let request = ClusterRequest {
            name: "blue".to_owned(),
            shape: CseShape::V42,
            control_planes: 1,
            pools: vec![("pool".to_owned(), 1)],
            auto_repair: false,
        };
        let urn = world.create_cluster(&tenant, &request, clock.now(), wall);
        let entity = EntityId::parse(&urn).unwrap();
        let world = Arc::new(Mutex::new(world));
        let faults = Arc::new(Faults::none());
        let transport = Arc::new(InProcess::new(world, clock.clone(), faults));
        Self {
            clock,
            access,
            tenant,
            entity,
            transport,
        }
    }

    async fn client(&self, org: &str, token: &str) -> Client {
        let login = Login {
            org: org.to_owned(),
            token: token.into(),
        };
        let transport = Arc::clone(&self.transport);
        VcdClient::connect(transport, login, ClientOptions::default())
            .await
            .unwrap()
    }

    async fn as_tenant(&self) -> Client {
        self.client("acme", &self.tenant.api_token).await
    }

    async fn as_service(&self) -> Client {
        self.client("System", &self.access.provider_token).await
    }

    /// The task once it has ended; gives up after many looks.
    async fn ended(&self, client: &Client, id: &TaskId) -> Task {
        for _ in 0..1_000 {
            let task = client.task(id).await.unwrap();
            if task.status != TaskStatus::Running {
                return task;
            }
            self.clock.sleep(Duration::from_secs(1)).await;
        }
        unreachable!("the task does not end")
    }

    /// The vApp once nothing is at work on it; gives up after many looks.
    async fn idle(&self, client: &Client, id: &VappId) -> Vapp {
        for _ in 0..1_000 {
            let vapp = client.vapp(id).await.unwrap();
            if !vapp.busy {
                return vapp;
            }
            self.clock.sleep(Duration::from_secs(1)).await;
        }
        unreachable!("the vApp stays busy")
    }

    async fn done(&self, client: &Client, started: Result<TaskId, VcdError>) {
        let task = self.ended(client, &started.unwrap()).await;
        assert_eq!(task.status, TaskStatus::Success);
    }
}

/// What a bootstrap VM is made from, looked up by the names a cluster document holds.
async fn new_vm(site: &Simulated, client: &Client, vdc: &Vdc) -> NewVm {
    let tenant = &site.tenant;
    let mut profiles = vdc.storage_profiles.iter();
    let profile = profiles.find(|profile| profile.name == tenant.storage_profile);
    let found = client.find_templates(&tenant.catalog, &tenant.template);
    let template = client.template(&found.await.unwrap()[0]).await.unwrap();
    assert!(template.ready);
    let policies = client.find_policies("TKG small").await.unwrap();
    NewVm {
        name: "EPHEMERAL_TEMP_VM".to_owned(),
        description: MARKER.to_owned(),
        computer_name: "ephemeral".to_owned(),
        template_vm_href: template.vm_href,
        network: tenant.network.clone(),
        sizing_policy_urn: Some(policies[0].id.clone()),
        storage_profile_href: Some(profile.unwrap().href.clone()),
        customization_script: "#!/bin/sh\n[ 1 -lt 2 ] && echo \"<>\"\n".to_owned(),
    }
}

/// The tenant's VDC, with an empty vApp on the tenant's network.
async fn vdc_and_vapp(site: &Simulated, client: &Client) -> (Vdc, Vapp) {
    assert_eq!(
        client.orgs().await.unwrap()[0].id.as_str(),
        site.tenant.org_id
    );
    let vdcs = client.find_vdcs(&site.tenant.vdc).await.unwrap();
    assert_eq!(vdcs.len(), 1, "{vdcs:?}");
    let vdc = client.vdc(&vdcs[0].id).await.unwrap();
    assert!(vdc.enabled);
    let mut networks = vdc.networks.iter();
    let network = networks
        .find(|network| network.name == site.tenant.network)
        .unwrap();
    let vapp = client
        .compose_vapp(&vdc.id, "blue_ephemeral_vapp", MARKER)
        .await
        .unwrap();
    let listed = client.vdc(&vdc.id).await.unwrap().vapps;
    assert!(
        listed.iter().any(|listed| listed.id == vapp.id),
        "{listed:?}"
    );
    let busy = client
        .add_vapp_network(&vapp.id, network)
        .await
        .unwrap_err();
    assert_eq!(
        busy.class(),
        ErrorClass::Transient,
        "composing is still at work: {busy:?}"
    );
    site.idle(client, &vapp.id).await;
    site.done(client, client.add_vapp_network(&vapp.id, network).await)
        .await;
    let vapp = client.vapp(&vapp.id).await.unwrap();
    assert_eq!(vapp.description, MARKER);
    assert_eq!(vapp.networks, [site.tenant.network.as_str()]);
    (vdc, vapp)
}

#[tokio::test(start_paused = true)]
async fn a_vm_is_made_and_keeps_its_marker_address_and_keys_through_every_change() {
    let site = Simulated::new();
    let client = site.as_tenant().await;
    let (vdc, vapp) = vdc_and_vapp(&site, &client).await;
    let wanted = new_vm(&site, &client, &vdc).await;
    site.done(&client, client.add_vm(&vapp.id, &wanted).await)
        .await;
    let vapp = client.vapp(&vapp.id).await.unwrap();
    assert_eq!(
        vapp.description, MARKER,
        "adding a VM keeps the marker of the vApp"
    );
    let id = &vapp.vms[0].id;
    assert_eq!(vapp.vms[0].status, VcdStatus::PoweredOff);

    let script = "#!/bin/sh\ntrue && true\n";
    site.done(&client, client.customise_guest(id, "host-1", script).await)
        .await;
    let pairs = [("guestinfo.a", "first \"<&>\"\n"), ("disk.enableUUID", "1")];
    site.done(&client, client.set_extra_config(id, &pairs).await)
        .await;
    let more = [("guestinfo.b", "second")];
    site.done(&client, client.set_extra_config(id, &more).await)
        .await;
    let vm = client.vm(id).await.unwrap();
    assert_eq!(
        (vm.name.as_str(), vm.description.as_str()),
        ("EPHEMERAL_TEMP_VM", MARKER)
    );
    assert!(vm.ip_address.is_some(), "the network connection survived");
    for (key, value) in pairs.iter().chain(&more) {
        assert_eq!(vm.extra_config[*key], *value);
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_is_powered_on_undeployed_and_deleted_with_its_vapp() {
    let site = Simulated::new();
    let client = site.as_tenant().await;
    let (vdc, vapp) = vdc_and_vapp(&site, &client).await;
    let wanted = new_vm(&site, &client, &vdc).await;
    site.done(&client, client.add_vm(&vapp.id, &wanted).await)
        .await;
    let id = &client.vapp(&vapp.id).await.unwrap().vms[0].id;
    site.done(&client, client.power_on(id).await).await;
    assert_eq!(client.vm(id).await.unwrap().status, VcdStatus::PoweredOn);
    let error = client.delete_vm(id).await.unwrap_err();
    assert_eq!(
        error.class(),
        ErrorClass::Terminal,
        "it is deployed: {error:?}"
    );
    site.done(&client, client.undeploy_vm(id).await).await;
    site.done(&client, client.delete_vm(id).await).await;
    let gone = client.vm(id).await.unwrap_err();
    assert!(matches!(gone, VcdError::NotVisible { .. }), "{gone:?}");
    site.done(&client, client.delete_vapp(&vapp.id).await).await;
    let gone = client.vapp(&vapp.id).await.unwrap_err();
    assert!(matches!(gone, VcdError::NotVisible { .. }), "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn an_entity_is_listed_changed_under_its_tag_resolved_and_deleted() {
    let site = Simulated::new();
    let client = site.as_service().await;
    let org = OrgId::parse(&site.tenant.org_id).unwrap();
    let query = EntityQuery {
        vendor: "vmware".to_owned(),
        nss: "capvcdCluster".to_owned(),
        version: Some("1".to_owned()),
        filter: Some("name==blue".to_owned()),
        page_size: 1,
    };
    let listed = client.in_org(&org).entities(&query).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, site.entity);

    let first = client.get_entity(&site.entity).await.unwrap();
    let second = client.get_entity(&site.entity).await.unwrap();
    let mut changed = first.value.clone();
    changed.entity.insert(
        "status".to_owned(),
        json!({ "vcdKe": { "state": "provisioning" } }),
    );
    let written = client.replace_entity(&changed, first.etag).await.unwrap();
    assert_eq!(
        written.value.entity["status"]["vcdKe"]["state"],
        "provisioning"
    );
    let late = client
        .replace_entity(&changed, second.etag)
        .await
        .unwrap_err();
    assert_eq!(late.class(), ErrorClass::Conflict, "{late:?}");

    let resolved = client.resolve_entity(&site.entity).await.unwrap();
    assert_eq!(
        resolved.value.state, "RESOLVED",
        "{:?}",
        resolved.value.message
    );
    let behavior = "urn:vcloud:behavior-interface:getFullEntity:cse:capvcd:1.0.0";
    let task = client
        .invoke_behavior(&site.entity, behavior, &Value::Null)
        .await
        .unwrap();
    let task = site.ended(&client, &task).await;
    let full: Value = serde_json::from_str(&task.result.unwrap()).unwrap();
    let token = &full["entity"]["spec"]["vcdKe"]["secure"]["apiToken"];
    assert_eq!(token.as_str(), Some(site.tenant.api_token.as_str()));

    client
        .delete_entity(&site.entity, Some(resolved.etag))
        .await
        .unwrap();
    let gone = client.get_entity(&site.entity).await.unwrap_err();
    assert!(matches!(gone, VcdError::NotVisible { .. }), "{gone:?}");
}
