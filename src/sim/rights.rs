//! Rights, roles, global roles and rights bundles.
//!
//! Invariants:
//! - Registering an entity type brings its five rights and its bundle into being; System
//!   Administrators hold them at once, everybody else by role.
//! - A changed role changes its users. A session that came from an API token only reads here.
//! - A global role that is published to an organization is a role there, which only reads.
//! - Bundles and global roles are the provider's.
//!
//! Flow: `documents` shows single rights, `publishing` says which organizations have what.
//!
//! Not here: what a right permits (each handler).
//! Source: VCD `OpenAPI`, `rights`, `roles`, `globalRoles`, `rightsBundles`.

mod documents;
mod publishing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::Call;
use super::context::Context;
use super::directory::{Directory, derived_urn, role_id};
use super::paging::{self, Listing};
use super::reply::{Problem, Reply};

const KEYS: [&str; 2] = ["id", "name"];

/// The three kinds of named sets of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Role,
    GlobalRole,
    Bundle,
}

impl Kind {
    fn of(area: &str) -> Option<Self> {
        match area {
            "roles" => Some(Self::Role),
            "globalRoles" => Some(Self::GlobalRole),
            "rightsBundles" => Some(Self::Bundle),
            _ => None,
        }
    }

    const fn model(self) -> &'static str {
        match self {
            Self::Role => "Roles",
            Self::GlobalRole => "GlobalRoles",
            Self::Bundle => "RightsBundles",
        }
    }

    const fn urn_kind(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::GlobalRole => "globalRole",
            Self::Bundle => "rightsBundle",
        }
    }
}

/// A named set of rights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RightSet {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// Organization of a role.
    pub(crate) org_id: Option<String>,
    /// By name.
    pub(crate) rights: BTreeSet<String>,
    /// Organizations it is published to.
    pub(crate) tenants: BTreeSet<String>,
    pub(crate) published_to_all: bool,
}

/// Names of the rights on the entity type `prefix`, such as `vmware:capvcdCluster`.
pub(crate) fn of_type(prefix: &str) -> [String; 5] {
    [
        "View",
        "Modify",
        "Full Access",
        "Administrator View",
        "Administrator Full access",
    ]
    .map(|right| format!("{prefix}: {right}"))
}

/// Brings the rights and the bundle of a new entity type into being.
pub(crate) fn add_type(directory: &mut Directory, prefix: &str) {
    let rights = of_type(prefix);
    directory.rights.extend(rights.clone());
    let name = format!("{prefix} Entitlement");
    let id = derived_urn(Kind::Bundle.urn_kind(), &name);
    let bundle = RightSet {
        kind: Kind::Bundle,
        id: id.clone(),
        name,
        description: String::new(),
        org_id: None,
        rights: rights.iter().cloned().collect(),
        tenants: BTreeSet::new(),
        published_to_all: false,
    };
    directory.right_sets.entry(id).or_insert(bundle);
    for user in directory
        .users
        .values_mut()
        .filter(|user| user.role == "System Administrator")
    {
        Arc::make_mut(&mut user.rights).extend(rights.clone());
    }
}

/// Takes the rights and the bundle of an entity type away with its last version.
pub(crate) fn remove_type(directory: &mut Directory, prefix: &str) {
    let gone = of_type(prefix);
    directory.rights.retain(|right| !gone.contains(right));
    let bundle = derived_urn(Kind::Bundle.urn_kind(), &format!("{prefix} Entitlement"));
    directory.right_sets.remove(&bundle);
    for set in directory.right_sets.values_mut() {
        set.rights.retain(|right| !gone.contains(right));
    }
    for user in directory.users.values_mut() {
        if gone.iter().any(|right| user.rights.contains(right)) {
            Arc::make_mut(&mut user.rights).retain(|right| !gone.contains(right));
        }
    }
}

/// Names of all rights there are.
pub(crate) fn known(directory: &Directory) -> BTreeSet<&str> {
    let users = directory.users.values();
    let held = users.flat_map(|user| user.rights.iter());
    let known = directory.rights.iter().chain(held);
    known.map(String::as_str).collect()
}

/// Answers `/cloudapi/1.0.0/{rights|roles|globalRoles|rightsBundles}...`.
pub(crate) fn handle(
    call: &Call<'_>,
    (area, rest): (&str, &[&str]),
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    if *call.method != Method::GET {
        may_change(call)?;
    }
    let Some(kind) = Kind::of(area) else {
        return documents::handle(call, (area, rest), ctx);
    };
    if kind != Kind::Role && !call.principal.provider {
        return Err(Problem::forbidden("Access is forbidden"));
    }
    match (call.method, rest) {
        (&Method::GET, []) => {
            let rows = visible(call, kind, ctx.directory);
            let rows = rows.values().map(|set| document(set, ctx.directory));
            let listing = Listing::of(kind.model(), &KEYS);
            paging::list(call, ctx.site, &listing, rows.collect())
        }
        (&Method::POST, []) => create(call, kind, ctx),
        (_, [id, rest @ ..]) => one(call, kind, (id, rest), ctx),
        _ => Err(Problem::wrong_method()),
    }
}

