//! The bootstrap VM's user data.
use super::Deps;
use super::claim::Held;
use super::tenant::Tenant;
use crate::reconcile::failure::FailureReason;
use crate::vcd::transport::Transport;

/// x
pub(super) fn user_data<T: Transport>(
    _deps: &Deps<T>,
    _held: &Held<T>,
    _tenant: &Tenant<T>,
) -> Result<String, FailureReason> {
    Ok(String::new())
}
