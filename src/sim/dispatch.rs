//! Which area answers which address.
//!
//! Flow: `World::handle` sends a request here once its version is known: first past the routes that need
//! no session, then, authenticated, past all others.
//!
//! Not here: whether an address of a catalogued area exists and has the method (`routes`).

use http::Method;
use jiff::Timestamp;

use super::accounts::{legacy_users, orgs, plugins, users};
use super::auth::{oauth, service_accounts, sessions, tokens};
use super::call::Call;
use super::context::Context;
use super::gate::Arrival;
use super::reply::{Problem, Reply};
use super::world::{Areas, World};
use super::{entities, infra, network, registry, rights, routes, task_api, versions};
use crate::clock::Moment;

impl World {
    /// Routes that need no session; `None` for those that do.
    pub(super) fn answer_stranger(
        &mut self,
        arrival: &Arrival<'_>,
        now: Moment,
        wall: Timestamp,
    ) -> Option<Result<Reply, Problem>> {
        if let (&Method::GET, ["api", "versions"]) = (arrival.method, arrival.path().as_slice()) {
            return Some(Ok(versions::document(
                &self.site,
                arrival.version,
                &self.versions,
            )));
        }
        let (mut ctx, _) = self.split(now, wall);
        let door = match (arrival.method, arrival.path().as_slice()) {
            (_, ["oauth", "provider", "token"]) => {
                return Some(oauth::token(arrival, oauth::Realm::Provider, &mut ctx));
            }
            (_, ["oauth", "tenant", org, "token"]) => {
                return Some(oauth::token(arrival, oauth::Realm::Tenant(org), &mut ctx));
            }
            (_, ["oauth", "provider", "device_authorization"]) => {
                let realm = oauth::Realm::Provider;
                return Some(oauth::device_authorization(arrival, realm, &mut ctx));
            }
            (_, ["oauth", "tenant", org, "device_authorization"]) => {
                let realm = oauth::Realm::Tenant(org);
                return Some(oauth::device_authorization(arrival, realm, &mut ctx));
            }
            (&Method::POST, ["cloudapi", _, "sessions"]) => sessions::Door::Tenant,
            (&Method::POST, ["cloudapi", _, "sessions", "provider"]) => sessions::Door::Provider,
            (&Method::POST, ["api", "sessions"]) => sessions::Door::Legacy,
            _ => return None,
        };
        Some(sessions::login(arrival, door, &mut ctx))
    }

    /// Routes of an authenticated caller.
    pub(super) fn dispatch(
        &mut self,
        call: &Call<'_>,
        now: Moment,
        wall: Timestamp,
    ) -> Result<Reply, Problem> {
        routes::check(call)?;
        let (mut ctx, areas) = self.split(now, wall);
        let ctx = &mut ctx;
        match call.path().as_slice() {
            ["api", "admin"] => versions::product(call, ctx.site),
            ["api", "session"] if *call.method == Method::DELETE => Ok(ctx.sessions.logout(call)),
            ["api", "session"] if *call.method == Method::GET => sessions::legacy(call, ctx),
            ["api", "task", rest @ ..] => {
                let reply = task_api::handle(call, rest, ctx)?;
                if let [uuid, "action", "cancel"] = rest {
                    infra::operations::cancel(uuid, ctx, areas.infra);
                }
                Ok(reply)
            }
            ["api", "tasksList", rest @ ..] => task_api::handle(call, rest, ctx),
            ["api", "admin", "org", _, "users"] | ["api", "admin", "user", ..] => {
                legacy_users::handle(call, ctx, areas.entities)
            }
            ["api", "query"] => infra::query::handle(call, ctx, areas.infra, areas.network),
            ["oauth", "provider", "register"] => oauth::register(call, oauth::Realm::Provider, ctx),
            ["oauth", "tenant", org, "register"] => {
                oauth::register(call, oauth::Realm::Tenant(org), ctx)
            }
            ["cloudapi", "extensions", "ui", rest @ ..] => plugins::handle(call, rest, ctx),
            ["transfer", id] => {
                let upload = plugins::upload(call, id, ctx);
                upload.unwrap_or_else(|| infra::handle(call, ctx, areas.infra))
            }
            ["cloudapi", "1.0.0", area, rest @ ..] => open_api(call, (area, rest), ctx, areas),
            _ => infra::handle(call, ctx, areas.infra),
        }
    }
}

/// Routes below `/cloudapi/1.0.0`.
fn open_api(
    call: &Call<'_>,
    (area, rest): (&str, &[&str]),
    ctx: &mut Context<'_>,
    areas: Areas<'_>,
) -> Result<Reply, Problem> {
    let Areas {
        registry,
        entities,
        infra,
        network,
    } = areas;
    match area {
        "sessions" => sessions::handle(call, rest, ctx),
        "tokens" => tokens::handle(call, rest, ctx),
        "serviceAccounts" => service_accounts::handle(call, rest, ctx, entities),
        "deviceLookup" => service_accounts::device_lookup(call, rest, ctx),
        "users" => users::handle(call, rest, ctx, entities),
        "orgs" => orgs::handle(call, rest, ctx, infra),
        "rights" | "rightsCategories" | "roles" | "globalRoles" | "rightsBundles" => {
            rights::handle(call, (area, rest), ctx)
        }
        "interfaces" => registry::interfaces::handle(call, rest, ctx, (registry, entities)),
        "entityTypes" => match (call.method, rest) {
            (&Method::POST, [urn]) => {
                entities::create::create(call, urn, ctx, (entities, registry))
            }
            (&Method::POST, [urn, "migrateEntities"]) => {
                entities::migrate::migrate(call, urn, ctx, (entities, registry))
            }
            _ => registry::types::handle(call, rest, ctx, (registry, entities)),
        },
        "entities" => entities::api::handle(call, rest, ctx, (entities, registry)),
        "entity" => entities::api::resolve_urn(call, rest, ctx, (entities, registry)),
        "accessLevels" => entities::api::access_levels(call, rest, ctx.site),
        "edgeGateways"
        | "loadBalancer"
        | "applicationPortProfiles"
        | "firewallGroups"
        | "ipSpaces"
        | "orgVdcNetworks"
        | "ssl" => network::handle(call, ctx, infra, network),
        _ => infra::handle(call, ctx, infra),
    }
}
