//! The network below HTTP: silence, refusal, answers cut short or too large.
//!
//! Method: time limits are short and real; the server's side of a wait is far longer than the limit.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cse_server::domain::error_class::ErrorClass;
use cse_server::domain::ids::{EntityId, VdcId};
use cse_server::vcd::VcdClient;
use cse_server::vcd::error::VcdError;
use cse_server::vcd::http::{HttpSetupError, HttpTransport};
use cse_server::vcd::model::EntityQuery;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::site::{
    Client, ENTITY, Site, entity_json, http_options, json, limits, login, transport, xml,
};

const NEVER: Duration = Duration::from_mins(10);

fn id() -> EntityId {
    EntityId::parse(ENTITY).unwrap()
}

fn vdc() -> VdcId {
    VdcId::parse("urn:vcloud:vdc:22cc").unwrap()
}

/// Both errors of a client: of a read, and of a call that creates something.
async fn both(client: &Client) -> (VcdError, VcdError) {
    let read = client.get_entity(&id()).await.unwrap_err();
    let write = client.compose_vapp(&vdc(), "blue", "").await.unwrap_err();
    (read, write)
}

fn cause(error: &VcdError) -> String {
    error.source().unwrap().to_string()
}

/// Answers logins properly and every other request with `broken`, then closes the connection.
async fn broken_site(broken: &'static str) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, broken));
        }
    });
    let options = limits(Duration::from_secs(10));
    let transport = transport(&format!("http://{address}"));
    VcdClient::connect(transport, login("acme"), options)
        .await
        .unwrap()
}

/// The next request of a connection; `None` when the client has closed it.
async fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        if read == 0 {
            return None;
        }
        request.extend_from_slice(&part[..read]);
    }
    Some(request)
}

async fn answer(mut stream: TcpStream, broken: &'static str) {
    let Some(request) = request(&mut stream).await else {
        return;
    };
    let whole = |kind: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    };
    let versions =
        "<SupportedVersions><VersionInfo><Version>37.2</Version></VersionInfo></SupportedVersions>";
    let reply = if request.starts_with(b"GET /api/versions") {
        whole("application/xml", versions)
    } else if request.starts_with(b"POST /oauth/") {
        whole("application/json", r#"{"access_token":"access-1"}"#)
    } else {
        broken.to_owned()
    };
    stream.write_all(reply.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}

/// Whether head and announced body of a request have arrived.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |n| n.parse().unwrap())
}

#[tokio::test]
async fn a_timeout_is_harmless_for_a_read_and_unknown_for_a_write() {
    let site = Site::start().await;
    let slow = json(200, &entity_json().to_string()).set_delay(NEVER);
    site.answer("GET", &format!("/cloudapi/1.0.0/entities/{ENTITY}"), slow)
        .await;
    let slow = xml(201, "<VApp/>").set_delay(NEVER);
    site.answer("POST", "/api/vdc/22cc/action/composeVApp", slow)
        .await;
    let mut options = limits(Duration::from_secs(10));
    let connected = site.client_with(options.clone()).await;
    drop(connected);
    options.call.timeout = Duration::from_millis(300);
    let (read, write) = both(&site.client_with(options).await).await;
    assert_eq!(read.class(), ErrorClass::Transient);
    assert_eq!(write.class(), ErrorClass::OutcomeUnknown);
    assert!(cause(&read).contains("timed out"), "{}", cause(&read));
}

#[tokio::test]
async fn a_refused_connection_was_never_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let transport = transport(&format!("http://{address}"));
    let error = VcdClient::connect(transport, login("acme"), limits(NEVER))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, VcdError::NotSent { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Transient);
    let cause = cause(&error);
    assert!(
        cause.contains("connection refused") && cause.contains(&address.to_string()),
        "{cause}"
    );
}

#[tokio::test]
async fn an_unknown_host_name_was_never_sent() {
    let transport = transport("http://vcd.invalid");
    let error = VcdClient::connect(transport, login("acme"), limits(NEVER))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, VcdError::NotSent { .. }), "{error:?}");
    assert!(
        cause(&error).contains("name look-up failed"),
        "{}",
        cause(&error)
    );
}

