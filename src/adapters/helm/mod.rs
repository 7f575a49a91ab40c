//! Helm releases: written by the real program, read natively from Helm's own storage.

mod chart;
mod complaint;
mod program;
mod storage;
#[cfg(test)]
mod tests;
mod workspace;

pub use chart::{HelmSettings, Repository};

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value as Json, json};
use time::OffsetDateTime;
use tokio::sync::OnceCell;

use super::{Kubernetes, runs};
use crate::{
    data::{Deployed, Kind, Mark, ObjectRef, Release},
    ports::{Failure, FailureKind, Objects as _, Releases},
};
use framework::Deadline;
use program::Program;
use storage::Worker;
use workspace::Workspace;

/// The least time that Helm is to end before the operation's deadline. Helm's clock starts only when it begins to wait.
const RESERVE: Duration = Duration::from_secs(15);

/// How often to look whether another run is over.
const POLL: Duration = Duration::from_secs(2);

/// How soon to read a release again whose newest revision has just been replaced.
const AGAIN: Duration = Duration::from_millis(200);

/// How many objects are removed, or releases read, at once.
const AT_ONCE: usize = 16;

/// One release of one cluster.
struct At<'a> {
    cluster: &'a str,
    namespace: &'a str,
    name: &'a str,
}

/// Releases in the clusters of the provider.
pub struct Helm {
    settings: HelmSettings,
    clusters: Arc<Kubernetes>,
    program: OnceCell<Program>,
}

impl Helm {
    /// Looks for no program yet.
    pub fn new(settings: HelmSettings, clusters: Arc<Kubernetes>) -> Self {
        Self { settings: settings.with_home(), clusters, program: OnceCell::new() }
    }

    async fn program(&self) -> Result<&Program, Failure> {
        if !self.settings.is_known {
            return Err(Failure::new(
                FailureKind::Unconfigured,
                "Helm can't be used yet",
                "The provider's `helm` settings are known only after the resources that they come from are applied.",
            )
            .advice("Apply these resources first, with `-target`."));
        }
        self.program.get_or_try_init(|| Program::find(self.settings.binary.as_deref())).await
    }

