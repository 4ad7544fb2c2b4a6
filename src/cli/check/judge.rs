//! What the findings mean: pure.
//!
//! Invariants:
//! - FAIL is for what keeps a replica from working, WARN for what an operator would want to know.
//!
//! Source: CSE 4.2 set-up guide (rights), VCD 10.5.1 release (right to traverse organizations).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::report::Verdict;
use crate::cli::exit::{CONFIGURATION, NO_PERMISSION};
use crate::setup::objects::{ENTITY_TYPES, SERVICE_ROLE, Site};
use crate::vcd::certificate::Shown;
use crate::vcd::versions::ApiVersion;

/// A clock that is wrong by more is worth a line.
const SKEW_TOLERATED: Duration = Duration::from_secs(30);
/// A certificate that ends sooner is worth a line.
const CERTIFICATE_DAYS: i64 = 21;
/// Segments that are smaller than the interface allows by more mean that somebody else has another MTU:
/// headers of IPv6 and TCP with all options.
const HEADER_BYTES: u32 = 100;
/// MTU that VMware's guide asks for.
const ADVISED_MTU: u32 = 9000;
/// Most replicas that are named.
const MOST_REPLICAS: usize = 8;
/// Since then the account needs [`TRAVERSAL`] to see the tenants' entities; VCD 10.5.1.
const TRAVERSAL_SINCE: ApiVersion = ApiVersion {
    major: 38,
    minor: 1,
};
const TRAVERSAL: &str = "Organization: Traversal";
const INIT: &str = "run `cse-server init` as a system administrator";

/// Compares the clocks, as well as whole seconds and the way of the answer allow.
pub(super) fn clock(theirs: Option<Timestamp>, ours: Timestamp) -> Verdict {
    let Some(theirs) = theirs else {
        return Verdict::warn("VCD's answers carry no date, so that the clocks cannot be compared");
    };
    let apart = ours.duration_since(theirs);
    let direction = if apart.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    let apart = apart.unsigned_abs();
    if apart <= SKEW_TOLERATED {
        return Verdict::ok(format!("{} s {direction} VCD's", apart.as_secs()));
    }
    let text = format!(
        "this machine's clock is {} {direction} VCD's; replicas do without the date, but it is in logs, events \
         and heartbeats, an original server beside this one goes by it, and certificates may seem expired: set up \
         time synchronization (chrony or systemd-timesyncd) on both",
        span(apart)
    );
    Verdict::Warn(text)
}

/// A duration in the largest unit that says enough.
pub(super) fn span(duration: Duration) -> String {
    match duration.as_secs() {
        secs @ 0..=119 => format!("{secs} s"),
        secs @ 120..=7199 => format!("{} min", secs / 60),
        secs @ 7200..=172_799 => format!("{} h", secs / 3600),
        secs => format!("{} days", secs / 86_400),
    }
}

/// A chain that is trusted.
pub(super) fn certificate(chain: &[Shown], now: Timestamp) -> Verdict {
    let Some(own) = chain.first() else {
        return Verdict::ok("the certificate is trusted");
    };
    let Some(until) = own.until else {
        return Verdict::ok(format!("{}, signed by {}", own.subject, own.issuer));
    };
    let days = until.duration_since(now).as_secs() / 86_400;
    let text = format!(
        "{}, signed by {}, valid until {until} ({days} days)",
        own.subject, own.issuer
    );
    if days < CERTIFICATE_DAYS {
        return Verdict::Warn(format!("{text}: have VCD's certificate renewed"));
    }
    Verdict::Ok(text)
}

/// What a chain that is not trusted looks like, for the operator who has to find what is missing.
pub(super) fn untrusted(chain: &[Shown]) -> String {
    let (Some(own), Some(last)) = (chain.first(), chain.last()) else {
        return String::new();
    };
    let missing = if last.is_self_signed() {
        format!(
            "the chain ends in {}, which signed itself and is not trusted here",
            last.subject
        )
    } else {
        format!(
            "neither VCD nor this machine has the certificate of {}",
            last.issuer
        )
    };
    format!(
        "; VCD shows {} certificates, its own is {}; {missing}",
        chain.len(),
        own.subject
    )
}

