//! What a cluster waits for, who acts next, and by when.

use jiff::Timestamp;

use super::{Case, Waiting};
use crate::domain::phase::Phase;
use crate::reconcile::inspection::{kept_since, until};
use crate::views::cluster::Holder;
use crate::views::situation::{Situation, guest_phase};
use crate::views::story::phase_began;
use crate::views::words::{printable, span};

impl Case<'_> {
    pub(super) fn waits(&self) -> Vec<Waiting> {
        match self.situation {
            Situation::NotManaged | Situation::UnknownState | Situation::Provisioned => Vec::new(),
            Situation::New | Situation::DeletionAsked => vec![Self::any_replica(
                "takes it at its next poll, within seconds where one runs and has a slot free for this organization, \
                 which gets a quarter of a replica's slots at most",
            )],
            Situation::Creating => vec![self.creation()],
            Situation::Resuming => vec![Waiting {
                who: "the cluster's own controllers".to_owned(),
                what: "report in status.capvcd that the control plane is ready".to_owned(),
                by: None,
            }],
            Situation::WentBack => vec![Self::any_replica("looks into VCD and restores the state")],
            Situation::OriginalAtWork => self.original(),
            Situation::Changing => vec![self.change()],
            Situation::EditRefused => vec![Waiting {
                who: "the tenant".to_owned(),
                what: "corrects spec.capiYaml; the cluster runs on as it is".to_owned(),
                by: None,
            }],
            Situation::Stuck | Situation::Complaining | Situation::DeletionRolledBack => {
                vec![Self::person("mends what went wrong, see below")]
            }
            Situation::CleaningUp => self.repair(),
            Situation::Finishing | Situation::Clearing => vec![self.holder_or_any("removes the bootstrap VM and its vApp")],
            Situation::Failed | Situation::FailedElsewhere | Situation::RolledBack => {
                vec![Self::person("decides what becomes of it; no server does anything by itself")]
            }
            Situation::FailedKept => vec![
                Self::person("looks at the bootstrap VM if need be, and decides what becomes of the cluster"),
                self.inspection(),
            ],
            Situation::Deleting => vec![self.holder_or_any(
                "removes, in this order: what is left of the bootstrap, load balancers and addresses, machines, disks \
                 that are to go, vApps; waits two minutes for a last look; then removes the entity",
            )],
            Situation::DeletionBlocked => self.blocked(),
        }
    }

    fn any_replica(what: &str) -> Waiting {
        Waiting {
            who: "any replica".to_owned(),
            what: what.to_owned(),
            by: None,
        }
    }

    fn person(what: &str) -> Waiting {
        Waiting {
            who: "a person".to_owned(),
            what: what.to_owned(),
            by: None,
        }
    }

    fn holder_or_any(&self, what: &str) -> Waiting {
        let who = match &self.seen.holder {
            Some(Holder::Replica { name, .. }) => format!("replica {}", printable(name, 60)),
            Some(Holder::Original { name }) => {
                format!("original server {}", printable(name, 60))
            }
            None => "any replica, at its next poll".to_owned(),
        };
        Waiting {
            who,
            what: what.to_owned(),
            by: None,
        }
    }

    fn creation(&self) -> Waiting {
        let document = &self.seen.document;
        let (what, by) = match guest_phase(self.seen) {
            Some((phase, false)) => self.phase(phase),
            Some((phase, true)) => match phase.next() {
                Some(next) => (
                    format!("waits for the bootstrap VM to begin phase {}", next.name()),
                    None,
                ),
                None => (
                    format!(
                        "waits up to {} for a control plane that is ready in status.capvcd and for the kubeconfig",
                        span(self.outlook.policy.status_deadline)
                    ),
                    None,
                ),
            },
            None if document.committed_vm.is_some() => (
                "waits for the bootstrap VM to boot and to report its first phase, network"
                    .to_owned(),
                self.after(&["BootstrapVmCreated"], Phase::Network),
            ),
            None if document.committed_vapp.is_some() => {
                ("makes the bootstrap VM in its vApp".to_owned(), None)
            }
            None => (
                "checks the request against what the VDC offers and makes the bootstrap vApp"
                    .to_owned(),
                None,
            ),
        };
        Waiting {
            by,
            ..self.holder_or_any(&what)
        }
    }

    fn phase(&self, phase: Phase) -> (String, Option<Timestamp>) {
        let place = Phase::ALL.iter().take_while(|one| **one < phase).count() + 1;
        let what = format!(
            "waits for the bootstrap VM to end phase {} ({place} of {}), for {} in all",
            phase.name(),
            Phase::ALL.len(),
            span(phase.deadline())
        );
        let began = phase_began(self.seen, phase);
        let by = began.and_then(|at| at.checked_add(phase.deadline()).ok());
        (what, by)
    }

    fn after(&self, events: &[&str], phase: Phase) -> Option<Timestamp> {
        let at = self.seen.last_event(events)?.at?;
        at.checked_add(phase.deadline()).ok()
    }

    fn original(&self) -> Vec<Waiting> {
        let stale = span(self.outlook.policy.foreign_takeover);
        let takeover = format!(
            "takes it over when that server's record has not changed for {stale} (staleHeartbeatIntervalInMin), as \
             that replica has seen it"
        );
        vec![
            self.holder_or_any("goes on with it"),
            Self::any_replica(&takeover),
        ]
    }

    fn change(&self) -> Waiting {
        let deadline = span(self.outlook.policy.change_deadline);
        Waiting {
            who: "the agent and Cluster API inside the cluster".to_owned(),
            what: format!(
                "carry it out, with every server down, too; a server that follows says so when nothing has changed for {deadline}"
            ),
            by: None,
        }
    }

    fn repair(&self) -> Vec<Waiting> {
        let next = self.seen.document.incarnation.saturating_add(1);
        let failed = self.seen.last_error().and_then(|error| error.at);
        let pause = self.outlook.policy.pause_before(next);
        let begins = format!(
            "begins attempt {next} of at most {}, not sooner than",
            self.outlook.policy.max_attempts
        );
        vec![
            self.holder_or_any("removes everything that the failed attempt made"),
            Waiting {
                by: failed.and_then(|at| at.checked_add(pause).ok()),
                ..self.holder_or_any(&begins)
            },
        ]
    }

    fn inspection(&self) -> Waiting {
        let since = kept_since(&self.seen.summary);
        Waiting {
            by: since.map(|since| until(since, &self.outlook.policy)),
            ..Self::any_replica("removes the bootstrap VM at the end of the time for inspection")
        }
    }

    fn blocked(&self) -> Vec<Waiting> {
        let pause = self.seen.summary.claim.pause();
        let again = self.seen.renewed.and_then(|at| at.checked_add(pause).ok());
        vec![
            Self::person("clears what stands in the way, see below"),
            Waiting {
                by: again,
                ..Self::any_replica(&format!(
                    "tries again by itself, after a pause of {} this time and {} at most",
                    span(pause),
                    span(self.outlook.policy.max_blocked_pause)
                ))
            },
        ]
    }
}
