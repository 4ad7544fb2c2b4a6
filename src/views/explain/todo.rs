//! What a person should do about a cluster, in this order.

use super::{Case, Trouble};
use crate::domain::status::ClusterState;
use crate::views::remedy::Who;
use crate::views::situation::{Situation, silence};
use crate::views::words::printable;

impl Case<'_> {
    /// Ends with nothing where nothing is to be done.
    pub(super) fn todo(&self, wrong: &[Trouble]) -> Vec<String> {
        let mut todo = Vec::new();
        let mended = wrong.iter().any(|trouble| trouble.who != Some(Who::Itself));
        let is_tried_again = matches!(self.situation, Situation::CleaningUp | Situation::Creating);
        if mended && is_tried_again {
            todo.push(
                "Nothing has to be started: the errors are those of an attempt that is over. Mending what they name \
                 helps the next one."
                    .to_owned(),
            );
        } else if mended {
            todo.push("Do what stands at each error above.".to_owned());
        }
        todo.extend(self.steps().iter().map(|step| (*step).to_owned()));
        if silence(self.seen, self.outlook).is_some() {
            todo.push(format!(
                "See whether the replicas run: systemctl status cse-server on the machine of {}, and on the others.",
                self.seen
                    .holder
                    .as_ref()
                    .map_or_else(|| "the holder".to_owned(), |holder| printable(holder.name(), 60))
            ));
        }
        if todo.is_empty() && self.seen.summary.state != ClusterState::Provisioned {
            todo.push("Nothing; it goes on by itself.".to_owned());
        }
        todo
    }

    const fn steps(&self) -> &'static [&'static str] {
        match self.situation {
            Situation::NotManaged => &[
                "If it should be a cluster of this service, its client has to set spec.vcdKe.isVCDKECluster to true.",
            ],
            Situation::UnknownState => {
                &["Find out which server writes this state, and let that one work on it."]
            }
            Situation::New | Situation::DeletionAsked => &[
                "Wait a minute. If nobody takes it: see whether a replica runs (systemctl status cse-server on their \
                 machines, cse-server check), and whether all slots are taken (cse-server status).",
            ],
            Situation::Resuming | Situation::RolledBack => &[
                "Check that the nodes run and reach the VCD endpoint: the cluster is reported as provisioned as soon as its \
                 own status says Ready.",
                "If nobody wants it any more, mark it for deletion.",
            ],
            Situation::OriginalAtWork => &[
                "If that server is gone for good, wait for the stale interval; a replica then takes the cluster by itself.",
            ],
            Situation::EditRefused => &[
                "Until the request is corrected, nothing of it is carried out: the cluster stays as it is.",
            ],
            Situation::Stuck => &[
                "Look at the machines of the cluster in its VDC and at its Machine objects (kubectl get machines -A).",
            ],
            Situation::Failed | Situation::FailedElsewhere => &[
                "When the cause is mended: delete the cluster (mark it for deletion), wait until it is gone, create it again.",
            ],
            Situation::FailedKept => &[
                "If the errors do not say enough, look at the console of the bootstrap VM (EPHEMERAL_TEMP_VM) in the \
                 tenant's VDC while it is kept.",
                "When the cause is mended: delete the cluster (mark it for deletion), wait until it is gone, create it again.",
            ],
            Situation::DeletionRolledBack => &[
                "Mark the cluster for deletion again, and find out which client writes old copies of its entity.",
            ],
            Situation::DeletionBlocked => &[
                "Nothing has to be started afterwards: the next try goes on with the rest.",
                "If it cannot be cleared, a forced deletion (spec.vcdKe.forceDelete) removes everything else first.",
            ],
            Situation::Creating
            | Situation::Finishing
            | Situation::WentBack
            | Situation::Provisioned
            | Situation::Changing
            | Situation::Complaining
            | Situation::CleaningUp
            | Situation::Clearing
            | Situation::Deleting => &[],
        }
    }
}
