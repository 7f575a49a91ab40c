//! The `helm` program: finds it, and runs it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::{complaint::complaint, debug_log::without_debug, source::REPOSITORY, workspace::Workspace};
use crate::adapters::process::{self, Trouble};
use crate::ports::{Failure, FailureKind};
use framework::Deadline;

/// A `helm` that is new enough.
pub(super) struct Program {
    path: PathBuf,
    version: semver::Version,
}

/// Earlier ones lack flags that are used here.
const OLDEST: semver::Version = semver::Version::new(3, 18, 0);

/// How long Helm may take to print its version: a wrapper script, or a file system that hangs, must not block an apply.
const VERSION: Duration = Duration::from_secs(10);

/// A shell to run the guard with; a container may have none.
pub(super) const SHELL: &str = "/bin/sh";

fn missing(why: String) -> Failure {
    Failure::new(FailureKind::Unconfigured, "No usable helm", why)
        .advice("Install Helm 4, or 3.18 or newer, or set the provider's `helm.binary` to its path.")
}

/// Returns the path in the configuration; else `helm` beside the provider's executable; else the first on the PATH.
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

/// Parses `v4.3.1`, or `v4.3` as a build from source without flags prints.
fn parse_version(text: &str) -> Option<semver::Version> {
    let bare = text.trim_start_matches('v');
    semver::Version::parse(bare).or_else(|_| semver::Version::parse(&format!("{bare}.0"))).ok()
}

impl Program {
    /// Finds the program, and has it print its version.
    pub(super) async fn find(configured: Option<&Path>) -> Result<Self, Failure> {
        Self::find_within(VERSION, configured).await
    }

    async fn find_within(time: Duration, configured: Option<&Path>) -> Result<Self, Failure> {
        let path = locate(configured)?;
        let mut command = Command::new(&path);
        command.args(["version", "--template", "{{.Version}}"]).stdin(Stdio::null());
        without_settings(&mut command);
        let ended = match process::run(&mut command, &Deadline::after(time, CancellationToken::new())).await {
            Ok(ended) => ended,
            Err(Trouble::Start(error)) => return Err(missing(format!("{} can't be run.", path.display())).raw(error)),
            Err(Trouble::Cut(_)) => return Err(missing(format!("{} printed no version within {time:?}.", path.display()))),
        };
        let text = String::from_utf8_lossy(&ended.output);
        let version = parse_version(text.trim())
            .ok_or_else(|| missing(format!("{} doesn't print a version, but {:?}.", path.display(), text.trim())))?;
        if semver::Version::new(version.major, version.minor, version.patch) < OLDEST {
            return Err(missing(format!("{} is Helm {version}, which is too old.", path.display())));
        }
        Ok(Self { path, version })
    }

    /// Returns whether it is Helm 4, which writes by server-side apply, where fields have owners, and which runs post-renderers as plugins.
    pub(super) fn is_helm_4(&self) -> bool {
        self.version.major >= 4
    }

    /// Runs it to its end, or until the deadline. A failure has the given title.
    pub(super) async fn run(&self, title: &str, arguments: &[String], workspace: &Workspace, deadline: &Deadline) -> Result<(), Failure> {
        let ended = self.execute(title, arguments, workspace, deadline).await?;
        let is_talkative = arguments.iter().any(|argument| argument == "--debug");
        let errors = if is_talkative { without_debug(&ended.errors) } else { ended.errors };
        if ended.is_success { Ok(()) } else { Err(complaint(title, &errors)) }
    }

    /// Fetches the index of the workspace's named repository.
    pub(super) async fn update_index(
        &self,
        title: &str,
        credentials: &[String],
        workspace: &Workspace,
        deadline: &Deadline,
    ) -> Result<(), Failure> {
        let mut arguments = vec!["repo".to_owned(), "update".to_owned(), REPOSITORY.to_owned()];
        if !self.is_helm_4() {
            // Helm 4 always does.
            arguments.push("--fail-on-repo-update-fail".to_owned());
        }
        arguments.extend_from_slice(credentials);
        let ended = self.execute(title, &arguments, workspace, deadline).await?;
        // Helm 4 prints the cause to standard output.
        if ended.is_success { Ok(()) } else { Err(complaint(title, &format!("{}\n{}", ended.errors, ended.output))) }
    }

    async fn execute(&self, title: &str, arguments: &[String], workspace: &Workspace, deadline: &Deadline) -> Result<Ended, Failure> {
        let mut command = if Path::new(SHELL).exists() {
            let mut guarded = Command::new(SHELL);
            guarded.args(["-c", include_str!("guard.sh"), SHELL]).arg(workspace.folder()).arg(&self.path);
            // Closed by the kernel when this process dies, and then the guard ends Helm.
            guarded.stdin(Stdio::piped());
            guarded
        } else {
            let mut bare = Command::new(&self.path);
            bare.stdin(Stdio::null());
            bare
        };
        command.args(arguments).arg("--kubeconfig").arg(workspace.kubeconfig());
        without_settings(&mut command);
        command.envs(workspace.environment());
        tracing::debug!(program = %self.path.display(), verb = arguments.first().map(String::as_str), "running helm");
        match process::run(&mut command, deadline).await {
            Ok(ended) => Ok(Ended {
                is_success: ended.status.success(),
                output: String::from_utf8_lossy(&ended.output).into_owned(),
                errors: ended.errors,
            }),
            Err(Trouble::Start(error)) => Err(Failure::new(FailureKind::Unconfigured, title, "Helm can't be run.").raw(error)),
            Err(Trouble::Cut(cut)) => Err(Failure::cut(cut, title, "waiting for Helm")),
        }
    }
}

