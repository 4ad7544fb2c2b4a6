//! One record of the query service per object, for every type clients ask for.
//!
//! Flow: [`of_type`] finds the type among [`TYPES`], checks the caller's right, and lets `provided` or
//! `built` make a record of each object the caller sees.
//!
//! Invariants:
//! - All records of a type have the keys that its row of [`TYPES`] names, so that a filter by an unknown
//!   key is refused even where there is nothing to filter.
//! - Records of objects the caller may not see are never made.
//!
//! Source: VCD API, query types and record elements.

mod built;
mod people;
mod provided;

use std::borrow::Cow;

use super::Infra;
use super::access::{refused, require, right, sees};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::network::Services;
use crate::sim::reply::Problem;
use crate::sim::xml::Element;

/// A query type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type {
    /// For tenants and providers, and for providers only.
    names: (&'static str, &'static str),
    /// Their record elements.
    elements: (&'static str, &'static str),
    /// Demanded of the caller; empty for none.
    right: &'static str,
    /// Attributes of a record, in their order.
    pub(crate) keys: &'static [&'static str],
    make: fn(&View<'_>) -> Vec<Record>,
}

/// All query types.
const TYPES: [Type; 18] = [
    Type {
        names: ("organization", ""),
        elements: ("OrgRecord", ""),
        right: "",
        keys: provided::ORG,
        make: |view| view.orgs(),
    },
    Type {
        names: ("orgVdc", "adminOrgVdc"),
        elements: ("OrgVdcRecord", "AdminVdcRecord"),
        right: right::VDCS,
        keys: provided::VDC,
        make: |view| view.vdcs(),
    },
    Type {
        names: ("vAppTemplate", "adminVAppTemplate"),
        elements: ("VAppTemplateRecord", "AdminVAppTemplateRecord"),
        right: right::TEMPLATES,
        keys: provided::TEMPLATE,
        make: |view| view.templates(),
    },
    Type {
        names: ("catalog", "adminCatalog"),
        elements: ("CatalogRecord", "AdminCatalogRecord"),
        right: right::CATALOGS,
        keys: provided::CATALOG,
        make: |view| view.catalogs(),
    },
    Type {
        names: ("catalogItem", "adminCatalogItem"),
        elements: ("CatalogItemRecord", "AdminCatalogItemRecord"),
        right: right::CATALOGS,
        keys: provided::ITEM,
        make: |view| view.items(),
    },
    Type {
        names: ("media", "adminMedia"),
        elements: ("MediaRecord", "AdminMediaRecord"),
        right: right::TEMPLATES,
        keys: provided::MEDIA,
        make: |view| view.media(),
    },
    Type {
        names: ("orgVdcStorageProfile", "adminOrgVdcStorageProfile"),
        elements: (
            "OrgVdcStorageProfileRecord",
            "AdminOrgVdcStorageProfileRecord",
        ),
        right: right::VDCS,
        keys: provided::PROFILE,
        make: |view| view.storage_profiles(),
    },
    Type {
        names: ("orgVdcNetwork", ""),
        elements: ("OrgVdcNetworkRecord", ""),
        right: right::NETWORKS,
        keys: provided::NETWORK,
        make: |view| view.networks(),
    },
    Type {
        names: ("edgeGateway", ""),
        elements: ("EdgeGatewayRecord", ""),
        right: right::GATEWAYS,
        keys: provided::GATEWAY,
        make: |view| view.gateways(),
    },
    Type {
        names: ("vApp", "adminVApp"),
        elements: ("VAppRecord", "AdminVAppRecord"),
        right: "",
        keys: built::VAPP,
        make: |view| view.vapps(),
    },
    Type {
        names: ("vm", "adminVM"),
        elements: ("VMRecord", "AdminVMRecord"),
        right: "",
        keys: built::VM,
        make: |view| view.vms(),
    },
    Type {
        names: ("disk", "adminDisk"),
        elements: ("DiskRecord", "AdminDiskRecord"),
        right: right::DISK_VIEW,
        keys: built::DISK,
        make: |view| view.disks(),
    },
    Type {
        names: ("task", "adminTask"),
        elements: ("TaskRecord", "AdminTaskRecord"),
        right: "",
        keys: built::TASK,
        make: |view| view.tasks(),
    },
    Type {
        names: ("user", "adminUser"),
        elements: ("UserRecord", "AdminUserRecord"),
        right: "",
        keys: people::USER,
        make: |view| view.users(),
    },
    Type {
        names: ("role", "adminRole"),
        elements: ("RoleRecord", "AdminRoleRecord"),
        right: "",
        keys: people::ROLE,
        make: |view| view.roles(),
    },
    Type {
        names: ("right", ""),
        elements: ("RightRecord", ""),
        right: "",
        keys: people::RIGHT,
        make: |view| view.rights(),
    },
    Type {
        names: ("", "providerVdc"),
        elements: ("", "VMWProviderVdcRecord"),
        right: "",
        keys: people::PROVIDER_VDC,
        make: |view| view.provider_vdcs(),
    },
    Type {
        names: ("", "providerVdcStorageProfile"),
        elements: ("", "ProviderVdcStorageProfileRecord"),
        right: "",
        keys: people::PROVIDER_PROFILE,
        make: |view| view.provider_profiles(),
    },
];

