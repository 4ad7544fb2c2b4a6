//! The stand-in for every program of a bootstrap VM: records the call, goes wrong if it is to, else does
//! what the scripts can see of the real one.

pub(crate) mod record;
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use cse_server::domain::phase::Phase;
use rustix::process::{Pid, Signal, getpgrp, kill_process};

use self::record::{Call, Fault, What, Which, World};
use super::vm::copy_tree;

/// First argument that makes a stand-in of this binary; the path of the program it stands for follows.
pub(crate) const FLAG: &str = "stand-in";

/// Programs that are not real; kind, kubectl, clusterctl and Docker are downloaded.
pub(crate) const STAND_INS: [&str; 9] = [
    "curl",
    "install",
    "ip",
    "sleep",
    "sysctl",
    "systemctl",
    "tar",
    "update-ca-certificates",
    "vmtoolsd",
];

/// Exit code of a call that fails on purpose.
const ON_PURPOSE: u8 = 9;
/// Exit code of a call that no stand-in knows.
const UNKNOWN: u8 = 64;
/// A pause of a phase takes this part of its time, and one between two signs of life that.
const HASTE: f64 = 1000.0;
const LITTLE_HASTE: f64 = 40.0;
/// Time that calls between two pauses stand for, in pauses.
const CALLS_PER_PAUSE: f64 = 4.0;
/// Variables whose value is recorded.
const NOTED: [&str; 6] = [
    "CLUSTERCTL_DISABLE_VERSIONCHECK",
    "EXP_CLUSTER_RESOURCE_SET",
    "GITHUB_TOKEN",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
];

/// One call in its surroundings.
pub(crate) struct Scene {
    root: PathBuf,
    pub(crate) world: World,
    pub(crate) call: Call,
}

/// Plays the program whose path and arguments are `words`.
pub(crate) fn main(words: &[String]) -> ExitCode {
    let root = PathBuf::from(std::env::var("REHEARSAL").unwrap());
    let tool = Path::new(&words[0]).file_name().unwrap();
    let (tool, arguments) = (tool.to_str().unwrap(), &words[1..]);
    if tool == "sleep" {
        return pause(&root, arguments[0].parse().unwrap());
    }
    let mut scene = Scene::enter(root, tool, arguments);
    if scene.is_sign_of_life() {
        scene.append("beats", &scene.call.line());
        return ExitCode::SUCCESS;
    }
    scene.count();
    match scene.fault() {
        Some(What::Fails) => return scene.break_down(),
        Some(What::Hangs) => {
            scene.say_time_is_up();
            hang();
        }
        Some(What::KillsRunner) => {
            scene.kill_runner();
            hang();
        }
        Some(What::Halves) => {
            tools::move_half(&mut scene);
            scene.save();
            return scene.break_down();
        }
        Some(What::FailsLate) => {
            tools::play(&mut scene);
            scene.save();
            return scene.break_down();
        }
        None => {}
    }
    let code = tools::play(&mut scene);
    scene.save();
    ExitCode::from(code)
}

impl Scene {
    fn enter(root: PathBuf, tool: &str, arguments: &[String]) -> Self {
        let mut input = String::new();
        if arguments.last().map(String::as_str) == Some("-") {
            std::io::stdin().read_to_string(&mut input).unwrap();
        }
        let environment: BTreeMap<String, String> = NOTED
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        let state = fs::read_to_string(root.join("world/state.json")).unwrap();
        Self {
            root,
            world: serde_json::from_str(&state).unwrap(),
            call: Call {
                phase: String::new(),
                number: 0,
                tool: tool.to_owned(),
                arguments: arguments.to_vec(),
                input,
                environment,
            },
        }
    }

    fn is_sign_of_life(&self) -> bool {
        let arguments = &self.call.arguments;
        arguments.len() == 2 && arguments[1].starts_with("info-set guestinfo.cse.beat ")
    }

    /// The phase begins with the report that says so.
    fn count(&mut self) {
        let begun = self.call.arguments.get(1).and_then(|words| {
            let phase = words.strip_prefix("info-set guestinfo.cse.phase.")?;
            phase.strip_suffix(".status in_progress").map(str::to_owned)
        });
        if let Some(phase) = begun {
            self.keep_snapshot(&phase);
            self.world.begin(&phase);
        }
        self.world.number += 1;
        self.call.phase.clone_from(&self.world.phase);
        self.call.number = self.world.number;
        self.append("calls", &serde_json::to_string(&self.call).unwrap());
        self.save();
    }

