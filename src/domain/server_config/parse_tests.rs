//! Tables for reading the server configuration: tolerated spellings, defaults and refusals.

use secrecy::ExposeSecret;
use serde_json::json;

use super::*;

fn entity(profile: &Value) -> Map<String, Value> {
    Map::from_iter([("profiles".to_owned(), json!([profile]))])
}

fn parse(profile: &Value) -> ServerConfig {
    ServerConfig::parse(&entity(profile)).unwrap()
}

/// A full profile in the shape that the vendor's samples have.
fn full() -> Value {
    json!({
        "name": "production", "active": true,
        "vcdKeInstances": [{"name": "vcd-container-service-extension", "version": "4.2.3"}],
        "serverConfig": {"rdePollIntervalInMin": 2, "heartbeatWatcherTimeoutInMin": 12, "staleHeartbeatIntervalInMin": 33},
        "vcdConfig": {"sysLogger": {"host": "syslog.example.test", "port": "1514"}},
        "githubConfig": {"githubPersonalAccessToken": "ghp_secret"},
        "bootstrapClusterConfig": {
            "sizingPolicy": "TKG medium", "dockerVersion": "", "kubectlVersion": "",
            "kindVersion": "v0.20.0", "kindestNodeVersion": "v1.28.0",
            "clusterctl": {"version": "v1.7.4", "clusterctlyaml": "images: {all: {repository: r}}"},
            "capiEcosystem": {
                "coreCapiVersion": "v1.7.4", "certManagerVersion": "v1.15.1",
                "controlPlaneProvider": {"name": "KCP", "version": "v1.7.4"},
                "bootstrapProvider": {"name": "CAPBK", "version": "v1.7.4"},
                "infraProvider": {"name": "capvcd", "version": "1.3.2",
                    "capvcdRde": {"vendor": "vmware", "nss": "capvcdCluster", "version": "1.3.0"}}},
            "proxyConfig": {"httpProxy": "http://u:pw@proxy.example.test:3128", "httpsProxy": "", "noProxy": "a, b,"},
            "certificateAuthorities": ["-----BEGIN CERTIFICATE-----\r\nAA\r\n-----END CERTIFICATE-----\r\n"]},
        "K8Config": {
            "cni": {"name": "antrea", "version": ""},
            "cpi": {"name": "cpi for cloud director", "version": "1.6.1"},
            "csi": [{"name": "csi for cloud director", "version": "1.6.0"}],
            "mhc": {"maxUnhealthyNodes": 60, "nodeStartupTimeout": "900", "nodeNotReadyTimeout": "5m", "nodeUnknownTimeout": "200s"},
            "rdeProjectorVersion": "0.7.1", "certificateAuthorities": []},
        "containerRegistryUrl": "https://registry.example.test/vcd/",
        "notKnownToUs": {"x": 1}
    })
}

#[test]
fn every_field_of_a_full_profile_is_read() {
    let config = parse(&full());
    let minutes = |count: u64| Duration::from_secs(count * 60);
    assert_eq!(
        config.timers(),
        Timers {
            poll: minutes(2),
            watcher: minutes(12),
            stale: minutes(33)
        }
    );
    assert_eq!(config.instances[0].version.as_deref(), Some("4.2.3"));
    assert_eq!(
        config.sys_logger,
        Some(SysLogger {
            host: "syslog.example.test".to_owned(),
            port: 1514
        })
    );
    assert_eq!(
        config.github_token.as_ref().unwrap().expose_secret(),
        "ghp_secret"
    );
    let bootstrap = &config.bootstrap;
    assert_eq!(bootstrap.sizing_policy, "TKG medium");
    assert_eq!(
        (&bootstrap.docker_version, &bootstrap.kubectl_version),
        (&None, &None)
    );
    assert_eq!(
        (
            bootstrap.kind_version.as_str(),
            bootstrap.kind_node_version.as_str()
        ),
        ("v0.20.0", "v1.28.0")
    );
    assert_eq!(bootstrap.capvcd_version, "v1.3.2");
    assert_eq!(bootstrap.rde_type.version, "1.3.0");
    assert_eq!(bootstrap.cert_manager_version, "v1.15.1");
    assert!(bootstrap.proxy.is_used() && bootstrap.proxy.https.is_none());
    assert_eq!(bootstrap.proxy.no_proxy, "a,b");
    assert_eq!(
        bootstrap.certificate_authorities,
        ["-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"]
    );
    let check = config.kubernetes.node_health_check.unwrap();
    assert_eq!(
        (check.max_unhealthy_percent, check.node_startup),
        (60, minutes(15))
    );
    assert_eq!(
        (check.node_not_ready, check.node_unknown),
        (minutes(5), Duration::from_secs(200))
    );
    assert_eq!(config.kubernetes.csi.version.as_deref(), Some("1.6.0"));
    assert_eq!(config.container_registry, "registry.example.test/vcd");
    assert!(config.has_private_registry());
}

