//! What a cluster knows of another network: by which gateway it is reached. One object, a Gateway of the class `istio-remote`; endpoints that
//! name the network are then called by way of its addresses.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    helm::gateway::{self, Address},
    labels::Owner,
    manifest::with_spec,
    names::{Namespace, NetworkName, ObjectName, hashed},
};
use crate::{
    data::{Kind, ObjectRef},
    istio::{AllowedRoutes, GatewayAddress, Listener, ListenerTls, RemoteGateway, RouteNamespaces, well_known},
};

/// A link to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The network.
    pub network: NetworkName,
    /// The namespace of the Gateway.
    pub namespace: Namespace,
    /// The addresses of the network's gateway.
    pub addresses: Vec<Address>,
    /// The port of these addresses.
    pub port: u16,
}

impl Link {
    /// Returns the reference of the Gateway.
    pub fn object(&self) -> ObjectRef {
        object(&self.namespace, &self.network)
    }

    /// Returns the manifest of the Gateway. All that the API server would add is in it, so that a field that somebody else adds shows.
    pub fn manifest(&self) -> Json {
        let spec = RemoteGateway {
            gateway_class_name: well_known::REMOTE_GATEWAY_CLASS,
            addresses: self.addresses.iter().map(gateway_address).collect(),
            listeners: vec![Listener {
                name: "cross-network",
                port: self.port,
                protocol: "TLS",
                tls: ListenerTls {
                    mode: "Passthrough",
                    options: BTreeMap::from([(well_known::LISTENER_PROTOCOL_OPTION, well_known::AUTO_PASSTHROUGH)]),
                },
                allowed_routes: AllowedRoutes { namespaces: RouteNamespaces { from: "Same" } },
            }],
        };
        let mut manifest = with_spec(Kind::API_GATEWAY, &self.namespace, &self.object().name, &Owner::Link, &spec);
        manifest["metadata"]["labels"][well_known::NETWORK_LABEL] = self.network.as_str().into();
        manifest
    }

    /// Reads a link off its Gateway; `None` if that has been changed so that it is no longer one.
    pub fn read(live: &Json) -> Option<Self> {
        let metadata = &live["metadata"];
        let addresses = live["spec"]["addresses"].as_array()?.iter().filter_map(|address| Address::parse(address["value"].as_str()?).ok());
        Some(Self {
            network: network_of(live)?,
            namespace: Namespace::parse(metadata["namespace"].as_str()?).ok()?,
            addresses: addresses.collect(),
            port: live["spec"]["listeners"][0]["port"].as_u64().and_then(|port| port.try_into().ok()).unwrap_or(gateway::PORT),
        })
    }
}

/// Returns the reference of the Gateway of a link to a network.
pub fn object(namespace: &Namespace, network: &NetworkName) -> ObjectRef {
    ObjectRef::namespaced(Kind::API_GATEWAY, namespace.as_str(), format!("mesh-link-{}", slug(network)))
}

/// Returns the network that a live Gateway leads to.
pub fn network_of(live: &Json) -> Option<NetworkName> {
    NetworkName::parse(live["metadata"]["labels"][well_known::NETWORK_LABEL].as_str()?).ok()
}

/// Returns the label selector that finds all Gateways that lead to a network.
pub fn to_network(network: &NetworkName) -> String {
    format!("{}={network}", well_known::NETWORK_LABEL)
}

/// Returns whether istiod has taken up the Gateway as it is now.
pub fn is_taken_up(live: &Json) -> bool {
    let generation = &live["metadata"]["generation"];
    let is_current = |condition: &&Json| generation.is_null() || condition["observedGeneration"] == *generation;
    let conditions = live["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .filter(|condition| condition["type"] == "Programmed")
        .any(|condition| condition["status"] == "True" && is_current(&condition))
}

/// Returns the network's name as a part of an object's name. A network may be named by capitals and underscores, which an object may not; two
/// that differ in these alone must not meet.
fn slug(network: &NetworkName) -> String {
    let text = network.as_str();
    if ObjectName::parse(text).is_ok() { text.to_owned() } else { hashed(&text.to_ascii_lowercase().replace(['_', '.'], "-"), text) }
}

fn gateway_address(address: &Address) -> GatewayAddress {
    let kind = match address {
        Address::Ip(_) => "IPAddress",
        Address::Hostname(_) => "Hostname",
    };
    GatewayAddress { kind, value: address.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn link(network: &str, addresses: &[&str]) -> Link {
        Link {
            network: NetworkName::parse(network).unwrap(),
            namespace: Namespace::parse("istio-system").unwrap(),
            addresses: addresses.iter().map(|address| Address::parse(address).unwrap()).collect(),
            port: 15443,
        }
    }

    #[test]
    fn a_link_is_a_gateway_elsewhere_and_is_read_back() {
        let link = link("eu-net", &["198.51.100.9", "2001:db8::1", "lb.example.com"]);
        let manifest = link.manifest();
        assert_eq!(manifest["metadata"]["name"], "mesh-link-eu-net");
        assert_eq!(manifest["metadata"]["labels"]["topology.istio.io/network"], "eu-net");
        assert_eq!(
            manifest["spec"],
            json!({
                "gatewayClassName": "istio-remote",
                "addresses": [
                    {"type": "IPAddress", "value": "198.51.100.9"}, {"type": "IPAddress", "value": "2001:db8::1"},
                    {"type": "Hostname", "value": "lb.example.com"},
                ],
                "listeners": [{
                    "name": "cross-network", "port": 15443, "protocol": "TLS", "allowedRoutes": {"namespaces": {"from": "Same"}},
                    "tls": {"mode": "Passthrough", "options": {"gateway.istio.io/listener-protocol": "auto-passthrough"}},
                }],
            })
        );
        assert_eq!(Link::read(&manifest), Some(link));
        assert_eq!(Link::read(&json!({"metadata": {"name": "other", "namespace": "n"}, "spec": {"addresses": []}})), None);
    }

    #[test]
    fn names_of_networks_that_no_object_can_have_dont_meet() {
        let name = |network| link(network, &["198.51.100.9"]).object().name;
        assert_eq!(name("eu.net-1"), "mesh-link-eu.net-1");
        let odd = ["EU_net", "eu_net", "EU-net", "eu..net"].map(name);
        for name in &odd {
            assert!(ObjectName::parse(name).is_ok() && name.starts_with("mesh-link-eu-"), "{name}");
            assert_eq!(odd.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn a_gateway_is_taken_up_once_istiod_has_seen_this_very_version() {
        let live = |status: &str, observed: u32| {
            let condition = json!({"type": "Programmed", "status": status, "observedGeneration": observed});
            json!({"metadata": {"generation": 2}, "status": {"conditions": [{"type": "Accepted", "status": "True", "observedGeneration": 2}, condition]}})
        };
        assert!(is_taken_up(&live("True", 2)));
        assert!(!is_taken_up(&live("True", 1)) && !is_taken_up(&live("False", 2)) && !is_taken_up(&json!({})));
    }
}
