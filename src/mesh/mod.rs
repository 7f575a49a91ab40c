//! The domain: pure, without clock, cluster or environment.
//!
//! What a user writes is parsed into the types of [`names`], [`host`], [`vip`], [`port`] and [`locality`]; a value of them is valid.
//! [`control_plane`], [`gateway`], [`trust`] and [`export`] put those together and render Helm releases and manifests, and read them
//! back for an import. [`values`] and [`lint`] deal with the user's own Helm values, [`drift`] and [`evidence`] with what a cluster shows.

pub mod control_plane;
pub mod drift;
pub mod evidence;
pub mod export;
pub mod gateway;
mod hash;
pub mod host;
pub mod labels;
pub mod lint;
pub mod locality;
pub mod manifest;
pub mod names;
pub mod port;
mod quantity;
pub mod record;
mod setting;
pub mod sni;
pub mod trust;
pub mod values;
pub mod vip;

pub use crate::istio::MutualTlsMode;
pub use control_plane::ControlPlane;
pub use export::Export;
pub use gateway::EastWestGateway;
pub use host::Host;
pub use locality::Locality;
pub use names::{ClusterKey, MeshId, Namespace, NetworkName, ObjectName, ReleaseName, ServiceAccountName, TrustDomain};
pub use port::{Protocol, ServicePort};
pub use values::Values;
pub use vip::Vip;
