//! One replica as an operating-system process, and what systemd would do for it.
//!
//! Flow: start -> read its log -> notice its end -> start it again after two seconds, as
//! `Restart=always` with `RestartSec=2s` does; SIGTERM at the end.
//!
//! Invariants:
//! - A replica never outlives the demo: it is killed when this value is dropped.
//! - It gets no environment, so that the variables of the user's shell do not configure it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::log::{self, LogLine};
use crate::clock::{Clock, Moment};

/// `RestartSec=` of the unit, on the clock of the site.
const RESTART_AFTER: Duration = Duration::from_secs(2);
/// Shortest real time between death and restart: one has to be able to see it.
const RESTART_AT_LEAST: Duration = Duration::from_millis(300);
/// Real time a replica gets to end after SIGTERM; then it is killed, as systemd would.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Real time its last lines may take to arrive after its end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A line of a replica's log, with the replica's name.
pub(super) type Said = (String, LogLine);

/// A supervised replica.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) name: String,
    program: PathBuf,
    config: PathBuf,
    log: File,
    lines: UnboundedSender<Said>,
    state: State,
    restart_after: Duration,
}

#[derive(Debug)]
enum State {
    Running {
        child: Child,
        /// Reads its standard error until that ends.
        follower: Option<JoinHandle<()>>,
        killed: bool,
    },
    Waiting {
        since: Moment,
    },
    Stopped,
}

/// What a look at a replica brought to light.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It ended after it had been killed on purpose.
    Died,
    /// Somebody else ended it, by a signal that no defect sends or that it answers by draining.
    Ended(String),
    /// It ended by itself, with this status; it should not have.
    Quit(String),
    /// It runs again, as this process.
    Restarted(u32),
}

/// What a replica is made of.
pub(super) struct Setup {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) config: PathBuf,
    /// File that takes everything it writes to standard error.
    pub(super) log: PathBuf,
    pub(super) time_scale: f64,
}

impl Replica {
    /// Starts a replica. What it says arrives at `lines`.
    pub(super) fn start(setup: Setup, lines: UnboundedSender<Said>) -> io::Result<Self> {
        let after = RESTART_AFTER
            .div_f64(setup.time_scale.max(1.0))
            .max(RESTART_AT_LEAST);
        let mut replica = Self {
            log: File::create_new(&setup.log)?,
            name: setup.name,
            program: setup.program,
            config: setup.config,
            lines,
            state: State::Stopped,
            restart_after: after,
        };
        replica.spawn()?;
        Ok(replica)
    }

    fn spawn(&mut self) -> io::Result<Option<u32>> {
        let mut child = command(&self.program, &self.config).spawn()?;
        let pid = child.id();
        let follower = match child.stderr.take() {
            Some(stderr) => {
                let log = self.log.try_clone()?;
                let lines = self.lines.clone();
                Some(tokio::spawn(follow(self.name.clone(), stderr, log, lines)))
            }
            None => None,
        };
        self.state = State::Running {
            child,
            follower,
            killed: false,
        };
        Ok(pid)
    }

    /// Notices the end of the process and starts it again when it is time. `now` is real time.
    pub(super) fn tend(&mut self, now: Moment) -> io::Result<Option<News>> {
        match &mut self.state {
            State::Running { child, killed, .. } => {
                let Some(status) = child.try_wait()? else {
                    return Ok(None);
                };
                let news = if *killed {
                    News::Died
                } else if was_ended(status) {
                    News::Ended(describe(status))
                } else {
                    News::Quit(describe(status))
                };
                self.state = State::Waiting { since: now };
                Ok(Some(news))
            }
            State::Waiting { since } if now.since(*since) >= self.restart_after => {
                Ok(self.spawn()?.map(News::Restarted))
            }
            State::Waiting { .. } | State::Stopped => Ok(None),
        }
    }

    /// One word on what it does.
    pub(super) fn condition(&self) -> &'static str {
        match &self.state {
            State::Running { killed: false, .. } => "up",
            State::Running { killed: true, .. } | State::Waiting { .. } => "down",
            State::Stopped => "stopped",
        }
    }

    /// Kills it without warning, as a power failure would. Says whether there was something to kill.
    pub(super) fn kill(&mut self) -> bool {
        match &mut self.state {
            State::Running { child, killed, .. } if !*killed => {
                *killed = child.start_kill().is_ok();
                *killed
            }
            State::Running { .. } | State::Waiting { .. } | State::Stopped => false,
        }
    }

    /// Sends SIGTERM; [`Replica::stopped`] waits for the end.
    pub(super) fn ask_to_stop(&mut self) {
        if let State::Running { child, .. } = &self.state
            && let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok())
            && let Some(pid) = Pid::from_raw(pid)
            && let Err(cause) = kill_process(pid, Signal::TERM)
        {
            tracing::debug!(error = %cause, "replica not signalled");
        }
    }

    /// Starts it again after it was stopped, at the next look.
    pub(super) fn resume(&mut self) {
        if let State::Stopped = self.state {
            self.state = State::Waiting {
                since: Moment::default(),
            };
        }
    }

    /// Waits for the end after SIGTERM. Returns what was wrong with it: a clean stop is status 0 in time.
    pub(super) async fn stopped(&mut self, clock: &Clock) -> Option<String> {
        let state = std::mem::replace(&mut self.state, State::Stopped);
        let State::Running {
            mut child,
            follower,
            killed,
        } = state
        else {
            return None;
        };
        let status = tokio::select! {
            status = child.wait() => Some(status),
            () = clock.sleep(STOP_PATIENCE) => None,
        };
        // Its last words count too.
        if let (Some(_), Some(follower)) = (&status, follower) {
            tokio::select! {
                _ = follower => {}
                () = clock.sleep(LAST_WORDS) => {}
            }
        }
        let name = &self.name;
        match status {
            _ if killed => None,
            Some(Ok(status)) if status.success() => None,
            Some(Ok(status)) => Some(format!(
                "{name} ended with {} after SIGTERM",
                describe(status)
            )),
            Some(Err(cause)) => Some(format!("cannot wait for {name}: {cause}")),
            None => Some(format!(
                "{name} did not end within {} s of SIGTERM and was killed",
                STOP_PATIENCE.as_secs()
            )),
        }
    }
}

