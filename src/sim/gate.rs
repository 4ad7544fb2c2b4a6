//! From an HTTP request to a [`Call`]: address, API version, session and tenant context.
//!
//! Flow: `World::handle` arrives here first; what has no session goes to the public routes only.
//!
//! Invariants:
//! - A request whose session is missing or over is answered 401, whatever it asks for.
//! - A tenant acts in its own organization only; a provider acts where the tenant context says.
//!
//! Source: VCD API, request headers; `X-VMWARE-VCLOUD-TENANT-CONTEXT` as a bare UUID
//! (`go-vcloud-director`) and as a URN (CAPVCD).

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::auth::{Sessions, bearer};
use super::call::{ApiVersion, Call, Principal};
use super::context::{Settings, new_uuid};
use super::directory::Directory;
use super::reply::Problem;
use crate::clock::Moment;
use crate::vcd::transport::Request;

/// Longest part of a client's request id that is kept.
const MAX_CLIENT_ID: usize = 128;

/// A request before anybody knows who sent it.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) method: &'a Method,
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) version: ApiVersion,
    pub(crate) request_id: String,
    pub(crate) settings: Settings,
}

impl<'a> Arrival<'a> {
    /// Takes `request` apart.
    pub(crate) fn of(
        request: &'a Request,
        version: ApiVersion,
        request_id: String,
        settings: Settings,
    ) -> Self {
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        Self {
            method: request.method(),
            segments: path
                .split('/')
                .filter(|part| !part.is_empty())
                .map(decode)
                .collect(),
            // Clients write `?&type=...`; the parser skips the empty pair.
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers: request.headers(),
            body: request.body(),
            version,
            request_id,
            settings,
        }
    }

    /// The path as string slices, for `match`.
    pub(crate) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The same request, sent by `principal`.
    pub(crate) fn by(self, principal: Principal) -> Call<'a> {
        Call {
            method: self.method,
            segments: self.segments,
            query: self.query,
            headers: self.headers,
            body: self.body,
            version: self.version,
            request_id: self.request_id,
            principal,
            settings: self.settings,
        }
    }
}

/// The id this request is known by: the client's own id, if it is clean, and a random part.
pub(crate) fn request_id(headers: &HeaderMap, rng: &mut fastrand::Rng) -> String {
    let clean = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let given = headers
        .get("x-vmware-vcloud-client-request-id")
        .and_then(|id| id.to_str().ok());
    let random = new_uuid(rng);
    match given.filter(|id| !id.is_empty() && id.chars().all(clean)) {
        Some(id) => {
            let kept: String = id.chars().take(MAX_CLIENT_ID).collect();
            format!("{kept}-{random}")
        }
        None => random.to_string(),
    }
}

/// Finds out who sent `headers`, and for which organization.
pub(crate) fn authenticate(
    headers: &HeaderMap,
    sessions: &mut Sessions,
    (directory, settings): (&Directory, &Settings),
    now: Moment,
) -> Result<Principal, Problem> {
    let unauthorized = || {
        Problem::new(
            401,
            "UNAUTHORIZED",
            "Unauthorized: the session is missing, invalid or expired.",
        )
    };
    let token = bearer(headers).ok_or_else(unauthorized)?;
    let mut principal = sessions
        .principal(token, directory, now)
        .ok_or_else(unauthorized)?;
    let context = headers
        .get("x-vmware-vcloud-tenant-context")
        .and_then(|org| org.to_str().ok());
    let Some(context) = context.map(str::trim).filter(|org| !org.is_empty()) else {
        return Ok(principal);
    };
    let bare = context.strip_prefix("urn:vcloud:org:").unwrap_or(context);
    let org_id = format!("urn:vcloud:org:{}", bare.to_ascii_lowercase());
    let foreign = !principal.provider && org_id != principal.org_id;
    if foreign && settings.foreign_context_is_ignored {
        return Ok(principal);
    }
    let known = directory.orgs.contains_key(&org_id);
    if !known || foreign {
        return Err(Problem::forbidden(
            "The tenant context names an organization that does not exist or that you lack access to.",
        ));
    }
    principal.acting_org_id = org_id;
    principal.in_context = true;
    Ok(principal)
}

/// The path with ids replaced by `{id}`, for counting.
pub(crate) fn template(segments: &[String]) -> String {
    let mut template = String::new();
    let mut before = "";
    for segment in segments {
        let prefix = ["vm-", "vapp-", "vappTemplate-"]
            .into_iter()
            .find(|prefix| segment.starts_with(prefix));
        let bare = prefix
            .and_then(|prefix| segment.strip_prefix(prefix))
            .unwrap_or(segment);
        let is_id =
            segment.contains(':') || uuid::Uuid::try_parse(bare).is_ok() || before == "tenant";
        template.push('/');
        template.push_str(if is_id { "{id}" } else { segment });
        before = segment;
    }
    template
}

/// Percent-decodes one path segment; a plus sign stays one. What is no UTF-8 is replaced.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten();
        let decoded = escaped
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{decode, template};

    #[test]
    fn segments_are_decoded_once_and_broken_escapes_stay() {
        for (text, want) in [
            ("a%3Ab", "a:b"),
            ("a+b", "a+b"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%2525", "%25"),
        ] {
            assert_eq!(decode(text), want);
        }
    }

    #[test]
    fn templates_hide_ids_only() {
        let of = |path: &str| {
            let segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
            template(&segments)
        };
        assert_eq!(
            of("/cloudapi/1.0.0/entities/urn:vcloud:entity:a:b:c"),
            "/cloudapi/1.0.0/entities/{id}"
        );
        let uuid = "0b7e5c3a-2a4b-4a54-9c52-5b2ff2ac1111";
        for prefix in ["", "vm-", "vapp-", "vappTemplate-"] {
            assert_eq!(of(&format!("/api/x/{prefix}{uuid}")), "/api/x/{id}");
        }
        assert_eq!(of("/oauth/tenant/acme/token"), "/oauth/tenant/{id}/token");
    }
}
