//! Orphans: objects that carry a cluster's mark although the cluster's entity is gone.
//!
//! Flow: objects by their marks -> [`suspects`], whose entities no list shows -> a direct look at each
//! ([`judge`]) -> its estate -> [`plan`].
//!
//! Invariants:
//! - "Not visible" is believed only of somebody who sees another cluster right before and right after: VCD
//!   answers the same for what does not exist and for what the caller may not see.
//! - Nothing that is not proven is in a plan.
//!
//! Not here: the order of removal (`removal`), the looks themselves (`controller::orphans`).

use std::collections::{BTreeMap, BTreeSet};

use super::estate::{EstateSeen, Proof};
use super::observation::Power;
use super::removal::{self, Insistence, Obstacle, Orders, Removal, Removing, Volumes};
use crate::domain::ids::EntityId;

/// What a direct look at an entity shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is there.
    Visible,
    /// It is not there, or the caller may not see it.
    NotVisible,
}

/// Three looks in a row: at a cluster that is known to exist, at the suspect, at the known one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    /// At the witness, before.
    pub before: Look,
    /// At the entity in question.
    pub suspect: Look,
    /// At the witness, after.
    pub after: Look,
}

/// What three looks prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The entity exists.
    Exists,
    /// The entity is gone.
    Gone,
    /// The looks prove nothing: the caller does not see what it should.
    Blind,
}

/// Whether the entity is gone.
pub const fn judge(looks: Looks) -> Verdict {
    match (looks.suspect, looks.before, looks.after) {
        (Look::Visible, _, _) => Verdict::Exists,
        (Look::NotVisible, Look::Visible, Look::Visible) => Verdict::Gone,
        (Look::NotVisible, _, _) => Verdict::Blind,
    }
}

/// An entity on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: EntityId,
    /// URN of its organization.
    pub org: Option<String>,
}

/// The marked entities that are not on the list.
pub fn suspects<'m>(
    marked: impl IntoIterator<Item = &'m EntityId>,
    listed: &[Listed],
) -> BTreeSet<EntityId> {
    let known: BTreeSet<&EntityId> = listed.iter().map(|entity| &entity.id).collect();
    let unknown = marked.into_iter().filter(|id| !known.contains(id));
    unknown.cloned().collect()
}

/// A cluster that exists, to prove the eyes on; one of the organization `org` if there is any.
pub fn witness<'l>(listed: &'l [Listed], org: &str) -> Option<&'l EntityId> {
    let near = listed
        .iter()
        .find(|entity| entity.org.as_deref() == Some(org));
    near.or(listed.first()).map(|entity| &entity.id)
}

/// The steps that take an estate apart if each succeeds, and what is in the way then.
///
/// An object that needs two calls, an IP address, is named once.
pub fn plan(mut estate: EstateSeen, volumes: Volumes) -> (Vec<Removing>, Vec<Obstacle>) {
    let failed = BTreeMap::new();
    let orders = Orders {
        volumes,
        insistence: Insistence::GoOn,
        failed: &failed,
    };
    // What VCD is at work on now will be free when its turn comes.
    for vapp in &mut estate.vapps {
        vapp.busy = false;
        for vm in &mut vapp.vms {
            vm.busy = false;
        }
    }
    for item in &mut estate.items {
        item.busy = false;
    }
    let mut steps = Vec::new();
    loop {
        match removal::next(&estate, &orders) {
            Removal::Act(step) if !steps.contains(&step) => {
                estate = removal::after(estate, &step);
                steps.push(step);
            }
            Removal::Act(_) | Removal::Gone => return (steps, Vec::new()),
            Removal::Wait(obstacle) => return (steps, vec![obstacle]),
            Removal::Blocked(obstacles) => return (steps, obstacles),
        }
    }
}

/// Whether machines of the cluster are switched on.
///
/// A cluster that was made after the backup from which VCD was restored has no entity, and is somebody's work.
pub fn is_running(estate: &EstateSeen) -> bool {
    let vapps = estate.vapps.iter().filter(|vapp| vapp.proof.suffices());
    let mut machines = vapps.flat_map(|vapp| &vapp.vms);
    machines.any(|vm| vm.proof.suffices() && vm.power == Power::On)
}

/// One line about an object, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// What it is.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Whether it may be removed.
    pub proven: bool,
    /// Whether it is a volume: those hold data.
    pub is_volume: bool,
}

