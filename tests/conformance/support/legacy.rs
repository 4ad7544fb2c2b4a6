//! The legacy API as clients of VCD walk it: documents, links, tasks.

use super::bench::Bench;
use super::wire::{Answer, Ask};

const COMPOSE: &str = "application/vnd.vmware.vcloud.composeVAppParams+xml";
const RECOMPOSE: &str = "application/vnd.vmware.vcloud.recomposeVAppParams+xml";
const VM: &str = "application/vnd.vmware.vcloud.vm+xml";

/// One caller of the legacy API.
pub(crate) struct Legacy<'b> {
    pub(crate) bench: &'b Bench,
    pub(crate) token: String,
}

impl<'b> Legacy<'b> {
    pub(crate) fn of(bench: &'b Bench, token: String) -> Self {
        Self { bench, token }
    }

    /// The tenant's author.
    pub(crate) async fn author(bench: &'b Bench) -> Self {
        Self::of(bench, bench.author().await)
    }

    /// A URL without the site.
    pub(crate) fn path(&self, href: &str) -> String {
        let path = href.strip_prefix(&self.bench.url);
        path.unwrap_or(href).to_owned()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.bench.url)
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Answer {
        self.bench.send(ask.by(&self.token)).await
    }

    /// A document that must be there.
    pub(crate) async fn get(&self, path: &str) -> String {
        let answer = self.ask(Ask::get(&self.path(path)).xml()).await;
        answer.expect(200).text()
    }

    /// The text of a 403.
    pub(crate) async fn refused(&self, path: &str) -> String {
        let answer = self.ask(Ask::get(&self.path(path)).xml()).await;
        let answer = answer.refused(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN");
        answer.text()
    }

    pub(crate) async fn post(&self, path: &str, media: &str, body: &str) -> Answer {
        let ask = Ask::post(&self.path(path)).xml().document(media, body);
        self.ask(ask).await
    }

    /// A POST without a body.
    pub(crate) async fn act(&self, path: &str) -> Answer {
        self.ask(Ask::post(&self.path(path)).xml()).await
    }

    pub(crate) async fn put(&self, path: &str, media: &str, body: &str) -> Answer {
        let ask = Ask::put(&self.path(path)).xml().document(media, body);
        self.ask(ask).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Ask::delete(&self.path(path)).xml()).await
    }

    /// Waits for the task of a 202, which must succeed; returns its document.
    pub(crate) async fn done(&self, accepted: &Answer) -> String {
        self.bench.succeeded(accepted, &self.token).await
    }

    /// Waits for the task inside a document of 201.
    pub(crate) async fn succeeded(&self, document: &str) {
        let task = self.path(&attribute(document, "<Task ", "href"));
        for _ in 0..200 {
            let shown = self.get(&task).await;
            if shown.contains("status=\"success\"") {
                return;
            }
            assert!(shown.contains("status=\"running\""), "{shown}");
            self.bench.pass(std::time::Duration::from_secs(3));
        }
        panic!("{task} does not end");
    }

    /// The tenant's VDC, found as go-vcloud-director finds it.
    pub(crate) async fn vdc(&self) -> String {
        let query = format!(
            "/api/query?&type=orgVdc&filter=name=={}",
            self.bench.tenant.vdc
        );
        let found = self.get(&query).await;
        self.get(&attribute(&found, "<OrgVdcRecord ", "href")).await
    }

    /// The href of the VM inside the tenant's template.
    pub(crate) async fn template_vm(&self) -> String {
        let query = format!(
            "/api/query?type=vAppTemplate&filter=catalogName=={};name=={}",
            self.bench.tenant.catalog,
            self.bench.tenant.template.replace('+', "%2B"),
        );
        let found = self.get(&query).await;
        let template = self
            .get(&attribute(&found, "<VAppTemplateRecord ", "href"))
            .await;
        attribute(&template, "<Vm ", "href")
    }

