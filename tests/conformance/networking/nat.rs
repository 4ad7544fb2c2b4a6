//! NAT rules, application port profiles, certificates.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tenant::{Net, ODD_ACCEPT, owner, text};
use crate::fact::Mark::{Documents, Inferred, Source};
use crate::fact::{Fact, fact};
use crate::support::wire::Ask;

const PROFILES: &str = "/cloudapi/1.0.0/applicationPortProfiles";

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = rules();
    facts.extend(paging());
    facts.extend(profiles());
    facts.extend(certificates());
    facts
}

/// A DNAT rule as CAPVCD posts it.
fn dnat(name: &str, external: &str, internal: &str, profile: &Value) -> Value {
    json!({
        "name": name, "enabled": true, "ruleType": "DNAT", "externalAddresses": external,
        "internalAddresses": internal, "dnatExternalPort": "6443",
        "applicationPortProfile": profile,
    })
}

/// A port profile as CAPVCD posts it.
fn profile(net: &Net, name: &str) -> Value {
    json!({
        "name": name, "description": format!("App Port Profile [{name}]"), "scope": "TENANT",
        "applicationPorts": [{"protocol": "TCP", "destinationPorts": ["6443"]}],
        "orgRef": {"name": "acme", "id": net.bench.tenant.org_id}, "contextEntityId": net.vdc,
    })
}

async fn named(net: &Net, name: &str) -> Option<Value> {
    let list = net.get(&net.below("nat/rules?pageSize=128")).await;
    let values = list["values"].as_array().unwrap();
    values.iter().find(|rule| rule["name"] == name).cloned()
}

fn rules() -> Vec<Fact> {
    vec![
        fact(
            "7.3",
            Source,
            "a DNAT rule is created with 202, read, changed with its version, and deleted with 202",
            async |bench| {
                let net = Net::of(bench).await;
                let task = net
                    .change(Ask::post(PROFILES).json(&profile(&net, "appPort_d")))
                    .await;
                let reference = json!({"name": "appPort_d", "id": owner(&task)});
                let rule = dnat("d", "100.64.0.20", "192.168.8.2", &reference);
                net.change(Ask::post(&net.below("nat/rules")).json(&rule))
                    .await;
                let found = named(&net, "d").await.unwrap();
                assert_eq!(found["applicationPortProfile"], reference);
                assert_eq!(found["dnatExternalPort"], "6443");
                assert_eq!(found["internalPort"], "");
                assert_eq!(found["version"]["version"], 0);
                let used = net.get(&net.below("usedIpAddresses?pageSize=25")).await;
                let mut used = used["values"].as_array().unwrap().iter();
                assert!(used.any(|row| row["category"] == "DNAT"));
                let path = net.below(&format!("nat/rules/{}", text(&found["id"])));
                let mut read = net.get(&path).await;
                read["dnatExternalPort"] = json!("443");
                net.change(Ask::put(&path).json(&read)).await;
                let changed = net.get(&path).await;
                assert_eq!(changed["dnatExternalPort"], "443");
                assert_eq!(changed["version"]["version"], 1);
                net.change(Ask::delete(&path)).await;
                assert!(named(&net, "d").await.is_none());
                net.send(Ask::get(&path)).await.expect(403);
            },
        ),
        fact(
            "7.3",
            Documents,
            "an update that names another version than the rule's is refused",
            async |bench| {
                let net = Net::of(bench).await;
                let rule = dnat("d", "100.64.0.20", "192.168.8.2", &Value::Null);
                net.change(Ask::post(&net.below("nat/rules")).json(&rule))
                    .await;
                let mut read = named(&net, "d").await.unwrap();
                let path = net.below(&format!("nat/rules/{}", text(&read["id"])));
                for version in [json!({"version": 7}), Value::Null] {
                    read["version"] = version;
                    let refusal = net.send(Ask::put(&path).json(&read)).await;
                    refusal.refused(400, "BAD_REQUEST");
                }
            },
        ),
        fact(
            "7.3",
            Documents,
            "the type of a rule is spelled as the version spells it",
            async |bench| {
                let net = Net::of(bench).await;
                let mut rule = dnat("d", "100.64.0.20", "192.168.8.2", &Value::Null);
                rule.as_object_mut().unwrap().remove("ruleType");
                rule["type"] = json!("DNAT");
                net.change(Ask::post(&net.below("nat/rules")).json(&rule))
                    .await;
                let found = named(&net, "d").await.unwrap();
                assert_eq!(found["type"], "DNAT");
                assert_eq!(found["ruleType"], "DNAT");
                assert_eq!(found["firewallMatch"], "MATCH_INTERNAL_ADDRESS");
                let mut reflexive = dnat("r", "100.64.0.21", "192.168.8.3", &Value::Null);
                reflexive["ruleType"] = Value::Null;
                reflexive["type"] = json!("REFLEXIVE");
                let post = Ask::post(&net.below("nat/rules")).json(&reflexive);
                net.change(post).await;
                let found = named(&net, "r").await.unwrap();
                assert!(found["ruleType"].is_null());
            },
        ),
        fact(
            "7.3",
            Source,
            "two rules of a gateway may have one name, unless the setting says otherwise",
            async |bench| {
                let net = Net::of(bench).await;
                let rule = dnat("d", "100.64.0.20", "192.168.8.2", &Value::Null);
                let post = || Ask::post(&net.below("nat/rules")).json(&rule);
                net.change(post()).await;
                net.change(post()).await;
                net.set(|set| set.nat_rule_names_are_unique = true);
                net.send(post()).await.refused(400, "DUPLICATE_NAME");
            },
        ),
        fact(
            "5.3",
            Documents,
            "rules that do not fit are refused",
            async |bench| {
                let net = Net::of(bench).await;
                for (field, value) in [
                    ("ruleType", json!("XNAT")),
                    ("ruleType", Value::Null),
                    ("externalAddresses", json!("")),
                    ("internalAddresses", json!(" ")),
                    ("dnatExternalPort", json!("http")),
                    (
                        "applicationPortProfile",
                        json!({"id": "urn:vcloud:applicationPortProfile:x"}),
                    ),
                    ("firewallMatch", json!("SOMETIMES")),
                ] {
                    let mut rule = dnat("d", "100.64.0.20", "192.168.8.2", &Value::Null);
                    rule[field] = value;
                    let post = Ask::post(&net.below("nat/rules")).json(&rule);
                    net.send(post).await.refused(400, "BAD_REQUEST");
                }
                let list = net.below("nat/rules?filter=name==d");
                net.send(Ask::get(&list)).await.refused(400, "BAD_REQUEST");
            },
        ),
    ]
}

