//! What the service account sees of a VCD: account, rights, types, configuration, other replicas.
//!
//! Invariants:
//! - The looks go side by side; each is bounded by the limits of the client, that at the clusters by a limit of
//!   its own, because a fleet may be large.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::judge::{self, Peer};
use super::report::{Check, Verdict};
use super::within;
use crate::cli::exit::{CONFIGURATION, Failure, NO_PERMISSION};
use crate::clock::Clock;
use crate::config::Config;
use crate::controller::document::claim;
use crate::controller::poll::cluster_query;
use crate::controller::settings::{probe_conditional_writes, read_settings};
use crate::setup::objects::{CSE, FULL_ENTITY};
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::http::HttpTransport;
use crate::vcd::model::EntityDocument;
use crate::vcd::versions::ApiVersion;

/// Longest look at the clusters.
const CLUSTERS_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest replica name that is shown, in characters.
const MAX_NAME_CHARS: usize = 63;

type Client = VcdClient<HttpTransport>;
type Findings = Vec<(Check, Verdict)>;

/// All of it.
pub(super) async fn look(
    config: &Config,
    (client, offered): (&Client, &[ApiVersion]),
    clock: &Clock,
) -> Findings {
    let (account, types, behavior, settings, replicas) = tokio::join!(
        account(client, offered),
        entity_types(client),
        behavior(client),
        settings(client, config),
        replicas(client, clock),
    );
    let mut findings = account;
    findings.push((Check::EntityTypes, types));
    findings.push((Check::Behavior, behavior));
    findings.extend(settings);
    findings.push((Check::Replicas, replicas));
    findings
}

fn failed(error: &VcdError) -> Verdict {
    Verdict::failed(&Failure::vcd(error))
}

async fn account(client: &Client, offered: &[ApiVersion]) -> Findings {
    let login = match client.login().await {
        Ok(login) => login,
        Err(error) => {
            let because = "it is not known whose login this is".to_owned();
            return vec![
                (Check::Organization, failed(&error)),
                (Check::Rights, Verdict::Skipped(because)),
            ];
        }
    };
    let account = &login.account;
    let organization = if client.is_provider() {
        Verdict::ok(format!("{}, user {}", account.org, account.user))
    } else {
        let text = format!(
            "user {} belongs to the organization {}; only a user of System sees the clusters of all tenants: give \
             the token of such a user, and leave vcd.org at System",
            account.user, account.org
        );
        Verdict::Fail(CONFIGURATION, text)
    };
    let mut held = Some(BTreeSet::new());
    for role in &login.roles {
        match (client.role_rights(role).await, &mut held) {
            (Ok(rights), Some(held)) => held.extend(rights),
            (Err(VcdError::NotVisible { .. } | VcdError::Rejected { .. }), _) | (_, None) => {
                held = None;
            }
            (Err(error), _) => {
                return vec![
                    (Check::Organization, organization),
                    (Check::Rights, failed(&error)),
                ];
            }
        }
    }
    vec![
        (Check::Organization, organization),
        (Check::Rights, judge::rights(held.as_ref(), offered)),
    ]
}

async fn entity_types(client: &Client) -> Verdict {
    match client.entity_types("vmware").await {
        Ok(found) => judge::entity_types(&found.into_iter().map(|one| one.id).collect()),
        Err(error) => failed(&error),
    }
}

async fn behavior(client: &Client) -> Verdict {
    let init = "run `cse-server init` as a system administrator";
    match client.behaviors(CSE).await {
        Ok(found) if found.iter().any(|one| one.id == FULL_ENTITY) => {
            Verdict::ok("getFullEntity is there")
        }
        Ok(_) | Err(VcdError::NotVisible { .. }) => Verdict::Fail(
            CONFIGURATION,
            format!(
                "getFullEntity is not registered, and without it no cluster's API token can be read; {init}"
            ),
        ),
        Err(error) => failed(&error),
    }
}

async fn settings(client: &Client, config: &Config) -> Findings {
    let settings = match read_settings(client).await {
        Ok(settings) => settings,
        Err(error) => {
            let because = "there is no server configuration to try it on".to_owned();
            return vec![
                (
                    Check::ServerConfiguration,
                    Verdict::failed(&Failure::settings(&error)),
                ),
                (Check::ConditionalWrites, Verdict::Skipped(because)),
            ];
        }
    };
    let read = match settings.times(&config.replica.times) {
        Ok(_) => Verdict::ok(format!("valid ({})", settings.document.id)),
        Err(error) => Verdict::failed(&Failure::settings(&error)),
    };
    let probed = match probe_conditional_writes(client, &settings).await {
        Ok(()) => Verdict::ok("a write with an outdated tag is refused"),
        Err(error) => Verdict::failed(&Failure::settings(&error)),
    };
    vec![
        (Check::ServerConfiguration, read),
        (Check::ConditionalWrites, probed),
    ]
}

/// What was seen of the clusters so far.
#[derive(Default)]
struct Seen {
    peers: BTreeMap<String, Peer>,
    clusters: usize,
}

impl Seen {
    fn take(&mut self, document: &EntityDocument) {
        self.clusters = self.clusters.saturating_add(1);
        let claim = claim(&document.entity);
        let Some(holder) = claim.holder.as_ref().filter(|_| !claim.is_free()) else {
            return;
        };
        let name: String = holder.replica().chars().take(MAX_NAME_CHARS).collect();
        let peer = self.peers.entry(name).or_default();
        peer.clusters = peer.clusters.saturating_add(1);
        let wrote: Option<Timestamp> = claim.stamp.parse().ok();
        peer.latest = peer.latest.max(wrote);
    }
}

async fn replicas(client: &Client, clock: &Clock) -> Verdict {
    let seen = RefCell::new(Seen::default());
    let query = cluster_query(None);
    let walk = client.each_entity(&query, |document| seen.borrow_mut().take(&document));
    let ended = within(clock, CLUSTERS_TIMEOUT, walk).await;
    let whole = match ended {
        Some(Ok(())) => true,
        Some(Err(VcdError::NotVisible { .. })) => {
            let text = "no cluster entities can be listed; the lines above say why".to_owned();
            return Verdict::Fail(NO_PERMISSION, text);
        }
        Some(Err(error)) => return failed(&error),
        None => false,
    };
    let seen = seen.into_inner();
    judge::replicas(&seen.peers, (seen.clusters, whole), clock.wall())
}
