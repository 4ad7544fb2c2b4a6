//! The `demo` command: a simulated VCD, real replica processes, clusters created, resized, upgraded and
//! deleted, a replica killed, and a verdict.
//!
//! Flow: open the site -> start the replicas -> let tenants ask for clusters -> kill a replica in the
//! middle of its work -> wait until everything is provisioned -> stop all replicas -> let tenants ask for a
//! resize, an upgrade and a deletion -> wait until the clusters have done the first two by themselves ->
//! start the replicas -> wait until the third is done -> stop the replicas -> judge.
//!
//! Invariants:
//! - The replicas are processes of this very program with a configuration file each; nothing but the
//!   simulator's address, its certificate and the speed of time tells them that this is a demo.
//! - However it ends (all done, deadline, Ctrl-C, error), no process and, unless it failed, no file stays.
//! - Exit code 0 means that every promise was kept (`demo::verdict`).
//!
//! Not here: the simulator (`sim`), the replica (`controller`).

mod board;
mod log;
mod replica;
mod screen;
mod site;
mod stage;
mod verdict;
mod wishes;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::cli::exit::{Failure, SYSTEM};
use crate::clock::{Clock, Moment};
use crate::sim::view::ClusterView;
use crate::telemetry::event;
use board::{Board, Row};
use log::LogLine;
use replica::{News, Replica, Said, Setup};
use screen::Screen;
use site::Site;
use stage::Stage;
use verdict::{FinalCluster, Findings, judge, summary};
use wishes::Wish;

pub use verdict::Verdict;

/// Real time between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Time by which everything must be done, on the clock of the site.
const DEADLINE: Duration = Duration::from_hours(4);
/// Time after the last cluster is as wanted for claims to be released and bootstrap VMs to go, on the
/// clock of the site.
const SETTLE: Duration = Duration::from_mins(5);
/// Most ERROR records that are kept.
const MAX_ERRORS: usize = 50;

/// Arguments of the `demo` command.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// How much faster than real time the simulated site and the replicas' clocks run (1 to 1000)
    #[arg(long, default_value_t = 40.0, value_name = "FACTOR", value_parser = time_scale)]
    pub time_scale: f64,
    /// How many clusters the tenants ask for
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub clusters: u16,
    /// How many replicas share the work
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    pub replicas: u16,
    /// Chooses names, sizes and delays; the same seed gives the same site
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Go on after the verdict, and print how to reach the simulator, until Ctrl-C
    #[arg(long)]
    pub keep_running: bool,
}

fn time_scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|cause| format!("{cause}"))?;
    let allowed = (1.0..=1000.0).contains(&scale);
    allowed
        .then_some(scale)
        .ok_or_else(|| "not between 1 and 1000".to_owned())
}

/// The `demo` command: runs the demo; exit code 0 only if every promise was kept.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run_command(args: DemoArgs) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::new(SYSTEM, &error))?;
    let verdict = runtime.block_on(run(args));
    let verdict = verdict.map_err(|error| Failure::new(SYSTEM, error.as_ref()))?;
    Ok(if verdict.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the demo and returns how it went.
///
/// # Errors
/// Whatever keeps it from starting: no port, no temporary directory, no process.
pub async fn run(args: DemoArgs) -> anyhow::Result<Verdict> {
    let label = fastrand::u64(..);
    let mut stage = Stage::new(label).context("cannot make a temporary directory")?;
    let mut signals = Signals::new()?;
    let mut demo = Demo::start(args, &stage)?;
    let end = demo.play(&mut signals).await?;
    // Judged is what was asked for, not what somebody tries out afterwards.
    demo.take_evidence(end);
    if demo.args.keep_running && end == End::Done {
        demo.screen.finish(&demo.rows);
        demo.screen.print(&demo.site.access());
        demo.wait_for_the_end(&mut signals).await?;
    }
    demo.stop().await;
    let verdict = judge(&demo.findings);
    demo.screen.finish(&demo.rows);
    demo.screen
        .print(&format!("\n{}", summary(&demo.findings, &verdict)));
    if !verdict.is_good() && end != End::Interrupted {
        stage.keep();
        let place = stage.dir().display();
        demo.screen
            .print(&format!("Logs and configurations are in {place}"));
    }
    Ok(verdict)
}

/// Ctrl-C and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot wait for signals");
        let interrupt = listen(SignalKind::interrupt())?;
        let terminate = listen(SignalKind::terminate())?;
        Ok(Self {
            interrupt,
            terminate,
        })
    }

    /// Waits for the next one. Cancel: safe.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Why the play was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Deadline,
    Interrupted,
}

/// What is being shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Clusters are created, and a replica is killed.
    Creation,
    /// No server runs; clusters are resized and upgraded all the same.
    WithoutServers,
    /// Servers are back and delete what was to be deleted.
    Return,
}