#[test]
fn an_empty_profile_has_the_defaults() {
    let config = parse(&json!({}));
    let minutes = |count: u64| Duration::from_secs(count * 60);
    assert_eq!(
        config.timers(),
        Timers {
            poll: minutes(1),
            watcher: minutes(10),
            stale: minutes(30)
        }
    );
    assert_eq!(config.profile, "production");
    assert_eq!(config.bootstrap.sizing_policy, "TKG small");
    assert_eq!(config.bootstrap.kind_version, "v0.19.0");
    assert_eq!(config.kubernetes.node_health_check, None);
    assert_eq!(config.kubernetes.cpi.version.as_deref(), Some("1.4.0"));
    assert!(
        config.github_token.is_none()
            && config.sys_logger.is_none()
            && !config.bootstrap.proxy.is_used()
    );
    assert!(!config.has_private_registry());
}

#[test]
fn the_first_active_profile_counts_else_the_first() {
    for (name, profiles, want) in [
        ("one inactive", json!([{"name": "a", "active": false}]), "a"),
        (
            "second active",
            json!([{"name": "a"}, {"name": "b", "active": true}]),
            "b",
        ),
        (
            "active as text",
            json!([{"name": "a", "active": "false"}, {"name": "b", "active": "true"}]),
            "b",
        ),
        (
            "two active",
            json!([{"name": "a", "active": true}, {"name": "b", "active": true}]),
            "a",
        ),
        (
            "junk beside",
            json!(["junk", {"name": "b", "active": true}]),
            "b",
        ),
    ] {
        let entity = Map::from_iter([("profiles".to_owned(), profiles)]);
        assert_eq!(
            ServerConfig::parse(&entity).unwrap().profile,
            want,
            "{name}"
        );
    }
}

#[test]
fn numbers_may_be_texts() {
    let config = parse(&json!({"serverConfig": {
        "rdePollIntervalInMin": "3", "heartbeatWatcherTimeoutInMin": 10.0, "staleHeartbeatIntervalInMin": " 31 "}}));
    assert_eq!(config.timers().poll.as_secs(), 180);
    assert_eq!(config.timers().stale.as_secs(), 31 * 60);
}

#[test]
fn a_missing_time_follows_the_one_that_is_there() {
    for (section, want) in [
        (json!({"heartbeatWatcherTimeoutInMin": 40}), (40, 80)),
        (json!({"staleHeartbeatIntervalInMin": 8}), (4, 8)),
        (json!({"staleHeartbeatIntervalInMin": 60}), (10, 60)),
    ] {
        let timers = parse(&json!({ "serverConfig": section })).timers();
        assert_eq!(
            (timers.watcher.as_secs() / 60, timers.stale.as_secs() / 60),
            want,
            "{section}"
        );
    }
}

#[test]
fn unusable_values_are_refused_with_path_and_expectation() {
    let pem =
        "a certificate in PEM form (-----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----)";
    for (profile, want) in [
        (
            json!({"serverConfig": {"heartbeatWatcherTimeoutInMin": 30, "staleHeartbeatIntervalInMin": 30}}),
            "profiles[0].serverConfig.staleHeartbeatIntervalInMin: found 30, expected more minutes than heartbeatWatcherTimeoutInMin, which is 30",
        ),
        (
            json!({"serverConfig": {"rdePollIntervalInMin": 0}}),
            "profiles[0].serverConfig.rdePollIntervalInMin: found 0, expected minutes between 1 and 10080",
        ),
        (
            json!({"serverConfig": {"rdePollIntervalInMin": "soon"}}),
            "profiles[0].serverConfig.rdePollIntervalInMin: found \"soon\", expected a whole number",
        ),
        (
            json!({"serverConfig": {"rdePollIntervalInMin": {}}}),
            "profiles[0].serverConfig.rdePollIntervalInMin: found an object, expected a text",
        ),
        (
            json!({"bootstrapClusterConfig": {"kindVersion": "v1; rm -rf /"}}),
            "profiles[0].bootstrapClusterConfig.kindVersion: found \"v1; rm -rf /\", expected a version such as v1.4.0",
        ),
        (
            json!({"bootstrapClusterConfig": {"certificateAuthorities": ["nonsense"]}}),
            &format!(
                "profiles[0].bootstrapClusterConfig.certificateAuthorities[0]: found \"nonsense\", expected {pem}"
            ),
        ),
        (
            json!({"bootstrapClusterConfig": {"clusterctl": {"clusterctlyaml": "a: [\n"}}}),
            "profiles[0].bootstrapClusterConfig.clusterctl.clusterctlyaml: found unreadable YAML",
        ),
        (
            json!({"K8Config": {"mhc": {"maxUnhealthyNodes": 101}}}),
            "profiles[0].K8Config.mhc.maxUnhealthyNodes: found 101, expected a percentage between 0 and 100",
        ),
        (
            json!({"K8Config": {"mhc": {"nodeStartupTimeout": "long"}}}),
            "profiles[0].K8Config.mhc.nodeStartupTimeout: found \"long\", expected a time such as 900, 900s or 15m",
        ),
        (
            json!({"K8Config": "antrea"}),
            "profiles[0].K8Config: found \"antrea\", expected an object",
        ),
        (
            json!({"containerRegistryUrl": "reg istry"}),
            "profiles[0].containerRegistryUrl: found \"reg istry\", expected a registry such as registry.example.test/path",
        ),
    ] {
        let problem = ServerConfig::parse(&entity(&profile))
            .unwrap_err()
            .to_string();
        assert!(problem.starts_with(want), "{problem}\nwant {want}");
    }
}

