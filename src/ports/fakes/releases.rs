//! Helm releases in memory.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{Key, lock};
use crate::{
    data::{Deployed, Mark, Release, ReleaseStatus},
    ports::{Failure, Releases},
};
use framework::Deadline;

/// Releases that are what was asked for at once.
#[derive(Default)]
pub struct FakeReleases {
    releases: Mutex<BTreeMap<Key, Deployed>>,
    failure: Mutex<Option<(String, Failure)>>,
    owning: Mutex<Vec<String>>,
}

impl FakeReleases {
    /// From now on applying the release of this name fails, when it is already half there, as does fetching a chart of this name.
    pub fn fail(&self, name: &str, failure: Failure) {
        *lock(&self.failure) = Some((name.to_owned(), failure));
    }

    /// The names of the releases that were to take over objects of others, in their order.
    pub fn owning(&self) -> Vec<String> {
        lock(&self.owning).clone()
    }

    /// Nothing fails from now on.
    pub fn mend(&self) {
        *lock(&self.failure) = None;
    }

    /// Changes the values of a release, as somebody else would.
    pub fn apply_values(&self, cluster: &str, name: &str, change: impl FnOnce(&mut Json)) {
        let mut releases = lock(&self.releases);
        change(&mut releases.get_mut(&(cluster.to_owned(), name.to_owned())).expect("the release").values);
    }

    /// Puts the mark of an unfinished create on a release.
    pub fn mark(&self, cluster: &str, namespace: &str, name: &str, mark: Mark) {
        self.change(cluster, namespace, name, |deployed| deployed.mark = Some(mark));
    }

    /// Upgrades a release as somebody else.
    pub fn give_away(&self, cluster: &str, namespace: &str, name: &str) {
        self.change(cluster, namespace, name, |deployed| (deployed.is_ours, deployed.mark) = (false, None));
    }

    /// Makes a new revision of a release that is like the last one, as somebody else.
    pub fn upgrade_by_others(&self, cluster: &str, namespace: &str, name: &str) {
        self.give_away(cluster, namespace, name);
        self.change(cluster, namespace, name, |deployed| deployed.revision += 1);
    }

    /// Lets a release consist of these objects.
    pub fn set_manifest(&self, cluster: &str, namespace: &str, name: &str, manifest: Vec<Json>) {
        self.change(cluster, namespace, name, |deployed| deployed.manifest = manifest);
    }

    /// Returns the number of a release's newest revision.
    pub fn revision(&self, cluster: &str, namespace: &str, name: &str) -> u64 {
        lock(&self.releases).get(&(cluster.to_owned(), format!("{namespace}/{name}"))).expect("the release").revision
    }

    fn change(&self, cluster: &str, namespace: &str, name: &str, change: impl FnOnce(&mut Deployed)) {
        change(lock(&self.releases).get_mut(&(cluster.to_owned(), format!("{namespace}/{name}"))).expect("the release"));
    }

    /// The names of a cluster's releases.
    pub fn names(&self, cluster: &str) -> Vec<String> {
        lock(&self.releases).keys().filter(|(of, _)| of == cluster).map(|(_, name)| name.clone()).collect()
    }
}

#[async_trait]
impl Releases for FakeReleases {
    fn locate(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn fetch(&self, chart: &str, version: Option<&str>, _: &Deadline) -> Result<String, Failure> {
        let failure = lock(&self.failure).clone().filter(|(name, _)| name == chart);
        failure.map_or_else(|| Ok(version.unwrap_or("1.31.0").to_owned()), |(_, failure)| Err(failure))
    }

    async fn apply(&self, cluster: &str, release: &Release, mark: Option<&Mark>, _: &Deadline) -> Result<Deployed, Failure> {
        let failure = lock(&self.failure).clone().filter(|(name, _)| *name == release.name).map(|(_, failure)| failure);
        let at = (cluster.to_owned(), format!("{}/{}", release.namespace, release.name));
        let mut releases = lock(&self.releases);
        let deployed = Deployed {
            name: release.name.clone(),
            namespace: release.namespace.clone(),
            revision: releases.get(&at).map_or(1, |deployed| deployed.revision + 1),
            status: if failure.is_some() { ReleaseStatus::Failed } else { ReleaseStatus::Deployed },
            chart: release.chart.clone(),
            version: release.version.clone().unwrap_or_else(|| "1.31.0".to_owned()),
            app_version: "1.31.0".to_owned(),
            values: release.values.clone(),
            manifest: Vec::new(),
            unreadable: Vec::new(),
            description: "by a fake".to_owned(),
            is_ours: true,
            // As Helm does with labels.
            mark: mark.cloned().or_else(|| releases.get(&at)?.mark.clone()),
        };
        if release.takes_ownership {
            lock(&self.owning).push(release.name.clone());
        }
        releases.insert(at, deployed.clone());
        failure.map_or(Ok(deployed), Err)
    }

    async fn unmark(&self, cluster: &str, namespace: &str, name: &str, _: &Deadline) -> Result<(), Failure> {
        if let Some(deployed) = lock(&self.releases).get_mut(&(cluster.to_owned(), format!("{namespace}/{name}"))) {
            deployed.mark = None;
        }
        Ok(())
    }

    async fn forget(&self, cluster: &str, namespace: &str, name: &str, _: &Deadline) -> Result<(), Failure> {
        lock(&self.releases).remove(&(cluster.to_owned(), format!("{namespace}/{name}")));
        Ok(())
    }

    async fn get(&self, cluster: &str, namespace: &str, name: &str, _: &Deadline) -> Result<Option<Deployed>, Failure> {
        Ok(lock(&self.releases).get(&(cluster.to_owned(), format!("{namespace}/{name}"))).cloned())
    }

    async fn list(&self, cluster: &str, namespace: Option<&str>, charts: &[&str], _: &Deadline) -> Result<Vec<Deployed>, Failure> {
        let releases = lock(&self.releases);
        Ok(releases
            .iter()
            .filter(|((of, _), live)| of == cluster && charts.contains(&live.chart.as_str()))
            .filter(|(_, live)| namespace.is_none_or(|namespace| live.namespace == namespace))
            .map(|(_, live)| live.clone())
            .collect())
    }

    async fn remove(&self, cluster: &str, namespace: &str, name: &str, _: &Deadline) -> Result<Vec<String>, Failure> {
        lock(&self.releases).remove(&(cluster.to_owned(), format!("{namespace}/{name}")));
        Ok(Vec::new())
    }
}
