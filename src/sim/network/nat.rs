//! NAT rules: what may be created, replaced and deleted.
//!
//! Invariants:
//! - An update names the version it was made from; another one is refused.
//! - `type` and its older spelling `ruleType` say the same; `REFLEXIVE` has no older spelling.
//!
//! Not here: requests and documents (`nat_api`).

use super::Services;
use super::changes::{Change, Edit, Operation, gone, owner};
use super::kinds;
use super::model::{Gateway, NatRule};
use super::rules::{Started, duplicate, require_name, require_one_of};
use super::specs::{EntityRef, NatSpec};
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::reply::Problem;
use crate::sim::tasks::{Reference, Starter};

const KINDS: [&str; 5] = ["DNAT", "SNAT", "NO_DNAT", "NO_SNAT", "REFLEXIVE"];
const MATCHES: [&str; 3] = ["MATCH_INTERNAL_ADDRESS", "MATCH_EXTERNAL_ADDRESS", "BYPASS"];

/// Checks a rule and brings both spellings of its type into line.
fn normalized(spec: NatSpec) -> Result<NatSpec, Problem> {
    let mut spec = spec;
    spec.version = None;
    require_name(&spec.name)?;
    let kind = spec.kind.take().or_else(|| spec.rule_type.take());
    let kind = kind.ok_or_else(|| Problem::bad_request("type must be given."))?;
    require_one_of("type", &kind, &KINDS)?;
    require_one_of("firewallMatch", &spec.firewall_match, &MATCHES)?;
    let needs = |field: &str, value: &str| {
        if value.trim().is_empty() {
            Err(Problem::bad_request(format!(
                "{field} is required for a rule of type {kind}."
            )))
        } else {
            Ok(())
        }
    };
    if kind != "NO_SNAT" && kind != "SNAT" {
        needs("externalAddresses", &spec.external_addresses)?;
    }
    if kind != "NO_DNAT" {
        needs("internalAddresses", &spec.internal_addresses)?;
    }
    if kind == "SNAT" {
        needs("externalAddresses", &spec.external_addresses)?;
    }
    for (field, port) in [
        ("dnatExternalPort", &spec.dnat_external_port),
        ("internalPort", &spec.internal_port),
    ] {
        // Ranges such as 8080-8090 are ports too.
        let valid = |text: &str| text.trim().parse::<u16>().is_ok_and(|port| port > 0);
        if !port.is_empty() && !port.split('-').all(valid) {
            return Err(Problem::bad_request(format!("{field} is no port.")));
        }
    }
    spec.rule_type = (kind != "REFLEXIVE").then(|| kind.clone());
    spec.kind = Some(kind);
    Ok(spec)
}

/// The gateway: tasks of NAT rules belong to it, which is why clients look new rules up by their fields.
fn gateway_owner(gateway: &Gateway) -> Reference {
    owner(&gateway.urn(), &gateway.name)
}

impl Services {
    /// The first rule of `gateway` with this name.
    pub(crate) fn nat_rule_by_name(&self, gateway: &str, name: &str) -> Option<&NatRule> {
        self.nat_rules
            .values()
            .find(|rule| rule.gateway == gateway && rule.spec.name == name)
    }

    /// Checks what a rule refers to.
    fn fit_rule(
        &self,
        gateway: &str,
        known: Option<&str>,
        spec: NatSpec,
        ctx: &Context<'_>,
    ) -> Result<NatSpec, Problem> {
        let mut spec = normalized(spec)?;
        if let Some(asked) = spec.application_port_profile.take() {
            spec.application_port_profile = self.profile_ref(gateway, &asked)?;
        }
        let namesake = self.nat_rule_by_name(gateway, &spec.name);
        let taken = namesake.is_some_and(|other| Some(other.uuid.as_str()) != known);
        if taken && ctx.settings.nat_rule_names_are_unique {
            return Err(duplicate("NAT rule", &spec.name));
        }
        self.require_free("gateway", gateway)?;
        Ok(spec)
    }

    /// The profile as rules refer to it; clients that mean none may send an empty id.
    fn profile_ref(&self, gateway: &str, asked: &EntityRef) -> Result<Option<EntityRef>, Problem> {
        if asked.id.is_empty() {
            return Ok(None);
        }
        let org = self.gateway_org(gateway);
        let found = self.profiles.get(bare(&asked.id));
        let found = found.filter(|one| one.org_id.as_ref().is_none_or(|owner| *owner == org));
        let found = found.ok_or_else(|| {
            let message = format!("applicationPortProfile {} does not exist.", asked.id);
            Problem::bad_request(message)
        })?;
        Ok(Some(EntityRef {
            name: found.spec.name.clone(),
            id: found.urn(),
        }))
    }

