//! A real replica: its log is changed while it runs, forwarded, and it tells its health and figures.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use cse_server::sim::seed::default_config;
use serde_json::{Value, json};

use crate::support::process::{Process, until};
use crate::support::vcd::Vcd;

const PATIENCE: Duration = Duration::from_secs(30);

fn write_filter(vcd: &Vcd, filter: &str) {
    let file = vcd.path("cse-1.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = match text.split_once("filter = '") {
        Some((before, after)) => {
            let after = after.split_once("'\n").unwrap().1;
            format!("{before}filter = '{filter}'\n{after}")
        }
        None => text.replace("[log]\n", &format!("[log]\nfilter = '{filter}'\n")),
    };
    vcd.file("cse-1.toml", &text);
}

fn debug_lines(replica: &Process) -> usize {
    replica.records(|record| record["level"] == "DEBUG").len()
}

/// Goal: an operator sees more, or less, without a restart; a mistake changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_the_log_filter_again() {
    let vcd = Vcd::open();
    let replica = Process::replica(&vcd.replica("cse-1"), &[]);
    until("ready", PATIENCE, || replica.count("replica.ready") == 1).await;
    assert_eq!(debug_lines(&replica), 0);

    write_filter(&vcd, "info,cse_server::controller=debug");
    replica.hang_up();
    until("changed", PATIENCE, || {
        replica.count("log.filter_changed") == 1
    })
    .await;
    until("polls are told", PATIENCE, || debug_lines(&replica) > 0).await;

    write_filter(&vcd, "loud=very=much");
    replica.hang_up();
    until("refused", PATIENCE, || {
        replica.count("log.filter_refused") == 1
    })
    .await;
    let refused = replica.records(|record| record["fields"]["event"] == "log.filter_refused");
    let reason = refused[0]["fields"]["reason"].as_str().unwrap();
    assert!(reason.contains("loud=very=much"), "{reason}");
    let before = debug_lines(&replica);
    until("the old one stays", PATIENCE, || {
        debug_lines(&replica) > before
    })
    .await;

    write_filter(&vcd, "warn");
    replica.hang_up();
    until("changed back", PATIENCE, || {
        replica.count("log.filter_changed") == 2
    })
    .await;
    replica.terminate();
    let end = replica.end(PATIENCE).await;
    assert_eq!(end.code, Some(0));
    assert!(
        !end.lines.iter().any(|line| line.contains("\"draining\"")),
        "INFO is off"
    );
}

/// A configuration that names a syslog server.
fn with_syslog(host: &str, port: &str) -> Value {
    let mut config = default_config();
    config["profiles"][0]["vcdConfig"]["sysLogger"] = json!({"host": host, "port": port});
    config
}

fn listener() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn received(socket: &UdpSocket) -> Vec<String> {
    let mut room = [0; 4_096];
    let mut all = Vec::new();
    while let Ok(length) = socket.recv(&mut room) {
        all.push(String::from_utf8(room[..length].to_vec()).unwrap());
    }
    all
}

/// Goal: the server that the shared configuration names has the lines; another one is used as soon as it is
/// named; a port that is none is told and stops nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn lines_go_to_the_syslog_server_of_the_shared_configuration() {
    let (first, second) = (listener(), listener());
    let port = |socket: &UdpSocket| socket.local_addr().unwrap().port().to_string();
    let vcd = Vcd::with(|world| world.seed_config(with_syslog("127.0.0.1", &port(&first))));
    let replica = Process::replica(&vcd.replica("cse-1"), &[]);
    until("ready", PATIENCE, || replica.count("replica.ready") == 1).await;
    let accepted = replica.records(|record| record["fields"]["event"] == "config.accepted");
    let config = accepted[0]["fields"]["config_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let change = |server: Value| {
        let wall = "2026-03-01T12:00:00Z".parse().unwrap();
        let changed = vcd.world().modify_entity(&config, wall, |content| {
            content["profiles"][0]["vcdConfig"]["sysLogger"] = server;
        });
        assert!(changed);
    };
    let mut got = Vec::new();
    until("the first server has lines", PATIENCE, || {
        got.extend(received(&first));
        got.iter().any(|line| line.contains(" replica.ready "))
    })
    .await;
    assert!(got.iter().all(|line| line.starts_with("<30>1 ") && line.contains("[cse@32473 replica=\"cse-1\"")), "{got:#?}");

    change(json!({"host": "127.0.0.1", "port": port(&second)}));
    until("the second is set", PATIENCE, || {
        replica.count("syslog.set") == 2
    })
    .await;
    vcd.ask_for("blue");
    let mut got = Vec::new();
    until("the second server has lines", PATIENCE, || {
        vcd.clusters();
        got.extend(received(&second));
        got.iter().any(|line| {
            line.contains(" cluster.claimed ") && line.contains("cluster_name=\"blue\"")
        })
    })
    .await;

    change(json!({"host": "127.0.0.1", "port": "seventy"}));
    until("the mistake is told", PATIENCE, || {
        replica.count("config.ignored") == 1
    })
    .await;
    let told = replica.records(|record| record["fields"]["event"] == "config.ignored");
    let want = "profiles[0].vcdConfig.sysLogger.port: found \"seventy\", expected a whole number";
    assert_eq!(told[0]["fields"]["reason"], want);
    until("clusters go on", PATIENCE, || {
        vcd.clusters();
        replica.count("cluster.provisioned") == 1
    })
    .await;
    replica.terminate();
    assert_eq!(replica.end(PATIENCE).await.errors(), Vec::<&String>::new());
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let status = said.split(' ').nth(1).unwrap().parse().unwrap();
    (status, said.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn figure(figures: &str, start: &str) -> f64 {
    let lines = figures.lines().filter(|line| line.starts_with(start));
    let values = lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap());
    values.sum()
}

