//! A cluster that runs, as its holder looks at it and writes about it.
//!
//! Flow: `poll` and `claim` ask [`wants_look`]; `observe` calls [`observe_running`]; `record` turns a
//! report into an edit, which [`apply`] puts into the document just read.
//!
//! Invariants:
//! - Following an operation costs its heartbeats and nothing else: they bring the document along.
//! - The tenant's token is used twice at most: to look for the templates of an upgrade, and to find
//!   out whether it is still good when an operation gets nowhere. It is dropped at once.
//! - New limits of a health check are put into the YAML as it stands at the moment of the write: an
//!   edit of a client in between is kept.
//!
//! Not here: what is decided (`reconcile::day_two`).

use jiff::Timestamp;
use serde_json::Value;
use tracing::{info, warn};
use twox_hash::XxHash3_64;

use super::Deps;
use super::claim::Held;
use super::document::{self, Content, Edit};
use super::tenant::{NoTenant, Tenant, sign_in};
use crate::clock::Moment;
use crate::domain::server_config::NodeHealthCheck;
use crate::domain::status::{ClusterState, EventEntry};
use crate::reconcile::day_two::{Facts, Look, Note, Report, RunningSeen, is_ours, rewritten};
use crate::telemetry::{chain, event};
use crate::vcd::error::VcdError;
use crate::vcd::transport::Transport;

/// Tries to look into the tenant's side before a holder gives up doing so.
const MAX_TRIES: u32 = 3;

/// What a holder remembers of a running cluster; losing it lengthens waits.
#[derive(Debug, Default)]
pub(super) struct Follow {
    situation: Option<(String, Moment)>,
    /// Hash of what the controllers wrote, and since when it is the same.
    words: Option<(u64, Moment)>,
    reported: Option<Moment>,
    templates: Option<Vec<String>>,
    token_refused: Option<String>,
    token_tried: bool,
    tries: u32,
}

/// What is written about a running cluster besides its events.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunningEdit {
    /// All errors about running clusters there shall be.
    errors: Option<Vec<EventEntry>>,
    /// New limits for its health check.
    health_check: Option<NodeHealthCheck>,
}

impl<T: Transport> Deps<T> {
    /// From where this replica looks at running clusters.
    pub(crate) fn look(&self) -> Look {
        Look {
            now: self.clock.wall(),
            health_check: self.server_config.limits_for_existing(),
        }
    }
}

/// Whether a provisioned cluster has something that a server has to follow or to tell.
pub(crate) fn wants_look(content: &Content, look: &Look) -> bool {
    document::state(content) == ClusterState::Provisioned
        && Facts::read(content, look).is_some_and(|facts| facts.need_work())
}

/// One look at a running cluster that this replica holds.
pub(super) async fn observe_running<T: Transport>(
    deps: &Deps<T>,
    held: &Held<T>,
    follow: &mut Follow,
) -> RunningSeen {
    let now = deps.clock.now();
    let content = &held.document().entity;
    let facts = Facts::read(content, &deps.look());
    let situation = facts.as_ref().map(Facts::situation).unwrap_or_default();
    let stalled_for = age(&mut follow.situation, situation, now);
    let silent_for = age(&mut follow.words, words(content), now);
    let reported = *follow.reported.get_or_insert(now);
    if let Some(facts) = &facts {
        look_for_templates(deps, held, (facts, follow)).await;
        if stalled_for >= deps.policy.change_deadline {
            try_token(deps, held, follow).await;
        }
    }
    RunningSeen {
        facts,
        stalled_for,
        since_report: now.since(reported),
        silent_for,
        missing_templates: follow.templates.clone(),
        token_refused: follow.token_refused.clone(),
    }
}

impl Follow {
    /// Something was written about the cluster: the next progress can wait.
    pub(super) fn has_told(&mut self) {
        self.reported = None;
    }
}

/// How long `value` has been the same as seen here.
fn age<V: PartialEq>(
    known: &mut Option<(V, Moment)>,
    value: V,
    now: Moment,
) -> std::time::Duration {
    match known {
        Some((before, since)) if *before == value => now.since(*since),
        _ => {
            *known = Some((value, now));
            std::time::Duration::ZERO
        }
    }
}

/// A hash of everything the cluster's own controllers write.
fn words(content: &Content) -> u64 {
    let mut text = String::new();
    for section in ["capvcd", "cpi", "csi", "projector"] {
        let section = content.get("status").and_then(|at| at.get(section));
        text.push_str(&section.map(Value::to_string).unwrap_or_default());
    }
    XxHash3_64::oneshot(text.as_bytes())
}

