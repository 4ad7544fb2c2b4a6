//! The integration tests: one binary, one module per subject.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail loudly and document themselves by their names"
)]

mod infrastructure;
mod scenarios;
mod simulator;
mod support;
mod wire;
