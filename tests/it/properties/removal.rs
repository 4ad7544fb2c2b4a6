//! Estates and removals, however odd, and what may be done about them.

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::reconcile::estate::{
    ClusterVapp, EstateItem, EstateKind, EstateSeen, NodeVm, Proof, Serves,
};
use cse_server::reconcile::observation::{Observation, RemovalSeen};
use cse_server::reconcile::removal::{Insistence, Orders, Removal, Removing, Volumes, after, next};
use cse_server::reconcile::standing::WITNESS;
use proptest::prelude::*;

use super::covered::our_vapp;
use super::{policy, power, vapp_id, vm_id};

fn proof() -> impl Strategy<Value = Proof> {
    prop_oneof![4 => Just(Proof::Marked), 1 => Just(Proof::Unproven)]
}

fn estate_item() -> impl Strategy<Value = EstateItem> {
    let kind = prop::sample::select(vec![
        EstateKind::VirtualService,
        EstateKind::Pool,
        EstateKind::NatRule,
        EstateKind::PortProfile,
        EstateKind::AddressClaim,
        EstateKind::Disk,
    ]);
    let serves = prop::sample::select(vec![Serves::ControlPlane, Serves::Service]);
    let attached_to = prop::collection::vec(vm_id(), 0..2);
    let busy = prop::bool::weighted(0.1);
    (kind, serves, 0..9_u8, proof(), busy, attached_to).prop_map(
        |(kind, serves, n, proof, busy, attached_to)| EstateItem {
            kind,
            id: format!("item-{n}"),
            name: format!("item {n}"),
            within: None,
            serves,
            proof,
            busy,
            attached_to,
        },
    )
}

pub(super) fn estate() -> impl Strategy<Value = EstateSeen> {
    let states = (any::<bool>(), prop::bool::weighted(0.1));
    let node =
        (vm_id(), power(), states, proof()).prop_map(|(id, power, (deployed, busy), proof)| {
            NodeVm {
                name: id.to_string(),
                id,
                power,
                deployed,
                proof,
                busy,
            }
        });
    let vapp = (
        vapp_id(),
        proof(),
        any::<(bool, bool, u8)>(),
        prop::collection::vec(node, 0..3),
    );
    let vapp = vapp.prop_map(|(id, proof, (deployed, idle, chance), vms)| ClusterVapp {
        name: id.to_string(),
        id,
        proof,
        busy: !idle && deployed,
        deployed,
        vms,
        metadata: (chance % 4 == 0)
            .then(|| (WITNESS.to_owned(), String::new()))
            .into_iter()
            .collect(),
    });
    let gaps = prop::collection::vec(Just("no right".to_owned()), 0..2);
    let items = prop::collection::vec(estate_item(), 0..3);
    let full = (prop::collection::vec(vapp, 0..2), items, gaps);
    let full = full.prop_map(|(vapps, items, gaps)| EstateSeen { vapps, items, gaps });
    prop_oneof![3 => full, 1 => Just(EstateSeen::default())]
}

pub(super) fn removal() -> impl Strategy<Value = RemovalSeen> {
    let id = prop_oneof![
        (0..9_u8).prop_map(|n| format!("item-{n}")),
        vm_id().prop_map(|id| id.to_string()),
        vapp_id().prop_map(|id| id.to_string()),
    ];
    let failed = prop::collection::btree_map(id.clone(), Just("no".to_owned()), 0..2);
    let condemned = prop::collection::btree_set(id, 0..24);
    let ages = (prop::option::of(0..300_u64), 0..3_600_u64, 0..3_600_u64);
    (failed, condemned, ages, any::<bool>()).prop_map(
        |(failed, condemned, (empty, busy, paused), resolve_tried)| RemovalSeen {
            failed,
            empty_for: empty.map(Duration::from_secs),
            busy_for: Duration::from_secs(busy),
            paused: Duration::from_secs(paused),
            resolve_tried,
            condemned,
        },
    )
}

