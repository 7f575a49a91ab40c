//! A service that other clusters may call: what is written in the exporting cluster and in each that imports.
//!
//! The exporter's `ServiceEntry` gives the host its pods, and its Gateway lets the host (and no other) through. The importers' `ServiceEntry`
//! points the host at the gateway's addresses; its endpoints are marked as speaking Istio's mutual TLS, without which the sidecars
//! would send plain text.

mod by_hand;
mod caller;
mod candidates;
mod entry;
mod import;
mod multi_cluster;
pub(in crate::mesh) mod opening;
mod request;
mod service;
mod surroundings;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use super::{
    helm::gateway::{self, Address},
    labels::{EXPORT_RECORD, Owner},
    manifest::{annotated, with_spec},
    names::{ClusterKey, Host, Namespace, ServicePort, TrustDomain},
};
use crate::{
    data::{Kind, ObjectRef},
    istio::{Gateway, Location, MatchLabels, Resolution, Server, ServerPort, ServerTls, ServerTlsMode, ServiceEntry, WorkloadSelector},
};

pub use crate::istio::well_known::SYSTEM_NAMESPACE;
pub use by_hand::{ByHand, by_hand};
pub use caller::Caller;
pub use candidates::{Candidate, Candidates};
pub use entry::{Identities, ImportedEntry};
pub use import::{Import, ImportId, ImportedService};
pub use multi_cluster::{definition as mcs_definition, is_served as mcs_is_served};
pub use opening::{Opening, opening, pod_labels};
pub(super) use request::audience;
pub use request::{Audience, PortRequest, Request};
pub use service::{ExportedService, FoundPorts, of_entry};
pub use surroundings::{service_range, without_sidecar};

/// The identity of an export. Its import ID is `EXPORTER/NAMESPACE/HOST`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportId {
    /// The cluster that exports.
    pub exporter: ClusterKey,
    /// The Service's namespace.
    pub namespace: Namespace,
    /// The name that clients call.
    pub host: Host,
}

impl fmt::Display for ExportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.exporter, self.namespace, self.host)
    }
}

impl ExportId {
    fn owner(&self) -> Owner {
        Owner::Export(self.host.clone(), self.exporter.clone())
    }

    /// Returns the name that all objects of the export have.
    pub fn object_name(&self) -> String {
        format!("mesh-export-{}", self.host.slug())
    }

    /// Returns the name of a second Gateway, which opens the host on a new gateway while the former one is still called.
    pub fn next_gateway_name(&self) -> String {
        format!("{}-next", self.object_name())
    }

    /// Returns the label selector that finds the export's objects, in whichever cluster.
    pub fn selector(&self) -> String {
        self.owner().selector()
    }
}

/// An export in full: what was asked for, and what the exporting cluster adds to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// Which export.
    pub id: ExportId,
    /// What was asked for.
    pub request: Request,
    /// The addresses of the exporting cluster's gateway.
    pub addresses: Vec<Address>,
    /// The ports.
    pub ports: Vec<ServicePort>,
    /// Labels of the pods.
    pub selector: BTreeMap<String, String>,
    /// Trust domain of the pods' accounts; `None` without accounts.
    pub trust_domain: Option<TrustDomain>,
    /// A Gateway of another owner that already opens the host; the export then has no Gateway of its own.
    pub opening: Option<Opening>,
}

impl ExportId {
    /// Returns every object that an export with this request may have, with its cluster.
    pub fn objects(&self, request: &Request) -> Vec<(ClusterKey, ObjectRef)> {
        let object = |kind, namespace: &Namespace| ObjectRef::namespaced(kind, namespace.as_str(), self.object_name());
        let at_exporter = [object(Kind::SERVICE_ENTRY, &self.namespace), object(Kind::GATEWAY, &request.gateway_namespace)];
        let at_importer = [Kind::SERVICE_ENTRY, Kind::DESTINATION_RULE].map(|kind| object(kind, request.importer_namespace()));
        let importers = request.importers.iter().flat_map(|importer| at_importer.clone().map(|object| (importer.clone(), object)));
        // Exports without `callers` need no permission for policies.
        let policy = request.callers.as_ref().map(|_| object(Kind::AUTHORIZATION_POLICY, &self.namespace));
        let exported = request.mcs_service_export.then(|| multi_cluster::object(&self.namespace, &request.service));
        let next = ObjectRef { name: self.next_gateway_name(), ..object(Kind::GATEWAY, &request.gateway_namespace) };
        at_exporter
            .into_iter()
            .chain([next])
            .chain(policy)
            .chain(exported)
            .map(|object| (self.exporter.clone(), object))
            .chain(importers)
            .collect()
    }
}