    /// Returns the metadata of the Secrets in which Helm keeps the revisions of a release, oldest first. Each can be a megabyte.
    async fn revisions(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<Vec<Json>, Failure> {
        let selector = format!("owner=helm,name={name}");
        let mut revisions = self.clusters.list_metadata(cluster, Kind::SECRET, Some(namespace), &selector, deadline).await?;
        revisions.sort_by_key(storage::revision);
        Ok(revisions)
    }

    /// Returns the metadata of the newest revision of a release once no other Helm is at work on it, and `None` if there is none.
    ///
    /// A revision that a killed Helm left pending is forgotten: with it there, Helm refuses every further operation. Its objects stay, and
    /// the operation that follows brings them to what is wanted.
    async fn settled(&self, title: &str, at: &At<'_>, deadline: &Deadline) -> Result<Option<Json>, Failure> {
        let temporary = std::env::temp_dir();
        runs::sweep(&temporary).await;
        loop {
            let mut revisions = self.revisions(at.cluster, at.namespace, at.name, deadline).await?;
            let Some(pending) = revisions.iter().rfind(|revision| storage::is_in_flight(revision)) else { return Ok(revisions.pop()) };
            let revision = ObjectRef::namespaced(Kind::SECRET, at.namespace, pending["metadata"]["name"].as_str().unwrap_or_default());
            let now = OffsetDateTime::now_utc();
            let worker = match storage::worker(pending, &revisions, now) {
                Worker::Ours { run, until } => {
                    let is_over = runs::is_alive(&run, &temporary).map_or(now > until, |is_alive| !is_alive);
                    if is_over { Worker::Nobody } else { Worker::Ours { run, until } }
                }
                worker => worker,
            };
            match worker {
                Worker::Nobody if storage::is_uninstalling(pending) => return Ok(revisions.pop()),
                Worker::Nobody => {
                    tracing::info!(cluster = at.cluster, %revision, "forgetting a revision that was left pending");
                    let uid = pending["metadata"]["uid"].as_str().unwrap_or_default();
                    self.clusters.delete_exactly(at.cluster, &revision, uid, deadline).await?;
                }
                Worker::Ours { until, .. } if until - now < deadline.remaining() => {
                    tracing::info!(cluster = at.cluster, %revision, "waiting for another run of the provider");
                    deadline.pause(POLL).await.map_err(|_| at_work(title, &revision.name, Some(until)))?;
                }
                Worker::Ours { until, .. } => return Err(at_work(title, &revision.name, Some(until))),
                Worker::Somebody => return Err(at_work(title, &revision.name, None)),
            }
        }
    }

    /// Uninstalls the release of which `revision` is the newest.
    async fn uninstall(&self, at: &At<'_>, revision: &Json, deadline: &Deadline) -> Result<(), Failure> {
        let title = Self::title("remove", at.name, at.cluster);
        let live = self.read(at.cluster, revision, deadline).await?;
        let program = self.program().await?;
        let workspace = Workspace::new(&*self.clusters.kubeconfig(at.cluster)?, &Json::Null, &self.settings)?;
        // An uninstall that is cut short leaves the release `uninstalling`; by this mark the next run knows that it was ours.
        let mark = storage::removal_mark(revision, &workspace.run(), end_of(deadline));
        match self.clusters.apply(at.cluster, &mark, deadline).await {
            // The revision is gone meanwhile.
            Err(failure) if failure.kind == FailureKind::Conflict => {}
            marked => drop(marked?),
        }
        let arguments =
            ["uninstall", at.name, "--namespace", at.namespace, "--ignore-not-found", "--wait", "--timeout", &timeout(deadline)];
        program.run(&title, &arguments.map(str::to_owned), &workspace, deadline).await?;
        // Not all of Helm's versions wait for what finalizers hold, such as a load balancer's Service.
        let manifest = live.map(|live| live.manifest).unwrap_or_default();
        let objects = manifest
            .iter()
            .filter(|manifest| manifest["metadata"]["annotations"]["helm.sh/resource-policy"] != "keep")
            .filter_map(|manifest| ObjectRef::of(manifest, at.namespace))
            .filter(|object| object.kind != Kind::CRD);
        let removals: Vec<_> = objects.map(|object| self.removed(at, object, deadline)).collect();
        stream::iter(removals).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }

    /// Waits until an object of an uninstalled release is gone, and deletes it if Helm has not. What another release has taken over stays.
    async fn removed(&self, at: &At<'_>, object: ObjectRef, deadline: &Deadline) -> Result<(), Failure> {
        let Some(live) = self.clusters.get(at.cluster, &object, deadline).await? else { return Ok(()) };
        let metadata = &live["metadata"];
        let annotation = |name: &str| metadata["annotations"][format!("meta.helm.sh/release-{name}")].as_str().unwrap_or_default();
        if metadata["deletionTimestamp"].is_null() && (annotation("name"), annotation("namespace")) != (at.name, at.namespace) {
            tracing::warn!(cluster = at.cluster, %object, release = at.name, "not deleted: it no longer belongs to the release");
            return Ok(());
        }
        self.clusters.delete_exactly(at.cluster, &object, metadata["uid"].as_str().unwrap_or_default(), deadline).await
    }

    /// Reads the revision with this metadata. `None` if it is gone meanwhile, as the oldest are when a new one is made.
    async fn read(&self, cluster: &str, revision: &Json, deadline: &Deadline) -> Result<Option<Deployed>, Failure> {
        let text = |field: &str| revision["metadata"][field].as_str().unwrap_or_default();
        let secret = ObjectRef::namespaced(Kind::SECRET, text("namespace"), text("name"));
        let secret = self.clusters.get(cluster, &secret, deadline).await?;
        secret.map(|secret| decode(&secret, cluster)).transpose()
    }

    fn title(verb: &str, release: &str, cluster: &str) -> String {
        format!("Can't {verb} the Helm release {release} of cluster \"{cluster}\"")
    }
}

/// Returns how long Helm may wait: less than what is left, so that Helm's own words on what isn't ready arrive before the deadline does.
fn timeout(deadline: &Deadline) -> String {
    let left = deadline.remaining();
    let reserve = (left / 10).max(RESERVE).min(left / 2);
    format!("{}s", left.saturating_sub(reserve).as_secs().max(1))
}

/// The time at which Helm, started now, has ended.
fn end_of(deadline: &Deadline) -> OffsetDateTime {
    OffsetDateTime::now_utc() + deadline.remaining()
}

/// The failure of an operation that would interfere with another Helm. `until`: another run of this provider ends by then.
fn at_work(title: &str, revision: &str, until: Option<OffsetDateTime>) -> Failure {
    let why = match until {
        Some(until) => format!(
            "Another run of this provider, on another machine, is at work on the release until {} at the latest, or was killed at it: its \
             revision {revision} is pending.",
            until.replace_nanosecond(0).unwrap_or(until)
        ),
        None => format!(
            "Somebody else's Helm is at work on the release, or was killed at it less than ten minutes ago: its revision {revision} is \
             pending."
        ),
    };
    Failure::new(FailureKind::Conflict, title, why).advice(complaint::AT_WORK)
}

/// Reads a revision.
fn decode(secret: &Json, cluster: &str) -> Result<Deployed, Failure> {
    storage::decode(secret).map_err(|why| {
        let (namespace, name) = storage::release(secret);
        Failure::new(FailureKind::Other, format!("Can't read the Helm release {namespace}/{name} of cluster \"{cluster}\""), why)
    })
}

#[async_trait]
impl Releases for Helm {
    fn locate(&self) -> Result<(), Failure> {
        if !self.settings.is_known {
            return Ok(());
        }
        program::locate(self.settings.binary.as_deref()).map(|_| ())
    }

    async fn check(&self) -> Result<(), Failure> {
        self.program().await.map(|_| ())
    }

