//! A small VCD site with one entity type, for tests that speak HTTP to the world directly.
//!
//! Users (password = name): `admin` (System Administrator) and `service` in System; `author`
//! (full access), `editor` (modify), `viewer` (view) and `boss` (administrator view) in acme;
//! `rival` (full access and administrator rights) in zeta.

use std::time::Duration;

use bytes::Bytes;
use cse_server::clock::Moment;
use cse_server::sim::control::NewUser;
use cse_server::sim::timings::Timings;
use cse_server::sim::world::World;
use cse_server::vcd::transport::{Request, Response};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The type every entity of these tests has.
pub(crate) const TYPE: &str = "urn:vcloud:type:vmware:capvcdCluster:1.3.0";
/// The behavior that shows the whole entity.
pub(crate) const FULL_ENTITY: &str = "urn:vcloud:behavior-interface:getFullEntity:cse:capvcd:1.0.0";
const PREFIX: &str = "vmware:capvcdCluster";

/// A request under construction.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    version: Option<String>,
}

impl Ask {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        let version = Some("application/json;version=37.2".to_owned());
        Self {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            version,
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn put(path: &str) -> Self {
        Self::new(Method::PUT, path)
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn by(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self
    }

    pub(crate) fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        self.body = form.finish().into_bytes();
        self
    }

    pub(crate) fn version(self, version: &str) -> Self {
        self.accept(&format!("application/json;version={version}"))
    }

    pub(crate) fn accept(mut self, accept: &str) -> Self {
        self.version = Some(accept.to_owned());
        self
    }

    pub(crate) fn without_accept(mut self) -> Self {
        self.version = None;
        self
    }

    pub(crate) fn request(self) -> Request {
        let mut builder = http::Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.version.iter().map(|version| ("accept", version)) {
            builder = builder.header(name, value);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name.as_str(), value.as_str());
        }
        builder.body(Bytes::from(self.body)).unwrap()
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) Response);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap())
    }

    pub(crate) fn etag(&self) -> String {
        self.header("etag").expect("an ETag").to_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.body().to_vec()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(self.0.body()).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// Minor error code and message of an error in JSON.
    pub(crate) fn problem(&self) -> (String, String) {
        let body = self.json();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        (text("minorErrorCode"), text("message"))
    }
}

