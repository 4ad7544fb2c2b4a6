//! What actions do to the world.

use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::changes::{Change, Changes, InForce, Values};
use super::{Action, LeverError, NodeEnd, NodeFailure, Stale};
use crate::clock::Moment;
use crate::sim::infra::effects;
use crate::sim::infra::operations;
use crate::sim::world::{self, World};

/// Characters of an API token that replaces another one.
const TOKEN_CHARS: usize = 40;

/// What levers put into the schedule.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Due {
    label: String,
    what: What,
}

#[derive(Debug, Serialize, Deserialize)]
enum What {
    /// A step of a scenario.
    Pull(Box<Action>),
    /// The end of a change, by its number.
    EndChange(u64),
    /// Reads of entities are up to date again.
    EndStale,
    /// The query service sees what is there now, and again `lag` later until that moment.
    Lag { lag: Duration, until: Moment },
}

impl Action {
    /// Finds what is wrong with the values whatever the site is like.
    ///
    /// # Errors
    /// [`LeverError`]: names the field.
    pub(super) fn check(&self) -> Result<(), LeverError> {
        match self {
            Self::Fault(order) => order.target(Moment::default()).map(drop),
            Self::Slow { .. } | Self::Set { .. } => {
                let change = self.change();
                let values = Values::default();
                change.map_or(Ok(()), |(change, _)| change.over(values).map(drop))
            }
            Self::QueryLag { lag, .. } if lag.is_zero() => {
                Err(LeverError::invalid("lag", "it is no time"))
            }
            Self::FailOver { lost_per_mille, .. } if *lost_per_mille > 1000 => {
                Err(LeverError::invalid("lost_per_mille", "it is above 1000"))
            }
            Self::FailOver { .. }
            | Self::Maintenance { .. }
            | Self::QueryLag { .. }
            | Self::ExpireSessions { .. }
            | Self::RevokeToken { .. }
            | Self::LimitPool { .. }
            | Self::FailPhase(_)
            | Self::FailTask(_)
            | Self::FailNode(_)
            | Self::AskForCluster { .. }
            | Self::CreateService { .. }
            | Self::DeleteService { .. }
            | Self::CreateVolume { .. }
            | Self::DeleteVolume { .. }
            | Self::Snapshot { .. }
            | Self::Restore { .. } => Ok(()),
        }
    }

    /// What it changes of settings and timings, and for how long.
    fn change(&self) -> Option<(Change, Option<Duration>)> {
        match self {
            Self::Slow {
                operations,
                factor,
                lasts,
            } => {
                let (operations, factor) = (operations.clone(), *factor);
                Some((Change::Slow { operations, factor }, *lasts))
            }
            Self::Set {
                settings,
                timings,
                sessions,
                lasts,
            } => {
                let change = Change::Set {
                    settings: settings.clone(),
                    timings: timings.clone(),
                    sessions: sessions.clone(),
                };
                Some((change, *lasts))
            }
            Self::Fault(_)
            | Self::Maintenance { .. }
            | Self::FailOver { .. }
            | Self::QueryLag { .. }
            | Self::ExpireSessions { .. }
            | Self::RevokeToken { .. }
            | Self::LimitPool { .. }
            | Self::FailPhase(_)
            | Self::FailTask(_)
            | Self::FailNode(_)
            | Self::AskForCluster { .. }
            | Self::CreateService { .. }
            | Self::DeleteService { .. }
            | Self::CreateVolume { .. }
            | Self::DeleteVolume { .. }
            | Self::Snapshot { .. }
            | Self::Restore { .. } => None,
        }
    }
}

