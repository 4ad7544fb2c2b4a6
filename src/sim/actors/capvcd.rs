//! The controllers of one cluster: Cluster API with CAPVCD, and from the move on the agent that
//! applies changed manifests.
//!
//! Flow: a guest applies manifests -> [`start`] -> load balancer -> vApp -> nodes -> status in the
//! entity; after the move the cluster manages itself and follows `spec.capiYaml`.
//!
//! Invariants:
//! - Level-based: every step looks at the VMs as they are, so a second guest for the same entity goes
//!   on instead of building twice.
//! - The controllers live where they run: on the bootstrap VM until the move, then on the control
//!   plane. When that machine is off, nothing happens.
//! - They work with the token of their Secret; a revoked one stops them without a word.
//!
//! Source: CAPVCD, order of reconciliation and event names; Cluster API, scaling and roll-out.

use std::borrow::Cow;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::manifest::{Documents, Home, Manifest};
use super::nodes::{self, Node};
use super::status;
use crate::clock::Moment;
use crate::sim::context::Context;
use crate::sim::entities::{Entities, RdeState};
use crate::sim::infra::Infra;
use crate::sim::infra::machine::{Lease, MetadataValue, Vapp, VappNetwork};
use crate::sim::infra::sharing::Sharing;
use crate::sim::tasks::Starter;
use crate::sim::world;

/// How often they look while something is going on.
const RECHECK: Duration = Duration::from_secs(10);
/// How often they look at a settled cluster, and the agent at its entity.
const RESYNC: Duration = Duration::from_mins(1);
/// Metadata key by which CAPVCD knows its vApp.
const INFRA_ID: &str = "CapvcdInfraId";

/// Their next step.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Due {
    /// Entity URN.
    rde_id: String,
    /// Only the newest appointment counts.
    ticket: u64,
}

/// `status.capvcd`, and the sections of the other components.
pub(super) type Written = (Value, Map<String, Value>);

/// Something to be told in the entity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) error: bool,
    pub(crate) name: Cow<'static, str>,
    pub(crate) resource: (String, String),
    pub(crate) detail: String,
}

impl Notice {
    /// About the object `resource`, by URN and name. Names of errors end so, those of events never do.
    pub(super) fn new(name: &'static str, resource: (String, String), detail: &str) -> Self {
        Self {
            error: name.ends_with("Error"),
            name: Cow::Borrowed(name),
            resource,
            detail: detail.to_owned(),
        }
    }
}

/// One cluster as its controllers know it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cluster {
    ticket: u64,
    /// Bare UUID of the bootstrap VM.
    host: String,
    self_managed: bool,
    pub(super) home: Home,
    pub(super) wanted: Manifest,
    pub(super) starter: Starter,
    /// Address of the API server, once the load balancer has one.
    pub(super) endpoint: Option<String>,
    /// Bare UUID.
    pub(super) vapp: Option<String>,
    pub(super) nodes: Vec<Node>,
    /// The first control-plane node has come up.
    pub(super) initialized: bool,
    /// Every node that is wanted is there, and no other.
    pub(super) settled: bool,
    pub(super) notices: Vec<Notice>,
    /// `spec.capiYaml` as the agent last applied or refused it.
    applied: Option<String>,
    /// Why the agent refused it.
    pub(super) refused: Option<String>,
    /// Status as last written, and when.
    pub(super) written: Option<(Written, Moment)>,
}

impl Cluster {
    /// Whether the control plane answers.
    pub(crate) fn is_initialized(&self) -> bool {
        self.initialized
    }

    /// Whether all nodes are there.
    pub(crate) fn is_complete(&self) -> bool {
        self.initialized && self.settled
    }

    /// The controllers leave the bootstrap VM for the cluster's own machines.
    pub(crate) fn move_into_itself(&mut self) {
        self.self_managed = true;
    }

    /// Whether the agent runs in the cluster.
    pub(super) fn is_self_managed(&self) -> bool {
        self.self_managed
    }

    /// Notes an event or an error for the next status.
    pub(super) fn notice(&mut self, name: &'static str, detail: &str) {
        let resource = (self.home.rde_id.clone(), self.wanted.cluster.clone());
        self.notices.push(Notice::new(name, resource, detail));
    }
}

