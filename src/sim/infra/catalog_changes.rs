//! Catalogs made, changed, shared, published and deleted.
//!
//! Invariants:
//! - A published catalog is seen by every organization whose user may see published catalogs; only its own
//!   organization and the provider change it.
//! - What is in a catalog goes with it, if the caller says so by `recursive` and `force`.
//!
//! Source: VCD API, `POST /api/admin/org/{uuid}/catalogs`, `/api/admin/catalog/{uuid}`; go-vcloud-director
//! `CreateCatalogWithStorageProfile`, `AdminCatalog`, `PublishToExternalOrganizations`, `SetAccessControl`.

use std::collections::BTreeMap;

use http::Method;

use super::access::{refused, require, right, sees};
use super::catalog_effects::{self, CatalogChange};
use super::operations::{Change, Kind, Operation};
use super::site::Catalog;
use super::vm_changes::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, checked};
use super::{Desk, Infra, catalogs, metadata, require_method, sharing};
use crate::sim::call::Call;
use crate::sim::directory::bare;
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::{Reference, Starter};
use crate::sim::xml::Element;

/// The catalog, if it is of an organization the caller acts in.
pub(crate) fn own_catalog<'a>(
    call: &Call<'_>,
    infra: &'a Infra,
    uuid: &str,
) -> Result<&'a Catalog, Problem> {
    let found = infra.catalogs.get(uuid);
    let found = found.filter(|one| sees(&call.principal, &one.org_id));
    found.ok_or_else(|| refused("Base", "CATALOG_VIEW", uuid))
}

/// Answers `POST /api/admin/org/{uuid}/catalogs` with 201 and the catalog.
pub(crate) fn create(desk: &mut Desk<'_, '_>, org: &str) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::POST)?;
    let org_id = format!("urn:vcloud:org:{}", bare(org));
    let known = desk.ctx.directory.orgs.contains_key(&org_id);
    if !known || !sees(&desk.call.principal, &org_id) {
        return Err(refused("Base", "ORG_VIEW", org));
    }
    require(desk.call, right::CATALOG_CREATE, "CATALOG_CREATE", org)?;
    let body = desk.call.document("AdminCatalog")?;
    let (name, description) = names(&body)?;
    require_free_name(desk.infra, &org_id, &name, None)?;
    let profiles = body.get("CatalogStorageProfiles");
    let profile = profiles.and_then(|all| all.get("VdcStorageProfile"));
    let storage_profile = match profile.and_then(|one| one.attribute("href")) {
        Some(href) => Some(storage_profile(desk.infra, &org_id, bare(href))?),
        None => None,
    };
    let catalog = Catalog {
        uuid: desk.ctx.uuid(),
        name,
        description,
        org_id,
        owner: Starter::of(desk.call).user(desk.ctx.site),
        created: desk.ctx.wall,
        storage_profile,
        sharing: sharing::Sharing::default(),
        published: false,
        published_outside: false,
        metadata: BTreeMap::new(),
    };
    let uuid = catalog.uuid.clone();
    desk.ctx.history.count("catalog.created", &catalog.name);
    desk.infra.catalogs.insert(uuid.clone(), catalog);
    let href = format!("{}/api/admin/catalog/{uuid}", desk.ctx.site);
    let reply = catalogs::catalog_reply(desk.call, desk.ctx, desk.infra, (&uuid, true, 201))?;
    Ok(reply.with_header("location", href))
}

fn names(body: &Element) -> Result<(String, String), Problem> {
    let name = body.attribute("name").unwrap_or_default();
    let description = body.text_of("Description").unwrap_or_default();
    Ok((
        checked("name", name, MAX_NAME_CHARS)?,
        checked("Description", description, MAX_DESCRIPTION_CHARS)?,
    ))
}

fn require_free_name(
    infra: &Infra,
    org_id: &str,
    name: &str,
    own: Option<&str>,
) -> Result<(), Problem> {
    let mut others = infra.catalogs.values();
    if others.any(|one| one.org_id == org_id && one.name == name && Some(one.uuid.as_str()) != own)
    {
        let text = format!("The VCD entity {name} already exists.");
        return Err(Problem::new(400, "DUPLICATE_NAME", text));
    }
    Ok(())
}

