//! The attribute `import` of `mesh_service_export`: all that an importing cluster has to know, for a `mesh_service_import` in any state.

use super::{ServiceExportModel, model::GatewayRef, ports::ExportedPortModel};
use std::collections::BTreeMap;

use framework::{Value, computed, model};

model! {
    /// The exported service as an importing cluster has to know it.
    pub struct ImportedModel {
        /// The name that clients call.
        host: String => computed(),
        /// The address that the host resolves to.
        address: String => computed(),
        /// The ports.
        ports: Vec<Value<ExportedPortModel>> => computed(),
        /// The SPIFFE identities that clients accept; empty if they accept any of the mesh.
        identities: Vec<Value<String>> => computed(),
        /// The exporting cluster's network, if the export names it.
        network: String => computed(),
        /// The addresses of the exporting cluster's gateway.
        gateway_addresses: Vec<Value<String>> => computed(),
        /// The port of the gateway's load balancer.
        gateway_port: i64 => computed(),
        /// Where the exporting cluster is.
        locality: String => computed(),
        /// Further labels of the endpoints.
        endpoint_labels: BTreeMap<String, Value<String>> => computed(),
    }
}

impl ImportedModel {
    /// Returns what the other attributes of an export say, as far as they are known.
    pub(super) fn of(export: &ServiceExportModel) -> Self {
        let (gateway_addresses, gateway_port) = match &export.gateway {
            Value::Value(GatewayRef { addresses, port, .. }) => (addresses.clone(), *port),
            Value::Unknown => (Value::Unknown, Value::Unknown),
            Value::Null => (Value::Null, Value::Null),
        };
        Self {
            host: export.host.clone(),
            address: export.address.clone(),
            ports: export.service_ports.clone(),
            identities: export.identities.clone(),
            network: export.network.clone(),
            gateway_addresses,
            gateway_port,
            locality: export.locality.clone(),
            endpoint_labels: export.endpoint_labels.clone(),
        }
    }
}
