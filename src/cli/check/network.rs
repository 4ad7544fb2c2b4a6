//! From the host name to the first answer of VCD: name, connection, segment size, certificates.
//!
//! Invariants:
//! - Each look has a time limit; one that fails is the reason why the next is skipped.
//! - With a proxy on the way the looks that go around it would prove nothing, and are skipped.
//!
//! Source: Linux, `/proc/net/route`, `/proc/net/if_inet6` and `/sys/class/net`; tcp(7), `TCP_MAXSEG`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream as Blocking};
use std::time::Duration;

use futures_util::future::join_all;
use socket2::SockRef;
use tokio::net::{TcpStream, lookup_host};
use url::{Host, Url};

use super::report::{Check, Verdict};
use super::{judge, within};
use crate::cli::exit::Failure;
use crate::clock::Clock;
use crate::config::Environment;
use crate::vcd::certificate::{self, Shown};
use crate::vcd::transport::Obstacle;

/// Longest wait for one look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(4);
/// Most addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;

/// What was seen on the way to VCD.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) findings: Vec<(Check, Verdict)>,
    /// The certificates VCD shows, where they could be looked at.
    pub(super) chain: Vec<Shown>,
    /// Why nothing further can be tried.
    pub(super) blocked: Option<String>,
}

impl Way {
    fn tell(&mut self, check: Check, verdict: Verdict) {
        self.findings.push((check, verdict));
    }

    fn skip(&mut self, checks: &[Check], because: &str) {
        for check in checks {
            self.tell(*check, Verdict::Skipped(because.to_owned()));
        }
    }
}

/// Goes as far as it can.
pub(super) async fn explore(url: &Url, clock: &Clock, env: Environment<'_>) -> Way {
    let mut way = Way::default();
    match proxy_for(url, env) {
        Some((variable, proxy)) => {
            let text = format!("requests go through {proxy} ({variable}); NO_PROXY excepts hosts");
            way.tell(Check::Proxy, Verdict::ok(text));
            let because = "requests go through the proxy";
            way.skip(&[Check::Dns, Check::Tcp, Check::Mtu], because);
            return way;
        }
        None => way.tell(Check::Proxy, Verdict::ok("none for VCD's address")),
    }
    let Some(addresses) = addresses(url, clock, &mut way).await else {
        way.skip(
            &[Check::Tcp, Check::Mtu, Check::Tls],
            "the name is not known",
        );
        way.blocked = Some("the name is not known".to_owned());
        return way;
    };
    let Some(stream) = connection(&addresses, clock, &mut way).await else {
        way.skip(&[Check::Mtu, Check::Tls], "there is no connection");
        way.blocked = Some("there is no connection".to_owned());
        return way;
    };
    let segment = SockRef::from(&stream).tcp_mss().ok();
    let interface = stream
        .local_addr()
        .ok()
        .and_then(|local| interface(local.ip(), stream.peer_addr().ok()));
    way.tell(Check::Mtu, judge::mtu(interface, segment));
    if url.scheme() == "https" {
        way.chain = chain(stream, url).await;
    } else {
        way.tell(Check::Tls, Verdict::ok("none: clear text on this machine"));
    }
    way
}

async fn addresses(url: &Url, clock: &Clock, way: &mut Way) -> Option<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or(443);
    let host = match url.host()? {
        Host::Ipv4(ip) => return Some(literal(IpAddr::V4(ip), port, way)),
        Host::Ipv6(ip) => return Some(literal(IpAddr::V6(ip), port, way)),
        Host::Domain(host) => host.to_owned(),
    };
    let found = within(clock, LOOK_TIMEOUT, lookup_host((host.as_str(), port))).await;
    let why = match found {
        Some(Ok(found)) => {
            let found: Vec<SocketAddr> = found.take(MOST_ADDRESSES).collect();
            if !found.is_empty() {
                let shown: Vec<String> = found.iter().map(|one| one.ip().to_string()).collect();
                way.tell(
                    Check::Dns,
                    Verdict::ok(format!("{host} is {}", shown.join(", "))),
                );
                return Some(found);
            }
            "the name has no address".to_owned()
        }
        Some(Err(error)) => error.to_string(),
        None => format!("no answer within {} s", LOOK_TIMEOUT.as_secs()),
    };
    let failure = Failure::unreachable(
        Obstacle::NameLookup,
        &format!("name look-up of {host} failed: {why}"),
    );
    way.tell(Check::Dns, Verdict::failed(&failure));
    None
}

