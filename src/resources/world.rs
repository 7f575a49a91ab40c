//! What the resources act on: the configured clusters behind ports, and what one run of the CLI has planned so far.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

#[cfg(test)]
use crate::ports::fakes::{FakeAuthority, FakeClock, FakeObjects, FakeReleases};
use crate::{
    mesh::ClusterKey,
    ports::{Authority, Clock, Objects, Releases, Tokens},
};

/// The world as the provider's configuration opens it.
pub struct World {
    /// The clusters.
    pub clusters: Clusters,
    /// Their objects.
    pub objects: Arc<dyn Objects>,
    /// Their Helm releases.
    pub releases: Arc<dyn Releases>,
    /// Tokens of their service accounts.
    pub tokens: Arc<dyn Tokens>,
    /// Certificates.
    pub authority: Arc<dyn Authority>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The version of Istio for resources that don't set one.
    pub istio_version: Option<String>,
    /// The networks that this run has planned.
    pub networks: Networks,
}

#[cfg(test)]
impl World {
    /// Two clusters of fakes, `us` and `eu`.
    pub(crate) fn fake(objects: &Arc<FakeObjects>, releases: &Arc<FakeReleases>, clock: &FakeClock) -> Self {
        Self {
            clusters: Clusters::Known(BTreeMap::from([("us".to_owned(), true), ("eu".to_owned(), true)])),
            objects: objects.clone(),
            releases: releases.clone(),
            tokens: objects.clone(),
            authority: Arc::new(FakeAuthority::at(clock.clone())),
            clock: Arc::new(clock.clone()),
            istio_version: None,
            networks: Networks::default(),
        }
    }
}

/// The keys of the provider's `clusters`.
#[derive(Clone, Debug)]
pub enum Clusters {
    /// The map as a whole is known only after apply.
    Unknown,
    /// The map; false for a cluster whose access is not known yet.
    Known(BTreeMap<String, bool>),
}

impl Clusters {
    /// Why there is no such cluster; none when there is, or may be.
    pub fn problem(&self, cluster: &ClusterKey) -> Option<String> {
        match self {
            Self::Known(known) if !known.contains_key(cluster.as_str()) => {
                let keys: Vec<_> = known.keys().map(|key| format!("`{key}`")).collect();
                let there_are = if keys.is_empty() { "it names none".to_owned() } else { format!("it has {}", keys.join(", ")) };
                Some(format!("The provider's `clusters` has no cluster `{cluster}`; {there_are}. Add it there, or correct the key."))
            }
            _ => None,
        }
    }

    /// Whether the cluster can be reached with what is known now.
    pub fn is_known(&self, cluster: &ClusterKey) -> bool {
        matches!(self, Self::Known(known) if known.get(cluster.as_str()) == Some(&true))
    }

    /// All keys; none while the map is unknown.
    pub fn keys(&self) -> Option<Vec<ClusterKey>> {
        match self {
            Self::Unknown => None,
            Self::Known(known) => Some(known.keys().filter_map(|key| ClusterKey::parse(key).ok()).collect()),
        }
    }

    /// The clusters that can be reached with what is known now.
    pub fn reachable(&self) -> Vec<ClusterKey> {
        self.keys().unwrap_or_default().into_iter().filter(|key| self.is_known(key)).collect()
    }
}

/// Which clusters are planned on which network of which mesh. The CLI plans all resources in one process, so here they meet.
#[derive(Default)]
pub struct Networks(Mutex<BTreeMap<(String, String), BTreeSet<String>>>);

impl Networks {
    /// Adds a cluster, and returns the others that are on the same network already.
    pub fn join(&self, mesh_id: &str, network: &str, cluster: &str) -> Vec<String> {
        let mut networks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let members = networks.entry((mesh_id.to_owned(), network.to_owned())).or_default();
        members.insert(cluster.to_owned());
        members.iter().filter(|member| *member != cluster).cloned().collect()
    }
}
