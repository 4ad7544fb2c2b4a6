//! Taking a backup: every entity once, or a note of what could not be read.
//!
//! Invariants:
//! - A list that leaves something out is noticed: ids are listed apart, and what is missing is read by itself.
//! - An entity that disappears meanwhile is not missing.

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::BackupError;
use super::saved::{CLUSTERS, CONFIGURATION, Counts, FORMAT, Manifest, NotRead, VERSION};
use super::store::Writer;
use crate::telemetry::chain;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::{EntityDocument, EntityQuery};
use crate::vcd::paging::MAX_PAGE_SIZE;
use crate::vcd::transport::Transport;

/// Writes a backup of the VCD at `site` into `target`.
///
/// # Errors
/// [`BackupError`]; then there is no backup.
pub async fn take<T: Transport>(
    client: &VcdClient<T>,
    (site, now): (&str, Timestamp),
    target: &Path,
) -> Result<Manifest, BackupError> {
    let mut writer = Writer::begin(target)?;
    let mut not_read = Vec::new();
    let mut entity_types = Vec::new();
    for nss in [CONFIGURATION, CLUSTERS] {
        add_all(client, nss, &mut writer).await?;
        add_missing(client, nss, (&mut writer, &mut not_read)).await?;
        entity_types.extend(client.type_refs("vmware", nss).await?);
    }
    entity_types.sort_by(|a, b| a.id.cmp(&b.id));
    writer.finish(Manifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        program: concat!("cse-server ", env!("CARGO_PKG_VERSION")).to_owned(),
        taken_at: now.to_string(),
        vcd_url: site.to_owned(),
        api_version: client.api_version().to_string(),
        counts: Counts::default(),
        entity_types,
        not_read,
        entities: Vec::new(),
    })
}

/// All entities of a kind.
pub(super) fn query(nss: &str) -> EntityQuery {
    EntityQuery {
        vendor: "vmware".to_owned(),
        nss: nss.to_owned(),
        version: None,
        filter: None,
        page_size: MAX_PAGE_SIZE,
    }
}

async fn add_all<T: Transport>(
    client: &VcdClient<T>,
    nss: &str,
    writer: &mut Writer,
) -> Result<(), BackupError> {
    if nss == CONFIGURATION {
        for document in client.entities(&query(nss)).await? {
            let grants = grants(client, &document).await?;
            writer.add(&document, grants)?;
        }
        return Ok(());
    }
    // One page after the other: a whole fleet does not fit into memory.
    let mut failed = None;
    let take = |document: EntityDocument| {
        if failed.is_none() {
            failed = writer.add(&document, Vec::new()).err();
        }
    };
    client.each_entity(&query(nss), take).await?;
    failed.map_or(Ok(()), Err)
}

/// The access controls; an account that may not read them does without.
async fn grants<T: Transport>(
    client: &VcdClient<T>,
    document: &EntityDocument,
) -> Result<Vec<Value>, VcdError> {
    match client.entity_grants(&document.id).await {
        Err(VcdError::NotVisible { .. } | VcdError::Rejected { .. }) => Ok(Vec::new()),
        other => other,
    }
}

async fn add_missing<T: Transport>(
    client: &VcdClient<T>,
    nss: &str,
    (writer, not_read): (&mut Writer, &mut Vec<NotRead>),
) -> Result<(), BackupError> {
    let have = writer.ids();
    for owner in client.entity_owners(&query(nss)).await? {
        if have.contains(owner.id.as_str()) {
            continue;
        }
        match client.get_entity(&owner.id).await {
            Ok(read) => writer.add(&read.value, Vec::new())?,
            Err(VcdError::NotVisible { .. }) => {}
            Err(error @ VcdError::Unreadable { .. }) => not_read.push(NotRead {
                id: owner.id.to_string(),
                reason: chain(&error).to_string(),
            }),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