fn command(program: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("run").arg("--config").arg(config);
    command.env_clear();
    // The terminal's Ctrl-C is for the demo, which then stops the replicas in order.
    command.process_group(0).kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Copies what a process says into its log file, and sends on what matters.
async fn follow(name: String, stderr: ChildStderr, mut log: File, lines: UnboundedSender<Said>) {
    let mut said = BufReader::new(stderr).lines();
    // A line that is no text ends the reading; the program writes JSON only.
    while let Ok(Some(line)) = said.next_line().await {
        if writeln!(log, "{line}").is_err() {
            tracing::debug!("log file of a replica not written");
        }
        match log::scan(&line) {
            LogLine::Other => {}
            matters @ (LogLine::Error(_) | LogLine::Event { .. }) => {
                if lines.send((name.clone(), matters)).is_err() {
                    return;
                }
            }
        }
    }
}

/// Whether somebody who plays with the demo did it: SIGKILL, or a drain that ended well.
fn was_ended(status: ExitStatus) -> bool {
    status.success() || status.signal() == Some(Signal::KILL.as_raw())
}

/// The status in words.
fn describe(status: ExitStatus) -> String {
    status.to_string()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use tokio::sync::mpsc::{self, UnboundedReceiver};

    use super::*;

    struct Play {
        replica: Replica,
        said: UnboundedReceiver<Said>,
        _dir: tempfile::TempDir,
    }

    /// Starts `script` in place of the program. It stands where the configuration would: the program is a
    /// file that nobody writes, because a file that is still open for writing cannot be executed.
    fn play(script: &str) -> Play {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config");
        std::fs::write(&config, script).unwrap();
        let (lines, said) = mpsc::unbounded_channel();
        let setup = Setup {
            name: "replica-1".to_owned(),
            program: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replica.sh"),
            config,
            log: dir.path().join("log"),
            time_scale: 1000.0,
        };
        Play {
            replica: Replica::start(setup, lines).unwrap(),
            said,
            _dir: dir,
        }
    }

    const READY: &str =
        r#"echo '{"level":"INFO","fields":{"message":"ready","event":"replica.ready"}}' >&2"#;

    /// Looks until there is news, 10 s at most.
    async fn news(replica: &mut Replica) -> News {
        let clock = Clock::system();
        for _ in 0..1000 {
            if let Some(news) = replica.tend(clock.now()).unwrap() {
                return news;
            }
            clock.sleep(Duration::from_millis(10)).await;
        }
        unreachable!("nothing happened: {replica:?}")
    }

    #[tokio::test]
    async fn a_killed_replica_is_started_again() {
        let mut play = play(&format!("{READY}\nexec sleep 60"));
        play.said.recv().await.unwrap();
        assert_eq!(play.replica.condition(), "up");
        assert!(play.replica.kill());
        assert!(!play.replica.kill(), "dead already");
        assert_eq!(news(&mut play.replica).await, News::Died);
        assert_eq!(play.replica.condition(), "down");
        assert!(matches!(news(&mut play.replica).await, News::Restarted(_)));
        play.said.recv().await.unwrap();
        assert_eq!(play.replica.condition(), "up");
    }

    #[tokio::test]
    async fn a_replica_that_somebody_else_ends_is_restarted_and_not_blamed() {
        for (script, status) in [
            ("kill -9 $$", "signal: 9 (SIGKILL)"),
            ("exit 0", "exit status: 0"),
        ] {
            let mut play = play(script);
            assert_eq!(
                news(&mut play.replica).await,
                News::Ended(status.to_owned())
            );
            assert!(matches!(news(&mut play.replica).await, News::Restarted(_)));
        }
        let mut play = play("kill -11 $$");
        assert!(matches!(news(&mut play.replica).await, News::Quit(_)));
    }

    #[tokio::test]
    async fn a_replica_that_quits_by_itself_is_told_apart() {
        let mut play = play("exit 78");
        assert_eq!(
            news(&mut play.replica).await,
            News::Quit("exit status: 78".to_owned())
        );
    }

    #[tokio::test]
    async fn a_clean_stop_is_status_zero_after_sigterm_and_last_words_are_heard() {
        let rows = [
            (0, None),
            (3, Some("replica-1 ended with exit status: 3 after SIGTERM")),
        ];
        for (status, want) in rows {
            let last = r#"echo '{"level":"ERROR","fields":{"message":"bye"}}' >&2"#;
            let bye = format!("bye() {{ {last}; exit {status}; }}\ntrap bye TERM");
            let mut play = play(&format!("{bye}\n{READY}\nwhile :; do sleep 0.01; done"));
            play.said.recv().await.unwrap();
            play.replica.ask_to_stop();
            let wrong = play.replica.stopped(&Clock::system()).await;
            assert_eq!(wrong.as_deref(), want);
            assert_eq!(play.replica.condition(), "stopped");
            let (_, line) = play.said.try_recv().unwrap();
            assert_eq!(line, LogLine::Error("bye".to_owned()));
        }
    }
}
