//! Where charts come from: an HTTP repository, an OCI registry, or a directory; and how Helm is to fetch them.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::json;

use super::workspace::Workspace;
use crate::{adapters::access::expand_home, data::Secret, ports::Failure};

/// The name of a repository with credentials.
pub(super) const REPOSITORY: &str = "mesh";

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
    /// Parses a URL or a path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text.trim_end_matches('/').to_owned();
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        if bare.contains("://") && rest.split('/').next().is_some_and(|host| host.contains('@')) {
            // Helm gets it as an argument, which everybody on the machine can read, and shows it in its errors.
            return Err("The URL must not hold a user name or a password: set `username` and `password` instead.".to_owned());
        }
        match text.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() => Ok(Self::Http(bare)),
            Some(("oci", rest)) if !rest.is_empty() => Ok(Self::Oci(bare)),
            None if !text.is_empty() => Ok(Self::Directory(PathBuf::from(text))),
            _ => Err(format!(
                "`{text}` is not a valid source of charts. It must be an `https://…` repository, an `oci://…` registry, or a directory."
            )),
        }
    }
}

/// A repository, and how it is accessed.
#[derive(Clone, Debug)]
pub struct ChartSource {
    /// The repository.
    pub repository: Repository,
    /// User name and password.
    pub credentials: Option<(String, Secret)>,
    /// Whether the credentials are also sent to other hosts from which the repository's index has charts downloaded.
    pub passes_credentials: bool,
    /// Whether to use plain HTTP for an OCI registry.
    pub plain_http: bool,
    /// The certificate authority of the repository, a file.
    pub ca_file: Option<PathBuf>,
    /// The client certificate for the repository, a file.
    pub cert_file: Option<PathBuf>,
    /// The private key of the client certificate, a file.
    pub key_file: Option<PathBuf>,
    /// Whether to accept any certificate of the repository.
    pub insecure: bool,
}

impl ChartSource {
    /// A repository that anyone can read.
    pub fn of(repository: Repository) -> Self {
        Self {
            repository,
            credentials: None,
            passes_credentials: false,
            plain_http: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            insecure: false,
        }
    }

    pub(super) fn with_home(mut self) -> Self {
        if let Repository::Directory(folder) = &mut self.repository {
            *folder = expand_home(folder);
        }
        for path in [&mut self.ca_file, &mut self.cert_file, &mut self.key_file] {
            *path = path.as_deref().map(expand_home);
        }
        self
    }

    /// Returns whether the repository is used by a name. Its index must be fetched first. With `--repo`, Helm takes credentials as arguments
    /// only.
    pub(super) fn is_named(&self) -> bool {
        matches!(self.repository, Repository::Http(_)) && self.credentials.is_some()
    }

    /// Writes the files with credentials to the folder of a run, and returns the arguments that name them. Every user of the machine can read
    /// arguments themselves.
    pub(super) fn credentials_arguments(&self, workspace: &Workspace, registry_config: Option<&Path>) -> Result<Vec<String>, Failure> {
        let (flag, path) = match (&self.repository, &self.credentials) {
            (Repository::Oci(url), Some((username, password))) => {
                ("--registry-config", workspace.write("registry.json", &registry_logins(url, username, password.reveal()))?)
            }
            (Repository::Http(url), Some((username, password))) => {
                ("--repository-config", workspace.write("repositories.yaml", &self.repositories(url, username, password.reveal()))?)
            }
            (Repository::Oci(_), None) => match registry_config {
                Some(path) => ("--registry-config", path.to_path_buf()),
                None => return Ok(Vec::new()),
            },
            (Repository::Http(_), None) | (Repository::Directory(_), _) => return Ok(Vec::new()),
        };
        Ok(vec![flag.to_owned(), path.display().to_string()])
    }

