//! The cluster's document: reading the facts decisions need, writing only the fields the server owns.
//!
//! Flow: `observe` reads a [`DocumentSeen`]; `record` applies an [`Edit`] to the document just read.
//!
//! Invariants:
//! - Whatever is not named in [`Edit`] stays as it was, in its order, known or unknown.
//! - Reading never fails: a field of the wrong type counts as absent, because documents are written by
//!   tenants, and one odd field must not stop the rest.
//! - Event and error sets are windows of [`MAX_ENTRIES`].
//!
//! Not here: which edit follows from which decision (`controller::record`).
//! Source: `status.vcdKe` as go-vcloud-director and the portal read it (CSE 4.1, 4.2).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::day_two::{self, RunningEdit};
use super::deletion_document;
use super::history;
use crate::domain::claim::{Claim, Heartbeat, HolderId};
use crate::domain::cluster::ClusterFlags;
use crate::domain::ids::{EntityId, VappId, VmId};
use crate::domain::status::{ClusterState, EventEntry, Resource, ResourceKind};
use crate::reconcile::interest::Summary;
use crate::reconcile::observation::{DocumentSeen, ErrorSeen};

/// Longest event or error set kept, in entries.
pub(crate) const MAX_ENTRIES: usize = 40;
/// Longest text of one entry, in characters.
const MAX_DETAIL_CHARS: usize = 2_000;

/// Content of an entity.
pub(crate) type Content = Map<String, Value>;

/// What one write changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    /// New claim record; `None` only in documents nobody claims.
    pub(crate) claim: Option<ClaimEdit>,
    /// New `state`.
    pub(crate) state: Option<ClusterState>,
    /// New `vcdResourceSet`.
    pub(crate) resources: Option<Vec<Resource>>,
    /// Events to add.
    pub(crate) events: Vec<EventEntry>,
    /// Errors to add; also mirrored to where Terraform looks.
    pub(crate) errors: Vec<EventEntry>,
    /// Errors that are over; an entry goes when name, object and text are the same.
    pub(crate) healed: Vec<ErrorSeen>,
    /// Remove all errors of earlier attempts.
    pub(crate) clear_errors: bool,
    /// Turn auto-repair off: no attempt follows, and clients need not wait for one.
    pub(crate) stop_repair: bool,
    /// Forget what the cluster's own controllers reported of an attempt that is gone.
    pub(crate) reset_reports: bool,
    /// What a provisioned cluster gets: version, storage class, auto-repair off.
    pub(crate) provisioned: Option<Provisioned>,
    /// What is written about a cluster that runs.
    pub(crate) running: Option<RunningEdit>,
}

/// The claim keys of one write.
#[derive(Clone, Debug)]
pub(crate) struct ClaimEdit {
    /// Instance id of the server configuration.
    pub(crate) instance: String,
    /// New holder; `None` frees the cluster.
    pub(crate) holder: Option<HolderId>,
    /// New heartbeat.
    pub(crate) heartbeat: Heartbeat,
    /// Time of the write, for people and original servers.
    pub(crate) at: Timestamp,
}

/// What a provisioned cluster gets.
#[derive(Clone, Debug)]
pub(crate) struct Provisioned {
    /// `vcdKeVersion`, a version clients accept.
    pub(crate) version: String,
}

/// The claim record of a document.
pub(crate) fn claim(content: &Content) -> Claim {
    Claim::from_wire(
        text(vcd_ke(content), "workerId"),
        text(vcd_ke(content), "heartbeatString"),
    )
    .stamped(text(vcd_ke(content), "heartbeatTimestamp"))
}

/// `status.vcdKe.state`.
pub(crate) fn state(content: &Content) -> ClusterState {
    ClusterState::from_wire(text(vcd_ke(content), "state"))
}

/// What tells whether a server has work to do on the cluster.
pub(crate) fn summary(content: &Content) -> Summary {
    let flags = ClusterFlags::read(content);
    Summary {
        is_vcdke: flags.is_vcdke,
        marked_for_delete: flags.mark_for_delete,
        state: state(content),
        claim: claim(content),
        bootstrap_since: history::bootstrap_since(
            list(vcd_ke(content), "vcdResourceSet"),
            list(vcd_ke(content), "errorSet"),
        ),
        restorable: history::is_restorable(
            list(vcd_ke(content), "errorSet"),
            control_plane_ready(content),
        ),
    }
}

