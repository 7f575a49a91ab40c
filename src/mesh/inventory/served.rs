//! What the east-west gateways present for exported hosts: which connections show it, and what came of them.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Objects, export};
use crate::{
    data::ObjectRef,
    mesh::{names::ClusterKey, pod},
};

pub use crate::istio::well_known::MESH_PROTOCOL;

/// The most hosts of a gateway that are tried: each takes a connection by way of the API server.
const MOST: usize = 10;

/// What a gateway presents to a client of an exported host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// A certificate with these identities.
    Presented(Vec<String>),
    /// It takes no connection; why.
    Refused(String),
    /// It couldn't be asked; why.
    Unasked(String),
}

/// A connection as a sidecar of another network begins it, to one pod of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The exported host.
    pub host: String,
    /// The gateway's pod.
    pub pod: ObjectRef,
    /// The name by which the gateway chooses the host.
    pub server_name: String,
}

/// Returns the connections that show what the gateways present. A host that can't be served, as other checks tell, is left out. The pods of
/// a gateway take turns.
pub fn connections(key: &ClusterKey, objects: &Objects) -> Vec<Connection> {
    let mut tried: BTreeMap<(String, String), usize> = BTreeMap::new();
    let hosts = export::exported(key, objects).into_iter().filter(|export| export.is_open && export.is_ready());
    let connection = |export: super::ExportedHost| {
        let request = export.request.as_ref().ok()?;
        let port = export.ports.first()?.split('/').next()?.parse().ok()?;
        let (namespace, name) = (request.gateway_namespace.to_string(), request.gateway_service_name().to_owned());
        let pods = pods(&namespace, &name, objects);
        let count = tried.entry((namespace, name)).or_default();
        if pods.is_empty() || *count == MOST {
            return None;
        }
        let pod = pods[*count % pods.len()].clone();
        *count += 1;
        Some(Connection { host: export.id.host.to_string(), pod, server_name: export.id.host.sni(port) })
    };
    hosts.filter_map(connection).collect()
}

/// Returns the pods behind the Service of a gateway that serve.
fn pods(namespace: &str, name: &str, objects: &Objects) -> Vec<ObjectRef> {
    let is_it = |service: &&Json| service["metadata"]["namespace"] == namespace && service["metadata"]["name"] == name;
    let Some(service) = objects.gateway_services.iter().find(is_it) else { return Vec::new() };
    pod::serving(pod::chosen(namespace, &service["spec"]["selector"], &objects.gateway_pods))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::inventory::fixture;

    fn connections(work: impl FnOnce(&mut Objects)) -> Vec<(String, String)> {
        let hosts: Vec<_> = (10..22).map(|number| format!("host-{number}.mesh.local")).collect();
        let exports: Vec<_> = hosts.iter().map(|host| ("eu", host.as_str())).collect();
        let mut mesh = fixture::mesh(&["eu", "us"], &exports);
        let eu = mesh.get_mut("eu").unwrap();
        work(eu);
        let found = super::connections(&ClusterKey::parse("eu").unwrap(), eu);
        found.into_iter().map(|connection| (connection.pod.name, connection.server_name)).collect()
    }

    #[test]
    fn the_pods_of_a_gateway_take_turns_with_the_hosts_that_can_be_served() {
        let of = |pod: &str, number: usize| (pod.to_owned(), format!("outbound_.80_._.host-{number}.mesh.local"));
        let found = connections(|_| {});
        assert_eq!(found.len(), MOST);
        assert_eq!(found[..3], [of("gateway-1", 10), of("gateway-2", 11), of("gateway-1", 12)]);
        let one = connections(|eu| eu.gateway_pods[0]["status"] = json!({}));
        assert_eq!(one[..2], [of("gateway-2", 10), of("gateway-2", 11)]);
        assert!(connections(|eu| eu.gateways.clear()).is_empty(), "no host is open");
        assert!(connections(|eu| eu.gateway_pods.clear()).is_empty());
        assert!(connections(|eu| eu.pods = Some(Vec::new())).is_empty(), "no pods are behind the hosts");
    }
}
