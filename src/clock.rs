//! The only source of time: now, wall-clock time and sleep.
//!
//! Flow: handed to everything that waits or stamps; nothing else reads a clock.
//!
//! Invariants:
//! - [`Clock::now`] never goes back. On Linux it counts the time a suspended machine slept
//!   (`CLOCK_BOOTTIME`), because a claim grows old while its holder sleeps.
//! - Under [`Clock::virtual_at`] nothing reads the machine's clock: tests run on tokio's paused time, and
//!   may give each replica a clock that is wrong in its own way.
//! - A scaled clock shortens waits only; wall-clock stamps stay true.
//! - A stepped clock stands still until it is moved; who sleeps on it wakes when it has been moved
//!   far enough. A paced clock runs, can be moved on, and can change its pace; it goes back only
//!   when it is set for another world.
//!
//! Not here: time limits of HTTP calls (`vcd::http`), which are real seconds always.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

/// A reading of the monotonic clock: time since an arbitrary origin, comparable within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(Duration);

impl Moment {
    /// Builds a moment from its distance to the origin; for tests and tables.
    pub const fn from_origin(distance: Duration) -> Self {
        Self(distance)
    }

    /// Distance to the origin of the clock that made this reading.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `delay` later; saturates.
    #[must_use]
    pub fn plus(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }
}

/// Where time comes from: the machine, the machine sped up, or a test.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    /// The machine's clocks; `scale` clock seconds pass in one real second.
    System { scale: f64 },
    /// tokio's clock, paused by the test; `wall` is the date at `origin`, which may be wrong by any time,
    /// and `percent` seconds pass in a hundred.
    Virtual {
        origin: Instant,
        wall: Timestamp,
        percent: u32,
        ahead_secs: Arc<AtomicI64>,
    },
    /// Moved by hand; `wall` is the date at its beginning.
    Stepped {
        elapsed: watch::Sender<Duration>,
        wall: Timestamp,
    },
    /// The machine's clock at a pace that can be changed, from a moment that is given.
    Paced { pace: watch::Sender<Pace> },
}

/// `moment` at `boot` on the machine's clock; `scale` clock seconds pass in one real second from there on.
#[derive(Clone, Copy, Debug)]
struct Pace {
    moment: Moment,
    boot: Duration,
    scale: f64,
    /// Raised when the clock is set to another time, which ends all waits.
    settings: u64,
}

impl Pace {
    fn at(&self, boot: Duration) -> Moment {
        let real = boot.saturating_sub(self.boot);
        self.moment.plus(real.mul_f64(self.scale))
    }
}

impl Clock {
    /// The machine's clock at its true speed.
    pub const fn system() -> Self {
        Self(Source::System { scale: 1.0 })
    }

    /// The machine's clock `scale` times as fast, for demonstrations on the simulator.
    ///
    /// Values below 1, and values that are no number, count as 1.
    pub fn scaled(scale: f64) -> Self {
        Self(Source::System {
            scale: if scale > 1.0 { scale } else { 1.0 },
        })
    }

    /// tokio's clock starting now, with `wall` as today's date; for tests on paused time.
    pub fn virtual_at(wall: Timestamp) -> Self {
        Self::virtual_skewed(wall, 100)
    }

    /// The same at `percent` of its speed: for a machine among others whose clock is wrong. Its date can be
    /// stepped; clones step together.
    pub fn virtual_skewed(wall: Timestamp, percent: u32) -> Self {
        Self(Source::Virtual {
            origin: Instant::now(),
            wall,
            percent: percent.max(1),
            ahead_secs: Arc::default(),
        })
    }

    /// Puts the date of a virtual clock forward or back, as an administrator does; waits go on.
    pub fn step_date(&self, seconds: i64) {
        match &self.0 {
            Source::Virtual { ahead_secs, .. } => {
                ahead_secs.fetch_add(seconds, Ordering::AcqRel);
            }
            Source::System { .. } | Source::Stepped { .. } | Source::Paced { .. } => {}
        }
    }

    /// A virtual clock `elapsed` after its origin: for a world that is taken up where it was saved.
    pub fn virtual_since(wall: Timestamp, elapsed: Duration) -> Self {
        let now = Instant::now();
        Self(Source::Virtual {
            origin: now.checked_sub(elapsed).unwrap_or(now),
            wall,
            percent: 100,
            ahead_secs: Arc::default(),
        })
    }

    /// A clock that only [`Clock::step`] moves, beginning with `wall` as today's date; for tests that
    /// speak over sockets, where tokio's paused time would run away. Clones move together.
    pub fn stepped(wall: Timestamp) -> Self {
        let (elapsed, _) = watch::channel(Duration::ZERO);
        Self(Source::Stepped { elapsed, wall })
    }

    /// The machine's clock `scale` times as fast, counting from `start`: for a simulator that goes on where
    /// another one stopped, and whose time can be moved. Dates stay true. Clones move together.
    pub fn paced(scale: f64, start: Moment) -> Self {
        let (pace, _) = watch::channel(Pace {
            moment: start,
            boot: boot_time(),
            scale: if scale > 1.0 { scale } else { 1.0 },
            settings: 0,
        });
        Self(Source::Paced { pace })
    }

    /// How many clock seconds pass in one real second: 1 for clocks that know no other pace.
    pub fn scale(&self) -> f64 {
        match &self.0 {
            Source::System { scale } => *scale,
            Source::Paced { pace } => pace.borrow().scale,
            Source::Virtual { .. } | Source::Stepped { .. } => 1.0,
        }
    }

