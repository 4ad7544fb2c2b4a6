//! Floating addresses from IP spaces: found by the claim in their description, and given back.
//!
//! Invariants:
//! - An address is given back in two steps, each a change of its own: the claim is given up, then the
//!   allocation is released. The description stays until the end, so that a repeat finds it again.
//!
//! Source: VCD `OpenAPI` 37.2, `ipSpaces`; CAPVCD and its sister projects mark an allocation
//! `USED_MANUAL` with a description, and set it to `UNUSED` before they release it.

use http::Method;

use super::VcdClient;
use super::call::Call;
use super::encode::{path_segment, query_value};
use super::error::VcdError;
use super::json;
use super::lists::{List, accepted};
use super::model::{IdName, IpAllocation};
use super::operation::Operation;
use super::paging::MAX_PAGE_SIZE;
use super::transport::Transport;
use super::wire::network::{AllocationChange, AllocationRead, Suggestion};
use crate::domain::ids::{GatewayId, TaskId};

/// Entries per page of suggestions, as CAPVCD asks for them.
const SUGGESTIONS_PER_PAGE: u16 = 10;

impl<T: Transport> VcdClient<T> {
    /// The IP spaces an edge gateway takes floating addresses from.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: no right to it, or the gateway uses none.
    /// - others: see [`VcdError::class`].
    pub async fn ip_spaces(&self, gateway: &GatewayId) -> Result<Vec<IdName>, VcdError> {
        let filter = format!("gatewayId=={gateway}");
        let list = List {
            op: Operation::LIST_IP_SPACES,
            path: "/1.0.0/ipSpaces/floatingIpSuggestions",
            query: &format!("&filter={}&sortAsc=ipSpaceRef.name", query_value(&filter)),
            page_size: SUGGESTIONS_PER_PAGE,
        };
        let found = self.list::<Suggestion>(list).await?;
        let mut spaces: Vec<IdName> = found.into_iter().map(|one| one.ip_space_ref).collect();
        spaces.sort_by(|a, b| a.id.cmp(&b.id));
        spaces.dedup();
        Ok(spaces)
    }

    /// The floating addresses allocated from an IP space, as far as the login sees them.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn ip_allocations(&self, space: &str) -> Result<Vec<IpAllocation>, VcdError> {
        let path = format!("/1.0.0/ipSpaces/{}/allocations", path_segment(space));
        let list = List {
            op: Operation::LIST_ALLOCATIONS,
            path: &path,
            query: &format!("&filter={}", query_value("type==FLOATING_IP")),
            page_size: MAX_PAGE_SIZE,
        };
        let found = self.list::<AllocationRead>(list).await?;
        Ok(found
            .into_iter()
            .map(AllocationRead::into_allocation)
            .collect())
    }

    /// Takes the next step towards giving an address back: gives up the claim, or, where none is left,
    /// releases the allocation.
    ///
    /// Repeat: safe after a read. Cancel: may leave the step done.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: already gone, or no right to it.
    /// - [`VcdError::Rejected`]: among others, while something still uses the address.
    /// - others: see [`VcdError::class`].
    pub async fn give_back_allocation(
        &self,
        space: &str,
        id: &str,
    ) -> Result<Option<TaskId>, VcdError> {
        let path = format!(
            "/1.0.0/ipSpaces/{}/allocations/{}",
            path_segment(space),
            path_segment(id)
        );
        let read = Operation::GET_ALLOCATION;
        let response = self.perform(Call::json(read, Method::GET, &path)).await?;
        let present: AllocationRead = json::read(read, response.body())?;
        if !present.is_claimed() {
            return self.remove(Operation::RELEASE_ALLOCATION, &path).await;
        }
        let op = Operation::UNCLAIM_ALLOCATION;
        let change = AllocationChange::unused(&present);
        let call =
            Call::json(op, Method::PUT, &path).body("application/json", json::write(op, &change)?);
        accepted(op, &self.perform(call).await?)
    }
}
