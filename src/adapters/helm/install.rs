//! Installs and upgrades.

use std::path::PathBuf;

use framework::Deadline;
use serde_json::Value as Json;

use super::{
    At, Helm, PostRenderer,
    again::{Stopped, Tries},
    end_of,
    program::Program,
    storage, timeout,
    workspace::Workspace,
};
use crate::{
    data::{Deployed, Mark, Release, ReleaseStatus},
    ports::{Failure, FailureKind, Releases as _},
};

/// An install or upgrade of one release, in as many runs of Helm as it takes.
pub(super) struct Installation<'a> {
    pub(super) helm: &'a Helm,
    pub(super) program: &'a Program,
    pub(super) chart: PathBuf,
    pub(super) release: &'a Release,
    pub(super) mark: Option<&'a Mark>,
    /// Of a failure.
    pub(super) title: String,
    pub(super) deadline: &'a Deadline,
}

/// What the history of the release may end with before Helm is run again.
#[derive(Default)]
struct History {
    /// The newest revision before the first run, if there was one.
    begin: Option<u64>,
    /// The runs.
    runs: Vec<String>,
}

impl History {
    /// Returns whether others have made the history longer, or taken it away, since the first run.
    fn is_changed(&self, revisions: &[Json]) -> bool {
        let newest = revisions.last();
        let is_ours = |newest: &Json| {
            storage::is_of_a_run_of_ours(newest, revisions)
                && storage::run(newest).is_some_and(|run| self.runs.iter().any(|ours| ours == run))
        };
        !newest.is_some_and(is_ours) && self.begin != newest.map(storage::revision)
    }
}

impl Installation<'_> {
    pub(super) async fn run(&self, cluster: &str) -> Result<Deployed, Failure> {
        let at = At { cluster, namespace: &self.release.namespace, name: &self.release.name };
        let (mut tries, mut history) = (Tries::of(&at), History::default());
        loop {
            match self.attempt(&at, &mut history).await {
                Ok(deployed) => return Ok(deployed),
                Err(stopped) => tries.again(stopped, self.deadline).await?,
            }
        }
    }

    /// Runs Helm once, on a release that is settled: what the run before has left pending is forgotten, and its objects are adopted.
    async fn attempt(&self, at: &At<'_>, history: &mut History) -> Result<Deployed, Stopped> {
        let mut newest = self.helm.settled(&self.title, at, self.deadline).await?;
        if let Some(revision) = newest.take_if(|revision| storage::is_uninstalling(revision)) {
            tracing::info!(
                cluster = at.cluster,
                release = at.name,
                "finishing an uninstall that was cut short, before the release is installed again"
            );
            // What is left in place is adopted by the install.
            self.helm.uninstall(at, revision, self.deadline).await?;
        }
        if history.runs.is_empty() {
            history.begin = newest.as_ref().map(storage::revision);
        } else if history.is_changed(&self.helm.revisions(at.cluster, at.namespace, at.name, self.deadline).await?) {
            let why = "Another Helm has changed or removed the release between two runs of this provider's Helm, of which the first met trouble \
                       of the API server.";
            let failure = Failure::new(FailureKind::Conflict, self.title.clone(), why);
            return Err(failure.advice("See what it has changed with `helm history`, and apply again.").into());
        }
        let kubeconfig = self.helm.clusters.kubeconfig(at.cluster)?;
        let mut workspace = Workspace::for_release(&kubeconfig, &self.release.values, self.helm.storage()?)?;
        let run = workspace.run();
        history.runs.push(run.clone());
        let arguments = self.arguments(&mut workspace)?;
        let outcome = self.program.run(&self.title, &arguments, &workspace, self.deadline).await;
        outcome.map_err(|failure| Stopped::by_helm(failure.seen(PostRenderer::errors(&workspace))))?;
        // From here on the run is over for others, too.
        drop(workspace);
        let deployed = self.helm.get(at.cluster, at.namespace, at.name, self.deadline).await?.ok_or_else(|| {
            let why = "Helm reported success, but its storage has no release of that name.";
            Failure::new(FailureKind::Other, self.title.clone(), why)
        })?;
        // Helm only prints a warning if it can't record the end of an install. Others would find the release at work for minutes.
        match &deployed.status {
            ReleaseStatus::Pending(status) if self.is_newest(&run, at).await? => {
                let why = format!("Helm has installed everything, but couldn't record it: its storage says `{status}`.");
                let failure = Failure::new(FailureKind::Unreachable, self.title.clone(), why);
                Err(Stopped::Passing(failure.advice("Apply again once the API server, and what is on the way to it, is well.")))
            }
            _ => Ok(deployed),
        }
    }

    /// Returns whether a run has made the newest revision.
    async fn is_newest(&self, run: &str, at: &At<'_>) -> Result<bool, Failure> {
        let revisions = self.helm.revisions(at.cluster, at.namespace, at.name, self.deadline).await?;
        Ok(revisions.last().and_then(storage::run) == Some(run))
    }

    fn arguments(&self, workspace: &mut Workspace) -> Result<Vec<String>, Failure> {
        let Self { release, deadline, program, .. } = self;
        let settings = &self.helm.settings;
        let mut arguments = vec!["upgrade".to_owned(), "--install".to_owned(), release.name.clone(), self.chart.display().to_string()];
        arguments.extend(["--namespace".to_owned(), release.namespace.clone()]);
        arguments.extend(["--values".to_owned(), workspace.values().display().to_string()]);
        arguments.extend(["--labels".to_owned(), storage::labels(&workspace.run(), end_of(deadline), self.mark)]);
        arguments.extend(["--wait".to_owned(), "--history-max".to_owned(), settings.max_history.to_string()]);
        arguments.extend(["--timeout".to_owned(), timeout(deadline)]);
        if program.is_helm_4() {
            // Fields that a person changed are set back; without this Helm refuses to touch them. By itself Helm would go on in the client with a
            // release that Helm 3 made, and there it can't be forced.
            arguments.extend(["--server-side=true", "--force-conflicts"].map(str::to_owned));
        }
        let switches = [
            ("--take-ownership", settings.takes_ownership || release.takes_ownership),
            ("--disable-openapi-validation", !settings.validates_openapi),
        ];
        arguments.extend(switches.into_iter().filter(|(_, on)| *on).map(|(flag, _)| flag.to_owned()));
        if let Some(renderer) = &settings.post_renderer {
            arguments.extend(renderer.arguments(workspace, program.is_helm_4())?);
        }
        Ok(arguments)
    }
}
