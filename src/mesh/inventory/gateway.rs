//! East-west gateways: the Services with the label of a network, and their Deployments.

use serde_json::Value as Json;

use super::{Objects, control_plane::replicas, text};
use crate::{
    data::{Kind, ObjectRef},
    istio::well_known,
    mesh::helm::gateway::{PORT, addresses, passthrough_port},
};

/// One east-west gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayFacts {
    /// Its namespace.
    pub namespace: String,
    /// The name of its Service.
    pub name: String,
    /// The network that it gives access to.
    pub network: String,
    /// The type of its Service.
    pub service_type: String,
    /// The Service's addresses for other clusters, sorted.
    pub addresses: Vec<String>,
    /// The Service's port for other clusters.
    pub port: u16,
    /// How many pods it should have; `None` if it has no Deployment.
    pub wanted: Option<u64>,
    /// How many of them are ready.
    pub ready: u64,
}

impl GatewayFacts {
    /// The Deployment of its pods.
    pub fn deployment(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::DEPLOYMENT, &self.namespace, &self.name)
    }

    /// `NAMESPACE/NAME`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

pub(super) fn of(objects: &Objects) -> Vec<GatewayFacts> {
    // A Service without the port is not a gateway to the network, but one of a workload that is on it.
    let is_gateway = |service: &&Json| passthrough_port(service).is_some();
    objects.gateway_services.iter().filter(is_gateway).map(|service| gateway(service, &objects.gateway_deployments)).collect()
}

fn gateway(service: &Json, deployments: &[Json]) -> GatewayFacts {
    let metadata = &service["metadata"];
    let is_its_own = |deployment: &&Json| ["namespace", "name"].iter().all(|field| deployment["metadata"][*field] == metadata[*field]);
    let replicas = deployments.iter().find(is_its_own).map(replicas);
    GatewayFacts {
        namespace: text(metadata, &["namespace"]),
        name: text(metadata, &["name"]),
        network: text(metadata, &["labels", well_known::NETWORK_LABEL]),
        service_type: text(service, &["spec", "type"]),
        addresses: addresses(service).iter().map(ToString::to_string).collect(),
        port: passthrough_port(service).unwrap_or(PORT),
        wanted: replicas.map(|(wanted, _)| wanted),
        ready: replicas.map_or(0, |(_, ready)| ready),
    }
}
