//! What servers in pods present when a TLS connection begins.

use async_trait::async_trait;
use framework::Deadline;

use super::Failure;
use crate::data::ObjectRef;

/// How a TLS connection begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The pod's port.
    pub port: u16,
    /// The server that is asked for.
    pub server_name: String,
    /// The protocol that the client speaks, if the server goes by it.
    pub protocol: Option<&'static str>,
}

/// Begins TLS connections to pods, by way of the API server. `cluster` is a key of the provider's `clusters`.
#[async_trait]
pub trait Handshakes: Send + Sync {
    /// Returns the certificates that a pod presents, PEM, its own first. They are not verified.
    async fn presented(&self, cluster: &str, pod: &ObjectRef, hello: &Hello, deadline: &Deadline) -> Result<String, Failure>;
}
