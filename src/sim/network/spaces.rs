//! IP spaces: floating addresses that organizations take, mark, use and give back.
//!
//! Invariants:
//! - An address of a space belongs to one allocation at most.
//! - An allocation is `USED` exactly while a virtual service or a NAT rule of its organization has
//!   its address; otherwise `USED_MANUAL` or `UNUSED`, as somebody marked it.
//! - Which address it becomes is decided when the task ends; a space that has run out fails the task.
//!
//! Not here: requests and documents (`space_api`).

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Services;
use super::changes::{Change, Operation, gone, owner};
use super::kinds;
use super::model::{Allocation, IpSpace};
use super::rules::require_one_of;
use super::specs::{AllocationRequest, AllocationSpec};
use crate::sim::context::Context;
use crate::sim::reply::Problem;
use crate::sim::tasks::Starter;

/// Most addresses of one request.
const MAX_QUANTITY: u32 = 100;

/// Addresses that somebody waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Wish {
    /// Bare UUID.
    pub(crate) space: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) quantity: u32,
    /// A certain address instead of any.
    pub(crate) value: Option<Ipv4Addr>,
    /// Description of the allocation, which is then `USED_MANUAL` from the start.
    pub(crate) claim: Option<String>,
}

/// How an allocation is marked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) claimed: bool,
    pub(crate) description: String,
}

/// What uses an allocated address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// `LOAD_BALANCER` or `DNAT`, `SNAT`.
    pub(crate) category: &'static str,
    pub(crate) urn: String,
    pub(crate) name: String,
}

impl Services {
    /// The allocation of `org` that carries `claim` as its description and is marked used.
    pub(crate) fn claimed(&self, space: &str, org: &str, claim: &str) -> Option<&Allocation> {
        self.allocations.values().find(|one| {
            one.space == space && one.org_id == org && one.claimed && one.description == claim
        })
    }

    /// What uses the address of `allocation`.
    pub(crate) fn used_by(&self, allocation: &Allocation) -> Option<Use> {
        let text = allocation.value.to_string();
        let mut services = self.virtuals.values();
        let service = services.find(|service| {
            service.org_id == allocation.org_id && service.spec.virtual_ip_address == text
        });
        if let Some(service) = service {
            return Some(Use {
                category: "LOAD_BALANCER",
                urn: service.urn(),
                name: service.spec.name.clone(),
            });
        }
        let mut rules = self.nat_rules.values();
        let rule = rules.find(|rule| {
            rule.org_id == allocation.org_id && rule.spec.external_addresses == text
        })?;
        let gateway = self.gateways.get(&rule.gateway)?;
        Some(Use {
            category: rule.category(),
            urn: gateway.urn(),
            name: gateway.name.clone(),
        })
    }

