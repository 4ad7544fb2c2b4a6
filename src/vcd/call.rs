//! One call to VCD: the request with its headers, the one repeat after a 401, the answer checked.
//!
//! Flow: resource families build a [`Call`]; [`VcdClient::perform`] gives its successful answer.
//!
//! Invariants:
//! - Only a 401 is repeated, once, with a newly exchanged token: VCD refused before it did anything.
//! - Every request names the API version, except those that come before one is chosen.
//! - A tag is sent back byte for byte and is gone afterwards.
//! - Behind a closed fence nothing is sent but reads.
//!
//! Not here: what an error status means (`vcd::error`), tokens (`vcd::session`).
//! Source: VCD API 37.2, Accept and Content-Type rules.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH, LOCATION, USER_AGENT};
use http::{HeaderValue, Method, StatusCode};
use tracing::{Level, debug};

use super::VcdClient;
use super::error::VcdError;
use super::fence::Fence;
use super::meter::{CallMeter, Measured};
use super::operation::Operation;
use super::pacing::Pacing;
use super::refusal::{Refusal, clean};
use super::session::Access;
use super::transport::{CallLimits, Page, Request, Response, Transport};
use super::versions::ApiVersion;
use crate::domain::ids::TaskId;
use crate::domain::versioned::ETag;
use crate::telemetry::chain;

/// The organization whose objects are meant, when it is not the login's own.
const TENANT_CONTEXT: &str = "x-vmware-vcloud-tenant-context";

/// Time and size limits of the two kinds of call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) call: CallLimits,
    pub(super) page: CallLimits,
}

/// The way to one VCD, without a login.
pub(super) struct Gateway<T> {
    pub(super) transport: Arc<T>,
    pub(super) limits: Limits,
    pub(super) user_agent: HeaderValue,
    /// Shared by all logins of the process; `None` for commands that make one call after the other.
    pub(super) pacing: Option<Arc<Pacing>>,
    pub(super) meter: Option<Arc<dyn CallMeter>>,
}

impl<T: Transport> Gateway<T> {
    /// Sends one request, once, when it may.
    pub(super) async fn send(
        &self,
        op: Operation,
        mut request: Request,
        limits: CallLimits,
    ) -> Result<Response, VcdError> {
        request
            .headers_mut()
            .insert(USER_AGENT, self.user_agent.clone());
        if op == Operation::LIST_ENTITIES {
            request.extensions_mut().insert(Page);
        }
        let method = request.method().clone();
        let measured = Measured::begin(self.meter.as_ref(), &method);
        let admission = match &self.pacing {
            Some(pacing) => match pacing.admit(op).await {
                Ok(admission) => Some(admission),
                Err(error) => {
                    measured.put_off();
                    return Err(error);
                }
            },
            None => None,
        };
        let outcome = self.transport.send(request, limits).await;
        if let Some(admission) = admission {
            admission.done(&outcome);
        }
        measured.ended(&outcome);
        let response = outcome.map_err(|cause| {
            let error = VcdError::unanswered(op, cause);
            debug!(call = op.name(), %method, error = %chain(&error), "call failed");
            error
        })?;
        if !response.status().is_success() && tracing::enabled!(Level::DEBUG) {
            let refusal = Refusal::read(&response);
            debug!(
                call = op.name(),
                %method,
                request_id = refusal.request_id,
                error = %refusal,
                "call failed"
            );
        }
        tracing::trace!(
            call = op.name(),
            %method,
            status = response.status().as_u16(),
            bytes = response.body().len(),
            "answered"
        );
        Ok(response)
    }
}

/// Which of the two API families is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// `/cloudapi`: JSON.
    Json,
    /// `/api`: XML.
    Xml,
}

impl Family {
    fn accept(self, version: ApiVersion) -> String {
        match self {
            Self::Json => format!("application/json;version={version}"),
            Self::Xml => format!("application/*+xml;version={version}"),
        }
    }
}

/// A request in the making.
pub(super) struct Call {
    op: Operation,
    method: Method,
    target: String,
    family: Family,
    content_type: Option<&'static str>,
    body: Bytes,
    if_match: Option<ETag>,
    long: bool,
}

impl Call {
    /// To the JSON API; `target` is an encoded path below `/cloudapi`.
    pub(super) fn json(op: Operation, method: Method, target: &str) -> Self {
        Self::new(op, method, format!("/cloudapi{target}"), Family::Json)
    }

