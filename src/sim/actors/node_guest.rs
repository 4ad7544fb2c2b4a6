//! The guest of a node: what CAPVCD's script does in it, and what it tells through guestinfo.
//!
//! Flow: cloud-init starts the script -> one phase after the other, each from `in_progress` to
//! `successful` -> exit status 0. Whoever built the VM (our controllers' model, or a real CAPVCD through
//! the API) reads the same keys.
//!
//! Invariants:
//! - The script runs once in the life of a VM; one that failed or was cut off never goes on.
//! - A phase is over when its time is over: the last one, kubeadm, takes the most of it.
//!
//! Source: CAPVCD, `cloud_init.tmpl`.

use serde::{Deserialize, Serialize};

use super::userdata::NodeScript;
use super::{Ordered, guest};
use crate::sim::context::Context;
use crate::sim::infra::Infra;
use crate::sim::timings::Timings;

/// Exit status of the script; anything but 0 is a failure.
pub(super) const EXIT: &str = "guestinfo.post_customization_script_execution_status";
pub(super) const REASON: &str = "guestinfo.post_customization_script_execution_failure_reason";
const OUTPUT: &str = "guestinfo.post_customization_cloud_init_output";
/// The phase that publishes what metering wants to know.
const METERING: &str = "guestinfo.metering.status";
/// Part of a node's time that the phases before the last one take together.
const EARLY: f64 = 0.2;

/// The script on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeRun {
    script: NodeScript,
    next: usize,
    /// The phase at `next` is in progress.
    began: bool,
}

impl NodeRun {
    /// A script about to start.
    pub(super) fn new(script: NodeScript) -> Self {
        Self {
            script,
            next: 0,
            began: false,
        }
    }
}

/// Name of a phase without the words all keys share, such as `kubeadm.node.join`.
fn short(key: &str) -> &str {
    let name = key.strip_prefix("guestinfo.").unwrap_or(key);
    let name = name.strip_prefix("postcustomization.").unwrap_or(name);
    name.strip_suffix(".status").unwrap_or(name)
}

/// Runs the script of `uuid` as far as it goes now.
pub(super) fn step(uuid: &str, ctx: &mut Context<'_>, infra: &mut Infra) {
    let Some(mut run) = infra
        .actors
        .guest(uuid)
        .and_then(|guest| guest.node.clone())
    else {
        return;
    };
    let mut goes_on = None;
    loop {
        let Some(key) = run.script.keys.get(run.next).cloned() else {
            let done = [(EXIT, "0"), (OUTPUT, "Cloud-init finished")];
            tell(uuid, infra, done);
            break;
        };
        if !run.began {
            tell(uuid, infra, [(key.as_str(), "in_progress")]);
            run.began = true;
            goes_on = Some(ctx.timings.vary(takes(&run, ctx.timings), ctx.rng));
            break;
        }
        let ordered = guest::ordered_failure(uuid, short(&key), infra);
        if ordered == Some(Ordered::Death) {
            return;
        }
        if ordered == Some(Ordered::Hang) {
            goes_on = Some(guest::RECHECK);
            break;
        }
        if ordered == Some(Ordered::Failure) {
            let reason = format!(
                "{} 1 node.sh: simulated failure of {}",
                ctx.wall,
                short(&key)
            );
            let failed = [(EXIT, "1"), (REASON, reason.as_str()), (OUTPUT, &reason)];
            tell(uuid, infra, failed);
            break;
        }
        if key == METERING {
            let published = run.script.metering.iter();
            let published: Vec<_> = published.map(|(k, v)| (k.as_str(), v.as_str())).collect();
            tell(uuid, infra, published);
        }
        tell(uuid, infra, [(key.as_str(), "successful")]);
        run.next += 1;
        run.began = false;
    }
    let Some(guest) = infra.actors.guest_mut(uuid) else {
        return;
    };
    guest.node = goes_on.is_some().then_some(run);
    if let Some(delay) = goes_on {
        guest::appoint(uuid, delay, ctx, infra);
    }
}

fn takes(run: &NodeRun, timings: &Timings) -> std::time::Duration {
    let whole = timings.node.saturating_sub(timings.power);
    let early = u32::try_from(run.script.keys.len().saturating_sub(1)).unwrap_or(u32::MAX);
    if run.next + 1 == run.script.keys.len() {
        whole.mul_f64(1.0 - EARLY)
    } else {
        whole.mul_f64(EARLY) / early.max(1)
    }
}

fn tell<'t>(uuid: &str, infra: &mut Infra, keys: impl IntoIterator<Item = (&'t str, &'t str)>) {
    let keys = keys.into_iter().map(|(key, value)| (key, value.to_owned()));
    guest::report(uuid, infra, keys);
}
