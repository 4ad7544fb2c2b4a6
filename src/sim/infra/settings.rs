//! The session of the caller and the general settings of the site, as the legacy API shows them.
//!
//! Source: VCD API, `GET /api/session`, `GET /api/admin/extension/settings/general`.

use http::Method;

use super::access::refused;
use super::document::link;
use super::require_method;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::Element;

/// Answers `GET /api/session`.
pub(crate) fn session(call: &Call<'_>, ctx: &Context<'_>) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    let who = &call.principal;
    let media = "vnd.vmware.vcloud.session+xml";
    let role = ctx.directory.users.get(&who.user_id);
    let role = role.map(|user| user.role.as_str()).unwrap_or_default();
    let org = format!("{}/api/org/{}", ctx.site, bare(&who.org_id));
    let root = Element::root("Session")
        .attr("org", &who.org_name)
        .attr("user", &who.user_name)
        .attr("userId", &who.user_id)
        .attr("roles", role)
        .attr("href", format!("{}/api/session", ctx.site))
        .attr("type", format!("application/{media}"))
        .child(link(
            "down",
            format!("{}/api/org/", ctx.site),
            Some("vnd.vmware.vcloud.orgList+xml"),
        ))
        .child(link("remove", format!("{}/api/session", ctx.site), None))
        .child(link("down", org, Some("vnd.vmware.vcloud.org+xml")).attr("name", &who.org_name))
        .child(link(
            "down",
            format!("{}/api/query", ctx.site),
            Some("vnd.vmware.vcloud.query.queryList+xml"),
        ));
    Ok(Reply::xml(200, call.version, media, root.document()))
}

/// Answers `GET /api/admin/extension/settings/general`, for providers: how long sessions last.
pub(crate) fn general(call: &Call<'_>, ctx: &Context<'_>) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    if !call.principal.provider {
        let operation = "SETTINGS_VIEW";
        return Err(refused(
            "General: Administrator View",
            operation,
            "settings",
        ));
    }
    let limits = ctx.sessions.limits;
    let minutes = |span: std::time::Duration| span.as_secs() / 60;
    let media = "vnd.vmware.admin.generalSettings+xml";
    let href = format!("{}/api/admin/extension/settings/general", ctx.site);
    let root = Element::new("vmext:GeneralSettings")
        .attr("xmlns:vmext", "http://www.vmware.com/vcloud/extension/v1.5")
        .attr("xmlns", crate::sim::xml::VCLOUD)
        .attr("href", &href)
        .attr("type", format!("application/{media}"))
        .child(Element::leaf(
            "vmext:AbsoluteSessionTimeoutMinutes",
            minutes(limits.absolute),
        ))
        .child(Element::leaf(
            "vmext:SessionTimeoutMinutes",
            minutes(limits.idle),
        ))
        .child(Element::leaf("vmext:RestApiBaseUri", ctx.site));
    Ok(Reply::xml(200, call.version, media, root.document()))
}
