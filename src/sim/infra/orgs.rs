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
use crate::sim::xml::Element;

const ORG: &str = "vnd.vmware.vcloud.org+xml";

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
        .child(Element::new("Description"))
        .child(Element::leaf("FullName", &org.full_name))
        .children(admin.then(|| Element::leaf("IsEnabled", true)));
    Reply::xml(200, call.version, media, root.document())
}
