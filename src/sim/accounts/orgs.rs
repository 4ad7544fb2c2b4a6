//! `/cloudapi/1.0.0/orgs`: organizations, with what they have.
//!
//! Invariants:
//! - A tenant sees its own, a provider all. An organization goes only disabled and empty.
//!
//! Not here: the legacy documents of organizations (`sim::infra`).
//! Source: VCD `OpenAPI` 37.0, `Org`.

use http::Method;
use serde_json::{Value, json};

use super::{administers, not_found, text};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::{Org, Profile, is_system};
use crate::sim::infra::Infra;
use crate::sim::infra::machine::Status;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

const KEYS: [&str; 4] = ["id", "name", "displayName", "isEnabled"];

/// Answers `/cloudapi/1.0.0/orgs...`.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
    infra: &Infra,
) -> Result<Reply, Problem> {
    if *call.method != Method::GET {
        administers(call)?;
        if !call.principal.provider {
            return Err(Problem::forbidden("Tenants do not manage organizations."));
        }
    }
    match (call.method, rest) {
        (&Method::GET, []) => {
            let orgs = ctx.directory.orgs.values();
            let orgs = orgs.filter(|org| visible(call, org));
            let rows = orgs.map(|org| document(org, ctx, infra)).collect();
            paging::list(call, ctx.site, &Listing::of("Orgs", &KEYS), rows)
        }
        (&Method::POST, []) => {
            let org = Org {
                id: format!("urn:vcloud:org:{}", ctx.uuid()),
                name: String::new(),
                full_name: String::new(),
                profile: Profile::default(),
            };
            let org = read(call, org, ctx)?;
            let reply = Reply::json(201, call.version, &document(&org, ctx, infra));
            ctx.directory.orgs.insert(org.id.clone(), org);
            Ok(reply)
        }
        (_, [id]) => {
            let org = ctx.directory.orgs.get(*id);
            let org = org.filter(|org| visible(call, org)).cloned();
            one(call, org.ok_or_else(|| not_found(id))?, ctx, infra)
        }
        _ => Err(Problem::wrong_method()),
    }
}

fn visible(call: &Call<'_>, org: &Org) -> bool {
    let who = &call.principal;
    org.id == who.acting_org_id || (who.provider && !who.in_context)
}

fn document(org: &Org, ctx: &Context<'_>, infra: &Infra) -> Value {
    let vapps = || infra.vapps.values().filter(|vapp| vapp.org_id == org.id);
    let running = infra
        .vms
        .values()
        .filter(|vm| vm.status == Status::PoweredOn && vapps().any(|vapp| vapp.uuid == vm.vapp));
    let users = ctx.directory.users.values();
    json!({
        "id": org.id,
        "name": org.name,
        "displayName": org.full_name,
        "description": org.profile.description,
        "isEnabled": !org.profile.disabled,
        "orgVdcCount": infra.vdcs.values().filter(|vdc| vdc.org_id == org.id).count(),
        "catalogCount": infra.catalogs.values().filter(|found| found.org_id == org.id).count(),
        "vappCount": vapps().count(),
        "runningVMCount": running.count(),
        "userCount": users.filter(|user| user.org_id == org.id).count(),
        "diskCount": 0,
        "canPublish": org.profile.can_publish,
        "managedBy": null,
    })
}

fn read(call: &Call<'_>, mut org: Org, ctx: &Context<'_>) -> Result<Org, Problem> {
    let body = call.json()?;
    org.name = text(&body, "name").unwrap_or(org.name);
    org.full_name = text(&body, "displayName").unwrap_or(org.full_name);
    if org.name.is_empty() || org.full_name.is_empty() {
        return Err(Problem::bad_request("name or displayName is missing"));
    }
    let taken = ctx.directory.org_by_name(&org.name);
    if taken.is_some_and(|other| other.id != org.id) {
        let message = format!("The organization {} already exists.", org.name);
        return Err(Problem::new(400, "DUPLICATE_NAME", message));
    }
    let flag = |key: &str| body.get(key).and_then(Value::as_bool);
    let profile = &mut org.profile;
    profile.description = text(&body, "description").unwrap_or(profile.description.clone());
    profile.disabled = flag("isEnabled").map_or(profile.disabled, |enabled| !enabled);
    profile.can_publish = flag("canPublish").unwrap_or(profile.can_publish);
    Ok(org)
}

fn one(call: &Call<'_>, org: Org, ctx: &mut Context<'_>, infra: &Infra) -> Result<Reply, Problem> {
    match *call.method {
        Method::GET => Ok(Reply::json(200, call.version, &document(&org, ctx, infra))),
        _ if is_system(&org.name) => Err(Problem::forbidden(
            "The provider's organization does not change.",
        )),
        Method::PUT => {
            let org = read(call, org, ctx)?;
            let reply = Reply::json(200, call.version, &document(&org, ctx, infra));
            ctx.directory.orgs.insert(org.id.clone(), org);
            Ok(reply)
        }
        Method::DELETE => {
            let has_vdc = infra.vdcs.values().any(|vdc| vdc.org_id == org.id);
            if !org.profile.disabled || has_vdc {
                return Err(Problem::bad_request(format!(
                    "The organization {} is enabled or not empty.",
                    org.name
                )));
            }
            let directory = &mut *ctx.directory;
            directory.users.retain(|_, user| user.org_id != org.id);
            directory.orgs.remove(&org.id);
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::wrong_method()),
    }
}
