//! The OVF properties of a virtual appliance: what the deployment automation of the original server sets.
//!
//! Flow: the OVF environment, an XML document, is in the file that `CSE_OVF_ENV` names, else in the unit's
//! credential `ovf-env.xml`, else in `ovf-env.xml` beside the configuration file; the first that is there
//! counts. Its properties fill what neither the file nor the environment says.
//!
//! Invariants:
//! - `cse.vcdHost` and `vcdHost` are the same property; if both are set, the one with `cse.` counts.
//! - Only the properties of this virtual machine count, not those of its neighbours in the vApp.
//! - The token is in no error text, and a document that everybody on the machine may read is refused.
//!
//! Not here: how the document gets there (`systemd/cse-server-ovf.service`); what the values may be
//! (`config::checks`); the organization that is tried after `userOrg` (`cli::replica`).
//! Source: DMTF DSP0243, OVF environment; the properties of the vendor's appliance.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use secrecy::SecretString;

use super::error::Refusal;
use super::file::{Origin, Origins, RawVcd};
use super::{Environment, beside};

/// Name of the document, as a credential and beside the configuration file.
const NAME: &str = "ovf-env.xml";
const VARIABLE: &str = "CSE_OVF_ENV";
/// What a refusal of the whole document is about.
const KEY: &str = "OVF environment";
/// Product class of the appliance's properties.
const CLASS: &str = "cse.";
/// Those of a vApp with a hundred machines stay below.
const MAX_BYTES: u64 = 1 << 20;

/// The properties that count; what is not set or empty is not there.
#[derive(Default)]
pub(super) struct Properties {
    /// The document, for people.
    place: String,
    /// By name without class: the name as it is spelled in the document, and the value.
    values: BTreeMap<&'static str, (String, SecretString)>,
}

/// Names of the properties, and the keys they stand for. `vcdUsername` and `vAppOrg` are not needed: the
/// token says whose it is.
const URL: &str = "vcdHost";
const ORG: &str = "userOrg";
const TOKEN: &str = "vcdRefreshToken";

impl Properties {
    /// Fills the keys that the file does not set, and tells where the values are from.
    pub(super) fn fill(&self, raw: &mut RawVcd) -> Origins {
        let mut origins = Origins::new();
        let slots = [
            ("vcd.url", URL, &mut raw.url),
            ("vcd.org", ORG, &mut raw.org),
        ];
        for (key, name, slot) in slots {
            if slot.is_none()
                && let Some((value, origin)) = self.get(name)
            {
                *slot = Some(secrecy::ExposeSecret::expose_secret(value).to_owned());
                origins.insert(key, Origin::Property(origin));
            }
        }
        origins
    }

    /// The API token, and where it is from.
    pub(super) fn token(&self) -> Option<(&SecretString, String)> {
        self.get(TOKEN)
    }

    fn get(&self, name: &str) -> Option<(&SecretString, String)> {
        let (spelled, value) = self.values.get(name)?;
        let origin = format!("OVF property {spelled} ({})", self.place);
        Some((value, origin))
    }
}

/// Reads the properties, if this machine has any.
pub(super) fn read(config_file: &Path, env: Environment<'_>) -> Result<Properties, Refusal> {
    let Some((path, how)) = locate(config_file, env) else {
        return Ok(Properties::default());
    };
    let place = path.display().to_string();
    let refused = |what: String, remedy: String| Refusal {
        origin: place.clone(),
        key: KEY,
        what,
        remedy,
    };
    let text = match text_of(&path, how) {
        Ok(text) => text,
        // Root's alone; whoever else runs a command here says where VCD is and brings a token.
        Err(Unread::Io(cause)) if how == How::Implied && is_out_of_reach(&cause) => String::new(),
        Err(Unread::Io(cause)) => {
            let remedy = format!("correct {VARIABLE}, or make the file readable");
            return Err(refused(format!("cannot be read: {cause}"), remedy));
        }
        Err(Unread::Open) => {
            let what = "everybody on this machine has access to it, and it holds the API token";
            return Err(refused(
                what.to_owned(),
                format!("run: chmod o-rwx {place}"),
            ));
        }
        Err(Unread::Large) => {
            let what = format!("larger than {MAX_BYTES} bytes");
            return Err(refused(what, "provide the OVF environment alone".into()));
        }
    };
    if text.trim().is_empty() {
        return Ok(Properties::default());
    }
    let values = parse(&text).map_err(|what| {
        let remedy = "write it again with: vmtoolsd --cmd 'info-get guestinfo.ovfEnv'";
        refused(what, remedy.to_owned())
    })?;
    Ok(Properties { place, values })
}

