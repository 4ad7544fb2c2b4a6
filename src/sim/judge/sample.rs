//! Histories made by hand, for the tests of the judge: a replica `one` creates a cluster, and things go on
//! from there.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Invariant, Judge};
use crate::clock::Moment;
use crate::domain::claim::Claim;
use crate::sim::entities::look::{Look, Parts};
use crate::sim::history::{
    Actor, Deed, Entry, Item, Machine, MachineChange, MachineKind, Origin, Written,
};

/// The cluster of all samples.
pub(super) const CLUSTER: &str =
    "urn:vcloud:entity:vmware:capvcdCluster:00000000-0000-4000-8000-000000000001";

/// A history that is being told.
#[derive(Debug, Default)]
pub(super) struct Tale {
    pub(super) entries: Vec<Entry>,
    judge: Judge,
    now: Duration,
    look: Look,
}

impl Tale {
    /// A cluster that a client has asked for.
    pub(super) fn new() -> Self {
        let mut tale = Self::default();
        tale.look.parts = Parts {
            spec: Some(1),
            capi_yaml: Some(2),
            rest: Some(3),
            ..Parts::default()
        };
        tale.write("", |_| {})
    }

    /// The same, claimed, with a VM that is on.
    pub(super) fn bootstrapping() -> Self {
        Self::new()
            .write("one", |look| {
                claim(look, "one", "e=1;s=1;n=01;t=180;p=creating;i=1;x=held");
                "provisioning".clone_into(&mut look.state);
            })
            .machine("one", MachineChange::Created, vapp("a", 1))
            .machine("one", MachineChange::Created, vm("a", 1))
            .write("one", |look| {
                claim(look, "one", "e=1;s=2;n=02;t=180;p=creating;i=1;x=held");
                look.committed = vec![vapp("a", 1).id, vm("a", 1).id];
            })
            .machine("one", MachineChange::PoweredOn, vm("a", 1))
    }

    /// Lets time pass.
    pub(super) fn wait(mut self, secs: u64) -> Self {
        self.now += Duration::from_secs(secs);
        self
    }

    pub(super) fn now(&self) -> Moment {
        Moment::from_origin(self.now)
    }

    /// The document is changed by a replica, or by a client without a name.
    pub(super) fn write(mut self, by: &str, change: impl FnOnce(&mut Look)) -> Self {
        change(&mut self.look);
        self.look.revision += 1;
        let look = &mut self.look;
        look.claim = Claim::from_wire(&look.worker_id, &look.heartbeat);
        let written = Written {
            entity: CLUSTER.to_owned(),
            revision: self.look.revision,
            look: Arc::new(self.look.clone()),
        };
        self.tell(by, Deed::Written(written))
    }

    pub(super) fn machine(self, by: &str, change: MachineChange, machine: Machine) -> Self {
        self.tell(by, Deed::Machine(Box::new(Machine { change, ..machine })))
    }

    pub(super) fn item(self, by: &str, effect: &'static str, name: &str) -> Self {
        let item = Item {
            effect,
            id: String::new(),
            name: name.to_owned(),
            clusters: crate::sim::leaks::named_clusters(name),
        };
        self.tell(by, Deed::Item(Box::new(item)))
    }

    pub(super) fn tell(mut self, by: &str, deed: Deed) -> Self {
        let number = u64::try_from(self.entries.len()).unwrap_or(u64::MAX) + 1;
        let replica = !by.is_empty();
        let entry = Entry {
            number,
            at: self.now(),
            wall: Timestamp::UNIX_EPOCH,
            by: Arc::new(Origin {
                actor: if replica {
                    Actor::Replica
                } else {
                    Actor::Client
                },
                caller: by.to_owned(),
                user: None,
                sent: replica.then(|| self.now()),
            }),
            deed,
        };
        self.judge.see(&entry);
        self.entries.push(entry);
        self
    }

    /// Invariants of the verdicts, each once.
    pub(super) fn broken(&self) -> Vec<Invariant> {
        let verdicts = self.judge.verdicts(self.now());
        let mut broken: Vec<Invariant> = verdicts.iter().map(|one| one.invariant).collect();
        broken.sort();
        broken.dedup();
        broken
    }
}

/// Writes a claim record of a replica.
pub(super) fn claim(look: &mut Look, replica: &str, record: &str) {
    look.worker_id = if record.ends_with("x=held") {
        format!("{replica}/{:032x}", 1)
    } else {
        String::new()
    };
    look.heartbeat = format!("k1;{record}");
}

/// A vApp of the cluster's bootstrap.
pub(super) fn vapp(id: &str, incarnation: u32) -> Machine {
    Machine {
        kind: MachineKind::Vapp,
        change: MachineChange::Created,
        id: format!("urn:vcloud:vapp:{id}"),
        name: format!("vapp-{id}"),
        marker: format!("rde={CLUSTER};e=1;i={incarnation}"),
        vapp: None,
        clusters: vec![CLUSTER.to_owned()],
    }
}

/// A VM in it.
pub(super) fn vm(id: &str, incarnation: u32) -> Machine {
    Machine {
        kind: MachineKind::Vm,
        id: format!("urn:vcloud:vm:{id}"),
        name: format!("vm-{id}"),
        vapp: Some(format!("urn:vcloud:vapp:{id}")),
        ..vapp(id, incarnation)
    }
}
