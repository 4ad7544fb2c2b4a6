//! Looking at a cluster that is to be deleted, and remembering what could not be removed.
//!
//! Flow: the owner's token -> bootstrap vApps and estate -> [`RemovalSeen`] for `reconcile::delete`.
//!
//! Invariants:
//! - Nothing of the request has to be readable: names and records say where to look, marks what is ours.
//! - The estate in memory only saves requests: that nothing is left is said of a fresh survey alone.
//! - Every try at an object counts, however it ended: an object that VCD calls gone and still lists does not
//!   keep the holder busy for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Deps;
use super::claim::Held;
use super::estate::{Scope, survey};
use super::memory::Memory;
use super::observe::{bootstrap_vapp_name, task_seen, vapp_seen, visible};
use super::tenant::{NoTenant, full_entity, refused_token};
use crate::clock::Moment;
use crate::domain::cluster::api_token;
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::VappId;
use crate::reconcile::decision::Action;
use crate::reconcile::delete::{nothing_is_left, volumes};
use crate::reconcile::estate::EstateSeen;
use crate::reconcile::observation::{Observation, Preparation, RemovalSeen, TaskSeen, VappSeen};
use crate::reconcile::removal::{after, is_bare};
use crate::telemetry::chain;
use crate::vcd::error::VcdError;
use crate::vcd::model::EntityDocument;
use crate::vcd::transport::Transport;
use crate::vcd::{Login, VcdClient};

/// How long a survey stays good while this holder alone takes the estate apart.
const SURVEY_GOOD_FOR: Duration = Duration::from_mins(1);

/// Surveys in a row with gaps after which these are believed.
const BELIEVED_GAPS: u32 = 3;

/// Requests to resolve an entity, of which none may have reached VCD, after which it is deleted as it is.
const MAX_RESOLVES: u32 = 3;

/// What one holder remembers of a removal.
pub(super) struct Demolition<T: Transport> {
    /// Signed in with the token the cluster has now.
    pub(super) client: Option<VcdClient<T>>,
    /// Last survey, changed by what was done since.
    surveyed: Option<(Moment, Vec<VappSeen>, EstateSeen)>,
    /// The step whose task runs.
    under_way: Option<Action>,
    /// Id -> number of tries and why the last one failed.
    tries: BTreeMap<String, (u32, Option<String>)>,
    /// Id -> why it is not tried any more.
    failed: BTreeMap<String, String>,
    empty_since: Option<Moment>,
    busy_since: Option<Moment>,
    resolve_tried: bool,
    /// How often VCD was asked to resolve the entity.
    resolves: u32,
    /// Surveys in a row that had gaps.
    gaps: u32,
    /// Whether VCD was asked to delete the entity.
    pub(super) entity_asked: bool,
    /// Whether anything was switched off or removed.
    pub(super) touched: bool,
}

impl<T: Transport> Default for Demolition<T> {
    fn default() -> Self {
        Self {
            client: None,
            surveyed: None,
            under_way: None,
            tries: BTreeMap::new(),
            failed: BTreeMap::new(),
            empty_since: None,
            busy_since: None,
            resolve_tried: false,
            resolves: 0,
            gaps: 0,
            entity_asked: false,
            touched: false,
        }
    }
}

impl<T: Transport> Demolition<T> {
    /// A try at an object begins; false when it has been tried often enough.
    pub(super) fn begin(&mut self, subject: &str, action: &Action, limit: u32) -> bool {
        self.touched |= action.removes().is_some();
        self.busy_since = None;
        let (tries, why) = self.tries.entry(subject.to_owned()).or_default();
        if *tries >= limit {
            let why = why.clone().unwrap_or_else(|| {
                format!("it is still there after {tries} tries, none of which VCD refused; a right to remove it may be missing")
            });
            self.failed.insert(subject.to_owned(), why);
            return false;
        }
        *tries = tries.saturating_add(1);
        true
    }

    /// The task of a step runs.
    pub(super) fn started(&mut self, action: &Action) {
        self.under_way = Some(action.clone());
    }

    /// A step had nothing to do: what was seen is out of date.
    pub(super) fn outdated(&mut self) {
        self.surveyed = None;
        self.under_way = None;
    }

    /// A step failed; returns how often it has been tried.
    pub(super) fn failed(&mut self, subject: &str, why: &str, for_good: bool) -> u32 {
        self.outdated();
        if for_good {
            self.failed.insert(subject.to_owned(), why.to_owned());
        }
        let (tries, reason) = self.tries.entry(subject.to_owned()).or_default();
        *reason = Some(why.to_owned());
        *tries
    }

    /// VCD was asked to resolve the entity; `in_vain`: the request may not have reached it.
    pub(super) const fn resolving(&mut self, in_vain: bool) {
        self.resolves = self.resolves.saturating_add(1);
        self.resolve_tried = !in_vain || self.resolves >= MAX_RESOLVES;
    }

