//! Which organizations have which global roles and bundles, and what that does to their users.
//!
//! Invariants:
//! - A right on an entity type is worth something to a tenant only while a bundle publishes it there.
//!
//! Rights that every organization has by default are in no bundle here, so only rights on entity types,
//! which come with a bundle of their own, are withheld.
//! Source: VCD `OpenAPI`, `tenants` of `globalRoles` and `rightsBundles`.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Method;
use serde_json::Value;

use super::{Kind, RightSet};
use crate::sim::call::Call;
use crate::sim::directory::{Directory, is_system, role_id};
use crate::sim::reply::Problem;

impl RightSet {
    fn reaches(&self, org_id: &str) -> bool {
        self.published_to_all || self.tenants.contains(org_id)
    }
}

/// The roles that an organization has from published global roles.
pub(super) fn roles_of(org_id: &str, directory: &Directory) -> Vec<RightSet> {
    if directory.org_name(org_id).is_none_or(is_system) {
        return Vec::new();
    }
    let sets = directory.right_sets.values();
    let global = sets.filter(|set| set.kind == Kind::GlobalRole && set.reaches(org_id));
    let role = |set: &RightSet| RightSet {
        kind: Kind::Role,
        id: role_id(org_id, &set.name),
        org_id: Some(org_id.to_owned()),
        tenants: BTreeSet::new(),
        published_to_all: false,
        ..set.clone()
    };
    global.map(role).collect()
}

/// Whether a role is a published global role, which its organization cannot change.
pub(super) fn is_given(set: &RightSet, directory: &Directory) -> bool {
    let org_id = set.org_id.as_deref().filter(|_| set.kind == Kind::Role);
    !directory.right_sets.contains_key(&set.id)
        && org_id.is_some_and(|org_id| {
            let mut given = roles_of(org_id, directory).into_iter();
            given.any(|role| role.id == set.id)
        })
}

/// `PUT .../tenants` and `POST .../tenants/{verb}`.
pub(super) fn change(
    call: &Call<'_>,
    rest: &[&str],
    set: &mut RightSet,
    directory: &Directory,
) -> Result<(), Problem> {
    match (call.method, rest) {
        (&Method::PUT, []) => set.tenants = named(call, directory)?,
        (&Method::POST, ["publishAll"]) => set.published_to_all = true,
        (&Method::POST, ["unpublishAll"]) => {
            set.published_to_all = false;
            set.tenants.clear();
        }
        (&Method::POST, ["publish"]) => set.tenants.extend(named(call, directory)?),
        (&Method::POST, ["unpublish"]) => {
            let named = named(call, directory)?;
            set.tenants.retain(|org| !named.contains(org));
        }
        _ => return Err(Problem::wrong_method()),
    }
    Ok(())
}

/// URNs of the organizations in a body: references under `values`, or a bare array of them.
fn named(call: &Call<'_>, directory: &Directory) -> Result<BTreeSet<String>, Problem> {
    let body = call.json()?;
    let list = body.get("values").unwrap_or(&body).as_array().cloned();
    let list = list.ok_or_else(|| Problem::bad_request("The body is no list of organizations"))?;
    let id = |org: &Value| {
        let id = org.get("id").and_then(Value::as_str).unwrap_or_default();
        if directory.orgs.contains_key(id) {
            return Ok(id.to_owned());
        }
        Err(Problem::bad_request(format!(
            "There is no organization {id}."
        )))
    };
    list.iter().map(id).collect()
}

/// Lets the tenants feel that the bundles of these rights changed.
pub(super) fn settle(directory: &mut Directory, rights: &BTreeSet<String>) {
    let touched: BTreeSet<&String> = rights.iter().filter(|right| is_of_type(right)).collect();
    let users: Vec<String> = directory
        .users
        .values()
        .filter(|user| {
            directory
                .org_name(&user.org_id)
                .is_some_and(|org| !is_system(org))
        })
        .map(|user| user.id.clone())
        .collect();
    for user in users {
        let Some(found) = directory.users.get(&user) else {
            continue;
        };
        let role = role_rights(&user, directory);
        let published = |right: &String| is_published(right, &found.org_id, directory);
        let mut held = (*found.rights).clone();
        held.retain(|right| !touched.contains(right) || published(right));
        let regained = role.into_iter().flatten();
        held.extend(regained.filter(|right| touched.contains(right) && published(right)));
        if let Some(found) = directory.users.get_mut(&user) {
            found.rights = Arc::new(held);
        }
    }
}

/// Gives a user what its role permits, and its organization is given.
pub(super) fn settle_user(directory: &mut Directory, user: &str) {
    let Some(mut rights) = role_rights(user, directory) else {
        return;
    };
    let org_id = directory.users.get(user).map(|user| user.org_id.clone());
    let org_id = org_id.unwrap_or_default();
    rights.retain(|right| !is_of_type(right) || is_published(right, &org_id, directory));
    if let Some(found) = directory.users.get_mut(user) {
        found.rights = Arc::new(rights);
    }
}

/// The rights of the user's role as it is registered; `None` when only users tell of it.
fn role_rights(user: &str, directory: &Directory) -> Option<BTreeSet<String>> {
    let user = directory.users.get(user)?;
    let own = directory.right_sets.get(&user.role_id()).cloned();
    let given = || {
        let mut sets = directory.right_sets.values();
        sets.find(|set| set.kind == Kind::GlobalRole && set.name == user.role)
            .cloned()
    };
    Some(own.or_else(given)?.rights)
}

/// Whether the right is one on an entity type, such as `vmware:capvcdCluster: View`.
fn is_of_type(right: &str) -> bool {
    right
        .split_once(": ")
        .is_some_and(|(prefix, _)| prefix.contains(':'))
}

fn is_published(right: &str, org_id: &str, directory: &Directory) -> bool {
    if directory.org_name(org_id).is_none_or(is_system) {
        return true;
    }
    let mut sets = directory.right_sets.values();
    sets.any(|set| set.kind == Kind::Bundle && set.reaches(org_id) && set.rights.contains(right))
}
