//! Services of a cluster that can be exported, and why the others can't.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::ExportedService;
use crate::mesh::names::ServicePort;

/// A Service that can be exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its TCP ports, without those of the pods.
    pub ports: Vec<ServicePort>,
}

/// The Services of a cluster, by `NAMESPACE/NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Those that can be exported.
    pub services: BTreeMap<String, Candidate>,
    /// A sentence for each of the others that describes why it can't be.
    pub skipped: BTreeMap<String, String>,
}

impl Candidates {
    /// Sorts live Services into those that can be exported and the others.
    pub fn of(services: &[Json]) -> Self {
        let mut candidates = Self::default();
        for service in services {
            let metadata = &service["metadata"];
            let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
            let (namespace, name) = (text("namespace"), text("name"));
            let key = format!("{namespace}/{name}");
            match ExportedService::new(service).and_then(ExportedService::called_ports) {
                Ok(ports) => {
                    let labels = metadata["labels"].as_object().into_iter().flatten();
                    let labels = labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
                    candidates.services.insert(key, Candidate { namespace, name, labels, ports });
                }
                Err(problem) => {
                    candidates.skipped.insert(key, problem);
                }
            }
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::names::Protocol;

    #[test]
    fn services_are_sorted_by_whether_they_can_be_exported() {
        let service = |namespace: &str, name: &str, spec: Json| json!({"metadata": {"namespace": namespace, "name": name, "labels": {"export": "yes"}}, "spec": spec});
        let ports = json!([{"name": "http", "port": 80, "targetPort": "web"}, {"name": "dns", "port": 53, "protocol": "UDP"}]);
        let found = Candidates::of(&[
            service("shop", "cart", json!({"selector": {"app": "cart"}, "ports": ports})),
            service("bank", "cart", json!({"selector": {"app": "cart"}, "ports": [{"port": 9000}]})),
            service("shop", "db", json!({"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 5432}]})),
            service("shop", "dns", json!({"selector": {"app": "dns"}, "ports": [{"port": 53, "protocol": "UDP"}]})),
        ]);
        assert_eq!(found.services.keys().collect::<Vec<_>>(), ["bank/cart", "shop/cart"]);
        let cart = &found.services["shop/cart"];
        assert_eq!((cart.namespace.as_str(), cart.name.as_str(), cart.labels["export"].as_str()), ("shop", "cart", "yes"));
        assert_eq!(
            cart.ports,
            [ServicePort::new(80, Some("http"), Protocol::Http, None).unwrap()],
            "the pods' port is a name, and needs no pods"
        );
        assert_eq!(found.services["bank/cart"].ports[0].protocol, Protocol::Tcp);
        assert!(found.skipped["shop/db"].contains("headless") && found.skipped["shop/dns"].contains("no TCP port"), "{:?}", found.skipped);
    }
}
