//! The cluster's load balancers, NAT rules, port profiles and addresses.
//!
//! Invariants:
//! - A gateway whose load balancing is off has no virtual services and is no gap; everything else that is
//!   refused is one.
//!
//! Source: names of CAPVCD and CPI; VCD `OpenAPI`, networking.

use std::collections::{BTreeMap, BTreeSet};

use super::or_gap;
use super::scope::Scope;
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::GatewayId;
use crate::reconcile::estate::{EstateItem, EstateKind, EstateSeen, Proof, Serves};
use crate::reconcile::marks;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::{EdgeGateway, IpAllocation, NetworkObject};
use crate::vcd::transport::Transport;

/// Up to so many gateways are all looked at: cheaper than finding out which one it is, and it finds what an
/// edited entity hides.
const FEW_GATEWAYS: usize = 2;

/// Adds the objects of the network.
pub(super) async fn survey<T: Transport>(
    client: &VcdClient<T>,
    scope: &Scope,
    seen: &mut EstateSeen,
) -> Result<(), VcdError> {
    let gateways = or_gap(seen, "edge gateways", client.edge_gateways().await)?;
    let gateways = narrow(client, scope, gateways.unwrap_or_default()).await?;
    for gateway in &gateways {
        survey_gateway(client, scope, gateway, seen).await?;
    }
    let profiles = client.port_profiles().await;
    let profiles = or_gap(seen, "application port profiles", profiles)?;
    add(scope, seen, (EstateKind::PortProfile, None), profiles);
    let spaces = ip_spaces(client, &gateways, seen).await?;
    for (space, name) in spaces {
        let what = format!("addresses of IP space \"{name}\"");
        let found = or_gap(seen, &what, client.ip_allocations(&space).await)?;
        let found = found.unwrap_or_default().into_iter();
        let items = found.filter_map(|one| address(scope, &space, one));
        seen.items.extend(items);
    }
    Ok(())
}

/// The gateways of the cluster's networks; all of them if they are few, or if it is not clear which.
async fn narrow<T: Transport>(
    client: &VcdClient<T>,
    scope: &Scope,
    gateways: Vec<EdgeGateway>,
) -> Result<Vec<EdgeGateway>, VcdError> {
    if gateways.len() <= FEW_GATEWAYS || scope.networks.is_empty() {
        return Ok(gateways);
    }
    let mut wanted = BTreeSet::new();
    for name in &scope.networks {
        let found = match client.find_networks(name).await {
            Ok(found) => found,
            Err(error) if error.class() == ErrorClass::Terminal => return Ok(gateways),
            Err(error) => return Err(error),
        };
        let routed: BTreeSet<GatewayId> = found.into_iter().filter_map(|one| one.gateway).collect();
        if routed.is_empty() {
            return Ok(gateways);
        }
        wanted.extend(routed);
    }
    let known = |id: &GatewayId| gateways.iter().any(|gateway| gateway.id == *id);
    if !wanted.iter().all(known) {
        return Ok(gateways);
    }
    let ours = gateways.into_iter().filter(|one| wanted.contains(&one.id));
    Ok(ours.collect())
}

async fn survey_gateway<T: Transport>(
    client: &VcdClient<T>,
    scope: &Scope,
    gateway: &EdgeGateway,
    seen: &mut EstateSeen,
) -> Result<(), VcdError> {
    let (id, name) = (&gateway.id, &gateway.name);
    let services = balanced(client, id, client.virtual_services(id).await).await;
    let services = or_gap(seen, &format!("virtual services of \"{name}\""), services)?;
    add(
        scope,
        seen,
        (EstateKind::VirtualService, Some(id)),
        services,
    );
    let pools = balanced(client, id, client.pools(id).await).await;
    let pools = or_gap(seen, &format!("load balancer pools of \"{name}\""), pools)?;
    add(scope, seen, (EstateKind::Pool, Some(id)), pools);
    let rules = client.nat_rules(id).await;
    let rules = or_gap(seen, &format!("NAT rules of \"{name}\""), rules)?;
    add(scope, seen, (EstateKind::NatRule, Some(id)), rules);
    Ok(())
}

/// The list, or an empty one if it is refused because the gateway balances no load.
async fn balanced<T: Transport>(
    client: &VcdClient<T>,
    gateway: &GatewayId,
    listed: Result<Vec<NetworkObject>, VcdError>,
) -> Result<Vec<NetworkObject>, VcdError> {
    match listed {
        Err(error) if error.class() == ErrorClass::Terminal => {
            match client.balances_load(gateway).await {
                Ok(false) => Ok(Vec::new()),
                Ok(true) | Err(_) => Err(error),
            }
        }
        other => other,
    }
}

fn add(
    scope: &Scope,
    seen: &mut EstateSeen,
    (kind, gateway): (EstateKind, Option<&GatewayId>),
    found: Option<Vec<NetworkObject>>,
) {
    let found = found.unwrap_or_default().into_iter();
    let ours = found.filter_map(|one| {
        let (serves, proof) = proof(scope, &one.id, &one.name)?;
        Some(EstateItem {
            kind,
            id: one.id,
            name: one.name,
            within: gateway.map(|gateway| gateway.as_str().to_owned()),
            serves,
            proof,
            busy: one.busy,
            attached_to: Vec::new(),
        })
    });
    seen.items.extend(ours);
}

/// Whom the object serves and why it is the cluster's; nothing if it is not.
fn proof(scope: &Scope, id: &str, name: &str) -> Option<(Serves, Proof)> {
    let entity = scope.entity.as_ref()?;
    if let Some((owner, serves)) = marks::network_object(name) {
        return (owner == *entity).then_some((serves, Proof::Named));
    }
    if let Some(serves) = scope.recorded.get(id) {
        return Some((*serves, Proof::Recorded));
    }
    marks::mentions(name, entity).then_some((Serves::Service, Proof::Unproven))
}

/// The IP spaces behind the gateways, by URN with their names.
async fn ip_spaces<T: Transport>(
    client: &VcdClient<T>,
    gateways: &[EdgeGateway],
    seen: &mut EstateSeen,
) -> Result<BTreeMap<String, String>, VcdError> {
    let mut spaces = BTreeMap::new();
    for gateway in gateways.iter().filter(|gateway| gateway.uses_ip_spaces) {
        let what = format!("IP spaces of \"{}\"", gateway.name);
        let found = or_gap(seen, &what, client.ip_spaces(&gateway.id).await)?;
        let found = found.unwrap_or_default().into_iter();
        spaces.extend(found.map(|space| (space.id, space.name)));
    }
    Ok(spaces)
}

fn address(scope: &Scope, space: &str, found: IpAllocation) -> Option<EstateItem> {
    let entity = scope.entity.as_ref()?;
    let (serves, proof) = match marks::claim(&found.description) {
        Some((owner, serves)) => (owner == *entity).then_some((serves, Proof::Marked)),
        None => marks::mentions(&found.description, entity)
            .then_some((Serves::Service, Proof::Unproven)),
    }?;
    Some(EstateItem {
        kind: EstateKind::AddressClaim,
        id: found.id,
        name: found.address,
        within: Some(space.to_owned()),
        serves,
        proof,
        busy: false,
        attached_to: Vec::new(),
    })
}
