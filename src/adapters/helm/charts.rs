//! The charts that this process has fetched: each one once, whatever number of releases are made of it.

use std::{collections::BTreeMap, path::PathBuf};

use framework::Deadline;
use tokio::sync::Mutex;

use super::{HelmSettings, chart, program::Program, source::Repository, workspace::Workspace};
use crate::ports::{Failure, FailureKind};

/// The fetched charts. One fetch at a time, as the second one most likely wants the same.
#[derive(Default)]
pub(super) struct Charts(Mutex<Fetched>);

#[derive(Default)]
struct Fetched {
    /// Removed at the end of the process, and by the next one if this one is killed.
    folder: Option<Workspace>,
    /// The archives by chart and version; `None` for the newest, which so is the same for all clusters.
    charts: BTreeMap<(String, Option<String>), PathBuf>,
}

impl Charts {
    /// Returns the path of a chart, and fetches it at the first call.
    pub(super) async fn get(
        &self,
        program: &Program,
        settings: &HelmSettings,
        title: &str,
        chart: &str,
        version: Option<&str>,
        deadline: &Deadline,
    ) -> Result<PathBuf, Failure> {
        let source = settings.source_of(chart);
        if let Repository::Directory(folder) = &source.repository {
            return chart::in_directory(title, folder, chart, version);
        }
        let waiting = |cut| Failure::cut(cut, title.to_owned(), "waiting for another chart to be fetched");
        let mut fetched = deadline.bound(self.0.lock()).await.map_err(waiting)?;
        let key = (chart.to_owned(), version.map(str::to_owned));
        if let Some(path) = fetched.charts.get(&key) {
            return Ok(path.clone());
        }
        let number = fetched.charts.len();
        if fetched.folder.is_none() {
            fetched.folder = Some(Workspace::empty()?);
        }
        let folder = match &fetched.folder {
            Some(workspace) => workspace.create(&[&format!("cache/{number}")])?,
            None => return Err(Failure::new(FailureKind::Other, title, "There is no folder for charts.")),
        };
        // What Helm needs for this alone, credentials among them, is gone right afterwards.
        let workspace = Workspace::empty()?;
        let credentials = source.credentials_arguments(&workspace, settings.registry_config.as_deref())?;
        if source.is_named() {
            program.update_index(title, &credentials, &workspace, deadline).await?;
        }
        let mut arguments = vec!["pull".to_owned()];
        arguments.extend(source.arguments(chart, version));
        arguments.extend(["--destination".to_owned(), folder.display().to_string()]);
        arguments.extend(credentials);
        program.run(title, &arguments, &workspace, deadline).await?;
        let archives = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let archive = archives.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "tgz"));
        let archive = archive.ok_or_else(|| {
            Failure::new(FailureKind::Other, title, format!("Helm reported success, but the chart `{chart}` was not downloaded."))
        })?;
        fetched.charts.insert(key, archive.clone());
        Ok(archive)
    }
}