impl Export {
    /// Returns the clusters that have objects of the export: the exporting one, and those that import.
    pub fn members(&self) -> impl Iterator<Item = &ClusterKey> {
        std::iter::once(&self.id.exporter).chain(&self.request.importers)
    }

    /// Returns the manifests for a member of the export: the exporting cluster or an importing one.
    pub fn manifests(&self, cluster: &ClusterKey) -> Vec<Json> {
        if *cluster == self.id.exporter { self.exporter_manifests() } else { self.importer_manifests() }
    }

    /// Returns the SPIFFE identities that clients accept; empty when they accept any of the mesh.
    pub fn identities(&self) -> Vec<String> {
        self.request.identities(&self.id.namespace, self.trust_domain.as_ref())
    }

    /// Returns the manifests for the exporting cluster.
    pub fn exporter_manifests(&self) -> Vec<Json> {
        let (id, owner) = (&self.id, self.id.owner());
        let entry = with_spec(Kind::SERVICE_ENTRY, &id.namespace, &id.object_name(), &owner, &self.entry());
        let entry = annotated(entry, &BTreeMap::from([(EXPORT_RECORD, self.request.to_annotation())]));
        let others = self.opening_manifests(&id.object_name(), &owner).into_iter().chain(multi_cluster::of(self, &owner));
        std::iter::once(entry).chain(others).collect()
    }

    /// Returns the ServiceEntry that gives the host its pods.
    pub(in crate::mesh) fn entry(&self) -> ServiceEntry {
        let ExportId { namespace, host, .. } = &self.id;
        ServiceEntry {
            hosts: vec![host.to_string()],
            // The gateway passes on only what its own namespace sees.
            export_to: self.request.export_to(namespace, Some(&self.request.gateway_namespace)),
            addresses: vec![self.request.exporter_address(host).to_string()],
            location: Location::MeshInternal,
            resolution: Resolution::Static,
            ports: self.ports.iter().map(ServicePort::exported).collect(),
            subject_alt_names: Vec::new(),
            endpoints: Vec::new(),
            workload_selector: Some(WorkloadSelector { labels: self.selector.clone() }),
        }
    }

    /// Returns the Gateway that lets the host through, unless one of others does, and the policy for those who may call.
    pub(in crate::mesh) fn opening_manifests(&self, name: &str, owner: &Owner) -> Vec<Json> {
        let ExportId { namespace, host, .. } = &self.id;
        let gateway = Gateway {
            selector: self.request.gateway().pod_labels(),
            servers: vec![Server {
                port: ServerPort { number: gateway::PORT, name: "tls".to_owned(), protocol: "TLS" },
                tls: ServerTls { mode: ServerTlsMode::AutoPassthrough },
                hosts: vec![host.to_string()],
            }],
        };
        let gateway = with_spec(Kind::GATEWAY, &self.request.gateway_namespace, name, owner, &gateway);
        let policy = self.request.callers.as_ref().map(|callers| {
            let policy = caller::policy(host, MatchLabels { match_labels: self.selector.clone() }, callers);
            with_spec(Kind::AUTHORIZATION_POLICY, namespace, name, owner, &policy)
        });
        self.opening.is_none().then_some(gateway).into_iter().chain(policy).collect()
    }

