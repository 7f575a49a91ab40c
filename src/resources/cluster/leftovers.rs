//! What istiod and its charts leave behind when they are uninstalled: ConfigMaps in every namespace, istiod's own root, and the custom
//! resource definitions.

use serde_json::Value as Json;

use super::Cluster;
use crate::{
    data::{Deployed, Kind, ObjectRef},
    world::World,
};
use framework::{Cx, Error};

impl Cluster {
    /// Removes what istiod created by itself, in its own and in every other namespace.
    pub(super) async fn remove_leftovers(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = self.on(cx);
        let maps = cluster.list(Kind::CONFIG_MAP, None, "").await?;
        let left: Vec<_> =
            maps.iter().filter(|map| self.is_leftover(&map["metadata"])).filter_map(|map| ObjectRef::of(map, self.namespace())).collect();
        futures::future::try_join_all(left.iter().map(|map| cluster.delete(map))).await?;
        let own_root = ObjectRef::namespaced(Kind::SECRET, self.namespace(), "istio-ca-secret");
        cluster.delete(&own_root).await.map_err(Error::from)
    }

    fn is_leftover(&self, metadata: &Json) -> bool {
        let name = metadata["name"].as_str().unwrap_or_default();
        let is_lock = metadata["namespace"] == self.namespace() && name.starts_with("istio-") && name.ends_with("leader");
        matches!(name, "istio-ca-root-cert" | "istio-ca-crl") || is_lock
    }

    /// Removes the custom resource definitions that the release `istio-base` installed.
    pub(super) async fn remove_crds(&self, base: &Deployed, cx: &Cx<'_, World>) -> Result<(), Error> {
        let objects = base.manifest.iter().filter_map(|object| ObjectRef::of(object, self.namespace()));
        let crds: Vec<_> = objects.filter(|object| object.kind == Kind::CRD).collect();
        let deletions = crds.iter().map(|crd| self.on(cx).delete(crd));
        futures::future::try_join_all(deletions).await.map(|_| ()).map_err(Error::from)
    }
}
