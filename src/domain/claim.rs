//! The claim: who may act on a cluster, as it is written into `status.vcdKe` of the entity itself.
//!
//! Flow: read from the document at `observe`, decided on in `reconcile::claimable`, written by `claim`
//! and `record`.
//!
//! Invariants:
//! - The record lives only in keys that typed clients keep when they rewrite the whole entity:
//!   `vcdKeInstanceId`, `workerId`, `heartbeatTimestamp`, `heartbeatString`.
//! - A record is alive while it changes, its time included. No reader compares that time with its own
//!   clock, nor understands it: an original server may renew nothing but the time.
//! - `epoch` grows with every change of holder, `seq` with every write, `incarnation` whenever a
//!   committed object is dropped. None of them ever goes down.
//!
//! Not here: when a claim may be taken (`reconcile::claimable`), the writing (`controller::claim`).

use std::fmt;
use std::time::Duration;

/// Version prefix of the heartbeat text this server writes and reads.
const FORMAT: &str = "k1";

/// Longest heartbeat text that is looked at, in bytes; ours stay below 200.
const MAX_HEARTBEAT_BYTES: usize = 512;

/// Longest part of a time of writing that is compared, in characters; dates are half as long.
const MAX_STAMP_CHARS: usize = 64;

/// One process of one replica: `<replica name>/<32 hex digits drawn at process start>`.
///
/// The random half makes every process its own holder, so two processes with one name (a cloned
/// appliance) never believe that they are each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HolderId(String);

impl HolderId {
    /// Joins a replica's name and the random half of this process.
    pub fn new(replica: &str, random: u128) -> Self {
        Self(format!("{replica}/{random:032x}"))
    }

    /// Takes a holder as found in `workerId`; empty text is nobody.
    pub fn from_wire(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The text of `workerId`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The replica's name alone, for people.
    pub fn replica(&self) -> &str {
        self.0
            .split_once('/')
            .map_or(self.0.as_str(), |(name, _)| name)
    }
}

impl fmt::Display for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a cluster's workflow has come; written before the first effect of each step (intent).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimPhase {
    /// Nothing has been made yet.
    Pending,
    /// A bootstrap VM is being made or is at work.
    Creating,
    /// Nothing of ours is left to do.
    Done,
    /// What the attempt made is being removed.
    Teardown,
    /// The cluster is to be deleted; nothing may be created any more.
    Deleting,
}

impl ClaimPhase {
    /// All phases.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Creating,
        Self::Done,
        Self::Teardown,
        Self::Deleting,
    ];

    /// The stable spelling in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Creating => "creating",
            Self::Done => "done",
            Self::Teardown => "teardown",
            Self::Deleting => "deleting",
        }
    }

    fn from_wire(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }
}

/// Whether the holder still works on the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The holder is at work or died at work.
    Held,
    /// The holder let go on purpose; anybody may claim at once.
    Released,
    /// The holder let go because nothing can be done for now; anybody may claim when the record has
    /// stayed the same for its term.
    Waiting,
}

impl Hold {
    const ALL: [Self; 3] = [Self::Held, Self::Released, Self::Waiting];

    /// The stable spelling in the record.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
            Self::Waiting => "waiting",
        }
    }

    fn from_wire(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hold| hold.as_str() == text)
    }
}

/// The heartbeat text, understood: `k1;e=<epoch>;s=<seq>;n=<nonce>;t=<seconds>;p=<phase>;i=<incarnation>;x=<held|released|waiting>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Counts holders.
    pub epoch: u64,
    /// Counts the writes of this holder.
    pub seq: u64,
    /// Unique per write: tells after an unclear answer whether the write landed.
    pub nonce: u64,
    /// The holder's own takeover time; nobody may take over sooner than this.
    pub term: Duration,
    /// How far the workflow has come.
    pub phase: ClaimPhase,
    /// Counts attempts: objects of a lower incarnation are leftovers.
    pub incarnation: u32,
    /// Held or released.
    pub hold: Hold,
}

impl fmt::Display for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{FORMAT};e={};s={};n={:016x};t={};p={};i={};x={}",
            self.epoch,
            self.seq,
            self.nonce,
            self.term.as_secs(),
            self.phase.as_str(),
            self.incarnation,
            self.hold.as_str(),
        )
    }
}

impl Heartbeat {
    /// Understands the text of `heartbeatString`; `None` for the text of another kind of server.
    ///
    /// Keys that a later version adds are skipped; a missing or malformed known key makes the whole
    /// text unreadable, because half a record proves nothing.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_HEARTBEAT_BYTES || !text.is_ascii() {
            return None;
        }
        let mut parts = text.split(';');
        if parts.next() != Some(FORMAT) {
            return None;
        }
        let pairs: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let field = |key: &str| {
            pairs
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| *value)
        };
        Some(Self {
            epoch: field("e")?.parse().ok()?,
            seq: field("s")?.parse().ok()?,
            nonce: u64::from_str_radix(field("n")?, 16).ok()?,
            term: Duration::from_secs(field("t")?.parse().ok()?),
            phase: ClaimPhase::from_wire(field("p")?)?,
            incarnation: field("i")?.parse().ok()?,
            hold: Hold::from_wire(field("x")?)?,
        })
    }
}

