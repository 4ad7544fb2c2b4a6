//! Guests, the cluster's own controllers, tenants, users and their clients.

use super::super::site::replace;
use super::super::state::{Doc, Fault, Few, Guest, State, Vm};
use super::{Moves, Who};

impl Moves<'_> {
    pub(super) fn guests(&mut self) {
        let at_work = |vm: &&Vm| vm.on && vm.guest == Guest::AtWork;
        let Some(vm) = self.from.vms.as_slice().iter().find(at_work).copied() else {
            self.controllers();
            return;
        };
        let guest = Who::Somebody("the guest");
        let ended = |state: &mut State, how: Guest| {
            let mut vms = state.vms.as_mut().iter_mut();
            if let Some(found) = vms.find(|found| found.id == vm.id) {
                found.guest = how;
            }
        };
        let half = self.from.cluster.id == 0 && self.bounds.builds;
        let mut state = *self.from;
        if state.cluster.id == 0 {
            state.cluster.made += 1;
            state.cluster.id = state.cluster.made;
        }
        if half {
            self.push((guest, "begins to build"), true, state, None);
        }
        state.cluster.complete = true;
        ended(&mut state, Guest::Succeeded);
        self.push((guest, "completes the cluster"), true, state, None);
        if let Some(mut failed) = self.fault(Fault::Guest) {
            ended(&mut failed, Guest::Failed);
            self.push((guest, "fails"), false, failed, None);
        }
        self.controllers();
    }

    /// The cluster's own controllers write their status.
    fn controllers(&mut self) {
        let doc = self.from.doc;
        if self.from.cluster.complete && doc.exists && !doc.ready {
            let mut state = *self.from;
            replace(&mut state, Doc { ready: true, ..doc });
            self.push(
                (Who::Somebody("the cluster"), "reports that it is ready"),
                true,
                state,
                None,
            );
        }
    }

    pub(super) fn people(&mut self) {
        let doc = self.from.doc;
        if doc.exists {
            self.users(doc);
            self.clients(doc);
        }
        let removable: Few<u8, 6> =
            self.from
                .vapps
                .as_slice()
                .iter()
                .fold(Few::default(), |mut ids, vapp| {
                    ids.push(vapp.id);
                    ids
                });
        for id in removable.as_slice() {
            if let Some(mut state) = self.fault(Fault::Tenant) {
                state.past.tenant_removed = true;
                state.vapps.retain(|vapp| vapp.id != *id);
                state.vms.retain(|vm| vm.vapp != *id);
                self.push(
                    (Who::Somebody("the tenant"), "removes a vApp"),
                    false,
                    state,
                    None,
                );
            }
        }
        let vms: Vec<u8> = self.from.vms.as_slice().iter().map(|vm| vm.id).collect();
        for id in vms {
            if let Some(mut state) = self.fault(Fault::Tenant) {
                state.past.tenant_removed = true;
                state.vms.retain(|vm| vm.id != id);
                self.push(
                    (Who::Somebody("the tenant"), "removes a VM"),
                    false,
                    state,
                    None,
                );
            }
        }
    }

    fn users(&mut self, doc: Doc) {
        if !doc.marked
            && let Some(mut state) = self.fault(Fault::Delete)
        {
            state.past.marked = true;
            replace(
                &mut state,
                Doc {
                    marked: true,
                    ..doc
                },
            );
            self.push(
                (Who::Somebody("the user"), "asks for deletion"),
                false,
                state,
                None,
            );
        }
        if let Some(mut state) = self.fault(Fault::Writer) {
            replace(&mut state, doc);
            self.push(
                (Who::Somebody("somebody"), "writes the document"),
                false,
                state,
                None,
            );
        }
    }

    /// A client that writes a whole old version back, without the wish to delete, which its types do not know.
    fn clients(&mut self, doc: Doc) {
        let client = Who::Somebody("a client");
        if let Some(old) = self.from.old {
            let mut state = *self.from;
            state.old = None;
            let back = Doc {
                marked: false,
                tag: doc.tag,
                ..old
            };
            if back != doc {
                state.past.rolled_back = true;
                state.past.ran = 0;
                state.past.provisioned &= state.cluster.id != 0;
                replace(&mut state, back);
            }
            self.push((client, "writes an old version back"), false, state, None);
        } else if let Some(mut state) = self.fault(Fault::Rollback) {
            state.old = Some(Doc { tag: 0, ..doc });
            self.push((client, "reads the document"), false, state, None);
        }
    }
}
