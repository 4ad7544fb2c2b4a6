//! `cse-server init`: on an empty site, on one of CSE 4.0 or 4.1, with every call failing once.

mod command;
pub(crate) mod desk;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cse_server::clock::Clock;
use cse_server::setup::objects::{Site, shipped_config};
use cse_server::setup::read::{SiteSeen, read};
use cse_server::setup::{Audience, Mark, Wanted, apply, plan};
use cse_server::sim::faults::{Fault, Faults, Target};
use cse_server::sim::seed::default_config;
use cse_server::sim::timings::Timings;
use cse_server::sim::transport::InProcess;
use cse_server::sim::world::World;
use cse_server::vcd::greeting::Greeting;
use cse_server::vcd::{ClientOptions, PasswordLogin, VcdClient};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::site::Ask;
use desk::{API, Desk};

const PASSWORD: &str = "correct: horse\u{e9}";
/// When everything happens that no clock drives.
const THEN: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// A world that is set up without a network, in virtual time.
struct Bench {
    world: Arc<Mutex<World>>,
    faults: Arc<Faults>,
    clock: Clock,
}

impl Bench {
    fn new(prepare: impl FnOnce(&mut World)) -> Self {
        let mut world = World::new("https://vcd.example", 5, Timings::default());
        world.seed_bare_site();
        world.seed_tenant("acme");
        world.set_password("administrator", PASSWORD);
        prepare(&mut world);
        Self {
            world: Arc::new(Mutex::new(world)),
            faults: Arc::new(Faults::none()),
            clock: Clock::virtual_at(THEN),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn client(&self) -> Result<VcdClient<InProcess>, String> {
        let transport = InProcess::new(
            Arc::clone(&self.world),
            self.clock.clone(),
            Arc::clone(&self.faults),
        );
        let told = |error: cse_server::vcd::error::VcdError| error.to_string();
        let greeting = Greeting::with(Arc::new(transport), ClientOptions::default()).await;
        let login = PasswordLogin {
            org: "System".to_owned(),
            user: "administrator".to_owned(),
            password: SecretString::from(PASSWORD),
        };
        greeting
            .map_err(told)?
            .log_in_with_password(login)
            .await
            .map_err(told)
    }

    /// What the command does in one run; returns how many steps it took.
    async fn run(&self, wanted: &Wanted) -> Result<usize, String> {
        let client = self.client().await?;
        let seen = read(&client, &wanted.site)
            .await
            .map_err(|error| error.to_string())?;
        let plan = plan(wanted, seen);
        assert!(!plan.is_refused(), "{:#?}", plan.lines);
        let count = plan.steps.len();
        for step in plan.steps {
            let applied = apply::apply(&client, &wanted.site, step).await;
            applied.map_err(|error| format!("{error:?}"))?;
        }
        Ok(count)
    }

    /// Everything that is there, without ids and tags, which are drawn by lot.
    async fn state(&self, wanted: &Wanted) -> String {
        self.faults.disarm();
        let client = self.client().await.unwrap();
        let seen: SiteSeen = read(&client, &wanted.site).await.unwrap();
        let desk = Desk::of(self);
        let grants = |version: &str| {
            let path =
                format!("entityTypes/urn:vcloud:type:vmware:VCDKEConfig:{version}/accessControls");
            desk.list(&path).len()
        };
        let configs: Vec<_> = seen
            .configs
            .iter()
            .map(|one| {
                (
                    &one.entity_type,
                    &one.state,
                    Value::from(one.content.clone()).to_string(),
                )
            })
            .collect();
        format!(
            "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{configs:?}\n{:?}",
            seen.interfaces,
            seen.behaviors,
            seen.types,
            seen.sets,
            seen.policies,
            [grants("1.0.0"), grants("1.1.0")]
        )
    }
}

fn wanted() -> Wanted {
    Wanted {
        site: Site::shipped(),
        config: shipped_config(),
        audience: Audience::All,
        without: BTreeSet::new(),
    }
}

/// Goal: whichever call fails, in whichever way, running the command again ends in the same state as a run
/// without trouble.
#[tokio::test(start_paused = true)]
async fn a_run_that_broke_off_anywhere_is_taken_up_by_the_next() {
    let wanted = wanted();
    let clean = Bench::new(|_| ());
    let steps = clean.run(&wanted).await.unwrap();
    let calls = clean.faults.calls();
    assert_eq!(
        clean.run(&wanted).await,
        Ok(0),
        "the second run has nothing to do"
    );
    let end = clean.state(&wanted).await;
    assert!(steps >= 20 && calls > 40, "{steps} steps, {calls} calls");
    let mut broken = 0;
    for call in 0..calls {
        for fault in Fault::ALL {
            let bench = Bench::new(|_| ());
            bench.faults.arm(Target::nth(call), fault);
            let context = format!("{fault:?} at call {call}");
            let mut runs = Vec::new();
            while runs.len() < 4 && runs.last() != Some(&Ok(0)) {
                runs.push(bench.run(&wanted).await);
                // The operator reads what went wrong; what was late has arrived by then.
                bench.clock.sleep(Duration::from_mins(1)).await;
            }
            broken += usize::from(runs.iter().any(Result::is_err));
            assert_eq!(runs.last(), Some(&Ok(0)), "{context}: {runs:#?}");
            assert_eq!(bench.state(&wanted).await, end, "{context}");
        }
    }
    assert!(
        broken > 500,
        "only {broken} runs broke off: the faults struck nothing"
    );
}

/// A site as CSE 4.1 left it: no type 1.3.0, no IP-space rights, older versions; with things of others.
fn of_4_1(world: &mut World) {
    world.seed_site();
    world.seed_tenant("acme");
    world.set_password("administrator", PASSWORD);
    world.withdraw_rights(
        "cse-service",
        &[
            "IP Spaces: Allocate",
            "Private IP Spaces: View",
            "Private IP Spaces: Manage",
        ],
    );
    let mut config = default_config();
    let profile = &mut config["profiles"][0];
    profile["vcdKeInstances"][0]["version"] = json!("4.1.0");
    profile["K8Config"]["cpi"]["version"] = json!("1.4.0");
    profile["K8Config"]["csi"][0]["version"] = json!("1.4.0");
    profile["K8Config"]["rdeProjectorVersion"] = json!("0.6.0");
    profile["K8Config"]["of_somebody"] = json!({"z": [1, null], "a": "\u{e9}"});
    profile["bootstrapClusterConfig"]["capiEcosystem"]["infraProvider"]["version"] =
        json!("v1.1.0");
    profile["bootstrapClusterConfig"]["capiEcosystem"]["infraProvider"]["capvcdRde"]["version"] =
        json!("1.2.0");
    profile["githubConfig"]["githubPersonalAccessToken"] = json!("ghp_kept");
    world.seed_config(config);
}

fn old_world(seed: impl FnOnce(&mut World)) -> Bench {
    let mut world = World::new("https://vcd.example", 6, Timings::default());
    seed(&mut world);
    Bench {
        world: Arc::new(Mutex::new(world)),
        faults: Arc::new(Faults::none()),
        clock: Clock::virtual_at(THEN),
    }
}

#[tokio::test(start_paused = true)]
async fn a_site_of_4_1_is_brought_up_and_what_is_not_known_stays_as_it_is() {
    let bench = old_world(of_4_1);
    let desk = Desk::of(&bench);
    desk.delete("entityTypes/urn:vcloud:type:vmware:capvcdCluster:1.3.0");
    let extra = json!({"values": [{"name": "General: Administrator View"}]});
    let role = desk.list("roles?filter=name==CSE%20Admin%20Role")[0]["id"].clone();
    desk.post(&format!("roles/{}/rights", role.as_str().unwrap()), &extra);
    let others = desk
        .post("rightsBundles", &json!({"name": "Of somebody"}))
        .json();
    let others = format!("rightsBundles/{}", others["id"].as_str().unwrap());
    desk.post(&format!("{others}/rights"), &extra);
    let policy =
        json!({"name": "huge", "policyType": "VdcVmPolicy", "cpuCount": 64, "memory": 999});
    desk.post("/cloudapi/2.0.0/vdcComputePolicies", &policy);
    let untouched = || {
        let mut all = vec![
            desk.list("rightsBundles?filter=name==Of%20somebody"),
            desk.list(&format!("{others}/rights")),
            desk.list("rightsBundles?filter=name==*Entitlement"),
            desk.list("entityTypes?filter=version==1.2.0"),
            desk.list(
                "entityTypes/urn:vcloud:type:vmware:capvcdCluster:1.2.0/behaviorAccessControls",
            ),
            desk.list("interfaces"),
        ];
        all.push(desk.list("/cloudapi/2.0.0/vdcComputePolicies"));
        serde_json::to_string(&all).unwrap()
    };
    let before = untouched();

    let wanted = wanted();
    let steps = bench.run(&wanted).await.unwrap();
    assert_eq!(
        steps, 6,
        "a type and its protection, three sets of rights, the configuration"
    );
    assert_eq!(bench.run(&wanted).await, Ok(0));
    assert_eq!(untouched(), before);

    let held = desk.list(&format!(
        "roles/{}/rights?pageSize=128",
        role.as_str().unwrap()
    ));
    let held: Vec<&str> = held
        .iter()
        .map(|right| right["name"].as_str().unwrap())
        .collect();
    assert_eq!(held.len(), 16, "{held:?}");
    for right in ["IP Spaces: Allocate", "General: Administrator View"] {
        assert!(held.contains(&right), "{held:?}");
    }
    let config = desk.list("entities/types/vmware/VCDKEConfig/1.1.0");
    let mut content = config[0]["entity"].clone();
    let profile = &mut content["profiles"][0];
    assert_eq!(profile["vcdKeInstances"][0]["version"], "4.2.3");
    assert_eq!(profile["K8Config"]["cpi"]["version"], "1.6.1");
    assert_eq!(profile["K8Config"]["rdeProjectorVersion"], "0.7.1");
    // Everything else is as it was: putting the old versions back gives the old text.
    let mut expected = default_config();
    expected["profiles"][0]["githubConfig"]["githubPersonalAccessToken"] = json!("ghp_kept");
    expected["profiles"][0]["K8Config"]["of_somebody"] = json!({"z": [1, null], "a": "\u{e9}"});
    assert_eq!(content.to_string(), expected.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_site_of_4_0_keeps_its_configuration_and_gains_one_of_4_2() {
    let bench = old_world(|world| {
        world.seed_site();
        world.seed_tenant("acme");
    });
    let desk = Desk::of(&bench);
    for urn in [
        "capvcdCluster:1.3.0",
        "capvcdCluster:1.2.0",
        "VCDKEConfig:1.1.0",
    ] {
        desk.delete(&format!("entityTypes/urn:vcloud:type:vmware:{urn}"));
    }
    desk.delete("interfaces/urn:vcloud:interface:cse:capvcd:1.0.0");
    let old = json!({"profiles": [{"name": "production", "active": "true",
        "serverConfig": {"rdePollIntervalInMin": 1, "heartbeatWatcherTimeoutInMin": 20, "staleHeartbeatIntervalInMin": 60},
        "K8Config": {"csi": [{"name": "csi", "version": "1.3.0"}], "cpi": {"name": "cpi", "version": "1.2.0"},
            "cni": {"name": "antrea", "version": ""}}}]});
    let urn = desk.entity(
        "urn:vcloud:type:vmware:VCDKEConfig:1.0.0",
        "vcdKeConfig",
        &old,
    );
    let before = desk.send(Ask::get(&format!("{API}/entities/{urn}"))).text();

    let wanted = wanted();
    bench.run(&wanted).await.unwrap();
    assert_eq!(bench.run(&wanted).await, Ok(0));
    assert_eq!(
        desk.send(Ask::get(&format!("{API}/entities/{urn}"))).text(),
        before
    );
    let new = desk.list("entities/types/vmware/VCDKEConfig/1.1.0");
    assert_eq!(new.len(), 1);
    assert_eq!(new[0]["state"], "RESOLVED");
    let profile = &new[0]["entity"]["profiles"][0];
    assert_eq!(profile["serverConfig"]["staleHeartbeatIntervalInMin"], 60);
    assert_eq!(profile["K8Config"]["cpi"]["version"], "1.6.1");
    assert_eq!(profile["K8Config"]["rdeProjectorVersion"], "0.7.1");
}

#[tokio::test(start_paused = true)]
async fn rights_that_vcd_does_not_have_are_skipped_where_versions_explain_it_and_refused_else() {
    let bench = Bench::new(|world| world.forget_rights(&["Organization: Traversal", "vApp: Copy"]));
    let client = bench.client().await.unwrap();
    let mut wanted = wanted();
    let lines = |wanted: &Wanted, seen| plan(wanted, seen).lines;
    let seen = read(&client, &wanted.site).await.unwrap();
    let refused: Vec<_> = lines(&wanted, seen)
        .into_iter()
        .filter(|line| line.mark == Mark::Refuse)
        .collect();
    assert_eq!(refused.len(), 1, "{refused:#?}");
    assert_eq!(refused[0].name, "Kubernetes Cluster Author");
    assert!(
        refused[0].details[0].contains("vApp: Copy")
            && !refused[0].details[0].contains("Traversal")
    );

    wanted.without.insert("vApp: Copy".to_owned());
    let seen = read(&client, &wanted.site).await.unwrap();
    let told = format!("{:?}", lines(&wanted, seen));
    assert!(
        told.contains("Organization: Traversal") && told.contains("VCD 10.5.1"),
        "{told}"
    );
    assert!(told.contains("left out as asked"), "{told}");
    bench.run(&wanted).await.unwrap();
    assert_eq!(bench.run(&wanted).await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn what_a_person_has_to_put_right_is_refused_before_anything_is_done() {
    let bench = old_world(|world| {
        of_4_1(world);
        world.seed_config(default_config());
    });
    let client = bench.client().await.unwrap();
    let seen = read(&client, &Site::shipped()).await.unwrap();
    let plan = plan(&wanted(), seen);
    let refused: Vec<_> = plan
        .lines
        .iter()
        .filter(|line| line.mark == Mark::Refuse)
        .collect();
    assert_eq!(refused.len(), 1, "{refused:#?}");
    assert!(
        refused[0].details[0].contains("delete the others"),
        "{refused:#?}"
    );
}
