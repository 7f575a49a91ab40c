//! One configured cluster during an operation: its objects, Helm releases and tokens, all within the operation's deadline.

mod loss;
mod revisions;
#[cfg(test)]
mod tests;

use std::time::Duration;

use framework::{Cut, Cx, Deadline, Error};
use serde_json::{Value as Json, json};

use super::{
    Creation, World,
    shared_reads::{Owner, Writing},
};
use crate::{
    data::{Command, Deployed, Kind, Mark, ObjectRef, Printed, Release, selects},
    mesh::{ClusterKey, labels, observe::drift::own_differences},
    ports::{Failure, FailureKind, Hello, Token, TokenRequest},
};
use loss::other_cluster;

/// A cluster with the time that an operation may spend on it. The methods are those of the ports, without a key and a deadline each.
#[derive(Clone, Copy)]
pub(crate) struct LiveCluster<'a> {
    /// Its key in the provider's `clusters`.
    pub(crate) key: &'a ClusterKey,
    cx: &'a Cx<'a, World>,
    deadline: &'a Deadline,
    /// Whether reads may share the answers that other operations get.
    is_shared: bool,
}

/// Gives an operation access to single clusters.
pub(crate) trait ClusterAccess {
    /// Returns the cluster with this key, which must be one of the provider's `clusters`.
    fn cluster<'a>(&'a self, key: &'a ClusterKey) -> LiveCluster<'a>;
}

impl ClusterAccess for Cx<'_, World> {
    fn cluster<'a>(&'a self, key: &'a ClusterKey) -> LiveCluster<'a> {
        LiveCluster { key, cx: self, deadline: &self.deadline, is_shared: self.is_refresh() }
    }
}