fn literal(ip: IpAddr, port: u16, way: &mut Way) -> Vec<SocketAddr> {
    way.tell(
        Check::Dns,
        Verdict::ok(format!("not needed: vcd.url has the address {ip}")),
    );
    vec![SocketAddr::new(ip, port)]
}

async fn connection(addresses: &[SocketAddr], clock: &Clock, way: &mut Way) -> Option<TcpStream> {
    let attempts = addresses.iter().map(|address| async move {
        let from = clock.now();
        let outcome = within(clock, LOOK_TIMEOUT, TcpStream::connect(address)).await;
        (address, outcome, clock.now().since(from).as_millis())
    });
    let (mut first, mut failed) = (None, Vec::new());
    let mut obstacle = Obstacle::NoAnswer;
    for (address, outcome, took) in join_all(attempts).await {
        match outcome {
            Some(Ok(stream)) => {
                first = first.or(Some((stream, format!("{address} in {took} ms"))));
            }
            Some(Err(error)) => {
                if error.kind() == std::io::ErrorKind::ConnectionRefused {
                    obstacle = Obstacle::Refused;
                }
                failed.push(format!("{address}: {error}"));
            }
            None => {
                let limit = LOOK_TIMEOUT.as_secs();
                failed.push(format!("{address}: no answer within {limit} s"));
            }
        }
    }
    let Some((stream, text)) = first else {
        let failure =
            Failure::unreachable(obstacle, &format!("cannot connect: {}", failed.join(", ")));
        way.tell(Check::Tcp, Verdict::failed(&failure));
        return None;
    };
    way.tell(
        Check::Tcp,
        if failed.is_empty() {
            Verdict::Ok(text)
        } else {
            Verdict::Warn(format!(
                "{text}; but not {}: some connections will be slow to come up; correct the name's addresses or the \
                 route to them",
                failed.join(", ")
            ))
        },
    );
    Some(stream)
}

/// The certificates that are shown; none where they cannot be looked at.
async fn chain(stream: TcpStream, url: &Url) -> Vec<Shown> {
    let blocking = stream.into_std().and_then(|stream: Blocking| {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LOOK_TIMEOUT))?;
        stream.set_write_timeout(Some(LOOK_TIMEOUT))?;
        Ok(stream)
    });
    let Ok(stream) = blocking else {
        return Vec::new();
    };
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let shown = tokio::task::spawn_blocking(move || certificate::shown_by(stream, &host));
    shown.await.ok().and_then(Result::ok).unwrap_or_default()
}

/// The proxy that requests to `url` go through: variable and address, without credentials.
fn proxy_for(url: &Url, env: Environment<'_>) -> Option<(&'static str, String)> {
    let host = url.host_str()?;
    let no_proxy = env("NO_PROXY")
        .or_else(|| env("no_proxy"))
        .unwrap_or_default();
    if no_proxy.split(',').any(|entry| excepts(entry.trim(), host)) {
        return None;
    }
    let variables: &[&'static str] = if url.scheme() == "https" {
        &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    } else {
        // In upper case it could be a header of a CGI request.
        &["http_proxy", "ALL_PROXY", "all_proxy"]
    };
    let set = |variable: &&'static str| {
        let value = env(variable).filter(|value| !value.trim().is_empty())?;
        let text = if value.contains("://") {
            value
        } else {
            format!("http://{value}")
        };
        let shown = Url::parse(&text).map(|url| url.origin().ascii_serialization());
        Some((
            *variable,
            shown.unwrap_or_else(|_| "what is no address".to_owned()),
        ))
    };
    variables.iter().find_map(set)
}

