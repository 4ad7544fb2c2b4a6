//! Looking up everything that decides whether a creation can work, before anything is made.
//!
//! Flow: `observe` asks once per attempt, before its first effect; [`examine`] fills `Facts` for
//! `reconcile::preflight` and gives what the bootstrap VM is made of. Once something of the attempt
//! exists, [`find_targets`] looks that up alone.
//!
//! Invariants:
//! - Reads only, of bounded number: once each, and once per distinct template and storage profile, of
//!   which there are at most [`MAX_NAMES`].
//! - What VCD refuses to show is left out with a line at DEBUG, and says nothing about the cluster.
//! - What merely fails ends the look, to be tried again, but not for ever: after [`PATIENCE`] looks only
//!   what the bootstrap VM is made of is waited for.
//!
//! Not here: what the facts mean (`reconcile::preflight`).

use std::collections::BTreeSet;

use tracing::{debug, info};

use super::Deps;
use super::document;
use super::tenant::{Targets, Tenant};
use crate::domain::claim::ClaimPhase;
use crate::domain::cluster::{AddressRange, MachineTemplate};
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::{EntityId, VappId};
use crate::domain::site::{
    Account, GatewayOffer, NetworkOffer, StorageDetails, StorageOffer, TemplateOffer, TemplateState,
};
use crate::domain::status::ClusterState;
use crate::reconcile::failure::FailureReason;
use crate::reconcile::marks::INFRA_ID;
use crate::reconcile::preflight::{
    EntityFacts, Facts, Findings, Lookup, Namesake, SetupFacts, Standing, VdcFacts, check,
    check_targets,
};
use crate::telemetry::{chain, event};
use crate::vcd::error::VcdError;
use crate::vcd::model::{
    EntityDocument, EntityQuery, NamedRef, NetworkRef, StorageProfileRef, Template, Vdc,
};
use crate::vcd::paging::MAX_PAGE_SIZE;
use crate::vcd::transport::Transport;

/// Most templates, and most storage profiles, that are looked up for one cluster.
const MAX_NAMES: usize = 8;
/// Looks that a failing look-up of the second rank may spoil.
pub(super) const PATIENCE: u32 = 3;
/// Disk of a TKG image, in MiB; any other size depends on how the VDC copies disks.
const IMAGE_DISK_MIB: u64 = 20 * 1024;

/// One look at one cluster.
pub(super) struct Look<'a, T: Transport> {
    pub(super) deps: &'a Deps<T>,
    pub(super) document: &'a EntityDocument,
    pub(super) tenant: &'a Tenant<T>,
    pub(super) vdc: &'a Vdc,
    /// vApps of others that have a name which the cluster needs.
    pub(super) foreign_vapps: Vec<String>,
    /// Whether a look-up of the second rank that fails ends the look.
    pub(super) patient: bool,
}

/// What the bootstrap VM is made of, as far as it was found.
#[derive(Default)]
struct Source {
    template: Option<Template>,
    /// URN of its sizing policy.
    policy: Option<String>,
    /// Why something needed was not found out.
    obstacle: Option<VcdError>,
}

/// Looks at everything and compares it with what is asked for.
pub(super) async fn examine<T: Transport>(
    look: &Look<'_, T>,
) -> Result<Result<Targets, FailureReason>, VcdError> {
    let mut source = Source::default();
    let mut facts = look.blank();
    facts.account = look.account().await?;
    facts.namesakes = look.namesakes().await?;
    look.network(&mut facts).await?;
    facts.templates = look
        .templates(&look.distinct_templates(), &mut source)
        .await?;
    look.policies(&mut facts, &mut source).await?;
    facts.storage = look.storage().await?;
    look.measure(&mut facts).await?;
    look.judge(&check(&look.tenant.spec, &facts), source)
}

/// Looks up only what the bootstrap VM is made of.
pub(super) async fn find_targets<T: Transport>(
    look: &Look<'_, T>,
) -> Result<Result<Targets, FailureReason>, VcdError> {
    let mut source = Source::default();
    let mut facts = look.blank();
    if look.network_ref().is_none() {
        facts.network = Lookup::Absent;
    }
    let wanted = [&look.tenant.spec.control_plane];
    facts.templates = look.templates(&wanted, &mut source).await?;
    look.policies(&mut facts, &mut source).await?;
    look.judge(&check_targets(&look.tenant.spec, &facts), source)
}

