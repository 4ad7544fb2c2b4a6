//! Tasks: how they are read, listed, cancelled, and how they tell failures.

use super::fact::Mark::{Documents, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::legacy::{Legacy, attribute};
use super::support::wire::Ask;

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "5.1",
            Documents,
            "a task has its elements in the order of the schema, and an end only when it has ended",
            task_elements_order_schema_end,
        ),
        fact(
            "5.1",
            Source,
            "a task is cancelled with 204, noted, and goes on",
            task_cancelled_noted_goes,
        ),
        fact(
            "5.1",
            Documents,
            "a failed task says why, with codes and the id of the request that began it",
            failed_task_says_why_codes,
        ),
        fact(
            "5.1",
            Documents,
            "a task is read in JSON too, and hidden from other organizations",
            task_read_json_too_hidden,
        ),
    ]
}

async fn task_elements_order_schema_end(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let accepted = legacy
        .act(&format!("{vm}/power/action/powerOn"))
        .await
        .expect(202);
    let running = accepted.text();
    let order = [
        "<Link rel=\"task:cancel\"",
        "<Owner ",
        "<User ",
        "<Organization ",
        "<Progress>",
        "<Details",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|part| running.find(part).expect(part))
        .collect();
    assert!(places.is_sorted(), "{running}");
    assert!(
        running.contains("expiryTime=") && !running.contains("endTime="),
        "{running}"
    );
    assert_eq!(
        accepted.header("location").unwrap(),
        attribute(&running, "<Task ", "href")
    );
    let done = legacy.done(&accepted).await;
    assert!(
        done.contains("endTime=") && done.contains("<Progress>100<"),
        "{done}"
    );
    assert!(!done.contains("task:cancel"), "{done}");
}

async fn task_cancelled_noted_goes(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let accepted = legacy.act(&format!("{vm}/power/action/powerOn")).await;
    let task = legacy.path(&accepted.header("location").unwrap());
    legacy
        .act(&format!("{task}/action/cancel"))
        .await
        .expect(204);
    assert!(legacy.get(&task).await.contains("cancelRequested=\"true\""));
    legacy.done(&accepted).await;
}

async fn failed_task_says_why_codes(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let tenant = bench.tenant.clone();
    bench.world().limit_pool(&tenant, 0);
    let vapp = legacy.vapp("v").await;
    let body = format!(
        "<RecomposeVAppParams><SourcedItem><Source href=\"{}\" name=\"m\"/><InstantiationParams>\
         <NetworkConnectionSection><NetworkConnection network=\"{}\">\
         <IpAddressAllocationMode>POOL</IpAddressAllocationMode></NetworkConnection>\
         </NetworkConnectionSection></InstantiationParams></SourcedItem></RecomposeVAppParams>",
        legacy.template_vm().await,
        tenant.network
    );
    let accepted = legacy.recompose(&vapp, &body).await;
    let id = accepted.header("x-vmware-vcloud-request-id").unwrap();
    let failed = bench.finished(&accepted, &legacy.token).await;
    assert_eq!(attribute(&failed, "<Task ", "status"), "error");
    assert_eq!(attribute(&failed, "<Error ", "majorErrorCode"), "400");
    let message = attribute(&failed, "<Error ", "message");
    assert!(message.starts_with(&format!("[ {id} ] ")), "{message}");
    let found = legacy
        .get("/api/query?type=task&filter=status==error")
        .await;
    assert_eq!(attribute(&found, "<TaskRecord ", "message"), message);
}

async fn task_read_json_too_hidden(bench: Bench) {
    let legacy = Legacy::author(&bench).await;
    let (_, vm) = legacy.machine("v", "m").await;
    let accepted = legacy.act(&format!("{vm}/power/action/powerOn")).await;
    let task = legacy.path(&accepted.header("location").unwrap());
    let ask = Ask::get(&task).accept("application/*+json;version=37.2");
    let shown = legacy.ask(ask).await.expect(200).json();
    assert_eq!(
        (&shown["status"], &shown["name"]),
        (&"running".into(), &"task".into())
    );
    assert_eq!(shown["owner"]["href"], legacy.url(&vm));
    Legacy::of(&bench, bench.stranger().await)
        .refused(&task)
        .await;
    legacy.ask(Ask::delete(&task).xml()).await.expect(405);
}
