//! L1, L3, L4: how long things may take, judged over a whole history.
//!
//! Who asks says when it was [`Calm`]: nothing goes wrong, and a replica with a free slot is there all the time.
//!
//! Not here: what is lawful whatever happens (`super::Judge`).
