//! The tenant's API token, in a mounted file that may change at any time.
//!
//! Invariants:
//! - The file is the Secret that CAPVCD signs in with: a rotated token has one place.
//! - A token that VCD refused is not tried again until the file changes, or a while has passed.
//! - The token is in memory only, and in no error text.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

/// Longest file read, in bytes.
const MAX_BYTES: u64 = 8 * 1024;

/// There is no token to be had from the file.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// It cannot be read.
    #[error("cannot read the token file {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It holds something else.
    #[error(
        "{path} holds no API token; the Secret capi-user-credentials must have it under refreshToken"
    )]
    Unusable {
        /// The file.
        path: String,
    },
}

/// Where the token is.
#[derive(Clone, Debug)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// A file that holds the token and nothing else.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The token as it stands.
    ///
    /// # Errors
    /// [`NoToken`]: mend the Secret.
    pub fn read(&self) -> Result<SecretString, NoToken> {
        let path = self.0.display().to_string();
        let text = read(&self.0).map_err(|cause| NoToken::Unreadable {
            path: path.clone(),
            cause,
        })?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NoToken::Unusable { path });
        }
        Ok(SecretString::from(token))
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Whether two tokens are the same.
pub(super) fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}