/// The claim as it stands in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Text of `workerId`; `None` when free.
    pub holder: Option<HolderId>,
    /// Text of `heartbeatString`, as it stands there.
    pub heartbeat_text: String,
    /// The text understood; `None` for an absent text or one of another kind of server.
    pub heartbeat: Option<Heartbeat>,
    /// Text of `heartbeatTimestamp`: compared with itself only.
    pub stamp: String,
}

impl Claim {
    /// Puts the claim together from the texts of `workerId` and `heartbeatString`.
    pub fn from_wire(worker_id: &str, heartbeat_string: &str) -> Self {
        Self {
            holder: HolderId::from_wire(worker_id),
            heartbeat_text: heartbeat_string.to_owned(),
            heartbeat: Heartbeat::parse(heartbeat_string),
            stamp: String::new(),
        }
    }

    /// The same with the text of `heartbeatTimestamp`.
    #[must_use]
    pub fn stamped(self, stamp: &str) -> Self {
        // Whoever forges a longer one is not the one who renews it.
        let stamp = stamp.chars().take(MAX_STAMP_CHARS).collect();
        Self { stamp, ..self }
    }

    /// Phase of the workflow; pending when nobody of our kind ever claimed.
    pub fn phase(&self) -> ClaimPhase {
        self.heartbeat
            .as_ref()
            .map_or(ClaimPhase::Pending, |heartbeat| heartbeat.phase)
    }

    /// Current incarnation; 0 when nobody of our kind ever claimed.
    pub fn incarnation(&self) -> u32 {
        self.heartbeat
            .as_ref()
            .map_or(0, |heartbeat| heartbeat.incarnation)
    }

    /// Whether the record says that nobody works on the cluster.
    pub fn is_free(&self) -> bool {
        self.holder.is_none()
            || self
                .heartbeat
                .as_ref()
                .is_some_and(|heartbeat| heartbeat.hold != Hold::Held)
    }

    /// How long the record asks everybody to wait before the next claim; zero unless it does.
    pub fn pause(&self) -> Duration {
        match &self.heartbeat {
            Some(heartbeat) if heartbeat.hold == Hold::Waiting => heartbeat.term,
            Some(_) | None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    fn sample() -> Heartbeat {
        Heartbeat {
            epoch: 3,
            seq: 41,
            nonce: 0x00ab_cdef_0123_4567,
            term: Duration::from_mins(3),
            phase: ClaimPhase::Creating,
            incarnation: 2,
            hold: Hold::Held,
        }
    }

    #[test]
    fn heartbeat_text_has_the_agreed_form_and_reads_back() {
        let text = sample().to_string();
        assert_eq!(
            text,
            "k1;e=3;s=41;n=00abcdef01234567;t=180;p=creating;i=2;x=held"
        );
        assert_eq!(Heartbeat::parse(&text).unwrap(), sample());
        for phase in ClaimPhase::ALL {
            for hold in Hold::ALL {
                let record = Heartbeat {
                    phase,
                    hold,
                    epoch: u64::MAX,
                    seq: u64::MAX,
                    ..sample()
                };
                assert!(record.to_string().len() < 200);
                assert_eq!(Heartbeat::parse(&record.to_string()).unwrap(), record);
            }
        }
    }

    #[test]
    fn texts_of_other_servers_and_damaged_texts_are_unreadable() {
        let good = sample().to_string();
        let cases = [
            ("empty", String::new()),
            (
                "original server",
                "instance:worker:2026-01-01T00:00:00Z".to_owned(),
            ),
            ("other version", good.replace("k1", "k2")),
            ("epoch missing", good.replace("e=3;", "")),
            ("epoch negative", good.replace("e=3", "e=-3")),
            ("unknown phase", good.replace("creating", "resting")),
            ("unknown hold", good.replace("held", "kept")),
            ("cut short", good.chars().take(30).collect()),
            ("not ascii", format!("{good};z=ä")),
            ("too long", format!("{good};z={}", "a".repeat(600))),
        ];
        for (name, text) in cases {
            assert_eq!(Heartbeat::parse(&text), None, "{name}");
        }
        assert_eq!(
            Heartbeat::parse(&format!("{good};z=later")).unwrap(),
            sample()
        );
    }

    #[test]
    fn a_claim_is_free_without_holder_or_when_released() {
        let released = Heartbeat {
            hold: Hold::Released,
            ..sample()
        }
        .to_string();
        let cases = [
            ("never claimed", "", "", true),
            ("held", "a/1", sample().to_string().as_str(), false),
            ("released", "a/1", released.as_str(), true),
            ("other server", "worker-7", "beat", false),
            ("cleared holder", "", sample().to_string().as_str(), true),
        ]
        .map(|(name, worker, text, free)| (name, Claim::from_wire(worker, text), free));
        for (name, claim, free) in cases {
            assert_eq!(claim.is_free(), free, "{name}");
        }
    }
}
