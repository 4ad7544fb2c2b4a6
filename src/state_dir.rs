//! The one thing a replica remembers on its machine: who it was, so that a restart goes on at once.
//!
//! Flow: at start-up, [`take`] locks a free slot of the directory, reads the identities of the processes
//! that held it, and writes the new one.
//!
//! Invariants:
//! - Whoever holds the lock knows that every earlier holder of the slot is dead: the kernel gives a lock up
//!   only when its process ends. So the claims of exactly these identities may be taken back at once.
//! - The directory is a hint. Losing it costs the takeover time, never correctness.
//! - Several replicas on one directory get different slots, up to [`MAX_SLOTS`].
//!
//! Not here: taking claims back (`controller::claim`); the random identity itself.
//! Source: flock(2).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Most replicas that may share one directory.
const MAX_SLOTS: usize = 16;
/// How many identities are kept: a replica that is restarted several times before it could take its
/// claims back must not forget whose they were.
const MAX_PREDECESSORS: usize = 8;
/// Longest identity, in bytes.
const MAX_IDENTITY_BYTES: usize = 128;
/// Largest part of a slot file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 4096;

/// The directory cannot be used. The replica can go on without it, and should say so.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// The directory or a file in it cannot be opened, read or written.
    #[error("cannot use {} as state directory", path.display())]
    Unusable {
        /// What was accessed.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// All slots are locked by running replicas.
    #[error(
        "{MAX_SLOTS} replicas already use the state directory {}; give each its own directory",
        path.display()
    )]
    Full {
        /// The directory.
        path: PathBuf,
    },
    /// The new identity could not be kept on one line.
    #[error("an identity is 1 to {MAX_IDENTITY_BYTES} printable characters without blanks")]
    Identity,
}

/// A slot of the directory, held until this is dropped or the process ends.
#[derive(Debug)]
pub struct Taken {
    /// Identities of dead processes that held this slot, the last one first; at most eight.
    pub predecessors: Vec<String>,
    /// Keeps the lock.
    pub guard: Guard,
}

/// The lock on a slot. Keep it until the process ends: a successor takes an unlocked slot as proof of death.
#[derive(Debug)]
pub struct Guard {
    _lock: File,
    slot: usize,
}

impl Guard {
    /// Number of the slot, from 0.
    pub fn slot(&self) -> usize {
        self.slot
    }
}

/// Locks a free slot of `dir` for `new_identity` and tells who held it before. The directory is created if
/// it is missing.
///
/// # Errors
/// - [`StateDirError`]: go on without; a restart then waits for the takeover time.
pub fn take(dir: &Path, new_identity: &str) -> Result<Taken, StateDirError> {
    if !is_identity(new_identity) {
        return Err(StateDirError::Identity);
    }
    fs::create_dir_all(dir).map_err(unusable(dir))?;
    for slot in 0..MAX_SLOTS {
        let path = dir.join(format!("replica-{slot}.lock"));
        let mut file = open(&path).map_err(unusable(&path))?;
        match file.try_lock() {
            Ok(()) => {
                let predecessors = succeed(&mut file, new_identity).map_err(unusable(&path))?;
                return Ok(Taken {
                    predecessors,
                    guard: Guard { _lock: file, slot },
                });
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => {
                return Err(StateDirError::Unusable { path, source });
            }
        }
    }
    Err(StateDirError::Full {
        path: dir.to_owned(),
    })
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> StateDirError {
    move |source| StateDirError::Unusable {
        path: path.to_owned(),
        source,
    }
}

/// Opens a slot file without following a link that somebody may have put there.
fn open(path: &Path) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits();
    let flags = i32::try_from(no_follow).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags);
    options.open(path)
}