/// Manifests were applied on the bootstrap VM `host`; a cluster that is known goes on.
pub(crate) fn start(
    host: &str,
    (home, wanted): (Home, Manifest),
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) {
    let rde_id = home.rde_id.clone();
    let user = ctx.directory.token_user(home.token.expose_secret());
    let starter = Starter {
        user_id: user.map(|user| user.id.clone()).unwrap_or_default(),
        user_name: user.map(|user| user.name.clone()).unwrap_or_default(),
        org_id: home.org_id.clone(),
        request_id: ctx.uuid(),
    };
    let known = infra.actors.clusters.remove(&rde_id);
    let cluster = match known {
        Some(known) if known.self_managed => known,
        Some(known) => Cluster {
            host: host.to_owned(),
            home,
            wanted,
            starter,
            ..known
        },
        None => Cluster {
            ticket: 0,
            host: host.to_owned(),
            self_managed: false,
            home,
            wanted,
            starter,
            endpoint: None,
            vapp: None,
            nodes: Vec::new(),
            initialized: false,
            settled: false,
            notices: Vec::new(),
            applied: None,
            refused: None,
            written: None,
        },
    };
    infra.actors.clusters.insert(rde_id.clone(), cluster);
    appoint(&rde_id, RECHECK, ctx, infra);
}

/// The machine the controllers live on has come back.
pub(crate) fn wake(rde_id: &str, ctx: &mut Context<'_>, infra: &mut Infra) {
    appoint(rde_id, RECHECK, ctx, infra);
}

fn appoint(rde_id: &str, delay: Duration, ctx: &mut Context<'_>, infra: &mut Infra) {
    if let Some(cluster) = infra.actors.clusters.get_mut(rde_id) {
        cluster.ticket += 1;
        let due = Due {
            rde_id: rde_id.to_owned(),
            ticket: cluster.ticket,
        };
        ctx.schedule
            .put(ctx.now.plus(delay), world::Due::Capvcd(due));
    }
}

/// Lets the controllers take their next step.
pub(crate) fn fire(due: Due, ctx: &mut Context<'_>, infra: &mut Infra, entities: &mut Entities) {
    let Due { rde_id, ticket } = due;
    if infra
        .actors
        .clusters
        .get(&rde_id)
        .is_none_or(|cluster| cluster.ticket != ticket)
    {
        return;
    }
    // Taken out for the step, so that it may change everything else.
    let Some(mut cluster) = infra.actors.clusters.remove(&rde_id) else {
        return;
    };
    let again = step(&mut cluster, ctx, infra, entities);
    infra.actors.clusters.insert(rde_id.clone(), cluster);
    if let Some(delay) = again {
        appoint(&rde_id, delay, ctx, infra);
    }
}

/// One look at everything; the answer is when to look again, if ever.
fn step(
    cluster: &mut Cluster,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    entities: &mut Entities,
) -> Option<Duration> {
    let entity = entities.get(&cluster.home.rde_id)?;
    if entity.state == RdeState::InDeletion {
        return None;
    }
    if !cluster.self_managed && !infra.runs(&cluster.host) {
        return None;
    }
    if cluster.self_managed && !nodes::control_plane_runs(cluster, infra) {
        let vapp = cluster
            .vapp
            .as_deref()
            .is_some_and(|vapp| infra.vapps.contains_key(vapp));
        return vapp.then_some(RESYNC);
    }
    if ctx
        .directory
        .token_user(cluster.home.token.expose_secret())
        .is_none()
    {
        return Some(RESYNC);
    }
    if cluster.self_managed {
        let yaml = entity.content.text_at(&["spec", "capiYaml"]);
        follow(cluster, &yaml.unwrap_or_default());
    }
    if infrastructure(cluster, ctx, infra) {
        nodes::reconcile(cluster, ctx, infra);
    }
    status::write(cluster, ctx, infra, entities);
    Some(if cluster.settled { RESYNC } else { RECHECK })
}

/// The agent applies the manifests of the entity when they have changed.
fn follow(cluster: &mut Cluster, yaml: &str) {
    if cluster.applied.as_deref() == Some(yaml) {
        return;
    }
    cluster.applied = Some(yaml.to_owned());
    let wanted = Documents::parse(yaml)
        .and_then(|documents| Manifest::of(&documents))
        .and_then(|wanted| upgradable(&cluster.wanted, &wanted).map(|()| wanted));
    match wanted {
        Ok(wanted) => {
            cluster.refused = None;
            cluster.settled &= wanted == cluster.wanted;
            cluster.wanted = wanted;
        }
        Err(reason) => cluster.refused = Some(reason),
    }
}

