//! Every call of a clean run goes wrong in every way, one at a time.
//!
//! Goal: whatever happens, the run ends well or tells the server what was going on; and once the cause is
//! gone, another run ends where an undisturbed one ends, with nothing done twice.
//!
//! Method: the clean run's record says which calls there are; a case starts where its phase began.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use cse_server::domain::phase::Phase;
use libtest_mimic::Trial;

use super::order::Site;
use super::standin::record::{Call, Fault, What, Which};
use super::vm::{End, Vm};
use super::{chosen, table, trial};

/// Calls whose failure changes the way, but not the end.
const DISPENSABLE: [&str; 9] = [
    // Reports that get lost.
    "vmtoolsd --cmd info-set",
    // Images that are not in the registry come from the public one.
    "docker manifest inspect",
    "docker pull --quiet registry.example.test",
    // Tidying up.
    "kind delete cluster",
    "systemctl disable --now kubelet.service containerd.service",
    "systemctl enable cse-bootstrap.service",
    // What is not known to be installed is installed.
    "get providers.clusterctl",
    // What may be running is looked for by other means.
    "kind get clusters",
    "{.status.failureMessage}",
];

/// A clean run with its snapshots, and how each phase alone ends.
pub(crate) struct Base {
    pub(crate) vm: Vm,
    pub(crate) calls: Vec<Call>,
    references: BTreeMap<Phase, Vm>,
}

impl Base {
    pub(crate) fn new() -> Self {
        let vm = Vm::at(Site::RICH);
        vm.keep_snapshots();
        vm.assert_done(&vm.run(), "clean run");
        let reference = |phase: Phase| {
            let alone = vm.resumed(phase);
            alone.assert_done(&alone.run(), phase.name());
            (phase, alone)
        };
        let references = Phase::ALL.into_iter().map(reference).collect();
        let calls = vm.calls();
        assert!(calls.len() > 120, "{}", calls.len());
        Self {
            vm,
            calls,
            references,
        }
    }

    pub(crate) fn calls_of(&self, phase: Phase) -> impl Iterator<Item = &Call> {
        self.calls
            .iter()
            .filter(move |call| call.phase == phase.name())
    }

    /// Asserts that a VM has come to the same end as an undisturbed one.
    pub(crate) fn assert_same_end(&self, vm: &Vm, phase: Phase, context: &str) {
        let reference = &self.references[&phase];
        let (got, want) = (vm.world(), reference.world());
        assert_eq!(
            format!("{:?}", got.outcome()),
            format!("{:?}", want.outcome()),
            "{context}\n{}",
            vm.story()
        );
        if phase != Phase::Kind {
            assert_eq!(got.kinds_made, want.kinds_made, "{context}: made again");
        }
        let files = |vm: &Vm| -> BTreeSet<String> {
            let own = |name: &String| !name.ends_with(".part");
            vm.tree("cse").into_keys().filter(own).collect()
        };
        assert_eq!(files(vm), files(reference), "{context}");
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    let base: Arc<OnceLock<Base>> = Arc::default();
    let mut trials = Vec::new();
    for phase in Phase::ALL {
        for (turn, kind) in ["always", "once", "late", "hangs"].into_iter().enumerate() {
            let base = Arc::clone(&base);
            let name = format!("faults: phase {}, {kind}", phase.name());
            trials.push(trial(name, move || {
                let base = base.get_or_init(Base::new);
                let faults = faults(base, phase, kind);
                assert!(kind == "late" || faults.len() > 2, "{}", faults.len());
                for (fault, line) in chosen(faults, turn) {
                    experiment(base, (phase, kind), &fault, &line);
                }
            }));
        }
    }
    trials
}

/// The faults of a kind in a phase, each with the line of the call it strikes.
fn faults(base: &Base, phase: Phase, kind: &str) -> Vec<(Fault, String)> {
    let fault = |what, which| Fault {
        phase: phase.name().to_owned(),
        what,
        which,
    };
    if kind == "always" {
        let root = base.vm.path("").display().to_string();
        // The directory of the clean run is not that of the experiment.
        let longest = |call: &Call| {
            let arguments = call.arguments.join(" ");
            let pieces = arguments.split(&root);
            let piece = pieces.max_by_key(|piece| piece.len()).unwrap_or_default();
            (call.tool.clone(), piece.to_owned())
        };
        let struck: BTreeSet<(String, String)> = base.calls_of(phase).map(longest).collect();
        let all = |(tool, part): (String, String)| {
            let line = format!("{tool} {part}");
            (fault(What::Fails, Which::All(tool, part)), line)
        };
        return struck.into_iter().map(all).collect();
    }
    let what = match kind {
        "once" => What::Fails,
        "late" => What::FailsLate,
        _ => What::Hangs,
    };
    base.calls_of(phase)
        .filter(|call| kind != "late" || changes_something(call))
        .map(|call| (fault(what, Which::Number(call.number)), call.line()))
        .collect()
}

fn experiment(base: &Base, (phase, kind): (Phase, &str), fault: &Fault, line: &str) {
    let context = format!("phase {}: {line} {kind}", phase.name());
    let vm = base.vm.resumed(phase);
    vm.order_fault(Some(fault));
    let end = vm.run();
    assert!(
        !vm.has("world/hung"),
        "{context}: {}",
        vm.read("world/hung")
    );
    let outcome = if end == End::Exit(0) {
        let dispensable = DISPENSABLE.iter().any(|part| line.contains(part));
        assert!(
            kind != "always" || dispensable,
            "{context} goes unnoticed\n{}",
            vm.story()
        );
        // The report itself may be what was lost.
        if !line.starts_with("vmtoolsd") {
            vm.assert_done(&end, &context);
        }
        "went on"
    } else {
        let reason = vm.assert_failed(&end, &context);
        assert_tells(&reason, &context);
        let seen = if kind == "hangs" {
            reason.contains("did not end within")
        } else {
            vm.log_tail().contains("broken on purpose")
        };
        assert!(seen, "{context}: {reason}\n{}", vm.log_tail());
        vm.order_fault(None);
        vm.assert_done(&vm.run(), &format!("{context}, then not any more"));
        "failed, then healed"
    };
    // The temporary cluster goes with its VM at the latest.
    if !(end == End::Exit(0) && line.contains("kind delete cluster")) {
        base.assert_same_end(&vm, phase, &context);
    }
    table::count(phase.name(), kind, outcome);
}

/// Whether a call leaves something behind; of the others a late failure is a failure.
pub(crate) fn changes_something(call: &Call) -> bool {
    let verbs: &[&str] = match call.tool.as_str() {
        "curl" | "install" | "systemctl" | "tar" => return true,
        "docker" => &["create", "cp", "pull", "start"],
        "kind" => &["create", "delete"],
        "clusterctl" => &["init", "move"],
        "kubectl" => &["apply", "delete", "scale", "set", "set-context"],
        _ => return false,
    };
    let mut words = call.arguments.iter();
    words.any(|word| verbs.contains(&word.as_str()))
}

/// A reason says what was going on, not only that something was.
fn assert_tells(reason: &str, context: &str) {
    let says_what = !reason.contains("did not end within") || reason.contains(" while ");
    let is_bare = reason.contains("ended with exit code") && !reason.contains(" while ");
    assert!(says_what && !is_bare, "{context}: {reason}");
    if std::env::var_os("REHEARSAL_REASONS").is_some() {
        println!("{context}\n    {reason}");
    }
}
