//! A load balancer and the machines behind it.

use serde_json::{Value, json};

use crate::support::lab::Lab;
use crate::support::site::Ask;

const PATH: &str = "/cloudapi/1.0.0";

fn get(lab: &mut Lab, path: &str) -> Value {
    let author = lab.author.clone();
    let answer = lab.call(Ask::get(&format!("{PATH}/{path}")).by(&author));
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    answer.json()
}

fn post(lab: &mut Lab, path: &str, body: &Value) {
    let author = lab.author.clone();
    let ask = Ask::post(&format!("{PATH}/{path}")).by(&author).json(body);
    let accepted = lab.call(ask);
    lab.succeed(&accepted);
}

#[test]
fn a_member_is_up_while_its_machine_is_on_and_the_service_is_up_with_it() {
    let mut lab = Lab::new();
    let vapp = lab.vapp("blue", "");
    let copied = lab.recompose(&vapp, "node", "");
    lab.succeed(&copied);
    let address = lab.view("node").unwrap().ip.unwrap();
    let networks = get(&mut lab, "orgVdcNetworks");
    let gateway = networks["values"][0]["connection"]["routerRef"].clone();
    let below = format!(
        "edgeGateways/{}/loadBalancer",
        gateway["id"].as_str().unwrap()
    );
    let pool = json!({"name": "p", "gatewayRef": gateway, "members": [{"ipAddress": address}]});
    post(&mut lab, "loadBalancer/pools", &pool);
    let pool = get(&mut lab, &format!("{below}/poolSummaries"))["values"][0].clone();
    let groups = get(&mut lab, "loadBalancer/serviceEngineGroups/assignments");
    let service = json!({
        "name": "s", "gatewayRef": gateway, "loadBalancerPoolRef": {"id": pool["id"]},
        "serviceEngineGroupRef": groups["values"][0]["serviceEngineGroupRef"],
        "virtualIpAddress": "192.168.8.2", "servicePorts": [{"portStart": 80}],
        "applicationProfile": {"type": "HTTP"},
    });
    post(&mut lab, "loadBalancer/virtualServices", &service);
    lab.wait(20);
    let health = |lab: &mut Lab| {
        let one = get(lab, &format!("{below}/poolSummaries"))["values"][0].clone();
        let two = get(lab, &format!("{below}/virtualServiceSummaries"))["values"][0].clone();
        (one["healthStatus"].clone(), two["healthStatus"].clone())
    };
    assert_eq!(health(&mut lab), (json!("DOWN"), json!("DOWN")));
    let vm = lab.vm_path(&vapp, "node");
    let on = lab.xml(Ask::post(&format!("{vm}/power/action/powerOn")));
    lab.succeed(&on);
    assert_eq!(health(&mut lab), (json!("UP"), json!("UP")));
}
