//! OVF descriptors: what of them a template is made of.
//!
//! Source: OVF 1.x, `Envelope`; a TKG image says its release in the product property `VERSION`.

use crate::sim::reply::Problem;
use crate::sim::xml::Element;

/// Most files and disks of a package.
const MAX_FILES: usize = 1000;

/// What a descriptor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Names of the files, and their sizes in bytes if it tells them.
    pub(crate) files: Vec<(String, Option<u64>)>,
    /// Value of the product property `VERSION`; empty without one.
    pub(crate) version: String,
    /// Capacity of all disks.
    pub(crate) disk_mib: u64,
}

impl Descriptor {
    /// Reads the file.
    ///
    /// # Errors
    /// 400: no XML, no `Envelope`, no virtual machine in it, or a file without a name.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Problem> {
        let envelope = Element::parse(text).map_err(|problem| invalid(&problem.message))?;
        if envelope.local_name() != "Envelope" {
            return Err(invalid("The root element is no Envelope."));
        }
        let within = envelope.get("VirtualSystemCollection");
        let system = within.unwrap_or(&envelope).get("VirtualSystem");
        let system = system.ok_or_else(|| invalid("There is no VirtualSystem."))?;
        let references = envelope.get("References");
        let files = references.into_iter().flat_map(|all| all.all("File"));
        let files = files.take(MAX_FILES).map(|file| {
            let name = file.attribute("href").filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| invalid("A File has no href."))?;
            let size = file.attribute("size").and_then(|size| size.parse().ok());
            Ok((name.to_owned(), size))
        });
        let files = files.collect::<Result<_, Problem>>()?;
        let disks = envelope.get("DiskSection");
        let disks = disks.into_iter().flat_map(|all| all.all("Disk"));
        let bytes = disks
            .take(MAX_FILES)
            .map(capacity)
            .fold(0, u64::saturating_add);
        Ok(Self {
            files,
            version: version(system).unwrap_or_default(),
            disk_mib: bytes.div_ceil(1024 * 1024),
        })
    }
}

fn version(system: &Element) -> Option<String> {
    let sections = system.all("ProductSection");
    let mut properties = sections.flat_map(|section| section.all("Property"));
    let found = properties.find(|one| one.attribute("key") == Some("VERSION"))?;
    found.attribute("value").map(str::to_owned)
}

/// Bytes of a disk: `capacity` in `capacityAllocationUnits` such as `byte * 2^20`.
fn capacity(disk: &Element) -> u64 {
    let number = disk
        .attribute("capacity")
        .and_then(|text| text.parse().ok());
    let units = disk.attribute("capacityAllocationUnits").unwrap_or("byte");
    let power = units
        .split_once("2^")
        .map_or("0", |(_, power)| power.trim());
    let factor = power
        .parse()
        .ok()
        .and_then(|power| 1_u64.checked_shl(power));
    number.unwrap_or(0_u64).saturating_mul(factor.unwrap_or(1))
}

fn invalid(why: &str) -> Problem {
    let message = format!("The OVF descriptor is invalid: {why}");
    Problem::new(400, "OVF_DESCRIPTOR_INVALID", message)
}

#[cfg(test)]
mod tests {
    use super::Descriptor;

    #[test]
    fn a_descriptor_tells_files_disks_and_version() {
        let text = br#"<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
            <References><File ovf:id="f" ovf:href="d.vmdk" ovf:size="12"/><File ovf:href="e.iso"/></References>
            <DiskSection><Info/><Disk ovf:capacity="20" ovf:capacityAllocationUnits="byte * 2^30"/></DiskSection>
            <VirtualSystem ovf:id="v"><ProductSection><Info/><Property ovf:key="OTHER" ovf:value="x"/></ProductSection>
            <ProductSection><Property ovf:key="VERSION" ovf:value="v1.2.3+vmware.1"/></ProductSection></VirtualSystem></Envelope>"#;
        let want = Descriptor {
            files: vec![("d.vmdk".to_owned(), Some(12)), ("e.iso".to_owned(), None)],
            version: "v1.2.3+vmware.1".to_owned(),
            disk_mib: 20 * 1024,
        };
        assert_eq!(Descriptor::read(text), Ok(want));
    }

    #[test]
    fn what_is_no_descriptor_is_refused() {
        for text in [
            "",
            "no xml",
            "<Vm/>",
            "<Envelope/>",
            "<Envelope><References><File/></References><VirtualSystem/></Envelope>",
        ] {
            let read = Descriptor::read(text.as_bytes());
            assert_eq!(read.map_err(|problem| problem.status), Err(400), "{text}");
        }
    }
}