fn not_found() -> Problem {
    Problem::forbidden("The object does not exist or you lack access to it.")
}

fn may_change(call: &Call<'_>) -> Result<(), Problem> {
    if call.principal.by_token {
        return Err(Problem::forbidden(
            "A session created from an API token cannot change roles, global roles or rights bundles.",
        ));
    }
    let who = &call.principal;
    if who.provider || who.has("Role: Create, Edit, Delete, or Copy") {
        Ok(())
    } else {
        Err(Problem::forbidden("Access is forbidden"))
    }
}

/// The sets of `kind` the caller may see.
fn visible(call: &Call<'_>, kind: Kind, directory: &Directory) -> BTreeMap<String, RightSet> {
    let who = &call.principal;
    if kind == Kind::Role {
        return roles_in(directory, &who.acting_org_id);
    }
    let sets = directory.right_sets.values();
    let sets = sets.filter(|set| {
        let org = set.org_id.as_ref();
        set.kind == kind && org.map_or(who.provider, |org| *org == who.acting_org_id)
    });
    sets.map(|set| (set.id.clone(), set.clone())).collect()
}

/// All roles of an organization by URN: registered ones, those given to it, and those that only users
/// tell of.
pub(crate) fn roles_in(directory: &Directory, org_id: &str) -> BTreeMap<String, RightSet> {
    let own = directory.right_sets.values();
    let own = own.filter(|set| set.kind == Kind::Role && set.org_id.as_deref() == Some(org_id));
    let mut sets: BTreeMap<String, RightSet> =
        own.map(|set| (set.id.clone(), set.clone())).collect();
    for role in publishing::roles_of(org_id, directory) {
        sets.entry(role.id.clone()).or_insert(role);
    }
    let users = directory.users.values();
    for user in users.filter(|user| user.org_id == org_id) {
        let id = user.role_id();
        sets.entry(id.clone()).or_insert_with(|| RightSet {
            kind: Kind::Role,
            id,
            name: user.role.clone(),
            description: String::new(),
            org_id: Some(user.org_id.clone()),
            rights: (*user.rights).clone(),
            tenants: BTreeSet::new(),
            published_to_all: false,
        });
    }
    sets
}

fn document(set: &RightSet, directory: &Directory) -> Value {
    let mut document = json!({
        "id": set.id,
        "name": set.name,
        "description": set.description,
        "bundleKey": "com.vmware.vcloud.undefined.key",
        "readOnly": publishing::is_given(set, directory),
    });
    if set.kind != Kind::Role
        && let Some(document) = document.as_object_mut()
    {
        document.insert("publishAll".to_owned(), json!(set.published_to_all));
    }
    document
}

fn create(call: &Call<'_>, kind: Kind, ctx: &mut Context<'_>) -> Result<Reply, Problem> {
    let body = call.json()?;
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        return Err(Problem::bad_request("name is missing"));
    }
    let org_id = (kind == Kind::Role).then(|| call.principal.acting_org_id.clone());
    let id = match &org_id {
        Some(org) => role_id(org, name),
        None => derived_urn(kind.urn_kind(), name),
    };
    if visible(call, kind, ctx.directory).contains_key(&id) {
        return Err(Problem::new(
            400,
            "DUPLICATE_NAME",
            format!("The name {name} is already in use."),
        ));
    }
    let set = RightSet {
        kind,
        id: id.clone(),
        name: name.to_owned(),
        description: body
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        org_id,
        rights: BTreeSet::new(),
        tenants: BTreeSet::new(),
        published_to_all: false,
    };
    let reply = Reply::json(201, call.version, &document(&set, ctx.directory));
    ctx.directory.right_sets.insert(id, set);
    Ok(reply)
}

