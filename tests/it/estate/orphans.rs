//! Orphans: what is left of clusters without an entity is found and removed, and nothing else.

use std::collections::BTreeMap;

use cse_server::controller::orphans::{Eyes, Orphans, OrphansError};
use cse_server::reconcile::orphans::{Line, lines};
use cse_server::reconcile::removal::Volumes;
use cse_server::sim::faults::{Fault, Refusal, Target};
use cse_server::sim::transport::InProcess;
use http::Method;

use super::survey::two_clusters;
use super::{Site, furnish, grow, log_in, plant_vapp};
use crate::support::lab::{Lab, path_of};
use crate::support::xml;

impl Site {
    async fn eyes(&self) -> Eyes<InProcess> {
        self.eyes_of(("acme", &self.author_token)).await
    }

    /// With the infrastructure seen by the user of another token.
    async fn eyes_of(&self, (org, token): (&str, &str)) -> Eyes<InProcess> {
        let administrator = self.client(org, token).await;
        let clock = self.clock.clone();
        Eyes::on(self.service().await, administrator, "acme", clock)
            .await
            .unwrap()
    }

    async fn find(&self) -> Orphans {
        self.eyes().await.find().await.unwrap()
    }

    /// Everything there is in the site's infrastructure, by kind and name.
    fn inventory(&self) -> BTreeMap<String, usize> {
        let world = self.world();
        let vms = world.vms().into_iter().map(|vm| format!("vm {}", vm.name));
        let vapps = world.vapps().into_iter().map(|name| format!("vapp {name}"));
        let disks = world.disks().into_iter().map(|name| format!("disk {name}"));
        let mut inventory = BTreeMap::new();
        for one in vms.chain(vapps).chain(disks) {
            *inventory.entry(one).or_default() += 1;
        }
        inventory
    }
}

fn kinds(lines: &[Line]) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for line in lines {
        *kinds.entry(line.kind).or_default() += 1;
    }
    kinds
}

#[tokio::test(start_paused = true)]
async fn clusters_that_exist_have_no_orphans() {
    let (lab, _, _) = two_clusters();
    let site = Site::of(lab).await;
    let before = site.inventory();
    let found = site.find().await;
    assert_eq!(found.clusters.len(), 0);
    assert_eq!((found.look_alikes, found.gaps), (vec![], vec![]));
    assert_eq!(site.inventory(), before);
}

/// Goal: what is left of a forgotten cluster goes, whole, and the living one keeps everything.
#[tokio::test(start_paused = true)]
async fn a_forgotten_cluster_is_found_and_removed_and_the_second_look_is_empty() {
    let (lab, one, other) = two_clusters();
    let site = Site::of(lab).await;
    site.world().forget_entity(&one);
    let leaks = site.world().leaks().len();
    assert!(leaks > 5, "{leaks}");
    let found = site.find().await;
    assert!(found.proven);
    let urns: Vec<&str> = found.clusters.iter().map(|c| c.entity.as_str()).collect();
    assert_eq!(urns, [one.as_str()]);
    let seen = lines(&found.clusters[0].estate);
    assert!(seen.iter().all(|line| line.proven), "{seen:?}");
    let want = [
        ("VM", 2),
        ("load balancer pool", 3),
        ("named disk", 1),
        ("vApp", 1),
        ("virtual service", 3),
    ];
    assert_eq!(kinds(&seen), BTreeMap::from(want));

    let eyes = site.eyes().await;
    let ending = eyes.remove(&found, &found.clusters[0], Volumes::Keep).await;
    let ending = ending.unwrap().unwrap();
    assert_eq!(ending.left, []);
    let kept: Vec<String> = lines(&ending.estate)
        .into_iter()
        .map(|line| line.name)
        .collect();
    assert_eq!(kept, ["pvc-kite7"], "a volume holds data");

    let found = site.find().await;
    let ending = eyes
        .remove(&found, &found.clusters[0], Volumes::Remove)
        .await;
    assert_eq!(lines(&ending.unwrap().unwrap().estate), []);
    assert_eq!(site.find().await.clusters.len(), 0);
    assert_eq!(site.world().leaks(), []);
    let scope = site.scope(&other).await;
    let rest = cse_server::controller::estate::survey(&site.author().await, &scope).await;
    assert_eq!(lines(&rest.unwrap()).len(), 10, "the neighbour's");
}

