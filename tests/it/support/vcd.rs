//! A simulated VCD served over HTTPS to real processes, in sped-up time, that can go away and come back.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cse_server::clock::Clock;
use cse_server::sim::faults::Faults;
use cse_server::sim::seed::{ClusterRequest, CseShape, SiteAccess, Tenant, default_config};
use cse_server::sim::server::{self, Server, TlsIdentity};
use cse_server::sim::timings::Timings;
use cse_server::sim::view::ClusterView;
use cse_server::sim::world::World;
use cse_server::vcd::transport::{Request, Response};
use tempfile::TempDir;

/// How much faster than real time the site and its replicas live.
const TIME_SCALE: f64 = 120.0;

/// The site and the files of its replicas.
pub(crate) struct Vcd {
    pub(crate) access: SiteAccess,
    pub(crate) tenant: Tenant,
    pub(crate) url: String,
    dir: TempDir,
    world: Arc<Mutex<World>>,
    clock: Clock,
    tls: TlsIdentity,
    address: SocketAddr,
    server: Option<Server>,
}

impl Vcd {
    /// A site that is set up completely.
    pub(crate) fn open() -> Self {
        Self::with(|world| world.seed_config(default_config()))
    }

    /// A site with accounts, types and a tenant, and whatever `prepare` adds.
    pub(crate) fn with(prepare: impl FnOnce(&mut World)) -> Self {
        Self::made(World::seed_site, prepare)
    }

    /// A site as VCD is installed, with a tenant; nothing is set up for Kubernetes, and only the
    /// administrator has a token.
    pub(crate) fn bare(prepare: impl FnOnce(&mut World)) -> Self {
        let seed = |world: &mut World| SiteAccess {
            provider_token: "none".to_owned(),
            provider_user: String::new(),
            administrator_token: world.seed_bare_site(),
        };
        Self::made(seed, prepare)
    }

    fn made(seed: impl FnOnce(&mut World) -> SiteAccess, prepare: impl FnOnce(&mut World)) -> Self {
        let (listener, address) = server::bind().unwrap();
        let url = format!("https://{address}");
        let mut world = World::new(&url, 11, Timings::default());
        let access = seed(&mut world);
        let tenant = world.seed_tenant("acme");
        prepare(&mut world);
        let mut vcd = Self {
            dir: tempfile::tempdir().unwrap(),
            world: Arc::new(Mutex::new(world)),
            clock: Clock::scaled(TIME_SCALE),
            tls: server::tls_identity().unwrap(),
            server: None,
            access,
            tenant,
            url,
            address,
        };
        vcd.serve(listener);
        vcd.file("ca.pem", &vcd.tls.ca_pem);
        vcd.file("token", &vcd.access.provider_token);
        vcd
    }

    /// Serves the same site in clear text, too, for whatever stands between it and its clients.
    pub(crate) fn serve_in_clear(&self) -> (Server, SocketAddr) {
        let (listener, address) = server::bind().unwrap();
        let site = server::Site {
            world: Arc::clone(&self.world),
            clock: self.clock.clone(),
            faults: Arc::new(Faults::none()),
        };
        (server::serve(listener, None, site).unwrap(), address)
    }

    fn serve(&mut self, listener: TcpListener) {
        let site = server::Site {
            world: Arc::clone(&self.world),
            clock: self.clock.clone(),
            faults: Arc::new(Faults::none()),
        };
        let tls = Some(Arc::clone(&self.tls.config));
        self.server = Some(server::serve(listener, tls, site).unwrap());
    }

    /// Goes away: whoever calls is refused.
    pub(crate) async fn close(&mut self) {
        let server = self.server.take().unwrap();
        server.stop(Duration::ZERO).await.unwrap();
    }

    /// Comes back under the old address.
    pub(crate) fn reopen(&mut self) {
        self.serve(TcpListener::bind(self.address).unwrap());
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Path of a file of this site, such as `ca.pem`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file that only this user may read.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        write_private(&self.path(name), text);
        self.path(name)
    }

    /// Configuration of a replica that can work here; its log is for people.
    pub(crate) fn config(&self, name: &str) -> String {
        format!(
            "[vcd]\nurl = '{}'\nca_file = '{}'\n\n[credentials]\ntoken_file = '{}'\n\n\
             [replica]\nname = '{name}'\nstate_dir = '{}'\ntakeover_secs = 1800\n\
             self_fence_secs = 600\n\n[log]\nformat = 'text'\n\n[simulation]\ntime_scale = {TIME_SCALE:?}\n",
            self.url,
            self.path("ca.pem").display(),
            self.path("token").display(),
            self.path(&format!("{name}.state")).display(),
        )
    }

    /// The same as a file, with a log for programs.
    pub(crate) fn replica(&self, name: &str) -> PathBuf {
        let text = self.config(name).replace("'text'", "'json'");
        self.file(&format!("{name}.toml"), &text)
    }

    /// Answers one request at the site's present time, without a connection.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        self.world().handle(request, now, wall)
    }

    /// Asks for a small cluster, as Terraform would; returns its URN.
    pub(crate) fn ask_for(&self, name: &str) -> String {
        let request = ClusterRequest {
            name: name.to_owned(),
            shape: CseShape::V42,
            control_planes: 1,
            pools: vec![("workers".to_owned(), 1)],
            auto_repair: false,
        };
        let (now, wall) = (self.clock.now(), self.clock.wall());
        self.world()
            .create_cluster(&self.tenant, &request, now, wall)
    }

    /// Lets happen what is due, and returns all clusters.
    pub(crate) fn clusters(&self) -> Vec<ClusterView> {
        let mut world = self.world();
        world.advance(self.clock.now(), self.clock.wall());
        world.clusters()
    }

    /// Whether all clusters are provisioned and nothing is left of their creation.
    pub(crate) fn is_done(&self) -> bool {
        let done = |cluster: &ClusterView| cluster.state.as_deref() == Some("provisioned");
        self.clusters().iter().all(done) && self.world().bootstrap_leftovers().is_empty()
    }

    /// Every cluster has what one creation makes, once.
    pub(crate) fn assert_created_once(&self, urns: &[String]) {
        assert!(!urns.is_empty());
        let world = self.world();
        for urn in urns {
            let marker = format!("rde={urn};");
            for effect in [
                "vapp.composed",
                "vm.created",
                "vm.powered_on",
                "vapp.deleted",
            ] {
                let counts = world.effects().iter();
                let times: u32 = counts
                    .filter(|((name, about), _)| *name == effect && about.starts_with(&marker))
                    .map(|(_, count)| *count)
                    .sum();
                assert_eq!(times, 1, "{effect} of {urn}");
            }
        }
        assert_eq!(world.bootstrap_leftovers(), Vec::<String>::new());
    }
}

fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
