//! The vApp document, and the namespaces and links that it shares with the VM document.
//!
//! Source: VCD API, `GET /api/vApp/vapp-{uuid}`; prefixes as VCD declares them on answers, because
//! CAPVCD takes them over into its requests.

use super::Infra;
use super::machine::{Vapp, VappNetwork};
use super::site::Network;
use super::vm_document;
use crate::sim::context::Context;
use crate::sim::reply::stamp;
use crate::sim::tasks::Reference;
use crate::sim::xml::{Element, OVF, VCLOUD, XSI, reference, task_element};

/// Media type of a vApp, the part after `application/`.
pub(crate) const VAPP: &str = "vnd.vmware.vcloud.vApp+xml";
const NETWORK_SECTION: &str = "vnd.vmware.vcloud.networkConfigSection+xml";

/// Prefixes VCD declares on vApps and VMs; `ns9` is one that JAXB happened to number, and clients rely on it.
const NAMESPACES: [(&str, &str); 9] = [
    ("xmlns:vmext", "http://www.vmware.com/vcloud/extension/v1.5"),
    ("xmlns:ovf", OVF),
    (
        "xmlns:vssd",
        "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData",
    ),
    (
        "xmlns:common",
        "http://schemas.dmtf.org/wbem/wscim/1/common",
    ),
    (
        "xmlns:rasd",
        "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData",
    ),
    ("xmlns:vmw", "http://www.vmware.com/schema/ovf"),
    ("xmlns:ovfenv", "http://schemas.dmtf.org/ovf/environment/1"),
    ("xmlns:xsi", XSI),
    ("xmlns:ns9", "http://www.vmware.com/vcloud/versions"),
];

/// A root element with every prefix declared.
pub(crate) fn namespaced(name: &str) -> Element {
    let root = Element::new(name).attr("xmlns", VCLOUD);
    NAMESPACES
        .iter()
        .fold(root, |root, (prefix, uri)| root.attr(prefix, uri))
}

/// `<Link rel= href= type=/>`; `media` is the part after `application/`.
pub(crate) fn link(rel: &str, href: impl Into<String>, media: Option<&str>) -> Element {
    let link = Element::new("Link")
        .attr("rel", rel)
        .attr("href", href.into());
    match media {
        Some(media) => link.attr("type", format!("application/{media}")),
        None => link,
    }
}

/// A reference to a vApp, as owner of tasks.
pub(crate) fn vapp_reference(vapp: &Vapp, site: &str) -> Reference {
    Reference {
        href: vapp_href(site, &vapp.uuid),
        id: format!("urn:vcloud:vapp:{}", vapp.uuid),
        name: vapp.name.clone(),
        media_type: format!("application/{VAPP}"),
    }
}

/// URL of a vApp.
pub(crate) fn vapp_href(site: &str, uuid: &str) -> String {
    format!("{site}/api/vApp/vapp-{uuid}")
}

/// The running task that holds `uuid`, as `<Tasks>`; absent when there is none.
pub(crate) fn tasks(ctx: &Context<'_>, infra: &Infra, uuid: &str) -> Option<Element> {
    let task = ctx.tasks.get(&infra.busy.get(uuid)?.task)?;
    Some(Element::new("Tasks").child(task_element(task, ctx)))
}

/// The whole vApp document, VMs included.
pub(crate) fn vapp(ctx: &Context<'_>, infra: &Infra, vapp: &Vapp) -> Element {
    vapp_with(tasks(ctx, infra, &vapp.uuid), ctx, infra, vapp)
}

/// The document of a vApp that `task` (bare UUID) has just begun to compose.
pub(crate) fn composed(task: &str, ctx: &Context<'_>, infra: &Infra, vapp: &Vapp) -> Element {
    let task = ctx.tasks.get(task).map(|task| task_element(task, ctx));
    let tasks = task.map(|task| Element::new("Tasks").child(task));
    vapp_with(tasks, ctx, infra, vapp)
}

fn vapp_with(tasks: Option<Element>, ctx: &Context<'_>, infra: &Infra, vapp: &Vapp) -> Element {
    let href = vapp_href(ctx.site, &vapp.uuid);
    let root = namespaced("VApp")
        .attr("name", &vapp.name)
        .attr("id", format!("urn:vcloud:vapp:{}", vapp.uuid))
        .attr("href", &href)
        .attr("type", format!("application/{VAPP}"))
        .attr("status", infra.vapp_status(vapp).number())
        .attr("deployed", infra.vapp_deployed(&vapp.uuid))
        .attr("ovfDescriptorUploaded", "true");
    let vms = infra.vms_of(&vapp.uuid);
    let children = Element::new("Children").children(
        vms.iter()
            .map(|vm| vm_document::body(Element::new("Vm"), ctx, infra, vm)),
    );
    root.children(vapp_links(ctx.site, &href, &vapp.vdc))
        .child(Element::leaf("Description", &vapp.description))
        .children(tasks)
        .child(lease_section(&href, vapp))
        .child(network_section(ctx, infra, vapp))
        .child(Element::leaf("DateCreated", stamp(vapp.created)))
        .child(Element::new("Owner").child(reference("User", &vapp.owner)))
        .children(vapp.auto_nature.then(|| Element::leaf("autoNature", true)))
        .child(Element::leaf("InMaintenanceMode", false))
        .children((!vms.is_empty()).then_some(children))
}

