//! The files of one run of Helm: in a folder of its own that only the user can read, and that is removed when the run is over.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use base64::Engine as _;
use kube::config::Kubeconfig;
use serde_json::{Value as Json, json};

use super::{HelmSettings, Repository};
use crate::adapters::runs;
use crate::ports::{Failure, FailureKind};

/// The name of a repository with credentials.
pub(super) const REPOSITORY: &str = "mesh";

/// The folder of one run.
pub(super) struct Workspace {
    folder: tempfile::TempDir,
    /// Shows other providers that this one is alive.
    _lock: fs::File,
    has_registry_credentials: bool,
    has_repository_credentials: bool,
}

impl Workspace {
    /// Creates the folder, with kubeconfig, values and the repository's credentials.
    pub(super) fn new(kubeconfig: &Kubeconfig, values: &Json, settings: &HelmSettings) -> Result<Self, Failure> {
        let unwritable = |error: &dyn ToString| {
            Failure::new(
                FailureKind::Other,
                "Can't prepare Helm",
                "The files that Helm needs can't be written to the folder for temporary files.",
            )
            .raw(error.to_string())
        };
        let (folder, lock) = runs::folder().map_err(|error| unwritable(&error))?;
        let kubeconfig = serde_saphyr::to_string(kubeconfig).map_err(|error| unwritable(&error))?;
        let mut workspace = Self { folder, _lock: lock, has_registry_credentials: false, has_repository_credentials: false };
        let mut files = vec![("kubeconfig", kubeconfig), ("values.json", values.to_string())];
        if let (Some(username), Some(password)) = (&settings.username, &settings.password) {
            match &settings.repository {
                Repository::Oci(url) => {
                    files.push(("registry.json", registry_config(url, username, password.reveal())));
                    workspace.has_registry_credentials = true;
                }
                Repository::Http(url) => {
                    files.push(("repositories.yaml", repositories(url, username, password.reveal(), settings.ca_file.as_deref())));
                    workspace.has_repository_credentials = true;
                }
                Repository::Directory(_) => {}
            }
        }
        for folder in ["cache", "config", "data"] {
            fs::DirBuilder::new().mode(0o700).create(workspace.path(folder)).map_err(|error| unwritable(&error))?;
        }
        for (file, text) in files {
            let written = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(workspace.path(file))
                .and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|error| unwritable(&error))?;
        }
        Ok(workspace)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Names the run, as a label's value.
    pub(super) fn run(&self) -> String {
        runs::id(self.folder.path()).unwrap_or_default()
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// JSON is YAML too.
    pub(super) fn values(&self) -> PathBuf {
        self.path("values.json")
    }

    /// Returns whether the repository has a name; its index must be fetched first.
    pub(super) fn has_named_repository(&self) -> bool {
        self.has_repository_credentials
    }

    /// Returns the arguments that name the files with credentials. Every user of the machine can read arguments themselves.
    pub(super) fn credentials_arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if self.has_registry_credentials {
            arguments.extend(["--registry-config".to_owned(), self.path("registry.json").display().to_string()]);
        }
        if self.has_repository_credentials {
            arguments.extend(["--repository-config".to_owned(), self.path("repositories.yaml").display().to_string()]);
        }
        arguments
    }

    /// Helm's own folders, so that the user's settings and caches change nothing, and are not changed.
    pub(super) fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [("HELM_CACHE_HOME", self.path("cache")), ("HELM_CONFIG_HOME", self.path("config")), ("HELM_DATA_HOME", self.path("data"))]
    }
}

fn registry_config(url: &str, username: &str, password: &str) -> String {
    let host = url.trim_start_matches("oci://").split('/').next().unwrap_or_default();
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
    json!({"auths": {host: {"auth": auth}}}).to_string()
}

/// Returns Helm's list of repositories with one that has a name and credentials. With `--repo`, Helm ignores these credentials.
fn repositories(url: &str, username: &str, password: &str, ca_file: Option<&Path>) -> String {
    json!({"apiVersion": "", "repositories": [{
        "name": REPOSITORY, "url": url, "username": username, "password": password, "caFile": ca_file.unwrap_or(Path::new("")),
        "pass_credentials_all": false,
    }]})
    .to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::data::Secret;

    #[test]
    fn only_the_owner_can_read_the_files_and_they_are_removed() {
        let settings = HelmSettings {
            repository: Repository::Oci("oci://charts.example/istio".to_owned()),
            version: None,
            binary: None,
            username: Some("me".to_owned()),
            password: Some(Secret::new("pass")),
            plain_http: false,
            ca_file: None,
            is_known: true,
        };
        let workspace = Workspace::new(&Kubeconfig::default(), &json!({}), &settings).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = workspace.folder.path().to_path_buf();
        assert_eq!(mode(&folder), 0o700);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        }
        assert!(!workspace.credentials_arguments().concat().contains("pass"));
        drop(workspace);
        assert!(!folder.exists());
    }
}
