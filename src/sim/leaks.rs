//! What is left of clusters that are no more: objects that no cluster accounts for.
//!
//! Flow: every area hands over its objects with the texts in which they name a cluster -> [`find`].
//!
//! Invariants:
//! - Pure: the objects and the clusters in, the findings out.
//! - An object that names no cluster is nobody's leak: tenants build other things, too.
//!
//! Source: names and marks as this server, CAPVCD, CPI and CSI put them: the URN of the cluster's entity in
//! the description, in metadata, or in the name; `<cluster>_ephemeral_vapp` for bootstrap vApps.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::infra::Infra;
use super::world::World;

/// Beginning of a cluster's URN.
pub(crate) const CLUSTER_URN: &str = "urn:vcloud:entity:vmware:capvcdCluster:";
/// End of that beginning: all that the cloud provider puts into names.
const CLUSTER_KIND: &str = "capvcdCluster:";
/// Characters of a UUID.
const UUID_CHARS: usize = 36;
/// Beginning of the description of bootstrap objects.
const BOOTSTRAP_MARK: &str = "rde=";
/// End of the name of a bootstrap vApp.
const BOOTSTRAP_SUFFIX: &str = "_ephemeral_vapp";

/// An object that no cluster accounts for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Leak {
    /// `vApp`, `VM`, `disk`, `IP address`, `virtual-service`, `lb-pool`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Id by which clients know it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Name of the organization it is in.
    pub org: String,
    /// Why it is a leak.
    pub why: String,
}

/// An object as this check sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) name: String,
    /// Name of the organization.
    pub(crate) org: String,
    /// Texts besides the name in which it may name a cluster.
    pub(crate) texts: Vec<String>,
    /// Why it is a leak whatever it names; nothing if it may be none.
    pub(crate) orphaned: Option<String>,
    /// Id of the object that accounts for it, if it names no cluster itself.
    pub(crate) parent: Option<String>,
}

/// A cluster that exists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) org: String,
    /// Its creation is over.
    pub(crate) provisioned: bool,
}

impl World {
    /// All objects that no cluster accounts for, by type and name.
    pub fn leaks(&self) -> Vec<Leak> {
        let clusters = self.entities.iter();
        let clusters = clusters.filter(|entity| entity.rules.nss == "capvcdCluster");
        let clusters = clusters.map(|entity| {
            let state = entity.content.text_at(&["status", "vcdKe", "state"]);
            let cluster = Cluster {
                name: entity.name.clone(),
                org: self.org_name(&entity.org_id),
                provisioned: state.as_deref() == Some("provisioned"),
            };
            (entity.id.clone(), cluster)
        });
        let clusters: BTreeMap<String, Cluster> = clusters.collect();
        let mut objects = self.machines();
        objects.extend(self.services());
        find(objects, &clusters)
    }

    fn org_name(&self, id: &str) -> String {
        self.directory.org_name(id).unwrap_or_default().to_owned()
    }

    /// vApps, VMs and the addresses they have, disks.
    fn machines(&self) -> Vec<Object> {
        let Infra {
            vapps,
            vms,
            disks,
            networks,
            vdcs,
            ..
        } = &self.infra;
        let mut objects = Vec::new();
        for vapp in vapps.values() {
            let values = vapp.metadata.values().map(|value| value.value.clone());
            objects.push(Object {
                kind: "vApp",
                id: format!("urn:vcloud:vapp:{}", vapp.uuid),
                name: vapp.name.clone(),
                org: self.org_name(&vapp.org_id),
                texts: values.chain([vapp.description.clone()]).collect(),
                ..Object::default()
            });
        }
        for vm in vms.values() {
            let vapp = vapps.get(&vm.vapp);
            let values = vm.metadata.values().map(|value| value.value.clone());
            objects.push(Object {
                kind: "VM",
                id: format!("urn:vcloud:vm:{}", vm.uuid),
                name: vm.name.clone(),
                org: vapp.map_or_else(String::new, |vapp| self.org_name(&vapp.org_id)),
                texts: values.chain([vm.description.clone()]).collect(),
                orphaned: vapp.is_none().then(|| "its vApp does not exist".to_owned()),
                parent: Some(format!("urn:vcloud:vapp:{}", vm.vapp)),
            });
        }
        for disk in disks.values() {
            let values = disk.metadata.values().map(|value| value.value.clone());
            objects.push(Object {
                kind: "disk",
                id: format!("urn:vcloud:disk:{}", disk.uuid),
                name: disk.name.clone(),
                org: self.org_name(&disk.org_id),
                texts: values.chain([disk.description.clone()]).collect(),
                ..Object::default()
            });
        }
        for network in networks.values() {
            let org = vdcs.get(&network.vdc).map(|vdc| self.org_name(&vdc.org_id));
            for (address, holder) in &network.used {
                let why = format!("the VM {holder} that has it does not exist");
                objects.push(Object {
                    kind: "IP address",
                    id: address.to_string(),
                    name: format!("{address} of {}", network.name),
                    org: org.clone().unwrap_or_default(),
                    orphaned: (!vms.contains_key(holder)).then_some(why),
                    ..Object::default()
                });
            }
        }
        objects
    }
}

impl World {
    /// What tenants have built on edge gateways.
    fn services(&self) -> impl Iterator<Item = Object> {
        self.network.objects().map(|one| Object {
            kind: one.kind.name(),
            id: one.id,
            name: one.name,
            org: self.org_name(&one.org_id),
            ..Object::default()
        })
    }
}

