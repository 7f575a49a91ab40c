//! Helm releases: written by the real program, read natively from Helm's own storage.

mod program;
mod storage;
mod workspace;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value as Json;
use time::OffsetDateTime;
use tokio::sync::OnceCell;

use super::Kubernetes;
use crate::{
    data::{Deployed, Kind, MANAGER, ObjectRef, Release, ReleaseStatus, Secret},
    ports::{Failure, FailureKind, Objects as _, Releases},
};
use framework::Deadline;
use program::Program;
use workspace::Workspace;

/// The least time that Helm is to end before the operation's deadline. Helm's clock starts only when it begins to wait.
const RESERVE: Duration = Duration::from_secs(15);

/// How charts are had and installed.
#[derive(Clone, Debug)]
pub struct HelmSettings {
    /// Where the charts come from.
    pub repository: Repository,
    /// Version of the charts where a release sets none.
    pub version: Option<String>,
    /// The program; found by itself if none.
    pub binary: Option<PathBuf>,
    /// User name for the repository.
    pub username: Option<String>,
    /// Password for the repository.
    pub password: Option<Secret>,
    /// An OCI registry without TLS.
    pub plain_http: bool,
    /// The repository's certificate authority, a file.
    pub ca_file: Option<PathBuf>,
}

/// Where charts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repository {
    /// An HTTP repository with an index.
    Http(String),
    /// A path in an OCI registry, `oci://…`, below which the charts are.
    Oci(String),
    /// A directory that holds the charts' directories or archives.
    Directory(PathBuf),
}

