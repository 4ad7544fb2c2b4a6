//! Where the world tells its history: entities that changed, requests that should not have been sent, what
//! tests and operators say about replicas.

use std::sync::Arc;

use http::Method;
use jiff::Timestamp;

use super::{Actor, Deed, History, Written};
use crate::clock::Moment;
use crate::sim::entities::look::{Look, secrets};
use crate::sim::gate;
use crate::sim::judge::Verdict;
use crate::sim::leaks::CLUSTER_URN;
use crate::sim::world::World;
use crate::vcd::transport::{Request, Response};

/// Tokens of a site that requests are searched for, at most.
const MAX_TOKENS: usize = 64;

impl World {
    /// What was done, oldest first.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// What was done against the rules, in the order of happening; empty when nothing was.
    pub fn judge(&self) -> Vec<Verdict> {
        self.history.verdicts()
    }

    /// Keeps every entry from here on, and follows every cluster.
    pub fn keep_whole_history(&mut self) {
        self.history.keep_all();
        let all: Vec<String> = self.entities.iter().map(|one| one.id.clone()).collect();
        for urn in all {
            self.note_as_found(&urn);
        }
        for deed in self.infra.machines_as_found() {
            self.history.begin(Actor::Operator);
            self.history.note(deed);
        }
    }

    /// Requests with this label come from a replica of this server, which begins its life now.
    pub fn note_started(&mut self, replica: &str, at: (Moment, Timestamp)) {
        self.history.add_replica(replica);
        self.history.set_time(at);
        self.history.begin(Actor::Operator);
        let replica = replica.to_owned();
        self.history.note(Deed::Started { replica });
    }

    /// The replica was told to stop.
    pub fn note_stopping(&mut self, replica: &str, at: (Moment, Timestamp)) {
        self.history.set_time(at);
        self.history.begin(Actor::Operator);
        let replica = replica.to_owned();
        self.history.note(Deed::Stopping { replica });
    }

    /// The replica has received `response` to the reading of a document; other requests are ignored.
    pub fn note_seen(
        &mut self,
        (replica, path): (&str, &str),
        response: &Response,
        at: (Moment, Timestamp),
    ) {
        let last = path.rsplit('/').next().unwrap_or_default();
        let entity = gate::decode(last);
        let tag = response.headers().get(http::header::ETAG);
        let tag = tag.and_then(|tag| tag.to_str().ok()).unwrap_or_default();
        let revision = tag.trim_matches('"').strip_prefix('r');
        let revision = revision.and_then(|number| number.parse().ok());
        let Some(revision) = revision.filter(|_| entity.starts_with(CLUSTER_URN)) else {
            return;
        };
        self.history.set_time(at);
        self.history.begin_reception(replica, at.0);
        self.history.note(Deed::Seen { entity, revision });
        self.history.begin(Actor::Operator);
    }

    /// Notes what has become of the entities that were touched since the last time.
    pub(crate) fn note_entities(&mut self) {
        for urn in self.entities.take_touched() {
            if !urn.starts_with(CLUSTER_URN) || !self.history.follows(&urn) {
                continue;
            }
            if let Some(entity) = self.entities.get(&urn) {
                let before = self.history.look(&urn);
                if before.is_some_and(|look| look.revision == entity.revision) {
                    continue;
                }
                let look = Arc::new(Look::of(entity, before.map(Arc::as_ref)));
                let revision = entity.revision;
                let entity = urn;
                self.history.note(Deed::Written(Written {
                    entity,
                    revision,
                    look,
                }));
            } else if self.history.look(&urn).is_some() {
                self.history.note(Deed::Gone { entity: urn });
            }
        }
    }

    /// Before a request of a replica changes anything: follows the cluster it is about, and looks for secrets.
    pub(crate) fn note_request(&mut self, request: &Request, endpoint: &str) {
        if *request.method() == Method::GET || !self.history.is_by_replica() {
            return;
        }
        let path = request.uri().path();
        let mut parts = path.split('/').map(gate::decode);
        let urn = parts.find(|part| part.starts_with(CLUSTER_URN));
        let urn = urn.unwrap_or_default();
        if !path.starts_with("/oauth/")
            && let Some(secret) = self.secret_in(request.body(), &urn)
        {
            self.history.note(Deed::Leaked {
                secret,
                entity: urn.clone(),
                endpoint: endpoint.to_owned(),
            });
        }
        if !urn.is_empty() && !self.history.follows(&urn) {
            self.note_as_found(&urn);
        }
    }

    fn note_as_found(&mut self, urn: &str) {
        let Some(entity) = self.entities.get(urn) else {
            return;
        };
        if !urn.starts_with(CLUSTER_URN) {
            return;
        }
        let written = Written {
            entity: urn.to_owned(),
            revision: entity.revision,
            look: Arc::new(Look::of(entity, None)),
        };
        self.history.note_as_found(Deed::Written(written));
    }

    /// The kind of the first secret that `body` holds: one of the cluster, or a token of the site.
    fn secret_in(&self, body: &[u8], urn: &str) -> Option<&'static str> {
        let Ok(body) = std::str::from_utf8(body) else {
            return None;
        };
        let entity = self.entities.get(urn);
        let of_cluster = entity.map(secrets).unwrap_or_default();
        if of_cluster.iter().any(|secret| body.contains(&**secret)) {
            return Some("secret field of the cluster");
        }
        // What an old document shows in clear text has to be written back.
        let shown = |token: &str| entity.is_some_and(|it| it.content.text().contains(token));
        let mut tokens = self.directory.api_tokens.keys().take(MAX_TOKENS);
        let found = tokens.any(|token| body.contains(token.as_str()) && !shown(token));
        found.then_some("API token")
    }
}

impl History {
    /// Notes what is there already, whoever is at work.
    fn note_as_found(&mut self, deed: Deed) {
        let by = Arc::clone(&self.course.by);
        self.begin(Actor::Operator);
        self.note(deed);
        self.course.by = by;
    }

    fn begin_reception(&mut self, replica: &str, at: Moment) {
        self.course.by = Arc::new(super::Origin {
            actor: Actor::Replica,
            caller: replica.to_owned(),
            user: None,
            sent: Some(at),
        });
    }
}
