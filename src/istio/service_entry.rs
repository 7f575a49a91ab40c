//! networking.istio.io/v1 `ServiceEntry`.

use std::collections::BTreeMap;

use serde::Serialize;

/// A service in the registry of one control plane.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntry {
    /// Its names.
    pub hosts: Vec<String>,
    /// Namespaces that see it: names, `.` for its own, `*` for all. Empty: the mesh's `default…ExportTo` decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub export_to: Vec<String>,
    /// Its virtual addresses. No CIDR: the webhook takes one only with some resolutions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Inside of the mesh or outside of it.
    pub location: Location,
    /// How addresses are found.
    pub resolution: Resolution,
    /// Its ports.
    pub ports: Vec<EntryPort>,
    /// Identities that its workloads may have. Empty: any of the mesh.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_alt_names: Vec<String>,
    /// Where it is. Excludes `workload_selector`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// Pods of its namespace that it consists of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_selector: Option<WorkloadSelector>,
}

/// Whether a service is part of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// Part of the mesh: spoken to in mutual TLS.
    MeshInternal,
}

/// How the addresses of a service's endpoints are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// They are IP addresses.
    Static,
    /// The proxies ask DNS.
    Dns,
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryPort {
    /// The port that callers use.
    pub number: u16,
    /// Its name, unique in the entry.
    pub name: String,
    /// `HTTP`, `GRPC`, `TCP` and the like.
    pub protocol: &'static str,
    /// The workloads' port when it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_port: Option<u16>,
}

/// One place where a service is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// IP address or DNS name. Absent: a gateway of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The network that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// By name of a port of the entry: the port at this endpoint.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, u16>,
    /// `region/zone/subzone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    /// Its share of the calls, beside the other endpoints; 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Chooses pods.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkloadSelector {
    /// Labels that they all have.
    pub labels: BTreeMap<String, String>,
}
