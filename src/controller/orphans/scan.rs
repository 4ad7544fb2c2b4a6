//! Looking through an organization for everything that says it belongs to some cluster.
//!
//! Invariants:
//! - Only marks make an object a cluster's; what merely looks so is kept apart.
//! - What cannot be looked at is a gap.
//!
//! Source: as `controller::estate`; the original server leaves no mark on its bootstrap vApps.

use std::collections::{BTreeMap, BTreeSet};

use super::LookAlike;
use crate::controller::estate::{or_gap, volumes};
use crate::controller::observe::visible;
use crate::domain::ids::{EntityId, VappId, VdcId};
use crate::domain::marker::Marker;
use crate::reconcile::estate::{EstateKind, Serves};
use crate::reconcile::marks::{self, INFRA_ID};
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::{EdgeGateway, NamedRef, NetworkObject};
use crate::vcd::transport::Transport;

/// End of the name of a bootstrap vApp.
const BOOTSTRAP_SUFFIX: &str = "_ephemeral_vapp";

/// Where the marks of one cluster were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marked {
    /// Its vApps.
    pub(super) vapps: BTreeSet<VappId>,
    /// Their names.
    pub(super) names: BTreeSet<String>,
    /// Bootstrap vApps with this server's marker.
    pub(super) bootstrap: BTreeSet<VappId>,
}

/// Something without a mark that is worth a line.
#[derive(Clone, Debug)]
pub(super) struct Resemblance {
    pub(super) shown: LookAlike,
    /// The cluster it mentions; shown only if that is gone.
    pub(super) mentions: Option<EntityId>,
    /// The cluster it is named after; not shown if that exists.
    named_after: Option<String>,
}

impl Resemblance {
    /// Whether a cluster of the name it bears exists.
    pub(super) fn is_used_by(&self, names: &BTreeSet<&str>) -> bool {
        let name = self.named_after.as_deref();
        name.is_some_and(|name| names.contains(name))
    }
}

/// What one look through an organization finds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) marked: BTreeMap<EntityId, Marked>,
    pub(super) look_alikes: Vec<Resemblance>,
    pub(super) gaps: Vec<String>,
    pub(super) vdcs: BTreeSet<VdcId>,
}

/// Looks through everything in the organization.
pub(super) async fn scan<T: Transport>(client: &VcdClient<T>, org: &str) -> Result<Scan, VcdError> {
    let mut seen = Scan::default();
    let vdcs = or_gap(&mut seen.gaps, "VDCs", client.vdcs(Some(org)).await)?;
    for vdc in vdcs.unwrap_or_default() {
        seen.vdcs.insert(vdc.id.clone());
        let what = format!("vApps of VDC \"{}\"", vdc.name);
        let Some(found) = or_gap(&mut seen.gaps, &what, client.vdc(&vdc.id).await)? else {
            continue;
        };
        for vapp in found.vapps {
            scan_vapp(client, vapp, &mut seen).await?;
        }
        scan_disks(client, &vdc, &mut seen).await?;
    }
    scan_network(client, &mut seen).await?;
    Ok(seen)
}

async fn scan_vapp<T: Transport>(
    client: &VcdClient<T>,
    vapp: NamedRef<VappId>,
    seen: &mut Scan,
) -> Result<(), VcdError> {
    if let Some(cluster) = vapp.name.strip_suffix(BOOTSTRAP_SUFFIX) {
        let Some(found) = visible(client.vapp(&vapp.id).await)? else {
            seen.cannot_read(&vapp);
            return Ok(());
        };
        match Marker::parse(&found.description) {
            Some(marker) => {
                let cluster = seen.marked.entry(marker.entity).or_default();
                cluster.bootstrap.insert(vapp.id);
            }
            None => seen.look_alikes.push(Resemblance {
                named_after: Some(cluster.to_owned()),
                ..resemblance(
                    ("vApp", &vapp.name, vapp.id.as_str()),
                    "it is named like a bootstrap vApp but carries no mark of this server",
                )
            }),
        }
        return Ok(());
    }
    let Some(metadata) = visible(client.vapp_metadata(&vapp.id).await)? else {
        seen.cannot_read(&vapp);
        return Ok(());
    };
    let Some(value) = metadata.get(INFRA_ID) else {
        return Ok(());
    };
    if let Some(entity) = marks::urn(value) {
        let marked = seen.marked.entry(entity).or_default();
        marked.vapps.insert(vapp.id);
        marked.names.insert(vapp.name);
    } else {
        let why = "CAPVCD made it for a cluster that has no entity";
        let object = ("vApp", vapp.name.as_str(), vapp.id.as_str());
        seen.look_alikes.push(resemblance(object, why));
    }
    Ok(())
}

