//! The login of the system administrator who sets a site up.
//!
//! Invariants:
//! - A password is read from a terminal without echo or from a file that only its readers may read; it is in
//!   no error text.
//! - A session that came from a password is ended: it could do everything.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use secrecy::SecretString;
use url::Url;

use super::InitArgs;
use crate::cli::exit::{Failure, SYSTEM};
use crate::cli::replica::{CONNECT_TIMEOUT, connect, way_to};
use crate::vcd::greeting::Greeting;
use crate::vcd::http::HttpTransport;
use crate::vcd::{PasswordLogin, VcdClient};

/// Longest password file, in bytes.
const MAX_PASSWORD_BYTES: u64 = 1024;

/// Somebody who may set a site up.
pub(super) struct Administrator {
    pub(super) client: VcdClient<HttpTransport>,
    pub(super) url: Url,
    /// Whether the session may change roles and rights bundles.
    pub(super) has_password: bool,
}

impl Administrator {
    /// Logs in as the arguments say.
    pub(super) async fn log_in(args: &InitArgs) -> Result<Self, Failure> {
        let Some(user) = &args.user else {
            if !args.reach.names_token() {
                let sentence = "whose login? name a system administrator with --user (or, to look only, an API \
                    token with --token-file)";
                return Err(Failure::asked(sentence));
            }
            let config = args.reach.load()?;
            let client = connect(&config, None).await?;
            return Self::checked(client, config.vcd.url, false);
        };
        let site = args.reach.load_site()?;
        let password = match &args.password_file {
            Some(path) => from_file(path)?,
            None => from_terminal(user)?,
        };
        let (transport, options) = way_to(&site, "init", CONNECT_TIMEOUT)?;
        let at = |failure: Failure| failure.at(&site.url);
        let greeting = Greeting::with(Arc::new(transport), options).await;
        let greeting = greeting.map_err(|error| at(Failure::vcd(&error)))?;
        let login = PasswordLogin {
            org: site.org.clone(),
            user: user.clone(),
            password,
        };
        let client = greeting.log_in_with_password(login).await;
        let client = client.map_err(|error| at(Failure::password(&error)))?;
        Self::checked(client, site.url, true)
    }

    fn checked(
        client: VcdClient<HttpTransport>,
        url: Url,
        has_password: bool,
    ) -> Result<Self, Failure> {
        if client.is_provider() {
            return Ok(Self {
                client,
                url,
                has_password,
            });
        }
        let sentence = "only a user of the provider's organization can set a site up; leave --token-org (vcd.org) \
            at \"System\"";
        Err(Failure::asked(sentence))
    }

    /// Ends a session that a password opened. Whether that worked changes nothing for the operator.
    pub(super) async fn log_out(&self) {
        if self.has_password
            && let Err(error) = self.client.log_out().await
        {
            tracing::debug!(%error, "the session stays open until it has been idle for long enough");
        }
    }
}

fn from_file(path: &Path) -> Result<SecretString, Failure> {
    let shown = path.display();
    let unreadable = |error: io::Error| {
        Failure::asked(&format!(
            "cannot read {shown}: {error}; correct --password-file"
        ))
    };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() || meta.len() > MAX_PASSWORD_BYTES {
        let sentence = format!(
            "{shown} is no regular file of at most {MAX_PASSWORD_BYTES} bytes; correct --password-file"
        );
        return Err(Failure::asked(&sentence));
    }
    if meta.permissions().mode() & 0o007 != 0 {
        let sentence =
            format!("everybody on this machine has access to {shown}; run: chmod o-rwx {shown}");
        return Err(Failure::asked(&sentence));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    given(text.trim_end_matches(['\r', '\n']))
}

fn from_terminal(user: &str) -> Result<SecretString, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let sentence =
            "this is no terminal to ask for a password on; name a file with --password-file";
        return Err(Failure::asked(sentence));
    }
    let mut out = io::stderr().lock();
    let asked = write!(out, "Password of {user}: ").and_then(|()| out.flush());
    asked.map_err(|error| Failure::new(SYSTEM, &error))?;
    let before = tcgetattr(&stdin).map_err(|error| Failure::new(SYSTEM, &error))?;
    let mut silent = before.clone();
    // An interrupt would leave the terminal without echo: it ends the question with the line instead.
    silent
        .local_modes
        .remove(LocalModes::ECHO | LocalModes::ISIG);
    let set = tcsetattr(&stdin, OptionalActions::Flush, &silent);
    set.map_err(|error| Failure::new(SYSTEM, &error))?;
    let mut text = String::new();
    let read = stdin.read_line(&mut text);
    let restored = tcsetattr(&stdin, OptionalActions::Flush, &before);
    // The line's end was not shown either.
    writeln!(out).unwrap_or(());
    read.map_err(|error| Failure::new(SYSTEM, &error))?;
    restored.map_err(|error| Failure::new(SYSTEM, &error))?;
    if text.contains('\u{3}') {
        return Err(Failure::asked("interrupted; nothing was done"));
    }
    given(text.trim_end_matches(['\r', '\n']))
}

fn given(text: &str) -> Result<SecretString, Failure> {
    if text.is_empty() {
        return Err(Failure::asked("the password is empty"));
    }
    Ok(SecretString::from(text))
}
