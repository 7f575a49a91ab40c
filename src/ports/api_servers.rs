//! Where the API servers of the configured clusters are.

use super::Failure;

/// An API server as the provider's configuration has it, without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiServer {
    /// Its URL.
    pub url: String,
    /// The certificate authorities of its certificate, PEM; `None` for those of the machine.
    pub ca_certificate: Option<String>,
    /// The name in its certificate, if it isn't the URL's.
    pub tls_server_name: Option<String>,
    /// Whether any certificate is accepted.
    pub is_insecure: bool,
}

/// Knows the API servers. `cluster` is a key of the provider's `clusters`.
pub trait ApiServers: Send + Sync {
    /// Returns the API server of a cluster. Reads the user's files, if there are any, and contacts nothing.
    fn api_server(&self, cluster: &str) -> Result<ApiServer, Failure>;
}
