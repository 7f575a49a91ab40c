//! A service that other clusters may call: what is written in the exporting cluster and in each that imports.
//!
//! The exporter's `ServiceEntry` gives the host its pods, and its Gateway lets the host (and no other) through. The importers' `ServiceEntry`
//! points the host at the gateway's addresses; its endpoints are marked as speaking Istio's mutual TLS, without which the sidecars
//! would send plain text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{
    helm::gateway::{self, Address},
    labels::{EXPORT_RECORD, Owner},
    manifest::{annotated, with_spec},
    names::{ClusterKey, Host, Locality, Namespace, ReleaseName, ServiceAccountName, ServicePort, TrustDomain, Vip},
    record::Record,
    trust::spiffe_id,
};
use crate::{
    data::Kind,
    istio::{
        ClientTls, ClientTlsMode, DestinationRule, Endpoint, Gateway, Location, Resolution, Server, ServerPort, ServerTls, ServerTlsMode,
        ServiceEntry, TrafficPolicy, WorkloadSelector, well_known,
    },
};

/// The exporting cluster's gateway, as importers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayEnd {
    /// The exporting cluster.
    pub cluster: ClusterKey,
    /// The gateway's namespace.
    pub namespace: Namespace,
    /// The gateway's name.
    pub name: ReleaseName,
    /// Where it is reached.
    pub addresses: Vec<Address>,
}

/// An export in full.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// The name that clients call.
    pub host: Host,
    /// The way in.
    pub gateway: GatewayEnd,
    /// The Service's namespace.
    pub namespace: Namespace,
    /// Where the importers' objects are.
    pub importer_namespace: Namespace,
    /// The host's virtual address in the importing clusters; Istio's choice if none.
    pub vip: Option<Vip>,
    /// The ports.
    pub ports: Vec<ServicePort>,
    /// Labels of the pods.
    pub selector: BTreeMap<String, String>,
    /// Accounts that the pods may run as; any if empty.
    pub service_accounts: BTreeSet<ServiceAccountName>,
    /// Their trust domain.
    pub trust_domain: TrustDomain,
    /// Where the exporting cluster is.
    pub locality: Option<Locality>,
    /// What was asked for.
    pub record: Record,
}

impl Export {
    fn owner(&self) -> Owner {
        Owner::Export(self.host.clone(), self.gateway.cluster.clone())
    }

    /// The name of the objects of this export.
    fn name(&self) -> String {
        format!("mesh-export-{}", self.host.slug())
    }

    /// The SPIFFE identities that clients accept; empty when they take any of the mesh.
    pub fn identities(&self) -> Vec<String> {
        self.service_accounts.iter().map(|account| spiffe_id(&self.trust_domain, &self.namespace, account)).collect()
    }

    /// What is written in the exporting cluster.
    pub fn exporter_manifests(&self) -> Vec<Json> {
        let entry = ServiceEntry {
            hosts: vec![self.host.to_string()],
            addresses: Vec::new(),
            location: Location::MeshInternal,
            resolution: Resolution::Static,
            ports: self.ports.iter().map(ServicePort::exported).collect(),
            subject_alt_names: Vec::new(),
            endpoints: Vec::new(),
            workload_selector: Some(WorkloadSelector { labels: self.selector.clone() }),
        };
        let entry = with_spec(Kind::SERVICE_ENTRY, &self.namespace, &self.name(), &self.owner(), &entry);
        let gateway = Gateway {
            selector: gateway::gateway_pod_labels(&self.gateway.name),
            servers: vec![Server {
                port: ServerPort { number: gateway::PORT, name: "tls".to_owned(), protocol: "TLS" },
                tls: ServerTls { mode: ServerTlsMode::AutoPassthrough },
                hosts: vec![self.host.to_string()],
            }],
        };
        vec![
            annotated(entry, &BTreeMap::from([(EXPORT_RECORD, self.record.to_annotation())])),
            with_spec(Kind::GATEWAY, &self.gateway.namespace, &self.name(), &self.owner(), &gateway),
        ]
    }

    /// What is written in each importing cluster.
    pub fn importer_manifests(&self) -> Vec<Json> {
        let by_name = self.gateway.addresses.iter().any(|address| matches!(address, Address::Hostname(_)));
        let entry = ServiceEntry {
            hosts: vec![self.host.to_string()],
            addresses: self.vip.iter().map(ToString::to_string).collect(),
            location: Location::MeshInternal,
            resolution: if by_name { Resolution::Dns } else { Resolution::Static },
            ports: self.ports.iter().map(ServicePort::imported).collect(),
            subject_alt_names: self.identities(),
            // No `network`: endpoints with DNS names would miss a gateway that comes later.
            endpoints: self.gateway.addresses.iter().map(|address| self.endpoint(address)).collect(),
            workload_selector: None,
        };
        // Nothing leaves in plain text, whatever the mesh's defaults are. No SNI: Istio's own names port and host.
        let rule = DestinationRule {
            host: self.host.to_string(),
            traffic_policy: TrafficPolicy { tls: ClientTls { mode: ClientTlsMode::IstioMutual } },
        };
        vec![
            with_spec(Kind::SERVICE_ENTRY, &self.importer_namespace, &self.name(), &self.owner(), &entry),
            with_spec(Kind::DESTINATION_RULE, &self.importer_namespace, &self.name(), &self.owner(), &rule),
        ]
    }

