//! The `helm` program: finding it, running it, and what its complaints mean.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
};
use tokio_util::sync::CancellationToken;

use super::workspace::{REPOSITORY, Workspace};
use crate::ports::{Failure, FailureKind};
use framework::Deadline;

/// A `helm` that is new enough.
pub(super) struct Program {
    path: PathBuf,
    version: semver::Version,
}

/// Earlier ones lack flags that are used here.
const OLDEST: semver::Version = semver::Version::new(3, 18, 0);

/// What to do about a release that another Helm is at work on.
pub(super) const AT_WORK: &str =
    "Let it end, and apply again. What a killed Helm has left is taken over: at once if it was the provider's, else after ten minutes.";

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

/// `v4.3.1`, or `v4.3` as a build from source without flags says.
fn parse_version(text: &str) -> Option<semver::Version> {
    let bare = text.trim_start_matches('v');
    semver::Version::parse(bare).or_else(|_| semver::Version::parse(&format!("{bare}.0"))).ok()
}

impl Program {
    /// Finds it, and asks for its version.
    pub(super) async fn find(configured: Option<&Path>) -> Result<Self, Failure> {
        let path = locate(configured)?;
        let output = Command::new(&path).args(["version", "--template", "{{.Version}}"]).stdin(Stdio::null()).output().await;
        let output = output.map_err(|error| missing(format!("{} can't be run.", path.display())).raw(error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = parse_version(text.trim())
            .ok_or_else(|| missing(format!("{} doesn't tell its version: {:?}.", path.display(), text.trim())))?;
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
        let ended = self.execute(title, arguments, workspace, deadline).await?;
        if ended.is_success { Ok(()) } else { Err(complaint(title, &ended.errors)) }
    }

    /// Fetches the index of the repository that the workspace has by name.
    pub(super) async fn update_index(&self, title: &str, workspace: &Workspace, deadline: &Deadline) -> Result<(), Failure> {
        let mut arguments = vec!["repo".to_owned(), "update".to_owned(), REPOSITORY.to_owned()];
        if !self.applies_on_the_server() {
            // Helm 4 always does.
            arguments.push("--fail-on-repo-update-fail".to_owned());
        }
        arguments.extend(workspace.credentials_arguments());
        let ended = self.execute(title, &arguments, workspace, deadline).await?;
        // What went wrong stands among the progress, that something did among the errors.
        if ended.is_success { Ok(()) } else { Err(complaint(title, &format!("{}\n{}", ended.errors, ended.output))) }
    }

    async fn execute(&self, title: &str, arguments: &[String], workspace: &Workspace, deadline: &Deadline) -> Result<Ended, Failure> {
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .arg("--kubeconfig")
            .arg(workspace.kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
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
        let (mut output, mut errors) = (child.stdout.take(), child.stderr.take());
        let work = async { tokio::try_join!(read(&mut output), read(&mut errors), child.wait()) };
        let outcome = deadline.bound(work).await;
        match outcome {
            Ok(Ok((output, errors, status))) => Ok(Ended { is_success: status.success(), output, errors }),
            Ok(Err(error)) => Err(unstartable(error)),
            Err(cut) => {
                terminate(&mut child).await;
                Err(Failure::cut(cut, title, "waiting for Helm"))
            }
        }
    }
}

/// How a run ended.
struct Ended {
    is_success: bool,
    output: String,
    errors: String,
}

/// All that a pipe gives.
async fn read(pipe: &mut Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut said = Vec::new();
    if let Some(pipe) = pipe {
        pipe.read_to_end(&mut said).await?;
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
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
        return new(FailureKind::Conflict, "Another Helm is at work on this release, or one was killed while it was.", AT_WORK);
    }
    if has("failed to fetch") && (has("401 unauthorized") || has("403 forbidden")) {
        return new(
            FailureKind::Denied,
            "The chart repository refuses the provider's `helm.username` and `helm.password`, or there are none.",
            "Set both to what the repository knows.",
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
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use kube::config::Kubeconfig;
    use serde_json::json;

    use super::*;
    use crate::{
        adapters::{HelmSettings, Repository},
        data::Secret,
    };

    /// A `helm` that is a shell script.
    fn script(folder: &Path, version: &str, text: &str) -> Program {
        let path = folder.join("helm");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Program { path, version: parse_version(version).unwrap() }
    }

    fn workspace() -> Workspace {
        let settings = HelmSettings {
            repository: Repository::Http("https://charts.example".to_owned()),
            version: None,
            binary: None,
            username: Some("ann".to_owned()),
            password: Some(Secret::new("s3cret")),
            plain_http: false,
            ca_file: None,
        };
        Workspace::new(&Kubeconfig::default(), &json!({"global": {}}), &settings).unwrap()
    }

    fn within(time: Duration) -> Deadline {
        Deadline::after(time, CancellationToken::new())
    }

    #[tokio::test]
    async fn secrets_are_in_files_for_the_owner_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report");
        let program = script(folder.path(), "v4.3.1", &format!("echo \"$@\" > {0}; env >> {0}", report.display()));
        let workspace = workspace();
        let home = workspace.kubeconfig().parent().unwrap().to_path_buf();
        assert_eq!(fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o700);
        for file in ["kubeconfig", "values.json", "repositories.yaml"] {
            assert_eq!(fs::metadata(home.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        }
        program.update_index("Can't", &workspace, &within(Duration::from_secs(10))).await.unwrap();
        let report = fs::read_to_string(report).unwrap();
        assert!(report.starts_with("repo update mesh --repository-config "), "{report}");
        assert!(!report.contains("s3cret"), "others can read arguments: {report}");
        assert!(!report.contains("\nKUBECONFIG=") && report.contains(&format!("HELM_CACHE_HOME={}", home.display())), "{report}");
        drop(workspace);
        assert!(!home.exists());
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_repository_is_said() {
        let folder = tempfile::tempdir().unwrap();
        // The words of Helm 4.3.1.
        let program = script(
            folder.path(),
            "v4.3.1",
            "echo 'failed to fetch https://charts.example/index.yaml : 401 Unauthorized'; echo 'Error: failed to update' >&2; exit 1",
        );
        let failure = program.update_index("Can't", &workspace(), &within(Duration::from_secs(10))).await.unwrap_err();
        assert!(failure.kind == FailureKind::Denied && failure.to_string().contains("401"), "{failure}");
    }

    #[tokio::test]
    async fn an_interrupted_helm_may_say_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("note");
        let text = format!("trap 'echo failed > {}; exit 1' TERM; sleep 30 & wait", note.display());
        let program = script(folder.path(), "v4.3.1", &text);
        let failure = program.run("Can't", &["upgrade".to_owned()], &workspace(), &within(Duration::from_secs(1))).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::TimedOut);
        assert_eq!(fs::read_to_string(note).unwrap(), "failed\n");
    }

    #[test]
    fn versions_are_read_as_helm_writes_them() {
        for (text, version) in [("v4.3.1", Some((4, 3))), ("v4.3", Some((4, 3))), ("v3.18.0+gabc", Some((3, 18))), ("nonsense", None)] {
            assert_eq!(parse_version(text).map(|version| (version.major, version.minor)), version, "{text}");
        }
    }

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
