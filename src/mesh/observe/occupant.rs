//! What is in a namespace: the objects that must outlive Istio, told apart from those that the cluster and Istio create by themselves.

use serde_json::Value as Json;

use crate::data::Kind;

/// The kinds by which a namespace is found in use, and that must be readable. Others count as far as they can be read.
pub const KINDS: &[Kind] = &[
    Kind::POD,
    Kind::SERVICE,
    Kind::SERVICE_ACCOUNT,
    Kind::SECRET,
    Kind::CONFIG_MAP,
    Kind::VOLUME_CLAIM,
    Kind::DEPLOYMENT,
    Kind::REPLICA_SET,
    Kind::STATEFUL_SET,
    Kind::DAEMON_SET,
    Kind::JOB,
    Kind::CRON_JOB,
    Kind::INGRESS,
    Kind::NETWORK_POLICY,
    Kind::GATEWAY,
    Kind::SERVICE_ENTRY,
    Kind::DESTINATION_RULE,
    Kind::VIRTUAL_SERVICE,
    Kind::SIDECAR,
    Kind::WORKLOAD_ENTRY,
    Kind::WORKLOAD_GROUP,
    Kind::ENVOY_FILTER,
    Kind::PROXY_CONFIG,
    Kind::PEER_AUTHENTICATION,
    Kind::AUTHORIZATION_POLICY,
    Kind::REQUEST_AUTHENTICATION,
    Kind::TELEMETRY,
    Kind::WASM_PLUGIN,
];

/// The accounts that each namespace has: Kubernetes' own, and those of OpenShift.
const ACCOUNTS: &[&str] = &["default", "builder", "deployer"];

/// Annotation of a lock by which the instances of a controller elect their leader.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

/// Returns whether an object, of which the metadata are enough, shows that the namespace is in use.
pub fn counts(object: &Json) -> bool {
    let metadata = &object["metadata"];
    if !metadata["deletionTimestamp"].is_null() || is_of_another(object) {
        return false;
    }
    let name = metadata["name"].as_str().unwrap_or_default();
    match Kind::of(object) {
        Some(Kind::SERVICE_ACCOUNT) => !ACCOUNTS.contains(&name),
        Some(Kind::CONFIG_MAP) => !matches!(name, "kube-root-ca.crt" | "openshift-service-ca.crt") && !is_of_istiod(metadata),
        Some(Kind::SECRET) => {
            let account = metadata["annotations"]["kubernetes.io/service-account.name"].as_str();
            name != "istio-ca-secret" && !account.is_some_and(|account| ACCOUNTS.contains(&account))
        }
        // OpenShift's, for the accounts of each namespace.
        _ if object["kind"] == "RoleBinding" => !name.starts_with("system:"),
        _ => true,
    }
}

/// Returns whether a ConfigMap with these metadata is one that istiod creates by itself: the root of trust, or a leader's lock.
pub fn is_of_istiod(metadata: &Json) -> bool {
    let name = metadata["name"].as_str().unwrap_or_default();
    let is_lock = name.starts_with("istio-") && (name.ends_with("leader") || metadata["annotations"].get(LEADER).is_some());
    name.starts_with("istio-ca-") || is_lock
}

/// Whether the object goes with another one that is counted itself: a workload, or for kinds that aren't named here, whatever controls it, and the pod
/// that it is about, as with the endpoints of a network plugin. Operators' copies of what is elsewhere go with that.
fn is_of_another(object: &Json) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let workloads = [Kind::DEPLOYMENT, Kind::REPLICA_SET, Kind::STATEFUL_SET, Kind::DAEMON_SET, Kind::JOB, Kind::CRON_JOB];
    if Kind::of(object).is_some_and(|kind| KINDS.contains(&kind)) {
        return owners.filter(|owner| owner["controller"] == true).any(|owner| workloads.iter().any(|kind| owner["kind"] == kind.kind));
    }
    let is_copy = object["metadata"]["labels"].get("olm.copiedFrom").is_some();
    is_copy || owners.into_iter().any(|owner| owner["controller"] == true || owner["kind"] == Kind::POD.kind)
}

/// Returns the kinds and names of the objects in one line, not too many of them.
pub fn summary(objects: &[Json]) -> String {
    const MOST: usize = 10;
    let names = objects.iter().take(MOST).map(|object| {
        let text = |value: &Json| value.as_str().unwrap_or("?").to_owned();
        format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
    });
    let names = names.collect::<Vec<_>>().join(", ");
    if objects.len() > MOST { format!("{names} and {} more", objects.len() - MOST) } else { names }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: Kind, metadata: &Json) -> Json {
        json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": metadata})
    }

    fn other(kind: &str, metadata: &Json) -> Json {
        json!({"apiVersion": "example.com/v1", "kind": kind, "metadata": metadata})
    }

    #[test]
    fn objects_that_every_namespace_has_do_not_count() {
        let lock = json!({"name": "istio-namespace-controller-election", "annotations": {LEADER: "{}"}});
        let of_default = json!({"name": "default-token-x", "annotations": {"kubernetes.io/service-account.name": "default"}});
        for object in [
            object(Kind::SERVICE_ACCOUNT, &json!({"name": "default"})),
            object(Kind::CONFIG_MAP, &json!({"name": "kube-root-ca.crt"})),
            object(Kind::CONFIG_MAP, &json!({"name": "istio-ca-root-cert"})),
            object(Kind::CONFIG_MAP, &json!({"name": "istio-gateway-status-leader"})),
            object(Kind::CONFIG_MAP, &lock),
            object(Kind::SECRET, &json!({"name": "istio-ca-secret"})),
            object(Kind::SECRET, &of_default),
            object(Kind::POD, &json!({"name": "istiod-1", "deletionTimestamp": "2030-01-01T00:00:00Z"})),
            object(Kind::POD, &json!({"name": "istiod-1", "ownerReferences": [{"kind": "ReplicaSet", "controller": true}]})),
            other("RoleBinding", &json!({"name": "system:image-pullers"})),
            other("CiliumEndpoint", &json!({"name": "istiod-1", "ownerReferences": [{"kind": "Pod"}]})),
            other("ClusterServiceVersion", &json!({"name": "logging.v6", "labels": {"olm.copiedFrom": "openshift-operators"}})),
            other("CertificateRequest", &json!({"name": "web-1", "ownerReferences": [{"kind": "Certificate", "controller": true}]})),
        ] {
            assert!(!counts(&object), "{object}");
        }
    }

    #[test]
    fn objects_of_users_count() {
        for object in [
            object(Kind::CONFIG_MAP, &json!({"name": "mine"})),
            object(Kind::SECRET, &json!({"name": "gateway-tls"})),
            object(Kind::SECRET, &json!({"name": "kiali-token", "annotations": {"kubernetes.io/service-account.name": "kiali"}})),
            object(Kind::POD, &json!({"name": "kafka-0", "ownerReferences": [{"kind": "StrimziPodSet", "controller": true}]})),
            object(Kind::SERVICE_ACCOUNT, &json!({"name": "kiali"})),
            object(Kind::AUTOSCALER, &json!({"name": "kiali"})),
            other("RoleBinding", &json!({"name": "kiali"})),
            other("Issuer", &json!({"name": "letsencrypt", "ownerReferences": [{"kind": "Team"}]})),
        ] {
            assert!(counts(&object), "{object}");
        }
        let many: Vec<_> = (0..12).map(|count| object(Kind::POD, &json!({"name": format!("p{count}")}))).collect();
        assert!(summary(&many).ends_with("Pod p9 and 2 more"), "{}", summary(&many));
    }
}
