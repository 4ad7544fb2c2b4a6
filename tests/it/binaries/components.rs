//! `cse-server components` as an operator types it.

use std::ffi::OsStr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{End, Process};
use crate::support::vcd::Vcd;

const PATIENCE: Duration = Duration::from_secs(25);

async fn components(vcd: &Vcd, arguments: &[&str]) -> End {
    let config = vcd.replica("operator");
    let mut all = vec![
        OsStr::new("components"),
        OsStr::new("--config"),
        config.as_os_str(),
    ];
    all.extend(arguments.iter().map(OsStr::new));
    Process::start(&all, &[]).end(PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_shown_for_one_cluster_and_for_the_fleet() {
    let vcd = Vcd::open();
    let tenant = vcd.tenant.clone();
    let urns = ["oak", "elm", "elm"].map(|name| vcd.world().seed_provisioned(&tenant, name, 9_000));
    let at = "2026-03-01T09:00:00Z".parse().unwrap();
    vcd.world().modify_entity(&urns[0], at, |content| {
        content["status"]["cpi"] = json!({"version": "1.3.0\n"});
    });

    let one = components(&vcd, &["oak"]).await;
    let text = one.lines.join("\n");
    assert_eq!(one.code, Some(0), "{text}");
    assert!(one.lines[0].contains(&urns[0]), "{text}");
    let cpi = one
        .lines
        .iter()
        .find(|line| line.starts_with("CPI"))
        .unwrap();
    assert!(
        cpi.contains("1.3.0") && cpi.contains("older") && cpi.contains("before 1.4"),
        "{text}"
    );

    let by_urn = components(&vcd, &[&urns[1], "--json"]).await;
    let shown: Value = serde_json::from_str(&by_urn.lines.join("\n")).unwrap();
    assert_eq!(shown["id"], urns[1].as_str());
    assert_eq!(shown["components"][2]["standing"], "not reported");

    let fleet = components(&vcd, &["--all"]).await;
    let text = fleet.lines.join("\n");
    assert!(
        text.contains("3 of 3 clusters run something else"),
        "{text}"
    );
    assert!(text.contains("1.3.0*"), "{text}");

    let several = components(&vcd, &["elm"]).await;
    assert_eq!(several.code, Some(64));
    let text = several.lines.join("\n");
    assert!(
        text.contains("2 clusters are called \"elm\"; give the URN"),
        "{text}"
    );
    assert!(
        urns[1..].iter().all(|urn| text.contains(urn.as_str())),
        "{text}"
    );
    let none = components(&vcd, &["yew"]).await;
    assert_eq!(none.code, Some(64));
    assert!(
        none.lines
            .join("\n")
            .contains("no cluster \"yew\" is visible")
    );
}
