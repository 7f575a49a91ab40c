//! A host that several clusters serve. Each is told of the host twice: by a ServiceEntry of its own pods, as an exporting cluster is, and by one
//! of the other networks, in which links lead to the gateways. istiod makes one service of both. The DestinationRule puts the endpoints of the
//! client's own network first, and takes out those that fail, so that calls leave the cluster only if it can't answer them.
//!
//! Clusters can't be told apart otherwise: istiod gives every endpoint of a ServiceEntry its own cluster's ID, so `failoverPriority` by cluster
//! has no effect.

mod request;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::Value as Json;

use super::{
    export::{Export, ExportId},
    labels::{EXPORT_RECORD, GLOBAL_RECORD, Owner},
    manifest::{annotated, with_spec},
    names::{ClusterKey, Host, Namespace, ServicePort},
};
use crate::{
    data::{Kind, ObjectRef},
    istio::{
        ClientTls, ClientTlsMode, DestinationRule, Endpoint, LoadBalancer, LocalityLbSetting, Location, OutlierDetection, Resolution,
        ServiceEntry, TrafficPolicy, well_known,
    },
};

pub use request::{Detection, Member, Request};

/// The identity of a global service. Its import ID is `NAMESPACE/HOST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalId {
    /// The Services' namespace, which is the same in each cluster.
    pub namespace: Namespace,
    /// The name that clients call.
    pub host: Host,
}

impl fmt::Display for GlobalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.host)
    }
}

impl GlobalId {
    fn owner(&self) -> Owner {
        Owner::Global(self.host.clone())
    }

    /// The name of the objects of a cluster, but for that of the other networks.
    fn object_name(&self) -> String {
        format!("mesh-global-{}", self.host.slug())
    }

    fn here(&self, kind: Kind) -> ObjectRef {
        ObjectRef::namespaced(kind, self.namespace.as_str(), self.object_name())
    }

    /// Returns the label selector that finds the objects of the service.
    pub fn selector(&self) -> String {
        self.owner().selector()
    }

    /// Returns the DestinationRule, which each cluster has as long as it is one of the service's. It has the record for an import.
    pub fn rule(&self) -> ObjectRef {
        self.here(Kind::DESTINATION_RULE)
    }

    /// Returns the ServiceEntry of a cluster's own pods.
    pub fn entry(&self) -> ObjectRef {
        self.here(Kind::SERVICE_ENTRY)
    }

    /// Returns the ServiceEntry of the other networks.
    pub fn elsewhere(&self) -> ObjectRef {
        ObjectRef { name: format!("{}-elsewhere", self.object_name()), ..self.entry() }
    }

    /// Returns every object that a cluster may have of the service with this request.
    pub fn objects(&self, request: &Request, cluster: &ClusterKey) -> Vec<ObjectRef> {
        let gateway = request
            .members
            .get(cluster)
            .map(|member| ObjectRef { namespace: Some(member.gateway_namespace.to_string()), ..self.here(Kind::GATEWAY) });
        // Services without `callers` need no permission for policies.
        let policy = request.callers.as_ref().map(|_| self.here(Kind::AUTHORIZATION_POLICY));
        [self.rule(), self.entry(), self.elsewhere()].into_iter().chain(gateway).chain(policy).collect()
    }
}

/// A global service in full: what was asked for, and what the clusters add to it.
#[derive(Clone, Debug)]
pub struct Global {
    /// Which service.
    pub id: GlobalId,
    /// What was asked for.
    pub request: Request,
    /// What each cluster that serves the host has of it, as if it alone exported the host.
    pub parts: BTreeMap<ClusterKey, Export>,
    /// The ports that clients call, which are the same in each cluster.
    pub ports: Vec<ServicePort>,
    /// The SPIFFE identities that clients accept, whichever cluster answers; empty when they accept any of the mesh.
    pub identities: BTreeSet<String>,
}

