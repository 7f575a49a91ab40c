//! The objects of an apply that a look hasn't found, and that must be created rather than changed.

use serde_json::Value as Json;

use crate::{data::ObjectRef, mesh::ClusterKey};

#[derive(Default)]
pub(super) struct NewObjects(Vec<(ClusterKey, ObjectRef)>);

impl NewObjects {
    pub(super) fn add(&mut self, cluster: &ClusterKey, objects: impl IntoIterator<Item = ObjectRef>) {
        self.0.extend(objects.into_iter().map(|object| (cluster.clone(), object)));
    }

    /// Returns whether the object of a manifest must be created.
    pub(super) fn contain(&self, cluster: &ClusterKey, manifest: &Json) -> bool {
        ObjectRef::of(manifest, "").is_some_and(|object| self.0.contains(&(cluster.clone(), object)))
    }
}
