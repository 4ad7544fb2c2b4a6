//! What a bootstrap VM is given: the completed CAPI YAML, the scripts that turn it into a cluster,
//! and the data they work with, as one cloud-config.
//!
//! Flow: desired cluster, shared configuration and the facts of one attempt in; user data out.
//!
//! Invariants:
//! - Pure: the same inputs give the same bytes.
//! - Data and scripts never mix: scripts are constants, data is in files and in one environment file
//!   that is quoted in one place.
//! - The token is in the user data and nowhere else: no `Debug` output and no problem shows it.
//! - Whatever the inputs hold, the user data is plain ASCII and its YAML has the keys made here alone.
//!
//! Not here: creating the VM and writing its extra configuration (`controller`), reading the VM's
//! reports (`domain::phase` names the keys).

pub mod agent;
mod capi;
mod cloud_config;
mod clusterctl;
mod env;
pub mod phases;
mod shell;
mod trust;
mod workload;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};

use self::cloud_config::File;
use crate::domain::cluster::ClusterSpec;
use crate::domain::ids::EntityId;
use crate::domain::server_config::ServerConfig;
use crate::yaml::{self, YamlProblem};

/// Longest user data, in bytes of base64. Extra configuration is copied around with the VM's XML.
pub const MAX_USER_DATA_BYTES: usize = 256 * 1024;

/// Longest part of a name that a problem repeats.
const PROBLEM_NAME_CHARS: usize = 128;

/// The facts that one attempt's user data is made of.
#[derive(Clone, Copy, Debug)]
pub struct BootstrapInputs<'a> {
    /// What is wanted.
    pub spec: &'a ClusterSpec,
    /// The shared configuration.
    pub config: &'a ServerConfig,
    /// The cluster's entity.
    pub entity: &'a EntityId,
    /// The organization that owns the entity, by name.
    pub org: &'a str,
    /// The user who owns the entity, by name.
    pub user: &'a str,
    /// That user's API token.
    pub token: &'a SecretString,
    /// Names entity, epoch and incarnation; also in the VM's description.
    pub marker: &'a str,
    /// PEM certificates that sign the certificate of VCD, from the replica's own configuration.
    pub vcd_authorities: &'a [String],
    /// Manifest of the agent that applies later edits of the YAML inside the cluster.
    pub agent_manifest: Option<&'a str>,
}

/// The user data of a bootstrap VM. It holds the tenant's token.
#[derive(Debug)]
pub struct UserData {
    /// As cloud-init reads it.
    pub cloud_config: SecretString,
    /// As it goes into `guestinfo.userdata`.
    pub base64: SecretString,
}

/// Why no user data can be made; only tenant or operator can mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapProblem {
    /// Too much data for a VM's extra configuration.
    #[error(
        "the bootstrap data is {bytes} bytes long, at most {MAX_USER_DATA_BYTES} fit into the VM's configuration; \
         make spec.capiYaml or the lists of certificate authorities shorter"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The YAML puts the cluster elsewhere than the entity.
    #[error("spec.capiYaml is for organization {wanted:?} but the cluster belongs to {owner:?}")]
    ForeignOrg {
        /// Organization in the YAML.
        wanted: String,
        /// Organization of the entity.
        owner: String,
    },
    /// A network add-on that nobody here knows how to install.
    #[error(
        "K8Config.cni.name is {name:?} in the server configuration; only antrea can be installed"
    )]
    UnknownCni {
        /// Its name.
        name: String,
    },
    /// A value that no shell variable can hold.
    #[error("{variable} contains a NUL character")]
    Unquotable {
        /// Which value.
        variable: String,
    },
    /// What is given as the token is none.
    #[error(
        "the API token of the cluster's author is empty or has characters that no API token has; \
         create a new token and the cluster again"
    )]
    StrangeToken,
    /// Something could not be written as YAML.
    #[error("the bootstrap data cannot be written")]
    Yaml(#[source] YamlProblem),
}

/// Makes the user data of a bootstrap VM.
///
/// # Errors
/// [`BootstrapProblem`]: nothing was made; trying again gives the same answer.
pub fn user_data(inputs: &BootstrapInputs<'_>) -> Result<UserData, BootstrapProblem> {
    check(inputs)?;
    let cloud_config = cloud_config::render(files(inputs)?).map_err(BootstrapProblem::Yaml)?;
    let base64 = BASE64.encode(&cloud_config);
    if base64.len() > MAX_USER_DATA_BYTES {
        return Err(BootstrapProblem::TooLarge {
            bytes: base64.len(),
        });
    }
    Ok(UserData {
        cloud_config: cloud_config.into(),
        base64: base64.into(),
    })
}

fn check(inputs: &BootstrapInputs<'_>) -> Result<(), BootstrapProblem> {
    let (wanted, owner) = (&inputs.spec.org, inputs.org);
    // VCD does not tell upper from lower case in organization names.
    if !wanted.eq_ignore_ascii_case(owner) {
        let cut = |name: &str| name.chars().take(PROBLEM_NAME_CHARS).collect();
        return Err(BootstrapProblem::ForeignOrg {
            wanted: cut(wanted),
            owner: cut(owner),
        });
    }
    let token = inputs.token.expose_secret();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(BootstrapProblem::StrangeToken);
    }
    let cni = &inputs.config.kubernetes.cni.name;
    if !cni.to_ascii_lowercase().contains("antrea") {
        return Err(BootstrapProblem::UnknownCni { name: cni.clone() });
    }
    Ok(())
}

fn files(inputs: &BootstrapInputs<'_>) -> Result<Vec<File>, BootstrapProblem> {
    let write = |documents: &[serde_json::Value]| {
        yaml::write_documents(documents).map_err(BootstrapProblem::Yaml)
    };
    let completed = capi::complete(inputs);
    let settings = workload::settings(inputs).map_err(BootstrapProblem::Yaml)?;
    let env = env::file(inputs).map_err(|variable| BootstrapProblem::Unquotable { variable })?;
    let bootstrap = &inputs.config.bootstrap;
    let mut files: Vec<File> = cloud_config::scripts().collect();
    files.push(File::private("env", env));
    files.push(File::private("cluster.yaml", write(&completed.management)?));
    files.push(File::private("workload.yaml", write(&settings)?));
    if !completed.workload.is_empty() {
        files.push(File::private(
            "workload-extra.yaml",
            write(&completed.workload)?,
        ));
    }
    if let Some(options) = &inputs.spec.storage_class {
        files.push(File::private(
            "storage-class.yaml",
            write(&[workload::storage_class(options)])?,
        ));
    }
    if let Some(manifest) = inputs.agent_manifest {
        files.push(File::private("agent.yaml", manifest));
    }
    if let Some(text) = &bootstrap.clusterctl_yaml {
        files.push(File::private("clusterctl-override.yaml", text));
    } else {
        files.push(File::private(
            "clusterctl.yaml",
            write(&[clusterctl::public(inputs.config)])?,
        ));
        if inputs.config.has_private_registry() {
            let text = write(&[clusterctl::from_registry(inputs.config)])?;
            files.push(File::private("clusterctl-registry.yaml", text));
        }
    }
    let authorities = bootstrap
        .certificate_authorities
        .iter()
        .chain(inputs.vcd_authorities);
    for (index, pem) in authorities.enumerate() {
        files.push(File::private(&format!("ca/{index:02}.crt"), pem));
    }
    Ok(files)
}

#[cfg(test)]
#[path = "tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;

#[cfg(test)]
#[path = "property_tests.rs"]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod properties;
