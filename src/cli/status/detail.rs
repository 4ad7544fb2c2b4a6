//! One cluster in detail.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::look::ToldBy;
use super::tables::attempt;
use crate::domain::edit::RunningCluster;
use crate::views::Outlook;
use crate::views::cluster::{ClusterSeen, Holder};
use crate::views::fleet::Row;
use crate::views::pulse::Sign;
use crate::views::situation::{Running, Situation};
use crate::views::timeline::{Entry, Kind, read};
use crate::views::words::{ago, printable, sentence, span, utc, utc_minute};

/// Newest events that are shown.
const EVENTS: usize = 8;
/// Longest text, in characters.
const MOST_CHARS: usize = 400;
/// Longest name, in characters.
const MOST_NAME: usize = 63;

/// The nodes of a pool.
#[derive(Clone, Debug, Serialize)]
struct PoolTold {
    name: String,
    desired: u32,
    available: u32,
}

/// Everything that is told of one cluster.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Detail {
    at: Timestamp,
    clock: ToldBy,
    cluster: Row,
    vdc: String,
    owner: String,
    type_version: String,
    entity_state: String,
    release: String,
    auto_repair: bool,
    marked_for_delete: bool,
    force_delete: bool,
    /// When the claim was last written, by its writer's clock.
    renewed: Option<Timestamp>,
    /// Whether the claim changed between two looks; absent after one.
    seen_renewing: Option<bool>,
    /// What a running cluster is at, in words; may be empty.
    under_way: String,
    kubernetes: Option<String>,
    endpoint: Option<String>,
    pools: Vec<PoolTold>,
    errors: Vec<Entry>,
    events: Vec<Entry>,
    #[serde(skip)]
    sign: Sign,
    #[serde(skip)]
    pub(super) essence: String,
}

impl Detail {
    pub(super) fn of(seen: &ClusterSeen, (outlook, clock): (&Outlook, ToldBy), sign: Sign) -> Self {
        let running = Running::read(seen, outlook);
        let situation = Situation::of(seen, Some(&running));
        let mut row = Row::of(seen, outlook);
        row.situation = situation;
        row.attention = situation.attention(seen, outlook);
        row.since = situation.since(seen);
        let entries: Vec<Entry> = read(&seen.content).iter().map(harmless).collect();
        let (errors, mut events): (Vec<Entry>, Vec<Entry>) = entries
            .into_iter()
            .partition(|entry| entry.kind == Kind::Error);
        events.drain(..events.len().saturating_sub(EVENTS));
        let report = running.report.as_ref();
        let text = |of: fn(&RunningCluster) -> Option<&String>| {
            report.and_then(of).map(|text| printable(text, MOST_NAME))
        };
        let mut detail = Self {
            at: outlook.now,
            clock,
            vdc: printable(&seen.vdc, MOST_NAME),
            owner: printable(&seen.owner, MOST_NAME),
            type_version: printable(&seen.type_version, 20),
            entity_state: printable(&seen.entity_state, 20),
            release: printable(&seen.release, 20),
            auto_repair: seen.flags.auto_repair,
            marked_for_delete: seen.flags.mark_for_delete,
            force_delete: seen.flags.force_delete,
            renewed: seen.renewed,
            seen_renewing: match sign {
                Sign::Renewed(_) => Some(true),
                Sign::Same(_) => Some(false),
                Sign::Unknown => None,
            },
            under_way: printable(&running.under_way, MOST_CHARS),
            kubernetes: text(|report| report.version.as_ref()),
            endpoint: text(|report| report.endpoint.as_ref()),
            pools: pools(report),
            errors,
            events,
            sign,
            essence: String::new(),
            cluster: row,
        };
        detail.essence = format!(
            "{:?}",
            Self {
                at: Timestamp::UNIX_EPOCH,
                renewed: None,
                seen_renewing: None,
                sign: Sign::Unknown,
                ..detail.clone()
            }
        );
        detail
    }
}

fn pools(report: Option<&RunningCluster>) -> Vec<PoolTold> {
    let pools = report.into_iter().flat_map(|report| &report.pools);
    let told = |pool: &crate::domain::edit::RunningPool| PoolTold {
        name: printable(&pool.name, MOST_NAME),
        desired: pool.desired,
        available: pool.available,
    };
    pools.map(told).collect()
}

