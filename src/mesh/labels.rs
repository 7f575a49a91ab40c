//! Labels that mark an object as managed by this provider, and by which resource.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::names::{ClusterKey, Host};
use crate::{
    data::{INSTALLED_BY, MANAGER},
    istio::well_known,
};

/// The label that names the manager of an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The label of east-west gateways, and of namespaces: the network.
pub const NETWORK: &str = well_known::NETWORK_LABEL;

/// Annotation of an exporter's `ServiceEntry`: the export as JSON, for an import. See [`super::export::Request`].
pub const EXPORT_RECORD: &str = "mesh.terraform.io/export-record";

/// Annotation of the Gateway of a `mesh_eastwest_gateway` that exposes Services by their labels: what was asked for, as JSON. See [`super::exposure::Exposure`].
pub const EXPOSURE_RECORD: &str = "mesh.terraform.io/exposure-record";

/// Annotation of the `ServiceEntry` of a `mesh_service_import`: the import as JSON. See [`super::export::Import`].
pub const IMPORT_RECORD: &str = "mesh.terraform.io/import-record";

/// Annotation of a remote secret: what its token was issued for, as JSON. No part of the token is in it.
pub const REMOTE_RECORD: &str = "mesh.terraform.io/remote-record";

/// Label of a remote secret: the key of the cluster that it leads to.
const REMOTE: &str = "mesh.terraform.io/remote-cluster";

/// Label of the Secret that keeps a token of a `mesh_remote_secret`: the key of the cluster that reads by it.
const READER: &str = "mesh.terraform.io/reader-token";

/// Annotation of the DestinationRules of a `mesh_global_service`: the service as JSON. See [`super::global::Request`].
pub const GLOBAL_RECORD: &str = "mesh.terraform.io/global-record";

/// Label of the objects of a `mesh_global_service`.
pub const GLOBAL: &str = "mesh.terraform.io/global";

/// Label of the objects of a `mesh_service_import`.
const IMPORT: &str = "mesh.terraform.io/import";

/// Label of the objects of an export, an import or a global service: the host.
const EXPORT: &str = "mesh.terraform.io/export";

/// Annotation of istiod's pods: the fingerprints of the roots that they start with, the one that signs first. Another root, which a running istiod would ignore, restarts
/// them.
pub const ROOT: &str = "mesh.terraform.io/root";

/// Annotation of istiod's pods: when the provider restarted them.
pub const RESTARTED_AT: &str = "mesh.terraform.io/restarted-at";

/// Annotation of a custom resource definition: the provider that has left it behind when it removed its release.
pub const LEFT_BY: &str = "mesh.terraform.io/left-by";

/// Annotation of a CA's Secret: what the CA was issued for, as JSON. No part of a key is in it.
pub const CA_RECORD: &str = "mesh.terraform.io/ca-record";

/// Annotation of the Secret `cacerts`: since when its roots have been served, and which of them istiod has signed for, as JSON.
pub const TRUST_RECORD: &str = "mesh.terraform.io/trust-record";

/// Label of the pod of a `mesh_probe`: the run that has created it.
pub const PROBE_RUN: &str = "mesh.terraform.io/probe-run";

/// Label of an export's objects: the key of the cluster that exports.
const EXPORTED_BY: &str = "mesh.terraform.io/exported-by";

/// The resource that an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// `mesh_root_ca`
    RootCa,
    /// `mesh_cluster_ca`
    ClusterCa,
    /// `mesh_cluster_ca_request`
    CaRequest,
    /// `mesh_cluster`
    Cluster,
    /// The `exposed_services` of a `mesh_eastwest_gateway`
    Exposure,
    /// `mesh_link`
    Link,
    /// `mesh_remote_secret`, by the key of the cluster that it leads to
    RemoteSecret(ClusterKey),
    /// `mesh_remote_secret`: the Secret that keeps its token, by the key of the cluster that reads
    ReaderToken(ClusterKey),
    /// `mesh_probe`: the pod that it calls from
    Probe,
    /// `mesh_service_export`, by its host and the key of the cluster that exports
    Export(Host, ClusterKey),
    /// `mesh_service_import`, by its host
    Import(Host),
    /// `mesh_global_service`, by its host
    Global(Host),
}

