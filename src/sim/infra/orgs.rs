//! Organizations in the legacy API.
//!
//! Invariants:
//! - A tenant sees its own organization only; the list also serves clients as a check of their token.
//!
//! Source: VCD API, `GET /api/org`, `GET /api/org/{uuid}`.

use http::Method;

use super::access::{refused, sees};
use super::document::link;
use super::{Infra, require_method};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::{Org, bare};
use crate::sim::reply::{Problem, Reply};
use crate::sim::rights::roles_in;
use crate::sim::task_api::TASKS_MEDIA;
use crate::sim::xml::Element;

const ORG: &str = "vnd.vmware.vcloud.org+xml";
const RECORDS: &str = "vnd.vmware.vcloud.query.records+xml";

/// Answers `/api/org`, `/api/org/{uuid}` and `/api/admin/org/{uuid}`.
pub(crate) fn handle(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    rest: &[&str],
) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    let admin = call
        .segments
        .get(1)
        .is_some_and(|segment| segment == "admin");
    match rest {
        [] if !admin => Ok(list(call, ctx)),
        [uuid] => {
            let urn = format!("urn:vcloud:org:{uuid}");
            let org = ctx
                .directory
                .orgs
                .get(&urn)
                .filter(|org| sees(&call.principal, &org.id));
            let org = org.ok_or_else(|| refused("Base", "ORG_VIEW", uuid))?;
            Ok(one(call, ctx, infra, (org, admin)))
        }
        _ => Err(Problem::no_such_url()),
    }
}

fn list(call: &Call<'_>, ctx: &Context<'_>) -> Reply {
    let orgs = ctx
        .directory
        .orgs
        .values()
        .filter(|org| sees(&call.principal, &org.id));
    let entries = orgs.map(|org| {
        Element::new("Org")
            .attr("href", format!("{}/api/org/{}", ctx.site, bare(&org.id)))
            .attr("name", &org.name)
            .attr("type", format!("application/{ORG}"))
    });
    let root = Element::root("OrgList")
        .attr("href", format!("{}/api/org/", ctx.site))
        .attr("type", "application/vnd.vmware.vcloud.orgList+xml")
        .children(entries);
    Reply::xml(
        200,
        call.version,
        "vnd.vmware.vcloud.orgList+xml",
        root.document(),
    )
}

fn one(call: &Call<'_>, ctx: &Context<'_>, infra: &Infra, (org, admin): (&Org, bool)) -> Reply {
    let site = ctx.site;
    let uuid = bare(&org.id);
    let (name, href, media) = if admin {
        (
            "AdminOrg",
            format!("{site}/api/admin/org/{uuid}"),
            "vnd.vmware.admin.organization+xml",
        )
    } else {
        ("Org", format!("{site}/api/org/{uuid}"), ORG)
    };
    let vdcs = infra
        .vdcs
        .values()
        .filter(|vdc| vdc.org_id == org.id)
        .map(|vdc| {
            link(
                "down",
                format!("{site}/api/vdc/{}", vdc.uuid),
                Some("vnd.vmware.vcloud.vdc+xml"),
            )
            .attr("name", &vdc.name)
        });
    let catalogs = infra
        .catalogs
        .values()
        .filter(|catalog| catalog.org_id == org.id);
    let catalogs = catalogs.map(|catalog| {
        let href = format!("{site}/api/catalog/{}", catalog.uuid);
        link("down", href, Some("vnd.vmware.vcloud.catalog+xml")).attr("name", &catalog.name)
    });
    let root = Element::root(name)
        .attr("id", &org.id)
        .attr("name", &org.name)
        .attr("href", href)
        .attr("type", format!("application/{media}"))
        .children(vdcs)
        .children(catalogs)
        .children(if admin {
            admin_links(site, uuid)
        } else {
            links(site, uuid)
        })
        .child(link(
            "add",
            format!("{site}/api/admin/org/{uuid}/catalogs"),
            Some("vnd.vmware.admin.catalog+xml"),
        ))
        .child(Element::new("Description"))
        .child(Element::leaf("FullName", &org.full_name))
        .child(Element::leaf("IsEnabled", true))
        .children(if admin {
            admin_part(ctx, infra, org)
        } else {
            Vec::new()
        });
    Reply::xml(200, call.version, media, root.document())
}

