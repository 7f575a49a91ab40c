//! What a pod is to the mesh, one meaning each: whether it has a sidecar, receives traffic, or has ended.

use serde_json::Value as Json;

use crate::{
    data::ObjectRef,
    istio::well_known::{PROXY_CONTAINER, TLS_MODE_ISTIO, TLS_MODE_LABEL},
};

/// Whether it answers calls with mutual TLS: it has the label of injection, by which istiod decides so.
pub(super) fn has_sidecar(pod: &Json) -> bool {
    pod["metadata"]["labels"][TLS_MODE_LABEL] == TLS_MODE_ISTIO
}

/// Whether it receives traffic: it is ready, and neither finished nor terminating.
pub(super) fn is_serving(pod: &Json) -> bool {
    let is_ready = |condition: &Json| condition["type"] == "Ready" && condition["status"] == "True";
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    !has_ended(pod) && conditions.into_iter().any(is_ready)
}

/// Returns the pods that receive traffic.
pub fn serving<'a>(pods: impl IntoIterator<Item = &'a Json>) -> Vec<ObjectRef> {
    pods.into_iter().filter(|pod| is_serving(pod)).filter_map(|pod| ObjectRef::of(pod, "")).collect()
}

/// Returns the pods of a namespace that a selector chooses; none if it is empty.
pub(super) fn chosen<'a>(namespace: &'a str, selector: &'a Json, pods: &'a [Json]) -> impl Iterator<Item = &'a Json> {
    let labels = selector.as_object();
    let is_chosen = move |pod: &&Json| {
        let has = |(label, value): (&String, &Json)| pod["metadata"]["labels"][label] == *value;
        pod["metadata"]["namespace"] == namespace && labels.is_some_and(|labels| !labels.is_empty() && labels.iter().all(has))
    };
    pods.iter().filter(is_chosen)
}

/// Whether it is finished or terminating.
pub(super) fn has_ended(pod: &Json) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) || !pod["metadata"]["deletionTimestamp"].is_null()
}

/// Returns the container of the proxy, which may be an init container that goes on running.
pub(super) fn proxy(pod: &Json) -> Option<&Json> {
    let containers = ["containers", "initContainers"].into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    containers.into_iter().find(|container| container["name"] == PROXY_CONTAINER)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_that_end_or_begin_are_left_out() {
        let pod = |name: &str, ready: &str| {
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "istio-system"},
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        let mut ending = pod("c", "True");
        ending["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
        let names: Vec<_> = serving(&[pod("a", "True"), pod("b", "False"), ending]).into_iter().map(|pod| pod.name).collect();
        assert_eq!(names, ["a"]);
    }
}