    /// Returns what the importers have to know of the service.
    pub fn imported(&self) -> ImportedService {
        let port = |port: &ServicePort| PortRequest {
            number: port.number,
            name: Some(port.name.clone()),
            protocol: port.protocol,
            target_port: None,
        };
        ImportedService {
            host: self.id.host.clone(),
            address: self.request.address(&self.id.host),
            ports: self.ports.iter().map(port).collect(),
            identities: self.identities(),
            network: self.request.network.clone(),
            gateway_addresses: self.addresses.clone(),
            gateway_port: self.request.gateway_port,
            locality: self.request.locality.clone(),
            endpoint_labels: self.request.endpoint_labels.clone(),
        }
    }

    /// Returns the manifests for each importing cluster.
    pub fn importer_manifests(&self) -> Vec<Json> {
        let namespace = self.request.importer_namespace();
        let export_to = self.request.export_to(namespace, None);
        self.imported().manifests(namespace, &self.id.object_name(), &self.id.owner(), &export_to, self.request.destination_rule)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::{NetworkName, Protocol, Vip};

    fn export(addresses: &[&str]) -> Export {
        let request = json!({
            "service": "echo", "gatewayName": "istio-eastwestgateway", "gatewayNamespace": "istio-system", "vip": "240.0.0.2",
            "serviceAccounts": ["echo"], "locality": "eu",
        });
        Export {
            id: ExportId {
                exporter: ClusterKey::parse("eu").unwrap(),
                namespace: Namespace::parse("echo").unwrap(),
                host: Host::parse("echo.eu.mesh.local").unwrap(),
            },
            request: serde_json::from_value(request).unwrap(),
            addresses: addresses.iter().map(|text| Address::parse(text).unwrap()).collect(),
            ports: vec![ServicePort::new(80, Some("http"), Protocol::Http, Some(8080)).unwrap()],
            selector: BTreeMap::from([("app".to_owned(), "echo".to_owned())]),
            trust_domain: Some(TrustDomain::parse("corp.local").unwrap()),
            opening: None,
        }
    }

    #[test]
    fn the_exporter_gives_the_host_its_pods_and_lets_it_through() {
        let [entry, gateway] = &export(&["198.51.100.9"]).exporter_manifests()[..] else { panic!("two objects") };
        assert_eq!(
            entry["spec"],
            json!({
                "hosts": ["echo.eu.mesh.local"], "exportTo": ["*"], "addresses": ["240.0.0.2"], "location": "MESH_INTERNAL", "resolution": "STATIC",
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
                "hosts": ["echo.eu.mesh.local"], "exportTo": ["*"], "addresses": ["240.0.0.2"], "location": "MESH_INTERNAL", "resolution": "STATIC",
                "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
                "subjectAltNames": ["spiffe://corp.local/ns/echo/sa/echo"],
                "endpoints": [{"address": "198.51.100.9", "ports": {"http": 15443}, "locality": "eu", "labels": {"security.istio.io/tlsMode": "istio"}}],
            })
        );
        assert_eq!(
            rule["spec"],
            json!({"host": "echo.eu.mesh.local", "exportTo": ["*"], "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}})
        );
    }

    #[test]
    fn a_service_export_has_the_name_of_the_service() {
        let mut export = export(&["198.51.100.9"]);
        assert!(!export.request.to_annotation().contains("mcs"), "records of exports without one stay as they were");
        export.request.mcs_service_export = true;
        let [_, _, object] = &export.exporter_manifests()[..] else { panic!("three objects") };
        let metadata = &object["metadata"];
        assert_eq!((&object["apiVersion"], &object["kind"]), (&json!("multicluster.x-k8s.io/v1alpha1"), &json!("ServiceExport")));
        assert_eq!((&metadata["namespace"], &metadata["name"], &object["spec"]), (&json!("echo"), &json!("echo"), &Json::Null));
        let object = ObjectRef::of(object, "").unwrap();
        assert!(export.id.objects(&export.request).contains(&(export.id.exporter.clone(), object)));
    }

    #[test]
    fn a_hostname_is_resolved_by_dns() {
        assert_eq!(export(&["lb.example.com"]).importer_manifests()[0]["spec"]["resolution"], "DNS");
    }

    #[test]
    fn addresses_of_version_six_are_written_as_they_are() {
        let mut export = export(&["2001:db8::7", "198.51.100.9"]);
        export.request.vip = Some(Vip::parse("fd00::2").unwrap());
        let [entry, _] = &export.importer_manifests()[..] else { panic!("two objects") };
        assert_eq!((&entry["spec"]["addresses"], &entry["spec"]["resolution"]), (&json!(["fd00::2"]), &json!("STATIC")));
        let addresses: Vec<_> = entry["spec"]["endpoints"].as_array().unwrap().iter().map(|endpoint| &endpoint["address"]).collect();
        assert_eq!(addresses, ["2001:db8::7", "198.51.100.9"], "of both families");
        assert_eq!(export.exporter_manifests()[0]["spec"]["addresses"], json!(["fd00::2"]));
    }

    #[test]
    fn one_hostname_among_addresses_makes_all_of_them_names() {
        let export = export(&["lb.example.com", "198.51.100.9"]);
        let entry = &export.importer_manifests()[0];
        assert_eq!((&entry["spec"]["resolution"], entry["spec"]["endpoints"].as_array().unwrap().len()), (&json!("DNS"), 2));
    }

    #[test]
    fn a_host_of_a_linked_network_has_no_address_in_the_importers() {
        let mut export = export(&[]);
        export.request.network = Some(NetworkName::parse("eu-net").unwrap());
        let spec = &export.importer_manifests()[0]["spec"];
        assert_eq!(spec["resolution"], "STATIC");
        assert_eq!(spec["endpoints"], json!([{"network": "eu-net", "locality": "eu", "labels": {"security.istio.io/tlsMode": "istio"}}]));
    }

    #[test]
    fn a_narrowed_audience_still_has_the_gateway_in_it() {
        let mut export = export(&["198.51.100.9"]);
        export.request.export_to = Some([Audience::OwnNamespace, Audience::parse("shop").unwrap()].into());
        assert_eq!(export.exporter_manifests()[0]["spec"]["exportTo"], json!(["echo", "istio-system", "shop"]));
        for manifest in export.importer_manifests() {
            assert_eq!(manifest["spec"]["exportTo"], json!(["istio-system", "shop"]));
        }
    }

    #[test]
    fn a_gateway_behind_another_port_is_called_there() {
        let mut export = export(&["198.51.100.9"]);
        export.request.gateway_port = 443;
        assert_eq!(export.importer_manifests()[0]["spec"]["endpoints"][0]["ports"], json!({"http": 443}));
        assert_eq!(export.exporter_manifests()[1]["spec"]["servers"][0]["port"]["number"], 15443);
    }

    #[test]
    fn a_host_has_an_address_in_every_cluster() {
        let addresses = |vip: Option<&str>| {
            let mut export = export(&["198.51.100.9"]);
            export.request.vip = vip.map(|vip| Vip::parse(vip).unwrap());
            [export.exporter_manifests(), export.importer_manifests()].map(|manifests| manifests[0]["spec"]["addresses"].clone())
        };
        let computed = json!([Vip::of_host(&Host::parse("echo.eu.mesh.local").unwrap()).to_string()]);
        assert_eq!(addresses(None), [computed.clone(), computed.clone()]);
        assert_eq!(addresses(Some("240.0.0.2")), [json!(["240.0.0.2"]), json!(["240.0.0.2"])]);
        assert_eq!(addresses(Some("10.0.0.2")), [computed, json!(["10.0.0.2"])], "the exporter may have a host with that address");
    }

    #[test]
    fn a_host_that_is_open_already_gets_no_second_gateway() {
        let mut export = export(&["198.51.100.9"]);
        export.opening = Some(Opening { object: "istio-system/cross-network-gateway".to_owned(), host: "*.local".to_owned() });
        let kinds: Vec<_> = export.exporter_manifests().iter().map(|manifest| manifest["kind"].clone()).collect();
        assert_eq!(kinds, ["ServiceEntry"]);
    }
}