/// Where else an organization leads: its tasks, and the queries that list what it has.
fn links(site: &str, uuid: &str) -> Vec<Element> {
    let queries = ["orgVdc", "catalog", "orgVdcNetwork", "vApp", "task"];
    let queries = queries.iter().map(|kind| {
        let href = format!("{site}/api/query?type={kind}&format=records");
        link("down", href, Some(RECORDS))
    });
    let tasks = format!("{site}/api/tasksList/{uuid}");
    [link("down", tasks, Some(TASKS_MEDIA))]
        .into_iter()
        .chain(queries)
        .collect()
}

/// What may be made in an organization, and where else its admin form leads.
fn admin_links(site: &str, uuid: &str) -> Vec<Element> {
    let add = |path: &str, kind: &str| {
        let media = format!("vnd.vmware.admin.{kind}+xml");
        let href = format!("{site}/api/admin/org/{uuid}/{path}");
        link("add", href, Some(&media))
    };
    let tasks = format!("{site}/api/tasksList/{uuid}");
    let tenant = format!("{site}/api/org/{uuid}");
    vec![
        link("down", tasks, Some(TASKS_MEDIA)),
        add("catalogs", "catalog"),
        link("alternate", tenant, Some(ORG)),
    ]
}

/// What only `AdminOrg` tells: settings, users, catalogs, VDCs, networks and roles.
fn admin_part(ctx: &Context<'_>, infra: &Infra, org: &Org) -> Vec<Element> {
    let site = ctx.site;
    let refer = |name: &str, (path, uuid, label): (&str, &str, &str), kind: &str| {
        Element::new(name)
            .attr("href", format!("{site}/api/admin/{path}/{uuid}"))
            .attr("name", label)
            .attr("type", format!("application/vnd.vmware.admin.{kind}+xml"))
    };
    let users = ctx
        .directory
        .users
        .values()
        .filter(|user| user.org_id == org.id);
    let users = users.map(|user| {
        let of = ("user", bare(&user.id), user.name.as_str());
        refer("UserReference", of, "user").attr("id", &user.id)
    });
    let catalogs = infra.catalogs.values().filter(|one| one.org_id == org.id);
    let catalogs = catalogs.map(|one| {
        refer(
            "CatalogReference",
            ("catalog", &one.uuid, &one.name),
            "catalog",
        )
        .attr("id", format!("urn:vcloud:catalog:{}", one.uuid))
    });
    let roles = roles_in(ctx.directory, &org.id);
    let roles = roles.values().map(|role| {
        let of = ("role", bare(&role.id), role.name.as_str());
        refer("RoleReference", of, "role").attr("id", &role.id)
    });
    let vdcs = || infra.vdcs.values().filter(|one| one.org_id == org.id);
    let networks = infra.networks.values();
    let networks = networks.filter(|one| vdcs().any(|vdc| vdc.uuid == one.vdc));
    let networks =
        networks.map(|one| refer("Network", ("network", &one.uuid, &one.name), "network"));
    let vdcs = vdcs().map(|one| {
        refer("Vdc", ("vdc", &one.uuid, &one.name), "vdc")
            .attr("id", format!("urn:vcloud:vdc:{}", one.uuid))
    });
    vec![
        settings(site, bare(&org.id)),
        Element::new("Users").children(users),
        Element::new("Catalogs").children(catalogs),
        Element::new("Vdcs").children(vdcs),
        Element::new("Networks").children(networks),
        Element::new("RoleReferences").children(roles),
    ]
}

/// Settings of an organization: what is created never expires.
fn settings(site: &str, org: &str) -> Element {
    let href = format!("{site}/api/admin/org/{org}/settings");
    let general = Element::new("OrgGeneralSettings")
        .attr("href", format!("{href}/general"))
        .child(Element::leaf("CanPublishCatalogs", true))
        .child(Element::leaf("DeployedVMQuota", 0))
        .child(Element::leaf("StoredVmQuota", 0))
        .child(Element::leaf("UseServerBootSequence", false))
        .child(Element::leaf("DelayAfterPowerOnSeconds", 0));
    let leases = Element::new("VAppLeaseSettings")
        .attr("href", format!("{href}/vAppLeaseSettings"))
        .child(Element::leaf("DeleteOnStorageLeaseExpiration", false))
        .child(Element::leaf("DeploymentLeaseSeconds", 0))
        .child(Element::leaf("StorageLeaseSeconds", 0))
        .child(Element::leaf("PowerOffOnRuntimeLeaseExpiration", false));
    Element::new("Settings")
        .attr("href", href)
        .child(general)
        .child(leases)
}