#[tokio::test(start_paused = true)]
async fn a_bootstrap_vapp_goes_by_its_marker() {
    let mut lab = Lab::new();
    let gone = lab.cluster("kite5", 1);
    let kept = lab.cluster("kite6", 1);
    for (name, urn) in [("kite5", &gone), ("kite6", &kept)] {
        let marker = format!("rde={urn};e=1;i=1");
        let vapp = lab.vapp(&format!("{name}_ephemeral_vapp"), &marker);
        let answer = lab.recompose(&vapp, "EPHEMERAL_TEMP_VM", &marker);
        lab.succeed(&answer);
    }
    lab.world.forget_entity(&gone);
    let site = Site::of(lab).await;
    let found = site.find().await;
    assert_eq!(
        kinds(&lines(&found.clusters[0].estate)),
        [("VM", 1), ("vApp", 1)].into()
    );
    let eyes = site.eyes().await;
    let ending = eyes.remove(&found, &found.clusters[0], Volumes::Keep).await;
    assert_eq!(lines(&ending.unwrap().unwrap().estate), []);
    assert_eq!(site.world().vapps(), ["kite6_ephemeral_vapp"]);
}

/// Goal: without a mark nothing is removed, however much it looks like a cluster's.
#[tokio::test(start_paused = true)]
async fn look_alikes_are_shown_and_left_alone() {
    let mut lab = Lab::new();
    let gone = grow(&mut lab, "kite7");
    lab.cluster("kite6", 1);
    for (name, infra_id) in [
        ("kite8_ephemeral_vapp", None),
        ("kite6_ephemeral_vapp", None),
        ("web", None),
        ("wild", Some("NO_RDE_5b7e0000-0000-4000-8000-000000000001")),
    ] {
        plant_vapp(&mut lab, name, infra_id);
    }
    // Somebody keeps a machine of their own in the cluster's vApp.
    let found = lab.get("/api/query?type=vApp&filter=name==kite7");
    let vapp = path_of(&xml::attribute(&found, "VAppRecord", "href"));
    let answer = lab.recompose(&vapp, "database", "precious");
    lab.succeed(&answer);
    lab.world.forget_entity(&gone);
    let site = Site::of(lab).await;
    let found = site.find().await;
    let names: Vec<&str> = found
        .look_alikes
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["kite8_ephemeral_vapp", "wild"],
        "a cluster kite6 exists"
    );
    let eyes = site.eyes().await;
    let ending = eyes
        .remove(&found, &found.clusters[0], Volumes::Remove)
        .await;
    let ending = ending.unwrap().unwrap();
    let left: Vec<(String, bool)> = lines(&ending.estate)
        .into_iter()
        .map(|line| (line.name, line.proven))
        .collect();
    let want = [("kite7".to_owned(), true), ("database".to_owned(), false)];
    assert_eq!(left, want);
    assert!(
        ending.left[0].to_string().contains("database"),
        "{:?}",
        ending.left
    );
    let vms: Vec<String> = site.world().vms().into_iter().map(|vm| vm.name).collect();
    assert_eq!(vms, ["database"]);
    assert_eq!(site.world().vapps().len(), 5);
}

/// Goal: whatever is wrong with the list of entities, nothing is called an orphan.
#[tokio::test(start_paused = true)]
async fn without_a_complete_list_of_entities_nothing_is_an_orphan() {
    let (lab, one, _) = two_clusters();
    let site = Site::of(lab).await;
    site.world().forget_entity(&one);
    let before = site.inventory();
    for fault in [
        Fault::RequestLost,
        Fault::Malformed,
        Fault::Truncated,
        Fault::Refused(Refusal::Forbidden),
        Fault::Refused(Refusal::Maintenance),
    ] {
        let list = Target::next(u64::MAX, Method::GET, "/entities/types/");
        site.faults.arm(list, fault);
        let error = site.eyes().await.find().await.unwrap_err();
        assert!(
            matches!(error, OrphansError::Entities(_)),
            "{fault:?}: {error:?}"
        );
        site.faults.disarm();
    }
    assert_eq!(site.inventory(), before);
}

