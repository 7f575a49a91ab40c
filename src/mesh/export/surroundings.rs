//! What clusters show that makes calls of an export fail although its own objects are right.

use serde_json::Value as Json;

use crate::mesh::{
    names::Vip,
    pod::{has_sidecar, is_serving},
};

/// Returns the names of the pods that receive traffic and have no sidecar, sorted.
pub fn without_sidecar(pods: &[Json]) -> Vec<&str> {
    let has_none = |pod: &&Json| is_serving(pod) && !has_sidecar(pod);
    let mut names: Vec<_> = pods.iter().filter(has_none).filter_map(|pod| pod["metadata"]["name"].as_str()).collect();
    names.sort_unstable();
    names
}

/// Returns the range of Service addresses that an address is in. `ranges` are the cluster's `ServiceCIDR` objects.
pub fn service_range(ranges: &[Json], address: Vip) -> Option<&str> {
    let all = ranges.iter().filter_map(|range| range["spec"]["cidrs"].as_array()).flatten().filter_map(Json::as_str);
    all.into_iter().find(|range| range.parse::<ipnet::IpNet>().is_ok_and(|net| net.contains(&address.address())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::istio::well_known::{TLS_MODE_ISTIO, TLS_MODE_LABEL};

    #[test]
    fn pods_that_serve_without_a_sidecar_are_named() {
        let pod = |name: &str, labels: Json, phase: &str| {
            json!({
                "metadata": {"name": name, "labels": labels},
                "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]},
            })
        };
        let pods = [
            pod("b", json!({}), "Running"),
            pod("a", json!({"app": "echo"}), "Running"),
            pod("injected", json!({TLS_MODE_LABEL: TLS_MODE_ISTIO}), "Running"),
            pod("done", json!({}), "Succeeded"),
        ];
        assert_eq!(without_sidecar(&pods), ["a", "b"]);
    }

    #[test]
    fn an_address_of_services_is_found_in_their_ranges() {
        let ranges = [json!({"spec": {"cidrs": ["10.96.0.0/12", "fd00:1::/108"]}}), json!({"spec": {}})];
        let range = |address: &str| service_range(&ranges, Vip::parse(address).unwrap());
        assert_eq!(range("10.100.0.1"), Some("10.96.0.0/12"));
        assert_eq!(range("fd00:1::2"), Some("fd00:1::/108"));
        assert_eq!((range("10.0.0.1"), range("240.0.0.2")), (None, None));
    }
}
