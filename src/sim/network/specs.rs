//! What clients write about pools, virtual services, NAT rules and port profiles, field by field.
//!
//! Invariants:
//! - A field that a client leaves out or sends as `null` has VCD's default; fields nobody knows are
//!   ignored, as clients echo what newer versions gave them.
//! - Ids, states and counters are no part of a spec: whoever echoes them changes nothing.
//!
//! Source: VCD `OpenAPI` models as go-vcloud-director and CAPVCD's client send them.

use std::net::Ipv4Addr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sim::call::Call;
use crate::sim::reply::Problem;

/// Name and URN of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EntityRef {
    pub(crate) name: String,
    pub(crate) id: String,
}

/// Reads a request's body as `T`.
///
/// # Errors
/// 400 `BAD_REQUEST`: no JSON, no object, or a field of the wrong kind.
pub(crate) fn read<T: DeserializeOwned>(call: &Call<'_>) -> Result<T, Problem> {
    let mut body = call.json()?;
    if !body.is_object() {
        return Err(Problem::bad_request("The body must be a JSON object."));
    }
    strip_nulls(&mut body);
    serde_json::from_value(body)
        .map_err(|error| Problem::bad_request(format!("The body is invalid: {error}")))
}

/// Takes members that are `null` out, at every depth: they say no more than absent ones.
fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A way of telling whether members work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct HealthMonitor {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) system_defined: bool,
}

/// A member of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Member {
    pub(crate) ip_address: String,
    /// The pool's default port where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    pub(crate) ratio: u32,
    pub(crate) enabled: bool,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            ip_address: String::new(),
            port: None,
            ratio: 1,
            enabled: true,
        }
    }
}

/// What is written about a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "the fields of VCD's model")]
pub(crate) struct PoolSpec {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) gateway_ref: EntityRef,
    pub(crate) enabled: bool,
    pub(crate) algorithm: String,
    pub(crate) default_port: u16,
    /// Minutes; 0 is at once, -1 never.
    pub(crate) graceful_timeout_period: i32,
    pub(crate) passive_monitoring_enabled: bool,
    pub(crate) health_monitors: Vec<HealthMonitor>,
    pub(crate) members: Vec<Member>,
    pub(crate) member_group_ref: Option<EntityRef>,
    pub(crate) ca_certificate_refs: Vec<EntityRef>,
    pub(crate) common_name_check_enabled: bool,
    pub(crate) domain_names: Vec<String>,
    pub(crate) persistence_profile: Option<Value>,
    pub(crate) ssl_enabled: bool,
}

impl Default for PoolSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            gateway_ref: EntityRef::default(),
            enabled: true,
            algorithm: "LEAST_CONNECTIONS".to_owned(),
            default_port: 80,
            graceful_timeout_period: 1,
            passive_monitoring_enabled: true,
            health_monitors: Vec::new(),
            members: Vec::new(),
            member_group_ref: None,
            ca_certificate_refs: Vec::new(),
            common_name_check_enabled: false,
            domain_names: Vec::new(),
            persistence_profile: None,
            ssl_enabled: false,
        }
    }
}

/// How a port is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TcpUdpProfile {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) system_defined: bool,
}

/// Ports of a virtual service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServicePort {
    pub(crate) tcp_udp_profile: Option<TcpUdpProfile>,
    pub(crate) port_start: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port_end: Option<u16>,
    pub(crate) ssl_enabled: bool,
}

impl ServicePort {
    /// Last port; the first one where none is said. Go clients send 0 for "none".
    pub(crate) fn end(&self) -> u16 {
        self.port_end
            .filter(|end| *end != 0)
            .unwrap_or(self.port_start)
    }
}

/// What a virtual service understands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ApplicationProfile {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) system_defined: bool,
}

/// What is written about a virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct VirtualServiceSpec {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) enabled: bool,
    pub(crate) virtual_ip_address: String,
    pub(crate) ipv6_virtual_ip_address: String,
    pub(crate) gateway_ref: EntityRef,
    pub(crate) load_balancer_pool_ref: EntityRef,
    pub(crate) service_engine_group_ref: EntityRef,
    pub(crate) certificate_ref: Option<EntityRef>,
    pub(crate) service_ports: Vec<ServicePort>,
    pub(crate) application_profile: ApplicationProfile,
    pub(crate) transparent_mode_enabled: bool,
}

