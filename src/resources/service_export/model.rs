//! The attributes of `mesh_service_export`: their declaration, and both ways between them and an export's [`Request`].

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ServiceExport,
    imported::ImportedModel,
    ports::{ExportedPortModel, PortModel, parse_ports, same_ports},
};
use crate::mesh::{
    ClusterKey, ExportId, Host, LabelValue, Locality, Namespace, NetworkName, ObjectName, ReleaseName, ServiceAccountName, TrustDomain,
    Vip,
    export::{Audience, Caller, Request},
    helm::gateway::{self, Address},
    names::{self, port},
};
use framework::{Datum, Dynamic, Parse, Set, Timeouts, Value, computed, model, optional, required};

model! {
    /// The exporting cluster's east-west gateway: the attributes of a `mesh_eastwest_gateway`.
    pub struct GatewayRef {
        /// Key of the exporting cluster in the provider's `clusters`.
        cluster: String => required(),
        /// The gateway's namespace.
        namespace: String => required(),
        /// The gateway's name.
        name: String => required(),
        /// The name of the gateway's Service, if it has one of its own.
        service_name: String => optional(),
        /// The label of the gateway's pods, if it has one of its own.
        label: String => optional(),
        /// The load balancer's port for mutual TLS.
        port: i64 => optional().default(i64::from(gateway::PORT)).between(1, 65535),
        /// The load balancer's addresses: IP addresses or host names. Required, unless `network` is set.
        addresses: Vec<Value<String>> => optional(),
    }
}

