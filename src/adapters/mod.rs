//! The only effects: Helm, the API servers, certificates, the clock.

mod access;
mod certificates;
mod clock;
mod connection;
mod helm;
mod kubernetes;
mod process;
mod refusal;
mod tokens;

pub use access::{ClusterAccess, Credentials, ExecPlugin};
pub use certificates::Certificates;
pub use clock::SystemClock;
pub use helm::{Helm, HelmSettings, Repository};
pub use kubernetes::Kubernetes;
