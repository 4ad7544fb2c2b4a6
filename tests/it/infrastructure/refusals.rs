//! What VCD refuses, and in which words.

use cse_server::sim::control::NewUser;

use crate::support::lab::Lab;
use crate::support::site::{Answer, Ask};
use crate::support::xml;

/// Status, minor code and message of an error document.
fn problem(answer: &Answer) -> (u16, String, String) {
    let text = answer.text();
    let of = |name| xml::attribute(&text, "Error", name);
    (answer.status(), of("minorErrorCode"), of("message"))
}

fn with_vm() -> (Lab, String, String) {
    let mut lab = Lab::new();
    let vapp = lab.vapp("v", "");
    let answer = lab.recompose(&vapp, "m", "");
    lab.succeed(&answer);
    let vm = lab.vm_path(&vapp, "m");
    (lab, vapp, vm)
}

#[test]
fn a_busy_vapp_names_the_operation_and_its_task() {
    let (mut lab, vapp, vm) = with_vm();
    let accepted = lab.recompose(&vapp, "m2", "");
    let task = xml::attribute(&accepted.text(), "Task", "id").replace("urn:vcloud:task:", "");
    for ask in [
        Ask::delete(&vapp),
        Ask::delete(&vm),
        Ask::post(&format!("{vm}/power/action/powerOn")),
    ] {
        let (status, code, message) = problem(&lab.xml(ask));
        assert_eq!((status, code.as_str()), (400, "BUSY_ENTITY"));
        let wanted = format!(
            "is busy completing an operation VDC_RECOMPOSE_VAPP(com.vmware.vcloud.entity.task:{task})"
        );
        assert!(message.contains(&wanted), "{message}");
        assert!(message.starts_with("[ "), "{message}");
    }
}

#[test]
fn names_are_unique() {
    let (mut lab, vapp, _) = with_vm();
    let (status, code, _) = problem(&lab.compose("v", ""));
    assert_eq!((status, code.as_str()), (400, "DUPLICATE_NAME"));
    let (status, code, message) = problem(&lab.recompose(&vapp, "m", ""));
    assert_eq!((status, code.as_str()), (400, "DUPLICATE_NAME"));
    assert!(
        message.ends_with("There is already a VM named \"m\"."),
        "{message}"
    );
    let answer = lab.recompose(&vapp, "n", "");
    lab.succeed(&answer);
    let vm = lab.vm_path(&vapp, "n");
    let rename = Ask::post(&format!("{vm}/action/reconfigureVm")).body("<Vm name=\"m\"/>");
    assert_eq!(problem(&lab.xml(rename)).1, "DUPLICATE_NAME");
    lab.world.set_unique_vapp_names(false);
    assert_eq!(lab.compose("v", "").status(), 201);
}

#[test]
fn what_runs_is_not_deleted_and_what_does_not_run_is_not_undeployed() {
    let (mut lab, vapp, vm) = with_vm();
    let undeploy = |path: &str| {
        let body = "<UndeployVAppParams><UndeployPowerAction>powerOff</UndeployPowerAction></UndeployVAppParams>";
        Ask::post(&format!("{path}/action/undeploy")).body(body)
    };
    for path in [&vapp, &vm] {
        let (status, _, message) = problem(&lab.xml(undeploy(path)));
        assert_eq!(status, 400);
        assert!(message.contains("is not running"), "{message}");
    }
    let answer = lab.xml(Ask::post(&format!("{vapp}/power/action/powerOn")));
    lab.succeed(&answer);
    for path in [&vapp, &vm] {
        let (status, code, message) = problem(&lab.xml(Ask::delete(path)));
        assert_eq!((status, code.as_str()), (400, "BAD_REQUEST"));
        assert!(message.contains("is running"), "{message}");
    }
    let answer = lab.xml(Ask::post(&format!("{vm}/power/action/powerOff")));
    lab.succeed(&answer);
    assert_eq!(
        lab.xml(Ask::delete(&vm)).status(),
        400,
        "powered off, but still deployed"
    );
    let answer = lab.xml(undeploy(&vapp));
    lab.succeed(&answer);
    let answer = lab.xml(Ask::delete(&vapp));
    lab.succeed(&answer);
}

