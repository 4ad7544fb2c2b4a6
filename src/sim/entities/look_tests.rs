//! What a look sees of a change, and what it does not.

use super::{OWNED, Parts};

const DOCUMENT: &str = r#"{"apiVersion":"v1","spec":{"capiYaml":"a: 1","vcdKe":{"isVCDKECluster":true,"autoRepairOnErrors":true},"other":1.0},"status":{"vcdKe":{"state":"x","strange":1},"capvcd":{"phase":"Ready","private":{"k":1},"errorSet":[1]},"cpi":{"name":"c"},"csi":{}}}"#;

fn parts(text: &str) -> Parts {
    Parts::of(text.as_bytes(), ["name", "type", ""])
}

#[test]
fn what_a_server_owns_is_in_no_part() {
    let before = parts(DOCUMENT);
    for key in OWNED {
        let added = format!(r#""vcdKe":{{"{key}":"new","state":"x","strange":1}}"#);
        let text = DOCUMENT.replace(r#""vcdKe":{"state":"x","strange":1}"#, &added);
        assert_ne!(text, DOCUMENT);
        assert_eq!(parts(&text), before, "{key}");
    }
    for (old, new) in [
        (
            r#","autoRepairOnErrors":true"#,
            r#","autoRepairOnErrors":false"#,
        ),
        (r#""errorSet":[1]"#, r#""errorSet":[1,2]"#),
    ] {
        let text = DOCUMENT.replace(old, new);
        assert_ne!(text, DOCUMENT);
        assert_eq!(parts(&text), before, "{new}");
    }
}

#[test]
fn every_other_byte_is_in_a_part_of_its_own() {
    let before = parts(DOCUMENT);
    // (old, new, parts that differ: YAML, spec, capvcd, kubeconfig, cpi, rest)
    let rows = [
        ("v1", "v2", [false, false, false, false, false, true]),
        ("a: 1", "a: 2", [true, false, false, false, false, false]),
        ("1.0", "1.00", [false, true, false, false, false, false]),
        (
            r#""isVCDKECluster":true"#,
            r#""isVCDKECluster":false"#,
            [false, true, false, false, false, false],
        ),
        (
            r#","other":1.0"#,
            "",
            [false, true, false, false, false, false],
        ),
        (
            r#""strange":1"#,
            r#""strange":2"#,
            [false, false, false, false, false, true],
        ),
        (
            r#""k":1"#,
            r#""k":2"#,
            [false, false, false, true, false, false],
        ),
        ("Ready", "Failed", [false, false, true, false, false, false]),
        (
            r#""name":"c""#,
            r#""name":"d""#,
            [false, false, false, false, true, false],
        ),
        (
            r#""csi":{}"#,
            r#""csi":{"a":1}"#,
            [false, false, false, false, false, true],
        ),
    ];
    for (old, new, differ) in rows {
        let text = DOCUMENT.replace(old, new);
        assert_ne!(text, DOCUMENT);
        let after = parts(&text);
        let found = [
            before.capi_yaml != after.capi_yaml,
            before.spec != after.spec,
            before.capvcd != after.capvcd,
            before.kubeconfig != after.kubeconfig,
            before.cpi != after.cpi,
            before.rest != after.rest,
        ];
        assert_eq!(found, differ, "{old} -> {new}");
    }
    assert_ne!(Parts::of(DOCUMENT.as_bytes(), ["new", "type", ""]), before);
}
