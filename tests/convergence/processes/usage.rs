//! Memory and files of processes over their lives.

use std::collections::BTreeMap;
use std::time::Duration;

use super::daemon::Usage;

/// Start of a life that is not judged: memory still grows to its working size.
const WARM_UP: Duration = Duration::from_mins(1);
/// Shortest rest of a life whose slope says anything.
const WORTH_JUDGING: Duration = Duration::from_mins(3);

/// What was measured, by process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usages(BTreeMap<u32, Vec<(Duration, Usage)>>);

/// The growth of a long life, in an hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub(crate) over: Duration,
    pub(crate) rss_kib: f64,
    pub(crate) files: f64,
}

impl Usages {
    /// Notes a measurement of a process.
    pub(crate) fn note(&mut self, process: u32, at: Duration, usage: Usage) {
        self.0.entry(process).or_default().push((at, usage));
    }

    /// The most that any process had at any time.
    pub(crate) fn most(&self) -> Usage {
        let all = || self.0.values().flatten().map(|(_, usage)| usage);
        Usage {
            rss_kib: all().map(|usage| usage.rss_kib).max().unwrap_or_default(),
            files: all().map(|usage| usage.files).max().unwrap_or_default(),
        }
    }

    /// The growth of the longest life, if one was long enough.
    pub(crate) fn growth(&self) -> Option<Growth> {
        let lives = self.0.values().filter_map(|life| {
            let first = life.first()?.0 + WARM_UP;
            let rest: Vec<_> = life.iter().filter(|(at, _)| *at >= first).collect();
            let over = rest.last()?.0.saturating_sub(rest.first()?.0);
            (over >= WORTH_JUDGING).then_some((over, rest))
        });
        let (over, life) = lives.max_by_key(|(over, _)| *over)?;
        let hours = |at: Duration| at.as_secs_f64() / 3600.0;
        let number = |count: u64| u32::try_from(count).map_or(f64::INFINITY, f64::from);
        let rss = life
            .iter()
            .map(|(at, one)| (hours(*at), number(one.rss_kib)));
        let files = life.iter().map(|(at, one)| {
            let count = u64::try_from(one.files).unwrap_or(u64::MAX);
            (hours(*at), number(count))
        });
        Some(Growth {
            over,
            rss_kib: slope(&rss.collect::<Vec<_>>()),
            files: slope(&files.collect::<Vec<_>>()),
        })
    }
}

/// Slope of the straight line nearest to the points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = f64::from(u32::try_from(points.len()).unwrap_or(u32::MAX));
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let width: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    both / width
}