/// What both ends of a connection agreed on, against what this machine's interface can carry.
pub(super) fn mtu(interface: Option<(String, u32)>, segment: Option<u32>) -> Verdict {
    let limit = "what devices in between let through cannot be told from here";
    let Some(segment) = segment else {
        return Verdict::ok("this system does not tell the segment size of a connection");
    };
    let Some((name, mtu)) = interface else {
        return Verdict::ok(format!(
            "segments of {segment} bytes were agreed on; {limit}"
        ));
    };
    if name != "lo" && segment.saturating_add(HEADER_BYTES) < mtu {
        return Verdict::Warn(format!(
            "interface {name} has MTU {mtu}, but segments of only {segment} bytes were agreed on: VCD's side, or a \
             load balancer before it, has a smaller MTU; make it the same on the whole way (VMware advises {ADVISED_MTU})"
        ));
    }
    Verdict::ok(format!(
        "interface {name} has MTU {mtu}, segments of {segment} bytes were agreed on; {limit}"
    ))
}

/// What the account's role permits; `None` where VCD does not show it.
pub(super) fn rights(held: Option<&BTreeSet<String>>, offered: &[ApiVersion]) -> Verdict {
    let Some(held) = held else {
        return Verdict::warn(
            "VCD does not show this account its own rights; they are judged by what works below",
        );
    };
    let wanted = Site::shipped();
    let newest = offered.iter().max();
    let needs_traversal = newest.is_some_and(|newest| *newest >= TRAVERSAL_SINCE);
    let missing = wanted.rights(SERVICE_ROLE).into_iter();
    let missing = missing.filter(|right| !held.contains(*right));
    let (needed, useful): (Vec<&str>, Vec<&str>) = missing
        .filter(|right| *right != TRAVERSAL || needs_traversal)
        .partition(|right| right.starts_with("vmware:") || *right == TRAVERSAL);
    if !needed.is_empty() {
        let missing = needed.join(", ");
        let text = format!("missing: {missing}; add them to the role {SERVICE_ROLE:?}, or {INIT}");
        return Verdict::Fail(NO_PERMISSION, text);
    }
    if !useful.is_empty() {
        let missing = useful.join(", ");
        return Verdict::Warn(format!(
            "missing, though a replica works without: {missing}; to complete the role {SERVICE_ROLE:?}, {INIT}"
        ));
    }
    Verdict::ok(format!("all of {SERVICE_ROLE:?}"))
}

/// Which versions of the two types are registered.
pub(super) fn entity_types(found: &BTreeSet<String>) -> Verdict {
    let is_there = |nss: &str| {
        let mut of_nss = ENTITY_TYPES.iter().filter(|one| one.identity.0 == nss);
        of_nss.any(|one| found.contains(one.urn))
    };
    let missing = ENTITY_TYPES.iter().filter(|one| !found.contains(one.urn));
    let missing: Vec<String> = missing
        .map(|one| format!("{} {}", one.identity.0, one.identity.1))
        .collect();
    if !is_there("VCDKEConfig") || !is_there("capvcdCluster") {
        let text = format!(
            "not registered or not visible: {}; {INIT}",
            missing.join(", ")
        );
        return Verdict::Fail(CONFIGURATION, text);
    }
    if missing.is_empty() {
        return Verdict::ok("VCDKEConfig 1.0.0 and 1.1.0, capvcdCluster 1.1.0, 1.2.0 and 1.3.0");
    }
    Verdict::Warn(format!(
        "not registered: {}; clients of other releases need them: {INIT}",
        missing.join(", ")
    ))
}

/// A replica, as cluster entities tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer {
    /// Clusters that it holds.
    pub(super) clusters: usize,
    /// The newest time that it wrote, by its own clock.
    pub(super) latest: Option<Timestamp>,
}

