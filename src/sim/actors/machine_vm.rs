//! The VM of a machine as CAPVCD orders it: copy of the template, user data, keys of its script.
//!
//! Source: CAPVCD, `vcdmachine_controller.go` and `cloud_init.tmpl`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::cluster::Cluster;
use super::manifest::Pool;
use super::nodes::Node;
use crate::sim::infra::Infra;
use crate::sim::infra::machine::{Customization, Nic};
use crate::sim::infra::recompose::NewVm;
use crate::sim::infra::vm_spec::Hardware;

const NETWORK: &str = "guestinfo.postcustomization.networkconfiguration.status";
const METERING: &str = "guestinfo.metering.status";
const PROXY: &str = "guestinfo.postcustomization.proxy.setting.status";
const INIT: &str = "guestinfo.postcustomization.kubeinit.status";
const JOIN: &str = "guestinfo.postcustomization.kubeadm.node.join.status";

/// Key of the phase that makes a node of the machine.
pub(super) fn last_phase(first: bool) -> &'static str {
    if first { INIT } else { JOIN }
}

/// Extra config before the VM is powered on.
pub(super) fn user_data(
    node: &Node,
    first: bool,
    cluster: &Cluster,
    site: &str,
) -> [(String, String); 3] {
    let mut keys = vec![NETWORK, METERING];
    if cluster.wanted.proxy {
        keys.push(PROXY);
    }
    keys.push(last_phase(first));
    let mut script = String::from("#!/usr/bin/env bash\nset -eEx\n");
    for key in keys {
        for status in ["in_progress", "successful"] {
            for part in ["vmtoolsd --cmd \"info-set ", key, " ", status, "\"\n"] {
                script.push_str(part);
            }
        }
    }
    let kind = if node.control_plane {
        "control_plane"
    } else {
        "worker"
    };
    let metering = format!(
        "VCD_SITE_ID={site}\nCLUSTER_ID={}\nTKG_VERSION={}\nMACHINE_TYPE={kind}\nMGMT=true\n",
        cluster.home.rde_id, cluster.wanted.tkg_version
    );
    let path = if first {
        "/root/control_plane.sh"
    } else {
        "/root/node.sh"
    };
    let config = json!({
        "write_files": [
            {"path": "/etc/vcloud/metering", "owner": "root", "content": metering},
            {"path": path, "owner": "root", "content": script},
        ],
        "runcmd": ["cloud-init clean", format!("bash {path}")],
        "timezone": "UTC",
        "disable_root": false,
        "preserve_hostname": false,
        "hostname": node.name,
    });
    let yaml = serde_saphyr::to_string(&config).unwrap_or_default();
    let data = STANDARD.encode(format!("#cloud-config\n{yaml}"));
    [
        ("guestinfo.userdata".to_owned(), data),
        (
            "guestinfo.userdata.encoding".to_owned(),
            "base64".to_owned(),
        ),
        ("disk.enableUUID".to_owned(), "1".to_owned()),
    ]
}

/// The copy CAPVCD orders for a machine.
///
/// # Errors
/// What of the machine template does not exist, in CAPVCD's place for it.
pub(super) fn new_vm(
    node: &Node,
    pool: &Pool,
    cluster: &Cluster,
    infra: &Infra,
) -> Result<NewVm, String> {
    let home = &cluster.home;
    let mut templates = infra.templates.values();
    let template = templates.find(|one| {
        let catalog = infra.catalogs.get(&one.catalog);
        one.name == pool.template
            && catalog.is_some_and(|catalog| {
                catalog.name == pool.catalog && catalog.org_id == home.org_id
            })
    });
    let template = template.ok_or_else(|| {
        format!(
            "template \"{}\" not found in catalog \"{}\"",
            pool.template, pool.catalog
        )
    })?;
    let mut profiles = infra.storage_profiles.values();
    let profile = profiles.find(|one| one.vdc == home.vdc && one.name == pool.storage_profile);
    if profile.is_none() && !pool.storage_profile.is_empty() {
        return Err(format!(
            "storage profile \"{}\" not found",
            pool.storage_profile
        ));
    }
    let policy = |name: &str| {
        let found = infra.policies.values().find(|one| one.name == name);
        if found.is_none() && !name.is_empty() {
            return Err(format!("compute policy \"{name}\" not found"));
        }
        Ok::<_, String>(found.map(|policy| policy.uuid.clone()))
    };
    let network = infra
        .networks
        .get(&home.network)
        .map(|network| network.name.clone());
    Ok(NewVm {
        hardware: Hardware::default(),
        name: node.name.clone(),
        description: "Auto-created VM".to_owned(),
        template: template.uuid.clone(),
        customization: Customization {
            enabled: true,
            computer_name: node.name.clone(),
            ..Customization::default()
        },
        nics: vec![Nic {
            network: network.unwrap_or_default(),
            mode: "POOL".to_owned(),
            ip: None,
            mac: String::new(),
            adapter: "VMXNET3".to_owned(),
            connected: true,
        }],
        storage_profile: profile.map(|profile| profile.uuid.clone()),
        sizing_policy: policy(&pool.sizing_policy)?,
        placement_policy: policy(&pool.placement_policy)?,
    })
}
