//! The API token of the service account: where it is looked for, and what it may look like.
//!
//! Flow: `credentials.token_file`, else `$CREDENTIALS_DIRECTORY/vcd-api-token`, else the environment
//! variable `CSE_VCD_API_TOKEN`, else `vcd-api-token` beside the configuration file, else the OVF property
//! `vcdRefreshToken`. The first one that is there counts, even if it cannot be used: falling through to
//! another token would hide the mistake. A blank credential is none: the unit provides one in any case.
//!
//! Invariants:
//! - The token is in no error text, and neither is the name of a file that may be the token itself.
//! - A token file that everybody on the machine may read is refused, except below
//!   `$CREDENTIALS_DIRECTORY`: systemd alone decides who sees that directory.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::beside;
use super::checks::Sources;
use super::error::Refusal;

/// Name of the credential in the unit's `LoadCredential=`, and of the file that it takes it from.
const NAME: &str = "vcd-api-token";
const VARIABLE: &str = "CSE_VCD_API_TOKEN";
const KEY: &str = "credentials.token_file";
/// Whose token it is, in advice.
const ACCOUNT: &str = "the service account";
/// API tokens of VCD have 32 characters; a JSON web token has a few hundred.
const MAX_TOKEN_BYTES: u64 = 8192;

/// A token and the place it was found in.
pub(super) type Found = (SecretString, String);

/// Reads the token. `token_file` is the configured path with the name of its origin.
pub(super) fn load(
    token_file: Option<(PathBuf, String)>,
    sources: &Sources<'_>,
) -> Result<Found, Refusal> {
    let env = sources.env;
    let directory = env("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    if let Some((path, origin)) = token_file {
        let sealed = directory.is_some_and(|directory| path.starts_with(directory));
        return from_file(&path, &origin, sealed);
    }
    let file = beside(sources.file, NAME);
    let credential = directory.map(|directory| directory.join(NAME));
    if let Some(path) = credential.filter(|path| path.exists() && !is_blank(path)) {
        let (token, _) = from_file(&path, "$CREDENTIALS_DIRECTORY", true)?;
        let place = format!(
            "the unit's credential {NAME} (as shipped: {})",
            file.display()
        );
        return Ok((token, place));
    }
    if let Some(text) = env(VARIABLE) {
        let place = format!("environment variable {VARIABLE}");
        return checked(&text, &place).map(|token| (token, place));
    }
    if file.exists() {
        return from_file(&file, "built-in default", false);
    }
    match sources.properties.token() {
        Some((token, place)) => checked(token.expose_secret(), &place).map(|token| (token, place)),
        None => Err(missing(&file)),
    }
}

/// What `SetCredential=` of the unit puts in the place of a file that is not there.
fn is_blank(path: &Path) -> bool {
    let is_small = fs::metadata(path).is_ok_and(|meta| meta.len() <= MAX_TOKEN_BYTES);
    is_small && fs::read_to_string(path).is_ok_and(|text| text.trim().is_empty())
}

fn missing(file: &Path) -> Refusal {
    let remedy = format!(
        "create an API token for {ACCOUNT} in VCD (User preferences, API tokens) and put it into {} \
         (owner root, mode 0600)",
        file.display()
    );
    refusal("built-in default", "there is no API token", remedy)
}

/// Reads the token that `--token-file` names.
pub(super) fn from_command_line(path: &Path) -> Result<SecretString, Refusal> {
    let read = from_file(path, "command line", false);
    read.map(|(token, _)| token).map_err(|refusal| Refusal {
        key: "--token-file",
        remedy: refusal.remedy.replace(ACCOUNT, "the administrator"),
        ..refusal
    })
}

fn from_file(path: &Path, origin: &str, sealed: bool) -> Result<Found, Refusal> {
    let shown = path.display();
    let unreadable = |cause: io::Error| {
        let what = format!("cannot read {shown}: {cause}");
        refusal(
            origin,
            what,
            "create the file, readable for the user this program runs as",
        )
    };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() || meta.len() > MAX_TOKEN_BYTES {
        let what = format!("{shown} is no regular file of at most {MAX_TOKEN_BYTES} bytes");
        return Err(refusal(
            origin,
            what,
            "let it hold the token and nothing else",
        ));
    }
    if !sealed && meta.permissions().mode() & 0o007 != 0 {
        let what = format!("everybody on this machine has access to {shown}");
        return Err(refusal(origin, what, format!("run: chmod o-rwx {shown}")));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let token = checked(&text, &format!("{origin}: {shown}"))?;
    Ok((token, shown.to_string()))
}

fn checked(text: &str, origin: &str) -> Result<SecretString, Refusal> {
    let token = text.trim();
    if token.is_empty() {
        let remedy = format!("put the API token of {ACCOUNT} there");
        return Err(refusal(origin, "the token is empty", remedy));
    }
    // Such a token could not travel in a form body or header; most often it is a whole JSON answer.
    if !token
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'"')
    {
        let what = "the token has blanks, quotes, line breaks or characters beyond ASCII";
        return Err(refusal(origin, what, "provide the bare token on one line"));
    }
    Ok(SecretString::from(token))
}

