//! A network as machines find it, and the edge gateway behind it as load balancers do.
//!
//! Invariants:
//! - Only what decides whether a cluster can be there is read; what VCD does not say stays unknown.
//!
//! Source: VCD `OpenAPI` 37.2, `orgVdcNetworks`, `edgeGateways`, `loadBalancer`, `ipSpaces`; CAPVCD, which
//! takes the first address of the uplink's ranges that `usedIpAddresses` does not list.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use http::Method;
use serde::de::DeserializeOwned;

use super::call::Call;
use super::encode::{path_segment, query_value};
use super::error::VcdError;
use super::lists::List;
use super::model::NetworkRef;
use super::operation::Operation;
use super::paging::MAX_PAGE_SIZE;
use super::transport::Transport;
use super::wire::inventory::uuid_of;
use super::wire::uplink::{
    AssignmentRead, GatewayRead, IpSpaceRead, NetworkRead, SuggestionRead, UsedAddress,
};
use super::{VcdClient, json};
use crate::domain::cluster::AddressRange;
use crate::domain::ids::GatewayId;
use crate::domain::site::{EngineRoom, GatewayOffer, NetworkOffer};

/// Most IP spaces that are asked for room.
const MAX_SPACES: usize = 4;

/// An edge gateway and the ranges of its external addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplinks {
    /// What is known so far; load balancing and free addresses are asked for one by one.
    pub offer: GatewayOffer,
    /// First and last address of each range.
    pub ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
}

impl<T: Transport> VcdClient<T> {
    /// A network of a VDC.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: it does not exist, or there is no right to look at it.
    /// - others: see [`VcdError::class`].
    pub async fn network(&self, network: &NetworkRef) -> Result<NetworkOffer, VcdError> {
        let target = format!(
            "/1.0.0/orgVdcNetworks/urn:vcloud:network:{}",
            path_segment(uuid_of(&network.href))
        );
        let read: NetworkRead = self.get_json(Operation::GET_NETWORK, &target).await?;
        Ok(read.into_offer())
    }

    /// An edge gateway by its URN.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: it does not exist, or there is no right to look at it.
    /// - others: see [`VcdError::class`].
    pub async fn uplinks(&self, gateway: &GatewayId) -> Result<Uplinks, VcdError> {
        let target = gateway_target(gateway, "");
        let read: GatewayRead = self.get_json(Operation::GET_GATEWAY, &target).await?;
        Ok(read.into_uplinks())
    }

    /// Whether one more virtual service finds room at an edge gateway.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn engine_room(&self, gateway: &GatewayId) -> Result<EngineRoom, VcdError> {
        let filter = query_value(&format!("gatewayRef.id=={gateway}"));
        let list = List {
            op: Operation::LIST_ENGINE_GROUPS,
            path: "/1.0.0/loadBalancer/serviceEngineGroups/assignments",
            query: &format!("&filter={filter}"),
            page_size: MAX_PAGE_SIZE,
        };
        let found = self.list::<AssignmentRead>(list).await?;
        let mut here = found.iter().filter(|one| one.is_at(gateway)).peekable();
        Ok(if here.peek().is_none() {
            EngineRoom::Unassigned
        } else if here.any(AssignmentRead::has_room) {
            EngineRoom::Free
        } else {
            EngineRoom::Full
        })
    }

    /// Whether an external address of the uplinks is free, within `allowed` where that is given.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn has_free_address(
        &self,
        gateway: &GatewayId,
        (uplinks, allowed): (&Uplinks, Option<AddressRange>),
    ) -> Result<bool, VcdError> {
        let path = gateway_target(gateway, "/usedIpAddresses");
        let rows = List {
            op: Operation::LIST_USED_ADDRESSES,
            path: &path,
            query: "",
            page_size: MAX_PAGE_SIZE,
        };
        let used = self.list::<UsedAddress>(rows).await?;
        let used: BTreeSet<Ipv4Addr> = used.iter().filter_map(UsedAddress::address).collect();
        let bounds = allowed.map(AddressRange::bounds);
        let mut free = uplinks.ranges.iter().flat_map(|&(first, last)| {
            let (lowest, highest) = bounds.unwrap_or((first, last));
            let (first, last) = (first.max(lowest), last.min(highest));
            (first.to_bits()..=last.to_bits()).map(Ipv4Addr::from_bits)
        });
        // Ends at the latest one address behind as many as are in use.
        Ok(free.any(|address| !used.contains(&address)))
    }

    /// Whether an IP space of an edge gateway has an address that is unused or can be allocated; `None`
    /// where VCD does not say.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn has_floating_address(
        &self,
        gateway: &GatewayId,
    ) -> Result<Option<bool>, VcdError> {
        let filter = query_value(&format!("gatewayId=={gateway}"));
        let list = List {
            op: Operation::LIST_FLOATING_ADDRESSES,
            path: "/1.0.0/ipSpaces/floatingIpSuggestions",
            query: &format!("&filter={filter}"),
            page_size: MAX_PAGE_SIZE,
        };
        let suggestions = self.list::<SuggestionRead>(list).await?;
        if suggestions.iter().any(SuggestionRead::has_unused) {
            return Ok(Some(true));
        }
        let mut known = suggestions.len() <= MAX_SPACES;
        for suggestion in suggestions.iter().take(MAX_SPACES) {
            let space = path_segment(suggestion.space());
            let target = format!("/1.0.0/ipSpaces/{space}");
            let space: IpSpaceRead = self.get_json(Operation::GET_IP_SPACE, &target).await?;
            match space.has_room() {
                Some(true) => return Ok(Some(true)),
                Some(false) => {}
                None => known = false,
            }
        }
        Ok(known.then_some(false))
    }

    async fn get_json<R: DeserializeOwned>(
        &self,
        op: Operation,
        target: &str,
    ) -> Result<R, VcdError> {
        let response = self.perform(Call::json(op, Method::GET, target)).await?;
        json::read(op, response.body())
    }
}

fn gateway_target(gateway: &GatewayId, below: &str) -> String {
    format!("/1.0.0/edgeGateways/{gateway}{below}")
}
