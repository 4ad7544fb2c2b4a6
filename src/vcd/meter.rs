//! What the wire tells about every request that ended, for whoever counts.
//!
//! Invariants:
//! - Labels come from closed lists; no path, name or message is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::transport::{Response, TransportError};
use crate::clock::Moment;

/// One request that ended.
#[derive(Clone, Copy, Debug)]
pub struct CallEnd {
    /// `GET`, `POST`, `PUT`, `DELETE` or `other`.
    pub method: &'static str,
    /// `ok`, `refused`, `not_sent`, `put_off`, `unanswered` or `too_large`.
    pub outcome: &'static str,
    /// HTTP status; 0 when there is none.
    pub status: u16,
    /// From before the request until after the answer.
    pub took: Duration,
}

/// Counts requests.
pub trait CallMeter: Send + Sync + fmt::Debug {
    /// The time.
    fn now(&self) -> Moment;
    /// A request ended.
    fn ended(&self, call: &CallEnd);
}

/// One request being measured; counts nothing when it is dropped before its end.
pub(super) struct Measured<'a> {
    meter: Option<&'a Arc<dyn CallMeter>>,
    method: &'static str,
    begun: Moment,
}

impl<'a> Measured<'a> {
    pub(super) fn begin(meter: Option<&'a Arc<dyn CallMeter>>, method: &Method) -> Self {
        let name = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        Self {
            meter,
            method: name,
            begun: meter.map_or_else(Moment::default, |meter| meter.now()),
        }
    }

    /// It was not sent, because VCD asked for a pause or too much is under way.
    pub(super) fn put_off(&self) {
        self.tell("put_off", 0);
    }

    pub(super) fn ended(&self, outcome: &Result<Response, TransportError>) {
        match outcome {
            Ok(response) => {
                let is_fine = response.status().is_success();
                let outcome = if is_fine { "ok" } else { "refused" };
                self.tell(outcome, response.status().as_u16());
            }
            Err(TransportError::NotSent { .. }) => self.tell("not_sent", 0),
            Err(TransportError::Unanswered { .. }) => self.tell("unanswered", 0),
            Err(TransportError::TooLarge { .. }) => self.tell("too_large", 0),
        }
    }

    fn tell(&self, outcome: &'static str, status: u16) {
        let Some(meter) = self.meter else { return };
        meter.ended(&CallEnd {
            method: self.method,
            outcome,
            status,
            took: meter.now().since(self.begun),
        });
    }
}