impl World {
    /// Does at once what of `action` is about the world; the answer tells what came of it.
    pub(super) fn pull(
        &mut self,
        action: &Action,
        label: &str,
        at: (Moment, Timestamp),
    ) -> Result<Value, LeverError> {
        action.check()?;
        self.changes += 1;
        match action {
            Action::Fault(_) | Action::Maintenance { .. } => Ok(json!({})),
            Action::FailOver {
                lost_per_mille,
                stale_for,
                ..
            } => Ok(self.fail_over(*lost_per_mille, *stale_for, (label, at.0))),
            Action::QueryLag { lag, lasts } => {
                self.lag_behind((*lag, at.0.plus(*lasts)), (label, at.0));
                Ok(json!({}))
            }
            Action::ExpireSessions { org, user } => {
                self.expire_sessions(org.as_deref(), user.as_deref())
            }
            Action::RevokeToken { org, user, replace } => self.revoke_tokens((org, user), *replace),
            Action::LimitPool { network, free } => self.leave_free(network, *free),
            Action::FailPhase(failure) => {
                self.infra.actors.order(failure.clone(), label);
                Ok(json!({}))
            }
            Action::FailTask(failure) => {
                self.tasks.order(failure.clone(), label);
                Ok(json!({}))
            }
            Action::Slow { .. } | Action::Set { .. } => self.change(action, (label, at.0)),
            Action::FailNode(failure) => self.fail_node(failure, at),
            Action::AskForCluster { org, name, workers } => {
                self.ask_for_cluster((org, name), *workers, at)
            }
            Action::CreateService {
                cluster,
                namespace,
                name,
                ports,
            } => self
                .create_load_balancer_service(cluster, (namespace, name), ports, at)
                .map(|()| json!({})),
            Action::DeleteService {
                cluster,
                namespace,
                name,
            } => self
                .delete_load_balancer_service(cluster, (namespace, name), at)
                .map(|()| json!({})),
            Action::CreateVolume {
                cluster,
                name,
                size_mib,
                retain,
            } => self
                .create_volume(cluster, name, (*size_mib, *retain), at)
                .map(|()| json!({})),
            Action::DeleteVolume { cluster, name } => {
                self.delete_volume(cluster, name, at).map(|()| json!({}))
            }
            Action::Snapshot { name } => Ok(json!({"entities": self.take_snapshot(name, at.1)})),
            Action::Restore { name } => Ok(json!({"entities": self.restore_snapshot(name, at.1)?})),
        }
    }

    /// Orders `action` for a later moment.
    pub(super) fn order(&mut self, action: &Action, label: &str, at: Moment) {
        self.put_due(label, What::Pull(Box::new(action.clone())), at);
    }

    fn put_due(&mut self, label: &str, what: What, at: Moment) {
        let label = label.to_owned();
        let due = Box::new(Due { label, what });
        self.schedule.put(at, world::Due::Lever(due));
    }

    /// Lets happen what was ordered.
    pub(crate) fn fire_lever(&mut self, due: Due, at: (Moment, Timestamp)) {
        let Due { label, what } = due;
        match what {
            What::Pull(action) => {
                let outcome = self.pull(&action, &label, at);
                self.levers.tell(&label, &action, at.1, outcome);
            }
            What::EndChange(id) => {
                let (levers, mut force) = self.in_force();
                levers.end(|one, _| one == id, &mut force);
            }
            What::EndStale => self.stale.entities = None,
            What::Lag { lag, until } => self.lag_behind((lag, until), (&label, at.0)),
        }
    }

    /// Ends what a scenario has changed, and takes back what it has ordered; false when it does not run.
    pub(super) fn stop_scenario(&mut self, name: &str) -> bool {
        self.schedule
            .retain(|due| !matches!(due, world::Due::Lever(due) if due.label == name));
        // A copy that somebody else wanted, too, is taken again at the next of its ticks.
        self.stale = Stale::default();
        let (levers, mut force) = self.in_force();
        levers.end(|_, label| label == name, &mut force);
        self.infra.actors.withdraw(name);
        self.tasks.withdraw(name);
        self.changes += 1;
        self.levers.stopped(name)
    }

