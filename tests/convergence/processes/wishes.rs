//! What tenants want of their clusters, and whether they have it.
//!
//! Invariants:
//! - A wish is what was last written and accepted, by whomever: a client that writes an old copy back has asked
//!   for what is in it. A deletion is wished for ever: whoever waits for it asks again.
//! - Whatever was done is told in a word and some more words; the words are counted.

use cse_server::clock::{Clock, Moment};
use serde_json::Value;

use super::site::{Seen, Site};
use super::tenant::{Author, FIRST_WORKERS, workers};

/// Most clusters at once; beyond that tenants delete instead.
const MOST_CLUSTERS: usize = 14;

/// What was done, in a word and more words.
pub(crate) type Told = (&'static str, String);

/// One cluster.
#[derive(Clone, Debug)]
struct Wished {
    urn: String,
    name: String,
    tenant: usize,
    workers: u32,
    deleted: bool,
    gone: bool,
}

/// What a client has read and will write back.
#[derive(Debug)]
pub(crate) struct Copy {
    which: usize,
    content: Value,
    read: Moment,
}

/// All clusters that were ever asked for.
pub(crate) struct Wishes<'a> {
    site: &'a Site,
    all: Vec<Wished>,
}

impl<'a> Wishes<'a> {
    pub(crate) const fn of(site: &'a Site) -> Self {
        Self {
            site,
            all: Vec::new(),
        }
    }

    async fn author(&self, which: usize) -> Author<'a> {
        Author::of(self.site, self.all[which].tenant).await
    }

    /// The one of `those` that a number stands for.
    fn pick(&self, those: impl Fn(&Wished) -> bool, number: usize) -> Option<usize> {
        let all = self.all.iter().enumerate();
        let those: Vec<usize> = all
            .filter(|(_, one)| those(one))
            .map(|(at, _)| at)
            .collect();
        those.get(number.checked_rem(those.len())?).copied()
    }

    /// One more cluster, or one less if there are enough.
    pub(crate) async fn create(&mut self) -> Option<Told> {
        let number = self.all.len();
        if self.all.iter().filter(|one| !one.deleted).count() >= MOST_CLUSTERS {
            return self.delete(number).await;
        }
        let tenant = number % self.site.tenants.len();
        let name = format!("c{number}");
        let urn = Author::of(self.site, tenant).await.ask_for(&name).await;
        let told = format!("{name} {urn}");
        self.all.push(Wished {
            urn,
            name,
            tenant,
            workers: FIRST_WORKERS,
            deleted: false,
            gone: false,
        });
        Some(("create", told))
    }

    pub(crate) async fn delete(&mut self, number: usize) -> Option<Told> {
        let which = self.pick(|one| !one.deleted, number)?;
        // If it cannot be written now, it is later: whoever deletes looks again and again.
        self.author(which).await.mark(&self.all[which].urn).await;
        self.all[which].deleted = true;
        Some(("delete", self.all[which].name.clone()))
    }

    /// As a client does that waits for its cluster to go: it asks again when its wish was lost.
    pub(crate) async fn mark_again(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        for which in 0..self.all.len() {
            let one = &self.all[which];
            if !one.deleted || one.gone {
                continue;
            }
            let author = self.author(which).await;
            match author.read(&one.urn).await {
                None => self.all[which].gone = true,
                Some(read) if !read.is_marked() => {
                    author.mark(&one.urn).await;
                    told.push(("mark again", one.name.clone()));
                }
                Some(_) => {}
            }
        }
        told
    }

    /// Another number of workers, for a cluster that runs.
    pub(crate) async fn resize(&mut self, number: usize, workers: u32) -> Option<Told> {
        let seen = self.site.clusters().await;
        let runs = |urn: &str| {
            let one = seen.iter().find(|seen| seen.urn == urn);
            one.is_some_and(|one| one.state == "provisioned")
        };
        let which = self.pick(|one| !one.deleted && runs(&one.urn), number)?;
        let author = self.author(which).await;
        let one = &mut self.all[which];
        author.resize(&one.urn, workers).await.then(|| {
            one.workers = workers;
            ("resize", format!("{} to {workers}", one.name))
        })
    }

    /// Reads what will be written back later.
    pub(crate) async fn copy(&self, number: usize) -> Option<Copy> {
        let which = self.pick(|one| !one.gone, number)?;
        let read = self.author(which).await.read(&self.all[which].urn).await?;
        Some(Copy {
            which,
            content: read.copy(),
            read: Clock::system().now(),
        })
    }

    /// Writes it back.
    pub(crate) async fn overwrite(&mut self, copy: &Copy) -> Option<Told> {
        let author = self.author(copy.which).await;
        let one = &mut self.all[copy.which];
        author.overwrite(&one.urn, &copy.content).await.then(|| {
            one.workers = workers(&copy.content);
            let age = Clock::system().now().since(copy.read);
            let record = &copy.content["status"]["vcdKe"]["heartbeatString"];
            let told = format!("{} by {age:.1?} to {record}", one.name);
            ("roll back", told)
        })
    }

    /// What is not as wished.
    pub(crate) async fn unfulfilled(&self) -> Vec<String> {
        let seen = self.site.clusters().await;
        let mut left = Vec::new();
        for (which, one) in self.all.iter().enumerate() {
            let found = seen.iter().find(|seen| seen.urn == one.urn);
            match (one.deleted, found) {
                (true, None) => {}
                (true, Some(_)) => left.push(format!("{} is still there", one.name)),
                (false, None) => left.push(format!("{} is gone", one.name)),
                (false, Some(seen)) => left.extend(self.lacks(which, seen).await),
            }
        }
        if left.is_empty() {
            left = self.site.leaks().await;
        }
        left
    }

    /// What a cluster that is to stay lacks.
    async fn lacks(&self, which: usize, seen: &Seen) -> Option<String> {
        let Wished {
            urn, name, workers, ..
        } = &self.all[which];
        if seen.state != "provisioned" {
            return Some(format!("{name} is {:?}", seen.state));
        }
        if !seen.holder.is_empty() {
            return Some(format!("{name} is held by {}", seen.holder));
        }
        let Some(read) = self.author(which).await.read(urn).await else {
            return Some(format!("{name} is gone"));
        };
        let asked = read.workers();
        if asked != *workers {
            return Some(format!(
                "{name} asks for {asked} workers, not for {workers}"
            ));
        }
        let wanted = u64::from(*workers);
        let has = read.has();
        (has != Some((wanted, wanted)))
            .then(|| format!("{name} wants and has {has:?} workers, not {wanted}"))
    }
}
