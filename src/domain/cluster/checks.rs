//! The rules for single values: names, versions, disk sizes and address ranges.

use std::fmt;
use std::net::Ipv4Addr;

/// Longest name of a cluster, pool or storage class.
const NAME_CHARS: usize = 31;
/// Longest name of an object in VCD: organization, VDC, network, template.
const VCD_NAME_BYTES: usize = 256;

/// The container networks of a bootstrap VM: Docker's bridge and the one kind makes.
pub const RESERVED_RANGES: [AddressRange; 2] = [
    AddressRange {
        first: Ipv4Addr::new(172, 17, 0, 0),
        prefix: 16,
    },
    AddressRange {
        first: Ipv4Addr::new(172, 18, 0, 0),
        prefix: 16,
    },
];

/// `^[a-z](?:[a-z0-9-]{0,29}[a-z0-9])?$`: cluster, pool and storage class names.
pub(super) fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    bytes.len() <= NAME_CHARS
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|b| *b != b'-')
        && bytes.iter().all(inner)
}

/// A Kubernetes DNS label, as namespaces need it.
pub(super) fn is_dns_label(text: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
}

/// A name of a VCD object: anything printable on one line, of sane length.
pub(super) fn is_vcd_name(text: &str) -> bool {
    text.len() <= VCD_NAME_BYTES && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// `v<major>.<minor>.<patch>` with an optional suffix such as `+vmware.1`.
pub(super) fn is_kubernetes_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else {
        return false;
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-');
    let core = rest.split(['+', '-']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    let is_number = |part: &&str| {
        !part.is_empty() && part.len() <= 5 && part.bytes().all(|b| b.is_ascii_digit())
    };
    text.len() <= 64
        && rest.bytes().all(allowed)
        && numbers.len() == 3
        && numbers.iter().all(is_number)
}

/// An `http://` or `https://` URL with a host and nothing that would need quoting.
pub(super) fn is_site(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or_default();
    let allowed = |b: u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'/' | b'_' | b'[' | b']')
    };
    !rest.is_empty() && text.len() <= VCD_NAME_BYTES && rest.bytes().all(allowed)
}

/// The host of a site URL, without port.
pub(super) fn site_host(site: &str) -> &str {
    let authority = site.split_once("://").map_or(site, |(_, rest)| rest);
    let host = authority.split('/').next().unwrap_or_default();
    host.rsplit_once(':').map_or(host, |(host, _)| host)
}

/// `<n>Gi` (what clients write), `<n>Mi` or `<n>Ti` (what CAPVCD takes too), in MiB.
pub(super) fn disk_size_mib(text: &str) -> Option<u64> {
    let (number, factor_mib) = [("Mi", 1), ("Gi", 1024), ("Ti", 1024 * 1024)]
        .into_iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor)))?;
    let is_plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let size = number.parse::<u64>().ok()?.checked_mul(factor_mib)?;
    (is_plain && size > 0).then_some(size)
}

/// A range of IPv4 addresses; one address is a range of prefix 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: Ipv4Addr,
    prefix: u8,
}