    fn change(
        &mut self,
        action: &Action,
        (label, now): (&str, Moment),
    ) -> Result<Value, LeverError> {
        let Some((change, lasts)) = action.change() else {
            return Ok(json!({}));
        };
        let (levers, mut force) = self.in_force();
        match lasts {
            // By hand and for good: this is what is in force from now on.
            None if label.is_empty() => levers.rebase(&change, &mut force)?,
            None => {
                levers.begin(change, label, &mut force)?;
            }
            Some(lasts) => {
                let id = levers.begin(change, label, &mut force)?;
                self.put_due(label, What::EndChange(id), now.plus(lasts));
            }
        }
        Ok(self.values())
    }

    /// Settings, timings and limits of sessions as they are in force.
    pub fn values(&self) -> Value {
        json!({
            "settings": self.settings,
            "timings": self.timings,
            "sessions": self.sessions.limits,
        })
    }

    fn in_force(&mut self) -> (&mut Changes, InForce<'_>) {
        let force = InForce {
            timings: &mut self.timings,
            settings: &mut self.settings,
            sessions: &mut self.sessions.limits,
        };
        (&mut self.levers, force)
    }

    fn fail_over(
        &mut self,
        lost_per_mille: u32,
        stale_for: Option<Duration>,
        (label, now): (&str, Moment),
    ) -> Value {
        let rng = &mut self.rng;
        let lost = self
            .sessions
            .close_where(|_| rng.u32(0..1000) < lost_per_mille);
        if let Some(span) = stale_for {
            self.stale.entities = Some(self.entities.clone());
            self.put_due(label, What::EndStale, now.plus(span));
        }
        json!({"sessions_lost": lost})
    }

    fn lag_behind(&mut self, (lag, until): (Duration, Moment), (label, now): (&str, Moment)) {
        if now >= until {
            self.stale.records = None;
            return;
        }
        self.freeze_records();
        let next = now.plus(lag).min(until);
        self.put_due(label, What::Lag { lag, until }, next);
    }

    fn expire_sessions(
        &mut self,
        org: Option<&str>,
        user: Option<&str>,
    ) -> Result<Value, LeverError> {
        let org_id = match org {
            Some(name) => {
                let found = self.directory.org_by_name(name).map(|org| org.id.clone());
                Some(found.ok_or_else(|| LeverError::unknown("organization", name))?)
            }
            None => None,
        };
        let users = self.directory.users.values();
        let ids: Vec<&str> = users
            .filter(|one| org_id.as_ref().is_none_or(|id| one.org_id == *id))
            .filter(|one| user.is_none_or(|name| one.name == name))
            .map(|one| one.id.as_str())
            .collect();
        if let (true, Some(name)) = (ids.is_empty(), user) {
            return Err(LeverError::unknown("user", name));
        }
        let ended = self
            .sessions
            .close_where(|session| ids.contains(&session.user_id.as_str()));
        Ok(json!({"sessions_ended": ended}))
    }

    fn revoke_tokens(
        &mut self,
        (org, user): (&str, &str),
        replace: bool,
    ) -> Result<Value, LeverError> {
        let found = self.directory.org_by_name(org);
        let org_id = found.ok_or_else(|| LeverError::unknown("organization", org))?;
        let mut users = self.directory.users.values();
        let found = users.find(|one| one.org_id == org_id.id && one.name == user);
        let id = found
            .ok_or_else(|| LeverError::unknown("user", user))?
            .id
            .clone();
        let tokens: Vec<String> = self
            .directory
            .api_tokens
            .iter()
            .filter(|(_, owner)| **owner == id)
            .map(|(token, _)| token.clone())
            .collect();
        for token in &tokens {
            self.revoke_api_token(token);
        }
        let mut told = json!({"revoked": tokens.len()});
        if replace {
            let rng = &mut self.rng;
            let token: String = std::iter::repeat_with(|| rng.alphanumeric())
                .take(TOKEN_CHARS)
                .collect();
            self.add_api_token(&id, &token);
            if let Some(members) = told.as_object_mut() {
                members.insert("api_token".to_owned(), json!(token));
            }
        }
        Ok(told)
    }

