//! From a held cluster to the bootstrap VM's user data: collecting what `bootstrap` needs.
//!
//! Invariants:
//! - What comes out holds the author's token: it goes into one request and nowhere else.
//!
//! Not here: what the user data contains (`bootstrap`).

use secrecy::SecretString;

use super::Deps;
use super::act::marker;
use super::claim::Held;
use super::tenant::Tenant;
use crate::bootstrap::{BootstrapInputs, BootstrapProblem, agent, user_data as render};
use crate::reconcile::failure::FailureReason;
use crate::telemetry::chain;
use crate::vcd::transport::Transport;

/// The user data of the held cluster's bootstrap VM, in base64.
pub(super) fn user_data<T: Transport>(
    deps: &Deps<T>,
    held: &Held<T>,
    tenant: &Tenant<T>,
) -> Result<SecretString, FailureReason> {
    let document = held.document();
    let marker = marker(held).to_string();
    let name = |who: Option<&crate::vcd::model::IdName>| {
        who.map(|who| who.name.clone()).unwrap_or_default()
    };
    let org = document
        .org
        .as_ref()
        .map_or_else(|| tenant.spec.org.clone(), |org| org.name.clone());
    let mut inputs = BootstrapInputs {
        spec: &tenant.spec,
        config: &deps.server_config,
        entity: &document.id,
        org: &org,
        user: &name(document.owner.as_ref()),
        token: &tenant.token,
        marker: &marker,
        vcd_authorities: &deps.site_authorities,
        agent_manifest: None,
    };
    let unusable =
        |problem: BootstrapProblem| FailureReason::InvalidSpec(vec![chain(&problem).to_string()]);
    let manifest =
        agent::manifest(&inputs).map_err(|problem| unusable(BootstrapProblem::Yaml(problem)))?;
    inputs.agent_manifest = manifest.as_deref();
    let rendered = render(&inputs).map_err(unusable)?;
    Ok(rendered.base64)
}
