//! Levers that no client has: what tests and the demo set up and change behind the API's back.
//!
//! Not here: faults (`sim::faults`), a ready-made site (`sim::seed`), what can be seen (`sim::view`).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::auth::SessionLimits;
use super::context::{Settings, new_uuid};
use super::directory::{ApiClient, Org, Profile, TokenKind, User};
use super::timings::Timings;
use super::versions::Offered;
use super::world::World;
use crate::clock::Moment;
use crate::sim::call::ApiVersion;

/// A user to be made.
#[derive(Clone, Copy, Default)]
pub struct NewUser<'a> {
    /// Name of an existing organization.
    pub org: &'a str,
    /// Login name.
    pub name: &'a str,
    /// Name of its role. `System Administrator` gains the rights of every entity type registered.
    pub role: &'a str,
    /// Names of its rights.
    pub rights: &'a [&'a str],
    /// With a password it can log in with one.
    pub password: Option<&'a str>,
    /// Text of an API token of its own.
    pub api_token: Option<&'a str>,
}

impl std::fmt::Debug for NewUser<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.name, self.org)
    }
}

impl World {
    /// Adds an organization and returns its URN.
    pub fn add_org(&mut self, name: &str) -> String {
        let id = format!("urn:vcloud:org:{}", new_uuid(&mut self.rng));
        let org = Org {
            id: id.clone(),
            name: name.to_owned(),
            full_name: name.to_owned(),
            profile: Profile::default(),
        };
        self.directory.orgs.insert(id.clone(), org);
        id
    }

    /// Adds a user and returns its URN; `None` when the organization does not exist.
    pub fn add_user(&mut self, new: NewUser<'_>) -> Option<String> {
        let org_id = self.directory.org_by_name(new.org)?.id.clone();
        let id = format!("urn:vcloud:user:{}", new_uuid(&mut self.rng));
        let user = User {
            id: id.clone(),
            name: new.name.to_owned(),
            org_id,
            role: new.role.to_owned(),
            rights: Arc::new(new.rights.iter().map(|right| (*right).to_owned()).collect()),
            profile: Profile::default(),
        };
        self.directory.users.insert(id.clone(), user);
        if let Some(password) = new.password {
            self.directory
                .passwords
                .insert(id.clone(), password.to_owned());
        }
        if let Some(token) = new.api_token {
            self.add_api_token(&id, token);
        }
        Some(id)
    }

    /// Gives the user `user_id` an API token with this text.
    pub fn add_api_token(&mut self, user_id: &str, token: &str) {
        let client_id = new_uuid(&mut self.rng).to_string();
        let client = ApiClient {
            name: "seeded".to_owned(),
            user_id: user_id.to_owned(),
            secret: Some(token.to_owned()),
            kind: TokenKind::Refresh,
        };
        self.directory.api_clients.insert(client_id, client);
        self.directory
            .api_tokens
            .insert(token.to_owned(), user_id.to_owned());
    }

    /// Lets the users called `name` log in with this password.
    pub fn set_password(&mut self, name: &str, password: &str) {
        let users = self.directory.users.values();
        for user in users.filter(|user| user.name == name) {
            let password = password.to_owned();
            self.directory.passwords.insert(user.id.clone(), password);
        }
    }

    /// Revokes an API token and ends the sessions that came from it.
    pub fn revoke_api_token(&mut self, token: &str) {
        self.directory.revoke(token);
        self.sessions.close_of_api_token(token);
    }

    /// Sets how long sessions live.
    pub fn set_session_limits(&mut self, limits: SessionLimits) {
        self.sessions.limits = limits;
    }

    /// Switches where sites differ.
    pub fn settings_mut(&mut self) -> &mut Settings {
        self.entities.end_walks();
        &mut self.settings
    }

    /// How long things take.
    pub fn timings_mut(&mut self) -> &mut Timings {
        &mut self.timings
    }

    /// Offers these API versions, such as `(37, 2)`, and no others.
    pub fn offer_versions(&mut self, versions: &[(u16, u16)]) {
        let offer = |&(major, minor): &(u16, u16)| Offered {
            version: ApiVersion { major, minor },
            deprecated: major < 38,
        };
        self.versions = versions.iter().map(offer).collect();
    }

    /// Changes the content of an entity as if somebody with full control had written it, and raises
    /// its version. False when there is no such entity.
    pub fn modify_entity(
        &mut self,
        urn: &str,
        wall: Timestamp,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> bool {
        self.entities.modify(urn, wall, change)
    }

    /// Takes an entity out of the world and leaves everything that belongs to it. False when there is none.
    pub fn forget_entity(&mut self, urn: &str) -> bool {
        self.entities.remove(urn).is_some()
    }

    /// The world was not looked at until now, and nothing happened in it: what is due comes later.
    pub(crate) fn stood_still(&mut self, at: (Moment, Timestamp)) {
        self.seen_until = Some(at);
    }

    /// How long the next request is under way, there and back.
    pub(crate) fn answer_time(&mut self) -> Duration {
        self.timings.vary(self.timings.answer, &mut self.travel_rng)
    }
}
