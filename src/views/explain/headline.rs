//! The first sentence of an explanation, and what else is to be said of the present state.

use super::Case;
use crate::domain::status::ClusterState;
use crate::views::cluster::Holder;
use crate::views::situation::{Situation, guest_phase, silence};
use crate::views::words::{ago, count, printable, sentence, span};

/// The sentence of every situation that needs nothing of the cluster to be told.
const SENTENCES: &[(Situation, &str)] = &[
    (
        Situation::NotManaged,
        "This is no cluster of the Container Service Extension (spec.vcdKe.isVCDKECluster is not \
        true), so no server ever touches it.",
    ),
    (
        Situation::New,
        "The cluster is asked for, and no server has taken it yet.",
    ),
    (
        Situation::Finishing,
        "The cluster is complete. Its bootstrap VM is being removed; then it is reported as \
        provisioned.",
    ),
    (
        Situation::Resuming,
        "Its document went back in time while the cluster stands. Nothing is created again or \
        removed; it is reported as provisioned as soon as its own status says that it is ready.",
    ),
    (
        Situation::WentBack,
        "Its state went back to an earlier one, but its claim record says that the work was over: a \
        client or a backup wrote an old document. A server finds out from VCD what the work ended in \
        and restores the state.",
    ),
    (
        Situation::OriginalAtWork,
        "An original server works on it; replicas of this server leave it alone while its record \
        changes.",
    ),
    (
        Situation::Provisioned,
        "The cluster is provisioned and nothing is under way.",
    ),
    (
        Situation::Changing,
        "The cluster is provisioned, and what was asked for is being carried out inside it.",
    ),
    (
        Situation::EditRefused,
        "The cluster runs, but what is asked for in spec.capiYaml breaks a rule and is not followed \
        by any server.",
    ),
    (
        Situation::Stuck,
        "The cluster runs, but an operation on it gets nowhere.",
    ),
    (
        Situation::Complaining,
        "The cluster is provisioned, and a component inside it reports errors.",
    ),
    (
        Situation::Clearing,
        "The creation has failed, no further attempt is made, and the bootstrap VM is being removed.",
    ),
    (
        Situation::Failed,
        "The creation has failed, and no further attempt is made.",
    ),
    (
        Situation::FailedKept,
        "The creation has failed, and no further attempt is made. Its bootstrap VM is kept, so that \
        somebody can look at it.",
    ),
    (
        Situation::FailedElsewhere,
        "An original server reports that the cluster has failed; this server leaves it as it is.",
    ),
    (
        Situation::RolledBack,
        "Its document went back to an earlier version while the cluster exists. Nothing of it is \
        created again or removed.",
    ),
    (
        Situation::DeletionRolledBack,
        "An older version of the document was written over its deletion when parts of it were gone \
        already. Nothing is done until somebody decides.",
    ),
    (
        Situation::DeletionAsked,
        "Its deletion is asked for, and no server has begun it yet.",
    ),
    (Situation::Deleting, "The cluster is being deleted."),
    (
        Situation::DeletionBlocked,
        "The deletion cannot go on; it is tried again by itself, but what stands in the way has to be \
        cleared.",
    ),
];

