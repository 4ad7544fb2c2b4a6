//! Random requests, generated from the catalogue of addresses.
//!
//! Goal: whatever arrives, from whomever, the simulator answers as VCD would: it does not panic, has no error
//! of its own making, and no tenant sees or changes anything of another's.
//!
//! Method: a site with two tenants lives on a clock moved by hand. Requests are built from one seed: an
//! address of the catalogue, ids that answers have shown (also those of others and of what is gone), bodies
//! learnt from answers and made worse. After each, the answer is judged, and an entity that the request did
//! not have to change is compared. Rounds alternate: in one everybody takes part, in the next only one
//! tenant and strangers do, and then the other tenant's world must be as before.
//!
//! `CSE_FUZZ_REQUESTS` sets how many requests there are, `CSE_FUZZ_SEED` where they begin. A failure names
//! the seed of its round; that one with the number of a round's requests repeats it.

mod catalogue;
mod guests;
mod ids;
mod judge;
mod mutate;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cse_server::vcd::transport::{Request, Response};
use http::Method;
use serde_json::Value;

use self::catalogue::CATALOGUE;
use self::guests::{Guest, Guests};
use self::ids::Ids;
use crate::support::lab::Lab;
use crate::support::site::Ask;

/// Requests of a plain test run.
const REQUESTS: u64 = 5_000;
/// Requests to one site, before a fresh one takes its place.
const ROUND: u64 = 400;
const SEED: u64 = 20_260_301;

/// The tenant whose world must not change. Nothing else holds this word.
const VICTIM: &str = "zebrafish";

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

#[test]
fn no_request_breaks_the_simulator_or_the_walls_between_tenants() {
    let requests = setting("CSE_FUZZ_REQUESTS", REQUESTS);
    let seed = setting("CSE_FUZZ_SEED", SEED);
    let mut served = 0_u64;
    let mut round = seed;
    let mut statuses = BTreeMap::<u16, u32>::new();
    let mut unserved: BTreeSet<&str> = CATALOGUE.iter().map(|(_, address, _)| *address).collect();
    while served < requests {
        let mut fuzz = Fuzz::new(round);
        let count = ROUND.min(requests - served);
        if round.is_multiple_of(2) {
            fuzz.crowd(count);
        } else {
            fuzz.attack(count);
        }
        unserved.retain(|address| !fuzz.served.contains(address));
        for (status, count) in fuzz.statuses {
            *statuses.entry(status).or_default() += count;
        }
        served += count;
        round += 1;
    }
    writeln!(
        std::io::stderr(),
        "{served} requests from seed {seed}: {statuses:?}, never served: {unserved:#?}"
    )
    .unwrap();
    // A generator that is refused everywhere proves nothing.
    let good: u32 = statuses.range(200..300).map(|(_, count)| count).sum();
    let share = u64::from(good) * 100 / served;
    assert!(share >= 10, "only {share} % were served: {statuses:?}");
}

struct Fuzz {
    lab: Lab,
    ids: Ids,
    rng: fastrand::Rng,
    guests: Guests,
    seed: u64,
    number: u64,
    statuses: BTreeMap<u16, u32>,
    /// Addresses that were answered with success.
    served: BTreeSet<&'static str>,
}

/// Everything the victim can see, and everything that is there of it.
type Possessions = Vec<(String, u16, String)>;

impl Fuzz {
    /// A populated site, with every id learnt that its owners see.
    fn new(seed: u64) -> Self {
        let mut lab = Lab::with_seed(seed);
        let victim = lab.world.seed_tenant(VICTIM);
        let tenants = [victim, lab.tenant.clone()];
        for tenant in &tenants {
            let org = tenant.org.clone();
            lab.author = lab.token_of(&org, &tenant.api_token.clone());
            lab.tenant = tenant.clone();
            for number in 0..3 {
                let name = format!("{org}-{number}");
                let urn = lab.world.seed_provisioned(tenant, &name, 4_000);
                assert!(!urn.is_empty());
            }
            let vapp = lab.vapp(&format!("{org}-vapp"), "");
            let copied = lab.recompose(&vapp, &format!("{org}-vm"), "");
            lab.succeed(&copied);
        }
        let guests = Guests::new(&mut lab, &tenants);
        let mut fuzz = Self {
            lab,
            ids: Ids::default(),
            rng: fastrand::Rng::with_seed(seed),
            guests,
            seed,
            number: 0,
            statuses: BTreeMap::new(),
            served: BTreeSet::new(),
        };
        for guest in [Guest::Victim, Guest::Author, Guest::Administrator] {
            fuzz.look_around(guest);
        }
        fuzz
    }

    /// Everybody asks for anything.
    fn crowd(&mut self, requests: u64) {
        for _ in 0..requests {
            let guest = Guest::any(&mut self.rng);
            self.step(guest);
        }
    }

    /// One tenant and strangers ask for anything, knowing every id of the other's.
    fn attack(&mut self, requests: u64) {
        // A gift would be no breach.
        self.lab.world.settings_mut().tenancy_barrier = true;
        let before = self.look_around(Guest::Victim);
        for _ in 0..requests {
            let guest = Guest::attacker(&mut self.rng);
            let (request, response) = self.step(guest);
            let text = String::from_utf8_lossy(response.body());
            assert!(
                !text.contains(VICTIM),
                "{} shows what is another tenant's: {text}",
                self.said(&request)
            );
        }
        let after = self.look_around(Guest::Victim);
        for (was, is) in before.iter().zip(&after) {
            assert_eq!(was, is, "seed {}: changed by another tenant", self.seed);
        }
        assert_eq!(before.len(), after.len(), "seed {}", self.seed);
    }

