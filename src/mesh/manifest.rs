//! Manifests of Kubernetes objects: kind, name, namespace, labels and content.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{labels::Owner, names::Namespace};
use crate::data::Kind;

/// A manifest that belongs to a resource of ours. `content` goes to the top level: `spec`, or a Secret's `type` and `data`.
pub fn manifest(kind: Kind, namespace: Option<&Namespace>, name: &str, owner: &Owner, content: &[(&str, Json)]) -> Json {
    let mut manifest = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "metadata": {"name": name, "labels": owner.labels()},
    });
    if let Some(namespace) = namespace {
        manifest["metadata"]["namespace"] = json!(namespace.as_str());
    }
    for (key, value) in content {
        manifest[*key] = value.clone();
    }
    manifest
}

/// A manifest of which the resource has a `spec`.
pub fn with_spec(kind: Kind, namespace: &Namespace, name: &str, owner: &Owner, spec: &impl Serialize) -> Json {
    manifest(kind, Some(namespace), name, owner, &[("spec", json!(spec))])
}

/// The manifest with annotations.
#[must_use]
pub fn annotated(mut manifest: Json, annotations: &BTreeMap<&str, String>) -> Json {
    manifest["metadata"]["annotations"] = json!(annotations);
    manifest
}
