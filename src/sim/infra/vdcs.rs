//! VDCs and what belongs to them: networks and storage profiles in the legacy API.
//!
//! Source: VCD API, `GET /api/vdc/{uuid}`, `GET /api/network/{uuid}`, `GET
//! /api/admin/vdcStorageProfile/{uuid}`, which go-vcloud-director asks for with tenants' tokens too.

use http::Method;

use super::access::{refused, require, right, sees};
use super::disk_document::disk_reference;
use super::document::{VAPP, ip_scopes, link, vapp_href};
use super::site::Vdc;
use super::vm_actions::NEWEST_HARDWARE;
use super::{Infra, require_method};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::{Element, reference};

/// Hardware versions a VDC supports, oldest first.
const HARDWARE_VERSIONS: [&str; 5] = ["vmx-14", "vmx-15", "vmx-18", "vmx-19", NEWEST_HARDWARE];
/// The one of machines that ask for none.
const DEFAULT_HARDWARE: &str = "vmx-19";
const VDC: &str = "vnd.vmware.vcloud.vdc+xml";

/// The VDC `uuid`, if the caller may see it.
pub(crate) fn visible<'a>(
    call: &Call<'_>,
    infra: &'a Infra,
    uuid: &str,
) -> Result<&'a Vdc, Problem> {
    let vdc = infra
        .vdcs
        .get(uuid)
        .filter(|vdc| sees(&call.principal, &vdc.org_id));
    let vdc = vdc.ok_or_else(|| refused("Base", "VDC_VIEW", uuid))?;
    require(call, right::VDCS, "VDC_VIEW", uuid)?;
    Ok(vdc)
}

/// Answers `GET /api/vdc/{uuid}`.
pub(crate) fn vdc(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    uuid: &str,
) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    let vdc = visible(call, infra, uuid)?;
    let site = ctx.site;
    let admin = call.segments.iter().any(|segment| segment == "admin");
    let href = format!("{site}/api/vdc/{uuid}");
    let (name, shown, media) = if admin {
        (
            "AdminVdc",
            format!("{site}/api/admin/vdc/{uuid}"),
            "vnd.vmware.admin.vdc+xml",
        )
    } else {
        ("Vdc", href.clone(), VDC)
    };
    let hardware = HARDWARE_VERSIONS.iter().map(|version| {
        Element::leaf("SupportedHardwareVersion", version)
            .attr("name", version)
            .attr("href", format!("{href}/hwv/{version}"))
            .attr("default", *version == DEFAULT_HARDWARE)
    });
    let networks = infra.networks.values().filter(|one| one.vdc == vdc.uuid);
    let root = Element::root(name)
        .attr("id", format!("urn:vcloud:vdc:{uuid}"))
        .attr("name", &vdc.name)
        .attr("href", &shown)
        .attr("status", 1)
        .attr("type", format!("application/{media}"))
        .children(links(site, &href, bare(&vdc.org_id)))
        .child(Element::new("Description"))
        .child(Element::leaf("AllocationModel", "Flex"))
        .child(capacity(infra, vdc))
        .child(resource_entities(site, infra, vdc))
        .child(available_networks(site, infra, vdc))
        .child(
            Element::new("Capabilities")
                .child(Element::new("SupportedHardwareVersions").children(hardware)),
        )
        .child(Element::leaf("NicQuota", vdc.limits.nics))
        .child(Element::leaf("NetworkQuota", 100))
        .child(Element::leaf("UsedNetworkCount", networks.count()))
        .child(Element::leaf("VmQuota", vdc.limits.vms))
        .child(Element::leaf("IsEnabled", vdc.enabled))
        .child(storage_profiles(site, infra, vdc))
        .children(default_policy(site, infra, &vdc.uuid))
        .children(if admin { admin_part(vdc) } else { Vec::new() });
    Ok(Reply::xml(200, call.version, media, root.document()))
}

/// What only the admin form tells.
fn admin_part(vdc: &Vdc) -> Vec<Element> {
    vec![
        Element::leaf("ResourceGuaranteedMemory", "0.0"),
        Element::leaf("ResourceGuaranteedCpu", "0.0"),
        Element::leaf("VCpuInMhz", VCPU_MHZ),
        Element::leaf("IsThinProvision", true),
        Element::leaf("UsesFastProvisioning", vdc.limits.fast_provisioning),
        Element::leaf("VmDiscoveryEnabled", false),
        Element::leaf("IsElastic", false),
        Element::leaf("IncludeMemoryOverhead", true),
    ]
}

/// The policy of VMs that name none.
fn default_policy(site: &str, infra: &Infra, vdc: &str) -> Option<Element> {
    let policy = infra.default_policy(vdc)?;
    let href = format!("{site}/cloudapi/2.0.0/vdcComputePolicies/{}", policy.urn());
    Some(
        Element::new("DefaultComputePolicy")
            .attr("href", href)
            .attr("id", policy.urn())
            .attr("name", &policy.name)
            .attr("type", "application/json"),
    )
}

