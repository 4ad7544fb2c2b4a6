//! Orphans of one organization: found, proven to be orphans, and removed.
//!
//! Flow: look through the organization (`scan`) -> list the cluster entities -> a direct look at each marked
//! entity that is not on the list -> survey its estate -> `reconcile::removal`, one step after the other,
//! each after another look at the entity.
//!
//! Invariants:
//! - Entities are read with the service account's login, infrastructure with an administrator's: the first has
//!   no right to infrastructure, the second need not see entities.
//! - The organization is looked through before the entities are listed: what a new cluster makes meanwhile is
//!   not in sight, and what is in sight belongs to entities that are on the list or gone.
//! - A list that is not complete, or eyes that see nothing, end everything; nothing is removed on a guess.
//!
//! Not here: what a mark is (`reconcile::marks`), output and exit codes (`cli::orphans`).

mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::scan::Marked;
use super::estate::{self, Scope};
use super::observe::{power, visible};
use crate::clock::Clock;
use crate::domain::cluster::{ClusterFlags, text_at};
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::{EntityId, OrgId, TaskId, VappId, VdcId};
use crate::domain::marker::Marker;
use crate::reconcile::estate::{ClusterVapp, EstateSeen, NodeVm, Proof};
use crate::reconcile::orphans::{self, Listed, Look, Looks, Verdict};
use crate::reconcile::removal::{self, Insistence, Obstacle, Orders, Removal, Removing, Volumes};
use crate::telemetry::chain;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::{EntityOwner, EntityQuery, NamedRef, TaskStatus, VappVm};
use crate::vcd::paging::MAX_PAGE_SIZE;
use crate::vcd::transport::Transport;

/// Most steps of removing one cluster's objects.
const MAX_STEPS: u32 = 4_000;
/// Most times in a row that something is busy or fails in a way that may pass.
const MAX_PAUSES: u32 = 60;
/// Time between two looks at something busy, or at a task.
const PAUSE: Duration = Duration::from_secs(5);
/// Most entities without anything behind them that are looked at.
const MAX_HOLLOW: usize = 200;
/// Most looks at one task: half an hour.
const MAX_TASK_LOOKS: u32 = 360;

/// Why orphans cannot be told from what is in use.
#[derive(Debug, thiserror::Error)]
pub enum OrphansError {
    /// There is no such organization, or it is not visible.
    #[error("organization \"{0}\" does not exist, or the administrator's token may not see it")]
    NoOrganization(String),
    /// The organization cannot be looked through.
    #[error("the resources of the organization cannot be looked at")]
    Infrastructure(#[source] VcdError),
    /// The entities cannot be listed, or one of them cannot be looked at.
    #[error("the cluster entities cannot be read completely, so nothing can be called an orphan")]
    Entities(#[source] VcdError),
    /// The service account does not see a cluster that is on its list.
    #[error(
        "the service account does not see cluster {witness}, which is on its list: what it does not see may \
         exist all the same"
    )]
    Blind {
        /// The cluster that it should see.
        witness: EntityId,
    },
    /// There is no cluster to prove the service account's eyes on.
    #[error(
        "the service account sees no cluster at all, so that what it does not see may exist all the same; \
         create a cluster entity in any organization and try again"
    )]
    NoWitness,
}

/// Whose eyes look, and where.
#[derive(Debug)]
pub struct Eyes<T: Transport> {
    /// The service account: sees entities.
    pub service: VcdClient<T>,
    /// An administrator: sees the organization's infrastructure.
    pub administrator: VcdClient<T>,
    /// The organization.
    pub org: NamedRef<OrgId>,
    /// Waits between looks.
    pub clock: Clock,
}

/// A cluster without an entity, and what is left of it.
#[derive(Clone, Debug)]
pub struct OrphanCluster {
    /// The entity that does not exist.
    pub entity: EntityId,
    /// What is left.
    pub estate: EstateSeen,
    marked: Marked,
}

/// Something that looks like an orphan and is not proven to be one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LookAlike {
    /// What it is.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Why it is shown, and why it is no more than that.
    pub why: String,
}

