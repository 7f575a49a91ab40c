//! The importing cluster's half of an export: all that an importer has to know of an exported service, and the objects that make the service
//! callable in its cluster. Nothing here needs access to the exporting cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    Audience, PortRequest,
    request::{audience, is_by_default, is_on},
};
use crate::{
    data::{Kind, ObjectRef},
    istio::{ClientTls, ClientTlsMode, DestinationRule, Endpoint, Location, Resolution, ServiceEntry, TrafficPolicy, well_known},
    mesh::{
        helm::gateway::Address,
        labels::{IMPORT_RECORD, Owner},
        manifest::{annotated, with_spec},
        names::{ClusterKey, Host, Locality, Namespace, NetworkName, ServicePort, Vip},
    },
};

/// An exported service as its importers have to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportedService {
    /// The name that clients call.
    pub host: Host,
    /// The address that the host resolves to.
    pub address: Vip,
    /// The ports that clients call.
    pub ports: Vec<PortRequest>,
    /// The SPIFFE identities that clients accept; empty when they accept any of the mesh.
    pub identities: Vec<String>,
    /// The exporting cluster's network, if importers have a link to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkName>,
    /// The addresses of the exporting cluster's gateway.
    #[serde(default)]
    pub gateway_addresses: Vec<Address>,
    /// The port of the gateway's load balancer.
    pub gateway_port: u16,
    /// Where the exporting cluster is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<Locality>,
    /// Further labels of the endpoints.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoint_labels: BTreeMap<String, String>,
}

impl ImportedService {
    /// Returns the manifests for an importing cluster, the DestinationRule if it is wanted; all objects have the same name.
    pub(super) fn manifests(&self, namespace: &Namespace, name: &str, owner: &Owner, export_to: &[String], has_rule: bool) -> Vec<Json> {
        let by_name = self.network.is_none() && self.gateway_addresses.iter().any(|address| matches!(address, Address::Hostname(_)));
        let ports: Vec<_> = self.ports.iter().map(ServicePort::from).collect();
        let entry = ServiceEntry {
            hosts: vec![self.host.to_string()],
            export_to: export_to.to_vec(),
            addresses: vec![self.address.to_string()],
            location: Location::MeshInternal,
            resolution: if by_name { Resolution::Dns } else { Resolution::Static },
            ports: ports.iter().map(ServicePort::imported).collect(),
            subject_alt_names: self.identities.clone(),
            endpoints: self.endpoints(&ports),
            workload_selector: None,
        };
        // Nothing leaves in plain text, whatever the mesh's defaults are. No SNI: Istio's own names port and host.
        let rule = DestinationRule {
            host: self.host.to_string(),
            export_to: export_to.to_vec(),
            traffic_policy: TrafficPolicy {
                tls: ClientTls { mode: ClientTlsMode::IstioMutual },
                outlier_detection: None,
                load_balancer: None,
            },
        };
        let entry = with_spec(Kind::SERVICE_ENTRY, namespace, name, owner, &entry);
        let rule = has_rule.then(|| with_spec(Kind::DESTINATION_RULE, namespace, name, owner, &rule));
        std::iter::once(entry).chain(rule).collect()
    }

    /// Returns where importers find the host: in a network that they have a link to, or at the gateway's addresses.
    fn endpoints(&self, ports: &[ServicePort]) -> Vec<Endpoint> {
        let tls_mode = (well_known::TLS_MODE_LABEL.to_owned(), well_known::TLS_MODE_ISTIO.to_owned());
        let endpoint = Endpoint {
            address: None,
            network: None,
            ports: BTreeMap::new(),
            locality: self.locality.as_ref().map(ToString::to_string),
            weight: None,
            // Without this one, sidecars would send plain text.
            labels: self.endpoint_labels.clone().into_iter().chain([tls_mode]).collect(),
        };
        if let Some(network) = &self.network {
            return vec![Endpoint { network: Some(network.to_string()), ..endpoint }];
        }
        let ports: BTreeMap<_, _> = ports.iter().map(|port| (port.name.clone(), self.gateway_port)).collect();
        // No `network`: endpoints with DNS names would miss a gateway that comes later.
        let at = |address: &Address| Endpoint { address: Some(address.to_string()), ports: ports.clone(), ..endpoint.clone() };
        self.gateway_addresses.iter().map(at).collect()
    }
}

/// The identity of an import that is a resource of its own. Its import ID is `CLUSTER/NAMESPACE/HOST`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImportId {
    /// The cluster that imports.
    pub cluster: ClusterKey,
    /// The namespace of the objects.
    pub namespace: Namespace,
    /// The name that clients call.
    pub host: Host,
}

impl ImportId {
    /// Returns the objects of the import: the ServiceEntry, and the DestinationRule.
    pub fn objects(&self) -> [ObjectRef; 2] {
        let name = format!("mesh-import-{}", self.host.slug());
        [Kind::SERVICE_ENTRY, Kind::DESTINATION_RULE].map(|kind| ObjectRef::namespaced(kind, self.namespace.as_str(), name.clone()))
    }

