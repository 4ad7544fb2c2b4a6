//! What a cluster is built from, looked up by name: organizations, VDCs, templates, compute policies.
//!
//! Invariants:
//! - Names are compared here once more, exactly: VCD's filters ignore case and know wildcards.
//! - A name that means something to a filter is never sent in one; the list is read whole instead.
//!
//! Source: VCD API 37.2, `/api/org`, `/api/query`, `/api/vdc`, `/api/vAppTemplate`,
//! `/cloudapi/2.0.0/vdcComputePolicies`.

use http::Method;

use super::VcdClient;
use super::call::Call;
use super::encode::{filter_equal, filter_prefix, path_segment, query_value};
use super::error::VcdError;
use super::model::{IdName, NamedRef, Template, TemplateRef, Vdc};
use super::operation::Operation;
use super::paging::{MAX_PAGE_SIZE, MAX_PAGES, parse_page_of};
use super::transport::Transport;
use super::wire::inventory::{OrgList, TemplateElement, VdcElement, uuid_of};
use super::wire::query::{Record, Records};
use super::wire::xml;
use crate::domain::ids::{OrgId, VappId, VdcId};

/// A search through the query service.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) op: Operation,
    /// Type for tenants and type for the provider.
    pub(super) kinds: [&'static str; 2],
    /// Each must be equal.
    pub(super) terms: &'a [(&'a str, &'a str)],
    pub(super) pick: fn(Records) -> Vec<Record>,
}

