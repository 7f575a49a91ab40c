//! The `ServiceExport` of the Multi-Cluster Services API (MCS) that an export can have beside its own objects.

use serde_json::Value as Json;

use super::Export;
use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        labels::Owner,
        manifest::manifest,
        names::{Namespace, ObjectName},
    },
};

/// Returns the reference of the definition, which neither Kubernetes nor Istio brings.
pub fn definition() -> ObjectRef {
    ObjectRef::cluster_wide(Kind::CRD, format!("{}.{}", Kind::SERVICE_EXPORT.plural, Kind::SERVICE_EXPORT.group))
}

/// Whether the API server serves the version in which exports write, and Istio reads.
pub fn is_served(definition: &Json) -> bool {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    versions.into_iter().any(|version| version["name"] == Kind::SERVICE_EXPORT.version && version["served"] == true)
}

/// Returns the reference of the object: its name is the Service's.
pub(super) fn object(namespace: &Namespace, service: &ObjectName) -> ObjectRef {
    ObjectRef::namespaced(Kind::SERVICE_EXPORT, namespace.as_str(), service.as_str())
}

/// Returns the manifest, if the export has one. That the object is there is all that it says.
pub(super) fn of(export: &Export, owner: &Owner) -> Option<Json> {
    let object = export.request.mcs_service_export.then(|| object(&export.id.namespace, &export.request.service))?;
    Some(manifest(Kind::SERVICE_EXPORT, Some(&export.id.namespace), &object.name, owner, &[]))
}
