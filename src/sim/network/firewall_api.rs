//! Firewalls as they stand after a set-up: the default rule, no groups. Clusters change neither.
//!
//! Source: VCD `OpenAPI`, `edgeGateways/{id}/firewall/rules` and `firewallGroups`.

use http::Method;
use serde_json::json;

use super::desk::{Desk, right};
use super::model::Gateway;
use crate::sim::directory::{bare, derived_urn};
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// Answers `.../edgeGateways/{gw}/firewall/rules`.
pub(super) fn rules(desk: &Desk<'_, '_>, gateway: &Gateway) -> Result<Reply, Problem> {
    desk.require(&[right::FIREWALL])?;
    let rule = json!({
        "id": bare(&derived_urn("firewallRule", &gateway.uuid)),
        "name": "default_rule",
        "description": null,
        "action": "ALLOW",
        "actionValue": "ALLOW",
        "enabled": true,
        "sourceFirewallGroups": null,
        "destinationFirewallGroups": null,
        "applicationPortProfiles": null,
        "ipProtocol": "IPV4_IPV6",
        "logging": false,
        "direction": "IN_OUT",
        "version": {"version": 0},
    });
    let body = json!({
        "systemRules": null,
        "userDefinedRules": [],
        "defaultRules": [rule],
    });
    Ok(Reply::json(200, desk.call.version, &body))
}

/// Answers `/cloudapi/1.0.0/firewallGroups[/summaries]`.
pub(super) fn groups(desk: &Desk<'_, '_>, rest: &[&str]) -> Result<Reply, Problem> {
    if *desk.call.method != Method::GET {
        return Err(Problem::wrong_method());
    }
    desk.require(&[right::FIREWALL])?;
    match rest {
        [] | ["summaries"] => {
            let keys = [
                "id",
                "name",
                "type",
                "typeValue",
                "ownerRef.id",
                "edgeGatewayRef.id",
            ];
            let listing = Listing::of("FirewallGroups", &keys);
            paging::list(desk.call, desk.ctx.site, &listing, Vec::new())
        }
        [urn] => Err(desk.missing(urn)),
        _ => Err(Problem::no_such_url()),
    }
}
