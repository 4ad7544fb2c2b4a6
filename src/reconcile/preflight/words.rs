//! The parts that the sentences of preflight are made of.

use std::fmt;

use crate::domain::cluster::excerpt;

/// The beginning of a text of somebody else; shown escaped and in quotes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quoted(String);

impl Quoted {
    /// Cuts `text` to a readable length.
    pub fn of(text: &str) -> Self {
        Self(excerpt(text))
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Something a VDC has a limit of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Virtual machines.
    Vms,
    /// Network cards.
    Nics,
    /// Processors, in MHz.
    Cpu,
    /// Memory, in MiB.
    Memory,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vms => "VMs",
            Self::Nics => "network cards",
            Self::Cpu => "MHz of CPU",
            Self::Memory => "MiB of memory",
        })
    }
}
