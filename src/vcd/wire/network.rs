//! Objects of the network in JSON, as far as they are read and written.
//!
//! Invariants:
//! - An object without id or name is an error of its list, never silently left out.
//!
//! Source: VCD `OpenAPI` 37.2, networking models.

use serde::{Deserialize, Serialize};

use crate::domain::ids::GatewayId;
use crate::vcd::error::VcdError;
use crate::vcd::model::{EdgeGateway, IdName, IpAllocation, NetworkObject, RoutedNetwork};
use crate::vcd::operation::Operation;

/// A virtual service, pool, NAT rule or port profile in its list.
#[derive(Deserialize)]
pub(in crate::vcd) struct Summary {
    id: String,
    name: String,
    /// `PENDING`, `CONFIGURING`, `REALIZED`, ...; profiles and rules have none.
    status: Option<String>,
}

impl Summary {
    pub(in crate::vcd) fn into_object(self) -> NetworkObject {
        let busy = self
            .status
            .is_some_and(|status| matches!(status.as_str(), "PENDING" | "CONFIGURING"));
        NetworkObject {
            id: self.id,
            name: self.name,
            busy,
        }
    }
}

/// Load balancing of a gateway.
#[derive(Deserialize)]
pub(in crate::vcd) struct Balancing {
    #[serde(default)]
    pub(in crate::vcd) enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct GatewayRead {
    id: String,
    name: String,
    org_ref: Option<IdName>,
    #[serde(default)]
    edge_gateway_uplinks: Vec<Uplink>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Uplink {
    using_ip_space: Option<bool>,
}

impl GatewayRead {
    pub(in crate::vcd) fn into_gateway(self, op: Operation) -> Result<EdgeGateway, VcdError> {
        // Before API 37.1 nothing is said, because there were no IP spaces.
        let mut uplinks = self.edge_gateway_uplinks.iter();
        Ok(EdgeGateway {
            id: gateway_id(op, &self.id)?,
            name: self.name,
            org: self.org_ref.map(|org| org.id),
            uses_ip_spaces: uplinks.any(|uplink| uplink.using_ip_space == Some(true)),
        })
    }
}

#[derive(Deserialize)]
pub(in crate::vcd) struct NetworkRead {
    pub(in crate::vcd) name: String,
    connection: Option<NetworkConnection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkConnection {
    router_ref: Option<IdName>,
}

impl NetworkRead {
    pub(in crate::vcd) fn into_network(self, op: Operation) -> Result<RoutedNetwork, VcdError> {
        let router = self.connection.and_then(|connection| connection.router_ref);
        let gateway = router.map(|router| gateway_id(op, &router.id));
        Ok(RoutedNetwork {
            name: self.name,
            gateway: gateway.transpose()?,
        })
    }
}

fn gateway_id(op: Operation, text: &str) -> Result<GatewayId, VcdError> {
    GatewayId::parse(text).map_err(|error| VcdError::unreadable(op, error.to_string()))
}

/// Unused addresses of an IP space, of which only the space is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct Suggestion {
    pub(in crate::vcd) ip_space_ref: IdName,
}

/// Usage of an allocation that somebody has claimed by hand, as CAPVCD does.
const CLAIMED: &str = "USED_MANUAL";
const UNUSED: &str = "UNUSED";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct AllocationRead {
    id: String,
    #[serde(default)]
    value: String,
    description: Option<String>,
    #[serde(default)]
    usage_state: String,
}

impl AllocationRead {
    pub(in crate::vcd) fn is_claimed(&self) -> bool {
        self.usage_state == CLAIMED
    }

    pub(in crate::vcd) fn into_allocation(self) -> IpAllocation {
        IpAllocation {
            id: self.id,
            address: self.value,
            description: self.description.unwrap_or_default(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct AllocationChange<'a> {
    id: &'a str,
    value: &'a str,
    usage_state: &'static str,
    description: &'a str,
}

impl<'a> AllocationChange<'a> {
    /// The same allocation without its claim; the description stays.
    pub(in crate::vcd) fn unused(present: &'a AllocationRead) -> Self {
        Self {
            id: &present.id,
            value: &present.value,
            usage_state: UNUSED,
            description: present.description.as_deref().unwrap_or_default(),
        }
    }
}
