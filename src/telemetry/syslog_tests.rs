//! Messages against the grammar of RFC 5424, and forwarding to a real socket.

use std::net::UdpSocket;

use super::super::record::Value;
use super::*;

fn record(level: Level, fields: Vec<(&'static str, Value)>) -> Record {
    Record {
        time: "2003-10-11T22:14:15.003Z".parse().unwrap(),
        level,
        target: "cse_server::x".to_owned(),
        code: None,
        message: "cluster claimed".to_owned(),
        message_id: None,
        fields,
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn origin() -> Origin {
    Origin {
        host: "mymachine.example.com".to_owned(),
        replica: "cse-1".to_owned(),
        process: 8710,
    }
}

/// Priority, header, structured data, and what is said.
type Parts = (u8, Vec<String>, Vec<(String, String)>, String);

/// Parts of a message as the grammar of section 6 has them; nothing when it is none.
fn parse(message: &str) -> Option<Parts> {
    let (priority, rest) = message.strip_prefix('<')?.split_once(">1 ")?;
    let mut header: Vec<&str> = rest.splitn(6, ' ').collect();
    let rest = header.pop()?;
    let mut rest = rest.strip_prefix("[cse@32473")?;
    let mut data = Vec::new();
    while let Some(more) = rest.strip_prefix(' ') {
        let (key, value) = more.split_once("=\"")?;
        let mut plain = String::new();
        let mut chars = value.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, ']') => return None,
                (_, '\\') => plain.push(chars.next()?.1),
                (_, c) => plain.push(c),
            }
        };
        data.push((key.to_owned(), plain));
        rest = value.get(end + 1..)?;
    }
    let said = rest.strip_prefix("] ")?;
    let header = header.into_iter().map(str::to_owned).collect();
    Some((priority.parse().ok()?, header, data, said.to_owned()))
}

#[test]
fn a_message_is_one_of_rfc_5424() {
    let fields = vec![
        ("event", text("cluster.claimed")),
        ("cluster_name", text("a \"b\" \\ ]c")),
        ("attempt", Value::Unsigned(2)),
        ("reason", text("why not")),
    ];
    let message = message(&record(Level::WARN, fields), &origin());
    // The header is example 1 of section 6.5, with our names in it.
    let header =
        "<28>1 2003-10-11T22:14:15.003Z mymachine.example.com cse-server 8710 cluster.claimed ";
    assert!(message.starts_with(header), "{message}");
    let (priority, header, data, said) = parse(&message).unwrap();
    assert_eq!((priority, header.len()), (28, 5));
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let want = [
        pair("replica", "cse-1"),
        pair("cluster_name", "a \"b\" \\ ]c"),
        pair("attempt", "2"),
    ];
    assert_eq!(data, want);
    assert_eq!(said, "cluster claimed, reason: why not");
}

#[test]
fn levels_are_severities_of_the_facility_daemon() {
    let rows = [
        (Level::ERROR, 27),
        (Level::WARN, 28),
        (Level::INFO, 30),
        (Level::DEBUG, 31),
    ];
    for (level, want) in rows {
        let (priority, header, _, _) =
            parse(&message(&record(level, Vec::new()), &origin())).unwrap();
        assert_eq!((priority, header[4].as_str()), (want, "-"), "{level}");
    }
}

#[test]
fn nothing_that_tenants_write_makes_a_message_too_long_or_another_one() {
    let hostile = "]\"\\<14>1 - - - - - - ".repeat(1_000);
    let fields = DATA.into_iter().map(|key| (key, text(&hostile)));
    let mut record = record(Level::INFO, fields.collect());
    record.message = "\u{7eff}".repeat(4_000);
    let origin = Origin {
        host: "h\u{e4} h".repeat(200),
        ..origin()
    };
    let message = message(&record, &origin);
    let (priority, header, data, said) = parse(&message).unwrap();
    assert!(message.len() <= MAX_BYTES && priority == 30 && !said.is_empty());
    assert!(header[1].is_ascii() && header[1].len() <= 255);
    assert_eq!(data.len(), DATA.len() + 1);
}

fn server_at(socket: &UdpSocket) -> SysLogger {
    SysLogger {
        host: "127.0.0.1".to_owned(),
        port: socket.local_addr().unwrap().port(),
    }
}

fn receive(socket: &UdpSocket) -> String {
    let mut room = [0; 4_096];
    let length = socket.recv(&mut room).unwrap();
    String::from_utf8(room[..length].to_vec()).unwrap()
}

fn listener() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn lines_go_to_the_server_that_is_set_and_to_none_when_none_is() {
    let (lines, target, forwarder) = forwarding("cse-1", Clock::system());
    tokio::spawn(forwarder.run());
    let (first, second) = (listener(), listener());
    let say = |id: &str| lines.write(&record(Level::INFO, vec![("pass", text(id))]));
    say("before");
    target.set(Some(server_at(&first)));
    say("a");
    assert!(
        receive(&first).contains("pass=\"a\""),
        "what came before is not sent"
    );
    lines.write(&record(Level::DEBUG, vec![("pass", text("debug"))]));
    target.set(Some(server_at(&second)));
    say("b");
    assert!(receive(&second).contains("pass=\"b\""));
    target.set(None);
    say("c");
    target.set(Some(server_at(&first)));
    say("d");
    assert!(receive(&first).contains("pass=\"d\""));
    assert_eq!(target.lost(), 0);
}

#[test]
fn a_queue_that_is_full_loses_lines_and_stops_nobody() {
    let (lines, target, forwarder) = forwarding("cse-1", Clock::system());
    target.set(Some(SysLogger {
        host: "192.0.2.1".to_owned(),
        port: 514,
    }));
    for _ in 0..QUEUE + 7 {
        lines.write(&record(Level::INFO, Vec::new()));
    }
    assert_eq!(target.lost(), 7);
    drop(forwarder);
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_loses_lines_and_is_told_once() {
    let (_lines, target, mut forwarder) = forwarding("cse-1", Clock::system());
    let server = SysLogger {
        host: "no such host".to_owned(),
        port: 514,
    };
    target.set(Some(server));
    for _ in 0..5 {
        forwarder.forward("line").await;
    }
    assert_eq!(target.lost(), 5);
    assert_eq!(forwarder.told.map(|(_, lost)| lost), Some(1));
}
