//! The fixed structure into which a typed client reads an entity, and from which it writes it back.
//!
//! Invariants:
//! - What the structure does not know is gone after a rewrite; so are empty texts, `false`, 0 and empty
//!   lists. Sections stay, even when they are empty; dates stay in any case.
//! - A value of the wrong type, or a date that is none, fails the whole read.
//!
//! Source: go-vcloud-director, the cluster type of CSE 4.1 and 4.2; decoding and encoding as Go does it.

use serde_json::{Map, Value, json};

use Type::{Date, Flag, List, Number, Object, Pointer, Text};

type Fields = &'static [(&'static str, Type)];

#[derive(Clone, Copy)]
enum Type {
    Text,
    Flag,
    Number,
    Date,
    Object(Fields),
    /// A section that is left out when it was not there: the secure ones.
    Pointer(Fields),
    List(&'static Type),
}

/// What Go writes for a date that is not there.
const NO_DATE: &str = "0001-01-01T00:00:00Z";

const fn entry(details: Fields) -> [(&'static str, Type); 5] {
    [
        ("name", Text),
        ("occurredAt", Date),
        ("vcdResourceId", Text),
        ("vcdResourceName", Text),
        ("additionalDetails", Object(details)),
    ]
}

const BY_DETAILED_EVENT: [(&str, Type); 5] = entry(&[("Detailed Event", Text)]);
const BY_DETAILED_ERROR: [(&str, Type); 5] = entry(&[("Detailed Error", Text)]);
const BY_DESCRIPTION: [(&str, Type); 5] = entry(&[("Detailed Description", Text)]);
const BY_EVENT: [(&str, Type); 5] = entry(&[("event", Text)]);
const ERRORS: Type = List(&Object(&BY_DETAILED_ERROR));
/// Events of CAPVCD are read without their texts.
const NAMES: Type = List(&Object(&[
    ("name", Text),
    ("occurredAt", Date),
    ("vcdResourceId", Text),
    ("vcdResourceName", Text),
]));
const CIDR_BLOCKS: Type = Object(&[("cidrBlocks", List(&Text))]);

const SPEC: Fields = &[
    (
        "vcdKe",
        Object(&[
            ("secure", Pointer(&[("apiToken", Text)])),
            ("isVCDKECluster", Flag),
            ("autoRepairOnErrors", Flag),
            (
                "defaultStorageClassOptions",
                Object(&[
                    ("filesystem", Text),
                    ("k8sStorageClassName", Text),
                    ("vcdStorageProfileName", Text),
                    ("useDeleteReclaimPolicy", Flag),
                ]),
            ),
        ]),
    ),
    ("capiYaml", Text),
];

const VCD_KE: Fields = &[
    ("state", Text),
    ("eventSet", List(&Object(&BY_DETAILED_EVENT))),
    ("errorSet", ERRORS),
    ("workerId", Text),
    ("vcdKeVersion", Text),
    (
        "vcdResourceSet",
        List(&Object(&[("id", Text), ("name", Text), ("type", Text)])),
    ),
    ("heartbeatString", Text),
    ("vcdKeInstanceId", Text),
    ("heartbeatTimestamp", Text),
    (
        "defaultStorageClass",
        Object(&[
            ("fileSystem", Text),
            ("k8sStorageClassName", Text),
            ("vcdStorageProfileName", Text),
            ("useDeleteReclaimPolicy", Flag),
        ]),
    ),
];

const CAPVCD: Fields = &[
    ("uid", Text),
    ("phase", Text),
    ("private", Pointer(&[("kubeConfig", Text)])),
    (
        "upgrade",
        Object(&[
            ("ready", Flag),
            (
                "current",
                Object(&[("tkgVersion", Text), ("kubernetesVersion", Text)]),
            ),
        ]),
    ),
    ("eventSet", NAMES),
    ("errorSet", ERRORS),
    (
        "nodePool",
        List(&Object(&[
            ("name", Text),
            ("diskSizeMb", Number),
            ("sizingPolicy", Text),
            ("storageProfile", Text),
            ("desiredReplicas", Number),
            ("availableReplicas", Number),
        ])),
    ),
    ("parentUid", Text),
    (
        "k8sNetwork",
        Object(&[("pods", CIDR_BLOCKS), ("services", CIDR_BLOCKS)]),
    ),
    ("kubernetes", Text),
    ("capvcdVersion", Text),
    (
        "vcdProperties",
        Object(&[
            ("site", Text),
            (
                "orgVdcs",
                List(&Object(&[
                    ("id", Text),
                    ("name", Text),
                    ("ovdcNetworkName", Text),
                ])),
            ),
            (
                "organizations",
                List(&Object(&[("id", Text), ("name", Text)])),
            ),
        ]),
    ),
    ("capiStatusYaml", Text),
    (
        "vcdResourceSet",
        List(&Object(&[
            ("id", Text),
            ("name", Text),
            ("type", Text),
            ("additionalDetails", Object(&[("virtualIP", Text)])),
        ])),
    ),
    (
        "clusterApiStatus",
        Object(&[
            ("phase", Text),
            (
                "apiEndpoints",
                List(&Object(&[("host", Text), ("port", Number)])),
            ),
        ]),
    ),
    ("createdByVersion", Text),
    (
        "clusterResourceSetBindings",
        List(&Object(&[
            ("kind", Text),
            ("name", Text),
            ("applied", Flag),
            ("lastAppliedTime", Text),
            ("clusterResourceSetName", Text),
        ])),
    ),
];

const fn component(events: Type) -> [(&'static str, Type); 4] {
    [
        ("name", Text),
        ("version", Text),
        ("eventSet", events),
        ("errorSet", ERRORS),
    ]
}

const CPI: [(&str, Type); 4] = component(List(&Object(&BY_DETAILED_EVENT)));
const CSI: [(&str, Type); 4] = component(List(&Object(&BY_DESCRIPTION)));
const PROJECTOR: [(&str, Type); 4] = component(List(&Object(&BY_EVENT)));

const ENTITY: Fields = &[
    ("kind", Text),
    ("spec", Object(SPEC)),
    (
        "status",
        Object(&[
            ("cpi", Object(&CPI)),
            ("csi", Object(&CSI)),
            ("vcdKe", Object(VCD_KE)),
            ("capvcd", Object(CAPVCD)),
            ("projector", Object(&PROJECTOR)),
        ]),
    ),
    (
        "metadata",
        Object(&[
            ("name", Text),
            ("site", Text),
            ("orgName", Text),
            ("virtualDataCenterName", Text),
        ]),
    ),
    ("apiVersion", Text),
];

/// What a typed client makes of an entity's content, and would write back.
///
/// # Errors
/// Where the content does not fit, and how.
pub(crate) fn rewritten(content: &Value) -> Result<Value, String> {
    section(content, ENTITY, "entity").map(Value::Object)
}

fn section(content: &Value, fields: Fields, path: &str) -> Result<Map<String, Value>, String> {
    let empty = Map::new();
    let found = if content.is_null() {
        &empty
    } else {
        let object = content.as_object();
        object.ok_or_else(|| format!("{path} is no object but {content}"))?
    };
    let mut written = Map::new();
    for (key, kind) in fields {
        let value = found.get(*key).or_else(|| {
            let same =
                |(name, value): (&String, _)| name.eq_ignore_ascii_case(key).then_some(value);
            found.iter().find_map(same)
        });
        let path = format!("{path}.{key}");
        if let Some(value) = decoded(value.unwrap_or(&Value::Null), *kind, &path)? {
            written.insert((*key).to_owned(), value);
        }
    }
    Ok(written)
}

/// The value as it is written back; `None` when it is left out.
fn decoded(value: &Value, kind: Type, path: &str) -> Result<Option<Value>, String> {
    let wrong = |wanted: &str| Err(format!("{path} is no {wanted} but {value}"));
    match kind {
        Object(fields) => section(value, fields, path).map(|found| Some(Value::Object(found))),
        Pointer(_) if value.is_null() => Ok(None),
        Pointer(fields) => section(value, fields, path).map(|found| Some(Value::Object(found))),
        Date if value.is_null() => Ok(Some(json!(NO_DATE))),
        Date => match value.as_str().and_then(date) {
            Some(text) => Ok(Some(json!(text))),
            None => wrong("date of RFC 3339"),
        },
        _ if value.is_null() => Ok(None),
        Text if value.is_string() => Ok((value != "").then(|| value.clone())),
        Text => wrong("text"),
        Flag if value.is_boolean() => Ok((value == true).then(|| value.clone())),
        Flag => wrong("flag"),
        Number if value.is_i64() || value.is_u64() => Ok((value != 0).then(|| value.clone())),
        Number => wrong("whole number"),
        List(kind) => {
            let Some(items) = value.as_array() else {
                return wrong("list");
            };
            let mut written = Vec::new();
            for (n, item) in items.iter().enumerate() {
                let item = decoded(item, *kind, &format!("{path}[{n}]"))?;
                written.push(item.unwrap_or_else(|| json!("")));
            }
            Ok((!written.is_empty()).then(|| Value::Array(written)))
        }
    }
}

/// The date as it is written back: without zeros at the end of the fraction.
fn date(text: &str) -> Option<String> {
    let strict = text.len() >= 20
        && text.as_bytes().get(10) == Some(&b'T')
        && text.is_ascii()
        && (text.ends_with('Z') || text.get(text.len() - 6..).is_some_and(is_offset));
    if !strict {
        return None;
    }
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(|at| at.to_string())
}

fn is_offset(text: &str) -> bool {
    matches!(text.as_bytes(), [b'+' | b'-', _, _, b':', _, _])
}

#[test]
fn a_rewrite_drops_what_the_structure_does_not_know_and_what_is_empty() {
    let content = json!({
        "kind": "CAPVCDCluster", "name": "kite7",
        "spec": {"yamlSet": [1], "vcdKe": {"isVCDKECluster": true, "markForDelete": true,
            "autoRepairOnErrors": false, "secure": {"apiToken": "t"},
            "defaultStorageClassOptions": {"fileSystem": "xfs", "useDeleteReclaimPolicy": false}}},
        "status": {"vcdKe": {"ours": 1, "eventSet": [{"name": "a", "occurredAt": "2026-03-01T09:00:00.500Z"}]},
            "capvcd": {"nodePool": [{"name": "blue", "desiredReplicas": 0, "nodeStatus": {"x": "y"}}]}},
    });
    let written = rewritten(&content).unwrap();
    let spec = &written["spec"]["vcdKe"];
    assert_eq!(
        *spec,
        json!({"secure": {"apiToken": "t"}, "isVCDKECluster": true,
            "defaultStorageClassOptions": {"filesystem": "xfs"}})
    );
    let status = &written["status"];
    assert_eq!(status["vcdKe"]["ours"], Value::Null);
    assert_eq!(
        status["vcdKe"]["eventSet"][0]["occurredAt"],
        "2026-03-01T09:00:00.5Z"
    );
    assert_eq!(status["vcdKe"]["defaultStorageClass"], json!({}));
    assert_eq!(status["capvcd"]["nodePool"], json!([{"name": "blue"}]));
    assert_eq!(status["capvcd"].get("private"), None);
    assert_eq!(written.get("name"), None);
}

#[test]
fn a_rewrite_fails_on_what_go_cannot_decode() {
    let with = |status: Value| rewritten(&json!({"status": status}));
    for (status, wanted) in [
        (json!({"vcdKe": {"eventSet": [{"occurredAt": ""}]}}), "date"),
        (
            json!({"cpi": {"errorSet": [{"occurredAt": "2026-03-01 09:00:00Z"}]}}),
            "date",
        ),
        (json!({"csi": {"errorSet": [{"occurredAt": 7}]}}), "date"),
        (json!({"vcdKe": {"heartbeatTimestamp": 7}}), "text"),
        (json!({"capvcd": {"upgrade": {"ready": "true"}}}), "flag"),
        (
            json!({"capvcd": {"nodePool": [{"desiredReplicas": 1.5}]}}),
            "whole number",
        ),
        (json!({"projector": []}), "object"),
    ] {
        let error = with(status.clone()).unwrap_err();
        assert!(error.contains(wanted), "{error} for {status}");
    }
}
