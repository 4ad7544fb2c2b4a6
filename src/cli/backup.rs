//! `cse-server backup` and `cse-server restore`: the entities as files, and back.
//!
//! Flow: login -> backup: entities -> directory; restore: directory -> checked -> compared with VCD -> shown, and
//! put back if that is asked for.
//!
//! Invariants:
//! - A restore without `--apply` writes nothing; without `--overwrite` it writes to nothing that is there.
//! - A backup of another site is refused unless the operator says that it is meant.
//!
//! Not here: what is put back and what never is (`backup::plan`).

use std::fmt::Write as _;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use url::Url;

use super::event_loop::finish;
use super::exit::{CONFIGURATION, Failure, NO_PERMISSION, SYSTEM, USAGE};
use super::reach::ReachArgs;
use super::show::put;
use crate::backup::BackupError;
use crate::backup::apply::{Restored, State, Wish, restore};
use crate::backup::plan::Orders;
use crate::backup::store::Backup;
use crate::backup::take::take;
use crate::clock::Clock;

/// Something is left to be done.
const LEFT: u8 = 1;

/// What `backup` takes.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// New directory for the backup; it must not exist, or be empty
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Write JSON instead of lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

/// What `restore` takes.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct RestoreArgs {
    /// Directory of the backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Carry the plan out; without it nothing is written
    #[arg(long)]
    apply: bool,
    /// Also write to entities that are there and differ
    #[arg(long)]
    overwrite: bool,
    /// With --overwrite: put back the whole status of clusters, not only what is missing of it
    #[arg(long, requires = "overwrite")]
    with_status: bool,
    /// Only the entity with this name or URN; may be repeated
    #[arg(long, value_name = "NAME|URN")]
    only: Vec<String>,
    /// The backup is of another site, and this is meant
    #[arg(long)]
    other_site: bool,
    /// Write JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

/// Runs `backup`.
pub(super) fn run_backup(args: &BackupArgs) -> Result<ExitCode, Failure> {
    wait_for(write_backup(args))
}

/// Runs `restore`.
pub(super) fn run_restore(args: &RestoreArgs) -> Result<ExitCode, Failure> {
    wait_for(compare_and_restore(args))
}

