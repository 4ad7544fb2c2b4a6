//! A stand-in for VCD: versions and tokens work, everything else is what the test says.

use std::sync::Arc;
use std::time::Duration;

use cse_server::vcd::http::{HttpOptions, HttpTransport};
use cse_server::vcd::transport::CallLimits;
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use url::Url;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

pub(super) type Client = VcdClient<HttpTransport>;

/// The API token that the stand-in accepts.
pub(super) const API_TOKEN: &str = "api+token/with=odd&characters";

pub(super) const ENTITY: &str =
    "urn:vcloud:entity:vmware:capvcdCluster:5b7e0000-0000-4000-8000-000000000001";

pub(super) struct Site {
    pub(super) server: MockServer,
}

impl Site {
    /// With 37.0 and 37.2, and a token endpoint for organization `acme`.
    pub(super) async fn start() -> Self {
        let site = Self {
            server: MockServer::start().await,
        };
        site.answer("GET", "/api/versions", versions(&["37.0", "37.2", "39.1"]))
            .await;
        site.answer("POST", "/oauth/tenant/acme/token", granted("access-1"))
            .await;
        site
    }

    pub(super) async fn answer(&self, verb: &str, target: &str, answer: ResponseTemplate) {
        Mock::given(method(verb))
            .and(path(target))
            .respond_with(answer)
            .mount(&self.server)
            .await;
    }

    /// The same for the next call only; later ones get the answer mounted after it.
    pub(super) async fn answer_once(&self, verb: &str, target: &str, answer: ResponseTemplate) {
        let mock = Mock::given(method(verb))
            .and(path(target))
            .respond_with(answer);
        mock.up_to_n_times(1).mount(&self.server).await;
    }

    pub(super) async fn client(&self) -> Client {
        self.client_with(limits(Duration::from_secs(10))).await
    }

    pub(super) async fn client_with(&self, options: ClientOptions) -> Client {
        VcdClient::connect(transport(&self.server.uri()), login("acme"), options)
            .await
            .unwrap()
    }

    /// The requests so far to one path.
    pub(super) async fn seen(&self, verb: &str, target: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.unwrap();
        let matches = |r: &Request| r.method.as_str() == verb && r.url.path() == target;
        all.into_iter().filter(matches).collect()
    }

    /// The only request to one path.
    pub(super) async fn only(&self, verb: &str, target: &str) -> Request {
        let mut seen = self.seen(verb, target).await;
        assert_eq!(seen.len(), 1, "requests {verb} {target}");
        seen.remove(0)
    }
}

pub(super) fn transport(base: &str) -> Arc<HttpTransport> {
    Arc::new(HttpTransport::new(&http_options(base)).unwrap())
}

pub(super) fn http_options(base: &str) -> HttpOptions {
    HttpOptions {
        base_url: Url::parse(base).unwrap(),
        ca_file_pem: None,
        user_agent: "wire-test".to_owned(),
        connect_timeout: Duration::from_secs(5),
        http1_only: false,
        use_env_proxy: false,
    }
}

pub(super) fn limits(timeout: Duration) -> ClientOptions {
    let limits = CallLimits {
        timeout,
        max_body_bytes: 64 * 1024,
    };
    ClientOptions {
        call: limits,
        page: limits,
        ..ClientOptions::default()
    }
}

pub(super) fn login(org: &str) -> Login {
    Login {
        org: org.to_owned(),
        token: API_TOKEN.into(),
    }
}

pub(super) fn versions(list: &[&str]) -> ResponseTemplate {
    let info = |v: &&str| {
        format!("<VersionInfo deprecated=\"false\"><Version>{v}</Version></VersionInfo>")
    };
    let infos = list.iter().map(info).collect::<Vec<_>>().concat();
    xml(
        200,
        &format!(
            "<SupportedVersions xmlns=\"http://www.vmware.com/vcloud/versions\">{infos}\
         <AlphaVersion deprecated=\"false\"><Version>39.9</Version></AlphaVersion>\
         <SchemaRoot>https://vcd.example/api/v1.5/schema/</SchemaRoot></SupportedVersions>"
        ),
    )
}

pub(super) fn granted(token: &str) -> ResponseTemplate {
    json(
        200,
        &format!(
            r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":2592000,"refresh_token":null}}"#
        ),
    )
}

pub(super) fn json(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.as_bytes(), "application/json;version=37.2")
}

pub(super) fn xml(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(
        body.as_bytes(),
        "application/vnd.vmware.vcloud.x+xml;version=37.2",
    )
}

/// VCD's JSON error document.
pub(super) fn fault(status: u16, code: &str, message: &str) -> ResponseTemplate {
    json(
        status,
        &serde_json::json!({
            "minorErrorCode": code,
            "message": format!("[ 12-2026-request ] {message}"),
            "stackTrace": null,
        })
        .to_string(),
    )
}

pub(super) fn no_access() -> ResponseTemplate {
    fault(
        403,
        "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
        "not found or you lack access",
    )
}

/// An entity as VCD shows it, with keys this client knows nothing about.
pub(super) fn entity_json() -> serde_json::Value {
    serde_json::json!({
        "id": ENTITY,
        "entityType": "urn:vcloud:type:vmware:capvcdCluster:1.3.0",
        "name": "blue",
        "externalId": null,
        "entity": {
            "kind": "CAPVCDCluster",
            "spec": { "capiYaml": "a: 1\n", "vcdKe": { "secure": { "later": [1, 2.5, null] } } },
            "unheardOf": { "z": 1, "a": 18_446_744_073_709_551_615_u64 },
        },
        "state": "RESOLVED",
        "entityState": "RESOLVED",
        "message": null,
        "owner": { "name": "author", "id": "urn:vcloud:user:77aa", "extra": true },
        "org": { "name": "acme", "id": "urn:vcloud:org:11bb" },
        "futureKey": { "kept": "yes" },
    })
}
