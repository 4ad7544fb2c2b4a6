//! What is left out, that nothing else is, and that it comes back.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn secrets_are_known_by_their_place() {
    for key in [
        "refreshToken",
        "githubPersonalAccessToken",
        "PASSWORD",
        "client-key-data",
        "api_key",
        "kubeConfig",
    ] {
        assert!(is_secret_key(key), "{key}");
    }
    for key in [
        "secretRef",
        "tokenTTL",
        "name",
        "certificateAuthorities",
        "noProxy",
    ] {
        assert!(!is_secret_key(key), "{key}");
    }
    let value = json!({"a": {"token": "t0ken"}, "b": "http://u:pw@h:1/x", "c": ["x"], "passwords": [1], "d": {"secret": ""},
        "kind": "Secret", "data": {"anything": "YWJj"}, "stringData": {"n": 5}});
    let want = json!({"a": {"token": "******"}, "b": "http://u:******@h:1/x", "c": ["x"], "passwords": [1], "d": {"secret": ""},
        "kind": "Secret", "data": {"anything": "******"}, "stringData": {"n": "******"}});
    assert_eq!(masked(&value), want);
    assert_eq!(filled(&want, Some(&value)), Ok(value));
}

#[test]
fn lines_lose_their_secrets_only() {
    let rows = [
        ("token: abc\nx: y\n", "token: \"******\"\nx: y\n"),
        (
            "  \"password\": \"a b\", \"n\": 1\n",
            "  \"password\": \"******\", \"n\": 1\n",
        ),
        (
            "GET /x?access_token=abc&y=1 done",
            "GET /x?access_token=******&y=1 done",
        ),
        ("token: \"\"\nname: n", "token: \"\"\nname: n"),
        (
            "proxy http://me@h/ and https://u:p@h:1",
            "proxy http://******@h/ and https://u:******@h:1",
        ),
        (
            "a: 1\npassword: |\n  x\n\n  y\nb: 2\n",
            "a: 1\npassword: |\n  ******\nb: 2\n",
        ),
        (
            "k: -----BEGIN RSA PRIVATE KEY-----\nAA\n-----END RSA PRIVATE KEY-----\nb\n",
            "k: ******\nb\n",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n",
        ),
        ("secretRef:\n  name: x\n", "secretRef:\n  name: x\n"),
    ];
    for (text, want) in rows {
        assert_eq!(text::masked(text), want, "{text:?}");
        assert_eq!(text::masked(want), want, "a second time: {want:?}");
    }
}

const MANIFESTS_40: &str = "# made by hand\napiVersion: v1\nkind: Secret\nmetadata: {name: capi-user-credentials}\ntype: Opaque\n\
    stringData:\n  username: \"\"\n  refreshToken: \"abcdefgh12345678\"\n---\napiVersion: x/v1\nkind: Cluster\nmetadata: {name: oak}\n";

#[test]
fn manifests_keep_their_form_where_that_is_possible() {
    let content = json!({"capiYaml": MANIFESTS_40});
    let without = masked(&content);
    let text = without["capiYaml"].as_str().unwrap();
    assert!(
        !text.contains("abcdefgh12345678") && text.contains("kind: Cluster"),
        "{text}"
    );
    assert!(text.starts_with("# made by hand\n"), "{text}");
    assert_eq!(filled(&without, Some(&content)), Ok(content.clone()));

    // A short secret, in a form that no line shows.
    let flow = "{kind: Secret, metadata: {name: s}, data: {a: eA==, kind: eA==}}\n";
    let content = json!({"capiYaml": flow});
    let without = masked(&content);
    assert!(
        !without["capiYaml"].as_str().unwrap().contains("eA=="),
        "{without}"
    );
    assert_eq!(filled(&without, Some(&content)), Ok(content));

    let broken = json!({"capiYaml": "a: [\ntoken: abc"});
    assert_eq!(masked(&broken), json!({"capiYaml": PLACEHOLDER}));
}

#[test]
fn a_changed_request_gets_its_secrets_by_kind_and_name() {
    let backup = masked(&json!({"capiYaml": MANIFESTS_40}));
    let live = json!({"capiYaml": MANIFESTS_40.replace("oak", "elm")});
    let whole = filled(&backup, Some(&live)).unwrap();
    let text = whole["capiYaml"].as_str().unwrap();
    assert!(
        text.contains("abcdefgh12345678") && text.contains("oak"),
        "{text}"
    );
    let lost = json!({"capiYaml": "kind: Cluster\n"});
    let missing = filled(&backup, Some(&lost)).unwrap_err();
    assert_eq!(missing, [TreePath::parse("capiYaml").unwrap()]);
}

#[test]
fn a_placeholder_is_never_filled_with_somebody_elses_secret() {
    let live = json!({"profiles": [{"name": "a", "token": "one"}, {"name": "b", "token": "two"}]});
    let swapped =
        json!({"profiles": [{"name": "b", "token": "******"}, {"name": "a", "token": "******"}]});
    let whole = filled(&swapped, Some(&live)).unwrap();
    assert_eq!(whole["profiles"][0]["token"], "two");
    let renamed = json!({"profiles": [{"name": "c", "token": "******"}]});
    assert_eq!(filled(&renamed, Some(&live)).unwrap_err().len(), 1);
    let (empty, missing) = filled_or_empty(&renamed, Some(&live));
    assert_eq!(
        (empty["profiles"][0]["token"].as_str(), missing.len()),
        (Some(""), 1)
    );
    let host = json!({"p": "http://u:******@other:1"});
    assert!(filled(&host, Some(&json!({"p": "http://u:pw@host:1"}))).is_err());
}

proptest! {
    #[test]
    fn masking_twice_is_masking_once_and_what_is_masked_comes_back(
        text in "(token|name|a.password|x): ?['\"]?[a-z:/@ =&]{0,12}['\"]?\n?(http://[a-z:@]{0,8}/)?\n(  [a-z: |]{0,9}\n)?"
    ) {
        let value = json!({"x": text});
        let once = masked(&value);
        prop_assert_eq!(&masked(&once), &once);
        prop_assert_eq!(filled(&once, Some(&value)), Ok(value));
    }
}
