//! What clusters show of a mesh: control planes, gateways, exports, imports and sidecars, read off their objects. No configuration is needed for
//! it, so a mesh that was installed otherwise is shown as well.

mod control_plane;
mod discovery;
mod export;
#[cfg(test)]
#[allow(clippy::missing_panics_doc)]
pub mod fixture;
mod gateway;
mod known;
mod link;
mod objects;
mod pod;
mod served;
mod validation;

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::names::ClusterKey;

pub(in crate::mesh) use control_plane::version;
pub use control_plane::{ControlPlane, Home, INJECTORS, Webhook, WebhookPurpose, namespaces};
pub use discovery::DiscoveredCluster;
pub use export::{ExportedHost, ImportRule, ImportedHost, exporting_namespaces};
pub use gateway::GatewayFacts;
pub use known::{KnownGateway, KnownGateways, reaches_others};
pub use link::LinkFacts;
pub use objects::{Objects, Roots};
pub use pod::{BackendPod, Sidecar};
pub use served::{Connection, MESH_PROTOCOL, Served, connections};
pub(in crate::mesh) use validation::invalid;
pub use validation::{Probe, Validation, probes};

/// What all clusters show.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The clusters, or why one can't be read.
    pub clusters: BTreeMap<ClusterKey, Result<ClusterInventory, Unread>>,
    /// When they were read.
    pub at: OffsetDateTime,
}

/// Why a cluster can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What failed, and why; sentences.
    pub why: String,
    /// What to do; sentences. May be empty.
    pub advice: String,
    /// Whether the access to the cluster is known only after an apply.
    pub is_unknown: bool,
}

/// What one cluster shows.
#[derive(Clone, Debug, Default)]
pub struct ClusterInventory {
    /// The UID of its namespace `kube-system`, if it may be read.
    pub uid: Option<String>,
    /// The control planes.
    pub control_planes: Vec<ControlPlane>,
    /// The webhooks of the control planes.
    pub webhooks: Vec<Webhook>,
    /// The east-west gateways.
    pub gateways: Vec<GatewayFacts>,
    /// The links to other networks; `None` if they can't be read.
    pub links: Option<Vec<LinkFacts>>,
    /// The clusters that it discovers; `None` if the remote secrets can't be read.
    pub discovered: Option<Vec<DiscoveredCluster>>,
    /// The gateways to other networks that the pods of istiod know. Empty if none were asked.
    pub known_gateways: KnownGateways,
    /// The hosts that the cluster exports.
    pub exports: Vec<ExportedHost>,
    /// The hosts that it imports.
    pub imports: Vec<ImportedHost>,
    /// Hosts of global services that it imports from clusters which can't be told, as their DestinationRule is missing.
    pub without_rule: BTreeSet<String>,
    /// The pods with a sidecar.
    pub sidecars: Vec<Sidecar>,
    /// What can't be read, the plural of a kind or an object, and why.
    pub unread: BTreeMap<String, String>,
}

impl ClusterInventory {
    /// Reads the objects of a cluster.
    pub fn of(key: &ClusterKey, objects: &Objects) -> Self {
        Self {
            uid: objects.uid.clone(),
            control_planes: control_plane::of(objects),
            webhooks: control_plane::webhooks(objects),
            gateways: gateway::of(objects),
            links: link::of(objects),
            discovered: discovery::of(objects),
            known_gateways: known::of(objects),
            exports: export::exported(key, objects),
            imports: export::imported(key, objects),
            without_rule: export::without_rule(objects),
            sidecars: objects.sidecars.iter().filter_map(Sidecar::of).collect(),
            unread: objects.unread.clone(),
        }
    }

    /// The control plane that the mesh goes by: the first.
    pub fn control_plane(&self) -> Option<&ControlPlane> {
        self.control_planes.first()
    }

    /// Whether it isn't known what there is of a kind (its plural) or whether an object exists: that nothing is seen of it means nothing then.
    pub fn is_unread(&self, what: &str) -> bool {
        self.unread.contains_key(what)
    }

    /// Returns the gateway with this name.
    pub fn gateway(&self, namespace: &str, name: &str) -> Option<&GatewayFacts> {
        self.gateways.iter().find(|gateway| gateway.namespace == namespace && gateway.name == name)
    }
}

impl Inventory {
    /// Returns the clusters that can be read.
    pub fn read(&self) -> impl Iterator<Item = (&ClusterKey, &ClusterInventory)> {
        self.clusters.iter().filter_map(|(key, cluster)| Some((key, cluster.as_ref().ok()?)))
    }

    /// Returns what a cluster shows, if it can be read.
    pub fn cluster(&self, key: &ClusterKey) -> Option<&ClusterInventory> {
        self.clusters.get(key)?.as_ref().ok()
    }
}

/// The string at a path of names, such as `metadata.name`; empty if there is none.
fn text(object: &serde_json::Value, path: &[&str]) -> String {
    path.iter().fold(object, |object, key| &object[*key]).as_str().unwrap_or_default().to_owned()
}

/// Returns the version in the tag of an image, `1.31.0` of `…/pilot:1.31.0-distroless`; `None` if the tag isn't a version.
pub(in crate::mesh) fn version_of_image(image: &str) -> Option<semver::Version> {
    let image = image.split('@').next().unwrap_or_default();
    let tag = image.rsplit('/').next()?.split_once(':')?.1;
    let version = ["-distroless", "-debug"].iter().fold(tag, |tag, variant| tag.strip_suffix(variant).unwrap_or(tag));
    semver::Version::parse(version.strip_prefix('v').unwrap_or(version)).ok()
}