    /// Composes an empty vApp with the tenant's network; returns its path.
    pub(crate) async fn vapp(&self, name: &str) -> String {
        let vdc = self.vdc().await;
        let network = hrefs(&vdc, "<Network ")[0].clone();
        let body = format!(
            "<ComposeVAppParams xmlns=\"http://www.vmware.com/vcloud/v1.5\" \
             xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" name=\"{name}\" deploy=\"false\" powerOn=\"false\">\
             <Description>d</Description><InstantiationParams><NetworkConfigSection><ovf:Info>i</ovf:Info>\
             <NetworkConfig networkName=\"{}\"><Configuration><ParentNetwork href=\"{network}\"/>\
             <FenceMode>bridged</FenceMode></Configuration></NetworkConfig></NetworkConfigSection>\
             </InstantiationParams></ComposeVAppParams>",
            self.bench.tenant.network,
        );
        let vdc = attribute(&vdc, "<Vdc ", "href");
        let composed = self
            .post(&format!("{vdc}/action/composeVApp"), COMPOSE, &body)
            .await;
        let document = composed.expect(201).text();
        self.succeeded(&document).await;
        self.path(&attribute(&document, "<VApp ", "href"))
    }

    /// A vApp with one powered-off VM; returns both paths.
    pub(crate) async fn machine(&self, vapp: &str, name: &str) -> (String, String) {
        let vapp = self.vapp(vapp).await;
        let source = self.template_vm().await;
        let body = format!(
            "<RecomposeVAppParams xmlns=\"http://www.vmware.com/vcloud/v1.5\" \
             xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" deploy=\"false\" powerOn=\"false\">\
             <SourcedItem><Source href=\"{source}\" name=\"{name}\"/>\
             <VmGeneralParams><Name>{name}</Name><Description>Auto-created VM</Description>\
             <NeedsCustomization>true</NeedsCustomization></VmGeneralParams><InstantiationParams>\
             <NetworkConnectionSection><ovf:Info/><NetworkConnection network=\"{}\">\
             <NetworkConnectionIndex>0</NetworkConnectionIndex><IsConnected>true</IsConnected>\
             <IpAddressAllocationMode>POOL</IpAddressAllocationMode></NetworkConnection>\
             </NetworkConnectionSection></InstantiationParams></SourcedItem>\
             <AllEULAsAccepted>true</AllEULAsAccepted></RecomposeVAppParams>",
            self.bench.tenant.network,
        );
        self.done(&self.recompose(&vapp, &body).await).await;
        let document = self.get(&vapp).await;
        (vapp, self.path(&attribute(&document, "<Vm ", "href")))
    }

    pub(crate) async fn recompose(&self, vapp: &str, body: &str) -> Answer {
        self.post(&format!("{vapp}/action/recomposeVApp"), RECOMPOSE, body)
            .await
    }

    /// Reconfigures a VM, which must be accepted with 202 and succeed.
    pub(crate) async fn reconfigure(&self, vm: &str, body: &str) {
        let accepted = self
            .post(&format!("{vm}/action/reconfigureVm"), VM, body)
            .await;
        self.done(&accepted).await;
    }
}

/// An attribute of the first element that begins with `start`.
#[track_caller]
pub(crate) fn attribute(document: &str, start: &str, name: &str) -> String {
    let found = attributes(document, start, name);
    found
        .into_iter()
        .next()
        .unwrap_or_else(|| panic!("no {start} {name} in {document}"))
}

/// An attribute of every element that begins with `start`.
pub(crate) fn attributes(document: &str, start: &str, name: &str) -> Vec<String> {
    let elements = document.split(start).skip(1);
    let tags = elements.map(|rest| format!(" {}", rest.split('>').next().unwrap()));
    let values = tags.filter_map(|tag| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(rest.split('"').next().unwrap().replace("&amp;", "&"))
    });
    values.collect()
}

/// The hrefs of every element that begins with `start`.
pub(crate) fn hrefs(document: &str, start: &str) -> Vec<String> {
    attributes(document, start, "href")
}

/// The href of a link by `rel` and media type.
#[track_caller]
pub(crate) fn link(document: &str, rel: &str, media: &str) -> String {
    let mut links = document.split("<Link ").skip(1);
    let found = links.find(|link| {
        let link = link.split('>').next().unwrap();
        link.contains(&format!("rel=\"{rel}\"")) && link.contains(&format!("type=\"{media}\""))
    });
    let link = found.unwrap_or_else(|| panic!("no {rel} {media} in {document}"));
    attribute(&format!("<Link {link}"), "<Link ", "href")
}
