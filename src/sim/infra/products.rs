//! Product sections: the guest properties of vApps and VMs.
//!
//! Invariants:
//! - Whatever prefixes a client writes, the sections are kept and shown with `ovf`.
//!
//! Source: VCD API, `GET` and `PUT productSections`; the CSE appliance is configured by them.

use super::Infra;
use super::catalogs::product_section;
use super::machine::Vm;
use crate::sim::call::Call;
use crate::sim::reply::Problem;
use crate::sim::xml::Element;

/// Media type of the list.
pub(crate) const PRODUCTS: &str = "vnd.vmware.vcloud.productSections+xml";
/// Most properties of one object.
const MAX_PROPERTIES: usize = 1000;

/// The list as a section.
pub(crate) fn list(sections: Vec<Element>) -> Element {
    Element::new("ProductSectionList").children(sections)
}

/// The sections of a VM: as last written, or those of its template.
pub(crate) fn of_vm(infra: &Infra, vm: &Vm) -> Vec<Element> {
    if let Some(written) = &vm.product {
        return written.clone();
    }
    let template = infra.templates.get(&vm.template);
    let section = template.map(|template| product_section(&template.product_version));
    section.into_iter().collect()
}

/// Reads the list from a request.
pub(crate) fn read(call: &Call<'_>) -> Result<Vec<Element>, Problem> {
    let body = call.document("ProductSectionList")?;
    let sections: Vec<Element> = body.all("ProductSection").map(normalized).collect();
    let properties = sections.iter().flat_map(|section| section.all("Property"));
    let mut count = 0;
    for property in properties {
        count += 1;
        if property.attribute("key").unwrap_or_default().is_empty() {
            return Err(Problem::bad_request("A Property has no key."));
        }
    }
    if count > MAX_PROPERTIES {
        return Err(Problem::bad_request("There are too many properties."));
    }
    Ok(sections)
}

/// The section with `ovf` as prefix of every element and attribute, and its information first.
fn normalized(section: &Element) -> Element {
    let section = section.with_prefix("ovf");
    if section.get("Info").is_some() {
        return section;
    }
    let info = "Information about the installed software";
    section.with_first_child(Element::leaf("ovf:Info", info))
}