#[test]
fn a_mistake_about_syslog_is_told_and_stops_nothing_else() {
    let place = "profiles[0].vcdConfig.sysLogger";
    for (logger, want) in [
        (
            json!({"host": "h", "port": "70000"}),
            "port: found \"70000\", expected a port between 1 and 65535",
        ),
        (
            json!({"host": "h", "port": "0"}),
            "port: found \"0\", expected a port between 1 and 65535",
        ),
        (
            json!({"host": "h", "port": "syslog"}),
            "port: found \"syslog\", expected a whole number",
        ),
        (
            json!({"host": ["h"], "port": "514"}),
            "host: found a list of 1, expected a text",
        ),
    ] {
        let config = parse(&json!({"vcdConfig": {"sysLogger": logger}}));
        let told: Vec<String> = config.remarks.iter().map(ToString::to_string).collect();
        assert_eq!(told, [format!("{place}.{want}")]);
        assert_eq!(config.sys_logger, None, "{want}");
    }
    for off in [json!({"host": "", "port": "70000"}), json!({}), json!(null)] {
        let config = parse(&json!({"vcdConfig": {"sysLogger": off}}));
        assert!(
            config.sys_logger.is_none() && config.remarks.is_empty(),
            "{off}"
        );
    }
}

#[test]
fn without_a_profile_there_is_no_configuration() {
    for profiles in [json!(null), json!([]), json!("x"), json!([7])] {
        let entity = Map::from_iter([("profiles".to_owned(), profiles.clone())]);
        assert!(
            ServerConfig::parse(&entity)
                .unwrap_err()
                .path
                .starts_with("profiles"),
            "{profiles}"
        );
    }
    assert_eq!(
        ServerConfig::parse(&Map::new()).unwrap_err().found,
        "nothing"
    );
}

#[test]
fn all_problems_are_told_at_once_and_secrets_never() {
    let entity = entity(&json!({
        "serverConfig": {"rdePollIntervalInMin": 0},
        "githubConfig": {"githubPersonalAccessToken": "ghp secret"},
        "bootstrapClusterConfig": {"proxyConfig": {"httpProxy": ["http://u:pw@h"]}},
    }));
    let problems = ServerConfig::problems(&entity);
    assert_eq!(problems.len(), 3);
    let text = format!("{problems:?}");
    assert!(!text.contains("ghp") && !text.contains("pw@"), "{text}");
    assert!(!format!("{:?}", parse(&full())).contains("ghp_secret"));
}

#[test]
fn an_agent_image_is_an_image_or_none_or_left_to_the_server() {
    let read = |agent: Value| ServerConfig::parse(&entity(&json!({"K8Config": {"agent": agent}})));
    let agent = |agent: Value| read(agent).unwrap().kubernetes.agent;
    assert_eq!(agent(json!({})), AgentImage::Default);
    assert_eq!(agent(json!({"image": "none"})), AgentImage::None);
    let image = "reg.example.test:5000/a/cse-agent:1.0";
    let named = AgentImage::Image(image.to_owned());
    assert_eq!(agent(json!({ "image": image })), named);
    let problem = read(json!({"image": "x; rm -rf /"}))
        .unwrap_err()
        .to_string();
    assert!(
        problem.starts_with("profiles[0].K8Config.agent.image: "),
        "{problem}"
    );
}
