//! The scripts: bash accepts them, the simulated guest can tell them apart, and the runner reports
//! truthfully. The runner is run for real, with stand-ins for `vmtoolsd` and `systemctl`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tempfile::TempDir;

use super::*;

fn all_scripts() -> Vec<(String, &'static str)> {
    let phases = Phase::ALL
        .into_iter()
        .map(|phase| (script_path(phase), script(phase)));
    let others = [
        ("runner", RUNNER),
        ("library", LIBRARY),
        ("customization", CUSTOMIZATION),
    ];
    phases
        .chain(others.map(|(name, text)| (name.to_owned(), text)))
        .collect()
}

#[test]
fn bash_accepts_every_script() {
    for (name, text) in all_scripts() {
        let output = Command::new("bash")
            .args(["-n", "-c", text])
            .output()
            .unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{name}: {output:?}"
        );
    }
}

#[test]
fn every_script_stops_at_the_first_error_and_says_what_it_is_for() {
    for (name, text) in all_scripts() {
        assert!(text.starts_with("#!/bin/bash\n# "), "{name}");
        let is_strict = text.contains("\nset -euo pipefail\n") || name == "customization";
        assert!(is_strict, "{name}");
    }
    for phase in Phase::ALL {
        let purpose = format!("# Phase {}: ", phase.name());
        assert!(script(phase).contains(&purpose), "{phase:?}");
    }
}

#[test]
fn scripts_run_in_the_order_of_the_phases() {
    let paths: Vec<String> = Phase::ALL.into_iter().map(script_path).collect();
    assert!(paths.is_sorted(), "{paths:?}");
    assert_eq!(
        script_path(Phase::ControlPlane),
        "/opt/cse/phases/60-control-plane.sh"
    );
}

/// A simulated guest knows no phases; it looks for these words.
#[test]
fn what_a_script_does_can_be_told_from_its_text() {
    for (words, phase) in [
        (&["cluster.yaml", "kubectl apply"][..], Phase::Apply),
        (&["ControlPlaneInitialized"], Phase::ControlPlane),
        (&["clusterctl move"], Phase::Pivot),
    ] {
        let has = |phase: &Phase| words.iter().all(|word| script(*phase).contains(word));
        let found: Vec<Phase> = Phase::ALL.into_iter().filter(has).collect();
        assert_eq!(found, [phase], "{words:?}");
    }
}

/// The names after `CSE_` that a script uses without setting them.
pub(crate) fn variables_used() -> BTreeSet<String> {
    // The last is where a script names several at once.
    let own = ["ROOT", "STATE", "LOG", "SYSTEM", "PATH", "LIMIT_", ""];
    let mut names = BTreeSet::new();
    for (_, text) in all_scripts() {
        for after in text.split("CSE_").skip(1) {
            let name: String = after
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || *c == '_')
                .collect();
            if !own.contains(&name.as_str()) {
                names.insert(name);
            }
        }
    }
    names
}

/// A VM's disk with the real runner and made-up phases.
struct Guest {
    root: TempDir,
}

