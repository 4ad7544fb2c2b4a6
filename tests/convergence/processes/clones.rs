//! A machine that was copied: two processes of one name that know of the same dead predecessor.
//!
//! Goal: each believes that the claims of the predecessor are its own, and still nothing is done twice.
//!
//! Method: a replica dies in the middle of its work; its directory is copied, and two replicas start at once, each
//! with one of the copies. Half-way one of them dies too, and its directory is copied again.

use std::fs;
use std::time::Duration;

use cse_server::clock::Clock;

use super::replica::Replica;
use super::site::{Lines, Plan, Site};
use super::tenant::Author;
use super::verdict;

const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const CLUSTERS: usize = 6;
/// Name of the machine and of its copy.
const NAME: &str = "replica-1";
/// Where the copy keeps its files.
const COPY: &str = "copy";

/// A machine and its copy, on one site.
struct Twins<'a> {
    site: &'a Site,
    both: [Replica; 2],
    clock: Clock,
}

impl Twins<'_> {
    /// Goes on until `done`, with those that run.
    async fn until(&mut self, what: &str, done: impl AsyncFn(&Site) -> bool) {
        let end = self.clock.now().plus(PATIENCE);
        while !done(self.site).await {
            for replica in &mut self.both {
                replica.tend(self.site);
            }
            assert!(self.clock.now() < end, "{what}: not within {PATIENCE:?}");
            self.clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Gives the copy what the machine remembers.
    fn copy_directory(&self) {
        let from = self.site.file(&format!("{NAME}.state"));
        let to = self.site.file(&format!("{COPY}.state"));
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(&from).unwrap().flatten() {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }

    /// The machine dies and is copied, and both start at once.
    async fn die_and_start_twice(&mut self) {
        for replica in &mut self.both {
            replica.lose().await;
        }
        self.copy_directory();
        for replica in &mut self.both {
            replica.start_again();
        }
    }
}

async fn all_held(site: &Site) -> bool {
    let seen = site.clusters().await;
    seen.len() == CLUSTERS && seen.iter().all(|one| !one.holder.is_empty())
}

/// Whether the first cluster has begun to make what must not be made twice.
async fn is_making(site: &Site) -> bool {
    site.effects()
        .await
        .keys()
        .any(|(effect, subject)| effect == "vapp.composed" && subject.starts_with("rde="))
}

async fn all_provisioned(site: &Site) -> bool {
    let seen = site.clusters().await;
    let done = seen.len() == CLUSTERS
        && seen
            .iter()
            .all(|one| one.state == "provisioned" && one.holder.is_empty());
    done && site.leaks().await.is_empty()
}

/// Two processes of one identity.
pub(crate) async fn one_identity_twice() {
    let plan = Plan {
        seed: 7,
        scale: 60,
        timings: &["guest_phase=12s", "recompose=20s", "node=30s"],
    };
    let mut site = Site::open(plan).await;
    let both = [
        Replica::at(&site, NAME, Lines::default()).await,
        Replica::copy_of(&site, NAME, COPY).await,
    ];
    let mut twins = Twins {
        site: &site,
        both,
        clock: Clock::system(),
    };
    twins.both[1].lose().await;
    for number in 0..CLUSTERS {
        let author = Author::of(&site, number % site.tenants.len()).await;
        author.ask_for(&format!("c{number}")).await;
    }
    twins.until("held", all_held).await;
    twins.die_and_start_twice().await;
    twins.until("at work", is_making).await;
    twins.die_and_start_twice().await;
    twins.until("provisioned", all_provisioned).await;
    for replica in &mut twins.both {
        replica.stop().await;
        assert_eq!(replica.lives.wrong, Vec::<String>::new());
        assert!(replica.lives.starts >= 2, "{:?}", replica.lives);
    }
    let logs = site.logs();
    let back = |log: &String| log.contains("cluster taken back after a restart");
    assert!(logs.values().any(back), "nobody took a claim back");
    assert_eq!(verdict::errors(&logs), Vec::<String>::new());
    assert_eq!(
        verdict::doubled(&site.effects().await),
        Vec::<String>::new()
    );
    assert_eq!(site.verdicts().await, Vec::<String>::new());
    drop(twins);
    assert_eq!(site.close().await, Vec::<String>::new());
}
