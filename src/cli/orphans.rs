//! `cse-server orphans`: what is left in an organization of clusters that no longer exist.
//!
//! Flow: arguments -> two logins -> `controller::orphans` -> a table or JSON, and an exit code.
//!
//! Invariants:
//! - Nothing is removed without `--delete`, and no volume without `--with-volumes`.
//! - Standard output holds the result alone; names from VCD are shown without control characters.
//!
//! Not here: what an orphan is (`reconcile::orphans`).

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::event_loop::finish;
use super::exit::{Failure, SYSTEM};
use super::replica::connect;
use crate::clock::Clock;
use crate::config::{self, DEFAULT_FILE, process_environment};
use crate::controller::orphans::{Eyes, OrphanCluster, Orphans};
use crate::reconcile::estate::EstateSeen;
use crate::reconcile::orphans::{Line, is_running, lines, plan};
use crate::reconcile::removal::{Obstacle, Removing, Volumes};
use crate::vcd::Login;
use crate::vcd::http::HttpTransport;

/// Why a cluster is left although `--delete` is given.
const RUNNING: &str = "machines of its cluster run: it may have been made after a backup from which VCD was restored; \
    switch them off, or add --with-running";

/// Exit code when orphans are left.
const LEFT: u8 = 1;

const EXIT_CODES: &str = "\
An orphan carries the mark of a cluster entity that does not exist. What only looks like one is shown \
apart and never removed; volumes stay unless --with-volumes is given, and clusters whose machines run \
unless --with-running is: after VCD was restored from a backup, a cluster made since has no entity.

Exit codes:
   0  no orphans are left; volumes that are kept do not count
   1  orphans are left
  64  the command line is wrong, or the token file cannot be used
  69  VCD cannot be reached, or the list of clusters is not complete: nothing was removed
  77  a token is refused, or a part of the organization could not be looked at
  78  the configuration is wrong";

/// Arguments of the `orphans` command.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXIT_CODES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct OrphansArgs {
    /// The replica's own file: its account sees which clusters exist
    #[arg(long, value_name = "FILE", env = "CSE_CONFIG", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// Organization to look through
    #[arg(long)]
    org: String,
    /// File with the API token of an administrator who may see and remove the organization's resources
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Organization of that administrator; `System` for a system administrator [default: that of --org]
    #[arg(long, value_name = "ORG")]
    token_org: Option<String>,
    /// Remove what is proven to be an orphan
    #[arg(long)]
    delete: bool,
    /// Remove volumes, too: their data is lost
    #[arg(long, requires = "delete")]
    with_volumes: bool,
    /// Remove clusters whose machines run, too
    #[arg(long, requires = "delete")]
    with_running: bool,
    /// Show what --delete would remove, and remove nothing
    #[arg(long, requires = "delete")]
    dry_run: bool,
    /// Write JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl OrphansArgs {
    fn volumes(&self) -> Volumes {
        if self.with_volumes {
            Volumes::Remove
        } else {
            Volumes::Keep
        }
    }
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It is an orphan.
    Found,
    /// `--delete` would remove it.
    WouldRemove,
    /// It is gone.
    Removed,
    /// It could not be removed.
    Left,
    /// A volume, which stays unless asked for.
    Kept,
    /// It is not proven to be anybody's, and stays.
    Unproven,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::WouldRemove => "would remove",
            Self::Removed => "removed",
            Self::Left => "left",
            Self::Kept => "kept",
            Self::Unproven => "unproven",
        }
    }

    /// Whether it makes the exit code 1.
    const fn is_left(self) -> bool {
        match self {
            Self::Found | Self::WouldRemove | Self::Left => true,
            Self::Removed | Self::Kept | Self::Unproven => false,
        }
    }
}

/// One object of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Object {
    state: State,
    /// URN of the entity that does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// The whole result.
#[derive(Clone, Debug, Serialize)]
struct Outcome {
    organization: String,
    /// Whether it is proven that the clusters do not exist.
    proven: bool,
    objects: Vec<Object>,
    /// What could not be looked at.
    gaps: Vec<String>,
}

/// Runs the command.
pub(super) fn run(args: &OrphansArgs) -> Result<ExitCode, Failure> {
    let outcome = finish(look_and_act(args))?;
    let written = if args.json {
        write_json(&outcome, &mut io::stdout().lock())
    } else {
        write_table(&outcome, args, &mut io::stdout().lock())
    };
    written.map_err(|error| Failure::new(SYSTEM, &error))?;
    if !outcome.gaps.is_empty() {
        return Err(Failure::incomplete(outcome.gaps.len()));
    }
    let left = outcome.objects.iter().any(|one| one.state.is_left());
    Ok(ExitCode::from(if left { LEFT } else { 0 }))
}

