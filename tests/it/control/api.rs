//! The control API over HTTP.

use std::path::PathBuf;
use std::time::Duration;

use cse_server::sim::standalone::{Guide, Options, Standalone, Tls};
use cse_server::vcd::http::install_crypto_provider;
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A small site on free ports, without TLS; time stands nearly still.
pub(super) fn options(dir: &TempDir) -> Options {
    Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: Tls::Plain,
        url: None,
        seed: 5,
        time_scale: 1.0,
        orgs: vec!["acme".to_owned(), "nimbus".to_owned()],
        bare: false,
        clusters: 3,
        password: None,
        ip_spaces: Vec::new(),
        api_versions: Vec::new(),
        scenarios: Vec::new(),
        state: Some(dir.path().join("state")),
        control: Some("127.0.0.1:0".parse().unwrap()),
        settings: vec!["answer=0s".to_owned()],
        write_config: None,
        ca_out: None,
        log_requests: 100,
    }
}

/// The site with its two doors.
pub(super) struct Open {
    pub(super) url: String,
    control: String,
    guide: Guide,
    pub(super) client: reqwest::Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Open {
    pub(super) fn with(options: &Options) -> Self {
        install_crypto_provider();
        let site = Standalone::open(options).unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            url: site.url().to_owned(),
            control: site.control_url().unwrap(),
            guide: site.guide(),
            client: reqwest::Client::new(),
            stop,
            task: tokio::spawn(async move {
                let until = async { stopped.await.unwrap_or_default() };
                site.run(until).await.unwrap();
            }),
        }
    }

    pub(super) async fn close(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    /// Status and document of a call to the control API.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string());
        self.send(method, path, body.unwrap_or_default()).await
    }

    /// The same with a body that need not be JSON, although it says so.
    async fn send(&self, method: Method, path: &str, body: String) -> (u16, Value) {
        let url = format!("{}{path}", self.control);
        let mut request = self.client.request(method, url);
        if !body.is_empty() {
            let json = "application/json";
            request = request.header("content-type", json).body(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap())
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, document) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {document}");
        document
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, document) = self.call(Method::POST, path, Some(body)).await;
        assert_eq!(status, 200, "{path}: {document}");
        document
    }

    /// The provider's session.
    pub(super) async fn login(&self) -> String {
        self.exchange("provider", &self.guide.service_token).await
    }

    /// Exchanges an API token at the simulated VCD.
    async fn exchange(&self, realm: &str, token: &str) -> String {
        let url = format!("{}/oauth/{realm}/token", self.url);
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        let media = "application/x-www-form-urlencoded";
        let request = self.client.post(url).header("content-type", media);
        let text = request.body(form).send().await.unwrap().text().await;
        let body: Value = serde_json::from_str(&text.unwrap()).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Status of a listing of clusters by the provider; 0 stands for no answer.
    async fn list(&self, session: &str) -> u16 {
        let path = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1?pageSize=10";
        let request = self.client.get(format!("{}{path}", self.url));
        let request = request.bearer_auth(session).header("user-agent", "probe/1");
        let accept = "application/json;version=37.2";
        let answer = request.header("accept", accept).send().await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }
}

#[tokio::test]
async fn the_list_of_paths_is_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let site = Open::with(&options(&dir));
    let listing = site.get("/").await;
    for row in listing["paths"].as_array().unwrap() {
        let path = row["path"].as_str().unwrap().replace(['{', '}'], "");
        let method: Method = row["method"].as_str().unwrap().parse().unwrap();
        let (status, document) = site.call(method.clone(), &path, None).await;
        let known = document["error"] != "there is no such path; GET / lists all";
        assert!(
            known && status != 405 && status < 500,
            "{method} {path}: {status} {document}"
        );
        let (status, _) = site.call(Method::OPTIONS, &path, None).await;
        assert_eq!(status, 405, "OPTIONS {path}");
    }
    site.close().await;
}

