//! Identifiers of VCD objects: newtypes, checked when they are made.
//!
//! Invariants:
//! - Every id is short printable ASCII without blanks, slashes, quotes or control characters, so it
//!   can go into a path, a log line or a marker without encoding.
//!
//! Source: VCD API URNs `urn:vcloud:<kind>:...`.

use std::fmt;

/// Longest identifier accepted, in bytes; VCD's own URNs stay below 150.
const MAX_ID_BYTES: usize = 256;

/// The text is no identifier of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {expected}")]
pub struct InvalidId {
    /// What was expected, with its shape.
    pub expected: &'static str,
    /// The offending text, cut to 80 characters.
    pub text: String,
}

fn check(text: &str, prefix: &str, expected: &'static str) -> Result<(), InvalidId> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.');
    let rest = text.strip_prefix(prefix).unwrap_or_default();
    if text.len() <= MAX_ID_BYTES && !rest.is_empty() && text.bytes().all(allowed) {
        Ok(())
    } else {
        Err(InvalidId {
            expected,
            text: text.chars().take(80).collect(),
        })
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks and wraps `text`.
            ///
            /// # Errors
            /// [`InvalidId`]: wrong prefix, empty, too long or with characters ids never have.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check(text, $prefix, $expected)?;
                Ok(Self(text.to_owned()))
            }

            /// The whole URN.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The part after the last colon: the bare UUID that legacy URLs use.
            pub fn uuid(&self) -> &str {
                self.0.rsplit(':').next().unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A runtime defined entity: `urn:vcloud:entity:<vendor>:<nss>:<uuid>`.
    EntityId, "urn:vcloud:entity:", "entity URN (urn:vcloud:entity:<vendor>:<nss>:<uuid>)"
);
id!(
    /// An organization: `urn:vcloud:org:<uuid>`.
    OrgId, "urn:vcloud:org:", "organization URN (urn:vcloud:org:<uuid>)"
);
id!(
    /// An organization VDC: `urn:vcloud:vdc:<uuid>`.
    VdcId, "urn:vcloud:vdc:", "VDC URN (urn:vcloud:vdc:<uuid>)"
);
id!(
    /// A vApp: `urn:vcloud:vapp:<uuid>`.
    VappId, "urn:vcloud:vapp:", "vApp URN (urn:vcloud:vapp:<uuid>)"
);
id!(
    /// A virtual machine: `urn:vcloud:vm:<uuid>`.
    VmId, "urn:vcloud:vm:", "VM URN (urn:vcloud:vm:<uuid>)"
);
id!(
    /// A task: `urn:vcloud:task:<uuid>`.
    TaskId, "urn:vcloud:task:", "task URN (urn:vcloud:task:<uuid>)"
);
id!(
    /// An edge gateway: `urn:vcloud:gateway:<uuid>`.
    GatewayId, "urn:vcloud:gateway:", "edge gateway URN (urn:vcloud:gateway:<uuid>)"
);
id!(
    /// A named disk: `urn:vcloud:disk:<uuid>`.
    DiskId, "urn:vcloud:disk:", "disk URN (urn:vcloud:disk:<uuid>)"
);
