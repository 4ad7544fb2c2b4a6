//! The program as it is installed: real processes, real sockets, real signals, against a simulated VCD
//! that this process serves over HTTPS.

mod command_line;
mod components;
mod creation;
mod orphans;
mod outage;
mod refusals;
mod supervised;
