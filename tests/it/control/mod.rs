//! The simulator in an operator's hands: its state file, levers and scenarios, control API and program.

mod api;
mod client;
mod leaks;
mod program;
mod shipped;
mod state;
mod verdicts;
