//! Catalogs made and filled as go-vcloud-director and the CSE installer do it.

use std::time::Duration;

use super::fact::Mark::{Inferred, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::legacy::{Legacy, attribute, hrefs, link};
use super::support::wire::{Answer, Ask};

const ADMIN: &str = "application/vnd.vmware.admin.catalog+xml";
const UPLOAD: &str = "application/vnd.vmware.vcloud.uploadVAppTemplateParams+xml";
const MEDIA: &str = "application/vnd.vmware.vcloud.media+xml";
const VERSION: &str = "v1.27.8+vmware.1-tkg.1-e77cdad8d69e4f76f2ded5e1356235b3";
const XMLNS: &str = "xmlns=\"http://www.vmware.com/vcloud/v1.5\"";

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "6.4",
            Source,
            "a catalog is created by the add link of its organization with 201, queried, renamed and deleted with a task",
            catalog_is_created_and_deleted,
        ),
        fact(
            "6.4",
            Source,
            "an OVF package is uploaded descriptor first, then file by file in parts, and its template can be used",
            package_is_uploaded,
        ),
        fact(
            "6.4",
            Inferred,
            "a descriptor that is none is taken as a file and fails the import; the template says so and can be deleted",
            wrong_descriptor_fails,
        ),
        fact(
            "6.4",
            Source,
            "an upload vanishes when its task is canceled, and fails when nothing comes for hours",
            unfinished_upload_ends,
        ),
        fact(
            "6.4",
            Source,
            "an ISO image is uploaded in parts to the link of its medium, and deleted with a task",
            medium_is_uploaded,
        ),
        fact(
            "6.4",
            Source,
            "a catalog is shared and published by its actions; a published one is seen by other organizations",
            catalog_is_shared_and_published,
        ),
        fact(
            "9.2",
            Inferred,
            "an author neither makes catalogs nor uploads into them",
            author_changes_no_catalogs,
        ),
    ]
}

async fn root(bench: &Bench) -> Legacy<'_> {
    Legacy::of(bench, bench.administrator().await)
}

/// Makes a catalog in the tenant's organization; returns its document.
async fn create(root: &Legacy<'_>, name: &str) -> String {
    let uuid = root.bench.tenant.org_id.rsplit(':').next().unwrap();
    let org = root.get(&format!("/api/admin/org/{uuid}")).await;
    let body = format!(
        "<AdminCatalog {XMLNS} name=\"{name}\"><Description>d</Description></AdminCatalog>"
    );
    let made = root.post(&link(&org, "add", ADMIN), ADMIN, &body).await;
    made.expect(201).text()
}

/// The path of a catalog by its admin document.
async fn catalog(root: &Legacy<'_>, name: &str) -> String {
    let made = create(root, name).await;
    let href = root.path(&attribute(&made, "<AdminCatalog ", "href"));
    href.replace("/admin/", "/")
}

/// Begins an upload; returns the path of the new template or medium.
async fn begin(root: &Legacy<'_>, catalog: &str, media: &str, body: &str) -> String {
    let catalog = root.get(catalog).await;
    let item = root.post(&link(&catalog, "add", media), media, body).await;
    let item = item.expect(201).text();
    root.path(&attribute(&item, "<Entity ", "href"))
}

async fn begin_template(root: &Legacy<'_>, catalog: &str, name: &str) -> String {
    let body = format!(
        "<UploadVAppTemplateParams {XMLNS} name=\"{name}\" ><Description>d</Description></UploadVAppTemplateParams>"
    );
    begin(root, catalog, UPLOAD, &body).await
}

fn upload_links(document: &str) -> Vec<String> {
    hrefs(document, "<Link rel=\"upload:default\"")
}

