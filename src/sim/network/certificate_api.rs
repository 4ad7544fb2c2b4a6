//! Requests for the certificate library, and their documents.
//!
//! Invariants:
//! - An alias belongs to one certificate of an organization.
//! - A private key is taken and never shown again.
//!
//! Source: VCD `OpenAPI`, `ssl/certificateLibrary`, once misspelt `ssl/cetificateLibrary`;
//! CAPVCD looks certificates up by `alias`.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::desk::{Desk, right};
use super::model::Certificate;
use super::rules::duplicate;
use super::specs;
use crate::sim::directory::bare;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// What a client writes about a certificate.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Body {
    alias: String,
    description: String,
    certificate: Option<String>,
    private_key: Option<String>,
}

/// Answers `/cloudapi/1.0.0/ssl/...`.
pub(super) fn handle(desk: &mut Desk<'_, '_>, rest: &[&str]) -> Result<Reply, Problem> {
    match rest {
        ["certificateLibrary" | "cetificateLibrary", rest @ ..] => library(desk, rest),
        ["trustedCertificates"] if *desk.call.method == Method::GET => {
            desk.require(&[right::CERTIFICATES, right::MANAGE_CERTIFICATES])?;
            let listing = Listing::of("TrustedCertificates", &["id", "alias"]);
            paging::list(desk.call, desk.ctx.site, &listing, Vec::new())
        }
        ["trustedCertificates"] => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn library(desk: &mut Desk<'_, '_>, rest: &[&str]) -> Result<Reply, Problem> {
    let method = desk.call.method.clone();
    let read = matches!(method, Method::GET);
    desk.require(if read {
        &[right::CERTIFICATES, right::MANAGE_CERTIFICATES]
    } else {
        &[right::MANAGE_CERTIFICATES]
    })?;
    match (&method, rest) {
        (&Method::GET, []) => {
            let keys = ["id", "alias", "description"];
            let listing = Listing::of("CertificateLibraryItems", &keys);
            let all = desk.services.certificates.values();
            let rows = all
                .filter(|one| desk.sees(&one.org_id))
                .map(|one| document(desk, one))
                .collect();
            paging::list(desk.call, desk.ctx.site, &listing, rows)
        }
        (&Method::POST, []) => add(desk),
        (&Method::GET, [urn]) => {
            let document = document(desk, find(desk, urn)?);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        (&Method::PUT, [urn]) => rename(desk, urn),
        (&Method::DELETE, [urn]) => {
            let certificate = find(desk, urn)?;
            let (uuid, urn) = (certificate.uuid.clone(), certificate.urn());
            if consumers(desk, &urn) > 0 {
                return Err(Problem::bad_request(format!(
                    "The certificate {} cannot be deleted: it is in use.",
                    certificate.alias
                )));
            }
            desk.services.certificates.remove(&uuid);
            Ok(Reply::empty(204))
        }
        (_, [] | [_]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn find<'d>(desk: &'d Desk<'_, '_>, urn: &str) -> Result<&'d Certificate, Problem> {
    let found = desk.services.certificates.get(bare(urn));
    found
        .filter(|one| desk.sees(&one.org_id))
        .ok_or_else(|| desk.missing(urn))
}

/// Refuses an alias that is empty or belongs to another certificate than `known`.
fn require_alias(
    desk: &Desk<'_, '_>,
    org: &str,
    alias: &str,
    known: Option<&str>,
) -> Result<(), Problem> {
    if alias.trim().is_empty() {
        return Err(Problem::bad_request("alias must not be empty."));
    }
    let mut all = desk.services.certificates.values();
    let taken =
        all.any(|one| one.org_id == org && one.alias == alias && Some(one.uuid.as_str()) != known);
    if taken {
        return Err(duplicate("certificate", alias));
    }
    Ok(())
}

fn add(desk: &mut Desk<'_, '_>) -> Result<Reply, Problem> {
    let body: Body = specs::read(desk.call)?;
    let org_id = desk.call.principal.acting_org_id.clone();
    require_alias(desk, &org_id, &body.alias, None)?;
    let pem = body.certificate.unwrap_or_default();
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(Problem::bad_request("certificate is not in PEM format."));
    }
    let certificate = Certificate {
        uuid: desk.ctx.uuid(),
        org_id,
        alias: body.alias,
        description: body.description,
        pem,
        has_key: body.private_key.is_some(),
    };
    let urn = certificate.urn();
    let document = document(desk, &certificate);
    let reply = Reply::json(201, desk.call.version, &document).with_header(
        "content-location",
        format!("{}/{}/{urn}", desk.ctx.site, desk.call.segments.join("/")),
    );
    desk.services
        .certificates
        .insert(certificate.uuid.clone(), certificate);
    Ok(reply)
}

/// Alias and description can be changed, the certificate cannot.
fn rename(desk: &mut Desk<'_, '_>, urn: &str) -> Result<Reply, Problem> {
    let body: Body = specs::read(desk.call)?;
    let found = find(desk, urn)?;
    let (uuid, org) = (found.uuid.clone(), found.org_id.clone());
    require_alias(desk, &org, &body.alias, Some(&uuid))?;
    if let Some(certificate) = desk.services.certificates.get_mut(&uuid) {
        certificate.alias = body.alias;
        certificate.description = body.description;
    }
    let document = document(desk, find(desk, urn)?);
    Ok(Reply::json(200, desk.call.version, &document))
}

fn consumers(desk: &Desk<'_, '_>, urn: &str) -> usize {
    let services = desk.services.virtuals.values();
    let using = services.filter(|service| {
        let certificate = service.spec.certificate_ref.as_ref();
        certificate.is_some_and(|certificate| certificate.id == urn)
    });
    using.count()
}

fn document(desk: &Desk<'_, '_>, certificate: &Certificate) -> Value {
    json!({
        "id": certificate.urn(),
        "alias": certificate.alias,
        "description": certificate.description,
        "certificate": certificate.pem,
        "privateKey": null,
        "privateKeyPassphrase": null,
        "hasPrivateKey": certificate.has_key,
        "consumerCount": consumers(desk, &certificate.urn()),
    })
}
