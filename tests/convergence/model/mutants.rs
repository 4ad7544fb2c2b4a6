//! The protocol with one rule left out, each around the daemon's step or around what VCD does with a request:
//! never a switch in the daemon.

use super::daemon::{Plan, Sight};
use super::state::{Doc, Effect, Mode, Purpose, Replica, Write};
use cse_server::domain::claim::ClaimPhase;
use cse_server::domain::status::ClusterState;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Writes carry no tag.
    PutWithoutTag,
    /// The entity is deleted whatever its tag.
    DeleteEntityBlindly,
    /// Objects are made without a marker.
    NoMarker,
    /// The bootstrap vApp is deleted by its name.
    DeleteByName,
    /// A VM is put into whichever vApp has the name.
    VmByName,
    /// R1: removal begins before the intent is written.
    TeardownWithoutIntent,
    /// R1: a marked cluster is taken apart before the intent is written.
    DeletionWithoutIntent,
    /// R4: the VM is switched on before its id is committed.
    PowerOnBeforeCommit,
    /// R7: only the committed vApp is ever removed.
    NoSweeper,
    /// R7: whatever is not of this very incarnation is removed, later ones too.
    SweeperWithoutOrder,
    /// R8: what was committed is dropped and the incarnation stays.
    IncarnationStays,
    /// A new holder keeps the epoch of the one before it.
    SameEpoch,
    /// An unclear answer counts as an acknowledgement.
    BelievesSilence,
    /// After a conflict or silence it writes on whatever it finds, without looking whose claim it is.
    WritesBlindly,
    /// A record by this process that is older than its last one counts as its own: a rollback is not seen.
    BelievesOldRecord,
    /// R10: what it made is taken back although a successor may have adopted it.
    TakesBackAlways,
    /// A vApp of the name is adopted, whoever made it.
    AdoptsByName,
    /// The cluster is declared provisioned before the bootstrap is gone.
    FinishesEarly,
    /// After a failure whatever stands of the cluster is removed, condemned or not.
    RemovesUncondemned,
}

/// Each mutant, the rule it leaves out, and the configuration that catches it.
pub(crate) const MUTANTS: &[(Mutant, &str, &str)] = &[
    (Mutant::PutWithoutTag, "one read licenses one write", CREATE),
    (
        Mutant::DeleteEntityBlindly,
        "R11: the entity goes as it was read",
        ROLLED_BACK,
    ),
    (
        Mutant::NoMarker,
        "R3: the marker comes with the creation",
        CREATE,
    ),
    (Mutant::DeleteByName, "R6: by id only", CREATE),
    (
        Mutant::VmByName,
        "R5: a VM goes into the vApp of this id",
        CREATE,
    ),
    (
        Mutant::TeardownWithoutIntent,
        "R1: intent before teardown",
        CREATE,
    ),
    (
        Mutant::DeletionWithoutIntent,
        "R1: intent before deletion",
        DELETE,
    ),
    (
        Mutant::PowerOnBeforeCommit,
        "R4: commit before power on",
        CREATE,
    ),
    (Mutant::NoSweeper, "R7: leftovers are swept", CREATE),
    (
        Mutant::SweeperWithoutOrder,
        "R7: never a higher incarnation",
        OLD_AND_FAILED,
    ),
    (
        Mutant::IncarnationStays,
        "R8: a lost commit raises the incarnation",
        TENANT,
    ),
    (
        Mutant::SameEpoch,
        "C.2: each holder has its own epoch",
        CREATE,
    ),
    (
        Mutant::BelievesSilence,
        "R9: an unclear answer acknowledges nothing",
        CREATE,
    ),
    (
        Mutant::WritesBlindly,
        "C.4: read and compare before writing again",
        CREATE,
    ),
    (
        Mutant::BelievesOldRecord,
        "C.8: an older record of ours is a rollback",
        ROLLED_BACK,
    ),
    (
        Mutant::TakesBackAlways,
        "R10: only what is nobody's is taken back",
        CREATE,
    ),
    (
        Mutant::AdoptsByName,
        "I6: nothing is adopted by its name",
        FOREIGN,
    ),
    (
        Mutant::FinishesEarly,
        "teardown ends before the cluster is declared",
        CREATE,
    ),
    (
        Mutant::RemovesUncondemned,
        "a write between seeing a cluster and removing it",
        OLD_AND_FAILED,
    ),
];

const CREATE: &str = "create and tear down";
const DELETE: &str = "the user deletes at any time";
const ROLLED_BACK: &str = "old version back, and deletion";
const OLD_AND_FAILED: &str = "old version back, and a failure";
const TENANT: &str = "the tenant removes VM or vApp";
const FOREIGN: &str = "a foreign vApp of the name";

