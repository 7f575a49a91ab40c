//! The networks that one run of the CLI has planned.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

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