/// Goal: a service account that has lost its sight takes nothing for gone, not even half way.
///
/// Method: every look at an entity is refused from the n-th on, for every n.
#[tokio::test(start_paused = true)]
async fn a_403_is_believed_of_eyes_that_see_the_others_only() {
    let (lab, one, _) = two_clusters();
    let site = Site::of(lab).await;
    site.world().forget_entity(&one);
    let eyes = site.eyes().await;
    let blind = |after: u64| {
        let look = Target {
            after,
            ..Target::next(u64::MAX, Method::GET, "/entities/urn")
        };
        site.faults.arm(look, Fault::Refused(Refusal::Forbidden));
    };
    for after in [0, 2] {
        blind(after);
        let error = eyes.find().await.unwrap_err();
        assert!(
            matches!(error, OrphansError::Blind { .. }),
            "{after}: {error:?}"
        );
        site.faults.disarm();
    }
    let found = eyes.find().await.unwrap();
    let whole = site.inventory();
    let mut sizes = Vec::new();
    for after in [0, 1, 2, 3, 8, 14] {
        blind(after);
        let error = eyes
            .remove(&found, &found.clusters[0], Volumes::Remove)
            .await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, OrphansError::Blind { .. }),
            "{after}: {error:?}"
        );
        site.faults.disarm();
        sizes.push(site.world().leaks().len());
    }
    assert_eq!(
        sizes[..3],
        [sizes[0]; 3],
        "nothing was removed at first: {sizes:?}"
    );
    assert!(sizes[5] < sizes[0], "then some of it: {sizes:?}");
    let ending = eyes
        .remove(&found, &found.clusters[0], Volumes::Remove)
        .await;
    assert_eq!(ending.unwrap().unwrap().left, []);
    assert_eq!(site.world().leaks(), []);
    assert!(site.inventory().len() < whole.len());
}

#[tokio::test(start_paused = true)]
async fn without_any_other_cluster_nothing_is_proven_and_nothing_removed() {
    let mut lab = Lab::new();
    let urn = grow(&mut lab, "kite7");
    lab.world.forget_entity(&urn);
    let site = Site::of(lab).await;
    let before = site.inventory();
    let found = site.find().await;
    assert_eq!((found.clusters.len(), found.proven), (1, false));
    let eyes = site.eyes().await;
    let error = eyes.remove(&found, &found.clusters[0], Volumes::Keep).await;
    let error = error.unwrap_err();
    assert!(matches!(error, OrphansError::NoWitness), "{error:?}");
    assert_eq!(site.inventory(), before);
}

/// Goal: a system administrator, who sees every organization, removes in the one that was named.
#[tokio::test(start_paused = true)]
async fn a_system_administrator_stays_within_the_organization() {
    let mut lab = Lab::new();
    let urn = grow(&mut lab, "kite7");
    furnish(&mut lab, "kite7");
    lab.cluster("kite6", 1);
    let zeta = lab.world.seed_tenant("zeta");
    let acme = std::mem::replace(&mut lab.tenant, zeta.clone());
    lab.author = lab.token_of("zeta", &zeta.api_token);
    let stranger = lab.cluster("kite7", 1);
    plant_vapp(&mut lab, "kite7", Some(&stranger));
    plant_vapp(&mut lab, "other", Some(&urn));
    lab.tenant = acme;
    log_in(&mut lab);
    lab.world.forget_entity(&urn);
    lab.world.forget_entity(&stranger);
    let site = Site::of(lab).await;
    let token = site.administrator_token.clone();
    let eyes = site.eyes_of(("System", &token)).await;
    let found = eyes.find().await.unwrap();
    let urns: Vec<&str> = found.clusters.iter().map(|c| c.entity.as_str()).collect();
    assert_eq!(urns, [urn.as_str()]);
    let ending = eyes
        .remove(&found, &found.clusters[0], Volumes::Remove)
        .await;
    assert_eq!(lines(&ending.unwrap().unwrap().estate), []);
    let mut left = site.world().vapps();
    left.sort();
    assert_eq!(left, ["kite7", "other"], "of the other organization");
}

/// Goal: one failed call to VCD delays the removal; the outcome is the same.
#[tokio::test(start_paused = true)]
async fn removal_converges_whatever_call_fails() {
    let mut lab = Lab::new();
    let urn = grow(&mut lab, "kite7");
    furnish(&mut lab, "kite7");
    lab.cluster("kite6", 1);
    lab.world.forget_entity(&urn);
    let site = Site::of(lab).await;
    let eyes = site.eyes().await;
    for (verb, fault) in [
        (Method::DELETE, Fault::ReplyLost),
        (Method::DELETE, Fault::Refused(Refusal::Busy)),
        (Method::POST, Fault::RequestLost),
        (Method::POST, Fault::Refused(Refusal::Maintenance)),
    ] {
        site.faults.arm(Target::next(3, verb, "/"), fault);
    }
    let found = eyes.find().await.unwrap();
    let ending = eyes
        .remove(&found, &found.clusters[0], Volumes::Remove)
        .await;
    let ending = ending.unwrap().unwrap();
    assert_eq!((ending.left, lines(&ending.estate)), (vec![], vec![]));
    assert!(site.faults.struck() >= 6, "{}", site.faults.struck());
    assert_eq!(site.world().leaks(), []);
}
