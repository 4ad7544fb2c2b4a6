//! Edge gateways, and the organization networks that hang on them.
//!
//! Source: VCD `OpenAPI` 37.2, `edgeGateways` and `orgVdcNetworks`.

use super::VcdClient;
use super::encode::{filter_equal, query_value};
use super::error::VcdError;
use super::lists::List;
use super::model::{EdgeGateway, RoutedNetwork};
use super::operation::Operation;
use super::paging::MAX_PAGE_SIZE;
use super::transport::Transport;
use super::wire::network::{GatewayRead, NetworkRead};

/// Most networks VCD puts on a page.
const MAX_NETWORKS_PER_PAGE: u16 = 32;

impl<T: Transport> VcdClient<T> {
    /// The edge gateways the login can see.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn edge_gateways(&self) -> Result<Vec<EdgeGateway>, VcdError> {
        let op = Operation::LIST_GATEWAYS;
        let list = List {
            op,
            path: "/1.0.0/edgeGateways",
            query: "",
            page_size: MAX_PAGE_SIZE,
        };
        let found = self.list::<GatewayRead>(list).await?;
        let gateways = found.into_iter().map(|gateway| gateway.into_gateway(op));
        gateways.collect()
    }

    /// The organization networks of this name, with the gateways they are routed through.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn find_networks(&self, name: &str) -> Result<Vec<RoutedNetwork>, VcdError> {
        let op = Operation::LIST_NETWORKS;
        let filter = filter_equal(&[("name", name)]);
        let filter = filter.map(|filter| format!("&filter={}", query_value(&filter)));
        let list = List {
            op,
            path: "/1.0.0/orgVdcNetworks",
            query: &filter.unwrap_or_default(),
            page_size: MAX_NETWORKS_PER_PAGE,
        };
        let found = self.list::<NetworkRead>(list).await?;
        let named = found.into_iter().filter(|network| network.name == name);
        named.map(|network| network.into_network(op)).collect()
    }
}
