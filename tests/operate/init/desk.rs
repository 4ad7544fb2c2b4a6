//! The administrator at work with the API, without the program.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Bench, PASSWORD};
use crate::support::site::{Answer, Ask};
use crate::support::vcd::Vcd;

pub(super) const API: &str = "/cloudapi/1.0.0";

/// The administrator at work with the API.
pub(crate) struct Desk<'w> {
    world: Box<dyn Fn(Ask) -> Answer + 'w>,
    token: String,
}

impl<'w> Desk<'w> {
    pub(crate) fn at(vcd: &'w Vcd) -> Self {
        Self::with(
            move |ask| Answer(vcd.answer(&ask.request())),
            |password| vcd.world().set_password("administrator", password),
        )
    }

    pub(super) fn of(bench: &'w Bench) -> Self {
        Self::with(
            move |ask| {
                let (now, wall) = (bench.clock.now(), bench.clock.wall());
                Answer(bench.world().handle(&ask.request(), now, wall))
            },
            |password| bench.world().set_password("administrator", password),
        )
    }

    fn with(world: impl Fn(Ask) -> Answer + 'w, set_password: impl Fn(&str)) -> Self {
        set_password(PASSWORD);
        let login = STANDARD.encode(format!("administrator@System:{PASSWORD}"));
        let ask = Ask::post(&format!("{API}/sessions/provider"));
        let answer = world(ask.header("authorization", &format!("Basic {login}")));
        let token = answer
            .header("x-vmware-vcloud-access-token")
            .unwrap()
            .to_owned();
        Self {
            world: Box::new(world),
            token,
        }
    }

    pub(super) fn send(&self, ask: Ask) -> Answer {
        let answer = (self.world)(ask.by(&self.token));
        assert!(answer.status() < 300, "{}", answer.text());
        answer
    }

    pub(crate) fn delete(&self, path: &str) {
        self.send(Ask::delete(&format!("{API}/{path}")));
    }

    pub(super) fn list(&self, path: &str) -> Vec<Value> {
        let page = self.send(Ask::get(&below(path))).json();
        page["values"].as_array().unwrap().clone()
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Ask::post(&below(path)).json(body))
    }

    /// Creates a resolved entity and returns its URN.
    pub(super) fn entity(&self, type_urn: &str, name: &str, content: &Value) -> String {
        self.post(
            &format!("entityTypes/{type_urn}"),
            &json!({"name": name, "entity": content}),
        );
        let kind = type_urn
            .trim_start_matches("urn:vcloud:type:")
            .replace(':', "/");
        let found = self.list(&format!("entities/types/{kind}"));
        let urn = found.last().unwrap()["id"].as_str().unwrap().to_owned();
        self.send(Ask::post(&format!("{API}/entities/{urn}/resolve")));
        urn
    }

    /// Gives the organization's VDCs all sizing policies, as a provider does.
    pub(super) fn assign_policies(&self, org: &str) {
        let policies = self.list("/cloudapi/2.0.0/vdcComputePolicies");
        let reference = |policy: &Value| {
            let id = policy["id"].as_str().unwrap();
            format!(
                "<VdcComputePolicyReference href=\"https://x/cloudapi/2.0.0/vdcComputePolicies/{id}\" id=\"{id}\"/>"
            )
        };
        let references: String = policies.iter().map(reference).collect();
        let body = format!(
            "<VdcComputePolicyReferences xmlns=\"http://www.vmware.com/vcloud/v1.5\">{references}</VdcComputePolicyReferences>"
        );
        for vdc in self
            .list("vdcs")
            .iter()
            .filter(|vdc| vdc["org"]["name"] == org)
        {
            let uuid = vdc["id"]
                .as_str()
                .unwrap()
                .rsplit(':')
                .next()
                .unwrap()
                .to_owned();
            let path = format!("/api/admin/vdc/{uuid}/computePolicies");
            let ask = Ask::put(&path).accept("application/*+xml;version=37.2");
            self.send(ask.body(&body));
        }
    }
}

fn below(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{API}/{path}")
    }
}