fn descriptor() -> String {
    format!(
        "<?xml version=\"1.0\"?><Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" \
         xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\"><References>\
         <File ovf:id=\"file1\" ovf:href=\"disk.vmdk\" ovf:size=\"3000\"/></References>\
         <DiskSection><Info/><Disk ovf:capacity=\"20\" ovf:capacityAllocationUnits=\"byte * 2^30\"/></DiskSection>\
         <VirtualSystem ovf:id=\"photon\"><Info/><ProductSection><Info/>\
         <Property ovf:key=\"VERSION\" ovf:type=\"string\" ovf:value=\"{VERSION}\"/></ProductSection>\
         </VirtualSystem></Envelope>"
    )
}

async fn part(root: &Legacy<'_>, place: &str, first: usize, count: usize, size: usize) -> Answer {
    let range = format!("bytes {first}-{}/{size}", first + count - 1);
    let ask = Ask::put(&root.path(place))
        .xml()
        .header("content-range", &range);
    let bytes = "x".repeat(count);
    root.ask(ask.document("application/octet-stream", &bytes))
        .await
}

async fn catalog_is_created_and_deleted(bench: Bench) {
    let root = root(&bench).await;
    let made = create(&root, "tools").await;
    assert!(made.contains("<Description>d</Description>"), "{made}");
    let href = root.path(&attribute(&made, "<AdminCatalog ", "href"));
    assert!(href.starts_with("/api/admin/catalog/"), "{href}");
    link(&made, "up", "application/vnd.vmware.admin.organization+xml");
    let record = root.get("/api/query?type=catalog&filter=name==tools").await;
    assert!(record.contains("orgName=\"acme\""), "{record}");
    let tenant = Legacy::author(&bench).await;
    let path = href.replace("/admin/", "/");
    tenant.get(&path).await;
    let rival = Legacy::of(&bench, bench.stranger().await);
    rival.refused(&path).await;
    let body = format!("<AdminCatalog {XMLNS} name=\"tools\"/>");
    let uuid = bench.tenant.org_id.rsplit(':').next().unwrap();
    let again = format!("/api/admin/org/{uuid}/catalogs");
    let again = root.post(&again, ADMIN, &body).await;
    again.refused(400, "DUPLICATE_NAME");
    let body =
        format!("<AdminCatalog {XMLNS} name=\"more\"><Description>e</Description></AdminCatalog>");
    root.put(&href, ADMIN, &body).await.expect(200);
    assert!(root.get(&path).await.contains("name=\"more\""));
    let gone = root
        .delete(&format!("{href}?force=false&recursive=false"))
        .await;
    assert!(gone.text().contains("<Task "), "{}", gone.text());
    root.done(&gone).await;
    root.refused(&path).await;
    let seeded = root
        .get(&format!(
            "/api/query?type=catalog&filter=name=={}",
            bench.tenant.catalog
        ))
        .await;
    let seeded = root.path(&attribute(&seeded, "<CatalogRecord ", "href"));
    let seeded = seeded.replace("/api/", "/api/admin/");
    let full = root
        .delete(&format!("{seeded}?force=true&recursive=false"))
        .await;
    full.refused(400, "BAD_REQUEST");
    let all = root
        .delete(&format!("{seeded}?force=true&recursive=true"))
        .await;
    root.done(&all).await;
    let query = format!(
        "/api/query?type=vAppTemplate&filter=catalog=={}",
        seeded.replace("/admin/", "/")
    );
    let left = root.get(&query).await;
    assert!(left.contains("total=\"0\""), "{left}");
}

