//! The release of CSE that clusters are told to come from (`status.vcdKe.vcdKeVersion`).
//!
//! Clients compare it with what their own configuration names: Terraform plans a change for ever when
//! `cse_version` says 4.1.1 and the cluster says 4.2.3. So the release is that of the entity's type, and
//! the patch level the one that the provider has configured, if it fits.
//!
//! Invariants:
//! - Always from 4.1 up to and without 4.3: clients refuse to work with anything else.
//!
//! Source: go-vcloud-director (releases 4.1 use type 1.2.0, releases 4.2 use type 1.3.0).

use super::ServerConfig;

/// A release that behaves as this server does, for type 1.2.0: since 4.1.1 auto-repair ends when a
/// cluster is provisioned.
const OF_TYPE_1_2: &str = "4.1.1";
/// The newest one, for type 1.3.0 and all others; no release that clients accept has type 1.1.0.
const NEWEST: &str = "4.2.3";

impl ServerConfig {
    /// The release told to clients of an entity of this type, such as
    /// `urn:vcloud:type:vmware:capvcdCluster:1.3.0`.
    pub fn release_told(&self, entity_type: &str) -> String {
        let version = entity_type.rsplit(':').next().unwrap_or_default();
        let own = if version.starts_with("1.2.") {
            OF_TYPE_1_2
        } else {
            NEWEST
        };
        let configured = self.instances.iter().filter_map(|it| it.version.as_deref());
        let mut fitting = configured.filter(|given| is_patch_of(given, own));
        fitting.next().unwrap_or(own).to_owned()
    }
}

/// Whether `given` is `major.minor.patch`, in numbers, with the major and minor of `own`.
fn is_patch_of(given: &str, own: &str) -> bool {
    let same = |part: Option<&str>, wanted: Option<&str>| part.is_some() && part == wanted;
    let (mut given, mut own) = (given.split('.'), own.split('.'));
    let patch = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    same(given.next(), own.next())
        && same(given.next(), own.next())
        && given.next().is_some_and(patch)
        && given.next().is_none()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_release_is_that_of_the_type_and_the_patch_that_of_the_provider() {
        let cases: [(&str, &[&str], &str); 9] = [
            ("1.3.0", &[], "4.2.3"),
            ("1.3.0", &["4.2.1"], "4.2.1"),
            ("1.3.0", &["4.1.0"], "4.2.3"),
            ("1.3.0", &["4.1.0", "4.2.0"], "4.2.0"),
            ("1.2.0", &["4.2.3"], "4.1.1"),
            ("1.2.0", &["4.1.0"], "4.1.0"),
            (
                "1.2.0",
                &["4.1.1a", "4.1", "v4.1.0", "4.1.0.1", "4.1."],
                "4.1.1",
            ),
            ("1.1.0", &["4.0.4"], "4.2.3"),
            ("", &["5.0.0"], "4.2.3"),
        ];
        for (version, configured, wanted) in cases {
            let instance = |version: &&str| json!({"name": "cse", "version": version});
            let instances: Vec<Value> = configured.iter().map(instance).collect();
            let content = json!({"profiles": [{"name": "p", "vcdKeInstances": instances}]});
            let config = ServerConfig::parse(content.as_object().unwrap()).unwrap();
            let entity_type = format!("urn:vcloud:type:vmware:capvcdCluster:{version}");
            let told = config.release_told(&entity_type);
            assert_eq!(told, wanted, "{version} {configured:?}");
        }
    }
}