/// The committed objects of a document.
pub(crate) fn resources(content: &Content) -> Vec<Resource> {
    list(vcd_ke(content), "vcdResourceSet")
        .iter()
        .filter_map(Value::as_object)
        .filter_map(|entry| {
            Some(Resource {
                kind: ResourceKind::from_wire(text(Some(entry), "type"))?,
                id: text(Some(entry), "id").to_owned(),
                name: text(Some(entry), "name").to_owned(),
            })
        })
        .collect()
}

/// Whether the cluster's own controllers report anything in VCD.
pub(crate) fn has_infrastructure(content: &Content) -> bool {
    let capvcd = section(content, &["status", "capvcd"]);
    !list(capvcd, "vcdResourceSet").is_empty()
}

/// All facts of a document that decisions depend on. `resolved` comes from the envelope.
pub(crate) fn seen(entity: &EntityId, content: &Content, resolved: bool) -> DocumentSeen {
    let flags = ClusterFlags::read(content);
    let claim = claim(content);
    let resources = resources(content);
    let id_of = |kind| {
        resources
            .iter()
            .find(|entry| entry.kind == kind)
            .map(|r| r.id.as_str())
    };
    let committed_vm = id_of(ResourceKind::Vm).and_then(|id| VmId::parse(id).ok());
    let about_vm = |entry: &&Value| {
        let about = entry.get("vcdResourceId").and_then(Value::as_str);
        committed_vm
            .as_ref()
            .is_some_and(|vm| about == Some(vm.as_str()))
    };
    let errors = list(vcd_ke(content), "errorSet");
    DocumentSeen {
        failed_attempts: history::failed_attempts(errors),
        rollback_reported: history::rollback_reported(errors),
        entity: entity.clone(),
        marked_for_delete: flags.mark_for_delete,
        auto_repair: flags.auto_repair,
        state: state(content),
        phase: claim.phase(),
        incarnation: claim.incarnation(),
        epoch: claim
            .heartbeat
            .as_ref()
            .map_or(0, |heartbeat| heartbeat.epoch),
        committed_vapp: id_of(ResourceKind::Vapp).and_then(|id| VappId::parse(id).ok()),
        reported: list(vcd_ke(content), "eventSet")
            .iter()
            .filter(about_vm)
            .filter_map(|entry| entry.get("name").and_then(Value::as_str))
            .map(str::to_owned)
            .collect(),
        committed_vm,
        resolved,
        control_plane_ready: control_plane_ready(content),
        deletion: deletion_document::seen(content),
    }
}

/// Whether `status.capvcd` shows a control plane that is ready and has an address.
fn control_plane_ready(content: &Content) -> bool {
    section(content, &["status", "capvcd", "clusterApiStatus"]).is_some_and(api_ready)
}

/// Whether a `clusterApiStatus` shows a control plane that is ready and has an address.
pub(super) fn api_ready(api: &Content) -> bool {
    let has_address = list(Some(api), "apiEndpoints")
        .iter()
        .any(|endpoint| !text(endpoint.as_object(), "host").is_empty());
    text(Some(api), "phase") == "Ready" && has_address
}

