//! The objects of a cluster that an inventory is made of.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Served, Validation};
use crate::data::CertificateFacts;

/// The objects of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// The cluster's UID.
    pub uid: Option<String>,
    /// Deployments of istiod.
    pub control_planes: Vec<Json>,
    /// Pods of istiod.
    pub control_plane_pods: Vec<Json>,
    /// The namespaces of istiod.
    pub namespaces: Vec<Json>,
    /// The ConfigMaps with the mesh's configuration, of the same namespaces.
    pub mesh_configs: Vec<Json>,
    /// The certificates of the same namespaces.
    pub roots: Vec<Roots>,
    /// The configurations of istiod's injection webhooks.
    pub injectors: Vec<Json>,
    /// The configurations of istiod's validation webhooks.
    pub validators: Vec<Json>,
    /// What came of an object that istiod must refuse, by the name of the validation webhook; without those that weren't tried, or may not be.
    pub validations: BTreeMap<String, Validation>,
    /// Services with the label of a network.
    pub gateway_services: Vec<Json>,
    /// The Deployments with the names of these Services.
    pub gateway_deployments: Vec<Json>,
    /// The pods that these Services choose.
    pub gateway_pods: Vec<Json>,
    /// What the gateways present to clients of exported hosts, by host; without those that weren't tried, or may not be.
    pub served: BTreeMap<String, Served>,
    /// The `ServiceEntry` objects of exports.
    pub entries: Vec<Json>,
    /// The `DestinationRule` objects of exports.
    pub rules: Vec<Json>,
    /// All `Gateway` objects, whoever wrote them.
    pub gateways: Vec<Json>,
    /// `Gateway` objects of the Gateway API; `None` if they can't be read.
    pub api_gateways: Option<Vec<Json>>,
    /// The remote secrets, without their data; `None` if they can't be read.
    pub remote_secrets: Option<Vec<Json>>,
    /// By pod of istiod, `NAMESPACE/NAME`: its page of the clusters that it reads, or why it gave none. Empty if there are no remote secrets, or the
    /// credentials don't allow to ask.
    pub clusters_pages: BTreeMap<String, Result<String, String>>,
    /// In the same way, its page of the gateways to other networks that it knows. Empty as well if there are neither remote secrets nor links.
    pub networks_pages: BTreeMap<String, Result<String, String>>,
    /// Pods with a sidecar.
    pub sidecars: Vec<Json>,
    /// Pods of the namespaces that export; `None` if they weren't read.
    pub pods: Option<Vec<Json>>,
    /// What can't be read, the plural of a kind or an object, and why.
    pub unread: BTreeMap<String, String>,
}

/// The certificates of one namespace of istiod.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// The namespace.
    pub namespace: String,
    /// The roots that istiod serves to workloads.
    pub served: Vec<CertificateFacts>,
    /// The roots in the Secret `cacerts`.
    pub configured: Vec<CertificateFacts>,
    /// The certificate in the Secret `cacerts` that istiod is to sign with.
    pub signer: Option<CertificateFacts>,
    /// What each pod of istiod signs with, or why it can't be asked. Empty if the credentials don't allow to ask.
    pub used: BTreeMap<String, Result<CertificateFacts, String>>,
}