impl Case<'_> {
    pub(super) fn headline(&self) -> String {
        let attempt = self.seen.document.incarnation.max(1);
        if self.situation == Situation::Creating {
            return self.creating(attempt);
        }
        if self.situation == Situation::UnknownState {
            return format!(
                "Its state is {:?}, which this server does not know: a later kind of server wrote it, and this one \
                 keeps its hands off.",
                printable(&self.seen.state_text, 40)
            );
        }
        if self.situation == Situation::CleaningUp {
            return format!(
                "Attempt {attempt} of at most {} to create it has failed. What it left is being removed, then the next \
                 attempt begins by itself.",
                self.outlook.policy.max_attempts
            );
        }
        let mut known = SENTENCES.iter();
        let found = known.find(|(situation, _)| *situation == self.situation);
        found.map_or_else(
            || sentence(self.situation.word()),
            |(_, text)| (*text).to_owned(),
        )
    }

    fn creating(&self, attempt: u32) -> String {
        let document = &self.seen.document;
        let at = match guest_phase(self.seen) {
            Some((phase, false)) => format!("its bootstrap VM is in phase {}", phase.name()),
            Some((phase, true)) if phase.next().is_none() => {
                "its bootstrap is through, and its own status is not complete yet".to_owned()
            }
            Some((phase, true)) => format!("its bootstrap VM has done phase {}", phase.name()),
            None if document.committed_vm.is_some() => {
                "its bootstrap VM is made and has not reported yet".to_owned()
            }
            None if document.committed_vapp.is_some() => {
                "its bootstrap VM is being made".to_owned()
            }
            None => "the request is being checked and the bootstrap VM prepared".to_owned(),
        };
        format!("The cluster is being created (attempt {attempt}): {at}.")
    }

    pub(super) fn now(&self) -> Vec<String> {
        let mut lines = vec![self.holder()];
        lines.extend(self.silence());
        if let Some(report) = &self.running.report {
            let pools = report.pools.iter().take(12).map(|pool| {
                let name = printable(&pool.name, 40);
                format!("{name} {} of {} nodes ready", pool.available, pool.desired)
            });
            let pools: Vec<String> = pools.collect();
            let version = report.version.as_deref().unwrap_or("an unknown version");
            let version = printable(version, 40);
            lines.push(format!("Kubernetes {version}; {}.", pools.join(", ")));
        } else if self.seen.summary.state == ClusterState::Provisioned {
            lines.push(
                "Its own controllers have reported no nodes yet, or a client dropped their report."
                    .to_owned(),
            );
        }
        if !self.running.under_way.is_empty() {
            lines.push(sentence(&printable(&self.running.under_way, 400)));
        }
        if self.is_deletion() {
            lines.push(self.way_of_deletion());
        }
        lines.retain(|line| !line.is_empty());
        lines
    }

    fn holder(&self) -> String {
        let renewed = match self.seen.renewed {
            Some(at) => format!(
                "its claim was last written {}, by its own clock",
                ago(self.outlook.now, at)
            ),
            None => "its claim has no readable time".to_owned(),
        };
        match &self.seen.holder {
            Some(Holder::Replica { name, process }) => format!(
                "Replica {} (process {}) holds it; {renewed}.",
                printable(name, 60),
                printable(process, 8)
            ),
            Some(Holder::Original { name }) => {
                format!(
                    "Held by an original server ({}); {renewed}.",
                    printable(name, 60)
                )
            }
            None if self.situation == Situation::NotManaged => String::new(),
            None if self.seen.summary.claim.heartbeat.is_none() => {
                "Nobody holds it, and no server of this kind ever did.".to_owned()
            }
            None => "Nobody holds it; whoever did has let go on purpose.".to_owned(),
        }
    }

    fn silence(&self) -> Option<String> {
        let passed = span(silence(self.seen, self.outlook)?);
        Some(format!(
            "Judging by that clock the holder has been silent for {passed}, longer than any that lives. One look \
             cannot prove it: a claim is alive while it changes (cse-server status {} --wait).",
            printable(&self.seen.name, 40)
        ))
    }

    fn way_of_deletion(&self) -> String {
        let flags = self.seen.flags;
        let seen = &self.seen.document.deletion;
        let way = if flags.force_delete {
            "It is forced: what cannot be removed is passed by and told at the end."
        } else {
            "It is not forced: it stops at what cannot be removed."
        };
        let volumes = if flags.force_delete && seen.reclaims_volumes {
            "Persistent volumes go, too."
        } else {
            "Persistent volumes stay as named disks."
        };
        let left = count(self.seen.errors.len(), "problem stands", "problems stand");
        if self.seen.errors.is_empty() {
            format!("{way} {volumes}")
        } else {
            format!(
                "{way} {volumes} {} in the way.",
                sentence(&left).trim_end_matches('.')
            )
        }
    }
}