impl Owner {
    /// The labels that name the resource.
    fn own_labels(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::RootCa => vec![("mesh.terraform.io/root-ca", "true".to_owned())],
            Self::ClusterCa => vec![("mesh.terraform.io/cluster-ca", "true".to_owned())],
            Self::CaRequest => vec![("mesh.terraform.io/ca-request", "true".to_owned())],
            Self::Cluster => vec![("mesh.terraform.io/cluster", "true".to_owned())],
            Self::Exposure => vec![("mesh.terraform.io/exposed-services", "true".to_owned())],
            Self::Link => vec![("mesh.terraform.io/link", "true".to_owned())],
            Self::RemoteSecret(remote) => vec![(REMOTE, remote.to_string())],
            Self::ReaderToken(reader) => vec![(READER, reader.to_string())],
            Self::Probe => vec![("mesh.terraform.io/probe", "true".to_owned())],
            Self::Export(host, exporter) => {
                vec![(EXPORT, host.slug()), (EXPORTED_BY, exporter.to_string())]
            }
            Self::Import(host) => vec![(EXPORT, host.slug()), (IMPORT, "true".to_owned())],
            Self::Global(host) => vec![(EXPORT, host.slug()), (GLOBAL, "true".to_owned())],
        }
    }

    /// All labels of an object of the resource.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let own = self.own_labels().into_iter().map(|(key, value)| (key.to_owned(), value));
        std::iter::once((MANAGED_BY.to_owned(), MANAGER.to_owned())).chain(own).collect()
    }

    /// The label selector that finds the resource's objects.
    pub fn selector(&self) -> String {
        selector_of(&self.labels())
    }
}

/// The label selector that finds everything of ours.
pub fn managed_selector() -> String {
    format!("{MANAGED_BY}={MANAGER}")
}

/// Returns the label selector that finds everything that is not of ours.
pub fn unmanaged_selector() -> String {
    format!("{MANAGED_BY}!={MANAGER}")
}

/// Returns the label selector that finds every `mesh_remote_secret`.
pub fn remote_secrets() -> String {
    format!("{},{REMOTE}", managed_selector())
}

/// Returns the key of the cluster that a remote secret leads to.
pub fn remote_of(object: &Json) -> Option<ClusterKey> {
    ClusterKey::parse(object["metadata"]["labels"][REMOTE].as_str()?).ok()
}

/// Returns the key of the cluster that reads by the token in a Secret.
pub fn reader_of(object: &Json) -> Option<ClusterKey> {
    ClusterKey::parse(object["metadata"]["labels"][READER].as_str()?).ok()
}

/// Returns the label selector that finds the objects of every `mesh_service_import`.
pub fn imports() -> String {
    format!("{},{IMPORT}=true", managed_selector())
}

/// Returns the label selector that finds the objects of every `mesh_global_service`.
pub fn globals() -> String {
    format!("{},{GLOBAL}=true", managed_selector())
}

/// Returns the label selector that finds everything of a host, whichever resource it belongs to.
pub fn exports_of(host: &Host) -> String {
    format!("{},{EXPORT}={}", managed_selector(), host.slug())
}

/// Returns the key of the cluster whose export an object belongs to.
pub fn exporter_of(object: &Json) -> Option<ClusterKey> {
    ClusterKey::parse(object["metadata"]["labels"][EXPORTED_BY].as_str()?).ok()
}

/// The label selector that finds everything of all exports of a cluster.
pub fn exported_by(exporter: &ClusterKey) -> String {
    format!("{},{EXPORTED_BY}={exporter}", managed_selector())
}

/// Returns the label selector that finds the pods with a sidecar, which istiod labels when it injects one.
pub fn injected_selector() -> String {
    format!("{}={}", well_known::TLS_MODE_LABEL, well_known::TLS_MODE_ISTIO)
}

/// The label selector for objects with all of these labels.
pub fn selector_of(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Whether the provider wrote an object.
pub fn is_ours(object: &Json) -> bool {
    object["metadata"]["labels"][MANAGED_BY] == MANAGER
}

/// Reports whether an object is Helm's record of a release that this provider installed.
pub fn is_installed_by_us(object: &Json) -> bool {
    object["metadata"]["labels"][INSTALLED_BY] == MANAGER
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_shows_that_it_is_ours() {
        let echo = Owner::Export(Host::parse("echo.eu.mesh.local").unwrap(), ClusterKey::parse("eu").unwrap());
        assert!(is_ours(&json!({"metadata": {"labels": echo.labels()}})));
        assert_eq!(
            echo.selector(),
            "app.kubernetes.io/managed-by=terraform-provider-mesh,mesh.terraform.io/export=echo-eu-mesh-local,mesh.terraform.io/exported-by=eu"
        );
        assert!(!is_ours(&json!({"metadata": {"labels": {MANAGED_BY: "Helm"}}})));
        assert!(!is_ours(&json!({})));
    }
}
