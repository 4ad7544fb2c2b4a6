//! One replica of a fleet, started as the daemon does it.

use std::sync::Arc;
use std::time::Duration;

use cse_server::chance::Chance;
use cse_server::clock::Clock;
use cse_server::controller::run::{Replica, Setup};
use cse_server::controller::settings::{Timers, read_settings};
use cse_server::domain::claim::HolderId;
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
}

/// Start-up as the daemon does it; systemd's part, starting again after a failure, included.
pub(super) async fn serve(parts: ReplicaParts, stop: CancellationToken) {
    let (client, settings) = loop {
        let login = Login {
            org: "System".to_owned(),
            token: SecretString::from(parts.token.clone()),
        };
        let transport = Arc::new(parts.transport.clone());
        if let Ok(client) = VcdClient::connect(transport, login, ClientOptions::default()).await
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
        timers: Timers {
            heartbeat: Duration::from_secs(30),
            self_fence: Duration::from_secs(90),
            takeover: Duration::from_mins(3),
            request: Duration::from_secs(30),
        },
        slots: 32,
        hot_poll: Duration::from_secs(10),
        drain_timeout: Duration::from_secs(30),
        site_authorities: Vec::new(),
    };
    Replica::new(setup, settings).run(stop, &mut life).await;
}
