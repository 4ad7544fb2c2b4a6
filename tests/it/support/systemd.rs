//! The notification socket of a service manager.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::net::UnixDatagram;

/// Takes what one service says about itself.
pub(crate) struct Systemd {
    _dir: TempDir,
    path: PathBuf,
    told: Arc<Mutex<Vec<String>>>,
}

impl Systemd {
    pub(crate) fn listen() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let told = Arc::new(Mutex::default());
        // At once: a service that nobody listens to is stopped by its full socket.
        tokio::spawn(take(socket, Arc::clone(&told)));
        Self {
            _dir: dir,
            path,
            told,
        }
    }

    /// What a service of this manager has in its environment.
    pub(crate) fn environment(&self) -> [(&'static str, &OsStr); 1] {
        [("NOTIFY_SOCKET", self.path.as_os_str())]
    }

    /// Every assignment told so far, such as `READY=1`.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, assignment: &str) -> usize {
        self.told()
            .iter()
            .filter(|told| *told == assignment)
            .count()
    }

    /// The line that `systemctl status` would show.
    pub(crate) fn status(&self) -> String {
        let told = self.told();
        let mut lines = told.iter().rev();
        let status = lines.find_map(|told| told.strip_prefix("STATUS="));
        status.unwrap_or_default().to_owned()
    }
}

async fn take(socket: UnixDatagram, told: Arc<Mutex<Vec<String>>>) {
    let mut datagram = [0; 4096];
    while let Ok(length) = socket.recv(&mut datagram).await {
        let text = String::from_utf8_lossy(&datagram[..length]);
        told.lock().unwrap().extend(text.lines().map(str::to_owned));
    }
}
