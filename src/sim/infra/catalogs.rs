//! Catalogs, catalog items and vApp templates.
//!
//! Invariants:
//! - The product property `VERSION` is on the template's first VM, as an attribute `ovf:value`.
//!
//! Source: VCD API, `catalog`, `catalogItem`, `vAppTemplate`.

use http::Method;

use super::access::{refused, require, right};
use super::catalog_changes::{delete_at_once, delete_item};
use super::document::{link, namespaced};
use super::media::media_reference;
use super::site::{Catalog, Template};
use super::uploads::{Stage, Upload};
use super::vapps::section_reply;
use super::{Desk, Infra, metadata, products, require_method};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::Reference;
use crate::sim::xml::{Element, reference};

const CATALOG: &str = "vnd.vmware.vcloud.catalog+xml";
const ITEM: &str = "vnd.vmware.vcloud.catalogItem+xml";
const TEMPLATE: &str = "vnd.vmware.vcloud.vAppTemplate+xml";
const LEASE: &str = "vnd.vmware.vcloud.leaseSettingsSection+xml";
/// Status of a template that can be used.
const RESOLVED: i8 = 8;

pub(crate) fn visible_catalog<'a>(
    call: &Call<'_>,
    infra: &'a Infra,
    uuid: &str,
) -> Result<&'a Catalog, Problem> {
    let catalog = infra
        .catalogs
        .get(uuid)
        .filter(|one| one.seen_by(&call.principal));
    let catalog = catalog.ok_or_else(|| refused("Base", "CATALOG_VIEW", uuid))?;
    require(call, right::CATALOGS, "CATALOG_VIEW", uuid)?;
    Ok(catalog)
}

/// Answers `GET /api/catalog/{uuid}` and `GET /api/admin/catalog/{uuid}`.
pub(crate) fn catalog(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    uuid: &str,
) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    let admin = call.segments.iter().any(|segment| segment == "admin");
    catalog_reply(call, ctx, infra, (uuid, admin, 200))
}

/// The document of a catalog, with `status` of the answer.
pub(crate) fn catalog_reply(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    (uuid, admin, status): (&str, bool, u16),
) -> Result<Reply, Problem> {
    let catalog = visible_catalog(call, infra, uuid)?;
    let items = infra
        .templates
        .values()
        .filter(|one| one.catalog == uuid)
        .map(|template| {
            Element::new("CatalogItem")
                .attr(
                    "href",
                    format!("{}/api/catalogItem/{}", ctx.site, template.item),
                )
                .attr("id", format!("urn:vcloud:catalogitem:{}", template.item))
                .attr("name", &template.name)
                .attr("type", format!("application/{ITEM}"))
        });
    let media = infra.media.values().filter(|one| one.catalog == uuid);
    let media = media.map(|medium| {
        let href = format!("{}/api/catalogItem/{}", ctx.site, medium.item);
        Element::new("CatalogItem")
            .attr("href", href)
            .attr("id", format!("urn:vcloud:catalogitem:{}", medium.item))
            .attr("name", &medium.name)
            .attr("type", format!("application/{ITEM}"))
    });
    let (name, path, kind) = if admin {
        (
            "AdminCatalog",
            "admin/catalog",
            "vnd.vmware.admin.catalog+xml",
        )
    } else {
        ("Catalog", "catalog", CATALOG)
    };
    let outside = Element::leaf("IsPublishedExternally", catalog.published_outside);
    let outside = Element::new("PublishExternalCatalogParams").child(outside);
    let root = Element::root(name)
        .attr("id", format!("urn:vcloud:catalog:{uuid}"))
        .attr("name", &catalog.name)
        .attr("href", format!("{}/api/{path}/{uuid}", ctx.site))
        .attr("type", format!("application/{kind}"))
        .children(catalog_links(ctx.site, catalog, admin))
        .child(link(
            "down",
            format!("{}/api/catalog/{uuid}/metadata", ctx.site),
            Some("vnd.vmware.vcloud.metadata+xml"),
        ))
        .child(Element::leaf("Description", &catalog.description))
        .child(Element::new("Owner").child(reference("User", &catalog.owner)))
        .child(Element::new("CatalogItems").children(items).children(media))
        .child(Element::leaf("IsPublished", catalog.published))
        .child(Element::leaf("DateCreated", catalog.created_stamp()))
        .child(Element::leaf("VersionNumber", 1))
        .child(outside);
    Ok(Reply::xml(status, call.version, kind, root.document()))
}

