//! The simulator over real sockets, with and without TLS.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cse_server::clock::Clock;
use cse_server::sim::faults::{Fault, Faults, Refusal, Target};
use cse_server::sim::server::{self, Server};
use http::Method;
use serde_json::{Value, json};

use crate::support::site::{Site, cluster, entity};

struct Served {
    server: Server,
    url: String,
    client: reqwest::Client,
    faults: Arc<Faults>,
    token: String,
    id: String,
    world: Arc<Mutex<cse_server::sim::world::World>>,
}

fn serve(tls: bool) -> Served {
    let mut site = Site::new();
    let token = site.login("author", "acme");
    let id = site.create(&token, "blue", &cluster("blue"));
    *site.world.timings_mut() = cse_server::sim::timings::Timings {
        answer: Duration::from_millis(1),
        ..cse_server::sim::timings::Timings::default()
    };
    // The machine's clock runs far ahead of the test's: what was logged in must not expire by it.
    let forever = Duration::from_secs(u64::MAX / 4);
    let limits = cse_server::sim::SessionLimits {
        idle: forever,
        absolute: forever,
    };
    site.world.set_session_limits(limits);
    let (listener, address) = server::bind().unwrap();
    let world = Arc::new(Mutex::new(site.world));
    let faults = Arc::new(Faults::none());
    let shared = server::Site {
        world: Arc::clone(&world),
        clock: Clock::system(),
        faults: Arc::clone(&faults),
    };
    let builder = reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never());
    let (config, builder) = if tls {
        let identity = server::tls_identity().unwrap();
        let ca = reqwest::Certificate::from_pem(identity.ca_pem.as_bytes()).unwrap();
        (Some(identity.config), builder.tls_certs_only([ca]))
    } else {
        // Plain HTTP; without this, building fails on hosts that have no trusted certificates.
        (None, builder.tls_certs_only([]))
    };
    let scheme = if tls { "https" } else { "http" };
    let server = server::serve(listener, config, shared).unwrap();
    assert_eq!(server.address(), address);
    let url = format!("{scheme}://{address}");
    Served {
        server,
        url,
        client: builder.build().unwrap(),
        faults,
        token,
        id,
        world,
    }
}

impl Served {
    async fn write(&self, text: &str) -> reqwest::Result<(u16, Vec<u8>)> {
        let mut content = cluster("blue");
        content["spec"]["capiYaml"] = json!(text);
        let body = json!({"name": "blue", "entity": content}).to_string();
        let request = self.client.put(format!("{}{}", self.url, entity(&self.id)));
        let request = request
            .bearer_auth(&self.token)
            .header("accept", "application/json;version=37.2");
        let response = request.body(body).send().await?;
        Ok((response.status().as_u16(), response.bytes().await?.to_vec()))
    }

    fn stored(&self) -> String {
        let world = self.world.lock().unwrap();
        world.entity_content(&self.id).unwrap()["spec"]["capiYaml"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

#[tokio::test]
async fn requests_are_answered_over_http_and_https_until_the_server_stops() {
    for tls in [false, true] {
        let served = serve(tls);
        let (status, body) = served.write("over the wire").await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (status, &body["entity"]["spec"]["capiYaml"]),
            (200, &json!("over the wire"))
        );
        let versions = served
            .client
            .get(format!("{}/api/versions", served.url))
            .send()
            .await
            .unwrap();
        assert!(
            versions
                .text()
                .await
                .unwrap()
                .contains("<Version>37.2</Version>")
        );
        served.server.stop(Duration::from_secs(5)).await.unwrap();
        let refused = served
            .client
            .get(format!("{}/api/versions", served.url))
            .send()
            .await;
        assert!(refused.is_err());
    }
}

#[tokio::test]
async fn faults_show_on_the_wire_as_broken_connections_and_foreign_answers() {
    let served = serve(false);
    for (fault, done) in [
        (Fault::RequestLost, false),
        (Fault::ReplyLost, true),
        (Fault::Truncated, true),
    ] {
        let text = format!("{fault:?}");
        served
            .faults
            .arm(Target::next(1, Method::PUT, "/entities/"), fault);
        let answer = served.write(&text).await;
        assert!(answer.is_err(), "{fault:?}: {answer:?}");
        assert_eq!(served.stored() == text, done, "{fault:?}");
        served.faults.disarm();
    }
    served.faults.arm(
        Target::next(1, Method::PUT, "/"),
        Fault::Refused(Refusal::Maintenance),
    );
    let (status, body) = served.write("refused").await.unwrap();
    assert_eq!(status, 503);
    assert!(body.starts_with(b"<html>"));
    assert_eq!(served.write("at last").await.unwrap().0, 200);
    served.server.stop(Duration::from_secs(5)).await.unwrap();
}
