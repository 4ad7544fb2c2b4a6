//! What a survey finds, what it does not take for the cluster's, and what it admits not to know.

use cse_server::controller::estate::{self, Scope};
use cse_server::domain::ids::VappId;
use cse_server::reconcile::estate::{EstateKind, EstateSeen, Proof, Serves};
use cse_server::sim::faults::{Fault, Refusal, Target};
use serde_json::{Value, json};

use super::{Site, count, furnish, grow, user_with};
use crate::support::lab::Lab;
use crate::support::site::Ask;
use crate::support::xml;

/// A lab in which kite7 has Services and a volume, and kite70 lives beside it.
fn two_clusters() -> (Lab, String, String) {
    let mut lab = Lab::new();
    let one = grow(&mut lab, "kite7");
    let other = grow(&mut lab, "kite70");
    furnish(&mut lab, "kite7");
    furnish(&mut lab, "kite70");
    (lab, one, other)
}

fn proofs(seen: &EstateSeen) -> Vec<(&str, Proof)> {
    let vapps = seen.vapps.iter().map(|one| (one.name.as_str(), one.proof));
    vapps.collect()
}

fn ids(seen: &EstateSeen) -> Vec<&str> {
    let vapps = seen.vapps.iter().map(|one| one.id.as_str());
    let items = seen.items.iter().map(|one| one.id.as_str());
    vapps.chain(items).collect()
}

