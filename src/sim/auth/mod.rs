//! Sessions: what an access token stands for, and until when.
//!
//! Flow: `oauth` and `sessions` open sessions; `gate` asks here whose request it is.
//!
//! Invariants:
//! - A session ends after its idle time or its absolute time, whichever comes first, on the
//!   simulator's clock; `expires_in` of the token answer promises more, as it does on a real site.
//! - Revoking an API token ends the sessions that came from it.
//!
//! Source: VCD API, `/cloudapi/1.0.0/sessions`, `/oauth`, session timeouts in the general settings.

pub(crate) mod oauth;
pub(crate) mod service_accounts;
pub(crate) mod sessions;
pub(crate) mod tokens;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Principal;
use super::context::new_uuid;
use super::directory::{Directory, User, is_system};
use crate::clock::Moment;

/// Random bytes that end an access token, in place of a signature.
const SIGNATURE_BYTES: usize = 256;

/// How long a session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionLimits {
    /// Longest pause between two requests.
    #[serde(with = "duration")]
    pub idle: Duration,
    /// Longest life, however busy.
    #[serde(with = "duration")]
    pub absolute: Duration,
}

impl Default for SessionLimits {
    /// VCD's defaults: 30 minutes idle, 24 hours in all.
    fn default() -> Self {
        Self {
            idle: Duration::from_mins(30),
            absolute: Duration::from_hours(24),
        }
    }
}

/// One session.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// `urn:vcloud:session:<uuid>`
    pub(crate) id: String,
    pub(crate) user_id: String,
    /// API token it came from, if any.
    pub(crate) api_token: Option<String>,
    started: Moment,
    used: Moment,
}

impl Session {
    fn is_over(&self, limits: SessionLimits, now: Moment) -> bool {
        now.since(self.used) > limits.idle || now.since(self.started) > limits.absolute
    }
}

/// All sessions, by access token.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Sessions {
    by_token: BTreeMap<String, Session>,
    pub(crate) limits: SessionLimits,
}

impl Sessions {
    /// Opens a session and returns its access token.
    pub(crate) fn open(
        &mut self,
        user: &User,
        api_token: Option<&str>,
        now: Moment,
        rng: &mut fastrand::Rng,
    ) -> String {
        // Nobody asks for what has expired; a long run would keep it for ever.
        let limits = self.limits;
        self.by_token
            .retain(|_, session| !session.is_over(limits, now));
        let uuid = new_uuid(rng);
        let token = access_token(user, &uuid.to_string(), rng);
        let session = Session {
            id: format!("urn:vcloud:session:{uuid}"),
            user_id: user.id.clone(),
            api_token: api_token.map(str::to_owned),
            started: now,
            used: now,
        };
        self.by_token.insert(token.clone(), session);
        token
    }

    /// The session of an access token, whether or not its time is over.
    pub(crate) fn get(&self, token: &str) -> Option<&Session> {
        self.by_token.get(token)
    }

    /// All sessions.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.by_token.values()
    }

    /// The access token of the session `id`.
    pub(crate) fn token_of(&self, id: &str) -> Option<&str> {
        let mut sessions = self.by_token.iter();
        let (token, _) = sessions.find(|(_, session)| session.id == id)?;
        Some(token)
    }

    /// Ends one session.
    pub(crate) fn close(&mut self, token: &str) {
        self.by_token.remove(token);
    }

    /// Ends the sessions that `which` says yes to, and returns how many they were.
    pub(crate) fn close_where(&mut self, mut which: impl FnMut(&Session) -> bool) -> usize {
        let before = self.by_token.len();
        self.by_token.retain(|_, session| !which(session));
        before - self.by_token.len()
    }

    /// Ends the session `id`.
    pub(crate) fn close_by_id(&mut self, id: &str) {
        self.by_token.retain(|_, session| session.id != id);
    }

    /// Ends all sessions of a user.
    pub(crate) fn close_of_user(&mut self, user_id: &str) {
        self.by_token
            .retain(|_, session| session.user_id != user_id);
    }

    /// Ends all sessions that came from an API token.
    pub(crate) fn close_of_api_token(&mut self, api_token: &str) {
        self.by_token
            .retain(|_, session| session.api_token.as_deref() != Some(api_token));
    }

    /// Whose token this is; renews the idle time. `None` when unknown or over.
    pub(crate) fn principal(
        &mut self,
        token: &str,
        directory: &Directory,
        now: Moment,
    ) -> Option<Principal> {
        let session = self.by_token.get_mut(token)?;
        let over = session.is_over(self.limits, now);
        let user = directory.users.get(&session.user_id);
        let user = user.filter(|user| directory.may_enter(user));
        let Some(user) = user.filter(|_| !over) else {
            self.by_token.remove(token);
            return None;
        };
        session.used = now;
        let org_name = directory.org_name(&user.org_id).unwrap_or_default();
        Some(Principal {
            user_id: user.id.clone(),
            user_name: user.name.clone(),
            org_id: user.org_id.clone(),
            org_name: org_name.to_owned(),
            provider: is_system(org_name),
            role_id: user.role_id(),
            rights: std::sync::Arc::clone(&user.rights),
            acting_org_id: user.org_id.clone(),
            in_context: false,
            by_token: session.api_token.is_some(),
        })
    }
}

/// The access token of a request, in any of the forms clients use.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let plain = text("x-vmware-vcloud-access-token").or_else(|| text("x-vcloud-authorization"));
    plain
        .map(str::trim)
        .filter(|token| !token.is_empty())
        .or_else(|| {
            let (scheme, token) = text(header::AUTHORIZATION.as_str())?
                .trim()
                .split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        })
}

/// A token of the length and look of a real one; it carries nothing that anybody reads.
fn access_token(user: &User, session: &str, rng: &mut fastrand::Rng) -> String {
    let header = json!({"alg": "RS256"}).to_string();
    let payload = json!({"sub": user.name, "iss": user.org_id, "jti": session}).to_string();
    let mut signature = [0_u8; SIGNATURE_BYTES];
    rng.fill(&mut signature);
    let parts = [header.as_bytes(), payload.as_bytes(), &signature];
    parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}