    /// Returns the arguments by which Helm pulls a chart. No credentials are among them.
    pub(super) fn arguments(&self, chart: &str, version: Option<&str>) -> Vec<String> {
        let mut arguments = match &self.repository {
            Repository::Http(_) if self.is_named() => vec![format!("{REPOSITORY}/{chart}")],
            Repository::Http(url) => vec![chart.to_owned(), "--repo".to_owned(), url.clone()],
            Repository::Oci(url) => vec![format!("{url}/{chart}")],
            Repository::Directory(folder) => vec![folder.join(chart).display().to_string()],
        };
        if let Some(version) = version {
            arguments.extend(["--version".to_owned(), version.to_owned()]);
        }
        for (flag, file) in [("--ca-file", &self.ca_file), ("--cert-file", &self.cert_file), ("--key-file", &self.key_file)] {
            arguments.extend(file.iter().flat_map(|file| [flag.to_owned(), file.display().to_string()]));
        }
        let switches = [
            ("--plain-http", self.plain_http),
            ("--insecure-skip-tls-verify", self.insecure),
            ("--pass-credentials", self.passes_credentials),
        ];
        arguments.extend(switches.into_iter().filter(|(_, on)| *on).map(|(flag, _)| flag.to_owned()));
        arguments
    }

    /// Returns Helm's list of repositories with one that has a name and credentials.
    fn repositories(&self, url: &str, username: &str, password: &str) -> String {
        let file = |path: &Option<PathBuf>| path.as_deref().unwrap_or(Path::new("")).display().to_string();
        json!({"apiVersion": "", "repositories": [{
            "name": REPOSITORY, "url": url, "username": username, "password": password, "caFile": file(&self.ca_file),
            "certFile": file(&self.cert_file), "keyFile": file(&self.key_file), "insecure_skip_tls_verify": self.insecure,
            "pass_credentials_all": self.passes_credentials,
        }]})
        .to_string()
    }
}

fn registry_logins(url: &str, username: &str, password: &str) -> String {
    let host = url.trim_start_matches("oci://").split('/').next().unwrap_or_default();
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
    json!({"auths": {host: {"auth": auth}}}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_a_url_are_refused_and_not_shown() {
        for url in ["https://ann:s3cret@charts.example/istio", "oci://ann:s3cret@registry.example/istio"] {
            let error = Repository::parse(url).unwrap_err();
            assert!(error.contains("`username` and `password`") && !error.contains("s3cret"), "{error}");
        }
        assert!(Repository::parse("https://charts.example/a@b").is_ok());
        assert!(Repository::parse("ftp://x").unwrap_err().contains("must be"));
    }

    #[test]
    fn credentials_are_in_a_file_and_everything_else_among_the_arguments() {
        let file = |name: &str| Some(PathBuf::from(name));
        let source = ChartSource {
            credentials: Some(("ann".to_owned(), Secret::new("s3cret"))),
            passes_credentials: true,
            ca_file: file("ca.pem"),
            cert_file: file("cert.pem"),
            key_file: file("key.pem"),
            insecure: true,
            ..ChartSource::of(Repository::parse("https://charts.example/").unwrap())
        };
        let workspace = Workspace::empty().unwrap();
        let named = source.credentials_arguments(&workspace, None).unwrap();
        assert_eq!(named[0], "--repository-config");
        let written = std::fs::read_to_string(&named[1]).unwrap();
        for part in ["s3cret", "\"certFile\":\"cert.pem\"", "\"insecure_skip_tls_verify\":true", "\"pass_credentials_all\":true"] {
            assert!(written.contains(part), "{part}: {written}");
        }
        let arguments = source.arguments("istiod", Some("1.31.0")).join(" ");
        assert_eq!(
            arguments,
            "mesh/istiod --version 1.31.0 --ca-file ca.pem --cert-file cert.pem --key-file key.pem --insecure-skip-tls-verify --pass-credentials"
        );
    }

    #[test]
    fn a_registry_without_credentials_of_its_own_has_those_of_an_earlier_login() {
        let logins = Path::new("/home/ann/registry.json");
        let open = ChartSource::of(Repository::parse("oci://registry.example/istio").unwrap());
        let workspace = Workspace::empty().unwrap();
        assert_eq!(open.credentials_arguments(&workspace, Some(logins)).unwrap(), ["--registry-config", "/home/ann/registry.json"]);
        let own = ChartSource { credentials: Some(("ann".to_owned(), Secret::new("s3cret"))), plain_http: true, ..open };
        let named = own.credentials_arguments(&workspace, Some(logins)).unwrap();
        assert!(named[1].starts_with(&workspace.folder().display().to_string()), "{named:?}");
        assert_eq!(own.arguments("base", None), ["oci://registry.example/istio/base", "--plain-http"]);
    }
}