#[tokio::test]
async fn pages_of_listings_have_connections_of_their_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Which connection each request came on.
    let seen: Arc<Mutex<Vec<(String, u32)>>> = Arc::default();
    let noted = Arc::clone(&seen);
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                while let Some(request) = request(&mut stream).await {
                    let text = String::from_utf8(request).unwrap();
                    let target = text.split(' ').nth(1).unwrap().to_owned();
                    noted.lock().unwrap().push((target.clone(), connection));
                    let body = if target == "/api/versions" {
                        "<SupportedVersions><VersionInfo><Version>37.2</Version></VersionInfo></SupportedVersions>".to_owned()
                    } else if target.starts_with("/oauth/") {
                        r#"{"access_token":"access-1"}"#.to_owned()
                    } else if target.contains("/types/") {
                        r#"{"resultTotal":0,"pageCount":0,"page":1,"pageSize":128,"values":[]}"#
                            .to_owned()
                    } else {
                        entity_json().to_string()
                    };
                    let length = body.len();
                    let head =
                        format!("HTTP/1.1 200 OK\r\nETag: r1\r\nContent-Length: {length}\r\n\r\n");
                    stream.write_all((head + &body).as_bytes()).await.unwrap();
                }
            });
        }
    });
    let options = limits(Duration::from_secs(10));
    let transport = transport(&format!("http://{address}"));
    let client = VcdClient::connect(transport, login("acme"), options)
        .await
        .unwrap();
    let page = EntityQuery {
        vendor: "vmware".to_owned(),
        nss: "capvcdCluster".to_owned(),
        version: None,
        filter: None,
        page_size: 128,
    };
    for _ in 0..3 {
        client.entity_page(&page, 1).await.unwrap();
        client.get_entity(&id()).await.unwrap();
    }
    let seen = seen.lock().unwrap().clone();
    let of = |part: &str| -> BTreeSet<u32> {
        let mine = seen.iter().filter(|(target, _)| target.contains(part));
        mine.map(|(_, connection)| *connection).collect()
    };
    let (pages, claims) = (of("/types/"), of(ENTITY));
    assert!(!pages.is_empty() && !claims.is_empty(), "{seen:?}");
    assert!(pages.is_disjoint(&claims), "{seen:?}");
}

#[tokio::test]
async fn an_answer_cut_short_is_no_answer() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: r1\r\nContent-Length: 5000\r\n\r\n{\"id\":";
    let (read, write) = both(&broken_site(cut).await).await;
    assert_eq!(read.class(), ErrorClass::Transient, "{read:?}");
    assert_eq!(write.class(), ErrorClass::OutcomeUnknown, "{write:?}");
    assert!(cause(&read).contains("cut short"), "{}", cause(&read));
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_no_answer() {
    let (read, write) = both(&broken_site("").await).await;
    assert_eq!(read.class(), ErrorClass::Transient, "{read:?}");
    assert_eq!(write.class(), ErrorClass::OutcomeUnknown, "{write:?}");
}

#[tokio::test]
async fn what_is_no_http_is_no_answer() {
    let (read, write) = both(&broken_site("220 mail.example ESMTP\r\n").await).await;
    assert_eq!(read.class(), ErrorClass::Transient, "{read:?}");
    assert_eq!(write.class(), ErrorClass::OutcomeUnknown, "{write:?}");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_dropped_announced_or_not() {
    let site = Site::start().await;
    let large = "x".repeat(64 * 1024 + 1);
    let target = format!("/cloudapi/1.0.0/entities/{ENTITY}");
    site.answer("GET", &target, json(200, &large)).await;
    site.answer("POST", "/api/vdc/22cc/action/composeVApp", xml(201, &large))
        .await;
    let (read, write) = both(&site.client().await).await;
    assert!(matches!(read, VcdError::Unreadable { .. }), "{read:?}");
    assert!(cause(&read).contains("65536"), "{}", cause(&read));
    assert_eq!(write.class(), ErrorClass::OutcomeUnknown);

    let endless = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{large}");
    let client = broken_site(Box::leak(endless.into_boxed_str())).await;
    let (read, write) = both(&client).await;
    assert!(matches!(read, VcdError::Unreadable { .. }), "{read:?}");
    assert_eq!(write.class(), ErrorClass::OutcomeUnknown);
}

#[tokio::test]
async fn an_unannounced_length_is_read_to_the_end() {
    let body = entity_json().to_string();
    let reply = format!("HTTP/1.1 200 OK\r\nETag: \"r1\"\r\n\r\n{body}");
    let client = broken_site(Box::leak(reply.into_boxed_str())).await;
    assert_eq!(client.get_entity(&id()).await.unwrap().value.name, "blue");
}

#[test]
fn a_base_url_must_name_a_host_and_nothing_more() {
    let accepted = [
        "https://vcd.example",
        "https://vcd.example:8443/",
        "https://vcd.example/api",
    ];
    for url in accepted {
        // A host without CA certificates refuses later, for that reason.
        let error = HttpTransport::new(&http_options(url)).err();
        let refused = matches!(error, Some(HttpSetupError::BaseUrl { .. }));
        assert!(!refused, "{url}: {error:?}");
    }
    HttpTransport::new(&http_options("http://vcd.example")).unwrap();
    for url in [
        "ftp://vcd.example",
        "https://user:hunter2@vcd.example",
        "https://vcd.example/cloudapi",
        "https://vcd.example/?a=b",
        "https://vcd.example/#top",
        "mailto:vcd@example.com",
    ] {
        let error = HttpTransport::new(&http_options(url)).unwrap_err();
        assert!(
            matches!(error, HttpSetupError::BaseUrl { .. }),
            "{url}: {error:?}"
        );
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_ca_file_must_hold_certificates() {
    for pem in [
        "",
        "no pem at all",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let mut options = http_options("https://vcd.example");
        options.base_url = Url::parse("https://vcd.example").unwrap();
        options.ca_file_pem = Some(pem.into());
        let error = HttpTransport::new(&options).unwrap_err();
        assert!(
            !matches!(error, HttpSetupError::BaseUrl { .. }),
            "{pem:?}: {error:?}"
        );
        assert!(!error.to_string().is_empty());
    }
}