/// Looks once whether the templates of an upgrade exist, before its nodes fail one by one.
async fn look_for_templates<T: Transport>(
    deps: &Deps<T>,
    held: &Held<T>,
    (facts, follow): (&Facts, &mut Follow),
) {
    let awaited = facts.awaited_templates();
    if awaited.is_empty() || follow.templates.is_some() || follow.tries >= MAX_TRIES {
        return;
    }
    follow.tries += 1;
    let Ok(tenant) = sign_in(deps, held.document()).await else {
        return;
    };
    let mut missing = Vec::new();
    for (_, machine) in awaited {
        match is_there(&tenant, (&machine.catalog, &machine.template)).await {
            Ok(true) => {}
            Ok(false) => missing.push(machine.template.clone()),
            Err(_) => return,
        }
    }
    follow.templates = Some(missing);
}

async fn is_there<T: Transport>(
    tenant: &Tenant<T>,
    (catalog, template): (&str, &str),
) -> Result<bool, VcdError> {
    let found = tenant.client.find_templates(catalog, template).await?;
    Ok(!found.is_empty())
}

/// Finds out once whether the author's token is still good; a cell that has just started refuses good
/// ones too, so one refusal proves nothing.
async fn try_token<T: Transport>(deps: &Deps<T>, held: &Held<T>, follow: &mut Follow) {
    if std::mem::replace(&mut follow.token_tried, true) {
        return;
    }
    for _ in 0..MAX_TRIES {
        match sign_in(deps, held.document()).await {
            Err(NoTenant::Refused(error)) => {
                follow.token_refused = Some(chain(&error).to_string());
            }
            Ok(_) | Err(NoTenant::Blocked(_) | NoTenant::Failed(_) | NoTenant::Unshown(_)) => {
                follow.token_refused = None;
                return;
            }
        }
        deps.clock.sleep(deps.policy.task_poll).await;
    }
}

/// The write that carries out a report.
pub(super) fn edit_for_report(report: &Report, at: Timestamp) -> Edit {
    let entries = |notes: &[Note]| notes.iter().map(|note| entry(note, at)).collect();
    Edit {
        events: entries(&report.events),
        running: Some(RunningEdit {
            errors: report.errors.as_deref().map(entries),
            health_check: report.health_check,
        }),
        ..Edit::default()
    }
}

fn entry(note: &Note, at: Timestamp) -> EventEntry {
    EventEntry {
        name: note.name,
        at,
        detail: note.detail.clone(),
        resource: Some((String::new(), note.about.clone())),
    }
}

/// Puts errors and limits into the document just read; an error that stands keeps its date.
pub(super) fn apply(content: &mut Content, edit: &RunningEdit) {
    if let Some(wanted) = &edit.errors {
        let section = document::object(document::object(content, "status"), "vcdKe");
        let mut fresh = wanted.clone();
        if let Some(Value::Array(entries)) = section.get_mut("errorSet") {
            entries.retain(|entry| keep(entry, &mut fresh));
        }
        document::append(section, "errorSet", &fresh, "Detailed Error");
    }
    if let Some(limits) = &edit.health_check {
        let spec = document::object(content, "spec");
        let yaml = spec.get("capiYaml").and_then(Value::as_str);
        if let Some(text) = yaml.and_then(|yaml| rewritten(yaml, limits)) {
            spec.insert("capiYaml".to_owned(), Value::String(text));
        }
    }
}

/// Whether an entry of the set stays; then it need not be added.
fn keep(entry: &Value, fresh: &mut Vec<EventEntry>) -> bool {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text(entry.get("name"));
    if !is_ours(&name) {
        return true;
    }
    let details = entry.get("additionalDetails");
    let detail = text(details.and_then(|at| at.get("Detailed Error")));
    let about = text(entry.get("vcdResourceName"));
    let known = fresh.iter().position(|one| {
        let same_subject = one.resource.as_ref().is_none_or(|(_, name)| *name == about);
        one.name == name && one.detail == detail && same_subject
    });
    known.map(|at| fresh.remove(at)).is_some()
}

/// One line per thing told; what a person must act on is a warning.
pub(super) fn log_report(report: &Report) {
    for note in &report.events {
        info!(
            event = event::STATUS_RECORDED,
            told = note.name,
            about = note.about,
            detail = note.detail,
            "told about a running cluster"
        );
    }
    for note in report.errors.iter().flatten() {
        warn!(
            event = event::CLUSTER_BLOCKED,
            reason = note.name,
            about = note.about,
            detail = note.detail,
            "an edit of a running cluster is not carried out"
        );
    }
}
