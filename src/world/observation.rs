//! Drift of Helm releases and their objects, and the pod states and events that explain a failure.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::LiveCluster;
use crate::{
    data::{Deployed, Kind, ObjectRef, Release},
    mesh::observe::{
        drift, evidence,
        ignored::{IgnoredField, is_ignored, is_ignored_as_a_whole},
        release,
    },
    ports::FailureKind,
};
use framework::{Deadline, Error};

/// Returns the differences between a release, with its objects, and what is wanted, one line each, without those of fields that are ignored.
pub(crate) async fn release_drift(
    cluster: LiveCluster<'_>,
    wanted: &Release,
    live: &Deployed,
    ignored: &[IgnoredField],
) -> Result<Vec<String>, Error> {
    let release = format!("Helm release {}", wanted.name);
    let private = cluster.private_values(wanted);
    let differences = release::differences(wanted, live, &private).into_iter().chain(cluster.revision_drift(live));
    let mut lines: Vec<_> = differences.map(|line| format!("{release}: {line}")).collect();
    let (objects, definitions) = tokio::try_join!(
        object_drift(cluster, wanted, live, !private.is_empty(), ignored),
        definition_drift(cluster, &live.manifest, ignored)
    )?;
    lines.extend(objects);
    lines.extend(definitions);
    Ok(lines)
}

/// Returns the release if this provider installed it and nothing of it differs from what is wanted, fields that are ignored aside: an upgrade
/// would only write these.
pub(crate) async fn in_place(cluster: LiveCluster<'_>, wanted: &Release, ignored: &[IgnoredField]) -> Result<Option<Deployed>, Error> {
    let live = cluster.release(&wanted.namespace, &wanted.name).await?;
    let Some(live) = live.filter(|live| live.is_ours && live.mark.is_none()) else { return Ok(None) };
    let is_same = release_drift(cluster, wanted, &live, ignored).await?.is_empty();
    if is_same {
        cluster.remember_private(wanted);
        cluster.remember_revision(&live);
    }
    Ok(is_same.then_some(live))
}

/// Objects of one kind and namespace, each with its manifest.
type Wanted<'a> = Vec<(ObjectRef, &'a Json)>;

/// How the live objects differ from the manifests of a release; one LIST for each kind and namespace.
async fn object_drift(
    cluster: LiveCluster<'_>,
    wanted: &Release,
    live: &Deployed,
    has_private: bool,
    ignored: &[IgnoredField],
) -> Result<Vec<String>, Error> {
    let (namespace, manifests) = (wanted.namespace.as_str(), &live.manifest);
    let autoscaled = manifests.iter().any(|manifest| Kind::of(manifest) == Some(Kind::AUTOSCALER));
    let mut groups: BTreeMap<(&str, Option<String>), Wanted<'_>> = BTreeMap::new();
    for manifest in manifests {
        // Definitions are megabytes to list, and only a new version of the chart changes them.
        if let Some(object) = ObjectRef::of(manifest, namespace).filter(|object| object.kind != Kind::CRD) {
            groups.entry((object.kind.plural, object.namespace.clone())).or_default().push((object, manifest));
        }
    }
    let looks = groups.into_iter().filter_map(|((_, namespace), wanted)| {
        let kind = wanted.first()?.0.kind;
        Some(async move {
            let live = cluster.list(kind, namespace.as_deref(), "").await?;
            let mut lines = Vec::new();
            for (object, manifest) in wanted {
                match live.iter().find(|live| live["metadata"]["name"] == object.name.as_str()) {
                    Some(live) => {
                        let is_ignored = |field: &str| is_ignored(ignored, &object, field);
                        let differences = drift::release_differences(manifest, live, autoscaled, &is_ignored);
                        let shown = |line: String| if has_private { drift::without_values(&line) } else { line };
                        lines.extend(differences.into_iter().map(|line| format!("{object}: {}", shown(line))));
                    }
                    None if is_ignored_as_a_whole(ignored, &object) => {}
                    None => lines.push(format!("{object}: it is gone")),
                }
            }
            Ok::<_, Error>(lines)
        })
    });
    Ok(futures::future::try_join_all(looks).await?.concat())
}

/// Reports the custom resource definitions of a release that are gone. Their content is megabytes, and only a new version of the chart
/// changes it.
async fn definition_drift(cluster: LiveCluster<'_>, manifests: &[Json], ignored: &[IgnoredField]) -> Result<Vec<String>, Error> {
    let wanted = manifests.iter().filter_map(|manifest| ObjectRef::of(manifest, "")).filter(|object| object.kind == Kind::CRD);
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let live = match cluster.list_metadata(Kind::CRD, None, "").await {
        Ok(live) => live,
        // The other objects are compared all the same for users who may not list definitions.
        Err(failure) if failure.kind == FailureKind::Denied => return Ok(Vec::new()),
        Err(failure) => return Err(failure.into()),
    };
    let is_gone = |object: &ObjectRef| {
        !live.iter().any(|live| live["metadata"]["name"] == object.name.as_str()) && !is_ignored_as_a_whole(ignored, object)
    };
    Ok(wanted.into_iter().filter(is_gone).map(|object| format!("{object}: it is gone")).collect())
}

/// Summarizes the pods and events of a workload. Called after an operation has failed, so it has a few seconds of its own, and no errors.
pub(crate) async fn seen(cluster: LiveCluster<'_>, namespace: &str, labels: &str) -> Vec<String> {
    let deadline = Deadline::after(Duration::from_secs(5), CancellationToken::new());
    let cluster = cluster.within(&deadline);
    let (pods, events) = tokio::join!(cluster.list(Kind::POD, Some(namespace), labels), cluster.list(Kind::EVENT, Some(namespace), ""),);
    evidence::lines(&pods.unwrap_or_default(), &events.unwrap_or_default())
}
