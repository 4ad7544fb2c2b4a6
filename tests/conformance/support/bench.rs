//! A seeded site behind a socket, with a clock that only the case moves.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cse_server::clock::{Clock, Moment};
use cse_server::sim::faults::Faults;
use cse_server::sim::seed::{SiteAccess, Tenant, default_config};
use cse_server::sim::server::{self, Site};
use cse_server::sim::timings::Timings;
use cse_server::sim::world::World;

use jiff::Timestamp;

use super::wire::{Answer, Ask};

/// One seed for all cases: none depends on it.
const SEED: u64 = 41;

/// A running site with two tenants.
pub(crate) struct Bench {
    /// Base URL, without a slash at its end.
    pub(crate) url: String,
    pub(crate) access: SiteAccess,
    pub(crate) tenant: Tenant,
    /// Another organization, which must see nothing of the first.
    pub(crate) rival: Tenant,
    clock: Clock,
    world: Arc<Mutex<World>>,
    client: reqwest::Client,
}

impl Bench {
    /// Starts it, within a tokio runtime.
    pub(crate) fn start() -> Self {
        let (listener, address) = server::bind().unwrap();
        let url = format!("http://{address}");
        let timings = Timings {
            answer: Duration::ZERO,
            ..Timings::default()
        };
        let mut world = World::new(&url, SEED, timings);
        let access = world.seed_site();
        world.seed_config(default_config());
        let tenant = world.seed_tenant("acme");
        let rival = world.seed_tenant("zeta");
        let clock = Clock::stepped("2026-03-01T10:00:00Z".parse().unwrap());
        let world = Arc::new(Mutex::new(world));
        let site = Site {
            world: Arc::clone(&world),
            clock: clock.clone(),
            faults: Arc::new(Faults::none()),
        };
        server::serve(listener, None, site).unwrap();
        Self {
            url,
            access,
            tenant,
            rival,
            clock,
            world,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// The world behind the socket, for what no client can set up or see.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, span: Duration) {
        self.clock.step(span);
    }

    /// Both clocks.
    pub(crate) fn at(&self) -> (Moment, Timestamp) {
        (self.clock.now(), self.clock.wall())
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        ask.send(&self.client, &self.url).await
    }

    /// An access token of `org` for an API token; `System` goes to the provider's endpoint.
    pub(crate) async fn token(&self, org: &str, api_token: &str) -> String {
        let realm = if org == "System" {
            "provider".to_owned()
        } else {
            format!("tenant/{org}")
        };
        let pairs = [
            ("grant_type", "refresh_token"),
            ("refresh_token", api_token),
        ];
        let answer = self
            .send(Ask::post(&format!("/oauth/{realm}/token")).form(&pairs))
            .await;
        let answer = answer.expect(200).json();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// A session of the tenant's author.
    pub(crate) async fn author(&self) -> String {
        self.token(&self.tenant.org, &self.tenant.api_token).await
    }

    /// A session of the other tenant's author.
    pub(crate) async fn stranger(&self) -> String {
        self.token(&self.rival.org, &self.rival.api_token).await
    }

    /// A session of the system administrator.
    pub(crate) async fn administrator(&self) -> String {
        self.token("System", &self.access.administrator_token).await
    }

    /// Waits, in the site's time, for the task an answer's `Location` names; returns its document.
    pub(crate) async fn finished(&self, accepted: &Answer, token: &str) -> String {
        assert_eq!(accepted.status(), 202, "{}", accepted.text());
        let location = accepted.header("location").expect("a Location");
        let path = location
            .strip_prefix(&self.url)
            .expect("an href of this site");
        for _ in 0..600 {
            let task = self.send(Ask::get(path).xml().by(token)).await;
            let document = task.expect(200).text();
            if !document.contains("status=\"running\"") && !document.contains("status=\"queued\"") {
                return document;
            }
            self.pass(Duration::from_secs(3));
        }
        panic!("{path} does not end within half an hour");
    }

    /// The same for a task that must succeed.
    pub(crate) async fn succeeded(&self, accepted: &Answer, token: &str) -> String {
        let task = self.finished(accepted, token).await;
        assert!(task.contains("status=\"success\""), "{task}");
        task
    }
}
