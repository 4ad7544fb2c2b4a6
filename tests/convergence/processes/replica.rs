//! A replica and what systemd does for it: started again after its end, for ever.
//!
//! Invariants:
//! - An end that nobody has caused is a finding, never forgotten.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use cse_server::clock::{Clock, Moment};

use super::daemon::{Daemon, PROGRAM, Usage};
use super::log;
use super::network::{Net, Network};
use super::site::{Lines, Site};

/// `RestartSec=` of the unit, on the site's clock.
const RESTART_AFTER: Duration = Duration::from_secs(2);
/// Real time that a drain may take: of scaled seconds a few, and the time limits of calls under way, which are real.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// Real time after trouble in which a failed start is still its doing.
const ECHO: Duration = Duration::from_secs(6);
/// Signal number of SIGTERM.
const SIGTERM: i32 = 15;

/// What a replica is doing as a process.
enum State {
    Running(Box<Daemon>),
    /// Until then it stays away.
    Waiting(Moment),
    Stopped,
}

/// Why its process is expected to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Killed,
    Terminated(Moment),
}

/// What of its processes was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lives {
    pub(crate) starts: u32,
    /// Starts that failed while VCD could not be reached, or answered nonsense.
    pub(crate) failed_starts: u32,
    /// Real time from SIGTERM to the end; the longest.
    pub(crate) longest_stop: Duration,
    /// What must not happen.
    pub(crate) wrong: Vec<String>,
}

/// One replica.
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) network: Network,
    pub(crate) lives: Lives,
    config: PathBuf,
    log: PathBuf,
    state: State,
    asked: Asked,
    last_trouble: Option<Moment>,
    clock: Clock,
}

impl Replica {
    /// Prepares a replica that is started at the next look.
    pub(crate) async fn at(site: &Site, name: &str, more: Lines) -> Self {
        let network = Network::to(site.address()).await;
        let config = site.configure((name, name), network.address(), more);
        Self::with(site, (name, name), (config, network))
    }

    /// Prepares another one of the same name, whose files are called `files`.
    pub(crate) async fn copy_of(site: &Site, name: &str, files: &str) -> Self {
        let network = Network::to(site.address()).await;
        let config = site.configure((name, files), network.address(), Lines::default());
        Self::with(site, (name, files), (config, network))
    }

    fn with(site: &Site, (name, files): (&str, &str), parts: (PathBuf, Network)) -> Self {
        let (config, network) = parts;
        Self {
            config,
            log: site.file(&format!("{files}.log")),
            name: name.to_owned(),
            network,
            lives: Lives::default(),
            state: State::Waiting(Moment::default()),
            asked: Asked::Nothing,
            last_trouble: None,
            clock: Clock::system(),
        }
    }

    /// VCD does not answer as it should at this moment.
    pub(crate) fn note_trouble(&mut self) {
        self.last_trouble = Some(self.clock.now());
    }

    /// Notices an end, and starts it when it is time.
    pub(crate) fn tend(&mut self, site: &Site) {
        let now = self.clock.now();
        let frozen = self.daemon().is_some_and(|daemon| daemon.is_frozen());
        // To a frozen process VCD seems not to answer.
        if frozen || self.network.state() != Net::Open {
            self.note_trouble();
        }
        match &mut self.state {
            State::Running(daemon) => {
                if let Some(status) = daemon.ended() {
                    let said = daemon.said();
                    self.note_end(status, &said);
                    self.state = State::Waiting(now.plus(site.real(RESTART_AFTER)));
                } else if let Asked::Terminated(since) = self.asked
                    && !daemon.is_frozen()
                    && now.since(since) > STOP_LIMIT
                {
                    let text = format!("{} did not end within {STOP_LIMIT:?}", self.name);
                    self.lives.wrong.push(text);
                    daemon.kill();
                    self.asked = Asked::Killed;
                }
            }
            State::Waiting(until) if now >= *until => {
                let config = self.config.to_str().unwrap();
                let arguments = ["run", "--config", config];
                let daemon = Daemon::start(&site.group, PROGRAM, &arguments, &self.log);
                self.state = State::Running(Box::new(daemon));
                self.asked = Asked::Nothing;
                self.lives.starts += 1;
            }
            State::Waiting(_) | State::Stopped => {}
        }
    }

