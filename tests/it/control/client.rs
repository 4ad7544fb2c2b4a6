//! A client of the fleet's site that meets its faults, as a replica does.

use std::sync::Arc;
use std::time::Duration;

use cse_server::sim::transport::InProcess;
use cse_server::vcd::transport::{CallLimits, Response, Transport, TransportError};
use serde_json::Value;

use crate::support::fleet::Fleet;
use crate::support::site::Ask;

/// Longest wait for an answer.
const MINUTE: Duration = Duration::from_mins(1);

/// A client of one user, who logs in with an API token.
pub(super) struct Client {
    connection: InProcess,
    org: Option<String>,
    pub(super) api_token: String,
    session: String,
}

impl Client {
    pub(super) async fn of(fleet: &Fleet, org: Option<&str>, api_token: &str) -> Self {
        let connection = InProcess::new(
            Arc::clone(&fleet.world),
            fleet.clock.clone(),
            Arc::clone(&fleet.faults),
        );
        let mut client = Self {
            connection: connection.labelled("probe"),
            org: org.map(str::to_owned),
            api_token: api_token.to_owned(),
            session: String::new(),
        };
        client.login().await;
        client
    }

    pub(super) async fn author(fleet: &Fleet) -> Self {
        let tenant = &fleet.tenants[0];
        Self::of(fleet, Some(&tenant.org), &tenant.api_token).await
    }

    /// The provider's account, which sees every cluster.
    pub(super) async fn service(fleet: &Fleet) -> Self {
        Self::of(fleet, None, &fleet.access.provider_token).await
    }

    /// Exchanges the API token; the status tells whether it was taken.
    pub(super) async fn login(&mut self) -> u16 {
        let path = match &self.org {
            Some(org) => format!("/oauth/tenant/{org}/token"),
            None => "/oauth/provider/token".to_owned(),
        };
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &self.api_token),
        ];
        let ask = Ask::post(&path)
            .header("content-type", "application/x-www-form-urlencoded")
            .form(&form);
        let answer = self.raw(ask).await.unwrap();
        let status = answer.status().as_u16();
        if status == 200 {
            let body: Value = serde_json::from_slice(answer.body()).unwrap();
            body["access_token"]
                .as_str()
                .unwrap()
                .clone_into(&mut self.session);
        }
        status
    }

    pub(super) async fn raw(&self, ask: Ask) -> Result<Response, TransportError> {
        let limits = CallLimits {
            timeout: MINUTE,
            max_body_bytes: 16 * 1024 * 1024,
        };
        self.connection.send(ask.request(), limits).await
    }

    pub(super) async fn send(&self, ask: Ask) -> Result<Response, TransportError> {
        self.raw(ask.by(&self.session)).await
    }

    pub(super) async fn status(&self, ask: Ask) -> Option<u16> {
        let answer = self.send(ask).await;
        answer.ok().map(|response| response.status().as_u16())
    }

    /// How `times` requests are answered; 0 stands for no answer.
    pub(super) async fn statuses(&self, times: usize, ask: &Ask) -> Vec<u16> {
        let mut statuses = Vec::new();
        for _ in 0..times {
            statuses.push(self.status(ask.clone()).await.unwrap_or_default());
        }
        statuses
    }
}
