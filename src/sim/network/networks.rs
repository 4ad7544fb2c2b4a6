//! Organization VDC networks: what may be created, replaced and deleted through the `OpenAPI`.
//!
//! Invariants:
//! - Addresses in use survive a change of the pool; a network in use is not deleted.
//!
//! Not here: requests and documents (`network_api`), the legacy view (`infra::vdcs`).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Services;
use super::changes::{Edit, gone};
use super::model::{NetworkDetails, Range};
use crate::sim::context::Context;
use crate::sim::infra::Infra;
use crate::sim::infra::site::Network;
use crate::sim::reply::Problem;

/// A network as it is to become.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NewNetwork {
    pub(crate) name: String,
    /// Bare UUID.
    pub(crate) vdc: String,
    pub(crate) gateway: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) dns: Ipv4Addr,
    pub(crate) pool: Range,
    pub(crate) details: NetworkDetails,
}

/// Lets a change of a network happen.
pub(super) fn apply(
    uuid: &str,
    edit: Edit<NewNetwork>,
    ctx: &mut Context<'_>,
    (infra, services): (&mut Infra, &mut Services),
) -> Result<(), Problem> {
    let (effect, new) = match edit {
        Edit::Create(new) => ("network.created", *new),
        Edit::Replace(new) => ("network.updated", *new),
        Edit::Delete => {
            require_unused(uuid, infra)?;
            let removed = infra.networks.remove(uuid);
            let network = removed.ok_or_else(|| gone("network", uuid))?;
            services.networks.remove(uuid);
            ctx.history.count("network.deleted", &network.name);
            return Ok(());
        }
    };
    ctx.history.count(effect, &new.name);
    let known = infra.networks.remove(uuid);
    let used = known.map(|network| network.used);
    let network = Network {
        uuid: uuid.to_owned(),
        name: new.name,
        vdc: new.vdc,
        gateway: new.gateway,
        prefix: new.prefix,
        dns: new.dns,
        pool: (new.pool.first, new.pool.last),
        used: used.unwrap_or_else(BTreeMap::new),
    };
    infra.networks.insert(uuid.to_owned(), network);
    services.networks.insert(uuid.to_owned(), new.details);
    Ok(())
}

/// Refuses while a vApp is connected to the network or a machine has one of its addresses.
pub(super) fn require_unused(uuid: &str, infra: &Infra) -> Result<(), Problem> {
    let mut connected = infra.vapps.values().flat_map(|vapp| &vapp.networks);
    let found = infra.networks.get(uuid);
    let used = found.is_some_and(|network| !network.used.is_empty());
    if used || connected.any(|network| network.parent.as_deref() == Some(uuid)) {
        let name = found.map(|network| network.name.as_str());
        return Err(Problem::bad_request(format!(
            "The network {} cannot be deleted: it is in use.",
            name.unwrap_or(uuid)
        )));
    }
    Ok(())
}
