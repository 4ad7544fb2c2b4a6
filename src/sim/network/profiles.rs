//! Application port profiles: what may be created, replaced and deleted.
//!
//! Invariants:
//! - Names are unique per scope and organization.
//! - Those of the scope SYSTEM are there for everybody and change for nobody.
//!
//! Not here: requests and documents (`profile_api`).

use super::Services;
use super::changes::{Change, Edit, Operation, gone, owner};
use super::kinds;
use super::model::PortProfile;
use super::rules::{Started, duplicate, require_name, require_one_of};
use super::specs::ProfileSpec;
use crate::sim::context::Context;
use crate::sim::reply::Problem;
use crate::sim::tasks::Starter;

const PROTOCOLS: [&str; 4] = ["TCP", "UDP", "ICMPv4", "ICMPv6"];

fn validate(spec: &ProfileSpec) -> Result<(), Problem> {
    require_name(&spec.name)?;
    require_one_of("scope", &spec.scope, &["TENANT", "PROVIDER"])?;
    if spec.application_ports.is_empty() {
        return Err(Problem::bad_request("applicationPorts must not be empty."));
    }
    for port in &spec.application_ports {
        require_one_of("applicationPorts.protocol", &port.protocol, &PROTOCOLS)?;
        let valid = |text: &str| text.trim().parse::<u16>().is_ok();
        let all_valid = |range: &String| range.split('-').all(valid);
        if !port.destination_ports.iter().all(all_valid) {
            return Err(Problem::bad_request(
                "applicationPorts.destinationPorts holds what is no port.",
            ));
        }
    }
    Ok(())
}

impl Services {
    /// The profile that `org` sees in `scope` by this name.
    pub(crate) fn profile_by_name(
        &self,
        org: Option<&str>,
        scope: &str,
        name: &str,
    ) -> Option<&PortProfile> {
        self.profiles.values().find(|profile| {
            profile.org_id.as_deref() == org
                && profile.spec.scope == scope
                && profile.spec.name == name
        })
    }

    /// Starts to create a profile of `org`.
    ///
    /// # Errors
    /// 400: `BAD_REQUEST` or `DUPLICATE_NAME`.
    pub(crate) fn create_profile(
        &mut self,
        org: Option<&str>,
        spec: ProfileSpec,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<Started, Problem> {
        validate(&spec)?;
        if self.profile_by_name(org, &spec.scope, &spec.name).is_some() {
            return Err(duplicate("application port profile", &spec.name));
        }
        // The name is taken from the request on, although nothing is there yet.
        let reserved = format!("{}/{}/{}", spec.scope, org.unwrap_or_default(), spec.name);
        self.require_free("applicationPortProfile", &reserved)?;
        let profile = PortProfile {
            uuid: ctx.uuid(),
            org_id: org.map(str::to_owned),
            spec,
        };
        let uuid = profile.uuid.clone();
        let operation = Operation {
            kind: kinds::PROFILE.create,
            starter,
            owner: owner(&profile.urn(), &profile.spec.name),
            holds: vec![reserved],
            change: Change::Profile(uuid.clone(), Edit::Create(Box::new(profile))),
        };
        let task = self.submit(operation, ctx);
        Ok(Started { task, uuid })
    }

    /// Starts to replace what is written about a profile. Scope and organization stay.
    ///
    /// # Errors
    /// 400: `BAD_REQUEST`, `DUPLICATE_NAME` or `BUSY_ENTITY`.
    pub(crate) fn replace_profile(
        &mut self,
        uuid: &str,
        spec: ProfileSpec,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let profile = self.own_profile(uuid)?.clone();
        let spec = ProfileSpec {
            scope: profile.spec.scope.clone(),
            org_ref: profile.spec.org_ref.clone(),
            context_entity_id: profile.spec.context_entity_id.clone(),
            ..spec
        };
        validate(&spec)?;
        let namesake = self.profile_by_name(profile.org_id.as_deref(), &spec.scope, &spec.name);
        if namesake.is_some_and(|other| other.uuid != uuid) {
            return Err(duplicate("application port profile", &spec.name));
        }
        self.require_free("applicationPortProfile", uuid)?;
        let profile = PortProfile { spec, ..profile };
        let operation = Operation {
            kind: kinds::PROFILE.update,
            starter,
            owner: owner(&profile.urn(), &profile.spec.name),
            holds: vec![uuid.to_owned()],
            change: Change::Profile(uuid.to_owned(), Edit::Replace(Box::new(profile))),
        };
        Ok(self.submit(operation, ctx))
    }

    /// Starts to delete a profile.
    ///
    /// # Errors
    /// 400: a NAT rule refers to it, or `BUSY_ENTITY`.
    pub(crate) fn delete_profile(
        &mut self,
        uuid: &str,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let profile = self.own_profile(uuid)?;
        let (urn, name) = (profile.urn(), profile.spec.name.clone());
        let mut rules = self.nat_rules.values();
        let user = rules.find(|rule| {
            let profile = rule.spec.application_port_profile.as_ref();
            profile.is_some_and(|profile| profile.id == urn)
        });
        if let Some(user) = user {
            return Err(Problem::bad_request(format!(
                "Application Port Profile {name} cannot be deleted: it is used by the NAT rule {}.",
                user.spec.name
            )));
        }
        self.require_free("applicationPortProfile", uuid)?;
        let operation = Operation {
            kind: kinds::PROFILE.delete,
            starter,
            owner: owner(&urn, &name),
            holds: vec![uuid.to_owned()],
            change: Change::Profile(uuid.to_owned(), Edit::Delete),
        };
        Ok(self.submit(operation, ctx))
    }

    fn own_profile(&self, uuid: &str) -> Result<&PortProfile, Problem> {
        let profile = self.profiles.get(uuid);
        let profile = profile.ok_or_else(|| gone("application port profile", uuid))?;
        if profile.spec.scope == "SYSTEM" {
            return Err(Problem::bad_request(
                "Application port profiles of the scope SYSTEM cannot be changed.",
            ));
        }
        Ok(profile)
    }

    /// Lets a change of a profile happen.
    pub(super) fn edit_profile(
        &mut self,
        uuid: &str,
        edit: Edit<PortProfile>,
        ctx: &mut Context<'_>,
    ) -> Result<(), Problem> {
        let (effect, profile) = match edit {
            Edit::Create(profile) => ("profile.created", *profile),
            Edit::Replace(profile) => ("profile.updated", *profile),
            Edit::Delete => {
                let removed = self.profiles.remove(uuid);
                let profile = removed.ok_or_else(|| gone("application port profile", uuid))?;
                ctx.history.count("profile.deleted", &profile.spec.name);
                return Ok(());
            }
        };
        ctx.history.count(effect, &profile.spec.name);
        self.profiles.insert(uuid.to_owned(), profile);
        Ok(())
    }
}
