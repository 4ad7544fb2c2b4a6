//! `cse-server init` as an operator types it, and the site that it leaves behind at work.

use std::ffi::OsStr;
use std::time::Duration;

use cse_server::setup::objects::{SERVICE_ROLE, Site};
use cse_server::sim::control::NewUser;
use serde_json::Value;

use super::PASSWORD;
use super::desk::Desk;
use crate::support::process::{End, Process, until};
use crate::support::vcd::Vcd;

const PATIENCE: Duration = Duration::from_secs(30);

async fn init(vcd: &Vcd, arguments: &[&str]) -> End {
    let ca = vcd.path("ca.pem");
    let url = vcd.url.clone();
    let mut all = ["init", "--url", &url, "--ca-file"]
        .map(OsStr::new)
        .to_vec();
    all.push(ca.as_os_str());
    all.extend(arguments.iter().map(OsStr::new));
    let end = Process::start(&all, &[]).end(PATIENCE).await;
    let said = end.lines.join("\n");
    for secret in [PASSWORD, &vcd.access.administrator_token] {
        assert!(!said.contains(secret), "{said}");
    }
    end
}

/// An empty site and the ways to log in there.
struct Empty {
    vcd: Vcd,
    token: String,
    password: String,
}

impl Empty {
    fn open() -> Self {
        let vcd = Vcd::bare(|world| world.set_password("administrator", PASSWORD));
        let file = |name: &str, text: &str| vcd.file(name, text).display().to_string();
        Self {
            token: file("administrator", &vcd.access.administrator_token),
            password: file("password", &format!("{PASSWORD}\n")),
            vcd,
        }
    }

    async fn by_token(&self, more: &[&str]) -> End {
        init(&self.vcd, &[&["--token-file", &self.token], more].concat()).await
    }

    async fn by_password(&self, more: &[&str]) -> End {
        let who = ["--user", "administrator", "--password-file", &self.password];
        init(&self.vcd, &[&who, more].concat()).await
    }
}

fn ended(end: &End, code: i32, parts: &[&str]) {
    let said = end.lines.join("\n");
    assert_eq!(end.code, Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_without_a_yes_a_password_and_organizations_that_exist() {
    let site = Empty::open();
    let plan = ["create  global role", "Kubernetes Cluster Author"];
    ended(&site.by_token(&["--dry-run"]).await, 1, &plan);
    ended(&init(&site.vcd, &["--yes"]).await, 64, &["--user"]);
    ended(&site.by_password(&[]).await, 64, &["add --yes"]);
    ended(&site.by_password(&["--json"]).await, 64, &["--dry-run"]);
    ended(
        &site.by_token(&["--yes"]).await,
        77,
        &["log in with --user"],
    );
    let nowhere = site.by_password(&["--yes", "--org", "nowhere"]).await;
    ended(&nowhere, 64, &["no organization nowhere"]);
    let odd = site.vcd.file(
        "odd.json",
        "{\"profiles\": [{\"serverConfig\": {\"rdePollIntervalInMin\": \"soon\"}}]}",
    );
    let odd = ["--yes", "--server-config", odd.to_str().unwrap()];
    ended(&site.by_password(&odd).await, 78, &["odd.json", "profiles"]);
    site.vcd.file("password", "wrong");
    ended(&site.by_password(&["--yes"]).await, 77, &["correct --user"]);
    ended(&site.by_token(&["--dry-run"]).await, 1, &plan);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_organizations_that_are_named_get_role_and_bundle() {
    let site = Empty::open();
    let other = site.vcd.world().add_org("nimbus");
    ended(&site.by_password(&["--yes", "--org", "acme"]).await, 0, &[]);
    let again = site.by_token(&["--dry-run", "--org", "acme"]).await;
    ended(&again, 0, &["nothing to do"]);
    let wider = site
        .by_token(&["--dry-run", "--org", "acme", "--org", "nimbus"])
        .await;
    ended(&wider, 1, &["publish to nimbus"]);
    assert!(!other.is_empty());
}

/// Goal: from a VCD as it is installed to a tenant's finished cluster with one command and what an operator
/// does by hand.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_site_is_set_up_and_a_tenant_has_its_cluster() {
    let site = Empty::open();
    let done = site.by_password(&["--yes"]).await;
    ended(&done, 0, &["everything is set up", "CSE Admin Role"]);
    let again = site.by_password(&["--yes"]).await;
    ended(&again, 0, &["nothing to do"]);
    let json = site.by_token(&["--dry-run", "--json"]).await;
    ended(&json, 0, &[]);
    let document: Value = serde_json::from_str(&json.lines.join("\n")).unwrap();
    assert_eq!(document["outcome"], "nothing_to_do");

    let vcd = site.vcd;
    let service = "0123456789abcdefghij0123456789abcdefghij";
    vcd.world().add_user(NewUser {
        org: "System",
        name: "cse",
        role: SERVICE_ROLE,
        rights: &Site::shipped().rights(SERVICE_ROLE),
        api_token: Some(service),
        ..NewUser::default()
    });
    vcd.file("token", service);
    Desk::at(&vcd).assign_policies("acme");

    let config = vcd.replica("cse-1");
    let arguments = [
        OsStr::new("check"),
        OsStr::new("--config"),
        config.as_os_str(),
    ];
    let check = Process::start(&arguments, &[]).end(PATIENCE).await;
    assert_eq!(check.code, Some(0), "{:#?}", check.lines);

    let replica = Process::replica(&config, &[]);
    let urn = vcd.ask_for("oak");
    let what = "the cluster is provisioned";
    until(what, Duration::from_secs(90), || vcd.is_done()).await;
    vcd.assert_created_once(&[urn]);
    let errors = replica.records(|record| record["level"] == "ERROR");
    assert_eq!(errors, Vec::<Value>::new());
}