/// Answers `GET /api/vdc/{uuid}/hwv/{name}`.
pub(crate) fn hardware_version(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    (uuid, name): (&str, &str),
) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    visible(call, infra, uuid)?;
    if !HARDWARE_VERSIONS.contains(&name) {
        return Err(refused("Base", "HARDWARE_VERSION_VIEW", name));
    }
    let media = "vnd.vmware.vcloud.virtualHardwareVersion+xml";
    let os = Element::new("supportedOperatingSystemsInfo").child(
        Element::new("OperatingSystemFamilyInfo")
            .child(Element::leaf("Name", "Linux"))
            .child(Element::leaf("OperatingSystemFamilyId", 2))
            .child(
                Element::new("OperatingSystem")
                    .child(Element::leaf("Name", "Ubuntu Linux (64-bit)"))
                    .child(Element::leaf("InternalName", "ubuntu64Guest"))
                    .child(Element::leaf("x64", true))
                    .child(Element::leaf("MaximumCpuCount", 768)),
            ),
    );
    let root = Element::root("VirtualHardwareVersion")
        .attr("href", format!("{}/api/vdc/{uuid}/hwv/{name}", ctx.site))
        .attr("type", format!("application/{media}"))
        .child(Element::leaf("name", name))
        .child(Element::leaf("maxCPUs", 768))
        .child(Element::leaf("maxMemorySizeMb", 25_165_824))
        .child(os);
    Ok(Reply::xml(200, call.version, media, root.document()))
}

fn links(site: &str, href: &str, org: &str) -> Vec<Element> {
    let add = |action: &str, kind: &str| {
        let media = format!("vnd.vmware.vcloud.{kind}+xml");
        link("add", format!("{href}/action/{action}"), Some(&media))
    };
    vec![
        link(
            "up",
            format!("{site}/api/org/{org}"),
            Some("vnd.vmware.vcloud.org+xml"),
        ),
        add("composeVApp", "composeVAppParams"),
        add("instantiateVAppTemplate", "instantiateVAppTemplateParams"),
        add("instantiateVmTemplate", "instantiateVmTemplateParams"),
        add("createVm", "createVmParams"),
        link(
            "add",
            format!("{href}/disk"),
            Some("vnd.vmware.vcloud.diskCreateParams+xml"),
        ),
        link(
            "down",
            format!("{href}/computePolicies"),
            Some("vnd.vmware.vcloud.vdcComputePolicyReferences+xml"),
        ),
        link(
            "edgeGateways",
            format!("{site}/api/query?type=edgeGateway&format=records&filter=vdc=={href}"),
            Some("vnd.vmware.vcloud.query.records+xml"),
        ),
    ]
}

/// Clock rate of a virtual processor, in MHz, as [`admin_part`] tells it.
const VCPU_MHZ: u64 = 1000;

/// Limits, and what machines that are switched on use of them.
fn capacity(infra: &Infra, vdc: &Vdc) -> Element {
    let machines = || {
        let vms = infra.vms.values().filter(|vm| vm.deployed);
        vms.filter(|vm| {
            let vapp = infra.vapps.get(&vm.vapp);
            vapp.is_some_and(|vapp| vapp.vdc == vdc.uuid)
        })
    };
    let cpus: u64 = machines().map(|vm| u64::from(vm.cpus)).sum();
    let memory: u64 = machines().map(|vm| u64::from(vm.memory_mib)).sum();
    let part = |name, units, limit: u64, used: u64| {
        Element::new(name)
            .child(Element::leaf("Units", units))
            .child(Element::leaf("Allocated", 0))
            .child(Element::leaf("Limit", limit))
            .child(Element::leaf("Reserved", 0))
            .child(Element::leaf("Used", used))
    };
    let mhz = cpus.saturating_mul(VCPU_MHZ);
    Element::new("ComputeCapacity")
        .child(part("Cpu", "MHz", vdc.limits.cpu_mhz, mhz))
        .child(part("Memory", "MB", vdc.limits.memory_mib, memory))
}

fn resource_entities(site: &str, infra: &Infra, vdc: &Vdc) -> Element {
    let templates = infra
        .templates
        .values()
        .filter(|one| one.vdc == vdc.uuid)
        .map(|template| {
            Element::new("ResourceEntity")
                .attr(
                    "href",
                    format!("{site}/api/vAppTemplate/vappTemplate-{}", template.uuid),
                )
                .attr("id", format!("urn:vcloud:vapptemplate:{}", template.uuid))
                .attr("name", &template.name)
                .attr("type", "application/vnd.vmware.vcloud.vAppTemplate+xml")
        });
    let vapps = infra
        .vapps
        .values()
        .filter(|vapp| vapp.vdc == vdc.uuid)
        .map(|vapp| {
            Element::new("ResourceEntity")
                .attr("href", vapp_href(site, &vapp.uuid))
                .attr("id", format!("urn:vcloud:vapp:{}", vapp.uuid))
                .attr("name", &vapp.name)
                .attr("type", format!("application/{VAPP}"))
        });
    let disks = infra.disks.values().filter(|disk| disk.vdc == vdc.uuid);
    let disks = disks.map(|disk| reference("ResourceEntity", &disk_reference(disk, site)));
    Element::new("ResourceEntities")
        .children(templates)
        .children(vapps)
        .children(disks)
}