/// The entry as it may be shown.
pub(in crate::cli) fn harmless(entry: &Entry) -> Entry {
    Entry {
        name: printable(&entry.name, MOST_NAME),
        detail: printable(&entry.detail, 2_000),
        resource_id: printable(&entry.resource_id, 120),
        about: printable(&entry.about, MOST_NAME),
        ..*entry
    }
}

/// For people.
pub(super) fn text(told: &Detail) -> String {
    let row = &told.cluster;
    let mut text = format!("{} ({})\n", row.name, row.id);
    for (title, value) in facts(told) {
        if !value.is_empty() {
            // Writing to a String cannot fail.
            writeln!(text, "  {title:<13} {value}").unwrap_or_default();
        }
    }
    if !told.errors.is_empty() {
        text.push_str("\nERRORS\n");
        for error in &told.errors {
            let when = error
                .at
                .map_or_else(|| "no date".to_owned(), |at| ago(told.at, at));
            let detail = sentence(&printable(&error.detail, MOST_CHARS));
            let about = if error.about.is_empty() {
                String::new()
            } else {
                format!(", {}", error.about)
            };
            let (source, name) = (error.source.word(), &error.name);
            writeln!(text, "  - {name} ({source}, {when}{about}): {detail}").unwrap_or_default();
        }
    }
    if !told.events.is_empty() {
        text.push_str("\nNEWEST EVENTS (UTC)\n");
        for event in &told.events {
            let at = event
                .at
                .map_or_else(|| "no date            ".to_owned(), utc);
            let told = [event.about.as_str(), event.detail.as_str()];
            let told: Vec<&str> = told.into_iter().filter(|text| !text.is_empty()).collect();
            let told = printable(&told.join(": "), 160);
            let (source, name) = (event.source.word(), &event.name);
            writeln!(text, "  {at}  {source:<6}  {name}  {told}").unwrap_or_default();
        }
    }
    let (name, clock) = (&row.name, told.clock.words());
    write!(
        text,
        "\nAges by {clock}. What it waits for and what to do: cse-server explain {name}\n"
    )
    .unwrap_or_default();
    text
}

fn facts(told: &Detail) -> [(&'static str, String); 13] {
    let row = &told.cluster;
    let or = |text: &Option<String>| text.clone().unwrap_or_default();
    let yes = |is: bool| if is { "on" } else { "off" };
    let since = row.since.map_or_else(String::new, |at| {
        format!(", since {} ({})", utc_minute(at), ago(told.at, at))
    });
    let deletion = match (told.marked_for_delete, told.force_delete) {
        (true, true) => "asked for, forced",
        (true, false) => "asked for",
        (false, _) => "",
    };
    let attempt = attempt(row);
    let pools = told.pools.iter();
    let pools = pools.map(|pool| format!("{} {}/{}", pool.name, pool.available, pool.desired));
    [
        (
            "organization",
            format!("{}, VDC {}, owner {}", row.org, told.vdc, told.owner),
        ),
        (
            "situation",
            format!("{} ({}){since}", row.situation.word(), row.attention.word()),
        ),
        (
            "state",
            format!(
                "{} (entity {}, type {})",
                row.state.word(),
                told.entity_state,
                told.type_version
            ),
        ),
        ("phase", row.phase.clone()),
        ("attempt", attempt),
        ("held by", holder(told)),
        ("under way", told.under_way.clone()),
        ("kubernetes", or(&told.kubernetes)),
        ("API address", or(&told.endpoint)),
        ("nodes ready", pools.collect::<Vec<_>>().join(", ")),
        ("release", told.release.clone()),
        ("auto-repair", yes(told.auto_repair).to_owned()),
        ("deletion", deletion.to_owned()),
    ]
}

fn holder(told: &Detail) -> String {
    let name = match &told.cluster.holder {
        None => return "nobody".to_owned(),
        Some(Holder::Replica { name, process }) => format!("replica {name} (process {process})"),
        Some(Holder::Original { name }) => format!("original server {name}"),
    };
    let renewed = told.renewed.map_or_else(
        || "no readable time of renewal".to_owned(),
        |at| format!("renewed {} by its own clock", ago(told.at, at)),
    );
    let sign = match told.sign {
        Sign::Renewed(_) => "; seen to renew: it lives",
        Sign::Same(same) => {
            return format!(
                "{name}, {renewed}; not renewed in {} between two looks",
                span(same)
            );
        }
        Sign::Unknown => "",
    };
    format!("{name}, {renewed}{sign}")
}
