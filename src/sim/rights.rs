//! Rights, roles, global roles and rights bundles.
//!
//! Invariants:
//! - Registering an entity type brings its five rights and its bundle into being; System
//!   Administrators hold them at once, everybody else by role.
//! - A changed role changes its users. A session that came from an API token only reads here.
//!
//! Not here: what a right permits (each handler).
//! Source: VCD `OpenAPI`, `rights`, `roles`, `globalRoles`, `rightsBundles`.

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
        return single_rights(call, rest, ctx);
    };
    match (call.method, rest) {
        (&Method::GET, []) => {
            let rows = visible(call, kind, ctx.directory);
            let rows = rows.values().map(document).collect();
            paging::list(
                call,
                ctx.site,
                &Listing::of("RightSets", &["id", "name"]),
                rows,
            )
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
    if call.principal.provider {
        Ok(())
    } else {
        Err(Problem::forbidden("Access is forbidden"))
    }
}

fn single_rights(call: &Call<'_>, rest: &[&str], ctx: &Context<'_>) -> Result<Reply, Problem> {
    let mut known: BTreeSet<&String> = ctx
        .directory
        .users
        .values()
        .flat_map(|user| user.rights.iter())
        .collect();
    known.extend(&ctx.directory.rights);
    known.retain(|right| call.principal.provider || call.principal.has(right));
    let rows: Vec<Value> = known.into_iter().map(|name| right_document(name)).collect();
    match (call.method, rest) {
        (&Method::GET, []) => paging::list(
            call,
            ctx.site,
            &Listing::of("Rights", &["id", "name", "rightType"]),
            rows,
        ),
        (&Method::GET, [id]) => {
            let row = rows
                .iter()
                .find(|row| row.get("id").is_some_and(|own| own == id));
            Ok(Reply::json(200, call.version, row.ok_or_else(not_found)?))
        }
        _ => Err(Problem::wrong_method()),
    }
}

fn right_document(name: &str) -> Value {
    let category = name.split(':').next().unwrap_or_default();
    json!({
        "id": derived_urn("right", name),
        "name": name,
        "description": name,
        "category": derived_urn("rightsCategory", category),
        "bundleKey": null,
        "rightType": if name.ends_with("View") { "VIEW" } else { "MODIFY" },
        "impliedRights": [],
    })
}

/// The sets of `kind` the caller may see: registered ones, and roles that only users tell of.
fn visible(call: &Call<'_>, kind: Kind, directory: &Directory) -> BTreeMap<String, RightSet> {
    let who = &call.principal;
    let registered = directory.right_sets.values().filter(|set| {
        set.kind == kind
            && set
                .org_id
                .as_ref()
                .map_or(who.provider, |org| *org == who.acting_org_id)
    });
    let mut sets: BTreeMap<String, RightSet> = registered
        .map(|set| (set.id.clone(), set.clone()))
        .collect();
    if kind == Kind::Role {
        for user in directory
            .users
            .values()
            .filter(|user| user.org_id == who.acting_org_id)
        {
            let id = user.role_id();
            sets.entry(id.clone()).or_insert_with(|| RightSet {
                kind,
                id,
                name: user.role.clone(),
                description: String::new(),
                org_id: Some(user.org_id.clone()),
                rights: (*user.rights).clone(),
                tenants: BTreeSet::new(),
                published_to_all: false,
            });
        }
    }
    sets
}

fn document(set: &RightSet) -> Value {
    json!({
        "id": set.id,
        "name": set.name,
        "description": set.description,
        "bundleKey": "com.vmware.vcloud.undefined.key",
        "readOnly": false,
        "publishAll": set.published_to_all,
    })
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
    let reply = Reply::json(201, call.version, &document(&set));
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
    let reply = match (call.method, rest) {
        (&Method::GET, rest) => return read(call, rest, &set, ctx),
        (&Method::DELETE, []) => {
            ctx.directory.right_sets.remove(id);
            return Ok(Reply::empty(204));
        }
        (&Method::PUT, []) => {
            let body = call.json()?;
            let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
            set.name = text("name").unwrap_or(set.name);
            set.description = text("description").unwrap_or(set.description);
            Reply::json(200, call.version, &document(&set))
        }
        (&Method::POST | &Method::PUT, ["rights"]) => {
            let named = values(call, ctx.directory)?;
            if *call.method == Method::PUT {
                set.rights.clear();
            }
            set.rights.extend(named);
            read(call, rest, &set, ctx)?
        }
        (&Method::POST, ["tenants", verb]) => {
            publish(call, verb, &mut set)?;
            Reply::json(200, call.version, &json!({}))
        }
        _ => return Err(Problem::wrong_method()),
    };
    store(set, ctx.directory);
    Ok(reply)
}

fn read(
    call: &Call<'_>,
    rest: &[&str],
    set: &RightSet,
    ctx: &Context<'_>,
) -> Result<Reply, Problem> {
    let keys = ["id", "name"];
    match rest {
        [] => Ok(Reply::json(200, call.version, &document(set))),
        ["rights"] => {
            let rows = set.rights.iter().map(|name| right_document(name)).collect();
            paging::list(call, ctx.site, &Listing::of("Rights", &keys), rows)
        }
        ["tenants"] => {
            let named = |id: &String| json!({"id": id, "name": ctx.directory.org_name(id)});
            let rows = set.tenants.iter().map(named).collect();
            paging::list(call, ctx.site, &Listing::of("Tenants", &keys), rows)
        }
        _ => Err(Problem::wrong_method()),
    }
}

fn publish(call: &Call<'_>, verb: &str, set: &mut RightSet) -> Result<(), Problem> {
    let named = || -> Result<Vec<String>, Problem> {
        let body = call.json()?;
        let ids = body
            .get("values")
            .unwrap_or(&body)
            .as_array()
            .cloned()
            .unwrap_or_default();
        let ids = ids
            .iter()
            .filter_map(|org| org.get("id").and_then(Value::as_str));
        Ok(ids.map(str::to_owned).collect())
    };
    match verb {
        "publishAll" => set.published_to_all = true,
        "unpublishAll" => {
            set.published_to_all = false;
            set.tenants.clear();
        }
        "publish" => set.tenants.extend(named()?),
        "unpublish" => {
            let named = named()?;
            set.tenants.retain(|org| !named.contains(org));
        }
        _ => return Err(not_found()),
    }
    Ok(())
}

/// Stores `set` and gives the users of the role its rights.
fn store(set: RightSet, directory: &mut Directory) {
    for user in directory.users.values_mut() {
        let holds = match set.kind {
            Kind::Role => user.role_id() == set.id,
            Kind::GlobalRole => user.role == set.name,
            Kind::Bundle => false,
        };
        if holds {
            user.rights = Arc::new(set.rights.clone());
        }
    }
    directory.right_sets.insert(set.id.clone(), set);
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
        let mut known = directory
            .rights
            .iter()
            .chain(directory.users.values().flat_map(|user| user.rights.iter()));
        let found =
            known.find(|name| *name == text("name") || derived_urn("right", name) == text("id"));
        let name = found.ok_or_else(|| {
            Problem::bad_request(format!(
                "There is no right {} {}.",
                text("name"),
                text("id")
            ))
        })?;
        names.insert(name.clone());
    }
    Ok(names)
}
