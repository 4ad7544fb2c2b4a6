//! Every state that can be reached, breadth first, and from which of them a good one is in reach.
//!
//! A model checker of its own, because the question "is a good state in reach from every state" is asked by none of
//! those there are for Rust: it needs the graph backwards. A state is remembered by a fingerprint of 64 bits; with
//! twenty million states the chance that two share one, so that one is not looked at, is about one in a hundred
//! thousand. Only fair moves are kept for the way back: see `moves`.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::hash::{BuildHasherDefault, Hasher};

use super::daemon::Daemon;
use super::moves::{Bounds, Move, Moves, Who};
use super::shape::{canonical, fingerprint};
use super::site::{Broken, has_residue, leftovers};
use super::state::{Ask, State};
use cse_server::domain::status::ClusterState;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) moves: usize,
    pub(crate) depth: usize,
    /// What is broken first, and the shortest way there.
    pub(crate) broken: Option<(Broken, Vec<String>)>,
    /// States from which no good one is in reach, and the shortest way to one.
    pub(crate) stuck: usize,
    pub(crate) stuck_trace: Vec<String>,
    /// Good states in which an empty vApp is left, made by somebody who came too late.
    pub(crate) residue: usize,
    /// Whether more states than asked for were left.
    pub(crate) cut: bool,
}

#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("fingerprints only");
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

/// The graph as far as it is known.
#[derive(Default)]
struct Graph {
    number: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    prints: Vec<u64>,
    parents: Vec<u32>,
    good: Vec<bool>,
    /// Fair moves: where those of each state begin, and where they lead.
    begins: Vec<u32>,
    leads: Vec<u32>,
}

impl Graph {
    fn note(&mut self, print: u64, parent: u32) -> (u32, bool) {
        let next = u32::try_from(self.prints.len()).expect("fewer than four billion states");
        let number = *self.number.entry(print).or_insert(next);
        if number == next {
            self.prints.push(print);
            self.parents.push(parent);
        }
        (number, number == next)
    }

    /// States from which no good one is in reach.
    fn stuck(&mut self) -> Vec<u32> {
        let mut changed = true;
        while changed {
            changed = false;
            for at in (0..self.good.len()).rev() {
                if self.good[at] {
                    continue;
                }
                let first = usize::try_from(self.begins[at]).unwrap();
                let end = self.begins.get(at + 1).copied();
                let end = end.map_or(self.leads.len(), |end| usize::try_from(end).unwrap());
                let mut leads = self.leads[first..end].iter();
                if leads.any(|lead| self.good[usize::try_from(*lead).unwrap()]) {
                    self.good[at] = true;
                    changed = true;
                }
            }
        }
        let stuck = (0_u32..).zip(&self.good).filter(|(_, good)| !**good);
        stuck.map(|(number, _)| number).collect()
    }
}

/// Looks at every state in reach of `first`, at most `most` of them; stops at the first broken invariant.
pub(crate) fn explore(first: &State, bounds: &Bounds, daemon: &mut Daemon, most: usize) -> Found {
    let mut graph = Graph::default();
    let mut found = Found::default();
    let first = canonical(*first);
    graph.note(fingerprint(&first), 0);
    let mut waiting = VecDeque::from([(first, 0_usize)]);
    let mut moves = Vec::new();
    let mut at = 0_u32;
    while let Some((state, depth)) = waiting.pop_front() {
        found.depth = depth;
        graph.begins.push(u32::try_from(graph.leads.len()).unwrap());
        let good = is_good(&state, daemon);
        graph.good.push(good);
        found.residue += usize::from(good && has_residue(&state));
        moves.clear();
        Moves {
            from: &state,
            bounds,
            daemon,
            out: &mut moves,
        }
        .all();
        for step in &moves {
            found.moves += 1;
            let to = canonical(step.to);
            let (number, new) = graph.note(fingerprint(&to), at);
            if let Some(broken) = step.broken {
                let mut way = trace(&graph, (&first, at), bounds, daemon);
                way.push(describe(step));
                found.broken = Some((broken, way));
                found.states = graph.prints.len();
                return found;
            }
            if step.fair {
                graph.leads.push(number);
            }
            if new {
                waiting.push_back((to, depth + 1));
            }
        }
        at += 1;
        if graph.prints.len() > most {
            found.cut = true;
            break;
        }
    }
    found.states = graph.prints.len();
    if found.cut {
        return found;
    }
    let stuck = graph.stuck();
    found.stuck = stuck.len();
    if let Some(nearest) = stuck.first() {
        found.stuck_trace = trace(&graph, (&first, *nearest), bounds, daemon);
    }
    found
}

/// The shortest way to a state, found again move by move.
fn trace(
    graph: &Graph,
    (first, to): (&State, u32),
    bounds: &Bounds,
    daemon: &mut Daemon,
) -> Vec<String> {
    let mut numbers = vec![to];
    while let Some(last) = numbers.last().copied().filter(|last| *last != 0) {
        numbers.push(graph.parents[usize::try_from(last).unwrap()]);
    }
    let mut state = *first;
    let mut way = Vec::new();
    for number in numbers.iter().rev().skip(1) {
        let print = graph.prints[usize::try_from(*number).unwrap()];
        let mut moves = Vec::new();
        Moves {
            from: &state,
            bounds,
            daemon,
            out: &mut moves,
        }
        .all();
        let step = moves
            .iter()
            .find(|step| fingerprint(&canonical(step.to)) == print);
        let step = step.expect("the same moves as before");
        way.push(describe(step));
        state = canonical(step.to);
    }
    way
}

fn describe(step: &Move) -> String {
    let label = &step.label;
    let mut text = match label.who {
        Who::Replica(number) => format!("replica {} {}", number + 1, label.what),
        Who::Vcd(number) => format!("VCD: a request of replica {} {}", number + 1, label.what),
        Who::Somebody(who) => format!("{who} {}", label.what),
    };
    match label.about {
        Some(Ask::Effect(effect, ..)) => write!(text, " {effect:?}").unwrap(),
        Some(Ask::DeleteEntity(_)) => text.push_str(" delete the entity"),
        Some(Ask::Put(_, doc)) => {
            let record = doc.record.map(|record| {
                format!(
                    "e={} s={} {} i={}",
                    record.epoch,
                    record.seq,
                    record.phase.as_str(),
                    record.incarnation
                )
            });
            let record = record.unwrap_or_default();
            let state = doc.state.as_str();
            write!(
                text,
                " [{record}, state {state}, vApp {}, VM {}]",
                doc.vapp, doc.vm
            )
            .unwrap();
        }
        None => {}
    }
    if !label.name.is_empty() {
        write!(text, " {}", label.name).unwrap();
    }
    text
}

/// Provisioned with nothing left, or failed with at most its VM kept, or gone with nothing left.
fn is_good(state: &State, daemon: &Daemon) -> bool {
    if leftovers(state) {
        return false;
    }
    let doc = &state.doc;
    let at_rest = matches!(doc.state, ClusterState::Provisioned | ClusterState::Error);
    !doc.exists || at_rest && !daemon.needs_work(doc)
}