    /// Lets a paced clock go on `scale` times as fast; false for the others, and for values below 1.
    pub fn set_scale(&self, scale: f64) -> bool {
        match &self.0 {
            Source::Paced { pace } if (1.0..=1e6).contains(&scale) => {
                pace.send_modify(|pace| {
                    let boot = boot_time();
                    *pace = Pace {
                        moment: pace.at(boot),
                        boot,
                        scale,
                        ..*pace
                    };
                });
                true
            }
            Source::Paced { .. }
            | Source::System { .. }
            | Source::Virtual { .. }
            | Source::Stepped { .. } => false,
        }
    }

    /// Sets a paced clock to `moment`, for a world that has another time; who waits on it goes on at once.
    /// False for the others.
    pub fn set(&self, moment: Moment) -> bool {
        let Source::Paced { pace } = &self.0 else {
            return false;
        };
        pace.send_modify(|pace| {
            *pace = Pace {
                moment,
                boot: boot_time(),
                settings: pace.settings + 1,
                ..*pace
            };
        });
        true
    }

    /// Moves a stepped or paced clock on by `span`; the others go their own way.
    pub fn step(&self, span: Duration) {
        match &self.0 {
            Source::Paced { pace } => {
                pace.send_modify(|pace| pace.moment = pace.moment.plus(span));
            }
            Source::Stepped { elapsed, .. } => {
                elapsed.send_modify(|elapsed| *elapsed = elapsed.saturating_add(span));
            }
            Source::System { .. } | Source::Virtual { .. } => {}
        }
    }

    /// The present moment.
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System { scale } => Moment(boot_time().mul_f64(*scale)),
            Source::Virtual {
                origin, percent, ..
            } => Moment(at_pace(origin.elapsed(), *percent)),
            Source::Stepped { elapsed, .. } => Moment(*elapsed.borrow()),
            Source::Paced { pace } => pace.borrow().at(boot_time()),
        }
    }

    /// The date and time of day, for stamps that people read; never compared with another host's.
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            Source::System { .. } | Source::Paced { .. } => Timestamp::now(),
            Source::Virtual {
                origin,
                wall,
                percent,
                ahead_secs,
            } => {
                let ahead = SignedDuration::from_secs(ahead_secs.load(Ordering::Acquire));
                wall.checked_add(at_pace(origin.elapsed(), *percent))
                    .and_then(|date| date.checked_add(ahead))
                    .unwrap_or(Timestamp::MAX)
            }
            Source::Stepped { elapsed, wall } => wall
                .checked_add(*elapsed.borrow())
                .unwrap_or(Timestamp::MAX),
        }
    }

    /// Waits for `delay` of this clock's time. Cancel: safe.
    pub async fn sleep(&self, delay: Duration) {
        match &self.0 {
            Source::System { scale } => tokio::time::sleep(delay.div_f64(*scale)).await,
            Source::Virtual { percent, .. } => {
                tokio::time::sleep(delay.saturating_mul(100) / *percent).await;
            }
            Source::Stepped { elapsed, .. } => {
                let mut seen = elapsed.subscribe();
                let end = seen.borrow().saturating_add(delay);
                // The sender is part of this very clock, so the wait cannot fail.
                drop(seen.wait_for(|elapsed| *elapsed >= end).await);
            }
            Source::Paced { pace } => {
                let mut changes = pace.subscribe();
                let settings = pace.borrow().settings;
                let end = self.now().plus(delay);
                loop {
                    let left = end.since(self.now());
                    if left.is_zero() || pace.borrow().settings != settings {
                        return;
                    }
                    let real = left.div_f64(self.scale());
                    tokio::select! {
                        () = tokio::time::sleep(real) => {}
                        // A jump or another pace: look again.
                        _ = changes.changed() => {}
                    }
                }
            }
        }
    }
}

/// What a clock at `percent` of the true speed shows when `real` has passed.
fn at_pace(real: Duration, percent: u32) -> Duration {
    real.saturating_mul(percent) / 100
}

#[cfg(target_os = "linux")]
fn boot_time() -> Duration {
    let reading = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(reading.tv_sec).unwrap_or_default(),
        u32::try_from(reading.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(not(target_os = "linux"))]
fn boot_time() -> Duration {
    use std::sync::LazyLock;
    static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    ORIGIN.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_paced_clock_goes_on_from_a_moment_and_can_be_moved() {
        let start = Moment::from_origin(Duration::from_hours(5));
        let clock = Clock::paced(100.0, start);
        let jumper = clock.clone();
        let hour = Duration::from_hours(1);
        assert!(clock.now() >= start && clock.now() < start.plus(hour));
        let sleeper = tokio::spawn(async move { clock.sleep(2 * hour).await });
        tokio::task::yield_now().await;
        jumper.step(hour);
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        jumper.step(2 * hour);
        assert!(sleeper.await.is_ok(), "it has been moved far enough");
        assert!(jumper.set_scale(2.0) && !jumper.set_scale(0.5) && !jumper.set_scale(f64::NAN));
        assert!((jumper.scale() - 2.0).abs() < f64::EPSILON);
        assert!(
            jumper.now() >= start.plus(3 * hour),
            "another pace does not move it"
        );
    }

    #[tokio::test]
    async fn a_clock_that_is_set_ends_all_waits() {
        let clock = Clock::paced(1.0, Moment::from_origin(Duration::from_hours(9)));
        let set = clock.clone();
        let sleeper = tokio::spawn(async move { clock.sleep(Duration::from_hours(1)).await });
        tokio::task::yield_now().await;
        assert!(set.set(Moment::default()));
        assert!(sleeper.await.is_ok());
        assert!(set.now() < Moment::from_origin(Duration::from_hours(1)));
        assert!(!Clock::system().set(Moment::default()));
    }
}
