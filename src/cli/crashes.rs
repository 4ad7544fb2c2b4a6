//! Crashes in a row: the replica that keeps crashing starts later and later, the one that crashes once does not.
//!
//! Flow: a start is counted in the state directory; an end with a word, or a long life, takes the count away; what
//! is still there at the next start has crashed.
//!
//! Invariants:
//! - The first three crashes cost nothing: the clusters of a replica that is killed wait for its restart.
//! - A count that cannot be kept is no reason not to start.
//! - How long a start waits is drawn: replicas that crash for one reason do not come back together.
//!
//! Not here: a start that fails with a reason (`cli::last_words`). systemd restarts after the same time always;
//! `RestartSteps=` needs version 254.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::chance::Chance;
use crate::clock::{Clock, Moment};
use crate::notify;
use crate::telemetry::event;

/// Name of the count in the state directory.
const NAME: &str = "crashes";
/// Crashes in a row that cost nothing.
const FREE: u32 = 3;
/// What the first one beyond costs at least; each further one twice as much.
const FIRST: Duration = Duration::from_secs(4);
/// What a crash costs at most, before chance adds up to a half.
const MOST: Duration = Duration::from_secs(32);
/// What systemd is asked to wait beyond the pause.
const MARGIN: Duration = Duration::from_secs(10);
/// Whoever has lived so long has not crashed at its start.
const LONG_LIFE: Duration = Duration::from_mins(5);

/// The count of this process. Dropped at its end, unless that is a crash.
#[derive(Debug)]
pub(super) struct Crashes {
    file: Option<PathBuf>,
    before: u32,
    clock: Clock,
    began: Moment,
}

impl Crashes {
    /// Counts this start; `dir` is the state directory.
    pub(super) fn count(dir: Option<&Path>, clock: Clock) -> Self {
        let file = dir.map(|dir| dir.join(NAME));
        let kept = file
            .as_deref()
            .and_then(|file| fs::read_to_string(file).ok());
        let before = kept.and_then(|text| text.trim().parse().ok());
        let before: u32 = before.unwrap_or_default();
        if let Some(file) = &file {
            // Without it the next start is not delayed, which is what happens without a directory, too.
            fs::write(file, before.saturating_add(1).to_string()).unwrap_or_default();
        }
        Self {
            file,
            before,
            began: clock.now(),
            clock,
        }
    }

    /// Waits as long as this start has to, unless `stop` comes first. Nobody but systemd restarts for ever.
    pub(super) async fn wait(&self, stop: &CancellationToken) {
        let pause = self.pause(Chance::from_system().next_fraction());
        let Some(pause) = pause.filter(|_| notify::is_supervised()) else {
            return;
        };
        warn!(
            event = event::REPLICA_DELAYED,
            crashes = self.before,
            retry_in_secs = pause.as_secs(),
            "the last starts ended in a crash; this one waits: look for the reason in the records before it"
        );
        let status = format!("waiting after {} crashes in a row", self.before);
        notify::starting(&status, pause + MARGIN);
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.clock.sleep(pause) => {}
        }
    }

    /// How long this start waits; `drawn` is a number in `0.0..1.0`.
    fn pause(&self, drawn: f64) -> Option<Duration> {
        let beyond = self.before.checked_sub(FREE + 1)?;
        let factor = 2u32.checked_pow(beyond).unwrap_or(u32::MAX);
        let least = FIRST.saturating_mul(factor).min(MOST);
        Some(least + least.mul_f64(drawn / 2.0))
    }

    /// Called while the replica works.
    pub(super) fn lives(&mut self) {
        if self.clock.now().since(self.began) >= LONG_LIFE {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Some(file) = self.file.take() {
            fs::remove_file(file).unwrap_or_default();
        }
    }
}

impl Drop for Crashes {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.forget();
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    fn start(dir: &Path) -> Crashes {
        Crashes::count(Some(dir), Clock::system())
    }

    #[test]
    fn a_crash_is_free_and_a_row_of_them_costs_more_and_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut waits = Vec::new();
        for _ in 0..9 {
            let crashed = start(dir.path());
            waits.push(crashed.pause(0.0).map(|pause| pause.as_secs()));
            std::mem::forget(crashed);
        }
        let want = [0, 0, 0, 0, 4, 8, 16, 32, 32].map(|secs| (secs > 0).then_some(secs));
        assert_eq!(waits, want);
        let drawn = start(dir.path()).pause(0.999).unwrap();
        assert!(drawn > Duration::from_secs(47) && drawn < Duration::from_secs(48));
    }

    #[test]
    fn an_end_with_a_word_or_a_long_life_takes_the_count_away() {
        let dir = tempfile::tempdir().unwrap();
        std::mem::forget(start(dir.path()));
        let second = start(dir.path());
        assert_eq!(second.before, 1);
        drop(second);
        assert_eq!(start(dir.path()).before, 0);

        std::mem::forget(start(dir.path()));
        let mut old = start(dir.path());
        old.lives();
        assert!(dir.path().join(NAME).exists(), "it has just begun");
        old.clock = Clock::scaled(1e6);
        while old.file.is_some() {
            old.lives();
        }
        std::mem::forget(old);
        assert_eq!(start(dir.path()).before, 0);
    }

    #[test]
    fn nothing_to_count_in_is_no_crash() {
        let nowhere = Crashes::count(None, Clock::system());
        assert_eq!((nowhere.before, nowhere.pause(0.0)), (0, None));
        let missing = start(Path::new("/nonexistent"));
        assert_eq!((missing.before, missing.pause(0.0)), (0, None));
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "many\n").unwrap();
        assert_eq!(start(dir.path()).before, 0);
    }
}
