//! What marks an object as ours, and whose of ours it is.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{host::Host, names::ReleaseName};
use crate::ports::MANAGER;

/// The label that names the manager of an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Annotation of an exporter's `ServiceEntry`: the export as JSON, for an import. See [`super::record`].
pub const EXPORT_RECORD: &str = "mesh.terraform.io/export-record";

/// Annotation of an importer's objects: the key of the cluster that exports.
pub const EXPORTED_BY: &str = "mesh.terraform.io/exported-by";

/// The resource that an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// `mesh_root_ca`
    RootCa,
    /// `mesh_cluster_ca`
    ClusterCa,
    /// `mesh_cluster`
    Cluster,
    /// `mesh_eastwest_gateway`, by its release
    Gateway(ReleaseName),
    /// `mesh_service_export`, by its host
    Export(Host),
}

impl Owner {
    /// The label that names the resource.
    pub fn label(&self) -> (&'static str, String) {
        match self {
            Self::RootCa => ("mesh.terraform.io/root-ca", "true".to_owned()),
            Self::ClusterCa => ("mesh.terraform.io/cluster-ca", "true".to_owned()),
            Self::Cluster => ("mesh.terraform.io/cluster", "true".to_owned()),
            Self::Gateway(release) => ("mesh.terraform.io/gateway", release.to_string()),
            Self::Export(host) => ("mesh.terraform.io/export", host.slug()),
        }
    }

    /// All labels of an object of the resource.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let (key, value) = self.label();
        BTreeMap::from([(MANAGED_BY.to_owned(), MANAGER.to_owned()), (key.to_owned(), value)])
    }

    /// The label selector that finds the resource's objects.
    pub fn selector(&self) -> String {
        let (key, value) = self.label();
        format!("{MANAGED_BY}={MANAGER},{key}={value}")
    }

    /// Whether an object belongs to the resource.
    pub fn owns(&self, object: &Json) -> bool {
        let (key, value) = self.label();
        is_ours(object) && object["metadata"]["labels"][key] == value
    }
}

/// Whether the provider wrote an object.
pub fn is_ours(object: &Json) -> bool {
    object["metadata"]["labels"][MANAGED_BY] == MANAGER
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_knows_its_owner() {
        let echo = Owner::Export(Host::parse("echo.eu.mesh.local").unwrap());
        let object = json!({"metadata": {"labels": echo.labels()}});
        assert!(is_ours(&object) && echo.owns(&object));
        assert!(!Owner::Cluster.owns(&object));
        assert_eq!(echo.selector(), "app.kubernetes.io/managed-by=terraform-provider-mesh,mesh.terraform.io/export=echo-eu-mesh-local");
        assert!(!is_ours(&json!({"metadata": {"labels": {MANAGED_BY: "Helm"}}})));
        assert!(!is_ours(&json!({})));
    }
}