    /// `UNUSED`, `USED` or `USED_MANUAL`.
    pub(crate) fn usage(&self, allocation: &Allocation) -> &'static str {
        if allocation.claimed {
            "USED_MANUAL"
        } else if self.used_by(allocation).is_some() {
            "USED"
        } else {
            "UNUSED"
        }
    }

    /// Starts to allocate addresses of `space` to the organization `org_id`.
    ///
    /// # Errors
    /// 400 `BAD_REQUEST`: neither one address nor a number of them, or none of the space's.
    pub(crate) fn start_allocation(
        &mut self,
        (space, org_id): (&IpSpace, &str),
        request: &AllocationRequest,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        require_one_of("type", &request.kind, &["FLOATING_IP"])?;
        let quantity = request.quantity.unwrap_or(1);
        if request.value.is_some() == request.quantity.is_some() {
            return Err(Problem::bad_request(
                "Either value or quantity must be given, and not both.",
            ));
        }
        if quantity == 0 || quantity > MAX_QUANTITY {
            return Err(Problem::bad_request(format!(
                "quantity must be between 1 and {MAX_QUANTITY}."
            )));
        }
        let outside = |value: &Ipv4Addr| !space.range.contains(*value);
        if let Some(value) = request.value.filter(outside) {
            return Err(Problem::bad_request(format!(
                "{value} is no address of the IP Space {}.",
                space.name
            )));
        }
        let wish = Wish {
            space: space.uuid.clone(),
            org_id: org_id.to_owned(),
            quantity,
            value: request.value,
            claim: None,
        };
        Ok(self.submit_wish(space, wish, starter, ctx))
    }

    /// Starts to fulfil `wish`.
    pub(super) fn submit_wish(
        &mut self,
        space: &IpSpace,
        wish: Wish,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> String {
        let operation = Operation {
            kind: kinds::ALLOCATION.create,
            starter,
            owner: owner(&space.urn(), &space.name),
            // One claim asks once at a time, however often its controller looks.
            holds: wish.claim.clone().into_iter().collect(),
            change: Change::Allocate(wish),
        };
        self.submit(operation, ctx)
    }

    /// Takes the addresses; the answer is the task's result, a JSON array.
    pub(super) fn allocate(
        &mut self,
        wish: &Wish,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let space = self.ip_spaces.get(&wish.space);
        let space = space.ok_or_else(|| gone("IP Space", &wish.space))?;
        let mut values: Vec<Ipv4Addr> = Vec::new();
        let taken: std::collections::BTreeSet<Ipv4Addr> = self
            .allocations
            .values()
            .filter(|one| one.space == wish.space)
            .map(|one| one.value)
            .collect();
        let free = |value: &Ipv4Addr| !taken.contains(value);
        let wanted = usize::try_from(wish.quantity).unwrap_or(usize::MAX);
        match wish.value {
            Some(value) => values.extend(Some(value).filter(free)),
            None => values.extend(space.range.addresses().filter(free).take(wanted)),
        }
        if values.len() < wanted {
            return Err(Problem::bad_request(format!(
                "There are not enough free IP addresses in the IP Space {}.",
                space.name
            )));
        }
        let mut result = Vec::new();
        for value in values {
            let allocation = Allocation {
                uuid: ctx.uuid(),
                space: wish.space.clone(),
                org_id: wish.org_id.clone(),
                value,
                description: wish.claim.clone().unwrap_or_default(),
                claimed: wish.claim.is_some(),
                allocated: ctx.wall,
            };
            ctx.history.count("ip.allocated", &value.to_string());
            result.push(json!({
                "id": allocation.urn(),
                "value": value,
                "suggestedValue": null,
            }));
            self.allocations.insert(allocation.uuid.clone(), allocation);
        }
        Ok(serde_json::Value::Array(result).to_string())
    }

    /// Starts to mark an allocation.
    ///
    /// # Errors
    /// 400: `BAD_REQUEST` for an unknown usage, or `BUSY_ENTITY`.
    pub(crate) fn start_marking(
        &mut self,
        uuid: &str,
        spec: AllocationSpec,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let known = ["UNUSED", "USED", "USED_MANUAL"];
        require_one_of("usageState", &spec.usage_state, &known)?;
        let allocation = self.require_allocation(uuid)?;
        let owner = owner(&allocation.urn(), &allocation.value.to_string());
        let mark = Mark {
            claimed: spec.usage_state == "USED_MANUAL",
            description: spec.description,
        };
        let operation = Operation {
            kind: kinds::ALLOCATION.update,
            starter,
            owner,
            holds: vec![uuid.to_owned()],
            change: Change::Mark(uuid.to_owned(), mark),
        };
        Ok(self.submit(operation, ctx))
    }

    /// Starts to give an allocation back.
    ///
    /// # Errors
    /// 400: it is in use or marked so, or `BUSY_ENTITY`.
    pub(crate) fn start_release(
        &mut self,
        uuid: &str,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let allocation = self.require_allocation(uuid)?;
        if self.usage(allocation) != "UNUSED" && !ctx.settings.used_addresses_are_released {
            return Err(Problem::bad_request(format!(
                "The IP address {} cannot be released: it is in use.",
                allocation.value
            )));
        }
        let owner = owner(&allocation.urn(), &allocation.value.to_string());
        let operation = Operation {
            kind: kinds::ALLOCATION.delete,
            starter,
            owner,
            holds: vec![uuid.to_owned()],
            change: Change::Release(uuid.to_owned()),
        };
        Ok(self.submit(operation, ctx))
    }

    fn require_allocation(&self, uuid: &str) -> Result<&Allocation, Problem> {
        let allocation = self.allocations.get(uuid);
        let allocation = allocation.ok_or_else(|| gone("IP allocation", uuid))?;
        self.require_free("ipSpaceIpAllocation", uuid)?;
        Ok(allocation)
    }

    /// Lets an allocation be marked.
    pub(super) fn mark(&mut self, uuid: &str, mark: Mark) -> Result<(), Problem> {
        let allocation = self.allocations.get_mut(uuid);
        let allocation = allocation.ok_or_else(|| gone("IP allocation", uuid))?;
        allocation.claimed = mark.claimed;
        allocation.description = mark.description;
        Ok(())
    }

    /// Lets an allocation go back.
    pub(super) fn release(&mut self, uuid: &str, ctx: &mut Context<'_>) -> Result<(), Problem> {
        let allocation = self.allocations.remove(uuid);
        let allocation = allocation.ok_or_else(|| gone("IP allocation", uuid))?;
        ctx.history
            .count("ip.released", &allocation.value.to_string());
        Ok(())
    }
}
