//! The controllers of one cluster: Cluster API with CAPVCD, and what else looks after a running cluster.
//!
//! Flow: a guest applies manifests -> [`start`] -> one look after the other: the agent reads the entity,
//! load balancer and vApp are built, machines come and go, cloud provider and volume driver follow ->
//! what there is to tell goes to the entity (`report`).
//!
//! Invariants:
//! - Level-based: every look takes load balancer and VMs as they are, so a second guest for the same
//!   entity goes on instead of building twice, and an entity of an earlier time is followed like any other.
//! - They live where they run: on the bootstrap VM until the move, then on the control plane. When that
//!   does not serve, nothing happens and nothing is written.
//! - They work with the token of their Secret; a revoked one stops them without a word.
//!
//! Source: CAPVCD, order of reconciliation and resync; Cluster API.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::deletion::{self, Deletion};
use super::home::Home;
use super::manifest::Manifest;
use super::nodes::{self, Reach};
use super::sections::{Component, Edit, Resource};
use super::{cpi, csi, infrastructure, pools, projector, remediation, report, status};
use crate::sim::context::Context;
use crate::sim::entities::{Entities, RdeState};
use crate::sim::infra::Infra;
use crate::sim::network::Services;
use crate::sim::tasks::Starter;
use crate::sim::world;

/// How often they look while something is going on.
const RECHECK: Duration = Duration::from_secs(10);
/// The same while the load balancer is being built, whose state is polled.
const POLL: Duration = Duration::from_secs(5);
/// How often they look at a settled cluster.
const IDLE: Duration = Duration::from_mins(1);
/// Longest time between two looks at the whole cluster and its status.
const RESYNC: Duration = Duration::from_mins(10);

/// Something of a cluster is due.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Due {
    /// The controllers look at everything.
    Look(Look),
    /// A component writes into the entity.
    Write(report::Due),
}

/// Their next look.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Look {
    /// Entity URN.
    rde_id: String,
    /// Only the newest appointment counts.
    ticket: u64,
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
    // What was known of machines that somebody has taken away, vApp and all, is gone with the temporary
    // cluster that knew it.
    let known = known.filter(|known| {
        let vapp = known.vapp.as_ref();
        vapp.is_none_or(|vapp| infra.vapps.contains_key(vapp))
    });
    let cluster = match known {
        Some(known) if known.self_managed => known,
        Some(known) => Cluster {
            host: host.to_owned(),
            home,
            wanted,
            starter,
            nudged: true,
            ..known
        },
        None => Cluster::new(host, (home, wanted), starter),
    };
    infra.actors.clusters.insert(rde_id.clone(), cluster);
    appoint(&rde_id, POLL, ctx, infra);
}

/// The machine the controllers live on has come back, or somebody wants something of them.
pub(crate) fn wake(rde_id: &str, ctx: &mut Context<'_>, infra: &mut Infra) {
    appoint(rde_id, POLL, ctx, infra);
}

fn appoint(rde_id: &str, delay: Duration, ctx: &mut Context<'_>, infra: &mut Infra) {
    if let Some(cluster) = infra.actors.clusters.get_mut(rde_id) {
        cluster.ticket += 1;
        let look = Look {
            rde_id: rde_id.to_owned(),
            ticket: cluster.ticket,
        };
        ctx.schedule
            .put(ctx.now.plus(delay), world::Due::Capvcd(Due::Look(look)));
    }
}

/// Lets happen what is due.
pub(crate) fn fire(
    due: Due,
    ctx: &mut Context<'_>,
    (infra, network): (&mut Infra, &mut Services),
    entities: &mut Entities,
) {
    let rde_id = match &due {
        Due::Look(look) => look.rde_id.clone(),
        Due::Write(write) => write.rde_id.clone(),
    };
    // Taken out for the step, so that it may change everything else.
    let Some(mut cluster) = infra.actors.clusters.remove(&rde_id) else {
        return;
    };
    let mut next = None;
    match due {
        Due::Look(look) if look.ticket != cluster.ticket => {}
        Due::Look(_) => {
            let mut reach = Reach {
                ctx,
                infra,
                network,
            };
            next = look(&mut cluster, &mut reach, entities);
        }
        Due::Write(write) if runs(&cluster, infra) && is_let_in(&cluster, ctx) => {
            report::finish(&write, &mut cluster, ctx, entities);
        }
        Due::Write(_) => cluster.desk.clear(),
    }
    if cluster.deletion == Deletion::Done {
        return;
    }
    infra.actors.clusters.insert(rde_id.clone(), cluster);
    if let Some(delay) = next {
        appoint(&rde_id, delay, ctx, infra);
    }
}

