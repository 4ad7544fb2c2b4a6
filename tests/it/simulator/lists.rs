//! Pages, filters and order of entity lists.

use serde_json::{Value, json};

use crate::support::site::{Ask, Site, cluster, entity};

const LIST: &str = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster";

/// Thirty clusters; the odd ones are resolved.
fn populated() -> (Site, String) {
    let mut site = Site::new();
    let author = site.login("author", "acme");
    for number in 0..30 {
        let mut content = cluster(&format!("c{number:02}"));
        content["spec"]["size"] = json!(number);
        content["spec"]["nothing"] = Value::Null;
        let id = site.create(&author, &format!("c{number:02}"), &content);
        if number % 2 == 1 {
            site.resolve(&author, &id);
        }
    }
    (site, author)
}

fn names(page: &Value) -> Vec<&str> {
    page["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect()
}

#[test]
fn pages_have_bounds_and_go_on_empty_past_the_end() {
    let (mut site, author) = populated();
    for (query, status, rows, pages) in [
        ("", 200, 25, 2),
        ("?pageSize=128", 200, 30, 1),
        ("?pageSize=7&page=5", 200, 2, 5),
        ("?pageSize=7&page=6", 200, 0, 5),
        ("?page=1000000", 200, 0, 2),
        ("?pageSize=129", 400, 0, 0),
        ("?pageSize=0", 400, 0, 0),
        ("?page=0", 400, 0, 0),
        ("?page=x", 400, 0, 0),
    ] {
        let answer = site.call(Ask::get(&format!("{LIST}{query}")).by(&author));
        assert_eq!(answer.status(), status, "{query}");
        if status == 200 {
            let page = answer.json();
            assert_eq!(
                (names(&page).len(), &page["pageCount"]),
                (rows, &json!(pages)),
                "{query}"
            );
            assert_eq!(
                (&page["resultTotal"], &page["associations"]),
                (&json!(30), &Value::Null)
            );
        }
    }
}

#[test]
fn links_lead_from_page_to_page() {
    let (mut site, author) = populated();
    let mut path = format!("{LIST}/?pageSize=8&sortAsc=name&filter=name==c*");
    let mut seen = Vec::new();
    for _ in 0..10 {
        let answer = site.call(Ask::get(&path).by(&author));
        seen.extend(names(&answer.json()).into_iter().map(str::to_owned));
        let links = answer
            .0
            .headers()
            .get_all("link")
            .iter()
            .map(|link| link.to_str().unwrap());
        let next = links
            .into_iter()
            .find(|link| link.contains(";rel=\"nextPage\";"));
        let Some(next) = next else { break };
        let url = next.strip_prefix('<').unwrap().split('>').next().unwrap();
        path = url.strip_prefix("https://vcd.example").unwrap().to_owned();
    }
    let want: Vec<String> = (0..30).map(|number| format!("c{number:02}")).collect();
    assert_eq!(seen, want);
}

#[test]
fn filters_reach_envelope_and_content_but_nothing_hidden() {
    let (mut site, author) = populated();
    for (filter, version, want) in [
        ("name==c07", "37.2", Ok(1)),
        ("name==c0*", "37.2", Ok(10)),
        ("state==RESOLVED", "37.2", Ok(15)),
        ("entityState==RESOLVED;name==c0*", "37.2", Ok(5)),
        ("name==c01,name==c02", "37.2", Ok(2)),
        ("entity.spec.size=ge=28", "37.2", Ok(2)),
        ("entity.metadata.name==c03", "37.2", Ok(1)),
        ("entity.status.vcdKe.state!=provisioned", "37.2", Ok(30)),
        ("entity.no.such.path==x", "37.2", Ok(0)),
        ("entity.no.such.path!=x", "37.2", Ok(0)),
        ("entity.spec.nothing!=x", "37.2", Ok(0)),
        ("entity.spec.vcdKe.secure.apiToken==*", "37.2", Ok(0)),
        ("nonsense==x", "37.2", Err(400)),
        ("org.name==acme", "37.2", Err(400)),
        ("creationDate=gt=2020-01-01T00:00:00.000Z", "37.2", Err(400)),
        ("creationDate=gt=2020-01-01T00:00:00.000Z", "38.0", Ok(30)),
        ("name==", "37.2", Ok(0)),
        ("name", "37.2", Err(400)),
    ] {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("pageSize", "128")
            .append_pair("filter", filter);
        let ask = Ask::get(&format!("{LIST}?{}", query.finish()))
            .by(&author)
            .version(version);
        let answer = site.call(ask);
        let got = match answer.status() {
            200 => Ok(names(&answer.json()).len()),
            status => Err(status),
        };
        assert_eq!(got, want, "{filter} at {version}");
    }
}

#[test]
fn lists_are_ordered_by_plain_and_nested_keys() {
    let (mut site, author) = populated();
    for (query, first) in [
        ("sortAsc=name", "c00"),
        ("sortDesc=name", "c29"),
        ("sortDesc=entity.spec.size", "c29"),
        ("sortAsc=entity.spec.size", "c00"),
    ] {
        let page = site
            .call(Ask::get(&format!("{LIST}?{query}")).by(&author))
            .json();
        assert_eq!(names(&page)[0], first, "{query}");
    }
    assert_eq!(
        site.call(Ask::get(&format!("{LIST}?sortAsc=nonsense")).by(&author))
            .status(),
        400
    );
}

#[test]
fn a_list_is_found_by_type_prefix_urn_and_interface() {
    let (mut site, author) = populated();
    let prefix = "/cloudapi/1.0.0/entities";
    for (path, total) in [
        ("types/vmware/capvcdCluster", 30),
        ("types/vmware/capvcdCluster/1", 30),
        ("types/vmware/capvcdCluster/1.3", 30),
        ("types/vmware/capvcdCluster/1.3.0/", 30),
        ("types/vmware/capvcdCluster/1.2", 0),
        ("types/vmware/other/1", 0),
        ("types/urn:vcloud:type:vmware:capvcdCluster:1.3.0", 30),
        ("interfaces/cse/capvcd/1.0.0", 30),
        ("interfaces/urn:vcloud:interface:cse:capvcd:1.0.0", 30),
        ("interfaces/vmware/k8s/1.0.0", 0),
    ] {
        let answer = site.call(Ask::get(&format!("{prefix}/{path}")).by(&author));
        assert_eq!(
            (answer.status(), &answer.json()["resultTotal"]),
            (200, &json!(total)),
            "{path}"
        );
    }
}

#[test]
fn a_list_shows_the_same_as_a_read_by_id_also_after_a_change() {
    let (mut site, author) = populated();
    let boss = site.login("boss", "acme");
    for round in 0..3 {
        for (token, version) in [
            (&author, "37.2"),
            (&author, "38.0"),
            (&boss, "37.2"),
            (&boss, "38.0"),
        ] {
            let list = site.call(
                Ask::get(&format!("{LIST}?filter=name==c00"))
                    .by(token)
                    .version(version),
            );
            let row = list.json()["values"][0].clone();
            let path = entity(row["id"].as_str().unwrap());
            assert_eq!(
                row,
                site.call(Ask::get(&path).by(token).version(version)).json(),
                "{version}"
            );
            assert_eq!(
                row["entity"]["status"].get("round"),
                (round > 0).then(|| json!(round)).as_ref()
            );
        }
        let clusters = site.world.clusters();
        let first = clusters.iter().find(|cluster| cluster.name == "c00");
        let urn = first.unwrap().urn.clone();
        let wall = site.wall();
        assert!(site.world.modify_entity(&urn, wall, |content| {
            content["status"]["round"] = json!(round + 1);
        }));
    }
}

#[test]
fn access_levels_and_urns_are_resolved() {
    let (mut site, author) = populated();
    let levels = site
        .call(Ask::get("/cloudapi/1.0.0/accessLevels").by(&author))
        .json();
    assert_eq!(levels["resultTotal"], 3);
    let urn = site.world.clusters()[0].urn.clone();
    let found = site
        .call(Ask::get(&format!("/cloudapi/1.0.0/entity/{urn}")).by(&author))
        .json();
    assert_eq!(
        found["link"],
        format!("https://vcd.example/cloudapi/1.0.0/entities/{urn}")
    );
}
