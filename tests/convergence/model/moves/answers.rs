//! Requests on their way: they arrive and are answered, or something goes wrong.

use super::super::mutants;
use super::super::site::{Answer, Broken, arrive};
use super::super::state::{Ask, Effect, Fault, Mode, Purpose, Request, State};
use super::{Moves, Who, rest};

impl Moves<'_> {
    pub(super) fn request(&mut self, at: usize) {
        let request = self.from.requests.as_slice()[at];
        let vcd = Who::Vcd(request.sender);
        let mut state = *self.from;
        state.requests.remove(at);
        let (answer, broken) = arrive(&mut state, &request, self.bounds.site);
        if !request.awaited {
            self.push((vcd, "late, is carried out"), true, state, broken);
            self.describe(request.ask, outcome(answer));
            let mut dropped = *self.from;
            dropped.requests.remove(at);
            self.push((vcd, "late, never arrives"), true, dropped, None);
            self.describe(request.ask, "");
            return;
        }
        let mut answered = state;
        self.answered(&mut answered, &request, answer);
        self.push((vcd, "is carried out"), true, answered, broken);
        self.describe(request.ask, outcome(answer));
        self.unlucky(at, (state, broken));
    }

    /// The request, or its answer, goes astray.
    fn unlucky(&mut self, at: usize, (after, broken): (State, Option<Broken>)) {
        let request = self.from.requests.as_slice()[at];
        let vcd = Who::Vcd(request.sender);
        let who = usize::from(request.sender);
        if let Some(lost) = self.fault(Fault::Lost) {
            let mut unanswered = after;
            unanswered.spent = lost.spent;
            self.unclear(&mut unanswered, who);
            self.push(
                (vcd, "is carried out, the answer is lost:"),
                false,
                unanswered,
                broken,
            );
            self.describe(request.ask, "");
            let mut late = lost;
            late.requests.as_mut()[at].awaited = false;
            self.unclear(&mut late, who);
            self.push(
                (vcd, "takes too long, the sender gives up:"),
                false,
                late,
                None,
            );
            self.describe(request.ask, "");
        }
        if let Some(twice) = self.fault(Fault::Twice) {
            let mut repeated = after;
            repeated.spent = twice.spent;
            let (answer, second) = arrive(&mut repeated, &request, self.bounds.site);
            self.answered(&mut repeated, &request, answer);
            self.push(
                (vcd, "is carried out twice:"),
                false,
                repeated,
                broken.or(second),
            );
            self.describe(request.ask, outcome(answer));
        }
    }

    fn answered(&self, state: &mut State, request: &Request, answer: Answer) {
        let who = usize::from(request.sender);
        let mut replica = state.replicas.as_slice()[who];
        let Mode::Waits(purpose) = replica.mode else {
            return;
        };
        match (purpose, answer) {
            (Purpose::Claim | Purpose::Change(_) | Purpose::Rollback(_), Answer::Written(tag)) => {
                self.daemon.acknowledged(&mut replica, tag);
                replica.document = state.doc;
                replica.composed = 0;
                replica.mode = Mode::Holds;
                if let Purpose::Change(write) = purpose {
                    replica.condemned = replica.condemned.max(write.condemns);
                }
                let ends = match purpose {
                    Purpose::Change(write) => write.release || write.pause,
                    Purpose::Rollback(_) => true,
                    Purpose::Claim | Purpose::Effect | Purpose::DeleteEntity => false,
                };
                state.replicas.as_mut()[who] = replica;
                if ends {
                    rest(state, who);
                }
            }
            (Purpose::Claim, _) => rest(state, who),
            (Purpose::Change(_) | Purpose::Rollback(_), _) => {
                state.replicas.as_mut()[who].mode = Mode::Again(purpose);
            }
            (Purpose::Effect | Purpose::DeleteEntity, answer) => {
                if let (Answer::Done(id), Ask::Effect(Effect::Compose, ..)) = (answer, request.ask)
                {
                    replica.composed = id;
                }
                replica.mode = Mode::Holds;
                state.replicas.as_mut()[who] = replica;
            }
        }
    }

    fn unclear(&self, state: &mut State, who: usize) {
        let replica = &mut state.replicas.as_mut()[who];
        let Mode::Waits(purpose) = replica.mode else {
            return;
        };
        replica.mode = match purpose {
            Purpose::Effect | Purpose::DeleteEntity => Mode::Holds,
            Purpose::Claim | Purpose::Change(_) | Purpose::Rollback(_) => Mode::Unclear(purpose),
        };
        mutants::after_silence(self.daemon.mutant, replica, purpose);
    }
}

fn outcome(answer: Answer) -> &'static str {
    match answer {
        Answer::Written(_) | Answer::Done(_) => "",
        Answer::Conflict => "(refused: somebody has written, or it is gone)",
        Answer::Refused => "(refused)",
    }
}
