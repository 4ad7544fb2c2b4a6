//! The network: its kind, its addresses, and the gateway that carries the control plane's address.

use super::{Facts, Group, Lookup, PreflightProblem, Quoted, machine_count};
use crate::domain::cluster::{AddressRange, ClusterSpec, Kind, text_at};
use crate::domain::site::{EngineRoom, GatewayOffer, NetworkKind, NetworkOffer};

/// Whether the network is there at all.
pub(super) fn check_visible(
    spec: &ClusterSpec,
    facts: &Facts,
    problems: &mut Vec<PreflightProblem>,
) {
    if facts.network == Lookup::Absent {
        problems.push(PreflightProblem::NetworkNotFound {
            name: Quoted::of(&spec.network),
            vdc: Quoted::of(&spec.vdc),
        });
    }
}

/// Network and gateway.
pub(super) fn check(
    spec: &ClusterSpec,
    facts: &Facts,
    groups: &[Group<'_>],
    problems: &mut Vec<PreflightProblem>,
) {
    check_visible(spec, facts, problems);
    if let Lookup::Found(network) = &facts.network {
        check_kind(spec, network, problems);
        check_pool(spec, network, groups, problems);
        check_ranges(spec, network, facts.gateway.as_ref(), problems);
    }
    if let Some(gateway) = &facts.gateway {
        check_gateway(spec, gateway, problems);
    }
}

fn check_kind(spec: &ClusterSpec, network: &NetworkOffer, problems: &mut Vec<PreflightProblem>) {
    let kind = match &network.kind {
        NetworkKind::Routed if network.gateway.is_some() => return,
        NetworkKind::Routed => "routed by no edge gateway that its user can see".to_owned(),
        NetworkKind::Isolated => "isolated".to_owned(),
        NetworkKind::Direct => "a direct network".to_owned(),
        NetworkKind::Other(kind) => format!("of kind {}", Quoted::of(kind)),
    };
    problems.push(PreflightProblem::NetworkUnsupported {
        name: Quoted::of(&spec.network),
        kind,
    });
}

/// Each machine takes an address of the static pool. The bootstrap VM's is free again before a later
/// roll of the nodes needs one more than there are.
fn check_pool(
    spec: &ClusterSpec,
    network: &NetworkOffer,
    groups: &[Group<'_>],
    problems: &mut Vec<PreflightProblem>,
) {
    let Some(pool) = &network.pool else { return };
    let name = Quoted::of(&spec.network);
    let needed = machine_count(groups);
    match pool.left() {
        _ if pool.limit == Some(0) => problems.push(PreflightProblem::NetworkWithoutPool { name }),
        Some(free) if free < needed => {
            problems.push(PreflightProblem::NetworkAddressesExhausted { name, needed, free });
        }
        Some(_) | None => {}
    }
}

/// Nodes and name servers must be apart from the cluster's own ranges; what the bootstrap VM talks to,
/// from its container networks.
fn check_ranges(
    spec: &ClusterSpec,
    network: &NetworkOffer,
    gateway: Option<&GatewayOffer>,
    problems: &mut Vec<PreflightProblem>,
) {
    let outside = |what, list: &[AddressRange]| -> Vec<(&'static str, AddressRange)> {
        list.iter().map(|range| (what, *range)).collect()
    };
    let subnets = outside("the subnet of the network", &network.subnets);
    let servers = outside("the name server of the network", &network.name_servers);
    let uplinks =
        gateway.map(|gateway| outside("the external subnet of the edge gateway", &gateway.subnets));
    for (what, range) in subnets.iter().chain(&servers) {
        for (cluster, own) in cluster_ranges(spec) {
            if own.overlaps(*range) {
                problems.push(PreflightProblem::NetworkRangeOverlap {
                    what,
                    range: *range,
                    cluster,
                    own,
                });
            }
        }
    }
    let uplinks = uplinks.unwrap_or_default();
    for (what, range) in subnets.iter().chain(&servers).chain(&uplinks) {
        if let Some(reserved) = range.reserved() {
            problems.push(PreflightProblem::NetworkRangeReserved {
                what,
                range: *range,
                reserved,
            });
        }
    }
}

/// The ranges of pods and services; those that are no IPv4 ranges are not judged here.
fn cluster_ranges(spec: &ClusterSpec) -> Vec<(&'static str, AddressRange)> {
    let cluster = spec.documents.of(Kind::Cluster).next();
    let range = |what, key| {
        let path = ["spec", "clusterNetwork", key, "cidrBlocks", "0"];
        Some((what, AddressRange::parse(text_at(cluster?, &path)?)?))
    };
    [
        range("the pod range", "pods"),
        range("the service range", "services"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn check_gateway(spec: &ClusterSpec, gateway: &GatewayOffer, problems: &mut Vec<PreflightProblem>) {
    let name = || Quoted::of(&gateway.name);
    if gateway.uplinks != 1 {
        problems.push(PreflightProblem::EdgeGatewayUnsupported {
            gateway: name(),
            uplinks: gateway.uplinks,
        });
    }
    if gateway.balancing == Some(false) {
        problems.push(PreflightProblem::LoadBalancerDisabled { gateway: name() });
        return;
    }
    match gateway.engines {
        Some(EngineRoom::Unassigned) => {
            problems.push(PreflightProblem::ServiceEnginesMissing { gateway: name() });
        }
        Some(EngineRoom::Full) => {
            problems.push(PreflightProblem::ServiceEnginesFull { gateway: name() });
        }
        Some(EngineRoom::Free) | None => {}
    }
    if spec.control_plane_host.is_none() && gateway.free_address == Some(false) {
        problems.push(PreflightProblem::ExternalAddressesExhausted { gateway: name() });
    }
}
