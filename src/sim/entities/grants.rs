//! Access control lists of entities and of entity types.
//!
//! Invariants:
//! - Whoever sees the object sees its list. Changing it takes read-write access, and nobody gives, changes
//!   or takes back more than it has.
//! - A grant goes to somebody who exists, and holds in the organization that the caller acts in.
//!
//! Not here: what a grant is worth (`sim::access`).
//! Source: VCD `OpenAPI` 37.2, access controls; "Defined Entity Operations Access Control".

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::sim::access::{Grant, Grantee, Level};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::derived_urn;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};
use crate::sim::rights;

const KEYS: [&str; 5] = ["id", "grantType", "memberId", "accessLevelId", "objectId"];

/// Answers `.../accessControls...` of the object `id`, on which the caller has the level given with the
/// list.
pub(crate) fn handle(
    call: &Call<'_>,
    (id, rest): (&str, &[&str]),
    ctx: &mut Context<'_>,
    (grants, level): (&mut BTreeMap<String, Grant>, Level),
) -> Result<Reply, Problem> {
    let may_set = |wanted: Level| {
        if level >= Level::ReadWrite && level >= wanted {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "{} of {} lacks the access to {id} to change this access control.",
            call.principal.user_name, call.principal.org_name
        )))
    };
    match (call.method, rest) {
        (&Method::GET, []) => {
            let rows = grants
                .values()
                .map(|grant| document(grant, id, ctx))
                .collect();
            let listing = Listing::of("AccessControlGrants", &KEYS);
            paging::list(call, ctx.site, &listing, rows)
        }
        (&Method::POST, []) => {
            may_set(Level::ReadWrite)?;
            let grant_id = format!("urn:vcloud:accessControl:{}", ctx.uuid());
            let grant = read(call, grant_id, ctx)?;
            may_set(grant.level)?;
            let reply = Reply::json(201, call.version, &document(&grant, id, ctx));
            grants.insert(grant.id.clone(), grant);
            Ok(reply)
        }
        (method, [grant_id]) => {
            let known = grants.get(*grant_id).ok_or_else(|| {
                Problem::forbidden(format!("{grant_id} not found or you lack access to it."))
            })?;
            if method == Method::GET {
                return Ok(Reply::json(200, call.version, &document(known, id, ctx)));
            }
            may_set(known.level)?;
            if method == Method::DELETE {
                grants.remove(*grant_id);
                return Ok(Reply::empty(204));
            }
            let grant = read(call, (*grant_id).to_owned(), ctx)?;
            may_set(grant.level)?;
            let reply = Reply::json(200, call.version, &document(&grant, id, ctx));
            grants.insert(grant.id.clone(), grant);
            Ok(reply)
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
        Some("MembershipAccessControlGrant") => text("memberId")
            .filter(|id| is_member(id, ctx))
            .map(|id| Grantee::Member(id.to_owned())),
        Some("RightAccessControlGrant") => {
            let wanted = text("rightId").unwrap_or_default();
            let known = rights::known(ctx.directory);
            let mut names = known.into_iter();
            let right = names.find(|name| derived_urn("right", name) == wanted);
            right.map(|name| Grantee::Right(name.to_owned()))
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

/// Whether `id` is a user, an organization or a role.
fn is_member(id: &str, ctx: &Context<'_>) -> bool {
    let directory = &ctx.directory;
    directory.users.contains_key(id)
        || directory.orgs.contains_key(id)
        || directory.right_sets.contains_key(id)
        || directory.users.values().any(|user| user.role_id() == id)
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
