//! What keeps a removal from going on: each with a stable name and a sentence that says what to do.
//!
//! Invariants:
//! - Whoever reads the sentence knows what is in the way, where, and who can clear it.
//!
//! Not here: when something is in the way (`removal`, `delete`).

use std::fmt;

/// Why an object, or a whole kind of them, cannot be removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The document holds no API token.
    TokenMissing,
    /// VCD refuses the API token in the document.
    TokenRefused(String),
    /// A part of the estate could not be looked at.
    Unseen(String),
    /// Somebody else's machine is in the cluster's vApp.
    Stranger {
        /// Name of the vApp.
        vapp: String,
        /// Name of the machine.
        vm: String,
        /// Id of the machine.
        id: String,
    },
    /// An object cannot be removed.
    Stuck {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
        /// Its id.
        id: String,
        /// Why.
        why: String,
    },
}

impl Obstacle {
    /// Stable name of the error in `errorSet`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TokenMissing => "ApiTokenMissing",
            Self::TokenRefused(_) => "ApiTokenRefused",
            Self::Unseen(_) => "ResourcesNotVisible",
            Self::Stranger { .. } => "ForeignVmInClusterVapp",
            Self::Stuck { .. } => "ResourceNotRemoved",
        }
    }

    /// Id and name of the object it is about, if it is about one.
    pub fn resource(&self) -> Option<(String, String)> {
        match self {
            Self::TokenMissing | Self::TokenRefused(_) | Self::Unseen(_) => None,
            Self::Stranger { vm: name, id, .. } | Self::Stuck { name, id, .. } => {
                Some((id.clone(), name.clone()))
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenMissing => f.write_str(
                "the cluster holds no API token, and without one nothing of it can be removed; put an API token of its owner or of an organization administrator into spec.vcdKe.secure.apiToken",
            ),
            Self::TokenRefused(why) => write!(
                f,
                "VCD refuses the cluster's API token ({why}), and without one nothing of it can be removed; put a new API token of its owner or of an organization administrator into spec.vcdKe.secure.apiToken"
            ),
            Self::Unseen(gap) => write!(
                f,
                "what belongs to the cluster cannot be seen completely: {gap}; give the owner of the cluster's API token the missing right"
            ),
            Self::Stranger { vapp, vm, .. } => write!(
                f,
                "the VM \"{vm}\" in the vApp \"{vapp}\" was not made by the cluster and is not deleted; move it to another vApp or delete it"
            ),
            Self::Stuck {
                what, name, why, ..
            } => write!(
                f,
                "the {what} \"{name}\" cannot be removed: {why}; remove what uses it, or remove it by hand"
            ),
        }
    }
}
