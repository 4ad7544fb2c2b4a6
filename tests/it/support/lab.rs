//! A seeded site with one tenant, for tests that speak HTTP to the world directly.

use std::time::Duration;

use cse_server::clock::Moment;
use cse_server::sim::VmView;
use cse_server::sim::seed::{ClusterRequest, CseShape, SiteAccess, Tenant, default_config};
use cse_server::sim::timings::Timings;
use cse_server::sim::world::World;
use jiff::Timestamp;

use super::site::{Answer, Ask};
use super::xml;

/// Base URL of the site.
pub(crate) const SITE: &str = "https://vcd.example";
/// What the legacy API is asked with.
const XML: &str = "application/*+xml;version=37.2";

/// The site, its tenant and its time.
pub(crate) struct Lab {
    pub(crate) world: World,
    pub(crate) access: SiteAccess,
    pub(crate) tenant: Tenant,
    /// Access token of the tenant's author.
    pub(crate) author: String,
    elapsed: Duration,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with_seed(7)
    }

    pub(crate) fn with_seed(seed: u64) -> Self {
        let mut world = World::new(SITE, seed, Timings::default());
        let access = world.seed_site();
        world.seed_config(default_config());
        let tenant = world.seed_tenant("acme");
        let elapsed = Duration::ZERO;
        let mut lab = Self {
            world,
            access,
            tenant,
            author: String::new(),
            elapsed,
        };
        lab.author = lab.token_of("acme", &lab.tenant.api_token.clone());
        lab
    }

    /// Exchanges an API token; `System` goes to the provider's endpoint.
    pub(crate) fn token_of(&mut self, org: &str, api_token: &str) -> String {
        self.try_token_of(org, api_token).expect("a valid token")
    }

    /// The same, unless the token is refused.
    pub(crate) fn try_token_of(&mut self, org: &str, api_token: &str) -> Option<String> {
        let ask = Ask::post(&format!("/oauth/{}/token", realm(org))).form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", api_token),
        ]);
        let answer = self.call(ask);
        (answer.status() == 200).then(|| {
            let token = answer.json()["access_token"].as_str().map(str::to_owned);
            token.expect("an access token")
        })
    }

    /// Whether the session of an access token goes on.
    pub(crate) fn is_open(&mut self, token: &str) -> bool {
        let ask = Ask::get("/cloudapi/1.0.0/sessions/current").by(token);
        self.call(ask).status() == 200
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::from_origin(self.elapsed)
    }

    pub(crate) fn wall(&self) -> Timestamp {
        let start: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        start + self.elapsed
    }

    pub(crate) fn call(&mut self, ask: Ask) -> Answer {
        let (now, wall) = (self.now(), self.wall());
        Answer(self.world.handle(&ask.request(), now, wall))
    }

    /// A request of the legacy API by the author.
    pub(crate) fn xml(&mut self, ask: Ask) -> Answer {
        let author = self.author.clone();
        self.call(ask.accept(XML).by(&author))
    }

    /// `GET` in the legacy API; the status must be 200.
    pub(crate) fn get(&mut self, path: &str) -> String {
        let answer = self.xml(Ask::get(path));
        assert_eq!(answer.status(), 200, "GET {path}: {}", answer.text());
        answer.text()
    }

    /// Lets `seconds` pass.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.elapsed += Duration::from_secs(seconds);
        let (now, wall) = (self.now(), self.wall());
        self.world.advance(now, wall);
    }

    /// Lets time pass in steps of five seconds until `done`, at most `limit_secs`.
    pub(crate) fn until(
        &mut self,
        what: &str,
        limit_secs: u64,
        mut done: impl FnMut(&mut Self) -> bool,
    ) {
        let end = self.elapsed + Duration::from_secs(limit_secs);
        while !done(self) {
            assert!(self.elapsed < end, "{what}: not within {limit_secs} s");
            self.wait(5);
        }
    }

    /// Waits for the task of an accepted request; the answer is its document.
    pub(crate) fn finish(&mut self, accepted: &Answer) -> String {
        assert_eq!(accepted.status(), 202, "{}", accepted.text());
        let task = path_of(accepted.header("location").expect("a location"));
        self.until("task", 600, |lab| {
            xml::attribute(&lab.get(&task), "Task", "status") != "running"
        });
        self.get(&task)
    }

    /// The same for a task that must succeed.
    pub(crate) fn succeed(&mut self, accepted: &Answer) {
        let task = self.finish(accepted);
        assert_eq!(xml::attribute(&task, "Task", "status"), "success", "{task}");
    }

    /// Path of the tenant's VDC.
    pub(crate) fn vdc_path(&mut self) -> String {
        let query = "/api/query?type=orgVdc&format=records&filter=name==";
        let found = self.get(&format!("{query}{}", self.tenant.vdc));
        path_of(&xml::attribute(&found, "OrgVdcRecord", "href"))
    }

    /// Composes an empty vApp, waits for it and gives it the tenant's network; returns its path.
    pub(crate) fn vapp(&mut self, name: &str, description: &str) -> String {
        let answer = self.compose(name, description);
        assert_eq!(answer.status(), 201, "{}", answer.text());
        let path = path_of(&xml::attribute(&answer.text(), "VApp", "href"));
        self.until("composed", 60, |lab| !lab.get(&path).contains("<Tasks>"));
        let vdc = self.vdc_path();
        let network = self.get(&vdc);
        let network = xml::attribute(&network, "Network", "href");
        let name = &self.tenant.network;
        let body = format!(
            "<NetworkConfigSection xmlns=\"http://www.vmware.com/vcloud/v1.5\" \
             xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\"><ovf:Info/>\
             <NetworkConfig networkName=\"{name}\"><Configuration><ParentNetwork href=\"{network}\"/>\
             <FenceMode>bridged</FenceMode></Configuration></NetworkConfig></NetworkConfigSection>"
        );
        let answer = self.xml(Ask::put(&format!("{path}/networkConfigSection/")).body(&body));
        self.succeed(&answer);
        path
    }

    pub(crate) fn compose(&mut self, name: &str, description: &str) -> Answer {
        let vdc = self.vdc_path();
        let body = format!(
            "<ComposeVAppParams xmlns=\"http://www.vmware.com/vcloud/v1.5\" name=\"{name}\" \
             deploy=\"false\" powerOn=\"false\"><Description>{description}</Description>\
             </ComposeVAppParams>"
        );
        self.xml(Ask::post(&format!("{vdc}/action/composeVApp")).body(&body))
    }

    /// Asks for a copy of the tenant's template into a vApp.
    pub(crate) fn recompose(&mut self, vapp: &str, name: &str, description: &str) -> Answer {
        let source = self.template_vm();
        let network = &self.tenant.network;
        let body = format!(
            "<RecomposeVAppParams xmlns=\"http://www.vmware.com/vcloud/v1.5\"><SourcedItem>\
             <Source href=\"{source}\" name=\"{name}\"/><VmGeneralParams><Name>{name}</Name>\
             <Description>{description}</Description><NeedsCustomization>true</NeedsCustomization>\
             </VmGeneralParams><InstantiationParams><NetworkConnectionSection>\
             <NetworkConnection network=\"{network}\"><NetworkConnectionIndex>0</NetworkConnectionIndex>\
             <IsConnected>true</IsConnected><IpAddressAllocationMode>POOL</IpAddressAllocationMode>\
             </NetworkConnection></NetworkConnectionSection></InstantiationParams></SourcedItem>\
             <AllEULAsAccepted>true</AllEULAsAccepted></RecomposeVAppParams>"
        );
        self.xml(Ask::post(&format!("{vapp}/action/recomposeVApp")).body(&body))
    }

    /// Path of the VM of that name in a vApp.
    pub(crate) fn vm_path(&mut self, vapp: &str, name: &str) -> String {
        let document = self.get(vapp);
        let names = xml::all(&document, "Vm", "name");
        let place = names
            .iter()
            .position(|one| one == name)
            .expect("the VM is there");
        path_of(&xml::all(&document, "Vm", "href")[place])
    }

    /// URL of the VM of the tenant's template.
    pub(crate) fn template_vm(&mut self) -> String {
        let name = self.tenant.template.replace('+', "%2B");
        let query =
            format!("/api/query?type=vAppTemplate&filter=catalogName==tkg-images;name=={name}");
        let found = self.get(&query);
        let template = self.get(&path_of(&xml::attribute(
            &found,
            "VAppTemplateRecord",
            "href",
        )));
        xml::attribute(&template, "Vm", "href")
    }

    /// Writes extra config the way CAPVCD does: undeclared prefixes, new pairs only.
    pub(crate) fn extra_config(&mut self, vm: &str, pairs: &[(&str, &str)]) -> Answer {
        let config = |(key, value): &(&str, &str)| {
            format!(
                "<vmw:ExtraConfig vmw:key=\"{key}\" vmw:value=\"{value}\" ovf:required=\"true\"/>"
            )
        };
        let configs = pairs.iter().map(config).collect::<Vec<_>>().concat();
        let body = format!(
            "<Vm xmlns=\"http://www.vmware.com/vcloud/v1.5\"><ovf:VirtualHardwareSection>\
             <ovf:Info>x</ovf:Info>{configs}</ovf:VirtualHardwareSection></Vm>"
        );
        self.xml(Ask::post(&format!("{vm}/action/reconfigureVm")).body(&body))
    }

    /// The VM of that name as the world knows it.
    pub(crate) fn view(&self, name: &str) -> Option<VmView> {
        self.world.vms().into_iter().find(|vm| vm.name == name)
    }

    /// A cluster request with one worker pool, posted; returns the entity's URN.
    pub(crate) fn cluster(&mut self, name: &str, workers: u32) -> String {
        let request = ClusterRequest {
            name: name.to_owned(),
            shape: CseShape::V42,
            control_planes: 1,
            pools: vec![("blue".to_owned(), workers)],
            auto_repair: false,
        };
        let (now, wall) = (self.now(), self.wall());
        let tenant = self.tenant.clone();
        let urn = self.world.create_cluster(&tenant, &request, now, wall);
        assert!(
            urn.starts_with("urn:vcloud:entity:vmware:capvcdCluster:"),
            "{urn}"
        );
        urn
    }
}

/// The path segments of an organization's token endpoint.
fn realm(org: &str) -> String {
    if org == "System" {
        "provider".to_owned()
    } else {
        format!("tenant/{org}")
    }
}

/// Path and query of one of the site's URLs.
pub(crate) fn path_of(url: &str) -> String {
    url.strip_prefix(SITE)
        .expect("a URL of the site")
        .to_owned()
}
