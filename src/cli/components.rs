//! `cse-server components`: which versions clusters run against what the configuration says.
//!
//! Flow: file -> client -> shared configuration -> one cluster, or the whole fleet page by page -> a
//! table or JSON on standard output.
//!
//! Invariants:
//! - Reads only, with the service account; no tenant's token is used.
//! - Names of clusters are not unique: with several of one name nothing is guessed.
//!
//! Not here: what differs and what to do about it (`domain::components`).

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::event_loop::finish;
use super::exit::Failure;
use super::find;
use super::reach::ReachArgs;
use super::show::put;
use crate::controller::poll::cluster_query;
use crate::controller::settings::read_settings;
use crate::domain::cluster::ClusterFlags;
use crate::domain::components::{Part, PartVersion, Standing, versions};
use crate::domain::server_config::ServerConfig;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::EntityDocument;
use crate::vcd::transport::Transport;

/// Marks a version that is not the wanted one.
const MARK: char = '*';

/// What the command takes.
#[derive(Debug, Args)]
pub(super) struct ComponentsArgs {
    /// Name or URN of the cluster
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    cluster: Option<String>,
    /// Show every cluster that runs something else than configured
    #[arg(long)]
    all: bool,
    /// Write JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

/// One cluster and its versions.
struct Shown {
    id: String,
    name: String,
    org: String,
    parts: Vec<PartVersion>,
}

impl Shown {
    fn of(document: &EntityDocument, config: &ServerConfig) -> Self {
        let org = document.org.as_ref();
        Self {
            id: document.id.to_string(),
            name: document.name.clone(),
            org: org.map(|org| org.name.clone()).unwrap_or_default(),
            parts: versions(&document.entity, config),
        }
    }

    fn is_as_configured(&self) -> bool {
        let is_fine =
            |one: &PartVersion| matches!(one.standing, Standing::Same | Standing::NotConfigured);
        self.parts.iter().all(is_fine)
    }

    fn json(&self) -> Value {
        let part = |one: &PartVersion| {
            json!({
                "component": one.part.name(), "running": one.running, "wanted": one.wanted,
                "standing": one.standing.as_str(), "advice": one.advice,
            })
        };
        let parts: Vec<Value> = self.parts.iter().map(part).collect();
        json!({"id": self.id, "name": self.name, "org": self.org, "components": parts})
    }
}

/// Runs the command.
pub(super) fn run(args: &ComponentsArgs) -> Result<ExitCode, Failure> {
    let text = finish(report(args))?;
    // Whoever closed the pipe has read enough.
    put(&text);
    Ok(ExitCode::SUCCESS)
}

async fn report(args: &ComponentsArgs) -> Result<String, Failure> {
    let (file, client) = args.reach.open().await?;
    let settings = read_settings(&client).await;
    let settings = settings.map_err(|error| Failure::settings(&error).at(&file.vcd.url))?;
    let failed = |error: VcdError| Failure::vcd(&error).at(&file.vcd.url);
    let Some(asked) = &args.cluster else {
        let (shown, total) = fleet(&client, &settings.server).await.map_err(failed)?;
        return Ok(if args.json {
            lines(
                &json!({"clusters": shown.iter().map(Shown::json).collect::<Vec<_>>(), "total": total}),
            )
        } else {
            fleet_table(&shown, total)
        });
    };
    let document = find::cluster(&client, asked).await;
    let document = document.map_err(|failure| failure.about(&file.vcd.url))?;
    let shown = Shown::of(&document, &settings.server);
    Ok(if args.json {
        lines(&shown.json())
    } else {
        cluster_table(&shown)
    })
}

/// The clusters that run something else than configured, and how many there are in all.
async fn fleet<T: Transport>(
    client: &VcdClient<T>,
    config: &ServerConfig,
) -> Result<(Vec<Shown>, usize), VcdError> {
    let (mut shown, mut total) = (Vec::new(), 0);
    let query = cluster_query(None);
    let take = |document: EntityDocument| {
        if !ClusterFlags::read(&document.entity).is_vcdke {
            return;
        }
        total += 1;
        let cluster = Shown::of(&document, config);
        if !cluster.is_as_configured() {
            shown.push(cluster);
        }
    };
    client.each_entity(&query, take).await?;
    Ok((shown, total))
}

fn lines(value: &Value) -> String {
    format!("{value:#}\n")
}

fn or_dash(text: Option<&String>) -> &str {
    text.map_or("-", String::as_str)
}

fn cluster_table(shown: &Shown) -> String {
    let mut rows = vec![["COMPONENT", "RUNNING", "WANTED", "", ""].map(str::to_owned)];
    rows.extend(shown.parts.iter().map(|one| {
        [
            one.part.name(),
            or_dash(one.running.as_ref()),
            or_dash(one.wanted.as_ref()),
            one.standing.as_str(),
            one.advice,
        ]
        .map(str::to_owned)
    }));
    format!(
        "{} ({}, organization {})\n{}",
        shown.name,
        shown.id,
        shown.org,
        aligned(&rows)
    )
}

fn fleet_table(shown: &[Shown], total: usize) -> String {
    let summary = format!(
        "{} of {total} clusters run something else than configured\n",
        shown.len()
    );
    if shown.is_empty() {
        return summary;
    }
    let head = ["CLUSTER", "ORGANIZATION"].map(str::to_owned).into_iter();
    let head = head.chain(Part::ALL.map(|part| part.name().to_uppercase()));
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    rows.extend(shown.iter().map(|cluster| {
        let version = |one: &PartVersion| {
            let running = or_dash(one.running.as_ref());
            match one.standing {
                Standing::Same | Standing::NotConfigured => running.to_owned(),
                Standing::Older | Standing::Newer | Standing::Different | Standing::NotReported => {
                    format!("{running}{MARK}")
                }
            }
        };
        let names = [cluster.name.clone(), cluster.org.clone()].into_iter();
        names.chain(cluster.parts.iter().map(version)).collect()
    }));
    format!(
        "{}{summary}{MARK} differs: cse-server components CLUSTER says what to do\n",
        aligned(&rows)
    )
}

/// Columns as wide as their widest cell.
fn aligned<R: AsRef<[String]>>(rows: &[R]) -> String {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &R| {
        let cells = row.as_ref().iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