/// Goal: whoever watches a replica from beside knows whether it lives, is of use, and what it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_tells_its_health_and_figures_when_asked_to() {
    let vcd = Vcd::open();
    let file = vcd.replica("cse-1");
    let listen: [(&str, &OsStr); 1] = [("CSE_METRICS_LISTEN", OsStr::new("127.0.0.1:0"))];
    let replica = Process::replica(Path::new(&file), &listen);
    let mut address = None;
    until("it listens", PATIENCE, || {
        let told = replica.records(|record| record["fields"]["event"] == "metrics.listening");
        address = told
            .first()
            .and_then(|record| record["fields"]["address"].as_str()?.parse().ok());
        address.is_some()
    })
    .await;
    let address: SocketAddr = address.unwrap();
    assert_eq!(get(address, "/healthz"), (200, "ok\n".to_owned()));
    vcd.ask_for("blue");
    until("blue is there", PATIENCE, || {
        vcd.clusters();
        get(address, "/metrics")
            .1
            .contains("{end=\"provisioned\"} 1\n")
    })
    .await;
    assert_eq!(get(address, "/readyz"), (200, "ok\n".to_owned()));
    let figures = get(address, "/metrics").1;
    for (name, least) in [
        ("cse_server_build_info{", 1.0),
        ("cse_server_ready ", 1.0),
        ("cse_server_claims_total{origin=\"free\"}", 1.0),
        ("cse_server_work_ended_total{end=\"provisioned\"}", 1.0),
        ("cse_server_actions_total{action=\"create-vm\"", 1.0),
        ("cse_server_polls_total{kind=\"full\",outcome=\"ok\"}", 1.0),
        ("cse_server_polls_total{kind=\"quick\",outcome=\"ok\"}", 1.0),
        (
            "cse_server_vcd_requests_total{method=\"PUT\",outcome=\"ok\",status=\"200\"}",
            2.0,
        ),
        (
            "cse_server_vcd_request_duration_seconds_count{method=\"GET\"}",
            10.0,
        ),
        ("cse_server_vcd_window ", 2.0),
        ("cse_server_slots ", 32.0),
        ("cse_server_last_poll_timestamp_seconds ", 1.7e9),
    ] {
        let value = figure(&figures, name);
        assert!(value >= least, "{name} is {value}\n{figures}");
    }
    for secret in ["blue", "acme", "urn:vcloud", &vcd.access.provider_token] {
        assert!(!figures.contains(secret), "{secret}");
    }
    let series = figures
        .lines()
        .filter(|line| !line.starts_with('#'))
        .count();
    assert!(series < 1_000, "{series} series");
    replica.terminate();
    assert_eq!(replica.end(PATIENCE).await.code, Some(0));
}

/// Goal: a log at TRACE of a replica that speaks HTTP and TLS can be given away.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_at_trace_of_a_real_process_has_no_secret() {
    let vcd = Vcd::open();
    let everything: [(&str, &OsStr); 1] = [("CSE_LOG", OsStr::new("trace"))];
    let replica = Process::replica(&vcd.replica("cse-1"), &everything);
    vcd.ask_for("blue");
    until("blue is there", PATIENCE, || {
        vcd.clusters();
        replica.count("cluster.provisioned") == 1
    })
    .await;
    replica.terminate();
    let end = replica.end(PATIENCE).await;
    let log = end.lines.join("\n");
    assert!(log.contains("\"level\":\"TRACE\"") && log.contains("answered"));
    let token = &vcd.access.provider_token;
    for secret in [
        token.as_str(),
        &vcd.tenant.api_token,
        "Bearer ",
        "eyJ",
        "refresh_token=",
        "client-key-data",
    ] {
        let line = end.lines.iter().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret}: {line:?}");
    }
}
