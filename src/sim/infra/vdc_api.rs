//! Organization VDCs in the `OpenAPI`: the list, and what each is capable of.
//!
//! Source: VCD `OpenAPI`, `vdcs`; go-vcloud-director tells NSX-T by the capability `networkProvider`.

use http::Method;
use serde_json::{Value, json};

use super::access::{require, right, sees};
use super::{Infra, require_method, vdcs};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

const VDC_KEYS: [&str; 5] = ["id", "name", "description", "allocationType", "org.id"];
const CAPABILITY_KEYS: [&str; 1] = ["name"];

/// Answers requests below `/cloudapi/1.0.0/vdcs`.
pub(crate) fn handle(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    rest: &[&str],
) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    match rest {
        [] => {
            require(call, right::VDCS, "VDC_VIEW", "vdcs")?;
            let seen = infra.vdcs.values();
            let seen = seen.filter(|vdc| sees(&call.principal, &vdc.org_id));
            let rows = seen.map(|vdc| document(ctx, vdc)).collect();
            paging::list(call, ctx.site, &Listing::of("Vdcs", &VDC_KEYS), rows)
        }
        [id] => {
            let vdc = vdcs::visible(call, infra, bare(id))?;
            Ok(Reply::json(200, call.version, &document(ctx, vdc)))
        }
        [id, "capabilities"] => {
            vdcs::visible(call, infra, bare(id))?;
            let listing = Listing::of("VdcCapabilities", &CAPABILITY_KEYS);
            paging::list(call, ctx.site, &listing, capabilities())
        }
        _ => Err(Problem::no_such_url()),
    }
}

fn document(ctx: &Context<'_>, vdc: &super::site::Vdc) -> Value {
    let org = ctx.directory.org_name(&vdc.org_id);
    json!({
        "id": format!("urn:vcloud:vdc:{}", vdc.uuid),
        "name": vdc.name,
        "description": "",
        "allocationType": "Flex",
        "org": {"id": vdc.org_id, "name": org},
    })
}

fn capabilities() -> Vec<Value> {
    let capability = |name: &str, value: Value, kind: &str| json!({"name": name, "description": name, "value": value, "type": kind, "category": "Networking"});
    vec![
        capability("networkProvider", json!("NSX_T"), "String"),
        capability("crossVdc", json!(true), "Boolean"),
        capability("vdcGroup", json!(true), "Boolean"),
    ]
}
