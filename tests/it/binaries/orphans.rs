//! `cse-server orphans` as an operator runs it: what it prints, what it removes, how it ends.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cse_server::vcd::http::{HttpOptions, HttpTransport};
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use serde_json::Value;
use url::Url;

use crate::support::process::{End, Process, until};
use crate::support::vcd::Vcd;

const PATIENCE: Duration = Duration::from_mins(1);

/// A bootstrap vApp with the marker of an entity, made by the tenant's author.
async fn leave_behind(vcd: &Vcd, cluster: &str, urn: &str) {
    let transport = HttpTransport::new(&HttpOptions {
        base_url: Url::parse(&vcd.url).unwrap(),
        ca_file_pem: Some(std::fs::read(vcd.path("ca.pem")).unwrap()),
        user_agent: "test".to_owned(),
        connect_timeout: Duration::from_secs(5),
        http1_only: false,
        use_env_proxy: false,
    });
    let login = Login {
        org: "acme".to_owned(),
        token: vcd.tenant.api_token.as_str().into(),
    };
    let options = ClientOptions::default();
    let client = VcdClient::connect(Arc::new(transport.unwrap()), login, options).await;
    let client = client.unwrap();
    let vdcs = client.find_vdcs(&vcd.tenant.vdc).await.unwrap();
    let (name, marker) = (
        format!("{cluster}_ephemeral_vapp"),
        format!("rde={urn};e=1;i=1"),
    );
    client
        .compose_vapp(&vdcs[0].id, &name, &marker)
        .await
        .unwrap();
}

async fn orphans(vcd: &Vcd, token_file: &Path, more: &[&str]) -> End {
    let config = vcd.path("cse-1.toml");
    let mut arguments: Vec<OsString> = vec!["orphans".into(), "--config".into(), config.into()];
    arguments.extend(["--org".into(), "acme".into(), "--token-file".into()]);
    arguments.push(token_file.into());
    arguments.extend(more.iter().map(OsString::from));
    let end = Process::start(&arguments, &[]).end(PATIENCE).await;
    for secret in [&vcd.access.provider_token, &vcd.tenant.api_token] {
        let leak = end.lines.iter().find(|line| line.contains(secret.as_str()));
        assert_eq!(leak, None);
    }
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_listed_planned_removed_and_then_gone() {
    let vcd = Vcd::open();
    vcd.replica("cse-1");
    let token = vcd.file("administrator", &vcd.tenant.api_token);
    let (gone, kept) = (vcd.ask_for("kite5"), vcd.ask_for("kite6"));
    leave_behind(&vcd, "kite5", &gone).await;
    leave_behind(&vcd, "kite6", &kept).await;
    assert!(vcd.world().forget_entity(&gone));

    let end = orphans(&vcd, &token, &[]).await;
    assert_eq!(end.code, Some(1), "{:#?}", end.lines);
    assert_eq!(
        end.lines[0],
        "organization acme: clusters without an entity: 1"
    );
    assert_eq!(end.lines[2], gone);
    assert!(end.lines[3].starts_with("  found  vApp  kite5_ephemeral_vapp  urn:vcloud:vapp:"));
    assert_eq!(end.lines.len(), 6, "{:#?}", end.lines);

    let end = orphans(&vcd, &token, &["--delete", "--dry-run", "--json"]).await;
    assert_eq!(end.code, Some(1), "{:#?}", end.lines);
    let told: Value = serde_json::from_str(&end.lines.concat()).unwrap();
    let objects = told["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 1, "{told}");
    assert_eq!(objects[0]["state"], "would_remove");
    assert_eq!(objects[0]["cluster"], gone.as_str());
    assert_eq!(vcd.world().vapps().len(), 2, "a dry run removes nothing");

    let end = orphans(&vcd, &token, &["--delete"]).await;
    assert_eq!(end.code, Some(0), "{:#?}", end.lines);
    assert!(
        end.lines[3].starts_with("  removed  vApp  kite5"),
        "{:#?}",
        end.lines
    );
    assert_eq!(vcd.world().vapps(), ["kite6_ephemeral_vapp"]);

    let end = orphans(&vcd, &token, &["--delete"]).await;
    assert_eq!(end.code, Some(0));
    assert_eq!(end.lines, ["organization acme: no orphans"]);
}

/// Goal: after a restored backup, a cluster made since has no entity and runs; nobody takes it for waste.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_runs_is_left_alone_unless_that_is_asked_for() {
    let vcd = Vcd::open();
    let replica = Process::replica(&vcd.replica("cse-1"), &[]);
    let token = vcd.file("administrator", &vcd.tenant.api_token);
    let urns = ["amber", "blue"].map(|name| vcd.ask_for(name));
    until("both clusters are there", PATIENCE, || vcd.is_done()).await;
    replica.terminate();
    replica.end(PATIENCE).await;
    let machines = vcd.world().vms().len();
    assert!(machines >= 4, "{machines} machines of two clusters");
    assert!(vcd.world().forget_entity(&urns[0]));

    for more in [&["--delete"][..], &["--delete", "--dry-run"]] {
        let end = orphans(&vcd, &token, more).await;
        assert_eq!(end.code, Some(1), "{:#?}", end.lines);
        let told = end.lines.join("\n");
        assert!(
            told.contains("--with-running") && told.contains(&urns[0]),
            "{told}"
        );
        assert_eq!(vcd.world().vms().len(), machines, "{told}");
    }
    let end = orphans(&vcd, &token, &["--delete", "--with-running"]).await;
    assert_eq!(end.code, Some(0), "{:#?}", end.lines);
    assert_eq!(vcd.world().vapps(), ["blue"], "{:#?}", end.lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_it_from_looking_is_told_in_one_line() {
    let vcd = Vcd::open();
    vcd.replica("cse-1");
    let (good, bad) = (
        vcd.file("good", &vcd.tenant.api_token),
        vcd.file("bad", "no-such-token"),
    );
    let rows = [
        (vcd.path("missing"), vec![], 64, "--token-file"),
        (bad, vec![], 77, "--token-file"),
        (good.clone(), vec!["--token-org", "zeta"], 77, "--token-org"),
        (good.clone(), vec!["--dry-run"], 64, "--delete"),
        (good, vec!["--config", "/nowhere.toml"], 64, "--config"),
    ];
    for (token, more, code, wanted) in rows {
        let end = orphans(&vcd, &token, &more).await;
        let told = end.lines.join("\n");
        assert_eq!(end.code, Some(code), "{more:?}: {told}");
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
}
