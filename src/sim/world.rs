//! The simulated VCD: its whole state, and the one door through which requests come in.
//!
//! Flow: `gate` makes a `Call` of a request; the handlers of each area answer from and change the
//! state here; what takes time goes to the schedule and happens in [`World::advance`].
//!
//! Invariants:
//! - Pure: state, request and moment in, response out; no clock, no thread, no socket.
//! - One seed, one history: all chance comes from `rng`, all order from the schedule and B-trees.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::auth::Sessions;
use super::context::{Context, Settings, new_uuid};
use super::directory::{Directory, Org, Profile, SYSTEM};
use super::entities::Entities;
use super::gate::{self, Arrival};
use super::history::{Actor, History};
use super::infra::Infra;
use super::network::Services;
use super::registry::Registry;
use super::reply::{Problem, Reply};
use super::request_log::{Delivery, Outcome, RequestLog, endpoint, user_agent};
use super::schedule::Schedule;
use super::tasks::Tasks;
use super::timings::Timings;
use super::versions::{self, Offered};
use super::xml::json;
use super::{actors, entities, infra, levers, network};
use crate::clock::Moment;
use crate::vcd::transport::{Request, Response};

/// What the schedule can hold; each area handles its own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Due {
    /// A behavior invocation ends.
    Entities(entities::Due),
    /// A vApp or VM operation ends.
    Infra(infra::Due),
    /// A bootstrap guest goes on to its next step.
    Guest(actors::guest::Due),
    /// The in-cluster controllers of a cluster go on to their next step.
    Capvcd(actors::capvcd::Due),
    /// A change of an edge gateway's services ends.
    Network(network::Due),
    /// Something that an operator ordered.
    Lever(Box<levers::Due>),
}

/// A whole VCD site.
#[derive(Serialize, Deserialize)]
pub struct World {
    pub(crate) site: String,
    #[serde(with = "super::state::rng")]
    pub(crate) rng: fastrand::Rng,
    /// Chance of the network alone, so that a slower line gives no other ids.
    #[serde(with = "super::state::rng")]
    pub(crate) travel_rng: fastrand::Rng,
    pub(crate) timings: Timings,
    pub(crate) settings: Settings,
    pub(crate) versions: Vec<Offered>,
    pub(crate) directory: Directory,
    pub(crate) sessions: Sessions,
    pub(crate) tasks: Tasks,
    pub(crate) schedule: Schedule<Due>,
    /// Both clocks at the last call of [`World::advance`].
    pub(crate) seen_until: Option<(Moment, Timestamp)>,
    pub(crate) history: History,
    pub(crate) registry: Registry,
    /// Written one by one, because they are many: see `sim::state`.
    #[serde(skip)]
    pub(crate) entities: Entities,
    pub(crate) infra: Infra,
    pub(crate) network: Services,
    pub(crate) levers: levers::Changes,
    /// All entities as they were, by name; written one by one, too.
    #[serde(skip)]
    pub(crate) snapshots: BTreeMap<String, levers::Snapshot>,
    /// What reads are answered from that lag behind.
    #[serde(skip)]
    pub(crate) stale: levers::Stale,
    #[serde(skip)]
    pub(crate) requests: RequestLog,
    /// Raised by all that changes more than counts and the use of sessions.
    #[serde(skip)]
    pub(crate) changes: u64,
}

/// The areas of the world, lent side by side.
pub(crate) struct Areas<'a> {
    pub(crate) registry: &'a mut Registry,
    pub(crate) entities: &'a mut Entities,
    pub(crate) infra: &'a mut Infra,
    pub(crate) network: &'a mut Services,
}

