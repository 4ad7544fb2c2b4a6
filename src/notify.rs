//! What the service manager is told: start-up progress, readiness, one line of status, life signs, the end.
//!
//! Invariants:
//! - Outside of systemd every call does nothing; a lost datagram is never an error of the replica.
//! - Nothing here runs by itself: life signs are sent by whoever has just seen progress, so that a stuck
//!   loop is noticed. A free-running timer would report a dead replica as alive.
//!
//! Not here: when to call (`controller`), the unit (`systemd/cse-server.service`).
//! Source: manual pages `sd_notify(3)` and `sd_watchdog_enabled(3)`.

use std::time::Duration;

use sd_notify::NotifyState;

/// Longest status line, in characters: a failure with its reason and what to do about it.
const MAX_STATUS_CHARS: usize = 600;

/// Whether a service manager listens.
pub fn is_supervised() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some_and(|socket| !socket.is_empty())
}

/// Tells that start-up goes on: shows `status`, and lets systemd wait for `patience` more. Without it a
/// replica that waits for VCD to come back would be killed again and again.
pub fn starting(status: &str, patience: Duration) {
    let micros = u32::try_from(patience.as_micros()).unwrap_or(u32::MAX);
    send(&[
        NotifyState::Status(&one_line(status)),
        NotifyState::ExtendTimeoutUsec(micros),
    ]);
}

/// Tells that start-up is complete.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// Replaces the line that `systemctl status` shows.
pub fn status(status: &str) {
    send(&[NotifyState::Status(&one_line(status))]);
}

/// Sends one life sign.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// Tells that the replica is stopping; nothing new is begun afterwards.
pub fn stopping(status: &str) {
    send(&[
        NotifyState::Stopping,
        NotifyState::Status(&one_line(status)),
    ]);
}

/// How often [`alive`] must be called at the latest: half of the unit's `WatchdogSec=`. `None`: nobody waits.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(state) {
        tracing::debug!(error = %cause, "service manager not notified");
    }
}

/// `text` without line breaks, which would begin another assignment in the datagram, and bounded.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).take(MAX_STATUS_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_cannot_smuggle_in_another_message() {
        assert_eq!(one_line("2 idle\nSTOPPING=1"), "2 idle STOPPING=1");
        assert_eq!(one_line(&"x".repeat(1000)).len(), MAX_STATUS_CHARS);
    }
}
