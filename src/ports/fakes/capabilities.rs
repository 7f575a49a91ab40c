//! API servers of one version whose credentials allow everything, unless a test says otherwise.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use framework::Deadline;

use super::{FakeObjects, lock};
use crate::{
    data::{Permission, Rule, Rules},
    ports::{Capabilities, Failure},
};

/// What API servers are said to answer, by cluster.
#[derive(Default)]
pub(super) struct Scripted {
    versions: Mutex<BTreeMap<String, String>>,
    rules: Mutex<BTreeMap<String, Rules>>,
    /// What is allowed beside the rules, as by a cloud's access management.
    allowed: Mutex<Vec<Permission>>,
    /// How often single permissions were asked for.
    asked: Mutex<usize>,
}

impl FakeObjects {
    /// From now on a cluster has this version of Kubernetes.
    pub fn set_version(&self, cluster: &str, version: &str) {
        let mut versions = lock(&self.capabilities.versions);
        versions.insert(cluster.to_owned(), version.to_owned());
    }

    /// From now on the credentials of a cluster have these rules only.
    pub fn set_rules(&self, cluster: &str, rules: Rules) {
        lock(&self.capabilities.rules).insert(cluster.to_owned(), rules);
    }

    /// From now on this is allowed, whatever the rules are.
    pub fn allow(&self, permission: Permission) {
        lock(&self.capabilities.allowed).push(permission);
    }

    /// How often it was asked for a single permission.
    pub fn asked_for_permissions(&self) -> usize {
        *lock(&self.capabilities.asked)
    }

    /// Fails if every call to the cluster does.
    fn reached(&self, cluster: &str) -> Result<&Scripted, Failure> {
        self.check_cluster(cluster).map(|()| &self.capabilities)
    }
}

#[async_trait]
impl Capabilities for FakeObjects {
    async fn version(&self, cluster: &str, _: &Deadline) -> Result<String, Failure> {
        let versions = lock(&self.reached(cluster)?.versions);
        Ok(versions.get(cluster).cloned().unwrap_or_else(|| "v1.34.4".to_owned()))
    }

    async fn user(&self, cluster: &str, _: &Deadline) -> Result<Option<String>, Failure> {
        self.reached(cluster).map(|_| Some("ann".to_owned()))
    }

    async fn rules(&self, cluster: &str, _: &str, _: &Deadline) -> Result<Rules, Failure> {
        let rules = lock(&self.reached(cluster)?.rules);
        let all = || vec!["*".to_owned()];
        let everything = || Rule { groups: all(), resources: all(), verbs: all(), names: Vec::new() };
        Ok(rules.get(cluster).cloned().unwrap_or_else(|| Rules { rules: vec![everything()], is_complete: true }))
    }

    async fn allows(&self, cluster: &str, permission: &Permission, deadline: &Deadline) -> Result<bool, Failure> {
        let rules = self.rules(cluster, "", deadline).await?;
        *lock(&self.capabilities.asked) += 1;
        let allowed = lock(&self.capabilities.allowed);
        Ok(rules.allow(permission) || allowed.contains(permission))
    }
}
