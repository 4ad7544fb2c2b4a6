//! Start-up only: arguments in, exit code out; decides nothing.

use std::process::ExitCode;

use cse_server::cli::{execute, parse};

fn main() -> ExitCode {
    cse_server::vcd::http::install_crypto_provider();
    parse().map_or_else(|code| code, execute)
}
