//! Uploads into a catalog: what a template or a medium is until all its bytes have come.
//!
//! Flow: [`start`] makes the item, its task and the place for the first file; `transfers` takes the bytes;
//! the last byte lets the import begin, and the end of the import makes the item usable.
//!
//! Invariants:
//! - An item has an upload exactly while it cannot be used; the bytes themselves are not kept.
//! - An upload that nothing comes for is given up after [`PATIENCE`]: its task fails, the item stays to be
//!   deleted. A canceled one leaves nothing.
//!
//! Source: VCD API, `POST /api/catalog/{uuid}/action/upload`; go-vcloud-director, `UploadOvf` and
//! `UploadMediaImage`.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};

use super::access::{require, right};
use super::catalog_changes::own_catalog;
use super::catalog_effects::CatalogChange;
use super::catalogs::{item_document, template_reference};
use super::document::link;
use super::media::media_reference;
use super::operations::{Change, Kind, Operation};
use super::site::{Catalog, Medium, Template};
use super::vm_changes::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, checked};
use super::{Desk, Infra, require_method};
use crate::clock::Moment;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::Starter;
use crate::sim::xml::{Element, task_element};

/// How long the site waits for the next bytes of an upload.
const PATIENCE: Duration = Duration::from_hours(1);
/// Name of the first file of a template.
const DESCRIPTOR: &str = "descriptor.ovf";
/// Largest file that can be announced: 62 TiB, as vSphere has it.
const MAX_FILE_BYTES: u64 = 62 << 40;

/// An upload that is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    /// Bare UUID of its task.
    pub(crate) task: String,
    pub(crate) stage: Stage,
    pub(crate) files: Vec<File>,
    /// When bytes came last.
    pub(crate) touched: Moment,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// The descriptor of a template is awaited.
    Descriptor,
    /// Files are awaited.
    Files,
    /// All files have come, and are imported.
    Importing,
    /// It came to nothing.
    Failed,
    /// Nothing came for too long.
    TimedOut,
}

/// One file of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    /// Where it goes: `/transfer/{transfer}/...`.
    pub(crate) transfer: String,
    pub(crate) name: String,
    /// In bytes; none while nobody has said it.
    pub(crate) size: Option<u64>,
    pub(crate) received: u64,
}

impl File {
    fn is_complete(&self) -> bool {
        self.size.is_some_and(|size| self.received >= size)
    }
}

impl Upload {
    /// `status` of the item in the legacy API.
    pub(crate) const fn status(&self) -> i8 {
        match self.stage {
            Stage::Descriptor | Stage::Files | Stage::Importing => 0,
            Stage::Failed => -1,
            Stage::TimedOut => 17,
        }
    }

    /// `status` of the item in the query service.
    pub(crate) const fn status_name(&self) -> &'static str {
        match self.stage {
            Stage::Descriptor | Stage::Files | Stage::Importing => "UNRESOLVED",
            Stage::Failed => "FAILED_CREATION",
            Stage::TimedOut => "TRANSFER_TIMEOUT",
        }
    }

    /// Whether more bytes can come.
    pub(crate) fn awaits_bytes(&self) -> bool {
        matches!(self.stage, Stage::Descriptor | Stage::Files)
    }

    /// Whether all files are there.
    pub(crate) fn is_complete(&self) -> bool {
        self.files.iter().all(File::is_complete)
    }

    /// Percent of what is known to come.
    pub(crate) fn progress(&self) -> u8 {
        let sum = |of: fn(&File) -> u64| self.files.iter().map(of).fold(0, u64::saturating_add);
        let (came, all) = (
            sum(|file| file.received),
            sum(|file| file.size.unwrap_or(0)),
        );
        let percent = came.saturating_mul(99).checked_div(all).unwrap_or(1);
        u8::try_from(percent.clamp(1, 99)).unwrap_or(99)
    }

    /// `Tasks` and `Files` of the item's document.
    pub(crate) fn elements(&self, ctx: &Context<'_>) -> Vec<Element> {
        let task = ctx.tasks.get(&self.task);
        let tasks = task.map(|task| Element::new("Tasks").child(task_element(task, ctx)));
        let files = self.files.iter().map(|file| {
            let size = file.size.map_or("-1".to_owned(), |size| size.to_string());
            let open = self.awaits_bytes() && !file.is_complete();
            let place = open.then(|| {
                let href = format!(
                    "{}/transfer/{}/{}",
                    ctx.site,
                    file.transfer,
                    clean(&file.name)
                );
                link("upload:default", href, None)
            });
            Element::new("File")
                .attr("size", size)
                .attr("bytesTransferred", file.received)
                .attr("name", &file.name)
                .children(place)
        });
        let files = Element::new("Files").children(files);
        tasks.into_iter().chain([files]).collect()
    }
}