fn paging() -> Vec<Fact> {
    vec![fact(
        "4.1",
        Source,
        "NAT rules are paged by the cursor of a link whose relation is exactly nextPage",
        async |bench| {
            let net = Net::of(bench).await;
            for number in 0..5 {
                let name = format!("rule-{number}");
                let rule = dnat(&name, "100.64.0.20", "192.168.8.2", &Value::Null);
                let post = Ask::post(&net.below("nat/rules")).json(&rule);
                net.change(post).await;
            }
            let mut path = net.below("nat/rules?pageSize=2");
            let mut names = BTreeSet::new();
            for page in 1..=3 {
                let answer = net.send(Ask::get(&path)).await.expect(200);
                let body = answer.json();
                for rule in body["values"].as_array().unwrap() {
                    assert!(names.insert(text(&rule["name"])), "{rule} comes twice");
                }
                let Some(link) = answer.header("link") else {
                    let (page, size) = (body["page"].as_u64(), body["pageSize"].as_u64());
                    let covered = page.unwrap() * size.unwrap();
                    assert!(covered >= body["resultTotal"].as_u64().unwrap());
                    break;
                };
                assert!(page < 3, "{link}");
                assert!(link.contains(";rel=\"nextPage\";"), "{link}");
                let url = link.split('>').next().unwrap().trim_start_matches('<');
                let cursor = url.split("cursor=").nth(1).unwrap();
                path = net.below(&format!("nat/rules?pageSize=2&cursor={cursor}"));
            }
            assert_eq!(names.len(), 5);
            let broken = net.below("nat/rules?cursor=nonsense");
            net.send(Ask::get(&broken))
                .await
                .refused(400, "BAD_REQUEST");
        },
    )]
}

