//! How to use a site: names, ids and tokens, and ready-made settings for clients.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::sim::directory::{Org, SYSTEM, is_system};
use crate::sim::seed::{ADMINISTRATOR, DEFAULT_IMAGE, SERVICE_USER};
use crate::sim::world::World;

/// What clients need to know of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Guide {
    /// API token of the server's account in the organization System.
    pub service_token: String,
    /// API token of a system administrator.
    pub administrator_token: String,
    /// By organization.
    pub tenants: Vec<TenantGuide>,
}

/// What a tenant's client needs to know. Ids are URNs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TenantGuide {
    /// Name of the organization.
    pub org: String,
    /// A user with an API token.
    pub user: String,
    /// Its API token.
    pub api_token: String,
    /// Name of the VDC.
    pub vdc: String,
    /// Its id.
    pub vdc_id: String,
    /// Name of the organization VDC network.
    pub network: String,
    /// Its id.
    pub network_id: String,
    /// Name of a TKG template.
    pub template: String,
    /// Its id.
    pub template_id: String,
    /// Name of the storage profile.
    pub storage_profile: String,
    /// Its id.
    pub storage_profile_id: String,
    /// Id of the sizing policy `TKG small`.
    pub sizing_policy_id: String,
}

impl World {
    /// How to use the site. What is not there is an empty text.
    pub fn guide(&self) -> Guide {
        let tenants = self.directory.orgs.values();
        let mut tenants: Vec<TenantGuide> = tenants
            .filter(|org| !is_system(&org.name))
            .map(|org| self.tenant_guide(org))
            .collect();
        tenants.sort_by(|a, b| a.org.cmp(&b.org));
        Guide {
            service_token: self.token_of(SYSTEM, Some(SERVICE_USER)).1,
            administrator_token: self.token_of(SYSTEM, Some(ADMINISTRATOR)).1,
            tenants,
        }
    }

    /// Name and API token of a user of `org`: the one called `user`, or the first one that has a token.
    fn token_of(&self, org: &str, user: Option<&str>) -> (String, String) {
        let tokens = self.directory.api_tokens.iter();
        let mut found = tokens.filter_map(|(token, id)| {
            let owner = self.directory.users.get(id)?;
            let fits = self.directory.org_name(&owner.org_id) == Some(org)
                && user.is_none_or(|name| owner.name == name);
            fits.then(|| (owner.name.clone(), token.clone()))
        });
        found.next().unwrap_or_default()
    }

    fn tenant_guide(&self, org: &Org) -> TenantGuide {
        let (user, api_token) = self.token_of(&org.name, None);
        let infra = &self.infra;
        let mut guide = TenantGuide {
            org: org.name.clone(),
            user,
            api_token,
            ..TenantGuide::default()
        };
        let Some(vdc) = infra.vdcs.values().find(|vdc| vdc.org_id == org.id) else {
            return guide;
        };
        guide.vdc.clone_from(&vdc.name);
        guide.vdc_id = format!("urn:vcloud:vdc:{}", vdc.uuid);
        let mut networks = infra.networks.values();
        if let Some(network) = networks.find(|one| one.vdc == vdc.uuid) {
            guide.network.clone_from(&network.name);
            guide.network_id = format!("urn:vcloud:network:{}", network.uuid);
        }
        let mut templates = infra.templates.values();
        let image = DEFAULT_IMAGE.template_name();
        if let Some(template) = templates.find(|one| one.vdc == vdc.uuid && one.name == image) {
            guide.template.clone_from(&template.name);
            guide.template_id = format!("urn:vcloud:vapptemplate:{}", template.uuid);
        }
        let mut profiles = infra.storage_profiles.values();
        if let Some(profile) = profiles.find(|one| one.vdc == vdc.uuid) {
            guide.storage_profile.clone_from(&profile.name);
            guide.storage_profile_id = format!("urn:vcloud:vdcstorageProfile:{}", profile.uuid);
        }
        let mut policies = infra.policies.values();
        if let Some(policy) = policies.find(|one| one.name == "TKG small") {
            guide.sizing_policy_id = policy.urn();
        }
        guide
    }
}

/// Where a site is.
pub(super) struct Place<'a> {
    pub(super) url: &'a str,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) control: Option<&'a str>,
    pub(super) state_file: Option<&'a Path>,
    pub(super) resumed: bool,
    pub(super) clusters: usize,
}