impl<T: Transport> VcdClient<T> {
    /// The organizations the login can see: for a tenant, its own.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn orgs(&self) -> Result<Vec<NamedRef<OrgId>>, VcdError> {
        let op = Operation::LIST_ORGS;
        let response = self.perform(Call::xml(op, Method::GET, "/org")).await?;
        xml::read::<OrgList>(op, response.body())?.into_orgs(op)
    }

    /// The VDCs of this name; several only if organizations share it.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn find_vdcs(&self, name: &str) -> Result<Vec<NamedRef<VdcId>>, VcdError> {
        let op = Operation::FIND_VDC;
        let kinds = ["orgVdc", "adminOrgVdc"];
        let search = Search {
            op,
            kinds,
            terms: &[("name", name)],
            pick: |page| page.vdcs,
        };
        let records = self.search(search).await?;
        let named = records.into_iter().filter(|record| record.name == name);
        named.map(|record| vdc_ref(op, record)).collect()
    }

    /// All VDCs the login can see; of one organization where `org` names it.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn vdcs(&self, org: Option<&str>) -> Result<Vec<NamedRef<VdcId>>, VcdError> {
        let op = Operation::LIST_VDCS;
        let terms = org.map(|org| ("orgName", org));
        let search = Search {
            op,
            kinds: ["orgVdc", "adminOrgVdc"],
            terms: terms.as_slice(),
            pick: |page| page.vdcs,
        };
        let records = self.search(search).await?.into_iter();
        let of_org = records.filter(|record| org.is_none_or(|org| record.org == org));
        of_org.map(|record| vdc_ref(op, record)).collect()
    }

    /// The vApps whose names begin with `prefix`, in all VDCs the login can see.
    ///
    /// The query service may lag behind: what is not found may exist all the same.
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn vapps_beginning(&self, prefix: &str) -> Result<Vec<NamedRef<VappId>>, VcdError> {
        let op = Operation::LIST_VAPPS;
        let pattern = filter_prefix("name", prefix);
        let search = Search {
            op,
            kinds: ["vApp", "adminVApp"],
            terms: &[],
            pick: |page| page.vapps,
        };
        let records = self.search_by(search, pattern).await?.into_iter();
        let named = records.filter(|record| record.name.starts_with(prefix));
        named
            .map(|record| {
                let id = VappId::parse(&format!("urn:vcloud:vapp:{}", uuid_of(&record.href)))
                    .map_err(|error| VcdError::unreadable(op, error.to_string()))?;
                Ok(NamedRef {
                    id,
                    name: record.name,
                })
            })
            .collect()
    }

    /// A VDC with the vApps, networks and storage profiles in it.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: it does not exist, or the login has no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn vdc(&self, id: &VdcId) -> Result<Vdc, VcdError> {
        let op = Operation::GET_VDC;
        let call = Call::xml(op, Method::GET, &format!("/vdc/{}", id.uuid()));
        let response = self.perform(call).await?;
        xml::read::<VdcElement>(op, response.body())?.into_vdc(op, id)
    }

    /// The templates of this name in the catalogs of that name.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn find_templates(
        &self,
        catalog: &str,
        name: &str,
    ) -> Result<Vec<TemplateRef>, VcdError> {
        let op = Operation::FIND_TEMPLATE;
        let kinds = ["vAppTemplate", "adminVAppTemplate"];
        let terms = &[("catalogName", catalog), ("name", name)];
        let search = Search {
            op,
            kinds,
            terms,
            pick: |page| page.templates,
        };
        let records = self.search(search).await?;
        let wanted = |record: &Record| record.name == name && record.catalog == catalog;
        let found = records.into_iter().filter(wanted);
        Ok(found
            .map(|record| TemplateRef {
                id: uuid_of(&record.href).to_owned(),
                name: record.name,
                catalog: record.catalog,
            })
            .collect())
    }

    /// A template: whether it is complete, and the VM to copy.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn template(&self, template: &TemplateRef) -> Result<Template, VcdError> {
        let op = Operation::GET_TEMPLATE;
        let target = format!("/vAppTemplate/vappTemplate-{}", path_segment(&template.id));
        let response = self.perform(Call::xml(op, Method::GET, &target)).await?;
        xml::read::<TemplateElement>(op, response.body())?.into_template(op, template)
    }

    /// The compute policies of this name, by URN.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn find_policies(&self, name: &str) -> Result<Vec<NamedRef<String>>, VcdError> {
        let op = Operation::FIND_POLICY;
        let filter = filter_suffix(&[("name", name)]);
        let (mut found, mut seen) = (Vec::new(), 0_u64);
        for number in 1..=MAX_PAGES {
            let target =
                format!("/2.0.0/vdcComputePolicies?page={number}&pageSize={MAX_PAGE_SIZE}{filter}");
            let response = self
                .perform(Call::json(op, Method::GET, &target).page())
                .await?;
            let page = parse_page_of::<IdName>(op, response.body())?;
            seen = seen.saturating_add(u64::try_from(page.values.len()).unwrap_or(u64::MAX));
            let last = page.is_last(number, seen);
            let named = page.values.into_iter().filter(|policy| policy.name == name);
            found.extend(named.map(|policy| NamedRef {
                id: policy.id,
                name: policy.name,
            }));
            if last {
                return Ok(found);
            }
        }
        Err(VcdError::TooManyPages {
            op,
            limit: MAX_PAGES,
        })
    }

    /// All records of a search; a list that ends before its announced total is an error.
    pub(super) async fn search(&self, search: Search<'_>) -> Result<Vec<Record>, VcdError> {
        let filter = filter_equal(search.terms);
        self.search_by(search, filter).await
    }

    /// The same with a filter of its own.
    async fn search_by(
        &self,
        search: Search<'_>,
        filter: Option<String>,
    ) -> Result<Vec<Record>, VcdError> {
        let Search {
            op,
            kinds: [tenant, provider],
            pick,
            ..
        } = search;
        let kind = if self.session.is_provider() {
            provider
        } else {
            tenant
        };
        let filter = suffix(filter);
        let mut found = Vec::new();
        for number in 1..=MAX_PAGES {
            let target = format!(
                "/query?type={kind}&format=records&page={number}&pageSize={MAX_PAGE_SIZE}{filter}"
            );
            let response = self
                .perform(Call::xml(op, Method::GET, &target).page())
                .await?;
            let records: Records = xml::read(op, response.body())?;
            let total = usize::try_from(records.total).unwrap_or(usize::MAX);
            let page = pick(records);
            let empty = page.is_empty();
            found.extend(page);
            if found.len() >= total {
                return Ok(found);
            }
            if empty {
                let seen = u64::try_from(found.len()).unwrap_or(u64::MAX);
                let announced = u64::try_from(total).unwrap_or(u64::MAX);
                return Err(VcdError::cut_short(op, seen, announced));
            }
        }
        Err(VcdError::TooManyPages {
            op,
            limit: MAX_PAGES,
        })
    }
}

fn filter_suffix(terms: &[(&str, &str)]) -> String {
    suffix(filter_equal(terms))
}

fn suffix(filter: Option<String>) -> String {
    let filter = filter.filter(|filter| !filter.is_empty());
    filter.map_or_else(String::new, |filter| {
        format!("&filter={}", query_value(&filter))
    })
}

fn vdc_ref(op: Operation, record: Record) -> Result<NamedRef<VdcId>, VcdError> {
    let id = VdcId::parse(&format!("urn:vcloud:vdc:{}", uuid_of(&record.href)))
        .map_err(|error| VcdError::unreadable(op, error.to_string()))?;
    Ok(NamedRef {
        id,
        name: record.name,
    })
}
