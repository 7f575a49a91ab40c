//! The provider's configuration, and the world that comes of it: the only place that builds adapters.

mod access;
mod helm;

pub use access::{AccessModel, ExecModel};
pub use helm::{HelmModel, PostRendererModel, RepositoryModel};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;

use crate::{
    adapters::{Certificates, ClusterAccess, Helm, HelmSettings, Kubernetes, LocalRuns, SystemClock},
    data_sources, ephemeral, functions,
    mesh::ClusterKey,
    resources,
    world::{Clusters, PlannedMesh, SharedReads, World},
};
use framework::{
    AnyDataSource, AnyEphemeral, AnyListing, AnyResource, AttributePath, Error, Function, Parse, Provider, Setup, Value, model, optional,
    required,
};

model! {
    /// Makes Kubernetes clusters on separate networks one Istio mesh: installs Istio with Helm, and manages what lets services of one
    /// cluster call those of another by name, with mutual TLS from sidecar to sidecar.
    ///
    /// One provider block serves the whole mesh: `clusters` is a map, so `for_each` works over it and no aliases are needed. Values of
    /// clusters that are made in the same apply may be unknown while planning; nothing is contacted then. Every way to reach a cluster is in
    /// the guide [Configuring access](guides/configuring-access.md).
    pub struct ProviderModel {
        /// The clusters, by the key that resources name them with. An entry that is null counts as left out.
        clusters: BTreeMap<String, Value<AccessModel>> => required(),
        /// Settings for Helm.
        helm: HelmModel => optional(),
    }
}

/// The provider's configuration, valid.
pub struct Configuration {
    /// `None` while the map as a whole is unknown; a cluster's access is `None` while something of it is unknown.
    clusters: Option<BTreeMap<ClusterKey, Option<ClusterAccess>>>,
    /// The clusters with `forget_unreachable`.
    forgettable: BTreeSet<String>,
    helm: HelmSettings,
}

/// The provider `mesh`.
pub struct Mesh;

#[async_trait]
impl Provider for Mesh {
    type World = World;
    type Model = ProviderModel;
    type Spec = Configuration;

    fn name(&self) -> &'static str {
        "mesh"
    }

    fn parse(&self, model: &ProviderModel, parse: &mut Parse<'_>) -> Option<Configuration> {
        let clusters = match &model.clusters {
            Value::Unknown => None,
            // The framework refuses null, as the attribute is required.
            Value::Null => Some(BTreeMap::new()),
            Value::Value(clusters) => Some(access::parse_clusters(clusters, parse)),
        };
        let forgettable = access::forgettable(&model.clusters);
        Some(Configuration { clusters, forgettable, helm: helm::parse_helm(&model.helm, parse)? })
    }

    async fn configure(&self, configuration: Configuration, setup: &mut Setup) -> Result<World, Error> {
        let known = configuration
            .clusters
            .as_ref()
            .map(|clusters| clusters.iter().map(|(key, access)| (key.to_string(), access.is_some())).collect());
        let accesses: BTreeMap<String, ClusterAccess> = configuration
            .clusters
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(key, access)| access.map(|access| (key.to_string(), access)))
            .collect();
        for (key, access) in &accesses {
            if let Some(why) = access.unpinned_context() {
                let path = AttributePath::new("clusters").key(key.clone()).attribute("config_context");
                setup.warn(Error::new(format!("The context of cluster \"{key}\" can change"), why).at(path));
            }
        }
        let (istio_version, takes_ownership) = (configuration.helm.version.clone(), configuration.helm.takes_ownership);
        let kubernetes = Arc::new(Kubernetes::new(accesses));
        Ok(World {
            clusters: known.map_or(Clusters::Unknown, Clusters::Known),
            forgettable: configuration.forgettable,
            unreachable: std::sync::Mutex::default(),
            releases: Arc::new(Helm::new(configuration.helm, Arc::clone(&kubernetes))),
            tokens: kubernetes.clone(),
            handshakes: kubernetes.clone(),
            api_servers: kubernetes.clone(),
            capabilities: kubernetes.clone(),
            namespaces: kubernetes.clone(),
            pods: kubernetes.clone(),
            commands: kubernetes.clone(),
            objects: kubernetes,
            shared: SharedReads::default(),
            authority: Arc::new(Certificates),
            runs: Arc::new(LocalRuns),
            clock: Arc::new(SystemClock),
            istio_version,
            takes_ownership,
            planned: PlannedMesh::default(),
            propagation: World::PROPAGATION,
        })
    }

    fn resources(&self) -> Vec<Box<dyn AnyResource<World>>> {
        resources::all()
    }

    fn data_sources(&self) -> Vec<Box<dyn AnyDataSource<World>>> {
        data_sources::all()
    }

    fn ephemerals(&self) -> Vec<Box<dyn AnyEphemeral<World>>> {
        ephemeral::all()
    }

    fn listings(&self) -> Vec<Box<dyn AnyListing<World>>> {
        resources::listings()
    }

    fn functions(&self) -> Vec<Box<dyn Function>> {
        functions::all()
    }
}

/// Reads a string that must be set.
fn not_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("must not be empty.".to_owned()) } else { Ok(text.to_owned()) }
}

/// Reads a string that may be left out. Where null has a meaning of its own, an empty string is a mistake.
fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("must not be empty. To leave it out, remove it or set it to null.".to_owned());
    }
    Ok(text.to_owned())
}
