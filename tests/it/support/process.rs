//! The program as an operating-system process: what it says, how it ends, and waiting for either.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cse_server::clock::Clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// Real time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `done`; a test that waits longer than `limit` has failed.
pub(crate) async fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let clock = Clock::system();
    let end = clock.now().plus(limit);
    while !done() {
        assert!(clock.now() < end, "{what}: not within {limit:?}");
        clock.sleep(LOOK_EVERY).await;
    }
}

/// A running `cse-server`; killed when dropped.
pub(crate) struct Process {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    followers: Vec<JoinHandle<()>>,
}

/// How a process ended, and everything it said.
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) lines: Vec<String>,
}

impl Process {
    /// Starts the program with nothing in its environment but `env`.
    pub(crate) fn start<S: AsRef<OsStr>>(arguments: &[S], env: &[(&str, &OsStr)]) -> Self {
        Self::start_program(env!("CARGO_BIN_EXE_cse-server"), arguments, env)
    }

    /// The same with another program.
    pub(crate) fn start_program<S: AsRef<OsStr>>(
        program: &str,
        arguments: &[S],
        env: &[(&str, &OsStr)],
    ) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().kill_on_drop(true);
        command.envs(env.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        let followers = vec![
            tokio::spawn(follow(stdout, Arc::clone(&said))),
            tokio::spawn(follow(stderr, Arc::clone(&said))),
        ];
        Self {
            child,
            said,
            followers,
        }
    }

    /// Starts a replica with this configuration file.
    pub(crate) fn replica(config: &std::path::Path, env: &[(&str, &OsStr)]) -> Self {
        let arguments = [
            OsStr::new("run"),
            OsStr::new("--config"),
            config.as_os_str(),
        ];
        Self::start(&arguments, env)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The records of its log that `wanted` chooses.
    pub(crate) fn records(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        records(&self.lines()).into_iter().filter(wanted).collect()
    }

    /// How many records are about an event of this kind.
    pub(crate) fn count(&self, event: &str) -> usize {
        self.records(|record| record["fields"]["event"] == event)
            .len()
    }

    /// SIGKILL, and its end.
    pub(crate) async fn kill(mut self) -> End {
        self.child.start_kill().unwrap();
        self.end(Duration::from_secs(5)).await
    }

    /// SIGTERM, as systemd sends it.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGHUP, as `systemctl reload` sends it.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(Pid::from_raw).expect("it runs");
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end and its last line.
    pub(crate) async fn end(mut self, limit: Duration) -> End {
        let mut status: Option<ExitStatus> = None;
        until("the process ends", limit, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        for follower in self.followers.drain(..) {
            follower.await.unwrap();
        }
        End {
            code: status.and_then(|status| status.code()),
            lines: self.lines(),
        }
    }
}

impl End {
    /// Records of level ERROR, and panics.
    pub(crate) fn errors(&self) -> Vec<&String> {
        let is_error = |line: &str| {
            let record: Option<Value> = serde_json::from_str(line).ok();
            record.is_none_or(|record| record["level"] == "ERROR")
        };
        self.lines.iter().filter(|line| is_error(line)).collect()
    }
}

fn records(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

async fn follow(stream: impl AsyncRead + Unpin, said: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        said.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }
}