/// How the document's place is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// By the operator.
    Named,
    /// By systemd, which alone decides who sees it; blank when there is none.
    Sealed,
    /// It lies where it is looked for.
    Implied,
}

fn locate(config_file: &Path, env: Environment<'_>) -> Option<(PathBuf, How)> {
    if let Some(named) = env(VARIABLE).filter(|text| !text.trim().is_empty()) {
        return Some((PathBuf::from(named.trim()), How::Named));
    }
    let sealed = env("CREDENTIALS_DIRECTORY").map(|directory| Path::new(&directory).join(NAME));
    if let Some(path) = sealed.filter(|path| path.exists()) {
        return Some((path, How::Sealed));
    }
    let implied = beside(config_file, NAME);
    implied.exists().then_some((implied, How::Implied))
}

enum Unread {
    Io(io::Error),
    Open,
    Large,
}

fn text_of(path: &Path, how: How) -> Result<String, Unread> {
    let meta = fs::metadata(path).map_err(Unread::Io)?;
    if meta.len() > MAX_BYTES {
        return Err(Unread::Large);
    }
    if how != How::Sealed && meta.permissions().mode() & 0o007 != 0 {
        return Err(Unread::Open);
    }
    fs::read_to_string(path).map_err(Unread::Io)
}

fn is_out_of_reach(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::PermissionDenied
}

/// The known properties of a document, or why it is none; quotes no value.
fn parse(text: &str) -> Result<BTreeMap<&'static str, (String, SecretString)>, String> {
    let mut reader = Reader::from_str(text.trim_start());
    let mut found = BTreeMap::new();
    // Local names of the open elements: neighbours in the vApp have sections of their own, one level deeper.
    let mut open: Vec<String> = Vec::new();
    let malformed = |cause: &dyn std::fmt::Display| format!("not well-formed XML: {cause}");
    loop {
        match reader.read_event().map_err(|cause| malformed(&cause))? {
            Event::Start(start) => {
                look(&start, &open, &mut found)?;
                open.push(start.local_name().as_ref().to_owned());
            }
            Event::Empty(start) => look(&start, &open, &mut found)?,
            Event::End(_) => {
                open.pop();
            }
            Event::DocType(_) => return Err("a document type is not accepted".to_owned()),
            Event::Eof => break,
            Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => {}
        }
    }
    if open.is_empty() {
        Ok(found)
    } else {
        Err("not well-formed XML: it ends too early".to_owned())
    }
}