    fn keep_snapshot(&self, phase: &str) {
        let snapshots = self.root.join("snapshots");
        let target = snapshots.join(phase);
        if !snapshots.exists() || target.exists() {
            return;
        }
        for part in ["cse", "state", "system", "world"] {
            let from = self.root.join(part);
            copy_tree(&from, &target.join(part), (&self.root, &self.root));
        }
        fs::copy(self.root.join("log"), target.join("log")).unwrap();
    }

    fn save(&self) {
        let part = self.root.join("world/state.part");
        fs::write(&part, serde_json::to_string(&self.world).unwrap()).unwrap();
        fs::rename(part, self.root.join("world/state.json")).unwrap();
    }

    pub(crate) fn append(&self, record: &str, line: &str) {
        let path = self.root.join("world").join(record);
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        file.unwrap()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The argument after `flag`.
    pub(crate) fn after(&self, flag: &str) -> Option<&str> {
        let mut words = self.call.arguments.iter();
        words.find(|word| *word == flag)?;
        words.next().map(String::as_str)
    }

    pub(crate) fn last(&self) -> &str {
        self.call.arguments.last().map_or("", String::as_str)
    }

    fn fault(&self) -> Option<What> {
        let text = fs::read_to_string(self.root.join("world/fault.json")).ok()?;
        let fault: Fault = serde_json::from_str::<Option<Fault>>(&text).unwrap()?;
        let struck = match &fault.which {
            Which::Number(number) => self.call.number == *number,
            Which::All(tool, part) => {
                *tool == self.call.tool && self.call.arguments.join(" ").contains(part.as_str())
            }
        };
        (fault.phase == self.call.phase && struck).then_some(fault.what)
    }

    /// Fails, and tells every secret it could know, as careless programs do.
    fn break_down(&self) -> ExitCode {
        let secrets = fs::read_to_string(self.root.join("world/secrets.json")).unwrap();
        eprintln!("broken on purpose: {secrets}");
        ExitCode::from(ON_PURPOSE)
    }

    /// Tells the `timeout` this call runs under that the time is over: to it an alarm is an alarm.
    fn say_time_is_up(&self) {
        let leader = timeout_above().unwrap_or_else(|| {
            self.append("hung", &self.call.line());
            panic!("{} may hang for ever", self.call.line())
        });
        kill_process(leader, Signal::ALARM).unwrap();
    }

    fn kill_runner(&self) {
        let runner = self.root.join("cse/bootstrap.sh");
        let is_runner = |words: &str| words.contains(runner.to_str().unwrap());
        let mut pid = std::process::id();
        let mut found = None;
        // The outermost one: a part of the runner may run in a shell of its own.
        while pid > 1 {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if is_runner(&String::from_utf8_lossy(&words)) {
                found = Some(pid);
            }
            pid = parent(pid);
        }
        let pid = Pid::from_raw(i32::try_from(found.unwrap()).unwrap());
        kill_process(pid.unwrap(), Signal::KILL).unwrap();
    }
}

fn parent(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let field = after.split(' ').nth(1).unwrap_or_default();
    field.parse().unwrap_or(0)
}

/// The `timeout` that leads this call's process group; one that somebody runs the tests under is not
/// meant.
fn timeout_above() -> Option<Pid> {
    let leader = getpgrp();
    let words = fs::read(format!("/proc/{}/cmdline", leader.as_raw_nonzero())).ok()?;
    words
        .starts_with(b"timeout\0--kill-after=")
        .then_some(leader)
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

/// A thousandth of a pause; and time goes by for the phase that pauses.
fn pause(root: &Path, secs: f64) -> ExitCode {
    let mut haste = LITTLE_HASTE;
    if let Some(timeout) = timeout_above() {
        haste = HASTE;
        let state = root.join("world/state.json");
        let mut world: World = serde_json::from_str(&fs::read_to_string(&state).unwrap()).unwrap();
        world.paused_secs += secs * CALLS_PER_PAUSE;
        let part = root.join("world/state.part");
        fs::write(&part, serde_json::to_string(&world).unwrap()).unwrap();
        fs::rename(part, state).unwrap();
        let limit =
            Phase::parse(&world.phase).map_or(f64::MAX, |phase| phase.limit().as_secs_f64());
        if world.paused_secs > limit {
            kill_process(timeout, Signal::ALARM).unwrap();
            hang();
        }
    }
    let real = format!("{:.4}", (secs / haste).max(0.001));
    let error = Command::new("/usr/bin/sleep").arg(real).exec();
    panic!("{error}")
}
