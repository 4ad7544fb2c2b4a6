//! The journal: one datagram per record, with its fields.
//!
//! Invariants:
//! - Fields keep their names in upper case, without a prefix: `cluster_name` becomes `CLUSTER_NAME`.
//!   INFO is priority 6, DEBUG and TRACE 7.
//! - A value never holds a line end, so that every field is one line of the datagram.
//! - A datagram fits the socket: it is bounded well below the kernel's limit.
//! - A journal that takes nothing costs a worker [`PATIENCE`] once; after that its lines are dropped until
//!   it takes one again, and how many were lost is told then.
//!
//! Own code instead of a crate: `tracing-journald` has no field that depends on the event, such as the
//! message id, and waits without end.
//! Source: "Native Journal Protocol" of systemd; systemd.journal-fields(7).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tracing::Level;

use super::record::{Record, Sink};

/// Where the journal listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";
/// `SYSLOG_IDENTIFIER` of every record: `journalctl -t cse-server`.
pub(super) const IDENTIFIER: &str = "cse-server";
/// Longest wait for a journal that takes nothing.
const PATIENCE: Duration = Duration::from_millis(250);
/// Longest datagram; the kernel takes 200 kB at least.
const MAX_BYTES: usize = 96 * 1024;
/// Longest name of a field.
const MAX_NAME: usize = 64;

/// The way to the journal.
pub struct Journal {
    /// By name each time: it may be made anew.
    socket: PathBuf,
    /// Waits for a moment.
    patient: UnixDatagram,
    /// Never waits.
    hasty: UnixDatagram,
    stuck: AtomicBool,
    lost: AtomicU64,
    replica: String,
}

impl Journal {
    /// Connects to the journal that listens at `socket`; `replica` goes into every record.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(socket: &Path, replica: &str) -> io::Result<Self> {
        UnixDatagram::unbound()?.connect(socket)?;
        let patient = UnixDatagram::unbound()?;
        patient.set_write_timeout(Some(PATIENCE))?;
        let hasty = UnixDatagram::unbound()?;
        hasty.set_nonblocking(true)?;
        Ok(Self {
            socket: socket.to_owned(),
            patient,
            hasty,
            stuck: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            replica: replica.to_owned(),
        })
    }

    fn send(&self, datagram: &[u8]) {
        let socket = if self.stuck.load(Ordering::Relaxed) {
            &self.hasty
        } else {
            &self.patient
        };
        let sent = socket.send_to(datagram, &self.socket).is_ok();
        self.stuck.store(!sent, Ordering::Relaxed);
        if !sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Sink for Journal {
    fn write(&self, record: &Record) {
        self.send(&datagram(record, &self.replica));
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 && !self.stuck.load(Ordering::Relaxed) {
            self.lost.fetch_sub(lost, Ordering::Relaxed);
            let told = format!(
                "MESSAGE=the journal took nothing for a while, lines of the log are lost\nPRIORITY=4\n\
                 SYSLOG_IDENTIFIER={IDENTIFIER}\nREPLICA={}\nLOST={lost}\n",
                self.replica
            );
            self.send(told.as_bytes());
        }
    }
}

/// The priority of a level, as in syslog.
pub(super) const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// One record as the journal takes it.
pub fn datagram(record: &Record, replica: &str) -> Vec<u8> {
    let mut lines = Vec::with_capacity(1024);
    let mut put = |name: &str, value: &str| {
        let length = name.len() + value.len() + 2;
        // Clean text has no line end; one that has would add fields of its own.
        if lines.len() + length <= MAX_BYTES && !value.contains('\n') {
            lines.extend_from_slice(name.as_bytes());
            lines.push(b'=');
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
    };
    put("MESSAGE", &record.message);
    put("PRIORITY", &priority(record.level).to_string());
    put("SYSLOG_IDENTIFIER", IDENTIFIER);
    put("REPLICA", replica);
    if let Some(id) = record.message_id {
        put("MESSAGE_ID", id);
    }
    for (name, value) in &record.fields {
        if let Some(name) = field_name(name) {
            put(&name, &value.to_string());
        }
    }
    put("TARGET", &record.target);
    if let Some((file, line)) = record.code {
        put("CODE_FILE", file);
        put("CODE_LINE", &line.to_string());
    }
    lines
}

/// The journal's spelling of a field's name; the names that it uses itself are not for others.
fn field_name(name: &str) -> Option<String> {
    let spelled = |c: char| {
        let c = c.to_ascii_uppercase();
        if c.is_ascii_alphanumeric() { c } else { '_' }
    };
    let name: String = name.chars().map(spelled).take(MAX_NAME).collect();
    let name = name.trim_start_matches(|c: char| c == '_' || c.is_ascii_digit());
    let own = [
        "",
        "MESSAGE",
        "PRIORITY",
        "SYSLOG_IDENTIFIER",
        "REPLICA",
        "MESSAGE_ID",
        "TARGET",
        "CODE_FILE",
        "CODE_LINE",
    ];
    (!own.contains(&name)).then(|| name.to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::super::record::Value;
    use super::*;

    fn record(message: &str) -> Record {
        Record {
            time: "2026-03-01T09:00:01.25Z".parse().unwrap(),
            level: Level::INFO,
            target: "cse_server::x".to_owned(),
            code: Some(("src/x.rs", 7)),
            message: message.to_owned(),
            message_id: Some("0123456789abcdef0123456789abcdef"),
            fields: vec![
                ("cluster_name", Value::Text("blue".to_owned())),
                ("_hidden.name", Value::Truth(true)),
                ("priority", Value::Unsigned(0)),
            ],
        }
    }

    #[test]
    fn a_record_has_the_fields_people_ask_for() {
        let want = "MESSAGE=said\nPRIORITY=6\nSYSLOG_IDENTIFIER=cse-server\nREPLICA=cse-1\n\
            MESSAGE_ID=0123456789abcdef0123456789abcdef\nCLUSTER_NAME=blue\nHIDDEN_NAME=true\n\
            TARGET=cse_server::x\nCODE_FILE=src/x.rs\nCODE_LINE=7\n";
        let got = String::from_utf8(datagram(&record("said"), "cse-1")).unwrap();
        assert_eq!(got, want);
    }

    #[test]
    fn a_datagram_is_bounded_whatever_is_said() {
        let mut long = record("said");
        long.fields = vec![("x", Value::Text("y".repeat(8 * 1024))); 64];
        assert!(datagram(&long, "cse-1").len() <= MAX_BYTES);
    }

    #[test]
    fn a_journal_that_takes_nothing_is_waited_for_once_and_losses_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::connect(&path, "cse-1").unwrap();
        // Far more than any socket holds; were each waited for, this would take minutes.
        for _ in 0..2_000 {
            journal.write(&record("said"));
        }
        let lost = journal.lost.load(Ordering::Relaxed);
        assert!(lost > 0 && journal.stuck.load(Ordering::Relaxed));
        listener.set_nonblocking(true).unwrap();
        let mut room = vec![0; MAX_BYTES];
        while listener.recv(&mut room).is_ok() {}
        journal.write(&record("again"));
        let mut told = Vec::new();
        while let Ok(length) = listener.recv(&mut room) {
            told.push(String::from_utf8(room.get(..length).unwrap().to_vec()).unwrap());
        }
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.last().unwrap().contains(&format!("LOST={lost}\n")));
    }
}