#[tokio::test]
async fn faults_are_armed_listed_and_disarmed() {
    let dir = tempfile::tempdir().unwrap();
    let site = Open::with(&options(&dir));
    let session = site.login().await;
    assert_eq!(site.list(&session).await, 200);
    let order = json!({"what": {"refused": "maintenance"}, "path": "capvcdCluster", "times": 2, "caller": "probe"});
    let armed = site.post("/faults", order).await;
    let id = armed["faults"][0].as_u64().unwrap();
    assert_eq!(site.list(&session).await, 503);
    let all = site.get("/faults").await;
    assert_eq!(
        (&all["armed"][0]["id"], &all["armed"][0]["struck"]),
        (&json!(id), &json!(1))
    );
    let gone = site
        .call(Method::DELETE, &format!("/faults/{id}"), None)
        .await;
    assert_eq!(gone.0, 200);
    let again = site
        .call(Method::DELETE, &format!("/faults/{id}"), None)
        .await;
    assert_eq!(again.0, 404);
    assert_eq!(site.list(&session).await, 200);
    site.post("/faults", json!({"what": "reply_lost"})).await;
    assert_eq!(site.list(&session).await, 0);
    assert_eq!(
        site.call(Method::DELETE, "/faults", None).await.1["disarmed"],
        1
    );
    assert_eq!(site.list(&session).await, 200);
    site.close().await;
}

/// Call, body, status with place, and a part of the text.
const BAD_CALLS: &str = r#"
POST /levers|{"explode": {}}|400 body|unknown variant
POST /levers|{"limit_pool": {"network": "nowhere", "free": 1}}|400 body|no network "nowhere"
POST /levers|{"limit_pool": {"network": "acme-net", "free": 1, "fre": 2}}|400 body|fre
POST /levers|{"slow": {"operations": ["recompost"], "factor": 2}}|400 body|no timing "recompost"
POST /levers|{"slow": {"factor": -1}}|400 body|factor
POST /levers|{"slow": {"factor": 2, "lasts": "soon"}}|400 body|duration
POST /levers|{"query_lag": {"lag": "0s", "lasts": "1h"}}|400 body|lag
POST /levers|{"fail_over": {"cut": "1s", "lost_per_mille": 1001}}|400 body|lost_per_mille
POST /levers|{"revoke_token": {"org": "acme", "user": "nobody"}}|400 body|no user "nobody"
POST /levers|{"expire_sessions": {"org": "nowhere"}}|400 body|no organization "nowhere"
POST /levers|{"restore": {"name": "none"}}|400 body|no snapshot "none"
POST /levers|{"fail_node": {"cluster": "oak"}}|400 body|no cluster "oak"
POST /levers|{"fail_node": {"cluster": "idle-1"}}|400 body|no node
POST /faults|{"what": "boredom"}|400 body|boredom
POST /faults|{"what": "reply_lost", "method": "GE T"}|400 body|method
POST /faults|{"what": "reply_lost", "per_mille": 1001}|400 body|per_mille
POST /faults|[]|400 body|FaultOrder
POST /faults|{"what"|400 body|EOF
PATCH /settings|{"timings": {"recompose": "long"}}|400 body|timings.recompose
PATCH /settings|{"settings": {"no_such": true}}|400 body|no_such
PATCH /clock|{"scale": 0}|400 body|scale
POST /scenarios|{"name": "x", "description": "", "step": [{"action": {"slow": {"factor": 0}}}]}|400 body|step 1: factor
POST /scenarios|{"name": " ", "description": ""}|400 body|name
DELETE /scenarios/x||404 path|"x"
POST /snapshots/x/restore||404 path|"x"
POST /state/load|{"file": "/nowhere/at/all"}|404 path|/nowhere/at/all
POST /state/save|{"file": "/nowhere/at/all"}|409 path|cannot write
GET /requests?status=many||400 query|status=many
GET /requests?colour=red||400 query|colour
GET /nothing||404 path|GET /
PUT /levers|{}|405 path|method
"#;

/// Goal: whatever is wrong with a call is said, with its place, and nothing is changed.
#[tokio::test]
async fn bad_input_is_answered_with_what_is_wrong_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let site = Open::with(&options(&dir));
    let all = async || {
        (
            site.get("/settings").await,
            site.get("/site").await["access"].clone(),
        )
    };
    let before = all().await;
    for row in BAD_CALLS.trim().lines() {
        let [call, body, want, text] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        let (method, path) = call.split_once(' ').unwrap();
        let (status, document) = site
            .send(method.parse().unwrap(), path, body.to_owned())
            .await;
        let place = document["in"].as_str().unwrap();
        assert_eq!(format!("{status} {place}"), want, "{row}: {document}");
        let error = document["error"].as_str().unwrap();
        assert!(error.contains(text), "{row}: {error}");
    }
    let form = site.client.post(format!("{}/levers", site.control));
    let form = form
        .header("content-type", "text/plain")
        .body("{}")
        .send()
        .await;
    assert_eq!(
        form.unwrap().status(),
        415,
        "a page in a browser could send this"
    );
    assert_eq!(before, all().await);
    site.close().await;
}

