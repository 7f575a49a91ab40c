//! The attributes of `mesh_global_service`: their declaration, and both ways between them and a [`Request`].

use std::collections::{BTreeMap, BTreeSet};

use super::GlobalService;
use crate::{
    mesh::{
        ClusterKey, Host, LabelValue, Namespace, NetworkName, ObjectName, ReleaseName, ServiceAccountName, TrustDomain, Vip,
        export::Caller,
        global::{Detection, GlobalId, Member, Request},
    },
    resources::service_export::{
        model::{parse_audience, same_address, strings},
        ports::{ExportedPortModel, PortModel, parse_ports, same_ports},
    },
};
use framework::{Datum, Parse, Set, Timeouts, Value, computed, model, optional, required};

model! {
    /// The east-west gateway of a cluster that serves the host: the attributes of a `mesh_eastwest_gateway`.
    pub struct ServingGatewayRef {
        /// Key of the cluster in the provider's `clusters`: the same as the key in `gateways`.
        cluster: String => required(),
        /// The gateway's namespace.
        namespace: String => required(),
        /// The gateway's name.
        name: String => required(),
        /// The name of the gateway's Service, if it has one of its own.
        service_name: String => optional(),
        /// The label of the gateway's pods, if it has one of its own.
        label: String => optional(),
        /// The cluster's network. Each of the other clusters needs a `mesh_link` to it.
        network: String => required(),
    }
}

model! {
    /// When an endpoint gets no more calls for a while: a pod of the own cluster, or the gateway of another one.
    pub struct OutlierDetectionModel {
        /// So many errors in a row: answers with a status of 500 or more, and connections that fail.
        consecutive_errors: i64 => optional().default(3).between(1, 1000),
        /// How often to look, in seconds. It is also how soon an endpoint comes back when its time is over.
        interval_seconds: i64 => optional().default(1).between(1, 3600),
        /// For how long, in seconds: the first time. Each further time it is as much longer.
        ejection_seconds: i64 => optional().default(10).between(1, 3600),
    }
}

