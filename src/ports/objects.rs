//! The objects of a cluster's API.

use async_trait::async_trait;
use framework::Deadline;
use serde_json::Value as Json;

use super::Failure;
use crate::data::{Kind, ObjectRef};

/// Reads and writes the objects of the configured clusters. `cluster` is a key of the provider's `clusters`.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Returns the UID of the cluster, which is that of its namespace `kube-system`; `None` if the credentials don't allow to read it.
    async fn cluster_uid(&self, cluster: &str, deadline: &Deadline) -> Result<Option<String>, Failure>;

    /// Applies a manifest on the server with our field manager, forced, and returns the object.
    async fn apply(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<Json, Failure>;

    /// Creates the object with our field manager, and returns it. `None` if there is one already, which stays as it is: it may be what this call
    /// has made, as a request whose answer is lost is sent again.
    async fn create(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<Option<Json>, Failure>;

    /// Changes the live object by a JSON merge patch, in which null removes a field, no matter who manages it. Returns the object, or `None`
    /// if it doesn't exist.
    async fn merge(&self, cluster: &str, object: &ObjectRef, patch: &Json, deadline: &Deadline) -> Result<Option<Json>, Failure>;

    /// Replaces the live object with one that was read before and then changed. Unlike an apply, this removes fields of other managers.
    /// Fails with a conflict if the object changed meanwhile.
    async fn replace(&self, cluster: &str, object: &Json, deadline: &Deadline) -> Result<Json, Failure>;

    /// Returns the object, or `None` if it doesn't exist or its kind isn't installed.
    async fn get(&self, cluster: &str, object: &ObjectRef, deadline: &Deadline) -> Result<Option<Json>, Failure>;

    /// Returns the objects of a kind, in one namespace or all, that match a label selector (empty: all). Empty if the kind isn't installed.
    async fn list(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure>;

    /// Passes each object of the same list to a function, one after the other: a thousand of them, parsed, are dozens of megabytes.
    async fn visit(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        take: &mut (dyn FnMut(Json) + Send),
        deadline: &Deadline,
    ) -> Result<(), Failure> {
        self.list(cluster, kind, namespace, labels, deadline).await?.into_iter().for_each(take);
        Ok(())
    }

    /// Returns the same list with `metadata` only, which is a small part of objects such as custom resource definitions and Helm's Secrets.
    async fn list_metadata(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure>;

    /// Deletes the object that there is, and waits until it is gone, finalizers included. One that is gone already is fine.
    async fn delete(&self, cluster: &str, object: &ObjectRef, deadline: &Deadline) -> Result<(), Failure>;

    /// Deletes the object only if it is the one with this UID, and waits until that one is gone.
    async fn delete_exactly(&self, cluster: &str, object: &ObjectRef, uid: &str, deadline: &Deadline) -> Result<(), Failure>;

    /// Deletes an object only if it is still as it was read, and waits until it is gone. Returns false if it has changed since.
    async fn delete_unchanged(&self, cluster: &str, read: &Json, deadline: &Deadline) -> Result<bool, Failure>;

    /// Waits until the object (`None`: it doesn't exist) is as wanted, and returns it. `what` completes "while waiting for …". Outlasts an
    /// API server that doesn't answer for a time.
    async fn wait(
        &self,
        cluster: &str,
        object: &ObjectRef,
        what: &str,
        wanted: &(dyn for<'a> Fn(Option<&'a Json>) -> bool + Sync),
        deadline: &Deadline,
    ) -> Result<Option<Json>, Failure>;

    /// Lets the API server check a manifest without keeping it, admission webhooks included.
    async fn dry_run(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<(), Failure>;
}
