//! Who may do what with an entity: the right on its type together with a grant on it.
//!
//! Invariants:
//! - A plain right counts only together with ownership or a grant; the lower of the two decides.
//! - An administrator right needs no grant, but reaches no further than the organization acted in.
//! - A provider that acts for no tenant reaches the entities of all organizations with an
//!   administrator right: the server lists the clusters of every tenant in one call that way.
//!
//! Source: VCD API, rights on entity types and access control of entities.

use serde::{Deserialize, Serialize};

use super::call::Principal;

/// What a caller may do, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Level {
    ReadOnly,
    ReadWrite,
    FullControl,
}

impl Level {
    /// All levels, as `GET /cloudapi/1.0.0/accessLevels` lists them.
    pub(crate) const ALL: [Self; 3] = [Self::ReadOnly, Self::ReadWrite, Self::FullControl];

    /// The name in the URN.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "ReadOnly",
            Self::ReadWrite => "ReadWrite",
            Self::FullControl => "FullControl",
        }
    }

    /// `urn:vcloud:accessLevel:<name>`
    pub(crate) fn urn(self) -> String {
        format!("urn:vcloud:accessLevel:{}", self.name())
    }

    /// Reads the URN.
    pub(crate) fn parse(urn: &str) -> Option<Self> {
        let name = urn.strip_prefix("urn:vcloud:accessLevel:")?;
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// To whom a grant goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Grantee {
    /// `MembershipAccessControlGrant`: a user, an organization or a role, by URN.
    Member(String),
    /// `RightAccessControlGrant`: everybody who holds the right, by its name.
    Right(String),
}

/// One entry of an access control list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// `urn:vcloud:accessControl:<uuid>`
    pub(crate) id: String,
    pub(crate) grantee: Grantee,
    pub(crate) level: Level,
    /// Organization the grant was made in.
    pub(crate) tenant_id: String,
}

impl Grant {
    /// Whether the grant holds in the organization `org_id`: a membership holds where it was granted.
    pub(crate) fn reaches(&self, org_id: &str) -> bool {
        matches!(self.grantee, Grantee::Right(_)) || self.tenant_id == org_id
    }

    fn covers(&self, who: &Principal) -> bool {
        match &self.grantee {
            Grantee::Member(member) => {
                [&who.user_id, &who.acting_org_id, &who.role_id].contains(&member)
            }
            Grantee::Right(right) => who.has(right),
        }
    }
}

/// Rights a caller holds on one entity type; computed once per request and type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TypeRights {
    /// Level on entities that are owned or granted.
    pub(crate) own: Option<Level>,
    /// Level on all entities of the organization.
    pub(crate) administrator: Option<Level>,
}

impl TypeRights {
    /// Reads the rights of `who` on the type `prefix`, such as `vmware:capvcdCluster`.
    pub(crate) fn of(who: &Principal, prefix: &str) -> Self {
        let highest = |rights: &[(&str, Level)]| {
            let held = rights
                .iter()
                .filter(|(right, _)| who.has(&format!("{prefix}: {right}")));
            held.map(|(_, level)| *level).max()
        };
        Self {
            own: highest(&[
                ("View", Level::ReadOnly),
                ("Modify", Level::ReadWrite),
                ("Full Access", Level::FullControl),
            ]),
            administrator: highest(&[
                ("Administrator View", Level::ReadOnly),
                ("Administrator Full access", Level::FullControl),
            ]),
        }
    }

    /// Whether any right is held.
    pub(crate) fn any(self) -> bool {
        self.own.is_some() || self.administrator.is_some()
    }
}

/// What access depends on besides the caller: owner, organization and grants of one entity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) owner_id: &'a str,
    pub(crate) org_id: &'a str,
}

/// The level `who` has on `subject`; `None` means that it is invisible.
pub(crate) fn level<'g>(
    who: &Principal,
    rights: TypeRights,
    subject: Subject<'_>,
    mut grants: impl Iterator<Item = &'g Grant>,
) -> Option<Level> {
    let at_home = subject.org_id == who.acting_org_id;
    let everywhere = who.provider && !who.in_context;
    let administrator = rights.administrator.filter(|_| at_home || everywhere);
    if administrator == Some(Level::FullControl) {
        return administrator;
    }
    // Who acts for another organization brings no entities of its own along.
    let owned = subject.owner_id == who.user_id && (at_home || !who.in_context);
    let granted = if owned {
        Some(Level::FullControl)
    } else {
        rights.own.and_then(|_| highest_grant(who, &mut grants))
    };
    let own = rights
        .own
        .and_then(|right| granted.map(|grant| grant.min(right)));
    own.max(administrator)
}

/// The level granted to `who` by name, organization, role or right, whatever its rights are.
pub(crate) fn highest_grant(
    who: &Principal,
    grants: &mut dyn Iterator<Item = &Grant>,
) -> Option<Level> {
    grants
        .filter(|grant| grant.covers(who))
        .map(|grant| grant.level)
        .max()
}
