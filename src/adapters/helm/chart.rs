//! Where charts come from: an HTTP repository, an OCI registry, or a directory.

use std::path::{Path, PathBuf};

use super::workspace::REPOSITORY;
use crate::{
    adapters::access::expand_home,
    data::Secret,
    ports::{Failure, FailureKind},
};

/// How charts are fetched and installed.
#[derive(Clone, Debug)]
pub struct HelmSettings {
    /// Where the charts come from.
    pub repository: Repository,
    /// Version of the charts for releases that don't set one.
    pub version: Option<String>,
    /// The program; `None` to look for it.
    pub binary: Option<PathBuf>,
    /// User name for the repository.
    pub username: Option<String>,
    /// Password for the repository.
    pub password: Option<Secret>,
    /// Whether to use plain HTTP for an OCI registry.
    pub plain_http: bool,
    /// The repository's certificate authority, a file.
    pub ca_file: Option<PathBuf>,
    /// False while a setting is unknown, as in a plan before that exists from which it comes. Releases can be read then, and not written.
    pub is_known: bool,
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

impl HelmSettings {
    /// The same, with `~` replaced by the home directory.
    pub(super) fn with_home(mut self) -> Self {
        if let Repository::Directory(folder) = &mut self.repository {
            *folder = expand_home(folder);
        }
        self.binary = self.binary.as_deref().map(expand_home);
        self.ca_file = self.ca_file.as_deref().map(expand_home);
        self
    }

    /// Returns the arguments by which Helm gets a chart. No credentials are among them.
    pub(super) fn source(&self, title: &str, chart: &str, version: Option<&str>) -> Result<Vec<String>, Failure> {
        let has_credentials = self.username.is_some() && self.password.is_some();
        let (mut arguments, version) = match &self.repository {
            Repository::Http(_) if has_credentials => (vec![format!("{REPOSITORY}/{chart}")], version),
            Repository::Http(url) => (vec![chart.to_owned(), "--repo".to_owned(), url.clone()], version),
            Repository::Oci(url) => (vec![format!("{url}/{chart}")], version),
            // Helm ignores `--version` for a path.
            Repository::Directory(folder) => (vec![in_directory(title, folder, chart, version)?.display().to_string()], None),
        };
        if let Some(version) = version {
            arguments.extend(["--version".to_owned(), version.to_owned()]);
        }
        if self.plain_http {
            arguments.push("--plain-http".to_owned());
        }
        if let Some(file) = &self.ca_file {
            arguments.extend(["--ca-file".to_owned(), file.display().to_string()]);
        }
        Ok(arguments)
    }
}

/// Returns the path of a chart in a directory: the chart's own directory, or an archive such as `istiod-1.31.0.tgz`.
fn in_directory(title: &str, folder: &Path, chart: &str, version: Option<&str>) -> Result<PathBuf, Failure> {
    let unpacked = folder.join(chart);
    let fits = |found: &semver::Version| version.is_none_or(|wanted| parse(wanted).is_none_or(|wanted| wanted == *found));
    let unpacked_version = version_of(&unpacked);
    if unpacked.join("Chart.yaml").is_file() && unpacked_version.as_ref().is_none_or(fits) {
        return Ok(unpacked);
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut archives: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = parse(name.strip_prefix(chart)?.strip_prefix('-')?.strip_suffix(".tgz")?)?;
            Some((version, entry.path()))
        })
        .collect();
    archives.sort();
    let found: Vec<_> = archives.iter().map(|(version, _)| version).chain(&unpacked_version).map(ToString::to_string).collect();
    match (archives.into_iter().rfind(|(version, _)| fits(version)), version) {
        (Some((_, archive)), _) => Ok(archive),
        (None, Some(version)) if !found.is_empty() => {
            let why = format!("{} has the chart `{chart}` in version {}, and {version} is wanted.", folder.display(), found.join(", "));
            Err(Failure::new(FailureKind::NotFound, title, why).advice(
                "Correct the version (`helm.version` of the provider, or `istio_version` of the resource), or put that chart into the directory.",
            ))
        }
        (None, _) => {
            let why = format!("{} has neither a directory `{chart}` with a chart nor an archive `{chart}-VERSION.tgz`.", folder.display());
            Err(Failure::new(FailureKind::NotFound, title, why).advice("Correct the provider's `helm.repository`."))
        }
    }
}

/// Returns the version in the file `Chart.yaml` of a directory.
fn version_of(chart: &Path) -> Option<semver::Version> {
    let file = std::fs::read_to_string(chart.join("Chart.yaml")).ok()?;
    let chart: serde_json::Value = serde_saphyr::from_str(&file).ok()?;
    parse(chart["version"].as_str()?)
}

/// Parses a version, with a `v` or without. What is built from is no part of it.
fn parse(version: &str) -> Option<semver::Version> {
    let version = semver::Version::parse(version.trim_start_matches('v')).ok()?;
    Some(semver::Version { build: semver::BuildMetadata::EMPTY, ..version })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn settings(repository: &str) -> HelmSettings {
        HelmSettings {
            repository: Repository::parse(repository).unwrap(),
            version: None,
            binary: None,
            username: None,
            password: None,
            plain_http: false,
            ca_file: Some(PathBuf::from("~/ca.pem")),
            is_known: true,
        }
    }

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
    fn a_chart_is_found_in_a_directory_or_an_archive() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder.path().display().to_string());
        let find = |chart: &str, version| settings.source("Can't", chart, version).map(|arguments| arguments[0].clone());
        for archive in ["base-1.31.0.tgz", "base-1.9.0.tgz", "base-1.30.2.tgz", "base-notes.tgz"] {
            fs::write(folder.path().join(archive), "").unwrap();
        }
        fs::create_dir(folder.path().join("istiod")).unwrap();
        fs::write(folder.path().join("istiod/Chart.yaml"), "name: istiod\nversion: 1.31.0\n").unwrap();
        assert!(find("base", Some("1.30.2")).unwrap().ends_with("base-1.30.2.tgz"));
        assert!(find("base", None).unwrap().ends_with("base-1.31.0.tgz"), "the newest");
        assert!(find("istiod", Some("1.31.0")).unwrap().ends_with("istiod"));
        assert!(find("istiod", None).unwrap().ends_with("istiod"));
    }

    #[test]
    fn another_version_than_wanted_is_not_installed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("istiod")).unwrap();
        fs::write(folder.path().join("istiod/Chart.yaml"), "version: 1.31.0\n").unwrap();
        let settings = settings(&folder.path().display().to_string());
        let why = settings.source("Can't", "istiod", Some("1.32.0")).unwrap_err().why;
        assert!(why.contains("in version 1.31.0, and 1.32.0 is wanted"), "{why}");
        let why = settings.source("Can't", "gateway", None).unwrap_err().why;
        assert!(why.contains("neither a directory `gateway`"), "{why}");
    }

    #[test]
    fn the_home_directory_is_replaced_in_every_path() {
        let Some(home) = std::env::home_dir() else { return };
        let settings = HelmSettings { binary: Some(PathBuf::from("~/bin/helm")), ..settings("~/charts") }.with_home();
        assert_eq!(settings.repository, Repository::Directory(home.join("charts")));
        assert_eq!((settings.binary, settings.ca_file), (Some(home.join("bin/helm")), Some(home.join("ca.pem"))));
    }
}