/// What was found in one organization.
#[derive(Clone, Debug)]
pub struct Orphans {
    /// Clusters whose entities do not exist.
    pub clusters: Vec<OrphanCluster>,
    /// What is left alone.
    pub look_alikes: Vec<LookAlike>,
    /// What could not be looked at.
    pub gaps: Vec<String>,
    /// Whether there was a cluster to prove the service account's eyes on; without, nothing is removed.
    pub proven: bool,
    vdcs: BTreeSet<VdcId>,
    witness: Option<EntityId>,
}

/// How the removal of one cluster's objects ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// What is still there.
    pub estate: EstateSeen,
    /// Why, unless it stays by order.
    pub left: Vec<Obstacle>,
}

impl<T: Transport> Eyes<T> {
    /// Finds the organization, and narrows a login of the provider to it.
    ///
    /// # Errors
    /// - [`OrphansError::NoOrganization`]: no such organization.
    /// - [`OrphansError::Infrastructure`]: it could not be asked.
    pub async fn on(
        service: VcdClient<T>,
        administrator: VcdClient<T>,
        org: &str,
        clock: Clock,
    ) -> Result<Self, OrphansError> {
        let orgs = administrator.orgs().await;
        let orgs = orgs.map_err(OrphansError::Infrastructure)?;
        let found = orgs.into_iter().find(|one| one.name == org);
        let org = found.ok_or_else(|| OrphansError::NoOrganization(org.to_owned()))?;
        let administrator = if administrator.is_provider() {
            administrator.in_org(&org.id)
        } else {
            administrator
        };
        Ok(Self {
            service,
            administrator,
            org,
            clock,
        })
    }

    /// Looks through the organization for what is left of clusters without an entity.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`OrphansError`].
    pub async fn find(&self) -> Result<Orphans, OrphansError> {
        let seen = scan::scan(&self.administrator, &self.org.name).await;
        let seen = seen.map_err(OrphansError::Infrastructure)?;
        let owners = self.service.entity_owners(&all_clusters()).await;
        let owners = owners.map_err(OrphansError::Entities)?;
        let names: BTreeSet<&str> = owners.iter().map(|owner| owner.name.as_str()).collect();
        let look_alikes = seen.look_alikes.iter();
        let look_alikes: Vec<_> = look_alikes.filter(|one| !one.is_used_by(&names)).collect();
        let listed = owners.iter().map(|owner| Listed {
            id: owner.id.clone(),
            org: owner.org.clone(),
        });
        let listed: Vec<Listed> = listed.collect();
        let witness = orphans::witness(&listed, self.org.id.as_str()).cloned();
        let mentioned = look_alikes.iter().filter_map(|one| one.mentions.as_ref());
        let marked = seen.marked.keys().chain(mentioned);
        let mut gone = BTreeSet::new();
        for entity in orphans::suspects(marked, &listed) {
            if self.is_gone(&entity, witness.as_ref()).await? {
                gone.insert(entity);
            }
        }
        let shown = look_alikes.into_iter().filter(|one| {
            let mentions = one.mentions.as_ref();
            mentions.is_none_or(|entity| gone.contains(entity))
        });
        let mut found = Orphans {
            clusters: Vec::new(),
            look_alikes: shown.map(|one| one.shown.clone()).collect(),
            gaps: seen.gaps,
            proven: witness.is_some() || gone.is_empty(),
            vdcs: seen.vdcs,
            witness,
        };
        // What could not be looked at may be where their things are.
        if found.gaps.is_empty() {
            let hollow = owners
                .iter()
                .filter(|owner| !seen.marked.contains_key(&owner.id));
            found.look_alikes.extend(self.hollow(hollow).await?);
        }
        for (entity, marked) in seen.marked {
            if gone.contains(&entity) {
                let estate = self.survey(&found, &entity, &marked).await?;
                found.clusters.push(OrphanCluster {
                    entity,
                    estate,
                    marked,
                });
            }
        }
        Ok(found)
    }

