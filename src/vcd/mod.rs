//! The wire: the only home of HTTP, URLs, JSON and XML of VCD.

pub mod transport;
