//! One request as the simulator's handlers see it: who calls, at which API version, with what.
//!
//! Flow: `gate` parses and authenticates an HTTP request into a [`Call`]; handlers answer with a `Reply`.
//!
//! Not here: authentication itself (`sim::auth`), versions (`sim::versions`).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};

use serde::{Deserialize, Serialize};

use super::context::Settings;
use super::reply::Problem;

/// An API version such as 37.2, ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ApiVersion {
    pub(crate) major: u16,
    pub(crate) minor: u16,
}

/// The caller: an authenticated user, and the organization it acts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// `urn:vcloud:user:<uuid>`
    pub(crate) user_id: String,
    pub(crate) user_name: String,
    /// Home organization, `urn:vcloud:org:<uuid>`.
    pub(crate) org_id: String,
    pub(crate) org_name: String,
    /// Whether the home organization is System.
    pub(crate) provider: bool,
    /// `urn:vcloud:role:<uuid>`
    pub(crate) role_id: String,
    pub(crate) rights: Arc<BTreeSet<String>>,
    /// Organization of the tenant-context header, or the home organization.
    pub(crate) acting_org_id: String,
    /// Whether the request carries a tenant-context header.
    pub(crate) in_context: bool,
    /// Whether the session came from an API token: such sessions may not manage tokens and roles.
    pub(crate) by_token: bool,
}

impl Principal {
    /// Whether the caller's role holds `right`, by its exact VCD name.
    pub(crate) fn has(&self, right: &str) -> bool {
        self.rights.contains(right)
    }
}

/// An authenticated request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    /// Percent-decoded path segments, without empty ones (a trailing slash does not count).
    pub(crate) segments: Vec<String>,
    /// Percent-decoded query pairs in their order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) version: ApiVersion,
    /// The id that answers and error messages carry.
    pub(crate) request_id: String,
    pub(crate) principal: Principal,
    pub(crate) settings: Settings,
}

impl Call<'_> {
    /// The path as string slices, for `match`.
    pub(crate) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// First value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; nothing counts as an empty object.
    pub(crate) fn json(&self) -> Result<serde_json::Value, Problem> {
        if self.body.is_empty() {
            return Ok(serde_json::json!({}));
        }
        serde_json::from_slice(self.body)
            .map_err(|error| Problem::bad_request(format!("The body is no JSON: {error}")))
    }

    /// A request header as text; absent when it is no ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