    fn note_end(&mut self, status: ExitStatus, said: &str) {
        let now = self.clock.now();
        let explained = self.last_trouble.is_some_and(|at| {
            now.since(at) < ECHO && log::errors(said).iter().all(|error| log::is_start(error))
        });
        let started = log::count(said, "replica.started") > 0;
        let fine = match self.asked {
            Asked::Killed => true,
            Asked::Terminated(since) => {
                let took = self.clock.now().since(since);
                self.lives.longest_stop = self.lives.longest_stop.max(took);
                // Before it could listen to signals, SIGTERM ended it as any process.
                status.success() || (!started && status.signal() == Some(SIGTERM))
            }
            Asked::Nothing => false,
        };
        if !fine && explained && status.code().is_some_and(log::is_vcds_fault) {
            self.lives.failed_starts += 1;
        } else if !fine {
            let words = log::tail(said, 5);
            let text = format!(
                "{} ended with {status} ({:?}):\n{words}",
                self.name, self.asked
            );
            self.lives.wrong.push(text);
        }
    }

    fn daemon(&mut self) -> Option<&mut Daemon> {
        match &mut self.state {
            State::Running(daemon) => Some(daemon),
            State::Waiting(_) | State::Stopped => None,
        }
    }

    /// SIGKILL; says whether there was a process. The next one starts after `down` at the earliest.
    pub(crate) fn kill(&mut self, down: Duration) -> bool {
        let Some(daemon) = self.daemon() else {
            return false;
        };
        daemon.kill();
        if !down.is_zero() {
            self.state = State::Waiting(self.clock.now().plus(down));
        }
        self.asked = Asked::Killed;
        true
    }

    /// SIGKILL, and its end; nobody starts it again before [`Replica::start_again`].
    pub(crate) async fn lose(&mut self) {
        self.kill(Duration::ZERO);
        if let State::Running(mut daemon) = std::mem::replace(&mut self.state, State::Stopped) {
            while daemon.ended().is_none() {
                self.clock.sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Starts it at the next look after it was lost or stopped.
    pub(crate) fn start_again(&mut self) {
        self.state = State::Waiting(self.clock.now());
    }

    /// SIGTERM; says whether there was a process that had not been asked to end.
    pub(crate) fn terminate(&mut self) -> bool {
        let asked = self.asked;
        let now = self.clock.now();
        let Some(daemon) = self.daemon().filter(|_| asked == Asked::Nothing) else {
            return false;
        };
        daemon.terminate();
        self.asked = Asked::Terminated(now);
        true
    }

    /// SIGSTOP; says whether there was a process.
    pub(crate) fn freeze(&mut self) -> bool {
        self.daemon().map(Daemon::freeze).is_some()
    }

    /// SIGCONT.
    pub(crate) fn thaw(&mut self) {
        let now = self.clock.now();
        if let Asked::Terminated(since) = &mut self.asked {
            // Only now it can hear.
            *since = now;
        }
        if let Some(daemon) = self.daemon() {
            daemon.thaw();
        }
    }

    /// Number and use of the process that runs now.
    pub(crate) fn usage(&mut self) -> Option<(u32, Usage)> {
        let daemon = self.daemon()?;
        Some((daemon.id()?, daemon.usage()?))
    }

    /// Whether its process has said that it is ready.
    pub(crate) fn is_ready(&mut self) -> bool {
        let asked = self.asked;
        self.daemon().is_some_and(|daemon| {
            asked == Asked::Nothing && log::count(&daemon.said(), "replica.ready") > 0
        })
    }

    /// SIGTERM, and the end of it all; says what was wrong with that.
    pub(crate) async fn stop(&mut self) {
        self.terminate();
        let State::Running(mut daemon) = std::mem::replace(&mut self.state, State::Stopped) else {
            return;
        };
        let end = self.clock.now().plus(STOP_LIMIT);
        loop {
            if let Some(status) = daemon.ended() {
                let said = daemon.said();
                self.note_end(status, &said);
                return;
            }
            if self.clock.now() >= end {
                let text = format!("{} did not end within {STOP_LIMIT:?}", self.name);
                self.lives.wrong.push(text);
                return;
            }
            self.clock.sleep(Duration::from_millis(10)).await;
        }
    }
}
