//! How a command that is not a replica reaches VCD: by a replica's file, or by what its options say.
//!
//! Flow: options over environment over file -> a checked configuration -> a login of the service account.
//!
//! Invariants:
//! - An option is the same as its environment variable, and judged by the same rules.
//! - With `--url` the default file may be absent: an operator's own machine has none.

use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::Failure;
use super::replica::connect;
use crate::config::{self, Config, DEFAULT_FILE, VcdConfig, process_environment};
use crate::vcd::VcdClient;
use crate::vcd::http::HttpTransport;

/// The options of every such command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "How to reach VCD")]
pub(super) struct ReachArgs {
    /// The file of a replica; the options below stand above it
    #[arg(long, value_name = "FILE", env = "CSE_CONFIG", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// Address of VCD; with it, no file is needed
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with the API token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Organization of the token's user [default: System]
    #[arg(long, value_name = "ORG")]
    token_org: Option<String>,
    /// File with certificates (PEM) of authorities to trust besides the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl ReachArgs {
    /// The configuration, not yet tried.
    ///
    /// # Errors
    /// [`Failure`]: the file or an option cannot be used; exit code 78.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        Ok(config::load(self.file_to_read(), &|name| {
            self.value_of(name)
        })?)
    }

    /// The part about VCD alone, for a login that needs no API token.
    ///
    /// # Errors
    /// As [`ReachArgs::load`].
    pub(super) fn load_site(&self) -> Result<VcdConfig, Failure> {
        let site = config::load_site(self.file_to_read(), &|name| self.value_of(name));
        Ok(site?)
    }

    /// Whether an API token is named on the command line.
    pub(super) const fn names_token(&self) -> bool {
        self.token_file.is_some()
    }

    /// Options stand above the environment.
    fn value_of(&self, name: &str) -> Option<String> {
        let option = match name {
            "CSE_VCD_URL" => self.url.clone(),
            "CSE_VCD_ORG" => self.token_org.clone(),
            "CSE_CREDENTIALS_TOKEN_FILE" => absolute(self.token_file.as_deref()),
            "CSE_VCD_CA_FILE" => absolute(self.ca_file.as_deref()),
            _ => None,
        };
        option.or_else(|| process_environment(name))
    }

    /// With `--url` no file is needed.
    fn file_to_read(&self) -> &Path {
        let is_without_file =
            self.url.is_some() && self.config == Path::new(DEFAULT_FILE) && !self.config.exists();
        if is_without_file {
            Path::new("/dev/null")
        } else {
            &self.config
        }
    }

    /// The replica's file, when there is one here or one is named.
    pub(super) fn file(&self) -> Option<&Path> {
        let is_named = self.config != Path::new(DEFAULT_FILE);
        (is_named || self.config.exists()).then_some(&*self.config)
    }

    /// Whether the file is the one that packages put there, and nobody asked for it.
    pub(super) fn is_default_file(&self) -> bool {
        self.config == Path::new(DEFAULT_FILE)
    }

    /// The configuration and a login with it.
    ///
    /// # Errors
    /// [`Failure`]: as [`ReachArgs::load`], or VCD cannot be reached or refuses the token.
    pub(super) async fn open(&self) -> Result<(Config, VcdClient<HttpTransport>), Failure> {
        let config = self.load()?;
        let client = connect(&config, None).await?;
        Ok((config, client))
    }
}

/// Paths on a command line count from where the operator stands.
fn absolute(path: Option<&Path>) -> Option<String> {
    let full = std::path::absolute(path?).ok()?;
    full.to_str().map(ToOwned::to_owned)
}
