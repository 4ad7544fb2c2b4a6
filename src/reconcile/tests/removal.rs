//! Taking an estate apart: order, proof, what is in the way, and that every order of events ends.

use std::collections::BTreeMap;

use super::{Power, vapp_id, vm_id};
use crate::reconcile::estate::{
    ClusterVapp, EstateItem, EstateKind, EstateSeen, NodeVm, Proof, Serves,
};
use crate::reconcile::removal::{
    Insistence, Obstacle, Orders, Removal, Removing, Stage, Volumes, after, completed, is_gone,
    kept_volumes, next,
};

pub(super) fn node(n: u8) -> NodeVm {
    NodeVm {
        id: vm_id(n),
        name: format!("node-{n}"),
        power: Power::On,
        deployed: true,
        proof: Proof::Marked,
        busy: false,
    }
}

pub(super) fn item(kind: EstateKind, serves: Serves, n: u8) -> EstateItem {
    EstateItem {
        kind,
        id: format!("{}-{n}", kind.name().replace(' ', "-")),
        name: format!("{} {n}", kind.name()),
        within: None,
        serves,
        proof: Proof::Named,
        busy: false,
        attached_to: Vec::new(),
    }
}

pub(super) fn disk(n: u8, attached_to: &[u8]) -> EstateItem {
    EstateItem {
        attached_to: attached_to.iter().copied().map(vm_id).collect(),
        ..item(EstateKind::Disk, Serves::Volume, n)
    }
}

/// A cluster of three machines with two load balancers, an address, and a volume in use.
pub(super) fn full() -> EstateSeen {
    let mut items = vec![
        disk(1, &[2]),
        item(EstateKind::AddressClaim, Serves::Service, 1),
    ];
    for serves in [Serves::ControlPlane, Serves::Service] {
        let n = u8::from(serves == Serves::Service);
        for kind in [
            EstateKind::PortProfile,
            EstateKind::NatRule,
            EstateKind::Pool,
            EstateKind::VirtualService,
        ] {
            items.push(item(kind, serves, n));
        }
    }
    EstateSeen {
        vapps: vec![ClusterVapp {
            id: vapp_id(1),
            name: "kite7".to_owned(),
            proof: Proof::Marked,
            busy: false,
            deployed: true,
            vms: vec![node(1), node(2), node(3)],
            metadata: BTreeMap::new(),
        }],
        items,
        gaps: Vec::new(),
    }
}

fn ask(estate: &EstateSeen, (volumes, insistence): (Volumes, Insistence)) -> Removal {
    let failed = BTreeMap::new();
    let orders = Orders {
        volumes,
        insistence,
        failed: &failed,
    };
    next(estate, &orders)
}

const PLAIN: (Volumes, Insistence) = (Volumes::Keep, Insistence::StopAtFirst);
const FORCE: (Volumes, Insistence) = (Volumes::Remove, Insistence::GoOn);

/// All steps until nothing can be done any more, each taking effect at once.
fn all_steps(mut estate: EstateSeen, how: (Volumes, Insistence)) -> (Vec<String>, Removal) {
    let mut steps = Vec::new();
    loop {
        assert!(steps.len() < 100, "no end: {steps:?}");
        match ask(&estate, how) {
            Removal::Act(removing) => {
                steps.push(format!("{} {}", removing.name(), removing.subject()));
                estate = after(estate, &removing);
            }
            end @ (Removal::Wait(_) | Removal::Blocked(_) | Removal::Gone) => return (steps, end),
        }
    }
}

#[test]
fn everything_goes_in_the_order_in_which_vcd_lets_it_go() {
    let (steps, end) = all_steps(full(), FORCE);
    assert_eq!(end, Removal::Gone);
    let want = [
        "stop-vapp urn:vcloud:vapp:1",
        "delete-virtual-service virtual-service-1",
        "delete-pool load-balancer-pool-1",
        "delete-nat-rule NAT-rule-1",
        "delete-port-profile application-port-profile-1",
        "delete-virtual-service virtual-service-0",
        "delete-pool load-balancer-pool-0",
        "delete-nat-rule NAT-rule-0",
        "delete-port-profile application-port-profile-0",
        "release-address IP-address-allocation-1",
        "detach-disk named-disk-1",
        "delete-vm urn:vcloud:vm:1",
        "delete-vm urn:vcloud:vm:2",
        "delete-vm urn:vcloud:vm:3",
        "delete-disk named-disk-1",
        "delete-vapp urn:vcloud:vapp:1",
    ];
    assert_eq!(steps, want);
    let (kept, end) = all_steps(full(), PLAIN);
    assert_eq!(
        end,
        Removal::Gone,
        "a volume that is kept is in nobody's way"
    );
    let without_disk: Vec<&str> = want
        .into_iter()
        .filter(|step| !step.starts_with("delete-disk"))
        .collect();
    assert_eq!(kept, without_disk);
    assert_eq!(kept_volumes(&full(), Volumes::Keep), ["named disk 1"]);
    assert!(kept_volumes(&full(), Volumes::Remove).is_empty());
}

