//! The calls to VCD by name, and whether each may be repeated without looking first.
//!
//! Invariants:
//! - Every [`super::error::VcdError`] about a call names its [`Operation`], so a log line needs no URL.
//! - An operation is safe when carrying it out twice is the same as once and as never; only then is
//!   a lost answer [`crate::domain::error_class::ErrorClass::Transient`].

use std::fmt;

/// One kind of call, as it is named in errors and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    name: &'static str,
    safe: bool,
    conditional: bool,
}

impl Operation {
    pub(super) const LIST_VERSIONS: Self = Self::read("list API versions");
    /// Safe although it is a POST: an unused access token expires by itself.
    pub(super) const EXCHANGE_TOKEN: Self = Self::read("exchange API token");
    pub(super) const LIST_ENTITIES: Self = Self::read("list entities");
    pub(super) const GET_ENTITY: Self = Self::read("get entity");
    pub(super) const REPLACE_ENTITY: Self = Self::write("replace entity").under_a_tag();
    pub(super) const RESOLVE_ENTITY: Self = Self::write("resolve entity");
    pub(super) const CREATE_ENTITY: Self = Self::write("create entity");
    pub(super) const LIST_ENTITY_TYPES: Self = Self::read("list entity types");
    pub(super) const LIST_ACCESS_CONTROLS: Self = Self::read("list access controls of entity");
    pub(super) const ADD_ACCESS_CONTROL: Self = Self::write("add access control to entity");
    pub(super) const DELETE_ENTITY: Self = Self::write("delete entity").under_a_tag();
    pub(super) const INVOKE_BEHAVIOR: Self = Self::write("invoke behavior");
    pub(super) const GET_TASK: Self = Self::read("get task");
    pub(super) const LIST_ORGS: Self = Self::read("list organizations");
    pub(super) const FIND_VDC: Self = Self::read("find VDC");
    pub(super) const GET_VDC: Self = Self::read("get VDC");
    pub(super) const FIND_TEMPLATE: Self = Self::read("find template");
    pub(super) const GET_TEMPLATE: Self = Self::read("get template");
    pub(super) const FIND_POLICY: Self = Self::read("find compute policy");
    pub(super) const GET_SESSION: Self = Self::read("get session");
    pub(super) const END_SESSION: Self = Self::read("end session");
    pub(super) const LIST_RIGHTS: Self = Self::read("list rights");
    pub(super) const LIST_RIGHT_SETS: Self = Self::read("list roles or rights bundles");
    pub(super) const CREATE_RIGHT_SET: Self = Self::write("create role or rights bundle");
    pub(super) const LIST_RIGHTS_OF_SET: Self = Self::read("list rights of role or rights bundle");
    pub(super) const ADD_RIGHTS: Self = Self::write("add rights to role or rights bundle");
    pub(super) const LIST_PUBLISHED: Self =
        Self::read("list organizations with role or rights bundle");
    pub(super) const PUBLISH: Self = Self::write("publish role or rights bundle");
    pub(super) const LIST_INTERFACES: Self = Self::read("list interfaces");
    pub(super) const CREATE_INTERFACE: Self = Self::write("create interface");
    pub(super) const LIST_BEHAVIORS: Self = Self::read("list behaviors of interface");
    pub(super) const CREATE_BEHAVIOR: Self = Self::write("create behavior");
    pub(super) const CREATE_TYPE: Self = Self::write("create entity type");
    pub(super) const LIST_BEHAVIOR_LEVELS: Self = Self::read("list behavior access of entity type");
    pub(super) const SET_BEHAVIOR_LEVEL: Self = Self::write("set behavior access of entity type");
    pub(super) const LIST_TYPE_GRANTS: Self = Self::read("list access to entity type");
    pub(super) const GRANT_TYPE: Self = Self::write("grant access to entity type");
    pub(super) const LIST_POLICIES: Self = Self::read("list compute policies");
    pub(super) const CREATE_POLICY: Self = Self::write("create compute policy");
    pub(super) const LIST_ROLE_RIGHTS: Self = Self::read("list rights of role");
    pub(super) const LIST_VDC_POLICIES: Self = Self::read("list compute policies of VDC");
    pub(super) const GET_STORAGE_PROFILE: Self = Self::read("get storage profile");
    pub(super) const GET_PROVISIONING: Self = Self::read("get provisioning of VDC");
    pub(super) const COUNT_VMS: Self = Self::read("count VMs of VDC");
    pub(super) const GET_NETWORK: Self = Self::read("get network");
    pub(super) const GET_GATEWAY: Self = Self::read("get edge gateway");
    pub(super) const LIST_USED_ADDRESSES: Self = Self::read("list used addresses of edge gateway");
    pub(super) const LIST_ENGINE_GROUPS: Self = Self::read("list service engine groups");
    pub(super) const LIST_FLOATING_ADDRESSES: Self = Self::read("list floating addresses");
    pub(super) const GET_IP_SPACE: Self = Self::read("get IP space");
    pub(super) const COMPOSE_VAPP: Self = Self::write("compose vApp");
    pub(super) const GET_VAPP: Self = Self::read("get vApp");
    pub(super) const GET_VAPP_NETWORKS: Self = Self::read("get vApp networks");
    pub(super) const ADD_VAPP_NETWORK: Self = Self::write("add vApp network");
    pub(super) const UNDEPLOY_VAPP: Self = Self::write("undeploy vApp");
    pub(super) const DELETE_VAPP: Self = Self::write("delete vApp");
    pub(super) const ADD_VM: Self = Self::write("add VM");
    pub(super) const GET_VM: Self = Self::read("get VM");
    pub(super) const CUSTOMISE_GUEST: Self = Self::write("customise guest");
    pub(super) const SET_EXTRA_CONFIG: Self = Self::write("set extra config");
    pub(super) const POWER_ON_VM: Self = Self::write("power on VM");
    pub(super) const UNDEPLOY_VM: Self = Self::write("undeploy VM");
    pub(super) const DELETE_VM: Self = Self::write("delete VM");
    pub(super) const LIST_VAPPS: Self = Self::read("list vApps");
    pub(super) const GET_METADATA: Self = Self::read("get metadata");
    pub(super) const SET_METADATA: Self = Self::write("set metadata");
    pub(super) const LIST_VDCS: Self = Self::read("list VDCs");
    pub(super) const LIST_NETWORKS: Self = Self::read("list networks");
    pub(super) const LIST_GATEWAYS: Self = Self::read("list edge gateways");
    pub(super) const GET_BALANCING: Self = Self::read("get load balancing of edge gateway");
    pub(super) const LIST_VIRTUAL_SERVICES: Self = Self::read("list virtual services");
    pub(super) const DELETE_VIRTUAL_SERVICE: Self = Self::write("delete virtual service");
    pub(super) const LIST_POOLS: Self = Self::read("list load balancer pools");
    pub(super) const DELETE_POOL: Self = Self::write("delete load balancer pool");
    pub(super) const LIST_NAT_RULES: Self = Self::read("list NAT rules");
    pub(super) const DELETE_NAT_RULE: Self = Self::write("delete NAT rule");
    pub(super) const LIST_PORT_PROFILES: Self = Self::read("list application port profiles");
    pub(super) const DELETE_PORT_PROFILE: Self = Self::write("delete application port profile");
    pub(super) const LIST_IP_SPACES: Self = Self::read("list IP spaces of edge gateway");
    pub(super) const LIST_ALLOCATIONS: Self = Self::read("list IP allocations");
    pub(super) const GET_ALLOCATION: Self = Self::read("get IP allocation");
    pub(super) const UNCLAIM_ALLOCATION: Self = Self::write("give up claim on IP allocation");
    pub(super) const RELEASE_ALLOCATION: Self = Self::write("release IP allocation");
    pub(super) const LIST_DISKS: Self = Self::read("list disks");
    pub(super) const GET_DISK: Self = Self::read("get disk");
    pub(super) const GET_ATTACHMENTS: Self = Self::read("get VMs of disk");
    pub(super) const DETACH_DISK: Self = Self::write("detach disk");
    pub(super) const DELETE_DISK: Self = Self::write("delete disk");

    const fn read(name: &'static str) -> Self {
        Self {
            name,
            safe: true,
            conditional: false,
        }
    }

    const fn write(name: &'static str) -> Self {
        Self {
            name,
            safe: false,
            conditional: false,
        }
    }

    const fn under_a_tag(self) -> Self {
        Self {
            conditional: true,
            ..self
        }
    }

    /// The name in errors and logs.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Whether a repeat needs no look first.
    pub const fn is_safe(self) -> bool {
        self.safe
    }

    /// Whether it can be sent on condition that nobody wrote since.
    pub const fn is_conditional(self) -> bool {
        self.conditional
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
