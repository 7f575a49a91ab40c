//! networking.istio.io/v1 `DestinationRule`.

use serde::Serialize;

/// How clients speak to a host.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationRule {
    /// The host.
    pub host: String,
    /// Namespaces that see it: names, `.` for its own, `*` for all. Empty: the mesh's `default…ExportTo` decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub export_to: Vec<String>,
    /// For all its ports.
    pub traffic_policy: TrafficPolicy,
}

/// How clients speak to a host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrafficPolicy {
    /// TLS.
    pub tls: ClientTls,
}

/// TLS of the client.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientTls {
    /// The mode.
    pub mode: ClientTlsMode,
}

/// Modes of TLS of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// Mutual TLS with the mesh's certificates.
    IstioMutual,
}
