//! The simulated VCD of the demo: served over HTTPS, with two tenants who ask for clusters one after the
//! other.
//!
//! Not here: how VCD behaves (`sim`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;

use super::DemoArgs;
use super::stage::{Common, Stage};
use super::wishes::{Asked, Wish, wishes};
use crate::clock::{Clock, Moment};
use crate::sim::faults::Faults;
use crate::sim::seed::{self, ClusterRequest, CseShape, Tenant};
use crate::sim::server::{self, Server};
use crate::sim::timings::Timings;
use crate::sim::view::ClusterView;
use crate::sim::world::{World, lock};

/// Time between two requests for clusters, on the clock of the site.
const STAGGER: Duration = Duration::from_secs(8);
const TENANTS: [&str; 2] = ["acme", "nimbus"];

/// The site, open until the process ends.
pub(super) struct Site {
    world: Arc<Mutex<World>>,
    clock: Clock,
    opened: Moment,
    url: String,
    ca_file: PathBuf,
    token_file: PathBuf,
    provider_token: String,
    tenants: Vec<Tenant>,
    waiting: Vec<Order>,
    asked: Vec<Asked>,
    /// How many clusters are asked for in all.
    orders: usize,
    /// Serves until the process ends.
    _server: Server,
}

/// A cluster that will be asked for.
struct Order {
    at: Moment,
    tenant: usize,
    request: ClusterRequest,
}

impl Site {
    /// Opens the site on a free port of this machine.
    pub(super) fn open(args: &DemoArgs, stage: &Stage, clock: Clock) -> anyhow::Result<Self> {
        let (listener, address) = server::bind().context("cannot listen on 127.0.0.1")?;
        let tls = server::tls_identity()?;
        let url = format!("https://{address}");

        let mut world = World::new(&url, args.seed, Timings::default());
        let access = world.seed_site();
        world.seed_config(seed::default_config());
        let tenants: Vec<Tenant> = TENANTS.iter().map(|org| world.seed_tenant(org)).collect();

        let ca_file = stage.write("ca.pem", &tls.ca_pem)?;
        let token_file = stage.write("provider-token", &access.provider_token)?;
        let world = Arc::new(Mutex::new(world));
        let simulated = server::Site {
            world: Arc::clone(&world),
            clock: clock.clone(),
            faults: Arc::new(Faults::none()),
        };
        let server = server::serve(listener, Some(tls.config), simulated);
        let server = server.context("cannot serve the simulated VCD")?;
        let opened = clock.now();
        let waiting = orders(args, opened, tenants.len());
        let provider_token = access.provider_token;
        Ok(Self {
            orders: waiting.len(),
            asked: Vec::new(),
            world,
            clock,
            opened,
            url,
            ca_file,
            token_file,
            provider_token,
            tenants,
            waiting,
            _server: server,
        })
    }