/// Composes a vApp in the tenant's name; `infra_id` goes into its metadata.
fn plant_vapp(lab: &mut Lab, name: &str, infra_id: Option<&str>) -> String {
    let path = lab.vapp(name, "planted");
    if let Some(id) = infra_id {
        let body = format!(
            "<MetadataValue xmlns=\"http://www.vmware.com/vcloud/v1.5\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <TypedValue xsi:type=\"MetadataStringValue\"><Value>{id}</Value></TypedValue></MetadataValue>"
        );
        let ask = Ask::put(&format!("{path}/metadata/CapvcdInfraId")).body(&body);
        let answer = lab.xml(ask);
        lab.succeed(&answer);
    }
    xml::attribute(&lab.get(&path), "VApp", "id")
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_found_whole_and_its_neighbour_is_not_touched() {
    let (lab, one, other) = two_clusters();
    let site = Site::of(lab).await;
    let scope = site.scope(&one).await;
    let seen = estate::survey(&site.author().await, &scope).await.unwrap();
    assert_eq!(seen.gaps, Vec::<String>::new());
    assert_eq!(proofs(&seen), [("kite7", Proof::Marked)]);
    let vapp = &seen.vapps[0];
    assert!(vapp.deployed && !vapp.busy, "{vapp:?}");
    assert_eq!(vapp.metadata["CapvcdInfraId"], one);
    let machines: Vec<Proof> = vapp.vms.iter().map(|vm| vm.proof).collect();
    assert_eq!(machines, [Proof::Marked, Proof::Marked], "{:?}", vapp.vms);
    // One for the control plane, one for each port of the Service.
    assert_eq!(count(&seen, EstateKind::VirtualService), 3);
    assert_eq!(count(&seen, EstateKind::Pool), 3);
    let serves = |wanted| seen.items.iter().filter(|one| one.serves == wanted).count();
    assert_eq!(serves(Serves::ControlPlane), 2);
    assert_eq!(serves(Serves::Service), 4);
    let disks = seen.items.iter().filter(|one| one.kind == EstateKind::Disk);
    let disks: Vec<_> = disks.collect();
    assert_eq!(disks.len(), 1, "{disks:?}");
    assert_eq!(
        (disks[0].name.as_str(), disks[0].proof),
        ("pvc-kite7", Proof::Marked)
    );
    let nodes: Vec<_> = vapp.vms.iter().map(|vm| vm.id.clone()).collect();
    assert!(nodes.contains(&disks[0].attached_to[0]), "{disks:?}");

    let before = site.scope(&other).await;
    let before = estate::survey(&site.author().await, &before).await.unwrap();
    let steps = site.take_apart(&scope).await;
    assert_eq!(steps.len(), 10, "{steps:?}");
    let after = site.scope(&other).await;
    let after = estate::survey(&site.author().await, &after).await.unwrap();
    assert_eq!(after.items, before.items, "the neighbour's");
    assert_eq!(after.vapps.len(), 1);
    site.world().forget_entity(&one);
    assert_eq!(site.world().leaks(), []);
}

#[tokio::test(start_paused = true)]
async fn addresses_rules_and_profiles_belong_to_it_too() {
    let mut lab = Lab::new();
    let tenant = lab.tenant.clone();
    lab.world.use_ip_space(&tenant);
    let urn = one_arm(&mut lab, "kite7");
    furnish(&mut lab, "kite7");
    let site = Site::of(lab).await;
    let scope = site.scope(&urn).await;
    let seen = estate::survey(&site.author().await, &scope).await.unwrap();
    assert_eq!(seen.gaps, Vec::<String>::new());
    for (kind, wanted) in [
        (EstateKind::VirtualService, 3),
        (EstateKind::Pool, 3),
        (EstateKind::NatRule, 3),
        (EstateKind::PortProfile, 3),
        (EstateKind::AddressClaim, 2),
        (EstateKind::Disk, 1),
    ] {
        assert_eq!(count(&seen, kind), wanted, "{kind:?}: {:#?}", seen.items);
    }
    let steps = site.take_apart(&scope).await;
    let released = steps
        .iter()
        .filter(|step| **step == "IP address allocation");
    assert_eq!(released.count(), 4, "two calls for each address: {steps:?}");
    site.world().forget_entity(&urn);
    assert_eq!(site.world().leaks(), []);
}

/// A cluster whose virtual services have internal addresses and NAT rules in front.
fn one_arm(lab: &mut Lab, name: &str) -> String {
    let settings = json!({"useOneArm": true});
    super::grow_with(lab, name, |documents| {
        let mut all = documents.iter_mut();
        let cluster = all.find(|one| one["kind"] == "VCDCluster").unwrap();
        cluster["spec"]["loadBalancerConfigSpec"] = settings;
    })
}

/// Goal: no name, no mark of another cluster and no word of the entity makes a foreign object the cluster's.
#[tokio::test(start_paused = true)]
async fn look_alikes_are_never_proven() {
    let (mut lab, one, other) = two_clusters();
    super::log_in(&mut lab);
    let zone = "kite7_5b7e0000-0000-4000-8000-000000000001_blue";
    let plain = plant_vapp(&mut lab, zone, None);
    let foreign = plant_vapp(
        &mut lab,
        "kite7_5b7e0000-0000-4000-8000-000000000002_blue",
        Some(&other),
    );
    let prefix = plant_vapp(&mut lab, "kite7-archive", Some(&one));
    let wall = lab.wall();
    let claims = |list: &[&str]| -> Vec<Value> {
        let entry = |id: &&str| json!({"type": "VApp", "id": id, "name": "kite7"});
        list.iter().map(entry).collect()
    };
    // A copied document: it claims what carries the marks of the other cluster.
    let others = lab.world.entity_content(&other).unwrap();
    lab.world.modify_entity(&one, wall, |content| {
        let set = content["status"]["capvcd"]["vcdResourceSet"]
            .as_array_mut()
            .unwrap();
        set.extend(claims(&[&foreign, &prefix]));
        set.extend(
            others["status"]["capvcd"]["vcdResourceSet"]
                .as_array()
                .unwrap()
                .clone(),
        );
        content["status"]["cpi"] = others["status"]["cpi"].clone();
        content["status"]["csi"] = others["status"]["csi"].clone();
    });
    let site = Site::of(lab).await;
    let scope = site.scope(&one).await;
    assert!(scope.recorded.len() > 6, "{:?}", scope.recorded);
    let seen = estate::survey(&site.author().await, &scope).await.unwrap();
    let proof = |id: &str| {
        let mut vapps = seen.vapps.iter();
        vapps
            .find(|vapp| vapp.id.as_str() == id)
            .map(|vapp| vapp.proof)
    };
    assert_eq!(proof(&plain), Some(Proof::Unproven));
    assert_eq!(proof(&foreign), Some(Proof::Unproven));
    // CAPVCD's own mark counts, wherever the entity's record leads.
    assert_eq!(proof(&prefix), Some(Proof::Marked));
    let marked = seen.vapps.iter().filter(|vapp| vapp.proof.suffices());
    assert_eq!(marked.count(), 2);
    let uuid = one.rsplit(':').next().unwrap();
    for item in &seen.items {
        let own = item.name.contains(uuid) || item.name == "pvc-kite7";
        assert!(own, "{item:?}");
    }
    assert_eq!(seen.items.len(), 7, "{:#?}", seen.items);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_vapp_without_metadata_counts_if_its_name_fits() {
    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", 1);
    let (own, odd) = (
        plant_vapp(&mut lab, "kite7", None),
        plant_vapp(&mut lab, "web", None),
    );
    let wall = lab.wall();
    lab.world.modify_entity(&urn, wall, |content| {
        let entry = |id: &str| json!({"type": "VApp", "id": id, "name": "x"});
        let set = json!({"capvcd": {"vcdResourceSet": [entry(&own), entry(&odd)]}});
        content.insert("status".to_owned(), set);
    });
    let site = Site::of(lab).await;
    let scope = site.scope(&urn).await;
    let seen = estate::survey(&site.author().await, &scope).await.unwrap();
    assert_eq!(proofs(&seen), [("kite7", Proof::Recorded)]);
}

/// Goal: a broken or misleading entity does not hide the cluster's machines.
#[tokio::test(start_paused = true)]
async fn a_broken_entity_hides_nothing() {
    let mut lab = Lab::new();
    let urn = grow(&mut lab, "kite7");
    furnish(&mut lab, "kite7");
    let wall = lab.wall();
    lab.world.modify_entity(&urn, wall, |content| {
        content["spec"]["capiYaml"] = json!("{[ no yaml");
        content["metadata"]["ovdcNetworkName"] = json!("elsewhere");
        content["status"] = json!({"vcdKe": {"state": "deleting"}});
    });
    let site = Site::of(lab).await;
    let author = site.author().await;
    let scope = site.scope(&urn).await;
    let seen = estate::survey(&author, &scope).await.unwrap();
    assert_eq!(
        (proofs(&seen), seen.items.len()),
        (vec![("kite7", Proof::Marked)], 7)
    );
    assert_eq!(seen.gaps, Vec::<String>::new());

    let wall = site.clock.wall();
    site.world().modify_entity(&urn, wall, |content| {
        content["metadata"]["virtualDataCenterName"] = json!("no such VDC");
    });
    let scope = site.scope(&urn).await;
    let seen = estate::survey(&author, &scope).await.unwrap();
    assert_eq!(
        proofs(&seen),
        [("kite7", Proof::Marked)],
        "found by a search"
    );
    assert!(seen.gaps[0].contains("no such VDC"), "{:?}", seen.gaps);
    assert!(!seen.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_token_may_not_see_is_a_gap_and_not_nothing() {
    let mut lab = Lab::new();
    let urn = grow(&mut lab, "kite7");
    let token = user_with(&mut lab, &["Organization: View", "vApp: Edit Properties"]);
    let site = Site::of(lab).await;
    let scope = site.scope(&urn).await;
    let auditor = site.client("acme", &token).await;
    let seen = estate::survey(&auditor, &scope).await.unwrap();
    for what in [
        "VDC",
        "edge gateways",
        "application port profiles",
        "named disks",
    ] {
        let named = seen.gaps.iter().any(|gap| gap.contains(what));
        assert!(named, "{what}: {:?}", seen.gaps);
    }
    assert!(!seen.is_empty());
}

/// Goal: a survey that could not be made is an error or has gaps; it never looks empty.
///
/// Method: every call of a survey fails once, in each of several ways.
#[tokio::test(start_paused = true)]
async fn no_failed_call_makes_a_cluster_look_gone() {
    let mut lab = Lab::new();
    let urn = grow(&mut lab, "kite7");
    furnish(&mut lab, "kite7");
    let site = Site::of(lab).await;
    let (author, scope) = (site.author().await, site.scope(&urn).await);
    let whole = estate::survey(&author, &scope).await.unwrap();
    let first = site.faults.calls();
    estate::survey(&author, &scope).await.unwrap();
    let calls = site.faults.calls() - first;
    assert!(calls >= 8, "{calls} calls");
    let mut runs = 0;
    for fault in [
        Fault::RequestLost,
        Fault::Refused(Refusal::Maintenance),
        Fault::Refused(Refusal::Forbidden),
        Fault::Malformed,
        Fault::Truncated,
    ] {
        for call in 0..calls {
            site.faults.arm(Target::nth(call), fault);
            match estate::survey(&author, &scope).await {
                Err(_) => {}
                Ok(seen) => {
                    let honest = ids(&seen) == ids(&whole) || !seen.gaps.is_empty();
                    assert!(honest, "{fault:?} at call {call}: {seen:#?}");
                }
            }
            site.faults.disarm();
            runs += 1;
        }
    }
    assert!(runs >= 40, "{runs} runs");
}

#[tokio::test(start_paused = true)]
async fn metadata_is_written_beside_what_is_there() {
    let mut lab = Lab::new();
    let urn = grow(&mut lab, "kite7");
    let site = Site::of(lab).await;
    let (author, scope) = (site.author().await, site.scope(&urn).await);
    let seen = estate::survey(&author, &scope).await.unwrap();
    let vapp: &VappId = &seen.vapps[0].id;
    let text = "a <&>\" b";
    let task = author.set_vapp_metadata(vapp, "CseProvisioned", text).await;
    site.finish(&author, &task.unwrap()).await;
    let metadata = author.vapp_metadata(vapp).await.unwrap();
    assert_eq!(metadata["CseProvisioned"], text);
    assert_eq!(metadata["CapvcdInfraId"], urn);
    let nothing = Scope::default();
    let empty = estate::survey(&author, &nothing).await.unwrap();
    assert!(
        !empty.is_empty(),
        "a scope without a cluster proves nothing: {empty:?}"
    );
}
