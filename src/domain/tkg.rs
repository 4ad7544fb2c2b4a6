//! Images of Tanzu Kubernetes Grid (TKG) and releases of Kubernetes: which there are, and what Cluster
//! API has been tested with.
//!
//! Invariants:
//! - A key is compared whole, hash included, as clients do.
//!
//! Source: version table of go-vcloud-director (its keys are values of the product property `VERSION`);
//! supported versions of Cluster API 1.4, 1.5 and 1.7.

/// Images that clients know, by their product property `VERSION`, newest first.
const IMAGES: [&str; 26] = [
    "v1.30.2+vmware.1-tkg.1-00b380629c7a9c10afaaa9df46ba2283",
    "v1.29.6+vmware.1-tkg.3-c6934e3c00b6ca9a7c3e56acb773ce3a",
    "v1.28.11+vmware.2-tkg.2-7820f47053de95b5aaf7e33a17511e47",
    "v1.28.4+vmware.1-tkg.1-1e7baa840b8869c8bdce0cafff0da59d",
    "v1.27.15+vmware.1-tkg.2-138e363d8ee0f5eeda35a0de81a33f9f",
    "v1.27.8+vmware.1-tkg.1-e77cdad8d69e4f76f2ded5e1356235b3",
    "v1.27.5+vmware.1-tkg.1-0eb96d2f9f4f705ac87c40633d4b69st",
    "v1.26.14+vmware.1-tkg.2-6378700fb9360ffd64bebc53dbde5bb9",
    "v1.26.11+vmware.1-tkg.1-6d29b7d826cdaa3535e156392e8d18cc",
    "v1.26.8+vmware.1-tkg.1-b8c57a6c8c98d227f74e7b1a9eef27st",
    "v1.26.8+vmware.1-tkg.1-0edd4dafbefbdb503f64d5472e500cf8",
    "v1.25.13+vmware.1-tkg.1-0031669997707d1c644156b8fc31ebst",
    "v1.25.13+vmware.1-tkg.1-6f7650434fd3787d751e8fb3c9e2153d",
    "v1.25.7+vmware.2-tkg.1-8a74b9f12e488c54605b3537acb683bc",
    "v1.24.17+vmware.1-tkg.1-9f70d901a7d851fb115411e6790fdeae",
    "v1.24.11+vmware.1-tkg.1-2ccb2a001f8bd8f15f1bfbc811071830",
    "v1.24.10+vmware.1-tkg.1-765d418b72c247c2310384e640ee075e",
    "v1.23.17+vmware.1-tkg.1-ee4d95d5d08cd7f31da47d1480571754",
    "v1.23.16+vmware.1-tkg.1-eb0de9755338b944ea9652e6f758b3ce",
    "v1.22.17+vmware.1-tkg.1-df08b304658a6cf17f5e74dc0ab7543c",
    "v1.22.9+vmware.1-tkg.1-2182cbabee08edf480ee9bc5866d6933",
    "v1.21.11+vmware.1-tkg.2-d788dbbb335710c0a0d1a28670057896",
    "v1.21.8+vmware.1-tkg.2-ed3c93616a02968be452fe1934a1d37c",
    "v1.20.15+vmware.1-tkg.2-839faf7d1fa7fa356be22b72170ce1a8",
    "v1.20.14+vmware.1-tkg.2-5a5027ce2528a6229acb35b38ff8084e",
    "v1.19.16+vmware.1-tkg.2-fba68db15591c15fcd5f26b512663a42",
];

/// Oldest release of Kubernetes that CAPVCD and the known images work with; Cluster API refuses 1.19.0.
pub const OLDEST_RELEASE: Release = Release {
    major: 1,
    minor: 19,
    patch: 1,
};

/// Whether clients know the image with this `VERSION`.
pub fn is_known_image(version: &str) -> bool {
    IMAGES.contains(&version)
}

/// The Kubernetes version of an image: its `VERSION` up to the first hyphen.
pub fn kubernetes_of(version: &str) -> &str {
    version.split('-').next().unwrap_or_default()
}

/// The numbers of a release; what comes behind them does not order releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Patch number.
    pub patch: u32,
}

impl Release {
    /// Reads `v<major>.<minor>.<patch>`, with or without `v`, whatever follows behind `+` or `-`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let core = text.split(['+', '-']).next().unwrap_or_default();
        let numbers = core.split('.').map(|number| number.parse().ok());
        match numbers.collect::<Option<Vec<u32>>>()?.as_slice() {
            [major, minor, patch] => Some(Self {
                major: *major,
                minor: *minor,
                patch: *patch,
            }),
            _ => None,
        }
    }

    /// Oldest and newest minor release of Kubernetes 1 that this release of Cluster API has been tested
    /// with; `None` for releases that nothing is known about.
    pub const fn tested_minors(self) -> Option<(u32, u32)> {
        match (self.major, self.minor, self.patch) {
            (1, 4, 0 | 1) => Some((21, 26)),
            (1, 4, _) => Some((21, 27)),
            (1, 5, _) => Some((22, 28)),
            (1, 7, 0) => Some((23, 29)),
            (1, 7, _) => Some((23, 30)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_image_tells_its_release() {
        for image in IMAGES {
            let release = Release::parse(kubernetes_of(image));
            assert!(release.is_some_and(|it| it >= OLDEST_RELEASE), "{image}");
            assert!(is_known_image(image));
        }
        assert_eq!(kubernetes_of(IMAGES[0]), "v1.30.2+vmware.1");
        assert!(!is_known_image("v1.30.2+vmware.1-tkg.1"), "hash and all");
    }

    #[test]
    fn releases_are_read_and_ordered_by_their_numbers() {
        let release = |major, minor, patch| {
            Some(Release {
                major,
                minor,
                patch,
            })
        };
        for (text, want) in [
            ("v1.27.8+vmware.1", release(1, 27, 8)),
            ("1.4.0", release(1, 4, 0)),
            ("v1.28.0-rc.1", release(1, 28, 0)),
            ("v1.28", None),
            ("v1.2.3.4", None),
            ("", None),
            ("vx.y.z", None),
        ] {
            assert_eq!(Release::parse(text), want, "{text}");
        }
        assert!(release(1, 9, 0) < release(1, 10, 0));
    }

    #[test]
    fn cluster_api_is_judged_by_what_is_known_of_it() {
        for (core, want) in [
            ("v1.4.0", Some((21, 26))),
            ("v1.4.2", Some((21, 27))),
            ("v1.5.4", Some((22, 28))),
            ("v1.7.0", Some((23, 29))),
            ("v1.7.4", Some((23, 30))),
            ("v1.1.3", None),
            ("v2.4.0", None),
        ] {
            let core = Release::parse(core);
            assert_eq!(core.and_then(Release::tested_minors), want, "{core:?}");
        }
    }
}
