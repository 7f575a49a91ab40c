//! The kinds of objects that the provider works with, and references to single objects.

use serde_json::Value as Json;

/// A kind of object that the provider deals with. The kinds are known, so no discovery is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// API group; empty for the core.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Name of the kind.
    pub kind: &'static str,
    /// Name in paths.
    pub plural: &'static str,
    /// Whether objects of it live in namespaces.
    pub namespaced: bool,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $group:literal $version:literal $kind:literal $plural:literal $namespaced:literal;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Self =
                Self { group: $group, version: $version, kind: $kind, plural: $plural, namespaced: $namespaced };)*

            /// Every kind there is in here.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

#[rustfmt::skip]
kinds! {
    /// v1 Namespace
    NAMESPACE = "" "v1" "Namespace" "namespaces" false;
    /// v1 Secret
    SECRET = "" "v1" "Secret" "secrets" true;
    /// v1 ConfigMap
    CONFIG_MAP = "" "v1" "ConfigMap" "configmaps" true;
    /// v1 Service
    SERVICE = "" "v1" "Service" "services" true;
    /// v1 ServiceAccount
    SERVICE_ACCOUNT = "" "v1" "ServiceAccount" "serviceaccounts" true;
    /// v1 Pod
    POD = "" "v1" "Pod" "pods" true;
    /// v1 Node
    NODE = "" "v1" "Node" "nodes" false;
    /// v1 Event
    EVENT = "" "v1" "Event" "events" true;
    /// apps/v1 Deployment
    DEPLOYMENT = "apps" "v1" "Deployment" "deployments" true;
    /// v1 `PersistentVolumeClaim`
    VOLUME_CLAIM = "" "v1" "PersistentVolumeClaim" "persistentvolumeclaims" true;
    /// apps/v1 `ReplicaSet`
    REPLICA_SET = "apps" "v1" "ReplicaSet" "replicasets" true;
    /// apps/v1 `StatefulSet`
    STATEFUL_SET = "apps" "v1" "StatefulSet" "statefulsets" true;
    /// batch/v1 `Job`
    JOB = "batch" "v1" "Job" "jobs" true;
    /// batch/v1 `CronJob`
    CRON_JOB = "batch" "v1" "CronJob" "cronjobs" true;
    /// networking.k8s.io/v1 `Ingress`
    INGRESS = "networking.k8s.io" "v1" "Ingress" "ingresses" true;
    /// apps/v1 `DaemonSet`
    DAEMON_SET = "apps" "v1" "DaemonSet" "daemonsets" true;
    /// autoscaling/v2 `HorizontalPodAutoscaler`
    AUTOSCALER = "autoscaling" "v2" "HorizontalPodAutoscaler" "horizontalpodautoscalers" true;
    /// policy/v1 `PodDisruptionBudget`
    DISRUPTION_BUDGET = "policy" "v1" "PodDisruptionBudget" "poddisruptionbudgets" true;
    /// networking.k8s.io/v1 `NetworkPolicy`
    NETWORK_POLICY = "networking.k8s.io" "v1" "NetworkPolicy" "networkpolicies" true;
    /// networking.k8s.io/v1 `ServiceCIDR`
    SERVICE_CIDR = "networking.k8s.io" "v1" "ServiceCIDR" "servicecidrs" false;
    /// rbac.authorization.k8s.io/v1 Role
    ROLE = "rbac.authorization.k8s.io" "v1" "Role" "roles" true;
    /// rbac.authorization.k8s.io/v1 `RoleBinding`
    ROLE_BINDING = "rbac.authorization.k8s.io" "v1" "RoleBinding" "rolebindings" true;
    /// rbac.authorization.k8s.io/v1 `ClusterRole`
    CLUSTER_ROLE = "rbac.authorization.k8s.io" "v1" "ClusterRole" "clusterroles" false;
    /// rbac.authorization.k8s.io/v1 `ClusterRoleBinding`
    CLUSTER_ROLE_BINDING = "rbac.authorization.k8s.io" "v1" "ClusterRoleBinding" "clusterrolebindings" false;
    /// admissionregistration.k8s.io/v1 `ValidatingWebhookConfiguration`
    VALIDATING_WEBHOOK = "admissionregistration.k8s.io" "v1" "ValidatingWebhookConfiguration" "validatingwebhookconfigurations" false;
    /// admissionregistration.k8s.io/v1 `MutatingWebhookConfiguration`
    MUTATING_WEBHOOK = "admissionregistration.k8s.io" "v1" "MutatingWebhookConfiguration" "mutatingwebhookconfigurations" false;
    /// admissionregistration.k8s.io/v1 `ValidatingAdmissionPolicy`
    ADMISSION_POLICY = "admissionregistration.k8s.io" "v1" "ValidatingAdmissionPolicy" "validatingadmissionpolicies" false;
    /// admissionregistration.k8s.io/v1 `ValidatingAdmissionPolicyBinding`
    ADMISSION_POLICY_BINDING = "admissionregistration.k8s.io" "v1" "ValidatingAdmissionPolicyBinding" "validatingadmissionpolicybindings" false;
    /// apiextensions.k8s.io/v1 `CustomResourceDefinition`
    CRD = "apiextensions.k8s.io" "v1" "CustomResourceDefinition" "customresourcedefinitions" false;
    /// networking.istio.io/v1 Gateway
    GATEWAY = "networking.istio.io" "v1" "Gateway" "gateways" true;
    /// gateway.networking.k8s.io/v1 Gateway, of the Gateway API
    API_GATEWAY = "gateway.networking.k8s.io" "v1" "Gateway" "gateways" true;
    /// multicluster.x-k8s.io/v1alpha1 `ServiceExport`, of the Multi-Cluster Services API
    SERVICE_EXPORT = "multicluster.x-k8s.io" "v1alpha1" "ServiceExport" "serviceexports" true;
    /// networking.istio.io/v1 `ServiceEntry`
    SERVICE_ENTRY = "networking.istio.io" "v1" "ServiceEntry" "serviceentries" true;
    /// networking.istio.io/v1 `DestinationRule`
    DESTINATION_RULE = "networking.istio.io" "v1" "DestinationRule" "destinationrules" true;
    /// networking.istio.io/v1 `VirtualService`
    VIRTUAL_SERVICE = "networking.istio.io" "v1" "VirtualService" "virtualservices" true;
    /// networking.istio.io/v1 `Sidecar`
    SIDECAR = "networking.istio.io" "v1" "Sidecar" "sidecars" true;
    /// networking.istio.io/v1 `WorkloadEntry`
    WORKLOAD_ENTRY = "networking.istio.io" "v1" "WorkloadEntry" "workloadentries" true;
    /// networking.istio.io/v1 `WorkloadGroup`
    WORKLOAD_GROUP = "networking.istio.io" "v1" "WorkloadGroup" "workloadgroups" true;
    /// networking.istio.io/v1alpha3 `EnvoyFilter`
    ENVOY_FILTER = "networking.istio.io" "v1alpha3" "EnvoyFilter" "envoyfilters" true;
    /// networking.istio.io/v1beta1 `ProxyConfig`
    PROXY_CONFIG = "networking.istio.io" "v1beta1" "ProxyConfig" "proxyconfigs" true;
    /// security.istio.io/v1 `AuthorizationPolicy`
    AUTHORIZATION_POLICY = "security.istio.io" "v1" "AuthorizationPolicy" "authorizationpolicies" true;
    /// security.istio.io/v1 `RequestAuthentication`
    REQUEST_AUTHENTICATION = "security.istio.io" "v1" "RequestAuthentication" "requestauthentications" true;
    /// telemetry.istio.io/v1 `Telemetry`
    TELEMETRY = "telemetry.istio.io" "v1" "Telemetry" "telemetries" true;
    /// extensions.istio.io/v1alpha1 `WasmPlugin`
    WASM_PLUGIN = "extensions.istio.io" "v1alpha1" "WasmPlugin" "wasmplugins" true;
    /// security.istio.io/v1 `PeerAuthentication`
    PEER_AUTHENTICATION = "security.istio.io" "v1" "PeerAuthentication" "peerauthentications" true;
}

