//! Charts in a directory.

use std::path::{Path, PathBuf};

use crate::ports::{Failure, FailureKind};

/// Returns the path of a chart in a directory: the chart's own directory, or an archive such as `istiod-1.31.0.tgz`.
pub(super) fn in_directory(title: &str, folder: &Path, chart: &str, version: Option<&str>) -> Result<PathBuf, Failure> {
    let unpacked = folder.join(chart);
    let fits = |found: &semver::Version| version.is_none_or(|wanted| parse(wanted).is_none_or(|wanted| wanted == *found));
    let unpacked_version = version_of(&unpacked);
    if unpacked.join("Chart.yaml").is_file() && unpacked_version.as_ref().is_none_or(fits) {
        return Ok(unpacked);
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut archives: Vec<_> =
        entries.filter_map(|entry| Some((version_in_name(&entry.file_name().into_string().ok()?, chart)?, entry.path()))).collect();
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

/// Returns the version of the chart at a path: an archive, or the chart's own directory.
pub(super) fn version_at(path: &Path, chart: &str) -> Option<semver::Version> {
    if path.is_dir() { version_of(path) } else { version_in_name(path.file_name()?.to_str()?, chart) }
}

/// Returns the version in the name of an archive, `istiod-1.31.0.tgz`.
fn version_in_name(name: &str, chart: &str) -> Option<semver::Version> {
    parse(name.strip_prefix(chart)?.strip_prefix('-')?.strip_suffix(".tgz")?)
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

    #[test]
    fn a_chart_is_found_in_a_directory_or_an_archive() {
        let folder = tempfile::tempdir().unwrap();
        let find = |chart: &str, version| in_directory("Can't", folder.path(), chart, version);
        for archive in ["base-1.31.0.tgz", "base-1.9.0.tgz", "base-1.30.2.tgz", "base-notes.tgz"] {
            fs::write(folder.path().join(archive), "").unwrap();
        }
        fs::create_dir(folder.path().join("istiod")).unwrap();
        fs::write(folder.path().join("istiod/Chart.yaml"), "name: istiod\nversion: 1.31.0\n").unwrap();
        assert!(find("base", Some("1.30.2")).unwrap().ends_with("base-1.30.2.tgz"));
        assert!(find("base", None).unwrap().ends_with("base-1.31.0.tgz"), "the newest");
        assert!(find("istiod", Some("1.31.0")).unwrap().ends_with("istiod"));
        assert!(find("istiod", None).unwrap().ends_with("istiod"));
        let version = |chart: &str| version_at(&find(chart, None).unwrap(), chart).unwrap().to_string();
        assert_eq!((version("base"), version("istiod")), ("1.31.0".to_owned(), "1.31.0".to_owned()));
    }

    #[test]
    fn another_version_than_wanted_is_not_installed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("istiod")).unwrap();
        fs::write(folder.path().join("istiod/Chart.yaml"), "version: 1.31.0\n").unwrap();
        let why = in_directory("Can't", folder.path(), "istiod", Some("1.32.0")).unwrap_err().why;
        assert!(why.contains("in version 1.31.0, and 1.32.0 is wanted"), "{why}");
        let why = in_directory("Can't", folder.path(), "gateway", None).unwrap_err().why;
        assert!(why.contains("neither a directory `gateway`"), "{why}");
    }
}
