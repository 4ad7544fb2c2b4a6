//! Who asks: two tenants, the provider, and those without a session.

use std::collections::BTreeMap;

use cse_server::sim::seed::Tenant;

use crate::support::lab::Lab;

/// One who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guest {
    /// Author of the tenant that tries its luck.
    Author,
    /// Author of the tenant whose world is watched.
    Victim,
    /// The provider's account of the server.
    Service,
    /// A system administrator.
    Administrator,
    /// The administrator, when it does not take part but looks what others did.
    Witness,
    /// One without a session.
    Stranger,
    /// One whose session is over.
    Expired,
}

impl Guest {
    /// Somebody, when everybody takes part.
    pub(super) fn any(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(0..16) {
            0..5 => Self::Author,
            5..7 => Self::Victim,
            7..9 => Self::Service,
            9..14 => Self::Administrator,
            14 => Self::Stranger,
            _ => Self::Expired,
        }
    }

    /// Somebody who has no part in the victim's world.
    pub(super) fn attacker(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(0..16) {
            0..14 => Self::Author,
            14 => Self::Stranger,
            _ => Self::Expired,
        }
    }
}

/// Access tokens, renewed when they are over.
pub(super) struct Guests {
    /// Organization and API token.
    logins: BTreeMap<Guest, (String, String)>,
    tokens: BTreeMap<Guest, String>,
    expired: String,
}

impl Guests {
    pub(super) fn new(lab: &mut Lab, [victim, author]: &[Tenant; 2]) -> Self {
        let access = lab.access.clone();
        let system = "System".to_owned();
        let expired = lab.token_of(&author.org, &author.api_token);
        // Longer than any session may be idle.
        lab.wait(24 * 3_600);
        let administrator = (system.clone(), access.administrator_token);
        Self {
            logins: BTreeMap::from([
                (
                    Guest::Author,
                    (author.org.clone(), author.api_token.clone()),
                ),
                (
                    Guest::Victim,
                    (victim.org.clone(), victim.api_token.clone()),
                ),
                (Guest::Service, (system, access.provider_token)),
                (Guest::Administrator, administrator.clone()),
                (Guest::Witness, administrator),
            ]),
            tokens: BTreeMap::new(),
            expired,
        }
    }

    /// The present token of `guest`; it may have been closed by a request since.
    pub(super) fn token(&mut self, guest: Guest, lab: &mut Lab) -> String {
        if guest == Guest::Expired {
            return self.expired.clone();
        }
        let Some((org, api_token)) = self.logins.get(&guest) else {
            return String::new();
        };
        if let Some(token) = self.tokens.get(&guest)
            && lab.is_open(token)
        {
            return token.clone();
        }
        // Whoever was locked out by the provider stays outside.
        let token = lab.try_token_of(org, api_token).unwrap_or_default();
        self.tokens.insert(guest, token.clone());
        token
    }
}