impl Global {
    /// Returns the manifests of a cluster that don't lead to others: its own pods, the open gateway, who may call, and the rule.
    pub fn own_manifests(&self, cluster: &ClusterKey) -> Vec<Json> {
        let rule = DestinationRule {
            host: self.id.host.to_string(),
            export_to: self.request.export_to(&self.id.namespace, None),
            traffic_policy: TrafficPolicy {
                tls: ClientTls { mode: ClientTlsMode::IstioMutual },
                outlier_detection: Some(outlier_detection(&self.request.detection)),
                load_balancer: Some(LoadBalancer {
                    locality_lb_setting: LocalityLbSetting { failover_priority: vec![well_known::NETWORK_LABEL] },
                }),
            },
        };
        let rule = with_spec(Kind::DESTINATION_RULE, &self.id.namespace, &self.id.object_name(), &self.id.owner(), &rule);
        let rule = annotated(rule, &BTreeMap::from([(GLOBAL_RECORD, self.request.to_annotation())]));
        let served = self.parts.get(cluster).map(|part| {
            let entry = ServiceEntry { subject_alt_names: self.identities(), ..self.shared(part.entry()) };
            let entry = with_spec(Kind::SERVICE_ENTRY, &self.id.namespace, &self.id.object_name(), &self.id.owner(), &entry);
            // To whoever looks at the cluster it is an export as any other.
            let entry = annotated(entry, &BTreeMap::from([(EXPORT_RECORD, part.request.to_annotation())]));
            std::iter::once(entry).chain(part.opening_manifests(&self.id.object_name(), &self.id.owner()))
        });
        std::iter::once(rule).chain(served.into_iter().flatten()).collect()
    }

    /// Returns the manifest that leads a cluster's clients to the others that serve the host, if there are any. `open` tells which of them let
    /// the host through.
    pub fn elsewhere_manifest(&self, cluster: &ClusterKey, open: impl Fn(&ClusterKey) -> bool) -> Option<Json> {
        let others: Vec<_> = self.request.serving().filter(|(key, _)| *key != cluster && open(key)).collect();
        let endpoint = |(key, member): &(&ClusterKey, &Member)| Endpoint {
            address: None,
            network: Some(member.network.to_string()),
            ports: BTreeMap::new(),
            locality: None,
            // The default isn't written, so that a service without weights is easier to read.
            weight: Some(self.request.weight(key)).filter(|weight| *weight != 1),
            labels: BTreeMap::from([(well_known::TLS_MODE_LABEL.to_owned(), well_known::TLS_MODE_ISTIO.to_owned())]),
        };
        let entry = ServiceEntry {
            hosts: vec![self.id.host.to_string()],
            export_to: Vec::new(),
            addresses: Vec::new(),
            location: Location::MeshInternal,
            resolution: Resolution::Static,
            ports: self.ports.iter().map(ServicePort::imported).collect(),
            subject_alt_names: self.identities(),
            endpoints: others.iter().map(endpoint).collect(),
            workload_selector: None,
        };
        let entry = with_spec(Kind::SERVICE_ENTRY, &self.id.namespace, &self.id.elsewhere().name, &self.id.owner(), &self.shared(entry));
        (!others.is_empty()).then_some(entry)
    }

    /// Returns all manifests of a cluster, once every cluster is open.
    pub fn manifests(&self, cluster: &ClusterKey) -> Vec<Json> {
        self.own_manifests(cluster).into_iter().chain(self.elsewhere_manifest(cluster, |_| true)).collect()
    }

    /// Returns what both ServiceEntries of a cluster must have in common, so that istiod makes one service of them.
    fn shared(&self, entry: ServiceEntry) -> ServiceEntry {
        ServiceEntry {
            // All gateways are in it, so that one list serves in each cluster.
            export_to: self.request.export_to(&self.id.namespace, self.request.members.values().map(|member| &member.gateway_namespace)),
            addresses: vec![self.request.address(&self.id.host).to_string()],
            ..entry
        }
    }

    fn identities(&self) -> Vec<String> {
        self.identities.iter().cloned().collect()
    }
}

/// Returns the request as one of an export of a single cluster.
pub fn part(id: &GlobalId, request: &Request, cluster: &ClusterKey, member: &Member) -> (ExportId, super::export::Request) {
    let export = super::export::Request {
        service: request.service.clone(),
        gateway_name: member.gateway_name.clone(),
        gateway_namespace: member.gateway_namespace.clone(),
        gateway_service: member.gateway_service.clone(),
        gateway_label: member.gateway_label.clone(),
        gateway_port: super::helm::gateway::PORT,
        network: None,
        importers: BTreeSet::new(),
        importer_namespace: None,
        export_to: request.export_to.clone(),
        vip: request.vip,
        ports: request.ports.clone(),
        selector: request.selector.clone(),
        service_accounts: request.service_accounts.clone(),
        trust_domain: request.trust_domain.clone(),
        callers: request.callers.clone(),
        locality: None,
        endpoint_labels: BTreeMap::new(),
        mcs_service_export: false,
        destination_rule: true,
    };
    (ExportId { exporter: cluster.clone(), namespace: id.namespace.clone(), host: id.host.clone() }, export)
}

