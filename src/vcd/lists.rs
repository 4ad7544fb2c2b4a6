//! Whole lists of the JSON API, page by page, and what an accepted deletion answers.
//!
//! Invariants:
//! - A list is complete or an error: one that ends before the number it announced must not make
//!   anything look deleted.
//! - A walk ends: at the announced end, at an empty page, or at [`MAX_PAGES`].
//!
//! Not here: entities, whose poll compares raw pages (`vcd::entities`).
//! Source: VCD `OpenAPI` 37.2, paging envelope; 202 with a task or 204 without.

use http::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::VcdClient;
use super::call::{Call, task_location};
use super::error::VcdError;
use super::operation::Operation;
use super::paging::{MAX_PAGES, parse_page_of};
use super::transport::{Response, Transport};
use crate::domain::ids::TaskId;

/// A list to read: path below `/cloudapi`, encoded query terms behind the paging, entries per page.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    pub(super) op: Operation,
    pub(super) path: &'a str,
    /// Such as `&filter=...`; empty for none.
    pub(super) query: &'a str,
    pub(super) page_size: u16,
}

impl<T: Transport> VcdClient<T> {
    /// All entries of a list.
    pub(super) async fn list<R: DeserializeOwned>(
        &self,
        list: List<'_>,
    ) -> Result<Vec<R>, VcdError> {
        let List {
            op,
            path,
            query,
            page_size,
        } = list;
        let mut found = Vec::new();
        for number in 1..=MAX_PAGES {
            let target = format!("{path}?page={number}&pageSize={page_size}{query}");
            let call = Call::json(op, Method::GET, &target).page();
            let response = self.perform(call).await?;
            let page = parse_page_of::<R>(op, response.body())?;
            let before = u64::try_from(found.len()).unwrap_or(u64::MAX);
            let here = u64::try_from(page.values.len()).unwrap_or(u64::MAX);
            let seen = before.saturating_add(here);
            let (ended, announced) = (page.is_last(number, seen), page.result_total);
            found.extend(page.values);
            if ended && seen < announced {
                return Err(VcdError::cut_short(op, seen, announced));
            }
            if ended {
                return Ok(found);
            }
        }
        Err(VcdError::TooManyPages {
            op,
            limit: MAX_PAGES,
        })
    }

    /// Deletes the object at a path below `/cloudapi`; the task, unless it is gone at once.
    pub(super) async fn remove(
        &self,
        op: Operation,
        path: &str,
    ) -> Result<Option<TaskId>, VcdError> {
        let response = self.perform(Call::json(op, Method::DELETE, path)).await?;
        accepted(op, &response)
    }
}

/// The task of an accepted change; none where VCD was done at once.
pub(super) fn accepted(op: Operation, response: &Response) -> Result<Option<TaskId>, VcdError> {
    if response.status() == StatusCode::ACCEPTED {
        task_location(op, response).map(Some)
    } else {
        Ok(None)
    }
}
