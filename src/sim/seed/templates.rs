//! TKG images that clients know, with the component versions each stands for.
//!
//! Source: the version table of go-vcloud-director; its keys are matched whole, hash included.

/// One image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TkgImage {
    /// Value of the product property `VERSION`.
    pub version: &'static str,
    /// TKG version, for the annotation `TKGVERSION`.
    pub tkg: &'static str,
    /// Value of the label `tanzuKubernetesRelease`.
    pub release: &'static str,
    /// Image tag of etcd.
    pub etcd: &'static str,
    /// Image tag of `CoreDNS`.
    pub core_dns: &'static str,
    /// Release of Ubuntu, as in the template's name.
    ubuntu: &'static str,
}

impl TkgImage {
    /// Version of Kubernetes: the part before the first dash.
    pub fn kubernetes(&self) -> &'static str {
        self.version.split('-').next().unwrap_or_default()
    }

    /// Conventional name of the template.
    pub(crate) fn template_name(&self) -> String {
        format!("ubuntu-{}-kube-{}", self.ubuntu, self.version)
    }

    /// The image a template is named after.
    pub(super) fn of_template(name: &str) -> Option<&'static Self> {
        TKG_IMAGES
            .iter()
            .find(|image| image.template_name() == name)
    }
}

/// What clusters are created from unless told otherwise: two minor versions below the newest.
pub(crate) const DEFAULT_IMAGE: TkgImage = TkgImage {
    version: "v1.27.8+vmware.1-tkg.1-e77cdad8d69e4f76f2ded5e1356235b3",
    tkg: "v2.5.0",
    release: "v1.27.8---vmware.1-tkg.1-rc.5",
    etcd: "v3.5.10_vmware.1",
    core_dns: "v1.10.1_vmware.12",
    ubuntu: "2004",
};

/// Images in the catalog of a seeded tenant.
pub const TKG_IMAGES: [TkgImage; 7] = [
    TkgImage {
        version: "v1.30.2+vmware.1-tkg.1-00b380629c7a9c10afaaa9df46ba2283",
        tkg: "v2.5.2",
        release: "v1.30.2---vmware.1-tkg.1",
        etcd: "v3.5.12_vmware.5",
        core_dns: "v1.11.1_vmware.10",
        ubuntu: "2204",
    },
    TkgImage {
        version: "v1.29.6+vmware.1-tkg.3-c6934e3c00b6ca9a7c3e56acb773ce3a",
        tkg: "v2.5.2",
        release: "v1.29.6---vmware.1-tkg.3",
        etcd: "v3.5.12_vmware.5",
        core_dns: "v1.10.1_vmware.23",
        ubuntu: "2204",
    },
    TkgImage {
        version: "v1.28.11+vmware.2-tkg.2-7820f47053de95b5aaf7e33a17511e47",
        tkg: "v2.5.2",
        release: "v1.28.11---vmware.2-tkg.2",
        etcd: "v3.5.12_vmware.5",
        core_dns: "v1.10.1_vmware.21",
        ubuntu: "2204",
    },
    TkgImage {
        version: "v1.28.4+vmware.1-tkg.1-1e7baa840b8869c8bdce0cafff0da59d",
        tkg: "v2.5.0",
        release: "v1.28.4---vmware.1-tkg.1-rc.5",
        etcd: "v3.5.10_vmware.1",
        core_dns: "v1.10.1_vmware.13",
        ubuntu: "2204",
    },
    DEFAULT_IMAGE,
    TkgImage {
        version: "v1.26.11+vmware.1-tkg.1-6d29b7d826cdaa3535e156392e8d18cc",
        tkg: "v2.5.0",
        release: "v1.26.11---vmware.1-tkg.1-rc.5",
        etcd: "v3.5.10_vmware.1",
        core_dns: "v1.9.3_vmware.19",
        ubuntu: "2004",
    },
    TkgImage {
        version: "v1.25.13+vmware.1-tkg.1-6f7650434fd3787d751e8fb3c9e2153d",
        tkg: "v2.3.1",
        release: "v1.25.13---vmware.1-tkg.2",
        etcd: "v3.5.6_vmware.20",
        core_dns: "v1.9.3_vmware.11",
        ubuntu: "2004",
    },
];
