//! Whether the demo kept its promises, and the summary it ends with.
//!
//! Flow: everything that was found out -> [`judge`] -> the reasons why it failed, the first cause first.
//!
//! Invariants:
//! - Silence is no success: a run without clusters, or without a killed replica, fails.

use std::collections::BTreeMap;
use std::time::Duration;

/// Effects that a cluster needs exactly once, whoever creates it and whatever dies meanwhile.
const ONCE: [&str; 3] = ["vapp.composed", "vm.created", "vm.powered_on"];
/// Kinds of requests in the summary.
const REQUESTS_SHOWN: usize = 12;

/// How the demo ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why it did not go as promised, the first cause first; empty: it did.
    pub failures: Vec<String>,
}

impl Verdict {
    /// Whether every promise was kept.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty()
    }
}

/// A cluster at the end.
#[derive(Clone, Debug)]
pub(super) struct FinalCluster {
    pub(super) urn: String,
    pub(super) name: String,
    pub(super) state: String,
    /// The state it should be in.
    pub(super) wanted: &'static str,
}

/// Everything the verdict rests on.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// How many clusters were asked for.
    pub(super) asked: usize,
    pub(super) clusters: Vec<FinalCluster>,
    /// What tenants asked for later, and whether it came true.
    pub(super) wishes: Vec<(String, bool)>,
    /// Names of bootstrap vApps and VMs that are still there, and of whatever else no cluster accounts for.
    pub(super) leftovers: Vec<String>,
    /// (effect, subject) -> count, as the site counted them.
    pub(super) effects: BTreeMap<(String, String), u32>,
    /// ERROR records of replicas, `<replica>: <text>`.
    pub(super) errors: Vec<String>,
    /// Replicas that ended although nobody killed them, or did not end when asked to.
    pub(super) bad_exits: Vec<String>,
    /// Replicas that were killed in the middle of their work.
    pub(super) kills: usize,
    pub(super) takeovers: usize,
    pub(super) interrupted: bool,
    pub(super) wall: Duration,
}

/// The verdict.
pub(super) fn judge(findings: &Findings) -> Verdict {
    if findings.interrupted {
        // What is unfinished then says nothing about the replicas.
        let failures = vec!["interrupted before everything was done".to_owned()];
        return Verdict { failures };
    }
    let mut failures = findings.bad_exits.clone();
    failures.extend(
        findings
            .errors
            .iter()
            .map(|error| format!("ERROR in the log of {error}")),
    );
    if findings.asked == 0 || findings.clusters.len() != findings.asked {
        let (there, asked) = (findings.clusters.len(), findings.asked);
        failures.push(format!(
            "{there} clusters are there, {asked} were asked for"
        ));
    }
    for cluster in findings
        .clusters
        .iter()
        .filter(|cluster| cluster.state != cluster.wanted)
    {
        failures.push(format!("cluster {} is {}", cluster.name, cluster.state));
    }
    if findings.wishes.is_empty() {
        failures.push("no tenant came to ask for a change".to_owned());
    }
    let unfulfilled = findings.wishes.iter().filter(|(_, fulfilled)| !fulfilled);
    failures.extend(unfulfilled.map(|(text, _)| format!("not done: {text}")));
    if findings.kills == 0 {
        failures
            .push("no replica was caught and killed while it was creating a cluster".to_owned());
    }
    for cluster in &findings.clusters {
        failures.extend(
            ONCE.iter()
                .filter_map(|effect| repeated(findings, cluster, effect)),
        );
    }
    failures.extend(
        findings
            .leftovers
            .iter()
            .map(|name| format!("left over: {name}")),
    );
    Verdict { failures }
}

/// Says so if `effect` happened not exactly once for the bootstrap of `cluster`. The subject of an effect is
/// the marker `rde=<urn>;e=<epoch>;i=<incarnation>`: every epoch and incarnation counts.
fn repeated(findings: &Findings, cluster: &FinalCluster, effect: &str) -> Option<String> {
    let marker = format!("rde={};", cluster.urn);
    let times: u32 = findings
        .effects
        .iter()
        .filter(|((name, subject), _)| name == effect && subject.starts_with(&marker))
        .map(|(_, count)| count)
        .sum();
    (times != 1).then(|| {
        format!(
            "{effect} happened {times} times for cluster {}",
            cluster.name
        )
    })
}

/// The text that the demo ends with.
pub(super) fn summary(findings: &Findings, verdict: &Verdict) -> String {
    let count = |done: fn(&FinalCluster) -> bool| {
        let clusters = findings.clusters.iter();
        clusters.filter(|one| done(one)).count()
    };
    let as_wanted = count(|one| one.state == one.wanted);
    let fulfilled = findings.wishes.iter().filter(|(_, done)| *done).count();
    let requests: Vec<(&str, u32)> = findings
        .effects
        .iter()
        .filter(|((effect, _), _)| effect == "request")
        .map(|((_, kind), count)| (kind.as_str(), *count))
        .collect();
    let total: u32 = requests.iter().map(|(_, count)| count).sum();
    let once = verdict
        .failures
        .iter()
        .filter(|failure| failure.contains(" times for "))
        .count();
    let line = |name: &str, value: String| format!("  {name:<28}{value}\n");
    let lines = [
        line(
            "clusters as wanted",
            format!("{as_wanted} of {}", findings.asked),
        ),
        line(
            "changes done",
            format!("{fulfilled} of {}", findings.wishes.len()),
        ),
        line("replicas killed", findings.kills.to_string()),
        line("clusters taken over", findings.takeovers.to_string()),
        line("effects missing or repeated", once.to_string()),
        line("objects left over", findings.leftovers.len().to_string()),
        line("ERROR records", findings.errors.len().to_string()),
        line("requests to VCD", total.to_string()),
        line("time", format!("{:.1} s", findings.wall.as_secs_f64())),
    ];
    lines.concat() + &busiest(requests) + &ending(verdict)
}

