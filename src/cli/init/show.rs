//! A plan as an operator and as a program read it.
//!
//! Invariants:
//! - Nothing from VCD reaches a terminal with control characters in it.

use std::fmt::Write;

use serde_json::{Value, json};
use url::Url;

use crate::setup::{Line, Mark, Plan};

/// What is left to people.
pub(super) const AFTERWARDS: &str = "\
everything is set up

What is left to do:
  1. Create a user in the provider's organization (System) with the role \"CSE Admin Role\", log in as that \
user, create an API token (User preferences, API tokens) and put it into the file that the replicas read.
  2. Assign the sizing policies \"TKG ...\" to the VDCs in which clusters are created, and see that their edge \
gateways have load balancing.
  3. Give tenants' users the role \"Kubernetes Cluster Author\".
  4. Run `cse-server check` on each machine of a replica, then start it.
";

/// The plan as text.
pub(super) fn plan(plan: &Plan, site: &Url) -> String {
    let width = |of: fn(&Line) -> usize| plan.lines.iter().map(of).max().unwrap_or_default();
    let (marks, kinds) = (
        width(|line| line.mark.word().len()),
        width(|line| line.kind.len()),
    );
    let mut text = format!("VCD at {}\n\n", site.origin().ascii_serialization());
    for line in &plan.lines {
        let (mark, kind) = (line.mark.word(), line.kind);
        let name = printable(&line.name);
        // Writing to a String cannot fail.
        writeln!(text, "  {mark:marks$}  {kind:kinds$}  {name}").unwrap_or_default();
        for detail in &line.details {
            let detail = printable(detail);
            writeln!(text, "  {:marks$}  {:kinds$}    {detail}", "", "").unwrap_or_default();
        }
    }
    text.push('\n');
    text.push_str(&summary(plan));
    text
}

fn summary(plan: &Plan) -> String {
    let count = |mark: Mark| plan.lines.iter().filter(|line| line.mark == mark).count();
    if plan.is_done() {
        return "nothing to do\n".to_owned();
    }
    let counts = [
        Mark::Create,
        Mark::Change,
        Mark::Leave,
        Mark::Refuse,
        Mark::Present,
    ];
    let counts = counts.into_iter().map(|mark| (mark, count(mark)));
    let counts = counts.filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(mark, count)| match mark {
            Mark::Present => format!("{count} as they should be"),
            Mark::Create | Mark::Change | Mark::Leave | Mark::Refuse => {
                format!("{count} to {}", mark.word())
            }
        })
        .collect();
    format!("{}\n", counts.join(", "))
}

/// The plan as JSON; `outcome` is one of `nothing_to_do`, `planned`, `refused`, `done`, `not_seen_yet`.
pub(super) fn json(plan: &Plan, outcome: &str) -> String {
    let item = |line: &Line| json!({"state": line.mark.word(), "kind": line.kind, "name": line.name, "details": line.details});
    let items: Vec<Value> = plan.lines.iter().map(item).collect();
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(crate::setup::Step::describe)
        .collect();
    let document = json!({"outcome": outcome, "items": items, "steps": steps});
    format!("{document:#}\n")
}

/// Without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
