//! The observation of a replica: its copy of the document, and the objects as they are when it looks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cse_server::domain::claim::ClaimPhase;
use cse_server::domain::ids::{VappId, VmId};
use cse_server::domain::marker::Marker;
use cse_server::domain::phase::PhaseStatus;
use cse_server::domain::status::ClusterState;
use cse_server::reconcile::estate::{ClusterVapp, EstateSeen, Proof};
use cse_server::reconcile::observation::{
    DeletionSeen, DocumentSeen, GuestReport, GuestSeen, Observation, Power, Preparation,
    RemovalSeen, TaskSeen, VappSeen, VmSeen,
};
use cse_server::reconcile::{sight, standing};

use super::super::shape::{cluster_word, facts_word, vapp_word, vm_word};
use super::super::state::{Cluster, Doc, Guest, Vapp, Vm};
use super::{AGES, Daemon, PHASE, Sight};

impl Daemon {
    pub(super) fn observe(&self, sight: &Sight) -> Observation {
        let mut seen = Observation {
            document: self.document(&sight.doc),
            preparation: Ok(Preparation {
                network: "net".to_owned(),
            }),
            vapps: Vec::new(),
            vm: None,
            cluster_vapps: Vec::new(),
            estate: None,
            task: TaskSeen::None,
            action_failures: 0,
            phase_age: Duration::ZERO,
            stage_age: if sight.late { AGES } else { Duration::ZERO },
            failure_age: AGES,
            inspection_over: self.inspection,
            removal: RemovalSeen::default(),
            running: None,
        };
        let deleting = seen.document.phase == ClaimPhase::Deleting;
        if !deleting
            && (seen.document.state == ClusterState::Provisioned || sight::is_needless(&seen))
        {
            return seen;
        }
        seen.vapps = sight
            .vapps
            .iter()
            .map(|vapp| self.vapp(vapp, sight))
            .collect();
        let creating = seen.document.phase == ClaimPhase::Creating;
        if creating {
            let committed = sight.vms.iter().find(|vm| vm.id == sight.doc.vm);
            seen.vm = committed.map(guest);
        }
        let cluster: Vec<ClusterVapp> = self.cluster(&sight.cluster).into_iter().collect();
        if deleting || sight::is_clean_up(&seen) {
            seen.estate = Some(EstateSeen {
                vapps: cluster.clone(),
                ..EstateSeen::default()
            });
        }
        if !deleting && sight::is_wanted(&seen) {
            seen.cluster_vapps = cluster;
        }
        if sight.condemned {
            let id = vapp_id(100 + sight.cluster.id);
            seen.removal.condemned.insert(id.as_str().to_owned());
        }
        if deleting {
            seen.removal.empty_for = Some(AGES);
            seen.removal.resolve_tried = true;
        }
        seen
    }

    fn document(&self, doc: &Doc) -> DocumentSeen {
        let claim = self.claim(doc);
        let told = doc.vm != 0 && doc.told_vm == doc.vm;
        DocumentSeen {
            entity: self.entity.clone(),
            marked_for_delete: doc.marked,
            auto_repair: doc.auto_repair,
            state: doc.state,
            phase: claim.phase(),
            incarnation: claim.incarnation(),
            epoch: claim.heartbeat.map_or(0, |heartbeat| heartbeat.epoch),
            committed_vapp: (doc.vapp != 0).then(|| vapp_id(doc.vapp)),
            committed_vm: (doc.vm != 0).then(|| vm_id(doc.vm)),
            reported: told.then(|| "Told".to_owned()).into_iter().collect(),
            resolved: true,
            control_plane_ready: doc.ready,
            failed_attempts: u32::from(doc.failed_attempts),
            rollback_reported: doc.rollback_reported,
            deletion: DeletionSeen {
                never_built: !doc.built && doc.vapp == 0 && doc.vm == 0 && !doc.ready,
                announced: announced(),
                ..DeletionSeen::default()
            },
        }
    }

