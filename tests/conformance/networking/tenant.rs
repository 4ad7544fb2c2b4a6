//! A tenant's session on the networking paths, with what clients find out first.

use cse_server::sim::Settings;
use serde_json::{Value, json};

use crate::support::bench::Bench;
use crate::support::wire::{Answer, Ask};

/// Media type that CAPVCD's generated client sends with asynchronous calls, underscores and all.
pub(super) const ODD_ACCEPT: &str = "*_/_*;version=37.2";

/// A session, and the gateway of its organization.
pub(super) struct Net {
    pub(super) bench: Bench,
    pub(super) token: String,
    pub(super) vdc: String,
    pub(super) gateway: Value,
}

impl Net {
    /// Logs the author in and follows the network to its gateway.
    pub(super) async fn of(bench: Bench) -> Self {
        let token = bench.author().await;
        let mut net = Self {
            bench,
            token,
            vdc: String::new(),
            gateway: Value::Null,
        };
        let networks = net
            .get("/cloudapi/1.0.0/orgVdcNetworks?page=1&pageSize=32")
            .await;
        let network = &networks["values"][0];
        net.vdc = text(&network["orgVdc"]["id"]);
        net.gateway = network["connection"]["routerRef"].clone();
        net
    }

    pub(super) fn gateway_id(&self) -> String {
        text(&self.gateway["id"])
    }

    /// A path below the gateway.
    pub(super) fn below(&self, rest: &str) -> String {
        format!("/cloudapi/1.0.0/edgeGateways/{}/{rest}", self.gateway_id())
    }

    /// Sets the site's switches.
    pub(super) fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(self.bench.world().settings_mut());
    }

    pub(super) async fn send(&self, ask: Ask) -> Answer {
        let org = self.bench.tenant.org_id.rsplit(':').next().unwrap();
        let ask = ask.header("x-vmware-vcloud-tenant-context", org);
        self.bench.send(ask.by(&self.token)).await
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.send(Ask::get(path)).await.expect(200).json()
    }

    /// Sends a change as CAPVCD does; it must be taken with 202 and succeed. Returns the task.
    pub(super) async fn change(&self, ask: Ask) -> String {
        let accepted = self.send(ask.accept(ODD_ACCEPT)).await;
        assert_eq!(accepted.text(), "", "an accepted change has no body");
        self.bench.succeeded(&accepted, &self.token).await
    }

    /// The first engine group of the gateway that has room.
    pub(super) async fn engine_group(&self) -> Value {
        let path = format!(
            "/cloudapi/1.0.0/loadBalancer/serviceEngineGroups/assignments?\
             filter=gatewayRef.id=={}&page=1&pageSize=25",
            self.gateway_id()
        );
        self.get(&path).await["values"][0]["serviceEngineGroupRef"].clone()
    }

    /// A pool as CAPVCD posts it first: without members.
    pub(super) fn pool(&self, name: &str) -> Value {
        json!({
            "name": name, "enabled": true, "defaultPort": 6443, "gracefulTimeoutPeriod": 0,
            "algorithm": "ROUND_ROBIN", "healthMonitors": [{"type": "TCP"}],
            "gatewayRef": self.gateway,
        })
    }

    /// A virtual service as CAPVCD posts it.
    pub(super) async fn service(&self, name: &str, pool: &Value, address: &str) -> Value {
        json!({
            "name": name, "enabled": true, "virtualIpAddress": address,
            "loadBalancerPoolRef": {"name": pool["name"], "id": pool["id"]},
            "gatewayRef": self.gateway, "serviceEngineGroupRef": self.engine_group().await,
            "servicePorts": [{"tcpUdpProfile": {"type": "TCP_PROXY"}, "portStart": 6443}],
            "applicationProfile": {
                "name": "System-L4-Application", "type": "L4", "systemDefined": true,
            },
        })
    }

    /// The one pool or virtual service with this name; `list` is `poolSummaries` or
    /// `virtualServiceSummaries`.
    pub(super) async fn summary(&self, list: &str, name: &str) -> Option<Value> {
        let path = self.below(&format!(
            "loadBalancer/{list}?filter=name=={name}&page=1&pageSize=25"
        ));
        let found = self.get(&path).await;
        let values = found["values"].as_array().unwrap();
        assert!(values.len() < 2, "{found}");
        values.first().cloned()
    }

    /// Creates a pool and returns its summary.
    pub(super) async fn new_pool(&self, name: &str) -> Value {
        let ask = Ask::post("/cloudapi/1.0.0/loadBalancer/pools").json(&self.pool(name));
        self.change(ask).await;
        self.summary("poolSummaries", name).await.unwrap()
    }

    /// Creates a virtual service in front of `pool` and returns its summary.
    pub(super) async fn new_service(&self, name: &str, pool: &Value, address: &str) -> Value {
        let body = self.service(name, pool, address).await;
        let ask = Ask::post("/cloudapi/1.0.0/loadBalancer/virtualServices").json(&body);
        self.change(ask).await;
        let summary = self.summary("virtualServiceSummaries", name).await;
        summary.unwrap()
    }

    /// The first external address that nobody uses, found as CAPVCD finds it.
    pub(super) async fn free_address(&self) -> String {
        let gateway = self.get(self.below("").trim_end_matches('/')).await;
        let ranges = &gateway["edgeGatewayUplinks"][0]["subnets"]["values"][0]["ipRanges"];
        let first: std::net::Ipv4Addr = text(&ranges["values"][0]["startAddress"]).parse().unwrap();
        let mut used = Vec::new();
        for page in 1.. {
            let path = self.below(&format!("usedIpAddresses?page={page}&pageSize=25"));
            let values = self.get(&path).await["values"].as_array().unwrap().clone();
            if values.is_empty() {
                break;
            }
            used.extend(values.iter().map(|row| text(&row["ipAddress"])));
        }
        let mut candidates = (u32::from(first)..).map(std::net::Ipv4Addr::from);
        let free = candidates.find(|address| !used.contains(&address.to_string()));
        free.unwrap().to_string()
    }
}

/// The text of a JSON string.
#[track_caller]
pub(super) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The value of a task document's `<Owner id="...">`.
#[track_caller]
pub(super) fn owner(task: &str) -> String {
    let owner = task.split("<Owner ").nth(1).expect("an owner");
    let id = owner.split("id=\"").nth(1).expect("an id");
    id.split('"').next().unwrap().to_owned()
}
