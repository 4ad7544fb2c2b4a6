//! What the bootstrap VM's guest says of itself through guestinfo keys.
//!
//! Flow: `observe` reads the VM -> [`guest_seen`] -> `reconcile::create`.
//!
//! Invariants:
//! - What a guest says is hostile input: short, without control characters, and never a reason to fail.
//!
//! Not here: the keys and their values (`domain::phase`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::observe::power;
use crate::domain::phase::{BEAT_KEY, EXIT_KEY, LOG_KEY, Phase, PhaseStatus, REASON_KEY};
use crate::reconcile::observation::{GuestReport, GuestSeen};
use crate::vcd::model::Vm;

/// Key of the bootstrap user data.
pub(super) const USER_DATA_KEY: &str = "guestinfo.userdata";
/// Longest log tail and reason taken from a guest, in characters: what a guest says is hostile input.
const MAX_GUEST_TEXT_CHARS: usize = 2_000;

/// The VM and the report of its guest.
pub(super) fn guest_seen(vm: &Vm) -> GuestSeen {
    let said = |key: &str| vm.extra_config.get(key).map(String::as_str);
    let status = |phase: Phase| {
        let status = PhaseStatus::parse(said(&phase.status_key())?)?;
        Some((phase.name().to_owned(), status))
    };
    let report = GuestReport {
        phases: Phase::ALL.into_iter().filter_map(status).collect(),
        exit: said(EXIT_KEY).and_then(|code| code.trim().parse().ok()),
        reason: said(REASON_KEY).map(clip),
        log_tail: said(LOG_KEY).and_then(decode),
        beat: said(BEAT_KEY).map(clip),
    };
    GuestSeen {
        power: power(vm.status),
        busy: vm.busy,
        has_user_data: vm
            .extra_config
            .get(USER_DATA_KEY)
            .is_some_and(|text| !text.is_empty()),
        report,
        silent_for: None,
    }
}

fn clip(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_GUEST_TEXT_CHARS)
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let skip = text.chars().count().saturating_sub(MAX_GUEST_TEXT_CHARS);
    Some(
        text.chars()
            .skip(skip)
            .filter(|c| !c.is_control() || *c == '\n')
            .collect(),
    )
}