    /// Returns the ServiceEntry of the import.
    pub fn entry(&self) -> ObjectRef {
        let [entry, _] = self.objects();
        entry
    }
}

/// What is stored of an import in its cluster, for `terraform import`: the objects alone don't show what the configuration leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// The service.
    pub service: ImportedService,
    /// The namespaces that see the host; all if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_to: Option<BTreeSet<Audience>>,
    /// Whether there is a DestinationRule.
    #[serde(default = "is_by_default", skip_serializing_if = "is_on")]
    pub destination_rule: bool,
}

impl Import {
    /// Returns the manifests for the importing cluster, the ServiceEntry first.
    pub fn manifests(&self, namespace: &Namespace) -> Vec<Json> {
        let id = format!("mesh-import-{}", self.service.host.slug());
        let export_to = audience(self.export_to.as_ref(), namespace, None);
        let mut manifests =
            self.service.manifests(namespace, &id, &Owner::Import(self.service.host.clone()), &export_to, self.destination_rule);
        if let Some(entry) = manifests.first_mut() {
            let record = serde_json::to_string(self).unwrap_or_default();
            *entry = annotated(entry.take(), &BTreeMap::from([(IMPORT_RECORD, record)]));
        }
        manifests
    }

    /// Reads the annotation of an import's `ServiceEntry`.
    ///
    /// # Errors
    /// A sentence about an object without the annotation, or with an unreadable one.
    pub fn read(entry: &Json) -> Result<Self, String> {
        let text =
            entry["metadata"]["annotations"][IMPORT_RECORD].as_str().ok_or_else(|| format!("It has no annotation {IMPORT_RECORD}."))?;
        serde_json::from_str(text).map_err(|error| format!("Its annotation {IMPORT_RECORD} can't be read: {error}."))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::Protocol;

    fn import() -> Import {
        let service = ImportedService {
            host: Host::parse("echo.eu.mesh.local").unwrap(),
            address: Vip::parse("240.0.0.2").unwrap(),
            ports: vec![PortRequest { number: 80, name: Some("http".to_owned()), protocol: Protocol::Http, target_port: None }],
            identities: vec!["spiffe://corp.local/ns/echo/sa/echo".to_owned()],
            network: None,
            gateway_addresses: vec![Address::parse("198.51.100.9").unwrap()],
            gateway_port: 443,
            locality: Locality::parse("eu").ok(),
            endpoint_labels: BTreeMap::new(),
        };
        Import { service, export_to: Some([Audience::OwnNamespace].into()), destination_rule: true }
    }

    #[test]
    fn an_import_makes_the_host_callable_and_is_read_back() {
        let [entry, rule] = &import().manifests(&Namespace::parse("istio-system").unwrap())[..] else { panic!("two objects") };
        assert_eq!(
            entry["spec"],
            json!({
                "hosts": ["echo.eu.mesh.local"], "exportTo": ["istio-system"], "addresses": ["240.0.0.2"], "location": "MESH_INTERNAL",
                "resolution": "STATIC", "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
                "subjectAltNames": ["spiffe://corp.local/ns/echo/sa/echo"],
                "endpoints": [{"address": "198.51.100.9", "ports": {"http": 443}, "locality": "eu", "labels": {"security.istio.io/tlsMode": "istio"}}],
            })
        );
        assert_eq!(rule["spec"]["trafficPolicy"], json!({"tls": {"mode": "ISTIO_MUTUAL"}}));
        assert_eq!(entry["metadata"]["name"], "mesh-import-echo-eu-mesh-local");
        assert_eq!(Import::read(entry), Ok(import()));
        assert!(Import::read(rule).unwrap_err().contains(IMPORT_RECORD));
    }

    #[test]
    fn a_rule_of_ones_own_finds_the_endpoints_by_their_labels() {
        let mut import = import();
        import.destination_rule = false;
        import.service.endpoint_labels = BTreeMap::from([("topology.istio.io/cluster".to_owned(), "eu".to_owned())]);
        let [entry] = &import.manifests(&Namespace::parse("istio-system").unwrap())[..] else { panic!("one object") };
        let labels = json!({"security.istio.io/tlsMode": "istio", "topology.istio.io/cluster": "eu"});
        assert_eq!(entry["spec"]["endpoints"][0]["labels"], labels);
        assert_eq!(Import::read(entry), Ok(import));
    }

    /// As this release writes it. Imports in clusters have it: never change it.
    #[test]
    fn an_annotation_of_the_first_release_with_imports_is_read() {
        let text = r#"{"service":{"host":"echo.eu.mesh.local","address":"240.0.0.2","ports":[{"number":80,"name":"http","protocol":"HTTP"}],"identities":["spiffe://corp.local/ns/echo/sa/echo"],"gatewayAddresses":["198.51.100.9"],"gatewayPort":443,"locality":"eu"},"exportTo":["."]}"#;
        let read = Import::read(&json!({"metadata": {"annotations": {IMPORT_RECORD: text}}}));
        assert_eq!(read, Ok(import()));
        assert_eq!(serde_json::to_string(&import()).unwrap(), text);
    }
}
