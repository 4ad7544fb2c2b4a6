//! What a site looks like to a bootstrap VM, and what its owner has ordered: the inputs of user data.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cse_server::bootstrap::{BootstrapInputs, BootstrapProblem, UserData, user_data};
use cse_server::domain::cluster::{ClusterSpec, SecureFields};
use cse_server::domain::ids::EntityId;
use cse_server::domain::server_config::ServerConfig;
use cse_server::yaml;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

const CAPI_YAML: &str = include_str!("../fixtures/capi/kite7.yaml");
pub(crate) const API_TOKEN: &str = "tenant-token-7f3a";
pub(crate) const GITHUB_TOKEN: &str = "ghp-rehearsal-41c2";
pub(crate) const PROXY_PASSWORD: &str = "pr0xy%2Dsecret";
pub(crate) const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----";
/// The agent's manifest, as far as it matters here.
const AGENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: agent}\n";

/// How much of what is needed a site's own registry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registry {
    /// There is none.
    Public,
    /// Everything.
    Complete,
    /// The node image and the network, but no controllers.
    Partial,
}

/// One combination of what can be configured.
#[expect(clippy::struct_excessive_bools, reason = "each is there or not")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) proxy: bool,
    pub(crate) authorities: bool,
    pub(crate) registry: Registry,
    pub(crate) github_token: bool,
    pub(crate) mirror: bool,
    pub(crate) clusterctl_override: bool,
}

impl Site {
    /// A site with the Internet and nothing configured.
    pub(crate) const PLAIN: Self = Self {
        proxy: false,
        authorities: false,
        registry: Registry::Public,
        github_token: false,
        mirror: false,
        clusterctl_override: false,
    };

    /// The site whose bootstrap makes most calls.
    pub(crate) const RICH: Self = Self {
        proxy: true,
        authorities: true,
        registry: Registry::Partial,
        github_token: true,
        mirror: false,
        clusterctl_override: false,
    };

    /// Every combination.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for bits in 0..32_u32 {
            for registry in [Registry::Public, Registry::Complete, Registry::Partial] {
                let has = |bit: u32| bits & (1 << bit) != 0;
                all.push(Self {
                    proxy: has(0),
                    authorities: has(1),
                    registry,
                    github_token: has(2),
                    mirror: has(3),
                    clusterctl_override: has(4),
                });
            }
        }
        all
    }

    /// The profile of the shared configuration.
    pub(crate) fn profile(self) -> Value {
        let mut bootstrap = json!({});
        if self.proxy {
            bootstrap["proxyConfig"] = json!({
                "httpProxy": format!("http://u:{PROXY_PASSWORD}@proxy.example.test:3128"),
                "httpsProxy": format!("http://u:{PROXY_PASSWORD}@proxy.example.test:3129"),
                "noProxy": "localhost,.example.test",
            });
        }
        let mut profile = json!({});
        if self.authorities {
            bootstrap["certificateAuthorities"] = json!([CERTIFICATE]);
            profile["K8Config"] = json!({"certificateAuthorities": [CERTIFICATE]});
        }
        if self.mirror {
            bootstrap["downloadMirrorUrl"] = json!("https://mirror.example.test/files/");
        }
        if self.clusterctl_override {
            bootstrap["clusterctl"] = json!({"clusterctlyaml": "providers: []\nown: true\n"});
        }
        if self.github_token {
            profile["githubConfig"] = json!({"githubPersonalAccessToken": GITHUB_TOKEN});
        }
        if self.registry != Registry::Public {
            profile["containerRegistryUrl"] = json!("registry.example.test/vcd");
        }
        profile["bootstrapClusterConfig"] = bootstrap;
        profile
    }

    /// What must never be shown, besides the tenant's token.
    pub(crate) fn secrets(self) -> Vec<String> {
        let mut secrets = vec![API_TOKEN.to_owned(), BASE64.encode(API_TOKEN)];
        if self.github_token {
            secrets.extend([GITHUB_TOKEN.to_owned(), BASE64.encode(GITHUB_TOKEN)]);
        }
        if self.proxy {
            secrets.push(PROXY_PASSWORD.to_owned());
        }
        secrets
    }
}

/// An order: the entity's content and everything else that user data is made of.
pub(crate) struct Order {
    pub(crate) content: Map<String, Value>,
    pub(crate) profile: Value,
    pub(crate) org: String,
    pub(crate) user: String,
    pub(crate) token: String,
    pub(crate) marker: String,
}

/// What became of an order.
pub(crate) enum Rendered {
    /// Refused, in words for whoever can mend it.
    Refused(String),
    /// The user data.
    Data(UserData),
}