/// Who works on clusters at this moment. `whole` tells whether all clusters were looked at.
pub(super) fn replicas(
    peers: &BTreeMap<String, Peer>,
    (clusters, whole): (usize, bool),
    now: Timestamp,
) -> Verdict {
    let among = if whole {
        format!("{clusters} clusters")
    } else {
        format!("the first {clusters} clusters (not all could be looked at in time)")
    };
    if peers.is_empty() {
        return Verdict::ok(format!(
            "nobody holds one of {among}; idle replicas leave no trace"
        ));
    }
    let shown = peers.iter().take(MOST_REPLICAS).map(|(name, peer)| {
        let age = peer.latest.map(|latest| now.duration_since(latest));
        let age = age.map_or("at an unknown time".to_owned(), |age| {
            format!("{} ago", span(age.unsigned_abs()))
        });
        format!("{name} holds {}, last wrote {age}", peer.clusters)
    });
    let shown: Vec<String> = shown.collect();
    let more = peers.len().saturating_sub(MOST_REPLICAS);
    let more = if more > 0 {
        format!("; {more} more")
    } else {
        String::new()
    };
    Verdict::ok(format!("of {among}: {}{more}", shown.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    fn text(verdict: &Verdict) -> (&'static str, &str) {
        match verdict {
            Verdict::Ok(text) => ("ok", text),
            Verdict::Warn(text) => ("warn", text),
            Verdict::Fail(_, text) => ("fail", text),
            Verdict::Skipped(text) => ("skipped", text),
        }
    }

    fn expect(verdict: &Verdict, word: &str, part: &str) {
        let (found, told) = text(verdict);
        assert!(
            found == word && told.contains(part),
            "{verdict:?} is not {word}: {part}"
        );
    }

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off_not_in_which_direction() {
        expect(&clock(Some(at(1000)), at(1001)), "ok", "1 s ahead of");
        expect(&clock(Some(at(1000)), at(971)), "ok", "29 s behind");
        expect(&clock(Some(at(10_000)), at(2_800)), "warn", "2 h behind");
        expect(&clock(Some(at(0)), at(300)), "warn", "5 min ahead of");
        expect(&clock(None, at(0)), "warn", "no date");
    }

    #[test]
    fn what_is_missing_of_a_chain_is_named() {
        let shown = |subject: &str, issuer: &str| Shown {
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            hosts: Vec::new(),
            from: None,
            until: Some(at(86_400 * 40)),
        };
        let chain = [shown("CN=vcd", "CN=mid"), shown("CN=mid", "CN=root")];
        expect(&certificate(&chain, at(0)), "ok", "40 days");
        expect(&certificate(&chain, at(86_400 * 30)), "warn", "10 days");
        assert!(untrusted(&chain).contains("has the certificate of CN=root"));
        assert!(untrusted(&[shown("CN=vcd", "CN=vcd")]).contains("signed itself"));
        assert_eq!(untrusted(&[]), "");
    }

    #[test]
    fn an_mtu_that_the_other_side_does_not_share_is_told() {
        let eth = |mtu| Some(("eth0".to_owned(), mtu));
        expect(&mtu(eth(9000), Some(8948)), "ok", "MTU 9000");
        expect(&mtu(eth(1500), Some(1448)), "ok", "cannot be told");
        expect(&mtu(eth(9000), Some(1448)), "warn", "only 1448 bytes");
        expect(
            &mtu(Some(("lo".to_owned(), 65_536)), Some(32_768)),
            "ok",
            "lo",
        );
        expect(&mtu(None, Some(1448)), "ok", "1448");
    }

    #[test]
    fn rights_that_matter_fail_and_others_warn() {
        let version = |major, minor| ApiVersion { major, minor };
        let all: BTreeSet<String> = Site::shipped()
            .rights(SERVICE_ROLE)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let without = |right: &str| {
            let mut held = all.clone();
            assert!(held.remove(right), "{right}");
            held
        };
        expect(&rights(Some(&all), &[version(39, 1)]), "ok", "all of");
        let held = without("vmware:capvcdCluster: Administrator View");
        expect(
            &rights(Some(&held), &[]),
            "fail",
            "capvcdCluster: Administrator View",
        );
        let held = without("IP Spaces: Allocate");
        expect(
            &rights(Some(&held), &[version(39, 1)]),
            "warn",
            "IP Spaces: Allocate",
        );
        let held = without(TRAVERSAL);
        expect(
            &rights(Some(&held), &[version(37, 0), version(39, 1)]),
            "fail",
            TRAVERSAL,
        );
        expect(&rights(Some(&held), &[version(37, 2)]), "ok", "all of");
        expect(&rights(None, &[]), "warn", "does not show");
    }

    #[test]
    fn types_are_missed_by_name() {
        let mut found: BTreeSet<String> =
            ENTITY_TYPES.iter().map(|one| one.urn.to_owned()).collect();
        expect(&entity_types(&found), "ok", "1.3.0");
        found.remove("urn:vcloud:type:vmware:capvcdCluster:1.3.0");
        expect(&entity_types(&found), "warn", "capvcdCluster 1.3.0");
        found.retain(|urn| !urn.contains("VCDKEConfig"));
        expect(&entity_types(&found), "fail", "VCDKEConfig 1.1.0");
    }

    #[test]
    fn replicas_are_told_by_name_and_age() {
        let peer = Peer {
            clusters: 3,
            latest: Some(at(95)),
        };
        let peers = BTreeMap::from([("cse-1".to_owned(), peer)]);
        expect(
            &replicas(&peers, (7, true), at(100)),
            "ok",
            "cse-1 holds 3, last wrote 5 s ago",
        );
        expect(
            &replicas(&BTreeMap::new(), (7, false), at(0)),
            "ok",
            "not all could",
        );
    }
}