/// Whether an entry of `NO_PROXY` is about the host: all hosts, the host itself, or a domain above it.
fn excepts(entry: &str, host: &str) -> bool {
    let domain = entry.trim_start_matches('.');
    entry == "*"
        || !domain.is_empty()
            && (host.eq_ignore_ascii_case(domain)
                || host
                    .to_ascii_lowercase()
                    .strip_suffix(&domain.to_ascii_lowercase())
                    .is_some_and(|before| before.ends_with('.')))
}

/// Name and MTU of the interface that a connection leaves by, where the system tells.
fn interface(local: IpAddr, peer: Option<SocketAddr>) -> Option<(String, u32)> {
    let name = match (local, peer?.ip()) {
        (_, IpAddr::V4(peer)) if peer.is_loopback() => "lo".to_owned(),
        (_, IpAddr::V4(peer)) => by_route(&fs::read_to_string("/proc/net/route").ok()?, peer)?,
        (IpAddr::V6(local), IpAddr::V6(_)) => {
            let wanted = local.octets().map(|byte| format!("{byte:02x}")).concat();
            let table = fs::read_to_string("/proc/net/if_inet6").ok()?;
            let row = table.lines().find(|row| row.starts_with(&wanted))?;
            row.split_whitespace().last()?.to_owned()
        }
        (IpAddr::V4(_), IpAddr::V6(_)) => return None,
    };
    let mtu = fs::read_to_string(format!("/sys/class/net/{name}/mtu")).ok()?;
    Some((name, mtu.trim().parse().ok()?))
}

/// The interface of the most specific route to `peer` in the kernel's table, whose numbers are in the byte
/// order of the machine.
fn by_route(table: &str, peer: Ipv4Addr) -> Option<String> {
    let peer = u32::from_ne_bytes(peer.octets());
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    let routes = table.lines().skip(1).filter_map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let (destination, mask) = (number(fields.get(1)?)?, number(fields.get(7)?)?);
        (peer & mask == destination).then(|| {
            (
                mask.count_ones(),
                (*fields.first().unwrap_or(&"")).to_owned(),
            )
        })
    });
    routes.max_by_key(|(bits, _)| *bits).map(|(_, name)| name)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_that_of_the_scheme_unless_the_host_is_excepted() {
        let url = Url::parse("https://vcd.example.com").unwrap();
        let proxy = |no_proxy: &str| {
            let env = |name: &str| match name {
                "HTTPS_PROXY" => Some("http://user:secret@proxy:3128".to_owned()),
                "NO_PROXY" => Some(no_proxy.to_owned()),
                _ => None,
            };
            proxy_for(&url, &env)
        };
        let (variable, shown) = proxy("localhost, other.com").unwrap();
        assert_eq!(
            (variable, shown.as_str()),
            ("HTTPS_PROXY", "http://proxy:3128")
        );
        for excepted in [
            "*",
            "vcd.example.com",
            "example.com",
            ".example.com",
            "a, VCD.Example.com",
        ] {
            assert_eq!(proxy(excepted), None, "{excepted}");
        }
        assert!(proxy("ample.com").is_some());
        assert_eq!(proxy_for(&url, &|_| None), None);
    }

    #[test]
    fn the_most_specific_route_tells_the_interface() {
        let number = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let row = |name: &str, ip, mask| {
            format!(
                "{name}\t{}\t0\t0003\t0\t0\t0\t{}\t0\t0\t0",
                number(ip),
                number(mask)
            )
        };
        let table = [
            "Iface\tDestination\tGateway".to_owned(),
            row("eth0", [0, 0, 0, 0], [0, 0, 0, 0]),
            row("eth1", [10, 1, 0, 0], [255, 255, 0, 0]),
        ]
        .join("\n");
        assert_eq!(
            by_route(&table, Ipv4Addr::new(10, 1, 2, 3)).as_deref(),
            Some("eth1")
        );
        assert_eq!(
            by_route(&table, Ipv4Addr::new(10, 2, 2, 3)).as_deref(),
            Some("eth0")
        );
        assert_eq!(by_route("Iface", Ipv4Addr::new(10, 2, 2, 3)), None);
    }
}
