//! What a provider manages besides: users, organizations, UI plug-ins, compute policies.

use serde_json::{Value, json};

use super::fact::Mark::{Documents, Inferred, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::people::{knock, root};
use super::support::rde::read;
use super::support::wire::{Answer, Ask};

const API: &str = "/cloudapi/1.0.0";

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = people();
    facts.extend(offers());
    facts
}

async fn get(bench: &Bench, token: &str, path: &str) -> Answer {
    bench
        .send(Ask::get(&format!("{API}/{path}")).by(token))
        .await
}

fn id(made: &Value) -> &str {
    made["id"].as_str().unwrap()
}

fn people() -> Vec<Fact> {
    vec![
        fact(
            "9.1",
            Documents,
            "users are made, changed, disabled and deleted by administrators, and log in accordingly",
            async |bench| {
                let root = root(&bench).await;
                let org = bench.tenant.org_id.clone();
                let users = format!("{API}/users");
                let ask = |ask: Ask| ask.by(&root).header("x-vmware-vcloud-tenant-context", &org);
                let body = json!({"username": "carl", "password": "secret", "fullName": "Carl",
                    "roleEntityRefs": [{"name": "Kubernetes Cluster Author"}], "enabled": true});
                let made = bench.send(ask(Ask::post(&users)).json(&body)).await;
                let made = made.expect(201).json();
                assert_eq!(made["password"], Value::Null);
                assert_eq!(made["orgEntityRef"]["name"], "acme");
                knock(&bench, ("acme", "carl"), "secret").await.expect(200);
                let twice = bench.send(ask(Ask::post(&users)).json(&body)).await;
                twice.refused(400, "DUPLICATE_NAME");
                let one = format!("{users}/{}", id(&made));
                let off = json!({"username": "carl", "enabled": false});
                bench.send(ask(Ask::put(&one)).json(&off)).await.expect(200);
                knock(&bench, ("acme", "carl"), "secret").await.expect(401);
                bench.send(ask(Ask::delete(&one))).await.expect(204);
                bench.send(ask(Ask::get(&one))).await.expect(403);
                let author = bench.author().await;
                bench.send(Ask::get(&users).by(&author)).await.expect(403);
            },
        ),
        fact(
            "9.1",
            Documents,
            "organizations are listed to a provider, each to its own, and go disabled and empty",
            async |bench| {
                let (root, author) = (root(&bench).await, bench.author().await);
                let own = get(&bench, &author, "orgs").await.expect(200).json();
                assert_eq!(own["resultTotal"], 1);
                assert_eq!(own["values"][0]["orgVdcCount"], 1);
                assert_eq!(get(&bench, &root, "orgs").await.json()["resultTotal"], 3);
                let body = json!({"name": "nova", "displayName": "Nova", "isEnabled": true});
                let ask = Ask::post(&format!("{API}/orgs")).by(&root).json(&body);
                let made = bench.send(ask).await.expect(201).json();
                let path = format!("{API}/orgs/{}", id(&made));
                bench.send(Ask::delete(&path).by(&root)).await.expect(400);
                let off = json!({"name": "nova", "displayName": "Nova", "isEnabled": false});
                bench
                    .send(Ask::put(&path).by(&root).json(&off))
                    .await
                    .expect(200);
                bench.send(Ask::delete(&path).by(&root)).await.expect(204);
                let ask = Ask::post(&format!("{API}/orgs")).by(&author).json(&body);
                bench.send(ask).await.expect(403);
            },
        ),
    ]
}

