//! How objects in VCD say which cluster they belong to: names, descriptions, metadata and claims.
//!
//! Flow: `controller::estate` and the search for orphans read a text; a mark names one entity, exactly.
//!
//! Invariants:
//! - A mark holds the whole UUID of the entity, so that `kite7` is never taken for `kite70`.
//! - A text that only mentions a cluster is no mark: such objects are shown to people and left alone.
//!
//! Source: names and marks written by CAPVCD 1.x, the cloud provider (CPI) and the CSI driver.

use super::estate::Serves;
use crate::domain::ids::EntityId;

/// Metadata key by which CAPVCD knows its vApp; the value is the URN of the entity.
pub const INFRA_ID: &str = "CapvcdInfraId";
/// Description that CAPVCD gives every machine.
pub const MACHINE_DESCRIPTION: &str = "Auto-created VM";

/// What every cluster's URN begins with.
const CLUSTER_URN: &str = "urn:vcloud:entity:vmware:capvcdCluster:";
/// The end of that: all that the cloud provider puts into names.
const CLUSTER_KIND: &str = "capvcdCluster:";
const UUID_CHARS: usize = 36;

/// The cluster whose URN `text` is, as in metadata and in descriptions of disks.
pub fn urn(text: &str) -> Option<EntityId> {
    let uuid = text.trim().strip_prefix(CLUSTER_URN)?;
    entity(uuid).filter(|_| uuid.len() == UUID_CHARS)
}

