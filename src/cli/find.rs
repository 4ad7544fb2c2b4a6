//! Finding the one cluster that a command line names.
//!
//! Invariants:
//! - Names of clusters are not unique: with several of one name nothing is guessed.

use super::exit::Failure;
use crate::controller::poll::cluster_query;
use crate::domain::ids::EntityId;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::EntityDocument;
use crate::vcd::transport::Transport;
use crate::views::words::printable;

/// Most clusters of one name that a message lists.
const MOST_LISTED: usize = 10;

/// The cluster of that URN or name.
///
/// # Errors
/// [`Failure`]: VCD was not able to answer, or there is none, or several; then all are listed with their URNs.
pub(super) async fn cluster<T: Transport>(
    client: &VcdClient<T>,
    asked: &str,
) -> Result<EntityDocument, Failure> {
    let found = find(client, asked).await;
    let mut found = found.map_err(|error| Failure::vcd(&error))?;
    match (found.pop(), found.len()) {
        (Some(document), 0) => Ok(document),
        (last, _) => {
            found.extend(last);
            Err(Failure::asked(&unclear(asked, &found)))
        }
    }
}

/// Every cluster that is asked for by its URN or name.
async fn find<T: Transport>(
    client: &VcdClient<T>,
    asked: &str,
) -> Result<Vec<EntityDocument>, VcdError> {
    if let Ok(id) = EntityId::parse(asked) {
        return match client.get_entity(&id).await {
            Ok(read) => Ok(vec![read.value]),
            Err(VcdError::NotVisible { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if asked.is_empty() || !asked.chars().all(is_name) {
        return Ok(Vec::new());
    }
    client
        .entities(&cluster_query(Some(&format!("name=={asked}"))))
        .await
}

/// Why not exactly one cluster was found.
fn unclear(asked: &str, found: &[EntityDocument]) -> String {
    let asked = printable(asked, 80);
    if found.is_empty() {
        return format!(
            "no cluster {asked:?} is visible to this login; give its name or its URN \
             (urn:vcloud:entity:vmware:capvcdCluster:...), cse-server status lists them"
        );
    }
    let ids = found.iter().take(MOST_LISTED).map(|document| {
        let org = document.org.as_ref().map_or("?", |org| org.name.as_str());
        format!("{} (organization {})", document.id, printable(org, 40))
    });
    let ids: Vec<String> = ids.collect();
    format!(
        "{} clusters are called {asked:?}; give the URN of one, among them: {}",
        found.len(),
        ids.join(", ")
    )
}