model! {
    /// Makes a Service of one cluster callable from others by a host name of its own, such as `echo.eu.mesh.local`. Calls go from sidecar
    /// to sidecar with mutual TLS, through the exporting cluster's east-west gateway, which is opened for this host only.
    ///
    /// Without `callers`, any workload of the mesh that knows the host can call it, in whichever cluster it runs.
    ///
    /// To Istio the host is a service of its own. VirtualServices, DestinationRules (outlier detection, subsets, load balancing) and policies
    /// for the Service's own name don't apply to calls of the host; write them for the host as well. The gateway balances connections, not
    /// requests: all gRPC calls of one client connection reach the same pod.
    ///
    /// While an importing cluster can't be reached, a plan keeps the last known state of its objects and warns, an apply writes to the other
    /// clusters and then reports the failure, and a destroy still closes the gateway for the host.
    pub struct ServiceExportModel {
        /// The name that clients call, such as `echo.eu.mesh.local`: a DNS name of two labels or more, other than those of Kubernetes
        /// Services. Clients resolve it with the mesh's DNS capture.
        host: String => required().replaces(),
        /// The exporting cluster's gateway: `gateway = mesh_eastwest_gateway.eu`. A new address updates the importers in place, and so does
        /// another gateway: the new objects are written before the old ones are removed.
        gateway: GatewayRef => required(),
        /// Name of the exporting cluster's network, if each importing cluster has a `mesh_link` to it: `mesh_link.us_to_eu.network`. The objects in
        /// these clusters then name the network instead of the gateway's addresses, so that a new address needs no write of this export. Leave
        /// `addresses` out of `gateway` then, or each new address is still an update, if one that writes nothing new. A change from one to the
        /// other is in place.
        network: String => optional(),
        /// The Service's namespace.
        namespace: String => required().replaces(),
        /// The Service's name. It must exist when the export is created, unless both `ports` and `selector` are set. If it is deleted later, the
        /// plan warns, and the export keeps its ports and selector.
        service: String => required(),
        /// Keys, in the provider's `clusters`, of the clusters that resolve the host: `[mesh_cluster.us.cluster]`, so that the export
        /// waits for their control planes. Empty where each of them has a `mesh_service_import` of its own: this resource then needs access to
        /// the exporting cluster only. This is not access control: see above.
        importers: Set<String> => required(),
        /// Namespace in the importing clusters for the objects that this resource creates; the gateway's namespace if not set. A change
        /// moves them without interrupting calls.
        importer_namespace: String => optional(),
        /// The namespaces that see the host, in the exporting and in the importing clusters: names, `.` for the namespace of the objects
        /// (`importer_namespace`; in the exporting cluster `namespace`), or `*` alone for all. All if not set, also in a mesh whose
        /// `defaultServiceExportTo` is narrower. Example: `["shop", "checkout"]`.
        export_to: Set<String> => optional(),
        /// The address that the host resolves to in the importing clusters. No real host there may have it: a private IPv4 address, one of
        /// 240.0.0.0/4, or one of fc00::/7, such as `240.0.0.2`. If not set, `address` is computed. Clusters without IPv4 need one of fc00::/7.
        vip: String => optional().equivalent_by(same_address),
        /// The ports to export; the TCP ports of the live Service if not set, with their protocols as its `appProtocol` or the ports' names
        /// declare them. A port without a declared protocol is exported as TCP, with a warning.
        ports: Vec<Value<PortModel>> => optional().equivalent_by(same_ports),
        /// Labels of the pods behind the host; the live Service's selector if not set.
        selector: BTreeMap<String, Value<String>> => optional(),
        /// Names of the service accounts that the pods run as: clients then refuse a pod that runs as any other. If not set, or empty, clients
        /// accept any certificate of the mesh.
        service_accounts: Set<String> => optional(),
        /// Trust domain of the service accounts; the exporting cluster's if not set.
        trust_domain: String => optional(),
        /// SPIFFE IDs of the workloads that may call the host: `provider::mesh::spiffe_id("corp.local", "shop", "cart")`, or
        /// `spiffe://corp.local/ns/shop/sa/*` for all service accounts of a namespace. An ID has no cluster in it: where clusters have one trust
        /// domain, the account of that name may call from each of them. The pods then refuse all other calls by the host's name: HTTP calls with
        /// the status 403, gRPC calls with the status 7 (`PERMISSION_DENIED`), TCP connections by closing them. Calls by the Service's own name,
        /// inside the exporting cluster, are not restricted. Any workload of the mesh may call if not set, and none if empty. A change takes a
        /// few seconds to reach the pods.
        callers: Set<String> => optional(),
        /// Where the exporting cluster is, as `region`, `region/zone` or `region/zone/subzone`, equal to the labels of its nodes, such as
        /// `eu-west-1`. It has no effect by itself: clients prefer near endpoints only with outlier detection in a DestinationRule, and an
        /// export has endpoints in one cluster.
        locality: String => optional(),
        /// Labels of the host's endpoints in the importing clusters, by which the subsets of a DestinationRule of your own choose them:
        /// `{ "topology.istio.io/cluster" = "eu" }`.
        endpoint_labels: BTreeMap<String, Value<String>> => optional(),
        /// Whether the importing clusters get a DestinationRule, which sets mutual TLS for the host. Defaults to true. With false bring one of your
        /// own with `tls: {mode: ISTIO_MUTUAL}`, or calls to the host can leave in plain text.
        destination_rule: bool => optional().equivalent_by(is_unset_or_true),
        /// Whether the exporting cluster also gets a `ServiceExport` of the Service (`multicluster.x-k8s.io/v1alpha1`), by which the Multi-Cluster Services API (MCS) marks
        /// Services for other clusters. Defaults to false; calls of `host` need none. Support of MCS is experimental in Istio: clusters with a `mesh_remote_secret` for this one heed the
        /// object if their istiod has `ENABLE_MCS_SERVICE_DISCOVERY` in its environment: `values = [yamlencode({ env = { ENABLE_MCS_SERVICE_DISCOVERY = "true" } })]` of their
        /// `mesh_cluster`. A Service without a ServiceExport is then no longer discovered there. The definition of the kind must be in the exporting cluster: neither Kubernetes nor
        /// Istio brings it. See "Only some Services" in the guide Endpoint discovery.
        mcs_service_export: bool => optional().equivalent_by(is_unset_or_false),
        /// Whether a create takes over what somebody else has written to make the host callable: ServiceEntries of the host alone, DestinationRules
        /// that only set its TLS, and a Gateway that passes on the host only. The plan shows what changes. The export's own objects are written
        /// first, then those are deleted. Set `vip` to the address that clients have. It has no effect on a resource that is in the state.
        adopt: bool => optional().default(false).equivalent_by(|_, _| true),
        /// The address that the host resolves to in the importing clusters: `vip`, or if that is not set, one of 241.0.0.0 to 254.255.255.254
        /// that is computed from the host. In the exporting cluster it is the same, unless `vip` is a private IPv4 address.
        address: String => computed(),
        /// The ports as they are exported.
        service_ports: Vec<Value<ExportedPortModel>> => computed(),
        /// The SPIFFE identities that clients accept; empty if they accept any of the mesh.
        identities: Vec<Value<String>> => computed(),
        /// All that an importing cluster has to know. An output of it is the `service` of a `mesh_service_import` in another state, whose clusters
        /// this one need not have access to. Nothing of it is secret.
        import: ImportedModel => computed(),
        /// Differences between the clusters and the last applied configuration. The next apply reverts them.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}

impl ServiceExportModel {
    /// Parses the attributes that the configuration sets.
    pub(super) fn parse(&self, parse: &mut Parse<'_>) -> Option<ServiceExport> {
        let host = parse.required("host", &self.host, |text| Host::parse(text));
        let gateway = parse.nested("gateway", &self.gateway, GatewayEnd::parse);
        let network = parse.optional("network", &self.network, |text| NetworkName::parse(text));
        let namespace = parse.required("namespace", &self.namespace, |text| Namespace::parse(text));
        let service = parse.required("service", &self.service, |text| ObjectName::parse(text));
        let importers = parse.each("importers", &self.importers, |text| ClusterKey::parse(text));
        let importer_namespace = parse.optional("importer_namespace", &self.importer_namespace, |text| Namespace::parse(text));
        let export_to = parse_audience(&self.export_to, parse);
        let vip = parse.optional("vip", &self.vip, |text| Vip::parse(text));
        let ports = parse_ports(&self.ports, parse);
        let selector = parse.optional_entries("selector", &self.selector, |text| Ok::<_, String>(text.clone()));
        let accounts = parse.optional_each("service_accounts", &self.service_accounts, |text| ServiceAccountName::parse(text));
        let trust_domain = parse.optional("trust_domain", &self.trust_domain, |text| TrustDomain::parse(text));
        let callers = parse.optional_each("callers", &self.callers, |text| Caller::parse(text));
        let locality = parse.optional("locality", &self.locality, |text| Locality::parse(text));
        let endpoint_labels = parse_endpoint_labels(&self.endpoint_labels, parse);
        let mcs_service_export = parse.optional("mcs_service_export", &self.mcs_service_export, |on| Ok::<_, String>(*on));
        let destination_rule = parse.optional("destination_rule", &self.destination_rule, |on| Ok::<_, String>(*on));
        if let (Value::Value(GatewayRef { cluster: Value::Value(exporter), .. }), Some(importers)) = (&self.gateway, &importers)
            && importers.iter().any(|importer| importer.as_str() == exporter)
        {
            let problem = format!("`{exporter}` is the exporting cluster, whose pods reach the host anyway. List only other clusters.");
            parse.violation(parse.path("importers"), &problem);
        }
        let adopts = parse.optional("adopt", &self.adopt, |on| Ok::<_, String>(*on));
        if let Value::Value(GatewayRef { addresses: Value::Null, .. }) = &self.gateway
            && self.network.is_null()
        {
            let problem =
                "Importing clusters need the gateway's addresses: set `gateway.addresses`, or `network` if they have a mesh_link to it.";
            parse.violation(parse.path("gateway").attribute("addresses"), &problem);
        }
        let gateway = gateway??;
        Some(ServiceExport {
            id: ExportId { exporter: gateway.cluster, namespace: namespace?, host: host? },
            request: Request {
                service: service?,
                gateway_name: gateway.name,
                gateway_namespace: gateway.namespace,
                gateway_service: gateway.service,
                gateway_label: gateway.label,
                gateway_port: gateway.port,
                network: network?,
                importers: importers?.into_iter().collect(),
                importer_namespace: importer_namespace?,
                export_to: export_to?,
                vip: vip?,
                ports: ports?,
                selector: selector?,
                service_accounts: accounts?.map(BTreeSet::from_iter),
                trust_domain: trust_domain?,
                callers: callers?.map(BTreeSet::from_iter),
                locality: locality?,
                endpoint_labels: endpoint_labels?,
                mcs_service_export: mcs_service_export?.unwrap_or_default(),
                destination_rule: destination_rule?.unwrap_or(true),
            },
            addresses: gateway.addresses,
            adopts: adopts?.unwrap_or_default(),
        })
    }
}

/// The attributes of an import. All are listed, so that the compiler asks for a new one.
impl From<&ServiceExport> for ServiceExportModel {
    fn from(export: &ServiceExport) -> Self {
        let ServiceExport { id, request, addresses, adopts: _ } = export;
        Self {
            host: Value::Value(id.host.to_string()),
            gateway: Value::Value(GatewayRef {
                cluster: Value::Value(id.exporter.to_string()),
                namespace: Value::Value(request.gateway_namespace.to_string()),
                name: Value::Value(request.gateway_name.to_string()),
                service_name: request.gateway_service.as_ref().map(ToString::to_string).into(),
                label: request.gateway_label.as_ref().map(ToString::to_string).into(),
                port: Value::Value(i64::from(request.gateway_port)),
                addresses: request.network.is_none().then(|| strings(addresses)).into(),
            }),
            network: request.network.as_ref().map(ToString::to_string).into(),
            namespace: Value::Value(id.namespace.to_string()),
            service: Value::Value(request.service.to_string()),
            importers: Value::Value(strings(&request.importers)),
            importer_namespace: request.importer_namespace.as_ref().map(ToString::to_string).into(),
            export_to: request.export_to.as_ref().map(strings).into(),
            vip: request.vip.as_ref().map(ToString::to_string).into(),
            ports: request.ports.as_ref().map(|ports| ports.iter().map(|port| Value::Value(port.into())).collect()).into(),
            selector: request
                .selector
                .as_ref()
                .map(|labels| labels.iter().map(|(key, text)| (key.clone(), Value::Value(text.clone()))).collect())
                .into(),
            service_accounts: request.service_accounts.as_ref().map(strings).into(),
            trust_domain: request.trust_domain.as_ref().map(ToString::to_string).into(),
            callers: request.callers.as_ref().map(strings).into(),
            locality: request.locality.as_ref().map(ToString::to_string).into(),
            endpoint_labels: labels(&request.endpoint_labels),
            destination_rule: (!request.destination_rule).then_some(false).into(),
            mcs_service_export: request.mcs_service_export.then_some(true).into(),
            adopt: Value::Null,
            address: Value::Null,
            service_ports: Value::Null,
            identities: Value::Null,
            import: Value::Null,
            drift: Value::Null,
            timeouts: Value::Null,
        }
    }
}

/// Parses the labels of endpoints.
pub(in crate::resources) fn parse_endpoint_labels(
    labels: &Value<BTreeMap<String, Value<String>>>,
    parse: &mut Parse<'_>,
) -> Option<BTreeMap<String, String>> {
    let entries = parse.entries("endpoint_labels", labels, |text| names::check_label_value(text).map(|()| text.clone()));
    for (key, problem) in entries.iter().flatten().filter_map(|(key, _)| Some((key, problem_of(key)?))) {
        parse.violation(parse.path("endpoint_labels").key(key.clone()), &problem);
    }
    entries
}

fn problem_of(key: &str) -> Option<String> {
    if key == names::TLS_MODE_LABEL {
        return Some(format!("The provider sets `{key}` by itself. Remove it."));
    }
    names::check_key(key).err()
}

/// The labels of endpoints as an attribute: null if there are none.
pub(in crate::resources) fn labels(labels: &BTreeMap<String, String>) -> Value<BTreeMap<String, Value<String>>> {
    let values = || labels.iter().map(|(key, text)| (key.clone(), Value::Value(text.clone()))).collect();
    (!labels.is_empty()).then(values).into()
}

/// Whether two settings that default to true say the same.
pub(in crate::resources) fn is_unset_or_true(a: &Dynamic, b: &Dynamic) -> bool {
    let is_on = |value: &Dynamic| matches!(value, Value::Null | Value::Value(Datum::Bool(true)));
    is_on(a) && is_on(b)
}

/// Whether two settings that default to false say the same.
pub(in crate::resources) fn is_unset_or_false(a: &Dynamic, b: &Dynamic) -> bool {
    let is_off = |value: &Dynamic| matches!(value, Value::Null | Value::Value(Datum::Bool(false)));
    is_off(a) && is_off(b)
}

/// Parses `export_to`; `Some(None)` if it isn't set.
pub(in crate::resources) fn parse_audience(export_to: &Value<Set<String>>, parse: &mut Parse<'_>) -> Option<Option<BTreeSet<Audience>>> {
    let audience = parse.optional_each("export_to", export_to, |text| Audience::parse(text));
    match &audience {
        Some(Some(audience)) if audience.is_empty() => {
            parse.violation(parse.path("export_to"), &"Must not be empty. List at least one namespace, or leave `export_to` out for all.");
        }
        Some(Some(audience)) if audience.len() > 1 && audience.contains(&Audience::Everyone) => {
            parse.violation(parse.path("export_to"), &"`*` means all namespaces already. List it alone, or leave it out.");
        }
        _ => {}
    }
    Some(audience?.map(BTreeSet::from_iter))
}

/// The values as strings, in the collection that the attribute has.
pub(in crate::resources) fn strings<'a, T: ToString + 'a, C: FromIterator<Value<String>>>(values: impl IntoIterator<Item = &'a T>) -> C {
    values.into_iter().map(|value| Value::Value(value.to_string())).collect()
}

/// The exporting cluster's gateway.
struct GatewayEnd {
    cluster: ClusterKey,
    namespace: Namespace,
    name: ReleaseName,
    service: Option<ObjectName>,
    label: Option<LabelValue>,
    port: u16,
    addresses: Vec<Address>,
}

impl GatewayEnd {
    fn parse(gateway: &GatewayRef, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &gateway.cluster, |key| ClusterKey::parse(key));
        let namespace = parse.required("namespace", &gateway.namespace, |text| Namespace::parse(text));
        let name = parse.required("name", &gateway.name, |text| ReleaseName::parse(text));
        let service = parse.optional("service_name", &gateway.service_name, |text| ObjectName::parse(text));
        let label = parse.optional("label", &gateway.label, |text| LabelValue::parse(text));
        let port = parse.optional("port", &gateway.port, |number| port::number(*number));
        let addresses = parse.each("addresses", &gateway.addresses, |text| Address::parse(text));
        if addresses.as_ref().is_some_and(Vec::is_empty) && gateway.addresses.is_value() {
            let problem = "The gateway has no address yet, so traffic can't be routed to it. Apply the gateway first.";
            parse.violation(parse.path("addresses"), &problem);
        }
        Some(Self {
            cluster: cluster?,
            namespace: namespace?,
            name: name?,
            service: service?,
            label: label?,
            port: port?.unwrap_or(gateway::PORT),
            addresses: addresses?,
        })
    }
}

/// Whether two strings are the same IP address, which may be spelled in several ways.
pub(in crate::resources) fn same_address(a: &Dynamic, b: &Dynamic) -> bool {
    let address = |value: &Dynamic| match value {
        Value::Value(Datum::String(text)) => text.parse::<std::net::IpAddr>().ok(),
        _ => None,
    };
    address(a).is_some_and(|a| address(b) == Some(a))
}