model! {
    /// Makes one host of a Service that several clusters have, under the same name and in the same namespace: calls of `checkout.mesh.local` are
    /// answered by the caller's own cluster as long as it can, and by the others when it can't. They come back as soon as it can again. Calls go
    /// from sidecar to sidecar with mutual TLS, those to another cluster through its east-west gateway, which is opened for this host only.
    ///
    /// A call is passed on to another cluster when the caller's cluster has no ready pod, or when its pods fail: see `outlier_detection`. A call
    /// that fails on the way to the decision is not lost if it can be repeated: Istio repeats calls that didn't reach a pod, and others only
    /// where a VirtualService says so.
    ///
    /// To take a cluster out of service, set its weight to 0: `weights = { us = 0 }`. Its clients then call the others, and the others no longer
    /// call it. Its pods are not touched. Remove the weight to bring it back.
    ///
    /// Each cluster needs a `mesh_link` to the networks of the others, and the namespace. While a cluster can't be reached, a plan keeps the last
    /// known state of its objects and warns, and an apply writes to the others, so that a cluster that is down can be taken out of service.
    pub struct GlobalServiceModel {
        /// The name that clients call, such as `checkout.mesh.local`: a DNS name of two labels or more, other than those of Kubernetes Services.
        /// Clients resolve it with the mesh's DNS capture.
        host: String => required().replaces(),
        /// The namespace of the Service, in each cluster.
        namespace: String => required().replaces(),
        /// The name of the Service, in each cluster that serves the host.
        service: String => required(),
        /// The gateways of the clusters that serve the host, by the clusters' keys: `{ us = mesh_eastwest_gateway.us, eu = mesh_eastwest_gateway.eu }`,
        /// or `mesh_eastwest_gateway.this` of gateways with `for_each`. A cluster that is added or removed is a change in place.
        gateways: BTreeMap<String, Value<ServingGatewayRef>> => required(),
        /// Shares of the clusters in the calls that others pass on, by the clusters' keys; 1 for those that are left out. With 0 the cluster is out
        /// of service, for its own clients as well. Calls that the own cluster answers are not shared out.
        weights: BTreeMap<String, Value<i64>> => optional(),
        /// When an endpoint gets no more calls for a while, so that the next one does.
        outlier_detection: OutlierDetectionModel => optional(),
        /// The namespaces that see the host, in each cluster: names, `.` for `namespace`, or `*` alone for all. All if not set.
        export_to: Set<String> => optional(),
        /// The address that the host resolves to. No real host may have it: a private IPv4 address, one of 240.0.0.0/4, or one of fc00::/7, such as
        /// `240.0.0.2`. If not set, `address` is computed. Clusters without IPv4 need one of fc00::/7.
        vip: String => optional().equivalent_by(same_address),
        /// The ports; the TCP ports of the live Services if not set, which must then be the same in each cluster but for the pods' ports.
        ports: Vec<Value<PortModel>> => optional().equivalent_by(same_ports),
        /// Labels of the pods behind the host; the selector of each cluster's live Service if not set.
        selector: BTreeMap<String, Value<String>> => optional(),
        /// Names of the service accounts that the pods run as: clients then refuse a pod that runs as any other. If not set, or empty, clients
        /// accept any certificate of the mesh.
        service_accounts: Set<String> => optional(),
        /// Trust domain of the service accounts; each cluster's own if not set.
        trust_domain: String => optional(),
        /// SPIFFE IDs of the workloads that may call the host, as in `mesh_service_export`: all others are refused, from the own cluster too. An ID
        /// has no cluster in it. Any workload of the mesh may call if not set, and none if empty.
        callers: Set<String> => optional(),
        /// The address that the host resolves to: `vip`, or if that is not set, one of 241.0.0.0 to 254.255.255.254 that is computed from the host.
        address: String => computed(),
        /// The ports that clients call.
        service_ports: Vec<Value<ExportedPortModel>> => computed(),
        /// The SPIFFE identities that clients accept; empty if they accept any of the mesh.
        identities: Vec<Value<String>> => computed(),
        /// Differences between the clusters and the last applied configuration. The next apply reverts them.
        drift: Vec<Value<String>> => computed().settled(Datum::List(vec![])),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}

impl GlobalServiceModel {
    /// Parses the attributes that the configuration sets.
    pub(super) fn parse(&self, parse: &mut Parse<'_>) -> Option<GlobalService> {
        let host = parse.required("host", &self.host, |text| Host::parse(text));
        let namespace = parse.required("namespace", &self.namespace, |text| Namespace::parse(text));
        let service = parse.required("service", &self.service, |text| ObjectName::parse(text));
        let members = self.parse_gateways(parse);
        let weights = self.parse_weights(members.as_ref(), parse);
        let detection = parse.nested("outlier_detection", &self.outlier_detection, OutlierDetectionModel::parse);
        let export_to = parse_audience(&self.export_to, parse);
        let vip = parse.optional("vip", &self.vip, |text| Vip::parse(text));
        let ports = parse_ports(&self.ports, parse);
        let selector = parse.optional_entries("selector", &self.selector, |text| Ok::<_, String>(text.clone()));
        let accounts = parse.optional_each("service_accounts", &self.service_accounts, |text| ServiceAccountName::parse(text));
        let trust_domain = parse.optional("trust_domain", &self.trust_domain, |text| TrustDomain::parse(text));
        let callers = parse.optional_each("callers", &self.callers, |text| Caller::parse(text));
        Some(GlobalService {
            id: GlobalId { namespace: namespace?, host: host? },
            request: Request {
                service: service?,
                members: members?,
                weights: weights?,
                export_to: export_to?,
                vip: vip?,
                ports: ports?,
                selector: selector?,
                service_accounts: accounts?.map(BTreeSet::from_iter),
                trust_domain: trust_domain?,
                callers: callers?.map(BTreeSet::from_iter),
                detection: detection?.unwrap_or_default(),
            },
        })
    }

    fn parse_gateways(&self, parse: &mut Parse<'_>) -> Option<BTreeMap<ClusterKey, Member>> {
        let read = parse.nested_entries("gateways", &self.gateways, |key, gateway, parse| gateway.parse(key, parse))?;
        if self.gateways.as_ref_option().is_some_and(BTreeMap::is_empty) {
            parse.violation(parse.path("gateways"), &"Must not be empty: a host that no cluster serves can't be called.");
        }
        Some(read.into_values().collect())
    }

    /// Parses the weights. Those of clusters that have none of the gateways are wrong, and so is one of 0 in all of them.
    fn parse_weights(&self, members: Option<&BTreeMap<ClusterKey, Member>>, parse: &mut Parse<'_>) -> Option<BTreeMap<ClusterKey, u32>> {
        let weights = parse.entries("weights", &self.weights, |weight| {
            u32::try_from(*weight).ok().filter(|weight| *weight <= 1000).ok_or_else(|| format!("Must be between 0 and 1000, got {weight}."))
        })?;
        let weights: BTreeMap<_, _> =
            weights.into_iter().filter_map(|(key, weight)| Some((ClusterKey::parse(&key).ok()?, weight))).collect();
        let Some(members) = members else { return Some(weights) };
        let keys = self.weights.as_ref_option().into_iter().flat_map(BTreeMap::keys);
        for key in keys.filter(|key| !members.keys().any(|member| member.as_str() == key.as_str())) {
            let there_are: Vec<_> = members.keys().map(|member| format!("`{member}`")).collect();
            let problem = format!("`gateways` has no gateway of cluster `{key}`; it has {}.", there_are.join(", "));
            parse.violation(parse.path("weights").key(key.clone()), &problem);
        }
        if !members.is_empty() && members.keys().all(|member| weights.get(member) == Some(&0)) {
            parse.violation(
                parse.path("weights"),
                &"All clusters have the weight 0, so none serves the host. Leave at least one in service.",
            );
        }
        Some(weights)
    }
}

impl ServingGatewayRef {
    fn parse(&self, key: &str, parse: &mut Parse<'_>) -> Option<(ClusterKey, Member)> {
        let cluster = parse.required("cluster", &self.cluster, |cluster| {
            if cluster == key {
                ClusterKey::parse(cluster)
            } else {
                Err(format!("It is the gateway of cluster `{cluster}`, and has the key `{key}`. Give it the key `{cluster}`."))
            }
        });
        let gateway_namespace = parse.required("namespace", &self.namespace, |text| Namespace::parse(text));
        let gateway_name = parse.required("name", &self.name, |text| ReleaseName::parse(text));
        let gateway_service = parse.optional("service_name", &self.service_name, |text| ObjectName::parse(text));
        let gateway_label = parse.optional("label", &self.label, |text| LabelValue::parse(text));
        let network = parse.required("network", &self.network, |text| NetworkName::parse(text));
        let member = Member {
            network: network?,
            gateway_name: gateway_name?,
            gateway_namespace: gateway_namespace?,
            gateway_service: gateway_service?,
            gateway_label: gateway_label?,
        };
        Some((cluster?, member))
    }
}

impl OutlierDetectionModel {
    fn parse(&self, parse: &mut Parse<'_>) -> Option<Detection> {
        let default = Detection::default();
        let mut number = |name, value, default| {
            let read = parse
                .optional(name, value, |number: &i64| u32::try_from(*number).map_err(|_| format!("Must be at least 1, got {number}.")));
            read.map(|read| read.unwrap_or(default))
        };
        let consecutive_errors = number("consecutive_errors", &self.consecutive_errors, default.consecutive_errors);
        let interval_seconds = number("interval_seconds", &self.interval_seconds, default.interval_seconds);
        let ejection_seconds = number("ejection_seconds", &self.ejection_seconds, default.ejection_seconds);
        Some(Detection {
            consecutive_errors: consecutive_errors?,
            interval_seconds: interval_seconds?,
            ejection_seconds: ejection_seconds?,
        })
    }
}

/// The attributes of an import. All are listed, so that the compiler asks for a new one.
impl From<&GlobalService> for GlobalServiceModel {
    fn from(service: &GlobalService) -> Self {
        let GlobalService { id, request } = service;
        let gateway = |(key, member): (&ClusterKey, &Member)| {
            let gateway = ServingGatewayRef {
                cluster: Value::Value(key.to_string()),
                namespace: Value::Value(member.gateway_namespace.to_string()),
                name: Value::Value(member.gateway_name.to_string()),
                service_name: member.gateway_service.as_ref().map(ToString::to_string).into(),
                label: member.gateway_label.as_ref().map(ToString::to_string).into(),
                network: Value::Value(member.network.to_string()),
            };
            (key.to_string(), Value::Value(gateway))
        };
        let weights = || request.weights.iter().map(|(key, weight)| (key.to_string(), Value::Value(i64::from(*weight)))).collect();
        let detection = |detection: &Detection| OutlierDetectionModel {
            consecutive_errors: Value::Value(i64::from(detection.consecutive_errors)),
            interval_seconds: Value::Value(i64::from(detection.interval_seconds)),
            ejection_seconds: Value::Value(i64::from(detection.ejection_seconds)),
        };
        Self {
            host: Value::Value(id.host.to_string()),
            namespace: Value::Value(id.namespace.to_string()),
            service: Value::Value(request.service.to_string()),
            gateways: Value::Value(request.members.iter().map(gateway).collect()),
            weights: (!request.weights.is_empty()).then(weights).into(),
            outlier_detection: Some(&request.detection).filter(|set| **set != Detection::default()).map(detection).into(),
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
            address: Value::Null,
            service_ports: Value::Null,
            identities: Value::Null,
            drift: Value::Null,
            timeouts: Value::Null,
        }
    }
}
