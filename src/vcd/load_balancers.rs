//! Load balancers of edge gateways: virtual services and their pools, listed and deleted.
//!
//! Invariants:
//! - Everything is deleted by id; names are compared by the caller, exactly.
//!
//! Source: VCD `OpenAPI` 37.2, `edgeGateways/{id}/loadBalancer` and `loadBalancer`; CAPVCD takes a
//! virtual service away before its pool.

use http::Method;

use super::VcdClient;
use super::call::Call;
use super::encode::path_segment;
use super::error::VcdError;
use super::json;
use super::lists::List;
use super::model::NetworkObject;
use super::operation::Operation;
use super::paging::MAX_PAGE_SIZE;
use super::transport::Transport;
use super::wire::network::{Balancing, Summary};
use crate::domain::ids::{GatewayId, TaskId};

impl<T: Transport> VcdClient<T> {
    /// The virtual services of an edge gateway.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn virtual_services(
        &self,
        gateway: &GatewayId,
    ) -> Result<Vec<NetworkObject>, VcdError> {
        let op = Operation::LIST_VIRTUAL_SERVICES;
        self.summaries(op, gateway, "virtualServiceSummaries").await
    }

    /// The load balancer pools of an edge gateway.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn pools(&self, gateway: &GatewayId) -> Result<Vec<NetworkObject>, VcdError> {
        let op = Operation::LIST_POOLS;
        self.summaries(op, gateway, "poolSummaries").await
    }

    async fn summaries(
        &self,
        op: Operation,
        gateway: &GatewayId,
        list: &str,
    ) -> Result<Vec<NetworkObject>, VcdError> {
        let path = format!("/1.0.0/edgeGateways/{gateway}/loadBalancer/{list}");
        let list = List {
            op,
            path: &path,
            query: "",
            page_size: MAX_PAGE_SIZE,
        };
        let found = self.list::<Summary>(list).await?;
        Ok(found.into_iter().map(Summary::into_object).collect())
    }

    /// Whether the gateway balances load at all; where it does not, it has no virtual services.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn balances_load(&self, gateway: &GatewayId) -> Result<bool, VcdError> {
        let op = Operation::GET_BALANCING;
        let path = format!("/1.0.0/edgeGateways/{gateway}/loadBalancer");
        let response = self.perform(Call::json(op, Method::GET, &path)).await?;
        Ok(json::read::<Balancing>(op, response.body())?.enabled)
    }

    /// Deletes a virtual service, by URN.
    ///
    /// Repeat: safe after a read. Cancel: may leave it deleted.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: already gone, or no right to it.
    /// - [`VcdError::Busy`]: it, or its gateway, is being changed.
    /// - others: see [`VcdError::class`].
    pub async fn delete_virtual_service(&self, id: &str) -> Result<Option<TaskId>, VcdError> {
        let path = format!("/1.0.0/loadBalancer/virtualServices/{}", path_segment(id));
        self.remove(Operation::DELETE_VIRTUAL_SERVICE, &path).await
    }

    /// Deletes a pool, by URN; no virtual service may use it any more.
    ///
    /// Repeat: safe after a read. Cancel: may leave it deleted.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: already gone, or no right to it.
    /// - [`VcdError::Busy`]: it, or its gateway, is being changed.
    /// - others: see [`VcdError::class`].
    pub async fn delete_pool(&self, id: &str) -> Result<Option<TaskId>, VcdError> {
        let path = format!("/1.0.0/loadBalancer/pools/{}", path_segment(id));
        self.remove(Operation::DELETE_POOL, &path).await
    }
}
