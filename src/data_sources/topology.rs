//! `mesh_topology`: a picture of the mesh, as data and as pages.

use std::time::Duration;

use async_trait::async_trait;

use super::check::configured_clusters;
use crate::{
    mesh::{ClusterKey, topology::Topology},
    world::{World, inventory},
};
use framework::{Cx, DataSource, Error, Observed, Parse, Set, Value, computed, model, optional};

model! {
    /// A picture of the mesh: its clusters, networks, gateways, links, exported hosts and the clusters that import them, with the problems that
    /// `mesh_status` finds. As JSON, as a Mermaid chart, and as one HTML page.
    ///
    /// It shows what the clusters hold and needs no resource of the configuration. All clusters are read at the same time, and one that can't be
    /// reached is drawn as such. The same mesh gives the same bytes.
    ///
    /// The page needs nothing else: no network and no script. `terraform output -raw topology > mesh.html` writes it to a file.
    pub struct TopologyModel {
        /// Keys of the clusters to draw; all of the provider's `clusters` if not set.
        clusters: Set<String> => optional(),
        /// The mesh as JSON: `verdict`, `clusters` with their gateways, links and the clusters that they discover, `exports` with their importers,
        /// `imports` whose export is in none of these clusters, and `problems`.
        json: String => computed(),
        /// The clusters and the calls between them as a Mermaid flowchart, for Markdown. It shows up to 30 clusters and 120 arrows, and says what it left out.
        mermaid: String => computed(),
        /// The HTML page.
        html: String => computed(),
    }
}

/// Which clusters to draw.
pub struct MeshTopology {
    clusters: Value<Set<String>>,
}

#[async_trait]
impl DataSource for MeshTopology {
    type World = World;
    type Model = TopologyModel;
    type Spec = Self;
    type Status = Topology;

    const NAME: &'static str = "mesh_topology";
    const TIMEOUT: Duration = Duration::from_secs(60);

    fn parse(model: &TopologyModel, parse: &mut Parse<'_>) -> Option<Self> {
        parse.each("clusters", &model.clusters, |key| ClusterKey::parse(key))?;
        Some(Self { clusters: model.clusters.clone() })
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<Topology>, Error> {
        let clusters = configured_clusters(&spec.clusters, cx)?;
        Ok(Observed::Found(Topology::of(&inventory(&clusters, cx).await)))
    }

    fn record(topology: &Topology, model: &mut TopologyModel) {
        model.json = Value::Value(topology.json());
        model.mermaid = Value::Value(topology.mermaid());
        model.html = Value::Value(topology.html());
    }
}