#[test]
fn a_missing_vm_is_a_403_in_the_words_clients_look_for() {
    let mut lab = Lab::new();
    let path = "/api/vApp/vm-00000000-0000-4000-8000-000000000000";
    let (status, code, message) = problem(&lab.xml(Ask::get(path)));
    assert_eq!(
        (status, code.as_str()),
        (403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN")
    );
    for part in [
        "Either you need some or all of the following rights [Base]",
        "to perform operations [VAPP_VM_VIEW]",
        "target entity is invalid",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn another_organization_sees_nothing_of_it() {
    let (mut lab, vapp, vm) = with_vm();
    let vdc = lab.vdc_path();
    let zeta = lab.world.seed_tenant("zeta");
    let rival = lab.token_of("zeta", &zeta.api_token);
    for path in [&vapp, &vm, &vdc] {
        let ask = Ask::get(path)
            .accept("application/*+xml;version=37.2")
            .by(&rival);
        assert_eq!(lab.call(ask).status(), 403, "{path}");
    }
    let orgs = lab.call(
        Ask::get("/api/org")
            .accept("application/*+xml;version=37.2")
            .by(&rival),
    );
    assert_eq!(xml::all(&orgs.text(), "Org", "name"), ["zeta"]);
}

#[test]
fn the_service_account_has_no_right_to_any_vapp() {
    let (mut lab, vapp, _) = with_vm();
    let vdc = lab.vdc_path();
    let token = lab.access.provider_token.clone();
    let service = lab.token_of("System", &token);
    let org = lab.tenant.org_id.clone();
    let asks = [
        Ask::get(&vapp),
        Ask::delete(&vapp),
        Ask::get(&vdc),
        Ask::post(&format!("{vdc}/action/composeVApp")).body("<ComposeVAppParams name=\"x\"/>"),
        Ask::get("/api/query?type=adminVAppTemplate"),
    ];
    for ask in asks {
        let ask = ask.accept("application/*+xml;version=37.2").by(&service);
        let (status, ..) = problem(&lab.call(ask.clone()));
        assert_eq!(status, 403, "{ask:?}");
        let ask = ask.header("x-vmware-vcloud-tenant-context", &org);
        assert_eq!(lab.call(ask.clone()).status(), 403, "{ask:?}");
    }
}

#[test]
fn each_operation_demands_its_right_by_name() {
    let (mut lab, vapp, vm) = with_vm();
    let user = NewUser {
        org: "acme",
        name: "looker",
        role: "Looker",
        rights: &["vApp: Use Console", "Access All Organization VDCs"],
        api_token: Some("looker-token-looker-token-looker-token"),
        ..NewUser::default()
    };
    lab.world.add_user(user).unwrap();
    let looker = lab.token_of("acme", "looker-token-looker-token-looker-token");
    let vdc = lab.vdc_path();
    let config = "<Vm><VirtualHardwareSection><ExtraConfig key=\"a\" value=\"1\"/></VirtualHardwareSection></Vm>";
    let table = [
        (
            Ask::post(&format!("{vdc}/action/composeVApp")).body("<C name=\"x\"/>"),
            "vApp: Create / Reconfigure",
        ),
        (Ask::delete(&vapp), "vApp: Delete"),
        (Ask::delete(&vm), "vApp: Delete"),
        (
            Ask::post(&format!("{vm}/power/action/powerOn")),
            "vApp: Power Operations",
        ),
        (
            Ask::post(&format!("{vm}/action/reconfigureVm")).body(config),
            "vApp: Allow All Extra Config",
        ),
        (
            Ask::put(&format!("{vapp}/networkConfigSection/")).body("<N/>"),
            "vApp: Edit Properties",
        ),
    ];
    for (ask, right) in table {
        let ask = ask.accept("application/*+xml;version=37.2").by(&looker);
        let (status, _, message) = problem(&lab.call(ask));
        assert_eq!(status, 403, "{right}");
        assert!(message.contains(&format!("[{right}]")), "{message}");
    }
    let ask = Ask::get(&vapp)
        .accept("application/*+xml;version=37.2")
        .by(&looker);
    assert_eq!(lab.call(ask).status(), 200, "looking is allowed");
}

#[test]
fn an_exhausted_pool_fails_the_task_and_leaves_no_vm() {
    let mut lab = Lab::new();
    let vapp = lab.vapp("v", "");
    let tenant = lab.tenant.clone();
    lab.world.limit_pool(&tenant, 1);
    let answer = lab.recompose(&vapp, "first", "");
    lab.succeed(&answer);
    let answer = lab.recompose(&vapp, "second", "");
    let task = lab.finish(&answer);
    assert_eq!(xml::attribute(&task, "Task", "status"), "error");
    let message = xml::attribute(&task, "Error", "message");
    assert!(
        message.starts_with("[ ") && message.contains("static IP pool"),
        "{message}"
    );
    assert!(lab.view("second").is_none());
    let names = xml::all(&lab.get(&vapp), "Vm", "name");
    assert_eq!(names, ["first"]);
}

#[test]
fn what_a_request_names_must_exist() {
    let (mut lab, vapp, _) = with_vm();
    let source = lab.template_vm();
    let item = |source: &str, rest: &str| {
        format!(
            "<RecomposeVAppParams><SourcedItem><Source href=\"{source}\" name=\"n\"/>{rest}\
             </SourcedItem></RecomposeVAppParams>"
        )
    };
    let unknown = "00000000-0000-4000-8000-000000000000";
    let network = "<InstantiationParams><NetworkConnectionSection><NetworkConnection network=\"other\"/>\
                   </NetworkConnectionSection></InstantiationParams>";
    let policy = format!(
        "<ComputePolicy><VmSizingPolicy href=\"urn:vcloud:vdcComputePolicy:{unknown}\"/></ComputePolicy>"
    );
    let profile =
        format!("<StorageProfile href=\"https://vcd.example/api/vdcStorageProfile/{unknown}\"/>");
    let long = format!(
        "<VmGeneralParams><Description>{}</Description></VmGeneralParams>",
        "d".repeat(257)
    );
    let table = [
        (
            "template",
            item(
                &format!("https://vcd.example/api/vAppTemplate/vm-{unknown}"),
                "",
            ),
            403,
        ),
        ("network", item(&source, network), 400),
        ("policy", item(&source, &policy), 400),
        ("profile", item(&source, &profile), 400),
        ("description", item(&source, &long), 400),
        ("malformed", "<RecomposeVAppParams>".to_owned(), 400),
    ];
    for (name, body, want) in table {
        let answer = lab.xml(Ask::post(&format!("{vapp}/action/recomposeVApp")).body(&body));
        assert_eq!(answer.status(), want, "{name}: {}", answer.text());
    }
}

#[test]
fn a_deleted_vapp_takes_no_copies() {
    let mut lab = Lab::new();
    let vapp = lab.vapp("v", "");
    let accepted = lab.xml(Ask::delete(&vapp));
    let (status, code, _) = problem(&lab.recompose(&vapp, "m", ""));
    assert_eq!((status, code.as_str()), (400, "BUSY_ENTITY"));
    lab.succeed(&accepted);
    assert_eq!(lab.recompose(&vapp, "m", "").status(), 403);
}
