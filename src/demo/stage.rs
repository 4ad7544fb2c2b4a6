//! The demo's files: a private directory with the authority's certificate, the token and one configuration per replica.
//!
//! Invariants:
//! - Only this user may look inside; the directory goes away with the demo, unless it is kept to show
//!   what went wrong.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory; removed when this is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    dir: PathBuf,
    keep: bool,
}

impl Stage {
    /// Makes a fresh directory below the system's one for temporary files. `label` tells runs apart.
    pub(super) fn new(label: u64) -> io::Result<Self> {
        let name = format!("cse-demo-{}-{label:016x}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        // Fails if it is there already: nobody can have prepared it for us.
        DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self { dir, keep: false })
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Leaves the directory where it is.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    /// Writes a file that only this user may read.
    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.dir.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }

    /// Writes the configuration of one replica. Everything but time is as in production.
    pub(super) fn replica_config(&self, name: &str, of: &Common<'_>) -> io::Result<PathBuf> {
        let state = self.dir.join(format!("{name}.state"));
        let text = format!(
            "[vcd]\nurl = '{}'\nca_file = '{}'\n\n[credentials]\ntoken_file = '{}'\n\n\
             [replica]\nname = '{name}'\nstate_dir = '{}'\n\n[log]\nformat = 'json'\n\n\
             [simulation]\ntime_scale = {:?}\n",
            of.url,
            of.ca_file.display(),
            of.token_file.display(),
            state.display(),
            of.time_scale,
        );
        self.write(&format!("{name}.toml"), &text)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.keep
            && let Err(cause) = fs::remove_dir_all(&self.dir)
        {
            tracing::debug!(error = %cause, "temporary directory not removed");
        }
    }
}

/// What all replicas' configurations have in common.
pub(super) struct Common<'a> {
    pub(super) url: &'a str,
    pub(super) ca_file: &'a Path,
    pub(super) token_file: &'a Path,
    pub(super) time_scale: f64,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config;
    use crate::sim::server;

    #[test]
    fn a_replica_can_read_the_configuration_it_is_given() {
        let stage = Stage::new(fastrand::u64(..)).unwrap();
        let ca_file = stage
            .write("ca.pem", &server::tls_identity().unwrap().ca_pem)
            .unwrap();
        let token_file = stage.write("token", "abc").unwrap();
        let url = "https://127.0.0.1:8443";
        let common = Common {
            url,
            ca_file: &ca_file,
            token_file: &token_file,
            time_scale: 30.0,
        };
        let path = stage.replica_config("replica-1", &common).unwrap();
        let config = config::load(&path, &|_| None).unwrap();
        assert_eq!(config.replica.name, "replica-1");
        assert!((config.simulation.time_scale - 30.0).abs() < f64::EPSILON);
    }

    #[test]
    fn nobody_else_may_look_in_and_nothing_stays_behind() {
        let stage = Stage::new(fastrand::u64(..)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = stage.write("token", "abc").unwrap();
        assert_eq!((mode(stage.dir()), mode(&file)), (0o700, 0o600));
        let dir = stage.dir().to_owned();
        drop(stage);
        assert!(!dir.exists());
    }
}
