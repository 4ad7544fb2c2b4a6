//! Which API versions the site offers, and the two documents that tell: `/api/versions`, `/api/admin`.
//!
//! Invariants:
//! - Nothing from 40.0 up is offered: clients take that for a VCF Automation site.
//!
//! Source: VCD API 37.0 to 39.1, `SupportedVersions`; `go-vcloud-director` demands 37.0, CAPVCD 37.2.

use serde::{Deserialize, Serialize};

use super::call::{ApiVersion, Call};
use super::choices::UnversionedAccept;
use super::reply::{Problem, Reply};

/// One offered version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offered {
    pub(crate) version: ApiVersion,
    pub(crate) deprecated: bool,
}

const fn offered(major: u16, minor: u16) -> Offered {
    Offered {
        version: ApiVersion { major, minor },
        deprecated: major < 38,
    }
}

/// What VCD 10.6.1 offers.
pub(crate) const DEFAULT: [Offered; 8] = [
    offered(37, 0),
    offered(37, 1),
    offered(37, 2),
    offered(37, 3),
    offered(38, 0),
    offered(38, 1),
    offered(39, 0),
    offered(39, 1),
];

/// From here on reads show secure fields as asterisks and carry dates; before, they are left out.
pub(crate) const MASKED_SINCE: ApiVersion = ApiVersion {
    major: 38,
    minor: 0,
};

impl ApiVersion {
    /// Reads `37.2`; anything else, such as an alpha version, is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

/// The version a request is answered in: the one its `Accept` headers name, if they name one.
///
/// Clients send the header twice, with media types of their own and even with underscores in place
/// of slashes; only the `version` parameter counts.
pub(crate) fn negotiate<'h>(
    accepts: impl Iterator<Item = &'h str>,
    offers: &[Offered],
) -> Result<Option<ApiVersion>, Problem> {
    for parameter in accepts.flat_map(|accept| accept.split([';', ','])) {
        let Some((name, asked)) = parameter.split_once('=') else {
            continue;
        };
        let asked = asked.trim();
        // `/oauth` is called with an empty version.
        if !name.trim().eq_ignore_ascii_case("version") || asked.is_empty() {
            continue;
        }
        let known = ApiVersion::parse(asked)
            .filter(|version| offers.iter().any(|offer| offer.version == *version));
        return known.map(Some).ok_or_else(|| not_acceptable(asked, offers));
    }
    Ok(None)
}

/// The version of a request that names none; `public` for paths that need no session, which clients
/// call before they know any.
pub(crate) fn unversioned(
    choice: UnversionedAccept,
    public: bool,
    offers: &[Offered],
) -> Result<ApiVersion, Problem> {
    let lowest = offers.iter().map(|offer| offer.version).min();
    match choice {
        UnversionedAccept::Refused if !public => Err(not_acceptable("(none)", offers)),
        UnversionedAccept::Lowest => Ok(lowest.unwrap_or_else(|| highest(offers))),
        UnversionedAccept::Highest | UnversionedAccept::Refused => Ok(highest(offers)),
    }
}

/// The highest version on offer.
pub(crate) fn highest(offers: &[Offered]) -> ApiVersion {
    let highest = offers.iter().map(|offer| offer.version).max();
    highest.unwrap_or(ApiVersion {
        major: 39,
        minor: 1,
    })
}

fn not_acceptable(asked: &str, offers: &[Offered]) -> Problem {
    let names: Vec<String> = offers
        .iter()
        .map(|offer| offer.version.to_string())
        .collect();
    let asked: String = asked.chars().take(40).collect();
    let message = format!(
        "The request has invalid accept header: unknown version {asked}, supported versions are [{}].",
        names.join(", ")
    );
    Problem::new(406, "NOT_ACCEPTABLE", message)
}

impl std::fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[derive(Serialize)]
struct SupportedVersions {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(rename = "VersionInfo")]
    infos: Vec<VersionInfo>,
    #[serde(rename = "SchemaRoot")]
    schema_root: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VersionInfo {
    #[serde(rename = "@deprecated")]
    deprecated: bool,
    version: String,
    login_url: String,
    provider_login_url: String,
}

/// `GET /api/versions`, which needs no session.
pub(crate) fn document(site: &str, answered_in: ApiVersion, offers: &[Offered]) -> Reply {
    let info = |offer: &Offered| VersionInfo {
        deprecated: offer.deprecated,
        version: offer.version.to_string(),
        login_url: format!("{site}/cloudapi/1.0.0/sessions"),
        provider_login_url: format!("{site}/cloudapi/1.0.0/sessions/provider"),
    };
    let document = SupportedVersions {
        xmlns: "http://www.vmware.com/vcloud/versions",
        infos: offers.iter().map(info).collect(),
        schema_root: format!("{site}/api/v1.5/schema/"),
    };
    xml_reply(answered_in, "*+xml", "SupportedVersions", &document)
}

#[derive(Serialize)]
struct Product {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(rename = "@name")]
    name: &'static str,
    #[serde(rename = "@href")]
    href: String,
    #[serde(rename = "@type")]
    media_type: &'static str,
    #[serde(rename = "Description")]
    description: &'static str,
}

/// `GET /api/admin`: the product's version, for administrators.
pub(crate) fn product(call: &Call<'_>, site: &str) -> Result<Reply, Problem> {
    if !call.principal.provider {
        return Err(Problem::forbidden("Access is forbidden"));
    }
    let document = Product {
        xmlns: "http://www.vmware.com/vcloud/v1.5",
        name: "VMware Cloud Director",
        href: format!("{site}/api/admin/"),
        media_type: "application/vnd.vmware.admin.vcloud+xml",
        description: "10.6.1.24405246 Thu Oct 10 09:00:00 UTC 2024",
    };
    Ok(xml_reply(
        call.version,
        "vnd.vmware.admin.vcloud+xml",
        "VCloud",
        &document,
    ))
}

/// Serializes `document` under `root`; the shapes of this crate cannot fail to serialize.
pub(crate) fn xml_reply(
    version: ApiVersion,
    media: &str,
    root: &str,
    document: &impl Serialize,
) -> Reply {
    let body = quick_xml::se::to_string_with_root(root, document).unwrap_or_default();
    Reply::xml(
        200,
        version,
        media,
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}"),
    )
}

#[cfg(test)]
mod tests {
    use super::{ApiVersion, DEFAULT, negotiate};

    #[test]
    fn the_version_is_found_in_every_accept_clients_send() {
        type Row<'a> = (&'a [&'a str], Result<Option<(u16, u16)>, u16>);
        let table: [Row<'_>; 9] = [
            (&["application/json;version=37.2"], Ok(Some((37, 2)))),
            (&["*_/_*;version=37.2"], Ok(Some((37, 2)))),
            (&["application/*+xml;version=38.1"], Ok(Some((38, 1)))),
            (
                &[
                    "application/*+xml;version=37.0",
                    "vnd.vmware.vcloud.org+xml;version=37.0",
                ],
                Ok(Some((37, 0))),
            ),
            (&["application/json;version="], Ok(None)),
            (&[], Ok(None)),
            (&["application/json; version=37.1"], Ok(Some((37, 1)))),
            (&["application/json;version=40.0"], Err(406)),
            (&["application/json;version=37.2.0-alpha-1"], Err(406)),
        ];
        for (accepts, want) in table {
            let got = negotiate(accepts.iter().copied(), &DEFAULT);
            let want = want.map(|want| want.map(|(major, minor)| ApiVersion { major, minor }));
            assert_eq!(got.map_err(|problem| problem.status), want, "{accepts:?}");
        }
    }
}