/// Where a catalog leads, and what can be done with it.
fn catalog_links(site: &str, catalog: &Catalog, admin: bool) -> Vec<Element> {
    let (own, org) = (
        format!("{site}/api/catalog/{}", catalog.uuid),
        bare(&catalog.org_id),
    );
    let upload = |media| link("add", format!("{own}/action/upload"), Some(media));
    let mut links = vec![
        upload("vnd.vmware.vcloud.uploadVAppTemplateParams+xml"),
        upload("vnd.vmware.vcloud.media+xml"),
        link(
            "down",
            format!("{own}/controlAccess/"),
            Some("vnd.vmware.vcloud.controlAccess+xml"),
        ),
        link(
            "controlAccess",
            format!("{own}/action/controlAccess"),
            Some("vnd.vmware.vcloud.controlAccess+xml"),
        ),
    ];
    if admin {
        let own = format!("{site}/api/admin/catalog/{}", catalog.uuid);
        let kind = Some("vnd.vmware.admin.catalog+xml");
        let up = format!("{site}/api/admin/org/{org}");
        links.extend([
            link("up", up, Some("vnd.vmware.admin.organization+xml")),
            link("edit", &own, kind),
            link("remove", &own, None),
            link(
                "publish",
                format!("{own}/action/publish"),
                Some("vnd.vmware.admin.publishCatalogParams+xml"),
            ),
            link(
                "publishToExternalOrganizations",
                format!("{own}/action/publishToExternalOrganizations"),
                Some("vnd.vmware.admin.publishExternalCatalogParams+xml"),
            ),
        ]);
    } else {
        let up = format!("{site}/api/org/{org}");
        links.insert(0, link("up", up, Some("vnd.vmware.vcloud.org+xml")));
    }
    links
}

/// Answers `GET` and `DELETE /api/catalogItem/{uuid}`.
pub(crate) fn item(desk: &mut Desk<'_, '_>, uuid: &str) -> Result<Reply, Problem> {
    let (entity, catalog, _) = found_item(desk.call, desk.ctx, desk.infra, uuid)?;
    if *desk.call.method == Method::DELETE {
        return delete_at_once(desk, (bare(&entity.id), &catalog));
    }
    require_method(desk.call, &Method::GET)?;
    item_document(desk.call, desk.ctx, desk.infra, (uuid, 200))
}

/// What is in a catalog item, the catalog's bare UUID and the description, if the caller may see it.
fn found_item(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    uuid: &str,
) -> Result<(Reference, String, String), Problem> {
    let hidden = || refused("Base", "CATALOG_ITEM_VIEW", uuid);
    let mut templates = infra.templates.values();
    let mut media = infra.media.values();
    let found = templates.find(|one| one.item == uuid).map(|template| {
        let entity = template_reference(ctx.site, template);
        (entity, &template.catalog, &template.description)
    });
    let found = found.or_else(|| {
        let medium = media.find(|one| one.item == uuid)?;
        let entity = media_reference(medium, ctx.site);
        Some((entity, &medium.catalog, &medium.description))
    });
    let (entity, catalog, description) = found.ok_or_else(hidden)?;
    visible_catalog(call, infra, catalog).map_err(|_foreign| hidden())?;
    Ok((entity, catalog.clone(), description.clone()))
}

/// The document of a catalog item, with `status` of the answer.
pub(crate) fn item_document(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    (uuid, status): (&str, u16),
) -> Result<Reply, Problem> {
    let (entity, catalog, description) = found_item(call, ctx, infra, uuid)?;
    let up = format!("{}/api/catalog/{catalog}", ctx.site);
    let root = Element::root("CatalogItem")
        .attr("id", format!("urn:vcloud:catalogitem:{uuid}"))
        .attr("name", &entity.name)
        .attr("href", format!("{}/api/catalogItem/{uuid}", ctx.site))
        .attr("type", format!("application/{ITEM}"))
        .child(link("up", up, Some(CATALOG)))
        .child(Element::leaf("Description", description))
        .child(reference("Entity", &entity))
        .child(Element::leaf("VersionNumber", 1));
    Ok(Reply::xml(status, call.version, ITEM, root.document()))
}