async fn package_is_uploaded(bench: Bench) {
    let root = root(&bench).await;
    let catalog = catalog(&root, "images").await;
    let template = begin_template(&root, &catalog, "tkg").await;
    let waiting = root.get(&template).await;
    assert!(
        waiting.contains("status=\"0\"") && waiting.contains("size=\"-1\""),
        "{waiting}"
    );
    assert_eq!(attribute(&waiting, "<Owner ", "name"), "tkg");
    let links = upload_links(&waiting);
    assert_eq!(links.len(), 1, "{waiting}");
    assert!(links[0].ends_with("/descriptor.ovf"), "{links:?}");
    let ask = Ask::put(&root.path(&links[0])).xml();
    root.ask(ask.document("text/xml", &descriptor()))
        .await
        .expect(200);
    let listed = root.get(&template).await;
    assert!(
        listed.contains("ovfDescriptorUploaded=\"true\""),
        "{listed}"
    );
    assert!(
        listed.contains("<File size=\"3000\" bytesTransferred=\"0\" name=\"disk.vmdk\""),
        "{listed}"
    );
    let place = upload_links(&listed)[0].clone();
    part(&root, &place, 0, 2048, 3000).await.expect(200);
    part(&root, &place, 2500, 100, 3000)
        .await
        .refused(400, "BAD_REQUEST");
    let half = root.get(&template).await;
    assert!(half.contains("bytesTransferred=\"2048\""), "{half}");
    part(&root, &place, 2048, 952, 3000).await.expect(200);
    root.succeeded(&half).await;
    let done = root.get(&template).await;
    assert!(
        done.contains("status=\"8\"") && !done.contains("<Files>"),
        "{done}"
    );
    assert!(done.contains(&format!("ovf:value=\"{VERSION}\"")), "{done}");
    let record = root
        .get("/api/query?type=vAppTemplate&filter=catalogName==images;name==tkg")
        .await;
    assert!(record.contains("status=\"RESOLVED\""), "{record}");
    let author = Legacy::author(&bench).await;
    let vapp = author.vapp("blue").await;
    let source = attribute(&done, "<Vm ", "href");
    let body = format!(
        "<RecomposeVAppParams {XMLNS}><SourcedItem><Source href=\"{source}\" name=\"n1\"/></SourcedItem>\
         <AllEULAsAccepted>true</AllEULAsAccepted></RecomposeVAppParams>"
    );
    let accepted = author.recompose(&vapp, &body).await;
    author.done(&accepted).await;
}

async fn wrong_descriptor_fails(bench: Bench) {
    let root = root(&bench).await;
    let catalog = catalog(&root, "images").await;
    let template = begin_template(&root, &catalog, "bad").await;
    let waiting = root.get(&template).await;
    let ask = Ask::put(&root.path(&upload_links(&waiting)[0])).xml();
    root.ask(ask.document("text/xml", "<Vm/>"))
        .await
        .expect(200);
    let failed = root.get(&template).await;
    assert!(
        failed.contains("status=\"-1\"") && failed.contains("<Task "),
        "{failed}"
    );
    assert!(
        failed.contains("status=\"error\"") && failed.contains("OVF_DESCRIPTOR_INVALID"),
        "{failed}"
    );
    assert!(upload_links(&failed).is_empty(), "{failed}");
    let gone = root.delete(&template).await;
    root.done(&gone).await;
    root.refused(&template).await;
}

async fn unfinished_upload_ends(bench: Bench) {
    let root = root(&bench).await;
    let catalog = catalog(&root, "images").await;
    let template = begin_template(&root, &catalog, "one").await;
    let waiting = root.get(&template).await;
    let task = root.path(&attribute(&waiting, "<Task ", "href"));
    root.act(&format!("{task}/action/cancel")).await.expect(204);
    assert!(root.get(&task).await.contains("status=\"canceled\""));
    root.refused(&template).await;
    let template = begin_template(&root, &catalog, "one").await;
    let waiting = root.get(&template).await;
    let task = root.path(&attribute(&waiting, "<Task ", "href"));
    bench.pass(Duration::from_hours(3));
    // The session of the administrator is over by then.
    let root = self::root(&bench).await;
    assert!(root.get(&task).await.contains("status=\"error\""));
    let left = root.get(&template).await;
    assert!(
        left.contains("status=\"17\"") && upload_links(&left).is_empty(),
        "{left}"
    );
    let item = root.path(&link(
        &left,
        "catalogItem",
        "application/vnd.vmware.vcloud.catalogItem+xml",
    ));
    root.delete(&item).await.expect(204);
    root.refused(&template).await;
}

