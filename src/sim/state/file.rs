//! The state file: read as a whole, replaced as a whole.
//!
//! Invariants:
//! - The file is complete at every moment: a new one is written beside it, put on disk, and renamed over it.
//! - Nobody but its owner may read it.
//!
//! Not here: what is in it (`sim::state`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{Loaded, StateError};
use crate::sim::tls::Authority;
use crate::sim::world::{World, lock};

/// Bytes handed to the file system at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Reads the world in `file`; `None` when there is no such file.
///
/// # Errors
/// [`StateError`]: it cannot be read, or is no whole world of this format.
pub fn read(file: &Path, site: Option<&str>) -> Result<Option<Loaded>, StateError> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed("read", file, cause)),
    };
    World::load(BufReader::with_capacity(CHUNK_BYTES, opened), site).map(Some)
}

/// Replaces `file` by the state of `world`, which goes on meanwhile.
///
/// # Errors
/// [`StateError::Io`]: the directory or the disk refuses; the old file stays as it was.
pub fn write(
    file: &Path,
    world: &Mutex<World>,
    authority: Option<&Authority>,
) -> Result<(), StateError> {
    let beside = beside(file);
    let replace = || -> io::Result<()> {
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        let mut out = BufWriter::with_capacity(CHUNK_BYTES, opened);
        let frozen = lock(world).freeze()?;
        frozen.write(authority, &mut out)?;
        out.get_ref().sync_all()?;
        fs::rename(&beside, file)?;
        // The new name, too, must survive a loss of power.
        let parent = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    replace().map_err(|cause| failed("write", file, cause))
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn failed(doing: &'static str, file: &Path, cause: io::Error) -> StateError {
    StateError::Io {
        doing,
        file: file.display().to_string(),
        cause,
    }
}