    /// Entities of the organization that say that their cluster runs, while nothing of it is there.
    ///
    /// That is how a cluster comes back that was deleted after the backup which was restored.
    async fn hollow(
        &self,
        unmarked: impl Iterator<Item = &EntityOwner>,
    ) -> Result<Vec<LookAlike>, OrphansError> {
        let here = |owner: &&EntityOwner| owner.org.as_deref() == Some(self.org.id.as_str());
        let mut found = Vec::new();
        for owner in unmarked.filter(here).take(MAX_HOLLOW) {
            let read = visible(self.service.get_entity(&owner.id).await);
            let Some(read) = read.map_err(OrphansError::Entities)? else {
                continue;
            };
            let content = read.value.entity;
            let status = content.get("status");
            let state = status.and_then(|status| text_at(status, &["vcdKe", "state"]));
            if ClusterFlags::read(&content).is_vcdke && state == Some("provisioned") {
                found.push(LookAlike {
                    kind: "entity",
                    name: owner.name.clone(),
                    id: owner.id.to_string(),
                    why: "it says that its cluster is provisioned, and nothing here carries its mark: if the cluster was \
                          deleted, and a backup has brought its entity back, mark it for deletion"
                        .to_owned(),
                });
            }
        }
        Ok(found)
    }

    /// Removes what is proven of one cluster, as far as it goes; `None` if its entity exists after all.
    ///
    /// Repeat: safe. Cancel: may leave some of it removed.
    ///
    /// # Errors
    /// See [`OrphansError`]; what was removed before stays removed.
    pub async fn remove(
        &self,
        found: &Orphans,
        cluster: &OrphanCluster,
        volumes: Volumes,
    ) -> Result<Option<Ending>, OrphansError> {
        let witness = found.witness.as_ref().ok_or(OrphansError::NoWitness)?;
        let (mut failed, mut pauses) = (BTreeMap::new(), 0);
        let mut end = Ending {
            estate: cluster.estate.clone(),
            left: Vec::new(),
        };
        for _ in 0..MAX_STEPS {
            end.estate = self.survey(found, &cluster.entity, &cluster.marked).await?;
            let orders = Orders {
                volumes,
                insistence: Insistence::GoOn,
                failed: &failed,
            };
            let step = match removal::next(&end.estate, &orders) {
                Removal::Gone => return Ok(Some(end)),
                Removal::Act(step) => step,
                Removal::Wait(obstacle) if pauses < MAX_PAUSES => {
                    end.left = vec![obstacle];
                    pauses += 1;
                    self.clock.sleep(PAUSE).await;
                    continue;
                }
                Removal::Wait(obstacle) => {
                    end.left = vec![obstacle];
                    return Ok(Some(end));
                }
                Removal::Blocked(obstacles) => {
                    end.left = obstacles;
                    return Ok(Some(end));
                }
            };
            if !self.is_gone(&cluster.entity, Some(witness)).await? {
                return Ok(None);
            }
            match self.carry_out(&step).await? {
                Outcome::Done => pauses = 0,
                Outcome::Failed(why) => {
                    failed.insert(step.subject().to_owned(), why);
                }
                Outcome::NotNow(why) if pauses >= MAX_PAUSES => {
                    failed.insert(step.subject().to_owned(), why);
                }
                Outcome::NotNow(_) => {
                    pauses += 1;
                    self.clock.sleep(PAUSE).await;
                }
            }
        }
        Ok(Some(end))
    }

    /// Whether an entity is gone, between two looks at the witness if there is one.
    async fn is_gone(
        &self,
        entity: &EntityId,
        witness: Option<&EntityId>,
    ) -> Result<bool, OrphansError> {
        let Some(witness) = witness else {
            return Ok(self.look(entity).await? == Look::NotVisible);
        };
        let looks = Looks {
            before: self.look(witness).await?,
            suspect: self.look(entity).await?,
            after: self.look(witness).await?,
        };
        match orphans::judge(looks) {
            Verdict::Exists => Ok(false),
            Verdict::Gone => Ok(true),
            Verdict::Blind => Err(OrphansError::Blind {
                witness: witness.clone(),
            }),
        }
    }

    async fn look(&self, entity: &EntityId) -> Result<Look, OrphansError> {
        let found = visible(self.service.get_entity(entity).await);
        let found = found.map_err(OrphansError::Entities)?;
        Ok(found.map_or(Look::NotVisible, |_| Look::Visible))
    }