impl AddressRange {
    /// Reads `a.b.c.d/p`, or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        let is_plain = prefix.len() <= 2 && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|prefix| is_plain && *prefix <= 32)?;
        let address: Ipv4Addr = address.parse().ok()?;
        let first = Ipv4Addr::from_bits(address.to_bits() & mask(prefix));
        Some(Self { first, prefix })
    }

    /// Whether any address is in both ranges.
    pub fn overlaps(self, other: Self) -> bool {
        let shared = mask(self.prefix.min(other.prefix));
        self.first.to_bits() & shared == other.first.to_bits() & shared
    }

    /// First and last address.
    pub fn bounds(self) -> (Ipv4Addr, Ipv4Addr) {
        let last = self.first.to_bits() | !mask(self.prefix);
        (self.first, Ipv4Addr::from_bits(last))
    }

    /// The container network of the bootstrap VM that this range meets.
    pub fn reserved(self) -> Option<Self> {
        RESERVED_RANGES
            .into_iter()
            .find(|reserved| reserved.overlaps(self))
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == 32 {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}/{}", self.first, self.prefix)
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_the_clients() {
        for (name, want) in [
            ("a", true),
            ("kite7", true),
            ("a-b", true),
            ("a234567890123456789012345678901", true),
            ("a2345678901234567890123456789012", false),
            ("", false),
            ("7kite", false),
            ("kite-", false),
            ("-kite", false),
            ("Kite", false),
            ("ki te", false),
            ("kite\n", false),
            ("$(id)", false),
        ] {
            assert_eq!(is_name(name), want, "{name:?}");
        }
    }

    #[test]
    fn versions_have_three_numbers() {
        for (version, want) in [
            ("v1.27.8+vmware.1", true),
            ("v1.30.2", true),
            ("v1.28.0-rc.1", true),
            ("1.27.8", false),
            ("v1.27", false),
            ("v1.27.8+$(id)", false),
            ("v1..8", false),
        ] {
            assert_eq!(is_kubernetes_version(version), want, "{version}");
        }
    }

    #[test]
    fn disk_sizes_carry_a_unit() {
        for (text, want) in [
            ("20Gi", Some(20_480)),
            ("512Mi", Some(512)),
            ("1Ti", Some(1_048_576)),
            ("0Gi", None),
            ("20", None),
            ("20G", None),
            ("+20Gi", None),
            ("20.5Gi", None),
            ("99999999999999999999Gi", None),
        ] {
            assert_eq!(disk_size_mib(text), want, "{text}");
        }
    }

    #[test]
    fn ranges_overlap_when_they_share_an_address() {
        for (one, other, want) in [
            ("100.96.0.0/11", "100.64.0.0/13", false),
            ("100.96.0.0/11", "100.127.255.255", true),
            ("10.0.0.0/8", "10.1.2.0/24", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("192.168.0.0/24", "192.168.1.0/24", false),
        ] {
            let [one, other] = [one, other].map(|text| AddressRange::parse(text).unwrap());
            assert_eq!(one.overlaps(other), want, "{one} {other}");
            assert_eq!(other.overlaps(one), want, "{other} {one}");
        }
        assert_eq!(
            AddressRange::parse("172.18.3.4").unwrap().reserved(),
            Some(RESERVED_RANGES[1])
        );
        assert_eq!(
            AddressRange::parse("172.16.0.0/12").unwrap().reserved(),
            Some(RESERVED_RANGES[0])
        );
        assert_eq!(
            AddressRange::parse("172.19.0.0/16").unwrap().reserved(),
            None
        );
    }

    #[test]
    fn a_range_knows_its_ends() {
        for (text, first, last) in [
            ("10.1.2.3/8", [10, 0, 0, 0], [10, 255, 255, 255]),
            ("10.1.2.3", [10, 1, 2, 3], [10, 1, 2, 3]),
            ("0.0.0.0/0", [0; 4], [255; 4]),
        ] {
            let want = (Ipv4Addr::from(first), Ipv4Addr::from(last));
            assert_eq!(AddressRange::parse(text).unwrap().bounds(), want, "{text}");
        }
    }

    #[test]
    fn no_range_is_made_of_junk() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/008",
            "::1/64",
            "a/8",
        ] {
            assert_eq!(AddressRange::parse(text), None, "{text}");
        }
        assert_eq!(
            AddressRange::parse("10.1.2.3/8").unwrap().to_string(),
            "10.0.0.0/8"
        );
    }

    #[test]
    fn sites_are_plain_urls() {
        for (site, want) in [
            ("https://vcd.example.test", true),
            ("https://vcd.example.test:8443/", true),
            ("ftp://vcd.example.test", false),
            ("https://", false),
            ("https://vcd.example.test/$(id)", false),
            ("https://a b", false),
        ] {
            assert_eq!(is_site(site), want, "{site}");
        }
        assert_eq!(site_host("https://172.18.0.4:443/api"), "172.18.0.4");
    }
}