impl World {
    /// A site whose hrefs begin with `site`, with the provider's organization System and what is
    /// built in, and nothing else.
    ///
    /// All chance comes from `seed`. `site` has no trailing slash.
    pub fn new(site: &str, seed: u64, timings: Timings) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut directory = Directory::default();
        let system = Org {
            id: format!("urn:vcloud:org:{}", new_uuid(&mut rng)),
            name: SYSTEM.to_owned(),
            full_name: SYSTEM.to_owned(),
            profile: Profile::default(),
        };
        directory.orgs.insert(system.id.clone(), system);
        let mut registry = Registry::default();
        registry.add_built_in();
        Self {
            site: site.trim_end_matches('/').to_owned(),
            travel_rng: rng.fork(),
            rng,
            timings,
            settings: Settings::default(),
            versions: versions::DEFAULT.to_vec(),
            directory,
            sessions: Sessions::default(),
            tasks: Tasks::default(),
            schedule: Schedule::default(),
            seen_until: None,
            history: History::default(),
            registry,
            entities: Entities::default(),
            infra: Infra::default(),
            network: Services::default(),
            levers: levers::Changes::default(),
            snapshots: BTreeMap::new(),
            stale: levers::Stale::default(),
            requests: RequestLog::default(),
            changes: 0,
        }
    }

    /// Lets everything happen that is due at `now`, each at its own moment and date.
    pub fn advance(&mut self, now: Moment, wall: Timestamp) {
        let before = self.seen_until.unwrap_or((now, wall));
        // What tests and levers changed since, they changed then.
        self.history.set_time(before);
        self.history.begin(Actor::Operator);
        self.note_entities();
        while let Some((moment, due)) = self.schedule.take_due(now) {
            let date = date_between(before, (now, wall), moment);
            self.changes += 1;
            self.history.begin(match &due {
                Due::Lever(_) => Actor::Operator,
                Due::Entities(_)
                | Due::Infra(_)
                | Due::Guest(_)
                | Due::Capvcd(_)
                | Due::Network(_) => Actor::Cluster,
            });
            let (mut ctx, areas) = self.split(moment, date);
            let Areas {
                registry,
                entities,
                infra,
                network,
            } = areas;
            match due {
                Due::Entities(due) => entities::fire(due, &mut ctx, (entities, registry)),
                Due::Infra(due) => infra::fire(due, &mut ctx, infra),
                Due::Guest(due) => actors::guest::fire(due, &mut ctx, infra, entities),
                Due::Capvcd(due) => actors::capvcd::fire(due, &mut ctx, (infra, network), entities),
                Due::Network(due) => network::fire(due, &mut ctx, infra, network),
                Due::Lever(due) => self.fire_lever(*due, (moment, date)),
            }
            self.note_entities();
        }
        self.history.set_time((now, wall));
        self.history.begin(Actor::Operator);
        self.seen_until = Some((now, wall));
    }

    /// Answers one request. Everything that is due at `now` has happened before.
    ///
    /// Faults are not here: transport and server strike before or after this call.
    pub fn handle(&mut self, request: &Request, now: Moment, wall: Timestamp) -> Response {
        let delivery = Delivery {
            caller: user_agent(request.headers()),
            sent: now,
            fault: None,
        };
        self.serve(request, &delivery, now, wall)
    }

    /// The same, for a request of which more is known.
    pub(crate) fn serve(
        &mut self,
        request: &Request,
        delivery: &Delivery<'_>,
        now: Moment,
        wall: Timestamp,
    ) -> Response {
        self.advance(now, wall);
        if request.method() != Method::GET {
            self.entities.end_walks();
        }
        let headers = request.headers();
        let request_id = gate::request_id(headers, &mut self.rng);
        let accepts = headers
            .get_all(http::header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let path = request.uri().path();
        let oauth = path.starts_with("/oauth/");
        let public = oauth || path == "/api/versions";
        let negotiated = versions::negotiate(accepts, &self.versions);
        // Clients ask for tokens in the oldest version that had them, offered or not.
        let negotiated = if oauth { Ok(None) } else { negotiated };
        let negotiated = negotiated.and_then(|named| {
            let choice = self.settings.unversioned_accept;
            named.map_or_else(|| versions::unversioned(choice, public, &self.versions), Ok)
        });
        let (version, refusal) = match negotiated {
            Ok(version) => (version, None),
            Err(problem) => (versions::highest(&self.versions), Some(problem)),
        };
        let arrival = Arrival::of(request, version, request_id.clone(), self.settings);
        let endpoint = endpoint(request, &arrival.segments);
        self.history.count("request", &endpoint);
        self.history.begin_request(delivery);
        self.note_request(request, &endpoint);
        let xml = arrival.segments.first().is_some_and(|first| first == "api");
        let mut user = None;
        let answer = match refusal {
            Some(problem) => Err(problem),
            None => self.answer(arrival, &mut user, now, wall),
        };
        let xml = xml && !json::wanted(headers);
        let reply =
            answer.unwrap_or_else(|problem| Reply::problem(&problem, xml, version, &request_id));
        self.note_entities();
        self.history.begin(Actor::Operator);
        let reply = json::adapt(headers, version, reply);
        self.changes += u64::from(*request.method() != Method::GET);
        let outcome = Outcome {
            endpoint,
            status: Some(reply.status),
            user,
            version: version.to_string(),
            request_id: request_id.clone(),
        };
        self.requests.write(request, delivery, outcome, (now, wall));
        respond(reply, &request_id)
    }

    /// Routes that need no session first; then authentication; then the areas.
    fn answer(
        &mut self,
        arrival: Arrival<'_>,
        user: &mut Option<String>,
        now: Moment,
        wall: Timestamp,
    ) -> Result<Reply, Problem> {
        if let Some(answer) = self.answer_stranger(&arrival, now, wall) {
            return answer;
        }
        let known = (&self.directory, &self.settings);
        let principal = gate::authenticate(arrival.headers, &mut self.sessions, known, now)?;
        let name = format!("{}@{}", principal.user_name, principal.org_name);
        self.history.set_user(&name);
        *user = Some(name);
        let call = arrival.by(principal);
        let reads = levers::Reads::of(&call);
        self.swap_stale(reads);
        let answer = self.dispatch(&call, now, wall);
        self.swap_stale(reads);
        answer
    }

    /// Lends the shared parts to a handler, beside the areas it may also need.
    pub(crate) fn split(&mut self, now: Moment, wall: Timestamp) -> (Context<'_>, Areas<'_>) {
        self.history.set_time((now, wall));
        let context = Context {
            now,
            wall,
            site: &self.site,
            rng: &mut self.rng,
            timings: &self.timings,
            settings: &self.settings,
            directory: &mut self.directory,
            sessions: &mut self.sessions,
            tasks: &mut self.tasks,
            schedule: &mut self.schedule,
            history: &mut self.history,
        };
        let areas = Areas {
            registry: &mut self.registry,
            entities: &mut self.entities,
            infra: &mut self.infra,
            network: &mut self.network,
        };
        (context, areas)
    }
}