#[test]
fn what_is_not_proven_is_never_touched() {
    let mut estate = full();
    for item in &mut estate.items {
        item.proof = Proof::Unproven;
    }
    estate.vapps[0].proof = Proof::Unproven;
    for how in [PLAIN, FORCE] {
        assert_eq!(ask(&estate, how), Removal::Gone, "{how:?}");
    }
    // But what is attached to a machine of the cluster has to leave it, whosever it is.
    estate.vapps[0].proof = Proof::Marked;
    let (steps, _) = all_steps(estate, FORCE);
    assert_eq!(
        steps,
        [
            "stop-vapp urn:vcloud:vapp:1",
            "detach-disk named-disk-1",
            "delete-vm urn:vcloud:vm:1",
            "delete-vm urn:vcloud:vm:2",
            "delete-vm urn:vcloud:vm:3",
            "delete-vapp urn:vcloud:vapp:1",
        ]
    );
}

#[test]
fn somebody_elses_machine_stops_a_plain_deletion_and_survives_a_forced_one() {
    let mut estate = full();
    estate.vapps[0].vms[1].proof = Proof::Unproven;
    let stranger = Obstacle::Stranger {
        vapp: "kite7".to_owned(),
        vm: "node-2".to_owned(),
        id: vm_id(2).as_str().to_owned(),
    };
    assert_eq!(
        ask(&estate, PLAIN),
        Removal::Blocked(vec![stranger.clone()]),
        "before anything is removed"
    );
    let (steps, end) = all_steps(estate, FORCE);
    assert_eq!(
        &steps[..2],
        ["stop-vm urn:vcloud:vm:1", "stop-vm urn:vcloud:vm:3"]
    );
    assert!(!steps.iter().any(|step| step.contains("vapp")), "{steps:?}");
    assert!(
        !steps.iter().any(|step| step.ends_with("vm:2")),
        "{steps:?}"
    );
    assert_eq!(end, Removal::Blocked(vec![stranger]));
}

#[test]
fn what_fails_stops_a_plain_deletion_and_is_reported_by_a_forced_one() {
    let why = BTreeMap::from([("load-balancer-pool-1".to_owned(), "in use".to_owned())]);
    let stuck = Obstacle::Stuck {
        what: "load balancer pool",
        name: "load balancer pool 1".to_owned(),
        id: "load-balancer-pool-1".to_owned(),
        why: "in use".to_owned(),
    };
    let mut estate = full();
    let mut ends = Vec::new();
    for insistence in [Insistence::StopAtFirst, Insistence::GoOn] {
        let mut steps = 0;
        let end = loop {
            let orders = Orders {
                volumes: Volumes::Remove,
                insistence,
                failed: &why,
            };
            match next(&estate, &orders) {
                Removal::Act(removing) => {
                    steps += 1;
                    estate = after(estate, &removing);
                }
                end @ (Removal::Wait(_) | Removal::Blocked(_) | Removal::Gone) => break end,
            }
        };
        ends.push((steps, end));
    }
    let blocked = Removal::Blocked(vec![stuck]);
    assert_eq!(ends, [(2, blocked.clone()), (13, blocked)]);
}

#[test]
fn gaps_busy_objects_and_foreign_attachments_are_no_emptiness() {
    let gap = EstateSeen {
        gaps: vec!["named disks: no right".to_owned()],
        ..EstateSeen::default()
    };
    for how in [PLAIN, FORCE] {
        assert!(matches!(ask(&gap, how), Removal::Blocked(_)), "{how:?}");
    }
    assert!(!is_gone(&gap, Volumes::Keep));
    assert!(completed(&gap, Volumes::Keep).is_empty());
    let mut busy = full();
    busy.vapps[0].busy = true;
    assert!(matches!(ask(&busy, FORCE), Removal::Wait(_)));
    let mut busy = full();
    busy.vapps[0].vms[0].busy = true;
    assert!(matches!(ask(&busy, FORCE), Removal::Wait(_)));
    // A disk of ours on a machine that is not: it cannot be detached by us.
    let away = EstateSeen {
        items: vec![disk(1, &[9])],
        ..EstateSeen::default()
    };
    assert!(matches!(ask(&away, FORCE), Removal::Blocked(_)));
    assert_eq!(ask(&away, PLAIN), Removal::Gone);
}

#[test]
fn a_vapp_that_cannot_be_stopped_is_stopped_machine_by_machine() {
    let estate = full();
    let failed = BTreeMap::from([(vapp_id(1).as_str().to_owned(), "no".to_owned())]);
    let orders = Orders {
        volumes: Volumes::Keep,
        insistence: Insistence::GoOn,
        failed: &failed,
    };
    assert_eq!(
        next(&estate, &orders),
        Removal::Act(Removing::StopVm(vm_id(1)))
    );
}

#[test]
fn stages_end_one_after_the_other() {
    let mut estate = full();
    let mut seen = vec![completed(&estate, Volumes::Remove).len()];
    while let Removal::Act(removing) = ask(&estate, FORCE) {
        estate = after(estate, &removing);
        seen.push(completed(&estate, Volumes::Remove).len());
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!((seen[0], seen.last()), (0, Some(&Stage::ALL.len())));
    for count in 0..=Stage::ALL.len() {
        assert!(seen.contains(&count), "{count} of {seen:?}");
    }
}
