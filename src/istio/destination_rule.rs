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
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicy {
    /// TLS.
    pub tls: ClientTls,
    /// When an endpoint gets no more calls for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierDetection>,
    /// Which endpoint gets a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancer>,
}

/// When an endpoint gets no more calls for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// Errors in a row: answers with a status of 500 or more, and connections that fail.
    #[serde(rename = "consecutive5xxErrors")]
    pub consecutive_5xx_errors: u32,
    /// How often ejected endpoints are looked at: `1s`.
    pub interval: String,
    /// How long the first ejection lasts; each further one is longer: `10s`.
    pub base_ejection_time: String,
    /// The share of the endpoints that may be ejected at once, in percent.
    pub max_ejection_percent: u32,
}

/// Which endpoint gets a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// By where they are.
    pub locality_lb_setting: LocalityLbSetting,
}

/// The order of endpoints by where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalityLbSetting {
    /// Labels: the more of them an endpoint shares with the client, from the first on, the sooner it is called.
    pub failover_priority: Vec<&'static str>,
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
