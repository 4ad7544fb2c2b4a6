//! A bootstrap VM as far as its scripts can see it: a directory with the files of its user data, its
//! stand-ins, the few real programs that a template brings, and what has been recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cse_server::domain::phase::Phase;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use super::order::{Order, Registry, Site};
use super::standin::record::{Call, Fault, World};
use super::standin::{FLAG, STAND_INS};

/// What the scripts need besides the stand-ins, all of it in every Ubuntu with cloud-init.
const REAL: &str = "awk base64 bash cat chmod cp cut date dirname find flock grep gzip head ln mkdir mv \
    pgrep rm sed sort tail timeout touch tr uname wc";

/// Where cloud-init keeps copies of the user data.
const COPIES: [&str; 3] = [
    "var/lib/cloud/instances/i-1/user-data.txt",
    "var/lib/cloud/instances/i-1/obj.pkl",
    "run/cloud-init/instance-data-sensitive.json",
];

/// A VM after cloud-init has written its files.
pub(crate) struct Vm {
    root: TempDir,
    secrets: Vec<String>,
}

/// How a run of the bootstrap ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Exit(i32),
    Killed,
}

impl Vm {
    /// A VM of an ordinary order at `site`.
    pub(crate) fn at(site: Site) -> Self {
        let vm = Self::with(&Order::at(site).files(), site.secrets());
        vm.write(
            "world/registry",
            match site.registry {
                Registry::Public => "none",
                Registry::Complete => "complete",
                Registry::Partial => "partial",
            },
        );
        vm
    }

    /// A VM with these files; `secrets` are what must never be shown.
    pub(crate) fn with(files: &BTreeMap<String, String>, secrets: Vec<String>) -> Self {
        let vm = Self {
            root: TempDir::with_prefix("rehearsal-").unwrap(),
            secrets,
        };
        for (path, content) in files {
            match path.strip_prefix("/opt/cse/") {
                Some(name) => vm.write(&format!("cse/{name}"), content),
                None => vm.write(&format!("system{path}"), content),
            }
        }
        for copy in COPIES {
            vm.write(&format!("system/{copy}"), &vm.secrets.join("\n"));
        }
        vm.write("world/secrets.json", &json!(vm.secrets).to_string());
        vm.write("world/registry", "none");
        vm.set_world(&World::default());
        vm.equip();
        vm
    }

    /// The programs it finds: stand-ins first, then the few real ones.
    fn equip(&self) {
        let myself = std::env::current_exe().unwrap();
        for tool in STAND_INS {
            let path = self.path("tools").join(tool);
            self.write(
                &format!("tools/{tool}"),
                &format!("#!{} {FLAG}\n", myself.display()),
            );
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir_all(self.path("real")).unwrap();
        for name in REAL.split_whitespace() {
            let found = ["/usr/bin", "/bin"]
                .map(|place| Path::new(place).join(name))
                .into_iter()
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("this machine has no {name}"));
            symlink(found, self.path("real").join(name)).unwrap();
        }
    }

