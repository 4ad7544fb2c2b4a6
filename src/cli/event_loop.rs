//! The event loop of a command that is not a replica.

use std::future::Future;

use tokio::runtime::Builder;

use super::exit::Failure;

/// Does the work on this thread alone, and waits for nothing that hangs in another one when it is done: a name
/// look-up must not keep a command from ending.
///
/// # Errors
/// [`Failure`]: the system gives no event loop, or the work's own.
pub(super) fn finish<R>(work: impl Future<Output = Result<R, Failure>>) -> Result<R, Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime(&error))?;
    let ended = runtime.block_on(work);
    runtime.shutdown_background();
    ended
}
