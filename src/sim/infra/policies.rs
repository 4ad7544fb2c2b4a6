//! Organization VDC networks of the `OpenAPI` family.
//!
//! Source: VCD `OpenAPI`, `orgVdcNetworks`.

use http::Method;
use serde_json::{Value, json};

use super::access::{require, right, sees};
use super::site::Network;
use super::{Infra, require_method};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// Largest page of the network list; larger ones are refused.
const MAX_NETWORK_PAGE: usize = 32;

fn not_found(urn: &str) -> Problem {
    Problem::forbidden(format!("{urn} was not found or you lack access to it."))
}

/// Answers `/cloudapi/1.0.0/orgVdcNetworks` and one network by URN.
pub(crate) fn networks(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    rest: &[&str],
) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    require(call, right::NETWORKS, "NETWORK_VIEW", "orgVdcNetworks")?;
    let visible = |network: &&Network| {
        infra
            .vdcs
            .get(&network.vdc)
            .is_some_and(|vdc| sees(&call.principal, &vdc.org_id))
    };
    match rest {
        [] => {
            let keys = [
                "id",
                "name",
                "orgVdc.id",
                "ownerRef.id",
                "networkType",
                "_context",
            ];
            let mut listing = Listing::of("OrgVdcNetworks", &keys);
            listing.max_page_size = MAX_NETWORK_PAGE;
            let networks = infra.networks.values().filter(visible);
            let rows = networks
                .map(|network| network_document(ctx, infra, network))
                .collect();
            paging::list(call, ctx.site, &listing, rows)
        }
        [urn] => {
            let uuid = bare(urn);
            let network = infra
                .networks
                .get(uuid)
                .filter(visible)
                .ok_or_else(|| not_found(urn))?;
            Ok(Reply::json(
                200,
                call.version,
                &network_document(ctx, infra, network),
            ))
        }
        _ => Err(Problem::no_such_url()),
    }
}

fn network_document(ctx: &Context<'_>, infra: &Infra, network: &Network) -> Value {
    let vdc = infra.vdcs.get(&network.vdc);
    let vdc_ref =
        vdc.map(|vdc| json!({"name": vdc.name, "id": format!("urn:vcloud:vdc:{}", vdc.uuid)}));
    let org_ref =
        vdc.map(|vdc| json!({"name": ctx.directory.org_name(&vdc.org_id), "id": vdc.org_id}));
    let used = network.used.len();
    json!({
        "id": format!("urn:vcloud:network:{}", network.uuid),
        "name": network.name,
        "description": "",
        "subnets": {"values": [{
            "gateway": network.gateway,
            "prefixLength": network.prefix,
            "dnsSuffix": null,
            "dnsServer1": network.dns,
            "dnsServer2": "",
            "ipRanges": {"values": [
                {"startAddress": network.pool.0, "endAddress": network.pool.1},
            ]},
            "enabled": true,
            "totalIpCount": network.size(),
            "usedIpCount": used,
        }]},
        "backingNetworkId": format!("seg-{}", network.uuid),
        "backingNetworkType": "NSXT_FLEXIBLE_SEGMENT",
        "parentNetworkId": null,
        "networkType": "NAT_ROUTED",
        "orgVdc": vdc_ref,
        "ownerRef": vdc_ref,
        "orgVdcIsNsxTBacked": true,
        "orgRef": org_ref,
        "connection": {
            "routerRef": {
                "name": format!("edge-{}", network.name),
                "id": format!("urn:vcloud:gateway:{}", network.uuid),
            },
            "connectionType": "INTERNAL",
            "connectionTypeValue": "INTERNAL",
            "connected": true,
        },
        "shared": false,
        "guestVlanTaggingAllowed": false,
        "retainNicResources": false,
        "totalIpCount": network.size(),
        "usedIpCount": used,
        "routeAdvertised": false,
        "securityGroups": null,
        "status": "REALIZED",
    })
}
