//! gateway.networking.k8s.io/v1 Gateway of the class `istio-remote`: a gateway that runs elsewhere, by which istiod reaches a network.

use std::collections::BTreeMap;

use serde::Serialize;

/// Where the gateway of another network is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteGateway {
    /// [`super::well_known::REMOTE_GATEWAY_CLASS`]: nothing is deployed for it.
    pub gateway_class_name: &'static str,
    /// Its addresses.
    pub addresses: Vec<GatewayAddress>,
    /// Its listener for mutual TLS.
    pub listeners: Vec<Listener>,
}

/// An address of a gateway.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GatewayAddress {
    /// `IPAddress` or `Hostname`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The address.
    pub value: String,
}

/// What a gateway listens for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// A name, unique in the Gateway.
    pub name: &'static str,
    /// The port.
    pub port: u16,
    /// `TLS` and the like.
    pub protocol: &'static str,
    /// What it does with TLS.
    pub tls: ListenerTls,
    /// Which routes may name it.
    pub allowed_routes: AllowedRoutes,
}

/// What a listener does with TLS.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListenerTls {
    /// `Passthrough`: the connection isn't opened.
    pub mode: &'static str,
    /// Settings of the implementation.
    pub options: BTreeMap<&'static str, &'static str>,
}

/// The routes that may name a listener.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AllowedRoutes {
    /// Their namespaces.
    pub namespaces: RouteNamespaces,
}

/// Namespaces of routes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteNamespaces {
    /// `Same`, which is the API server's default, or `All`.
    pub from: &'static str,
}
