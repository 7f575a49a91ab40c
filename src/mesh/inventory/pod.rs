//! Pods: their sidecars, and those behind an exported host.

use semver::Version;
use serde_json::Value as Json;

use super::{text, version_of_image};
use crate::mesh::pod::{has_ended, has_sidecar, is_serving, proxy};

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
        let is_backend = !has_ended(pod);
        is_backend.then(|| Self { name: text(pod, &["metadata", "name"]), has_sidecar: has_sidecar(pod), is_ready: is_serving(pod) })
    }
}
