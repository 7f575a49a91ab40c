//! A control plane that `istioctl install` has made: objects as those of the charts, without a Helm release.

use serde_json::Value as Json;

use crate::mesh::{ControlPlane, trust::mesh_config};

/// Whether an object belongs to no Helm release.
pub fn is_without_helm(object: &Json) -> bool {
    object["metadata"]["annotations"]["meta.helm.sh/release-name"].is_null()
}

/// Returns the version of Istio that `istioctl` has noted on an object.
pub fn version(object: &Json) -> Option<String> {
    object["metadata"]["labels"]["operator.istio.io/version"].as_str().map(str::to_owned)
}

/// Returns how a control plane differs from what is wanted, as far as istiod's Deployment and the ConfigMap `istio` show it, a line each.
pub fn differences(wanted: &ControlPlane, deployment: &Json, config: &Json) -> Vec<String> {
    let mesh = mesh_config(config).unwrap_or_default();
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
    let variables = containers.into_iter().flatten().filter_map(|container| container["env"].as_array()).flatten();
    let cluster_name = variables.clone().find(|variable| variable["name"] == "CLUSTER_ID").map(|variable| &variable["value"]);
    let settings = [
        ("mesh_id", wanted.mesh_id.as_str(), Some(&mesh["defaultConfig"]["meshId"])),
        ("trust_domain", wanted.trust_domain.as_str(), Some(&mesh["trustDomain"])),
        ("cluster_name", wanted.cluster_name.as_str(), cluster_name),
    ];
    let text = |value: Option<&Json>| value.and_then(Json::as_str).map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
    let differing = settings.into_iter().filter(|(_, wanted, found)| found.and_then(Json::as_str) != Some(wanted));
    differing.map(|(attribute, wanted, found)| format!("{attribute}: {wanted:?} wanted, {} found", text(found))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::{ClusterKey, MeshId, Namespace, NetworkName, TrustDomain};

    #[test]
    fn settings_show_in_the_mesh_config_and_in_istiods_variables() {
        let plane = ControlPlane {
            mesh_id: MeshId::parse("m").unwrap(),
            trust_domain: TrustDomain::parse("corp.local").unwrap(),
            trust_domain_aliases: None,
            network: NetworkName::parse("eu-net").unwrap(),
            cluster_name: ClusterKey::parse("eu").unwrap(),
            namespace: Namespace::parse("istio-system").unwrap(),
            dns_capture: true,
            values: Vec::new(),
            base_values: Vec::new(),
            mtls_mode: None,
            root: None,
            further_roots: Vec::new(),
        };
        let deployment = |name: &str| {
            json!({
                "metadata": {"name": "istiod", "labels": {"operator.istio.io/version": "1.30.2"}},
                "spec": {"template": {"spec": {"containers": [{"name": "discovery", "env": [{"name": "CLUSTER_ID", "value": name}]}]}}},
            })
        };
        let config = json!({"data": {"mesh": "trustDomain: corp.local\ndefaultConfig: {meshId: m}"}});
        assert_eq!(differences(&plane, &deployment("eu"), &config), [""; 0]);
        assert_eq!(
            differences(&plane, &deployment("Kubernetes"), &Json::Null),
            [
                r#"mesh_id: "m" wanted, nothing found"#,
                r#"trust_domain: "corp.local" wanted, nothing found"#,
                r#"cluster_name: "eu" wanted, "Kubernetes" found"#,
            ]
        );
        assert_eq!(version(&deployment("eu")).as_deref(), Some("1.30.2"));
        assert!(is_without_helm(&deployment("eu")));
        assert!(!is_without_helm(&json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "istiod"}}})));
    }
}