fn wait_for(
    work: impl Future<Output = Result<(String, u8), Failure>>,
) -> Result<ExitCode, Failure> {
    let (text, code) = finish(work)?;
    // Whoever closed the pipe has read enough.
    put(&text);
    Ok(ExitCode::from(code))
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn failed(error: &BackupError, site: &Url) -> Failure {
    match error {
        BackupError::Vcd(cause) => Failure::vcd(cause).at(site),
        BackupError::Io { .. } => Failure::new(SYSTEM, error),
        BackupError::Exists(_) => Failure::new(USAGE, error),
        BackupError::Unusable { .. } => Failure::new(CONFIGURATION, error),
    }
}

async fn write_backup(args: &BackupArgs) -> Result<(String, u8), Failure> {
    let (config, client) = args.reach.open().await?;
    let url = &config.vcd.url;
    let now = Clock::system().wall();
    let taken = take(&client, (&origin(url), now), &args.dir).await;
    let manifest = taken.map_err(|error| failed(&error, url))?;
    let (clusters, configurations) = (manifest.counts.clusters, manifest.counts.configurations);
    let code = if manifest.not_read.is_empty() {
        0
    } else {
        LEFT
    };
    if args.json {
        let document = json!({
            "directory": args.dir.display().to_string(), "taken_at": manifest.taken_at, "vcd_url": manifest.vcd_url,
            "clusters": clusters, "configurations": configurations, "not_read": manifest.not_read,
        });
        return Ok((format!("{document:#}\n"), code));
    }
    let mut text = format!(
        "{clusters} clusters and {configurations} configurations of {} are in {}; secrets are left out\n",
        manifest.vcd_url,
        args.dir.display()
    );
    for one in &manifest.not_read {
        writeln!(
            text,
            "not read, and not in the backup: {} ({})",
            one.id, one.reason
        )
        .unwrap_or_default();
    }
    if configurations == 0 {
        text.push_str("warning: no configuration is visible; give the service account the role \"CSE Admin Role\"\n");
    }
    Ok((text, code))
}

async fn compare_and_restore(args: &RestoreArgs) -> Result<(String, u8), Failure> {
    let config = args.reach.load()?;
    let url = config.vcd.url;
    // A backup that is of no use needs no login.
    let backup = Backup::read(&args.dir).map_err(|error| failed(&error, &url))?;
    let here = origin(&url);
    if backup.manifest.vcd_url != here && !args.other_site {
        let what = format!(
            "{} is a backup of {:?}, not of {here}; if this site was made from that one, add --other-site",
            args.dir.display(),
            backup.manifest.vcd_url
        );
        return Err(Failure::told(USAGE, &what));
    }
    let (_, client) = args.reach.open().await?;
    let wish = Wish {
        apply: args.apply,
        orders: Orders {
            overwrite: args.overwrite,
            with_status: args.with_status,
        },
        only: args.only.clone(),
    };
    let result = restore(&client, &backup, &wish).await;
    let result = result.map_err(|error| Failure::vcd(&error).at(&url))?;
    if let Some(name) = args.only.iter().find(|name| {
        !result
            .iter()
            .any(|one| one.id == **name || one.name == **name)
    }) {
        return Err(Failure::told(
            USAGE,
            &format!("{name:?} is neither in the backup nor in VCD; give a name or URN"),
        ));
    }
    // Eyes that see nothing would call every cluster gone.
    if !backup.entities.is_empty() && result.iter().all(|one| one.state == State::Gone) {
        let what = "VCD shows none of the entities of the backup; give the service account the role \"CSE Admin Role\", or check vcd.url";
        return Err(Failure::told(NO_PERMISSION, what));
    }
    let left = result.iter().filter(|one| one.state.is_left()).count();
    let text = if args.json {
        let document = json!({
            "backup": {"taken_at": backup.manifest.taken_at, "vcd_url": backup.manifest.vcd_url},
            "applied": args.apply, "left": left, "entities": result,
        });
        format!("{document:#}\n")
    } else {
        table(&backup, &result, args)
    };
    Ok((text, if left == 0 { 0 } else { LEFT }))
}

fn table(backup: &Backup, result: &[Restored], args: &RestoreArgs) -> String {
    let manifest = &backup.manifest;
    let mut text = format!(
        "backup of {} taken at {}\n",
        clean(&manifest.vcd_url),
        clean(&manifest.taken_at)
    );
    let same = result.iter().filter(|one| one.state == State::Same).count();
    for one in result.iter().filter(|one| one.state != State::Same) {
        let org = if one.org.is_empty() {
            String::new()
        } else {
            format!(" of {}", clean(&one.org))
        };
        writeln!(
            text,
            "{:<14}  {}{org}  {}",
            one.state.word(),
            clean(&one.name),
            one.id
        )
        .unwrap_or_default();
        if !one.places.is_empty() {
            writeln!(text, "    differs: {}", clean(&one.places.join(", "))).unwrap_or_default();
        }
        for note in &one.notes {
            writeln!(text, "    {}", clean(note)).unwrap_or_default();
        }
    }
    writeln!(
        text,
        "{same} of {} entities are as in the backup",
        result.len()
    )
    .unwrap_or_default();
    if result.iter().any(|one| one.state == State::Kept) {
        text.push_str(
            "kept: they are there and differ; --overwrite puts back what the backup has\n",
        );
    }
    if !args.apply
        && result
            .iter()
            .any(|one| matches!(one.state, State::WouldRestore | State::WouldRecreate))
    {
        text.push_str("nothing was written; --apply carries this plan out\n");
    }
    text
}

/// Names come from tenants.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