fn profiles() -> Vec<Fact> {
    vec![
        fact(
            "7.3",
            Source,
            "a port profile is found by scope and name, read by id, changed and deleted",
            async |bench| {
                let net = Net::of(bench).await;
                let body = profile(&net, "appPort_dnat-x");
                let task = net.change(Ask::post(PROFILES).json(&body)).await;
                let filter = format!("{PROFILES}/?filter=name==appPort_dnat-x;scope==TENANT");
                let found = net.get(&filter).await;
                assert_eq!(found["resultTotal"], 1);
                assert_eq!(found["values"][0]["id"], json!(owner(&task)));
                let path = format!("{PROFILES}/{}", owner(&task));
                let mut read = net.get(&path).await;
                assert_eq!(
                    read["applicationPorts"][0]["destinationPorts"],
                    json!(["6443"])
                );
                assert_eq!(read["orgRef"]["id"], json!(net.bench.tenant.org_id));
                read["applicationPorts"][0]["destinationPorts"][0] = json!("443");
                net.change(Ask::put(&path).json(&read)).await;
                let read = net.get(&path).await;
                assert_eq!(
                    read["applicationPorts"][0]["destinationPorts"],
                    json!(["443"])
                );
                net.send(Ask::post(PROFILES).json(&body))
                    .await
                    .refused(400, "DUPLICATE_NAME");
                net.change(Ask::delete(&path)).await;
                assert_eq!(net.get(&filter).await["resultTotal"], 0);
            },
        ),
        fact(
            "7.5",
            Source,
            "a DNAT rule goes before its port profile",
            async |bench| {
                let net = Net::of(bench).await;
                let task = net
                    .change(Ask::post(PROFILES).json(&profile(&net, "p")))
                    .await;
                let rule = dnat(
                    "d",
                    "100.64.0.20",
                    "192.168.8.2",
                    &json!({"id": owner(&task)}),
                );
                net.change(Ask::post(&net.below("nat/rules")).json(&rule))
                    .await;
                let path = format!("{PROFILES}/{}", owner(&task));
                net.send(Ask::delete(&path))
                    .await
                    .refused(400, "BAD_REQUEST");
            },
        ),
        fact(
            "7.3",
            Documents,
            "the system's port profiles are there for everybody and change for nobody",
            async |bench| {
                let net = Net::of(bench).await;
                let filter = format!("{PROFILES}?filter=scope==SYSTEM;name==HTTPS");
                let found = net.get(&filter).await["values"][0].clone();
                assert_eq!(
                    found["applicationPorts"][0]["destinationPorts"],
                    json!(["443"])
                );
                let path = format!("{PROFILES}/{}", text(&found["id"]));
                for ask in [Ask::delete(&path), Ask::put(&path).json(&found)] {
                    net.send(ask.accept(ODD_ACCEPT))
                        .await
                        .refused(400, "BAD_REQUEST");
                }
                let mut foreign = profile(&net, "p");
                foreign["orgRef"] = json!({"id": net.bench.rival.org_id});
                net.send(Ask::post(PROFILES).json(&foreign))
                    .await
                    .expect(403);
                let mut nowhere = profile(&net, "p");
                nowhere["contextEntityId"] = json!("urn:vcloud:vdc:x");
                let refusal = net.send(Ask::post(PROFILES).json(&nowhere)).await;
                refusal.refused(400, "BAD_REQUEST");
            },
        ),
    ]
}

fn certificates() -> Vec<Fact> {
    vec![fact(
        "9.1",
        Inferred,
        "a certificate is added with 201, renamed, and deleted with 204, by whom that is permitted",
        async |bench| {
            let mut net = Net::of(bench).await;
            let path = "/cloudapi/1.0.0/ssl/certificateLibrary";
            let body = json!({
                "alias": "web", "certificate": "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----",
                "privateKey": "secret",
            });
            net.send(Ask::post(path).json(&body)).await.expect(403);
            net.token = net.bench.administrator().await;
            let added = net.send(Ask::post(path).json(&body)).await.expect(201);
            assert!(!added.text().contains("secret"));
            let item = added.json();
            net.send(Ask::post(path).json(&body))
                .await
                .refused(400, "DUPLICATE_NAME");
            let misspelt = "/cloudapi/1.0.0/ssl/cetificateLibrary?filter=alias==web";
            assert_eq!(net.get(misspelt).await["resultTotal"], 1);
            let one = format!("{path}/{}", text(&item["id"]));
            let renamed = json!({"alias": "www", "description": "d"});
            net.send(Ask::put(&one).json(&renamed)).await.expect(200);
            assert_eq!(net.get(&one).await["alias"], "www");
            net.send(Ask::delete(&one)).await.expect(204);
            net.send(Ask::get(&one)).await.expect(403);
            let trusted = net.get("/cloudapi/1.0.0/ssl/trustedCertificates").await;
            assert_eq!(trusted["values"], json!([]));
        },
    )]
}
