//! What time it is for VCD: the `Date` of an answer.
//!
//! Source: RFC 9110, `Date`: an origin server with a clock sends it with every answer.

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, DATE};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::VcdClient;
use super::operation::Operation;
use super::transport::{Response, Transport};

impl<T: Transport> VcdClient<T> {
    /// The date of VCD's clock, or that of the load balancer before it; `None` when nobody tells.
    ///
    /// Whole seconds. Asks for the list of API versions, which needs no login. Repeat: safe. Cancel: safe.
    pub async fn date(&self) -> Option<Timestamp> {
        let request = http::Request::builder()
            .method(Method::GET)
            .uri("/api/versions")
            .header(ACCEPT, "application/*+xml")
            .body(Bytes::new())
            .ok()?;
        let gateway = &*self.gateway;
        let op = Operation::LIST_VERSIONS;
        let answer = gateway.send(op, request, gateway.limits.call).await.ok()?;
        of(&answer)
    }
}

/// The date of an answer, in whole seconds; `None` where it has none.
pub(super) fn of(answer: &Response) -> Option<Timestamp> {
    parse(answer.headers().get(DATE)?.to_str().ok()?.trim())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn parse(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|date| date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_understood() {
        let at = parse("Sun, 06 Nov 1994 08:49:37 GMT").map(|at| at.to_string());
        assert_eq!(at.as_deref(), Some("1994-11-06T08:49:37Z"));
        assert_eq!(parse("yesterday"), None);
    }
}