/// Everything at once, for a terminal.
pub(super) fn welcome(guide: &Guide, place: &Place<'_>) -> String {
    let mut text = format!("simulated VCD at {}\n", place.url);
    let mut line = |name: &str, value: &str| {
        writeln!(text, "  {name:<16}{value}").unwrap_or_default();
    };
    if let Some(file) = place.ca_file {
        line("authority (CA)", &file.display().to_string());
    }
    if let Some(url) = place.control {
        line("control API", &format!("{url}  (GET / lists it)"));
    }
    if let Some(file) = place.state_file {
        let how = if place.resumed {
            "read, and kept in"
        } else {
            "kept in"
        };
        line("state", &format!("{how} {}", file.display()));
    }
    line("clusters", &place.clusters.to_string());
    if !guide.service_token.is_empty() {
        line(
            "provider",
            &format!(
                "org System, user {SERVICE_USER}, API token {}",
                guide.service_token
            ),
        );
    }
    line(
        "administrator",
        &format!(
            "org System, user {ADMINISTRATOR}, API token {}",
            guide.administrator_token
        ),
    );
    for tenant in &guide.tenants {
        let TenantGuide {
            org,
            user,
            api_token,
            ..
        } = tenant;
        line(
            "tenant",
            &format!("org {org}, user {user}, API token {api_token}"),
        );
    }
    if let Some(tenant) = guide.tenants.first() {
        text.push_str(&terraform(tenant, place));
        text.push_str(&curl(tenant, place));
    }
    text
}

/// A provider block and a cluster for the Terraform provider `vmware/vcd`, 3.12 or later.
fn terraform(tenant: &TenantGuide, place: &Place<'_>) -> String {
    let url = place.url;
    let insecure = place.ca_file.is_none() && url.starts_with("https:");
    let TenantGuide {
        org,
        api_token,
        vdc_id,
        network_id,
        template_id,
        storage_profile_id,
        sizing_policy_id,
        ..
    } = tenant;
    format!(
        r#"
Terraform (tenant {org}; the file api-token.json holds {{"token_type":"API Token","refresh_token":"{api_token}"}}):

  provider "vcd" {{
    url                  = "{url}/api"
    org                  = "{org}"
    auth_type            = "api_token"
    api_token            = "{api_token}"
    allow_unverified_ssl = {insecure}
  }}

  resource "vcd_cse_kubernetes_cluster" "demo" {{
    name                   = "demo"
    cse_version            = "4.2.3"
    runtime                = "tkg"
    org                    = "{org}"
    api_token_file         = "api-token.json"
    vdc_id                 = "{vdc_id}"
    network_id             = "{network_id}"
    kubernetes_template_id = "{template_id}"
    control_plane {{
      machine_count      = 1
      disk_size_gi       = 20
      sizing_policy_id   = "{sizing_policy_id}"
      storage_profile_id = "{storage_profile_id}"
    }}
    worker_pool {{
      name               = "worker-pool-1"
      machine_count      = 1
      disk_size_gi       = 20
      sizing_policy_id   = "{sizing_policy_id}"
      storage_profile_id = "{storage_profile_id}"
    }}
    auto_repair_on_errors      = true
    node_health_check          = true
    operations_timeout_minutes = 60
  }}
"#
    )
}

fn curl(tenant: &TenantGuide, place: &Place<'_>) -> String {
    let url = place.url;
    let trust = match place.ca_file {
        Some(file) => format!(" --cacert {}", file.display()),
        None if url.starts_with("https:") => " --insecure".to_owned(),
        None => String::new(),
    };
    let TenantGuide { org, api_token, .. } = tenant;
    format!(
        r#"
curl:

  TOKEN=$(curl -s{trust} -d 'grant_type=refresh_token&refresh_token={api_token}' \
    {url}/oauth/tenant/{org}/token | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -s{trust} -H "Authorization: Bearer $TOKEN" -H 'Accept: application/json;version=37.2' \
    '{url}/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1?pageSize=25'
"#
    )
}

/// What a replica's configuration says.
pub(super) struct ReplicaConfig<'a> {
    pub(super) url: &'a str,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) token_file: &'a Path,
    pub(super) state_dir: &'a Path,
    pub(super) time_scale: f64,
}

/// A configuration for `cse-server run`, as TOML.
pub(super) fn replica_config(of: &ReplicaConfig<'_>) -> String {
    // What is quoted for JSON is quoted for TOML.
    let quoted = |text: &str| Value::from(text).to_string();
    let path = |path: &Path| quoted(&path.display().to_string());
    let ca_file = of.ca_file.map(|file| format!("ca_file = {}\n", path(file)));
    format!(
        "# Written by `cse-server sim --write-config`; overwritten at its next start.\n\
         [vcd]\nurl = {}\n{}\n[credentials]\ntoken_file = {}\n\n[replica]\nstate_dir = {}\n\n\
         [simulation]\ntime_scale = {:?}\n",
        quoted(of.url),
        ca_file.unwrap_or_default(),
        path(of.token_file),
        path(of.state_dir),
        of.time_scale,
    )
}
