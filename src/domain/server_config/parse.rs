//! Reads the active profile of the `vcdKeConfig` entity, section by section.
//!
//! Defaults are those of the JSON schema 1.1.0, else what the vendor's samples ship.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Map, Value};

use super::value::{Place, Problems, is_plain};
use super::{
    AgentImage, BootstrapConfig, Component, ConfigProblem, KubernetesConfig, NodeHealthCheck,
    PUBLIC_REGISTRY, ProxyConfig, RdeType, ServerConfig, ServerInstance, SysLogger, Timers,
};
use crate::yaml;

/// Longest interval accepted, in minutes: a week.
const MOST_MINUTES: u64 = 7 * 24 * 60;
/// Most certificates in one list, and the longest of them in bytes.
const MOST_CERTIFICATES: usize = 64;
const CERTIFICATE_BYTES: usize = 64 * 1024;
/// Longest `clusterctl.yaml`, in bytes.
const CLUSTERCTL_YAML_BYTES: usize = 64 * 1024;

/// Types `entity`; the configuration is usable only if there are no problems.
pub(super) fn read(entity: &Map<String, Value>) -> (ServerConfig, Vec<ConfigProblem>) {
    let problems: Problems = RefCell::default();
    let root = Place {
        value: None,
        path: String::new(),
        problems: &problems,
    };
    let profiles = Place {
        value: entity.get("profiles"),
        path: "profiles".to_owned(),
        ..root
    };
    let profile = choose_profile(&profiles);
    let (sys_logger, remarks) = sys_logger(&profile.get("vcdConfig"));
    let config = ServerConfig {
        profile: profile
            .get("name")
            .line()
            .unwrap_or_else(|| "production".to_owned()),
        instances: instances(&profile),
        timers: timers(&profile.get("serverConfig")),
        sys_logger,
        remarks,
        github_token: profile
            .get("githubConfig")
            .get("githubPersonalAccessToken")
            .secret(),
        bootstrap: bootstrap(&profile.get("bootstrapClusterConfig")),
        kubernetes: kubernetes(&profile.get("K8Config")),
        container_registry: registry(&profile.get("containerRegistryUrl")),
    };
    (config, problems.into_inner())
}

/// The first profile that is active, else the first: all known clients read the first one.
fn choose_profile<'a>(profiles: &Place<'a>) -> Place<'a> {
    let items = profiles.items();
    if items.is_empty() {
        profiles.problem("a list with one profile");
    }
    let active = items.iter().find(|profile| {
        // Not through `get`: a profile that is no object is a problem only if it is chosen.
        let value = profile.value.and_then(|value| value.get("active"));
        Place {
            value,
            ..(*profile).clone()
        }
        .is_true()
    });
    active.or(items.first()).unwrap_or(profiles).clone()
}

fn instances(profile: &Place<'_>) -> Vec<ServerInstance> {
    let read = |instance: Place<'_>| ServerInstance {
        name: instance
            .get("name")
            .line()
            .unwrap_or_else(|| "vcd-container-service-extension".to_owned()),
        version: instance.get("version").version(),
        id: instance.get("vcdKeInstanceId").line(),
    };
    profile
        .get("vcdKeInstances")
        .items()
        .into_iter()
        .map(read)
        .collect()
}

/// A missing time follows the present ones, so that leaving a key out is never an error.
fn timers(section: &Place<'_>) -> Timers {
    let stale_place = section.get("staleHeartbeatIntervalInMin");
    let poll = section.get("rdePollIntervalInMin").minutes(MOST_MINUTES);
    let watcher = section
        .get("heartbeatWatcherTimeoutInMin")
        .minutes(MOST_MINUTES);
    let stale = stale_place.minutes(MOST_MINUTES);
    let (watcher, stale) = match (watcher, stale) {
        (Some(watcher), Some(stale)) => (watcher, stale),
        (Some(watcher), None) => (watcher, 30.max(watcher.saturating_mul(2))),
        (None, Some(stale)) => (10.min((stale / 2).max(1)), stale),
        (None, None) => (10, 30),
    };
    if stale <= watcher {
        stale_place.problem(format!(
            "more minutes than heartbeatWatcherTimeoutInMin, which is {watcher}"
        ));
    }
    let minutes = |count: u64| Duration::from_secs(count.saturating_mul(60));
    Timers {
        poll: minutes(poll.unwrap_or(1)),
        watcher: minutes(watcher),
        stale: minutes(stale),
    }
}

