//! The only effects: Helm, the API servers, certificates, the clock.

mod access;
mod api_servers;
mod asked_once;
mod capabilities;
mod certificates;
mod client_config;
mod clock;
mod commands;
mod connection;
mod credentials;
mod handshakes;
mod helm;
mod kubernetes;
mod missing;
mod platform;
mod pods;
mod port_forward;
mod process;
mod proxy;
mod refusal;
mod runs;
mod tokens;

pub use access::{
    Base, ClusterAccess, Credentials, ExecPlugin, KubeconfigFiles, ServerSettings, parse_certificate, parse_host, parse_key, parse_token,
};
pub use certificates::Certificates;
pub use clock::SystemClock;
pub use helm::{ChartSource, Helm, HelmSettings, PostRenderer, Repository, Storage};
pub use kubernetes::Kubernetes;
pub use proxy::parse_proxy_url;
pub use runs::LocalRuns;