    /// Sets the end of a network's pool so that `free` addresses are left.
    fn leave_free(&mut self, name: &str, free: u32) -> Result<Value, LeverError> {
        let mut networks = self.infra.networks.values_mut();
        let network = networks.find(|network| network.name == name);
        let network = network.ok_or_else(|| LeverError::unknown("network", name))?;
        let first = u32::from(network.pool.0);
        let host_bits = 32_u32.saturating_sub(u32::from(network.prefix));
        let hosts = 1_u32.checked_shl(host_bits).unwrap_or(u32::MAX);
        let broadcast = (u32::from(network.gateway) | hosts.saturating_sub(1)).max(first);
        let mut left = free;
        let mut last = first;
        // The pool ends before the first address that would be one too many.
        while last < broadcast.saturating_sub(1) {
            let taken = network.used.contains_key(&Ipv4Addr::from(last));
            if !taken && left == 0 {
                break;
            }
            left -= u32::from(!taken);
            last += 1;
        }
        network.pool.1 = Ipv4Addr::from(last.saturating_sub(1));
        Ok(json!({"free": free - left}))
    }

    fn fail_node(
        &mut self,
        failure: &NodeFailure,
        at: (Moment, Timestamp),
    ) -> Result<Value, LeverError> {
        let all = failure.cluster == "*";
        let entities = self.entities.iter();
        let clusters: Vec<String> = entities
            .filter(|entity| entity.rules.nss == "capvcdCluster")
            .filter(|entity| all || entity.id == failure.cluster || entity.name == failure.cluster)
            .map(|entity| entity.id.clone())
            .collect();
        if clusters.is_empty() && !all {
            return Err(LeverError::unknown("cluster", &failure.cluster));
        }
        let mut lost = Vec::new();
        for cluster in &clusters {
            match self.node_of(cluster, failure.node.as_deref()) {
                Some((name, uuid)) => {
                    self.end_node(cluster, uuid, (failure.how, at))?;
                    lost.push(name);
                }
                // Of all clusters, some may have no node yet.
                None if all => {}
                None => {
                    let name = failure.node.as_deref().unwrap_or("(any)");
                    return Err(LeverError::unknown("node", name));
                }
            }
        }
        Ok(json!({"nodes": lost}))
    }

    /// Name and bare UUID of a node of the cluster: the one called `name`, or the first worker there is.
    fn node_of(&self, cluster: &str, name: Option<&str>) -> Option<(String, String)> {
        let infra = &self.infra;
        let is_its = |vapp: &str| {
            let metadata = infra.vapps.get(vapp).map(|vapp| &vapp.metadata);
            metadata.is_some_and(|all| all.values().any(|one| one.value == cluster))
        };
        let its = infra.vms.values().filter(|vm| is_its(&vm.vapp));
        let mut nodes: Vec<(bool, &str, &str)> = its
            .filter(|vm| name.is_none_or(|name| vm.name == name))
            .map(|vm| {
                let (name, uuid) = (vm.name.as_str(), vm.uuid.as_str());
                (name.contains("control-plane"), name, uuid)
            })
            .collect();
        nodes.sort_unstable();
        let (_, name, uuid) = nodes.first()?;
        Some(((*name).to_owned(), (*uuid).to_owned()))
    }

    fn end_node(
        &mut self,
        cluster: &str,
        uuid: String,
        (how, at): (NodeEnd, (Moment, Timestamp)),
    ) -> Result<(), LeverError> {
        let change = match how {
            NodeEnd::PowerOff => operations::Change::PowerOff { vms: vec![uuid] },
            NodeEnd::Kubelet => return self.end_kubelet(cluster, &uuid, at),
            NodeEnd::Remove => operations::Change::DeleteVm { vm: uuid },
        };
        let (mut ctx, areas) = self.split(at.0, at.1);
        let ended = effects::apply(change, &mut ctx, areas.infra);
        ended.map_err(|problem| LeverError::invalid("node", &problem.message))
    }
}
