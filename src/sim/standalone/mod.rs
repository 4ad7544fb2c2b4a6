//! The simulator as a program of its own: a site that is opened, served, saved and closed.
//!
//! Flow: options -> the world of the state file, or a fresh one -> listeners -> [`Standalone::run`] until it
//! is told to stop -> the state is saved.
//!
//! Invariants:
//! - A state file that cannot be read keeps the program from starting, and is not touched.
//! - The state is saved while the site is served, a few seconds after something has changed; the pause grows
//!   with the time that saving takes, so that a large site stays usable.
//!
//! Not here: the command line and exit codes (`cli::sim`), what operators can do (`sim::control_api`).

mod guide;
mod open;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use self::guide::{Guide, TenantGuide};
use super::faults::Faults;
use super::levers::{LeverError, ScenarioError};
use super::server::{Server, Site};
use super::state::{StateError, file};
use super::tls::{Authority, TlsIdentityError};
use super::world::{World, lock};
use crate::clock::Clock;

/// Time between two looks at whether something has changed, in real time.
const SAVE_EVERY: Duration = Duration::from_secs(3);
/// Saving may take one part in so many of the time.
const SAVE_SHARE: u32 = 10;
/// How long running requests may go on after the stop.
const GRACE: Duration = Duration::from_secs(3);

/// How to open a site.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// How the connection is secured.
    pub tls: Tls,
    /// Base URL of the site as clients know it; made from the address when absent.
    pub url: Option<String>,
    /// All chance of a fresh site.
    pub seed: u64,
    /// Site seconds in one real second.
    pub time_scale: f64,
    /// Names of the organizations of a fresh site.
    pub orgs: Vec<String>,
    /// Whether nothing is set up for Kubernetes on a fresh site.
    pub bare: bool,
    /// Finished clusters of a fresh site.
    pub clusters: u32,
    /// Password of the administrator and of the tenants' users of a fresh site, if they have one.
    pub password: Option<String>,
    /// Organizations of a fresh site whose gateways take addresses from IP spaces, by name.
    pub ip_spaces: Vec<String>,
    /// API versions that are offered, such as `(37, 2)`; those of the simulator when empty.
    pub api_versions: Vec<(u16, u16)>,
    /// Scenarios that begin with the site.
    pub scenarios: Vec<PathBuf>,
    /// Where the site is kept.
    pub state: Option<PathBuf>,
    /// Where operators connect; nowhere when absent.
    pub control: Option<SocketAddr>,
    /// `key=value`, or files of such in TOML.
    pub settings: Vec<String>,
    /// Where a configuration for `cse-server run` is written to.
    pub write_config: Option<PathBuf>,
    /// Where the authority's certificate is written to.
    pub ca_out: Option<PathBuf>,
    /// Requests that the log keeps.
    pub log_requests: usize,
}

/// How the connection is secured.
#[derive(Clone, Debug)]
pub enum Tls {
    /// With a certificate of an authority made up for the site.
    SelfSigned,
    /// With a certificate and a key from PEM files.
    Given {
        /// Certificate chain.
        cert: PathBuf,
        /// Key.
        key: PathBuf,
    },
    /// Not at all.
    Plain,
}

