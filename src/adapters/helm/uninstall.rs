//! Uninstalls.

use std::collections::BTreeSet;

use framework::Deadline;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value as Json;

use super::{
    AT_ONCE, At, Helm,
    again::{Stopped, Tries},
    end_of, storage, timeout,
    workspace::Workspace,
};
use crate::{
    data::{Kind, ObjectRef},
    ports::{Failure, FailureKind, Objects as _},
};

impl Helm {
    /// Uninstalls the release of which `newest` is the newest revision. Returns the objects that it leaves in place, each with the reason.
    pub(super) async fn uninstall(&self, at: &At<'_>, mut newest: Json, deadline: &Deadline) -> Result<Vec<String>, Failure> {
        let title = Self::title("remove", at.name, at.cluster);
        let live = self.read(at.cluster, &newest, deadline).await?;
        let uid = |revision: &Json| revision["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let known: BTreeSet<_> = self.revisions(at.cluster, at.namespace, at.name, deadline).await?.iter().map(uid).collect();
        let mut tries = Tries::of(at);
        while let Err(stopped) = self.run_uninstall(&title, at, &newest, deadline).await {
            tries.again(stopped, deadline).await?;
            match self.settled(&title, at, deadline).await {
                Ok(Some(left)) if known.contains(&uid(&left)) => newest = left,
                Ok(Some(_)) => {
                    let why = "Somebody has installed a release of that name while this one was uninstalled. It was left as it is.";
                    let failure = Failure::new(FailureKind::Conflict, title, why);
                    return Err(tries.told(failure.advice("See what it is with `helm history`.")));
                }
                // Only objects can be left.
                Ok(None) => break,
                Err(failure) => return Err(tries.told(failure)),
            }
        }
        // Not all of Helm's versions wait for what finalizers hold, such as a load balancer's Service.
        let manifest = live.map(|live| live.manifest).unwrap_or_default();
        // Istio's definitions stay by themselves; whether they do is an attribute's matter.
        let objects = manifest.iter().filter_map(|manifest| Some((manifest, ObjectRef::of(manifest, at.namespace)?)));
        let (kept, removed): (Vec<_>, Vec<_>) = objects
            .filter(|(_, object)| object.kind != Kind::CRD)
            .partition(|(manifest, _)| manifest["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep");
        let removals: Vec<_> = removed.into_iter().map(|(_, object)| self.removed(at, object, deadline)).collect();
        let left: Vec<_> = stream::iter(removals).buffer_unordered(AT_ONCE).try_collect().await?;
        let kept = kept.into_iter().map(|(_, object)| format!("{object}: the chart says to keep it (`helm.sh/resource-policy`)"));
        Ok(kept.chain(left.into_iter().flatten()).collect())
    }

    /// Runs Helm once. It is done when no revision is left.
    async fn run_uninstall(&self, title: &str, at: &At<'_>, newest: &Json, deadline: &Deadline) -> Result<(), Stopped> {
        let workspace = Workspace::for_release(&*self.clusters.kubeconfig(at.cluster)?, &Json::Null, self.storage()?)?;
        // An uninstall that is cut short leaves the release `uninstalling`; by this mark the next run knows that it was ours.
        let mark = storage::removal_mark(self.storage()?, newest, &workspace.run(), end_of(deadline));
        match self.clusters.apply(at.cluster, &mark, deadline).await {
            // The revision is gone meanwhile.
            Err(failure) if failure.kind == FailureKind::Conflict => {}
            marked => drop(marked?),
        }
        // Without `--debug` Helm doesn't say what kept it from deleting.
        let arguments =
            ["uninstall", at.name, "--namespace", at.namespace, "--ignore-not-found", "--wait", "--debug", "--timeout", &timeout(deadline)];
        let outcome = self.program().await?.run(title, &arguments.map(str::to_owned), &workspace, deadline).await;
        outcome.map_err(Stopped::by_helm)?;
        // Helm takes a storage that it can't read for one without the release, and reports success.
        let selector = format!("owner=helm,name={}", at.name);
        let left = self.clusters.list_metadata(at.cluster, self.storage()?.kind(), Some(at.namespace), &selector, deadline).await?;
        if left.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = left.iter().filter_map(|revision| revision["metadata"]["name"].as_str()).collect();
        let why = format!("Helm reported success, but its storage still has the release: {}.", names.join(", "));
        let failure = Failure::new(FailureKind::Unreachable, title, why);
        Err(Stopped::Passing(
            failure.advice("Helm couldn't read its storage. Destroy again once the API server, and what is on the way to it, is well."),
        ))
    }

    /// Waits until an object of an uninstalled release is gone, and deletes it if Helm has not. What another release has taken over stays, with
    /// a line that says so.
    async fn removed(&self, at: &At<'_>, object: ObjectRef, deadline: &Deadline) -> Result<Option<String>, Failure> {
        let Some(live) = self.clusters.get(at.cluster, &object, deadline).await? else { return Ok(None) };
        let metadata = &live["metadata"];
        let annotation = |name: &str| metadata["annotations"][format!("meta.helm.sh/release-{name}")].as_str().unwrap_or_default();
        if metadata["deletionTimestamp"].is_null() && (annotation("name"), annotation("namespace")) != (at.name, at.namespace) {
            return Ok(Some(match annotation("name") {
                "" => format!("{object}: it no longer belongs to the release"),
                other => format!("{object}: it belongs to the Helm release {}/{other} now", annotation("namespace")),
            }));
        }
        self.clusters.delete_exactly(at.cluster, &object, metadata["uid"].as_str().unwrap_or_default(), deadline).await.map(|()| None)
    }
}
