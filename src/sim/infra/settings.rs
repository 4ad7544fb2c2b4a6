//! The general settings of the site, as the legacy API shows them to providers.
//!
//! Source: VCD API, `GET /api/admin/extension/settings/general`.

use http::Method;

use super::access::refused;
use super::require_method;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::Element;

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
