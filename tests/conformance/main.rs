//! What clients of VCD rely on, fact by fact, asked of the simulator over HTTP.
//!
//! Goal: whoever doubts an answer of the simulator finds the fact it holds to, and how sure it is.
//!
//! Method: every case names its fact: the area and number of the endpoint's behaviour, how sure it is
//! ([`fact::Mark`]), and the fact itself as a sentence. Each case has a site of its own, on a clock that
//! it moves by hand. `cargo test --test conformance -- "edge gateway"` runs the facts that say so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
#![expect(
    clippy::too_many_lines,
    reason = "a list of facts is as long as the facts are"
)]

mod access;
mod accounts;
mod catalogs;
mod clients;
mod cluster_life;
mod disks;
mod entities;
mod fact;
mod hooks;
mod installer;
mod login;
mod machine_changes;
mod machine_documents;
mod machine_refusals;
mod machines;
mod networking;
mod offers;
mod query;
mod refusals;
mod support;
mod tasks;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let facts = [
        access::facts(),
        accounts::facts(),
        cluster_life::facts(),
        catalogs::facts(),
        entities::facts(),
        hooks::facts(),
        installer::facts(),
        login::facts(),
        clients::facts(),
        disks::facts(),
        machine_changes::facts(),
        machine_documents::facts(),
        machine_refusals::facts(),
        machines::facts(),
        query::facts(),
        tasks::facts(),
        refusals::facts(),
        networking::balancers::facts(),
        networking::clusters::facts(),
        networking::gateways::facts(),
        networking::nat::facts(),
        networking::networks::facts(),
        networking::spaces::facts(),
        offers::facts(),
    ];
    let trials = facts.into_iter().flatten().map(fact::Fact::trial);
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
