//! The settings for Helm.

use std::{collections::BTreeMap, path::PathBuf};

use super::{post_renderer::PostRenderer, source::ChartSource, storage::Storage};
use crate::adapters::access::expand_home;

/// How charts are fetched and installed.
#[derive(Clone, Debug)]
pub struct HelmSettings {
    /// Where the charts come from.
    pub source: ChartSource,
    /// Where single charts come from instead, by the chart's name.
    pub sources: BTreeMap<String, ChartSource>,
    /// A file with logins to OCI registries, for sources without credentials of their own.
    pub registry_config: Option<PathBuf>,
    /// Version of the charts for releases that don't set one.
    pub version: Option<String>,
    /// The program; `None` to look for it.
    pub binary: Option<PathBuf>,
    /// Where releases are stored; `None` while that is unknown, and then releases can't be read either.
    pub storage: Option<Storage>,
    /// How many revisions of a release are kept; 0 for all.
    pub max_history: u32,
    /// Whether objects that exist and belong to no release become part of one.
    pub takes_ownership: bool,
    /// A program that changes the rendered manifests.
    pub post_renderer: Option<PostRenderer>,
    /// Whether Helm checks rendered manifests against the API server's OpenAPI schema.
    pub validates_openapi: bool,
    /// False while a setting is unknown, as in a plan before that exists from which it comes. Releases can be read then, and not written.
    pub is_known: bool,
}

impl HelmSettings {
    /// How many revisions of a release are kept unless it is set.
    pub const MAX_HISTORY: u32 = 5;

    /// The defaults, with charts from a source.
    pub fn from_source(source: ChartSource) -> Self {
        Self {
            source,
            sources: BTreeMap::new(),
            registry_config: None,
            version: None,
            binary: None,
            storage: Some(Storage::Secrets),
            max_history: Self::MAX_HISTORY,
            takes_ownership: false,
            post_renderer: None,
            validates_openapi: true,
            is_known: true,
        }
    }

    /// Returns where a chart comes from.
    pub(super) fn source_of(&self, chart: &str) -> &ChartSource {
        self.sources.get(chart).unwrap_or(&self.source)
    }

    /// The same, with `~` replaced by the home directory.
    pub(super) fn with_home(mut self) -> Self {
        self.source = self.source.with_home();
        self.sources = self.sources.into_iter().map(|(chart, source)| (chart, source.with_home())).collect();
        for path in [&mut self.registry_config, &mut self.binary] {
            *path = path.as_deref().map(expand_home);
        }
        self.post_renderer = self.post_renderer.map(PostRenderer::with_home);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::Repository;

    #[test]
    fn the_home_directory_is_replaced_in_every_path() {
        let Some(home) = std::env::home_dir() else { return };
        let path = |path: &str| Some(PathBuf::from(path));
        let source = ChartSource {
            ca_file: path("~/ca.pem"),
            cert_file: path("~/cert.pem"),
            key_file: path("~/key.pem"),
            ..ChartSource::of(Repository::parse("~/charts").unwrap())
        };
        let settings = HelmSettings {
            sources: BTreeMap::from([("gateway".to_owned(), source.clone())]),
            registry_config: path("~/.config/helm/registry.json"),
            binary: path("~/bin/helm"),
            post_renderer: Some(PostRenderer { program: PathBuf::from("~/bin/patch"), args: Vec::new() }),
            ..HelmSettings::from_source(source)
        };
        let settings = settings.with_home();
        assert_eq!(settings.source.repository, Repository::Directory(home.join("charts")));
        assert!(!format!("{settings:?}").contains('~'), "{settings:?}");
    }
}