/// Names of all types, those for providers only where `provider`.
pub(crate) fn names(provider: bool) -> impl Iterator<Item = &'static str> {
    let names = TYPES.iter().flat_map(move |kind| {
        let admin = if provider { kind.names.1 } else { "" };
        [kind.names.0, admin]
    });
    names.filter(|name| !name.is_empty())
}

/// How a comparison spells a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Addresses, below `/api/admin` or not.
    Href,
    /// `urn:vcloud:<kind>:<uuid>`
    Urn,
    /// UUIDs alone.
    Bare,
}

impl Spelling {
    /// Tells it from the value that is compared with.
    pub(crate) fn of(asked: &str) -> Self {
        let text = asked.to_ascii_lowercase();
        if text.contains("urn:vcloud:") {
            Self::Urn
        } else if text.contains("://") {
            Self::Href
        } else {
            Self::Bare
        }
    }
}

/// One hit before filtering.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    element: &'static str,
    attributes: Vec<(&'static str, String)>,
    /// URN; shown with `format=idrecords` only.
    pub(crate) id: String,
}

impl Record {
    /// What is shown under `key`; `None` for a key the type does not have.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        if key == "id" {
            return Some(&self.id);
        }
        self.attributes
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.as_str())
    }

    /// The same with references as a filter spells them.
    pub(crate) fn spelled(&self, key: &str, spelling: Spelling) -> Option<Cow<'_, str>> {
        let value = self.value(key)?;
        let kind = match key {
            "id" if spelling == Spelling::Bare => return Some(Cow::Borrowed(bare(value))),
            "href" if spelling == Spelling::Urn => return Some(Cow::Borrowed(&self.id)),
            "href" | "object" | "entity" => "",
            "org" => "org",
            "vdc" => "vdc",
            "catalog" => "catalog",
            "catalogItem" => "catalogitem",
            "container" if value.contains("/vappTemplate-") => "vapptemplate",
            "container" => "vapp",
            "owner" => "user",
            "storageProfile" => "vdcstorageProfile",
            _ => return Some(Cow::Borrowed(value)),
        };
        let last = value.rsplit('/').next().unwrap_or_default();
        let prefixes = ["vapp-", "vm-", "vappTemplate-"];
        let stripped = prefixes.iter().find_map(|prefix| last.strip_prefix(prefix));
        let uuid = bare(stripped.unwrap_or(last));
        Some(match spelling {
            Spelling::Urn if kind.is_empty() => Cow::Borrowed(value),
            Spelling::Urn => Cow::Owned(format!("urn:vcloud:{kind}:{uuid}")),
            Spelling::Href => Cow::Owned(value.replace("/api/admin/", "/api/")),
            Spelling::Bare => Cow::Owned(uuid.to_owned()),
        })
    }

    /// The element of a `records` answer; `ids` adds the id, `fields` leaves out what it does not name.
    pub(crate) fn element(&self, ids: bool, fields: Option<&[&str]>) -> Element {
        let mut element = Element::new(self.element);
        if ids {
            element = element.attr("id", &self.id);
        }
        let shown = self.attributes.iter().filter(|(name, _)| {
            *name == "href" || fields.is_none_or(|fields| fields.contains(name))
        });
        shown.fold(element, |element, (name, value)| element.attr(name, value))
    }

    /// The element of a `references` answer.
    pub(crate) fn reference(&self) -> Element {
        let name = self.element.trim_end_matches("Record");
        let of = |key| self.value(key).unwrap_or_default();
        Element::new(format!("{name}Reference"))
            .attr("href", of("href"))
            .attr("id", &self.id)
            .attr("name", of("name"))
    }
}