/// The leaks among `objects`, sorted by type, id and name.
pub(crate) fn find(objects: Vec<Object>, clusters: &BTreeMap<String, Cluster>) -> Vec<Leak> {
    let mut leaks = BTreeSet::new();
    let mut leaked = BTreeMap::new();
    let mut rest = Vec::new();
    for object in objects {
        match reason(&object, clusters) {
            Some(why) => {
                leaked.insert(object.id.clone(), object.name.clone());
                leaks.insert(leak(object, why));
            }
            None => rest.push(object),
        }
    }
    for object in rest {
        let parent = object.parent.as_ref().and_then(|parent| leaked.get(parent));
        if let Some(parent) = parent {
            let why = format!("it is in {parent}, which is left over");
            leaks.insert(leak(object, why));
        }
    }
    leaks.into_iter().collect()
}

fn leak(object: Object, why: String) -> Leak {
    Leak {
        kind: object.kind.to_owned(),
        id: object.id,
        name: object.name,
        org: object.org,
        why,
    }
}

/// Why `object` is a leak by itself.
fn reason(object: &Object, clusters: &BTreeMap<String, Cluster>) -> Option<String> {
    if object.orphaned.is_some() {
        return object.orphaned.clone();
    }
    let texts = object.texts.iter().chain([&object.name]);
    for text in texts {
        for urn in named_clusters(text) {
            let Some(cluster) = clusters.get(&urn) else {
                return Some(format!("the cluster {urn} does not exist"));
            };
            if cluster.provisioned && text.starts_with(BOOTSTRAP_MARK) {
                let name = &cluster.name;
                return Some(format!("the cluster {name} is provisioned without it"));
            }
        }
    }
    // Bootstrap objects of other servers carry no URN.
    let name = object.name.strip_suffix(BOOTSTRAP_SUFFIX)?;
    let marked = object
        .texts
        .iter()
        .any(|text| !named_clusters(text).is_empty());
    let known = clusters
        .values()
        .any(|cluster| cluster.name == name && cluster.org == object.org);
    (!marked && !known).then(|| format!("there is no cluster {name} in {}", object.org))
}

/// URNs of the clusters that `text` names.
pub(crate) fn named_clusters(text: &str) -> Vec<String> {
    let found = text.match_indices(CLUSTER_KIND);
    let uuids = found.filter_map(|(at, kind)| {
        let start = at + kind.len();
        text.get(start..start + UUID_CHARS)
    });
    uuids.map(|uuid| format!("{CLUSTER_URN}{uuid}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0b7e5c3a-2a4b-4a54-9c52-5b2ff2ac1111";

    fn clusters() -> BTreeMap<String, Cluster> {
        let oak = Cluster {
            name: "oak".to_owned(),
            org: "acme".to_owned(),
            provisioned: true,
        };
        let elm = Cluster {
            name: "elm".to_owned(),
            provisioned: false,
            ..oak.clone()
        };
        let urn = |last: u8| format!("{CLUSTER_URN}{}{last}", &UUID.get(..35).unwrap_or_default());
        [(urn(1), oak), (urn(2), elm)].into()
    }

    #[test]
    fn every_way_to_name_a_cluster_is_understood() {
        let urn = |last: u8| format!("{CLUSTER_URN}{}{last}", UUID.get(..35).unwrap_or_default());
        // (name, text, leak or not)
        let rows = [
            ("web-server", "somebody's own".to_owned(), None),
            ("oak", urn(1), None),
            ("oak", urn(9), Some("does not exist")),
            (
                "ephemeral",
                format!("rde={};e=1;i=1", urn(1)),
                Some("is provisioned without it"),
            ),
            ("ephemeral", format!("rde={};e=1;i=1", urn(2)), None),
            (
                "elm_ephemeral_vapp",
                format!("rde={};e=1;i=1", urn(2)),
                None,
            ),
            ("elm_ephemeral_vapp", String::new(), None),
            (
                "fir_ephemeral_vapp",
                String::new(),
                Some("no cluster fir in acme"),
            ),
            ("truncated", format!("{CLUSTER_URN}0b7e"), None),
        ];
        for (name, text, want) in rows {
            let object = Object {
                kind: "vApp",
                name: name.to_owned(),
                org: "acme".to_owned(),
                texts: vec![text.clone()],
                ..Object::default()
            };
            let found = reason(&object, &clusters());
            let fits = match (&found, want) {
                (Some(why), Some(want)) => why.contains(want),
                (found, want) => found.is_none() && want.is_none(),
            };
            assert!(fits, "{name} {text}: {found:?}");
        }
        let service = Object {
            kind: "virtual service",
            name: format!("oak-{}-tcp", urn(9)),
            ..Object::default()
        };
        assert!(
            reason(&service, &clusters()).is_some(),
            "the name counts, too"
        );
    }

    #[test]
    fn what_is_in_a_leak_is_one() {
        let vapp = Object {
            kind: "vApp",
            id: "vapp-1".to_owned(),
            name: "gone".to_owned(),
            texts: vec![format!("{CLUSTER_URN}{UUID}")],
            ..Object::default()
        };
        let vm = Object {
            kind: "VM",
            id: "vm-1".to_owned(),
            name: "node".to_owned(),
            parent: Some("vapp-1".to_owned()),
            ..Object::default()
        };
        let leaks = find(vec![vm, vapp], &BTreeMap::new());
        let whys: Vec<&str> = leaks.iter().map(|leak| leak.why.as_str()).collect();
        assert!(
            matches!(whys.as_slice(), [vm, vapp]
            if vm.contains("it is in gone") && vapp.contains("does not exist")),
            "{whys:?}"
        );
    }
}
