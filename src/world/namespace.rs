//! Namespaces that resources share: the first one creates it, the last one deletes it, and one that existed before is kept.

use serde_json::{Value as Json, json};

use super::LiveCluster;
use crate::{
    data::{Kind, MANAGER, ObjectRef},
    mesh::{Namespace, labels},
    ports::Failure,
};

fn reference(namespace: &Namespace) -> ObjectRef {
    ObjectRef::cluster_wide(Kind::NAMESPACE, namespace.as_str())
}

/// Creates the namespace unless it exists.
pub(crate) async fn ensure(cluster: LiveCluster<'_>, namespace: &Namespace) -> Result<(), Failure> {
    if cluster.get(&reference(namespace)).await?.is_none() {
        let manifest = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace.as_str(), "labels": {labels::MANAGED_BY: MANAGER}},
        });
        cluster.apply(&manifest).await?;
    }
    Ok(())
}

/// Sets labels of the namespace, and creates it if it doesn't exist. An empty set removes the labels set before.
pub(crate) async fn label(cluster: LiveCluster<'_>, namespace: &Namespace, wanted: &Json) -> Result<(), Failure> {
    let live = cluster.get(&reference(namespace)).await?;
    let mut labels = match &live {
        Some(live) if !labels::is_ours(live) => json!({}),
        _ => json!({labels::MANAGED_BY: MANAGER}),
    };
    if let (Some(labels), Some(wanted)) = (labels.as_object_mut(), wanted.as_object()) {
        labels.extend(wanted.clone());
    }
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.as_str(), "labels": labels}});
    cluster.apply(&manifest).await?;
    Ok(())
}

/// Deletes the namespace if one of our resources created it and none of them has an object in it.
pub(crate) async fn release(cluster: LiveCluster<'_>, namespace: &Namespace) -> Result<(), Failure> {
    let Some(live) = cluster.get(&reference(namespace)).await? else { return Ok(()) };
    if !labels::is_ours(&live) {
        return Ok(());
    }
    let (within, ours) = (Some(namespace.as_str()), labels::managed_selector());
    let (secrets, releases) =
        tokio::try_join!(cluster.list(Kind::SECRET, within, &ours), cluster.list(Kind::SECRET, within, "owner=helm"),)?;
    if secrets.is_empty() && releases.is_empty() {
        cluster.delete(&reference(namespace)).await?;
    }
    Ok(())
}
