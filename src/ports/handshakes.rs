//! What servers in pods present when a TLS connection begins.

use async_trait::async_trait;
use framework::Deadline;

use super::Failure;
use crate::data::ObjectRef;

/// Begins TLS connections to pods, by way of the API server. `cluster` is a key of the provider's `clusters`.
#[async_trait]
pub trait Handshakes: Send + Sync {
    /// Returns the certificates that a port of a pod presents, PEM, its own first. They are not verified.
    async fn presented(&self, cluster: &str, pod: &ObjectRef, port: u16, deadline: &Deadline) -> Result<String, Failure>;
}
