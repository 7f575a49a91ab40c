//! Clusters that are lost: they can't be reached for good, or another one has their place.

use std::sync::PoisonError;

use framework::Error;

use super::LiveCluster;
use crate::{
    mesh::ClusterKey,
    ports::{Failure, FailureKind},
};

impl LiveCluster<'_> {
    /// Returns why the cluster is lost: it can't be reached, or another one has its place, and the configuration allows to forget what is in it.
    pub(crate) async fn loss(self) -> Option<Failure> {
        if !self.cx.world.forgettable.contains(self.key.as_str()) {
            return None;
        }
        let unreachable = || self.cx.world.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        // Each look takes seconds, and there may be many objects.
        if let Some(failure) = unreachable().get(self.key.as_str()) {
            return Some(failure.clone());
        }
        let failure = self.recognized().await.err()?;
        if failure.kind == FailureKind::Unreachable {
            unreachable().insert(self.key.to_string(), failure.clone());
        }
        matches!(failure.kind, FailureKind::Unreachable | FailureKind::OtherCluster).then_some(failure)
    }

    /// Whether the cluster is lost, for a read: warns that the state stays as it is.
    pub(crate) async fn is_lost(self) -> bool {
        let Some(failure) = self.loss().await else { return false };
        let mut warning = Error::from(failure);
        warning.detail.push_str(
            "\n\n`forget_unreachable` is true for the cluster, so the state stays as it is, and a destroy removes what is in the cluster from the state.",
        );
        self.warn(warning);
        true
    }

    /// Whether the cluster is lost, for a delete: warns of the objects that are left behind.
    pub(crate) async fn leaves_behind(self, objects: &str) -> bool {
        let Some(failure) = self.loss().await else { return false };
        self.warn(Error::new(
            "Objects are left behind",
            format!(
                "{} `forget_unreachable` is true for cluster \"{}\", so {objects} were not deleted in it. If that cluster still exists, delete them \
                 there.",
                failure.why, self.key
            ),
        ));
        true
    }
}

/// The failure of an operation on a cluster that isn't the one in which the object was created.
pub(super) fn other_cluster(key: &ClusterKey, known: &str, found: &str) -> Failure {
    let why = format!(
        "Under the key \"{key}\" the cluster with the UID {found} answers, and what the state describes was created in the cluster with the UID \
         {known}. (The UID of a cluster is that of its namespace kube-system.) Nothing was changed, and the state stays as it is."
    );
    Failure::new(FailureKind::OtherCluster, format!("Cluster \"{key}\" is another cluster"), why).advice(format!(
        "Correct the address or the context of `clusters.{key}` in the provider's configuration. If the former cluster is gone for good, set \
         `forget_unreachable` to true there and destroy or replace the resource. If it was restored from a backup, remove the resource from the \
         state with `terraform state rm` and import it."
    ))
}