    /// Makes a request, sends it and judges the answer.
    fn step(&mut self, guest: Guest) -> (Request, Response) {
        self.number += 1;
        let pause = match self.rng.u8(..) {
            0..8 => 600,
            8..60 => self.rng.u64(1..20),
            _ => 0,
        };
        if pause > 0 {
            self.lab.wait(pause);
        }
        let (address, request) = self.wish(guest);
        let probe = (self.rng.u8(..) < 64).then(|| self.probe()).flatten();
        let response = self.send(&request);
        let said = self.said(&request);
        if let Some(fault) = judge::fault(&request, &response) {
            let text = String::from_utf8_lossy(response.body());
            panic!("{said}: {fault}\n{} {text}", response.status());
        }
        *self.statuses.entry(response.status().as_u16()).or_default() += 1;
        if response.status().is_success() {
            self.served.insert(address);
        }
        if let Some((path, tag, content)) = probe {
            let harmless = request.method() == Method::GET || response.status().as_u16() >= 400;
            let after = self.read(&path);
            match &after {
                Some((now, _)) if harmless => assert_eq!(*now, tag, "{said}: new tag of {path}"),
                None if harmless => panic!("{said}: {path} is gone"),
                _ => {}
            }
            if let Some((now, after)) = after
                && now == tag
            {
                assert_eq!(
                    after, content,
                    "{said}: changed under the tag {tag}: {path}"
                );
            }
        }
        self.ids.learn(&String::from_utf8_lossy(response.body()));
        (request, response)
    }

    /// Hands `request` in; a panic inside is told with the request that caused it.
    fn send(&mut self, request: &Request) -> Response {
        let (now, wall) = (self.lab.now(), self.lab.wall());
        let world = &mut self.lab.world;
        let answered = catch_unwind(AssertUnwindSafe(|| world.handle(request, now, wall)));
        answered.unwrap_or_else(|_| panic!("{}: panicked", self.said(request)))
    }

    fn said(&self, request: &Request) -> String {
        let body = String::from_utf8_lossy(request.body());
        let body: String = body.chars().take(2_000).collect();
        let headers: Vec<String> = request
            .headers()
            .iter()
            .filter(|(name, _)| *name != "authorization")
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        format!(
            "seed {}, request {}: {} {} {headers:?} {body}",
            self.seed,
            self.number,
            request.method(),
            request.uri()
        )
    }

    /// Path, tag and content of some entity.
    fn probe(&mut self) -> Option<(String, String, Value)> {
        let path = self
            .ids
            .fill("/cloudapi/1.0.0/entities/{entity}", &mut self.rng);
        let (tag, content) = self.read(&path)?;
        Some((path, tag, content))
    }

    fn read(&mut self, path: &str) -> Option<(String, Value)> {
        let token = self.guests.token(Guest::Witness, &mut self.lab);
        let request = Ask::get(path).version("37.2").by(&token);
        let request = catch_unwind(|| request.request()).ok()?;
        let response = self.send(&request);
        let tag = response.headers().get("etag")?.to_str().ok()?.to_owned();
        let mut entity: Value = serde_json::from_slice(response.body()).ok()?;
        // Their names belong to others.
        for reference in ["owner", "org"] {
            entity.as_object_mut()?.remove(reference);
        }
        Some((tag, entity))
    }

    /// All that `guest` sees on its lists, and the documents behind them.
    fn look_around(&mut self, guest: Guest) -> Possessions {
        let mut seen = Vec::new();
        let lists = CATALOGUE
            .iter()
            .filter(|(methods, path, _)| methods.contains("GET") && !path.contains('{'))
            .map(|(_, path, _)| (*path).to_owned());
        let queries = catalogue::QUERY_TYPES
            .iter()
            .map(|kind| format!("/api/query?type={kind}&pageSize=128"));
        for path in lists.chain(queries) {
            // Sessions come and go, and tell when they were used.
            if !path.contains("session") && !path.contains("/tokens") && !path.contains("ask") {
                seen.push(self.look(guest, &path));
            }
        }
        for (_, _, text) in seen.clone() {
            self.ids.learn(&text);
            for path in links(&text) {
                if !seen.iter().any(|(known, ..)| *known == path) {
                    let found = self.look(guest, &path);
                    self.ids.learn(&found.2);
                    seen.push(found);
                }
            }
        }
        seen
    }

    fn look(&mut self, guest: Guest, path: &str) -> (String, u16, String) {
        let token = self.guests.token(guest, &mut self.lab);
        let accept = if path.starts_with("/api") {
            "application/*+xml;version=37.2"
        } else {
            "application/json;version=37.2"
        };
        let request = Ask::get(path).accept(accept).by(&token).request();
        let response = self.send(&request);
        let text = String::from_utf8_lossy(response.body()).into_owned();
        if response.status().is_success() {
            return (path.to_owned(), response.status().as_u16(), text);
        }
        // Its id is another every time.
        (path.to_owned(), response.status().as_u16(), String::new())
    }
}

/// Addresses of single objects that a document names.
fn links(text: &str) -> Vec<String> {
    let mut ids = Ids::default();
    ids.learn(text);
    let one = |kind: &str, prefix: &str| {
        let all = ids.all(kind).iter();
        all.map(|id| format!("{prefix}{id}")).collect::<Vec<_>>()
    };
    let objects = ["vApp", "vdc", "disk", "network", "catalog", "vAppTemplate"];
    let legacy = objects.map(|kind| one(&format!("@{kind}"), &format!("/api/{kind}/")));
    let entities = one("entity", "/cloudapi/1.0.0/entities/");
    legacy.into_iter().flatten().chain(entities).collect()
}