fn one(
    call: &Call<'_>,
    kind: Kind,
    (id, rest): (&str, &[&str]),
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    let mut set = visible(call, kind, ctx.directory)
        .remove(id)
        .ok_or_else(not_found)?;
    if *call.method == Method::GET {
        return read(call, rest, &set, ctx);
    }
    if publishing::is_given(&set, ctx.directory) {
        return Err(Problem::forbidden(format!(
            "The role {} is read-only.",
            set.name
        )));
    }
    let reply = match (call.method, rest) {
        (&Method::DELETE, []) => {
            delete(&set, ctx.directory)?;
            return Ok(Reply::empty(204));
        }
        (&Method::PUT, []) => {
            let body = call.json()?;
            let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
            set.name = text("name").unwrap_or(set.name);
            set.description = text("description").unwrap_or(set.description);
            Reply::json(200, call.version, &document(&set, ctx.directory))
        }
        (&Method::POST | &Method::PUT, ["rights"]) => {
            let named = values(call, ctx.directory)?;
            if *call.method == Method::PUT {
                set.rights.clear();
            }
            set.rights.extend(named);
            read(call, rest, &set, ctx)?
        }
        (&Method::POST | &Method::PUT, ["tenants", rest @ ..]) if kind != Kind::Role => {
            publishing::change(call, rest, &mut set, ctx.directory)?;
            read(call, &["tenants"], &set, ctx)?
        }
        _ => return Err(Problem::wrong_method()),
    };
    store(set, ctx.directory);
    Ok(reply)
}

fn delete(set: &RightSet, directory: &mut Directory) -> Result<(), Problem> {
    let held = set.kind == Kind::Role
        && directory
            .users
            .values()
            .any(|user| user.role_id() == set.id);
    if held {
        let message = format!("The role {} is in use.", set.name);
        return Err(Problem::bad_request(message));
    }
    directory.right_sets.remove(&set.id);
    publishing::settle(directory, &set.rights);
    Ok(())
}

fn read(
    call: &Call<'_>,
    rest: &[&str],
    set: &RightSet,
    ctx: &Context<'_>,
) -> Result<Reply, Problem> {
    match rest {
        [] => Ok(Reply::json(
            200,
            call.version,
            &document(set, ctx.directory),
        )),
        ["rights"] => {
            let rows = set.rights.iter().map(|name| documents::right(name));
            let listing = Listing::of("EntityReferences", &KEYS);
            paging::list(call, ctx.site, &listing, rows.collect())
        }
        ["tenants"] if set.kind != Kind::Role => {
            let named = |id: &String| json!({"id": id, "name": ctx.directory.org_name(id)});
            let rows = set.tenants.iter().map(named).collect();
            let listing = Listing::of("EntityReferences", &KEYS);
            paging::list(call, ctx.site, &listing, rows)
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// Name and rights of a role of the organization, known by its id or by its name.
pub(crate) fn role_of(
    directory: &Directory,
    org_id: &str,
    (id, name): (&str, &str),
) -> Option<(String, BTreeSet<String>)> {
    let wanted = |role_id: &str, role: &str| role_id == id || (id.is_empty() && role == name);
    let own = directory
        .right_sets
        .values()
        .filter(|set| set.kind == Kind::Role && set.org_id.as_deref() == Some(org_id));
    let given = publishing::roles_of(org_id, directory);
    let mut sets = own.cloned().chain(given);
    if let Some(set) = sets.find(|set| wanted(&set.id, &set.name)) {
        return Some((set.name, set.rights));
    }
    let mut users = directory.users.values();
    let user = users.find(|user| user.org_id == org_id && wanted(&user.role_id(), &user.role))?;
    Some((user.role.clone(), (*user.rights).clone()))
}

/// Stores `set` and lets those who depend on it feel it.
fn store(set: RightSet, directory: &mut Directory) {
    let (id, kind, name) = (set.id.clone(), set.kind, set.name.clone());
    let mut touched = set.rights.clone();
    let before = directory.right_sets.insert(id.clone(), set);
    touched.extend(before.into_iter().flat_map(|before| before.rights));
    if kind == Kind::Bundle {
        publishing::settle(directory, &touched);
        return;
    }
    let users = directory.users.values().filter(|user| match kind {
        Kind::Role => user.role_id() == id,
        Kind::GlobalRole | Kind::Bundle => user.role == name,
    });
    let users: Vec<String> = users.map(|user| user.id.clone()).collect();
    for user in users {
        publishing::settle_user(directory, &user);
    }
}

/// The rights named in `{"values": [{"name", "id"}]}`; an unknown one is a 400.
fn values(call: &Call<'_>, directory: &Directory) -> Result<BTreeSet<String>, Problem> {
    let body = call.json()?;
    let values = body
        .get("values")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut names = BTreeSet::new();
    for value in &values {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let meant = |name: &&str| *name == text("name") || derived_urn("right", name) == text("id");
        let found = known(directory).into_iter().find(meant);
        let name = found.ok_or_else(|| {
            Problem::bad_request(format!(
                "There is no right {} {}.",
                text("name"),
                text("id")
            ))
        })?;
        names.insert(name.to_owned());
    }
    Ok(names)
}
