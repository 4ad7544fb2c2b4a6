//! One pass: the entity is read, brought into effect in the cluster, and told about.
//!
//! Flow: `run` calls [`Agent::pass`] again and again.
//!
//! Invariants:
//! - An unchanged entity costs one request to VCD and none to the cluster; every [`LOOK_EVERY`] the objects
//!   are read and what somebody changed is set right.
//! - A document that the API server refuses does not keep the others from being applied. A server that does
//!   not work ends the pass: the next one begins anew.
//! - Removal comes last, and only after everything was applied without a word of complaint.
//! - A report is a conditional write on the document just read, and only when there is something to say.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tracing::{info, warn};

use super::compare::{differs, holds};
use super::conflict::describe;
use super::findings::{Finding, Findings, error, event};
use super::judge::{APPLIED_FOR, Judgement, Wish, judge};
use super::kinds::{AUTOSCALER, Address, KINDS, Kind, Place, SYSTEM_NAMESPACE};
use super::kubernetes::{Failure, Kubernetes};
use super::plan::{Plan, Seen, Standing, Step, change, plan, standing};
use super::report;
use crate::clock::{Clock, Moment};
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::EntityId;
use crate::domain::versioned::Versioned;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::EntityDocument;
use crate::vcd::transport::Transport;

/// How long an object may differ from an unchanged YAML before it is looked at.
const LOOK_EVERY: Duration = Duration::from_mins(5);
/// Writes of one report before it waits for the next pass.
const MAX_WRITES: u32 = 4;
/// Passes in a row that end at the API server before the tenant is told.
const PATIENCE: u32 = 3;
/// Most events kept while they cannot be written.
const MAX_PENDING: usize = 20;

/// Namespace and name of the vendor's projector.
const VENDOR: (&str, &str) = ("rdeprojector-system", "rdeprojector-controller-manager");

/// Which cluster this is.
#[derive(Clone, Debug)]
pub struct Home {
    /// Its entity.
    pub entity: EntityId,
    /// The namespace of its Cluster API objects.
    pub namespace: String,
}

/// Why a pass ended early.
#[derive(Debug)]
pub(super) enum Ended {
    Vcd(VcdError),
    Cluster(String),
}

impl From<VcdError> for Ended {
    fn from(error: VcdError) -> Self {
        Self::Vcd(error)
    }
}

/// What the agent knows from one pass to the next. Losing it costs requests and nothing else.
#[derive(Debug, Default)]
struct Memory {
    /// Fingerprint of what is in effect.
    settled: Option<u64>,
    /// When the objects were last looked at.
    looked: Option<Moment>,
    told: Findings,
    /// Passes in a row that ended at the API server.
    failures: u32,
    /// Why nothing is done, as last logged.
    waiting: Option<String>,
}

/// The agent of one cluster.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) home: Arc<Home>,
    pub(super) kubernetes: Kubernetes,
    pub(super) clock: Clock,
    memory: Memory,
}

impl Agent {
    pub(super) fn new(home: Home, kubernetes: Kubernetes, clock: Clock) -> Self {
        Self {
            home: Arc::new(home),
            kubernetes,
            clock,
            memory: Memory::default(),
        }
    }

    /// Cancel: safe; every step may be done again.
    pub(super) async fn pass<T: Transport>(&mut self, client: &VcdClient<T>) -> Result<(), Ended> {
        let read = client.get_entity(&self.home.entity).await?;
        let content = &read.value.entity;
        let ended = match judge(content, &self.home.entity, &self.home.namespace) {
            Judgement::Leave => {
                self.wait("the cluster is to be deleted");
                return Ok(());
            }
            Judgement::Refuse(told) => {
                self.refuse(&told);
                Ok(())
            }
            Judgement::Apply(wish) if !self.is_due(&wish) => Ok(()),
            Judgement::Apply(wish) => {
                let effect = self.bring_into_effect(*wish, section(content)).await;
                match effect {
                    Ok(Effect::Aside) => return Ok(()),
                    Ok(Effect::Done) => {
                        self.memory.failures = 0;
                        Ok(())
                    }
                    Err(reason) => Err(self.failed(reason)),
                }
            }
        };
        self.tell(client, read).await?;
        ended
    }

