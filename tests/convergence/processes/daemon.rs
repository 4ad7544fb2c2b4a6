//! Processes of the program: started into one group, looked after, and never left behind.
//!
//! Invariants:
//! - A process ends with its value, and the whole group ends with the test, even if that is killed itself: the
//!   group's leader waits for the end of a pipe that only the test holds.
//! - Whatever a process says goes to a file: a test that looks late misses nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cse-server");

/// The processes of one experiment.
pub(crate) struct Group {
    leader: std::process::Child,
}

impl Group {
    pub(crate) fn new() -> Self {
        let mut leader = std::process::Command::new("sh");
        // The pipe ends when the test does; zero stands for the group of whoever asks.
        leader.args(["-c", "read -r _; kill -KILL 0"]);
        leader.process_group(0).stdin(Stdio::piped());
        Self {
            leader: leader.spawn().unwrap(),
        }
    }

    fn id(&self) -> i32 {
        i32::try_from(self.leader.id()).unwrap()
    }

    /// What `/proc` says of the processes of the group, without its leader: number and state.
    pub(crate) fn members(&self) -> Vec<(u32, char)> {
        let mut members = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let id: Option<u32> = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let Some(id) = id.filter(|id| *id != self.leader.id()) else {
                continue;
            };
            // Behind the name, which is in parentheses: state, parent, group.
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            let mut fields = rest.split(' ');
            let state = fields.next().and_then(|state| state.chars().next());
            if fields.nth(1) == Some(self.id().to_string().as_str()) {
                members.push((id, state.unwrap_or('?')));
            }
        }
        members
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.leader.stdin.take());
        self.leader.wait().unwrap();
    }
}

/// One running process.
pub(crate) struct Daemon {
    child: tokio::process::Child,
    log: PathBuf,
    /// Where in the log its own words begin.
    log_from: u64,
    frozen: bool,
}

/// What a process has of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) rss_kib: u64,
    pub(crate) files: usize,
}

impl Daemon {
    /// Starts `program` with no environment; both its outputs go to the end of `log`.
    pub(crate) fn start(group: &Group, program: &str, arguments: &[&str], log: &Path) -> Self {
        let mut options = OpenOptions::new();
        let out = options.create(true).append(true).open(log).unwrap();
        let log_from = fs::metadata(log).unwrap().len();
        let mut command = Command::new(program);
        command.args(arguments).env_clear().kill_on_drop(true);
        command.process_group(group.id());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::from(out.try_clone().unwrap()))
            .stderr(Stdio::from(out));
        Self {
            child: command.spawn().unwrap(),
            log: log.to_owned(),
            log_from,
            frozen: false,
        }
    }

    /// Number of the process, while nobody has waited for its end.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        let id = self.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(Pid::from_raw) {
            // It may have ended a moment ago; then its status will tell.
            kill_process(id, signal).unwrap_or_default();
        }
    }

    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(crate) fn freeze(&mut self) {
        self.frozen = true;
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&mut self) {
        self.frozen = false;
        self.signal(Signal::CONT);
    }

    pub(crate) const fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Everything this process has said so far.
    pub(crate) fn said(&self) -> String {
        let mut log = File::open(&self.log).unwrap();
        let mut words = Vec::new();
        log.seek(SeekFrom::Start(self.log_from)).unwrap();
        log.read_to_end(&mut words).unwrap();
        String::from_utf8_lossy(&words).into_owned()
    }

    /// What it has of the machine now; nothing once it has ended.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let dir = PathBuf::from(format!("/proc/{}", self.id()?));
        let status = fs::read_to_string(dir.join("status")).ok()?;
        let rss = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Usage {
            rss_kib: rss.split_whitespace().next()?.parse().ok()?,
            files: fs::read_dir(dir.join("fd")).ok()?.count(),
        })
    }
}

/// Writes a file that only this user may read.
pub(crate) fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file: File = options.open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
