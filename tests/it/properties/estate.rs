//! Any estate of a cluster, however odd, and any state of its removal.

use std::time::Duration;

use cse_server::reconcile::estate::{
    ClusterVapp, EstateItem, EstateKind, EstateSeen, NodeVm, Proof, Serves,
};
use cse_server::reconcile::observation::RemovalSeen;
use cse_server::reconcile::standing::WITNESS;
use proptest::prelude::*;

use super::{power, vapp_id, vm_id};

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
    let node =
        (vm_id(), power(), any::<bool>(), proof()).prop_map(|(id, power, deployed, proof)| {
            NodeVm {
                name: id.to_string(),
                id,
                power,
                deployed,
                proof,
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
    let failed = prop::collection::btree_map(id, Just("no".to_owned()), 0..2);
    let ages = (prop::option::of(0..300_u64), 0..3_600_u64, 0..3_600_u64);
    (failed, ages, any::<bool>()).prop_map(|(failed, (empty, busy, paused), resolve_tried)| {
        RemovalSeen {
            failed,
            empty_for: empty.map(Duration::from_secs),
            busy_for: Duration::from_secs(busy),
            paused: Duration::from_secs(paused),
            resolve_tried,
        }
    })
}
