//! Room for what is asked for: VMs, processors, memory, storage, and the size of disks.
//!
//! Everything is counted from below: a machine whose size is not known counts as nothing, so that no
//! cluster is refused on a guess.

use std::collections::BTreeMap;

use super::{Facts, Group, PreflightProblem, Quoted, Resource, machine_count};
use crate::domain::cluster::ClusterSpec;
use crate::domain::site::{PolicyOffer, StorageOffer};

/// Disk of a TKG image, in MiB: what machines get that ask for no size.
const IMAGE_DISK_MIB: u64 = 20 * 1024;
/// The model in which a tenant may promise its VMs more than it has.
const OVERCOMMITTED: &str = "ReservationPool";

/// The VDC as a whole, then its storage profiles.
pub(super) fn check(
    spec: &ClusterSpec,
    facts: &Facts,
    groups: &[Group<'_>],
    problems: &mut Vec<PreflightProblem>,
) {
    if !facts.vdc.enabled {
        let name = Quoted::of(&spec.vdc);
        problems.push(PreflightProblem::VdcDisabled { name });
    }
    check_counts(spec, facts, groups, problems);
    check_compute(spec, facts, groups, problems);
    check_disks(spec, facts, groups, problems);
    check_storage(spec, facts, groups, problems);
}

fn check_counts(
    spec: &ClusterSpec,
    facts: &Facts,
    groups: &[Group<'_>],
    problems: &mut Vec<PreflightProblem>,
) {
    let needed = machine_count(groups);
    let limits = &facts.vdc.limits;
    let vms = limits.vms.zip(facts.vdc.vms);
    let vms = vms.map(|(limit, used)| (Resource::Vms, limit.saturating_sub(used)));
    // How many cards are in use is not told: only a limit below what is asked for is certain.
    let nics = limits.nics.map(|limit| (Resource::Nics, limit));
    for (resource, left) in [vms, nics].into_iter().flatten() {
        if left < needed {
            problems.push(exhausted(spec, resource, needed, left));
        }
    }
}

fn exhausted(spec: &ClusterSpec, resource: Resource, needed: u64, left: u64) -> PreflightProblem {
    PreflightProblem::VdcExhausted {
        vdc: Quoted::of(&spec.vdc),
        resource,
        needed,
        left,
    }
}

fn check_compute(
    spec: &ClusterSpec,
    facts: &Facts,
    groups: &[Group<'_>],
    problems: &mut Vec<PreflightProblem>,
) {
    let limits = &facts.vdc.limits;
    if limits.allocation_model == OVERCOMMITTED {
        return;
    }
    let memory = |policy: &PolicyOffer| policy.memory_mib.unwrap_or(0);
    let cpu = |policy: &PolicyOffer| {
        let cpus = policy.cpus.unwrap_or(0);
        cpus.saturating_mul(policy.cpu_mhz.unwrap_or(0))
    };
    let rows = [
        (
            Resource::Memory,
            limits.memory_mib,
            sum(facts, groups, memory),
        ),
        // Where no policy tells the speed of its processors, one MHz must be left at least.
        (
            Resource::Cpu,
            limits.cpu_mhz,
            sum(facts, groups, cpu).max(1),
        ),
    ];
    for (resource, allowance, needed) in rows {
        if let Some(left) = allowance.left().filter(|left| *left < needed) {
            problems.push(exhausted(spec, resource, needed, left));
        }
    }
}

/// Over all machines and the bootstrap VM, as far as their policies tell.
fn sum(facts: &Facts, groups: &[Group<'_>], of: impl Fn(&PolicyOffer) -> u64) -> u64 {
    let size = |policy: Option<&str>| {
        let policies = facts.policies.iter().flatten();
        policies
            .filter(|offer| Some(offer.name.as_str()) == policy)
            .map(&of)
            .next()
            .unwrap_or(0)
    };
    let bootstrap = size(Some(&facts.setup.sizing_policy));
    groups.iter().fold(bootstrap, |sum, group| {
        let one = size(group.template.sizing_policy.as_deref());
        sum.saturating_add(one.saturating_mul(group.count))
    })
}

/// With fast provisioning disks are linked clones and keep the size of the template's.
fn check_disks(
    spec: &ClusterSpec,
    facts: &Facts,
    groups: &[Group<'_>],
    problems: &mut Vec<PreflightProblem>,
) {
    if facts.vdc.fast_provisioning != Some(true) {
        return;
    }
    for group in groups {
        if group
            .template
            .disk_mib
            .is_some_and(|size| size != IMAGE_DISK_MIB)
        {
            problems.push(PreflightProblem::DiskSizeFixed {
                group: group.label.clone(),
                vdc: Quoted::of(&spec.vdc),
            });
        }
    }
}

fn check_storage(
    spec: &ClusterSpec,
    facts: &Facts,
    groups: &[Group<'_>],
    problems: &mut Vec<PreflightProblem>,
) {
    let is_default =
        |offer: &&StorageOffer| offer.details.is_some_and(|details| details.is_default);
    let default = facts.storage.iter().find(is_default);
    let default = default.map(|offer| offer.name.as_str());
    // Space wanted per profile; a profile may be wanted without any.
    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    let mut want = |name: Option<&'_ str>, space: u64| {
        let name = name.and_then(|name| facts.storage.iter().find(|offer| offer.name == name));
        if let Some(offer) = name {
            let sum = wanted.entry(offer.name.as_str()).or_default();
            *sum = sum.saturating_add(space);
        }
    };
    want(default, IMAGE_DISK_MIB);
    for group in groups {
        let size = group.template.disk_mib.unwrap_or(IMAGE_DISK_MIB);
        let name = group.template.storage_profile.as_deref();
        want(name.or(default), size.saturating_mul(group.count));
    }
    let class = spec.storage_class.as_ref();
    let class = class.and_then(|class| class.storage_profile.as_deref());
    want(class, 0);
    let named = groups
        .iter()
        .filter_map(|group| group.template.storage_profile.as_deref());
    for name in named.chain(class) {
        if !facts.storage.iter().any(|offer| offer.name == name) {
            problems.push(PreflightProblem::StorageProfileNotFound {
                name: Quoted::of(name),
                vdc: Quoted::of(&spec.vdc),
            });
        }
    }
    for (name, needed) in wanted {
        check_profile(facts, (name, needed), problems);
    }
}

fn check_profile(facts: &Facts, (name, needed): (&str, u64), problems: &mut Vec<PreflightProblem>) {
    let offer = facts.storage.iter().find(|offer| offer.name == name);
    let Some(details) = offer.and_then(|offer| offer.details) else {
        return;
    };
    let name = Quoted::of(name);
    if !details.enabled {
        problems.push(PreflightProblem::StorageProfileDisabled { name });
    } else if let Some(left) = details.space_mib.left().filter(|left| *left < needed) {
        problems.push(PreflightProblem::StorageExhausted { name, needed, left });
    }
}