    /// Whether the cluster has to be looked at.
    fn is_due(&self, wish: &Wish) -> bool {
        let looked = self.memory.looked;
        self.memory.settled != Some(wish.fingerprint)
            || looked.is_none_or(|looked| self.clock.now().since(looked) >= LOOK_EVERY)
    }

    fn finding(&self, name: &'static str, detail: &str) -> Finding {
        Finding::new(name, detail, self.clock.wall())
    }

    /// Nothing is applied, for these reasons.
    fn refuse(&mut self, told: &[(&'static str, String)]) {
        self.memory.settled = None;
        let told = told.iter();
        self.memory.told.errors = told
            .map(|(name, detail)| self.finding(name, detail))
            .collect();
    }

    fn happened(&mut self, name: &'static str, detail: &str) {
        info!(event = name, detail, "cluster changed");
        let finding = self.finding(name, detail);
        let events = &mut self.memory.told.events;
        if events.len() < MAX_PENDING {
            events.push(finding);
        }
    }

    /// Logs, once, why nothing is done.
    fn wait(&mut self, why: &str) {
        if self.memory.waiting.as_deref() != Some(why) {
            info!(reason = why, "nothing is applied");
            self.memory.waiting = Some(why.to_owned());
        }
        self.memory.settled = None;
    }

    fn failed(&mut self, reason: String) -> Ended {
        self.memory.settled = None;
        self.memory.failures = self.memory.failures.saturating_add(1);
        if self.memory.failures >= PATIENCE {
            let told = self.finding(error::DELAYED, &reason);
            self.memory.told.errors = vec![told];
        }
        Ended::Cluster(reason)
    }

    /// Applies what the entity asks for; the error says why the API server could not be worked with.
    async fn bring_into_effect(
        &mut self,
        wish: Wish,
        told: Option<&Map<String, Value>>,
    ) -> Result<Effect, String> {
        if self.vendor_is_here().await? {
            self.wait("the vendor's projector is installed; this agent stands aside");
            return Ok(Effect::Aside);
        }
        let mut seen = Vec::new();
        for document in wish.documents.iter().cloned() {
            let live = later(self.kubernetes.get(&document.address).await);
            let live = match live? {
                Ok(live) => live,
                Err(reason) => {
                    let why = format!("{}: {reason}", document.address);
                    self.refuse(&[(error::APPLY, why)]);
                    return Ok(Effect::Done);
                }
            };
            seen.push(Seen { document, live });
        }
        match standing(&seen, &self.home.entity) {
            Standing::Ready => {}
            Standing::Wait(why) => {
                self.wait(why);
                self.memory.told.errors.clear();
                return Ok(Effect::Done);
            }
            Standing::Foreign(other) => {
                let why = format!(
                    "this cluster belongs to {other}, not to {}; nothing is applied",
                    self.home.entity
                );
                self.refuse(&[(error::FOREIGN, why)]);
                return Ok(Effect::Done);
            }
        }
        self.memory.waiting = None;
        self.carry_out(&wish, plan(seen, &wish.version), told)
            .await?;
        Ok(Effect::Done)
    }

    async fn carry_out(
        &mut self,
        wish: &Wish,
        plan: Plan,
        told: Option<&Map<String, Value>>,
    ) -> Result<(), String> {
        let is_new = self.memory.settled != Some(wish.fingerprint);
        let mut errors: Vec<Finding> = wish
            .refusals
            .iter()
            .map(|(name, why)| self.finding(name, why))
            .collect();
        let mut changes = Vec::new();
        for step in plan.steps {
            match self.apply(step, is_new).await? {
                Ok(change) => changes.extend(change),
                Err((name, why)) => errors.push(self.finding(name, &why)),
            }
        }
        if !changes.is_empty() {
            let name = if is_new { event::APPLIED } else { event::DRIFT };
            self.happened(name, &changes.join(", "));
            self.memory.told.applied_at = Some(self.clock.wall());
        }
        let is_held = !plan.held.is_empty();
        if is_held {
            let detail = format!(
                "worker pools {} keep their version until every control plane node runs {}",
                plan.held.join(", "),
                wish.version
            );
            if !report::has_event(told, event::HELD, &detail) && !self.is_pending(&detail) {
                self.happened(event::HELD, &detail);
            }
        }
        let is_clean = errors.is_empty();
        self.memory.told.errors = errors;
        if is_new && is_clean {
            self.remove_dropped(wish).await?;
        }
        // What waits or was refused is tried again at the next pass.
        self.memory.settled = (is_clean && !is_held).then_some(wish.fingerprint);
        self.memory.looked = Some(self.clock.now());
        Ok(())
    }

    fn is_pending(&self, detail: &str) -> bool {
        let mut events = self.memory.told.events.iter();
        events.any(|finding| finding.detail == detail)
    }

    async fn vendor_is_here(&self) -> Result<bool, String> {
        let Some(kind) = KINDS.iter().find(|kind| kind.name == "Deployment") else {
            return Ok(false);
        };
        let at = Address {
            kind,
            version: kind.default_version().to_owned(),
            namespace: VENDOR.0.to_owned(),
            name: VENDOR.1.to_owned(),
        };
        // Whoever must not ask cannot know; the rights of the agent allow it.
        let found = later(self.kubernetes.get(&at).await)?.unwrap_or(None);
        Ok(found.is_some_and(|found| found.pointer("/spec/replicas") != Some(&json!(0))))
    }

    /// What changed, or the name of an error and why. The outer error ends the pass.
    async fn apply(&self, step: Step, anyway: bool) -> Result<Applied, String> {
        let Step { document, live } = step;
        let at = &document.address;
        if live.is_none() && !at.kind.may_create {
            return Ok(Err((error::APPLY, format!("{at} is not there"))));
        }
        let is_there = live
            .as_ref()
            .is_some_and(|live| holds(live, &document.body));
        if is_there && !anyway {
            return Ok(Ok(None));
        }
        let body = bound(&document.body, live.as_ref());
        let mut outcome = self.kubernetes.apply(at, &body, false).await;
        if let Err(Failure::Clash(clashes)) = &outcome
            && clashes.iter().all(super::conflict::Clash::yields)
        {
            outcome = self.kubernetes.apply(at, &body, true).await;
        }
        match outcome {
            Ok(after) => {
                let changed = live.as_ref().is_none_or(|live| differs(live, &after));
                Ok(Ok(
                    changed.then(|| change(&at.to_string(), live.as_ref(), &after))
                ))
            }
            Err(Failure::Later(reason)) => Err(format!("{at}: {reason}")),
            Err(Failure::Refused(reason)) => Ok(Err((error::APPLY, format!("{at}: {reason}")))),
            Err(Failure::Clash(clashes)) => {
                let why = format!(
                    "{at} is not applied: {}; take the field out of what that program applies, or out \
                     of spec.capiYaml",
                    describe(&clashes)
                );
                Ok(Err((error::CONFLICT, why)))
            }
        }
    }

    /// Deletes what the agent applied before and the YAML no longer holds.
    async fn remove_dropped(&mut self, wish: &Wish) -> Result<(), String> {
        let mut removed = Vec::new();
        for kind in KINDS.iter().filter(|kind| kind.may_remove) {
            for (at, object) in self.candidates(kind, wish).await? {
                match self.kubernetes.delete(&at, &object).await {
                    Ok(()) => removed.push(at.to_string()),
                    Err(Failure::Later(reason)) => return Err(format!("{at}: {reason}")),
                    Err(Failure::Refused(reason)) => {
                        warn!(object = %at, reason, "cannot remove what the YAML dropped");
                    }
                    Err(Failure::Clash(_)) => {}
                }
            }
        }
        if !removed.is_empty() {
            self.happened(event::REMOVED, &removed.join(", "));
        }
        Ok(())
    }

    /// Objects of a kind with the agent's label that the YAML does not hold.
    async fn candidates(
        &self,
        kind: &'static Kind,
        wish: &Wish,
    ) -> Result<Vec<(Address, Value)>, String> {
        let at = |name: &str| Address {
            kind,
            version: kind.default_version().to_owned(),
            namespace: match kind.place {
                Place::Own => self.home.namespace.clone(),
                Place::Autoscaler => SYSTEM_NAMESPACE.to_owned(),
                Place::AutoscalerEverywhere => String::new(),
            },
            name: name.to_owned(),
        };
        let wanted = |at: &Address| {
            let mut documents = wish.documents.iter();
            documents.any(|document| {
                document.address.kind == at.kind && document.address.name == at.name
            })
        };
        let found = if kind.place == Place::Own {
            let label = format!("{APPLIED_FOR}={}", self.home.entity.uuid());
            later(self.kubernetes.list(&at(""), &label).await)?.unwrap_or_default()
        } else if wanted(&at(AUTOSCALER)) {
            Vec::new()
        } else {
            let found = later(self.kubernetes.get(&at(AUTOSCALER)).await)?;
            found.unwrap_or(None).into_iter().collect()
        };
        let mine = |object: &Value| {
            let label = object
                .pointer("/metadata/labels")
                .and_then(|all| all.get(APPLIED_FOR));
            label.and_then(Value::as_str) == Some(self.home.entity.uuid())
                && object.pointer("/metadata/deletionTimestamp").is_none()
        };
        let named = found.into_iter().filter(mine).filter_map(|object| {
            let name = object.pointer("/metadata/name")?.as_str()?.to_owned();
            Some((at(&name), object))
        });
        Ok(named.filter(|(at, _)| !wanted(at)).collect())
    }

    /// Writes the report, if it says something new.
    async fn tell<T: Transport>(
        &mut self,
        client: &VcdClient<T>,
        mut read: Versioned<EntityDocument>,
    ) -> Result<(), Ended> {
        for _ in 0..MAX_WRITES {
            let Some(next) = report::section(section(&read.value.entity), &self.memory.told) else {
                self.memory.told.events.clear();
                return Ok(());
            };
            put_section(&mut read.value.entity, next);
            match client.replace_entity(&read.value, read.etag).await {
                Ok(_) => {
                    self.memory.told.events.clear();
                    return Ok(());
                }
                Err(error) if error.class() == ErrorClass::Conflict => {
                    read = client.get_entity(&self.home.entity).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        // Somebody writes all the time; the next pass tells it.
        Ok(())
    }
}

/// What came of a pass that reached the cluster.
enum Effect {
    Done,
    /// The vendor's projector reports; the agent keeps quiet.
    Aside,
}

/// A change in words, or the name of an error and its reason.
type Applied = Result<Option<String>, (&'static str, String)>;

/// Sorts out what ends the pass.
fn later<V>(outcome: Result<V, Failure>) -> Result<Result<V, String>, String> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Later(reason)) => Err(reason),
        Err(Failure::Refused(reason)) => Ok(Err(reason)),
        Err(Failure::Clash(clashes)) => Ok(Err(describe(&clashes))),
    }
}

/// The body for this very object: if it was deleted meanwhile, it is not made again.
fn bound(body: &Value, live: Option<&Value>) -> Value {
    let mut body = body.clone();
    let uid = live.and_then(|live| live.pointer("/metadata/uid"));
    if let (Some(uid), Some(metadata)) = (uid, body.pointer_mut("/metadata"))
        && let Some(metadata) = metadata.as_object_mut()
    {
        metadata.insert("uid".to_owned(), uid.clone());
    }
    body
}

fn section(content: &Map<String, Value>) -> Option<&Map<String, Value>> {
    content.get("status")?.get("projector")?.as_object()
}

fn put_section(content: &mut Map<String, Value>, section: Value) {
    let status = content.entry("status").or_insert_with(|| json!({}));
    if !status.is_object() {
        *status = json!({});
    }
    if let Some(status) = status.as_object_mut() {
        status.insert("projector".to_owned(), section);
    }
}
