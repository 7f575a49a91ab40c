//! Gateways, not created by this provider, that already open a host on the same east-west gateway. A second one would break the gateway: for
//! two servers that cover one host istiod creates two filter chains with the same match, and Envoy then rejects the whole listener.
//!
//! Source: Istio, `pilot/pkg/networking/core/gateway.go`, `builtAutoPassthroughFilterChains`; only exactly equal hosts are deduplicated
//! (`pilot/pkg/model/gateway.go`, `CheckDuplicates`).

use std::{collections::BTreeMap, fmt};

use serde_json::Value as Json;

use crate::mesh::{
    helm::gateway::{self, GatewayNames},
    names::Host,
};

/// A Gateway, not created by this provider, that opens the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The Gateway's namespace and name.
    pub object: String,
    /// The host in it that covers ours, such as `*.local`.
    pub host: String,
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gateway {} opens {:?}", self.object, self.host)
    }
}

/// Finds, among Gateways of others, one that opens the host on the gateway whose pods have these labels.
pub fn opening(gateways: &[Json], pod_labels: &BTreeMap<String, String>, host: &Host) -> Option<Opening> {
    opened(gateways, pod_labels, |pattern| covers(pattern, host.as_str()))
}

/// Finds, among Gateways of others, one with a host that covers a host of a Gateway, or that is covered by it.
pub(in crate::mesh) fn overlapping(gateways: &[Json], pod_labels: &BTreeMap<String, String>, host: &str) -> Option<Opening> {
    opened(gateways, pod_labels, |pattern| covers(pattern, host) || covers(host, pattern))
}

fn opened(gateways: &[Json], pod_labels: &BTreeMap<String, String>, is_meant: impl Fn(&str) -> bool) -> Option<Opening> {
    gateways.iter().filter(|gateway| selects(gateway, pod_labels)).find_map(|gateway| {
        let servers = gateway["spec"]["servers"].as_array().into_iter().flatten();
        let passing = servers.filter(|server| server["tls"]["mode"] == "AUTO_PASSTHROUGH" && server["port"]["number"] == gateway::PORT);
        let mut hosts = passing.flat_map(|server| server["hosts"].as_array().into_iter().flatten()).filter_map(Json::as_str);
        let host = hosts.find(|pattern| is_meant(pattern))?.to_owned();
        let metadata = |field: &str| gateway["metadata"][field].as_str().unwrap_or_default();
        Some(Opening { object: format!("{}/{}", metadata("namespace"), metadata("name")), host })
    })
}

/// Returns whether a Gateway's selector matches pods with these labels. A Gateway without a selector matches all pods.
fn selects(gateway: &Json, pod_labels: &BTreeMap<String, String>) -> bool {
    let selector = gateway["spec"]["selector"].as_object().into_iter().flatten();
    selector.into_iter().all(|(key, value)| pod_labels.get(key).is_some_and(|label| *value == *label))
}

/// Returns whether a host of a server covers another host. For passthrough istiod ignores the namespace in `NAMESPACE/HOST`.
fn covers(pattern: &str, host: &str) -> bool {
    let pattern = pattern.rsplit_once('/').map_or(pattern, |(_, pattern)| pattern);
    pattern.strip_prefix('*').map_or(pattern == host, |suffix| host.ends_with(suffix))
}

/// Returns the labels of a gateway's pods: those of its Deployment, or, without one, those that Istio's chart makes.
pub fn pod_labels(names: &GatewayNames, deployment: Option<&Json>) -> BTreeMap<String, String> {
    let labels = deployment.and_then(|deployment| deployment["spec"]["template"]["metadata"]["labels"].as_object());
    match labels {
        Some(labels) => labels.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
        None => names.pod_labels().into_iter().chain([("app".to_owned(), names.service().to_owned())]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::{ReleaseName, labels::selector_of};

    fn gateway(host: &str) -> Json {
        json!({
            "metadata": {"namespace": "istio-system", "name": "cross-network-gateway"},
            "spec": {
                "selector": {"istio": "eastwestgateway"},
                "servers": [{"port": {"number": 15443, "name": "tls", "protocol": "TLS"}, "tls": {"mode": "AUTO_PASSTHROUGH"}, "hosts": [host]}],
            },
        })
    }

    fn opened(gateway: Json) -> Option<String> {
        let labels = pod_labels(&GatewayNames::of(ReleaseName::parse("istio-eastwestgateway").unwrap()), None);
        opening(&[gateway], &labels, &Host::parse("echo.eu.mesh.local").unwrap()).map(|opening| opening.to_string())
    }

    #[test]
    fn a_gateway_that_covers_the_host_is_named() {
        for host in ["*.local", "*", "*/*.local", "other/*.eu.mesh.local", "echo.eu.mesh.local"] {
            assert_eq!(opened(gateway(host)), Some(format!("Gateway istio-system/cross-network-gateway opens {host:?}")));
        }
        for host in ["*.us.mesh.local", "eu.mesh.local", "*.echo.eu.mesh.local", "echo.eu.mesh"] {
            assert_eq!(opened(gateway(host)), None, "{host}");
        }
    }

    #[test]
    fn another_port_mode_or_gateway_does_not_matter() {
        let changed = |change: &dyn Fn(&mut Json)| {
            let mut gateway = gateway("*.local");
            change(&mut gateway);
            opened(gateway)
        };
        assert_eq!(changed(&|gateway| gateway["spec"]["servers"][0]["port"]["number"] = json!(443)), None);
        assert_eq!(changed(&|gateway| gateway["spec"]["servers"][0]["tls"]["mode"] = json!("PASSTHROUGH")), None);
        assert_eq!(changed(&|gateway| gateway["spec"]["selector"] = json!({"istio": "ingressgateway"})), None);
        assert!(changed(&|gateway| gateway["spec"]["selector"] = Json::Null).is_some(), "one without a selector matches all");
        assert!(changed(&|gateway| gateway["spec"]["selector"] = json!({"app": "istio-eastwestgateway"})).is_some());
    }

    #[test]
    fn the_pods_have_the_labels_of_their_deployment() {
        let name = GatewayNames::of(ReleaseName::parse("gw").unwrap());
        let deployment = json!({"spec": {"template": {"metadata": {"labels": {"istio": "east", "team": "a"}}}}});
        assert_eq!(selector_of(&pod_labels(&name, Some(&deployment))), "istio=east,team=a");
        assert_eq!(selector_of(&pod_labels(&name, None)), "app=gw,istio=gw");
    }
}
