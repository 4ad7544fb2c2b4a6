//! The catalogue of `/cloudapi/1.0.0`: which addresses there are, and which methods each has.
//!
//! Flow: `world` asks here before it hands a request to an area, so that a wrong address, method or
//! media type is refused the same way everywhere, whatever else the request is.
//!
//! Invariants:
//! - An address of a catalogued area that is not in the catalogue is 404; one that lacks the method 405.
//! - A body that is no JSON is 415; a body without a media type is taken as JSON.
//! - An address younger than the request's API version is 404.
//!
//! Not here: areas without an entry, which refuse for themselves; whether an object exists.
//! Source: VCD `OpenAPI` 37.2, paths.

use http::{Method, header};

use super::call::{ApiVersion, Call};
use super::reply::Problem;

/// Templates below `/cloudapi/1.0.0`, in which `{}` stands for one segment, and their methods.
const CATALOGUE: &[(&str, &str)] = &[
    ("accessLevels", "GET"),
    ("accessLevels/{}", "GET"),
    ("deviceLookup", "POST"),
    ("deviceLookup/deny", "POST"),
    ("deviceLookup/grant", "POST"),
    ("entities/interfaces/{}", "GET"),
    ("entities/interfaces/{}/{}/{}", "GET"),
    ("entities/types/{}", "GET"),
    ("entities/types/{}/{}", "GET"),
    ("entities/types/{}/{}/{}", "GET"),
    ("entities/{}", "GET PUT DELETE"),
    ("entities/{}/accessControls", "GET POST"),
    ("entities/{}/accessControls/{}", "GET PUT DELETE"),
    ("entities/{}/behaviors/{}/invocations", "POST"),
    ("entities/{}/behaviors/{}/invocations/{}/log", "GET"),
    ("entities/{}/fullContents", "GET"),
    ("entities/{}/metadata", "GET POST"),
    ("entities/{}/metadata/{}", "GET PUT DELETE"),
    ("entities/{}/resolve", "POST"),
    ("entity/{}", "GET"),
    ("entityTypes", "GET POST"),
    ("entityTypes/{}", "GET POST PUT DELETE"),
    ("entityTypes/{}/accessControls", "GET POST"),
    ("entityTypes/{}/accessControls/{}", "GET PUT DELETE"),
    ("entityTypes/{}/behaviorAccessControls", "GET POST PUT"),
    ("entityTypes/{}/behaviors", "GET"),
    ("entityTypes/{}/behaviors/{}", "GET PUT DELETE"),
    ("entityTypes/{}/migrateEntities", "POST"),
    ("globalRoles", "GET POST"),
    ("globalRoles/{}", "GET PUT DELETE"),
    ("globalRoles/{}/rights", "GET POST PUT"),
    ("globalRoles/{}/tenants", "GET PUT"),
    ("globalRoles/{}/tenants/publish", "POST"),
    ("globalRoles/{}/tenants/publishAll", "POST"),
    ("globalRoles/{}/tenants/unpublish", "POST"),
    ("globalRoles/{}/tenants/unpublishAll", "POST"),
    ("interfaces", "GET POST"),
    ("interfaces/{}", "GET PUT DELETE"),
    ("interfaces/{}/behaviors", "GET POST PUT"),
    ("interfaces/{}/behaviors/{}", "GET PUT DELETE"),
    ("orgs", "GET POST"),
    ("orgs/{}", "GET PUT DELETE"),
    ("rights", "GET"),
    ("rights/{}", "GET"),
    ("rightsBundles", "GET POST"),
    ("rightsBundles/{}", "GET PUT DELETE"),
    ("rightsBundles/{}/rights", "GET POST PUT"),
    ("rightsBundles/{}/tenants", "GET PUT"),
    ("rightsBundles/{}/tenants/publish", "POST"),
    ("rightsBundles/{}/tenants/publishAll", "POST"),
    ("rightsBundles/{}/tenants/unpublish", "POST"),
    ("rightsBundles/{}/tenants/unpublishAll", "POST"),
    ("rightsCategories", "GET"),
    ("rightsCategories/{}", "GET"),
    ("roles", "GET POST"),
    ("roles/{}", "GET PUT DELETE"),
    ("roles/{}/rights", "GET POST PUT"),
    ("serviceAccounts", "GET"),
    ("serviceAccounts/{}", "GET PUT DELETE"),
    ("serviceAccounts/{}/revoke", "POST"),
    ("serviceAccounts/{}/takeOwnership", "POST"),
    ("sessions", "GET DELETE"),
    ("sessions/{}", "GET DELETE"),
    ("sessions/{}/accessibleLocations", "GET"),
    ("sessions/{}/token", "GET"),
    ("tokens", "GET POST"),
    ("tokens/{}", "GET DELETE"),
    ("users", "GET POST"),
    ("users/{}", "GET PUT DELETE"),
    ("users/{}/takeOwnership", "POST"),
];