impl<'a> LiveCluster<'a> {
    /// Returns the same cluster with other time to spend on it.
    pub(crate) fn within<'b>(self, deadline: &'b Deadline) -> LiveCluster<'b>
    where
        'a: 'b,
    {
        LiveCluster { deadline, ..self }
    }

    /// Returns the same cluster with reads that may share the answers that other operations get, as all reads of a refresh do: for looks that may
    /// be a few seconds old, see [`SharedReads`](super::SharedReads).
    pub(crate) fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    /// Reports something that is not a failure.
    pub(crate) fn warn(self, warning: Error) {
        self.cx.warn(warning);
    }

    /// What the provider's configuration gives access to.
    pub(super) fn world(self) -> &'a World {
        self.cx.world
    }

    /// Returns the world once it is certain that the cluster is the one in which the object of this operation was created: one that answers
    /// under the same key may be another.
    async fn recognized(self) -> Result<&'a World, Failure> {
        let world = self.cx.world;
        if self.cx.has_memory()
            && let Some(uid) = world.objects.cluster_uid(self.key.as_str(), self.deadline).await?
            && let Some(known) = self.cx.recall_or_remember(self.key.as_str(), &uid)
            && known != uid
        {
            return Err(other_cluster(self.key, &known, &uid));
        }
        Ok(world)
    }

    /// A part of the time that is left.
    pub(super) fn part(self, time: Duration) -> Deadline {
        self.deadline.part(time)
    }

    /// The time that is left.
    pub(super) fn remaining(self) -> Duration {
        self.deadline.remaining()
    }

    /// Waits; an error if the time is over before.
    pub(super) async fn pause(self, time: Duration) -> Result<(), Cut> {
        self.deadline.pause(time).await
    }

    /// Notes that the object of a manifest is written.
    fn writing(self, manifest: &Json) -> Option<Writing> {
        Some(self.world().shared.write(self.key.as_str(), ObjectRef::of(manifest, "default")?, Some(manifest)))
    }

    /// Applies a manifest with our field manager, and returns the object.
    pub(crate) async fn apply(self, manifest: &Json) -> Result<Json, Failure> {
        let world = self.recognized().await?;
        let writing = self.writing(manifest);
        let live = world.objects.apply(self.key.as_str(), manifest, self.deadline).await?;
        ended(writing, Some(&live));
        Ok(live)
    }

    /// Creates the object, and returns it; `None` if there is one already, which stays as it is.
    pub(crate) async fn create(self, manifest: &Json) -> Result<Option<Json>, Failure> {
        let world = self.recognized().await?;
        let writing = self.writing(manifest);
        let created = world.objects.create(self.key.as_str(), manifest, self.deadline).await?;
        // The object that there is may be another one: what it is then stays in doubt.
        if created.is_some() {
            ended(writing, created.as_ref());
        }
        Ok(created)
    }

    /// Removes the mark from an object: its create has finished.
    pub(crate) async fn unmark(self, object: &ObjectRef) -> Result<(), Failure> {
        self.remove_labels(object, &Mark::LABELS).await
    }

    /// Removes labels of the object, if it exists, no matter who set them.
    pub(crate) async fn remove_labels(self, object: &ObjectRef, labels: &[&str]) -> Result<(), Failure> {
        let nulls: serde_json::Map<_, _> = labels.iter().map(|label| ((*label).to_owned(), Json::Null)).collect();
        self.patch(object, &json!({"metadata": {"labels": nulls}})).await
    }

    /// Changes the object, if it exists, by a JSON merge patch, no matter who manages the fields.
    pub(crate) async fn patch(self, object: &ObjectRef, patch: &Json) -> Result<(), Failure> {
        let world = self.recognized().await?;
        let writing = world.shared.write(self.key.as_str(), object.clone(), None);
        let live = world.objects.merge(self.key.as_str(), object, patch, self.deadline).await?;
        writing.ended(live.as_ref());
        Ok(())
    }

    /// Applies a manifest of an object that no one else may change, and removes from its `spec` the fields that others added.
    ///
    /// An apply leaves fields of other managers as they are. So where the object then differs from the manifest, it is replaced as a whole; what
    /// differs even then is changed on the way, by a webhook or policy of the cluster.
    pub(crate) async fn apply_own(self, manifest: &Json) -> Result<(), Failure> {
        let mut written = self.apply(manifest).await?;
        if own_differences(manifest, &written).is_empty() {
            return Ok(());
        }
        written["spec"] = manifest["spec"].clone();
        let world = self.recognized().await?;
        let writing = self.writing(&written);
        let replaced = world.objects.replace(self.key.as_str(), &written, self.deadline).await?;
        ended(writing, Some(&replaced));
        let left = own_differences(manifest, &replaced);
        if left.is_empty() {
            return Ok(());
        }
        let object = ObjectRef::of(manifest, "").map(|object| object.to_string()).unwrap_or_default();
        let why = format!("Cluster \"{}\" stored {object} differently from how it was written.", self.key);
        Err(Failure::new(FailureKind::Rejected, format!("{object} is changed on the way"), why)
            .seen(left)
            .advice("Look for a mutating webhook or admission policy of the cluster that changes it, and exempt the object from it."))
    }

    /// Returns the object, or `None` if it doesn't exist.
    pub(crate) async fn get(self, object: &ObjectRef) -> Result<Option<Json>, Failure> {
        let world = self.recognized().await?;
        if self.is_shared {
            return Box::pin(world.shared.get(&*world.objects, self.key.as_str(), object, Owner::Anyone, self.deadline)).await;
        }
        world.objects.get(self.key.as_str(), object, self.deadline).await
    }

    /// Returns the object, or `None` if it doesn't exist. If it is being deleted, waits until it is gone: what is written to it, or into it, ends
    /// with it.
    pub(crate) async fn get_staying(self, object: &ObjectRef) -> Result<Option<Json>, Failure> {
        match self.get(object).await? {
            Some(live) if is_ending(&live) => {
                let stays = |live: Option<&Json>| live.is_none_or(|live| !is_ending(live));
                self.wait(object, "its deletion, which has begun, to end", &stays).await
            }
            live => Ok(live),
        }
    }

    /// Returns the object if it exists and is ours.
    pub(crate) async fn get_ours(self, object: &ObjectRef) -> Result<Option<Json>, Failure> {
        let world = self.recognized().await?;
        if self.is_shared {
            return Box::pin(world.shared.get(&*world.objects, self.key.as_str(), object, Owner::Us, self.deadline)).await;
        }
        Ok(world.objects.get(self.key.as_str(), object, self.deadline).await?.filter(labels::is_ours))
    }

    /// Returns the live object to compare with the manifest that is wanted in its place. Where none is wanted, only an object of ours matters.
    pub(crate) async fn get_for(self, object: &ObjectRef, wanted: Option<&Json>) -> Result<Option<Json>, Failure> {
        if wanted.is_some() { self.get(object).await } else { self.get_ours(object).await }
    }

    /// Returns whether the object may exist. One look answers for many, so one that was made a few seconds ago may be missed: for creates, which
    /// fail on what exists.
    pub(crate) async fn may_have(self, object: &ObjectRef) -> Result<bool, Failure> {
        let world = self.recognized().await?;
        Box::pin(world.shared.may_have(&*world.objects, self.key.as_str(), object, self.deadline)).await
    }

    /// Returns whether a live object, seen under another key, is the object that has this reference here: a cluster whose key changes has both
    /// keys for a while.
    pub(crate) async fn holds(self, object: &ObjectRef, live: &Json) -> Result<bool, Failure> {
        let uid = |object: &Json| object["metadata"]["uid"].as_str().map(str::to_owned);
        let Some(theirs) = uid(live) else { return Ok(false) };
        Ok(self.get(object).await?.as_ref().and_then(uid) == Some(theirs))
    }

    /// Returns the objects of a kind, in one namespace or all, that match a label selector (empty: all).
    pub(crate) async fn list(self, kind: Kind, namespace: Option<&str>, labels: &str) -> Result<Vec<Json>, Failure> {
        let world = self.recognized().await?;
        if self.is_shared {
            return Box::pin(world.shared.list(&*world.objects, self.key.as_str(), kind, namespace, labels, self.deadline)).await;
        }
        world.objects.list(self.key.as_str(), kind, namespace, labels, self.deadline).await
    }

    /// Returns the same list with `metadata` only.
    pub(crate) async fn list_metadata(self, kind: Kind, namespace: Option<&str>, labels: &str) -> Result<Vec<Json>, Failure> {
        let world = self.recognized().await?;
        if self.is_shared {
            return Box::pin(world.shared.list_metadata(&*world.objects, self.key.as_str(), kind, namespace, labels, self.deadline)).await;
        }
        world.objects.list_metadata(self.key.as_str(), kind, namespace, labels, self.deadline).await
    }

    /// Returns objects of a namespace that are of other kinds than those that are named, and that count, a few of each.
    pub(crate) async fn others_in(
        self,
        namespace: &str,
        named: &[Kind],
        counts: &(dyn for<'c> Fn(&'c Json) -> bool + Sync),
    ) -> Result<Vec<Json>, Failure> {
        self.recognized().await?.namespaces.others(self.key.as_str(), namespace, named, counts, self.deadline).await
    }

    /// Deletes the object, and waits until it is gone.
    pub(crate) async fn delete(self, object: &ObjectRef) -> Result<(), Failure> {
        let world = self.recognized().await?;
        let writing = world.shared.write(self.key.as_str(), object.clone(), Some(&Json::Null));
        world.objects.delete(self.key.as_str(), object, self.deadline).await?;
        writing.ended(None);
        Ok(())
    }

    /// Deletes an object that a look has found, and waits until it is gone. One that has changed since the look is looked at again, and stays
    /// if it is no longer what was looked for.
    pub(crate) async fn delete_found(self, found: &Json, is_meant: impl Fn(&Json) -> bool) -> Result<(), Failure> {
        let world = self.recognized().await?;
        let Some(object) = ObjectRef::of(found, "") else { return Ok(()) };
        let writing = world.shared.write(self.key.as_str(), object.clone(), Some(&Json::Null));
        if world.objects.delete_unchanged(self.key.as_str(), found, self.deadline).await? {
            writing.ended(None);
            return Ok(());
        }
        drop(writing);
        match world.objects.get(self.key.as_str(), &object, self.deadline).await? {
            Some(live) if is_meant(&live) => self.delete(&object).await,
            _ => Ok(()),
        }
    }

    /// Deletes the objects of a kind with these labels, and waits until they are gone. One look answers for all resources that are destroyed; each
    /// deletion is of the object as it was seen.
    pub(crate) async fn delete_all(self, kind: Kind, labels: &str) -> Result<(), Failure> {
        for found in self.shared().list(kind, None, labels).await? {
            self.delete_found(&found, |live| selects(labels, live)).await?;
        }
        Ok(())
    }

    /// Waits until the object is as wanted, and returns it. `what` completes "while waiting for …".
    pub(crate) async fn wait(
        self,
        object: &ObjectRef,
        what: &str,
        wanted: &(dyn for<'b> Fn(Option<&'b Json>) -> bool + Sync),
    ) -> Result<Option<Json>, Failure> {
        self.recognized().await?.objects.wait(self.key.as_str(), object, what, wanted, self.deadline).await
    }

    /// Lets the API server check a manifest without keeping it.
    pub(crate) async fn dry_run(self, manifest: &Json) -> Result<(), Failure> {
        self.recognized().await?.objects.dry_run(self.key.as_str(), manifest, self.deadline).await
    }

    /// Returns the Helm release, or `None` if it doesn't exist.
    pub(crate) async fn release(self, namespace: &str, name: &str) -> Result<Option<Deployed>, Failure> {
        self.recognized().await?.releases.get(self.key.as_str(), namespace, name, self.deadline).await
    }

    /// Returns the Helm releases of some charts, in one namespace or all.
    pub(crate) async fn releases_of(self, namespace: Option<&str>, charts: &[&str]) -> Result<Vec<Deployed>, Failure> {
        self.recognized().await?.releases.list(self.key.as_str(), namespace, charts, self.deadline).await
    }

    /// Installs or upgrades a Helm release, with the mark of a create if there is one, and waits until its objects are ready.
    pub(crate) async fn install(self, release: &Release, creation: Option<&Creation>) -> Result<Deployed, Failure> {
        let world = self.recognized().await?;
        let _writing = world.shared.write_anything(self.key.as_str());
        self.remember_private(release);
        let deployed = world.releases.apply(self.key.as_str(), release, creation.map(Creation::mark), self.deadline).await?;
        self.remember_revision(&deployed);
        Ok(deployed)
    }

    /// Removes the mark from the Helm release: its create has finished.
    pub(crate) async fn unmark_release(self, namespace: &str, name: &str) -> Result<(), Failure> {
        let world = self.recognized().await?;
        let _writing = world.shared.write_anything(self.key.as_str());
        world.releases.unmark(self.key.as_str(), namespace, name, self.deadline).await
    }

    /// Removes Helm's history of a release, and leaves its objects in place.
    pub(crate) async fn forget_release(self, namespace: &str, name: &str) -> Result<(), Failure> {
        self.recognized().await?.releases.forget(self.key.as_str(), namespace, name, self.deadline).await
    }

    /// Uninstalls a Helm release, and waits until its objects are gone. Warns of objects that stay.
    pub(crate) async fn uninstall(self, namespace: &str, name: &str) -> Result<(), Failure> {
        let world = self.recognized().await?;
        let writing = world.shared.write_anything(self.key.as_str());
        let left = world.releases.remove(self.key.as_str(), namespace, name, self.deadline).await?;
        drop(writing);
        if !left.is_empty() {
            let detail = format!(
                "The Helm release {namespace}/{name} of cluster \"{}\" was uninstalled. These objects of it were not deleted:\n\n{}",
                self.key,
                left.join("\n")
            );
            self.warn(Error::new("Objects were kept", detail));
        }
        Ok(())
    }

    /// Returns the cluster's UID, if the credentials allow to read it.
    pub(crate) async fn uid(self) -> Result<Option<String>, Failure> {
        self.cx.world.objects.cluster_uid(self.key.as_str(), self.deadline).await
    }

    /// Returns the certificates that a pod presents, PEM.
    pub(crate) async fn presented(self, pod: &ObjectRef, hello: &Hello) -> Result<String, Failure> {
        self.recognized().await?.handshakes.presented(self.key.as_str(), pod, hello, self.deadline).await
    }

    /// Runs a command in a container of a pod.
    pub(crate) async fn run(self, command: &Command) -> Result<Printed, Failure> {
        self.recognized().await?.commands.run(self.key.as_str(), command, self.deadline).await
    }

    /// Issues a token of a service account.
    pub(crate) async fn issue_token(self, request: &TokenRequest) -> Result<Token, Failure> {
        self.recognized().await?.tokens.issue(self.key.as_str(), request, self.deadline).await
    }

    /// Sends an HTTP GET to a port of a pod, as from its own localhost, and returns the body of the answer.
    pub(crate) async fn ask_pod(self, pod: &ObjectRef, port: u16, path: &str) -> Result<String, Failure> {
        self.cx.world.pods.ask(self.key.as_str(), pod, port, path, self.deadline).await
    }
}

/// Notes the answer to a write.
fn ended(writing: Option<Writing>, live: Option<&Json>) {
    if let Some(writing) = writing {
        writing.ended(live);
    }
}

/// Whether an object is being deleted.
pub(crate) fn is_ending(live: &Json) -> bool {
    !live["metadata"]["deletionTimestamp"].is_null()
}