/// Why a site could not be opened or closed.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    /// An address cannot be used.
    #[error("cannot listen on {address}")]
    Listen {
        /// As given.
        address: SocketAddr,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// A file cannot be read or written.
    #[error("cannot {doing} {}", file.display())]
    File {
        /// `read` or `write`.
        doing: &'static str,
        /// As given.
        file: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// The state file cannot be used; it was left as it is.
    #[error("state file {} is left as it is", file.display())]
    State {
        /// As given.
        file: PathBuf,
        /// The cause.
        #[source]
        cause: StateError,
    },
    /// A scenario file cannot be used.
    #[error("scenario {}", file.display())]
    Scenario {
        /// As given.
        file: PathBuf,
        /// The cause.
        #[source]
        cause: ScenarioError,
    },
    /// A scenario does not fit the site.
    #[error("scenario {}", file.display())]
    ScenarioStart {
        /// As given.
        file: PathBuf,
        /// The cause.
        #[source]
        cause: LeverError,
    },
    /// A setting cannot be used.
    #[error("setting {given}: {what}")]
    Setting {
        /// As given.
        given: String,
        /// What is wrong.
        what: String,
    },
    /// No certificate can be had.
    #[error("no certificate to serve with")]
    Tls(#[source] TlsIdentityError),
    /// Serving ended with an error.
    #[error("serving failed")]
    Serve(#[source] io::Error),
}

/// Where the state of a site goes.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) file: PathBuf,
    authority: Option<Authority>,
    /// `World::changes` at the last save. Held while saving: one at a time.
    saved: Mutex<u64>,
}

impl Keeper {
    /// Who signed the server's certificate.
    pub(crate) fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// Saves the world if it has changed, or in any case.
    ///
    /// # Errors
    /// [`StateError`]: the old file stays as it was.
    pub(crate) fn save(&self, world: &Mutex<World>, in_any_case: bool) -> Result<(), StateError> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = lock(world).changes;
        if changes == *saved && !in_any_case {
            return Ok(());
        }
        file::write(&self.file, world, self.authority.as_ref())?;
        *saved = changes;
        Ok(())
    }
}

/// A site that is open.
#[derive(Debug)]
pub struct Standalone {
    site: Site,
    url: String,
    server: Server,
    control: Option<Server>,
    keeper: Option<Arc<Keeper>>,
    /// Where the certificate of the authority was written to.
    ca_file: Option<PathBuf>,
    /// The state file was there.
    resumed: bool,
}

impl Standalone {
    /// Opens a site. Runs within tokio.
    ///
    /// # Errors
    /// [`StandaloneError`]: nothing is served, and no state file was touched.
    pub fn open(options: &Options) -> Result<Self, StandaloneError> {
        open::open(options)
    }

    /// Base URL of the site.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Base URL of the control API.
    pub fn control_url(&self) -> Option<String> {
        let server = self.control.as_ref()?;
        Some(format!("http://{}", server.address()))
    }

    /// How to use the site.
    pub fn guide(&self) -> Guide {
        lock(&self.site.world).guide()
    }

    /// What to tell somebody who has just started it.
    pub fn welcome(&self) -> String {
        let control = self.control_url();
        guide::welcome(
            &self.guide(),
            &guide::Place {
                url: &self.url,
                ca_file: self.ca_file.as_deref(),
                control: control.as_deref(),
                state_file: self.keeper.as_ref().map(|keeper| keeper.file.as_path()),
                resumed: self.resumed,
                clusters: lock(&self.site.world).clusters().len(),
            },
        )
    }

    /// Serves until `stop` ends, saves the state, and ends.
    ///
    /// # Errors
    /// [`StandaloneError`]: the state could not be saved at the end, or serving failed.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StandaloneError> {
        tokio::select! {
            () = stop => {}
            never = keep(self.keeper.clone(), Arc::clone(&self.site.world)) => never,
        }
        if let Some(control) = self.control {
            control.stop(GRACE).await.map_err(StandaloneError::Serve)?;
        }
        self.server
            .stop(GRACE)
            .await
            .map_err(StandaloneError::Serve)?;
        let Some(keeper) = self.keeper else {
            return Ok(());
        };
        let failed = |cause| StandaloneError::State {
            file: keeper.file.clone(),
            cause,
        };
        keeper.save(&self.site.world, true).map_err(failed)
    }
}

/// Saves the world again and again; never ends.
async fn keep(keeper: Option<Arc<Keeper>>, world: Arc<Mutex<World>>) {
    let Some(keeper) = keeper else {
        return std::future::pending().await;
    };
    let clock = Clock::system();
    let mut pause = SAVE_EVERY;
    loop {
        clock.sleep(pause).await;
        let began = clock.now();
        let (keeper, world) = (Arc::clone(&keeper), Arc::clone(&world));
        let saved = tokio::task::spawn_blocking(move || keeper.save(&world, false)).await;
        if let Ok(Err(error)) = saved {
            tracing::error!(error = %crate::telemetry::chain(&error), "state not saved; trying again");
        }
        pause = SAVE_EVERY.max(clock.now().since(began) * SAVE_SHARE);
    }
}

/// The faults of a site that nobody has ordered any for.
fn no_faults() -> Arc<Faults> {
    Arc::new(Faults::none())
}