    /// Starts to create a rule on `gateway`.
    ///
    /// # Errors
    /// 400: `BAD_REQUEST` or `BUSY_ENTITY`.
    pub(crate) fn create_nat_rule(
        &mut self,
        gateway: &str,
        spec: NatSpec,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<Started, Problem> {
        let spec = self.fit_rule(gateway, None, spec, ctx)?;
        let found = self.gateways.get(gateway);
        let found = found.ok_or_else(|| gone("edge gateway", gateway))?;
        let owner = gateway_owner(found);
        let rule = NatRule {
            uuid: ctx.uuid(),
            org_id: found.org_id.clone(),
            gateway: gateway.to_owned(),
            version: 0,
            spec,
        };
        let uuid = rule.uuid.clone();
        let operation = Operation {
            kind: kinds::NAT_RULE.create,
            starter,
            owner,
            holds: vec![gateway.to_owned()],
            change: Change::Rule(uuid.clone(), Edit::Create(Box::new(rule))),
        };
        let task = self.submit(operation, ctx);
        Ok(Started { task, uuid })
    }

    /// Starts to replace what is written about a rule.
    ///
    /// # Errors
    /// 400: `BAD_REQUEST`, also for another version than the rule has, or `BUSY_ENTITY`.
    pub(crate) fn replace_nat_rule(
        &mut self,
        uuid: &str,
        spec: NatSpec,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let rule = self.nat_rules.get(uuid);
        let rule = rule.ok_or_else(|| gone("NAT rule", uuid))?;
        let (gateway, version) = (rule.gateway.clone(), rule.version);
        if spec.version.map(|asked| asked.version) != Some(version) {
            return Err(Problem::bad_request(format!(
                "The version of the NAT rule {} does not match the current version {version}.",
                rule.spec.name
            )));
        }
        let org_id = rule.org_id.clone();
        let spec = self.fit_rule(&gateway, Some(uuid), spec, ctx)?;
        let found = self.gateways.get(&gateway);
        let owner = gateway_owner(found.ok_or_else(|| gone("edge gateway", &gateway))?);
        let rule = NatRule {
            uuid: uuid.to_owned(),
            org_id,
            gateway: gateway.clone(),
            version: version.saturating_add(1),
            spec,
        };
        let operation = Operation {
            kind: kinds::NAT_RULE.update,
            starter,
            owner,
            holds: vec![gateway],
            change: Change::Rule(uuid.to_owned(), Edit::Replace(Box::new(rule))),
        };
        Ok(self.submit(operation, ctx))
    }

    /// Starts to delete a rule.
    ///
    /// # Errors
    /// 400 `BUSY_ENTITY`.
    pub(crate) fn delete_nat_rule(
        &mut self,
        uuid: &str,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let rule = self.nat_rules.get(uuid);
        let gateway = rule.ok_or_else(|| gone("NAT rule", uuid))?.gateway.clone();
        self.require_free("gateway", &gateway)?;
        let found = self.gateways.get(&gateway);
        let owner = gateway_owner(found.ok_or_else(|| gone("edge gateway", &gateway))?);
        let operation = Operation {
            kind: kinds::NAT_RULE.delete,
            starter,
            owner,
            holds: vec![gateway],
            change: Change::Rule(uuid.to_owned(), Edit::Delete),
        };
        Ok(self.submit(operation, ctx))
    }

    /// Lets a change of a rule happen.
    pub(super) fn edit_rule(
        &mut self,
        uuid: &str,
        edit: Edit<NatRule>,
        ctx: &mut Context<'_>,
    ) -> Result<(), Problem> {
        let (effect, rule) = match edit {
            Edit::Create(rule) => ("nat.created", *rule),
            Edit::Replace(rule) => ("nat.updated", *rule),
            Edit::Delete => {
                let removed = self.nat_rules.remove(uuid);
                let rule = removed.ok_or_else(|| gone("NAT rule", uuid))?;
                ctx.history.count("nat.deleted", &rule.spec.name);
                return Ok(());
            }
        };
        ctx.history.count(effect, &rule.spec.name);
        self.nat_rules.insert(uuid.to_owned(), rule);
        Ok(())
    }
}
