//! The agent inside a cluster, on a simulated VCD and a stand-in API server that knows server-side apply.

mod api_server;
mod apply;
mod fields;
mod home;
mod outage;
mod program;
mod refusals;
mod removal;
mod upgrade;