async fn medium_is_uploaded(bench: Bench) {
    let root = root(&bench).await;
    let catalog = catalog(&root, "isos").await;
    let body = format!(
        "<Media {XMLNS} name=\"boot.iso\" imageType=\"iso\" size=\"2000\" ><Description>d</Description></Media>"
    );
    let medium = begin(&root, &catalog, MEDIA, &body).await;
    let waiting = root.get(&medium).await;
    let place = upload_links(&waiting)[0].clone();
    part(&root, &place, 0, 1024, 2000).await.expect(200);
    part(&root, &place, 1024, 976, 2000).await.expect(200);
    root.succeeded(&waiting).await;
    let done = root.get(&medium).await;
    assert!(
        done.contains("status=\"1\"") && !done.contains("<Tasks>"),
        "{done}"
    );
    let catalog = root.get(&catalog).await;
    assert!(catalog.contains("name=\"boot.iso\""), "{catalog}");
    let gone = root.delete(&medium).await;
    root.done(&gone).await;
    root.refused(&medium).await;
}

async fn catalog_is_shared_and_published(bench: Bench) {
    let root = root(&bench).await;
    let catalog = catalog(&root, "shared").await;
    let media = "application/vnd.vmware.vcloud.controlAccess+xml";
    let body = format!(
        "<ControlAccessParams {XMLNS}><IsSharedToEveryone>true</IsSharedToEveryone>\
         <EveryoneAccessLevel>ReadOnly</EveryoneAccessLevel></ControlAccessParams>"
    );
    let path = format!("{catalog}/action/controlAccess");
    root.post(&path, media, &body).await.expect(200);
    let shown = root.get(&format!("{catalog}/controlAccess")).await;
    assert!(shown.contains("<IsSharedToEveryone>true<"), "{shown}");
    let rival = Legacy::of(&bench, bench.stranger().await);
    rival.refused(&catalog).await;
    let admin = catalog.replace("/api/", "/api/admin/");
    let media = "application/vnd.vmware.admin.publishCatalogParams+xml";
    let body = format!(
        "<PublishCatalogParams {XMLNS}><IsPublished>true</IsPublished></PublishCatalogParams>"
    );
    root.post(&format!("{admin}/action/publish"), media, &body)
        .await
        .expect(204);
    assert!(rival.get(&catalog).await.contains("<IsPublished>true<"));
    let media = "application/vnd.vmware.admin.publishExternalCatalogParams+xml";
    let body = format!(
        "<PublishExternalCatalogParams {XMLNS}><IsPublishedExternally>true</IsPublishedExternally>\
         <Password>secret</Password></PublishExternalCatalogParams>"
    );
    let path = format!("{admin}/action/publishToExternalOrganizations");
    root.post(&path, media, &body).await.expect(204);
    let shown = root.get(&admin).await;
    assert!(shown.contains("<IsPublishedExternally>true<"), "{shown}");
}

async fn author_changes_no_catalogs(bench: Bench) {
    let root = root(&bench).await;
    let catalog = catalog(&root, "images").await;
    let author = Legacy::author(&bench).await;
    let uuid = bench.tenant.org_id.rsplit(':').next().unwrap();
    let body = format!("<AdminCatalog {XMLNS} name=\"mine\"/>");
    let path = format!("/api/admin/org/{uuid}/catalogs");
    let minor = "ACCESS_TO_RESOURCE_IS_FORBIDDEN";
    author.post(&path, ADMIN, &body).await.refused(403, minor);
    let body = format!("<UploadVAppTemplateParams {XMLNS} name=\"x\"/>");
    let path = format!("{catalog}/action/upload");
    author.post(&path, UPLOAD, &body).await.refused(403, minor);
    let admin = catalog.replace("/api/", "/api/admin/");
    author.delete(&admin).await.refused(403, minor);
}