fn outlier_detection(detection: &Detection) -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx_errors: detection.consecutive_errors,
        interval: format!("{}s", detection.interval_seconds),
        base_ejection_time: format!("{}s", detection.ejection_seconds),
        // With less, the last endpoints of a cluster would go on to get calls that fail.
        max_ejection_percent: 100,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::{Protocol, helm::gateway::Address, names::TrustDomain};

    fn key(text: &str) -> ClusterKey {
        ClusterKey::parse(text).unwrap()
    }

    /// A service of two clusters, each with pods of its own label.
    fn service(callers: Option<&[&str]>) -> Global {
        let member = |key: &str| json!({"network": format!("{key}-net"), "gatewayName": "gw", "gatewayNamespace": "istio-system"});
        let mut request =
            json!({"service": "checkout", "members": {"eu": member("eu"), "us": member("us")}, "serviceAccounts": ["checkout"]});
        if let Some(callers) = callers {
            request["callers"] = json!(callers);
        }
        let request: Request = serde_json::from_value(request).unwrap();
        let id = GlobalId { namespace: Namespace::parse("shop").unwrap(), host: Host::parse("checkout.mesh.local").unwrap() };
        let of = |(cluster, member): (&ClusterKey, &Member)| {
            let (id, request) = part(&id, &request, cluster, member);
            let export = Export {
                id,
                request,
                addresses: vec![Address::parse("198.51.100.9").unwrap()],
                ports: vec![ServicePort::of(80, None, Protocol::parse("HTTP").unwrap(), None)],
                selector: BTreeMap::from([("app".to_owned(), format!("checkout-{cluster}"))]),
                trust_domain: TrustDomain::parse("corp.local").ok(),
                opening: None,
            };
            (cluster.clone(), export)
        };
        let parts: BTreeMap<_, _> = request.members.iter().map(of).collect();
        let ports = parts[&key("eu")].ports.clone();
        Global { id, request, parts, ports, identities: BTreeSet::new() }
    }

    /// The policies of a cluster.
    fn policies(service: &Global, cluster: &str) -> Vec<Json> {
        service.manifests(&key(cluster)).into_iter().filter(|manifest| manifest["kind"] == "AuthorizationPolicy").collect()
    }

    #[test]
    fn each_serving_cluster_refuses_everyone_but_the_callers_from_here_and_elsewhere() {
        let service = service(Some(&["spiffe://corp.local/ns/shop/sa/cart", "spiffe://us.corp.local/ns/test/sa/*"]));
        for cluster in ["eu", "us"] {
            let policies = policies(&service, cluster);
            assert_eq!(policies.len(), 1, "{cluster}");
            let object = service.id.here(Kind::AUTHORIZATION_POLICY);
            assert_eq!(ObjectRef::of(&policies[0], "").as_ref(), Some(&object));
            assert!(service.id.objects(&service.request, &key(cluster)).contains(&object), "a destroy of {cluster} deletes it");
            // Sidecars of the own cluster and of the others send the same server name, whose port and subset don't matter; none of the rules
            // names a cluster or a network.
            let rule = json!({
                "from": [{"source": {"notPrincipals": ["corp.local/ns/shop/sa/cart", "us.corp.local/ns/test/sa/*"]}}],
                "when": [{"key": "connection.sni", "values": ["*_.checkout.mesh.local"]}],
            });
            let selector = json!({"matchLabels": {"app": format!("checkout-{cluster}")}});
            assert_eq!(policies[0]["spec"], json!({"selector": selector, "action": "DENY", "rules": [rule]}));
        }
        assert_eq!(policies(&service, "asia"), [] as [Json; 0], "a cluster that serves nothing refuses no caller");
    }

    #[test]
    fn an_empty_list_of_callers_refuses_everyone_and_none_refuses_nobody() {
        let rule = json!({"when": [{"key": "connection.sni", "values": ["*_.checkout.mesh.local"]}]});
        assert_eq!(policies(&service(Some(&[])), "eu")[0]["spec"]["rules"], json!([rule]));
        let open = service(None);
        assert_eq!(policies(&open, "eu"), [] as [Json; 0]);
        assert!(!open.id.objects(&open.request, &key("eu")).contains(&open.id.here(Kind::AUTHORIZATION_POLICY)));
    }
}
