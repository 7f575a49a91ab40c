//! What istiod leaves behind when it is uninstalled: ConfigMaps in every namespace, and its own root.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value as Json;

use super::Cluster;
use crate::{
    data::{Kind, ObjectRef},
    mesh::{labels, observe::occupant},
    ports::{Failure, FailureKind},
    world::{World, is_ending, namespace},
};
use framework::{Cx, Error};

/// How many objects are written at once: in a large cluster there is a ConfigMap of istiod in each of thousands of namespaces.
pub(super) const AT_ONCE: usize = 16;

/// Every Deployment of istiod, whoever installed it.
const ISTIODS: &str = "app=istiod";

impl Cluster {
    /// Warns of workloads that still have a sidecar, and lose their certificates with istiod.
    pub(super) async fn warn_of_sidecars(&self, cx: &Cx<'_, World>) {
        // Without the permission to list pods there is nothing to warn of.
        let pods = self.on(cx).list_metadata(Kind::POD, None, &labels::injected_selector()).await.unwrap_or_default();
        let namespaces =
            pods.iter().filter_map(|pod| pod["metadata"]["namespace"].as_str()).filter(|namespace| *namespace != self.namespace());
        let mut counts = BTreeMap::<&str, usize>::new();
        for namespace in namespaces {
            *counts.entry(namespace).or_default() += 1;
        }
        if counts.is_empty() {
            return;
        }
        let counts: Vec<_> = counts.into_iter().map(|(namespace, count)| format!("{namespace} ({count})")).collect();
        cx.warn(Error::new(
            "Workloads still have sidecars",
            format!(
                "Istio was removed from cluster \"{}\", where pods of these namespaces still have sidecars: {}. The sidecars get no new configuration, \
                 and their certificates expire within a day by default; then calls between them fail. Remove the namespaces' injection labels, \
                 and restart the workloads with `kubectl rollout restart deployment --namespace NAMESPACE`.",
                self.cluster,
                counts.join(", ")
            ),
        ));
    }

    /// Removes what istiod created by itself, in its own and in every other namespace. What an istiod of others may have created stays: its
    /// workloads take their root of trust from it.
    pub(super) async fn remove_leftovers(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = self.on(cx);
        // Where the credentials don't allow to look, there may be others.
        let others = match cluster.list_metadata(Kind::DEPLOYMENT, None, ISTIODS).await {
            Err(failure) if failure.kind == FailureKind::Denied => None,
            others => Some(others?.into_iter().filter(|istiod| !is_ending(istiod)).collect::<Vec<_>>()),
        };
        if others.iter().flatten().any(|istiod| istiod["metadata"]["namespace"] == self.namespace()) {
            return Ok(());
        }
        let is_alone = others.is_some_and(|others| others.is_empty());
        let is_left = |map: &&Json| {
            let metadata = &map["metadata"];
            let is_root = matches!(metadata["name"].as_str().unwrap_or_default(), "istio-ca-root-cert" | "istio-ca-crl");
            let is_own = metadata["namespace"] == self.namespace();
            is_own && (is_root || occupant::is_of_istiod(metadata)) || is_root && is_alone
        };
        let maps = cluster.list_metadata(Kind::CONFIG_MAP, None, "").await?;
        let left: Vec<_> = maps.iter().filter(is_left).filter_map(|map| ObjectRef::of(map, self.namespace())).collect();
        let own_root = ObjectRef::namespaced(Kind::SECRET, self.namespace(), "istio-ca-secret");
        self.delete_each(left.into_iter().chain([own_root]), cx).await.map_err(Error::from)
    }

    pub(super) async fn delete_each(&self, objects: impl Iterator<Item = ObjectRef>, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let deletions: Vec<_> = objects.map(|object| async move { self.on(cx).delete(&object).await }).collect();
        stream::iter(deletions).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Returns what a destroy that was cut off has left without a release, as a line of drift.
    pub(super) async fn remains(&self, cx: &Cx<'_, World>) -> Result<Option<String>, Error> {
        let definitions = if self.delete_crds { self.definitions(cx).await } else { Ok(Vec::new()) };
        let definitions = match definitions {
            Ok(definitions) => definitions,
            Err(failure) if failure.kind == FailureKind::Denied => Vec::new(),
            Err(failure) => return Err(failure.into()),
        };
        match definitions.as_slice() {
            [] => namespace::remains(self.on(cx), &self.plane.namespace).await.map_err(Error::from),
            [first, ..] => Ok(Some(format!("{first}: it is there, and the release that installed it is gone"))),
        }
    }
}
