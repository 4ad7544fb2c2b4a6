//! `PUT /transfer/{id}/{name}`: the bytes of an upload, whole or in parts.
//!
//! Invariants:
//! - Parts come in order; a part that came before may come again.
//! - A descriptor is accepted as a file whatever it says; one that cannot be used fails the upload's task.
//!
//! Source: VCD API, upload of OVF packages and media; go-vcloud-director sends parts of 1 MiB with
//! `Content-Range: bytes first-last/size`.

use http::{Method, header};

use super::access::sees;
use super::ovf::Descriptor;
use super::uploads::{File, Stage};
use super::{Desk, Infra, operations, require_method};
use crate::sim::call::Call;
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::TaskState;

/// Answers `PUT /transfer/{id}/{name}`.
pub(crate) fn put(desk: &mut Desk<'_, '_>, transfer: &str) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::PUT)?;
    let object = awaited(desk.call, desk.infra, transfer);
    let object = object.ok_or_else(Problem::no_such_url)?;
    let (now, body) = (desk.ctx.now, desk.call.body);
    let Some(Some(upload)) = desk.infra.upload_of(&object) else {
        return Err(Problem::no_such_url());
    };
    let file = upload.files.iter_mut().find(|one| one.transfer == transfer);
    take(desk.call, file.ok_or_else(Problem::no_such_url)?)?;
    upload.touched = now;
    let task = upload.task.clone();
    if upload.stage == Stage::Descriptor && upload.is_complete() {
        match Descriptor::read(body) {
            Ok(descriptor) => describe(desk, &object, descriptor),
            Err(problem) => {
                upload.stage = Stage::Failed;
                operations::forget(&task, desk.ctx);
                let failed = TaskState::Failed(problem);
                desk.ctx.tasks.finish(&task, failed, desk.ctx.wall);
                return Ok(Reply::empty(200));
            }
        }
    }
    proceed(desk, &object);
    Ok(Reply::empty(200))
}

/// The item that awaits bytes there, if the caller may see it.
fn awaited(call: &Call<'_>, infra: &Infra, transfer: &str) -> Option<String> {
    let templates = infra.templates.values();
    let templates = templates.map(|one| (&one.uuid, &one.catalog, &one.upload));
    let media = infra.media.values();
    let media = media.map(|one| (&one.uuid, &one.catalog, &one.upload));
    let (object, ..) = templates.chain(media).find(|(_, catalog, upload)| {
        let upload = upload.as_ref().filter(|upload| upload.awaits_bytes());
        let catalog = infra.catalogs.get(*catalog);
        upload.is_some_and(|upload| upload.files.iter().any(|one| one.transfer == transfer))
            && catalog.is_some_and(|catalog| sees(&call.principal, &catalog.org_id))
    })?;
    Some(object.clone())
}

/// Counts the bytes of a request.
fn take(call: &Call<'_>, file: &mut File) -> Result<(), Problem> {
    let sent = u64::try_from(call.body.len()).unwrap_or(u64::MAX);
    let range = call.header(header::CONTENT_RANGE.as_str());
    let (first, total) = match range {
        Some(text) => range_of(text, sent).ok_or_else(|| {
            Problem::bad_request(format!("The Content-Range \"{text}\" does not fit."))
        })?,
        None => (0, sent),
    };
    let size = file.size.unwrap_or(total);
    let end = first.saturating_add(sent);
    if total != size || end > size || first > file.received {
        return Err(Problem::bad_request(format!(
            "{} of {size} bytes of {} have come; bytes {first} to {end} of {total} do not fit.",
            file.received, file.name
        )));
    }
    file.size = Some(size);
    file.received = file.received.max(end);
    Ok(())
}

/// First byte and size of the file in `bytes first-last/size`, of which `sent` bytes came.
fn range_of(text: &str, sent: u64) -> Option<(u64, u64)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<u64>().ok()?);
    let whole = last.checked_sub(first)?.checked_add(1)? == sent;
    Some((first, total.trim().parse().ok()?)).filter(|_| whole)
}

/// Takes over what the descriptor says, and names the files it lists.
fn describe(desk: &mut Desk<'_, '_>, object: &str, descriptor: Descriptor) {
    let files = descriptor.files.into_iter().map(|(name, size)| File {
        transfer: desk.ctx.uuid(),
        name,
        size,
        received: 0,
    });
    let files: Vec<File> = files.collect();
    if let Some(template) = desk.infra.templates.get_mut(object) {
        template.product_version = descriptor.version;
        template.disk_mib = descriptor.disk_mib;
        if let Some(upload) = &mut template.upload {
            upload.stage = Stage::Files;
            upload.files.extend(files);
        }
    }
}

/// Tells the task how far the upload is, and begins the import when all is there.
fn proceed(desk: &mut Desk<'_, '_>, object: &str) {
    let Some(Some(upload)) = desk.infra.upload_of(object) else {
        return;
    };
    desk.ctx.tasks.progress(&upload.task, upload.progress());
    if upload.is_complete() {
        upload.stage = Stage::Importing;
        operations::hasten(&upload.task, desk.ctx.timings.recompose, desk.ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::range_of;

    #[test]
    fn ranges_are_read_as_clients_write_them() {
        let table = [
            ("bytes 0-9/20", 10, Some((0, 20))),
            ("bytes 10-19/20", 10, Some((10, 20))),
            ("bytes 10-19/20", 9, None),
            ("bytes 9-0/20", 10, None),
            ("bytes */20", 10, None),
            ("0-9/20", 10, None),
            ("bytes 0-18446744073709551615/1", 0, None),
        ];
        for (text, sent, want) in table {
            assert_eq!(range_of(text, sent), want, "{text} {sent}");
        }
    }
}
