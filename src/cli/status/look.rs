//! One look at a site: the configuration, and all clusters or one of them.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::super::exit::Failure;
use super::super::find;
use super::super::reach::ReachArgs;
use super::detail::Detail;
use crate::clock::Clock;
use crate::config::Config;
use crate::controller::poll::cluster_query;
use crate::controller::settings::read_settings;
use crate::vcd::VcdClient;
use crate::vcd::http::HttpTransport;
use crate::views::Outlook;
use crate::views::cluster::ClusterSeen;
use crate::views::configuration::ConfigurationView;
use crate::views::fleet::{Fleet, FleetView, Wanted};
use crate::views::pulse::Pulses;

/// Whose clock told the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum ToldBy {
    /// VCD's, or that of the load balancer before it.
    Vcd,
    /// That of this machine, because VCD did not tell.
    Machine,
}

impl ToldBy {
    pub(in crate::cli) const fn words(self) -> &'static str {
        match self {
            Self::Vcd => "VCD's clock",
            Self::Machine => "this machine's clock",
        }
    }
}

/// A site somebody is logged in at.
pub(in crate::cli) struct Site {
    config: Config,
    pub(in crate::cli) client: VcdClient<HttpTransport>,
    clock: Clock,
}

/// The fleet at one look, as it is told.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FleetTold {
    /// Address of VCD.
    pub(super) vcd: String,
    /// When it was looked at.
    pub(super) at: Timestamp,
    /// By whose clock.
    pub(super) clock: ToldBy,
    /// The shared configuration.
    pub(super) configuration: ConfigurationView,
    /// Replicas and clusters.
    #[serde(flatten)]
    pub(super) fleet: FleetView,
}

impl FleetTold {
    /// What a watcher calls a change: not ages and renewals.
    pub(super) fn essence(&self) -> String {
        let mut fleet = self.fleet.clone();
        for replica in &mut fleet.replicas {
            replica.renewed = None;
            (replica.seen_renewed, replica.seen_same) = (0, 0);
            replica.changed_secs_ago = None;
        }
        format!("{:?} {fleet:?}", self.configuration)
    }
}

impl Site {
    /// A login as the options say.
    pub(in crate::cli) async fn open(reach: &ReachArgs) -> Result<Self, Failure> {
        let (config, client) = reach.open().await?;
        Ok(Self {
            config,
            client,
            clock: Clock::system(),
        })
    }

    /// The time by VCD's clock, else by this machine's.
    pub(in crate::cli) async fn now(&self) -> (Timestamp, ToldBy) {
        match self.client.date().await {
            Some(at) => (at, ToldBy::Vcd),
            None => (self.clock.wall(), ToldBy::Machine),
        }
    }

    /// The time and the configuration.
    pub(in crate::cli) async fn outlook(&self) -> (Outlook, ToldBy, ConfigurationView) {
        let (now, told_by) = self.now().await;
        let settings = read_settings(&self.client).await;
        let view = ConfigurationView::of(&settings, &self.config.replica.times);
        let server = settings.as_ref().ok().map(|settings| &settings.server);
        let mut outlook = Outlook::new(now, server);
        outlook.is_configured = view.is_configured();
        (outlook, told_by, view)
    }

    /// The failure, saying which VCD it is about.
    pub(in crate::cli) fn failed(&self, failure: Failure) -> Failure {
        failure.about(&self.config.vcd.url)
    }

    /// The cluster of that name or URN.
    pub(in crate::cli) async fn find(&self, asked: &str) -> Result<ClusterSeen, Failure> {
        let found = find::cluster(&self.client, asked).await;
        found
            .map(ClusterSeen::read)
            .map_err(|error| self.failed(error))
    }

    pub(super) async fn fleet(
        &self,
        wanted: &Wanted,
        looks: (&mut Pulses, Duration),
    ) -> Result<FleetTold, Failure> {
        let (outlook, clock, configuration) = self.outlook().await;
        let mut fleet = Fleet::new(wanted, &outlook, looks);
        let take = |listed| match listed {
            Ok(entity) => fleet.take(&ClusterSeen::read(entity)),
            Err(_) => fleet.take_unreadable(),
        };
        let listed = self.client.each_listed(&cluster_query(None), take).await;
        listed.map_err(|error| self.failed(Failure::vcd(&error)))?;
        Ok(FleetTold {
            vcd: self.config.vcd.url.origin().ascii_serialization(),
            at: outlook.now,
            clock,
            configuration,
            fleet: fleet.finish(),
        })
    }

    pub(super) async fn cluster(
        &self,
        asked: &str,
        (pulses, at): (&mut Pulses, Duration),
    ) -> Result<Detail, Failure> {
        let (outlook, clock, _) = self.outlook().await;
        let seen = self.find(asked).await?;
        let sign = pulses.look(seen.id.as_str(), &seen.summary.claim, at);
        Ok(Detail::of(&seen, (&outlook, clock), sign))
    }
}
