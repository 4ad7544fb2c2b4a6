//! What people do to a fleet's clusters and its shared configuration.

use std::sync::Arc;
use std::time::Duration;

use cse_server::controller::settings::{SettingsError, read_settings};
use cse_server::sim::transport::InProcess;
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use secrecy::SecretString;
use serde_json::json;

use super::Fleet;

impl Fleet {
    /// A client of VCD besides the replicas.
    pub(crate) async fn client(&self, org: &str, token: &str) -> VcdClient<InProcess> {
        let transport = InProcess::new(
            Arc::clone(&self.world),
            self.clock.clone(),
            Arc::clone(&self.faults),
        );
        let login = Login {
            org: org.to_owned(),
            token: SecretString::from(token.to_owned()),
        };
        let client = VcdClient::connect(Arc::new(transport), login, ClientOptions::default());
        client.await.unwrap()
    }

    /// The author of the first cluster at VCD's API.
    pub(crate) async fn author(&self) -> VcdClient<InProcess> {
        let tenant = &self.tenants[0];
        self.client(&tenant.org, &tenant.api_token).await
    }

    /// Somebody with the rights of the replicas.
    pub(crate) async fn provider(&self) -> VcdClient<InProcess> {
        self.client("System", &self.access.provider_token).await
    }

    /// URN of the shared configuration, whether it is valid or not.
    pub(crate) async fn configuration(&self) -> String {
        match read_settings(&self.provider().await).await {
            Ok(settings) => settings.document.id.as_str().to_owned(),
            Err(SettingsError::Invalid { id, .. }) => id.as_str().to_owned(),
            Err(error) => panic!("{error}\n{}", self.context()),
        }
    }

    /// Marks a cluster for deletion, as the portal or Terraform does.
    pub(crate) fn mark(&self, urn: &str, forced: bool) {
        self.change(urn, |content| {
            let section = &mut content["spec"]["vcdKe"];
            section["markForDelete"] = json!(true);
            section["forceDelete"] = json!(forced);
        });
    }

    /// Makes a Service of type `LoadBalancer` and lets it come up.
    pub(crate) async fn service(&self, cluster: &str, name: &str, ports: &[u16]) {
        let at = (self.clock.now(), self.clock.wall());
        let about = ("default", name);
        let made = self
            .world()
            .create_load_balancer_service(cluster, about, ports, at);
        made.unwrap();
        let wanted = format!("ingress-vs-{name}-");
        let up = |fleet: &Self| {
            let objects = fleet.world().network_objects();
            let found = objects.iter().filter(|object| object.contains(&wanted));
            found.count() == ports.len()
        };
        let limit = Duration::from_hours(1);
        assert!(self.until(limit, up).await, "{}", self.context());
    }
}
