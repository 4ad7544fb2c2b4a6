//! A stateful VCD that can be told to misbehave: the ground that demo, tests and benchmarks stand on.
//!
//! Flow: `transport` (in process) or `server` (HTTP) takes a request, `faults` may strike, and
//! `world` answers: `gate` finds out who asks, then one area handles it. What takes time is put into
//! `schedule` and happens when the world is next looked at.
//!
//! Invariants:
//! - The world is pure: no clock, socket or thread in it; one seed and one sequence of requests give
//!   one history, byte for byte.
//! - Clients are not trusted to be ours: unmodified third-party clients of VCD work against it.
//! - What was done is in `history`, so that tests, and `judge`, judge that and not who called what.
//!
//! Code map: versions, `auth`, `directory`, `rights` and `access` say who may ask; `registry`,
//! `entities`, `fiql` and `paging` are the runtime defined entities; `infra` is VDCs, vApps and VMs;
//! `network` is edge gateways with their load balancers, NAT and IP spaces; `actors` work inside the
//! simulated machines; `levers` and `control_api` are what an operator can do, `control_cluster` what tenants
//! do inside clusters, `leaks` and `request_log` what there is to see, `state` and `standalone` keep and run a
//! site; `control` and `view` are for tests.
//!
//! Not here: MQTT and webhook extensions; several cells; the lag of the query service.
//! Source: VCD API 37.0 to 39.1 as `OpenAPI` and XML schema document it; the wire behaviour that
//! `go-vcloud-director`, `terraform-provider-vcd` and CAPVCD depend on.

pub(crate) mod access;
pub(crate) mod accounts;
pub(crate) mod actors;
pub(crate) mod auth;
pub(crate) mod call;
pub mod choices;
pub(crate) mod context;
pub mod control;
pub mod control_api;
pub mod control_cluster;
pub(crate) mod directory;
mod dispatch;
pub(crate) mod entities;
pub mod faults;
pub(crate) mod fiql;
pub(crate) mod gate;
pub mod history;
pub(crate) mod infra;
pub mod judge;
pub mod leaks;
pub mod levers;
pub(crate) mod network;
pub(crate) mod paging;
pub(crate) mod registry;
pub(crate) mod reply;
pub mod request_log;
pub(crate) mod rights;
pub(crate) mod routes;
pub(crate) mod schedule;
pub mod seed;
pub mod server;
pub mod standalone;
pub mod state;
pub(crate) mod task_api;
pub(crate) mod tasks;
pub mod timings;
pub mod tls;
pub mod transport;
pub(crate) mod versions;
pub mod view;
pub mod world;
pub(crate) mod xml;

pub use self::auth::SessionLimits;
pub use self::context::Settings;
pub use self::infra::view::VmView;
