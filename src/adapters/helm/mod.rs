//! Helm releases: written by the real program, read natively from Helm's own storage.

mod again;
mod chart;
mod charts;
mod complaint;
mod debug_log;
mod install;
mod post_renderer;
mod program;
mod settings;
mod source;
mod storage;
#[cfg(test)]
mod tests;
mod uninstall;
mod workspace;

pub use post_renderer::PostRenderer;
pub use settings::HelmSettings;
pub use source::{ChartSource, Repository};
pub use storage::Storage;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value as Json, json};
use time::OffsetDateTime;
use tokio::sync::OnceCell;

use super::{Kubernetes, runs};
use crate::{
    data::{Deployed, Mark, ObjectRef, Release},
    ports::{Failure, FailureKind, Objects as _, Releases, Waiting},
};
use charts::Charts;
use framework::Deadline;
use install::Installation;
use program::Program;
use storage::Worker;

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
    charts: Charts,
}

impl Helm {
    /// Looks for no program yet.
    pub fn new(settings: HelmSettings, clusters: Arc<Kubernetes>) -> Self {
        Self { settings: settings.with_home(), clusters, program: OnceCell::new(), charts: Charts::default() }
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

    /// Returns where releases are. A release that is looked for in the wrong place would count as gone.
    fn storage(&self) -> Result<Storage, Failure> {
        self.settings.storage.ok_or_else(|| {
            let why = "The provider's `helm.driver` is known only after the resources that it comes from are applied.";
            let failure = Failure::new(FailureKind::Unconfigured, "Helm releases can't be read yet", why);
            failure.advice("Apply these resources first, with `-target`, or set it to a value.")
        })
    }

    /// Returns the metadata of the objects in which Helm keeps the revisions of a release, oldest first. Each object can be a megabyte.
    async fn revisions(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<Vec<Json>, Failure> {
        let selector = format!("owner=helm,name={name}");
        let storage = self.storage()?;
        let mut revisions = self.clusters.list_metadata(cluster, storage.kind(), Some(namespace), &selector, deadline).await?;
        if revisions.is_empty() {
            let other = storage.other();
            // A user who may not look there has nothing there either.
            match self.clusters.list_metadata(cluster, other.kind(), Some(namespace), &selector, deadline).await {
                Ok(elsewhere) if !elsewhere.is_empty() => {
                    let why = format!(
                        "The release is stored in {}s, and the provider's `helm.driver` is `{}`.",
                        other.kind().kind,
                        storage.driver()
                    );
                    let failure = Failure::new(FailureKind::Conflict, Self::title("read", name, cluster), why);
                    return Err(failure.advice(format!("Set `helm.driver` to `{}`.", other.driver())));
                }
                Err(failure) if failure.kind != FailureKind::Denied => return Err(failure),
                Ok(_) | Err(_) => {}
            }
        }
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
        // Begins once another run is seen at work. Until then the API server may be one that doesn't answer at all.
        let mut waiting: Option<Waiting<'_>> = None;
        loop {
            let look = self.revisions(at.cluster, at.namespace, at.name, deadline).await;
            let mut revisions = match &mut waiting {
                None => look?,
                Some(waiting) => {
                    let Some(revisions) = waiting.outlast(look)? else {
                        waiting.pause(POLL, title, "waiting for another run of the provider that is at work on the release").await?;
                        continue;
                    };
                    revisions
                }
            };
            let Some(pending) = revisions.iter().rfind(|revision| storage::is_in_flight(revision)) else { return Ok(revisions.pop()) };
            let revision =
                ObjectRef::namespaced(self.storage()?.kind(), at.namespace, pending["metadata"]["name"].as_str().unwrap_or_default());
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
                    waiting = Some(Waiting::until(deadline));
                    deadline.pause(POLL).await.map_err(|_| at_work(title, &revision.name, Some(until)))?;
                }
                Worker::Ours { until, .. } => return Err(at_work(title, &revision.name, Some(until))),
                Worker::Somebody => return Err(at_work(title, &revision.name, None)),
            }
        }
    }

