//! Requests for application port profiles and their documents.
//!
//! Source: VCD `OpenAPI`, `applicationPortProfiles`; go-vcloud-director looks a profile up by scope and
//! name, then reads it by its id.

use http::Method;
use serde_json::{Value, json};

use super::balancer_api::written;
use super::desk::{Desk, right};
use super::model::PortProfile;
use super::specs::{self, ProfileSpec};
use crate::sim::directory::bare;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// Answers `/cloudapi/1.0.0/applicationPortProfiles[/{id}]`.
pub(super) fn handle(desk: &mut Desk<'_, '_>, rest: &[&str]) -> Result<Reply, Problem> {
    let method = desk.call.method.clone();
    match (&method, rest) {
        (&Method::GET, []) => {
            desk.require(&[right::GATEWAYS, right::TRANSLATE])?;
            let keys = [
                "id",
                "name",
                "description",
                "scope",
                "orgRef.id",
                "contextEntityId",
            ];
            let listing = Listing::of("ApplicationPortProfiles", &keys);
            let profiles = desk.services.profiles.values();
            let visible = profiles.filter(|profile| {
                let org = profile.org_id.as_deref();
                org.is_none_or(|org| desk.sees(org))
            });
            let rows = visible.map(|profile| document(desk, profile)).collect();
            paging::list(desk.call, desk.ctx.site, &listing, rows)
        }
        (&Method::POST, []) => create(desk),
        (&Method::GET, [urn]) => {
            desk.require(&[right::GATEWAYS, right::TRANSLATE])?;
            let document = document(desk, desk.profile(urn)?);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        (&Method::PUT, [urn]) => {
            desk.require(&[right::TRANSLATE])?;
            let uuid = desk.profile(urn)?.uuid.clone();
            let spec: ProfileSpec = specs::read(desk.call)?;
            let starter = desk.starter();
            let task = desk
                .services
                .replace_profile(&uuid, spec, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (&Method::DELETE, [urn]) => {
            desk.require(&[right::TRANSLATE])?;
            let uuid = desk.profile(urn)?.uuid.clone();
            let starter = desk.starter();
            let task = desk.services.delete_profile(&uuid, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (_, [] | [_]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn create(desk: &mut Desk<'_, '_>) -> Result<Reply, Problem> {
    desk.require(&[right::TRANSLATE])?;
    let spec: ProfileSpec = specs::read(desk.call)?;
    let who = &desk.call.principal;
    let org = match spec.scope.as_str() {
        "TENANT" => {
            let asked = spec.org_ref.as_ref().map_or("", |org| org.id.as_str());
            let org = if asked.is_empty() {
                who.acting_org_id.clone()
            } else {
                format!("urn:vcloud:org:{}", bare(asked))
            };
            if !desk.sees(&org) || !desk.ctx.directory.orgs.contains_key(&org) {
                return Err(desk.missing(&org));
            }
            let vdc = spec.context_entity_id.as_deref().unwrap_or_default();
            let known = desk.infra.vdcs.get(bare(vdc));
            if known.is_none_or(|known| known.org_id != org) {
                return Err(Problem::bad_request(
                    "contextEntityId must name a VDC of the organization.",
                ));
            }
            Some(org)
        }
        "PROVIDER" if who.provider => None,
        _ => {
            return Err(Problem::bad_request(
                "scope must be TENANT; only the provider may create others.",
            ));
        }
    };
    let starter = desk.starter();
    let begun = desk
        .services
        .create_profile(org.as_deref(), spec, &starter, desk.ctx)?;
    Ok(desk.accepted(&begun.task))
}

fn document(desk: &Desk<'_, '_>, profile: &PortProfile) -> Value {
    let mut document = written(&profile.spec);
    let org = profile.org_id.as_deref();
    let org = org.map(|org| json!({"name": desk.ctx.directory.org_name(org), "id": org}));
    document.insert("orgRef".to_owned(), json!(org));
    document.insert("id".to_owned(), json!(profile.urn()));
    document.insert("usableForNAT".to_owned(), json!(true));
    Value::Object(document)
}
