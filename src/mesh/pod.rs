//! What a pod is to the mesh, one meaning each: whether it has a sidecar, receives traffic, or has ended.

use serde_json::Value as Json;

use crate::istio::well_known::{PROXY_CONTAINER, TLS_MODE_ISTIO, TLS_MODE_LABEL};

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

/// Whether it is finished or terminating.
pub(super) fn has_ended(pod: &Json) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) || !pod["metadata"]["deletionTimestamp"].is_null()
}

/// Returns the container of the proxy, which may be an init container that goes on running.
pub(super) fn proxy(pod: &Json) -> Option<&Json> {
    let containers = ["containers", "initContainers"].into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    containers.into_iter().find(|container| container["name"] == PROXY_CONTAINER)
}