    /// The estate of a cluster without an entity; its bootstrap vApps are part of it.
    async fn survey(
        &self,
        found: &Orphans,
        entity: &EntityId,
        marked: &Marked,
    ) -> Result<EstateSeen, OrphansError> {
        let scope = Scope {
            entity: Some(entity.clone()),
            names: marked.names.clone(),
            vdcs: found.vdcs.clone(),
            vapps: marked.vapps.clone(),
            ..Scope::default()
        };
        let look = async {
            let mut seen = estate::survey(&self.administrator, &scope).await?;
            for vapp in &marked.bootstrap {
                seen.vapps.extend(self.bootstrap(entity, vapp).await?);
            }
            Ok(seen)
        };
        look.await.map_err(OrphansError::Infrastructure)
    }

    async fn bootstrap(
        &self,
        entity: &EntityId,
        id: &VappId,
    ) -> Result<Option<ClusterVapp>, VcdError> {
        let vapp = visible(self.administrator.vapp(id).await)?;
        let own = vapp.filter(|vapp| proof(entity, &vapp.description).suffices());
        Ok(own.map(|vapp| ClusterVapp {
            deployed: vapp.deployed || vapp.vms.iter().any(|vm| vm.deployed),
            vms: vapp.vms.into_iter().map(|vm| machine(entity, vm)).collect(),
            id: vapp.id,
            name: vapp.name,
            proof: Proof::Marked,
            busy: vapp.busy,
            metadata: BTreeMap::new(),
        }))
    }

    async fn carry_out(&self, step: &Removing) -> Result<Outcome, OrphansError> {
        let client = &self.administrator;
        let started = match step {
            Removing::StopVapp(id) => visible(client.undeploy_vapp(id).await),
            Removing::StopVm(id) => visible(client.undeploy_vm(id).await),
            Removing::Detach { disk, vm } => estate::detach(client, disk, vm).await,
            Removing::DeleteVm(id) => visible(client.delete_vm(id).await),
            Removing::DeleteVapp(id) => visible(client.delete_vapp(id).await),
            Removing::DeleteItem(item) => estate::remove(client, item).await,
        };
        let ended = match started {
            Ok(None) => return Ok(Outcome::Done),
            Ok(Some(task)) => self.ended(&task).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(outcome) => Ok(outcome),
            Err(error) => match error.class() {
                ErrorClass::Unauthenticated => Err(OrphansError::Infrastructure(error)),
                ErrorClass::Terminal => Ok(Outcome::Failed(chain(&error).to_string())),
                ErrorClass::Transient
                | ErrorClass::Throttled { .. }
                | ErrorClass::Conflict
                | ErrorClass::OutcomeUnknown => Ok(Outcome::NotNow(chain(&error).to_string())),
            },
        }
    }

    /// Waits for the end of a task.
    async fn ended(&self, task: &TaskId) -> Result<Outcome, VcdError> {
        for _ in 0..MAX_TASK_LOOKS {
            let Some(report) = visible(self.administrator.task(task).await)? else {
                return Ok(Outcome::Done);
            };
            match report.status {
                TaskStatus::Running => self.clock.sleep(PAUSE).await,
                TaskStatus::Success => return Ok(Outcome::Done),
                TaskStatus::Failed {
                    class: ErrorClass::Terminal | ErrorClass::Unauthenticated,
                    code,
                    message,
                } => return Ok(Outcome::Failed(format!("{message} ({code})"))),
                TaskStatus::Failed { code, message, .. } => {
                    return Ok(Outcome::NotNow(format!("{message} ({code})")));
                }
            }
        }
        Err(VcdError::still_running())
    }
}

/// What became of one step.
enum Outcome {
    Done,
    /// It may work later.
    NotNow(String),
    Failed(String),
}

fn all_clusters() -> EntityQuery {
    EntityQuery {
        vendor: "vmware".to_owned(),
        nss: "capvcdCluster".to_owned(),
        version: None,
        filter: None,
        page_size: MAX_PAGE_SIZE,
    }
}

/// Whether a bootstrap object carries the marker of the entity.
fn proof(entity: &EntityId, description: &str) -> Proof {
    match Marker::parse(description) {
        Some(marker) if marker.entity == *entity => Proof::Marked,
        Some(_) | None => Proof::Unproven,
    }
}

fn machine(entity: &EntityId, vm: VappVm) -> NodeVm {
    NodeVm {
        proof: proof(entity, &vm.description),
        power: power(vm.status),
        id: vm.id,
        name: vm.name,
        deployed: vm.deployed,
        busy: vm.busy,
    }
}
