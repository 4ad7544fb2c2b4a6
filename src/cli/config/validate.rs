//! `cse-server config validate`: everything wrong with a configuration, before replicas refuse it.

use serde_json::{Value, json};

use super::document::read;
use super::show::finding_json;
use super::text::json_text;
use super::{CONFIGURATION, Failure, Live, Said, ValidateArgs, judged};
use crate::domain::server_config::findings::{Finding, Severity};
use crate::reconcile::policy::LocalTimes;

pub(super) async fn validate(args: &ValidateArgs) -> Result<Said, Failure> {
    let (content, local, note) = if let Some(file) = &args.file {
        let content = read(file)?;
        let (local, note) = local_times(args)?;
        (content, local, note)
    } else {
        let live = Live::open(&args.reach).await?;
        (live.document.entity, Some(live.config.replica.times), None)
    };
    let found = judged(&content, local.as_ref());
    let bad = found
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .count();
    let text = if args.json {
        let list: Vec<Value> = found.iter().map(finding_json).collect();
        json_text(
            &json!({"valid": bad == 0, "checked_with_replica_file": local.is_some(), "findings": list}),
        )
    } else {
        lines(&found, bad, note)
    };
    Ok(Said {
        text,
        code: if bad == 0 { 0 } else { CONFIGURATION },
    })
}

fn lines(found: &[Finding], bad: usize, note: Option<String>) -> String {
    let mut lines: Vec<String> = found.iter().map(Finding::line).collect();
    lines.extend(note);
    let warnings = found.len() - bad;
    lines.push(match (bad, warnings) {
        (0, 0) => "valid".to_owned(),
        (0, _) => format!("valid, {warnings} warnings"),
        (_, _) => format!("invalid: {bad} errors, {warnings} warnings; replicas refuse it and keep the last good one"),
    });
    format!("{}\n", lines.join("\n"))
}

/// The times of the replica's file, if there is one; the one that merely lies there need not be readable.
fn local_times(args: &ValidateArgs) -> Result<(Option<LocalTimes>, Option<String>), Failure> {
    let Some(file) = args.reach.file() else {
        let note = "note: not checked against a replica's own file; name one with --config";
        return Ok((None, Some(note.to_owned())));
    };
    match args.reach.load() {
        Ok(config) => Ok((Some(config.replica.times), None)),
        Err(failure) if args.reach.is_default_file() => Ok((
            None,
            Some(format!(
                "note: not checked against {}: {failure}",
                file.display()
            )),
        )),
        Err(failure) => Err(failure),
    }
}