/// What a mutant overlooks when it looks.
pub(crate) fn blind(mutant: Option<Mutant>, sight: &mut Sight) {
    let record = sight.doc.record;
    match mutant {
        Some(Mutant::NoSweeper) => {
            let committed = sight.doc.vapp;
            let incarnation = record.map_or(0, |record| record.incarnation);
            let current = |vapp: &super::state::Vapp| vapp.incarnation == incarnation;
            let adopts = committed == 0;
            sight
                .vapps
                .retain(|vapp| vapp.id == committed || adopts && current(vapp));
        }
        Some(Mutant::RemovesUncondemned) => sight.condemned = true,
        Some(Mutant::DeletionWithoutIntent) if sight.doc.marked => {
            if let Some(record) = &mut sight.doc.record {
                record.phase = ClaimPhase::Deleting;
            }
        }
        Some(Mutant::AdoptsByName) => {
            let incarnation = record.map_or(0, |record| record.incarnation);
            for vapp in &mut sight.vapps {
                if vapp.epoch == 0 {
                    (vapp.epoch, vapp.incarnation) = (1, incarnation);
                }
            }
        }
        Some(_) | None => {}
    }
}

/// What a mutant does instead.
pub(crate) fn twist(mutant: Option<Mutant>, plan: Plan, sight: &Sight) -> Plan {
    let Some(mutant) = mutant else { return plan };
    let phase = sight.doc.record.map(|record| record.phase);
    match (mutant, plan) {
        (Mutant::TeardownWithoutIntent, Plan::Write(write)) if begins_teardown(&write) => {
            let mut vms = sight.vms.iter().filter(|vm| vm.vapp == sight.doc.vapp);
            if sight.vapps.iter().any(|vapp| vapp.id == sight.doc.vapp) {
                let on = vms.any(|vm| vm.on);
                let effect = if on {
                    Effect::UndeployVapp(sight.doc.vapp)
                } else {
                    Effect::DeleteVapp(sight.doc.vapp)
                };
                return Plan::Act(effect);
            }
            plan
        }
        (Mutant::PowerOnBeforeCommit, Plan::Write(write)) => match write.vm {
            Some(vm) if vm != 0 && sight.vms.iter().any(|seen| seen.id == vm && !seen.on) => {
                Plan::Act(Effect::PowerOn(vm))
            }
            Some(_) | None => plan,
        },
        (Mutant::SweeperWithoutOrder, plan) => sweep_later(sight).unwrap_or(plan),
        (Mutant::IncarnationStays, Plan::Write(write))
            if phase == Some(ClaimPhase::Creating) && write.vapp == Some(0) =>
        {
            Plan::Write(Write {
                incarnation: None,
                ..write
            })
        }
        (Mutant::FinishesEarly, Plan::Act(Effect::UndeployVapp(_) | Effect::DeleteVapp(_)))
            if phase == Some(ClaimPhase::Teardown) && sight.doc.ready =>
        {
            Plan::Write(Write {
                phase: Some(ClaimPhase::Done),
                state: Some(ClusterState::Provisioned),
                release: true,
                vapp: Some(0),
                vm: Some(0),
                ..Write::default()
            })
        }
        (_, plan) => plan,
    }
}

fn begins_teardown(write: &Write) -> bool {
    write.phase == Some(ClaimPhase::Teardown) && write.state.is_none()
}

/// Removes what is of a later incarnation than the document knows.
fn sweep_later(sight: &Sight) -> Option<Plan> {
    let incarnation = sight.doc.record?.incarnation;
    let later = sight
        .vapps
        .iter()
        .find(|vapp| vapp.incarnation > incarnation)?;
    let on = sight.vms.iter().any(|vm| vm.vapp == later.id && vm.on);
    Some(Plan::Act(if on {
        Effect::UndeployVapp(later.id)
    } else {
        Effect::DeleteVapp(later.id)
    }))
}

/// Whether a mutant takes a document for its own that is not.
pub(crate) fn believes_itself(mutant: Option<Mutant>, replica: &mut Replica, doc: &Doc) -> bool {
    let Some(found) = doc.record else {
        return false;
    };
    let believes = match mutant {
        Some(Mutant::WritesBlindly) => !matches!(replica.mode, Mode::Unclear(Purpose::Claim)),
        Some(Mutant::BelievesOldRecord) => doc.holder == replica.identity,
        Some(_) | None => false,
    };
    if believes {
        replica.acknowledged = Some(found);
        replica.unanswered = super::state::Few::default();
        (replica.tag, replica.document) = (doc.tag, *doc);
    }
    believes
}

/// What a mutant makes of an answer that never came.
pub(crate) fn after_silence(mutant: Option<Mutant>, replica: &mut Replica, purpose: Purpose) {
    if mutant == Some(Mutant::BelievesSilence)
        && let Purpose::Change(_) = purpose
        && let Some(Some(sent)) = replica.unanswered.as_slice().last().copied()
    {
        replica.acknowledged = Some(sent);
        replica.document.record = Some(sent);
        replica.tag = replica.document.tag;
        replica.mode = Mode::Holds;
    }
}