impl Kind {
    /// `group/version`, or `version` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The kind of a manifest; none when it is not one of ours.
    pub fn of(manifest: &Json) -> Option<Self> {
        let (api_version, kind) = (manifest["apiVersion"].as_str()?, manifest["kind"].as_str()?);
        Self::ALL.iter().copied().find(|known| known.kind == kind && known.api_version() == api_version)
    }
}

/// Names one object of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; none for kinds without.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// An object in a namespace.
    pub fn namespaced(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: Some(namespace.into()), name: name.into() }
    }

    /// An object of the whole cluster.
    pub fn cluster_wide(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, namespace: None, name: name.into() }
    }

    /// The object that a manifest describes; none when its kind is not one of ours. `namespace` is for manifests that leave it out.
    pub fn of(manifest: &Json, namespace: &str) -> Option<Self> {
        let kind = Kind::of(manifest)?;
        let metadata = &manifest["metadata"];
        let namespace = kind.namespaced.then(|| metadata["namespace"].as_str().unwrap_or(namespace).to_owned());
        Some(Self { kind, namespace, name: metadata["name"].as_str()?.to_owned() })
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.kind, self.name),
            None => write!(f, "{} {}", self.kind.kind, self.name),
        }
    }
}

/// Returns whether an object has the labels that a selector of equalities, inequalities and names asks for.
pub fn selects(selector: &str, object: &Json) -> bool {
    let labels = &object["metadata"]["labels"];
    selects_labels(selector, |label| labels[label].as_str())
}

/// Returns whether such a selector selects an object with these labels.
pub fn selects_labels<'a>(selector: &str, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
    selector.split(',').filter(|part| !part.is_empty()).all(|part| {
        let Some((label, value)) = part.split_once('=') else { return value_of(part).is_some() };
        label.strip_suffix('!').map_or_else(|| value_of(label) == Some(value), |label| value_of(label) != Some(value))
    })
}

/// The field manager of what the provider writes, and the value of the label `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "terraform-provider-mesh";

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [&str; 7] = [
        include_str!("../../examples/rbac/mesh-installer.yaml"),
        include_str!("../../examples/rbac/mesh-exporter.yaml"),
        include_str!("../../examples/rbac/mesh-importer.yaml"),
        include_str!("../../examples/rbac/mesh-reader.yaml"),
        include_str!("../../examples/rbac/mesh-discovery.yaml"),
        include_str!("../../examples/rbac/mesh-caller.yaml"),
        include_str!("../../examples/rbac/mesh-inspector.yaml"),
    ];

    #[test]
    fn the_roles_of_the_guide_allow_each_kind() {
        let roles = ROLES.map(|role| serde_saphyr::from_str::<Json>(role).unwrap());
        let rules: Vec<_> = roles.iter().flat_map(|role| role["rules"].as_array().unwrap()).collect();
        let has = |list: &Json, name: &str| list.as_array().unwrap().iter().any(|element| element == name || element == "*");
        for kind in Kind::ALL {
            let is_allowed = rules.iter().any(|rule| has(&rule["apiGroups"], kind.group) && has(&rule["resources"], kind.plural));
            assert!(is_allowed, "no role of examples/rbac allows {} of group \"{}\"", kind.plural, kind.group);
        }
    }
}