    /// Tries at an object so far.
    pub(super) fn tries(&self, subject: &str) -> u32 {
        self.tries.get(subject).map_or(0, |(tries, _)| *tries)
    }

    /// Whether a try at an object has failed before.
    pub(super) fn has_failed(&self, subject: &str) -> bool {
        let tried = self.tries.get(subject);
        tried.is_some_and(|(_, why)| why.is_some())
    }

    /// VCD is at work on what is to go next.
    pub(super) fn waiting(&mut self, now: Moment) {
        self.busy_since.get_or_insert(now);
    }

    /// Whether a survey with gaps is to be repeated before it is believed: one answer that makes no sense
    /// must not stop a deletion.
    fn doubts(&mut self, estate: &EstateSeen) -> bool {
        self.gaps = if estate.gaps.is_empty() {
            0
        } else {
            self.gaps.saturating_add(1)
        };
        (1..BELIEVED_GAPS).contains(&self.gaps)
    }

    /// The task of the last step ended; returns the tries so far when it failed in a way that may pass.
    pub(super) fn ended(&mut self, outcome: &TaskSeen) -> Option<u32> {
        let action = self.under_way.take()?;
        let subject = action.removes().unwrap_or_default().to_owned();
        match outcome {
            TaskSeen::Running => self.under_way = Some(action),
            TaskSeen::None => self.apply(&action),
            TaskSeen::Failed(why) => {
                self.failed(&subject, why, true);
            }
            TaskSeen::FailedForNow(why) => return Some(self.failed(&subject, why, false)),
        }
        None
    }

    fn apply(&mut self, done: &Action) {
        self.surveyed = match (self.surveyed.take(), done) {
            (Some((at, vapps, estate)), Action::Remove(removing)) => {
                Some((at, vapps, after(estate, removing)))
            }
            (Some(_) | None, _) => None,
        };
    }

    fn seen(&self, now: Moment, paused: Duration) -> RemovalSeen {
        let since = |moment: Option<Moment>| moment.map(|moment| now.since(moment));
        RemovalSeen {
            failed: self.failed.clone(),
            empty_for: since(self.empty_since),
            busy_for: since(self.busy_since).unwrap_or_default(),
            paused,
            resolve_tried: self.resolve_tried,
            condemned: BTreeSet::new(),
        }
    }
}

/// One look at everything a deletion depends on.
pub(super) async fn look<T: Transport>(
    deps: &Deps<T>,
    held: &Held<T>,
    memory: &mut Memory<T>,
    seen: &mut Observation,
) -> Result<(), VcdError> {
    let now = deps.clock.now();
    match look_inside(deps, held, memory, seen).await {
        Ok(sight) => {
            memory.token_accepted();
            memory.demolition.note(sight, now);
        }
        Err(problem) => {
            memory.demolition.client = None;
            seen.preparation = Err(memory.understand(problem)?);
            // Without a token only a cluster goes that never had anything, after the same time.
            let sight = if seen.document.deletion.never_built {
                Sight::Nothing
            } else {
                Sight::Unclear
            };
            memory.demolition.note(sight, now);
        }
    }
    seen.removal = memory.demolition.seen(now, held.paused);
    Ok(())
}

/// What a look says about the quarantine, which is for what may still turn up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// Something is there that is to go: it ends.
    Something,
    /// Nothing was seen, but not everything: it neither begins nor ends.
    Unclear,
    /// Nothing is left: it runs.
    Nothing,
}

impl Sight {
    fn of(seen: &Observation, vapps: &[VappSeen], estate: &EstateSeen) -> Self {
        if !vapps.is_empty() || !is_bare(estate, volumes(seen)) {
            Self::Something
        } else if nothing_is_left(seen, estate) {
            Self::Nothing
        } else {
            Self::Unclear
        }
    }
}

impl<T: Transport> Demolition<T> {
    fn note(&mut self, sight: Sight, now: Moment) {
        match sight {
            Sight::Something => self.empty_since = None,
            Sight::Unclear => {}
            Sight::Nothing => {
                self.empty_since.get_or_insert(now);
            }
        }
    }
}