    /// A copy of the VM as it was when `phase` began, cut down to that phase: later ones are left out.
    pub(crate) fn resumed(&self, phase: Phase) -> Self {
        let copy = Self {
            root: TempDir::with_prefix("rehearsal-").unwrap(),
            secrets: self.secrets.clone(),
        };
        let (from, to) = (
            self.path("snapshots").join(phase.name()),
            copy.root.path().to_owned(),
        );
        copy_tree(&from, &to, (self.root.path(), &to));
        for later in Phase::ALL.into_iter().filter(|other| *other > phase) {
            let script = format!("cse/phases/{:02}-{}.sh", later.number(), later.name());
            fs::remove_file(copy.path(&script)).unwrap();
        }
        copy.equip();
        let mut world = copy.world();
        world.begin("start");
        copy.set_world(&world);
        for record in ["calls", "reports"] {
            copy.write(&format!("world/{record}"), "");
        }
        copy
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The text of a file; empty when there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn world(&self) -> World {
        serde_json::from_str(&self.read("world/state.json")).unwrap()
    }

    pub(crate) fn set_world(&self, world: &World) {
        self.write("world/state.json", &serde_json::to_string(world).unwrap());
    }

    /// From now on this goes wrong, or nothing.
    pub(crate) fn order_fault(&self, fault: Option<&Fault>) {
        self.write("world/fault.json", &json!(fault).to_string());
    }

    /// Has the stand-ins keep a copy of the VM at the beginning of every phase.
    pub(crate) fn keep_snapshots(&self) {
        fs::create_dir_all(self.path("snapshots")).unwrap();
    }

    /// Starts the bootstrap, as cloud-init or its unit does, and waits for its end.
    pub(crate) fn run(&self) -> End {
        let root = self.root.path();
        let stderr = fs::File::create(self.path("stderr")).unwrap();
        let mut command = Command::new("/bin/bash");
        command.arg(self.path("cse/bootstrap.sh")).env_clear();
        let tools = format!("{0}/tools:{0}/real", root.display());
        command
            .env("HOME", root)
            .env("PATH", &tools)
            .env("CSE_PATH", &tools)
            .env("REHEARSAL", root);
        for (name, place) in [
            ("CSE_ROOT", "cse"),
            ("CSE_STATE", "state"),
            ("CSE_LOG", "log"),
            ("CSE_SYSTEM", "system"),
        ] {
            command.env(name, self.path(place));
        }
        command.current_dir(root);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        let status = command.status().unwrap();
        match (status.code(), status.signal()) {
            (Some(code), _) => End::Exit(code),
            (None, signal) => {
                assert_eq!(signal, Some(9));
                End::Killed
            }
        }
    }

    /// What the stand-ins were called with.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.read("world/calls")
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What was reported, in order: key without `guestinfo.`, and value. Signs of life are left out.
    pub(crate) fn reports(&self) -> Vec<(String, String)> {
        let text = self.read("world/reports");
        text.lines()
            .map(|line| {
                let pair = line.strip_prefix("guestinfo.").unwrap();
                let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
                (key.to_owned(), value.to_owned())
            })
            .collect()
    }

    /// The last value of each key.
    pub(crate) fn keys(&self) -> BTreeMap<String, String> {
        self.reports().into_iter().collect()
    }

    /// The reported tail of the log.
    pub(crate) fn log_tail(&self) -> String {
        let keys = self.keys();
        let encoded = keys.get("cse.log").map(String::as_str).unwrap_or_default();
        String::from_utf8_lossy(&BASE64.decode(encoded.trim()).unwrap()).into_owned()
    }

    /// Everything worth knowing when a case fails.
    pub(crate) fn story(&self) -> String {
        format!(
            "keys: {:#?}\nstderr: {}\nlog:\n{}",
            self.keys(),
            self.read("stderr"),
            self.read("log")
        )
    }

    /// Places where a secret is shown, other than `allowed`.
    pub(crate) fn leaks(&self, allowed: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for (name, content) in self.tree("") {
            // Snapshots and the world are the test's own.
            let own = ["snapshots/", "world/", "real/", "tools/"];
            let is_own = own.iter().any(|place| name.starts_with(place));
            if is_own || allowed.iter().any(|one| name.starts_with(one)) {
                continue;
            }
            let secrets = self.secrets.iter();
            let shown = secrets.filter(|secret| content.contains(secret.as_str()));
            found.extend(shown.map(|secret| format!("{secret} in {name}")));
        }
        found
    }

    /// Every file below a place, with its content.
    pub(crate) fn tree(&self, place: &str) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let mut waiting = vec![self.path(place)];
        while let Some(path) = waiting.pop() {
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                let entries = fs::read_dir(&path).unwrap();
                waiting.extend(entries.map(|entry| entry.unwrap().path()));
            } else if path.is_file() {
                let name = path.strip_prefix(self.root.path()).unwrap();
                let name = name.to_str().unwrap().to_owned();
                let content = self.read(&name);
                files.insert(name, content);
            }
        }
        files
    }

    /// Asserts that the run ended well, and everything that then holds.
    pub(crate) fn assert_done(&self, end: &End, context: &str) {
        let keys = self.keys();
        let story = || format!("{context}\n{}", self.story());
        assert_eq!(*end, End::Exit(0), "{}", story());
        for phase in Phase::ALL {
            let key = format!("cse.phase.{}.status", phase.name());
            let script = format!("cse/phases/{:02}-{}.sh", phase.number(), phase.name());
            let status = keys.get(&key).map(String::as_str);
            if self.has(&script) {
                assert_eq!(status, Some("successful"), "{}", story());
            }
        }
        let reports = self.reports();
        let last: Vec<&str> = reports.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(last.last(), Some(&"cse.exit"), "{}", story());
        assert_eq!(keys["cse.exit"], "0", "{}", story());
        assert_eq!(keys["userdata"], "---", "{}", story());
        assert_eq!(self.leaks(&[]), Vec::<String>::new(), "{}", story());
        let violations = self.world().violations;
        assert!(violations.is_empty(), "{violations:#?}\n{}", story());
        let survivors = self.processes();
        assert!(survivors.is_empty(), "{survivors:?} still run: {}", story());
    }

    /// Asserts that the run failed as the server can rely on; returns the reason.
    pub(crate) fn assert_failed(&self, end: &End, context: &str) -> String {
        let keys = self.keys();
        let story = || format!("{context}\n{}", self.story());
        let End::Exit(code) = end else {
            panic!("{}", story());
        };
        assert_ne!(*code, 0, "{}", story());
        let reports = self.reports();
        let (key, value) = reports.last().unwrap();
        let want = ("cse.exit".to_owned(), code.to_string());
        assert_eq!((key, value), (&want.0, &want.1), "{}", story());
        let failed: BTreeSet<&str> = keys
            .iter()
            .filter(|(_, value)| *value == "failed")
            .map(|(key, _)| key.as_str())
            .collect();
        assert_eq!(failed.len(), 1, "{}", story());
        let value = |key: &str| {
            keys.get(key)
                .unwrap_or_else(|| panic!("{key}: {}", story()))
        };
        assert_eq!(value("userdata"), "---", "{}", story());
        assert!(self.has("state/ended"), "{}", story());
        let reason = value("cse.reason").trim().to_owned();
        assert!(!reason.is_empty() && reason.len() <= 500, "{}", story());
        assert!(self.log_tail().len() > 40, "{}", story());
        for (key, value) in &reports {
            let decoded = BASE64.decode(value).unwrap_or_default();
            let decoded = String::from_utf8_lossy(&decoded);
            for secret in &self.secrets {
                let shown = value.contains(secret) || decoded.contains(secret);
                assert!(!shown, "{secret} in {key}: {}", story());
            }
        }
        // The phases need theirs for another run; nobody else has any.
        let needed = [
            "cse/",
            "state/",
            "system/etc/systemd/system/docker.service.d/",
        ];
        assert_eq!(self.leaks(&needed), Vec::<String>::new(), "{}", story());
        let violations = self.world().violations;
        assert!(violations.is_empty(), "{violations:#?}\n{}", story());
        reason
    }

    /// Processes of this VM that still run, but for stand-ins that are just ending.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (pid, words) in all_processes() {
            let ours = words.contains(&format!("{}/", self.root.path().display()));
            // A sign of life may be on its way.
            let passing = ["vmtoolsd", "sleep", "date"];
            // So may the runner that gave it, if it was killed: it looks for itself before the next.
            let dies = words.contains("/cse/bootstrap.sh");
            if ours && !dies && !passing.iter().any(|name| words.contains(name)) {
                found.push(format!("{pid}: {words}"));
            }
        }
        found
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        for (pid, words) in all_processes() {
            if words.contains(&format!("{}/", self.root.path().display()))
                && let Some(pid) = Pid::from_raw(pid)
            {
                // Gone by itself is as good.
                kill_process(pid, Signal::KILL).unwrap_or_default();
            }
        }
    }
}

fn all_processes() -> Vec<(i32, String)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers
        .filter_map(|pid| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            Some((pid, String::from_utf8_lossy(&words).replace('\0', " ")))
        })
        .collect()
}

/// Copies a directory; links into the old VM point into the new one.
pub(crate) fn copy_tree(from: &Path, to: &Path, (old, new): (&Path, &Path)) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_symlink() {
            let points_to = fs::read_link(&path).unwrap();
            let moved = points_to
                .strip_prefix(old)
                .map_or(points_to.clone(), |inside| new.join(inside));
            symlink(moved, target).unwrap();
        } else if path.is_dir() {
            copy_tree(&path, &target, (old, new));
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}
