//! One replica of a fleet, started as the daemon does it.

use std::sync::Arc;
use std::time::Duration;

use cse_server::chance::Chance;
use cse_server::clock::Clock;
use cse_server::controller::run::{Replica, Setup};
use cse_server::controller::settings::read_settings;
use cse_server::domain::claim::HolderId;
use cse_server::metrics::Meters;
use cse_server::reconcile::policy::{ClaimProfile, LocalTimes};
use cse_server::reconcile::sharing::Slots;
use cse_server::vcd::meter::CallMeter;
use cse_server::vcd::pacing::Pacing;
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::frozen::Freezable;
use super::life::Life;

/// What makes a replica of a fleet what it is.
pub(super) struct ReplicaParts {
    pub(super) transport: Freezable,
    pub(super) token: String,
    pub(super) clock: Clock,
    pub(super) chance: Arc<Chance>,
    pub(super) me: HolderId,
    pub(super) predecessors: Vec<HolderId>,
    pub(super) life: Life,
    pub(super) habits: Habits,
    pub(super) meters: Arc<Meters>,
}

/// What the replicas of a fleet are told by their own files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) profile: ClaimProfile,
    pub(crate) slots: Slots,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            profile: ClaimProfile::Standard,
            slots: Slots::standard(),
        }
    }
}

/// Start-up as the daemon does it; systemd's part, starting again after a failure, included.
pub(super) async fn serve(parts: ReplicaParts, stop: CancellationToken) {
    let (client, settings) = loop {
        let login = Login {
            org: "System".to_owned(),
            token: SecretString::from(parts.token.clone()),
        };
        let transport = Arc::new(parts.transport.clone());
        let meter: Arc<dyn CallMeter> = Arc::<Meters>::clone(&parts.meters);
        let options = ClientOptions {
            pacing: Some(Arc::new(Pacing::new(parts.clock.clone()))),
            meter: Some(meter),
            ..ClientOptions::default()
        };
        if let Ok(client) = VcdClient::connect(transport, login, options).await
            && let Ok(settings) = read_settings(&client).await
        {
            break (client, settings);
        }
        parts.clock.sleep(Duration::from_secs(2)).await;
    };
    let mut life = parts.life.at(parts.clock.clone());
    let setup = Setup {
        client,
        clock: parts.clock,
        chance: parts.chance,
        me: parts.me,
        predecessors: parts.predecessors,
        times: LocalTimes {
            profile: parts.habits.profile,
            heartbeat: Duration::from_secs(30),
            self_fence: Duration::from_secs(90),
            takeover: Duration::from_mins(3),
            hot_poll: Duration::from_secs(10),
            request: Duration::from_secs(30),
        },
        slots: parts.habits.slots,
        drain_timeout: Duration::from_secs(30),
        meters: parts.meters,
        site_authorities: Vec::new(),
    };
    let replica = Replica::new(setup, settings).unwrap();
    replica.run(stop, &mut life).await;
}
