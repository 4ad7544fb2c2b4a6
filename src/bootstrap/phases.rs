//! The scripts of a bootstrap VM: one per phase, the runner, and what they share.
//!
//! Order, time limits and event names of the phases are in [`crate::domain::phase`].
//!
//! Invariants:
//! - Scripts are constants. Everything that differs between clusters reaches them through the
//!   environment file, so no name of a tenant is ever part of a script.

use crate::domain::phase::Phase;

/// Directory of everything a bootstrap VM is given.
pub const ROOT: &str = "/opt/cse";

/// Runs the phases in order and reports.
pub(super) const RUNNER: &str = include_str!("scripts/bootstrap.sh");
/// Functions of the runner and of the phases.
pub(super) const LIBRARY: &str = include_str!("scripts/lib.sh");
/// Makes cloud-init look for its user data in guestinfo; for `GuestCustomizationSection`.
pub const CUSTOMIZATION: &str = include_str!("scripts/customization.sh");

/// The script of a phase.
pub const fn script(phase: Phase) -> &'static str {
    match phase {
        Phase::Network => include_str!("scripts/10-network.sh"),
        Phase::Tools => include_str!("scripts/20-tools.sh"),
        Phase::Kind => include_str!("scripts/30-kind.sh"),
        Phase::Providers => include_str!("scripts/40-providers.sh"),
        Phase::Apply => include_str!("scripts/50-apply.sh"),
        Phase::ControlPlane => include_str!("scripts/60-control-plane.sh"),
        Phase::Addons => include_str!("scripts/70-addons.sh"),
        Phase::Workers => include_str!("scripts/80-workers.sh"),
        Phase::Pivot => include_str!("scripts/90-pivot.sh"),
        Phase::Finish => include_str!("scripts/95-finish.sh"),
    }
}

/// Where the script of a phase is in the VM; lexical order is running order.
pub fn script_path(phase: Phase) -> String {
    format!("{ROOT}/phases/{:02}-{}.sh", phase.number(), phase.name())
}

#[cfg(test)]
#[path = "phases_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
pub(super) mod tests;
