//! `/cloudapi/extensions/ui`: UI plug-ins, from their metadata to their upload and publication.
//!
//! Invariants:
//! - The list is a bare array, as on a real site. An unknown id is a 500 with the text of a null pointer.
//! - A plug-in is `unavailable` until its archive is uploaded whole; the archive itself is not kept.
//!
//! Source: VCD `OpenAPI` 37.2, UI plug-ins; `go-vcloud-director` upload by a `/transfer/` link.

use std::collections::BTreeSet;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

const URN_PREFIX: &str = "urn:vcloud:uiPlugin:";

/// A plug-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plugin {
    id: String,
    metadata: Metadata,
    /// Organizations it is published to.
    tenants: BTreeSet<String>,
    upload: Upload,
}

/// What its author says about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    plugin_name: String,
    vendor: String,
    #[serde(default)]
    description: String,
    version: String,
    #[serde(default)]
    license: String,
    #[serde(default)]
    link: String,
    #[serde(rename = "tenant_scoped", default)]
    tenant_scoped: bool,
    #[serde(rename = "provider_scoped", default)]
    provider_scoped: bool,
    #[serde(default)]
    enabled: bool,
}

/// How far the upload of its archive is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Upload {
    None,
    /// Awaited under `/transfer/{id}` with this many bytes.
    Awaited {
        transfer: String,
        bytes: u64,
    },
    Complete,
}

impl Plugin {
    fn document(&self) -> Value {
        let mut document = serde_json::to_value(&self.metadata).unwrap_or_default();
        let status = if self.upload == Upload::Complete {
            "ready"
        } else {
            "unavailable"
        };
        if let Some(document) = document.as_object_mut() {
            document.insert("id".to_owned(), json!(self.id));
            document.insert("plugin_status".to_owned(), json!(status));
        }
        document
    }

    fn visible(&self, call: &Call<'_>) -> bool {
        let who = &call.principal;
        who.provider || (self.metadata.enabled && self.tenants.contains(&who.acting_org_id))
    }
}

/// Answers `/cloudapi/extensions/ui...`.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    let (id, rest) = match (call.method, rest) {
        (&Method::GET, []) => {
            let plugins = ctx.directory.plugins.values();
            let plugins = plugins.filter(|plugin| plugin.visible(call));
            let rows: Vec<Value> = plugins.map(Plugin::document).collect();
            return Ok(Reply::json(200, call.version, &Value::from(rows)));
        }
        (&Method::POST, []) => return create(call, ctx),
        (_, [id, rest @ ..]) => (*id, rest),
        _ => return Err(Problem::wrong_method()),
    };
    let known = ctx.directory.plugins.get(id);
    if !known.is_some_and(|plugin| plugin.visible(call)) {
        let message = "Internal Server Error: java.lang.NullPointerException";
        return Err(Problem::new(500, "INTERNAL_SERVER_ERROR", message));
    }
    if *call.method != Method::GET {
        provider_only(call)?;
    }
    match (call.method, rest) {
        (&Method::DELETE, []) => {
            ctx.directory.plugins.remove(id);
            Ok(Reply::empty(204))
        }
        (&Method::GET, ["tenants"]) => tenants(call, id, ctx),
        _ => change(call, (id, rest), ctx),
    }
}

fn provider_only(call: &Call<'_>) -> Result<(), Problem> {
    if call.principal.provider {
        Ok(())
    } else {
        Err(Problem::forbidden("Tenants do not manage UI plug-ins."))
    }
}

fn metadata(call: &Call<'_>) -> Result<Metadata, Problem> {
    let read = serde_json::from_slice::<Metadata>(call.body);
    let read = read
        .ok()
        .filter(|metadata| !(metadata.plugin_name.is_empty() || metadata.vendor.is_empty()));
    read.ok_or_else(|| {
        Problem::bad_request("pluginName, vendor and version are needed, and flags are booleans")
    })
}

fn create(call: &Call<'_>, ctx: &mut Context<'_>) -> Result<Reply, Problem> {
    provider_only(call)?;
    let metadata = metadata(call)?;
    let key = |of: &Metadata| {
        (
            of.plugin_name.clone(),
            of.vendor.clone(),
            of.version.clone(),
        )
    };
    let mut plugins = ctx.directory.plugins.values();
    if plugins.any(|plugin| key(&plugin.metadata) == key(&metadata)) {
        let message = format!("The plug-in {} already exists.", metadata.plugin_name);
        return Err(Problem::new(400, "DUPLICATE_NAME", message));
    }
    let plugin = Plugin {
        id: format!("{URN_PREFIX}{}", ctx.uuid()),
        metadata,
        tenants: BTreeSet::new(),
        upload: Upload::None,
    };
    let reply = Reply::json(201, call.version, &plugin.document());
    ctx.directory.plugins.insert(plugin.id.clone(), plugin);
    Ok(reply)
}

