//! Opening a site: everything that can fail comes before the first client is served.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Keeper, Options, Standalone, StandaloneError, Tls, guide, no_faults};
use crate::clock::{Clock, Moment};
use crate::sim::control_api::{self, Operator};
use crate::sim::levers::scenario::told;
use crate::sim::levers::{Action, Lever, Scenario};
use crate::sim::seed;
use crate::sim::server::{self, Site};
use crate::sim::state::file;
use crate::sim::timings::Timings;
use crate::sim::tls::{self, Authority, TlsIdentity};
use crate::sim::world::{World, lock};

/// Bytes of a finished cluster's entity.
const CLUSTER_BYTES: usize = 32 * 1024;

/// A world that is about to be served.
struct Opened {
    world: World,
    moment: Moment,
    authority: Option<Authority>,
    resumed: bool,
}

pub(super) fn open(options: &Options) -> Result<Standalone, StandaloneError> {
    let listener = listen(options.listen)?;
    let address = listener.local_addr().unwrap_or(options.listen);
    let url = options
        .url
        .clone()
        .unwrap_or_else(|| own_url(&options.tls, address));
    let url = url.trim_end_matches('/').to_owned();
    let control = options.control.map(listen).transpose()?;
    let mut opened = world(options, &url)?;
    let identity = identity(options, &mut opened.authority, &url)?;
    let clock = Clock::paced(options.time_scale, opened.moment);
    let site = Site {
        world: Arc::new(Mutex::new(opened.world)),
        clock,
        faults: no_faults(),
    };
    prepare(&site, options)?;
    let ca_file = write_files(options, &url, identity.as_ref(), &site)?;
    let keeper = options.state.as_ref().map(|file| {
        Arc::new(Keeper {
            file: file.clone(),
            authority: opened.authority,
            saved: Mutex::default(),
        })
    });
    if let Some(keeper) = &keeper {
        let failed = |cause| StandaloneError::State {
            file: keeper.file.clone(),
            cause,
        };
        // At once: where the state cannot be written, nobody should rely on it.
        keeper.save(&site.world, true).map_err(failed)?;
    }
    let config = identity.map(|identity| identity.config);
    let server = server::serve(listener, config, site.clone());
    let server = server.map_err(StandaloneError::Serve)?;
    let control = match control {
        Some(listener) => {
            let operator = Operator::new(site.clone(), keeper.clone());
            Some(control_api::serve(listener, operator).map_err(StandaloneError::Serve)?)
        }
        None => None,
    };
    Ok(Standalone {
        site,
        url,
        server,
        control,
        keeper,
        ca_file,
        resumed: opened.resumed,
    })
}

fn listen(address: SocketAddr) -> Result<TcpListener, StandaloneError> {
    TcpListener::bind(address).map_err(|cause| StandaloneError::Listen { address, cause })
}

/// The URL by which this machine reaches `address`.
fn own_url(tls: &Tls, address: SocketAddr) -> String {
    let scheme = match tls {
        Tls::Plain => "http",
        Tls::SelfSigned | Tls::Given { .. } => "https",
    };
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

/// The world of the state file, or a fresh one.
fn world(options: &Options, url: &str) -> Result<Opened, StandaloneError> {
    if let Some(path) = &options.state {
        let loaded = file::read(path, Some(url)).map_err(|cause| StandaloneError::State {
            file: path.clone(),
            cause,
        })?;
        if let Some(loaded) = loaded {
            return Ok(Opened {
                world: loaded.world,
                moment: loaded.moment,
                authority: loaded.authority,
                resumed: true,
            });
        }
    }
    let mut world = World::new(url, options.seed, Timings::default());
    if options.bare {
        world.seed_bare_site();
    } else {
        world.seed_site();
        world.seed_config(seed::default_config());
    }
    let tenants: Vec<_> = options
        .orgs
        .iter()
        .map(|org| world.seed_tenant(org))
        .collect();
    let turns = tenants.iter().cycle();
    for (number, tenant) in (1..=options.clusters).zip(turns) {
        world.seed_provisioned(tenant, &format!("idle-{number}"), CLUSTER_BYTES);
    }
    for tenant in &tenants {
        if options.ip_spaces.contains(&tenant.org) {
            world.use_ip_space(tenant);
        }
    }
    if let Some(password) = &options.password {
        let authors = tenants.iter().map(|tenant| tenant.author.as_str());
        for name in authors.chain([seed::ADMINISTRATOR]) {
            world.set_password(name, password);
        }
    }
    Ok(Opened {
        world,
        moment: Moment::default(),
        authority: None,
        resumed: false,
    })
}

/// What the site serves with; an authority that was not there is made, to be kept.
fn identity(
    options: &Options,
    authority: &mut Option<Authority>,
    url: &str,
) -> Result<Option<TlsIdentity>, StandaloneError> {
    let identity = match &options.tls {
        Tls::Plain => return Ok(None),
        Tls::Given { cert, key } => tls::given_identity(&read(cert)?, &read(key)?),
        Tls::SelfSigned => {
            let known = authority.take().map_or_else(Authority::new, Ok);
            let known = known.map_err(StandaloneError::Tls)?;
            let identity = known.identity(&names(options, url));
            *authority = Some(known);
            identity
        }
    };
    identity.map(Some).map_err(StandaloneError::Tls)
}

/// Names by which clients may connect.
fn names(options: &Options, url: &str) -> Vec<String> {
    let host = url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    let host = host.map(|host| host.trim_matches(['[', ']']).to_owned());
    let listen = options.listen.ip();
    let listen = (!listen.is_unspecified()).then(|| listen.to_string());
    host.into_iter().chain(listen).collect()
}

/// Settings, then scenarios: a scenario's changes are on top.
fn prepare(site: &Site, options: &Options) -> Result<(), StandaloneError> {
    let mut world = lock(&site.world);
    let at = (site.clock.now(), site.clock.wall());
    world.stood_still(at);
    if !options.api_versions.is_empty() {
        world.offer_versions(&options.api_versions);
    }
    world.requests().set_capacity(options.log_requests);
    let mut lever = Lever {
        world: &mut world,
        faults: &site.faults,
        at,
    };
    for given in &options.settings {
        let wrong = |what: String| StandaloneError::Setting {
            given: given.clone(),
            what,
        };
        let set = setting(given, &lever.world.values())?;
        lever.pull(&set).map_err(|error| wrong(error.to_string()))?;
    }
    for file in &options.scenarios {
        let scenario = Scenario::parse(&read(file)?);
        let scenario = scenario.map_err(|cause| StandaloneError::Scenario {
            file: file.clone(),
            cause,
        })?;
        let started = lever.start(&scenario);
        started.map_err(|cause| StandaloneError::ScenarioStart {
            file: file.clone(),
            cause,
        })?;
    }
    Ok(())
}

/// A file of settings.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct SettingsFile {
    settings: Map<String, Value>,
    timings: Map<String, Value>,
    sessions: Map<String, Value>,
}

