//! What may still go wrong with a cluster, or hurts somebody who does not know it.

use super::Case;
use crate::domain::claim::Hold;
use crate::domain::cluster::CREDENTIALS_SECRET;
use crate::domain::status::ClusterState;
use crate::reconcile::failure::ROLLBACK_DETECTED;
use crate::views::cluster::Holder;
use crate::views::situation::Situation;
use crate::views::timeline::MOST_ENTRIES;
use crate::views::words::{age, printable, span};

/// Entries after which a writer drops its oldest.
const WINDOW: usize = crate::controller::document::MAX_ENTRIES;

impl Case<'_> {
    pub(super) fn risks(&self) -> Vec<String> {
        if self.situation == Situation::NotManaged {
            return Vec::new();
        }
        let risks = [
            self.configuration(),
            self.repair_is_off(),
            self.repair_is_on(),
            self.leftovers(),
            self.foreign_signature(),
            self.clock(),
            self.unresolved(),
            self.history(),
            self.open_secret(),
            self.release(),
            self.no_agent(),
            self.window(),
        ];
        risks.into_iter().flatten().collect()
    }

    fn is_wanted(&self) -> bool {
        matches!(
            self.situation,
            Situation::New | Situation::Creating | Situation::Finishing | Situation::CleaningUp
        )
    }

    fn configuration(&self) -> Option<String> {
        let waits = self.is_wanted() || self.is_deletion();
        (self.outlook.is_configured == Some(false) && waits).then(|| {
            "The shared configuration (vcdKeConfig) is missing or invalid: replicas that run keep the last good one, \
             but none can start (cse-server status says what is wrong)."
                .to_owned()
        })
    }

    fn repair_is_off(&self) -> Option<String> {
        let may_fail = matches!(self.situation, Situation::New | Situation::Creating);
        (may_fail && !self.seen.flags.auto_repair).then(|| {
            "Auto-repair (spec.vcdKe.autoRepairOnErrors) is off: if this attempt fails, nobody makes another."
                .to_owned()
        })
    }

    fn repair_is_on(&self) -> Option<String> {
        let runs = self.seen.summary.state == ClusterState::Provisioned;
        (runs && self.seen.flags.auto_repair).then(|| {
            "Auto-repair is on although the cluster is provisioned. This server never creates such a cluster again, but \
             an original server of 4.0 or 4.1.0 may delete and recreate it after an error: set \
             spec.vcdKe.autoRepairOnErrors to false."
                .to_owned()
        })
    }

    fn leftovers(&self) -> Option<String> {
        let text = match self.situation {
            Situation::Failed | Situation::FailedKept | Situation::Clearing => {
                "What was built of the cluster itself (machines, load balancer, addresses) stays and is paid for until \
                 the cluster is deleted."
            }
            Situation::FailedElsewhere => {
                "What the original server built, its bootstrap VM too, stays until the cluster is deleted."
            }
            Situation::DeletionRolledBack => {
                "The cluster is not whole any more: parts of it were removed before the old document came."
            }
            Situation::Deleting | Situation::DeletionBlocked | Situation::DeletionAsked
                if self.seen.flags.force_delete && self.seen.document.deletion.reclaims_volumes =>
            {
                "Persistent volumes are deleted with their data: the deletion is forced and the storage class says Delete."
            }
            Situation::NotManaged
            | Situation::UnknownState
            | Situation::New
            | Situation::Creating
            | Situation::Finishing
            | Situation::Resuming
            | Situation::WentBack
            | Situation::OriginalAtWork
            | Situation::Provisioned
            | Situation::Changing
            | Situation::EditRefused
            | Situation::Stuck
            | Situation::Complaining
            | Situation::CleaningUp
            | Situation::RolledBack
            | Situation::DeletionAsked
            | Situation::Deleting
            | Situation::DeletionBlocked => return None,
        };
        Some(text.to_owned())
    }

    fn foreign_signature(&self) -> Option<String> {
        let heartbeat = self.seen.summary.claim.heartbeat.as_ref()?;
        let original = matches!(self.seen.holder, Some(Holder::Original { .. }));
        (original && heartbeat.hold != Hold::Held).then(|| {
            format!(
                "An original server has signed over a record of this server; it is left to that server until its record \
                 has not changed for {}.",
                span(self.outlook.policy.foreign_takeover)
            )
        })
    }

    fn clock(&self) -> Option<String> {
        let holder = self.seen.holder.as_ref()?;
        let ahead = age(self.outlook.now, self.seen.renewed?).err()?;
        Some(format!(
            "The clock of {} is {} ahead of VCD's: ages told here are wrong by that. It does no harm to claims; set up \
             time synchronisation.",
            printable(holder.name(), 60),
            span(ahead)
        ))
    }

    fn unresolved(&self) -> Option<String> {
        let state = self.seen.entity_state.as_str();
        if state == "RESOLUTION_ERROR" {
            let why = printable(&self.seen.entity_message, 300);
            return Some(format!(
                "VCD does not accept the entity's content (RESOLUTION_ERROR{}{why}): clients cannot work with it until \
                 the content is corrected.",
                if why.is_empty() { "" } else { ": " }
            ));
        }
        let runs = self.seen.summary.state == ClusterState::Provisioned;
        (runs && state != "RESOLVED").then(|| {
            format!(
                "The entity is {state} and not RESOLVED though the cluster is provisioned: its creation task in VCD \
                 stays open, and the entity cannot be deleted until it is resolved."
            )
        })
    }

    fn history(&self) -> Option<String> {
        let rolled_back = self.seen.last_event(&[ROLLBACK_DETECTED]).is_some();
        rolled_back.then(|| {
            "Its document went back in time once (RollbackDetected): find the client or script that writes old copies of \
             the entity, or it happens again."
                .to_owned()
        })
    }

    /// CSE 4.0 keeps the token in the YAML, which everybody with access to the entity can read.
    fn open_secret(&self) -> Option<String> {
        let yaml = self.seen.content.get("spec")?.get("capiYaml")?.as_str()?;
        // The reference to the Secret has the same name; the Secret itself has data.
        let is_open = yaml.contains("refreshToken:") && yaml.contains(CREDENTIALS_SECRET);
        is_open.then(|| {
            "spec.capiYaml holds the API token in clear text, as clients of CSE 4.0 write it: whoever may read the \
             entity can use it."
                .to_owned()
        })
    }

    fn release(&self) -> Option<String> {
        if self.seen.summary.state != ClusterState::Provisioned {
            return None;
        }
        let release = printable(&self.seen.release, 40);
        let accepted = release.starts_with("4.1") || release.starts_with("4.2");
        (!accepted).then(|| {
            let found = if release.is_empty() { "missing".to_owned() } else { format!("{release:?}") };
            format!(
                "status.vcdKe.vcdKeVersion is {found}: Terraform and go-vcloud-director read a kubeconfig and change \
                 node pools only with 4.1 or 4.2."
            )
        })
    }

    fn no_agent(&self) -> Option<String> {
        if self.seen.summary.state != ClusterState::Provisioned || self.running.report.is_none() {
            return None;
        }
        let status = self.seen.content.get("status")?;
        status.get("projector").is_none().then(|| {
            "No agent and no projector has ever reported from inside the cluster: edits of spec.capiYaml may not be \
             carried out."
                .to_owned()
        })
    }

    fn window(&self) -> Option<String> {
        let events = self.seen.events.len();
        (events >= WINDOW.min(MOST_ENTRIES)).then(|| {
            format!("The event set is full ({events} entries): older events are gone from VCD; the journals of the replicas have them.")
        })
    }
}
