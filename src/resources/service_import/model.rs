//! The attributes of `mesh_service_import`: their declaration, and both ways between them and an [`Import`].

use std::collections::BTreeMap;

use super::ServiceImport;
use crate::{
    mesh::{
        ClusterKey, Host, Locality, Namespace, NetworkName, Protocol, ServicePort, Vip,
        export::{Import, ImportId, ImportedService, PortRequest},
        helm::gateway::{self, Address},
        names::port,
        trust,
    },
    resources::service_export::{
        model::{is_unset_or_true, labels, parse_audience, parse_endpoint_labels, strings},
        ports::repetitions,
    },
};
use framework::{Datum, Parse, Set, Timeouts, Value, computed, model, optional, required};

model! {
    /// A port of the exported service.
    pub struct ImportedPortRef {
        /// The port that clients call: 1 to 65535.
        number: i64 => required(),
        /// The port's name, such as `http-web`.
        name: String => required(),
        /// The protocol: `HTTP`, `HTTP2`, `GRPC`, `GRPC-WEB`, `HTTPS`, `TLS`, `TCP`, `MONGO`, `REDIS` or `MYSQL`.
        protocol: String => required(),
    }
}

model! {
    /// The exported service: the attribute `import` of a `mesh_service_export`.
    pub struct ServiceRef {
        /// The name that clients call, such as `echo.eu.mesh.local`. Another host replaces the import.
        host: String => required(),
        /// The address that the host resolves to: a private IPv4 address, one of 240.0.0.0/4, or one of fc00::/7.
        address: String => required(),
        /// The ports.
        ports: Vec<Value<ImportedPortRef>> => required(),
        /// The SPIFFE identities that clients accept, such as `spiffe://corp.local/ns/echo/sa/echo`; any of the mesh if empty.
        identities: Vec<Value<String>> => required(),
        /// Name of the exporting cluster's network, if this cluster has a `mesh_link` to it.
        network: String => optional(),
        /// The addresses of the exporting cluster's gateway: IP addresses or host names. Required, unless `network` is set.
        gateway_addresses: Vec<Value<String>> => optional(),
        /// The gateway's port for mutual TLS: 1 to 65535.
        gateway_port: i64 => optional().default(i64::from(gateway::PORT)),
        /// Where the exporting cluster is, as `region`, `region/zone` or `region/zone/subzone`.
        locality: String => optional(),
        /// Labels of the endpoints, by which the subsets of a DestinationRule of your own choose them.
        endpoint_labels: BTreeMap<String, Value<String>> => optional(),
    }
}

