//! Creation up to the running guest, and what lies around from earlier attempts and lost replies.

use super::*;

#[test]
fn creation_goes_step_by_step_and_commits_before_it_powers_on() {
    use Decision::{Act, Commit};
    check(vec![
        ("nothing there", fresh(), Act(Action::ComposeVapp)),
        (
            "a vApp of this attempt is there",
            edit(fresh(), |seen| seen.vapps = vec![vapp(2, 1), vapp(1, 1)]),
            Commit(Change::CommitVapp {
                id: vapp_id(1),
                name: "blue_ephemeral_vapp".to_owned(),
            }),
        ),
        (
            "not connected",
            edit(with_vapp(), |seen| seen.vapps[0].networks.clear()),
            Act(Action::ConnectNetwork(vapp_id(1))),
        ),
        ("no VM", with_vapp(), Act(Action::CreateVm(vapp_id(1)))),
        (
            "VM still being copied",
            edit(with_vapp(), |seen| {
                seen.vapps[0].vms = vec![vm(1, 1, Power::Unresolved)];
            }),
            wait(WaitReason::BusyVapp, 2),
        ),
        (
            "two VMs: the lowest id is committed",
            edit(with_vapp(), |seen| {
                seen.vapps[0].vms = vec![vm(2, 1, Power::Off), vm(1, 1, Power::Off)];
            }),
            Commit(Change::CommitVm {
                id: vm_id(1),
                name: "EPHEMERAL_TEMP_VM".to_owned(),
            }),
        ),
        (
            "user data first",
            with_vm(),
            Act(Action::WriteUserData(vm_id(1))),
        ),
        (
            "then power",
            edit(with_vm(), |seen| seen.vm = Some(guest(Power::Off, true))),
            Act(Action::PowerOn(vm_id(1))),
        ),
        (
            "a task runs",
            edit(with_vm(), |seen| seen.task = TaskSeen::Running),
            wait(WaitReason::Task, 2),
        ),
        (
            "somebody else's operation runs",
            edit(with_vapp(), |seen| seen.vapps[0].busy = true),
            wait(WaitReason::BusyVapp, 2),
        ),
    ]);
}

#[test]
fn leftovers_and_twins_go_one_at_a_time_and_running_ones_are_stopped_first() {
    check(vec![
        (
            "an older attempt's vApp goes first",
            edit(fresh(), |seen| {
                seen.document.incarnation = 2;
                seen.vapps = vec![vapp(1, 1)];
            }),
            Decision::Act(Action::DeleteVapp(vapp_id(1))),
        ),
        (
            "a deployed one is undeployed first",
            edit(fresh(), |seen| {
                seen.document.incarnation = 2;
                seen.vapps = vec![vapp(1, 1)];
                seen.vapps[0].deployed = true;
            }),
            Decision::Act(Action::UndeployVapp(vapp_id(1))),
        ),
        (
            "a twin of the committed vApp goes",
            edit(with_vapp(), |seen| seen.vapps.push(vapp(2, 1))),
            Decision::Act(Action::DeleteVapp(vapp_id(2))),
        ),
        (
            "a twin of the committed VM goes",
            edit(with_vm(), |seen| {
                seen.vapps[0].vms.push(vm(2, 1, Power::Off));
            }),
            Decision::Act(Action::DeleteVm(vm_id(2))),
        ),
        (
            "a running stray is switched off first",
            edit(with_vm(), |seen| {
                seen.vapps[0].vms.push(vm(2, 1, Power::On));
            }),
            Decision::Act(Action::UndeployVm(vm_id(2))),
        ),
        (
            "a failed copy goes",
            edit(with_vapp(), |seen| {
                seen.vapps[0].vms = vec![vm(1, 1, Power::Failed)];
            }),
            Decision::Act(Action::DeleteVm(vm_id(1))),
        ),
    ]);
}

#[test]
fn lost_commits_and_rolled_back_documents_are_settled_by_marker_and_id() {
    let raise = |incarnation, because| {
        Decision::Commit(Change::RaiseIncarnation {
            incarnation,
            epoch_at_least: 1,
            because,
        })
    };
    check(vec![
        (
            "the committed vApp is gone",
            edit(with_vapp(), |seen| seen.vapps.clear()),
            raise(2, "the committed bootstrap vApp is gone"),
        ),
        (
            "the committed VM is gone",
            edit(with_vm(), |seen| {
                seen.vapps[0].vms.clear();
                seen.vm = None;
            }),
            raise(2, "the committed bootstrap VM is gone"),
        ),
        (
            "a vApp that does not list a VM that is there is shown as it was",
            edit(with_vm(), |seen| seen.vapps[0].vms.clear()),
            wait(WaitReason::BusyVapp, 2),
        ),
        (
            "the markers know of a later attempt: adopt it, destroy nothing",
            edit(fresh(), |seen| seen.vapps = vec![vapp(1, 4)]),
            Decision::Commit(Change::RaiseIncarnation {
                incarnation: 4,
                epoch_at_least: 2,
                because: "the document was rolled back to an earlier version",
            }),
        ),
        (
            "somebody else's vApp has the name",
            edit(fresh(), |seen| seen.vapps = vec![foreign_vapp(1)]),
            fail(
                FailureReason::NameTaken("blue_ephemeral_vapp".to_owned()),
                false,
            ),
        ),
    ]);
}
