//! The domain: pure functions of what users write and clusters show, without clock, cluster or environment.
//!
//! [`names`] holds the types of what a user writes: a value of them is valid. [`helm`], [`export`] and [`global`] render Helm releases and manifests from
//! them, and read them back for an import; [`remote_secret`] does so for endpoint discovery, [`trust`] for certificates, and [`rotation`] has the rules of
//! a change of roots. [`observe`] compares and summarizes what a cluster shows, and [`probe`] what comes of a call. [`precheck`]
//! says whether a mesh can be installed, and [`status`] whether it is well.

pub mod check;
pub mod document;
pub mod export;
pub mod exposure;
pub mod gateway_api;
pub mod global;
pub mod helm;
pub mod inventory;
pub mod labels;
pub mod link;
pub mod manifest;
pub mod names;
pub mod observe;
pub mod pod;
pub mod precheck;
pub mod probe;
pub mod remote_secret;
pub mod rotation;
pub mod signer;
pub mod status;
pub mod topology;
pub mod trust;

pub use crate::istio::MutualTlsMode;
pub use export::{Export, ExportId};
pub use exposure::{ExposedService, Exposure};
pub use helm::{Canary, ControlPlane, EastwestGatewaySettings, Values};
pub use link::Link;
pub use names::{
    ClusterKey, Host, LabelValue, Locality, MeshId, Namespace, NetworkName, ObjectName, Protocol, ReleaseName, Revision,
    ServiceAccountName, ServicePort, TrustDomain, Vip,
};