/// Whether the object is proven the cluster's, and nothing is in it or uses it.
pub(super) fn is_removable(seen: &Observation, removing: &Removing) -> bool {
    let Some(estate) = &seen.estate else {
        return false;
    };
    let vapps = || estate.vapps.iter().filter(|vapp| vapp.proof.suffices());
    let nodes = || vapps().flat_map(|vapp| vapp.vms.iter().filter(|vm| vm.proof.suffices()));
    let deletes_volumes = seen.document.deletion.forced && seen.document.deletion.reclaims_volumes;
    match removing {
        Removing::StopVapp(id) => {
            vapps().any(|vapp| vapp.id == *id && vapp.vms.iter().all(|vm| vm.proof.suffices()))
        }
        Removing::StopVm(id) => nodes().any(|vm| vm.id == *id),
        Removing::Detach { vm: id, .. } => nodes().any(|vm| vm.id == *id),
        Removing::DeleteVm(id) => {
            let used = estate
                .items
                .iter()
                .any(|item| item.kind == EstateKind::Disk && item.attached_to.contains(id));
            nodes().any(|vm| vm.id == *id && !vm.deployed) && !used
        }
        Removing::DeleteVapp(id) => vapps().any(|vapp| vapp.id == *id && vapp.vms.is_empty()),
        Removing::DeleteItem(item) => {
            let volume = item.kind == EstateKind::Disk;
            item.proof.suffices() && (!volume || deletes_volumes && item.attached_to.is_empty())
        }
    }
}

/// Whether the entity may go: nothing proven is left, and nothing can be on its way.
pub(super) fn may_leave(seen: &Observation) -> bool {
    let document = &seen.document;
    let never = document.deletion.never_built;
    let quiet = seen.removal.empty_for >= Some(policy().quarantine);
    let deletes_volumes = document.deletion.forced && document.deletion.reclaims_volumes;
    let left = |estate: &EstateSeen| {
        let volume = |item: &EstateItem| item.kind == EstateKind::Disk && !deletes_volumes;
        let items = estate.items.iter().filter(|item| !volume(item));
        let vapps = estate.vapps.iter().map(|vapp| vapp.proof);
        let mut proofs = items.map(|item| item.proof).chain(vapps);
        proofs.any(Proof::suffices) || !(never || estate.gaps.is_empty())
    };
    let blind = seen.preparation.is_err();
    let empty = match &seen.estate {
        _ if blind => never,
        Some(estate) => !left(estate) && !seen.vapps.iter().any(|vapp| our_vapp(seen, &vapp.id)),
        None => false,
    };
    empty && (quiet || never && document.incarnation == 0)
}

/// Ids of all machines and other objects, with whether they are proven.
fn proofs(estate: &EstateSeen) -> Vec<(String, bool)> {
    let vms = estate.vapps.iter().flat_map(|vapp| &vapp.vms);
    let vms = vms.map(|vm| (vm.id.to_string(), vm.proof.suffices()));
    let items = estate.items.iter();
    let items = items.map(|item| {
        (
            format!("{:?} {}", item.kind, item.id),
            item.proof.suffices(),
        )
    });
    vms.chain(items).collect()
}

fn ids(estate: &EstateSeen) -> Vec<String> {
    proofs(estate).into_iter().map(|(id, _)| id).collect()
}

/// Ids under which nothing proven is known.
fn strangers(estate: &EstateSeen) -> Vec<String> {
    let all = proofs(estate);
    let proven = |id: &String| all.iter().any(|(other, proven)| other == id && *proven);
    let unproven = all.iter().map(|(id, _)| id).filter(|id| !proven(id));
    unproven.cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_estate_comes_to_an_end_and_what_is_not_proven_survives(
        estate in estate(),
        forced: bool,
        remove: bool,
    ) {
        let failed = BTreeMap::new();
        let orders = Orders {
            volumes: if remove { Volumes::Remove } else { Volumes::Keep },
            insistence: if forced { Insistence::GoOn } else { Insistence::StopAtFirst },
            failed: &failed,
        };
        // Two vApps of one id are none that VCD could show.
        prop_assume!(estate.vapps.len() < 2);
        let strangers = strangers(&estate);
        let (mut seen, mut steps) = (estate, 0);
        while let Removal::Act(removing) = next(&seen, &orders) {
            seen = after(seen, &removing);
            steps += 1;
            prop_assert!(steps < 60, "no end: {removing:?}");
        }
        let end = next(&seen, &orders);
        prop_assert!(end != Removal::Blocked(Vec::new()));
        let left = ids(&seen);
        prop_assert!(strangers.iter().all(|id| left.contains(id)), "{strangers:?} of {left:?}");
    }
}
