//! Pods: their sidecars, and those behind an exported host.

use semver::Version;
use serde_json::Value as Json;

use super::{text, version_of_image};
use crate::istio::well_known;

/// The variable by which a sidecar answers DNS queries for the mesh's hosts.
const DNS_CAPTURE: &str = "ISTIO_META_DNS_CAPTURE";

/// A pod with a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// `NAMESPACE/NAME` of the pod.
    pub pod: String,
    /// The sidecar's version, unless the image's tag isn't one.
    pub version: Option<Version>,
    /// Whether it answers DNS queries for the mesh's hosts.
    pub has_dns_capture: bool,
    /// Whether the pod is a gateway, which resolves no names for anyone.
    pub is_gateway: bool,
}

/// A pod behind an exported host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendPod {
    /// Its name.
    pub name: String,
    /// Whether it has a sidecar.
    pub has_sidecar: bool,
    /// Whether it is ready.
    pub is_ready: bool,
}

impl Sidecar {
    /// Reads a pod; `None` if it has no proxy, or has ended.
    pub(super) fn of(pod: &Json) -> Option<Self> {
        let proxy = proxy(pod).filter(|_| !has_ended(pod))?;
        let variables = proxy["env"].as_array().into_iter().flatten();
        let capture = variables.into_iter().find(|variable| variable["name"] == DNS_CAPTURE);
        let is_router = proxy["args"].as_array().is_some_and(|arguments| arguments.iter().any(|argument| argument == "router"));
        Some(Self {
            pod: format!("{}/{}", text(pod, &["metadata", "namespace"]), text(pod, &["metadata", "name"])),
            version: proxy["image"].as_str().and_then(version_of_image),
            has_dns_capture: capture.is_some_and(|variable| variable["value"] == "true"),
            is_gateway: is_router,
        })
    }
}

impl BackendPod {
    /// Reads a pod; `None` if it has ended.
    pub(super) fn of(pod: &Json) -> Option<Self> {
        if has_ended(pod) {
            return None;
        }
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        Some(Self {
            name: text(pod, &["metadata", "name"]),
            has_sidecar: proxy(pod).is_some(),
            is_ready: conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True"),
        })
    }
}

fn has_ended(pod: &Json) -> bool {
    ["Succeeded", "Failed"].iter().any(|phase| pod["status"]["phase"] == *phase) || !pod["metadata"]["deletionTimestamp"].is_null()
}

/// Returns the container of the proxy, which may be an init container that goes on running.
fn proxy(pod: &Json) -> Option<&Json> {
    let containers = ["containers", "initContainers"].into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    containers.into_iter().find(|container| container["name"] == well_known::PROXY_CONTAINER)
}
