//! Rules that several networking objects share, and their refusals.

use super::Services;
use super::specs::EntityRef;
use crate::sim::reply::Problem;

/// A task and the object it creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Started {
    /// Bare UUID.
    pub(crate) task: String,
    /// Bare UUID.
    pub(crate) uuid: String,
}

/// Longest name accepted, in characters.
const MAX_NAME: usize = 255;

/// Demands a name that is neither empty nor too long.
pub(crate) fn require_name(name: &str) -> Result<(), Problem> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME {
        return Err(Problem::bad_request(format!(
            "name must have between 1 and {MAX_NAME} characters."
        )));
    }
    Ok(())
}

/// Demands one of the values of an enumeration.
pub(crate) fn require_one_of(field: &str, value: &str, known: &[&str]) -> Result<(), Problem> {
    if known.contains(&value) {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "{field} must be one of {}.",
        known.join(", ")
    )))
}

/// Demands an IP address.
pub(crate) fn require_address(field: &str, text: &str) -> Result<(), Problem> {
    text.parse::<std::net::IpAddr>()
        .map(|_| ())
        .ok()
        .ok_or_else(|| Problem::bad_request(format!("{field} is no IP address.")))
}

/// 400 `DUPLICATE_NAME`.
pub(crate) fn duplicate(what: &str, name: &str) -> Problem {
    let message = format!("A {what} with the name {name} already exists.");
    Problem::new(400, "DUPLICATE_NAME", message)
}

impl Services {
    /// A gateway that is free and balances load, as others refer to it.
    pub(super) fn require_balancing(&self, gateway: &str) -> Result<EntityRef, Problem> {
        let found = self.gateways.get(gateway);
        let found = found.ok_or_else(|| super::changes::gone("edge gateway", gateway))?;
        if !found.load_balancing.enabled {
            return Err(Problem::bad_request(format!(
                "Load balancing is not enabled on the edge gateway {}.",
                found.name
            )));
        }
        self.require_free("gateway", gateway)?;
        Ok(EntityRef {
            name: found.name.clone(),
            id: found.urn(),
        })
    }

    /// URN of the organization that `gateway` belongs to.
    pub(super) fn gateway_org(&self, gateway: &str) -> String {
        let found = self.gateways.get(gateway);
        found
            .map(|gateway| gateway.org_id.clone())
            .unwrap_or_default()
    }
}
