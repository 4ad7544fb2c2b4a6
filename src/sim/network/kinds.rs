//! What changes of networking services are called, in the three spellings that clients see.

/// Names of one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// `operationName` of the task.
    pub(crate) name: &'static str,
    /// Name in `BUSY_ENTITY`.
    pub(crate) busy_name: &'static str,
    /// First words of the task's sentence.
    pub(crate) verb: &'static str,
}

const fn kind(name: &'static str, busy_name: &'static str, verb: &'static str) -> Kind {
    Kind {
        name,
        busy_name,
        verb,
    }
}

/// The three things that can be done to an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kinds {
    pub(crate) create: Kind,
    pub(crate) update: Kind,
    pub(crate) delete: Kind,
}

pub(crate) const POOL: Kinds = Kinds {
    create: kind(
        "loadBalancerPoolCreate",
        "LOAD_BALANCER_POOL_CREATE",
        "Creating Load Balancer Pool",
    ),
    update: kind(
        "loadBalancerPoolUpdate",
        "LOAD_BALANCER_POOL_UPDATE",
        "Updating Load Balancer Pool",
    ),
    delete: kind(
        "loadBalancerPoolDelete",
        "LOAD_BALANCER_POOL_DELETE",
        "Deleting Load Balancer Pool",
    ),
};

pub(crate) const VIRTUAL_SERVICE: Kinds = Kinds {
    create: kind(
        "loadBalancerVirtualServiceCreate",
        "LOAD_BALANCER_VIRTUAL_SERVICE_CREATE",
        "Creating Load Balancer Virtual Service",
    ),
    update: kind(
        "loadBalancerVirtualServiceUpdate",
        "LOAD_BALANCER_VIRTUAL_SERVICE_UPDATE",
        "Updating Load Balancer Virtual Service",
    ),
    delete: kind(
        "loadBalancerVirtualServiceDelete",
        "LOAD_BALANCER_VIRTUAL_SERVICE_DELETE",
        "Deleting Load Balancer Virtual Service",
    ),
};

pub(crate) const NAT_RULE: Kinds = Kinds {
    create: kind("natRuleCreate", "NAT_RULE_CREATE", "Creating NAT Rule on"),
    update: kind("natRuleUpdate", "NAT_RULE_UPDATE", "Updating NAT Rule on"),
    delete: kind("natRuleDelete", "NAT_RULE_DELETE", "Deleting NAT Rule on"),
};

pub(crate) const PROFILE: Kinds = Kinds {
    create: kind(
        "applicationPortProfileCreate",
        "APPLICATION_PORT_PROFILE_CREATE",
        "Creating Application Port Profile",
    ),
    update: kind(
        "applicationPortProfileUpdate",
        "APPLICATION_PORT_PROFILE_UPDATE",
        "Updating Application Port Profile",
    ),
    delete: kind(
        "applicationPortProfileDelete",
        "APPLICATION_PORT_PROFILE_DELETE",
        "Deleting Application Port Profile",
    ),
};

pub(crate) const NETWORK: Kinds = Kinds {
    create: kind(
        "orgVdcNetworkCreate",
        "ORG_VDC_NETWORK_CREATE",
        "Creating Network",
    ),
    update: kind(
        "orgVdcNetworkUpdate",
        "ORG_VDC_NETWORK_UPDATE",
        "Updating Network",
    ),
    delete: kind(
        "orgVdcNetworkDelete",
        "ORG_VDC_NETWORK_DELETE",
        "Deleting Network",
    ),
};

pub(crate) const ALLOCATION: Kinds = Kinds {
    create: kind(
        "ipSpaceAllocate",
        "IP_SPACE_ALLOCATE",
        "Allocating IP addresses from IP Space",
    ),
    update: kind(
        "ipSpaceIpAllocationUpdate",
        "IP_SPACE_IP_ALLOCATION_UPDATE",
        "Updating IP Space Allocation",
    ),
    delete: kind(
        "ipSpaceIpAllocationDelete",
        "IP_SPACE_IP_ALLOCATION_DELETE",
        "Deleting IP Space Allocation",
    ),
};

/// Switching a gateway's load balancing.
pub(crate) const BALANCING: Kind = kind(
    "edgeGatewayLoadBalancerUpdate",
    "LOAD_BALANCER_CONFIG_UPDATE",
    "Updating Load Balancer of Edge Gateway",
);