/// Applies `edit` to the document just read.
pub(crate) fn apply(content: &mut Content, edit: &Edit) {
    let status = object(content, "status");
    let vcd_ke = object(status, "vcdKe");
    if let Some(claim) = &edit.claim {
        let holder = claim.holder.as_ref().map_or("", HolderId::as_str);
        put(vcd_ke, "vcdKeInstanceId", claim.instance.as_str());
        put(vcd_ke, "workerId", holder);
        put(vcd_ke, "heartbeatTimestamp", format!("{:.3}", claim.at));
        put(vcd_ke, "heartbeatString", claim.heartbeat.to_string());
    }
    if let Some(state) = edit.state {
        put(vcd_ke, "state", state.as_str());
    }
    if let Some(resources) = &edit.resources {
        let entries = resources
            .iter()
            .map(|entry| json!({"id": entry.id, "name": entry.name, "type": entry.kind.as_str()}));
        vcd_ke.insert("vcdResourceSet".to_owned(), entries.collect());
    }
    append(vcd_ke, "eventSet", &edit.events, "Detailed Event");
    if let Some(done) = &edit.provisioned {
        put(vcd_ke, "vcdKeVersion", done.version.as_str());
    }
    if edit.clear_errors {
        history::clear_errors(status);
    }
    if edit.reset_reports {
        history::reset_reports(status);
    }
    deletion_document::heal(status, &edit.healed);
    if !edit.errors.is_empty() {
        append(
            object(status, "vcdKe"),
            "errorSet",
            &edit.errors,
            "Detailed Error",
        );
        // Terraform prints a failed creation's reason only from here.
        append(
            object(status, "capvcd"),
            "errorSet",
            &edit.errors,
            "Detailed Error",
        );
    }
    if edit.stop_repair || edit.provisioned.is_some() {
        put(
            object(object(content, "spec"), "vcdKe"),
            "autoRepairOnErrors",
            false,
        );
    }
    if edit.provisioned.is_some() {
        report_storage_class(content);
    }
    if let Some(running) = &edit.running {
        day_two::apply(content, running);
    }
}

/// Reports the storage class as the tenant asked for it.
fn report_storage_class(content: &mut Content) {
    let options = section(content, &["spec", "vcdKe", "defaultStorageClassOptions"]).cloned();
    let Some(options) = options else { return };
    let file_system = options
        .get("fileSystem")
        .or_else(|| options.get("filesystem"));
    let reported = json!({
        "vcdStorageProfileName": options.get("vcdStorageProfileName"),
        "k8sStorageClassName": options.get("k8sStorageClassName"),
        "useDeleteReclaimPolicy": options.get("useDeleteReclaimPolicy"),
        "fileSystem": file_system,
    });
    let vcd_ke = object(object(content, "status"), "vcdKe");
    vcd_ke.insert("defaultStorageClass".to_owned(), reported);
}

pub(super) fn append(section: &mut Content, set: &str, entries: &[EventEntry], detail_key: &str) {
    if entries.is_empty() {
        return;
    }
    let slot = section.entry(set.to_owned()).or_insert_with(|| json!([]));
    if !slot.is_array() {
        *slot = json!([]);
    }
    let Some(list) = slot.as_array_mut() else {
        return;
    };
    for entry in entries {
        let detail = clipped(&entry.detail);
        let (id, name) = entry.resource.clone().unwrap_or_default();
        list.push(json!({
            "name": entry.name,
            "occurredAt": format!("{:.3}", entry.at),
            "vcdResourceId": id,
            "vcdResourceName": name,
            "additionalDetails": { detail_key: detail },
        }));
    }
    let excess = list.len().saturating_sub(MAX_ENTRIES);
    list.drain(..excess);
}

/// A text as an entry holds it.
pub(super) fn clipped(text: &str) -> String {
    text.chars().take(MAX_DETAIL_CHARS).collect()
}

pub(super) fn vcd_ke(content: &Content) -> Option<&Content> {
    section(content, &["status", "vcdKe"])
}

pub(super) fn section<'a>(content: &'a Content, path: &[&str]) -> Option<&'a Content> {
    path.iter()
        .try_fold(content, |at, key| at.get(*key)?.as_object())
}

pub(super) fn text<'a>(section: Option<&'a Content>, key: &str) -> &'a str {
    section
        .and_then(|at| at.get(key))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub(super) fn list<'a>(section: Option<&'a Content>, key: &str) -> &'a [Value] {
    section
        .and_then(|at| at.get(key))
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The object under `key`, made if it is absent or something else.
pub(super) fn object<'a>(parent: &'a mut Content, key: &str) -> &'a mut Content {
    let slot = parent
        .entry(key.to_owned())
        .or_insert_with(|| Value::Object(Content::new()));
    if !slot.is_object() {
        *slot = Value::Object(Content::new());
    }
    match slot {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("made an object just above")
        }
    }
}

fn put(section: &mut Content, key: &str, value: impl Into<Value>) {
    section.insert(key.to_owned(), value.into());
}

#[cfg(test)]
#[path = "document_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
