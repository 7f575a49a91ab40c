//! The stand-in for a cloud's load balancers: it assigns Services of type `LoadBalancer` an address on the WAN.
//!
//! It behaves as a cloud's service controller does (finalizer, events, status), and it can be set, per cluster and while it runs,
//! to answer late, never, with a hostname, or with another address than before.

mod controller;
mod decision;
mod forwarder;
mod ledger;
mod settings;

use anyhow::Result;
pub(crate) use controller::configure;
pub use settings::Answer;
pub(crate) use settings::Settings;

use crate::{cluster::ClusterName, layout::Layout};

/// The class of Services that are ours beside those without a class.
pub const CLASS: &str = "lab.mesh/balancer";
pub(crate) const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

/// Runs the balancer of these clusters, until it is killed.
pub fn serve(layout: &Layout, clusters: &[ClusterName]) -> Result<()> {
    controller::serve(layout, clusters)
}
