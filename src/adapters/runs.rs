//! The runs of Helm and of creates on this machine: which of them are alive, and removing what killed ones have left.
//!
//! Each run has a folder, that of Helm with credentials, and holds a lock in it. The kernel frees the lock when the provider dies, however it
//! dies.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hasher as _},
    io,
    path::Path,
    time::Duration,
};

use async_trait::async_trait;
use framework::Deadline;
use tokio_util::sync::CancellationToken;

use super::platform;
use crate::ports::{Run, Runs};

/// How the names of the folders begin. What follows names the run.
const PREFIX: &str = "mesh-helm-";

const LOCK: &str = "lock";

/// How old a folder without a lock is when its run can't be just beginning.
const BEGINNING: Duration = Duration::from_secs(3600);

/// How long a Helm whose provider was killed may take to end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Names a run among those of all machines, as a label's value: the folder for temporary files, as this machine's kernel knows it, and the
/// run's folder in it.
pub(super) fn id(folder: &Path) -> Option<String> {
    let run = folder.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    Some(format!("{}.{run}", place(folder.parent()?)?))
}

/// Returns whether the run with this id is alive: `None` if it was started on another machine, which can't be asked.
pub(super) fn is_alive(id: &str, temporary: &Path) -> Option<bool> {
    let (there, run) = id.split_once('.')?;
    (place(temporary)? == there).then(|| is_held(&temporary.join(format!("{PREFIX}{run}"))))
}

/// Containers may share a host name and a kernel, but not a folder for temporary files, or else they see each other's locks.
fn place(temporary: &Path) -> Option<String> {
    let mut hasher = DefaultHasher::new();
    platform::machine(temporary, &mut hasher)?;
    Some(format!("{:016x}", hasher.finish()))
}

/// Makes the folder of a new run, which only the user can read, and takes its lock.
pub(super) fn folder() -> io::Result<(tempfile::TempDir, File)> {
    let folder = platform::only_owner(tempfile::Builder::new().prefix(PREFIX).rand_bytes(16)).tempdir()?;
    let lock = hold(folder.path())?;
    Ok((folder, lock))
}

/// The runs of creates, as the lock of a folder shows them.
pub struct LocalRuns;

#[async_trait]
impl Runs for LocalRuns {
    async fn begin(&self) -> Run {
        sweep(&std::env::temp_dir()).await;
        match folder() {
            Ok((folder, lock)) => Run::new(id(folder.path()).unwrap_or_default(), (folder, lock)),
            Err(error) => {
                tracing::warn!(%error, "no folder for the run: other runs can't find out whether it is alive");
                Run::new(String::new(), ())
            }
        }
    }

    fn is_alive(&self, id: &str) -> Option<bool> {
        is_alive(id, &std::env::temp_dir())
    }
}

/// Takes the lock of a new run's folder.
fn hold(folder: &Path) -> io::Result<File> {
    // Nobody can find the lock before it is held.
    let new = folder.join("lock.new");
    let lock = platform::new_file().open(&new)?;
    lock.lock()?;
    fs::rename(new, folder.join(LOCK))?;
    Ok(lock)
}

fn is_held(folder: &Path) -> bool {
    File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err())
}

/// Ends each Helm that has outlived its provider, and removes the folders of runs that are over.
pub(super) async fn sweep(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let folder = entry.path();
        if !entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            continue;
        }
        // Held until the folder is gone, so that two providers don't sweep the same.
        let _lock = match File::open(folder.join(LOCK)) {
            Ok(lock) if lock.try_lock().is_ok() => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_old(&folder) => None,
            // At work; or another user's, which can't be opened.
            _ => continue,
        };
        tracing::info!(folder = %folder.display(), "removing what a killed run of Helm has left");
        end(&folder).await;
        if let Err(error) = fs::remove_dir_all(&folder) {
            tracing::warn!(folder = %folder.display(), %error, "what a killed run of Helm has left can't be removed");
        }
    }
}

fn is_old(folder: &Path) -> bool {
    let age = fs::metadata(folder).and_then(|folder| folder.modified()).map(|modified| modified.elapsed().unwrap_or_default());
    age.is_ok_and(|age| age > BEGINNING)
}

/// Ends the processes that work with the folder: its path, which is random, is among their arguments.
async fn end(folder: &Path) {
    let processes = platform::processes_with(folder);
    processes.iter().for_each(platform::Tree::ask);
    let deadline = Deadline::after(LAST_WORDS, CancellationToken::new());
    for process in processes {
        while process.is_alive() {
            if deadline.pause(Duration::from_millis(50)).await.is_err() {
                process.kill();
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_in(temporary: &Path, name: &str) -> std::path::PathBuf {
        let folder = temporary.join(format!("{PREFIX}{name}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("kubeconfig"), "token: s3cret").unwrap();
        folder
    }

    #[tokio::test]
    async fn what_a_killed_run_has_left_is_removed_and_what_is_alive_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let (alive, dead, beginning) = ("alive", "dead", "beginning");
        let folders = [alive, dead, beginning].map(|name| run_in(temporary.path(), name));
        let lock = hold(&folders[0]).unwrap();
        drop(hold(&folders[1]).unwrap());
        let ids = folders.each_ref().map(|folder| id(folder).unwrap());
        assert_eq!(is_alive(&ids[0], temporary.path()), Some(true));
        assert_eq!(is_alive(&ids[1], temporary.path()), Some(false));
        sweep(temporary.path()).await;
        assert_eq!(folders.each_ref().map(|folder| folder.exists()), [true, false, true]);
        drop(lock);
        sweep(temporary.path()).await;
        assert_eq!(folders.each_ref().map(|folder| folder.exists()), [false, false, true]);
    }

    #[tokio::test]
    async fn a_helm_that_has_outlived_its_provider_is_ended() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = run_in(temporary.path(), "orphan");
        drop(hold(&folder).unwrap());
        let mut helm = std::process::Command::new("sh")
            .args(["-c", "while :; do sleep 0.1; done", "helm", "--kubeconfig"])
            .arg(folder.join("kubeconfig"))
            .spawn()
            .unwrap();
        // The kernel shows the arguments of a new process a moment after its parent goes on.
        while platform::processes_with(&folder).is_empty() {
            tokio::task::yield_now().await;
        }
        // A zombie still counts as alive, so somebody has to wait for it.
        let ended = std::thread::spawn(move || helm.wait().unwrap());
        sweep(temporary.path()).await;
        assert!(!ended.join().unwrap().success());
        assert!(!folder.exists());
    }

    #[test]
    fn a_run_of_another_machine_can_not_be_asked() {
        let temporary = tempfile::tempdir().unwrap();
        assert_eq!(is_alive("0123456789abcdef.abc", temporary.path()), None);
    }
}
