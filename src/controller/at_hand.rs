//! How recent the document at hand is, and whether a write of it would probably be refused.
//!
//! Flow: `claim` notes each version that it reads or writes, and asks before it writes.
//!
//! Invariants:
//! - A document that nobody else writes is never doubtful: its heartbeats cost no read.
//! - A tag is compared here, never sent.

use std::time::Duration;

use crate::clock::Moment;
use crate::domain::versioned::ETag;

/// Age from which on a document that others write, too, is doubtful.
const FRESH: Duration = Duration::from_secs(1);

/// The version at hand.
pub(super) struct AtHand {
    /// As VCD sent it.
    tag: String,
    since: Moment,
    /// Others write it, too.
    shared: bool,
}

impl AtHand {
    /// The version that a claim begins with.
    pub(super) fn new(tag: &ETag, now: Moment) -> Self {
        Self {
            tag: tag.as_str().to_owned(),
            since: now,
            shared: false,
        }
    }

    /// Takes note of a version that was read at `now`.
    pub(super) fn read(&mut self, tag: &ETag, now: Moment) {
        let changed = tag.as_str() != self.tag;
        // That nobody has written since a moment ago says nothing.
        if changed || self.is_old(now) {
            self.shared = changed;
        }
        self.written(tag, now);
    }

    /// Takes note of a version of our own, of `now`.
    pub(super) fn written(&mut self, tag: &ETag, now: Moment) {
        tag.as_str().clone_into(&mut self.tag);
        self.since = now;
    }

    /// Whether a write would probably be refused.
    pub(super) fn is_doubtful(&self, now: Moment) -> bool {
        self.shared && self.is_old(now)
    }

    fn is_old(&self, now: Moment) -> bool {
        now.since(self.since) >= FRESH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_read_again_before_it_is_written() {
        let tag = |n: u32| ETag::new(format!("\"{n}\""));
        let after = |secs: u64| Moment::default().plus(Duration::from_secs(secs));
        let mut at_hand = AtHand::new(&tag(1), after(0));
        assert!(!at_hand.is_doubtful(after(30)), "nobody else writes");
        at_hand.written(&tag(2), after(30));
        assert!(!at_hand.is_doubtful(after(60)), "nor after a write of ours");
        at_hand.read(&tag(3), after(60));
        assert!(!at_hand.is_doubtful(after(60)), "just read");
        assert!(at_hand.is_doubtful(after(90)), "somebody else has written");
        at_hand.written(&tag(4), after(90));
        assert!(at_hand.is_doubtful(after(120)), "and may do so again");
        at_hand.read(&tag(4), after(90));
        assert!(
            at_hand.is_doubtful(after(120)),
            "a look at once says nothing"
        );
        at_hand.read(&tag(4), after(120));
        assert!(
            !at_hand.is_doubtful(after(150)),
            "nobody wrote for half a minute"
        );
    }
}
