//! What machines are made from: templates and their versions, compute policies.

use super::{Facts, Findings, Group, Lookup, PreflightNote, PreflightProblem, Quoted};
use crate::domain::cluster::ClusterSpec;
use crate::domain::site::{PolicyOffer, TemplateState};
use crate::domain::tkg::{OLDEST_RELEASE, Release, is_known_image, kubernetes_of};

/// Templates, versions and policies of all groups.
pub(super) fn check(spec: &ClusterSpec, facts: &Facts, groups: &[Group<'_>], found: &mut Findings) {
    check_release(spec, facts, found);
    check_workers(spec, groups, &mut found.problems);
    check_templates(facts, groups, &mut found.problems);
    check_images(facts, groups, found);
    check_bootstrap_policy(spec, facts, &mut found.problems);
    for group in groups {
        check_policies(spec, facts, group, &mut found.problems);
    }
}

/// Too old is hopeless. Outside of what Cluster API was tested with works more often than not, and is
/// what the vendor's default configuration amounts to: worth a note only.
fn check_release(spec: &ClusterSpec, facts: &Facts, found: &mut Findings) {
    let version = spec.kubernetes_version.as_str();
    let Some(release) = Release::parse(version) else {
        return;
    };
    if release < OLDEST_RELEASE {
        found
            .problems
            .push(PreflightProblem::KubernetesUnsupported {
                version: Quoted::of(version),
            });
        return;
    }
    let tested = Release::parse(&facts.setup.cluster_api).and_then(Release::tested_minors);
    if let Some((oldest, newest)) = tested
        && (release.major != 1 || release.minor < oldest || release.minor > newest)
    {
        found.notes.push(PreflightNote::KubernetesUntested {
            version: Quoted::of(version),
            cluster_api: Quoted::of(&facts.setup.cluster_api),
            oldest,
            newest,
        });
    }
}

/// Kubelets must not be newer than the API server.
fn check_workers(spec: &ClusterSpec, groups: &[Group<'_>], problems: &mut Vec<PreflightProblem>) {
    let control_plane = Release::parse(&spec.kubernetes_version);
    for group in groups {
        let Some(version) = group.version else {
            continue;
        };
        if Release::parse(version) > control_plane {
            problems.push(PreflightProblem::WorkersAhead {
                group: group.label.clone(),
                version: Quoted::of(version),
                control_plane: Quoted::of(&spec.kubernetes_version),
            });
        }
    }
}

fn state_of<'f>(facts: &'f Facts, group: &Group<'_>) -> &'f TemplateState {
    let wanted = group.template;
    let mut offers = facts.templates.iter();
    offers
        .find(|offer| offer.catalog == wanted.catalog && offer.name == wanted.template)
        .map_or(&TemplateState::Unknown, |offer| &offer.state)
}

/// Whether the templates are there and complete.
pub(super) fn check_templates(
    facts: &Facts,
    groups: &[Group<'_>],
    problems: &mut Vec<PreflightProblem>,
) {
    for group in groups {
        let name = || Quoted::of(&group.template.template);
        match state_of(facts, group) {
            TemplateState::Absent => problems.push(PreflightProblem::TemplateNotFound {
                name: name(),
                catalog: Quoted::of(&group.template.catalog),
            }),
            TemplateState::Unfinished => {
                problems.push(PreflightProblem::TemplateUnfinished { name: name() });
            }
            TemplateState::Unknown | TemplateState::Ready { .. } => {}
        }
    }
}

/// Whether the templates are TKG images of the version asked for.
fn check_images(facts: &Facts, groups: &[Group<'_>], found: &mut Findings) {
    for group in groups {
        let TemplateState::Ready { version } = state_of(facts, group) else {
            continue;
        };
        let name = Quoted::of(&group.template.template);
        let Some(version) = version else {
            found
                .problems
                .push(PreflightProblem::TemplateNoImage { name });
            continue;
        };
        let holds = kubernetes_of(version);
        if let Some(asked) = group.version.filter(|asked| *asked != holds) {
            found.problems.push(PreflightProblem::TemplateVersion {
                name,
                holds: Quoted::of(holds),
                group: group.label.clone(),
                asked: Quoted::of(asked),
            });
        } else if !is_known_image(version) {
            let version = Quoted::of(version);
            let note = PreflightNote::ImageUnknown { name, version };
            if !found.notes.contains(&note) {
                found.notes.push(note);
            }
        }
    }
}

fn policy<'f>(facts: &'f Facts, name: &str) -> Option<Result<&'f PolicyOffer, ()>> {
    let policies = facts.policies.as_ref()?;
    Some(policies.iter().find(|policy| policy.name == name).ok_or(()))
}

/// The bootstrap VM's policy is the provider's choice: so is what is wrong with it.
pub(super) fn check_bootstrap_policy(
    spec: &ClusterSpec,
    facts: &Facts,
    problems: &mut Vec<PreflightProblem>,
) {
    if facts.bootstrap_policy == Lookup::Absent {
        problems.push(PreflightProblem::BootstrapPolicyNotPublished {
            name: Quoted::of(&facts.setup.sizing_policy),
            vdc: Quoted::of(&spec.vdc),
        });
    }
}

fn check_policies(
    spec: &ClusterSpec,
    facts: &Facts,
    group: &Group<'_>,
    problems: &mut Vec<PreflightProblem>,
) {
    let vdc = || Quoted::of(&spec.vdc);
    if let Some(wanted) = &group.template.sizing_policy {
        let name = Quoted::of(wanted);
        match policy(facts, wanted) {
            Some(Err(())) => problems.push(PreflightProblem::SizingPolicyNotPublished {
                name,
                group: group.label.clone(),
                vdc: vdc(),
            }),
            Some(Ok(policy)) if !policy.sizing_only => {
                let group = group.label.clone();
                problems.push(PreflightProblem::SizingPolicyUnsuitable { name, group });
            }
            Some(Ok(_)) | None => {}
        }
    }
    if let Some(wanted) = &group.template.placement_policy
        && policy(facts, wanted) == Some(Err(()))
    {
        problems.push(PreflightProblem::PlacementPolicyNotPublished {
            name: Quoted::of(wanted),
            group: group.label.clone(),
            vdc: vdc(),
        });
    }
}
