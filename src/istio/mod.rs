//! The custom resources of Istio, as data: only the fields that the provider writes.
//!
//! Source: the CRDs and `manifests/charts` of istio.io/istio 1.31. Nothing in here knows why a field is set; that is `mesh`'s.

mod authorization_policy;
mod destination_rule;
mod gateway;
mod peer_authentication;
mod remote_gateway;
mod selector;
mod service_entry;
pub mod well_known;

pub use authorization_policy::{AuthorizationPolicy, Condition, From, PolicyAction, Rule, Source};
pub use destination_rule::{ClientTls, ClientTlsMode, DestinationRule, LoadBalancer, LocalityLbSetting, OutlierDetection, TrafficPolicy};
pub use gateway::{Gateway, Server, ServerPort, ServerTls, ServerTlsMode};
pub use peer_authentication::{MutualTls, MutualTlsMode, PeerAuthentication};
pub use remote_gateway::{AllowedRoutes, GatewayAddress, Listener, ListenerTls, RemoteGateway, RouteNamespaces};
pub use selector::MatchLabels;
pub use service_entry::{Endpoint, EntryPort, Location, Resolution, ServiceEntry, WorkloadSelector};
