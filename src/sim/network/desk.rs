//! One networking request in hand: who asks, and what of the site it may touch.
//!
//! Invariants:
//! - "Not yours" and "does not exist" give the same answer.
//!
//! Source: VCD roles and rights, by their exact names.

use super::Services;
use super::model::{Gateway, Pool, PortProfile, VirtualService};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::infra::Infra;
use crate::sim::infra::access::{refused, sees};
use crate::sim::reply::{Problem, Reply};
use crate::sim::task_api;
use crate::sim::tasks::Starter;

/// Rights that gate the handlers, by their exact VCD names.
pub(crate) mod right {
    pub(crate) const GATEWAYS: &str = "Organization vDC Gateway: View";
    pub(crate) const BALANCERS: &str = "Organization vDC Gateway: View Load Balancer";
    pub(crate) const BALANCE: &str = "Organization vDC Gateway: Configure Load Balancer";
    pub(crate) const NAT: &str = "Organization vDC Gateway: View NAT";
    pub(crate) const TRANSLATE: &str = "Organization vDC Gateway: Configure NAT";
    pub(crate) const FIREWALL: &str = "Organization vDC Gateway: View Firewall";
    pub(crate) const NETWORKS: &str = "Organization vDC Network: View Properties";
    pub(crate) const EDIT_NETWORKS: &str = "Organization vDC Network: Edit Properties";
    pub(crate) const ALLOCATE: &str = "IP Spaces: Allocate";
    pub(crate) const SPACES: &str = "IP Spaces: View";
    pub(crate) const PRIVATE_SPACES: &str = "Private IP Spaces: View";
    pub(crate) const CERTIFICATES: &str = "Certificate Library: View";
    pub(crate) const MANAGE_CERTIFICATES: &str = "Certificate Library: Manage";

    /// All of them: what a system administrator may do.
    pub(crate) const ALL: [&str; 13] = [
        GATEWAYS,
        BALANCERS,
        BALANCE,
        NAT,
        TRANSLATE,
        FIREWALL,
        NETWORKS,
        EDIT_NETWORKS,
        ALLOCATE,
        SPACES,
        PRIVATE_SPACES,
        CERTIFICATES,
        MANAGE_CERTIFICATES,
    ];
}

/// The parts of the world that a request for a networking service needs.
pub(crate) struct Desk<'a, 'c> {
    pub(crate) call: &'a Call<'a>,
    pub(crate) ctx: &'a mut Context<'c>,
    pub(crate) infra: &'a mut Infra,
    pub(crate) services: &'a mut Services,
}

impl Desk<'_, '_> {
    /// Demands one of `rights` of the caller.
    pub(crate) fn require(&self, rights: &[&str]) -> Result<(), Problem> {
        if rights.iter().any(|right| self.call.principal.has(right)) {
            return Ok(());
        }
        let target = self.call.segments.get(2).map_or("", String::as_str);
        Err(refused(
            &rights.join(", "),
            self.call.method.as_str(),
            target,
        ))
    }

    /// Whether the caller looks into the organization `org_id`.
    pub(crate) fn sees(&self, org_id: &str) -> bool {
        sees(&self.call.principal, org_id)
    }

    /// The refusal for what is not there or not the caller's.
    pub(crate) fn missing(&self, urn: &str) -> Problem {
        let message = format!("{urn} was not found or you lack access to it.");
        if self.ctx.settings.missing_network_objects_are_404 {
            return Problem::new(404, "RESOURCE_NOT_FOUND", message);
        }
        Problem::forbidden(message)
    }

    /// The caller, as whoever starts a task.
    pub(crate) fn starter(&self) -> Starter {
        Starter::of(self.call)
    }

    /// 202 with the task in `Location`.
    pub(crate) fn accepted(&self, task: &str) -> Reply {
        task_api::accepted(self.ctx.site, task)
    }

    /// The gateway, if the caller may see it.
    pub(crate) fn gateway(&self, urn: &str) -> Result<&Gateway, Problem> {
        let found = self.services.gateways.get(bare(urn));
        found
            .filter(|gateway| urn.contains(':') && self.sees(&gateway.org_id))
            .ok_or_else(|| self.missing(urn))
    }

    /// The pool, if the caller may see it.
    pub(crate) fn pool(&self, urn: &str) -> Result<&Pool, Problem> {
        let found = self.services.pools.get(bare(urn));
        found
            .filter(|pool| self.sees(&pool.org_id))
            .ok_or_else(|| self.missing(urn))
    }

    /// The virtual service, if the caller may see it.
    pub(crate) fn virtual_service(&self, urn: &str) -> Result<&VirtualService, Problem> {
        let found = self.services.virtuals.get(bare(urn));
        found
            .filter(|service| self.sees(&service.org_id))
            .ok_or_else(|| self.missing(urn))
    }

    /// The port profile, if the caller may see it.
    pub(crate) fn profile(&self, urn: &str) -> Result<&PortProfile, Problem> {
        let found = self.services.profiles.get(bare(urn));
        found
            .filter(|profile| {
                let org = profile.org_id.as_deref();
                org.is_none_or(|org| self.sees(org))
            })
            .ok_or_else(|| self.missing(urn))
    }
}
