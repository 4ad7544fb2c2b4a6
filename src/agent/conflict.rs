//! Who yields when another field manager holds a field that the YAML sets.
//!
//! The entity is the truth of its cluster. Whoever wrote a field once, in passing, yields to it: a person
//! with `kubectl edit`, `clusterctl move`, an autoscaler, a controller (operation `Update`). So do those who
//! applied the same YAML before: the server at bootstrap, and `kubectl apply`. Another program that *applies*
//! the field declares it for good, as a `GitOps` tool does: taking it away would only begin a quarrel
//! without end, so the document is left alone and the quarrel is reported.
//!
//! Source: Kubernetes, server-side apply; `Status` of a conflict: one cause per field, whose message names
//! the manager and, for updates only, the API version it used.

use super::FIELD_MANAGER;

/// Appliers that yield: predecessors of the agent, and people.
const YIELDING: [&str; 4] = [FIELD_MANAGER, "cse-server", "kubectl", "before-first-apply"];

/// A field that somebody else holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    /// Such as `.spec.replicas`.
    pub(super) field: String,
    /// Who holds it.
    pub(super) manager: String,
    /// Whether the field was applied, and so claimed for good.
    applied: bool,
}

impl Clash {
    /// Reads one cause of a conflict.
    pub(super) fn read(field: &str, message: &str) -> Self {
        let quoted = message.split('"').nth(1).unwrap_or_default();
        Self {
            field: field.to_owned(),
            manager: quoted.to_owned(),
            applied: !message.contains(" using "),
        }
    }

    /// Whether the entity wins.
    pub(super) fn yields(&self) -> bool {
        !self.applied || YIELDING.contains(&self.manager.as_str())
    }
}

/// The fields and their holders, in one line.
pub(super) fn describe(clashes: &[Clash]) -> String {
    let lines = clashes
        .iter()
        .take(5)
        .map(|clash| format!("{} (held by {:?})", clash.field, clash.manager));
    lines.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passers_by_and_predecessors_yield_and_other_appliers_do_not() {
        let rows = [
            (
                "conflict with \"kubectl-edit\" using cluster.x-k8s.io/v1beta1 at 2026-03-01T09:00:00Z",
                true,
            ),
            (
                "conflict with \"clusterctl\" using cluster.x-k8s.io/v1beta1",
                true,
            ),
            (
                "conflict with \"cluster-autoscaler\" with subresource \"scale\" using autoscaling/v1",
                true,
            ),
            ("conflict with \"cse-server\"", true),
            ("conflict with \"kubectl\"", true),
            ("conflict with \"argocd-controller\"", false),
            ("no manager named", false),
        ];
        for (message, want) in rows {
            assert_eq!(
                Clash::read(".spec.replicas", message).yields(),
                want,
                "{message}"
            );
        }
    }

    #[test]
    fn a_conflict_is_told_by_field_and_holder() {
        let clash = Clash::read(".spec.replicas", "conflict with \"argocd-controller\"");
        assert_eq!(
            describe(&[clash]),
            ".spec.replicas (held by \"argocd-controller\")"
        );
    }
}