/// Areas, or parts of one, that came with a version which clients still undercut.
const SINCE: [(&str, ApiVersion); 4] = [
    (
        "deviceLookup",
        ApiVersion {
            major: 37,
            minor: 0,
        },
    ),
    (
        "entities/{}/metadata",
        ApiVersion {
            major: 37,
            minor: 0,
        },
    ),
    (
        "serviceAccounts",
        ApiVersion {
            major: 37,
            minor: 0,
        },
    ),
    (
        "tokens",
        ApiVersion {
            major: 36,
            minor: 1,
        },
    ),
];

/// Refuses what no handler needs to see.
pub(crate) fn check(call: &Call<'_>) -> Result<(), Problem> {
    let path = call.path();
    let ["cloudapi", version, rest @ ..] = path.as_slice() else {
        return Ok(());
    };
    if *version == "1.0.0" {
        check_address(call.method, rest, call.version)?;
    }
    let media = call.header(header::CONTENT_TYPE.as_str());
    let strange = media.is_some_and(|media| !media.to_ascii_lowercase().contains("json"));
    if strange && !call.body.is_empty() {
        let message = "The request's media type is not supported; application/json is.";
        return Err(Problem::new(415, "UNSUPPORTED_MEDIA_TYPE", message));
    }
    Ok(())
}

fn check_address(method: &Method, path: &[&str], version: ApiVersion) -> Result<(), Problem> {
    let area = path.first().copied().unwrap_or_default();
    let of_area = |(template, _): &&(&str, &str)| template.split('/').next() == Some(area);
    let mut entries = CATALOGUE.iter().filter(of_area).peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    let mut found = false;
    for (template, methods) in entries.filter(|(template, _)| fits(template, path)) {
        found = true;
        if methods.split(' ').any(|allowed| allowed == method.as_str()) {
            return check_age(template, version);
        }
    }
    Err(if found {
        Problem::wrong_method()
    } else {
        Problem::no_such_url()
    })
}

fn check_age(template: &str, version: ApiVersion) -> Result<(), Problem> {
    let younger = SINCE
        .iter()
        .any(|(part, since)| template.starts_with(part) && version < *since);
    if younger {
        Err(Problem::no_such_url())
    } else {
        Ok(())
    }
}

fn fits(template: &str, path: &[&str]) -> bool {
    let mut parts = template.split('/');
    let all = path.iter().all(|segment| {
        parts
            .next()
            .is_some_and(|part| part == "{}" || part == *segment)
    });
    all && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::check_address;
    use crate::sim::call::ApiVersion;

    #[test]
    fn addresses_and_methods_are_told_apart() {
        let table = [
            ("GET", "entities/urn:x", 37, Ok(())),
            ("PATCH", "entities/urn:x", 37, Err(405)),
            ("POST", "entities/urn:x/resolve", 37, Ok(())),
            ("GET", "entities/urn:x/resolve", 37, Err(405)),
            ("GET", "entities/urn:x/nothing", 37, Err(404)),
            ("GET", "entities", 37, Err(404)),
            ("GET", "entities/types/a/b/1", 37, Ok(())),
            ("DELETE", "entities/types/a/b/1", 37, Err(405)),
            ("GET", "entities/urn:x/metadata/urn:y", 36, Err(404)),
            ("POST", "globalRoles/urn:x/tenants/publishAll", 37, Ok(())),
            ("GET", "edgeGateways/what/ever", 37, Ok(())),
        ];
        for (method, path, major, want) in table {
            let segments: Vec<&str> = path.split('/').collect();
            let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
            let got = check_address(&method, &segments, ApiVersion { major, minor: 0 });
            assert_eq!(
                got.map_err(|problem| problem.status),
                want,
                "{method} {path}"
            );
        }
    }
}
