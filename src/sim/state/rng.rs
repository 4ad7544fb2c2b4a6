//! A random generator that goes on where it stopped.
//!
//! Use: `#[serde(with = "crate::sim::state::rng")]`.

use serde::{Deserialize, Deserializer, Serializer};

/// Writes the generator's whole state, which is one number.
pub(crate) fn serialize<S: Serializer>(
    rng: &fastrand::Rng,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(rng.get_seed())
}

/// Reads the generator.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<fastrand::Rng, D::Error> {
    u64::deserialize(deserializer).map(fastrand::Rng::with_seed)
}
