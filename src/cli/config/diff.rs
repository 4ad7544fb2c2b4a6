//! `cse-server config diff`: a file against the configuration in VCD, or that against the defaults.

use serde_json::{Value, json};

use super::document::read;
use super::text::{change_lines, changes_json, json_text};
use super::{DIFFERS, DiffArgs, Failure, Live, Said};
use crate::controller::settings::change::differences;
use crate::domain::secrets::{filled, masked};
use crate::domain::server_config::findings::profile_path;
use crate::domain::server_config::known::{Setting, find};
use crate::domain::tree::{Change, changes, leaves};

pub(super) async fn diff(args: &DiffArgs) -> Result<Said, Failure> {
    // A file that cannot be read needs no login.
    let file = args.file.as_deref().map(read).transpose()?;
    let live = Live::open(&args.reach).await?;
    let now = &live.document.entity;
    let (found, between) = match file {
        Some(content) => {
            let (live, file) = (Value::Object(now.clone()), Value::Object(content));
            let found = match filled(&file, Some(&live)) {
                Ok(Value::Object(content)) => differences(now, &content),
                // What stands for a secret that is not there is a difference as it stands.
                Ok(_) | Err(_) => changes(&masked(&live), &file),
            };
            (found, "VCD -> file")
        }
        None => (
            from_defaults(&Value::Object(now.clone()), &profile_path(now)),
            "default -> VCD",
        ),
    };
    let text = if args.json {
        json_text(
            &json!({"differs": !found.is_empty(), "between": between, "changes": changes_json(&found)}),
        )
    } else if found.is_empty() {
        "no difference\n".to_owned()
    } else {
        format!("{between}:\n{}", change_lines(&found))
    };
    let is_comparison = args.file.is_some() && !found.is_empty();
    Ok(Said {
        text,
        code: if is_comparison { DIFFERS } else { 0 },
    })
}

/// What is not as the defaults have it.
fn from_defaults(document: &Value, root: &crate::domain::tree::TreePath) -> Vec<Change> {
    let Some(profile) = root.get(document) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (path, value) in leaves(profile) {
        let setting = find(&path);
        let is_default = match setting {
            Some(setting) => setting.is_default(value),
            None => value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty),
        };
        // The profile in force is active, whatever the schema's default is.
        if is_default || matches!(setting, Some(Setting { path: "active", .. })) {
            continue;
        }
        let from = setting.and_then(Setting::default_value);
        found.push(Change {
            path,
            from,
            to: Some(value.clone()),
        });
    }
    found
}
