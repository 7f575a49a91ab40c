//! networking.istio.io/v1 Gateway.

use std::collections::BTreeMap;

use serde::Serialize;

/// What the gateways' proxies listen for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gateway {
    /// Labels of the proxies' pods.
    pub selector: BTreeMap<String, String>,
    /// Listeners.
    pub servers: Vec<Server>,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Server {
    /// Where it listens.
    pub port: ServerPort,
    /// What it does with TLS.
    pub tls: ServerTls,
    /// Hosts that it lets through.
    pub hosts: Vec<String>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerPort {
    /// The port.
    pub number: u16,
    /// A name, unique in the Gateway.
    pub name: String,
    /// `TLS` and the like.
    pub protocol: &'static str,
}

/// What a server does with TLS.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerTls {
    /// The mode.
    pub mode: ServerTlsMode,
}

/// Modes of TLS of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerTlsMode {
    /// Hands the connection on, unopened, to the service that the SNI names.
    AutoPassthrough,
}
