//! Everything that may happen next in a state.
//!
//! A move is fair when it needs no fault: replicas that go on, requests that arrive and are answered, guests that
//! succeed. Liveness is asked of fair moves alone: whatever went wrong, from there on good luck is enough.

mod answers;
mod pass;
mod people;

use super::daemon::Daemon;
use super::site::{Broken, Site};
use super::state::{Ask, Doc, FAULTS, Fault, Replica, Request, State};

/// What may go wrong how often, and how VCD behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) most: [u8; FAULTS],
    /// Most of all of them together.
    pub(crate) together: u8,
    pub(crate) site: Site,
    /// Whether a new process may take back the claims of the one before it.
    pub(crate) inherits: bool,
    /// Whether guests build a part of the cluster before they are through.
    pub(crate) builds: bool,
}

/// What a move was, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) who: Who,
    pub(crate) what: &'static str,
    pub(crate) about: Option<Ask>,
    pub(crate) name: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Replica(u8),
    Vcd(u8),
    Somebody(&'static str),
}

/// A move and where it leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) label: Label,
    pub(crate) fair: bool,
    pub(crate) to: State,
    pub(crate) broken: Option<Broken>,
}

/// All moves out of one state.
pub(crate) struct Moves<'m> {
    pub(crate) from: &'m State,
    pub(crate) bounds: &'m Bounds,
    pub(crate) daemon: &'m mut Daemon,
    pub(crate) out: &'m mut Vec<Move>,
}

impl Moves<'_> {
    pub(crate) fn all(&mut self) {
        for who in 0..self.from.replicas.as_slice().len() {
            self.replica(who);
        }
        for at in 0..self.from.requests.as_slice().len() {
            self.request(at);
        }
        self.guests();
        self.people();
    }

    /// One more fault, if the bounds have it.
    fn fault(&self, fault: Fault) -> Option<State> {
        let at = fault.index();
        let all: u8 = self.from.spent.iter().sum();
        let left = self.from.spent[at] < self.bounds.most[at] && all < self.bounds.together;
        left.then(|| {
            let mut state = *self.from;
            state.spent[at] += 1;
            state
        })
    }

    fn push(
        &mut self,
        (who, what): (Who, &'static str),
        fair: bool,
        to: State,
        broken: Option<Broken>,
    ) {
        let label = Label {
            who,
            what,
            about: None,
            name: "",
        };
        self.out.push(Move {
            label,
            fair,
            to,
            broken,
        });
    }

    fn describe(&mut self, about: Ask, name: &'static str) {
        if let Some(last) = self.out.last_mut() {
            last.label.about = Some(about);
            last.label.name = name;
        }
    }
}

fn send(state: &mut State, who: usize, ask: Ask) {
    let ask = match ask {
        // A version has no tag before it is written.
        Ask::Put(tag, doc) => Ask::Put(tag, Doc { tag: 0, ..doc }),
        Ask::DeleteEntity(_) | Ask::Effect(..) => ask,
    };
    state.requests.push(Request {
        ask,
        sender: u8::try_from(who).unwrap(),
        awaited: true,
    });
}

/// Nobody waits for the replica's requests any more.
fn forsake(state: &mut State, who: usize) {
    for request in state.requests.as_mut() {
        request.awaited &= usize::from(request.sender) != who;
    }
}

/// The replica is done with the cluster for now.
fn rest(state: &mut State, who: usize) {
    let replica = &mut state.replicas.as_mut()[who];
    *replica = Replica {
        identity: replica.identity,
        predecessor: replica.predecessor,
        floor: replica.floor,
        ..Replica::default()
    };
}
