//! Access control lists of entities and of entity types.
//!
//! Not here: what a grant is worth (`sim::access`).
//! Source: VCD `OpenAPI` 37.2, access controls.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::sim::access::{Grant, Grantee, Level};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::derived_urn;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// Answers `.../accessControls...` of the object `id`; the caller checked that it may be asked.
pub(crate) fn handle(
    call: &Call<'_>,
    (id, rest): (&str, &[&str]),
    ctx: &mut Context<'_>,
    grants: &mut BTreeMap<String, Grant>,
) -> Result<Reply, Problem> {
    match (call.method, rest) {
        (&Method::GET, []) => {
            let rows = grants
                .values()
                .map(|grant| document(grant, id, ctx))
                .collect();
            paging::list(
                call,
                ctx.site,
                &Listing::of("AccessControls", &["id"]),
                rows,
            )
        }
        (&Method::POST, []) => {
            let grant_id = format!("urn:vcloud:accessControl:{}", ctx.uuid());
            let grant = read(call, grant_id, ctx)?;
            let reply = Reply::json(201, call.version, &document(&grant, id, ctx));
            grants.insert(grant.id.clone(), grant);
            Ok(reply)
        }
        (_, [grant_id]) => {
            let known = grants.get(*grant_id).ok_or_else(|| {
                Problem::forbidden(format!("{grant_id} not found or you lack access to it."))
            })?;
            match *call.method {
                Method::GET => Ok(Reply::json(200, call.version, &document(known, id, ctx))),
                Method::PUT => {
                    let grant = read(call, (*grant_id).to_owned(), ctx)?;
                    let reply = Reply::json(200, call.version, &document(&grant, id, ctx));
                    grants.insert(grant.id.clone(), grant);
                    Ok(reply)
                }
                Method::DELETE => {
                    grants.remove(*grant_id);
                    Ok(Reply::empty(204))
                }
                _ => Err(Problem::wrong_method()),
            }
        }
        _ => Err(Problem::wrong_method()),
    }
}

fn read(call: &Call<'_>, id: String, ctx: &Context<'_>) -> Result<Grant, Problem> {
    let body: Value = call.json()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let level = text("accessLevelId").and_then(Level::parse);
    let level = level.ok_or_else(|| Problem::bad_request("accessLevelId is missing or unknown"))?;
    let grantee = match text("grantType") {
        Some("MembershipAccessControlGrant") => {
            text("memberId").map(|id| Grantee::Member(id.to_owned()))
        }
        Some("RightAccessControlGrant") => {
            let wanted = text("rightId").unwrap_or_default();
            let users = ctx
                .directory
                .users
                .values()
                .flat_map(|user| user.rights.iter());
            let mut names = users.chain(&ctx.directory.rights);
            let right = names.find(|name| derived_urn("right", name) == wanted);
            right.map(|name| Grantee::Right(name.clone()))
        }
        _ => None,
    };
    let grantee =
        grantee.ok_or_else(|| Problem::bad_request("the grantee is missing or unknown"))?;
    Ok(Grant {
        id,
        grantee,
        level,
        tenant_id: call.principal.acting_org_id.clone(),
    })
}

fn document(grant: &Grant, object_id: &str, ctx: &Context<'_>) -> Value {
    let (grant_type, member, right) = match &grant.grantee {
        Grantee::Member(id) => ("MembershipAccessControlGrant", Some(id.clone()), None),
        Grantee::Right(name) => (
            "RightAccessControlGrant",
            None,
            Some(derived_urn("right", name)),
        ),
    };
    json!({
        "id": grant.id,
        "grantType": grant_type,
        "memberId": member,
        "rightId": right,
        "accessLevelId": grant.level.urn(),
        "objectId": object_id,
        "tenant": {"id": grant.tenant_id, "name": ctx.directory.org_name(&grant.tenant_id)},
    })
}
