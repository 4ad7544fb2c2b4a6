//! What operations on catalogs and their items do at their end.

use serde::{Deserialize, Serialize};

use super::Infra;
use super::effects::gone;
use super::operations;
use super::uploads::Stage;
use crate::sim::context::Context;
use crate::sim::reply::Problem;
use crate::sim::tasks::TaskState;

/// One change of catalogs; ids are bare UUIDs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CatalogChange {
    /// All that is in it goes, too.
    Delete { catalog: String },
    /// Deletes a template or a medium.
    DeleteItem { object: String },
    /// Ends the upload of a template or a medium.
    Upload { object: String },
}

/// Applies `change`.
pub(crate) fn apply(
    change: &CatalogChange,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    match change {
        CatalogChange::Delete { catalog } => {
            for object in infra.items_of(catalog) {
                forget_item(&object, ctx, infra);
            }
            let found = infra.catalogs.remove(catalog);
            let found = found.ok_or_else(|| gone("catalog", catalog))?;
            ctx.history.count("catalog.deleted", &found.name);
            Ok(())
        }
        CatalogChange::DeleteItem { object } => {
            let name = forget_item(object, ctx, infra);
            let name = name.ok_or_else(|| gone("catalog item", object))?;
            ctx.history.count("catalog_item.deleted", &name);
            Ok(())
        }
        CatalogChange::Upload { object } => finish_upload(object, ctx, infra),
    }
}

fn finish_upload(object: &str, ctx: &mut Context<'_>, infra: &mut Infra) -> Result<(), Problem> {
    let upload = infra.upload_of(object);
    let upload = upload.ok_or_else(|| gone("catalog item", object))?;
    if let Some(open) = upload.as_mut().filter(|open| open.awaits_bytes()) {
        open.stage = Stage::TimedOut;
        let message = "The files did not arrive before the transfer session timed out.";
        return Err(Problem::new(400, "TRANSFER_TIMEOUT", message));
    }
    *upload = None;
    let template = infra.templates.get(object).map(|one| &one.name);
    let name = template.or(infra.media.get(object).map(|one| &one.name));
    let name = name.cloned().unwrap_or_default();
    ctx.history.count("catalog_item.uploaded", &name);
    Ok(())
}

/// What is left when an upload fails in the infrastructure.
pub(crate) fn abandon(change: &CatalogChange, infra: &mut Infra) {
    if let CatalogChange::Upload { object } = change
        && let Some(Some(upload)) = infra.upload_of(object)
    {
        upload.stage = Stage::Failed;
    }
}

/// Takes a template or a medium out of the world, and cancels its upload; returns its name.
pub(crate) fn forget_item(
    object: &str,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Option<String> {
    if let Some(Some(upload)) = infra.upload_of(object) {
        operations::forget(&upload.task, ctx);
        let task = upload.task.clone();
        ctx.tasks.finish(&task, TaskState::Canceled, ctx.wall);
    }
    let template = infra.templates.remove(object).map(|one| one.name);
    let medium = infra.media.remove(object).map(|one| one.name);
    for vm in infra.vms.values_mut() {
        vm.medium = vm.medium.take().filter(|uuid| uuid != object);
    }
    template.or(medium)
}

impl Infra {
    /// Templates and media of a catalog, by bare UUID.
    pub(crate) fn items_of(&self, catalog: &str) -> Vec<String> {
        let templates = self.templates.values();
        let templates = templates.filter(|one| one.catalog == catalog);
        let media = self.media.values().filter(|one| one.catalog == catalog);
        templates
            .map(|one| one.uuid.clone())
            .chain(media.map(|one| one.uuid.clone()))
            .collect()
    }
}