/// All objects of an estate.
pub fn lines(estate: &EstateSeen) -> Vec<Line> {
    let line = |kind, name: &str, id: &str, proof: Proof| Line {
        kind,
        name: name.to_owned(),
        id: id.to_owned(),
        proven: proof.suffices(),
        is_volume: false,
    };
    let mut lines = Vec::new();
    for vapp in &estate.vapps {
        lines.push(line("vApp", &vapp.name, vapp.id.as_str(), vapp.proof));
        let proof = |vm| {
            if vapp.proof.suffices() {
                vm
            } else {
                vapp.proof
            }
        };
        let vms = vapp.vms.iter();
        lines.extend(vms.map(|vm| line("VM", &vm.name, vm.id.as_str(), proof(vm.proof))));
    }
    lines.extend(estate.items.iter().map(|item| Line {
        is_volume: item.kind == super::estate::EstateKind::Disk,
        ..line(item.kind.name(), &item.name, &item.id, item.proof)
    }));
    lines
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::super::estate::{ClusterVapp, EstateItem, EstateKind, NodeVm, Serves};
    use super::*;
    use crate::domain::ids::{VappId, VmId};

    fn entity(n: u8) -> EntityId {
        EntityId::parse(&format!("urn:vcloud:entity:vmware:capvcdCluster:{n}")).unwrap()
    }

    #[test]
    fn absence_is_believed_of_eyes_that_see_before_and_after() {
        use Look::{NotVisible, Visible};
        let rows = [
            (Visible, Visible, Visible, Verdict::Exists),
            (NotVisible, Visible, NotVisible, Verdict::Exists),
            (Visible, NotVisible, Visible, Verdict::Gone),
            (NotVisible, NotVisible, Visible, Verdict::Blind),
            (Visible, NotVisible, NotVisible, Verdict::Blind),
            (NotVisible, NotVisible, NotVisible, Verdict::Blind),
        ];
        for (before, suspect, after, want) in rows {
            let looks = Looks {
                before,
                suspect,
                after,
            };
            assert_eq!(judge(looks), want, "{looks:?}");
        }
    }

    #[test]
    fn suspects_are_marked_and_unlisted_and_a_witness_is_of_the_same_organization_if_possible() {
        let listed = |n, org: &str| Listed {
            id: entity(n),
            org: Some(org.to_owned()),
        };
        let list = [listed(1, "zeta"), listed(2, "acme")];
        let marked = [entity(2), entity(3)];
        assert_eq!(suspects(&marked, &list), BTreeSet::from([entity(3)]));
        assert_eq!(witness(&list, "acme"), Some(&entity(2)));
        assert_eq!(witness(&list, "nobody"), Some(&entity(1)));
        assert_eq!(witness(&[], "acme"), None);
    }

    fn estate(stranger: Proof) -> EstateSeen {
        let vm = |n: u8, proof| NodeVm {
            id: VmId::parse(&format!("urn:vcloud:vm:{n}")).unwrap(),
            name: n.to_string(),
            power: Power::On,
            deployed: true,
            proof,
            busy: true,
        };
        let item = |kind, proof| EstateItem {
            kind,
            id: format!("{kind:?}{proof:?}"),
            name: String::new(),
            within: None,
            serves: Serves::Service,
            proof,
            busy: true,
            attached_to: Vec::new(),
        };
        EstateSeen {
            vapps: vec![ClusterVapp {
                id: VappId::parse("urn:vcloud:vapp:1").unwrap(),
                name: "blue".to_owned(),
                proof: Proof::Marked,
                busy: true,
                deployed: true,
                vms: vec![vm(1, Proof::Marked), vm(2, stranger)],
                metadata: BTreeMap::new(),
            }],
            items: vec![
                item(EstateKind::Disk, Proof::Marked),
                item(EstateKind::Pool, Proof::Named),
                item(EstateKind::VirtualService, Proof::Named),
                item(EstateKind::VirtualService, Proof::Unproven),
            ],
            gaps: Vec::new(),
        }
    }

    #[test]
    fn a_plan_ends_and_names_nothing_unproven() {
        let names = |steps: &[Removing]| steps.iter().map(Removing::name).collect::<Vec<_>>();
        let (steps, left) = plan(estate(Proof::Marked), Volumes::Remove);
        let want = [
            "stop-vapp",
            "delete-virtual-service",
            "delete-pool",
            "delete-vm",
            "delete-vm",
            "delete-disk",
            "delete-vapp",
        ];
        assert_eq!((names(&steps), left.len()), (want.to_vec(), 0));
        let (steps, left) = plan(estate(Proof::Marked), Volumes::Keep);
        assert!(!names(&steps).contains(&"delete-disk"));
        assert_eq!((steps.len(), left.len()), (6, 0));
        let (steps, left) = plan(estate(Proof::Unproven), Volumes::Remove);
        assert!(!names(&steps).contains(&"delete-vapp"), "{steps:?}");
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn every_object_has_a_line() {
        let lines = lines(&estate(Proof::Unproven));
        let proven: Vec<bool> = lines.iter().map(|line| line.proven).collect();
        assert_eq!(proven, [true, true, false, true, true, true, false]);
        let volumes = lines.iter().filter(|line| line.is_volume).count();
        assert_eq!(volumes, 1);
    }
}