impl<T: Transport> Look<'_, T> {
    /// Facts that are known without asking.
    fn blank(&self) -> Facts {
        let bootstrap = &self.deps.server_config.bootstrap;
        Facts {
            entity: EntityFacts {
                id: self.document.id.clone(),
                org: self.document.org.as_ref().map(|org| org.name.clone()),
                owner: self.document.owner.as_ref().map(|owner| owner.id.clone()),
            },
            setup: SetupFacts {
                sizing_policy: bootstrap.sizing_policy.clone(),
                cluster_api: bootstrap.core_version.clone(),
            },
            account: None,
            vdc: VdcFacts {
                enabled: self.vdc.enabled,
                limits: self.vdc.limits.clone(),
                vms: None,
                fast_provisioning: None,
            },
            network: Lookup::Unknown,
            gateway: None,
            templates: Vec::new(),
            policies: None,
            bootstrap_policy: Lookup::Unknown,
            storage: Vec::new(),
            namesakes: Vec::new(),
            foreign_vapps: self.foreign_vapps.clone(),
        }
    }

    /// Targets without problems, or problems, or why neither is known.
    fn judge(
        &self,
        found: &Findings,
        source: Source,
    ) -> Result<Result<Targets, FailureReason>, VcdError> {
        if !found.problems.is_empty() {
            return Ok(Err(FailureReason::Preflight(found.problems.clone())));
        }
        if let Some(obstacle) = source.obstacle {
            return Err(obstacle);
        }
        for note in &found.notes {
            info!(event = event::PREFLIGHT_NOTED, note = %note, "preflight found something unusual");
        }
        let network = self.network_ref().cloned();
        Ok(match (network, source.template) {
            (Some(network), Some(template)) => Ok(Targets {
                network,
                template_vm_href: template.vm_href,
                sizing_policy: source.policy,
            }),
            // Not reached: whatever is missing has left a problem or an obstacle behind.
            _ => Err(FailureReason::OperationFailing(
                "the cluster's network or template was not found".to_owned(),
            )),
        })
    }

    /// An answer of the second rank: one that is refused is left out, one that fails ends the look while
    /// there is patience.
    fn optional<R>(
        &self,
        what: &'static str,
        answer: Result<R, VcdError>,
    ) -> Result<Option<R>, VcdError> {
        let error = match answer {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        let ends_the_look = match error.class() {
            ErrorClass::Terminal => false,
            ErrorClass::Unauthenticated => true,
            ErrorClass::Transient
            | ErrorClass::Throttled { .. }
            | ErrorClass::Conflict
            | ErrorClass::OutcomeUnknown => self.patient,
        };
        if ends_the_look {
            return Err(error);
        }
        debug!(what, error = %chain(&error), "preflight cannot look this up, and goes on without it");
        Ok(None)
    }

    /// An answer that a creation needs: one that is refused is an obstacle.
    fn needed<R>(answer: Result<R, VcdError>, source: &mut Source) -> Result<Option<R>, VcdError> {
        match answer {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.class() == ErrorClass::Terminal => {
                source.obstacle = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn account(&self) -> Result<Option<Account>, VcdError> {
        let client = &self.tenant.client;
        let Some(login) = self.optional("login", client.login().await)? else {
            return Ok(None);
        };
        let mut account = login.account;
        let mut held = BTreeSet::new();
        for role in login.roles.iter().take(MAX_NAMES) {
            match self.optional("rights", client.role_rights(role).await)? {
                Some(rights) => held.extend(rights),
                None => return Ok(Some(account)),
            }
        }
        // A login without roles says nothing about rights.
        account.rights = (!held.is_empty()).then_some(held);
        Ok(Some(account))
    }

    /// Other clusters of this name in the organization, seen with the server's own account.
    async fn namesakes(&self) -> Result<Vec<Namesake>, VcdError> {
        let Some(org) = &self.document.org else {
            return Ok(Vec::new());
        };
        let kind = &self.deps.server_config.bootstrap.rde_type;
        let query = EntityQuery {
            vendor: kind.vendor.clone(),
            nss: kind.nss.clone(),
            version: None,
            // Names of clusters are letters, digits and hyphens: checked when the request was read.
            filter: Some(format!("name=={}", self.tenant.spec.name)),
            page_size: MAX_PAGE_SIZE,
        };
        let found = self.deps.client.entities(&query).await;
        let found = self.optional("clusters of the same name", found)?;
        let others = found.into_iter().flatten().filter(|other| {
            let same_org = other.org.as_ref().is_some_and(|its| its.id == org.id);
            same_org && other.id != self.document.id && other.name == self.tenant.spec.name
        });
        Ok(others
            .map(|other| Namesake {
                standing: standing(&other),
                id: other.id,
            })
            .collect())
    }

    fn network_ref(&self) -> Option<&NetworkRef> {
        let wanted = &self.tenant.spec.network;
        let mut networks = self.vdc.networks.iter();
        networks.find(|network| network.name == *wanted)
    }

    /// Network and gateway.
    async fn network(&self, facts: &mut Facts) -> Result<(), VcdError> {
        let Some(reference) = self.network_ref() else {
            facts.network = Lookup::Absent;
            return Ok(());
        };
        let network = self.tenant.client.network(reference).await;
        let Some(network) = self.optional("network", network)? else {
            return Ok(());
        };
        facts.gateway = self.gateway(&network).await?;
        facts.network = Lookup::Found(network);
        Ok(())
    }

    async fn gateway(&self, network: &NetworkOffer) -> Result<Option<GatewayOffer>, VcdError> {
        let Some(gateway) = &network.gateway else {
            return Ok(None);
        };
        let client = &self.tenant.client;
        let Some(uplinks) = self.optional("edge gateway", client.uplinks(gateway).await)? else {
            return Ok(None);
        };
        let mut offer = uplinks.offer.clone();
        let balancing = client.balances_load(gateway).await;
        offer.balancing = self.optional("load balancing", balancing)?;
        let engines = client.engine_room(gateway).await;
        offer.engines = self.optional("service engine groups", engines)?;
        let spec = &self.tenant.spec;
        if spec.control_plane_host.is_none() {
            let allowed = spec.vip_subnet.as_deref().and_then(AddressRange::parse);
            let free = if offer.uses_ip_spaces {
                client.has_floating_address(gateway).await
            } else {
                let free = client.has_free_address(gateway, (&uplinks, allowed)).await;
                free.map(Some)
            };
            offer.free_address = self.optional("external addresses", free)?.flatten();
        }
        Ok(Some(offer))
    }

    /// The templates of control plane and pools, each once, the control plane's first.
    fn distinct_templates(&self) -> Vec<&MachineTemplate> {
        let spec = &self.tenant.spec;
        let pools = spec.pools.iter().map(|pool| &pool.template);
        let mut distinct: Vec<&MachineTemplate> = Vec::new();
        for one in std::iter::once(&spec.control_plane).chain(pools) {
            let is_new = distinct
                .iter()
                .all(|known| (&known.catalog, &known.template) != (&one.catalog, &one.template));
            if is_new && distinct.len() < MAX_NAMES {
                distinct.push(one);
            }
        }
        distinct
    }

    /// The first one is what the bootstrap VM is copied from.
    async fn templates(
        &self,
        wanted: &[&MachineTemplate],
        source: &mut Source,
    ) -> Result<Vec<TemplateOffer>, VcdError> {
        let client = &self.tenant.client;
        let mut offers = Vec::new();
        for (place, machine) in wanted.iter().enumerate() {
            let found = client
                .find_templates(&machine.catalog, &machine.template)
                .await;
            let found = Self::needed(found, source)?;
            let (state, template) = match found.as_deref().map(<[_]>::first) {
                None => (TemplateState::Unknown, None),
                Some(None) => (TemplateState::Absent, None),
                Some(Some(reference)) => {
                    match Self::needed(client.template(reference).await, source)? {
                        None => (TemplateState::Unknown, None),
                        Some(template) if !template.ready => (TemplateState::Unfinished, None),
                        Some(template) => {
                            let version = template.version.clone();
                            (TemplateState::Ready { version }, Some(template))
                        }
                    }
                }
            };
            if place == 0 {
                source.template = template;
            }
            offers.push(TemplateOffer {
                catalog: machine.catalog.clone(),
                name: machine.template.clone(),
                state,
            });
        }
        Ok(offers)
    }

    /// The policies of the VDC; where these are not shown, that of the bootstrap VM at least.
    async fn policies(&self, facts: &mut Facts, source: &mut Source) -> Result<(), VcdError> {
        let client = &self.tenant.client;
        let wanted = self.deps.server_config.bootstrap.sizing_policy.as_str();
        let listed = match client.vdc_policies(&self.tenant.vdc).await {
            Ok(policies) => {
                let found = policies.iter().find(|policy| policy.name == wanted);
                let found = found.map(|policy| policy.id.clone());
                facts.policies = Some(policies);
                Some(found)
            }
            Err(error) if error.class() != ErrorClass::Terminal => return Err(error),
            Err(_) if wanted.is_empty() => return Ok(()),
            Err(error) => {
                debug!(error = %chain(&error), "the VDC's compute policies are not shown");
                let named = Self::needed(client.find_policies(wanted).await, source)?;
                named.map(|named| named.into_iter().next().map(|policy| policy.id))
            }
        };
        facts.bootstrap_policy = match &listed {
            Some(None) if !wanted.is_empty() => Lookup::Absent,
            Some(Some(_)) => Lookup::Found(()),
            Some(None) | None => Lookup::Unknown,
        };
        source.policy = listed.flatten();
        Ok(())
    }

    /// The storage profiles of the VDC, those that are asked for in detail; all of them where a default
    /// has to be found.
    async fn storage(&self) -> Result<Vec<StorageOffer>, VcdError> {
        let spec = &self.tenant.spec;
        let machines = std::iter::once(&spec.control_plane)
            .chain(spec.pools.iter().map(|pool| &pool.template));
        let mut wanted: BTreeSet<&str> = machines
            .filter_map(|template| template.storage_profile.as_deref())
            .collect();
        let class = spec.storage_class.as_ref();
        wanted.extend(class.and_then(|class| class.storage_profile.as_deref()));
        let (mut offers, mut asked) = (Vec::new(), 0_usize);
        for profile in &self.vdc.storage_profiles {
            let only = self.vdc.storage_profiles.len() == 1;
            let details = if (only || wanted.contains(profile.name.as_str())) && asked < MAX_NAMES {
                asked = asked.saturating_add(1);
                self.storage_details(profile).await?
            } else {
                None
            };
            offers.push(StorageOffer {
                name: profile.name.clone(),
                details,
            });
        }
        Ok(offers)
    }

    async fn storage_details(
        &self,
        profile: &StorageProfileRef,
    ) -> Result<Option<StorageDetails>, VcdError> {
        let details = self.tenant.client.storage_details(profile).await;
        self.optional("storage profile", details)
    }

    /// What is only worth a request when it can matter.
    async fn measure(&self, facts: &mut Facts) -> Result<(), VcdError> {
        let (client, spec) = (&self.tenant.client, &self.tenant.spec);
        if facts.vdc.limits.vms.is_some() {
            let vms = client.count_vms(&self.tenant.vdc).await;
            facts.vdc.vms = self.optional("number of VMs", vms)?;
        }
        let mut templates = std::iter::once(&spec.control_plane)
            .chain(spec.pools.iter().map(|pool| &pool.template));
        let sized = templates.any(|one| one.disk_mib.is_some_and(|size| size != IMAGE_DISK_MIB));
        if sized {
            let fast = client.fast_provisioning(&self.tenant.vdc).await;
            facts.vdc.fast_provisioning = self.optional("provisioning", fast)?.flatten();
        }
        Ok(())
    }
}

/// Whose the vApp with the cluster's name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VappOwner {
    /// There is none.
    Nobody,
    /// The cluster's own controllers made it.
    Cluster,
    /// Somebody else did.
    Other,
}

/// Looks for a vApp with the cluster's name, which the cluster's controllers would take for theirs.
pub(super) async fn vapp_owner<T: Transport>(
    tenant: &Tenant<T>,
    vdc: &Vdc,
    entity: &EntityId,
) -> Result<VappOwner, VcdError> {
    let mut owner = VappOwner::Nobody;
    let named = |vapp: &&NamedRef<VappId>| vapp.name == tenant.spec.name;
    for vapp in vdc.vapps.iter().filter(named) {
        match tenant.client.vapp_metadata(&vapp.id).await {
            Ok(metadata) if metadata.get(INFRA_ID).map(String::as_str) == Some(entity.as_str()) => {
                return Ok(VappOwner::Cluster);
            }
            Ok(_) => owner = VappOwner::Other,
            // It went away between the listing and this look, or is not for this user's eyes.
            Err(VcdError::NotVisible { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(owner)
}

/// How far another cluster has come, by its document.
fn standing(other: &EntityDocument) -> Standing {
    let summary = document::summary(&other.entity);
    let has_parts = !document::resources(&other.entity).is_empty()
        || document::has_infrastructure(&other.entity);
    // Entities of plain Cluster API users come from the cluster itself.
    if has_parts || !summary.is_vcdke {
        return Standing::Established;
    }
    let at_work = match summary.claim.phase() {
        ClaimPhase::Creating | ClaimPhase::Teardown => true,
        ClaimPhase::Pending | ClaimPhase::Deleting | ClaimPhase::Done => false,
    };
    match summary.state {
        ClusterState::Provisioned | ClusterState::Deleting | ClusterState::Unknown => {
            Standing::Established
        }
        ClusterState::Unclaimed | ClusterState::Provisioning if !summary.marked_for_delete => {
            Standing::Starting
        }
        ClusterState::Error if at_work && !summary.marked_for_delete => Standing::Starting,
        ClusterState::Unclaimed | ClusterState::Provisioning | ClusterState::Error => {
            Standing::Empty
        }
    }
}
