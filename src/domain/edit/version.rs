//! Kubernetes versions as clusters and templates carry them: `v1.27.8+vmware.1`.

use std::fmt;

/// Major, minor and patch; a suffix such as `+vmware.1` is of the vendor's build and does not order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubernetesVersion {
    /// 1.
    pub major: u32,
    /// Goes up by one at a time.
    pub minor: u32,
    /// Goes up as one likes.
    pub patch: u32,
}

impl KubernetesVersion {
    /// Reads `v1.27.8`, with or without `v`, whatever comes behind `+` or `-`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let core = text.split(['+', '-']).next()?;
        let mut numbers = core.split('.').map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        let version = Self {
            major: next()?,
            minor: next()?,
            patch: next()?,
        };
        numbers.next().is_none().then_some(version)
    }

    /// Whether a control plane may go from `self` to `to` in one step.
    pub const fn may_become(self, to: Self) -> bool {
        self.major == to.major
            && ((self.minor == to.minor && self.patch <= to.patch)
                || self.minor.saturating_add(1) == to.minor)
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The version in the name of a template, such as `ubuntu-2004-kube-v1.27.8+vmware.1-tkg.1-<hash>`.
///
/// `None` for names that do not follow the convention: a provider may call templates as it likes.
pub fn version_in_template(template: &str) -> Option<&str> {
    let (_, rest) = template.split_once("kube-v")?;
    let end = rest.find('-').unwrap_or(rest.len());
    let start = template.len() - rest.len() - 1;
    let version = template.get(start..start + 1 + end)?;
    KubernetesVersion::parse(version).map(|_| version)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn one_minor_version_up_or_any_patch_is_one_step() {
        for (from, to, want) in [
            ("v1.27.8+vmware.1", "v1.28.4+vmware.1", true),
            ("v1.27.8", "v1.28.0", true),
            ("v1.27.5", "v1.27.8", true),
            ("v1.27.8+vmware.1", "v1.27.8+vmware.2", true),
            ("v1.27.8", "v1.29.0", false),
            ("v1.27.8", "v1.27.5", false),
            ("v1.27.8", "v1.26.11", false),
            ("v1.27.8", "v2.28.0", false),
        ] {
            let [a, b] = [from, to].map(|text| KubernetesVersion::parse(text).unwrap());
            assert_eq!(a.may_become(b), want, "{from} {to}");
        }
        for junk in ["", "v1.27", "v1.27.8.9", "latest", "v1.-1.0", "1..2"] {
            assert_eq!(KubernetesVersion::parse(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn a_template_tells_its_version_by_its_name_or_not_at_all() {
        for (name, want) in [
            (
                "ubuntu-2004-kube-v1.27.8+vmware.1-tkg.1-e77c",
                Some("v1.27.8+vmware.1"),
            ),
            (
                "ubuntu-2204-kube-v1.30.2+vmware.1",
                Some("v1.30.2+vmware.1"),
            ),
            ("our-golden-image", None),
            ("kube-version-9", None),
            ("kube-v", None),
        ] {
            assert_eq!(version_in_template(name), want, "{name}");
        }
    }
}
