//! Start-up of the agent only: exit code out; decides nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    cse_server::agent::cli::run()
}