    fn endpoint(&self, address: &Address) -> Endpoint {
        Endpoint {
            address: address.to_string(),
            ports: self.ports.iter().map(|port| (port.name.clone(), gateway::PORT)).collect(),
            locality: self.locality.as_ref().map(ToString::to_string),
            labels: BTreeMap::from([(well_known::TLS_MODE_LABEL.to_owned(), well_known::TLS_MODE_ISTIO.to_owned())]),
        }
    }
}

/// The label selector that finds an export's objects, in whichever cluster.
pub fn selector(exporter: &ClusterKey, host: &Host) -> String {
    Owner::Export(host.clone(), exporter.clone()).selector()
}

/// The labels by which a Service finds its pods, as a label selector.
pub fn pod_selector(service: &Json) -> String {
    let labels = service["spec"]["selector"].as_object().into_iter().flatten();
    labels.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::Protocol;

    fn export(addresses: &[&str]) -> Export {
        Export {
            host: Host::parse("echo.eu.mesh.local").unwrap(),
            gateway: GatewayEnd {
                cluster: ClusterKey::parse("eu").unwrap(),
                namespace: Namespace::parse("istio-system").unwrap(),
                name: ReleaseName::parse("istio-eastwestgateway").unwrap(),
                addresses: addresses.iter().map(|text| Address::parse(text).unwrap()).collect(),
            },
            namespace: Namespace::parse("echo").unwrap(),
            importer_namespace: Namespace::parse("istio-system").unwrap(),
            vip: Some(Vip::parse("240.0.0.2").unwrap()),
            ports: vec![ServicePort::new(80, Some("http"), Protocol::Http, Some(8080)).unwrap()],
            selector: BTreeMap::from([("app".to_owned(), "echo".to_owned())]),
            service_accounts: BTreeSet::from([ServiceAccountName::parse("echo").unwrap()]),
            trust_domain: TrustDomain::parse("corp.local").unwrap(),
            locality: Some(Locality::parse("eu").unwrap()),
            record: Record::default(),
        }
    }

    #[test]
    fn the_exporter_gives_the_host_its_pods_and_lets_it_through() {
        let [entry, gateway] = &export(&["198.51.100.9"]).exporter_manifests()[..] else { panic!("two objects") };
        assert_eq!(
            entry["spec"],
            json!({
                "hosts": ["echo.eu.mesh.local"], "location": "MESH_INTERNAL", "resolution": "STATIC",
                "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}],
                "workloadSelector": {"labels": {"app": "echo"}},
            })
        );
        assert_eq!((&entry["metadata"]["namespace"], &gateway["metadata"]["namespace"]), (&json!("echo"), &json!("istio-system")));
        assert_eq!(
            gateway["spec"],
            json!({
                "selector": {"istio": "eastwestgateway"},
                "servers": [{"port": {"number": 15443, "name": "tls", "protocol": "TLS"}, "tls": {"mode": "AUTO_PASSTHROUGH"}, "hosts": ["echo.eu.mesh.local"]}],
            })
        );
    }

    #[test]
    fn an_importer_points_the_host_at_the_gateway_and_insists_on_mutual_tls() {
        let [entry, rule] = &export(&["198.51.100.9"]).importer_manifests()[..] else { panic!("two objects") };
        assert_eq!(
            entry["spec"],
            json!({
                "hosts": ["echo.eu.mesh.local"], "addresses": ["240.0.0.2"], "location": "MESH_INTERNAL", "resolution": "STATIC",
                "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
                "subjectAltNames": ["spiffe://corp.local/ns/echo/sa/echo"],
                "endpoints": [{"address": "198.51.100.9", "ports": {"http": 15443}, "locality": "eu", "labels": {"security.istio.io/tlsMode": "istio"}}],
            })
        );
        assert_eq!(rule["spec"], json!({"host": "echo.eu.mesh.local", "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}));
    }

    #[test]
    fn a_hostname_is_resolved_by_dns() {
        assert_eq!(export(&["lb.example.com"]).importer_manifests()[0]["spec"]["resolution"], "DNS");
    }
}