async fn look_and_act(args: &OrphansArgs) -> Result<Outcome, Failure> {
    let config = config::load(&args.config, &process_environment)?;
    let token = config::read_token(&args.token_file);
    let token = token.map_err(|refusal| Failure::administrator_token(&refusal))?;
    let service = connect(&config, None).await?;
    let administrator = service.for_tenant(Login {
        org: args.token_org.clone().unwrap_or_else(|| args.org.clone()),
        token,
    });
    let clock = Clock::scaled(config.simulation.time_scale);
    let at = |failure: Failure| failure.at(&config.vcd.url);
    let eyes = Eyes::on(service, administrator, &args.org, clock).await;
    let eyes = eyes.map_err(|error| at(Failure::orphans(&error)))?;
    let found = eyes.find().await;
    let found = found.map_err(|error| at(Failure::orphans(&error)))?;
    let mut objects = Vec::new();
    for cluster in &found.clusters {
        let treated = treat(args, (&eyes, &found), cluster).await;
        objects.extend(treated.map_err(at)?);
    }
    objects.extend(found.look_alikes.iter().map(|one| Object {
        state: State::Unproven,
        cluster: None,
        kind: one.kind,
        name: one.name.clone(),
        id: one.id.clone(),
        why: Some(one.why.clone()),
    }));
    let estates = found.clusters.iter().map(|cluster| &cluster.estate);
    let gaps: BTreeSet<String> = estates
        .flat_map(|estate| estate.gaps.iter().cloned())
        .chain(found.gaps)
        .collect();
    Ok(Outcome {
        organization: args.org.clone(),
        proven: found.proven,
        objects,
        gaps: gaps.into_iter().collect(),
    })
}

/// Lists, plans or removes one cluster's objects.
async fn treat(
    args: &OrphansArgs,
    (eyes, found): (&Eyes<HttpTransport>, &Orphans),
    cluster: &OrphanCluster,
) -> Result<Vec<Object>, Failure> {
    if !args.delete {
        let states = |line: &Line| (state_of(line, State::Found, Volumes::Keep), None);
        return Ok(objects(cluster, states));
    }
    if is_running(&cluster.estate) && !args.with_running {
        return Ok(objects(cluster, |line| {
            let state = state_of(line, State::Left, args.volumes());
            let why = (state == State::Left).then(|| RUNNING.to_owned());
            (state, why)
        }));
    }
    if args.dry_run {
        let (steps, left) = plan(cluster.estate.clone(), args.volumes());
        let subjects: BTreeSet<&str> = steps.iter().map(Removing::subject).collect();
        return Ok(objects(cluster, |line| {
            let planned = subjects.contains(line.id.as_str());
            let state = if planned {
                State::WouldRemove
            } else {
                State::Left
            };
            let state = state_of(line, state, args.volumes());
            (state, reason(state, line, &left))
        }));
    }
    let ending = eyes.remove(found, cluster, args.volumes()).await;
    let ending = ending.map_err(|error| Failure::orphans(&error))?;
    let Some(ending) = ending else {
        let why = "its cluster exists after all";
        return Ok(objects(cluster, |_| {
            (State::Unproven, Some(why.to_owned()))
        }));
    };
    let still: BTreeSet<String> = ids(&ending.estate);
    Ok(objects(cluster, |line| {
        if !still.contains(&line.id) {
            return (State::Removed, None);
        }
        let state = state_of(line, State::Left, args.volumes());
        (state, reason(state, line, &ending.left))
    }))
}

fn ids(estate: &EstateSeen) -> BTreeSet<String> {
    lines(estate).into_iter().map(|line| line.id).collect()
}

/// `otherwise`, unless nobody may or wants to remove it.
fn state_of(line: &Line, otherwise: State, volumes: Volumes) -> State {
    if !line.proven {
        State::Unproven
    } else if line.is_volume && volumes == Volumes::Keep {
        State::Kept
    } else {
        otherwise
    }
}

fn reason(state: State, line: &Line, left: &[Obstacle]) -> Option<String> {
    let about = |obstacle: &&Obstacle| {
        let resource = obstacle.resource();
        resource.is_none_or(|(id, _)| id == line.id)
    };
    let obstacle = left.iter().find(about).map(ToString::to_string);
    match state {
        State::Left => obstacle.or_else(|| Some("something in it or on it is left".to_owned())),
        State::Found | State::WouldRemove | State::Removed | State::Kept | State::Unproven => None,
    }
}