fn offers() -> Vec<Fact> {
    vec![
        fact(
            "9.3",
            Source,
            "a UI plug-in is a row of a bare array, uploaded by a transfer link and published",
            async |bench| {
                let (root, author) = (root(&bench).await, bench.author().await);
                let all = "/cloudapi/extensions/ui";
                let body = json!({"pluginName": "CSE", "vendor": "VMware", "version": "4.2.0",
                    "license": "BSD", "link": "https://x", "description": "d",
                    "tenant_scoped": true, "provider_scoped": true, "enabled": true});
                let made = bench
                    .send(Ask::post(all).by(&root).json(&body))
                    .await
                    .expect(201);
                let made = made.json();
                assert!(id(&made).starts_with("urn:vcloud:uiPlugin:"));
                assert_eq!(made["plugin_status"], "unavailable");
                let one = format!("{all}/{}", id(&made));
                let spec = json!({"fileName": "cse.zip", "size": 4, "checksum": "00",
                    "checksumAlgo": "sha256"});
                let ask = Ask::post(&format!("{one}/plugin")).by(&root).json(&spec);
                let link = bench.send(ask).await.expect(204).header("link").unwrap();
                let place = link.split(['<', '>']).nth(1).unwrap();
                let place = place.strip_prefix(&bench.url).unwrap();
                assert!(place.starts_with("/transfer/"), "{link}");
                let put = Ask::put(place)
                    .by(&root)
                    .document("application/zip", "PK12");
                bench.send(put).await.expect(200);
                let list = bench.send(Ask::get(all).by(&root)).await.expect(200).json();
                assert_eq!(list[0]["plugin_status"], "ready");
                let seen = bench
                    .send(Ask::get(all).by(&author))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(seen, json!([]));
                let orgs = json!([{"name": "acme", "id": bench.tenant.org_id}]);
                let ask = Ask::post(&format!("{one}/tenants/publish"))
                    .by(&root)
                    .json(&orgs);
                bench.send(ask).await.expect(200);
                let seen = bench
                    .send(Ask::get(all).by(&author))
                    .await
                    .expect(200)
                    .json();
                assert_eq!(seen[0]["pluginName"], "CSE");
                let none = bench.send(Ask::get(&format!("{all}/urn:vcloud:uiPlugin:x")).by(&root));
                assert!(
                    none.await
                        .expect(500)
                        .text()
                        .contains("NullPointerException")
                );
                bench.send(Ask::delete(&one).by(&root)).await.expect(204);
            },
        ),
        fact(
            "9.1",
            Source,
            "a sizing policy is made, found under both versions, assigned to a VDC and deleted",
            async |bench| {
                let (root, author) = (bench.administrator().await, bench.author().await);
                let policies = "/cloudapi/2.0.0/vdcComputePolicies";
                let body = json!({"name": "TKG tiny", "description": "small", "cpuCount": 1,
                    "memory": 1024, "policyType": "VdcVmPolicy", "isSizingOnly": true});
                let made = bench.send(Ask::post(policies).by(&root).json(&body)).await;
                let made = made.expect(201).json();
                assert_eq!(
                    (&made["cpuCount"], &made["isSizingOnly"]),
                    (&json!(1), &json!(true))
                );
                let seen = async |path: &str| {
                    let path = format!("{path}?filter=name==TKG%20tiny");
                    let listed = bench
                        .send(Ask::get(&path).by(&author))
                        .await
                        .expect(200)
                        .json();
                    listed["resultTotal"].clone()
                };
                assert_eq!(seen(policies).await, 0, "assigned to no VDC");
                let query = "/api/query?type=orgVdc&format=records";
                let vdc = bench
                    .send(Ask::get(query).xml().by(&author))
                    .await
                    .expect(200)
                    .text();
                let vdc = vdc
                    .split("/api/vdc/")
                    .nth(1)
                    .unwrap()
                    .split('"')
                    .next()
                    .unwrap();
                let media = "application/vnd.vmware.vcloud.vdcComputePolicyReferences+xml";
                let assigned = format!("/api/admin/vdc/{vdc}/computePolicies");
                // The default policy of a VDC cannot be taken from it.
                let path = format!("/api/vdc/{vdc}");
                let document = bench.send(Ask::get(&path).xml().by(&author)).await;
                let document = document.expect(200).text();
                let default = document.split("<DefaultComputePolicy ").nth(1).unwrap();
                let default = default.split("id=\"").nth(1).unwrap();
                let default = default.split('"').next().unwrap();
                let document = format!(
                    "<VdcComputePolicyReferences xmlns=\"http://www.vmware.com/vcloud/v1.5\">\
                     <VdcComputePolicyReference id=\"{default}\" href=\"x/{default}\"/>\
                     <VdcComputePolicyReference id=\"{0}\" href=\"x/{0}\"/>\
                     </VdcComputePolicyReferences>",
                    id(&made)
                );
                let put = Ask::put(&assigned)
                    .xml()
                    .by(&root)
                    .document(media, &document);
                assert!(
                    bench
                        .send(put)
                        .await
                        .expect(200)
                        .text()
                        .contains("TKG tiny")
                );
                assert_eq!(seen(policies).await, 1);
                assert_eq!(seen("/cloudapi/1.0.0/vdcComputePolicies/").await, 1);
                let of_vdc = format!("/cloudapi/2.0.0/vdcs/urn:vcloud:vdc:{vdc}/computePolicies");
                assert_eq!(seen(&of_vdc).await, 1);
                let one = format!("{policies}/{}", id(&made));
                bench.send(Ask::delete(&one).by(&author)).await.expect(403);
                bench.send(Ask::delete(&one).by(&root)).await.expect(204);
                bench.send(Ask::get(&one).by(&root)).await.expect(403);
            },
        ),
        fact(
            "9.1",
            Inferred,
            "taking ownership moves the entities of a user to the caller",
            async |bench| {
                let (root, author) = (root(&bench).await, bench.author().await);
                let urn = super::support::rde::created(&bench, &author, "blue").await;
                let org = bench.tenant.org_id.clone();
                let path = format!("{API}/users/{}/takeOwnership", bench.tenant.author_id);
                let ask = Ask::post(&path).by(&root);
                let ask = ask.header("x-vmware-vcloud-tenant-context", &org);
                bench.send(ask).await.expect(204);
                let admin = bench.administrator().await;
                assert_eq!(
                    read(&bench, &admin, &urn).await.json()["owner"]["name"],
                    "root"
                );
            },
        ),
    ]
}
