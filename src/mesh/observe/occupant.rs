//! What is in a namespace: the objects that must outlive Istio, told apart from those that the cluster and Istio create by themselves.

use serde_json::Value as Json;

use crate::data::Kind;

/// The kinds by which a namespace is found in use.
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

/// Returns whether an object with these metadata shows that the namespace is in use.
pub fn counts(kind: Kind, metadata: &Json) -> bool {
    if !metadata["deletionTimestamp"].is_null() || is_of_a_workload(metadata) {
        return false;
    }
    let name = metadata["name"].as_str().unwrap_or_default();
    match kind {
        Kind::SERVICE_ACCOUNT => !ACCOUNTS.contains(&name),
        Kind::CONFIG_MAP => !matches!(name, "kube-root-ca.crt" | "openshift-service-ca.crt") && !is_of_istiod(metadata),
        Kind::SECRET => {
            let account = metadata["annotations"]["kubernetes.io/service-account.name"].as_str();
            name != "istio-ca-secret" && !account.is_some_and(|account| ACCOUNTS.contains(&account))
        }
        _ => true,
    }
}

/// Returns whether a ConfigMap with these metadata is one that istiod creates by itself: the root of trust, or a leader's lock.
pub fn is_of_istiod(metadata: &Json) -> bool {
    let name = metadata["name"].as_str().unwrap_or_default();
    let is_lock = name.starts_with("istio-") && (name.ends_with("leader") || metadata["annotations"].get(LEADER).is_some());
    name.starts_with("istio-ca-") || is_lock
}

/// Whether the object goes with a workload that is counted itself.
fn is_of_a_workload(metadata: &Json) -> bool {
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let kinds = [Kind::DEPLOYMENT, Kind::REPLICA_SET, Kind::STATEFUL_SET, Kind::DAEMON_SET, Kind::JOB, Kind::CRON_JOB];
    owners.filter(|owner| owner["controller"] == true).any(|owner| kinds.iter().any(|kind| owner["kind"] == kind.kind))
}

/// Returns the kinds and names of the objects in one line, not too many of them.
pub fn summary(objects: &[(Kind, Json)]) -> String {
    const MOST: usize = 10;
    let names = objects.iter().take(MOST).map(|(kind, object)| {
        let name = object["metadata"]["name"].as_str().unwrap_or("?");
        format!("{} {name}", kind.kind)
    });
    let names = names.collect::<Vec<_>>().join(", ");
    if objects.len() > MOST { format!("{names} and {} more", objects.len() - MOST) } else { names }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_that_every_namespace_has_do_not_count() {
        let lock = json!({"name": "istio-namespace-controller-election", "annotations": {LEADER: "{}"}});
        let of_default = json!({"name": "default-token-x", "annotations": {"kubernetes.io/service-account.name": "default"}});
        for (kind, metadata) in [
            (Kind::SERVICE_ACCOUNT, json!({"name": "default"})),
            (Kind::CONFIG_MAP, json!({"name": "kube-root-ca.crt"})),
            (Kind::CONFIG_MAP, json!({"name": "istio-ca-root-cert"})),
            (Kind::CONFIG_MAP, json!({"name": "istio-gateway-status-leader"})),
            (Kind::CONFIG_MAP, lock),
            (Kind::SECRET, json!({"name": "istio-ca-secret"})),
            (Kind::SECRET, of_default),
            (Kind::POD, json!({"name": "istiod-1", "deletionTimestamp": "2030-01-01T00:00:00Z"})),
            (Kind::POD, json!({"name": "istiod-1", "ownerReferences": [{"kind": "ReplicaSet", "controller": true}]})),
        ] {
            assert!(!counts(kind, &metadata), "{} {metadata}", kind.kind);
        }
    }

    #[test]
    fn objects_of_users_count() {
        for (kind, metadata) in [
            (Kind::CONFIG_MAP, json!({"name": "mine"})),
            (Kind::SECRET, json!({"name": "gateway-tls"})),
            (Kind::SECRET, json!({"name": "kiali-token", "annotations": {"kubernetes.io/service-account.name": "kiali"}})),
            (Kind::POD, json!({"name": "kafka-0", "ownerReferences": [{"kind": "StrimziPodSet", "controller": true}]})),
            (Kind::SERVICE_ACCOUNT, json!({"name": "kiali"})),
        ] {
            assert!(counts(kind, &metadata), "{} {metadata}", kind.kind);
        }
        let many: Vec<_> = (0..12).map(|count| (Kind::POD, json!({"metadata": {"name": format!("p{count}")}}))).collect();
        assert!(summary(&many).ends_with("Pod p9 and 2 more"), "{}", summary(&many));
    }
}
