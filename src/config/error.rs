//! Why a configuration is refused, in words the operator can act on.
//!
//! Invariants:
//! - Every refusal names where the value came from, its key, what is wrong and what to do.
//! - Neither a token nor a source line of the file is ever part of the text.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration file {}", file.display())]
    Unreadable {
        /// The file that was asked for.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML, or holds a key or type this program does not know.
    #[error("{}:{line}: {message}; see config/cse-server.toml for every key with its type", file.display())]
    Malformed {
        /// The file that was read.
        file: PathBuf,
        /// Line of the first mistake, from 1; 0 when unknown.
        line: usize,
        /// The parser's message, with the key but without the line's text.
        message: String,
    },
    /// Values that are well-formed but cannot be used; all of them, not just the first.
    #[error("{}", Lines(refusals))]
    Refused {
        /// At least one.
        refusals: Vec<Refusal>,
    },
}

/// One value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where the value came from: a file, an environment variable, or the built-in default.
    pub origin: String,
    /// Dotted name of the key, such as `replica.heartbeat_secs`.
    pub key: &'static str,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: {}; {}",
            self.origin, self.key, self.what, self.remedy
        )
    }
}

/// One refusal per line, numbered when there are several.
struct Lines<'a>(&'a [Refusal]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        for (index, refusal) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            if count > 1 {
                write!(f, "({} of {count}) ", index + 1)?;
            }
            refusal.fmt(f)?;
        }
        Ok(())
    }
}