/// Where the log goes besides: a mistake there must not stop the creation of clusters.
fn sys_logger(vcd: &Place<'_>) -> (Option<SysLogger>, Vec<ConfigProblem>) {
    let remarks: Problems = RefCell::default();
    let section = Place {
        problems: &remarks,
        ..vcd.clone()
    };
    let server = syslog_server(&section.get("sysLogger"));
    let remarks = remarks.into_inner();
    (server.filter(|_| remarks.is_empty()), remarks)
}

fn syslog_server(section: &Place<'_>) -> Option<SysLogger> {
    let host = section.get("host").line()?;
    let place = section.get("port");
    let port = place.whole().unwrap_or(514);
    match u16::try_from(port) {
        Ok(port) if port > 0 => Some(SysLogger { host, port }),
        Ok(_) | Err(_) => {
            place.problem("a port between 1 and 65535");
            None
        }
    }
}

fn bootstrap(section: &Place<'_>) -> BootstrapConfig {
    let ecosystem = section.get("capiEcosystem");
    let clusterctl = section.get("clusterctl");
    let infra = ecosystem.get("infraProvider");
    let version =
        |place: Place<'_>, default: &str| place.v_version().unwrap_or_else(|| default.to_owned());
    BootstrapConfig {
        sizing_policy: section
            .get("sizingPolicy")
            .line()
            .unwrap_or_else(|| "TKG small".to_owned()),
        docker_version: section.get("dockerVersion").version(),
        kind_version: version(section.get("kindVersion"), "v0.19.0"),
        kind_node_version: version(section.get("kindestNodeVersion"), "v1.27.1"),
        kubectl_version: section.get("kubectlVersion").v_version(),
        clusterctl_version: version(clusterctl.get("version"), "v1.4.0"),
        clusterctl_yaml: clusterctl_yaml(&clusterctl.get("clusterctlyaml")),
        core_version: version(ecosystem.get("coreCapiVersion"), "v1.4.0"),
        bootstrap_provider_version: version(
            ecosystem.get("bootstrapProvider").get("version"),
            "v1.4.0",
        ),
        control_plane_provider_version: version(
            ecosystem.get("controlPlaneProvider").get("version"),
            "v1.4.0",
        ),
        capvcd_version: version(infra.get("version"), "v1.1.0"),
        rde_type: rde_type(&infra.get("capvcdRde")),
        cert_manager_version: version(ecosystem.get("certManagerVersion"), "v1.11.1"),
        proxy: proxy(&section.get("proxyConfig")),
        certificate_authorities: certificates(&section.get("certificateAuthorities")),
        download_mirror: download_mirror(&section.get("downloadMirrorUrl")),
    }
}

/// The override must be readable here: in the VM a mistake would cost a quarter of an hour per attempt.
fn clusterctl_yaml(place: &Place<'_>) -> Option<String> {
    let text = place.text()?;
    if text.len() > CLUSTERCTL_YAML_BYTES {
        place.problem_without_value(
            format!("{} bytes", text.len()),
            format!("at most {CLUSTERCTL_YAML_BYTES} bytes"),
        );
        return None;
    }
    match yaml::read_documents(&text) {
        Ok(documents) if documents.len() == 1 && documents.iter().all(Value::is_object) => {
            Some(text)
        }
        Ok(_) => {
            place.problem("one YAML mapping");
            None
        }
        Err(problem) => {
            place.problem_without_value(format!("unreadable YAML ({problem})"), "one YAML mapping");
            None
        }
    }
}

fn rde_type(place: &Place<'_>) -> RdeType {
    let part = |key: &str, default: &str| {
        place
            .get(key)
            .version()
            .unwrap_or_else(|| default.to_owned())
    };
    RdeType {
        vendor: part("vendor", "vmware"),
        nss: part("nss", "capvcdCluster"),
        version: part("version", "1.1.0"),
    }
}

fn proxy(section: &Place<'_>) -> ProxyConfig {
    let no_proxy = section.get("noProxy");
    let hosts = no_proxy.line().unwrap_or_default();
    let hosts: Vec<&str> = hosts
        .split(',')
        .map(str::trim)
        .filter(|host| !host.is_empty())
        .collect();
    if !hosts.iter().all(|host| is_plain(host)) {
        no_proxy.problem("hosts separated by commas");
    }
    ProxyConfig {
        http: section.get("httpProxy").secret(),
        https: section.get("httpsProxy").secret(),
        no_proxy: hosts.join(","),
    }
}

