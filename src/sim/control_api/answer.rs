//! Requests and refusals of the control API.

use std::fmt::Display;
use std::str::FromStr;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::sim::gate;
use crate::sim::levers::LeverError;

/// A request taken apart.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// Decoded, without empty ones.
    pub(crate) segments: Vec<String>,
    query: Vec<(String, String)>,
    media: &'a str,
    body: &'a Bytes,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    what: String,
    place: &'static str,
}

impl Refused {
    /// 400: `place` is `body`, `query` or `path`.
    pub(crate) fn bad(place: &'static str, what: impl Display) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            what: what.to_string(),
            place,
        }
    }

    /// 404.
    pub(crate) fn missing(what: impl Display) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::bad("path", what)
        }
    }

    /// 405: the path is there for other methods.
    pub(crate) fn method() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            ..Self::bad("path", "this path has no such method; GET / lists all")
        }
    }

    /// 409: it cannot be done with this site.
    pub(crate) fn conflict(what: impl Display) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            ..Self::bad("path", what)
        }
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Self::bad("body", format!("it is longer than {limit} bytes"))
        }
    }

    /// 500: the simulator itself is at fault.
    pub(crate) fn broken() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::bad("simulator", "the request could not be processed")
        }
    }

    pub(crate) fn document(&self) -> Value {
        json!({"error": self.what, "in": self.place})
    }
}

impl From<LeverError> for Refused {
    fn from(error: LeverError) -> Self {
        Self::bad("body", error)
    }
}

impl<'a> Asked<'a> {
    pub(crate) fn of(parts: &'a Parts, body: &'a Bytes) -> Self {
        let path = parts.uri.path().split('/');
        let query = parts.uri.query().unwrap_or_default();
        let media = parts.headers.get(header::CONTENT_TYPE);
        let media = media.and_then(|media| media.to_str().ok());
        Self {
            method: &parts.method,
            segments: path
                .filter(|part| !part.is_empty())
                .map(gate::decode)
                .collect(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            media: media.unwrap_or_default(),
            body,
        }
    }

    /// The path as string slices, for `match`.
    pub(crate) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// Refuses a parameter that is none of `known`.
    pub(crate) fn parameters(&self, known: &[&str]) -> Result<(), Refused> {
        let unknown = self
            .query
            .iter()
            .find(|(key, _)| !known.contains(&key.as_str()));
        match unknown {
            Some((key, _)) => Err(Refused::bad(
                "query",
                format!(
                    "there is no parameter {key:?}; there are {}",
                    known.join(", ")
                ),
            )),
            None => Ok(()),
        }
    }

    /// First value of a parameter, as what it should be.
    pub(crate) fn parameter<T: FromStr<Err: Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Refused> {
        let found = self.query.iter().find(|(key, _)| key == name);
        let parse = |(_, value): &(String, String)| {
            let parsed = value.parse();
            parsed.map_err(|cause| Refused::bad("query", format!("{name}={value}: {cause}")))
        };
        found.map(parse).transpose()
    }

    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        if !self.media.starts_with("application/json") {
            return Err(self.wrong_media("application/json"));
        }
        serde_json::from_slice(self.body).map_err(|cause| Refused::bad("body", cause))
    }

    /// The body as JSON; nothing counts as an empty object.
    pub(crate) fn json_or_nothing<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        if self.body.is_empty() {
            return serde_json::from_str("{}").map_err(|cause| Refused::bad("body", cause));
        }
        self.json()
    }

    /// The body as TOML text, if it says that it is.
    pub(crate) fn toml(&self) -> Result<Option<&str>, Refused> {
        if !self.media.starts_with("application/toml") {
            return Ok(None);
        }
        let text = std::str::from_utf8(self.body);
        text.map(Some).map_err(|cause| Refused::bad("body", cause))
    }

    fn wrong_media(&self, want: &str) -> Refused {
        Refused {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ..Refused::bad(
                "body",
                format!("content type {:?} instead of {want}", self.media),
            )
        }
    }
}