struct Demo {
    args: DemoArgs,
    /// Real time.
    clock: Clock,
    started: Moment,
    site: Site,
    replicas: Vec<Replica>,
    said: UnboundedReceiver<Said>,
    board: Board,
    rows: Vec<Row>,
    screen: Screen,
    act: Act,
    wishes: Vec<Wish>,
    findings: Findings,
}

impl Demo {
    fn start(args: DemoArgs, stage: &Stage) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let started = clock.now();
        let screen = Screen::new();
        let site = Site::open(&args, stage, Clock::scaled(args.time_scale))?;
        screen.note(Duration::ZERO, &format!("simulated VCD at {}", site.url()));
        let program = std::env::current_exe().context("cannot find this program's file")?;
        let (lines, said) = mpsc::unbounded_channel();
        let mut replicas = Vec::new();
        for number in 1..=args.replicas {
            let name = format!("replica-{number}");
            let setup = Setup {
                config: stage.replica_config(&name, &site.common(args.time_scale))?,
                log: stage.dir().join(format!("{name}.log")),
                program: program.clone(),
                time_scale: args.time_scale,
                name: name.clone(),
            };
            let replica = Replica::start(setup, lines.clone());
            replicas.push(replica.with_context(|| format!("cannot start {name}"))?);
        }
        let text = format!(
            "{} replicas started; time runs {}-fold",
            replicas.len(),
            args.time_scale
        );
        screen.note(clock.now().since(started), &text);
        let findings = Findings {
            asked: site.orders(),
            ..Findings::default()
        };
        let (board, rows) = (Board::default(), Vec::new());
        Ok(Self {
            args,
            clock,
            started,
            site,
            replicas,
            said,
            board,
            rows,
            screen,
            act: Act::Creation,
            wishes: Vec::new(),
            findings,
        })
    }

    fn real_age(&self) -> Duration {
        self.clock.now().since(self.started)
    }

    fn note(&self, text: &str) {
        self.screen.note(self.real_age(), text);
    }

    /// Looks until everything is done, it is too late, or somebody presses Ctrl-C.
    async fn play(&mut self, signals: &mut Signals) -> anyhow::Result<End> {
        let mut since = None;
        loop {
            let views = self.look()?;
            let age = self.site.age();
            if self.is_over(&views) {
                let since_then = *since.get_or_insert(age);
                // The last holder may still be cleaning up; what is left after that is left over.
                if self.site.leftovers().is_empty() || age.saturating_sub(since_then) >= SETTLE {
                    since = None;
                    match self.act {
                        Act::Creation => self.leave_them_alone().await,
                        Act::WithoutServers => self.come_back(),
                        Act::Return => return Ok(End::Done),
                    }
                }
            }
            if age >= DEADLINE {
                return Ok(End::Deadline);
            }
            tokio::select! {
                () = self.clock.sleep(LOOK_EVERY) => {}
                () = signals.next() => return Ok(End::Interrupted),
            }
        }
    }

    /// Whether the present act has reached its end.
    fn is_over(&self, views: &[ClusterView]) -> bool {
        let provisioned = |view: &ClusterView| view.state.as_deref() == Some("provisioned");
        match self.act {
            Act::Creation => views.len() == self.site.orders() && views.iter().all(provisioned),
            Act::WithoutServers => self
                .wishes
                .iter()
                .all(|wish| wish.fulfilled || wish.needs_server()),
            Act::Return => {
                self.wishes.iter().all(|wish| wish.fulfilled) && views.iter().all(provisioned)
            }
        }
    }

    /// Stops every replica and lets the tenants ask for more.
    async fn leave_them_alone(&mut self) {
        self.stop().await;
        self.wishes = self.site.wishes();
        for wish in &self.wishes {
            self.note(&format!("a tenant asks: {}", wish.text()));
            if !self.site.ask(wish) {
                let refused = format!("VCD refused to {}", wish.text());
                self.note(&refused);
                self.findings.bad_exits.push(refused);
            }
        }
        self.act = Act::WithoutServers;
    }

    /// Starts the replicas again.
    fn come_back(&mut self) {
        self.note("all replicas start again");
        for replica in &mut self.replicas {
            replica.resume();
        }
        self.act = Act::Return;
    }

    fn look_after_wishes(&mut self) {
        for index in 0..self.wishes.len() {
            let Some(wish) = self.wishes.get(index).filter(|wish| !wish.fulfilled) else {
                continue;
            };
            if self.site.is_fulfilled(wish) {
                self.note(&format!("done: {}", wish.text()));
                if let Some(wish) = self.wishes.get_mut(index) {
                    wish.fulfilled = true;
                }
            }
        }
    }

    /// Takes in what has happened since the last look, and shows it.
    fn look(&mut self) -> anyhow::Result<Vec<ClusterView>> {
        self.listen();
        self.tend()?;
        let views = self.site.look();
        let now = Moment::from_origin(self.site.age());
        self.rows = self.board.update(&views, now);
        if self.findings.kills == 0
            && let Some((name, cluster)) = self.board.victim(&views, now)
        {
            self.kill(&name, &cluster);
        }
        self.look_after_wishes();
        let footer = self.footer();
        self.screen.show(self.real_age(), &self.rows, &footer);
        Ok(views)
    }

    fn footer(&self) -> String {
        let done = self
            .rows
            .iter()
            .filter(|row| row.state == "provisioned")
            .count();
        let replicas = self
            .replicas
            .iter()
            .map(|one| format!("{} {}", one.name, one.condition()));
        let replicas: Vec<String> = replicas.collect();
        format!(
            "{done} of {} provisioned; {}",
            self.rows.len(),
            replicas.join(", ")
        )
    }

    /// Takes in what the replicas have logged.
    fn listen(&mut self) {
        while let Ok((name, line)) = self.said.try_recv() {
            match line {
                LogLine::Error(text) => {
                    self.note(&format!("{name}: ERROR {text}"));
                    if self.findings.errors.len() < MAX_ERRORS {
                        self.findings.errors.push(format!("{name}: {text}"));
                    }
                }
                LogLine::Event { kind, text } if is_worth_telling(&kind) => {
                    self.note(&format!("{name}: {text}"));
                }
                LogLine::Event { .. } | LogLine::Other => {}
            }
        }
    }

    /// Restarts what has ended.
    fn tend(&mut self) -> anyhow::Result<()> {
        let now = self.clock.now();
        let elapsed = self.real_age();
        for replica in &mut self.replicas {
            let name = replica.name.clone();
            let news = replica
                .tend(now)
                .with_context(|| format!("cannot tend {name}"))?;
            let text = match news {
                None => continue,
                Some(News::Died) => format!("{name} is dead"),
                Some(News::Ended(status)) => format!("{name} was ended ({status})"),
                Some(News::Restarted(pid)) => format!("{name} restarted as process {pid}"),
                Some(News::Quit(status)) => {
                    let text = format!("{name} ended by itself ({status})");
                    if self.findings.bad_exits.len() < MAX_ERRORS {
                        self.findings.bad_exits.push(text.clone());
                    }
                    text
                }
            };
            self.screen.note(elapsed, &text);
        }
        Ok(())
    }

    fn kill(&mut self, name: &str, cluster: &str) {
        let victim = self
            .replicas
            .iter_mut()
            .find(|replica| replica.name == name);
        if victim.is_some_and(Replica::kill) {
            self.findings.kills += 1;
            self.note(&format!("kill -9 {name}, which is creating {cluster}"));
        }
    }

    /// Goes on looking after the replicas until somebody ends it.
    async fn wait_for_the_end(&mut self, signals: &mut Signals) -> anyhow::Result<()> {
        loop {
            self.look()?;
            tokio::select! {
                () = self.clock.sleep(LOOK_EVERY) => {}
                () = signals.next() => return Ok(()),
            }
        }
    }

    /// Notes what the site shows at the end of the play.
    fn take_evidence(&mut self, end: End) {
        let views = self.site.look();
        let now = Moment::from_origin(self.site.age());
        self.rows = self.board.update(&views, now);
        let asked = self.site.asked().iter();
        let clusters = asked.map(|one| {
            let state = views.iter().find(|view| view.urn == one.urn);
            let deleted = self
                .wishes
                .iter()
                .any(|wish| wish.needs_server() && wish.cluster.urn == one.urn);
            FinalCluster {
                urn: one.urn.clone(),
                name: one.request.name.clone(),
                state: state.map_or_else(
                    || "deleted".to_owned(),
                    |view| view.state.clone().unwrap_or_else(|| "waiting".to_owned()),
                ),
                wanted: if deleted { "deleted" } else { "provisioned" },
            }
        });
        self.findings.clusters = clusters.collect();
        let wishes = self.wishes.iter();
        self.findings.wishes = wishes.map(|wish| (wish.text(), wish.fulfilled)).collect();
        self.findings.leftovers = self.site.leftovers();
        self.findings.leftovers.extend(self.site.leaks());
        self.findings.effects = self.site.effects();
        self.findings.takeovers = self.board.takeovers();
        self.findings.interrupted = end == End::Interrupted;
        self.findings.wall = self.real_age();
    }

    /// Stops the replicas in order.
    async fn stop(&mut self) {
        self.note("SIGTERM to all replicas");
        for replica in &mut self.replicas {
            replica.ask_to_stop();
        }
        for replica in &mut self.replicas {
            let wrong = replica.stopped(&self.clock).await;
            self.findings.bad_exits.extend(wrong);
        }
        self.listen();
    }
}

fn is_worth_telling(kind: &str) -> bool {
    [
        event::CLAIM_TAKEN_OVER,
        event::REPLICA_READY,
        event::REPLICA_STOPPED,
    ]
    .contains(&kind)
        || [event::CLUSTER_BLOCKED, event::CLUSTER_QUARANTINED].contains(&kind)
}
