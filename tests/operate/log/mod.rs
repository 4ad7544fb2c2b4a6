//! The log, forwarding, health and metrics, as operators and their tools see them.

mod capture;
mod catalog;
mod content;
mod figures;
mod matching;
mod process;
mod queries;
