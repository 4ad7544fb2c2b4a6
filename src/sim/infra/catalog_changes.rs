//! Catalogs made, described anew and deleted by administrators, and their metadata.
//!
//! Flow: a catalog is there when the answer is sent; its deletion is a task that takes its content along.
//!
//! Not here: what catalogs look like (`infra::catalogs`), what goes into them (uploads are not simulated).
//! Source: VCD API, `POST /api/admin/org/{id}/catalogs`, `/api/admin/catalog/{id}`.

use std::collections::BTreeMap;

use http::Method;

use super::access::{refused, require, right, sees};
use super::catalogs;
use super::operations::{Change, Kind, Operation};
use super::site::Catalog;
use super::vm_changes::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, checked};
use super::{Desk, metadata, require_method};
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::{Reference, Starter};

/// Answers `POST /api/admin/org/{org}/catalogs` with 201 and the catalog.
pub(crate) fn create(desk: &mut Desk<'_, '_>, org: &str) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::POST)?;
    let org_id = format!("urn:vcloud:org:{org}");
    let known = desk.ctx.directory.orgs.contains_key(&org_id);
    if !known || !sees(&desk.call.principal, &org_id) {
        return Err(refused("Base", "ORG_VIEW", org));
    }
    require(desk.call, right::CATALOG_CREATE, "CATALOG_CREATE", org)?;
    let body = desk.call.document("AdminCatalog")?;
    let name = body.attribute("name").unwrap_or_default();
    let text = body.text_of("Description").unwrap_or_default();
    let catalog = Catalog {
        uuid: desk.ctx.uuid(),
        name: checked("name", name, MAX_NAME_CHARS)?,
        description: checked("Description", text, MAX_DESCRIPTION_CHARS)?,
        org_id,
        owner: Starter::of(desk.call).user(desk.ctx.site),
        created: desk.ctx.wall,
        metadata: BTreeMap::new(),
    };
    require_free_name(desk, &catalog)?;
    let uuid = catalog.uuid.clone();
    desk.infra.catalogs.insert(uuid.clone(), catalog);
    let mut reply = catalogs::document(desk.call, desk.ctx, desk.infra, (&uuid, true))?;
    reply.status = 201;
    let place = format!("{}/api/admin/catalog/{uuid}", desk.ctx.site);
    Ok(reply.with_header("location", place))
}

/// Answers `PUT` and `DELETE` of `/api/admin/catalog/{id}`.
pub(crate) fn handle(desk: &mut Desk<'_, '_>, uuid: &str) -> Result<Reply, Problem> {
    let mut catalog = catalogs::visible_catalog(desk.call, desk.infra, uuid)?.clone();
    match *desk.call.method {
        Method::PUT => {
            require(desk.call, right::CATALOG_EDIT, "CATALOG_EDIT", uuid)?;
            let body = desk.call.document("AdminCatalog")?;
            if let Some(name) = body.attribute("name") {
                catalog.name = checked("name", name, MAX_NAME_CHARS)?;
            }
            let text = body.text_of("Description").unwrap_or_default();
            catalog.description = checked("Description", text, MAX_DESCRIPTION_CHARS)?;
            require_free_name(desk, &catalog)?;
            desk.infra.catalogs.insert(uuid.to_owned(), catalog);
            catalogs::document(desk.call, desk.ctx, desk.infra, (uuid, true))
        }
        Method::DELETE => {
            require(desk.call, right::CATALOG_CREATE, "CATALOG_DELETE", uuid)?;
            desk.infra.require_free("catalog", uuid)?;
            let templates = desk.infra.templates.values();
            let mut places = templates
                .map(|one| &one.catalog)
                .chain(desk.infra.media.values().map(|one| &one.catalog));
            let holds_something = places.any(|place| place == uuid);
            if holds_something && desk.call.query("recursive") != Some("true") {
                let text = format!("The catalog \"{}\" is not empty.", catalog.name);
                return Err(Problem::bad_request(text));
            }
            let operation = Operation {
                kind: Kind {
                    name: "catalogDelete",
                    busy_name: "CATALOG_DELETE",
                    verb: "Deleting Catalog",
                    takes: desk.ctx.timings.delete,
                },
                starter: &Starter::of(desk.call),
                owner: reference(&catalog, desk.ctx.site),
                holds: vec![uuid.to_owned()],
                change: Change::DeleteCatalog {
                    catalog: uuid.to_owned(),
                },
            };
            let task = desk.infra.submit(operation, desk.ctx);
            Ok(desk.accepted(&task))
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// Answers requests below `/api/catalog/{id}/metadata`.
pub(crate) fn metadata(
    desk: &mut Desk<'_, '_>,
    uuid: &str,
    path: &[&str],
) -> Result<Reply, Problem> {
    let catalog = catalogs::visible_catalog(desk.call, desk.infra, uuid)?.clone();
    let object = metadata::Object {
        uuid: uuid.to_owned(),
        free: desk.infra.require_free("catalog", uuid),
        right: right::CATALOG_EDIT,
        owner: reference(&catalog, desk.ctx.site),
        values: catalog.metadata,
    };
    metadata::handle(desk, object, path)
}

fn reference(catalog: &Catalog, site: &str) -> Reference {
    Reference {
        href: format!("{site}/api/catalog/{}", catalog.uuid),
        id: format!("urn:vcloud:catalog:{}", catalog.uuid),
        name: catalog.name.clone(),
        media_type: "application/vnd.vmware.vcloud.catalog+xml".to_owned(),
    }
}

fn require_free_name(desk: &Desk<'_, '_>, catalog: &Catalog) -> Result<(), Problem> {
    let mut others = desk.infra.catalogs.values();
    let twin = others.any(|one| {
        one.uuid != catalog.uuid && one.org_id == catalog.org_id && one.name == catalog.name
    });
    if twin {
        let text = format!("The VCD entity {} already exists.", catalog.name);
        return Err(Problem::new(400, "DUPLICATE_NAME", text));
    }
    Ok(())
}
