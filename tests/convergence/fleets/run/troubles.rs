//! What befalls a fleet, one trouble at a time. One that has nothing to strike does nothing.

use std::time::Duration;

use cse_server::sim::faults::{Fault, Target};
use cse_server::sim::seed::ClusterEdit;
use serde_json::{Value, json};

use super::super::hands::{self, Person};
use super::super::plan::{Removal, Trouble, What};
use super::{Run, Step};
use crate::support::client::typed::rewritten;

impl Run<'_> {
    pub(super) async fn trouble(&mut self, n: usize, trouble: &Trouble) {
        match trouble.what {
            What::Kill {
                replica,
                down,
                anew,
            } => {
                let name = self.names[replica].0.clone();
                if self.fleet.runs(&name) {
                    self.fleet.kill(&name).await;
                    self.come_back(replica, down, anew);
                }
            }
            What::Terminate {
                replica,
                down,
                anew,
            } => {
                let name = self.names[replica].0.clone();
                if self.fleet.runs(&name) {
                    self.fleet.terminate(&name);
                    self.come_back(replica, down, anew);
                }
            }
            What::Freeze { replica, lasts } => {
                let name = self.names[replica].0.clone();
                if self.fleet.runs(&name) {
                    self.fleet.freeze(&name, true);
                    self.put(self.elapsed() + lasts, Step::Thaw(name));
                }
            }
            What::Twin { replica, exact } => self.twin(replica, exact),
            What::Partition {
                replica,
                lasts,
                way,
            } => self.strike(replica, lasts, way.fault()),
            What::Slow { replica, lasts, by } => {
                self.strike(replica, lasts, Fault::Delayed(by));
            }
            What::Delete { .. }
            | What::Resize { .. }
            | What::Upgrade { .. }
            | What::Rollback { .. }
            | What::Rewrite { .. }
            | What::Remove { .. }
            | What::FailNode { .. } => self.trouble_of_a_cluster(n, trouble),
            What::Configure { .. }
            | What::Misconfigure
            | What::FailTasks { .. }
            | What::Maintenance { .. }
            | What::FailOver { .. }
            | What::QueryLag { .. }
            | What::ExpireSessions => self.trouble_of_the_site(&trouble.what),
        }
    }

    fn twin(&mut self, replica: usize, exact: bool) {
        let (twin, of) = (format!("r{replica}-twin"), &self.names[replica].0);
        match (self.fleet.runs(&twin), exact) {
            (true, _) => {}
            (false, true) if self.fleet.runs(of) => self.fleet.start_twin(&twin, of),
            (false, _) => self.fleet.start_as(&twin, of),
        }
    }

    fn trouble_of_a_cluster(&mut self, n: usize, trouble: &Trouble) {
        match trouble.what {
            What::Delete { cluster, forced } => self.delete(cluster, forced),
            What::Resize { cluster, replicas } => {
                let pool = "workers".to_owned();
                self.edit(cluster, &ClusterEdit::Resize { pool, replicas });
            }
            What::Upgrade { cluster } => self.edit(cluster, &hands::upgrade()),
            What::Rollback { cluster, .. } => self.write_back(cluster, n, false),
            What::Rewrite { cluster, .. } => self.write_back(cluster, n, true),
            What::Remove { cluster, what } => self.remove(cluster, what),
            What::FailNode { cluster, how } => {
                if let Some(story) = self.stories.get_mut(&cluster) {
                    let order = json!({"cluster": story.urn, "how": how});
                    story.node_failed |= self.fleet.try_pull(&json!({"fail_node": order})).is_ok();
                }
            }
            What::Kill { .. }
            | What::Terminate { .. }
            | What::Freeze { .. }
            | What::Partition { .. }
            | What::Slow { .. }
            | What::Twin { .. }
            | What::Configure { .. }
            | What::Misconfigure
            | What::FailTasks { .. }
            | What::Maintenance { .. }
            | What::FailOver { .. }
            | What::QueryLag { .. }
            | What::ExpireSessions => {}
        }
    }

    fn trouble_of_the_site(&self, what: &What) {
        let time = |time: &Duration| format!("{}ms", time.as_millis());
        let action = match what {
            What::Configure {
                poll,
                watcher,
                stale,
            } => return self.configure(intervals(*poll, *watcher, *stale)),
            What::Misconfigure => return self.configure(intervals(1, 10, 5)),
            What::FailTasks { operation, times } => {
                json!({"fail_task": {"operation": operation, "times": times}})
            }
            What::Maintenance { lasts } => json!({"maintenance": {"lasts": time(lasts)}}),
            What::FailOver { cut, stale } => {
                json!({"fail_over": {"cut": time(cut), "stale_for": time(stale)}})
            }
            What::QueryLag { lag, lasts } => {
                json!({"query_lag": {"lag": time(lag), "lasts": time(lasts)}})
            }
            What::ExpireSessions => json!({"expire_sessions": {}}),
            What::Kill { .. }
            | What::Terminate { .. }
            | What::Freeze { .. }
            | What::Partition { .. }
            | What::Slow { .. }
            | What::Twin { .. }
            | What::Delete { .. }
            | What::Resize { .. }
            | What::Upgrade { .. }
            | What::Rollback { .. }
            | What::Rewrite { .. }
            | What::Remove { .. }
            | What::FailNode { .. } => return,
        };
        self.fleet.pull(&action);
    }

    /// A replica that is gone is back after a while, under its old name or as a new one.
    fn come_back(&mut self, replica: usize, down: Duration, anew: bool) {
        let (name, lives) = &mut self.names[replica];
        if anew {
            *lives += 1;
            *name = format!("r{replica}-{lives}");
        }
        let name = name.clone();
        self.put(self.elapsed() + down, Step::Start(name));
    }

    fn strike(&mut self, replica: usize, lasts: Duration, fault: Fault) {
        let target = Target {
            caller: Some(self.names[replica].0.clone()),
            times: u64::MAX,
            until: Some(self.fleet.clock.now().plus(lasts)),
            ..Target::default()
        };
        self.fleet.faults.arm(target, fault);
    }

    pub(super) fn configure(&self, intervals: Value) {
        self.fleet.change(&self.configuration, |content| {
            content["profiles"][0]["serverConfig"] = intervals;
        });
    }

    fn edit(&self, cluster: usize, edit: &ClusterEdit) {
        if let Some(story) = self.stories.get(&cluster) {
            let tenant = &self.fleet.tenants[cluster % self.plan.tenants];
            hands::edit(&self.fleet, (tenant, &story.urn), edit);
        }
    }

    fn delete(&mut self, cluster: usize, forced: bool) {
        let client = &self.clients[cluster % self.plan.tenants];
        if let Some(story) = self.stories.get_mut(&cluster)
            && client.mark(&self.fleet, &story.urn, forced).is_ok()
        {
            story.marked = Some(story.marked.unwrap_or(false) || forced);
        }
    }

    fn write_back(&mut self, cluster: usize, n: usize, typed: bool) {
        let (Some(story), Some(copy)) = (self.stories.get_mut(&cluster), self.copies.remove(&n))
        else {
            return;
        };
        let content = if typed { rewritten(&copy) } else { Ok(copy) };
        let client = &self.clients[cluster % self.plan.tenants];
        if let Ok(content) = content
            && client.overwrite(&self.fleet, &story.urn, &content).is_ok()
        {
            story.rewritten = true;
        }
    }

    fn remove(&mut self, cluster: usize, what: Removal) {
        let Some(story) = self.stories.get_mut(&cluster) else {
            return;
        };
        if let Some(vm) = hands::machine(&self.fleet, &story.urn) {
            story.taken_away += 1;
            let tenant = &self.fleet.tenants[cluster % self.plan.tenants];
            let person = Person::of(&self.fleet, tenant);
            tokio::spawn(person.take_away(story.name.clone(), vm, what));
        }
    }
}

/// The intervals of a server configuration, in minutes.
fn intervals(poll: u64, watcher: u64, stale: u64) -> Value {
    json!({
        "rdePollIntervalInMin": poll,
        "heartbeatWatcherTimeoutInMin": watcher,
        "staleHeartbeatIntervalInMin": stale,
    })
}
