//! `cse-server config edit`: the whole document in an editor, written under the tag it was read with.
//!
//! Invariants:
//! - The text holds placeholders for secrets; they are filled from what was read.
//! - A text that cannot be written is kept in a file, whose name is told.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::document::{Content, parse, read_text};
use super::set::told;
use super::text::json_text;
use super::{CONFIGURATION, EditArgs, Failure, Live, Said, errors, judged};
use crate::cli::exit::{SYSTEM, USAGE};
use crate::config::process_environment;
use crate::controller::settings::change::replace;
use crate::domain::secrets::{PLACEHOLDER, filled, masked};

/// Most files of one process id that may lie about.
const MOST_FILES: u32 = 100;

pub(super) async fn edit(args: &EditArgs) -> Result<Said, Failure> {
    let live = Live::open(&args.reach).await?;
    let read = live.versioned().await?;
    let before = json_text(&masked(&Value::Object(read.value.entity.clone())));
    let begin = match &args.file {
        Some(file) => read_text(file)?,
        None => before.clone(),
    };
    let draft = Draft::write(&begin)?;
    draft.open_editor()?;
    let text = read_text(&draft.path)?;
    if text == before {
        draft.discard();
        return Ok(Said::fine("nothing was changed\n".to_owned()));
    }
    let now = Value::Object(read.value.entity.clone());
    let local = live.config.replica.times;
    let wanted = understood(&text, &now).and_then(|wanted| {
        let wrong = errors(&judged(&wanted, Some(&local)));
        if wrong.is_empty() {
            Ok(wanted)
        } else {
            Err(wrong.join("; "))
        }
    });
    let wanted = wanted.map_err(|problem| draft.kept(&Failure::told(CONFIGURATION, &problem)))?;
    if wanted == read.value.entity {
        draft.discard();
        return Ok(Said::fine("nothing was changed\n".to_owned()));
    }
    let changed = replace(&live.client, read, wanted).await;
    let changed = changed.map_err(|error| draft.kept(&live.failed(&error)))?;
    draft.discard();
    Ok(Said::fine(told(&changed.changes(), &[])))
}

/// The content that a text stands for.
fn understood(text: &str, live: &Value) -> Result<Content, String> {
    let content = Value::Object(parse(text)?);
    match filled(&content, Some(live)) {
        Ok(Value::Object(content)) => Ok(content),
        Ok(_) => Err("expected an object".to_owned()),
        Err(missing) => {
            let places: Vec<String> = missing.iter().map(ToString::to_string).collect();
            Err(format!(
                "{}: {PLACEHOLDER} stands for the secret that is there, and there is none, or the text around it has changed; write the whole value",
                places.join(", ")
            ))
        }
    }
}

/// The text in a file that only this user may read.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn write(text: &str) -> Result<Self, Failure> {
        let dir = std::env::temp_dir();
        let mut last = None;
        for number in 0..MOST_FILES {
            let path = dir.join(format!(
                "cse-server-config-{}-{number}.json",
                std::process::id()
            ));
            // New and never through a link: everybody may write where temporary files are.
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
            match written {
                Ok(()) => return Ok(Self { path }),
                Err(error) => last = Some(error),
            }
        }
        let reason = last.map(|error| error.to_string()).unwrap_or_default();
        Err(Failure::told(
            SYSTEM,
            &format!(
                "cannot write a file to edit in {}: {reason}; set TMPDIR",
                dir.display()
            ),
        ))
    }

    fn open_editor(&self) -> Result<(), Failure> {
        let chosen = ["VISUAL", "EDITOR"]
            .into_iter()
            .filter_map(process_environment);
        let editor = chosen
            .map(|editor| editor.trim().to_owned())
            .find(|editor| !editor.is_empty());
        let editor = editor.unwrap_or_else(|| "vi".to_owned());
        // By the shell, for the variable may hold arguments.
        let ended = Command::new("sh")
            .arg("-c")
            .arg(format!("{editor} \"$1\""))
            .arg("sh")
            .arg(&self.path)
            .status();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => {
                self.discard();
                Err(Failure::told(
                    USAGE,
                    &format!(
                        "the editor {editor:?} ended with {status}; nothing was written; choose another one with EDITOR"
                    ),
                ))
            }
            Err(error) => {
                self.discard();
                Err(Failure::told(
                    SYSTEM,
                    &format!(
                        "cannot start the editor {editor:?}: {error}; choose another one with EDITOR"
                    ),
                ))
            }
        }
    }

    /// The same failure, saying where the text is.
    fn kept(&self, failure: &Failure) -> Failure {
        let path = self.path.display();
        Failure::told(
            failure.code,
            &format!(
                "{failure}; your text is kept in {path}: go on with cse-server config edit {path}"
            ),
        )
    }

    fn discard(&self) {
        remove(&self.path);
    }
}

/// What is left of a file that cannot be removed harms nobody: it holds no secret.
fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap_or(());
}
