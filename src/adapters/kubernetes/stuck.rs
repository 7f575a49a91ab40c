//! Explains why an object that is being deleted is still there.

use serde_json::Value as Json;

use crate::data::{Kind, ObjectRef};

/// Returns a line for each reason that the object shows.
pub(super) fn reasons(object: &ObjectRef, live: &Json) -> Vec<String> {
    let metadata = &live["metadata"];
    let mut lines = Vec::new();
    match metadata["deletionTimestamp"].as_str() {
        Some(since) => lines.push(format!("{object} is being deleted since {since}")),
        None if live.is_object() => lines.push(format!("{object} is not being deleted")),
        None => {}
    }
    let finalizers = metadata["finalizers"].as_array().into_iter().flatten().filter_map(Json::as_str);
    lines.extend(finalizers.map(|finalizer| format!("{object} is held by the finalizer {finalizer}")));
    if object.kind == Kind::NAMESPACE {
        // Kubernetes removes its own finalizer last, so by itself it explains nothing.
        let finalizers = live["spec"]["finalizers"].as_array().into_iter().flatten().filter_map(Json::as_str);
        lines.extend(finalizers.filter(|name| *name != "kubernetes").map(|name| format!("{object} is held by the finalizer {name}")));
    }
    let conditions = live["status"]["conditions"].as_array().into_iter().flatten();
    // A namespace's conditions are all of trouble.
    let troubles = conditions.filter(|condition| object.kind == Kind::NAMESPACE && condition["status"] == "True");
    lines.extend(troubles.filter_map(|condition| {
        let message = condition["message"].as_str().filter(|message| !message.is_empty())?;
        Some(format!("{object}: {}: {message}", condition["type"].as_str().unwrap_or("condition")))
    }));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stuck_namespace_is_explained_by_its_conditions() {
        let namespace = ObjectRef::cluster_wide(Kind::NAMESPACE, "istio-system");
        let live = json!({
            "metadata": {"deletionTimestamp": "2030-01-01T00:00:00Z"},
            "spec": {"finalizers": ["kubernetes", "example.com/backup"]},
            "status": {"conditions": [
                {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources successfully discovered"},
                {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining: gateways. has 1 resource instances"},
            ]},
        });
        assert_eq!(
            reasons(&namespace, &live),
            [
                "Namespace istio-system is being deleted since 2030-01-01T00:00:00Z",
                "Namespace istio-system is held by the finalizer example.com/backup",
                "Namespace istio-system: NamespaceContentRemaining: Some resources are remaining: gateways. has 1 resource instances",
            ]
        );
    }
}