/// The site and its time.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) elapsed: Duration,
    pub(crate) acme: String,
    pub(crate) zeta: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::seeded(1)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        let mut world = World::new("https://vcd.example", seed, Timings::default());
        let acme = world.add_org("acme");
        let zeta = world.add_org("zeta");
        let mut site = Self {
            world,
            elapsed: Duration::ZERO,
            acme,
            zeta,
        };
        site.add_user("System", "admin", "System Administrator", &["Custom"]);
        site.register();
        let every = [
            "View",
            "Modify",
            "Full Access",
            "Administrator View",
            "Administrator Full access",
        ];
        site.add_user("System", "service", "CSE Admin Role", &every);
        site.add_user(
            "acme",
            "author",
            "Author",
            &["View", "Modify", "Full Access"],
        );
        site.add_user("acme", "editor", "Editor", &["View", "Modify"]);
        site.add_user("acme", "viewer", "Viewer", &["View"]);
        site.add_user("acme", "boss", "Boss", &["Administrator View"]);
        site.add_user("zeta", "rival", "Rival", &every);
        site
    }

    /// Adds a user with password `name`, API token `<name>-token` and rights on the type.
    fn add_user(&mut self, org: &str, name: &str, role: &str, rights: &[&str]) {
        let mut rights: Vec<String> = rights
            .iter()
            .map(|right| format!("{PREFIX}: {right}"))
            .collect();
        rights.push("API Tokens: Manage".to_owned());
        let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
        let token = format!("{name}-token");
        let user = NewUser {
            org,
            name,
            role,
            rights: &rights,
            password: Some(name),
            api_token: Some(&token),
        };
        self.world.add_user(user).unwrap();
    }

    /// Registers interface, behavior and type as an installer does.
    fn register(&mut self) {
        let admin = self.login("admin", "System");
        let interface =
            json!({"name": "cseInterface", "vendor": "cse", "nss": "capvcd", "version": "1.0.0"});
        let interfaces = "/cloudapi/1.0.0/interfaces";
        assert_eq!(
            self.call(Ask::post(interfaces).by(&admin).json(&interface))
                .status(),
            201
        );
        let behavior =
            json!({"name": "getFullEntity", "execution": {"type": "noop", "id": "getFullEntity"}});
        let behaviors = format!("{interfaces}/urn:vcloud:interface:cse:capvcd:1.0.0/behaviors");
        let answer = self.call(Ask::post(&behaviors).by(&admin).json(&behavior));
        assert_eq!(
            (answer.status(), answer.json()["id"].as_str()),
            (201, Some(FULL_ENTITY))
        );
        let definition = json!({"name": "CAPVCD Cluster", "vendor": "vmware", "nss": "capvcdCluster",
            "version": "1.3.0", "schema": schema(), "interfaces": ["urn:vcloud:interface:cse:capvcd:1.0.0"]});
        let types = "/cloudapi/1.0.0/entityTypes";
        assert_eq!(
            self.call(Ask::post(types).by(&admin).json(&definition))
                .status(),
            201
        );
        let levels = json!({"values": [
            {"behaviorId": FULL_ENTITY, "accessLevelId": "urn:vcloud:accessLevel:FullControl"}]});
        let path = format!("{types}/{TYPE}/behaviorAccessControls");
        assert_eq!(
            self.call(Ask::put(&path).by(&admin).json(&levels)).status(),
            200
        );
    }

    pub(crate) fn call(&mut self, ask: Ask) -> Answer {
        let wall = self.wall();
        Answer(
            self.world
                .handle(&ask.request(), Moment::from_origin(self.elapsed), wall),
        )
    }

    pub(crate) fn wall(&self) -> Timestamp {
        let start: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        start + self.elapsed
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.elapsed += time;
    }

    /// Logs `user` of `org` in by password and returns the access token.
    pub(crate) fn login(&mut self, user: &str, org: &str) -> String {
        let door = if org == "System" { "/provider" } else { "" };
        let answer = self.call(basic(
            &format!("/cloudapi/1.0.0/sessions{door}"),
            user,
            org,
            user,
        ));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer
            .header("x-vmware-vcloud-access-token")
            .unwrap()
            .to_owned()
    }

    /// Creates an entity and returns its URN.
    pub(crate) fn create(&mut self, token: &str, name: &str, content: &Value) -> String {
        let (_, task) = self.create_with_task(token, name, content);
        let answer = self.call(Ask::get(&task).by(token));
        answer.json()["owner"]["id"].as_str().unwrap().to_owned()
    }

    /// Creates an entity and returns the answer and the path of its task.
    pub(crate) fn create_with_task(
        &mut self,
        token: &str,
        name: &str,
        content: &Value,
    ) -> (Answer, String) {
        let path = format!("/cloudapi/1.0.0/entityTypes/{TYPE}");
        let body = json!({"entityType": TYPE, "name": name, "entity": content});
        let answer = self.call(Ask::post(&path).by(token).json(&body));
        assert_eq!(answer.status(), 202, "{}", answer.text());
        let task = answer
            .header("location")
            .unwrap()
            .strip_prefix("https://vcd.example")
            .unwrap()
            .to_owned();
        (answer, task)
    }

    /// Resolves an entity.
    pub(crate) fn resolve(&mut self, token: &str, id: &str) -> Answer {
        self.call(Ask::post(&format!("{}/resolve", entity(id))).by(token))
    }
}

/// Path of an entity.
pub(crate) fn entity(id: &str) -> String {
    format!("/cloudapi/1.0.0/entities/{id}")
}

/// A password login.
pub(crate) fn basic(path: &str, user: &str, org: &str, password: &str) -> Ask {
    use base64::Engine;
    let encoded =
        base64::engine::general_purpose::STANDARD.encode(format!("{user}@{org}:{password}"));
    Ask::post(path).header("authorization", &format!("Basic {encoded}"))
}

/// A cluster-like content that the schema accepts.
pub(crate) fn cluster(name: &str) -> Value {
    json!({
        "kind": "CAPVCDCluster",
        "metadata": {"name": name},
        "spec": {"capiYaml": "a: 1", "vcdKe": {"secure": {"apiToken": "hush"}},
            "projector": {"operations": [{"name": "x", "values": ["v"]}]}},
        "status": {"vcdKe": {"state": "provisioning"}, "capvcd": {"private": {"kubeConfig": "kc"}}},
    })
}

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["kind", "metadata", "spec"],
        "properties": {
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": {"type": "object", "properties": {
                "capiYaml": {"type": "string"},
                "vcdKe": {"type": "object", "properties": {
                    "secure": {"type": ["object", "null"], "x-vcloud-restricted": ["private", "secure"]}}},
                "projector": {"x-vcloud-restricted": "private", "properties": {
                    "operations": {"items": {"properties": {
                        "values": {"x-vcloud-restricted": ["private", "secure"]}}}}}},
            }},
            "status": {"type": "object", "x-vcloud-restricted": "protected", "properties": {
                "capvcd": {"properties": {"private": {"x-vcloud-restricted": ["private", "secure"]}}}}},
        },
    })
}
