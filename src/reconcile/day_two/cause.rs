//! Why an operation gets nowhere: the most specific thing that anybody says about it.
//!
//! Errors in the sections of a cluster's components are current until their writer removes them; the
//! newest of the most specific kind is the answer. Who cannot write any more says nothing, and that
//! is an answer too.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Ages, clip};

/// Longest text of a component that is repeated, in characters.
const MOST_CHARS: usize = 300;
/// After so long without a word the controllers are taken to be silent: they write every ten minutes.
const SILENT: Duration = Duration::from_mins(25);

/// An error of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    who: &'static str,
    name: String,
    text: String,
    /// Higher is more specific.
    weight: u8,
}

/// Section of `status`, and who writes it, in words.
const COMPONENTS: [(&str, &str); 4] = [
    ("csi", "the storage driver (CSI)"),
    ("cpi", "the cloud provider (CPI)"),
    ("projector", "the agent inside the cluster"),
    ("capvcd", "CAPVCD"),
];

/// All errors of the cluster's components, oldest first within each.
pub(super) fn complaints(content: &Map<String, Value>) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (section, who) in COMPONENTS {
        let set = content
            .get("status")
            .and_then(|at| at.get(section))
            .and_then(|at| at.get("errorSet"))
            .and_then(Value::as_array);
        for entry in set.into_iter().flatten().take(100) {
            let name = entry.get("name").and_then(Value::as_str);
            let Some(name) = name.filter(|name| !name.is_empty()) else {
                continue;
            };
            let details = entry.get("additionalDetails");
            let text = ["Detailed Error", "error"]
                .iter()
                .find_map(|key| details.and_then(|at| at.get(*key)).and_then(Value::as_str));
            found.push(Complaint {
                who,
                weight: weight(section, name),
                name: clip(name, MOST_CHARS),
                text: clip(text.unwrap_or_default(), MOST_CHARS),
            });
        }
    }
    found
}

/// A machine that cannot be made says more than a cluster that is not ready.
fn weight(section: &str, name: &str) -> u8 {
    match (section, name) {
        ("projector", _) => 6,
        ("capvcd", "LoadBalancerPending") => 0,
        ("capvcd", "RdeError" | "CAPVCDObjectPatchError") => 2,
        ("capvcd", name) if name.starts_with("VcdMachine") || name.starts_with("VCDMachine") => 5,
        ("capvcd", _) => 4,
        ("cpi", _) => 3,
        _ => 1,
    }
}

/// One sentence for the tenant, with what to do.
pub(super) fn most_specific(complaints: &[Complaint], unapplied: bool, ages: &Ages<'_>) -> String {
    if let Some(why) = ages.token_refused {
        let why = clip(why, MOST_CHARS);
        return format!(
            "VCD refuses the API token of the cluster's author ({why}): nothing inside the cluster can work \
             with VCD. Create a new token and put it into the cluster."
        );
    }
    let mut worst: Option<&Complaint> = None;
    for complaint in complaints.iter().filter(|one| one.weight > 0) {
        if worst.is_none_or(|worst| complaint.weight >= worst.weight) {
            worst = Some(complaint);
        }
    }
    if let Some(Complaint {
        who, name, text, ..
    }) = worst
    {
        return if text.is_empty() {
            format!("{} reports {name}.", capital(who))
        } else {
            format!("{} reports {name}: {text}", capital(who))
        };
    }
    if ages.silent_for >= SILENT {
        let minutes = ages.silent_for.as_secs() / 60;
        return format!(
            "Its controllers have written nothing for {minutes} minutes: check that the control plane runs, \
             that its nodes reach the VCD endpoint, and that the API token inside the cluster is valid."
        );
    }
    if unapplied {
        return "The agent inside the cluster has not applied the request and reports no error: check that it \
                runs and that its API token is valid."
            .to_owned();
    }
    "No component reports an error: look at the machines of the cluster in its VDC and at its Machine objects."
        .to_owned()
}

fn capital(text: &str) -> String {
    text.replacen("the ", "The ", 1)
}
