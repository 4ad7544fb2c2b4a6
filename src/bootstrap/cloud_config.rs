//! The cloud-config of a bootstrap VM: files to write, and the one command to run.
//!
//! Invariants:
//! - Data is in base64. What YAML readers disagree about, such as which characters end a line, can so
//!   never become a key of the cloud-config.
//!
//! Source: cloud-init documentation, modules `write_files` and `runcmd`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

use super::phases::{self, ROOT};
use crate::domain::phase::Phase;
use crate::yaml::{self, YamlProblem};

/// Goes on with the bootstrap after a restart of the VM: cloud-init runs its commands once only.
const UNIT: &str = "\
[Unit]
Description=Bootstrap of a Kubernetes cluster
After=network-online.target docker.service
Wants=network-online.target
ConditionPathExists=!/var/lib/cse/ended

[Service]
Type=oneshot
ExecStart=/bin/bash /opt/cse/bootstrap.sh

[Install]
WantedBy=multi-user.target
";

/// A file that cloud-init writes.
#[derive(Serialize)]
pub(super) struct File {
    path: String,
    /// Octal, as text.
    permissions: &'static str,
    owner: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    content: String,
}

impl File {
    fn new(path: String, permissions: &'static str, content: impl Into<String>) -> Self {
        Self {
            path,
            permissions,
            owner: "root:root",
            encoding: None,
            content: content.into(),
        }
    }

    /// A file of data below the root directory, which only root may read.
    pub(super) fn private(name: &str, content: impl AsRef<[u8]>) -> Self {
        Self {
            encoding: Some("b64"),
            ..Self::new(format!("{ROOT}/{name}"), "0600", BASE64.encode(content))
        }
    }
}

#[derive(Serialize)]
struct CloudConfig {
    write_files: Vec<File>,
    runcmd: Vec<[String; 2]>,
}

/// The scripts and the unit, the same for every cluster.
pub(super) fn scripts() -> impl Iterator<Item = File> {
    let script = |path: String, content: &str| File::new(path, "0700", content);
    let phases = Phase::ALL
        .into_iter()
        .map(move |phase| script(phases::script_path(phase), phases::script(phase)));
    let unit = File::new(
        "/etc/systemd/system/cse-bootstrap.service".to_owned(),
        "0644",
        UNIT,
    );
    let runner = script(format!("{ROOT}/bootstrap.sh"), phases::RUNNER);
    let library = script(format!("{ROOT}/lib.sh"), phases::LIBRARY);
    [runner, library, unit].into_iter().chain(phases)
}

/// Renders the whole cloud-config.
///
/// # Errors
/// [`YamlProblem::Unwritable`]: never for files made here.
pub(super) fn render(files: Vec<File>) -> Result<String, YamlProblem> {
    let runner = format!("{ROOT}/bootstrap.sh");
    let config = CloudConfig {
        write_files: files,
        runcmd: vec![["/bin/bash".to_owned(), runner]],
    };
    let value = serde_json::to_value(config).map_err(|error| YamlProblem::Unwritable {
        reason: error.to_string(),
    })?;
    Ok(format!(
        "#cloud-config\n{}",
        yaml::write_documents(&[value])?
    ))
}
