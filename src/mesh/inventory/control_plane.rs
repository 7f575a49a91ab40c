//! istiod and its webhooks.

use std::collections::BTreeSet;

use semver::Version;
use serde_json::Value as Json;

use super::{Objects, Roots, Validation, text, version_of_image};
use crate::{
    data::{Kind, ObjectRef},
    istio::well_known,
    mesh::{names::TrustDomain, observe::evidence, trust},
};

/// The label of the webhooks that add sidecars, as a selector.
pub const INJECTORS: &str = "app=sidecar-injector";

/// The container of istiod's pods.
const CONTAINER: &str = "discovery";

/// One istiod.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    /// Its namespace.
    pub namespace: String,
    /// The name of its Deployment.
    pub name: String,
    /// Its version, unless neither a label nor the image shows it.
    pub version: Option<Version>,
    /// How many pods it should have.
    pub wanted: u64,
    /// How many of them are ready.
    pub ready: u64,
    /// What keeps the others, a line each.
    pub reasons: Vec<String>,
    /// The mesh's ID.
    pub mesh_id: Option<String>,
    /// The trust domain, and its aliases.
    pub trust_domains: Vec<String>,
    /// The network in the label of its namespace.
    pub network: Option<String>,
    /// The certificates.
    pub roots: Roots,
}

/// The objects in which a namespace of istiod has what is true for the whole control plane.
#[derive(Clone, Debug)]
pub struct Home {
    /// The namespace itself, with the network's label.
    pub namespace: ObjectRef,
    /// The mesh's configuration.
    pub mesh_config: ObjectRef,
    /// The roots that istiod serves to workloads.
    pub served_roots: ObjectRef,
    /// The certificates that istiod signs with.
    pub cacerts: ObjectRef,
}

impl Home {
    /// The objects of a namespace.
    pub fn of(namespace: &str) -> Self {
        Self {
            namespace: ObjectRef::cluster_wide(Kind::NAMESPACE, namespace),
            mesh_config: ObjectRef::namespaced(Kind::CONFIG_MAP, namespace, "istio"),
            served_roots: trust::served_roots(namespace),
            cacerts: ObjectRef::namespaced(Kind::SECRET, namespace, trust::CACERTS),
        }
    }
}

/// Returns the namespaces of control planes.
pub fn namespaces(deployments: &[Json]) -> BTreeSet<String> {
    deployments.iter().map(|deployment| text(deployment, &["metadata", "namespace"])).collect()
}

pub(super) fn of(objects: &Objects) -> Vec<ControlPlane> {
    objects.control_planes.iter().map(|deployment| control_plane(deployment, objects)).collect()
}

fn control_plane(deployment: &Json, objects: &Objects) -> ControlPlane {
    let namespace = text(deployment, &["metadata", "namespace"]);
    let is_here = |object: &&Json| object["metadata"]["namespace"] == namespace.as_str();
    let pods: Vec<_> = objects.control_plane_pods.iter().filter(is_here).cloned().collect();
    let config = objects.mesh_configs.iter().find(is_here).and_then(trust::mesh_config).unwrap_or_default();
    let (wanted, ready) = replicas(deployment);
    let home = objects.namespaces.iter().find(|object| object["metadata"]["name"] == namespace.as_str());
    let domains = std::iter::once(&config["trustDomain"]).chain(config["trustDomainAliases"].as_array().into_iter().flatten());
    let mut trust_domains: Vec<_> = domains.filter_map(|domain| domain.as_str().map(str::to_owned)).collect();
    if !config["trustDomain"].is_string() {
        trust_domains.insert(0, TrustDomain::DEFAULT.to_owned());
    }
    ControlPlane {
        name: text(deployment, &["metadata", "name"]),
        version: version(deployment),
        wanted,
        ready,
        reasons: if ready < wanted { evidence::lines(&pods, &[]) } else { Vec::new() },
        mesh_id: config["defaultConfig"]["meshId"].as_str().map(str::to_owned),
        trust_domains,
        network: home.and_then(|home| home["metadata"]["labels"][well_known::NETWORK_LABEL].as_str()).map(str::to_owned),
        roots: objects.roots.iter().find(|roots| roots.namespace == namespace).cloned().unwrap_or_default(),
        namespace,
    }
}

/// Returns the version: the chart's label has it, and else the image's tag.
pub(in crate::mesh) fn version(deployment: &Json) -> Option<Version> {
    let label = text(deployment, &["metadata", "labels", "app.kubernetes.io/version"]);
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten();
    let image = || containers.into_iter().find(|container| container["name"] == CONTAINER)?["image"].as_str();
    Version::parse(&label).ok().or_else(|| version_of_image(image()?))
}

/// Returns how many pods a Deployment should have, and how many are ready.
pub(super) fn replicas(deployment: &Json) -> (u64, u64) {
    (deployment["spec"]["replicas"].as_u64().unwrap_or(1), deployment["status"]["readyReplicas"].as_u64().unwrap_or(0))
}

/// What a webhook of istiod is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookPurpose {
    /// It adds sidecars to pods.
    Injection,
    /// It checks Istio's objects.
    Validation,
}

/// The configuration of a webhook of istiod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: WebhookPurpose,
    /// The namespaces of the istiods that it calls.
    pub namespaces: BTreeSet<String>,
    /// Whether istiod has put its certificate into all of it, without which no call succeeds.
    pub has_certificate: bool,
    /// What it does with an invalid object; `None` if it wasn't tried.
    pub validation: Option<Validation>,
}

pub(super) fn webhooks(objects: &Objects) -> Vec<Webhook> {
    let of =
        |purpose| move |object: &Json| Webhook { validation: objects.validations.get(&name(object)).cloned(), ..webhook(object, purpose) };
    let injectors = objects.injectors.iter().map(of(WebhookPurpose::Injection));
    injectors.chain(objects.validators.iter().map(of(WebhookPurpose::Validation))).collect()
}

/// Returns the namespace of the istiod that a webhook calls.
pub(super) fn called_namespace(webhook: &Json) -> String {
    text(webhook, &["clientConfig", "service", "namespace"])
}

fn name(object: &Json) -> String {
    text(object, &["metadata", "name"])
}

fn webhook(object: &Json, purpose: WebhookPurpose) -> Webhook {
    let parts = object["webhooks"].as_array().map(Vec::as_slice).unwrap_or_default();
    Webhook {
        name: name(object),
        purpose,
        namespaces: parts.iter().map(called_namespace).collect(),
        validation: None,
        has_certificate: !parts.is_empty() && parts.iter().all(|part| !text(part, &["clientConfig", "caBundle"]).is_empty()),
    }
}
