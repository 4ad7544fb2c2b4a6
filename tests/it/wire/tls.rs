//! TLS: whom the client trusts, and what it says when it does not.

use std::error::Error;
use std::net::TcpListener;

use axum::Router;
use axum::routing::{get, post};
use axum_server::tls_rustls::RustlsConfig;
use cse_server::vcd::error::VcdError;
use cse_server::vcd::http::{HttpTransport, install_crypto_provider};
use cse_server::vcd::{ClientOptions, VcdClient};
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use super::site::{Client, http_options, login};

struct Issued {
    certificate: String,
    key: String,
}

fn issue(name: &str, until_year: i32) -> Issued {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("wire test {name}"));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until_year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Issued {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

/// Serves a login with `issued`, and connects trusting `ca`.
async fn connect(issued: &Issued, ca: &Issued) -> Result<Client, VcdError> {
    install_crypto_provider();
    let (certificate, key) = (issued.certificate.clone(), issued.key.clone());
    let config = RustlsConfig::from_pem(certificate.into(), key.into())
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let versions = "<V><VersionInfo><Version>37.2</Version></VersionInfo></V>";
    let router = Router::new()
        .route("/api/versions", get(move || async move { versions }))
        .route(
            "/oauth/tenant/acme/token",
            post(|| async { r#"{"access_token":"a"}"# }),
        );
    let server = axum_server::from_tcp_rustls(listener, config).unwrap();
    let serving = tokio::spawn(server.serve(router.into_make_service()));

    let mut options = http_options(&format!("https://localhost:{port}"));
    options.ca_file_pem = Some(ca.certificate.clone().into_bytes());
    let transport = HttpTransport::new(&options).unwrap();
    let client =
        VcdClient::connect(transport.into(), login("acme"), ClientOptions::default()).await;
    serving.abort();
    client
}

async fn refusal(issued: &Issued, ca: &Issued) -> String {
    let error = connect(issued, ca).await.err().unwrap();
    assert!(matches!(error, VcdError::NotSent { .. }), "{error:?}");
    error.source().unwrap().to_string()
}

#[tokio::test]
async fn a_given_ca_is_trusted() {
    let issued = issue("localhost", 2100);
    connect(&issued, &issued).await.unwrap();
}

#[tokio::test]
async fn an_unknown_issuer_is_named_as_the_reason() {
    let reason = refusal(&issue("localhost", 2100), &issue("other.example", 2100)).await;
    assert!(
        reason.contains("certificate not trusted (unknown issuer)"),
        "{reason}"
    );
}

/// What is left of a site that was given a new certificate under its old name.
#[tokio::test]
async fn an_outdated_trusted_certificate_is_told_from_a_missing_one() {
    let reason = refusal(&issue("localhost", 2100), &issue("localhost", 2100)).await;
    assert!(
        reason.contains("another key than the trusted one"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told_with_its_names() {
    let issued = issue("vcd.example", 2100);
    let reason = refusal(&issued, &issued).await;
    assert!(
        reason.contains("issued for another name") && reason.contains("vcd.example"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_expired_certificate_is_called_expired() {
    let issued = issue("localhost", 2021);
    let reason = refusal(&issued, &issued).await;
    assert!(
        reason.contains("certificate not trusted (expired)"),
        "{reason}"
    );
}

#[tokio::test]
async fn plain_http_at_the_port_is_a_tls_failure() {
    let server = wiremock::MockServer::start().await;
    let mut options = http_options(&server.uri().replace("http:", "https:"));
    options.ca_file_pem = Some(issue("localhost", 2100).certificate.into_bytes());
    let transport = HttpTransport::new(&options).unwrap();
    let error = VcdClient::connect(transport.into(), login("acme"), ClientOptions::default()).await;
    let error = error.err().unwrap();
    assert!(matches!(error, VcdError::NotSent { .. }), "{error:?}");
    assert!(
        error.source().unwrap().to_string().contains("TLS failed"),
        "{error:?}"
    );
}