/// Records of a query type the caller may see, with the type; `None` when there is no such type.
pub(crate) fn of_type(
    call: &Call<'_>,
    ctx: &Context<'_>,
    (infra, services): (&Infra, &Services),
    name: &str,
) -> Result<Option<(Type, Vec<Record>)>, Problem> {
    let mut types = TYPES.iter();
    let Some(kind) =
        types.find(|kind| !name.is_empty() && (kind.names.0 == name || kind.names.1 == name))
    else {
        return Ok(None);
    };
    let admin = kind.names.1 == name;
    if admin && !call.principal.provider {
        return Err(refused("General: Administrator View", "QUERY_ADMIN", name));
    }
    if !kind.right.is_empty() {
        require(call, kind.right, "QUERY", name)?;
    }
    let view = View {
        call,
        ctx,
        infra,
        services,
        admin,
        element: if admin {
            kind.elements.1
        } else {
            kind.elements.0
        },
        keys: kind.keys,
    };
    Ok(Some((*kind, (kind.make)(&view))))
}

/// What records are made of.
struct View<'a> {
    call: &'a Call<'a>,
    ctx: &'a Context<'a>,
    infra: &'a Infra,
    services: &'a Services,
    admin: bool,
    element: &'static str,
    keys: &'static [&'static str],
}

impl View<'_> {
    /// A record; `values` in the order of the type's keys, of which `name` and `href` are the first.
    fn record(&self, id: String, values: Vec<String>) -> Record {
        debug_assert_eq!(values.len(), self.keys.len(), "{}", self.element);
        Record {
            element: self.element,
            attributes: self.keys.iter().copied().zip(values).collect(),
            id,
        }
    }

    fn sees(&self, org_id: &str) -> bool {
        sees(&self.call.principal, org_id)
    }

    /// The address of an object of the legacy API.
    fn href(&self, path: &str, uuid: &str) -> String {
        format!("{}/api/{path}/{uuid}", self.ctx.site)
    }

    /// Admin records carry hrefs below `/api/admin` for VDCs.
    fn vdc_href(&self, uuid: &str) -> String {
        let path = if self.admin { "admin/vdc" } else { "vdc" };
        self.href(path, uuid)
    }

    fn org_name(&self, org_id: &str) -> String {
        let name = self.ctx.directory.org_name(org_id);
        name.unwrap_or_default().to_owned()
    }

    fn org_href(&self, org_id: &str) -> String {
        self.href("org", bare(org_id))
    }

    fn vdc_name(&self, uuid: &str) -> String {
        let vdc = self.infra.vdcs.get(uuid);
        vdc.map(|vdc| vdc.name.clone()).unwrap_or_default()
    }

    fn vdc_visible(&self, uuid: &str) -> bool {
        let vdc = self.infra.vdcs.get(uuid);
        vdc.is_some_and(|vdc| self.sees(&vdc.org_id))
    }

    fn profile_name(&self, uuid: &str) -> String {
        self.infra.profile_reference(self.ctx.site, uuid).name
    }
}

/// Values of a record, each turned into text.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($value.to_string()),*] };
}
use values;
