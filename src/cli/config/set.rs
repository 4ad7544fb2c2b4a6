//! `cse-server config set`: some keys, one conditional write.

use std::path::Path;

use super::document::{Content, read_text};
use super::text::change_lines;
use super::{Failure, Live, Said, SetArgs, errors, judged};
use crate::cli::exit::{CONFIGURATION, USAGE};
use crate::controller::settings::change::{Plan, change, differences};
use crate::domain::server_config::assign::{Assignment, assigned};
use crate::domain::tree::TreePath;

pub(super) async fn set(args: &SetArgs) -> Result<Said, Failure> {
    let assignments = assignments(args)?;
    let live = Live::open(&args.reach).await?;
    let local = live.config.replica.times;
    let make = |content: &Content| {
        let new = assigned(content, &assignments, args.force)?;
        let wrong = errors(&judged(&new, Some(&local)));
        if wrong.is_empty() {
            Ok(new)
        } else {
            Err(wrong)
        }
    };
    if args.dry_run {
        let now = &live.document.entity;
        let new = make(now).map_err(|wrong| refused(&wrong))?;
        let lines = change_lines(&differences(now, &new));
        return Ok(Said::fine(if lines.is_empty() {
            "nothing would change\n".to_owned()
        } else {
            format!("would change, nothing is written:\n{lines}")
        }));
    }
    let places = |content: &Content| -> Vec<TreePath> {
        assignments.iter().map(|one| one.place(content)).collect()
    };
    let plan = Plan {
        make: &make,
        places: &places,
    };
    let changed = change(&live.client, &live.document.id, &plan).await;
    let changed = changed.map_err(|error| live.failed(&error))?;
    Ok(Said::fine(told(&changed.changes(), &changed.meanwhile)))
}

fn refused(wrong: &[String]) -> Failure {
    Failure::told(
        CONFIGURATION,
        &format!("nothing was written: {}", wrong.join("; ")),
    )
}

/// What was changed, and what others changed meanwhile.
pub(super) fn told(
    changes: &[crate::domain::tree::Change],
    meanwhile: &[crate::domain::tree::Change],
) -> String {
    let mut text = if changes.is_empty() {
        "nothing to change, nothing was written\n".to_owned()
    } else {
        format!(
            "written; replicas take it over within a poll interval:\n{}",
            change_lines(changes)
        )
    };
    if !meanwhile.is_empty() {
        text.push_str("somebody else changed meanwhile, and it was kept:\n");
        text.push_str(&change_lines(meanwhile));
    }
    text
}

fn assignments(args: &SetArgs) -> Result<Vec<Assignment>, Failure> {
    let mut list = Vec::new();
    let mut wrong = Vec::new();
    for text in &args.assignments {
        let Some((key, value)) = text.split_once('=') else {
            // The text may be a secret that was typed in the wrong place.
            wrong.push("write KEY=VALUE, such as serverConfig.rdePollIntervalInMin=2".to_owned());
            continue;
        };
        let value = match value.strip_prefix('@') {
            Some(file) => read_text(Path::new(file))?,
            None => value.to_owned(),
        };
        match Assignment::set(key.trim(), value) {
            Ok(one) => list.push(one),
            Err(problem) => wrong.push(problem),
        }
    }
    for key in &args.unset {
        match Assignment::unset(key) {
            Ok(one) => list.push(one),
            Err(problem) => wrong.push(problem),
        }
    }
    if wrong.is_empty() {
        Ok(list)
    } else {
        Err(Failure::told(USAGE, &wrong.join("; ")))
    }
}