/// The cluster, and whom the object serves, by the name of a virtual service, pool, NAT rule or
/// application port profile.
pub fn network_object(name: &str) -> Option<(EntityId, Serves)> {
    let name = name.strip_prefix("appPort_").unwrap_or(name);
    let name = name.strip_prefix("dnat-").unwrap_or(name);
    let service = ["ingress-vs-", "ingress-pool-"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    let (rest, kind, serves) = match service {
        Some(rest) => (rest, CLUSTER_KIND, Serves::Service),
        None => (name, CLUSTER_URN, Serves::ControlPlane),
    };
    let (before, after) = rest.split_once(kind)?;
    // In front the name of cluster or Service, behind the port or its name, which may be empty.
    let named = before.len() > 1 && before.ends_with('-');
    let closed = after.get(UUID_CHARS..)?.starts_with('-');
    let entity = entity(after.get(..UUID_CHARS)?)?;
    (named && closed).then_some((entity, serves))
}

/// The cluster, and whom the address serves, by the claim in the description of an allocation.
pub fn claim(description: &str) -> Option<(EntityId, Serves)> {
    let rest = description.trim().strip_prefix("cluster-")?;
    if let Some(after) = rest.strip_prefix(CLUSTER_KIND) {
        let entity = entity(after.get(..UUID_CHARS)?)?;
        let of_service = after.get(UUID_CHARS..)?.starts_with("-namespace-");
        return of_service.then_some((entity, Serves::Service));
    }
    let (_, id) = rest.rsplit_once("-id-")?;
    urn(id).map(|entity| (entity, Serves::ControlPlane))
}

/// Whether `vapp` is named as CAPVCD names the vApps of cluster `cluster`: with the cluster's name, or
/// with zone and pool behind it (`<cluster>_<VDC UUID>_<pool>`).
pub fn is_vapp_name(vapp: &str, cluster: &str) -> bool {
    let Some(rest) = vapp.strip_prefix(cluster) else {
        return false;
    };
    let zone = |rest: &str| {
        let uuid = rest.get(..UUID_CHARS)?;
        let pool = rest.get(UUID_CHARS..)?.strip_prefix('_')?;
        Some(is_uuid(uuid) && !pool.is_empty())
    };
    rest.is_empty() || rest.strip_prefix('_').and_then(zone).unwrap_or(false)
}

/// Whether `text` mentions the entity without being a mark of it.
pub fn mentions(text: &str, entity: &EntityId) -> bool {
    text.contains(entity.uuid())
}

/// The first cluster that `text` mentions anywhere.
pub fn mentioned(text: &str) -> Option<EntityId> {
    text.match_indices(CLUSTER_KIND).find_map(|(at, kind)| {
        let start = at.saturating_add(kind.len());
        entity(text.get(start..start.saturating_add(UUID_CHARS))?)
    })
}

/// The cluster with the UUID that `text` begins with.
fn entity(text: &str) -> Option<EntityId> {
    let uuid = text.get(..UUID_CHARS).filter(|uuid| is_uuid(uuid))?;
    EntityId::parse(&format!("{CLUSTER_URN}{uuid}")).ok()
}

fn is_uuid(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    let fits = |(at, byte): (usize, u8)| {
        if hyphens.contains(&at) {
            byte == b'-'
        } else {
            byte.is_ascii_hexdigit()
        }
    };
    text.len() == UUID_CHARS && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "5b7e0000-0000-4000-8000-000000000001";

    #[test]
    fn names_of_network_objects_name_one_cluster() {
        let urn = format!("{CLUSTER_URN}{UUID}");
        let short = format!("{CLUSTER_KIND}{UUID}");
        let cases = [
            (format!("kite7-{urn}-tcp"), Some(Serves::ControlPlane)),
            (format!("dnat-kite7-{urn}-tcp"), Some(Serves::ControlPlane)),
            (
                format!("appPort_dnat-kite7-{urn}-tcp"),
                Some(Serves::ControlPlane),
            ),
            (
                format!("ingress-vs-web-{short}-http"),
                Some(Serves::Service),
            ),
            (format!("ingress-pool-web-{short}-"), Some(Serves::Service)),
            (
                format!("appPort_dnat-ingress-vs-web-{short}-http"),
                Some(Serves::Service),
            ),
            (format!("kite7-{urn}"), None),
            (format!("kite7-{urn}0-tcp"), None),
            (format!("-{urn}-tcp"), None),
            (format!("{urn}-tcp"), None),
            (format!("kite7-{short}-tcp"), None),
            (format!("ingress-vs-{short}-http"), None),
            (format!("kite7-{CLUSTER_URN}5b7e-tcp"), None),
            ("kite7-tcp".to_owned(), None),
            (String::new(), None),
        ];
        for (name, want) in cases {
            let found = network_object(&name);
            assert_eq!(found.as_ref().map(|found| found.1), want, "{name}");
            let uuid = found.map(|found| found.0.uuid().to_owned());
            assert_eq!(uuid.as_deref(), want.map(|_| UUID), "{name}");
        }
    }

    #[test]
    fn claims_and_urns_are_read_whole_or_not_at_all() {
        let full = format!("{CLUSTER_URN}{UUID}");
        let claims = [
            (
                format!("cluster-kite7-id-{full}"),
                Some(Serves::ControlPlane),
            ),
            (
                format!("cluster-a-id-b-id-{full} "),
                Some(Serves::ControlPlane),
            ),
            (
                format!("cluster-{CLUSTER_KIND}{UUID}-namespace-a-service-b"),
                Some(Serves::Service),
            ),
            (format!("cluster-{CLUSTER_KIND}{UUID}-elsewhere"), None),
            (format!("cluster-kite7-id-{full}0"), None),
            (format!("kite7-id-{full}"), None),
            ("cluster-kite7".to_owned(), None),
            (format!("cluster-\u{e4}{full}"), None),
        ];
        for (text, want) in claims {
            assert_eq!(claim(&text).map(|found| found.1), want, "{text}");
        }
        assert!(urn(&format!(" {full}\n")).is_some());
        let cut = full.trim_end_matches('1').to_owned();
        for text in [cut, UUID.to_owned(), String::new(), format!("{full}-tcp")] {
            assert_eq!(urn(&text), None, "{text}");
        }
        assert!(mentioned(&format!("see {full}!")).is_some());
        assert_eq!(mentioned(UUID), None);
    }

    #[test]
    fn vapps_of_a_cluster_with_a_longer_name_are_not_its_own() {
        let zone = format!("kite7_{UUID}_blue");
        let cases = [
            ("kite7", true),
            (zone.as_str(), true),
            ("kite70", false),
            ("kite7_ephemeral_vapp", false),
            ("kite7-blue", false),
            ("kite", false),
            ("my-kite7", false),
        ];
        for (name, want) in cases {
            assert_eq!(is_vapp_name(name, "kite7"), want, "{name}");
        }
        assert!(!is_vapp_name(&format!("kite7_{UUID}_"), "kite7"));
    }
}