fn change(
    call: &Call<'_>,
    (id, rest): (&str, &[&str]),
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    let (transfer, all) = (ctx.uuid(), tenant_ids(ctx));
    let Some(plugin) = ctx.directory.plugins.get_mut(id) else {
        return Err(Problem::no_such_url());
    };
    match (call.method, rest) {
        (&Method::GET, []) => Ok(Reply::json(200, call.version, &plugin.document())),
        (&Method::PUT, []) => {
            plugin.metadata = metadata(call)?;
            Ok(Reply::json(200, call.version, &plugin.document()))
        }
        (&Method::POST, ["plugin"]) => {
            let body = call.json()?;
            let bytes = body.get("size").and_then(Value::as_u64);
            let bytes = bytes.ok_or_else(|| Problem::bad_request("size is missing"))?;
            let link = format!(
                "<{}/transfer/{transfer}>;rel=\"upload:default\";type=\"application/octet-stream\"",
                ctx.site
            );
            plugin.upload = Upload::Awaited { transfer, bytes };
            Ok(Reply::empty(204).with_header("link", link))
        }
        (&Method::DELETE, ["plugin"]) => {
            plugin.upload = Upload::None;
            Ok(Reply::empty(204))
        }
        (&Method::POST, ["tenants", verb]) => {
            match *verb {
                "publishAll" => plugin.tenants = all,
                "unpublishAll" => plugin.tenants.clear(),
                "publish" => plugin.tenants.extend(named(call)?),
                "unpublish" => {
                    let named = named(call)?;
                    plugin.tenants.retain(|org| !named.contains(org));
                }
                _ => return Err(Problem::no_such_url()),
            }
            tenants(call, id, ctx)
        }
        (_, [] | ["plugin" | "tenants"]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn tenant_ids(ctx: &Context<'_>) -> BTreeSet<String> {
    ctx.directory.orgs.keys().cloned().collect()
}

/// Organizations of a body: an array of references, or one under `values`.
fn named(call: &Call<'_>) -> Result<BTreeSet<String>, Problem> {
    let body = call.json()?;
    let list = body.get("values").unwrap_or(&body).as_array().cloned();
    let list = list.ok_or_else(|| Problem::bad_request("The body is no list of organizations"))?;
    Ok(list.iter().filter_map(|org| text(org, "id")).collect())
}

fn tenants(call: &Call<'_>, id: &str, ctx: &Context<'_>) -> Result<Reply, Problem> {
    let plugin = ctx.directory.plugins.get(id);
    let ids = plugin.into_iter().flat_map(|plugin| &plugin.tenants);
    let rows = ids.map(|id| json!({"name": ctx.directory.org_name(id), "id": id}));
    let listing = Listing::of("EntityReferences", &["id", "name"]);
    paging::list(call, ctx.site, &listing, rows.collect())
}

/// `PUT /transfer/{id}` of a plug-in's archive; `None` when no plug-in awaits it.
pub(crate) fn upload(
    call: &Call<'_>,
    transfer: &str,
    ctx: &mut Context<'_>,
) -> Option<Result<Reply, Problem>> {
    let mut plugins = ctx.directory.plugins.values_mut();
    let (plugin, bytes) = plugins.find_map(|plugin| match &plugin.upload {
        Upload::Awaited {
            transfer: own,
            bytes,
        } if own == transfer => {
            let bytes = *bytes;
            Some((plugin, bytes))
        }
        Upload::None | Upload::Awaited { .. } | Upload::Complete => None,
    })?;
    if *call.method != Method::PUT {
        return Some(Err(Problem::wrong_method()));
    }
    let sent = u64::try_from(call.body.len()).unwrap_or(u64::MAX);
    if sent != bytes {
        let message = format!("{bytes} bytes were announced, and {sent} came.");
        return Some(Err(Problem::bad_request(message)));
    }
    plugin.upload = Upload::Complete;
    Some(Ok(Reply::empty(200)))
}
