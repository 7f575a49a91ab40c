//! The files of one run of Helm: in a folder of its own that only the user can read, and that is removed when the run is over.

use std::{
    ffi::OsString,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use kube::config::Kubeconfig;
use serde_json::Value as Json;

use super::Storage;
use crate::adapters::{platform, runs};
use crate::ports::{Failure, FailureKind};

/// The folder of one run.
pub(super) struct Workspace {
    folder: tempfile::TempDir,
    /// Shows other providers that this one is alive.
    _lock: fs::File,
    variables: Vec<(&'static str, OsString)>,
}

fn unwritable(error: &dyn ToString) -> Failure {
    let why = "The files that Helm needs can't be written to the folder for temporary files.";
    Failure::new(FailureKind::Other, "Can't prepare Helm", why).raw(error.to_string())
}

impl Workspace {
    /// Creates the folder with what every run of Helm needs.
    pub(super) fn empty() -> Result<Self, Failure> {
        let (folder, lock) = runs::folder().map_err(|error| unwritable(&error))?;
        let workspace = Self { folder, _lock: lock, variables: Vec::new() };
        workspace.create(&["cache", "config", "data"])?;
        Ok(workspace)
    }

    /// Creates the folder for work on a release, with kubeconfig and values.
    pub(super) fn for_release(kubeconfig: &Kubeconfig, values: &Json, storage: Storage) -> Result<Self, Failure> {
        let mut workspace = Self::empty()?;
        workspace.write("kubeconfig", &serde_saphyr::to_string(kubeconfig).map_err(|error| unwritable(&error))?)?;
        workspace.write("values.json", &values.to_string())?;
        workspace.set("HELM_DRIVER", storage.driver().into());
        Ok(workspace)
    }

    /// Creates folders in the folder, and returns the path of the last one.
    pub(super) fn create(&self, folders: &[&str]) -> Result<PathBuf, Failure> {
        let mut path = self.folder.path().to_path_buf();
        for folder in folders {
            path = self.folder.path().join(folder);
            platform::new_folder().create(&path).map_err(|error| unwritable(&error))?;
        }
        Ok(path)
    }

    /// Writes a file that only the user can read, and returns its path.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.path().join(file);
        let written = platform::new_file().open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| unwritable(&error))?;
        Ok(path)
    }

    /// Sets an environment variable for Helm.
    pub(super) fn set(&mut self, variable: &'static str, value: OsString) {
        self.variables.push((variable, value));
    }

    /// Names the run, as a label's value.
    pub(super) fn run(&self) -> String {
        runs::id(self.folder.path()).unwrap_or_default()
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The path of the kubeconfig. A run that contacts no cluster has none there.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// JSON is YAML too.
    pub(super) fn values(&self) -> PathBuf {
        self.folder.path().join("values.json")
    }

    /// The variables for Helm. Its folders are its own, so that the user's settings and caches change nothing, and are not changed.
    pub(super) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let own = [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")];
        let own = own.map(|(name, folder)| (name, self.folder.path().join(folder).into_os_string()));
        own.into_iter().chain(self.variables.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_owner_can_read_the_files_and_they_are_removed() {
        let workspace = Workspace::for_release(&Kubeconfig::default(), &json!({}), Storage::Secrets).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = workspace.folder.path().to_path_buf();
        assert_eq!(mode(&folder), 0o700);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        }
        drop(workspace);
        assert!(!folder.exists());
    }
}
