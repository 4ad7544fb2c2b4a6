//! How a client deletes: it sets two flags and waits until nobody can read the cluster any more.

use std::time::Duration;

use serde_json::json;

use super::{Client, POLL};
use crate::support::fleet::Fleet;

impl Client {
    /// Sets both flags of a deletion on the entity as it stands, if one of them is missing.
    ///
    /// # Errors
    /// What the site answered, unless it was a conflict; and when the cluster is gone.
    pub(crate) fn mark(&self, fleet: &Fleet, urn: &str, forced: bool) -> Result<(), String> {
        let found = self.get(fleet, urn).ok_or("the cluster is gone")?;
        let mut content = found.content().clone();
        let flags = &mut content["spec"]["vcdKe"];
        if flags["markForDelete"] == true && flags["forceDelete"] == forced {
            return Ok(());
        }
        flags["markForDelete"] = json!(true);
        flags["forceDelete"] = json!(forced);
        match self.put(fleet, &found, &content) {
            Err(error) if !error.to_lowercase().contains("etag") => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes a cluster and waits until nobody can read it any more.
    ///
    /// # Errors
    /// What a client says, and when `limit` is over.
    pub(crate) async fn delete(
        &self,
        fleet: &Fleet,
        urn: &str,
        limit: Duration,
    ) -> Result<(), String> {
        let end = fleet.clock.now().plus(limit);
        while fleet.clock.now() < end {
            if self.get(fleet, urn).is_none() {
                return Ok(());
            }
            self.mark(fleet, urn, true)?;
            fleet.pass(POLL).await;
        }
        Err("timeout reached".to_owned())
    }
}
