//! What is going on with a cluster, in prose: the state, how it came to it, what it waits for, what went
//! wrong, what may go wrong, and what to do.
//!
//! Flow: [`ClusterSeen`] and [`Outlook`] -> [`explain`] -> [`Explanation`], as JSON or through [`render`].
//!
//! Invariants:
//! - Pure: the same document and outlook have the same explanation.
//! - Every text of somebody else is bounded and harmless on a terminal.
//!
//! Not here: where a cluster stands (`situation`), what to do about one error (`remedy`).

mod headline;
mod risks;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
mod todo;
mod waits;

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::Outlook;
use super::cluster::{ClusterSeen, Holder};
use super::remedy::{Who, of_phase, remedy};
use super::situation::{Attention, Running, Situation};
use super::story::{Story, tell};
use super::timeline::{Entry, Source};
use super::words::{ago, printable, sentence, utc, utc_minute};
use crate::domain::phase::Phase;

/// Longest text of an error that is repeated, in characters.
const MOST_CHARS: usize = 900;
/// Longest name of something, in characters.
const MOST_NAME: usize = 80;
/// Most errors that are explained one by one.
const MOST_TROUBLES: usize = 20;

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Who acts next.
    pub who: String,
    /// What they do.
    pub what: String,
    /// By when at the latest, or at the earliest, as the sentence says.
    pub by: Option<Timestamp>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Name of the error.
    pub name: String,
    /// Who wrote it; absent when nobody has told it yet.
    pub source: Option<Source>,
    /// Since when.
    pub at: Option<Timestamp>,
    /// What it is about; may be empty.
    pub about: String,
    /// The text as written, harmless and bounded.
    pub text: String,
    /// Who can mend it.
    pub who: Option<Who>,
    /// What to do.
    pub remedy: String,
}

/// The whole explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Its name.
    pub name: String,
    /// Its URN.
    pub id: String,
    /// Its organization.
    pub org: String,
    /// Where it stands.
    pub situation: Situation,
    /// How much it wants attention.
    pub attention: Attention,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Who holds it.
    pub holder: Option<Holder>,
    /// Number of the present attempt; 0 before the first.
    pub attempt: u32,
    /// What is going on, in a sentence or two.
    pub headline: String,
    /// More about the present state.
    pub now: Vec<String>,
    /// What has happened.
    pub happened: Story,
    /// What it waits for.
    pub waits: Vec<Waiting>,
    /// What is wrong.
    pub wrong: Vec<Trouble>,
    /// What may go wrong.
    pub risks: Vec<String>,
    /// What a person should do, in this order; empty when nothing.
    pub todo: Vec<String>,
}

/// Everything the parts look at.
struct Case<'a> {
    seen: &'a ClusterSeen,
    running: Running,
    situation: Situation,
    outlook: &'a Outlook,
}

/// Explains a cluster.
pub fn explain(seen: &ClusterSeen, outlook: &Outlook) -> Explanation {
    let running = Running::read(seen, outlook);
    let situation = Situation::of(seen, Some(&running));
    let case = Case {
        seen,
        running,
        situation,
        outlook,
    };
    let wrong = case.wrong();
    Explanation {
        name: printable(&seen.name, MOST_NAME),
        id: seen.id.as_str().to_owned(),
        org: printable(&seen.org, MOST_NAME),
        situation,
        attention: situation.attention(seen, outlook),
        since: situation.since(seen),
        holder: seen.holder.as_ref().map(harmless),
        attempt: seen.document.incarnation,
        headline: case.headline(),
        now: case.now(),
        happened: tell(seen, outlook.now),
        waits: case.waits(),
        risks: case.risks(),
        todo: case.todo(&wrong),
        wrong,
    }
}

/// The holder with a name that may be shown.
pub fn harmless(holder: &Holder) -> Holder {
    match holder {
        Holder::Replica { name, process } => Holder::Replica {
            name: printable(name, MOST_NAME),
            process: printable(process, 8),
        },
        Holder::Original { name } => Holder::Original {
            name: printable(name, MOST_NAME),
        },
    }
}

