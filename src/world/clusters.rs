//! The keys of the provider's `clusters`, and whether each can be contacted.

use std::collections::BTreeMap;

use framework::{AttributePath, Cx, Error, Report, Set, Value};

use super::World;
use crate::mesh::ClusterKey;

/// The keys of the provider's `clusters`.
#[derive(Clone, Debug)]
pub enum Clusters {
    /// The map as a whole is known only after apply.
    Unknown,
    /// The map; false for a cluster whose access is not known yet.
    Known(BTreeMap<String, bool>),
}

impl Clusters {
    /// Describes the problem if the cluster isn't configured; `None` if it is, or if that isn't known yet.
    pub fn problem(&self, cluster: &ClusterKey) -> Option<String> {
        match self {
            Self::Known(known) if !known.contains_key(cluster.as_str()) => {
                let keys: Vec<_> = known.keys().map(|key| format!("`{key}`")).collect();
                let there_are = if keys.is_empty() { "it is empty".to_owned() } else { format!("it has {}", keys.join(", ")) };
                Some(format!("The provider's `clusters` has no cluster `{cluster}`; {there_are}. Add it there, or correct the key."))
            }
            _ => None,
        }
    }

    /// Whether enough is known to contact the cluster.
    pub fn is_known(&self, cluster: &ClusterKey) -> bool {
        matches!(self, Self::Known(known) if known.get(cluster.as_str()) == Some(&true))
    }

    /// Returns all keys, unless the map is unknown.
    pub fn keys(&self) -> Option<Vec<ClusterKey>> {
        match self {
            Self::Unknown => None,
            Self::Known(known) => Some(known.keys().filter_map(|key| ClusterKey::parse(key).ok()).collect()),
        }
    }

    /// Returns the clusters of which enough is known to contact them.
    pub fn reachable(&self) -> Vec<ClusterKey> {
        self.keys().unwrap_or_default().into_iter().filter(|key| self.is_known(key)).collect()
    }
}

/// Returns the clusters that an attribute names; all of the provider's `clusters` if it is not set.
pub(crate) fn chosen_clusters(wanted: &Value<Set<String>>, cx: &Cx<'_, World>) -> Result<Vec<ClusterKey>, Error> {
    let wanted = match wanted {
        Value::Value(keys) => Some(keys.iter().filter_map(|key| ClusterKey::parse(key.as_ref_option()?).ok()).collect()),
        _ => cx.world.clusters.keys(),
    };
    wanted.ok_or_else(|| cx.defer("The map `clusters`"))
}

/// Reports a key that isn't one of the provider's `clusters`.
pub(crate) fn check_cluster(world: Option<&World>, cluster: &ClusterKey, path: AttributePath, report: &mut Report) {
    if let Some(problem) = world.and_then(|world| world.clusters.problem(cluster)) {
        report.error(Error::new("Unknown cluster", problem).at(path));
    }
}

/// Reports that something in a cluster can't be destroyed, as the cluster is no longer one of the provider's `clusters`.
pub(crate) fn check_destroyable(world: Option<&World>, cluster: &Value<String>, report: &mut Report) {
    let key = cluster.as_ref_option().and_then(|key| ClusterKey::parse(key).ok());
    let Some(key) = key.filter(|key| world.is_some_and(|world| world.clusters.problem(key).is_some())) else { return };
    report.error(Error::new(
        format!("No access to cluster \"{key}\""),
        format!(
            "The object is in cluster \"{key}\", which is missing in the provider's `clusters`, so it can't be destroyed. Keep a cluster in \
             `clusters` until everything in it is destroyed, and remove it in a second apply.\n\nIf the cluster no longer exists, or should keep \
             the object, run `terraform state rm` (or `tofu state rm`) with the resource's address instead."
        ),
    ));
}

/// The error of a cluster that isn't one of the provider's `clusters`, or of which not enough is known to contact it.
pub(crate) fn reachable(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<(), Error> {
    if let Some(problem) = cx.world.clusters.problem(cluster) {
        return Err(Error::new("Unknown cluster", problem));
    }
    if cx.world.clusters.is_known(cluster) { Ok(()) } else { Err(cx.defer(&format!("The access to cluster `{cluster}`"))) }
}