fn vapp_links(site: &str, href: &str, vdc: &str) -> Vec<Element> {
    let vdc = format!("{site}/api/vdc/{vdc}");
    vec![
        link(
            "power:powerOn",
            format!("{href}/power/action/powerOn"),
            None,
        ),
        link(
            "power:powerOff",
            format!("{href}/power/action/powerOff"),
            None,
        ),
        link(
            "deploy",
            format!("{href}/action/deploy"),
            Some("vnd.vmware.vcloud.deployVAppParams+xml"),
        ),
        link(
            "undeploy",
            format!("{href}/action/undeploy"),
            Some("vnd.vmware.vcloud.undeployVAppParams+xml"),
        ),
        link(
            "recompose",
            format!("{href}/action/recomposeVApp"),
            Some("vnd.vmware.vcloud.recomposeVAppParams+xml"),
        ),
        link(
            "down",
            format!("{href}/metadata"),
            Some("vnd.vmware.vcloud.metadata+xml"),
        ),
        link(
            "edit",
            format!("{href}/networkConfigSection/"),
            Some(NETWORK_SECTION),
        ),
        link(
            "edit",
            format!("{href}/leaseSettingsSection/"),
            Some("vnd.vmware.vcloud.leaseSettingsSection+xml"),
        ),
        link(
            "edit",
            format!("{href}/productSections"),
            Some("vnd.vmware.vcloud.productSections+xml"),
        ),
        link(
            "down",
            format!("{href}/owner"),
            Some("vnd.vmware.vcloud.owner+xml"),
        ),
        link(
            "down",
            format!("{href}/controlAccess/"),
            Some("vnd.vmware.vcloud.controlAccess+xml"),
        ),
        link("remove", href, None),
        link("up", vdc, Some("vnd.vmware.vcloud.vdc+xml")),
    ]
}

/// The lease section.
pub(crate) fn lease_section(href: &str, vapp: &Vapp) -> Element {
    Element::new("LeaseSettingsSection")
        .attr("href", format!("{href}/leaseSettingsSection/"))
        .attr(
            "type",
            "application/vnd.vmware.vcloud.leaseSettingsSection+xml",
        )
        .attr("ovf:required", "false")
        .child(Element::leaf("ovf:Info", "Lease settings section"))
        .child(Element::leaf(
            "DeploymentLeaseInSeconds",
            vapp.lease.deployment_seconds,
        ))
        .child(Element::leaf(
            "StorageLeaseInSeconds",
            vapp.lease.storage_seconds,
        ))
}

/// The network section; there from the moment a vApp exists, empty at first.
pub(crate) fn network_section(ctx: &Context<'_>, infra: &Infra, vapp: &Vapp) -> Element {
    let deployed = infra.vapp_deployed(&vapp.uuid);
    let configs = vapp.networks.iter().map(|network| {
        let parent = network.parent.as_ref();
        let parent = parent.and_then(|parent| infra.networks.get(parent));
        network_config((ctx.site, &vapp.uuid), network, parent, deployed)
    });
    Element::new("NetworkConfigSection")
        .attr(
            "href",
            format!("{}/networkConfigSection/", vapp_href(ctx.site, &vapp.uuid)),
        )
        .attr("type", format!("application/{NETWORK_SECTION}"))
        .attr("ovf:required", "false")
        .child(Element::leaf(
            "ovf:Info",
            "The configuration parameters for logical networks",
        ))
        .children(configs)
}

fn network_config(
    (site, vapp): (&str, &str),
    network: &VappNetwork,
    parent: Option<&Network>,
    deployed: bool,
) -> Element {
    let scopes = match &network.own {
        Some(own) => Some(ip_scopes(own, false)),
        None => parent.map(|parent| ip_scopes(parent, true)),
    };
    let fence = match (&network.own, &network.parent) {
        (None, _) => "bridged",
        (Some(_), Some(_)) => "natRouted",
        (Some(_), None) => "isolated",
    };
    let parent = network.parent.as_ref().map(|uuid| {
        let name = parent.map(|parent| parent.name.as_str());
        Element::new("ParentNetwork")
            .attr("href", format!("{site}/api/network/{uuid}"))
            .attr("id", format!("urn:vcloud:network:{uuid}"))
            .attr("name", name.unwrap_or_default())
    });
    let configuration = Element::new("Configuration")
        .children(scopes)
        .children(parent)
        .child(Element::leaf("FenceMode", fence))
        .child(Element::leaf("RetainNetInfoAcrossDeployments", false));
    // Clients take the network's id from this link.
    let uuid = VappNetwork::uuid(vapp, &network.name);
    let reset = format!("{site}/api/admin/network/{uuid}/action/reset");
    Element::new("NetworkConfig")
        .attr("networkName", &network.name)
        .child(link("repair", reset, None))
        .child(Element::leaf("Description", &network.description))
        .child(configuration)
        .child(Element::leaf("IsDeployed", deployed))
}

/// Addresses of a network as the legacy API shows them.
pub(crate) fn ip_scopes(network: &Network, inherited: bool) -> Element {
    let range = (network.pool.0 <= network.pool.1).then(|| {
        Element::new("IpRange")
            .child(Element::leaf("StartAddress", network.pool.0))
            .child(Element::leaf("EndAddress", network.pool.1))
    });
    let ranges = range.map(|range| Element::new("IpRanges").child(range));
    let dns = (!network.dns.is_unspecified()).then(|| Element::leaf("Dns1", network.dns));
    let scope = Element::new("IpScope")
        .child(Element::leaf("IsInherited", inherited))
        .child(Element::leaf("Gateway", network.gateway))
        .child(Element::leaf("Netmask", network.netmask()))
        .child(Element::leaf("SubnetPrefixLength", network.prefix))
        .children(dns)
        .child(Element::leaf("IsEnabled", true))
        .children(ranges);
    Element::new("IpScopes").child(scope)
}

/// A section as the root of a document of its own: the namespaces come first.
pub(crate) fn as_root(section: Element) -> Element {
    section.with_first_attributes([("xmlns", VCLOUD)].into_iter().chain(NAMESPACES))
}
