//! The named configurations: who is there, what may go wrong how often.

use super::daemon::Daemon;
use super::moves::Bounds;
use super::mutants::Mutant;
use super::site::Site;
use super::state::{Doc, FAULTS, Fault, Replica, State, Vapp};

/// One configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) replicas: u8,
    pub(crate) faults: &'static [(Fault, u8)],
    /// Most faults together: in plain `cargo test`, and when everything is tried.
    pub(crate) together: (u8, u8),
    pub(crate) traits: &'static [Trait],
}

/// What is special about a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trait {
    /// Two processes take themselves for each other.
    SameIdentity,
    /// VCD refuses a second object of a name.
    UniqueNames,
    /// A vApp of the bootstrap's name that is not ours.
    ForeignVapp,
    /// Auto-repair is on: a second attempt follows.
    AutoRepair,
    /// The guest tells how far it has come.
    Progress,
    /// The guest builds a part of the cluster before it is through.
    Builds,
    /// A kept bootstrap VM is collected at any time.
    Inspection,
    /// A new process takes back the claims of the one before it.
    Inherits,
    /// The entity goes only when nothing is on its way any more.
    Quarantine,
}

use Fault as F;
use Trait as T;

/// All of them.
pub(crate) const WORLDS: &[World] = &[
    World {
        name: "create and tear down",
        replicas: 2,
        faults: &[(F::Crash, 2), (F::Takeover, 2), (F::Lost, 2)],
        together: (2, 3),
        traits: &[],
    },
    World {
        name: "create again after a failure",
        replicas: 2,
        faults: &[(F::Takeover, 2), (F::Lost, 2), (F::Guest, 2), (F::Crash, 1)],
        together: (2, 3),
        traits: &[T::AutoRepair, T::Builds],
    },
    World {
        name: "fail, keep the VM, collect it",
        replicas: 2,
        faults: &[
            (F::Takeover, 2),
            (F::Lost, 2),
            (F::Guest, 1),
            (F::Rollback, 1),
        ],
        together: (2, 3),
        traits: &[T::Inspection],
    },
    World {
        name: "two processes, one identity",
        replicas: 2,
        faults: &[(F::Takeover, 3), (F::Lost, 2)],
        together: (2, 4),
        traits: &[T::SameIdentity],
    },
    World {
        name: "the user deletes at any time",
        replicas: 2,
        faults: &[
            (F::Delete, 1),
            (F::Takeover, 2),
            (F::Lost, 2),
            (F::Crash, 1),
        ],
        together: (2, 3),
        traits: &[],
    },
    World {
        name: "deletion with a quarantine",
        replicas: 2,
        faults: &[(F::Delete, 1), (F::Takeover, 2), (F::Lost, 1)],
        together: (2, 3),
        traits: &[T::Quarantine, T::UniqueNames],
    },
    World {
        name: "another writer",
        replicas: 2,
        faults: &[(F::Writer, 3), (F::Takeover, 1), (F::Lost, 1)],
        together: (2, 4),
        traits: &[T::Progress],
    },
    World {
        name: "a client writes an old version back",
        replicas: 2,
        faults: &[
            (F::Rollback, 1),
            (F::Takeover, 1),
            (F::Lost, 1),
            (F::Crash, 1),
        ],
        together: (2, 3),
        traits: &[],
    },
    World {
        name: "old version back, and deletion",
        replicas: 2,
        faults: &[(F::Rollback, 1), (F::Delete, 2), (F::Takeover, 1)],
        together: (3, 4),
        traits: &[],
    },
    World {
        name: "old version back, one identity",
        replicas: 2,
        faults: &[(F::Rollback, 1), (F::Takeover, 2)],
        together: (2, 3),
        traits: &[T::SameIdentity],
    },
    World {
        name: "old version back, and a failure",
        replicas: 2,
        faults: &[(F::Rollback, 1), (F::Guest, 2), (F::Takeover, 1)],
        together: (3, 3),
        traits: &[T::AutoRepair, T::Builds],
    },
    World {
        name: "two old versions back",
        replicas: 1,
        faults: &[(F::Rollback, 2), (F::Delete, 1), (F::Lost, 1)],
        together: (3, 4),
        traits: &[T::Progress],
    },
    World {
        name: "the tenant removes VM or vApp",
        replicas: 2,
        faults: &[(F::Tenant, 2), (F::Takeover, 1), (F::Lost, 1)],
        together: (2, 3),
        traits: &[T::AutoRepair],
    },
    World {
        name: "three replicas",
        replicas: 3,
        faults: &[(F::Takeover, 2), (F::Lost, 1), (F::Delete, 1)],
        together: (1, 2),
        traits: &[],
    },
    World {
        name: "two requests of one sender on their way",
        replicas: 1,
        faults: &[(F::Lost, 4), (F::Guest, 1)],
        together: (3, 5),
        traits: &[T::AutoRepair],
    },
    World {
        name: "requests carried out twice",
        replicas: 2,
        faults: &[(F::Twice, 3), (F::Takeover, 1)],
        together: (2, 4),
        traits: &[],
    },
    World {
        name: "names are unique",
        replicas: 2,
        faults: &[(F::Takeover, 2), (F::Lost, 2), (F::Guest, 1)],
        together: (2, 3),
        traits: &[T::UniqueNames, T::AutoRepair],
    },
    World {
        name: "a foreign vApp of the name",
        replicas: 2,
        faults: &[
            (F::Takeover, 2),
            (F::Lost, 2),
            (F::Delete, 1),
            (F::Rollback, 1),
        ],
        together: (3, 4),
        traits: &[T::ForeignVapp],
    },
    World {
        name: "restart with the claims of the process before",
        replicas: 2,
        faults: &[(F::Crash, 3), (F::Takeover, 1), (F::Lost, 1)],
        together: (2, 3),
        traits: &[T::Inherits],
    },
    World {
        name: "drain",
        replicas: 2,
        faults: &[
            (F::Drain, 2),
            (F::Lost, 2),
            (F::Takeover, 1),
            (F::Delete, 1),
        ],
        together: (2, 3),
        traits: &[T::Progress],
    },
];

