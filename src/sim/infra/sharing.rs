//! Who else may use a vApp or a catalog, as `controlAccess` tells and changes it.
//!
//! Invariants:
//! - It is kept and shown; the simulator lets every user of the organization in anyway, as rights say.
//!
//! Source: VCD API, `ControlAccessParams`; CSE 3 shares the vApp of a cluster by a JSON body.

use serde::{Deserialize, Serialize};

use super::Desk;
use super::access::{require, right};
use super::machine::Vapp;
use crate::sim::call::Call;
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::Reference;
use crate::sim::xml::{Element, reference};

const MEDIA: &str = "vnd.vmware.vcloud.controlAccess+xml";
const LEVELS: [&str; 3] = ["ReadOnly", "Change", "FullControl"];
/// Most users a vApp is shared with.
const MAX_SETTINGS: usize = 500;

/// Access of others to a vApp or a catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sharing {
    /// Level of everybody in the organization.
    pub(crate) everyone: Option<String>,
    /// Users and their levels.
    pub(crate) users: Vec<(Reference, String)>,
}

/// Answers `GET {vapp}/controlAccess`, and that of a catalog.
pub(crate) fn read(desk: &Desk<'_, '_>, sharing: &Sharing) -> Reply {
    let settings = sharing.users.iter().map(|(user, level)| {
        Element::new("AccessSetting")
            .child(reference("Subject", user))
            .child(Element::leaf("AccessLevel", level))
    });
    let level = sharing.everyone.as_ref();
    let params = Element::root("ControlAccessParams")
        .attr("type", format!("application/{MEDIA}"))
        .child(Element::leaf("IsSharedToEveryone", level.is_some()))
        .children(level.map(|level| Element::leaf("EveryoneAccessLevel", level)))
        .children(
            (!sharing.users.is_empty()).then(|| Element::new("AccessSettings").children(settings)),
        );
    Reply::xml(200, desk.call.version, MEDIA, params.document())
}

/// Answers `POST {vapp}/action/controlAccess`, which takes effect at once.
pub(crate) fn write(desk: &mut Desk<'_, '_>, vapp: &Vapp) -> Result<Reply, Problem> {
    require(desk.call, right::SHARE, "VAPP_SHARE", &vapp.uuid)?;
    let sharing = parse(desk.call)?;
    if let Some(vapp) = desk.infra.vapps.get_mut(&vapp.uuid) {
        vapp.sharing = sharing.clone();
    }
    Ok(read(desk, &sharing))
}

/// Reads the settings from a request.
pub(crate) fn parse(call: &Call<'_>) -> Result<Sharing, Problem> {
    let body = call.document("ControlAccessParams")?;
    let everyone = match body.text_of("IsSharedToEveryone") {
        Some("true") => {
            let level = body.text_of("EveryoneAccessLevel").unwrap_or("ReadOnly");
            Some(checked(level)?)
        }
        _ => None,
    };
    let mut users = Vec::new();
    let settings = body.get("AccessSettings");
    for setting in settings
        .into_iter()
        .flat_map(|all| all.all("AccessSetting"))
    {
        let subject = setting.get("Subject");
        let text = |name: &str| {
            let text = subject.and_then(|subject| subject.attribute(name));
            text.unwrap_or_default().to_owned()
        };
        if text("href").is_empty() || users.len() >= MAX_SETTINGS {
            return Err(Problem::bad_request("An access setting has no subject."));
        }
        let user = Reference {
            href: text("href"),
            id: text("id"),
            name: text("name"),
            media_type: if text("type").is_empty() {
                "application/vnd.vmware.admin.user+xml".to_owned()
            } else {
                text("type")
            },
        };
        users.push((
            user,
            checked(setting.text_of("AccessLevel").unwrap_or_default())?,
        ));
    }
    Ok(Sharing { everyone, users })
}

fn checked(level: &str) -> Result<String, Problem> {
    if LEVELS.contains(&level) {
        return Ok(level.to_owned());
    }
    Err(Problem::bad_request(format!(
        "The access level \"{level}\" does not exist."
    )))
}