/// A name as it can stand in an address.
fn clean(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect()
}

/// Answers `POST /api/catalog/{uuid}/action/upload` with 201 and the new catalog item.
pub(crate) fn start(desk: &mut Desk<'_, '_>, catalog: &str) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::POST)?;
    let catalog = own_catalog(desk.call, desk.infra, catalog)?.clone();
    require(desk.call, right::UPLOAD, "CATALOG_UPLOAD", &catalog.uuid)?;
    let media = desk.call.header("content-type").unwrap_or_default();
    let medium = media.to_ascii_lowercase().contains(".media+");
    let root = if medium {
        "Media"
    } else {
        "UploadVAppTemplateParams"
    };
    let body = desk.call.document(root)?;
    if body
        .attribute("sourceHref")
        .is_some_and(|href| !href.is_empty())
    {
        let message = "The OVF package cannot be fetched from its sourceHref.";
        return Err(Problem::bad_request(message));
    }
    let name = body.attribute("name").unwrap_or_default();
    let name = checked("name", name, MAX_NAME_CHARS)?;
    let description = body.text_of("Description").unwrap_or_default();
    let description = checked("Description", description, MAX_DESCRIPTION_CHARS)?;
    desk.infra.require_free_item_name(&catalog.uuid, &name)?;
    let vdc = desk.infra.vdc_for(&catalog)?;
    let item = if medium {
        let size = size_of(&body)?;
        start_medium(desk, &catalog, (name, description, vdc), size)
    } else {
        start_template(desk, &catalog, (name, description, vdc))
    };
    let href = format!("{}/api/catalogItem/{item}", desk.ctx.site);
    let reply = item_document(desk.call, desk.ctx, desk.infra, (&item, 201))?;
    Ok(reply.with_header("location", href))
}

/// `size` of a medium, in bytes.
fn size_of(body: &Element) -> Result<u64, Problem> {
    let text = body.attribute("size").unwrap_or_default();
    let size = text.parse::<u64>().ok();
    let size = size.filter(|size| (1..=MAX_FILE_BYTES).contains(size));
    size.ok_or_else(|| Problem::bad_request(format!("The value \"{text}\" of size is invalid.")))
}

/// A template without a descriptor; returns the bare UUID of its item.
fn start_template(
    desk: &mut Desk<'_, '_>,
    catalog: &Catalog,
    (name, description, vdc): (String, String, String),
) -> String {
    let template = Template {
        uuid: desk.ctx.uuid(),
        item: desk.ctx.uuid(),
        vm: desk.ctx.uuid(),
        name,
        description,
        catalog: catalog.uuid.clone(),
        vdc,
        product_version: String::new(),
        disk_mib: 0,
        metadata: std::collections::BTreeMap::new(),
        upload: None,
    };
    let words = (
        "vdcUploadOvfContents",
        "VDC_UPLOAD_OVF_CONTENTS",
        "Importing Virtual Application Template",
    );
    let owner = template_reference(desk.ctx.site, &template);
    let (uuid, item) = (template.uuid.clone(), template.item.clone());
    desk.infra.templates.insert(uuid.clone(), template);
    let first = (DESCRIPTOR, None, Stage::Descriptor);
    begin(desk, (words, owner), first, &uuid);
    item
}