fn objects(
    cluster: &OrphanCluster,
    state: impl Fn(&Line) -> (State, Option<String>),
) -> Vec<Object> {
    let lines = lines(&cluster.estate).into_iter();
    let object = |line: Line| {
        let (state, why) = state(&line);
        Object {
            state,
            cluster: Some(cluster.entity.as_str().to_owned()),
            kind: line.kind,
            name: line.name,
            id: line.id,
            why: why.or_else(|| unproven(state)),
        }
    };
    lines.map(object).collect()
}

fn unproven(state: State) -> Option<String> {
    let why = "it has the cluster's name or mentions it, but carries no mark of it";
    (state == State::Unproven).then(|| why.to_owned())
}

fn write_json(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, outcome)?;
    writeln!(out)
}

fn write_table(outcome: &Outcome, args: &OrphansArgs, out: &mut impl Write) -> io::Result<()> {
    let org = &outcome.organization;
    let clusters: BTreeSet<&String> = outcome
        .objects
        .iter()
        .filter_map(|one| one.cluster.as_ref())
        .collect();
    match clusters.len() {
        0 => writeln!(out, "organization {org}: no orphans")?,
        count => writeln!(
            out,
            "organization {org}: clusters without an entity: {count}"
        )?,
    }
    for cluster in clusters {
        writeln!(out, "\n{cluster}")?;
        let own = |one: &&Object| one.cluster.as_ref() == Some(cluster);
        write_rows(outcome.objects.iter().filter(own), out)?;
    }
    let look_alikes = outcome.objects.iter().filter(|one| one.cluster.is_none());
    let look_alikes: Vec<&Object> = look_alikes.collect();
    if !look_alikes.is_empty() {
        writeln!(out, "\nnot proven to be anybody's, and left alone:")?;
        write_rows(look_alikes.into_iter(), out)?;
    }
    if !outcome.gaps.is_empty() {
        writeln!(out, "\ncould not be looked at:")?;
        for gap in &outcome.gaps {
            writeln!(out, "  {}", printable(gap))?;
        }
    }
    if !outcome.proven {
        let why =
            "the server's account sees no cluster at all, so that these may exist all the same";
        writeln!(out, "\n{why}; nothing is removed")?;
    }
    let left = outcome.objects.iter().any(|one| one.state.is_left());
    if left && !args.delete {
        writeln!(
            out,
            "\nnothing was removed; to remove what is found, add --delete"
        )?;
    }
    Ok(())
}

fn write_rows<'o>(
    rows: impl Iterator<Item = &'o Object> + Clone,
    out: &mut impl Write,
) -> io::Result<()> {
    let width = |of: fn(&Object) -> usize| rows.clone().map(of).max().unwrap_or_default();
    let states = width(|one| one.state.word().len());
    let kinds = width(|one| one.kind.len());
    for one in rows {
        let (state, kind) = (one.state.word(), one.kind);
        let (name, id) = (printable(&one.name), printable(&one.id));
        writeln!(out, "  {state:states$}  {kind:kinds$}  {name}  {id}")?;
        if let Some(why) = &one.why {
            writeln!(out, "  {:states$}  {}", "", printable(why))?;
        }
    }
    Ok(())
}

/// Without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn a_table_obeys_no_name_and_says_what_to_do() {
        let object = |state, cluster: Option<&str>, name: &str| Object {
            state,
            cluster: cluster.map(str::to_owned),
            kind: "vApp",
            name: name.to_owned(),
            id: "urn:vcloud:vapp:1".to_owned(),
            why: (state == State::Unproven).then(|| "a reason".to_owned()),
        };
        let mut outcome = Outcome {
            organization: "acme".to_owned(),
            proven: true,
            objects: vec![
                object(State::Found, Some("urn:x"), "blue\u{1b}[31m"),
                object(State::Unproven, None, "green"),
            ],
            gaps: vec!["NAT rules".to_owned()],
        };
        let args = OrphansArgs {
            config: PathBuf::new(),
            org: "acme".to_owned(),
            token_file: PathBuf::new(),
            token_org: None,
            delete: false,
            with_volumes: false,
            with_running: false,
            dry_run: false,
            json: false,
        };
        let table = |outcome: &Outcome| {
            let mut out = Vec::new();
            write_table(outcome, &args, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let want = "\
            organization acme: clusters without an entity: 1\n\
            \nurn:x\n  found  vApp  blue?[31m  urn:vcloud:vapp:1\n\
            \nnot proven to be anybody's, and left alone:\n\
            \x20 unproven  vApp  green  urn:vcloud:vapp:1\n\
            \x20           a reason\n\
            \ncould not be looked at:\n  NAT rules\n\
            \nnothing was removed; to remove what is found, add --delete\n";
        assert_eq!(table(&outcome), want);
        outcome.objects.clear();
        outcome.gaps.clear();
        assert_eq!(table(&outcome), "organization acme: no orphans\n");
    }
}