    /// What the replicas' configurations have in common.
    pub(super) fn common(&self, time_scale: f64) -> Common<'_> {
        let (ca_file, token_file) = (&self.ca_file, &self.token_file);
        Common {
            url: &self.url,
            ca_file,
            token_file,
            time_scale,
        }
    }

    /// The address.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many clusters are asked for in all.
    pub(super) fn orders(&self) -> usize {
        self.orders
    }

    /// The clusters that were asked for so far, oldest first.
    pub(super) fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// What the tenants want of the clusters that were asked for.
    pub(super) fn wishes(&self) -> Vec<Wish> {
        wishes(&self.asked)
    }

    /// Has a tenant write its wish into the cluster's entity. False when VCD refuses.
    pub(super) fn ask(&self, wish: &Wish) -> bool {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let of = &wish.cluster;
        self.tenants.get(of.tenant).is_some_and(|tenant| {
            lock(&self.world).edit_cluster((tenant, &of.urn), &wish.edit, now, wall)
        })
    }

    /// Whether a wish has come true.
    pub(super) fn is_fulfilled(&self, wish: &Wish) -> bool {
        let content = lock(&self.world).entity_content(&wish.cluster.urn);
        wish.is_true(content.as_ref())
    }

    /// Time since the site was opened, on its own clock.
    pub(super) fn age(&self) -> Duration {
        self.clock.now().since(self.opened)
    }

    /// Lets happen what is due, asks for the clusters whose turn it is, and returns all of them.
    pub(super) fn look(&mut self) -> Vec<ClusterView> {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let (due, later) = self.waiting.drain(..).partition(|order| order.at <= now);
        self.waiting = later;
        let due: Vec<Order> = due;
        let mut world = lock(&self.world);
        world.advance(now, wall);
        for order in due {
            if let Some(tenant) = self.tenants.get(order.tenant) {
                let urn = world.create_cluster(tenant, &order.request, now, wall);
                self.asked.push(Asked {
                    urn,
                    tenant: order.tenant,
                    request: order.request,
                });
            }
        }
        world.clusters()
    }

    /// Names of bootstrap objects that are still there.
    pub(super) fn leftovers(&self) -> Vec<String> {
        lock(&self.world).bootstrap_leftovers()
    }

    /// What else no cluster accounts for, and why.
    pub(super) fn leaks(&self) -> Vec<String> {
        let known = self.leftovers();
        let leaks = lock(&self.world).leaks().into_iter();
        leaks
            .filter(|leak| !known.contains(&leak.name))
            .map(|leak| format!("{} {}: {}", leak.kind, leak.name, leak.why))
            .collect()
    }

    /// What was done so far, as (effect, subject) -> count.
    pub(super) fn effects(&self) -> BTreeMap<(String, String), u32> {
        let world = lock(&self.world);
        let effects = world.effects().iter();
        effects
            .map(|((name, subject), count)| ((name.to_string(), subject.clone()), *count))
            .collect()
    }

    /// How to look around with one's own tools.
    pub(super) fn access(&self) -> String {
        let (url, ca) = (&self.url, self.ca_file.display());
        let token = &self.provider_token;
        let head = format!(
            "The simulator goes on until Ctrl-C.\n\n  address         {url}\n  authority (CA)  {ca}\n  \
             provider        org System, API token {token}\n"
        );
        let tenants = self.tenants.iter().map(|tenant| {
            format!(
                "  tenant          org {}, API token {}\n",
                tenant.org, tenant.api_token
            )
        });
        let exchange = format!(
            "\nExchange an API token for a bearer token:\n\n  curl --cacert {ca} -d \
             'grant_type=refresh_token&refresh_token={token}' {url}/oauth/provider/token\n"
        );
        tenants.fold(head, |text, tenant| text + &tenant) + &exchange
    }
}

/// The clusters of one run: alternately for each tenant and in each shape, with pools from the seed.
fn orders(args: &DemoArgs, opened: Moment, tenants: usize) -> Vec<Order> {
    const COLOURS: [&str; 6] = ["amber", "blue", "coral", "denim", "ebony", "fern"];
    let mut rng = fastrand::Rng::with_seed(args.seed);
    let mut at = opened;
    let order = |index: usize| {
        let colour = COLOURS
            .get(index % COLOURS.len())
            .copied()
            .unwrap_or_default();
        let pools = 1..=rng.u32(1..=3);
        let request = ClusterRequest {
            name: format!("{colour}-{}", index + 1),
            shape: if index.is_multiple_of(2) {
                CseShape::V42
            } else {
                CseShape::V41
            },
            control_planes: if rng.bool() { 1 } else { 3 },
            pools: pools
                .map(|pool| (format!("pool-{pool}"), rng.u32(1..=3)))
                .collect(),
            auto_repair: true,
        };
        let order = Order {
            at,
            tenant: index % tenants.max(1),
            request,
        };
        at = at.plus(STAGGER.mul_f64(0.5 + rng.f64()));
        order
    };
    (0..usize::from(args.clusters)).map(order).collect()
}
