//! The folder of the Unix socket: ours alone, with a name that nobody can foresee, and removed with us, or by the next provider if we are
//! killed.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// The names are short, as macOS allows 103 bytes for a socket's path, of which its folder for temporary files takes half.
const PREFIX: &str = "tfp-";
const SOCKET: &str = "s";
const LOCK: &str = "lock";

/// The longest path that every Unix takes for a socket.
const LONGEST: usize = 103;

/// How old a folder is before it can be stale: a new one isn't locked yet.
const SETTLED: Duration = Duration::from_mins(1);

/// A folder that only this user can enter; removed when it is dropped.
pub(super) struct Folder {
    folder: tempfile::TempDir,
    /// Held as long as we run: shows that the folder isn't stale.
    _lock: File,
}

impl Folder {
    /// Makes a folder inside of `parent`, or of `/tmp` where the path of a socket in it would be too long.
    pub(super) fn make(parent: &Path) -> io::Result<Self> {
        let length = parent.as_os_str().len() + PREFIX.len() + "/XXXXXX/".len() + SOCKET.len();
        let parent = if length > LONGEST { Path::new("/tmp") } else { parent };
        // The mode is set from the beginning: the folder is never open to others.
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(parent)?;
        let lock = File::create_new(folder.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self { folder, _lock: lock })
    }

    /// Returns the path for the socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// Returns what removes the folders of providers that were killed: those of this user whose lock is free.
    pub(super) fn sweep(&self) -> impl FnOnce() + Send + use<> {
        let folder = self.folder.path().to_path_buf();
        move || remove_stale(&folder)
    }
}

fn remove_stale(own: &Path) {
    let (Some(parent), Ok(own)) = (own.parent(), fs::metadata(own)) else { return };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_named = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // Not followed if it is a link.
        let is_ours = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == own.uid() && has_settled(&found));
        if is_named && is_ours && File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn has_settled(folder: &fs::Metadata) -> bool {
    folder.modified().is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= SETTLED))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as a provider leaves it that is killed: with or without its lock held, and of some age.
    fn left(parent: &Path, name: &str, age: Duration) -> (PathBuf, File) {
        let folder = parent.join(format!("{PREFIX}{name}"));
        fs::create_dir(&folder).unwrap();
        let lock = File::create(folder.join(LOCK)).unwrap();
        File::open(&folder).unwrap().set_modified(SystemTime::now() - age).unwrap();
        (folder, lock)
    }

    #[test]
    fn only_folders_of_killed_providers_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let old = SETTLED * 2;
        let (stale, _) = left(parent.path(), "stale", old);
        let (live, lock) = left(parent.path(), "live", old);
        lock.lock().unwrap();
        let (new, _) = left(parent.path(), "new", Duration::ZERO);
        let foreign = parent.path().join("plugin-dir");
        fs::create_dir(&foreign).unwrap();
        let link = parent.path().join(format!("{PREFIX}link"));
        std::os::unix::fs::symlink(&foreign, &link).unwrap();

        let own = Folder::make(parent.path()).unwrap();
        own.sweep()();
        assert!(!stale.exists());
        assert!(live.exists() && new.exists() && foreign.exists() && link.is_symlink() && own.folder.path().exists());
    }

    #[test]
    fn nobody_else_can_enter_and_nothing_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let (one, other) = (Folder::make(parent.path()).unwrap(), Folder::make(parent.path()).unwrap());
        assert_ne!(one.socket(), other.socket(), "a process ID would be the same in two containers");
        assert_eq!(fs::metadata(one.folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let path = one.folder.path().to_path_buf();
        drop(one);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_has_a_path_that_every_unix_takes() {
        let of_macos = "/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/";
        assert!(of_macos.len() + PREFIX.len() + 6 + 1 + SOCKET.len() <= LONGEST);
        let parent = tempfile::tempdir().unwrap();
        let long = parent.path().join("x".repeat(90));
        fs::create_dir(&long).unwrap();
        assert!(Folder::make(&long).unwrap().socket().as_os_str().len() <= LONGEST);
    }
}