async fn look_inside<T: Transport>(
    deps: &Deps<T>,
    held: &Held<T>,
    memory: &mut Memory<T>,
    seen: &mut Observation,
) -> Result<Sight, NoTenant> {
    let document = held.document();
    if memory.demolition.client.is_none() {
        let client = sign_in(deps, document).await?;
        memory.demolition.client = Some(client.behind(held.fence()));
    }
    let Some(client) = memory.demolition.client.clone() else {
        return Ok(Sight::Unclear);
    };
    seen.preparation = Ok(Preparation {
        network: String::new(),
    });
    seen.task = task_seen(&client, memory).await.map_err(refused_token)?;
    if seen.task == TaskSeen::Running {
        return Ok(Sight::Something);
    }
    memory.removal_task_ended(&seen.task);
    let now = deps.clock.now();
    if let Some((at, vapps, estate)) = memory.demolition.surveyed.take() {
        let sight = Sight::of(seen, &vapps, &estate);
        let fresh = now.since(at) < SURVEY_GOOD_FOR && sight != Sight::Nothing;
        let waits = memory.demolition.busy_since.is_some();
        if fresh && (!waits || is_at_work(&client, &vapps, &estate).await?) {
            (seen.vapps, seen.estate) = (vapps.clone(), Some(estate.clone()));
            memory.demolition.surveyed = Some((at, vapps, estate));
            return Ok(sight);
        }
    }
    let scope = Scope::of(document);
    let vapps = bootstrap_vapps(&client, &scope, seen);
    let (vapps, gaps) = vapps.await.map_err(refused_token)?;
    let mut estate = survey(&client, &scope).await.map_err(refused_token)?;
    estate.gaps.extend(gaps);
    let sight = Sight::of(seen, &vapps, &estate);
    if memory.demolition.doubts(&estate) {
        return Ok(sight);
    }
    (seen.vapps, seen.estate) = (vapps.clone(), Some(estate.clone()));
    memory.demolition.surveyed = Some((now, vapps, estate));
    Ok(sight)
}

/// Whether VCD is still at work on one of the vApps on which it was: one request, where a survey takes a dozen.
async fn is_at_work<T: Transport>(
    client: &VcdClient<T>,
    vapps: &[VappSeen],
    estate: &EstateSeen,
) -> Result<bool, NoTenant> {
    let bootstrap = vapps.iter().filter(|vapp| vapp.busy).map(|vapp| &vapp.id);
    let cluster = estate.vapps.iter().filter(|vapp| vapp.is_at_work());
    for id in bootstrap.chain(cluster.map(|vapp| &vapp.id)) {
        let vapp = visible(client.vapp(id).await).map_err(refused_token)?;
        if vapp.is_some_and(|vapp| vapp.is_at_work()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Signs in with the token the cluster has, whatever else is wrong with its document.
async fn sign_in<T: Transport>(
    deps: &Deps<T>,
    document: &EntityDocument,
) -> Result<VcdClient<T>, NoTenant> {
    let full = full_entity(deps, &document.id).await?;
    let content = full.content().unwrap_or(&document.entity);
    let token = api_token(content).ok_or_else(|| full.no_token())?;
    let named = document.entity.get("metadata");
    let named = named.and_then(|at| at.get("orgName")?.as_str());
    let org = document.org.as_ref().map(|org| org.name.as_str());
    let login = Login {
        org: org.or(named).unwrap_or_default().to_owned(),
        token,
    };
    Ok(deps.client.for_tenant(login))
}

/// vApps that are proven to be the bootstrap vApp, and where they could not be looked for.
async fn bootstrap_vapps<T: Transport>(
    client: &VcdClient<T>,
    scope: &Scope,
    seen: &Observation,
) -> Result<(Vec<VappSeen>, Vec<String>), VcdError> {
    let (mut vdcs, mut gaps) = (scope.vdcs.clone(), Vec::new());
    for name in &scope.vdc_names {
        let found = or_gap(&mut gaps, name, client.find_vdcs(name).await)?;
        vdcs.extend(found.into_iter().flatten().map(|vdc| vdc.id));
    }
    let wanted: BTreeSet<String> = scope
        .names
        .iter()
        .map(|name| bootstrap_vapp_name(name))
        .collect();
    let mut ids: BTreeSet<VappId> = seen.document.committed_vapp.iter().cloned().collect();
    for vdc in &vdcs {
        let Some(vdc) = or_gap(&mut gaps, vdc.as_str(), client.vdc(vdc).await)? else {
            continue;
        };
        let named = vdc
            .vapps
            .into_iter()
            .filter(|vapp| wanted.contains(&vapp.name));
        ids.extend(named.map(|vapp| vapp.id));
    }
    let mut vapps = Vec::new();
    for id in ids {
        if let Some(vapp) = visible(client.vapp(&id).await)? {
            vapps.push(vapp_seen(vapp, seen));
        }
    }
    // Others' vApps of that name are none of ours, and none of the tenant's news either.
    vapps.retain(|vapp: &VappSeen| {
        vapp.marker.is_some() || seen.document.committed_vapp.as_ref() == Some(&vapp.id)
    });
    Ok((vapps, gaps))
}

/// The answer, or a gap with the reason if VCD refuses for good.
fn or_gap<R>(
    gaps: &mut Vec<String>,
    vdc: &str,
    answer: Result<R, VcdError>,
) -> Result<Option<R>, VcdError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class() == ErrorClass::Terminal => {
            gaps.push(format!("vApps of VDC {vdc}: {}", chain(&error)));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
