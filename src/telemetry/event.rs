//! The kinds of events: the value of the field `event`, and the `MESSAGE_ID` that belongs to it.
//!
//! Flow: whoever logs writes `event = event::CLUSTER_CLAIMED`; the log adds the id by itself.
//!
//! Invariants:
//! - A name and its id never change and are never used again for something else: people's queries, alerts
//!   and translations of the catalog rest on them.
//! - Every kind has its text in `systemd/cse-server.catalog`; a test compares the two.
//!
//! Source: `MESSAGE_ID` in systemd.journal-fields(7): 128 random bits in hexadecimal.

/// One kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `<noun>.<past verb>`.
    pub name: &'static str,
    /// 32 hexadecimal digits.
    pub message_id: &'static str,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $constant:ident = $name:literal $id:literal;)*) => {
        $($(#[$doc])* pub const $constant: &str = $name;)*

        /// Every kind of event.
        pub const ALL: &[Kind] = &[$(Kind { name: $name, message_id: $id }),*];
    };
}

kinds! {
    /// A free cluster was claimed.
    CLUSTER_CLAIMED = "cluster.claimed" "6b1a63ac98114db98327f5d14c7e5733";
    /// A held claim turned out to be somebody else's.
    CLAIM_LOST = "claim.lost" "ce36e095f1cf431188bee7ba6590c20c";
    /// A claim was given up: work done, or draining.
    CLAIM_RELEASED = "claim.released" "29cc77ebcee64dbab27d02c71ee17074";
    /// A silent holder's claim was taken over.
    CLAIM_TAKEN_OVER = "claim.taken_over" "59e9cec798a64080baa45bd23abbaeb0";
    /// A claim could not be renewed in time: nothing new is begun for the cluster.
    CLAIM_FENCED = "claim.fenced" "46d4f45ec7c34ffabc34629a17cd184b";
    /// A cluster could not be claimed.
    CLAIM_FAILED = "claim.failed" "0e2fd4c3089a4b7a98930c9f8b369aaa";
    /// A document older than one already seen came back, as after a restore.
    ROLLBACK_DETECTED = "rollback.detected" "f35f4c3b6daf429193f15dce588bff62";
    /// One effect on VCD begins.
    ACTION_STARTED = "action.started" "71633ea789e14e8199ae8d6c4dc1b78f";
    /// One effect on VCD ended, well or not.
    ACTION_FINISHED = "action.finished" "b459852bc0514af78f0d256212d0bbba";
    /// One effect on VCD keeps failing.
    ACTION_FAILED = "action.failed" "bed0ecc84d1e4024a145f8cb376bcc4d";
    /// The cluster's status was written.
    STATUS_RECORDED = "status.recorded" "a93961a6bc44495bbffeb36cb20216f0";
    /// The bootstrap of a cluster has come further.
    PHASE_CHANGED = "phase.changed" "fba66254384243fc99d30bfe8e178905";
    /// Passes over one cluster keep ending early.
    PASS_FAILED = "pass.failed" "36d3d80cd0034ed2896258d1ffdd4e4d";
    /// A cluster is parked: its pass panicked.
    CLUSTER_QUARANTINED = "cluster.quarantined" "376c7b5388234f22877dd66b39335f4f";
    /// A person must act before the cluster can go on.
    CLUSTER_BLOCKED = "cluster.blocked" "a31caa9962304ebb973306fad43e6f82";
    /// An attempt to create a cluster failed.
    CLUSTER_FAILED = "cluster.failed" "c495d78ec76b4a6ea1bd0ecc8caaa069";
    /// A cluster is complete.
    CLUSTER_PROVISIONED = "cluster.provisioned" "51d52fdc675145bb9659058991b72883";
    /// Everything of a cluster is gone.
    CLUSTER_DELETED = "cluster.deleted" "c32b28a5632644a7991a8796b461154e";
    /// Something unusual was found before the creation, and does not stop it.
    PREFLIGHT_NOTED = "preflight.noted" "6372eab206954ea1809e79b1e4ec63a4";
    /// The process begins.
    REPLICA_STARTED = "replica.started" "e4ab2dd7a15641a6ba0d8246a3bc7045";
    /// Configuration, login and the first complete sweep are done.
    REPLICA_READY = "replica.ready" "cad48f4a52654292b86223f0c9f74192";
    /// SIGTERM came: nothing new is claimed.
    REPLICA_DRAINING = "replica.draining" "e0801dcb051c44c1aab330f7c86f58c7";
    /// The process ends.
    REPLICA_STOPPED = "replica.stopped" "22f1c6fdc75e4f138fe426a7ca838b15";
    /// The process cannot start.
    REPLICA_FAILED = "replica.failed" "25f18bcac82740ac8db0df0e4f428021";
    /// The process has crashed several times in a row, and waits before it starts.
    REPLICA_DELAYED = "replica.delayed" "c42d1a3991304c76ad3625426509b2ea";
    /// The organization of the OVF properties does not know the token; another one does.
    LOGIN_SUBSTITUTED = "login.substituted" "fc7cae9c3aff445e8482444eac24a921";
    /// There is no state directory: after a crash the replica does not know its own claims.
    IDENTITY_UNAVAILABLE = "identity.unavailable" "9dacf4031f0e4915896576fe2244724e";
    /// The server configuration is in force.
    CONFIG_ACCEPTED = "config.accepted" "049d6e9bda2d4930ac2a58e2a2ac49b5";
    /// The server configuration cannot be used; the last good one stays in force.
    CONFIG_REFUSED = "config.refused" "0da20e3beab64d5ea0bf9b63db61b930";
    /// A part of the server configuration is wrong and left out; the rest is in force.
    CONFIG_IGNORED = "config.ignored" "19ce762d8b7347a0b7eca017ffae998e";
    /// A poll did not come to its end.
    POLL_FAILED = "poll.failed" "c6b535a1c7ce410480672aedd26a83a3";
    /// Polls work again.
    POLL_RECOVERED = "poll.recovered" "690db62c06ee4ab0b9c52cff4ff2dd0d";
    /// VCD refuses a filter of the quick poll; full listings find what it was for.
    POLL_DEGRADED = "poll.degraded" "f0af2cad0f054a6ab971a1646b443464";
    /// A listed entity cannot be read and is left out.
    ENTITY_UNREADABLE = "entity.unreadable" "fa10fdf5143e4fb4aa393c2c84d45751";
    /// VCD asks for a pause.
    VCD_THROTTLED = "vcd.throttled" "aa7cb0c1b95c459dafc20355950fb504";
    /// The log filter was read again.
    FILTER_CHANGED = "log.filter_changed" "3dc98de205c14b15ab25f5a53c08cb86";
    /// The log filter cannot be used; the old one stays.
    FILTER_REFUSED = "log.filter_refused" "816c81310cae40bc80c5da1cca8ef7b3";
    /// Log lines are forwarded to a syslog server, or not any more.
    SYSLOG_SET = "syslog.set" "e145a1ba585b4a4a9003eb83f6f4e6b5";
    /// Log lines do not reach the syslog server.
    SYSLOG_LOST = "syslog.lost" "1d3e507c4db14d54a95529f3932b9a8e";
    /// Health and metrics can be asked for.
    METRICS_LISTENING = "metrics.listening" "36749a87b3cd4c3bb1f49678ee46b352";
    /// Health and metrics cannot be served.
    METRICS_UNAVAILABLE = "metrics.unavailable" "1bc3f073d1c949eaae764cd15aa0759b";
}

/// The id of the kind called `name`.
pub fn message_id(name: &str) -> Option<&'static str> {
    let kind = ALL.iter().find(|kind| kind.name == name)?;
    Some(kind.message_id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_ids_are_well_formed_and_distinct() {
        let names: BTreeSet<&str> = ALL.iter().map(|kind| kind.name).collect();
        let ids: BTreeSet<&str> = ALL.iter().map(|kind| kind.message_id).collect();
        assert_eq!((names.len(), ids.len()), (ALL.len(), ALL.len()));
        for kind in ALL {
            let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(
                kind.message_id.len() == 32 && kind.message_id.chars().all(is_hex),
                "{kind:?}"
            );
            let parts: Vec<&str> = kind.name.split('.').collect();
            let is_word = |part: &&str| part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(parts.len() == 2 && parts.iter().all(is_word), "{kind:?}");
        }
        assert_eq!(message_id("no.such"), None);
    }
}