/// URL of a template.
pub(crate) fn template_href(site: &str, template: &Template) -> String {
    format!("{site}/api/vAppTemplate/vappTemplate-{}", template.uuid)
}

/// A reference to a template.
pub(crate) fn template_reference(site: &str, template: &Template) -> Reference {
    Reference {
        href: template_href(site, template),
        id: format!("urn:vcloud:vapptemplate:{}", template.uuid),
        name: template.name.clone(),
        media_type: format!("application/{TEMPLATE}"),
    }
}

/// The template behind `vappTemplate-<uuid>` or `vm-<uuid>` with its catalog, if the caller may see it.
fn visible_template<'a>(
    call: &Call<'_>,
    infra: &'a Infra,
    id: &str,
) -> Result<(&'a Template, &'a Catalog), Problem> {
    let (kind, uuid) = id.split_once('-').ok_or_else(Problem::no_such_url)?;
    let found = match kind {
        "vappTemplate" => infra.templates.get(uuid),
        "vm" => infra.templates.values().find(|one| one.vm == uuid),
        _ => return Err(Problem::no_such_url()),
    };
    let hidden = || refused("Base", "VAPP_TEMPLATE_VIEW", uuid);
    let template = found.ok_or_else(hidden)?;
    let catalog = infra.catalogs.get(&template.catalog).ok_or_else(hidden)?;
    if !catalog.seen_by(&call.principal) {
        return Err(hidden());
    }
    require(call, right::TEMPLATES, "VAPP_TEMPLATE_VIEW", uuid)?;
    Ok((template, catalog))
}

/// Answers requests below `/api/vAppTemplate/{id}`: metadata, guest properties and owner.
pub(crate) fn of_template(
    desk: &mut Desk<'_, '_>,
    id: &str,
    rest: &[&str],
) -> Result<Reply, Problem> {
    let (template, catalog) = visible_template(desk.call, desk.infra, id)?;
    let (template, owner) = (template.clone(), catalog.owner.clone());
    match rest {
        ["metadata", path @ ..] => {
            let object = metadata::Object {
                free: desk.infra.require_free("vapptemplate", &template.uuid),
                right: right::TEMPLATE_EDIT,
                owner: template_reference(desk.ctx.site, &template),
                values: template.metadata,
                uuid: template.uuid,
            };
            metadata::handle(desk, object, path)
        }
        ["productSections"] => {
            require_method(desk.call, &Method::GET)?;
            let list = products::list(vec![product_section(&template.product_version)]);
            Ok(section_reply(desk.call, list, products::PRODUCTS))
        }
        ["leaseSettingsSection"] => {
            require_method(desk.call, &Method::GET)?;
            let section = lease(&template_href(desk.ctx.site, &template));
            Ok(section_reply(desk.call, section, LEASE))
        }
        ["owner"] => {
            require_method(desk.call, &Method::GET)?;
            let media = "vnd.vmware.vcloud.owner+xml";
            let owner = Element::root("Owner").child(reference("User", &owner));
            Ok(Reply::xml(200, desk.call.version, media, owner.document()))
        }
        _ => Err(Problem::no_such_url()),
    }
}

/// Answers `GET /api/vAppTemplate/{id}` for templates (`vappTemplate-`) and their VMs (`vm-`); `DELETE` for
/// templates.
pub(crate) fn template(desk: &mut Desk<'_, '_>, id: &str) -> Result<Reply, Problem> {
    let (template, catalog) = visible_template(desk.call, desk.infra, id)?;
    if *desk.call.method == Method::DELETE && id.starts_with("vappTemplate-") {
        let owner = template_reference(desk.ctx.site, template);
        let catalog = catalog.uuid.clone();
        return delete_item(desk, owner, &catalog);
    }
    let (call, ctx) = (desk.call, &*desk.ctx);
    require_method(call, &Method::GET)?;
    if id.starts_with("vm-") {
        let root = vm(namespaced("Vm"), ctx, template);
        return Ok(Reply::xml(
            200,
            call.version,
            "vnd.vmware.vcloud.vm+xml",
            root.document(),
        ));
    }
    Ok(Reply::xml(
        200,
        call.version,
        TEMPLATE,
        template_document(ctx, catalog, template).document(),
    ))
}