fn busiest(mut requests: Vec<(&str, u32)>) -> String {
    requests.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
    let rest: u32 = requests
        .iter()
        .skip(REQUESTS_SHOWN)
        .map(|(_, count)| count)
        .sum();
    let shown = requests.into_iter().take(REQUESTS_SHOWN);
    let lines = shown.chain((rest > 0).then_some(("others", rest)));
    let lines = lines.map(|(kind, count)| format!("  {count:>8}  {kind}\n"));
    lines.collect::<Vec<String>>().concat()
}

fn ending(verdict: &Verdict) -> String {
    match verdict.failures.split_first() {
        None => "\nAll promises kept.\n".to_owned(),
        Some((first, rest)) => {
            let more = rest.iter().map(|failure| format!("  also: {failure}\n"));
            format!("\nFAILED: {first}\n{}", more.collect::<String>())
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests {
    use super::*;

    fn good() -> Findings {
        let marker = "rde=urn:1;e=1;i=1".to_owned();
        let mut effects: BTreeMap<_, _> = ONCE
            .iter()
            .map(|effect| (((*effect).to_owned(), marker.clone()), 1))
            .collect();
        effects.insert(("vm.created".to_owned(), "node-1".to_owned()), 7);
        effects.insert(
            (
                "request".to_owned(),
                "GET /cloudapi/1.0.0/entities".to_owned(),
            ),
            40,
        );
        Findings {
            asked: 1,
            clusters: vec![FinalCluster {
                urn: "urn:1".to_owned(),
                name: "blue".to_owned(),
                state: "provisioned".to_owned(),
                wanted: "provisioned",
            }],
            wishes: vec![("resize blue".to_owned(), true)],
            effects,
            kills: 1,
            takeovers: 1,
            ..Findings::default()
        }
    }

    #[test]
    fn a_run_that_keeps_every_promise_is_good() {
        let findings = good();
        let verdict = judge(&findings);
        assert!(verdict.is_good(), "{verdict:?}");
        let text = summary(&findings, &verdict);
        assert!(
            text.contains("1 of 1") && text.contains("All promises kept"),
            "{text}"
        );
        assert!(
            text.contains("      40  GET /cloudapi/1.0.0/entities"),
            "{text}"
        );
    }

    type Break = fn(&mut Findings);

    #[test]
    fn each_change_that_was_not_made_is_named() {
        let rows: [(Break, &str); 3] = [
            (
                |f| f.clusters[0].wanted = "deleted",
                "cluster blue is provisioned",
            ),
            (|f| f.wishes[0].1 = false, "not done: resize blue"),
            (|f| f.wishes.clear(), "no tenant came"),
        ];
        for (damage, want) in rows {
            assert_named(damage, want);
        }
    }

    #[test]
    fn each_broken_promise_is_named() {
        let rows: [(Break, &str); 11] = [
            (|f| f.interrupted = true, "interrupted"),
            (
                |f| f.bad_exits.push("replica-1 ended".to_owned()),
                "replica-1 ended",
            ),
            (
                |f| f.errors.push("replica-1: bad".to_owned()),
                "ERROR in the log of replica-1: bad",
            ),
            (|f| f.asked = 2, "1 clusters are there, 2 were asked for"),
            (
                |f| f.clusters[0].state = "error".to_owned(),
                "cluster blue is error",
            ),
            (|f| f.kills = 0, "no replica was caught"),
            (
                |f| f.leftovers.push("blue_ephemeral_vapp".to_owned()),
                "left over: blue_eph",
            ),
            (
                |f| *f.effects.values_mut().next_back().unwrap() = 2,
                "vm.powered_on happened 2",
            ),
            (
                |f| f.effects.clear(),
                "vapp.composed happened 0 times for cluster blue",
            ),
            (
                |f| {
                    let again = ("vm.created".to_owned(), "rde=urn:1;e=2;i=2".to_owned());
                    f.effects.insert(again, 1);
                },
                "vm.created happened 2 times for cluster blue",
            ),
            (
                |f| {
                    f.asked = 0;
                    f.clusters.clear();
                },
                "0 clusters are there, 0 were asked for",
            ),
        ];
        for (damage, want) in rows {
            assert_named(damage, want);
        }
    }

    /// The damage is the first thing that verdict and summary speak of.
    fn assert_named(damage: Break, want: &str) {
        let mut findings = good();
        damage(&mut findings);
        let verdict = judge(&findings);
        let first = verdict
            .failures
            .first()
            .map(String::as_str)
            .unwrap_or_default();
        assert!(first.contains(want), "{want}: {verdict:?}");
        let text = summary(&findings, &verdict);
        assert!(text.contains(&format!("FAILED: {first}")), "{text}");
    }

    #[test]
    fn the_summary_shows_the_busiest_requests_and_sums_up_the_rest() {
        let mut findings = good();
        for n in 1..=20_u32 {
            findings
                .effects
                .insert(("request".to_owned(), format!("GET /{n:02}")), n);
        }
        let text = summary(&findings, &judge(&findings));
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("GET /")).collect();
        assert_eq!(lines.len(), REQUESTS_SHOWN);
        assert!(lines[1].ends_with("20  GET /20"), "{text}");
        assert!(text.contains("45  others"), "{text}");
    }
}