/// A medium without its bytes; returns the bare UUID of its item.
fn start_medium(
    desk: &mut Desk<'_, '_>,
    catalog: &Catalog,
    (name, description, vdc): (String, String, String),
    size: u64,
) -> String {
    let medium = Medium {
        uuid: desk.ctx.uuid(),
        item: desk.ctx.uuid(),
        name,
        description,
        catalog: catalog.uuid.clone(),
        vdc,
        size_bytes: size,
        upload: None,
    };
    let words = ("vdcUploadMedia", "VDC_UPLOAD_MEDIA", "Importing Media File");
    let owner = media_reference(&medium, desk.ctx.site);
    let (uuid, item) = (medium.uuid.clone(), medium.item.clone());
    let file = medium.name.clone();
    desk.infra.media.insert(uuid.clone(), medium);
    begin(
        desk,
        (words, owner),
        (&file, Some(size), Stage::Files),
        &uuid,
    );
    item
}

/// Starts the task of an item, which waits for bytes, and names its first file.
fn begin(
    desk: &mut Desk<'_, '_>,
    (words, owner): (
        (&'static str, &'static str, &'static str),
        crate::sim::tasks::Reference,
    ),
    (file, size, stage): (&str, Option<u64>, Stage),
    object: &str,
) {
    let starter = Starter::of(desk.call);
    let operation = Operation {
        kind: Kind {
            name: words.0,
            busy_name: words.1,
            verb: words.2,
            takes: PATIENCE,
        },
        starter: &starter,
        owner,
        holds: Vec::new(),
        change: Change::Catalog(CatalogChange::Upload {
            object: object.to_owned(),
        }),
    };
    let task = desk.infra.submit(operation, desk.ctx);
    let file = File {
        transfer: desk.ctx.uuid(),
        name: file.to_owned(),
        size,
        received: 0,
    };
    if let Some(upload) = desk.infra.upload_of(object) {
        *upload = Some(Upload {
            task,
            stage,
            files: vec![file],
            touched: desk.ctx.now,
        });
    }
}

/// When to look again at an upload that is still going on at `now`; none when it is over.
pub(crate) fn waits_until(change: &Change, now: Moment, infra: &mut Infra) -> Option<Moment> {
    let Change::Catalog(CatalogChange::Upload { object }) = change else {
        return None;
    };
    let upload = infra.upload_of(object)?.as_ref()?;
    let until = upload.touched.plus(PATIENCE);
    (upload.awaits_bytes() && until > now).then_some(until)
}

impl Infra {
    /// The upload of a template or a medium by its bare UUID; none when there is no such thing.
    pub(crate) fn upload_of(&mut self, object: &str) -> Option<&mut Option<Upload>> {
        let template = self.templates.get_mut(object);
        let of_template = template.map(|template| &mut template.upload);
        let medium = self.media.get_mut(object);
        of_template.or(medium.map(|medium| &mut medium.upload))
    }

    /// Refuses a second item of one name in a catalog.
    pub(crate) fn require_free_item_name(&self, catalog: &str, name: &str) -> Result<(), Problem> {
        let templates = self.templates.values().map(|one| (&one.catalog, &one.name));
        let media = self.media.values().map(|one| (&one.catalog, &one.name));
        let mut items = templates.chain(media);
        if items.any(|(of, taken)| of == catalog && taken == name) {
            let text = format!("The VCD entity {name} already exists.");
            return Err(Problem::new(400, "DUPLICATE_NAME", text));
        }
        Ok(())
    }

    /// The VDC whose storage holds what is new in `catalog`, by bare UUID.
    fn vdc_for(&self, catalog: &Catalog) -> Result<String, Problem> {
        let profile = catalog.storage_profile.as_ref();
        let profile = profile.and_then(|uuid| self.storage_profiles.get(uuid));
        let mut vdcs = self.vdcs.values();
        let first = vdcs.find(|vdc| vdc.org_id == catalog.org_id);
        let vdc = profile.map(|one| &one.vdc).or(first.map(|vdc| &vdc.uuid));
        vdc.cloned().ok_or_else(|| {
            let org = bare(&catalog.org_id);
            Problem::bad_request(format!(
                "The organization {org} has no storage for catalogs."
            ))
        })
    }
}