/// Takes one element's property, if it is one of ours.
fn look(
    start: &BytesStart<'_>,
    open: &[String],
    found: &mut BTreeMap<&'static str, (String, SecretString)>,
) -> Result<(), String> {
    let name = start.local_name().as_ref().to_owned();
    if open.is_empty() && name != "Environment" {
        return Err("not an OVF environment: its root is not <Environment>".to_owned());
    }
    let is_own =
        matches!(open, [root, section] if root == "Environment" && section == "PropertySection");
    if !is_own || name != "Property" {
        return Ok(());
    }
    let mut pair = (String::new(), String::new());
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|cause| format!("a property is malformed: {cause}"))?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        let value = value.map_err(|cause| format!("a property is malformed: {cause}"))?;
        match attribute.key.local_name().as_ref() {
            "key" => pair.0 = value.into_owned(),
            "value" => pair.1 = value.into_owned(),
            _ => {}
        }
    }
    let (spelled, value) = pair;
    let bare = spelled.strip_prefix(CLASS).unwrap_or(&spelled);
    let known = [URL, ORG, TOKEN].into_iter().find(|name| *name == bare);
    if let Some(name) = known.filter(|_| !value.trim().is_empty()) {
        let is_weaker = !spelled.starts_with(CLASS) && found.contains_key(name);
        if !is_weaker {
            found.insert(name, (spelled, SecretString::from(value.trim())));
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    /// As vSphere hands it out, with a neighbour in the same vApp.
    const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Environment
     xmlns="http://schemas.dmtf.org/ovf/environment/1"
     xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
     xmlns:oe="http://schemas.dmtf.org/ovf/environment/1"
     xmlns:ve="http://www.vmware.com/schema/ovfenv"
     oe:id="cse-1" ve:vCenterId="vm-1042">
   <PlatformSection>
      <Kind>VMware ESXi</Kind>
      <Version>7.0.3</Version>
   </PlatformSection>
   <PropertySection>
         <Property oe:key="cse.vcdHost" oe:value="https://vcd.example.net"/>
         <Property oe:key="cse.userOrg" oe:value="solutions &amp; co"/>
         <Property oe:key="cse.vcdUsername" oe:value="svc_cse"/>
         <Property oe:key="vcdRefreshToken" oe:value="s3cr3t"></Property>
         <Property oe:key="cse.vAppOrg" oe:value="solutions"/>
   </PropertySection>
   <ve:EthernetAdapterSection>
      <ve:Adapter ve:mac="00:50:56:01:02:03" ve:network="n" ve:unitNumber="7"/>
   </ve:EthernetAdapterSection>
   <Entity oe:id="other">
      <PropertySection>
         <Property oe:key="cse.vcdHost" oe:value="https://neighbour.example.net"/>
      </PropertySection>
   </Entity>
</Environment>"#;

    fn shown(text: &str) -> Vec<(&'static str, String, String)> {
        let found = parse(text).unwrap().into_iter();
        found
            .map(|(name, (spelled, value))| (name, spelled, value.expose_secret().to_owned()))
            .collect()
    }

    fn row(name: &'static str, spelled: &str, value: &str) -> (&'static str, String, String) {
        (name, spelled.to_owned(), value.to_owned())
    }

    #[test]
    fn the_properties_of_this_machine_are_read_in_both_spellings() {
        assert_eq!(
            shown(DOCUMENT),
            [
                row(ORG, "cse.userOrg", "solutions & co"),
                row(URL, "cse.vcdHost", "https://vcd.example.net"),
                row(TOKEN, "vcdRefreshToken", "s3cr3t"),
            ]
        );
        for order in [["vcdHost", "cse.vcdHost"], ["cse.vcdHost", "vcdHost"]] {
            let lines = order.map(|key| format!("<Property key='{key}' value='{key}.example'/>"));
            let text = format!(
                "<Environment><PropertySection>{}<Property key='userOrg' value=' '/>\
                 </PropertySection></Environment>",
                lines.concat()
            );
            assert_eq!(
                shown(&text),
                [row(URL, "cse.vcdHost", "cse.vcdHost.example")]
            );
        }
    }

    #[test]
    fn what_is_no_ovf_environment_is_refused_without_quoting_it() {
        let rows = [
            ("s3cr3t", "not well-formed XML|not an OVF environment|"),
            ("<html s3cr3t=''/>", "its root is not <Environment>"),
            (
                "<Environment><PropertySection><Property key='s3cr3t'",
                "not well-formed",
            ),
            ("<Environment><PropertySection>", "ends too early"),
            (
                "<!DOCTYPE x [<!ENTITY e 's3cr3t'>]><Environment/>",
                "document type",
            ),
        ];
        for (text, want) in rows {
            match parse(text) {
                Ok(found) => assert!(found.is_empty() && want.ends_with('|'), "{text}"),
                Err(what) => {
                    assert!(
                        want.split('|').any(|part| what.contains(part)),
                        "{text}: {what}"
                    );
                    assert!(!what.contains("s3cr3t"), "{what}");
                }
            }
        }
    }

    #[test]
    fn the_first_place_counts_and_a_blank_credential_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("cse-server.toml");
        let write = |name: &str, host: &str, mode: u32| {
            let path = dir.path().join(name);
            let text = DOCUMENT.replace("vcd.example.net", host);
            fs::write(&path, if host.is_empty() { "\n" } else { text.as_str() }).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path.display().to_string()
        };
        let url = |env: Environment<'_>| {
            let mut raw = RawVcd::default();
            let filled = read(&config, env).map(|found| found.fill(&mut raw));
            filled
                .map(|_| raw.url)
                .map_err(|refusal| refusal.to_string())
        };
        assert_eq!(url(&|_| None), Ok(None), "a machine that is no appliance");
        write(NAME, "beside", 0o600);
        assert_eq!(url(&|_| None), Ok(Some("https://beside".to_owned())));
        fs::create_dir(dir.path().join("sealed")).unwrap();
        let sealed = dir.path().join("sealed").display().to_string();
        let unit = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| sealed.clone());
        write("sealed/ovf-env.xml", "sealed", 0o444);
        assert_eq!(url(&unit), Ok(Some("https://sealed".to_owned())));
        write("sealed/ovf-env.xml", "", 0o444);
        assert_eq!(url(&unit), Ok(None));
        let named = write("named.xml", "named", 0o640);
        assert_eq!(
            url(&|name| (name == VARIABLE).then(|| named.clone())),
            Ok(Some("https://named".to_owned()))
        );

        let open = write("open.xml", "open", 0o644);
        let refused = url(&|name| (name == VARIABLE).then(|| open.clone()));
        let said = refused.unwrap_err();
        assert!(said.contains("run: chmod o-rwx /"), "{said}");
        let gone = url(&|name| (name == VARIABLE).then(|| "/none.xml".to_owned()));
        let said = gone.unwrap_err();
        assert!(
            said.starts_with("/none.xml: OVF environment: cannot"),
            "{said}"
        );
    }
}