impl Guest {
    fn new(phases: &[(&str, &str)]) -> Self {
        let guest = Self {
            root: TempDir::new().unwrap(),
        };
        guest.write("bootstrap.sh", RUNNER);
        guest.write("lib.sh", LIBRARY);
        let env = "CSE_API_TOKEN='tok'\\''en-secret'\nCSE_GITHUB_TOKEN=''\nCSE_HTTP_PROXY=''\nCSE_HTTPS_PROXY=''\n\
                   CSE_NO_PROXY=''\nCSE_ENTITY_ID=id\nCSE_MARKER=marker\nCSE_LIMIT_slow_one='0.2'\nCSE_BEAT_SECS=0.1\n";
        guest.write("env", env);
        let vmtoolsd =
            "file=reports\n[[ $2 != *cse.beat* ]] || file=beats\necho \"$2\" >>\"$CSE_ROOT/$file\"";
        guest.tool("vmtoolsd", vmtoolsd);
        guest.tool("systemctl", "exit 0");
        for (name, body) in phases {
            guest.write(
                &format!("phases/{name}.sh"),
                &format!("set -euo pipefail\n. \"$CSE_ROOT/lib.sh\"\nbegin_phase\n{body}\n"),
            );
        }
        guest
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn tool(&self, name: &str, body: &str) {
        self.write(&format!("bin/{name}"), &format!("#!/bin/bash\n{body}\n"));
        let path = self.root.path().join("bin").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self) -> Command {
        let root = self.root.path();
        let mut command = Command::new("bash");
        command.arg(root.join("bootstrap.sh")).env("CSE_ROOT", root);
        command
            .env("CSE_STATE", root.join("state"))
            .env("CSE_LOG", root.join("log"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    /// What was reported, without `info-set guestinfo.`, and forgets it.
    fn reports(&self) -> Vec<String> {
        let path = self.root.path().join("reports");
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, "").unwrap();
        text.lines()
            .map(|line| line.strip_prefix("info-set guestinfo.").unwrap().to_owned())
            .collect()
    }

    fn has(&self, name: &str) -> bool {
        Path::new(self.root.path()).join(name).exists()
    }
}

#[test]
fn a_good_run_reports_every_phase_and_clears_the_token() {
    let guest = Guest::new(&[
        ("10-network", "echo hello"),
        ("20-tools", "touch \"$CSE_ROOT/made\""),
    ]);
    let output = guest.run();
    assert!(output.status.success(), "{output:?}");
    let want = [
        "cse.phase.network.status in_progress",
        "cse.phase.network.status successful",
        "cse.phase.tools.status in_progress",
        "cse.phase.tools.status successful",
        "userdata ---",
        "cse.exit 0",
    ];
    assert_eq!(guest.reports(), want);
    assert!(guest.has("made"));
}

#[test]
fn a_failure_reports_reason_and_log_without_the_token_and_the_exit_code_last() {
    let body = "echo \"token is $CSE_API_TOKEN or $(printf %s \"$CSE_API_TOKEN\" | base64)\"\n\
                die \"no address left, says $CSE_API_TOKEN\"";
    let guest = Guest::new(&[
        ("10-network", "true"),
        ("30-kind", body),
        ("40-providers", "touch \"$CSE_ROOT/late\""),
    ]);
    let output = guest.run();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let reports = guest.reports();
    assert_eq!(reports[2], "cse.phase.kind.status in_progress");
    assert_eq!(
        reports[3].trim_end(),
        "cse.reason no address left, says <redacted>"
    );
    let log = reports[4].strip_prefix("cse.log ").unwrap();
    let log = String::from_utf8(BASE64.decode(log).unwrap()).unwrap();
    assert!(log.contains("token is <redacted> or <redacted>"), "{log}");
    assert_eq!(
        reports[5..],
        ["cse.phase.kind.status failed", "userdata ---", "cse.exit 1"]
    );
    assert!(!guest.has("late"), "a phase ran after a failed one");
}

#[test]
fn an_unforeseen_error_names_the_command_but_not_its_values() {
    let guest = Guest::new(&[(
        "10-network",
        "doing \"looking around\"\nls \"/none/$CSE_API_TOKEN\"",
    )]);
    guest.run();
    let reports = guest.reports();
    let want = "cse.reason ls \"/none/$CSE_API_TOKEN\" failed (line 5 of 10-network.sh) while looking around";
    assert_eq!(reports[1].trim_end(), want);
    assert_eq!(reports.last().unwrap(), "cse.exit 2");
}

#[test]
fn a_phase_that_takes_too_long_is_stopped_and_says_what_it_was_doing() {
    let guest = Guest::new(&[(
        "10-slow-one",
        "doing \"waiting for a node\"\ntail -f /dev/null",
    )]);
    guest.run();
    let reports = guest.reports();
    let want = "cse.reason phase slow-one did not end within 0.2 s while waiting for a node";
    assert_eq!(reports[1].trim_end(), want);
    assert_eq!(reports.last().unwrap(), "cse.exit 124");
}

#[test]
fn a_second_run_goes_on_where_the_first_one_stopped() {
    let guest = Guest::new(&[
        ("10-network", "echo ran >>\"$CSE_ROOT/network-runs\""),
        ("20-tools", "[[ -e $CSE_ROOT/mended ]] || die \"not yet\""),
    ]);
    assert_eq!(guest.run().status.code(), Some(1));
    assert!(guest.has("state/ended"));
    guest.reports();
    guest.write("mended", "");
    assert!(guest.run().status.success());
    let reports = guest.reports();
    let forgotten = ["cse.exit ", "cse.reason ", "cse.log "];
    assert_eq!(reports[..3], forgotten, "the end of the first run");
    assert_eq!(reports[3], "cse.phase.network.status successful");
    let runs = fs::read_to_string(guest.root.path().join("network-runs")).unwrap();
    assert_eq!(runs, "ran\n");
}

#[test]
fn a_second_runner_beside_the_first_does_nothing() {
    let guest = Guest::new(&[(
        "10-network",
        "flock --nonblock \"$CSE_ROOT/state/lock\" true && die \"not locked\"\nbash \"$CSE_ROOT/bootstrap.sh\"",
    )]);
    let output = guest.run();
    assert!(output.status.success(), "{output:?}");
    let want = [
        "cse.phase.network.status in_progress",
        "cse.phase.network.status successful",
        "userdata ---",
        "cse.exit 0",
    ];
    assert_eq!(guest.reports(), want);
}

#[test]
fn a_run_that_the_vm_stops_has_not_failed() {
    let guest = Guest::new(&[("10-network", "kill -TERM \"$PPID\"")]);
    guest.tool("timeout", "shift 2\nexec \"$@\"");
    let output = guest.run();
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    assert_eq!(guest.reports(), ["cse.phase.network.status in_progress"]);
    assert!(!guest.has("state/ended"));
}

#[test]
fn a_runner_shows_signs_of_life_while_a_phase_works() {
    let body = "until [[ -e $CSE_ROOT/beats && $(sort -u \"$CSE_ROOT/beats\" | wc -l) -ge 2 ]]; do sleep 0.05; done";
    let guest = Guest::new(&[("10-network", body)]);
    assert!(guest.run().status.success());
    assert_eq!(guest.reports().last().unwrap(), "cse.exit 0");
}

#[test]
fn a_runner_that_is_stopped_stops_its_phase() {
    let body = "echo \"$$\" >\"$CSE_ROOT/phase\"\nkill -TERM \"$(ps -o ppid= -p \"$PPID\" | tr -d ' ')\"\ntail -f /dev/null";
    let guest = Guest::new(&[("10-network", body)]);
    assert_eq!(guest.run().status.code(), Some(143));
    let phase = fs::read_to_string(guest.root.path().join("phase")).unwrap();
    let left = fs::read_to_string(format!("/proc/{}/cmdline", phase.trim())).unwrap_or_default();
    assert!(!left.contains("10-network"), "{left}");
    assert!(!guest.has("state/ended"));
}

#[test]
fn long_logs_and_reasons_are_cut_to_what_a_key_may_hold() {
    let body = "printf '%s\\n' {1..30000}\ndie \"$(printf 'x\\n%.0s' {1..2000})ü\"";
    let guest = Guest::new(&[("10-network", body)]);
    guest.run();
    let reports = guest.reports();
    let reason = reports[1].strip_prefix("cse.reason ").unwrap();
    assert!(reason.len() <= 500 && reason.is_ascii(), "{}", reason.len());
    assert!(reports[2].len() <= 8192, "{}", reports[2].len());
}