fn template_document(ctx: &Context<'_>, catalog: &Catalog, template: &Template) -> Element {
    let site = ctx.site;
    let upload = template.upload.as_ref();
    let described = upload.is_none_or(|upload| upload.stage != Stage::Descriptor);
    let children = Element::new("Children").child(vm(Element::new("Vm"), ctx, template));
    namespaced("VAppTemplate")
        .attr("id", format!("urn:vcloud:vapptemplate:{}", template.uuid))
        .attr("name", &template.name)
        .attr("href", template_href(site, template))
        .attr("type", format!("application/{TEMPLATE}"))
        .attr("status", upload.map_or(RESOLVED, Upload::status))
        .attr("goldMaster", false)
        .attr("ovfDescriptorUploaded", described)
        .child(link(
            "catalogItem",
            format!("{site}/api/catalogItem/{}", template.item),
            Some(ITEM),
        ))
        .child(link(
            "down",
            format!("{}/metadata", template_href(site, template)),
            Some("vnd.vmware.vcloud.metadata+xml"),
        ))
        .child(link(
            "edit",
            format!("{}/leaseSettingsSection/", template_href(site, template)),
            Some(LEASE),
        ))
        .child(link(
            "up",
            format!("{site}/api/vdc/{}", template.vdc),
            Some("vnd.vmware.vcloud.vdc+xml"),
        ))
        .child(Element::leaf("Description", &template.description))
        .children(
            upload
                .map(|upload| upload.elements(ctx))
                .unwrap_or_default(),
        )
        .child(Element::new("Owner").child(reference("User", &catalog.owner)))
        .children(upload.is_none().then_some(children))
        .child(lease(&template_href(site, template)))
        .child(Element::leaf("DateCreated", catalog.created_stamp()))
}

/// How long a template stays: for ever.
fn lease(href: &str) -> Element {
    Element::new("LeaseSettingsSection")
        .attr("href", format!("{href}/leaseSettingsSection/"))
        .attr("type", format!("application/{LEASE}"))
        .attr("ovf:required", "false")
        .child(Element::leaf("ovf:Info", "Lease settings section"))
        .child(Element::leaf("StorageLeaseInSeconds", 0))
}

fn vm(root: Element, ctx: &Context<'_>, template: &Template) -> Element {
    root.attr("id", format!("urn:vcloud:vm:{}", template.vm))
        .attr("name", &template.name)
        .attr(
            "href",
            format!("{}/api/vAppTemplate/vm-{}", ctx.site, template.vm),
        )
        .attr("status", RESOLVED)
        .attr("type", "application/vnd.vmware.vcloud.vm+xml")
        .child(Element::new("Description"))
        .child(connections(&format!(
            "{}/api/vAppTemplate/vm-{}",
            ctx.site, template.vm
        )))
        .child(product_section(&template.product_version))
}

/// The one card of a template's VM, which is connected to nothing.
fn connections(href: &str) -> Element {
    let card = Element::new("NetworkConnection")
        .attr("network", "none")
        .attr("needsCustomization", true)
        .child(Element::leaf("NetworkConnectionIndex", 0))
        .child(Element::leaf("IsConnected", false))
        .child(Element::leaf("IpAddressAllocationMode", "NONE"))
        .child(Element::leaf("NetworkAdapterType", "VMXNET3"));
    let info = "Specifies the available VM network connections";
    let media = "application/vnd.vmware.vcloud.networkConnectionSection+xml";
    Element::new("NetworkConnectionSection")
        .attr("href", format!("{href}/networkConnectionSection/"))
        .attr("type", media)
        .attr("ovf:required", "false")
        .child(Element::leaf("ovf:Info", info))
        .child(Element::leaf("PrimaryNetworkConnectionIndex", 0))
        .child(card)
}

/// What the image is, as the OVF of a TKG image says it; copies of the VM keep it.
pub(crate) fn product_section(version: &str) -> Element {
    let version = (!version.is_empty()).then(|| {
        Element::new("ovf:Property")
            .attr("ovf:key", "VERSION")
            .attr("ovf:type", "string")
            .attr("ovf:value", version)
    });
    let info = "Information about the installed software";
    Element::new("ovf:ProductSection")
        .attr("ovf:required", true)
        .attr("ovf:class", "com.vmware.vcloud")
        .child(Element::leaf("ovf:Info", info))
        .children(version)
}
