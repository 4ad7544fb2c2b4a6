//! What VCD answers to requests that are wrong in one way or another.

use cse_server::sim::choices::UnversionedAccept;
use serde_json::json;

use super::fact::Mark::{Documents, Inferred, Source};
use super::fact::{Fact, fact};
use super::support::rde::{CLUSTERS, at, resolved};
use super::support::wire::Ask;
use http::Method;

const LIST: &str = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1";

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = forms();
    facts.extend(versions());
    facts.extend(lists());
    facts
}

fn forms() -> Vec<Fact> {
    vec![
        fact(
            "5.3",
            Documents,
            "a method that an address lacks is 405, an address that there is not 404",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                for (method, path, status) in [
                    ("PATCH", at(&urn), 405),
                    ("POST", at(&urn), 405),
                    ("GET", format!("{}/resolve", at(&urn)), 405),
                    ("POST", LIST.to_owned(), 405),
                    ("DELETE", "/cloudapi/1.0.0/rights".to_owned(), 405),
                    ("PUT", "/cloudapi/1.0.0/sessions/current".to_owned(), 405),
                    ("GET", "/oauth/provider/token".to_owned(), 405),
                    ("GET", "/cloudapi/1.0.0/entities".to_owned(), 404),
                    ("GET", format!("{}/nothing", at(&urn)), 404),
                    (
                        "POST",
                        "/cloudapi/1.0.0/globalRoles/x/tenants/sell".to_owned(),
                        404,
                    ),
                ] {
                    let method = Method::from_bytes(method.as_bytes()).unwrap();
                    bench
                        .send(Ask::new(method, &path).by(&token))
                        .await
                        .expect(status);
                }
            },
        ),
        fact(
            "5.3",
            Documents,
            "a body that is no JSON by its type is 415, one that is none by its text 400",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                let xml = Ask::put(&at(&urn))
                    .by(&token)
                    .document("application/xml", "<a/>");
                bench.send(xml).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
                let login = Ask::post("/oauth/provider/token").json(&json!({}));
                bench
                    .send(login)
                    .await
                    .refused(415, "UNSUPPORTED_MEDIA_TYPE");
                let create = format!("/cloudapi/1.0.0/entityTypes/{CLUSTERS}");
                for body in [
                    "{",
                    "[]",
                    "null",
                    "{\"name\":\"b\"}",
                    "{\"name\":7,\"entity\":{}}",
                ] {
                    for ask in [Ask::put(&at(&urn)), Ask::post(&create)] {
                        let ask = ask.by(&token).document("application/json", body);
                        bench.send(ask).await.refused(400, "BAD_REQUEST");
                    }
                }
            },
        ),
        fact(
            "5.3",
            Source,
            "errors are JSON with the request id in front, and XML under /api",
            async |bench| {
                let token = bench.author().await;
                let ask = || Ask::get(&at("urn:vcloud:entity:a:b:c")).by(&token);
                let own = "17-2026-01-02";
                let asked = ask().header("x-vmware-vcloud-client-request-id", own);
                let error = bench.send(asked).await.expect(403);
                let known = error.header("x-vmware-vcloud-request-id").unwrap();
                assert!(known.starts_with(&format!("{own}-")), "{known}");
                let body = error.json();
                let message = body["message"].as_str().unwrap();
                assert!(message.starts_with(&format!("[ {known} ] ")), "{message}");
                assert!(body.get("stackTrace").is_some());
                let odd = ask().header("x-vmware-vcloud-client-request-id", "a b;c");
                let known = bench.send(odd).await.header("x-vmware-vcloud-request-id");
                assert_eq!(known.unwrap().len(), 36);
                let xml = Ask::get("/api/task/none").xml().by(&token);
                let xml = bench.send(xml).await.expect(403).text();
                assert!(xml.contains("<Error xmlns=\"http://www.vmware.com/vcloud/v1.5\""));
            },
        ),
    ]
}

fn versions() -> Vec<Fact> {
    vec![
        fact(
            "1.3",
            Source,
            "any Accept with a known version is answered in it, however odd its media type",
            async |bench| {
                let token = bench.author().await;
                for (accept, version) in [
                    ("application/json;version=37.0", "37.0"),
                    ("*_/_*;version=37.2", "37.2"),
                    ("application/json; version=37.1", "37.1"),
                    ("application/*+json;version=38.1", "38.1"),
                    ("application/json;version=39.1", "39.1"),
                    ("application/json;version=", "39.1"),
                ] {
                    let ask = Ask::get(LIST).by(&token).accept(accept);
                    // Sent by go-vcloud-director on reads, too.
                    let ask = ask.header("content-type", "application/json");
                    let answer = bench.send(ask).await.expect(200);
                    let media = answer.header("content-type").unwrap();
                    assert_eq!(
                        media,
                        format!("application/json;version={version}"),
                        "{accept}"
                    );
                }
            },
        ),
        fact(
            "1.3",
            Documents,
            "an unknown version is 406 and the text lists the known ones",
            async |bench| {
                let token = bench.author().await;
                for version in ["40.0", "29.0", "37.9", "banana", "39.0.0-alpha"] {
                    let ask = Ask::get(LIST).by(&token).version(version);
                    let refused = bench.send(ask).await.refused(406, "NOT_ACCEPTABLE");
                    let text = refused.text();
                    assert!(
                        text.contains(version) && text.contains("37.0, 37.1"),
                        "{text}"
                    );
                }
            },
        ),
        fact(
            "1.3",
            Inferred,
            "without a version the highest one answers, or by setting the lowest or none",
            async |bench| {
                let token = bench.author().await;
                let ask = || Ask::get(LIST).by(&token).without_accept();
                let media = async || bench.send(ask()).await.header("content-type").unwrap();
                assert!(media().await.ends_with("version=39.1"));
                bench.world().settings_mut().unversioned_accept = UnversionedAccept::Lowest;
                assert!(media().await.ends_with("version=37.0"));
                bench.world().settings_mut().unversioned_accept = UnversionedAccept::Refused;
                bench.send(ask()).await.refused(406, "NOT_ACCEPTABLE");
                bench
                    .send(Ask::get("/api/versions").without_accept())
                    .await
                    .expect(200);
                bench.author().await;
            },
        ),
        fact(
            "3.6",
            Source,
            "up to 36.0 a missing entity is said not to exist, and younger addresses are 404",
            async |bench| {
                bench.world().offer_versions(&[(36, 0), (37, 2)]);
                let token = bench.author().await;
                let ask = Ask::get(&at("urn:vcloud:entity:a:b:c"))
                    .by(&token)
                    .version("36.0");
                let text = bench.send(ask).await.expect(403).text();
                assert!(text.contains("does not exist"), "{text}");
                let accounts = Ask::get("/cloudapi/1.0.0/serviceAccounts").by(&token);
                bench.send(accounts.version("36.0")).await.expect(404);
            },
        ),
    ]
}

