//! The sentences that matter, for every situation.
