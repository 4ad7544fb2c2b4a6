//! No error is written that nobody explains: the source is read for the names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Where names of errors are decided.
const PLACES: [&str; 4] = ["src/domain", "src/reconcile", "src/controller", "src/agent"];

fn files() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = PLACES.iter().map(|place| top.join(place)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// Texts in quotes that look like the name of an error: two humps at least.
fn names_in(text: &str) -> Vec<&str> {
    let is_name = |text: &&str| {
        let mut pairs = text.as_bytes().windows(2);
        text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(|b| b.is_ascii_alphanumeric())
            && pairs.any(|pair| {
                matches!(pair, [small, large] if small.is_ascii_lowercase() && large.is_ascii_uppercase())
            })
    };
    text.split('"').skip(1).step_by(2).filter(is_name).collect()
}

/// Names of errors in a file: what its functions `name` and `code` answer, its lists `NAMES`, what stands in a
/// `mod error`, and what is written into `errors` by its name.
fn errors_of(text: &str) -> BTreeSet<String> {
    let production = text.split("mod tests {").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    let openings = [
        ("fn name(", "\n    }\n"),
        ("fn code(", "\n    }\n"),
        ("const NAMES", "];"),
        ("mod error {", "\n}\n"),
        ("errors: vec![", "\n"),
        ("const STUCK", "\n"),
        ("const ROLLBACK_DETECTED", "\n"),
    ];
    for (opening, closing) in openings {
        for part in production.split(opening).skip(1) {
            let body = part.split(closing).next().unwrap_or_default();
            found.extend(names_in(body).into_iter().map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_error_that_is_written_has_a_remedy() {
    let mut names = BTreeSet::new();
    for file in files() {
        names.extend(errors_of(&fs::read_to_string(file).unwrap()));
    }
    names.extend(Phase::ALL.map(|phase| phase.error().to_owned()));
    for known in [
        "VdcNotFound",
        "DeletionRolledBack",
        "ApplyConflict",
        "YamlUnreadable",
        "ClusterChangeStuck",
    ] {
        assert!(
            names.contains(known),
            "{known} was not found: the search is broken"
        );
    }
    assert!(
        names.len() > 100,
        "only {} names: the search is broken",
        names.len()
    );
    let unexplained: Vec<&String> = names
        .iter()
        .filter(|name| remedy(Source::Server, name, false).is_none())
        .collect();
    assert_eq!(
        unexplained,
        Vec::<&String>::new(),
        "errors without a remedy"
    );
}

/// Source: the tables of events and errors of CAPVCD, CPI and CSI.
#[test]
fn every_known_error_of_a_component_has_a_remedy() {
    let names = "RdeError LoadBalancerPending LoadBalancerError VCDClusterVAppCreationError \
        VCDClusterVAppDeleteError VCDClusterError VcdMachineScriptGenerationError VcdMachineCreationError \
        VcdMachineScriptExecutionError VcdMachineDeletionError VCDMachineError CAPVCDObjectPatchError \
        CreateLoadbalancerError UpdateLoadbalancerError DeleteLoadbalancerError GetLoadbalancerError \
        CPIStatusUpgradeRdeError RemoveVirtualIPFromRdeError AddVirtualIPToRdeError RdeUpgradeError \
        RdeIncorrectFormatError DiskQueryError DiskCreateError DiskDeleteError DiskAttachError DiskDetachError";
    for name in names.split_whitespace() {
        assert!(remedy(Source::Capvcd, name, false).is_some(), "{name}");
    }
    assert_eq!(remedy(Source::Capvcd, "NobodyKnowsIt", false), None);
}

#[test]
fn the_servers_own_words_are_told_and_the_situation_counts() {
    let of = |name, deleting| remedy(Source::Server, name, deleting).unwrap();
    assert_eq!(
        of("AttemptsUsedUp", false).how,
        hint_for("AttemptsUsedUp").unwrap()
    );
    assert!(
        of("ApiTokenRefused", false)
            .how
            .contains("create a new token")
    );
    assert!(
        of("ApiTokenRefused", true)
            .how
            .contains("goes on by itself")
    );
    let edit = remedy(Source::Agent, "NoWorkerLeft", false).unwrap();
    assert_eq!((edit.who, edit.how), (Who::Tenant, EDIT));
}

#[test]
fn no_name_is_explained_twice() {
    for table in [SERVER, AGENT, COMPONENTS] {
        let names: Vec<&str> = table
            .iter()
            .flat_map(|(names, ..)| names.iter().copied())
            .collect();
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(distinct.len(), names.len());
    }
}
