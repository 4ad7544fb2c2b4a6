//! Backups of what this server lives by: the cluster entities and the shared configuration, as files.
//!
//! Flow: `take` lists the entities -> `saved` leaves the secrets out -> `store` writes one file each and a
//! manifest. `store` reads and checks a backup -> `plan` compares it with VCD -> `apply` puts back what is wanted.
//!
//! Invariants:
//! - No secret is in a backup: what VCD stores encrypted, tokens, passwords, kubeconfigs.
//! - A backup is whole or not there: it gets its name when everything is written.
//! - A restore writes under the tag of a read, never to a cluster that is at work or being deleted, and never
//!   makes a cluster anew: VCD would give it another id, and everything the cluster has carries the old one.
//! - The status of a cluster is what servers and controllers report: by default only what is missing is put back.
//!
//! Not here: output and exit codes (`cli::backup`); what replicas do when VCD's own backup is restored
//! (`reconcile::standing`).

pub mod apply;
pub mod plan;
pub mod saved;
pub mod store;
pub mod take;

use std::io;
use std::path::PathBuf;

use crate::vcd::error::VcdError;

/// Why there is no backup, or none to restore.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or directory.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, ...
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The directory is in use.
    #[error("{} is there already and not empty; name a new directory: a backup never replaces another one", .0.display())]
    Exists(PathBuf),
    /// What is there is no whole backup of this format.
    #[error("{} is no usable backup: {}; nothing was written to VCD", path.display(), .problems.join("; "))]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Every problem.
        problems: Vec<String>,
    },
    /// The entities could not be read completely.
    #[error("the entities cannot be read completely, so there is no backup")]
    Vcd(#[from] VcdError),
}

/// Turns an error of the file system into one that says where.
fn io_at(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.into();
    move |cause| BackupError::Io { doing, path, cause }
}