/// Tells the site only: the rest is large, and holds tokens.
impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

/// Locks a world that others use too. It stays usable if one of them panicked meanwhile: who looks on then
/// sees what is wrong.
pub(crate) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds the headers that every answer carries.
pub(crate) fn respond(reply: Reply, request_id: &str) -> Response {
    let mut response = Response::new(reply.body);
    *response.status_mut() =
        http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        // Names and texts of clients end up in links; what is no header value is left out.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(name, value);
        }
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response
            .headers_mut()
            .insert("x-vmware-vcloud-request-id", value);
    }
    response
}

/// The date at `moment`, which lies between two readings of both clocks.
///
/// Dates and moments may run at different speeds: a demo's clock is sped up, its dates are true.
fn date_between(from: (Moment, Timestamp), to: (Moment, Timestamp), moment: Moment) -> Timestamp {
    let span = to.0.since(from.0).as_secs_f64();
    let part = if span > 0.0 {
        moment.since(from.0).as_secs_f64() / span
    } else {
        1.0
    };
    let dates =
        SignedDuration::from_secs_f64(from.1.duration_until(to.1).as_secs_f64() * part.min(1.0));
    from.1.checked_add(dates).unwrap_or(to.1)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_happened_between_two_requests_is_dated_between_them_at_any_speed_of_the_clock() {
        let at = |secs| Moment::from_origin(Duration::from_secs(secs));
        let date = |text: &str| text.parse::<Timestamp>().unwrap();
        let from = (at(100), date("2026-03-01T09:00:00Z"));
        let cases = [
            (
                "true speed",
                (at(160), date("2026-03-01T09:01:00Z")),
                130,
                "2026-03-01T09:00:30Z",
            ),
            (
                "sixtyfold",
                (at(160), date("2026-03-01T09:00:01Z")),
                130,
                "2026-03-01T09:00:00.5Z",
            ),
            (
                "no time passed",
                (at(100), date("2026-03-01T09:00:00Z")),
                100,
                "2026-03-01T09:00:00Z",
            ),
            (
                "overdue",
                (at(160), date("2026-03-01T09:01:00Z")),
                40,
                "2026-03-01T09:00:00Z",
            ),
        ];
        for (name, to, moment, want) in cases {
            assert_eq!(date_between(from, to, at(moment)), date(want), "{name}");
        }
    }
}