impl Order {
    /// An ordinary order at a site.
    pub(crate) fn at(site: Site) -> Self {
        Self {
            content: entity(&yaml::read_documents(CAPI_YAML).unwrap()),
            profile: site.profile(),
            org: "nimbus".to_owned(),
            user: "ada".to_owned(),
            token: API_TOKEN.to_owned(),
            marker: "rde=urn;e=1;i=2".to_owned(),
        }
    }

    /// The documents of its YAML.
    pub(crate) fn documents(&self) -> Vec<Value> {
        yaml::read_documents(self.content["spec"]["capiYaml"].as_str().unwrap()).unwrap()
    }

    pub(crate) fn set_documents(&mut self, documents: &[Value]) {
        self.content["spec"]["capiYaml"] = json!(yaml::write_documents(documents).unwrap());
    }

    /// The same order as a client of CSE 4.0 places it: the token in the YAML, nothing secure.
    pub(crate) fn of_type_1_1_0(mut self) -> Self {
        let mut documents = self.documents();
        documents.push(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "capi-user-credentials", "namespace": "kite7-ns"},
            "data": {"username": BASE64.encode("ada"), "password": "", "refreshToken": BASE64.encode(&self.token)},
        }));
        self.set_documents(&documents);
        let section = self.content["spec"]["vcdKe"].as_object_mut().unwrap();
        section.remove("secure");
        self
    }

    /// Makes the user data, as the server does.
    pub(crate) fn render(&self) -> Rendered {
        let spec = match ClusterSpec::parse(&self.content, SecureFields::Included) {
            Ok(spec) => spec,
            Err(problems) => return Rendered::Refused(format!("{problems:?}")),
        };
        let profiles = Map::from_iter([("profiles".to_owned(), json!([self.profile]))]);
        let config = match ServerConfig::parse(&profiles) {
            Ok(config) => config,
            Err(problem) => return Rendered::Refused(problem.to_string()),
        };
        let urn = "urn:vcloud:entity:vmware:capvcdCluster:7a1cbf0e-5c1e-4f0e-9d59-3f1f7b1c2d3e";
        let inputs = BootstrapInputs {
            spec: &spec,
            config: &config,
            entity: &EntityId::parse(urn).unwrap(),
            org: &self.org,
            user: &self.user,
            token: &SecretString::from(self.token.as_str()),
            marker: &self.marker,
            vcd_authorities: &[],
            agent_manifest: Some(AGENT),
        };
        match user_data(&inputs) {
            Ok(data) => Rendered::Data(data),
            Err(problem) => Rendered::Refused(tell(&problem)),
        }
    }

    /// The files that cloud-init writes.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        match self.render() {
            Rendered::Data(data) => files(data.cloud_config.expose_secret()),
            Rendered::Refused(why) => panic!("refused: {why}"),
        }
    }
}

fn tell(problem: &BootstrapProblem) -> String {
    problem.to_string()
}

fn entity(documents: &[Value]) -> Map<String, Value> {
    let content = json!({
        "apiVersion": "capvcd.vmware.com/v1.1", "kind": "CAPVCDCluster",
        "metadata": {
            "name": "kite7", "orgName": "nimbus", "virtualDataCenterName": "nimbus-vdc-a",
            "site": "https://vcd.example.test",
        },
        "spec": {
            "vcdKe": {
                "isVCDKECluster": true,
                "defaultStorageClassOptions": {
                    "filesystem": "ext4", "k8sStorageClassName": "kite-default",
                    "vcdStorageProfileName": "gold", "useDeleteReclaimPolicy": true,
                },
                "secure": {"apiToken": API_TOKEN},
            },
            "capiYaml": yaml::write_documents(documents).unwrap(),
        },
    });
    content.as_object().unwrap().clone()
}

/// The files of a cloud-config, by path; a file with data of its own is decoded.
pub(crate) fn files(cloud_config: &str) -> BTreeMap<String, String> {
    let documents = yaml::read_documents(cloud_config).unwrap();
    assert_eq!(documents.len(), 1);
    let file = |file: &Value| {
        let text = |key: &str| file[key].as_str().unwrap().to_owned();
        let content = match file.get("encoding").and_then(Value::as_str) {
            Some("b64") => String::from_utf8(BASE64.decode(text("content")).unwrap()).unwrap(),
            Some(other) => panic!("{other}"),
            None => text("content"),
        };
        (text("path"), content)
    };
    let list = documents[0]["write_files"].as_array().unwrap();
    list.iter().map(file).collect()
}
