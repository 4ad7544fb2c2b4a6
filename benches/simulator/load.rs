//! The load generator: a few connections that ask on and on, and read without understanding.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use cse_server::clock::Clock;

use crate::site::{Address, Usage};
use crate::{CORES, pin};

/// Open connections.
pub(crate) const CONNECTIONS: u64 = 8;

#[derive(Clone, Copy)]
pub(crate) enum Target {
    Simulator,
    Trivial,
}

/// What one measurement came to.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    requests: f64,
    kilobytes: f64,
    wall: f64,
    /// CPU time of the server, in seconds.
    cpu: f64,
}

impl Load {
    pub(crate) fn rate(&self) -> f64 {
        self.requests / self.wall
    }

    pub(crate) fn megabytes(&self) -> f64 {
        self.kilobytes / 1e3 / self.wall
    }

    pub(crate) fn requests_per_cpu_second(&self) -> f64 {
        self.requests / self.cpu
    }

    pub(crate) fn megabytes_per_cpu_second(&self) -> f64 {
        self.kilobytes / 1e3 / self.cpu
    }
}

/// The measurement with the median rate.
pub(crate) fn median(loads: &[Load]) -> anyhow::Result<Load> {
    let mut sorted = loads.to_vec();
    sorted.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    sorted
        .get(sorted.len() / 2)
        .copied()
        .context("no measurement")
}

/// The server process.
pub(crate) struct Server {
    child: Child,
    asking: ChildStdin,
    told: BufReader<ChildStdout>,
    pub(crate) address: Address,
}

impl Server {
    pub(crate) fn start(clusters: u32, dir: &Path) -> anyhow::Result<Self> {
        let site = dir.join("site.json");
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(clusters.to_string()).arg(&site);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        // Only now: children inherit it.
        pin(CORES.1);
        let asking = child.stdin.take().context("the server has no input")?;
        let told = child.stdout.take().context("the server has no output")?;
        let mut told = BufReader::new(told);
        let mut line = String::new();
        told.read_line(&mut line)?;
        ensure!(line.trim() == "ready", "the server did not start: {line}");
        Ok(Self {
            child,
            asking,
            told,
            address: serde_json::from_slice(&std::fs::read(site)?)?,
        })
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        drop(self.asking);
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn usage(&mut self) -> anyhow::Result<Usage> {
        writeln!(self.asking)?;
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Asks for the paths that `path` makes of 0, 1, 2 and so on for some seconds.
    pub(crate) fn load(
        &mut self,
        seconds: u64,
        target: Target,
        path: &dyn Fn(u64) -> String,
    ) -> anyhow::Result<Load> {
        let address = match target {
            Target::Simulator => self.address.simulator,
            Target::Trivial => self.address.trivial,
        };
        let before = self.usage()?;
        let mut wires = Vec::new();
        let clock = Clock::system();
        let started = clock.now();
        // Each walks on from another place.
        for place in (0..CONNECTIONS).map(|number| number * 7_919) {
            let mut wire = Connection::open(address)?;
            wire.send(&path(place), &self.address.token)?;
            wires.push((wire, place));
        }
        // All wait for the server but one, which is read and then waits again.
        let (mut requests, mut kilobytes) = (0.0, 0.0);
        while clock.now().since(started) < Duration::from_secs(seconds) {
            for (wire, place) in &mut wires {
                let read = u32::try_from(wire.receive()?)?;
                kilobytes += f64::from(read) / 1e3;
                requests += 1.0;
                *place += 1;
                wire.send(&path(*place), &self.address.token)?;
            }
        }
        let wall = clock.now().since(started);
        let cpu = self.usage()?.cpu.saturating_sub(before.cpu);
        Ok(Load {
            requests,
            kilobytes,
            wall: wall.as_secs_f64(),
            cpu: cpu.as_secs_f64(),
        })
    }
}

/// One connection of the load generator: reads heads for the length, and drops bodies.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; 256 * 1024],
        })
    }

    pub(crate) fn send(&mut self, path: &str, token: &str) -> anyhow::Result<()> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: bench\r\naccept: application/json;version=37.2\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        Ok(self.stream.write_all(request.as_bytes())?)
    }

    /// Reads one answer and returns the length of its body.
    pub(crate) fn receive(&mut self) -> anyhow::Result<usize> {
        let mut filled = 0;
        let (head, length) = loop {
            let free = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(free)?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
            let seen = self.buffer.get(..filled).unwrap_or_default();
            if let Some(found) = head(seen)? {
                break found;
            }
        };
        let mut left = length.saturating_sub(filled - head);
        while left > 0 {
            let read = self.stream.read(&mut self.buffer)?;
            ensure!(read > 0, "the server closed the connection");
            left = left.saturating_sub(read);
        }
        Ok(length)
    }
}

/// Length of the head and of the body; `None` while the head is not complete.
fn head(seen: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(seen.get(..end).unwrap_or_default())?;
    ensure!(text.starts_with("HTTP/1.1 200 "), "refused: {text}");
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    Ok(Some((end + 4, length.context("no content-length")?)))
}
