//! API versions, request ids and error forms.

use crate::support::site::{Ask, Site};

#[test]
fn versions_are_listed_without_a_session_and_none_reaches_forty() {
    let mut site = Site::new();
    let answer = site.call(Ask::get("/api/versions").accept("application/*+xml"));
    assert_eq!(answer.status(), 200);
    let text = answer.text();
    for version in [
        "37.0", "37.1", "37.2", "37.3", "38.0", "38.1", "39.0", "39.1",
    ] {
        assert!(
            text.contains(&format!("<Version>{version}</Version>")),
            "{version} in {text}"
        );
    }
    assert!(!text.contains("<Version>4"), "{text}");
    assert!(text.contains("<LoginUrl>https://vcd.example/cloudapi/1.0.0/sessions</LoginUrl>"));
    assert!(
        text.contains("<VersionInfo deprecated=\"true\"><Version>37.0</Version>"),
        "{text}"
    );
    assert!(text.contains("xmlns=\"http://www.vmware.com/vcloud/versions\""));
}

#[test]
fn an_unknown_version_is_not_acceptable_and_an_absent_one_is_the_highest() {
    let mut site = Site::new();
    let token = site.login("author", "acme");
    let path = "/cloudapi/1.0.0/sessions/current";
    let refused = site.call(Ask::get(path).by(&token).version("40.0"));
    assert_eq!(refused.status(), 406);
    let (minor, message) = refused.problem();
    assert_eq!(minor, "NOT_ACCEPTABLE");
    assert!(
        message.contains("40.0") && message.contains("[37.0, 37.1, 37.2"),
        "{message}"
    );
    for (accept, version) in [
        (Some("*_/_*;version=37.2"), "37.2"),
        (Some("application/json"), "39.1"),
        (None, "39.1"),
    ] {
        let ask = Ask::get(path).by(&token);
        let ask = match accept {
            Some(accept) => ask.accept(accept),
            None => ask.without_accept(),
        };
        let answer = site.call(ask);
        let want = format!("application/json;version={version}");
        assert_eq!(
            (answer.status(), answer.header("content-type")),
            (200, Some(want.as_str()))
        );
    }
}

#[test]
fn the_request_id_keeps_what_a_clean_client_sends_and_errors_repeat_it() {
    let mut site = Site::new();
    let long = "a".repeat(200);
    for (sent, kept) in [
        (Some("17-2026-01-02-x"), "17-2026-01-02-x-"),
        (Some(long.as_str()), long.get(..128).unwrap()),
        (Some("no blanks"), ""),
        (None, ""),
    ] {
        let mut ask = Ask::get("/cloudapi/1.0.0/entityTypes");
        if let Some(sent) = sent {
            ask = ask.header("x-vmware-vcloud-client-request-id", sent);
        }
        let answer = site.call(ask);
        assert_eq!(answer.status(), 401);
        let id = answer
            .header("x-vmware-vcloud-request-id")
            .unwrap()
            .to_owned();
        assert!(id.starts_with(kept), "{id}");
        let uuid = kept.trim_end_matches('-').len() + usize::from(!kept.is_empty()) + 36;
        assert_eq!(id.len(), uuid, "{id}");
        assert!(answer.problem().1.starts_with(&format!("[ {id} ] ")));
    }
}

#[test]
fn the_product_version_is_for_the_provider_and_unknown_addresses_are_not_found() {
    let mut site = Site::new();
    let (admin, author) = (site.login("admin", "System"), site.login("author", "acme"));
    let product = site.call(Ask::get("/api/admin").by(&admin));
    assert!(
        product.text().contains("<Description>10.6.1."),
        "{}",
        product.text()
    );
    assert_eq!(site.call(Ask::get("/api/admin").by(&author)).status(), 403);
    assert_eq!(
        site.call(Ask::get("/cloudapi/1.0.0/nonsense").by(&author))
            .status(),
        404
    );
}