impl World {
    pub(crate) fn has(&self, wanted: Trait) -> bool {
        self.traits.contains(&wanted)
    }

    pub(crate) fn bounds(&self, together: u8, mutant: Option<Mutant>) -> Bounds {
        let mut most = [0; FAULTS];
        for (fault, times) in self.faults {
            most[fault.index()] = *times;
        }
        Bounds {
            most,
            together,
            site: Site {
                unique_names: self.has(T::UniqueNames),
                quarantine: self.has(T::Quarantine),
                mutant,
            },
            inherits: self.has(T::Inherits),
            builds: self.has(T::Builds),
        }
    }

    pub(crate) fn daemon(&self, mutant: Option<Mutant>) -> Daemon {
        let attempts = if self.has(T::AutoRepair) { 2 } else { 1 };
        Daemon::new(
            mutant,
            (attempts, self.has(T::Progress), self.has(T::Inspection)),
        )
    }

    /// A new cluster, and replicas that have seen nothing of it yet.
    pub(crate) fn first(&self) -> State {
        let mut state = State {
            doc: Doc {
                exists: true,
                tag: 1,
                auto_repair: self.has(T::AutoRepair),
                ..Doc::default()
            },
            ..State::default()
        };
        for number in 1..=self.replicas {
            let identity = if self.has(T::SameIdentity) { 1 } else { number };
            state.identities = state.identities.max(identity);
            state.replicas.push(Replica {
                identity,
                ..Replica::default()
            });
        }
        if self.has(T::ForeignVapp) {
            state.vapps.push(Vapp {
                id: 1,
                ..Vapp::default()
            });
        }
        state
    }
}