impl Repository {
    /// Tells the three apart.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text.trim_end_matches('/').to_owned();
        match text.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() => Ok(Self::Http(bare)),
            Some(("oci", rest)) if !rest.is_empty() => Ok(Self::Oci(bare)),
            None if !text.is_empty() => Ok(Self::Directory(PathBuf::from(text))),
            _ => Err(format!("`{text}` is no source of charts. Give an `https://…` repository, an `oci://…` registry, or a directory.")),
        }
    }
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
        Self { settings, clusters, program: OnceCell::new() }
    }

    async fn program(&self) -> Result<&Program, Failure> {
        self.program.get_or_try_init(|| Program::find(self.settings.binary.as_deref())).await
    }

    /// The Secrets in which Helm keeps the revisions of a release, oldest first.
    async fn revisions(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<Vec<Json>, Failure> {
        let selector = format!("owner=helm,name={name}");
        let mut revisions = self.clusters.list(cluster, Kind::SECRET, Some(namespace), &selector, deadline).await?;
        revisions.sort_by_key(storage::revision);
        Ok(revisions)
    }

    /// Forgets a revision that a killed Helm left pending: with it there, Helm refuses every further operation. Its objects stay, and
    /// the operation that follows brings them to what is wanted. While somebody else may be at work on it, it is left alone.
    async fn recover(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<(), Failure> {
        for secret in self.revisions(cluster, namespace, name, deadline).await? {
            if storage::is_pending(&secret) {
                let revision = secret["metadata"]["name"].as_str().unwrap_or_default();
                if !storage::is_abandoned(&secret, OffsetDateTime::now_utc()) {
                    return Err(at_work(&Self::title("install", name, cluster), revision));
                }
                tracing::info!(cluster, revision, "forgetting a revision that was left pending");
                self.clusters.delete(cluster, &ObjectRef::namespaced(Kind::SECRET, namespace, revision), deadline).await?;
            }
        }
        Ok(())
    }

    fn chart_arguments(&self, release: &Release, workspace: &Workspace) -> Vec<String> {
        let mut arguments = match &self.settings.repository {
            Repository::Http(_) if workspace.has_named_repository() => vec![format!("{}/{}", workspace::REPOSITORY, release.chart)],
            Repository::Http(url) => vec![release.chart.clone(), "--repo".to_owned(), url.clone()],
            Repository::Oci(url) => vec![format!("{url}/{}", release.chart)],
            Repository::Directory(folder) => vec![folder.join(&release.chart).display().to_string()],
        };
        // A chart in a directory has the version that it has.
        if let (Some(version), false) = (&release.version, matches!(self.settings.repository, Repository::Directory(_))) {
            arguments.extend(["--version".to_owned(), version.clone()]);
        }
        if self.settings.plain_http {
            arguments.push("--plain-http".to_owned());
        }
        if let Some(file) = &self.settings.ca_file {
            arguments.extend(["--ca-file".to_owned(), file.display().to_string()]);
        }
        arguments.extend(workspace.credentials_arguments());
        arguments
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

/// The failure of an operation that would come in somebody else's way.
fn at_work(title: &str, revision: &str) -> Failure {
    let why = format!(
        "Somebody else's Helm is at work on the release, or was killed at it less than ten minutes ago: its revision {revision} is pending."
    );
    Failure::new(FailureKind::Conflict, title, why).advice(program::AT_WORK)
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
        program::locate(self.settings.binary.as_deref()).map(|_| ())
    }

    async fn check(&self) -> Result<(), Failure> {
        self.program().await.map(|_| ())
    }

    async fn apply(&self, cluster: &str, release: &Release, deadline: &Deadline) -> Result<Deployed, Failure> {
        let program = self.program().await?;
        self.recover(cluster, &release.namespace, &release.name, deadline).await?;
        let workspace = Workspace::new(&*self.clusters.kubeconfig(cluster)?, &release.values, &self.settings)?;
        let mut arguments = vec!["upgrade".to_owned(), "--install".to_owned(), release.name.clone()];
        arguments.extend(self.chart_arguments(release, &workspace));
        arguments.extend(["--namespace".to_owned(), release.namespace.clone()]);
        arguments.extend(["--values".to_owned(), workspace.values().display().to_string()]);
        arguments.extend(["--labels".to_owned(), format!("{}={MANAGER}", storage::INSTALLED_BY)]);
        arguments.extend(["--wait".to_owned(), "--history-max".to_owned(), "5".to_owned()]);
        arguments.extend(["--timeout".to_owned(), timeout(deadline)]);
        if program.applies_on_the_server() {
            // What a person changed by hand is set back; without this Helm refuses to touch it. By itself Helm would go on in the client with a
            // release that Helm 3 made, and there it can't be forced.
            arguments.extend(["--server-side=true", "--force-conflicts"].map(str::to_owned));
        }
        let title = Self::title("install", &release.name, cluster);
        if workspace.has_named_repository() {
            program.update_index(&title, &workspace, deadline).await?;
        }
        program.run(&title, &arguments, &workspace, deadline).await?;
        self.get(cluster, &release.namespace, &release.name, deadline).await?.ok_or_else(|| {
            Failure::new(FailureKind::Other, title, "Helm says that it installed the release, and its storage has none of that name.")
        })
    }

    async fn get(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<Option<Deployed>, Failure> {
        let revisions = self.revisions(cluster, namespace, name, deadline).await?;
        revisions.last().map(|newest| decode(newest, cluster)).transpose()
    }

    async fn list(&self, cluster: &str, chart: &str, deadline: &Deadline) -> Result<Vec<Deployed>, Failure> {
        // Former revisions are left where they are: each can be a megabyte.
        let mut revisions = self.clusters.list(cluster, Kind::SECRET, None, "owner=helm,status!=superseded", deadline).await?;
        revisions.sort_by_key(storage::revision);
        let newest: BTreeMap<_, _> = revisions.iter().map(|secret| (storage::release(secret), secret)).collect();
        let releases: Vec<_> = newest.into_values().map(|secret| decode(secret, cluster)).collect::<Result<_, _>>()?;
        Ok(releases.into_iter().filter(|release| release.chart == chart).collect())
    }

    async fn remove(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<(), Failure> {
        let Some(live) = self.get(cluster, namespace, name, deadline).await? else { return Ok(()) };
        let program = self.program().await?;
        if matches!(live.status, ReleaseStatus::Pending(_)) {
            // Helm uninstalls what is pending, too; only an upgrade is refused.
            tracing::info!(cluster, name, status = ?live.status, "removing a release that was left pending");
        }
        let workspace = Workspace::new(&*self.clusters.kubeconfig(cluster)?, &Json::Null, &self.settings)?;
        let arguments = ["uninstall", name, "--namespace", namespace, "--ignore-not-found", "--wait", "--timeout", &timeout(deadline)]
            .map(str::to_owned);
        program.run(&Self::title("remove", name, cluster), &arguments, &workspace, deadline).await?;
        // Not all of Helm's versions wait for what finalizers hold, such as a load balancer's Service.
        let objects: Vec<_> = live
            .manifest
            .iter()
            .filter(|manifest| manifest["metadata"]["annotations"]["helm.sh/resource-policy"] != "keep")
            .filter_map(|manifest| ObjectRef::of(manifest, namespace))
            .filter(|object| object.kind != Kind::CRD)
            .collect();
        let deletions = objects.iter().map(|object| self.clusters.delete(cluster, object, deadline));
        futures::future::try_join_all(deletions).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn helm_ends_before_the_deadline() {
        for (given, passed) in [(600, "540s"), (60, "45s"), (20, "10s"), (1, "1s")] {
            assert_eq!(timeout(&Deadline::after(Duration::from_secs(given), CancellationToken::new())), passed, "{given}");
        }
    }
}
