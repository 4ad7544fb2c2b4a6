//! Which API version is spoken, and to what.

use cse_server::domain::error_class::ErrorClass;
use cse_server::vcd::error::VcdError;
use cse_server::vcd::versions::ApiVersion;
use cse_server::vcd::{ClientOptions, VcdClient};
use wiremock::{MockServer, ResponseTemplate};

use super::site::{Client, Site, granted, login, transport, versions, xml};

async fn connect(answer: ResponseTemplate) -> Result<Client, VcdError> {
    let site = Site {
        server: MockServer::start().await,
    };
    site.answer("GET", "/api/versions", answer).await;
    site.answer("POST", "/oauth/tenant/acme/token", granted("access-1"))
        .await;
    let client = VcdClient::connect(
        transport(&site.server.uri()),
        login("acme"),
        ClientOptions::default(),
    )
    .await;
    let request = site.only("GET", "/api/versions").await;
    assert!(!request.headers.contains_key("authorization"));
    assert_eq!(request.headers["accept"], "application/*+xml");
    client
}

#[tokio::test]
async fn the_version_this_client_knows_is_preferred_to_newer_ones() {
    let client = connect(versions(&["37.0", "37.2", "37.3", "39.1"]))
        .await
        .unwrap();
    assert_eq!(
        client.api_version(),
        ApiVersion {
            major: 37,
            minor: 2
        }
    );
}

#[tokio::test]
async fn without_it_the_highest_version_of_the_same_product_is_taken() {
    for (offered, want) in [
        (&["36.3", "37.0", "38.1"][..], (38, 1)),
        (&["37.0", "40.0", "40.1"], (37, 0)),
        (&["39.0", "nonsense", "39.10", "39.2"], (39, 10)),
    ] {
        let client = connect(versions(offered)).await.unwrap();
        assert_eq!(
            client.api_version(),
            ApiVersion {
                major: want.0,
                minor: want.1
            },
            "{offered:?}"
        );
    }
}

#[tokio::test]
async fn nothing_usable_is_told_with_what_was_offered() {
    let error = connect(versions(&["36.3", "40.0"])).await.err().unwrap();
    assert_eq!(error.class(), ErrorClass::Terminal);
    let text = error.to_string();
    assert!(
        text.contains("wanted 37.2") && text.contains("[36.3, 40.0]"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_no_vcd_is_no_panic() {
    for page in [
        "<html><br></html>",
        "<html xmlns=\"http://www.w3.org/1999/xhtml\"/>",
        "\n<!doctype HTML><html/>",
    ] {
        let html = ResponseTemplate::new(200).set_body_raw(page, "text/html");
        let error = connect(html).await.err().unwrap();
        assert!(matches!(error, VcdError::Unreadable { .. }), "{error:?}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "it is a web page");
    }
    let other = xml(200, "<rss/>");
    assert!(matches!(
        connect(other).await.err().unwrap(),
        VcdError::ApiVersion { .. }
    ));
    let absent = ResponseTemplate::new(404);
    assert_eq!(
        connect(absent).await.err().unwrap().class(),
        ErrorClass::Terminal
    );
}
