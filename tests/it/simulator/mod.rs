//! The simulator answers as VCD is documented to: versions, sessions, entities, lists, tasks, faults.

mod access;
mod entities;
mod faults;
mod http;
mod lists;
mod sessions;
mod versions;
