//! The clusters, gateways and hosts that one run of the CLI plans, and what is wrong between them. The CLI plans all resources in one process, so
//! here they meet, each as it is planned: a conflict is reported by the later one.

mod clusters;
mod gateways;
mod hosts;
mod known_hosts;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use framework::{AttributePath, Error};

use crate::mesh::{ClusterKey, TrustDomain};

pub use clusters::{PlannedCluster, PlannedRoot};
pub use gateways::PlannedGateway;
pub use hosts::{PlannedHost, Source};
use known_hosts::KnownHosts;

/// What one run has planned so far.
#[derive(Default)]
pub struct PlannedMesh(Mutex<Planned>);

#[derive(Default)]
struct Planned {
    clusters: BTreeMap<ClusterKey, PlannedCluster>,
    hosts: KnownHosts,
    /// Gateways by cluster and name.
    gateways: BTreeMap<(ClusterKey, String), PlannedGateway>,
    /// The cluster and the namespace of each CA that gets another certificate.
    renewed: BTreeSet<(String, String)>,
}

impl PlannedMesh {
    /// Adds or updates a cluster, and returns a warning for each conflict with the clusters and hosts planned so far.
    pub fn add_cluster(&self, cluster: PlannedCluster) -> Vec<Error> {
        let mut planned = self.lock();
        planned.clusters.insert(cluster.key.clone(), cluster.clone());
        let others: Vec<_> = planned.clusters.values().filter(|other| other.key != cluster.key).collect();
        let mut warnings = cluster.conflicts(&others);
        warnings.extend(cluster.resolves_nothing(planned.hosts.all()));
        warnings
    }

    /// Adds or updates a host, and returns a warning for each conflict with the hosts and clusters planned so far.
    pub fn add_host(&self, host: PlannedHost) -> Vec<Error> {
        let mut planned = self.lock();
        let conflicts = planned.hosts.near(&host).into_iter().flat_map(|other| host.conflicts(other));
        let warnings = conflicts.chain(host.is_unresolved(planned.clusters.values())).collect();
        planned.hosts.insert(host);
        warnings
    }

    /// Adds or updates a gateway, and returns a warning for each conflict with the gateways and with its cluster, as far as they are planned.
    pub fn add_gateway(&self, gateway: PlannedGateway) -> Vec<Error> {
        let mut planned = self.lock();
        let shared = gateway.shares_its_label(planned.gateways.values());
        let open = gateway.opens_namespaces();
        let far = planned.clusters.get(&gateway.cluster).and_then(|cluster| gateway.is_far_from(cluster));
        planned.gateways.insert((gateway.cluster.clone(), gateway.name.clone()), gateway);
        [shared, far, open].into_iter().flatten().collect()
    }

    /// Notes that the CA of an istiod gets another certificate.
    pub fn renew_ca(&self, cluster: &str, namespace: &str) {
        self.lock().renewed.insert((cluster.to_owned(), namespace.to_owned()));
    }

    /// Whether the CA of an istiod gets another certificate.
    pub fn renews_ca(&self, cluster: &str, namespace: &str) -> bool {
        self.lock().renewed.contains(&(cluster.to_owned(), namespace.to_owned()))
    }

    /// Returns the trust domain of a cluster that this run has planned, if it is known.
    pub fn trust_domain(&self, cluster: &ClusterKey) -> Option<TrustDomain> {
        self.lock().clusters.get(cluster)?.trust_domain.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Planned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A warning about what doesn't go together. It names its paragraph of the guide.
fn warn(attribute: AttributePath, title: &'static str, detail: String) -> Error {
    Error::new(title, format!("{detail} See \"{title}\" in the guide Plan warnings.")).at(attribute)
}

/// Lists keys in backticks; `None` if there are none.
fn names<'a>(keys: impl Iterator<Item = &'a ClusterKey>) -> Option<String> {
    let keys: Vec<_> = keys.map(|key| format!("`{key}`")).collect();
    (!keys.is_empty()).then(|| keys.join(", "))
}
