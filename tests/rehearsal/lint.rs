//! What `shellcheck` says about the scripts, at its strictest.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;

use super::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("lint: shellcheck finds nothing in any script", check)]
}

fn check() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bootstrap/scripts");
    let mut scripts: Vec<String> = std::fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 13, "{scripts:?}");
    let mut command = Command::new("shellcheck");
    command.args(["--severity=style", "--external-sources", "--color=never"]);
    match command.args(&scripts).current_dir(&place).output() {
        Ok(output) => {
            let found = String::from_utf8_lossy(&output.stdout);
            let broken = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{found}{broken}");
        }
        Err(error) if std::env::var_os("CI").is_some() => panic!(
            "shellcheck does not start ({error}); install it: apt-get install shellcheck, or let .ci/run do it"
        ),
        Err(error) => eprintln!(
            "skipped: shellcheck does not start ({error}); the scripts were not linted. \
             Install it: apt-get install shellcheck"
        ),
    }
}
