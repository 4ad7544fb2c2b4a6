//! The end of a replica that cannot start: told once, where the operator looks, and not in a hurry.
//!
//! Invariants:
//! - One line tells the failure: a record in the log where there is one, else a line on standard error.
//!   If the log goes into the journal and standard error elsewhere, each of the two has it.
//! - Under systemd the process ends half a minute later: whatever is wrong, systemd tries again for ever,
//!   and must neither flood the journal nor have VCD lock the account after too many refused tokens.
//!   `RestartSteps=` of the unit would do the same, but from systemd 254 on only, and without chance.
//! - How much later is drawn: replicas that failed together do not come back together.
//!
//! Not here: what the line says (`cli::exit`).

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::exit::Failure;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::process_environment;
use crate::notify;
use crate::telemetry::{self, Destination, event};

/// How long a failed start lasts under systemd at least; `RestartSec=` of the unit comes on top.
const PAUSE: Duration = Duration::from_secs(30);
/// Most that chance adds.
const SPREAD: Duration = Duration::from_secs(15);
/// What systemd is asked to wait beyond the pause.
const MARGIN: Duration = Duration::from_secs(10);

/// Tells `failure`; `log` is where the log goes, if it was set up.
pub(super) fn tell(failure: &Failure, log: Option<Destination>) {
    // A filter may keep even errors out.
    let log = log.filter(|_| tracing::enabled!(Level::ERROR));
    if log.is_some() {
        // The reason is in the message: `journalctl` shows nothing else of a record.
        tracing::error!(
            event = event::REPLICA_FAILED,
            exit_code = failure.code,
            "cannot start: {failure}"
        );
    }
    let to_journal = telemetry::stderr_is_journal(&process_environment);
    match (log, to_journal) {
        (Some(Destination::Stderr), _) | (Some(Destination::Journal), true) => {}
        (None, true) => super::say_to_journal(failure),
        (None | Some(Destination::Journal), false) => super::say(failure),
    }
}

/// Under systemd: waits, unless `stop` comes first, so that the next try does not follow at once.
pub(super) async fn pause(failure: &Failure, stop: &CancellationToken) {
    if !notify::is_supervised() {
        return;
    }
    let pause = length(Chance::from_system().next_fraction());
    notify::starting(&format!("cannot start: {failure}"), pause + MARGIN);
    let clock = Clock::system();
    tokio::select! {
        () = stop.cancelled() => {}
        () = clock.sleep(pause) => {}
    }
}

/// `drawn` is a number in `0.0..1.0`.
fn length(drawn: f64) -> Duration {
    PAUSE + SPREAD.mul_f64(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_lasts_30_to_45_seconds() {
        assert_eq!(length(0.0), Duration::from_secs(30));
        let longest = length(0.999_999);
        assert!(longest > Duration::from_secs(44) && longest < Duration::from_secs(45));
    }
}