/// Whether the machines the controllers live on do their work.
fn runs(cluster: &Cluster, infra: &Infra) -> bool {
    if cluster.self_managed {
        nodes::control_plane_serves(cluster, infra)
    } else {
        infra.runs(&cluster.host)
    }
}

/// Whether VCD still takes their token.
fn is_let_in(cluster: &Cluster, ctx: &Context<'_>) -> bool {
    let token = cluster.home.token.expose_secret();
    ctx.directory.token_user(token).is_some()
}

/// One look at everything; the answer is when to look again, if ever.
fn look(
    cluster: &mut Cluster,
    reach: &mut Reach<'_, '_>,
    entities: &mut Entities,
) -> Option<Duration> {
    if !runs(cluster, reach.infra) {
        cluster.desk.clear();
        let vapp = cluster.vapp.as_deref();
        let stands = vapp.is_some_and(|vapp| reach.infra.vapps.contains_key(vapp));
        return (cluster.self_managed && stands).then_some(IDLE);
    }
    if !is_let_in(cluster, reach.ctx) {
        cluster.desk.clear();
        return Some(IDLE);
    }
    if cluster.deletion == Deletion::Ordered {
        deletion::step(cluster, reach, entities);
        return Some(cluster.balancer.pause());
    }
    let entity = entities.get(&cluster.home.rde_id);
    let Some(entity) = entity.filter(|one| one.state != RdeState::InDeletion) else {
        return cluster.self_managed.then_some(IDLE);
    };
    if cluster.self_managed {
        projector::follow(cluster, entity, reach.ctx);
    }
    let whole = cluster.nudged || reach.ctx.now >= cluster.sync_due;
    let balanced = if whole || !cluster.balancer.is_up() {
        infrastructure::balance(cluster, reach)
    } else {
        true
    };
    let built = (balanced || cluster.balancer.is_up()) && infrastructure::vapp(cluster, reach);
    if built {
        remediation::remediate(cluster, reach.ctx);
        pools::reconcile(cluster, reach.ctx);
        nodes::advance_all(cluster, reach);
        infrastructure::follow_members(cluster, reach);
    }
    if built && cluster.initialized {
        look_inside(cluster, reach);
    }
    if cluster.nudged || reach.ctx.now >= cluster.sync_due {
        cluster.nudged = false;
        cluster.sync_due = reach.ctx.now.plus(RESYNC);
        let document = status::document(cluster, reach);
        cluster.desk.put(Component::Capvcd, Edit::Status(document));
        if let Some(vapp) = &cluster.vapp {
            let vapp = format!("urn:vcloud:vapp:{vapp}");
            let resource = Resource::new("VApp", &vapp, &cluster.wanted.cluster);
            cluster.desk.put(Component::Capvcd, Edit::Add(resource));
            cluster.desk.put(Component::Capvcd, Edit::Tie(vapp));
        }
    }
    report::begin(cluster, reach.ctx, entities);
    Some(next_look(cluster, built))
}

/// What runs on the nodes of a cluster whose control plane has come up.
fn look_inside(cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    if !std::mem::replace(&mut cluster.components_up, true) {
        let wall = reach.ctx.wall;
        cluster.sets_applied = Some(wall.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string());
        cpi::start(cluster, reach);
        csi::start(cluster, reach);
    }
    cpi::step(cluster, reach);
    csi::step(cluster, reach);
}

fn next_look(cluster: &Cluster, built: bool) -> Duration {
    if !built {
        return cluster.balancer.pause();
    }
    let busy = !cluster.settled || cpi::is_busy(cluster) || csi::is_busy(cluster);
    if busy { RECHECK } else { IDLE }
}
