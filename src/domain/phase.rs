//! The phases of a bootstrap VM: their order, their time limits and what is told about them.
//!
//! The bootstrap VM runs one script per phase and reports through guestinfo keys; the server polls
//! the keys and turns them into events. Both sides agree through this table alone.
//!
//! Invariants:
//! - [`Phase::ALL`] is in running order, and [`Ord`] on [`Phase`] is that order.
//! - Every wire name is a short `a-z-` word: it goes into file names, guestinfo keys and events.
//!
//! Not here: the scripts (`bootstrap::phases`), reading the keys from a VM (`vcd`).

use std::time::Duration;

/// Guestinfo key with the exit code of the whole run; `0` means that every phase succeeded.
pub const EXIT_KEY: &str = "guestinfo.cse.exit";
/// Guestinfo key with the reason of a failed run: one line, at most 500 characters.
pub const REASON_KEY: &str = "guestinfo.cse.reason";
/// Guestinfo key with the base64 of the log's tail after a failed run, at most 8 KiB.
pub const LOG_KEY: &str = "guestinfo.cse.log";

/// Guestinfo key that the runner sets to another value every [`BEAT_PERIOD`] for as long as it lives.
pub const BEAT_KEY: &str = "guestinfo.cse.beat";

/// Time between two signs of life of the runner.
pub const BEAT_PERIOD: Duration = Duration::from_secs(30);

/// A runner that has shown signs of life and then none for this long is dead, however much time its
/// phase has left: long enough for a restart of the VM by vSphere HA.
pub const SILENCE_DEADLINE: Duration = Duration::from_mins(10);

/// What the server grants a phase beyond its own limit: the script notices the end of its time first
/// and reports why, and only a VM that stopped reporting meets the server's limit.
pub const REPORT_GRACE: Duration = Duration::from_mins(3);

/// One step of turning an empty VM into a self-managed cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Trust, proxy, and whether everything needed can be reached.
    Network,
    /// Docker, kind, kubectl, clusterctl and the provider manifests.
    Tools,
    /// The temporary management cluster.
    Kind,
    /// Cluster API and its providers in the temporary cluster.
    Providers,
    /// The completed CAPI YAML.
    Apply,
    /// Until the first control plane node serves the API.
    ControlPlane,
    /// Network, cloud provider and storage add-ons of the new cluster.
    Addons,
    /// Until every node has joined and is ready.
    Workers,
    /// The Cluster API objects move into the new cluster.
    Pivot,
    /// Storage class, autoscaler, agent and last checks.
    Finish,
}

impl Phase {
    /// Every phase in running order.
    pub const ALL: [Self; 10] = [
        Self::Network,
        Self::Tools,
        Self::Kind,
        Self::Providers,
        Self::Apply,
        Self::ControlPlane,
        Self::Addons,
        Self::Workers,
        Self::Pivot,
        Self::Finish,
    ];

    /// Number of the script, wire name, and limit of the script in minutes.
    const fn plan(self) -> (u8, &'static str, u64) {
        match self {
            Self::Network => (10, "network", 6),
            Self::Tools => (20, "tools", 20),
            Self::Kind => (30, "kind", 15),
            Self::Providers => (40, "providers", 20),
            Self::Apply => (50, "apply", 10),
            Self::ControlPlane => (60, "control-plane", 45),
            Self::Addons => (70, "addons", 20),
            Self::Workers => (80, "workers", 60),
            Self::Pivot => (90, "pivot", 35),
            Self::Finish => (95, "finish", 15),
        }
    }

