//! Which API version to speak: negotiated once, before anything else is asked.
//!
//! Invariants:
//! - Versions of 40 and later belong to another product and are never chosen.
//! - A version that VCD lists as alpha, or that is no `major.minor`, is never chosen.
//!
//! Source: `GET /api/versions`, VCD API 37.2; VCD 10.4 (37.0) to 10.6 (39.x).

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::error::VcdError;
use super::operation::Operation;
use super::transport::Response;
use super::wire::xml;

/// An API version such as 37.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Before the dot.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

impl ApiVersion {
    /// What this client is written against.
    pub const WRITTEN_AGAINST: Self = Self {
        major: 37,
        minor: 2,
    };

    /// The oldest version that has everything this client uses (VCD 10.4).
    const OLDEST: Self = Self {
        major: 37,
        minor: 0,
    };

    /// The first version of another product.
    const TOO_NEW: Self = Self {
        major: 40,
        minor: 0,
    };
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The text is no API version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an API version has the form major.minor, such as 37.2")]
pub struct InvalidApiVersion;

impl FromStr for ApiVersion {
    type Err = InvalidApiVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        };
        let parts = text.split_once('.');
        parts
            .and_then(|(major, minor)| {
                Some(Self {
                    major: number(major)?,
                    minor: number(minor)?,
                })
            })
            .ok_or(InvalidApiVersion)
    }
}

#[derive(Deserialize)]
struct SupportedVersions {
    #[serde(rename = "VersionInfo", default)]
    released: Vec<VersionInfo>,
}

#[derive(Deserialize)]
struct VersionInfo {
    #[serde(rename = "Version", default)]
    version: String,
}

/// Reads the versions that VCD lists, without alpha ones and without what is no version.
pub(super) fn offered(response: &Response) -> Result<Vec<ApiVersion>, VcdError> {
    let listed: SupportedVersions = xml::read(Operation::LIST_VERSIONS, response.body())?;
    Ok(listed
        .released
        .iter()
        .filter_map(|info| info.version.trim().parse().ok())
        .collect())
}

/// Chooses the wanted version if it is offered, else the highest usable one.
///
/// # Errors
/// [`VcdError::ApiVersion`]: VCD is older than 10.4, or no VCD.
pub(super) fn choose(wanted: ApiVersion, offered: Vec<ApiVersion>) -> Result<ApiVersion, VcdError> {
    let usable = |version: &ApiVersion| (ApiVersion::OLDEST..ApiVersion::TOO_NEW).contains(version);
    if offered.contains(&wanted) && usable(&wanted) {
        return Ok(wanted);
    }
    let highest = offered.iter().copied().filter(usable).max();
    highest.ok_or(VcdError::ApiVersion { wanted, offered })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    fn versions(list: &[&str]) -> Vec<ApiVersion> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_wanted_version_wins_and_else_the_highest_usable_one() {
        let cases: [(&[&str], Option<&str>); 6] = [
            (&["37.0", "37.2", "39.1"], Some("37.2")),
            (&["37.0", "38.1", "39.0"], Some("39.0")),
            (&["37.0", "40.0", "41.2"], Some("37.0")),
            (&["36.3", "35.0"], None),
            (&["40.0"], None),
            (&[], None),
        ];
        for (offered, want) in cases {
            let chosen = choose(ApiVersion::WRITTEN_AGAINST, versions(offered)).ok();
            assert_eq!(
                chosen,
                want.map(|text| text.parse().unwrap()),
                "{offered:?}"
            );
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(versions(&["37.10"]) > versions(&["37.9"]));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            "37",
            "37.",
            ".2",
            "37.2.1",
            "37.x",
            "+37.2",
            "37.2-alpha",
            "70000.1",
        ] {
            assert_eq!(text.parse::<ApiVersion>(), Err(InvalidApiVersion), "{text}");
        }
    }
}