#[tokio::test]
async fn requests_are_written_down_and_counted_without_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let site = Open::with(&options(&dir));
    let session = site.login().await;
    site.list(&session).await;
    site.list("wrong").await;
    let order = json!({"what": {"refused": "busy"}, "times": 1, "path": "capvcdCluster"});
    site.post("/faults", order).await;
    site.list(&session).await;
    let lines = site.get("/requests?path=capvcdCluster&caller=probe").await;
    let facts: Vec<Value> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| json!([line["status"], line["user"], line["version"], line["fault"]]))
        .collect();
    let user = "cse-service@System";
    let expected = [
        json!([200, user, "37.2", null]),
        json!([401, null, "37.2", null]),
        json!([400, null, "", {"refused": "busy"}]),
    ];
    assert_eq!(facts, expected, "{lines}");
    let counters = site.get("/counters").await;
    let endpoint = &counters["GET /cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1"];
    assert_eq!(
        endpoint,
        &json!({"200": 1, "400": 1, "401": 1}),
        "{counters}"
    );
    let everything = site.get("/requests?limit=1000").await.to_string();
    for secret in [&session, &site.guide.service_token] {
        assert!(!everything.contains(secret.as_str()));
    }
    let (_, forgotten) = site.call(Method::DELETE, "/requests", None).await;
    assert_eq!(
        (forgotten, site.get("/requests").await),
        (json!({}), json!([]))
    );
    site.close().await;
}

#[tokio::test]
async fn clock_settings_and_sessions_can_be_moved() {
    let dir = tempfile::tempdir().unwrap();
    let site = Open::with(&options(&dir));
    let session = site.login().await;
    let patch = json!({"sessions": {"idle": "10m"}, "timings": {"recompose": "2m"}});
    let (status, values) = site.call(Method::PATCH, "/settings", Some(patch)).await;
    assert_eq!(
        (status, &values["timings"]["recompose"]),
        (200, &json!("2m"))
    );
    let moment = |document: &Value| document["moment_secs"].as_f64().unwrap();
    let before = moment(&site.get("/clock").await);
    let (_, after) = site
        .call(
            Method::PATCH,
            "/clock",
            Some(json!({"step": "11m", "scale": 2})),
        )
        .await;
    assert!(
        moment(&after) >= before + 660.0 && after["scale"] == 2.0,
        "{after}"
    );
    assert_eq!(
        site.list(&session).await,
        401,
        "eleven minutes are too long"
    );
    let session = site.login().await;
    site.post("/levers", json!({"expire_sessions": {"org": "acme"}}))
        .await;
    assert_eq!(site.list(&session).await, 200);
    let ended = site
        .post(
            "/levers",
            json!({"expire_sessions": {"user": "cse-service"}}),
        )
        .await;
    assert_eq!(
        (ended, site.list(&session).await),
        (json!({"sessions_ended": 1}), 401)
    );
    site.close().await;
}