    /// Names of the events for start and success, and of the error. `InstalledKind`,
    /// `InstalledCAPI` and `AppliedCAPIYaml` are known to readers of an original server's events;
    /// the others follow their pattern.
    const fn events(self) -> [&'static str; 3] {
        match self {
            Self::Network => ["CheckingNetwork", "NetworkReady", "NetworkError"],
            Self::Tools => ["InstallingTools", "InstalledTools", "ToolsError"],
            Self::Kind => ["StartingKind", "InstalledKind", "KindError"],
            Self::Providers => ["InstallingCAPI", "InstalledCAPI", "CAPIInstallError"],
            Self::Apply => ["ApplyingCAPIYaml", "AppliedCAPIYaml", "CAPIYamlApplyError"],
            Self::ControlPlane => {
                let failed = "ControlPlaneError";
                ["CreatingControlPlane", "ControlPlaneInitialized", failed]
            }
            Self::Addons => ["InstallingAddons", "InstalledAddons", "AddonsError"],
            Self::Workers => ["WaitingForNodes", "NodesReady", "NodesError"],
            Self::Pivot => ["MovingCAPI", "MovedCAPI", "MoveError"],
            Self::Finish => ["FinishingCluster", "FinishedCluster", "FinishError"],
        }
    }

    /// The wire name: part of guestinfo keys and script names.
    pub const fn name(self) -> &'static str {
        self.plan().1
    }

    /// The number in the script's file name; lexical order is running order.
    pub const fn number(self) -> u8 {
        self.plan().0
    }

    /// How long the script may take before the runner in the VM stops it.
    pub const fn limit(self) -> Duration {
        Duration::from_mins(self.plan().2)
    }

    /// How long the server waits for the phase to end: the script's limit and [`REPORT_GRACE`].
    pub fn deadline(self) -> Duration {
        self.limit().saturating_add(REPORT_GRACE)
    }

    /// Name of the event that says the phase has begun.
    pub const fn started_event(self) -> &'static str {
        self.events()[0]
    }

    /// Name of the event that says the phase has succeeded.
    pub const fn succeeded_event(self) -> &'static str {
        self.events()[1]
    }

    /// Name of the error that says the phase has failed or run out of time.
    pub const fn error(self) -> &'static str {
        self.events()[2]
    }

    /// The guestinfo key that carries the phase's status.
    pub fn status_key(self) -> String {
        format!("guestinfo.cse.phase.{}.status", self.name())
    }

    /// The phase of a wire name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// The phase after this one; `None` after the last.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| *phase > self)
    }
}

/// How far a phase has come, as the VM reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseStatus {
    /// Its script runs.
    InProgress,
    /// Its script has ended well.
    Successful,
    /// Its script has failed or was stopped; the reason and log keys say why.
    Failed,
}

impl PhaseStatus {
    /// The status of a guestinfo value; `None` for an empty or unknown one, which is no progress.
    pub fn parse(value: &str) -> Option<Self> {
        match value.trim() {
            "in_progress" => Some(Self::InProgress),
            "successful" => Some(Self::Successful),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_order_agree() {
        assert!(Phase::ALL.is_sorted_by_key(|phase| phase.number()));
        assert!(Phase::ALL.is_sorted());
        let walked: Vec<Phase> =
            std::iter::successors(Some(Phase::Network), |phase| phase.next()).collect();
        assert_eq!(walked, Phase::ALL);
    }

    #[test]
    fn names_are_safe_in_file_names_and_keys_and_parse_back() {
        for phase in Phase::ALL {
            assert!(
                phase
                    .name()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{phase:?}"
            );
            assert_eq!(Phase::parse(phase.name()), Some(phase));
        }
        assert_eq!(Phase::parse("pivot "), None);
        assert_eq!(
            Phase::ControlPlane.status_key(),
            "guestinfo.cse.phase.control-plane.status"
        );
    }

    #[test]
    fn no_event_name_is_used_twice() {
        let names = Phase::ALL
            .map(|p| [p.started_event(), p.succeeded_event(), p.error()])
            .concat();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn the_server_waits_longer_than_the_script() {
        for phase in Phase::ALL {
            assert!(phase.deadline() > phase.limit(), "{phase:?}");
        }
    }

    #[test]
    fn unknown_status_values_are_no_progress() {
        for (value, want) in [
            ("in_progress", Some(PhaseStatus::InProgress)),
            ("successful\n", Some(PhaseStatus::Successful)),
            ("failed", Some(PhaseStatus::Failed)),
            ("", None),
            ("done", None),
        ] {
            assert_eq!(PhaseStatus::parse(value), want, "{value:?}");
        }
    }
}