fn storage_profile(infra: &Infra, org_id: &str, uuid: &str) -> Result<String, Problem> {
    let profile = infra.storage_profiles.get(uuid);
    let vdc = profile.and_then(|profile| infra.vdcs.get(&profile.vdc));
    match vdc.filter(|vdc| vdc.org_id == org_id) {
        Some(_) => Ok(uuid.to_owned()),
        None => Err(Problem::new(
            400,
            "INVALID_REFERENCE",
            format!("The storage profile {uuid} is not available in this organization."),
        )),
    }
}

/// Answers requests below `/api/catalog/{uuid}/metadata`.
fn metadata_of(desk: &mut Desk<'_, '_>, catalog: Catalog, path: &[&str]) -> Result<Reply, Problem> {
    let object = metadata::Object {
        uuid: catalog.uuid.clone(),
        free: desk.infra.require_free("catalog", &catalog.uuid),
        right: right::CATALOG_EDIT,
        owner: catalog_reference(desk.ctx.site, &catalog),
        values: catalog.metadata,
    };
    metadata::handle(desk, object, path)
}

/// Answers what changes a catalog, below `/api/admin/catalog/{uuid}` (`admin`) or `/api/catalog/{uuid}`.
pub(crate) fn handle(
    desk: &mut Desk<'_, '_>,
    (uuid, admin): (&str, bool),
    rest: &[&str],
) -> Result<Reply, Problem> {
    if let ["metadata", path @ ..] = rest {
        let catalog = catalogs::visible_catalog(desk.call, desk.infra, uuid)?.clone();
        return metadata_of(desk, catalog, path);
    }
    let catalog = own_catalog(desk.call, desk.infra, uuid)?.clone();
    match (desk.call.method, rest) {
        (&Method::GET, ["controlAccess"]) => {
            require(desk.call, right::CATALOGS, "CATALOG_VIEW", uuid)?;
            Ok(sharing::read(desk, &catalog.sharing))
        }
        (&Method::POST, ["action", "controlAccess"]) => {
            require(desk.call, right::CATALOG_SHARE, "CATALOG_SHARE", uuid)?;
            let sharing = sharing::parse(desk.call)?;
            let reply = sharing::read(desk, &sharing);
            change(desk, uuid, |catalog| catalog.sharing = sharing);
            Ok(reply)
        }
        (&Method::POST, ["action", "publish"]) if admin => {
            require(desk.call, right::CATALOG_PUBLISH, "CATALOG_PUBLISH", uuid)?;
            let body = desk.call.document("PublishCatalogParams")?;
            let published = body.text_of("IsPublished") == Some("true");
            change(desk, uuid, |catalog| catalog.published = published);
            Ok(Reply::empty(204))
        }
        (&Method::POST, ["action", "publishToExternalOrganizations"]) => {
            require(desk.call, right::CATALOG_PUBLISH, "CATALOG_PUBLISH", uuid)?;
            let body = desk.call.document("PublishExternalCatalogParams")?;
            let published = body.text_of("IsPublishedExternally") == Some("true");
            change(desk, uuid, |catalog| catalog.published_outside = published);
            Ok(Reply::empty(204))
        }
        (&Method::PUT, []) if admin => {
            require(desk.call, right::CATALOG_EDIT, "CATALOG_EDIT", uuid)?;
            desk.infra.require_free("catalog", uuid)?;
            let body = desk.call.document("AdminCatalog")?;
            let (name, description) = names(&body)?;
            require_free_name(desk.infra, &catalog.org_id, &name, Some(uuid))?;
            change(desk, uuid, |catalog| {
                catalog.name = name;
                catalog.description = description;
            });
            catalogs::catalog_reply(desk.call, desk.ctx, desk.infra, (uuid, true, 200))
        }
        (&Method::DELETE, []) if admin => delete(desk, &catalog),
        (_, [] | ["controlAccess"]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn change(desk: &mut Desk<'_, '_>, uuid: &str, how: impl FnOnce(&mut Catalog)) {
    if let Some(catalog) = desk.infra.catalogs.get_mut(uuid) {
        how(catalog);
    }
}

fn delete(desk: &mut Desk<'_, '_>, catalog: &Catalog) -> Result<Reply, Problem> {
    let uuid = &catalog.uuid;
    require(desk.call, right::CATALOG_CREATE, "CATALOG_DELETE", uuid)?;
    desk.infra.require_free("catalog", uuid)?;
    let items = desk.infra.items_of(uuid);
    let says = |name: &str| desk.call.query(name) == Some("true");
    if !items.is_empty() && !says("recursive") {
        return Err(Problem::bad_request(format!(
            "The catalog \"{}\" is not empty; it can be deleted with recursive=true only.",
            catalog.name
        )));
    }
    let uploading = items.iter().any(|object| {
        let upload = desk.infra.upload_of(object);
        upload.is_some_and(|upload| upload.as_ref().is_some_and(|one| one.status() == 0))
    });
    if uploading && !says("force") {
        return Err(Problem::bad_request(format!(
            "Items of the catalog \"{}\" have running tasks.",
            catalog.name
        )));
    }
    for object in &items {
        desk.infra.require_free("vapptemplate", object)?;
    }
    let owner = catalog_reference(desk.ctx.site, catalog);
    let change = CatalogChange::Delete {
        catalog: uuid.clone(),
    };
    let mut holds = items;
    holds.push(uuid.clone());
    let words = ("catalogDelete", "CATALOG_DELETE", "Deleting Catalog");
    Ok(submit(desk, words, (owner, holds), change))
}

/// Answers `DELETE` of a template or a medium with 202 and the task.
pub(crate) fn delete_item(
    desk: &mut Desk<'_, '_>,
    owner: Reference,
    catalog: &str,
) -> Result<Reply, Problem> {
    let object = bare(&owner.id).to_owned();
    own_catalog(desk.call, desk.infra, catalog)?;
    require(
        desk.call,
        right::TEMPLATE_EDIT,
        "CATALOG_ITEM_DELETE",
        &object,
    )?;
    desk.infra.require_free("vapptemplate", &object)?;
    let words = if desk.infra.media.contains_key(&object) {
        ("vdcDeleteMedia", "VDC_DELETE_MEDIA", "Deleting Media File")
    } else {
        (
            "vdcDeleteTemplate",
            "VDC_DELETE_TEMPLATE",
            "Deleting Virtual Application Template",
        )
    };
    let change = CatalogChange::DeleteItem {
        object: object.clone(),
    };
    Ok(submit(desk, words, (owner, vec![object]), change))
}

/// Answers `DELETE /api/catalogItem/{uuid}`: what is in it goes at once.
pub(crate) fn delete_at_once(
    desk: &mut Desk<'_, '_>,
    (object, catalog): (&str, &str),
) -> Result<Reply, Problem> {
    own_catalog(desk.call, desk.infra, catalog)?;
    require(
        desk.call,
        right::TEMPLATE_EDIT,
        "CATALOG_ITEM_DELETE",
        object,
    )?;
    desk.infra.require_free("vapptemplate", object)?;
    let change = CatalogChange::DeleteItem {
        object: object.to_owned(),
    };
    catalog_effects::apply(&change, desk.ctx, desk.infra)?;
    Ok(Reply::empty(204))
}

fn submit(
    desk: &mut Desk<'_, '_>,
    words: (&'static str, &'static str, &'static str),
    (owner, holds): (Reference, Vec<String>),
    change: CatalogChange,
) -> Reply {
    let starter = Starter::of(desk.call);
    let operation = Operation {
        kind: Kind {
            name: words.0,
            busy_name: words.1,
            verb: words.2,
            takes: desk.ctx.timings.delete,
        },
        starter: &starter,
        owner,
        holds,
        change: Change::Catalog(change),
    };
    let task = desk.infra.submit(operation, desk.ctx);
    desk.accepted(&task)
}

fn catalog_reference(site: &str, catalog: &Catalog) -> Reference {
    Reference {
        href: format!("{site}/api/catalog/{}", catalog.uuid),
        id: format!("urn:vcloud:catalog:{}", catalog.uuid),
        name: catalog.name.clone(),
        media_type: "application/vnd.vmware.vcloud.catalog+xml".to_owned(),
    }
}