#[tokio::test]
async fn a_scenario_runs_as_a_file_and_ends_when_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let site = Open::with(&options(&dir));
    let session = site.login().await;
    let text = r#"
        name = "trouble"
        description = "everything at once"
        [[step]]
        action = { slow = { factor = 3 } }
        [[step]]
        at = "1h"
        action = { revoke_token = { org = "System", user = "cse-service" } }
        [[step]]
        action = { fault = { what = { refused = "server_error" }, path = "capvcdCluster" } }
    "#;
    let before = site.get("/settings").await;
    let request = site.client.post(format!("{}/scenarios", site.control));
    let request = request
        .header("content-type", "application/toml")
        .body(text);
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(
        site.get("/scenarios").await["running"][0]["name"],
        "trouble"
    );
    assert_eq!(site.list(&session).await, 500);
    assert_eq!(site.get("/settings").await["timings"]["compose"], "9s");
    let (status, _) = site.call(Method::DELETE, "/scenarios/trouble", None).await;
    assert_eq!((status, site.list(&session).await), (200, 200));
    assert_eq!(site.get("/settings").await, before);
    site.call(Method::PATCH, "/clock", Some(json!({"step": "2h"})))
        .await;
    let session = site.login().await;
    assert_eq!(
        site.list(&session).await,
        200,
        "what was still to come does not happen"
    );
    site.close().await;
}

#[tokio::test]
async fn a_state_is_saved_loaded_and_goes_to_another_simulator() {
    let dir = tempfile::tempdir().unwrap();
    let site = Open::with(&options(&dir));
    let clusters = site.get("/clusters").await;
    let copy: PathBuf = dir.path().join("copy");
    site.post("/state/save", json!({"file": copy})).await;
    site.call(Method::PUT, "/snapshots/before", None).await;
    site.call(Method::PATCH, "/clock", Some(json!({"step": "3h"})))
        .await;
    let loaded = site.post("/state/load", json!({"file": copy})).await;
    assert_eq!(loaded["clusters"], 3);
    let clock = site.get("/clock").await["moment_secs"].as_f64().unwrap();
    assert!(clock < 3600.0, "{clock}: the clock is that of the file");
    assert_eq!(
        site.get("/snapshots").await,
        json!([]),
        "of a world that is no more"
    );
    let (url, access) = (site.url.clone(), site.get("/site").await["access"].clone());
    site.close().await;

    let other = Options {
        state: Some(copy),
        seed: 99,
        clusters: 0,
        ..options(&dir)
    };
    let other = Open::with(&other);
    assert_ne!(other.url, url);
    assert_eq!(other.get("/clusters").await, clusters);
    assert_eq!(other.get("/site").await["access"], access);
    let tenant = &other.guide.tenants[0];
    let realm = format!("tenant/{}", tenant.org);
    let session = other.exchange(&realm, &tenant.api_token).await;
    let path = "/api/query?type=vAppTemplate&format=records";
    let request = other
        .client
        .get(format!("{}{path}", other.url))
        .bearer_auth(session);
    let accept = "application/*+xml;version=37.2";
    let text = request
        .header("accept", accept)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(text.contains(&other.url) && !text.contains(&url), "{text}");
    other.close().await;
}

#[tokio::test]
async fn a_damaged_or_newer_state_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let first = options(&dir);
    Open::with(&first).close().await;
    let file = first.state.clone().unwrap();
    let good = std::fs::read_to_string(&file).unwrap();
    let lines = good.lines().count();
    let cut = good
        .lines()
        .take(lines - 1)
        .fold(String::new(), |text, line| text + line + "\n");
    let rows = [
        (String::new(), "ends before"),
        ("hello".to_owned(), "line 1 is damaged"),
        ("{}\n".to_owned(), "no state of a simulator"),
        (cut, "ends before the state does"),
        (
            good.replacen("\"cse_simulator_state\":1", "\"cse_simulator_state\":2", 1),
            "format 2",
        ),
        (
            good.replacen("\"revision\":", "\"revission\":", 1),
            "revision",
        ),
        (
            good.replacen(
                "{\"end\":{\"entities\":4}}",
                "{\"end\":{\"entities\":5}}",
                1,
            ),
            "5 were saved",
        ),
    ];
    for (text, want) in rows {
        std::fs::write(&file, &text).unwrap();
        let refused = Standalone::open(&first).unwrap_err();
        let told = cse_server::telemetry::chain(&refused).to_string();
        assert!(
            told.contains(want) && told.contains("left as it is"),
            "{want}: {told}"
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    std::fs::write(&file, good).unwrap();
    let site = Open::with(&first);
    tokio::time::timeout(Duration::from_secs(20), site.close())
        .await
        .unwrap();
}