impl Default for VirtualServiceSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            enabled: true,
            virtual_ip_address: String::new(),
            ipv6_virtual_ip_address: String::new(),
            gateway_ref: EntityRef::default(),
            load_balancer_pool_ref: EntityRef::default(),
            service_engine_group_ref: EntityRef::default(),
            certificate_ref: None,
            service_ports: Vec::new(),
            application_profile: ApplicationProfile::default(),
            transparent_mode_enabled: false,
        }
    }
}

/// The revision of a NAT rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectVersion {
    pub(crate) version: u32,
}

/// What is written about a NAT rule. `rule_type` and `kind` agree once it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NatSpec {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) enabled: bool,
    /// Older spelling of `type`, without `REFLEXIVE`.
    pub(crate) rule_type: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) external_addresses: String,
    pub(crate) internal_addresses: String,
    pub(crate) application_port_profile: Option<EntityRef>,
    pub(crate) internal_port: String,
    pub(crate) dnat_external_port: String,
    pub(crate) snat_destination_addresses: String,
    pub(crate) logging: bool,
    pub(crate) firewall_match: String,
    pub(crate) priority: i32,
    #[serde(skip_serializing)]
    pub(crate) version: Option<ObjectVersion>,
    pub(crate) applied_to: Option<EntityRef>,
}

impl Default for NatSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            enabled: false,
            rule_type: None,
            kind: None,
            external_addresses: String::new(),
            internal_addresses: String::new(),
            application_port_profile: None,
            internal_port: String::new(),
            dnat_external_port: String::new(),
            snat_destination_addresses: String::new(),
            logging: false,
            firewall_match: "MATCH_INTERNAL_ADDRESS".to_owned(),
            priority: 0,
            version: None,
            applied_to: None,
        }
    }
}

/// Ports of one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ApplicationPort {
    pub(crate) protocol: String,
    pub(crate) destination_ports: Vec<String>,
}

/// What is written about an application port profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProfileSpec {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) application_ports: Vec<ApplicationPort>,
    pub(crate) org_ref: Option<EntityRef>,
    /// URN of the VDC or VDC group.
    pub(crate) context_entity_id: Option<String>,
    /// `SYSTEM`, `PROVIDER` or `TENANT`.
    pub(crate) scope: String,
}

/// A pool of addresses that DHCP hands out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DhcpPool {
    pub(crate) enabled: bool,
    pub(crate) ip_range: AddressRange,
    /// Seconds.
    pub(crate) max_lease_time: u32,
    /// Seconds.
    pub(crate) default_lease_time: u32,
}

/// Both ends of a range as the API spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AddressRange {
    pub(crate) start_address: String,
    pub(crate) end_address: String,
}

/// What is written about a network's DHCP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DhcpSpec {
    pub(crate) enabled: bool,
    /// Seconds.
    pub(crate) lease_time: u32,
    pub(crate) dhcp_pools: Vec<DhcpPool>,
    pub(crate) mode: String,
    pub(crate) ip_address: String,
    pub(crate) dns_servers: Vec<String>,
}

/// What is asked of an IP space: one value, or a number of any free ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AllocationRequest {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) quantity: Option<u32>,
    pub(crate) value: Option<Ipv4Addr>,
}

/// What is written about an allocation; the rest of it cannot be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AllocationSpec {
    pub(crate) usage_state: String,
    pub(crate) description: String,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_is_absent_and_what_nobody_knows_is_ignored() {
        let mut body = json!({
            "name": "p", "members": null, "status": "REALIZED", "defaultPort": 6443,
            "healthMonitors": [{"type": "TCP", "name": null}], "persistenceProfile": null,
        });
        strip_nulls(&mut body);
        let spec: PoolSpec = serde_json::from_value(body).unwrap();
        assert!(spec.enabled && spec.members.is_empty());
        assert_eq!((spec.default_port, spec.graceful_timeout_period), (6443, 1));
        assert_eq!(spec.health_monitors.first().unwrap().kind, "TCP");
    }

    #[test]
    fn a_port_of_zero_ends_where_it_starts() {
        for (end, want) in [(None, 80), (Some(0), 80), (Some(90), 90)] {
            let port = ServicePort {
                port_start: 80,
                port_end: end,
                ..ServicePort::default()
            };
            assert_eq!(port.end(), want);
        }
    }
}
