//! Whose token it is, and whether its owner may do what a creation does.

use super::{Facts, PreflightProblem, Quoted};
use crate::domain::cluster::ClusterSpec;
use crate::domain::site::Account;

/// The provider's organization; its users' tokens do not work inside clusters.
const PROVIDER: &str = "System";

/// Rights without which no cluster can be created, by VCD's names; one of each line is enough.
///
/// Fewer than the role "Kubernetes Cluster Author" holds: a role made by hand may do with these.
const NEEDED: [&[&str]; 13] = [
    &["Catalog: Add vApp from My Cloud"],
    &["Organization vDC Compute Policy: View"],
    &["Organization vDC Gateway: Configure Load Balancer"],
    &["Organization vDC Gateway: View"],
    &["Organization vDC Network: View Properties"],
    &["vApp Template / Media: View"],
    &["vApp: Allow All Extra Config"],
    &["vApp: Create / Reconfigure"],
    &["vApp: Delete"],
    &["vApp: Edit Properties"],
    &["vApp: Edit VM Properties"],
    &["vApp: Power Operations"],
    &[FULL_ACCESS, ADMINISTRATOR],
];
const FULL_ACCESS: &str = "vmware:capvcdCluster: Full Access";
/// Lets somebody work on entities that others own.
const ADMINISTRATOR: &str = "vmware:capvcdCluster: Administrator Full access";
/// Needed where machines get a disk of another size than the template's.
const DISK_SIZE: &str = "vApp: Edit VM Hard Disk";
/// Needed for the volumes of a storage class.
const NAMED_DISK: &str = "Organization vDC Named Disk: Create";
/// Needed where external addresses come from IP spaces.
const IP_SPACES: &str = "IP Spaces: Allocate";

/// Token, organization, owner and rights.
pub(super) fn check(spec: &ClusterSpec, facts: &Facts, problems: &mut Vec<PreflightProblem>) {
    let org = facts.entity.org.as_deref();
    if let Some(org) = org.filter(|org| *org != spec.org) {
        problems.push(PreflightProblem::OrganizationMismatch {
            yaml: Quoted::of(&spec.org),
            entity: Quoted::of(org),
        });
    }
    let Some(account) = &facts.account else {
        return;
    };
    if account.org.eq_ignore_ascii_case(PROVIDER) {
        problems.push(PreflightProblem::TokenOfSystemAdministrator {
            org: Quoted::of(org.unwrap_or(&spec.org)),
        });
        return;
    }
    check_owner(facts, account, problems);
    let missing = missing_rights(spec, facts, account);
    if !missing.is_empty() {
        problems.push(PreflightProblem::RightsMissing {
            user: Quoted::of(&account.user),
            rights: missing,
        });
    }
}

/// The cluster's controllers write the entity with this token: its user must be able to.
fn check_owner(facts: &Facts, account: &Account, problems: &mut Vec<PreflightProblem>) {
    let (Some(owner), Some(rights)) = (&facts.entity.owner, &account.rights) else {
        return;
    };
    if *owner != account.user_id && !account.user_id.is_empty() && !rights.contains(ADMINISTRATOR) {
        problems.push(PreflightProblem::TokenOfAnotherUser {
            user: Quoted::of(&account.user),
        });
    }
}

fn missing_rights(spec: &ClusterSpec, facts: &Facts, account: &Account) -> Vec<&'static str> {
    let Some(held) = &account.rights else {
        return Vec::new();
    };
    let mut templates =
        std::iter::once(&spec.control_plane).chain(spec.pools.iter().map(|pool| &pool.template));
    let sized = templates.any(|template| template.disk_mib.is_some());
    let floating = facts.gateway.as_ref();
    let floating = floating.is_some_and(|gateway| gateway.uses_ip_spaces);
    let further = [
        (sized, DISK_SIZE),
        (spec.storage_class.is_some(), NAMED_DISK),
        (floating, IP_SPACES),
    ];
    let needed = NEEDED.iter().filter_map(|one_of| {
        let held = one_of.iter().any(|right| held.contains(*right));
        one_of.first().filter(|_| !held).copied()
    });
    let further = further
        .into_iter()
        .filter(|(wanted, right)| *wanted && !held.contains(*right))
        .map(|(_, right)| right);
    needed.chain(further).collect()
}