/// The control plane goes up by one minor version at most, and never down.
fn upgradable(old: &Manifest, new: &Manifest) -> Result<(), String> {
    let minor = |version: &str| -> Option<(u32, u32)> {
        let mut parts = version.trim_start_matches('v').split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    match (minor(old.version()), minor(new.version())) {
        (Some((major, from)), Some((to_major, to)))
            if major == to_major && (from == to || from + 1 == to) =>
        {
            Ok(())
        }
        _ => Err(format!(
            "admission webhook \"validation.kubeadmcontrolplane.controlplane.cluster.x-k8s.io\" \
             denied the request: spec.version: Forbidden: cannot update Kubernetes version from {} \
             to {}",
            old.version(),
            new.version()
        )),
    }
}

/// Load balancer, then vApp; true when nodes can be built.
fn infrastructure(cluster: &mut Cluster, ctx: &mut Context<'_>, infra: &mut Infra) -> bool {
    if cluster.endpoint.is_none() {
        let host = cluster.wanted.endpoint_host.clone();
        cluster.endpoint = Some(host.unwrap_or_else(|| next_address(infra)));
        cluster.notice(
            "LoadBalancerAvailable",
            "the virtual service of the control plane is up",
        );
        return false;
    }
    let known = cluster
        .vapp
        .clone()
        .filter(|vapp| infra.vapps.contains_key(vapp));
    let Some(vapp) = known.or_else(|| find_vapp(cluster, infra)) else {
        if !cluster.self_managed {
            compose(cluster, ctx, infra);
        }
        return false;
    };
    if infra.vapps.get(&vapp).is_some_and(|vapp| vapp.unresolved) {
        return false;
    }
    if cluster.vapp.replace(vapp).is_none() {
        cluster.notice("InfraVappAvailable", "the vApp of the cluster exists");
    }
    true
}

/// Addresses for control planes come from 203.0.113.0/24, which documentation may use freely.
fn next_address(infra: &mut Infra) -> String {
    let used = infra
        .actors
        .clusters
        .values()
        .filter(|one| one.endpoint.is_some())
        .count();
    let last = u8::try_from(used % 200)
        .unwrap_or_default()
        .saturating_add(20);
    format!("203.0.113.{last}")
}

/// The vApp of the cluster's name that carries its mark.
fn find_vapp(cluster: &Cluster, infra: &Infra) -> Option<String> {
    let key = ("GENERAL".to_owned(), INFRA_ID.to_owned());
    let mut vapps = infra.vapps.values();
    let found = vapps.find(|vapp| {
        vapp.vdc == cluster.home.vdc
            && vapp.name == cluster.wanted.cluster
            && vapp
                .metadata
                .get(&key)
                .is_some_and(|value| value.value == cluster.home.rde_id)
    });
    found.map(|vapp| vapp.uuid.clone())
}

fn compose(cluster: &mut Cluster, ctx: &mut Context<'_>, infra: &mut Infra) {
    let network = infra.networks.get(&cluster.home.network);
    let network = network.map(VappNetwork::bridged);
    let mark = MetadataValue::text(&cluster.home.rde_id);
    let starter = cluster.starter.clone();
    let vapp = Vapp {
        uuid: ctx.uuid(),
        name: cluster.wanted.cluster.clone(),
        description: String::new(),
        vdc: cluster.home.vdc.clone(),
        org_id: cluster.home.org_id.clone(),
        owner: starter.user(ctx.site),
        created: ctx.wall,
        unresolved: true,
        networks: network.into_iter().collect(),
        metadata: [(("GENERAL".to_owned(), INFRA_ID.to_owned()), mark)].into(),
        auto_nature: false,
        lease: Lease::default(),
        sharing: Sharing::default(),
        product: Vec::new(),
    };
    match infra.require_free_name(&vapp) {
        Ok(()) => {
            infra.compose((vapp, Vec::new()), &starter, ctx);
        }
        Err(problem) => cluster.notice("VCDClusterVAppCreationError", &problem.message),
    }
}