fn refusal(origin: &str, what: impl Into<String>, remedy: impl Into<String>) -> Refusal {
    Refusal {
        origin: origin.to_owned(),
        key: KEY,
        what: what.into(),
        remedy: remedy.into(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use tempfile::TempDir;

    use super::super::Environment;
    use super::super::file::Origins;
    use super::super::ovf;
    use super::*;

    /// The sources of a configuration file in `dir`.
    fn sources<'a>(file: &'a Path, env: Environment<'a>) -> Sources<'a> {
        Sources {
            file,
            origins: Origins::new(),
            properties: ovf::read(file, env).unwrap(),
            env,
        }
    }

    fn file(dir: &TempDir, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn origin(path: PathBuf) -> (PathBuf, String) {
        (path, "/etc/x.toml".to_owned())
    }

    #[test]
    fn the_first_place_that_exists_counts() {
        const OVF: &str = "<Environment><PropertySection><Property key='cse.vcdRefreshToken' \
            value='five'/></PropertySection></Environment>";
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("cse-server.toml");
        let sealed = tempfile::tempdir().unwrap();
        let directory = sealed.path().to_str().unwrap().to_owned();
        let unit = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| directory.clone());
        let env = |name: &str| match name {
            "CSE_VCD_API_TOKEN" => Some("three".to_owned()),
            _ => unit(name),
        };
        let got = |token_file, env: Environment<'_>| {
            let (token, place) = load(token_file, &sources(&config, env)).unwrap();
            (token.expose_secret().to_owned(), place)
        };
        let want = |token: &str, place: &str| (token.to_owned(), place.to_owned());

        let document = file(&dir, "ovf-env.xml", OVF, 0o600);
        let place = format!("OVF property cse.vcdRefreshToken ({})", document.display());
        assert_eq!(got(None, &unit), want("five", &place));
        let beside = file(&dir, NAME, "four\n", 0o600);
        let beside = beside.to_str().unwrap();
        assert_eq!(got(None, &unit), want("four", beside));
        file(&sealed, NAME, "\n", 0o444);
        assert_eq!(got(None, &unit), want("four", beside), "a blank credential");
        let place = "environment variable CSE_VCD_API_TOKEN";
        assert_eq!(got(None, &env), want("three", place));
        file(&sealed, NAME, "two", 0o444);
        let place = format!("the unit's credential vcd-api-token (as shipped: {beside})");
        assert_eq!(got(None, &env), want("two", &place));
        let explicit = file(&dir, "explicit", "one\n", 0o600);
        let place = explicit.to_str().unwrap().to_owned();
        assert_eq!(got(Some(origin(explicit)), &env), want("one", &place));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("cse-server.toml");
        let rows = [
            (
                "public",
                Some(file(&dir, "public", "s3cr3t", 0o644)),
                "run: chmod o-rwx /",
            ),
            (
                "empty",
                Some(file(&dir, "empty", " \n", 0o600)),
                "the token is empty",
            ),
            (
                "two lines",
                Some(file(&dir, "two", "s3cr3t\ns3cr3t", 0o600)),
                "line breaks",
            ),
            (
                "json",
                Some(file(&dir, "json", "{\"token\":\"s3cr3t\"}", 0o600)),
                "bare token",
            ),
            ("missing", Some(dir.path().join("missing")), "No such file"),
            ("directory", Some(dir.path().to_owned()), "no regular file"),
            (
                "nowhere",
                None,
                "create an API token for the service account",
            ),
        ];
        for (name, path, want) in rows {
            let from = sources(&config, &|_| None);
            let refusal = load(path.map(origin), &from).unwrap_err().to_string();
            assert!(refusal.contains(want), "{name}: {refusal}");
            assert!(!refusal.contains("s3cr3t"), "{name}: {refusal}");
        }
    }
}
