//! VDCs, networks, templates, policies, vApps and VMs.

/// A vApp or VM operation that ends later.
#[derive(Debug)]
pub(crate) enum Due {}

/// All infrastructure of the site.
#[derive(Debug, Default)]
pub(crate) struct Infra {}