impl Case<'_> {
    const fn is_deletion(&self) -> bool {
        matches!(
            self.situation,
            Situation::DeletionAsked | Situation::Deleting | Situation::DeletionBlocked
        )
    }

    /// What stands in the error sets, the servers' first, and what breaks a rule though nobody said so yet.
    fn wrong(&self) -> Vec<Trouble> {
        let told = self.seen.errors.iter().chain(&self.seen.complaints);
        let mut troubles: Vec<Trouble> = told.map(|entry| self.trouble(entry)).collect();
        for violation in &self.running.violations {
            let name = violation.name();
            if troubles.iter().any(|one| one.name == name) {
                continue;
            }
            let how = remedy(Source::Agent, name, false);
            troubles.push(Trouble {
                name: name.to_owned(),
                source: None,
                at: None,
                about: printable(violation.pool().unwrap_or_default(), MOST_NAME),
                text: printable(&sentence(&violation.to_string()), MOST_CHARS),
                who: how.map(|remedy| remedy.who),
                remedy: how.map_or_else(String::new, |remedy| sentence(remedy.how)),
            });
        }
        troubles.truncate(MOST_TROUBLES);
        troubles
    }

    fn trouble(&self, entry: &Entry) -> Trouble {
        let found = remedy(entry.source, &entry.name, self.is_deletion());
        let mut how = match &found {
            // The text of the server says it already.
            Some(remedy) if entry.detail.contains(remedy.how) => String::new(),
            Some(remedy) => sentence(remedy.how),
            None => {
                "No error of this name is known here: the text, and who wrote it, are all there is."
                    .to_owned()
            }
        };
        if let Some(phase) = failed_phase(entry) {
            if !how.is_empty() {
                how.push(' ');
            }
            how.push_str(&sentence(of_phase(phase)));
        }
        Trouble {
            name: printable(&entry.name, MOST_NAME),
            source: Some(entry.source),
            at: entry.at,
            about: printable(&entry.about, MOST_NAME),
            text: printable(&entry.detail, MOST_CHARS),
            who: found.map(|remedy| remedy.who),
            remedy: how,
        }
    }
}

/// The phase that an error of a bootstrap is about.
fn failed_phase(entry: &Entry) -> Option<Phase> {
    let is_phase = entry.name.starts_with("BootstrapPhase") || entry.name == "BootstrapVmSilent";
    let name = entry.detail.split("phase \"").nth(1)?.split('"').next()?;
    Phase::parse(name).filter(|_| is_phase && entry.source == Source::Server)
}

/// The explanation as text of several paragraphs; `now` is the time by which ages are told.
pub fn render(told: &Explanation, now: Timestamp) -> String {
    let mut text = format!(
        "{} ({}, organization {})\n\n{}\n",
        told.name, told.id, told.org, told.headline
    );
    let mut section = |title: &str, lines: &[String]| {
        if !lines.is_empty() {
            // Writing to a String cannot fail.
            write!(text, "\n{title}\n").unwrap_or_default();
            for line in lines {
                writeln!(text, "  - {line}").unwrap_or_default();
            }
        }
    };
    section("NOW", &told.now);
    section("WHAT HAPPENED (UTC)", &happened(&told.happened));
    let waits: Vec<String> = told.waits.iter().map(waiting).collect();
    section("WHAT IT WAITS FOR", &waits);
    let wrong: Vec<String> = told.wrong.iter().map(|one| trouble(one, now)).collect();
    section("WHAT WENT WRONG", &wrong);
    section("RISKS", &told.risks);
    section("WHAT TO DO", &told.todo);
    text
}

fn happened(story: &Story) -> Vec<String> {
    let mut lines = Vec::new();
    if story.left_out > 0 {
        lines.push(format!(
            "{} earlier steps are left out: cse-server events shows them",
            story.left_out
        ));
    }
    lines.extend(story.steps.iter().map(|step| match step.at {
        Some(at) => format!("{}  {}", utc(at), step.text),
        None => format!("(no date)            {}", step.text),
    }));
    lines
}

fn waiting(waiting: &Waiting) -> String {
    let by = waiting
        .by
        .map_or_else(String::new, |by| format!(" ({})", utc_minute(by)));
    sentence(&format!("{}: {}{by}", waiting.who, waiting.what))
}

fn trouble(trouble: &Trouble, now: Timestamp) -> String {
    let told = match (trouble.source, trouble.at) {
        (Some(source), Some(at)) => format!("{}, {}", source.word(), ago(now, at)),
        (Some(source), None) => source.word().to_owned(),
        (None, _) => "seen here; no server has told it yet".to_owned(),
    };
    let about = if trouble.about.is_empty() {
        String::new()
    } else {
        format!(", about {}", trouble.about)
    };
    let mut text = format!(
        "{} ({told}{about}): {}",
        trouble.name,
        sentence(&trouble.text)
    );
    let who = trouble.who.map_or("whoever wrote it", Who::in_words);
    if !trouble.remedy.is_empty() {
        write!(text, "\n    To do, {who}: {}", trouble.remedy).unwrap_or_default();
    }
    text
}