    /// To the XML API; `target` is an encoded path below `/api`.
    pub(super) fn xml(op: Operation, method: Method, target: &str) -> Self {
        Self::new(op, method, format!("/api{target}"), Family::Xml)
    }

    fn new(op: Operation, method: Method, target: String, family: Family) -> Self {
        let (content_type, body, if_match) = (None, Bytes::new(), None);
        Self {
            op,
            method,
            target,
            family,
            content_type,
            body,
            if_match,
            long: false,
        }
    }

    /// With a body of the given media type.
    pub(super) fn body(mut self, content_type: &'static str, body: Bytes) -> Self {
        self.content_type = Some(content_type);
        self.body = body;
        self
    }

    /// On condition that nobody wrote since `seen` was read.
    pub(super) fn if_match(mut self, seen: ETag) -> Self {
        self.if_match = Some(seen);
        self
    }

    /// Under the limits for list pages.
    pub(super) fn page(mut self) -> Self {
        self.long = true;
        self
    }
}

impl<T: Transport> VcdClient<T> {
    /// Makes the call; a 401 is answered with a new access token and one repeat.
    pub(super) async fn perform(&self, call: Call) -> Result<Response, VcdError> {
        let gateway = &*self.gateway;
        let limits = if call.long {
            gateway.limits.page
        } else {
            gateway.limits.call
        };
        let access = self.session.access(gateway, None).await?;
        self.check_fence(&call)?;
        let mut response = gateway
            .send(call.op, self.request(&call, &access)?, limits)
            .await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let access = self.session.access(gateway, Some(&access)).await?;
            self.check_fence(&call)?;
            response = gateway
                .send(call.op, self.request(&call, &access)?, limits)
                .await?;
            if response.status() == StatusCode::UNAUTHORIZED {
                let refusal = Refusal::read(&response);
                return Err(self.session.fresh_token_refused(call.op, refusal));
            }
        }
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(VcdError::refused(call.op, Refusal::read(&response)))
        }
    }

    /// Whether the call may be sent now.
    fn check_fence(&self, call: &Call) -> Result<(), VcdError> {
        let closed = self.fence.as_ref().is_some_and(Fence::is_closed);
        if !closed || call.method == Method::GET {
            return Ok(());
        }
        let message = "not sent: the claim on the cluster was not renewed in time";
        let refusal = Refusal::own(StatusCode::TOO_MANY_REQUESTS, message, None);
        Err(VcdError::Throttled {
            op: call.op,
            refusal: Box::new(refusal),
        })
    }

    fn request(&self, call: &Call, access: &Access) -> Result<Request, VcdError> {
        let mut builder = http::Request::builder()
            .method(call.method.clone())
            .uri(call.target.as_str())
            .header(ACCEPT, call.family.accept(self.version))
            .header(AUTHORIZATION, access.authorization.clone());
        if let Some(content_type) = call.content_type {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        if let Some(seen) = &call.if_match {
            builder = builder.header(IF_MATCH, seen.as_str());
        }
        if let Some(org) = &self.context {
            builder = builder.header(TENANT_CONTEXT, org.uuid());
        }
        builder
            .body(call.body.clone())
            .map_err(|error| VcdError::InvalidRequest {
                op: call.op,
                reason: error.to_string(),
            })
    }
}

/// The tag of the version that an answer shows.
pub(super) fn etag(op: Operation, response: &Response) -> Result<ETag, VcdError> {
    let raw = response
        .headers()
        .get(http::header::ETAG)
        .map(HeaderValue::as_bytes);
    raw.and_then(|raw| std::str::from_utf8(raw).ok())
        .map(ETag::new)
        .ok_or_else(|| VcdError::unreadable(op, "there is no ETag"))
}

/// The task that an accepted request started, from the `Location` header.
pub(super) fn task_location(op: Operation, response: &Response) -> Result<TaskId, VcdError> {
    let location = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| VcdError::unreadable(op, "there is no task location"))?;
    let uuid = location
        .rsplit_once("/task/")
        .map(|(_, uuid)| uuid.trim_end_matches('/'));
    uuid.and_then(|uuid| TaskId::parse(&format!("urn:vcloud:task:{uuid}")).ok())
        .ok_or_else(|| {
            VcdError::unreadable(
                op,
                format!("{:?} is no task location", clean(location, 120)),
            )
        })
}