    async fn apply(&self, cluster: &str, release: &Release, mark: Option<&Mark>, deadline: &Deadline) -> Result<Deployed, Failure> {
        let program = self.program().await?;
        let title = Self::title("install", &release.name, cluster);
        let source = self.settings.source(&title, &release.chart, release.version.as_deref())?;
        let at = At { cluster, namespace: &release.namespace, name: &release.name };
        if let Some(revision) = self.settled(&title, &at, deadline).await?.filter(storage::is_uninstalling) {
            tracing::info!(cluster, release = at.name, "finishing an uninstall that was cut short, before the release is installed again");
            self.uninstall(&at, &revision, deadline).await?;
        }
        let workspace = Workspace::new(&*self.clusters.kubeconfig(cluster)?, &release.values, &self.settings)?;
        let mut arguments = vec!["upgrade".to_owned(), "--install".to_owned(), release.name.clone()];
        arguments.extend(source);
        arguments.extend(workspace.credentials_arguments());
        arguments.extend(["--namespace".to_owned(), release.namespace.clone()]);
        arguments.extend(["--values".to_owned(), workspace.values().display().to_string()]);
        arguments.extend(["--labels".to_owned(), storage::labels(&workspace.run(), end_of(deadline), mark)]);
        arguments.extend(["--wait".to_owned(), "--history-max".to_owned(), "5".to_owned()]);
        arguments.extend(["--timeout".to_owned(), timeout(deadline)]);
        if program.applies_on_the_server() {
            // Fields that a person changed are set back; without this Helm refuses to touch them. By itself Helm would go on in the client with a
            // release that Helm 3 made, and there it can't be forced.
            arguments.extend(["--server-side=true", "--force-conflicts"].map(str::to_owned));
        }
        if workspace.has_named_repository() {
            program.update_index(&title, &workspace, deadline).await?;
        }
        program.run(&title, &arguments, &workspace, deadline).await?;
        self.get(cluster, &release.namespace, &release.name, deadline)
            .await?
            .ok_or_else(|| Failure::new(FailureKind::Other, title, "Helm reported success, but its storage has no release of that name."))
    }

    async fn get(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<Option<Deployed>, Failure> {
        loop {
            let revisions = self.revisions(cluster, namespace, name, deadline).await?;
            let Some(newest) = revisions.last() else { return Ok(None) };
            if let Some(mut deployed) = self.read(cluster, newest, deadline).await? {
                deployed.is_ours = storage::is_of_a_run_of_ours(newest, &revisions);
                deployed.mark = deployed.mark.filter(|_| deployed.is_ours);
                return Ok(Some(deployed));
            }
            deadline
                .pause(AGAIN)
                .await
                .map_err(|cut| Failure::cut(cut, Self::title("read", name, cluster), "reading its newest revision"))?;
        }
    }

    /// Former revisions may have the mark as well, and a rollback to one of them would inherit it.
    async fn unmark(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<(), Failure> {
        let labels: serde_json::Map<_, _> = Mark::LABELS.iter().map(|label| ((*label).to_owned(), Json::Null)).collect();
        let patch = json!({"metadata": {"labels": labels}});
        for revision in self.revisions(cluster, namespace, name, deadline).await?.iter().rev() {
            if Mark::of(revision).is_some() {
                let secret = ObjectRef::namespaced(Kind::SECRET, namespace, revision["metadata"]["name"].as_str().unwrap_or_default());
                self.clusters.merge(cluster, &secret, &patch, deadline).await?;
            }
        }
        Ok(())
    }

    async fn list(&self, cluster: &str, chart: &str, deadline: &Deadline) -> Result<Vec<Deployed>, Failure> {
        let mut revisions = self.clusters.list_metadata(cluster, Kind::SECRET, None, "owner=helm,status!=superseded", deadline).await?;
        revisions.sort_by_key(storage::revision);
        let newest: BTreeMap<_, _> = revisions.iter().map(|secret| (storage::release(secret), secret)).collect();
        // Which chart it is of is known only from the release itself.
        let reads: Vec<_> = newest.into_values().map(|revision| self.read(cluster, revision, deadline)).collect();
        let mut releases: Vec<_> = stream::iter(reads)
            .buffer_unordered(AT_ONCE)
            .filter_map(|read| async {
                match read {
                    Ok(release) => release.filter(|release| release.chart == chart).map(Ok),
                    // Another owner's release must not keep ours from being found.
                    Err(failure) if failure.kind == FailureKind::Other => {
                        tracing::warn!(cluster, failure = %failure.summary, why = %failure.why, "a Helm release is left out");
                        None
                    }
                    Err(failure) => Some(Err(failure)),
                }
            })
            .try_collect()
            .await?;
        releases.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        Ok(releases)
    }

    async fn remove(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<(), Failure> {
        let at = At { cluster, namespace, name };
        match self.settled(&Self::title("remove", name, cluster), &at, deadline).await? {
            Some(revision) => self.uninstall(&at, &revision, deadline).await,
            None => Ok(()),
        }
    }
}
