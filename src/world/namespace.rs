//! Namespaces that resources share: the first one creates it, the last one deletes it. One that existed before, or that others use, is kept.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{LiveCluster, is_ending};
use crate::{
    data::{Kind, MANAGER, ObjectRef},
    mesh::{Namespace, labels, observe::occupant},
    ports::{Failure, FailureKind},
};
use framework::{Error, Reached};

fn reference(namespace: &Namespace) -> ObjectRef {
    ObjectRef::cluster_wide(Kind::NAMESPACE, namespace.as_str())
}

/// Creates the namespace unless it exists. It isn't applied: an apply without the network label would remove the one that the resource of
/// the control plane has set since the look.
pub(crate) async fn ensure(cluster: LiveCluster<'_>, namespace: &Namespace) -> Result<(), Failure> {
    if cluster.get_staying(&reference(namespace)).await?.is_none() {
        let manifest = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace.as_str(), "labels": {labels::MANAGED_BY: MANAGER}},
        });
        cluster.create(&manifest).await?;
    }
    Ok(())
}

/// Creates the namespace of a resource's object unless it exists, and has `status` reached, which is known before the writes: they may be cut off after
/// they have succeeded. For a new object that goes for the namespace, too.
pub(crate) async fn ensure_for<S>(
    cluster: LiveCluster<'_>,
    namespace: &Namespace,
    is_new: bool,
    reached: &mut Reached<S>,
    status: S,
) -> Result<(), Failure> {
    let ensured = ensure(cluster, namespace).await;
    if is_new || ensured.is_ok() {
        reached.set(status);
    }
    ensured
}

/// Sets labels and annotations of the namespace, and creates it if it doesn't exist. Those set before and not among them are removed.
pub(crate) async fn mark(
    cluster: LiveCluster<'_>,
    namespace: &Namespace,
    wanted: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let live = cluster.get_staying(&reference(namespace)).await?;
    write(cluster, namespace, live.as_ref(), wanted, annotations).await
}

/// Removes the labels and annotations that [`mark`] has set, if the namespace stays.
pub(crate) async fn unmark(cluster: LiveCluster<'_>, namespace: &Namespace) -> Result<(), Failure> {
    match cluster.get(&reference(namespace)).await? {
        Some(live) if !is_ending(&live) => write(cluster, namespace, Some(&live), &BTreeMap::new(), &BTreeMap::new()).await,
        _ => Ok(()),
    }
}

async fn write(
    cluster: LiveCluster<'_>,
    namespace: &Namespace,
    live: Option<&Json>,
    wanted: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let mut labels = wanted.clone();
    if live.is_none_or(labels::is_ours) {
        labels.insert(labels::MANAGED_BY.to_owned(), MANAGER.to_owned());
    }
    let mut metadata = json!({"name": namespace.as_str(), "labels": labels});
    if !annotations.is_empty() {
        metadata["annotations"] = json!(annotations);
    }
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
    cluster.apply(&manifest).await?;
    Ok(())
}

/// Deletes the namespace if one of our resources created it, and nothing is left in it. While another resource of ours has an object in it,
/// it is kept as it is; with objects of others in it, it is left to them.
pub(crate) async fn release(cluster: LiveCluster<'_>, namespace: &Namespace) -> Result<(), Failure> {
    let Some(live) = cluster.get(&reference(namespace)).await? else { return Ok(()) };
    if !labels::is_ours(&live) {
        return Ok(());
    }
    let occupants = match occupants(cluster, namespace).await {
        Ok(occupants) => occupants,
        Err(failure) if failure.kind == FailureKind::Denied => {
            cluster.warn(kept(cluster, namespace, &format!("It can't be determined whether it is empty: {}", failure.detail())));
            return Ok(());
        }
        Err(failure) => return Err(failure),
    };
    if occupants.iter().any(|object| labels::is_ours(object) || labels::is_installed_by_us(object)) {
        let unfinished: Vec<_> = occupants.into_iter().filter(|object| cluster.is_abandoned(object)).collect();
        if !unfinished.is_empty() {
            cluster.warn(abandoned(cluster, namespace, &occupant::summary(&unfinished)));
        }
        return Ok(());
    }
    if occupants.is_empty() {
        return cluster.delete(&reference(namespace)).await;
    }
    cluster.remove_labels(&reference(namespace), &[labels::MANAGED_BY]).await?;
    cluster.warn(kept(cluster, namespace, &format!("It contains {}.", occupant::summary(&occupants))));
    Ok(())
}

/// Returns what is left of a resource whose objects are gone, as a line of drift: its namespace, if one of our resources created it and it is
/// empty or on its way out. The next destroy completes what was cut off in the last one.
pub(crate) async fn remains(cluster: LiveCluster<'_>, namespace: &Namespace) -> Result<Option<String>, Failure> {
    let object = reference(namespace);
    let Some(live) = cluster.get(&object).await?.filter(labels::is_ours) else { return Ok(None) };
    if is_ending(&live) {
        return Ok(Some(format!("{object}: it is being deleted, with what this resource had in it")));
    }
    let is_empty = match occupants(cluster, namespace).await {
        Ok(occupants) => occupants.is_empty(),
        Err(failure) if failure.kind == FailureKind::Denied => false,
        Err(failure) => return Err(failure),
    };
    Ok(is_empty.then(|| format!("{object}: it is empty; what this resource had in it is gone")))
}

fn kept(cluster: LiveCluster<'_>, namespace: &Namespace, why: &str) -> Error {
    Error::new(
        format!("Namespace {namespace} was kept"),
        format!(
            "Namespace {namespace} of cluster \"{}\" was created by this provider, and was not deleted. {why}\n\nThe provider no longer manages \
             the namespace. Delete it with `kubectl delete namespace {namespace}` when nothing in it is needed.",
            cluster.key
        ),
    )
}

/// Reports what interrupted creates have left: no state has it, so no destroy removes it.
fn abandoned(cluster: LiveCluster<'_>, namespace: &Namespace, what: &str) -> Error {
    Error::new(
        "An interrupted creation has left objects",
        format!(
            "Namespace {namespace} of cluster \"{}\" was kept, because it has {what} of a resource whose creation was interrupted and that is in \
             no state. If the resource is in the configuration, an apply completes it; to remove it, apply, then destroy.",
            cluster.key
        ),
    )
}

/// Lists the objects in the namespace, without those that the cluster and Istio create in every namespace. Those of kinds that are less common are
/// looked for only where there is nothing else.
async fn occupants(cluster: LiveCluster<'_>, namespace: &Namespace) -> Result<Vec<Json>, Failure> {
    let lists = occupant::KINDS.iter().map(|kind| cluster.list_metadata(*kind, Some(namespace.as_str()), ""));
    let named: Vec<_> = futures::future::try_join_all(lists).await?.into_iter().flatten().filter(occupant::counts).collect();
    if !named.is_empty() {
        return Ok(named);
    }
    cluster.others_in(namespace.as_str(), occupant::KINDS, &occupant::counts).await
}
