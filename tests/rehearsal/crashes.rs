//! The runner is killed at every call that changes something and at the first and last of every phase;
//! its phase stays behind, at work, and another runner starts.

use std::sync::{Arc, OnceLock};

use cse_server::domain::phase::Phase;
use libtest_mimic::Trial;

use super::faults::{Base, changes_something};
use super::standin::record::{Call, Fault, What, Which};
use super::vm::End;
use super::{chosen, table, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let base: Arc<OnceLock<Base>> = Arc::default();
    Phase::ALL
        .into_iter()
        .map(|phase| {
            let base = Arc::clone(&base);
            trial(format!("crashes: phase {}", phase.name()), move || {
                crash(base.get_or_init(Base::new), phase);
            })
        })
        .collect()
}

fn crash(base: &Base, phase: Phase) {
    let calls: Vec<&Call> = base.calls_of(phase).collect();
    let ends = [calls[0].number, calls[calls.len() - 1].number];
    let worthwhile = calls
        .into_iter()
        .filter(|call| ends.contains(&call.number) || changes_something(call));
    for call in chosen(worthwhile.collect(), usize::from(phase.number())) {
        let context = format!("killed at: {}", call.line());
        let vm = base.vm.resumed(phase);
        vm.order_fault(Some(&Fault {
            phase: phase.name().to_owned(),
            what: What::KillsRunner,
            which: Which::Number(call.number),
        }));
        assert_eq!(vm.run(), End::Killed, "{context}\n{}", vm.story());
        vm.order_fault(None);
        vm.assert_done(&vm.run(), &context);
        base.assert_same_end(&vm, phase, &context);
        table::count(phase.name(), "runner killed", "completed by the next");
    }
}