model! {
    /// Makes a service that another cluster exports callable in this one. It is the importer's half of a `mesh_service_export`, for a state that
    /// has no access to the exporting cluster: the export's attribute `import` tells it all that it needs, by `terraform_remote_state` for
    /// example. Both clusters belong to one mesh: they have a common root of trust, and different networks.
    ///
    /// A state that has access to both clusters needs no `mesh_service_import`: it lists the cluster in `importers` of the export.
    ///
    /// When the exporting cluster's gateway gets another address, or the Service another port, the next plan shows the change, once the
    /// exporter's state has it. An export that is destroyed stays imported until this resource is destroyed as well: calls then fail.
    pub struct ServiceImportModel {
        /// Key, in the provider's `clusters`, of the cluster that imports. Refer to `mesh_cluster.us.cluster`, so that the control plane is
        /// installed first.
        cluster: String => required().replaces(),
        /// Namespace of the objects that this resource creates. It must exist.
        namespace: String => optional().default(Namespace::ISTIO_SYSTEM).replaces(),
        /// The exported service: `service = data.terraform_remote_state.eu.outputs.echo`, if that output is `mesh_service_export.echo.import`.
        service: ServiceRef => required(),
        /// The namespaces of this cluster that see the host: names, `.` for `namespace`, or `*` alone for all. All if not set, also in a mesh
        /// whose `defaultServiceExportTo` is narrower. Example: `["shop", "checkout"]`.
        export_to: Set<String> => optional(),
        /// Whether there is a DestinationRule, which sets mutual TLS for the host. Defaults to true. With false bring one of your own with
        /// `tls: {mode: ISTIO_MUTUAL}`, or calls to the host can leave in plain text.
        destination_rule: bool => optional().equivalent_by(is_unset_or_true),
        /// Differences between the cluster and the last applied configuration. The next apply reverts them.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}

impl ServiceImportModel {
    /// Parses the attributes that the configuration sets.
    pub(super) fn parse(&self, parse: &mut Parse<'_>) -> Option<ServiceImport> {
        let cluster = parse.required("cluster", &self.cluster, |key| ClusterKey::parse(key));
        let namespace = parse.required("namespace", &self.namespace, |text| Namespace::parse(text));
        let service = parse.nested("service", &self.service, ServiceRef::parse);
        let export_to = parse_audience(&self.export_to, parse);
        let destination_rule = parse.optional("destination_rule", &self.destination_rule, |on| Ok::<_, String>(*on));
        let service = service??;
        Some(ServiceImport {
            id: ImportId { cluster: cluster?, namespace: namespace?, host: service.host.clone() },
            import: Import { service, export_to: export_to?, destination_rule: destination_rule?.unwrap_or(true) },
        })
    }
}

impl ServiceRef {
    fn parse(&self, parse: &mut Parse<'_>) -> Option<ImportedService> {
        let host = parse.required("host", &self.host, |text| Host::parse(text));
        let address = parse.required("address", &self.address, |text| Vip::parse(text));
        let ports = parse_ports(&self.ports, parse);
        let identities = parse.each("identities", &self.identities, |text| identity(text));
        let network = parse.optional("network", &self.network, |text| NetworkName::parse(text));
        let addresses = parse.each("gateway_addresses", &self.gateway_addresses, |text| Address::parse(text));
        let port = parse.optional("gateway_port", &self.gateway_port, |number| port::number(*number));
        let locality = parse.optional("locality", &self.locality, |text| Locality::parse(text));
        let endpoint_labels = parse_endpoint_labels(&self.endpoint_labels, parse);
        if self.network.is_null() && addresses.as_ref().is_some_and(Vec::is_empty) {
            let problem =
                "The exporting cluster's gateway has no address, so traffic can't be routed to it. Apply the exporter's state first.";
            parse.violation(parse.path("gateway_addresses"), &problem);
        }
        Some(ImportedService {
            host: host?,
            address: address?,
            ports: ports?,
            identities: identities?,
            network: network?,
            gateway_addresses: addresses?,
            gateway_port: port?.unwrap_or(gateway::PORT),
            locality: locality?,
            endpoint_labels: endpoint_labels?,
        })
    }
}

/// Reads an identity that clients accept.
fn identity(text: &str) -> Result<String, String> {
    match trust::parse_spiffe_id(text) {
        Some((trust_domain, namespace, account)) => Ok(trust::spiffe_id(&trust_domain, &namespace, &account)),
        None => Err(format!(
            "{text:?} is not the identity of a workload. The format is `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`; the function \
             `spiffe_id` returns it."
        )),
    }
}

fn parse_ports(ports: &Value<Vec<Value<ImportedPortRef>>>, parse: &mut Parse<'_>) -> Option<Vec<PortRequest>> {
    let read = parse.each_nested("ports", ports, |port, parse| {
        let number = parse.required("number", &port.number, |number| port::number(*number));
        let name = parse.required("name", &port.name, |text| port::name(text));
        let protocol = parse.required("protocol", &port.protocol, |text| Protocol::parse(text));
        Some(PortRequest { number: number?, name: Some(name?), protocol: protocol?, target_port: None })
    });
    for (index, problem) in read.as_deref().map(repetitions).unwrap_or_default() {
        parse.violation(parse.path("ports").index(index), &problem);
    }
    if ports.as_ref_option().is_some_and(Vec::is_empty) {
        parse.violation(parse.path("ports"), &"Must not be empty: a host without a port can't be called.");
    }
    read
}

/// The attributes after `terraform import`. All are listed, so that the compiler asks for a new one.
impl From<&ServiceImport> for ServiceImportModel {
    fn from(import: &ServiceImport) -> Self {
        let ServiceImport { id, import: Import { service, export_to, destination_rule } } = import;
        Self {
            cluster: Value::Value(id.cluster.to_string()),
            namespace: Value::Value(id.namespace.to_string()),
            service: Value::Value(ServiceRef {
                host: Value::Value(service.host.to_string()),
                address: Value::Value(service.address.to_string()),
                ports: Value::Value(service.ports.iter().map(|port| Value::Value(ServicePort::from(port).into())).collect()),
                identities: Value::Value(strings(&service.identities)),
                network: service.network.as_ref().map(ToString::to_string).into(),
                gateway_addresses: match (&service.network, &service.gateway_addresses[..]) {
                    (Some(_), []) => Value::Null,
                    (_, addresses) => Value::Value(strings(addresses)),
                },
                gateway_port: Value::Value(i64::from(service.gateway_port)),
                locality: service.locality.as_ref().map(ToString::to_string).into(),
                endpoint_labels: labels(&service.endpoint_labels),
            }),
            export_to: export_to.as_ref().map(strings).into(),
            destination_rule: (!destination_rule).then_some(false).into(),
            drift: Value::Null,
            timeouts: Value::Null,
        }
    }
}

impl From<ServicePort> for ImportedPortRef {
    fn from(port: ServicePort) -> Self {
        Self {
            number: Value::Value(i64::from(port.number)),
            name: Value::Value(port.name),
            protocol: Value::Value(port.protocol.to_string()),
        }
    }
}
