//! Start-up only: arguments in, exit code out; decides nothing.

use std::process::ExitCode;

use clap::Parser;
use cse_server::cli::{Cli, execute};

fn main() -> ExitCode {
    cse_server::vcd::http::install_crypto_provider();
    execute(Cli::parse())
}
