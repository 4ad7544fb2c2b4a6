//! Where each writer leaves the number of its newest update in a document.
//!
//! Invariants:
//! - A writer's places are in its own fields, where nobody else has anything to write.
//! - A mark is text, as that survives whatever reads and writes documents.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::wild::Kind;

/// The manifests: text that two writers share, each with an annotation of its own.
const MANIFESTS: &str = "/spec/capiYaml";
/// An annotation that every cluster has.
const ANNOTATION: &str = "TKGVERSION:";
/// Where the projector's progress is, which a migration of the type leaves out.
pub(super) const PROGRESS: &str = "/status/projector/lastSeen";
/// What is forgotten with an attempt to create the cluster.
pub(super) const FORGOTTEN: [&str; 2] = [
    "/status/capvcd/createdByVersion",
    "/status/cpi/virtualIPs/0",
];

/// Who writes where.
pub(super) const PLACES: [(Kind, &str); 10] = [
    (Kind::Portal, MANIFESTS),
    (Kind::Capvcd, FORGOTTEN[0]),
    (Kind::Cpi, FORGOTTEN[1]),
    (Kind::Cpi, "/status/virtualIPs/0"),
    (Kind::Csi, "/status/csi/persistentVolumes/0"),
    (Kind::Csi, "/status/persistentVolumes/0"),
    (Kind::Projector, "/spec/projector/lastSeen"),
    (Kind::Projector, PROGRESS),
    (Kind::Upgrade, "/metadata/upgraded"),
    (Kind::Terraform, MANIFESTS),
];

/// What stands in each place.
pub(super) type Marks = [Option<u64>; PLACES.len()];

/// All marks of a document.
pub(super) fn read(content: &Value) -> Marks {
    PLACES.map(|(kind, path)| {
        let text = content.pointer(path)?.as_str()?;
        let (_, rest) = text.split_once(&tag(kind))?;
        digits(rest).parse().ok()
    })
}

/// Puts the number into all places of a writer; false where the document has no place for it yet.
pub(super) fn put(content: &mut Value, kind: Kind, number: u64) -> bool {
    let places = PLACES.iter().filter(|(whose, _)| *whose == kind);
    let mut there = true;
    for (_, path) in places {
        if *path == MANIFESTS {
            let yaml = content.pointer(path).and_then(Value::as_str);
            let marked = yaml.and_then(|yaml| annotated(yaml, kind, number));
            there &= marked.is_some();
            if let (Some(marked), Some(place)) = (marked, content.pointer_mut(path)) {
                *place = json!(marked);
            }
        } else {
            let parts: Vec<&str> = path.split('/').skip(1).collect();
            let text = json!(format!("{}{number}", tag(kind)));
            there &= set(content, &parts, text);
        }
    }
    there
}

fn tag(kind: Kind) -> String {
    format!("{}+w", kind.name())
}

fn digits(text: &str) -> &str {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    parts.next().unwrap_or_default()
}

/// The manifests with the writer's annotation, which stands beside another one.
fn annotated(yaml: &str, kind: Kind, number: u64) -> Option<String> {
    let (name, tag) = (kind.name(), tag(kind));
    if let Some((before, after)) = yaml.split_once(&tag) {
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        return Some(format!("{before}{tag}{number}{after}"));
    }
    let mut marked = String::new();
    let mut done = false;
    for line in yaml.split_inclusive('\n') {
        if !done && let Some((indent, _)) = line.split_once(ANNOTATION) {
            done = true;
            writeln!(marked, "{indent}{name}: {tag}{number}").unwrap();
        }
        marked.push_str(line);
    }
    done.then_some(marked)
}

/// Sets what is at the path; a section that is not there is made, but for the outermost.
fn set(content: &mut Value, path: &[&str], value: Value) -> bool {
    let Some(mut at) = content.get_mut(path[0]).filter(|at| at.is_object()) else {
        return false;
    };
    for (n, part) in path.iter().enumerate().skip(1) {
        if *part == "0" {
            *at = json!([value]);
            return true;
        }
        let Some(section) = at.as_object_mut() else {
            return false;
        };
        let empty = || Value::Object(Map::new());
        at = section.entry((*part).to_owned()).or_insert_with(empty);
        if n == path.len() - 1 {
            *at = value;
            return true;
        }
    }
    false
}