/// Reads the identities in the locked file and puts `new_identity` before them.
///
/// Written in place: the lock is on this very file. A crash in between may lose the list, which costs time.
fn succeed(file: &mut File, new_identity: &str) -> io::Result<Vec<String>> {
    let mut bytes = Vec::new();
    Read::by_ref(file)
        .take(MAX_FILE_BYTES)
        .read_to_end(&mut bytes)?;
    // Whatever is no identity is not ours: an emptied, foreign or damaged file names no predecessor.
    let text = String::from_utf8_lossy(&bytes);
    let known = text
        .lines()
        .filter(|line| is_identity(line) && *line != new_identity);
    let predecessors: Vec<String> = known
        .take(MAX_PREDECESSORS)
        .map(ToOwned::to_owned)
        .collect();
    let kept = predecessors.iter().take(MAX_PREDECESSORS - 1);
    let lines = kept.fold(format!("{new_identity}\n"), |text, line| text + line + "\n");
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(lines.as_bytes())?;
    file.sync_data()?;
    Ok(predecessors)
}

fn is_identity(text: &str) -> bool {
    (1..=MAX_IDENTITY_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn a_restart_learns_who_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let first = take(&path, "cse-1/aa").unwrap();
        assert_eq!(first.predecessors, Vec::<String>::new());
        drop(first);
        let second = take(&path, "cse-1/bb").unwrap();
        assert_eq!(second.predecessors, ["cse-1/aa"]);
        assert_eq!(second.guard.slot(), 0);
    }

    #[test]
    fn replicas_that_share_a_directory_get_different_slots() {
        let dir = tempfile::tempdir().unwrap();
        let taken: Vec<Taken> = (0..MAX_SLOTS)
            .map(|n| take(dir.path(), &format!("cse/{n}")).unwrap())
            .collect();
        let slots: Vec<usize> = taken.iter().map(|taken| taken.guard.slot()).collect();
        assert_eq!(slots, (0..MAX_SLOTS).collect::<Vec<_>>());
        assert!(taken.iter().all(|taken| taken.predecessors.is_empty()));
        let error = take(dir.path(), "cse/late").unwrap_err();
        assert!(
            error.to_string().contains("16 replicas already use"),
            "{error}"
        );
    }

    #[test]
    fn a_freed_slot_hands_its_predecessor_to_whoever_comes_next() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path(), "a/1").unwrap();
        let second = take(dir.path(), "b/1").unwrap();
        drop(first);
        let third = take(dir.path(), "b/2").unwrap();
        assert_eq!(
            (third.guard.slot(), third.predecessors),
            (0, vec!["a/1".to_owned()])
        );
        assert_eq!(second.guard.slot(), 1);
    }

    #[test]
    fn a_crash_loop_keeps_the_last_identities_only() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..20 {
            take(dir.path(), &format!("a/{n}")).unwrap();
        }
        let taken = take(dir.path(), "a/20").unwrap();
        let want: Vec<String> = (12..20).rev().map(|n| format!("a/{n}")).collect();
        assert_eq!(taken.predecessors, want);
    }

    #[test]
    fn damage_costs_the_hint_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("replica-0.lock");
        let long = "x".repeat(100_000);
        for damage in [&b""[..], b"\xff\xfe\0\0", b"two words\n", long.as_bytes()] {
            fs::write(&path, damage).unwrap();
            let taken = take(dir.path(), "a/1").unwrap();
            assert_eq!(taken.predecessors, Vec::<String>::new());
            assert_eq!(fs::read_to_string(&path).unwrap(), "a/1\n");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = take(&file, "a/1").unwrap_err();
        assert!(matches!(error, StateDirError::Unusable { .. }), "{error}");
        std::os::unix::fs::symlink("/dev/null", dir.path().join("replica-0.lock")).unwrap();
        let error = take(dir.path(), "a/1").unwrap_err();
        assert!(error.to_string().contains("replica-0.lock"), "{error}");
        for bad in ["", "two words", "line\nbreak"] {
            assert!(matches!(
                take(dir.path(), bad).unwrap_err(),
                StateDirError::Identity
            ));
        }
    }
}
