//! Where a cluster is to be in VCD, and whether its addresses can work there.

use serde_json::{Map, Value};

use super::checks::{self, AddressRange};
use super::document::{Kind, name_of, text_at};
use super::problem::{SpecProblem, excerpt};

/// Where the cluster is to be: all names in VCD.
pub(super) struct ClusterPlace {
    pub(super) site: String,
    pub(super) org: String,
    pub(super) vdc: String,
    pub(super) network: String,
}

/// From the `VCDCluster` document, which is what CAPVCD goes by; else from the entity's metadata.
pub(super) fn read(
    entity: &Map<String, Value>,
    vcd_cluster: &Value,
    problems: &mut Vec<SpecProblem>,
) -> ClusterPlace {
    let metadata = entity.get("metadata").unwrap_or(&Value::Null);
    let mut needed = |key: &str, field: &'static str, other: &str, is_valid: fn(&str) -> bool| {
        let text = text_at(vcd_cluster, &["spec", key]).or_else(|| text_at(metadata, &[other]));
        let (kind, name) = (Kind::VcdCluster, excerpt(name_of(vcd_cluster)));
        match text {
            None => problems.push(SpecProblem::FieldMissing {
                kind,
                name,
                field,
                expected: "a name in VCD",
            }),
            Some(text) if !is_valid(text) => {
                let expected = "a printable name in VCD, or for the site a URL";
                problems.push(SpecProblem::FieldInvalid {
                    kind,
                    name,
                    field,
                    found: excerpt(text),
                    expected,
                });
            }
            Some(_) => {}
        }
        text.unwrap_or_default().to_owned()
    };
    ClusterPlace {
        site: needed("site", "spec.site", "site", checks::is_site),
        org: needed("org", "spec.org", "orgName", checks::is_vcd_name),
        vdc: needed(
            "ovdc",
            "spec.ovdc",
            "virtualDataCenterName",
            checks::is_vcd_name,
        ),
        network: needed(
            "ovdcNetwork",
            "spec.ovdcNetwork",
            "ovdcNetworkName",
            checks::is_vcd_name,
        ),
    }
}

/// Pods and services must be apart from each other, from the API's address and from VCD's; what the
/// bootstrap VM talks to must be apart from its container networks.
pub(super) fn check_ranges(
    cluster: &Value,
    vcd_cluster: &Value,
    site: &str,
    problems: &mut Vec<SpecProblem>,
) {
    let mut range = |what: &'static str, text: Option<&str>, must_parse: bool| {
        let text = text?;
        let range = AddressRange::parse(text);
        // IPv6 is for Kubernetes to judge.
        if range.is_none() && must_parse && !text.contains(':') {
            problems.push(SpecProblem::RangeInvalid {
                what,
                found: excerpt(text),
            });
        }
        Some((what, range?))
    };
    let cidr = |key| text_at(cluster, &["spec", "clusterNetwork", key, "cidrBlocks", "0"]);
    let pods = range("pod range", cidr("pods"), true);
    let services = range("service range", cidr("services"), true);
    let endpoint = text_at(vcd_cluster, &["spec", "controlPlaneEndpoint", "host"]);
    let endpoint = range("control plane address", endpoint, false);
    let vip_subnet = text_at(
        vcd_cluster,
        &["spec", "loadBalancerConfigSpec", "vipSubnet"],
    );
    let vip_subnet = range("virtual IP subnet", vip_subnet, true);
    let site = range("VCD address", Some(checks::site_host(site)), false);
    let outside = [endpoint, vip_subnet, site];
    let inside = [pods, services];
    let pairs = outside
        .into_iter()
        .flat_map(|other| inside.map(|one| (one, other)));
    for (one, other) in std::iter::once((pods, services)).chain(pairs) {
        if let (Some((first, first_range)), Some((second, second_range))) = (one, other)
            && first_range.overlaps(second_range)
        {
            problems.push(SpecProblem::RangeOverlap {
                first,
                first_range,
                second,
                second_range,
            });
        }
    }
    for (what, range) in outside.into_iter().flatten() {
        if let Some(reserved) = range.reserved() {
            problems.push(SpecProblem::RangeReserved {
                what,
                range,
                reserved,
            });
        }
    }
}