fn lists() -> Vec<Fact> {
    vec![
        fact(
            "4.1",
            Documents,
            "pages are counted from 1, 25 by default, 128 at most, and empty past the end",
            async |bench| {
                let token = bench.author().await;
                resolved(&bench, &token, "blue").await;
                let get = async |query: &str| {
                    bench
                        .send(Ask::get(&format!("{LIST}{query}")).by(&token))
                        .await
                };
                let page = get("").await.expect(200).json();
                assert_eq!((&page["page"], &page["pageSize"]), (&json!(1), &json!(25)));
                assert_eq!(
                    (&page["pageCount"], &page["associations"]),
                    (&json!(1), &json!(null))
                );
                let past = get("?page=9&pageSize=128").await.expect(200).json();
                assert_eq!(
                    (&past["values"], &past["resultTotal"]),
                    (&json!([]), &json!(1))
                );
                for query in [
                    "?pageSize=129",
                    "?pageSize=0",
                    "?page=0",
                    "?page=x",
                    "?pageSize=-1",
                ] {
                    get(query).await.refused(400, "BAD_REQUEST");
                }
                bench.world().settings_mut().oversized_pages_are_cut = true;
                assert_eq!(
                    get("?pageSize=129").await.expect(200).json()["pageSize"],
                    128
                );
            },
        ),
        fact(
            "4.2",
            Source,
            "an unknown key of a filter or an order is 400, an unknown path in the content finds nothing",
            async |bench| {
                let token = bench.author().await;
                let urn = resolved(&bench, &token, "blue").await;
                let get = async |query: &str| {
                    bench
                        .send(Ask::get(&format!("{LIST}?{query}")).by(&token))
                        .await
                };
                for query in [
                    "filter=color==red",
                    "filter=(name==b",
                    "filter=name",
                    "sortAsc=color",
                    "filter=org.name==acme",
                    "filter=creationDate=gt=2026-01-01T00:00:00.000Z",
                    "metadata=(",
                ] {
                    get(query).await.refused(400, "BAD_REQUEST");
                }
                for (query, want) in [
                    ("filter=entity.no.such.path==x", 0),
                    ("filter=entity.metadata.orgName==acme", 1),
                    ("filter=entity.spec.vcdKe.secure.apiToken==hidden", 0),
                    ("filter=(state==RESOLVED,state==PRE_CREATED);name==bl*", 1),
                    ("filter=name==b%2520lue&filterEncoded=true", 0),
                    ("filter=externalId==x", 0),
                    (format!("filter=id=={urn}").as_str(), 1),
                ] {
                    let listed = get(query).await.expect(200).json();
                    assert_eq!(listed["resultTotal"], want, "{query}");
                }
                bench.world().settings_mut().lists_filter_by_owner = true;
                for (query, want) in [
                    ("filter=org.name==acme;owner.name==acme-author", 1),
                    ("filter=owner.name==nobody", 0),
                ] {
                    assert_eq!(get(query).await.expect(200).json()["resultTotal"], want);
                }
            },
        ),
        fact(
            "3.2",
            Documents,
            "entities are listed by type, URN and interface, whose versions may be prefixes",
            async |bench| {
                let token = bench.author().await;
                resolved(&bench, &token, "blue").await;
                for (path, want) in [
                    ("types/vmware/capvcdCluster", 1),
                    ("types/vmware/capvcdCluster/1", 1),
                    ("types/vmware/capvcdCluster/1.2", 1),
                    ("types/vmware/capvcdCluster/1.2.0/", 1),
                    ("types/vmware/capvcdCluster/1.3.0", 0),
                    ("types/vmware/capvcdCluster/2", 0),
                    ("types/urn:vcloud:type:vmware:capvcdCluster:1.2.0", 1),
                    ("interfaces/vmware/k8s/1", 1),
                    ("interfaces/cse/capvcd/1.0.0", 1),
                    ("interfaces/cse/capvcd/2", 0),
                    ("interfaces/urn:vcloud:interface:vmware:k8s:1.0.0", 1),
                ] {
                    let path = format!("/cloudapi/1.0.0/entities/{path}");
                    let listed = bench
                        .send(Ask::get(&path).by(&token))
                        .await
                        .expect(200)
                        .json();
                    assert_eq!(listed["resultTotal"], want, "{path}");
                }
            },
        ),
    ]
}