    fn marker(&self, epoch: u8, incarnation: u8) -> Option<Marker> {
        (epoch != 0).then(|| Marker {
            entity: self.entity.clone(),
            epoch: u64::from(epoch),
            incarnation: u32::from(incarnation),
        })
    }

    fn vapp(&self, vapp: &Vapp, sight: &Sight) -> VappSeen {
        let vms: Vec<&Vm> = sight.vms.iter().filter(|vm| vm.vapp == vapp.id).collect();
        VappSeen {
            id: vapp_id(vapp.id),
            name: "blue_ephemeral_vapp".to_owned(),
            marker: self.marker(vapp.epoch, vapp.incarnation),
            busy: false,
            deployed: vms.iter().any(|vm| vm.on),
            networks: vec!["net".to_owned()],
            vms: vms.into_iter().map(|vm| self.vm(vm)).collect(),
        }
    }

    fn vm(&self, vm: &Vm) -> VmSeen {
        VmSeen {
            id: vm_id(vm.id),
            name: "EPHEMERAL_TEMP_VM".to_owned(),
            marker: self.marker(vm.epoch, vm.incarnation),
            power: if vm.on { Power::On } else { Power::Off },
        }
    }

    fn cluster(&self, cluster: &Cluster) -> Option<ClusterVapp> {
        let witness = (standing::WITNESS.to_owned(), self.entity.to_string());
        (cluster.id != 0).then(|| ClusterVapp {
            id: vapp_id(100 + cluster.id),
            name: "blue".to_owned(),
            proof: Proof::Marked,
            busy: false,
            deployed: false,
            vms: Vec::new(),
            metadata: cluster.witness.then_some(witness).into_iter().collect(),
        })
    }
}

pub(super) fn key(sight: &Sight) -> [u64; 15] {
    let mut key = [0; 15];
    key[0] = facts_word(&sight.doc);
    let flags = u64::from(sight.condemned) << 1 | u64::from(sight.late);
    key[1] = cluster_word(&sight.cluster) << 2 | flags;
    for (slot, vapp) in key[2..8].iter_mut().zip(&sight.vapps) {
        *slot = vapp_word(vapp);
    }
    for (slot, vm) in key[8..14].iter_mut().zip(&sight.vms) {
        *slot = vm_word(vm);
    }
    key
}

fn guest(vm: &Vm) -> GuestSeen {
    let (status, exit) = match vm.guest {
        Guest::Unborn => (None, None),
        Guest::AtWork => (Some(PhaseStatus::InProgress), None),
        Guest::Succeeded => (Some(PhaseStatus::Successful), Some(0)),
        Guest::Failed => (Some(PhaseStatus::Failed), Some(1)),
    };
    let phases = status.map(|status| (PHASE.to_owned(), status));
    GuestSeen {
        power: if vm.on { Power::On } else { Power::Off },
        busy: false,
        has_user_data: true,
        report: GuestReport {
            phases: phases.into_iter().collect::<BTreeMap<_, _>>(),
            exit,
            ..GuestReport::default()
        },
        silent_for: None,
    }
}

/// Every event that a deletion writes before it goes on: the pauses between them are the same.
fn announced() -> BTreeSet<String> {
    [
        "BootstrapVappRemoved",
        "ClusterNodesStopped",
        "LoadBalancersRemoved",
        "ClusterNodesRemoved",
        "VolumesRemoved",
        "ClusterVappRemoved",
        "ClusterResourcesRemoved",
    ]
    .map(str::to_owned)
    .into()
}

/// Ids sort as their numbers do.
fn vapp_id(number: u8) -> VappId {
    VappId::parse(&format!("urn:vcloud:vapp:{number:03}")).unwrap()
}

fn vm_id(number: u8) -> VmId {
    VmId::parse(&format!("urn:vcloud:vm:{number:03}")).unwrap()
}
