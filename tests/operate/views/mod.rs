//! What operators see of replicas and clusters: `status`, `events`, `explain`.

mod commands;
mod fleets;
mod running;

use std::time::Duration;

use cse_server::controller::poll::cluster_query;
use cse_server::controller::settings::read_settings;
use cse_server::domain::ids::EntityId;
use cse_server::views::Outlook;
use cse_server::views::cluster::ClusterSeen;
use cse_server::views::explain::{Explanation, explain, render};
use cse_server::views::fleet::{Fleet as Reading, FleetView, Wanted};
use cse_server::views::pulse::Pulses;
use cse_server::views::situation::Situation;

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);

async fn outlook(fleet: &Fleet) -> Outlook {
    let settings = read_settings(&fleet.provider().await).await.ok();
    let server = settings.as_ref().map(|settings| &settings.server);
    Outlook::new(fleet.clock.wall(), server)
}

/// A cluster as whoever has the servers' token sees it.
async fn seen(fleet: &Fleet, urn: &str) -> ClusterSeen {
    let id = EntityId::parse(urn).unwrap();
    let read = fleet.provider().await.get_entity(&id).await.unwrap();
    ClusterSeen::read(read.value)
}

/// What an operator is told about a cluster now.
async fn told(fleet: &Fleet, urn: &str) -> Explanation {
    explain(&seen(fleet, urn).await, &outlook(fleet).await)
}

/// The same as text; it must say all of this.
async fn assert_told(
    fleet: &Fleet,
    urn: &str,
    situation: Situation,
    sentences: &[&str],
) -> Explanation {
    let told = told(fleet, urn).await;
    let text = render(&told, fleet.clock.wall());
    let context = format!("{text}\nseed {}", fleet.seed);
    assert_eq!(told.situation, situation, "{context}");
    for sentence in sentences {
        assert!(
            text.contains(sentence),
            "{sentence:?} is missing:\n{context}"
        );
    }
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{context}"
    );
    told
}

/// Lets time pass until the cluster is in this situation.
async fn await_situation(fleet: &Fleet, urn: &str, situation: Situation, limit: Duration) {
    let end = fleet.clock.now().plus(limit);
    while fleet.clock.now() < end {
        if told(fleet, urn).await.situation == situation {
            return;
        }
        fleet.pass_time(Duration::from_secs(5)).await;
    }
    let last = told(fleet, urn).await;
    panic!("never {situation:?}: {last:#?}\n{}", fleet.context());
}

/// One look at the whole fleet.
async fn look(fleet: &Fleet, pulses: &mut Pulses) -> FleetView {
    let outlook = outlook(fleet).await;
    let wanted = Wanted::default();
    let at = fleet.clock.now().since_origin();
    let mut reading = Reading::new(&wanted, &outlook, (pulses, at));
    let client = fleet.provider().await;
    let take = |listed| match listed {
        Ok(entity) => reading.take(&ClusterSeen::read(entity)),
        Err(_) => reading.take_unreadable(),
    };
    client
        .each_listed(&cluster_query(None), take)
        .await
        .unwrap();
    reading.finish()
}
