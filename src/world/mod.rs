//! What resources, data sources and ephemeral resources act on: the configured clusters behind ports, and what one run of the CLI has
//! planned so far. With it the steps that they share: namespaces, import IDs, listings, drift.

mod adoption;
mod clusters;
mod creation;
mod errors;
pub(crate) mod import;
mod inventory;
pub(crate) mod listing;
mod live_cluster;
pub(crate) mod namespace;
mod observation;
mod planned_mesh;
mod precheck;
mod served;
mod shared_reads;
mod signers;
mod strays;
mod values;
mod versions;

pub(crate) use adoption::{adoptable, adopts, managed_already};
pub use clusters::Clusters;
pub(crate) use clusters::{check_cluster, check_destroyable, chosen_clusters, reachable};
pub(crate) use creation::{Creation, marked};
pub(crate) use errors::{all_failed, check_helm, not_ours};
pub(crate) use inventory::inventory;
pub use listing::{Discover, InClusters, ListModel};
pub(crate) use live_cluster::{ClusterAccess, LiveCluster, is_ending};
pub(crate) use observation::{in_place, release_drift, seen};
pub use planned_mesh::{PlannedCluster, PlannedGateway, PlannedHost, PlannedMesh, PlannedRoot, Source};
pub(crate) use precheck::survey;
pub use shared_reads::SharedReads;
pub(crate) use signers::Signer;
pub(crate) use strays::{Sorted, Strays};
pub(crate) use values::{parse_version, same_values, strings};
pub(crate) use versions::{check_step, plan_version};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use framework::Cx;

#[cfg(test)]
use crate::ports::fakes::{FakeAuthority, FakeClock, FakeCommands, FakeObjects, FakeReleases, FakeRuns};
use crate::ports::{
    ApiServers, Authority, Capabilities, Clock, Commands, Failure, Handshakes, Namespaces, Objects, Pods, Releases, Runs, Tokens,
};

/// The world as the provider's configuration opens it.
pub struct World {
    /// The clusters.
    pub clusters: Clusters,
    /// Those of which a destroy forgets what is in them if they can't be reached.
    pub forgettable: BTreeSet<String>,
    /// Those of them that this run couldn't reach.
    pub unreachable: Mutex<BTreeMap<String, Failure>>,
    /// Their objects.
    pub objects: Arc<dyn Objects>,
    /// What is in their namespaces.
    pub namespaces: Arc<dyn Namespaces>,
    /// Reads of these objects that operations share.
    pub shared: SharedReads,
    /// Their Helm releases.
    pub releases: Arc<dyn Releases>,
    /// Tokens of their service accounts.
    pub tokens: Arc<dyn Tokens>,
    /// TLS handshakes with pods.
    pub handshakes: Arc<dyn Handshakes>,
    /// Where their API servers are.
    pub api_servers: Arc<dyn ApiServers>,
    /// What their API servers say of themselves and of the credentials.
    pub capabilities: Arc<dyn Capabilities>,
    /// What runs in their pods.
    pub pods: Arc<dyn Pods>,
    /// Commands in containers of their pods.
    pub commands: Arc<dyn Commands>,
    /// Certificates.
    pub authority: Arc<dyn Authority>,
    /// The runs of the provider.
    pub runs: Arc<dyn Runs>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The version of Istio for resources that don't set one.
    pub istio_version: Option<String>,
    /// Whether Helm takes over objects that exist and belong to no release of it.
    pub takes_ownership: bool,
    /// The clusters and exports that this run has planned.
    pub planned: PlannedMesh,
    /// How long istiod and the proxies need to follow a change, see [`World::PROPAGATION`].
    pub propagation: Duration,
}

impl World {
    /// How long to leave istiod and the proxies between two changes of which no proxy may see the second before the first. istiod collects
    /// changes for a tenth of a second, and pushes them to all proxies in about a second; no object shows whether a proxy has them.
    pub const PROPAGATION: Duration = Duration::from_secs(3);

    /// Waits until the proxies have followed what was written, or the time is over: what comes next then fails by itself.
    pub(crate) async fn propagated(cx: &Cx<'_, Self>) {
        let _ = cx.deadline.pause(cx.world.propagation).await;
    }
}

#[cfg(test)]
impl World {
    /// Two clusters of fakes, `us` and `eu`.
    pub(crate) fn fake(objects: &Arc<FakeObjects>, releases: &Arc<FakeReleases>, clock: &FakeClock) -> Self {
        Self {
            clusters: Clusters::Known(std::collections::BTreeMap::from([("us".to_owned(), true), ("eu".to_owned(), true)])),
            forgettable: BTreeSet::new(),
            unreachable: Mutex::default(),
            objects: objects.clone(),
            namespaces: objects.clone(),
            // A test changes objects behind the provider's back, and looks at once.
            shared: SharedReads::used_for(Duration::ZERO),
            releases: releases.clone(),
            tokens: objects.clone(),
            handshakes: objects.clone(),
            api_servers: objects.clone(),
            capabilities: objects.clone(),
            pods: objects.clone(),
            commands: Arc::new(FakeCommands::default()),
            authority: Arc::new(FakeAuthority::at(clock.clone())),
            runs: Arc::new(FakeRuns::default()),
            clock: Arc::new(clock.clone()),
            istio_version: None,
            takes_ownership: false,
            planned: PlannedMesh::default(),
            propagation: Duration::ZERO,
        }
    }
}
