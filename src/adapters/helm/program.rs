//! The `helm` program: finding it, running it, and what its complaints mean.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{io::AsyncReadExt as _, process::Command};
use tokio_util::sync::CancellationToken;

use super::workspace::Workspace;
use crate::{
    deadline::Deadline,
    ports::{Failure, FailureKind},
};

/// A `helm` that is new enough.
pub(super) struct Program {
    path: PathBuf,
    version: semver::Version,
}

/// Earlier ones lack flags that are used here.
const OLDEST: semver::Version = semver::Version::new(3, 18, 0);

/// How long an interrupted Helm may take to note down that it was.
const LAST_WORDS: Duration = Duration::from_secs(3);

fn missing(why: String) -> Failure {
    Failure::new(FailureKind::Unconfigured, "No usable helm", why)
        .advice("Install Helm 4, or 3.18 or newer, or set the provider's `helm.binary` to its path.")
}

/// The one that the configuration names; else the one beside the provider's executable; else the first on the PATH.
pub(super) fn locate(configured: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = configured {
        let there_is_none = || missing(format!("The provider's `helm.binary` is {}, and there is no such file.", path.display()));
        return path.is_file().then(|| path.to_path_buf()).ok_or_else(there_is_none);
    }
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("helm"))).filter(|path| path.is_file());
    beside
        .or_else(|| which::which("helm").ok())
        .ok_or_else(|| missing("There is no `helm` beside the provider's executable, nor on the PATH.".to_owned()))
}

impl Program {
    /// Finds it, and asks for its version.
    pub(super) async fn find(configured: Option<&Path>) -> Result<Self, Failure> {
        let path = locate(configured)?;
        let output = Command::new(&path).args(["version", "--template", "{{.Version}}"]).stdin(Stdio::null()).output().await;
        let output = output.map_err(|error| missing(format!("{} can't be run.", path.display())).raw(error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = semver::Version::parse(text.trim().trim_start_matches('v'))
            .map_err(|_| missing(format!("{} doesn't tell its version: {:?}.", path.display(), text.trim())))?;
        if semver::Version::new(version.major, version.minor, version.patch) < OLDEST {
            return Err(missing(format!("{} is Helm {version}, which is too old.", path.display())));
        }
        Ok(Self { path, version })
    }

    /// Helm 4 writes by server-side apply, where fields have owners.
    pub(super) fn applies_on_the_server(&self) -> bool {
        self.version.major >= 4
    }

    /// Runs it to its end, at the latest to the deadline's. An error is a failure with the given title.
    pub(super) async fn run(&self, title: &str, arguments: &[String], workspace: &Workspace, deadline: &Deadline) -> Result<(), Failure> {
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .arg("--kubeconfig")
            .arg(workspace.kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // The environment stays, as credential plugins need it; but nothing of it may lead Helm elsewhere.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HELM_")) {
            command.env_remove(name);
        }
        command.env_remove("KUBECONFIG").envs(workspace.environment());
        // At Ctrl-C the terminal signals the whole process group; Helm is to end when we say so.
        command.process_group(0).kill_on_drop(true);

        tracing::debug!(program = %self.path.display(), verb = arguments.first().map(String::as_str), "running helm");
        let unstartable = |error: std::io::Error| Failure::new(FailureKind::Unconfigured, title, "Helm can't be run.").raw(error);
        let mut child = command.spawn().map_err(unstartable)?;
        let mut errors = child.stderr.take();
        let work = async {
            let mut said = Vec::new();
            if let Some(errors) = &mut errors {
                errors.read_to_end(&mut said).await?;
            }
            Ok::<_, std::io::Error>((child.wait().await?, said))
        };
        let outcome = deadline.bound(work).await;
        match outcome {
            Ok(Ok((status, _))) if status.success() => Ok(()),
            Ok(Ok((_, said))) => Err(complaint(title, &String::from_utf8_lossy(&said))),
            Ok(Err(error)) => Err(unstartable(error)),
            Err(cut) => {
                terminate(&mut child).await;
                Err(Failure::cut(cut, title, "waiting for Helm"))
            }
        }
    }
}

/// Lets Helm note down that it was interrupted, and kills it if it takes too long.
async fn terminate(child: &mut tokio::process::Child) {
    if let Some(process) = child.id() {
        // tokio can only kill; `kill` asks politely.
        let _ = Command::new("kill").arg("-TERM").arg(process.to_string()).stdin(Stdio::null()).stderr(Stdio::null()).status().await;
    }
    let last = Deadline::after(LAST_WORDS, CancellationToken::new());
    if last.bound(child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// What Helm's complaint means.
fn complaint(title: &str, said: &str) -> Failure {
    let lines: Vec<_> =
        said.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("WARNING") && !line.starts_with("level=")).collect();
    let text = lines.join("\n");
    let text = text.trim_start_matches("Error: ").to_owned();
    let has = |words: &str| text.to_lowercase().contains(words);
    let new = |kind, why: &str, advice: &str| Failure::new(kind, title, why).advice(advice).raw(&text);
    if has("another operation") {
        return new(
            FailureKind::Conflict,
            "Another Helm is at work on this release, or one was killed while it was.",
            "If nobody else is, apply again: what was left pending is recovered first.",
        );
    }
    if has("not found") && (has("chart") || has("manifest unknown") || has("version") || has("repo"))
        || has("no such file")
        || has("failed to fetch")
    {
        return new(
            FailureKind::NotFound,
            "Helm can't get the chart.",
            "Check the provider's `helm.repository` and the version: `helm.version`, or `istio_version` of the resource.",
        );
    }
    if has("timed out") || has("context deadline exceeded") || has("not ready") {
        return new(
            FailureKind::TimedOut,
            "What the chart installs did not become ready in time.",
            "See below what the pods say. If it only needs longer, raise the operation's time in `timeouts`.",
        );
    }
    if has("connection refused") || has("no route to host") || has("i/o timeout") || has("cluster unreachable") {
        return new(
            FailureKind::Unreachable,
            "Helm can't reach the API server.",
            "Check the address in the provider's `clusters` and the network on the way.",
        );
    }
    if has("schema") || has("values don't meet") {
        return new(FailureKind::Rejected, "The chart refuses the values.", "Correct `values`; the message names the key.");
    }
    new(FailureKind::Other, "Helm failed.", "The message below is Helm's own.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_apart() {
        for (said, kind) in [
            ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", FailureKind::Conflict),
            ("Error: chart \"istiod\" version \"9.9.9\" not found in https://x repository", FailureKind::NotFound),
            ("Error: UPGRADE FAILED: context deadline exceeded", FailureKind::TimedOut),
            ("Error: kubernetes cluster unreachable: Get \"https://x\": dial tcp: connect: connection refused", FailureKind::Unreachable),
            ("Error: something else", FailureKind::Other),
        ] {
            let failure = complaint("Can't", said);
            assert_eq!(failure.kind, kind, "{said}");
            assert!(failure.detail().contains(said.trim_start_matches("Error: ")));
        }
    }
}