fn certificates(list: &Place<'_>) -> Vec<String> {
    let items = list.items();
    if items.len() > MOST_CERTIFICATES {
        list.problem(format!("at most {MOST_CERTIFICATES} certificates"));
    }
    items
        .iter()
        .take(MOST_CERTIFICATES)
        .filter_map(certificate)
        .collect()
}

fn certificate(place: &Place<'_>) -> Option<String> {
    let text = place.text()?;
    let is_pem = text.starts_with("-----BEGIN CERTIFICATE-----")
        && text.ends_with("-----END CERTIFICATE-----");
    let is_plain = text
        .bytes()
        .all(|b| b == b'\n' || b == b'\r' || (b' '..=b'~').contains(&b));
    if !is_pem || !is_plain || text.len() > CERTIFICATE_BYTES {
        place.problem(
            "a certificate in PEM form (-----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----)",
        );
        return None;
    }
    Some(format!("{}\n", text.replace('\r', "")))
}

fn download_mirror(place: &Place<'_>) -> Option<String> {
    let text = place.line()?;
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    if !is_web || !is_plain(&text) || !text.is_ascii() {
        place.problem("a URL that starts with https:// or http://");
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn kubernetes(section: &Place<'_>) -> KubernetesConfig {
    let csi = section.get("csi");
    KubernetesConfig {
        cni: component(&section.get("cni"), "antrea", None),
        cpi: component(&section.get("cpi"), "cpi for cloud director", Some("1.4.0")),
        csi: component(
            csi.items().first().unwrap_or(&csi),
            "csi for cloud director",
            Some("1.4.0"),
        ),
        node_health_check: node_health_check(&section.get("mhc")),
        health_check_applies_to_existing: section.get("mhc").get("applyToExisting").is_true(),
        projector_version: section.get("rdeProjectorVersion").version(),
        agent: agent(&section.get("agent").get("image")),
        certificate_authorities: certificates(&section.get("certificateAuthorities")),
    }
}

/// `host/path:tag` or `host/path@digest`; `none` for no agent.
fn agent(place: &Place<'_>) -> AgentImage {
    let Some(image) = place.text() else {
        return AgentImage::Default;
    };
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'/' | b'_' | b'-' | b'@');
    if image.len() > 255 || !image.bytes().all(allowed) {
        place.problem("an image such as registry.example.test/cse-agent:1.0.0, or none");
    }
    if image == "none" {
        AgentImage::None
    } else {
        AgentImage::Image(image)
    }
}

fn component(place: &Place<'_>, name: &str, version: Option<&str>) -> Component {
    Component {
        name: place.get("name").line().unwrap_or_else(|| name.to_owned()),
        version: place
            .get("version")
            .version()
            .or(version.map(str::to_owned)),
    }
}

fn node_health_check(section: &Place<'_>) -> Option<NodeHealthCheck> {
    if !section.is_present() {
        return None;
    }
    let time = |key: &str, default: u64| {
        section
            .get(key)
            .duration()
            .unwrap_or(Duration::from_secs(default))
    };
    Some(NodeHealthCheck {
        max_unhealthy_percent: percent(&section.get("maxUnhealthyNodes")).unwrap_or(100),
        node_startup: time("nodeStartupTimeout", 900),
        node_not_ready: time("nodeNotReadyTimeout", 300),
        node_unknown: time("nodeUnknownTimeout", 300),
    })
}

/// The schema wants 1 to 100, the documentation speaks of 0 for "replace none": both are taken.
fn percent(place: &Place<'_>) -> Option<u8> {
    let text = place.text()?;
    let number = match place.value {
        Some(Value::Number(_)) => place.whole(),
        _ => text.trim_end_matches('%').trim_end().parse().ok(),
    };
    let percent = number
        .and_then(|number| u8::try_from(number).ok())
        .filter(|percent| *percent <= 100);
    if percent.is_none() {
        place.problem("a percentage between 0 and 100");
    }
    percent
}

/// `host[:port][/path]`; a scheme or a slash at the end is forgiven.
fn registry(place: &Place<'_>) -> String {
    let Some(text) = place.text() else {
        return PUBLIC_REGISTRY.to_owned();
    };
    let bare = text
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'/' | b'_' | b'-');
    let parts_are_named = bare
        .split('/')
        .all(|part| part.starts_with(|c: char| c.is_ascii_alphanumeric()));
    if !parts_are_named || bare.len() > 255 || !bare.bytes().all(allowed) {
        place.problem("a registry such as registry.example.test/path");
    }
    bare.to_owned()
}

#[cfg(test)]
#[path = "parse_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
