//! The attributes of `mesh_service_export`.

use std::collections::{BTreeMap, BTreeSet};

use crate::mesh::{ServicePort, record::RecordedPort};
use framework::{Datum, Timeouts, Value, computed, model, optional, required};

model! {
    /// The exporting cluster's east-west gateway: the attributes of a `mesh_eastwest_gateway`.
    pub struct GatewayRef {
        /// Key of the exporting cluster.
        cluster: String => required(),
        /// The gateway's namespace.
        namespace: String => required(),
        /// The gateway's name.
        name: String => required(),
        /// The load balancer's addresses.
        addresses: Vec<Value<String>> => required(),
    }
}

model! {
    /// A port of the exported service.
    pub struct PortModel {
        /// The port that clients call.
        number: i64 => required(),
        /// The port's name; the protocol and number if left out, such as `http-80`.
        name: String => optional(),
        /// The protocol: `HTTP`, `HTTP2`, `GRPC`, `HTTPS`, `TLS` or `TCP`.
        protocol: String => required(),
        /// The port of the pods; `number` if left out.
        target_port: i64 => optional(),
    }
}

model! {
    /// A port as it is exported.
    pub struct ExportedPortModel {
        /// The port that clients call.
        number: i64 => computed(),
        /// The port's name.
        name: String => computed(),
        /// The protocol.
        protocol: String => computed(),
        /// The port of the pods.
        target_port: i64 => computed(),
    }
}

model! {
    /// Makes a Service of one cluster callable from others by a host name of its own, such as `echo.eu.mesh.local`. Calls go from sidecar
    /// to sidecar with mutual TLS, through the exporting cluster's east-west gateway, which is opened for this host only.
    pub struct ServiceExportModel {
        /// The name that clients call, such as `echo.eu.mesh.local`. Clients resolve it with the mesh's DNS capture.
        host: String => required().replaces(),
        /// The exporting cluster's gateway: `gateway = mesh_eastwest_gateway.eu`. A new address updates the importers in place.
        gateway: GatewayRef => required(),
        /// The Service's namespace.
        namespace: String => required().replaces(),
        /// The Service's name.
        service: String => required(),
        /// Keys of the clusters, in the provider's `clusters`, that may call the host.
        importers: BTreeSet<Value<String>> => required(),
        /// Namespace, in the importing clusters, of what is written there; the gateway's namespace if left out. All namespaces see the host.
        importer_namespace: String => optional().replaces(),
        /// The address that the host resolves to in the importing clusters: a private one, or of 240.0.0.0/4. Istio chooses if left out.
        vip: String => optional(),
        /// The ports to export; those of the live Service if left out.
        ports: Vec<Value<PortModel>> => optional(),
        /// Labels of the pods behind the host; the live Service's selector if left out.
        selector: BTreeMap<String, Value<String>> => optional(),
        /// Service accounts that the pods run as: clients then refuse a pod that runs as any other. Without them, clients take any
        /// certificate of the mesh.
        service_accounts: BTreeSet<Value<String>> => optional(),
        /// Trust domain of the service accounts; the exporting cluster's if left out.
        trust_domain: String => optional(),
        /// Where the exporting cluster is, as `region`, `region/zone` or `region/zone/subzone`.
        locality: String => optional(),
        /// The ports as they are exported.
        service_ports: Vec<Value<ExportedPortModel>> => computed(),
        /// The SPIFFE identities that clients accept; empty when they take any of the mesh.
        identities: Vec<Value<String>> => computed(),
        /// What differs in the clusters from what was applied. An apply sets it back.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}

impl From<&RecordedPort> for PortModel {
    fn from(port: &RecordedPort) -> Self {
        Self {
            number: Value::Value(i64::from(port.number)),
            name: port.name.clone().into(),
            protocol: Value::Value(port.protocol.clone()),
            target_port: port.target_port.map(i64::from).into(),
        }
    }
}

impl From<&ServicePort> for ExportedPortModel {
    fn from(port: &ServicePort) -> Self {
        Self {
            number: Value::Value(i64::from(port.number)),
            name: Value::Value(port.name.clone()),
            protocol: Value::Value(port.protocol.to_string()),
            target_port: Value::Value(i64::from(port.target_port.unwrap_or(port.number))),
        }
    }
}