async fn scan_disks<T: Transport>(
    client: &VcdClient<T>,
    vdc: &NamedRef<VdcId>,
    seen: &mut Scan,
) -> Result<(), VcdError> {
    let what = format!("named disks of VDC \"{}\"", vdc.name);
    let listed = or_gap(&mut seen.gaps, &what, client.disks(Some(&vdc.id)).await)?;
    let mut listed = listed.unwrap_or_default();
    volumes::describe(client, &mut listed, |_| false, &mut seen.gaps).await?;
    for disk in listed {
        let description = disk.description.as_deref().unwrap_or_default();
        let kind = EstateKind::Disk.name();
        let object = (kind, disk.name.as_str(), disk.id.as_str());
        seen.note(marks::urn(description), object, description);
    }
    Ok(())
}

async fn scan_network<T: Transport>(
    client: &VcdClient<T>,
    seen: &mut Scan,
) -> Result<(), VcdError> {
    let gateways = or_gap(
        &mut seen.gaps,
        "edge gateways",
        client.edge_gateways().await,
    )?;
    let mut spaces = BTreeMap::new();
    for gateway in gateways.unwrap_or_default() {
        scan_gateway(client, &gateway, seen).await?;
        if gateway.uses_ip_spaces {
            let what = format!("IP spaces of \"{}\"", gateway.name);
            let found = or_gap(&mut seen.gaps, &what, client.ip_spaces(&gateway.id).await)?;
            let found = found.unwrap_or_default().into_iter();
            spaces.extend(found.map(|space| (space.id, space.name)));
        }
    }
    let profiles = client.port_profiles().await;
    let profiles = or_gap(&mut seen.gaps, "application port profiles", profiles)?;
    seen.note_objects(EstateKind::PortProfile, profiles);
    for (space, name) in spaces {
        let what = format!("addresses of IP space \"{name}\"");
        let found = or_gap(&mut seen.gaps, &what, client.ip_allocations(&space).await)?;
        for one in found.unwrap_or_default() {
            let object = (EstateKind::AddressClaim.name(), &*one.address, &*one.id);
            seen.note(
                entity_of(marks::claim(&one.description)),
                object,
                &one.description,
            );
        }
    }
    Ok(())
}

async fn scan_gateway<T: Transport>(
    client: &VcdClient<T>,
    gateway: &EdgeGateway,
    seen: &mut Scan,
) -> Result<(), VcdError> {
    let (id, name) = (&gateway.id, &gateway.name);
    let services = client.virtual_services(id).await;
    let services = or_gap(
        &mut seen.gaps,
        &format!("virtual services of \"{name}\""),
        services,
    )?;
    seen.note_objects(EstateKind::VirtualService, services);
    let pools = client.pools(id).await;
    let pools = or_gap(
        &mut seen.gaps,
        &format!("load balancer pools of \"{name}\""),
        pools,
    )?;
    seen.note_objects(EstateKind::Pool, pools);
    let rules = client.nat_rules(id).await;
    let rules = or_gap(&mut seen.gaps, &format!("NAT rules of \"{name}\""), rules)?;
    seen.note_objects(EstateKind::NatRule, rules);
    Ok(())
}

fn entity_of(mark: Option<(EntityId, Serves)>) -> Option<EntityId> {
    mark.map(|(entity, _)| entity)
}

impl Scan {
    fn cannot_read(&mut self, vapp: &NamedRef<VappId>) {
        let (name, id) = (&vapp.name, &vapp.id);
        self.gaps.push(format!(
            "vApp \"{name}\" ({id}) is listed but cannot be read"
        ));
    }

    fn note_objects(&mut self, kind: EstateKind, found: Option<Vec<NetworkObject>>) {
        for one in found.unwrap_or_default() {
            let object = (kind.name(), one.name.as_str(), one.id.as_str());
            self.note(
                entity_of(marks::network_object(&one.name)),
                object,
                &one.name,
            );
        }
    }

    /// Takes note of an object by its mark, or by what its text mentions.
    fn note(&mut self, mark: Option<EntityId>, object: (&'static str, &str, &str), text: &str) {
        if let Some(entity) = mark {
            self.marked.entry(entity).or_default();
        } else if let Some(entity) = marks::mentioned(text) {
            let why = format!(
                "it mentions {entity}, which does not exist, but not in the form of a mark"
            );
            self.look_alikes.push(Resemblance {
                mentions: Some(entity),
                ..resemblance(object, &why)
            });
        }
    }
}

fn resemblance((kind, name, id): (&'static str, &str, &str), why: &str) -> Resemblance {
    Resemblance {
        shown: LookAlike {
            kind,
            name: name.to_owned(),
            id: id.to_owned(),
            why: why.to_owned(),
        },
        mentions: None,
        named_after: None,
    }
}