/// `key=value`, where the key is known from `values`, or the path of a file.
fn setting(given: &str, values: &Value) -> Result<Action, StandaloneError> {
    let wrong = |what: &str| StandaloneError::Setting {
        given: given.to_owned(),
        what: what.to_owned(),
    };
    let mut all = SettingsFile::default();
    if let Some((key, text)) = given.split_once('=') {
        let has = |group: &str| values.pointer(&format!("/{group}/{key}")).is_some();
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let groups = [
            ("settings", &mut all.settings),
            ("timings", &mut all.timings),
            ("sessions", &mut all.sessions),
        ];
        let known = groups.into_iter().find(|(group, _)| has(group));
        let (_, group) = known.ok_or_else(|| wrong("there is no such setting or timing"))?;
        group.insert(key.to_owned(), value);
    } else {
        let text = read(Path::new(given))?;
        all = toml::from_str(&text).map_err(|cause| wrong(&told(&cause, &text)))?;
    }
    Ok(Action::Set {
        settings: all.settings,
        timings: all.timings,
        sessions: all.sessions,
        lasts: None,
    })
}

/// The authority's certificate and a replica's configuration; returns where the certificate is.
fn write_files(
    options: &Options,
    url: &str,
    identity: Option<&TlsIdentity>,
    site: &Site,
) -> Result<Option<PathBuf>, StandaloneError> {
    let mut ca_file = None;
    if let (Some(path), Some(identity)) = (&options.ca_out, identity) {
        write(path, &identity.ca_pem, 0o644)?;
        ca_file = Some(path.clone());
    }
    let Some(dir) = &options.write_config else {
        return Ok(ca_file);
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|cause| failed("write", dir, cause))?;
    let dir = &fs::canonicalize(dir).map_err(|cause| failed("write", dir, cause))?;
    let ca = dir.join("ca.pem");
    if let Some(identity) = identity {
        write(&ca, &identity.ca_pem, 0o644)?;
        ca_file.get_or_insert(ca.clone());
    }
    let token = dir.join("vcd-api-token");
    let guide = lock(&site.world).guide();
    write(&token, &guide.service_token, 0o600)?;
    let config = guide::replica_config(&guide::ReplicaConfig {
        url,
        ca_file: identity.map(|_| ca.as_path()),
        token_file: &token,
        state_dir: &dir.join("state"),
        time_scale: options.time_scale,
    });
    write(&dir.join("cse-server.toml"), &config, 0o644)?;
    Ok(ca_file)
}

fn read(file: &Path) -> Result<String, StandaloneError> {
    fs::read_to_string(file).map_err(|cause| failed("read", file, cause))
}

fn write(file: &Path, text: &str, mode: u32) -> Result<(), StandaloneError> {
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(file);
    let written = opened.and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|cause| failed("write", file, cause))
}

fn failed(doing: &'static str, file: &Path, cause: io::Error) -> StandaloneError {
    StandaloneError::File {
        doing,
        file: file.to_owned(),
        cause,
    }
}