    /// Reads the revision with this metadata. `None` if it is gone meanwhile, as the oldest are when a new one is made.
    async fn read(&self, cluster: &str, revision: &Json, deadline: &Deadline) -> Result<Option<Deployed>, Failure> {
        let text = |field: &str| revision["metadata"][field].as_str().unwrap_or_default();
        let storage = self.storage()?;
        let object = ObjectRef::namespaced(storage.kind(), text("namespace"), text("name"));
        let object = self.clusters.get(cluster, &object, deadline).await?;
        object.map(|object| decode(storage, &object, cluster)).transpose()
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
fn decode(storage: Storage, object: &Json, cluster: &str) -> Result<Deployed, Failure> {
    storage::decode(storage, object).map_err(|why| {
        let (namespace, name) = storage::release(object);
        Failure::new(FailureKind::Other, format!("Can't read the Helm release {namespace}/{name} of cluster \"{cluster}\""), why)
    })
}

#[async_trait]
impl Releases for Helm {
    fn locate(&self) -> Result<(), Failure> {
        if !self.settings.is_known {
            return Ok(());
        }
        program::locate(self.settings.binary.as_deref())?;
        self.settings.post_renderer.as_ref().map_or(Ok(()), |renderer| renderer.locate().map(|_| ()))
    }

    async fn check(&self) -> Result<(), Failure> {
        self.program().await.map(|_| ())
    }

    async fn fetch(&self, chart: &str, version: Option<&str>, deadline: &Deadline) -> Result<String, Failure> {
        let title = format!("Can't get the chart {chart}");
        let path = self.charts.get(self.program().await?, &self.settings, &title, chart, version, deadline).await?;
        let found = chart::version_at(&path, chart).map(|version| version.to_string());
        found.ok_or_else(|| Failure::new(FailureKind::Other, title, format!("{} has no version.", path.display())))
    }

    async fn apply(&self, cluster: &str, release: &Release, mark: Option<&Mark>, deadline: &Deadline) -> Result<Deployed, Failure> {
        let program = self.program().await?;
        let title = Self::title("install", &release.name, cluster);
        let chart = self.charts.get(program, &self.settings, &title, &release.chart, release.version.as_deref(), deadline).await?;
        Installation { helm: self, program, chart, release, mark, title, deadline }.run(cluster).await
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
                let name = revision["metadata"]["name"].as_str().unwrap_or_default();
                let object = ObjectRef::namespaced(self.storage()?.kind(), namespace, name);
                self.clusters.merge(cluster, &object, &patch, deadline).await?;
            }
        }
        Ok(())
    }

    async fn forget(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<(), Failure> {
        // The newest last: as long as there is one, the release is found.
        for revision in self.revisions(cluster, namespace, name, deadline).await? {
            let text = |field: &str| revision["metadata"][field].as_str().unwrap_or_default();
            let object = ObjectRef::namespaced(self.storage()?.kind(), namespace, text("name"));
            self.clusters.delete_exactly(cluster, &object, text("uid"), deadline).await?;
        }
        Ok(())
    }

    async fn list(&self, cluster: &str, namespace: Option<&str>, charts: &[&str], deadline: &Deadline) -> Result<Vec<Deployed>, Failure> {
        let mut revisions =
            self.clusters.list_metadata(cluster, self.storage()?.kind(), namespace, "owner=helm,status!=superseded", deadline).await?;
        revisions.sort_by_key(storage::revision);
        let newest: BTreeMap<_, _> = revisions.iter().map(|secret| (storage::release(secret), secret)).collect();
        // Which chart it is of is known only from the release itself.
        let reads: Vec<_> = newest.into_values().map(|revision| self.read(cluster, revision, deadline)).collect();
        let mut releases: Vec<_> = stream::iter(reads)
            .buffer_unordered(AT_ONCE)
            .filter_map(|read| async {
                match read {
                    Ok(release) => release.filter(|release| charts.contains(&release.chart.as_str())).map(Ok),
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

    async fn remove(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<Vec<String>, Failure> {
        let at = At { cluster, namespace, name };
        match self.settled(&Self::title("remove", name, cluster), &at, deadline).await? {
            Some(revision) => self.uninstall(&at, revision, deadline).await,
            None => Ok(Vec::new()),
        }
    }
}
