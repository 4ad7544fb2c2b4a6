//! NAT rules of edge gateways and the application port profiles they use, listed and deleted.
//!
//! Invariants:
//! - NAT rules are paged by cursor: the next page is asked for with what the link to it says.
//! - A list is complete or an error, as in `vcd::lists`.
//!
//! Source: VCD `OpenAPI` 37.2, `edgeGateways/{id}/nat/rules` and `applicationPortProfiles`.

use http::header::LINK;
use http::{HeaderMap, Method};

use super::VcdClient;
use super::call::Call;
use super::encode::{filter_equal, path_segment, query_value};
use super::error::VcdError;
use super::lists::List;
use super::model::NetworkObject;
use super::operation::Operation;
use super::paging::{MAX_PAGE_SIZE, MAX_PAGES, parse_page_of};
use super::transport::Transport;
use super::wire::network::Summary;
use crate::domain::ids::{GatewayId, TaskId};

impl<T: Transport> VcdClient<T> {
    /// The NAT rules of an edge gateway; their ids are no URNs.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn nat_rules(&self, gateway: &GatewayId) -> Result<Vec<NetworkObject>, VcdError> {
        let op = Operation::LIST_NAT_RULES;
        let base = format!("/1.0.0/edgeGateways/{gateway}/nat/rules?pageSize={MAX_PAGE_SIZE}");
        let (mut found, mut target) = (Vec::new(), base.clone());
        for _ in 1..=MAX_PAGES {
            let call = Call::json(op, Method::GET, &target).page();
            let response = self.perform(call).await?;
            let page = parse_page_of::<Summary>(op, response.body())?;
            let (announced, empty) = (page.result_total, page.values.is_empty());
            found.extend(page.values.into_iter().map(Summary::into_object));
            let seen = u64::try_from(found.len()).unwrap_or(u64::MAX);
            match next_cursor(response.headers()) {
                Some(cursor) if !empty => {
                    target = format!("{base}&cursor={}", query_value(&cursor));
                }
                _ if seen < announced => return Err(VcdError::cut_short(op, seen, announced)),
                _ => return Ok(found),
            }
        }
        Err(VcdError::TooManyPages {
            op,
            limit: MAX_PAGES,
        })
    }

    /// Deletes a NAT rule of an edge gateway.
    ///
    /// Repeat: safe after a read. Cancel: may leave it deleted.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: already gone, or no right to it.
    /// - [`VcdError::Busy`]: its gateway is being changed.
    /// - others: see [`VcdError::class`].
    pub async fn delete_nat_rule(
        &self,
        gateway: &GatewayId,
        id: &str,
    ) -> Result<Option<TaskId>, VcdError> {
        let path = format!(
            "/1.0.0/edgeGateways/{gateway}/nat/rules/{}",
            path_segment(id)
        );
        self.remove(Operation::DELETE_NAT_RULE, &path).await
    }

    /// The application port profiles that tenants have made.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn port_profiles(&self) -> Result<Vec<NetworkObject>, VcdError> {
        let filter = filter_equal(&[("scope", "TENANT")]).unwrap_or_default();
        let list = List {
            op: Operation::LIST_PORT_PROFILES,
            path: "/1.0.0/applicationPortProfiles",
            query: &format!("&filter={}", query_value(&filter)),
            page_size: MAX_PAGE_SIZE,
        };
        let found = self.list::<Summary>(list).await?;
        Ok(found.into_iter().map(Summary::into_object).collect())
    }

    /// Deletes an application port profile, by URN; no NAT rule may use it any more.
    ///
    /// Repeat: safe after a read. Cancel: may leave it deleted.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: already gone, or no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn delete_port_profile(&self, id: &str) -> Result<Option<TaskId>, VcdError> {
        let path = format!("/1.0.0/applicationPortProfiles/{}", path_segment(id));
        self.remove(Operation::DELETE_PORT_PROFILE, &path).await
    }
}

/// The cursor in the link whose relation is `nextPage`.
fn next_cursor(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(LINK).into_iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split('<').skip(1))
        .find_map(|link| {
            let (address, parameters) = link.split_once('>')?;
            let mut relations = parameters
                .split_once("rel=\"")?
                .1
                .split('"')
                .next()?
                .split_ascii_whitespace();
            relations.find(|relation| *relation == "nextPage")?;
            let query = address.split_once('?')?.1;
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            let (_, cursor) = pairs.find(|(key, _)| key == "cursor")?;
            Some(cursor.into_owned())
        })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_that_of_the_next_page() {
        let link = |query: &str, relation: &str| {
            format!("<https://vcd.example/x?{query}>;rel=\"{relation}\";type=\"application/json\"")
        };
        let rows = [
            (link("pageSize=1&cursor=a%2Bb", "nextPage"), Some("a+b")),
            (
                format!(
                    "{},{}",
                    link("cursor=x", "firstPage"),
                    link("cursor=y&a=b", "lastPage nextPage")
                ),
                Some("y"),
            ),
            (link("cursor=x", "previousPage"), None),
            (link("page=2", "nextPage"), None),
            ("nonsense".to_owned(), None),
        ];
        for (line, want) in rows {
            let headers = HeaderMap::from_iter([(LINK, line.parse().unwrap())]);
            assert_eq!(next_cursor(&headers).as_deref(), want, "{line}");
        }
        assert_eq!(next_cursor(&HeaderMap::new()), None);
    }
}
