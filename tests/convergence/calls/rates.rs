//! How often replicas ask, by the journal of a run.

use std::collections::BTreeMap;

/// What is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    /// Most requests of one replica in a minute.
    pub(super) minute: usize,
    /// Most requests of one replica in ten seconds.
    pub(super) ten_seconds: usize,
    /// Requests of all that failed.
    pub(super) failed: usize,
}

impl Rates {
    pub(super) fn of(lines: &[String]) -> Self {
        let mut of: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        let mut failed = 0;
        for line in lines {
            let mut words = line.split(' ');
            let at: u64 = words.next().and_then(|at| at.parse().ok()).unwrap_or(0);
            of.entry(words.next().unwrap_or_default())
                .or_default()
                .push(at);
            let outcome = line.rsplit("-> ").next().unwrap_or_default();
            failed += usize::from(!outcome.starts_with('2'));
        }
        let most = |within| of.values().map(|all| most(all, within)).max();
        Self {
            minute: most(60_000).unwrap_or(0),
            ten_seconds: most(10_000).unwrap_or(0),
            failed,
        }
    }

    /// By how much each is more than in another run.
    pub(super) const fn beyond(self, other: Self) -> Self {
        Self {
            minute: self.minute.saturating_sub(other.minute),
            ten_seconds: self.ten_seconds.saturating_sub(other.ten_seconds),
            failed: self.failed.saturating_sub(other.failed),
        }
    }

    /// The largest of each.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            minute: self.minute.max(other.minute),
            ten_seconds: self.ten_seconds.max(other.ten_seconds),
            failed: self.failed.max(other.failed),
        }
    }
}

/// Most of these moments within so many milliseconds.
fn most(moments: &[u64], within: u64) -> usize {
    let (mut oldest, mut most) = (0, 0);
    for (newest, at) in moments.iter().enumerate() {
        while moments[oldest] + within < *at {
            oldest += 1;
        }
        most = most.max(newest - oldest + 1);
    }
    most
}
