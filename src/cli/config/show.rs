//! `cse-server config show`: every key with its value, and whether that is the default.

use std::fmt::Write;

use serde_json::{Value, json};

use super::text::{json_text, shown};
use super::{Failure, Live, Said, ShowArgs, judged};
use crate::domain::secrets::{masked, masked_under};
use crate::domain::server_config::findings::{Finding, Severity, profile_path};
use crate::domain::server_config::known::{Setting, find, pattern, settings};
use crate::domain::tree::{TreePath, leaves};
use crate::vcd::model::EntityDocument;

/// One key as it is shown.
struct Row {
    path: TreePath,
    value: Option<Value>,
    setting: Option<&'static Setting>,
}

impl Row {
    fn is_default(&self) -> bool {
        match (self.setting, &self.value) {
            (Some(setting), Some(value)) => setting.is_default(value),
            (_, None) => true,
            (None, Some(_)) => false,
        }
    }

    /// What holds: the value, or the default where it is blank or absent.
    fn in_force(&self) -> Option<Value> {
        let blank = |value: &Value| {
            value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
        };
        let value = self.value.clone().filter(|value| !blank(value));
        value.or_else(|| self.setting.and_then(Setting::default_value))
    }

    fn mark(&self) -> &'static str {
        if self.setting.is_none() {
            "unknown key"
        } else if self.is_default() {
            "default"
        } else {
            ""
        }
    }
}

pub(super) async fn show(args: &ShowArgs) -> Result<Said, Failure> {
    let live = Live::open(&args.reach).await?;
    let content = Value::Object(live.document.entity.clone());
    if args.document {
        return Ok(Said::fine(json_text(&masked(&content))));
    }
    let root = profile_path(&live.document.entity);
    let rows = rows(root.get(&content).unwrap_or(&Value::Null));
    let found = judged(&live.document.entity, Some(&live.config.replica.times));
    Ok(Said::fine(if args.json {
        json_text(&as_json(&live.document, &root, (&rows, &found)))
    } else {
        table(&live.document, &root, (&rows, &found))
    }))
}

/// Known keys in their order, then the others.
fn rows(profile: &Value) -> Vec<Row> {
    let there: Vec<(TreePath, &Value)> = leaves(profile);
    let mut rows = Vec::new();
    for setting in settings() {
        let mine = there
            .iter()
            .filter(|(path, _)| find(path).is_some_and(|found| found.path == setting.path));
        let mine: Vec<Row> = mine
            .map(|(path, value)| Row {
                path: path.clone(),
                value: Some((*value).clone()),
                setting: Some(setting),
            })
            .collect();
        if mine.is_empty() {
            let path = TreePath::parse(&setting.path.replace("[]", "[0]")).unwrap_or_default();
            rows.push(Row {
                path,
                value: None,
                setting: Some(setting),
            });
        }
        rows.extend(mine);
    }
    let is_empty = |value: &Value| {
        value.as_object().is_some_and(serde_json::Map::is_empty)
            || value.as_array().is_some_and(Vec::is_empty)
    };
    let others = there.iter().filter(|(path, value)| {
        find(path).is_none() && !is_empty(value) && !pattern(path).is_empty()
    });
    rows.extend(others.map(|(path, value)| Row {
        path: path.clone(),
        value: Some((*value).clone()),
        setting: None,
    }));
    rows
}

fn table(
    document: &EntityDocument,
    root: &TreePath,
    (rows, found): (&[Row], &[Finding]),
) -> String {
    let cells: Vec<(String, String, &str)> = rows
        .iter()
        .map(|row| {
            let value = row
                .in_force()
                .map_or_else(|| "-".to_owned(), |value| shown(&row.path, &value));
            (row.path.to_string(), value, row.mark())
        })
        .collect();
    let width = cells
        .iter()
        .map(|(path, _, _)| path.len())
        .max()
        .unwrap_or(0);
    let second = cells
        .iter()
        .map(|(_, value, _)| value.chars().count())
        .max()
        .unwrap_or(0)
        .min(44);
    let mut text = format!("{} ({}), {root}\n", document.id, document.entity_type);
    for (path, value, mark) in &cells {
        let line = format!("{path:<width$}  {value:<second$}  {mark}");
        writeln!(text, "{}", line.trim_end()).unwrap_or_default();
    }
    for one in found {
        writeln!(text, "{}", one.line()).unwrap_or_default();
    }
    text
}

fn as_json(
    document: &EntityDocument,
    root: &TreePath,
    (rows, found): (&[Row], &[Finding]),
) -> Value {
    let row = |row: &Row| {
        let key = row.path.last_key().unwrap_or_default();
        json!({
            "key": row.path.to_string(),
            "value": row.in_force().map(|value| masked_under(key, &value)),
            "is_default": row.is_default(),
            "is_known": row.setting.is_some(),
            "about": row.setting.map(|setting| setting.about),
        })
    };
    let settings: Vec<Value> = rows.iter().map(row).collect();
    json!({
        "entity": document.id.as_str(),
        "entity_type": document.entity_type,
        "profile": root.to_string(),
        "valid": found.iter().all(|one| one.severity != Severity::Error),
        "settings": settings,
        "findings": found.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

/// A finding for programs.
pub(super) fn finding_json(one: &Finding) -> Value {
    json!({
        "severity": one.severity.as_str(),
        "path": one.path,
        "found": one.found,
        "expected": one.expected,
    })
}