fn available_networks(site: &str, infra: &Infra, vdc: &Vdc) -> Element {
    let networks = infra
        .networks
        .values()
        .filter(|one| one.vdc == vdc.uuid)
        .map(|network| {
            Element::new("Network")
                .attr("href", format!("{site}/api/network/{}", network.uuid))
                .attr("id", format!("urn:vcloud:network:{}", network.uuid))
                .attr("name", &network.name)
                .attr("type", "application/vnd.vmware.vcloud.network+xml")
        });
    Element::new("AvailableNetworks").children(networks)
}

fn storage_profiles(site: &str, infra: &Infra, vdc: &Vdc) -> Element {
    let profiles = infra
        .storage_profiles
        .values()
        .filter(|one| one.vdc == vdc.uuid);
    let profiles = profiles.map(|profile| {
        Element::new("VdcStorageProfile")
            .attr(
                "href",
                format!("{site}/api/vdcStorageProfile/{}", profile.uuid),
            )
            .attr(
                "id",
                format!("urn:vcloud:vdcstorageProfile:{}", profile.uuid),
            )
            .attr("name", &profile.name)
            .attr(
                "type",
                "application/vnd.vmware.vcloud.vdcStorageProfile+xml",
            )
    });
    Element::new("VdcStorageProfiles").children(profiles)
}

/// Answers `GET /api/network/{uuid}`.
pub(crate) fn network(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    uuid: &str,
) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    let network = infra.networks.get(uuid);
    let network = network.ok_or_else(|| refused("Base", "NETWORK_VIEW", uuid))?;
    visible(call, infra, &network.vdc).map_err(|_foreign| refused("Base", "NETWORK_VIEW", uuid))?;
    let configuration = Element::new("Configuration")
        .child(ip_scopes(network, true))
        .child(Element::leaf("FenceMode", "natRouted"))
        .child(Element::leaf("RetainNetInfoAcrossDeployments", false));
    let media = "vnd.vmware.vcloud.orgVdcNetwork+xml";
    let root = Element::root("OrgVdcNetwork")
        .attr("id", format!("urn:vcloud:network:{uuid}"))
        .attr("name", &network.name)
        .attr("href", format!("{}/api/network/{uuid}", ctx.site))
        .attr("type", format!("application/{media}"))
        .attr("status", 1)
        .child(link(
            "up",
            format!("{}/api/vdc/{}", ctx.site, network.vdc),
            Some(VDC),
        ))
        .child(Element::new("Description"))
        .child(configuration)
        .child(Element::leaf("IsShared", false));
    Ok(Reply::xml(200, call.version, media, root.document()))
}

/// Answers `GET /api/vdcStorageProfile/{uuid}` and its `admin` form.
pub(crate) fn storage_profile(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    (uuid, admin): (&str, bool),
) -> Result<Reply, Problem> {
    require_method(call, &Method::GET)?;
    let hidden = || refused("Base", "VDC_STORAGE_PROFILE_VIEW", uuid);
    let profile = infra.storage_profiles.get(uuid).ok_or_else(hidden)?;
    visible(call, infra, &profile.vdc).map_err(|_foreign| hidden())?;
    let (name, path, media) = if admin {
        (
            "AdminVdcStorageProfile",
            "admin/vdcStorageProfile",
            "vnd.vmware.admin.vdcStorageProfile+xml",
        )
    } else {
        (
            "VdcStorageProfile",
            "vdcStorageProfile",
            "vnd.vmware.vcloud.vdcStorageProfile+xml",
        )
    };
    let root = Element::root(name)
        .attr("id", format!("urn:vcloud:vdcstorageProfile:{uuid}"))
        .attr("name", &profile.name)
        .attr("href", format!("{}/api/{path}/{uuid}", ctx.site))
        .attr("type", format!("application/{media}"))
        .child(link(
            "up",
            format!("{}/api/vdc/{}", ctx.site, profile.vdc),
            Some(VDC),
        ))
        .child(Element::leaf("Enabled", !profile.disabled))
        .child(Element::leaf("Units", "MB"))
        .child(Element::leaf("Limit", profile.limit_mib))
        .child(Element::leaf("Default", profile.default))
        .child(Element::leaf("StorageUsedMB", 0))
        .child(Element::leaf("IopsAllocated", 0));
    Ok(Reply::xml(200, call.version, media, root.document()))
}