/// The environment stays, as credential plugins need it; but nothing of it may lead Helm elsewhere.
fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HELM_")) {
        command.env_remove(name);
    }
    command.env_remove("KUBECONFIG");
}

/// How a run of Helm ended.
struct Ended {
    is_success: bool,
    output: String,
    errors: String,
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use kube::config::Kubeconfig;
    use serde_json::json;

    use super::*;
    use crate::{
        adapters::{ChartSource, Repository, Storage},
        data::Secret,
    };

    /// A `helm` that is a shell script.
    fn script(folder: &Path, version: &str, text: &str) -> Program {
        let path = folder.join("helm");
        crate::adapters::helm::tests::executable(&path, &format!("#!/bin/sh\n{text}\n"));
        Program { path, version: parse_version(version).unwrap() }
    }

    fn source() -> ChartSource {
        ChartSource {
            credentials: Some(("ann".to_owned(), Secret::new("s3cret"))),
            ..ChartSource::of(Repository::Http("https://charts.example".to_owned()))
        }
    }

    fn workspace() -> Workspace {
        Workspace::for_release(&Kubeconfig::default(), &json!({"global": {}}), Storage::Secrets).unwrap()
    }

    /// Whether a file in the folder has the text.
    fn is_in_files(folder: &Path, text: &str) -> bool {
        let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.any(|entry| fs::read_to_string(entry.path()).is_ok_and(|found| found.contains(text)))
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
        let credentials = source().credentials_arguments(&workspace, None).unwrap();
        let home = workspace.folder().to_path_buf();
        assert_eq!(fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o700);
        for file in ["kubeconfig", "values.json", "repositories.yaml"] {
            assert_eq!(fs::metadata(home.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        }
        program.update_index("Can't", &credentials, &workspace, &within(Duration::from_secs(10))).await.unwrap();
        let report = fs::read_to_string(report).unwrap();
        assert!(report.starts_with("repo update mesh --repository-config "), "{report}");
        assert!(!report.contains("s3cret"), "others can read arguments: {report}");
        assert!(!report.contains("\nKUBECONFIG=") && report.contains(&format!("HELM_CACHE_HOME={}", home.display())), "{report}");
        drop(workspace);
        assert!(!home.exists());
    }

    #[tokio::test]
    async fn an_error_of_the_repository_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        // The words of Helm 4.3.1.
        let program = script(
            folder.path(),
            "v4.3.1",
            "echo 'failed to fetch https://charts.example/index.yaml : 401 Unauthorized'; echo 'Error: failed to update' >&2; exit 1",
        );
        let failure = program.update_index("Can't", &[], &workspace(), &within(Duration::from_secs(10))).await.unwrap_err();
        assert!(failure.kind == FailureKind::Denied && failure.to_string().contains("401"), "{failure}");
    }

    #[tokio::test]
    async fn an_interrupted_helm_can_record_that_it_was() {
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

    #[tokio::test]
    async fn a_helm_whose_provider_is_killed_ends_and_leaves_no_credentials_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("note");
        let text = format!("trap 'echo ended > {}; exit 1' TERM; while :; do sleep 0.1; done", note.display());
        let program = script(folder.path(), "v4.3.1", &text);
        let workspace = workspace();
        let home = workspace.folder().to_path_buf();
        source().credentials_arguments(&workspace, None).unwrap();
        assert!(is_in_files(&home, "s3cret"), "the search would find it");
        // The guard is all there is of a provider that is killed: it sees the end of its standard input.
        let mut guard = std::process::Command::new(SHELL)
            .args(["-c", include_str!("guard.sh"), SHELL])
            .args([workspace.folder(), &program.path])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        within(Duration::from_millis(500)).pause(Duration::from_millis(300)).await.unwrap();
        assert!(home.exists() && !note.exists());
        let mut seen = 0;
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let read = |file: &str| String::from_utf8_lossy(&fs::read(process.path().join(file)).unwrap_or_default()).into_owned();
            let (arguments, environment) = (read("cmdline"), read("environ"));
            // The guard, and Helm; other tests have processes of their own.
            if [&home, &program.path].into_iter().any(|path| arguments.contains(&path.display().to_string())) {
                seen += 1;
                assert!(!arguments.contains("s3cret") && !environment.contains("s3cret"), "{arguments}");
            }
        }
        assert!(seen >= 2 || !Path::new("/proc").exists(), "{seen} processes");
        drop(guard.stdin.take());
        assert!(!guard.wait().unwrap().success());
        assert_eq!(fs::read_to_string(note).unwrap(), "ended\n");
        assert!(!home.exists(), "the credentials are still there");
    }

    #[tokio::test]
    async fn the_guard_passes_on_how_helm_ends() {
        let folder = tempfile::tempdir().unwrap();
        let program = script(folder.path(), "v4.3.1", "echo 'Error: something else' >&2; exit 7");
        let failure = program.run("Can't", &["upgrade".to_owned()], &workspace(), &within(Duration::from_secs(10))).await.unwrap_err();
        assert_eq!(failure.raw.as_deref(), Some("something else"));
    }

    #[tokio::test]
    async fn a_helm_that_prints_no_version_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let program = script(folder.path(), "v4.3.1", "sleep 60");
        let begin = std::time::Instant::now();
        let failure = Program::find_within(Duration::from_secs(1), Some(&program.path)).await.err().expect("no version");
        assert!(failure.why.contains("printed no version within 1s"), "{failure}");
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}
