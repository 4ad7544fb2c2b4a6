//! The man page of the program: what clap knows, and what an operator needs besides.
//!
//! Invariants:
//! - Commands, options and exit codes are those of the command line's definition, not a copy.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::super::EXIT_CODES;
use super::{MANUAL, page, see};

/// Files, with what they are for.
const FILES: [(&str, &str); 7] = [
    (
        "/etc/cse-server/cse-server.toml",
        "The configuration of this replica, described in cse-server.toml(5). All replicas may use the same file.",
    ),
    (
        "/etc/cse-server/vcd-api-token",
        "The API token of the service account and nothing else; owner root, mode 0600. Systemd reads it at every \
         start and hands it to the service alone. Commands that root runs on this machine use it, too.",
    ),
    (
        "/etc/cse-server/ovf-env.xml",
        "The OVF environment of a virtual appliance; owner root, mode 0600. Written at every start of the service \
         by cse-server-ovf.service where VMware Tools provide one.",
    ),
    (
        "/run/cse-server/",
        "Lock and identity of the last process: a restarted replica goes on with its own clusters at once. Nothing \
         else depends on it.",
    ),
    (
        "/usr/lib/systemd/system/cse-server.service",
        "The unit. Change it with: systemctl edit cse-server",
    ),
    (
        "/usr/lib/systemd/catalog/cse-server.catalog",
        "What journalctl -x says about each event.",
    ),
    (
        "/usr/share/doc/cse-server/",
        "Examples: cloud-init, and whatever else comes with this version.",
    ),
];

/// Environment variables, with what they do.
const ENVIRONMENT: [(&str, &str); 8] = [
    (
        "CSE_CONFIG",
        "The configuration file, where --config does not name one.",
    ),
    (
        "CSE_<TABLE>_<KEY>",
        "Stands above the key of the configuration file: CSE_VCD_URL above vcd.url, CSE_REPLICA_SLOTS above \
         replica.slots. Set to nothing it counts as not set.",
    ),
    ("CSE_LOG", "The same for log.filter."),
    (
        "CSE_VCD_API_TOKEN",
        "The API token, where neither a file is configured nor the unit's credential is there.",
    ),
    (
        "CSE_OVF_ENV",
        "File with the OVF environment, instead of ovf-env.xml beside the configuration file.",
    ),
    (
        "HTTPS_PROXY, HTTP_PROXY, NO_PROXY",
        "The proxy between this machine and VCD.",
    ),
    ("NO_COLOR", "No colours on a terminal."),
    (
        "CREDENTIALS_DIRECTORY, RUNTIME_DIRECTORY, STATE_DIRECTORY, NOTIFY_SOCKET, JOURNAL_STREAM",
        "Set by systemd; see systemd.exec(5).",
    ),
];

/// Signals that a replica knows.
const SIGNALS: [(&str, &str); 3] = [
    (
        "SIGTERM, SIGINT",
        "Stop: running calls to VCD end, every cluster is handed over to the other replicas, and the program exits \
         within 40 seconds.",
    ),
    (
        "SIGHUP",
        "Read log.filter of the configuration file again and change the levels of the log (systemctl reload).",
    ),
    (
        "SIGKILL",
        "Does no harm: the restarted replica goes on with its own clusters at once; if it does not come back, other \
         replicas take them over after three to four minutes.",
    ),
];

/// Commands to begin with.
const EXAMPLES: [(&str, &str); 5] = [
    (
        "systemctl status cse-server",
        "What this replica is doing, in one line.",
    ),
    (
        "journalctl -u cse-server CLUSTER_NAME=blue",
        "One cluster, on this replica.",
    ),
    (
        "journalctl -u cse-server -p warning --since today -x",
        "What needs or needed attention, with what to do.",
    ),
    (
        "systemctl restart cse-server",
        "After a change of the file or the token; clusters are handed over first.",
    ),
    (
        "cse-server run --config ./cse-server.toml",
        "A replica in the foreground, with the log on the terminal.",
    ),
];

/// Writes the page.
pub(super) fn write(program: &Command, out: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(program.clone()).manual(MANUAL);
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    man.render_subcommands_section(out)?;
    let mut roff = Roff::new();
    exit_codes(&mut roff);
    pairs(&mut roff, "FILES", &FILES);
    pairs(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
    pairs(&mut roff, "SIGNALS", &SIGNALS);
    pairs(&mut roff, "EXAMPLES", &EXAMPLES);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        page("cse-server.toml"),
        see(5, ", "),
        page("systemctl"),
        see(1, ", "),
        page("journalctl"),
        see(1, ""),
    ]);
    roff.to_writer(out)
}

fn exit_codes(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for line in EXIT_CODES.lines().skip(1) {
        let line = line.trim();
        match line.split_once("  ") {
            Some((code, meaning)) if code.parse::<u8>().is_ok() => {
                roff.control("TP", []);
                roff.text([bold(code)]);
                roff.text([roman(meaning.trim())]);
            }
            Some(_) | None => {
                roff.text([roman(line)]);
            }
        }
    }
    roff.control("PP", []);
    roff.text([roman(
        "Under systemd a replica that cannot start says why, stays for 30 to 45 seconds and ends then; systemd \
         starts it again, for ever. With 64 it does not: only a change of the unit can help. After a crash it starts \
         again at once; after four and more in a row it waits first, up to 48 seconds.",
    )]);
}

fn pairs(roff: &mut Roff, heading: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (name, meaning) in rows {
        roff.control("TP", []);
        roff.text([bold(*name)]);
        roff.text([roman(*meaning)]);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use clap::CommandFactory;

    use super::super::super::{Cli, exit};
    use super::*;

    #[test]
    fn the_page_has_every_section_and_every_exit_code() {
        let mut program = Cli::command();
        program.build();
        let mut out = Vec::new();
        write(&program, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let headings: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix(".SH "))
            .map(|heading| heading.trim_matches('"'))
            .collect();
        let want = "NAME SYNOPSIS DESCRIPTION OPTIONS SUBCOMMANDS EXIT STATUS FILES ENVIRONMENT SIGNALS EXAMPLES \
            SEE ALSO";
        assert_eq!(headings.join(" "), want);
        let codes = [
            exit::USAGE,
            exit::UNAVAILABLE,
            exit::SYSTEM,
            exit::PROTOCOL,
            exit::NO_PERMISSION,
            exit::CONFIGURATION,
        ];
        for code in codes {
            let line = format!("\\fB{code}\\fR");
            assert!(text.lines().any(|one| one == line), "{code}: {text}");
        }
    }
}
