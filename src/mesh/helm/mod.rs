//! Helm releases of Istio's charts: the user's values, what attributes set over them, and the values of istiod and of east-west gateways.

pub mod canary;
pub mod control_plane;
pub(in crate::mesh) mod discovery;
pub mod gateway;
mod gateway_lint;
mod known_keys;
mod lint;
pub mod load_balancer;
mod misspelling;
pub mod operator;
mod setting;
mod signer;
pub mod values;

pub use canary::{Canary, ImportedCanary};
pub use control_plane::ControlPlane;
pub use gateway::EastwestGatewaySettings;
pub use lint::Lint;
pub use values::Values;
