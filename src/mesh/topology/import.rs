//! Hosts that a cluster imports from where the picture doesn't reach: a cluster of another team, or one that can't be read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Calls, Topology, Worst};
use crate::mesh::{
    inventory::{ImportedHost, Inventory},
    names::ClusterKey,
    status::Severity,
};

/// An imported host whose export isn't among those of the clusters that are drawn.
#[derive(Clone, Debug, Serialize)]
pub struct ImportedService {
    /// The host.
    pub host: String,
    /// The key of the cluster that imports it.
    pub cluster: String,
    /// The key of the cluster that exports it; `None` if the import doesn't record it, as that of a `mesh_service_import`.
    pub exporter: Option<String>,
    /// The network that it comes from, if the import names it.
    pub network: Option<String>,
    /// The addresses of the exporter's gateway, if the import has them.
    pub addresses: Vec<String>,
    /// The worst severity of its checks.
    pub severity: Severity,
}

/// Returns the imports without an export, by host and cluster.
pub(super) fn from_elsewhere(inventory: &Inventory, worst: &Worst<'_>) -> Vec<ImportedService> {
    let exports = || inventory.read().flat_map(|(_, cluster)| &cluster.exports);
    let hosts: BTreeSet<_> = exports().map(|export| export.id.host.as_str()).collect();
    let exporters: BTreeSet<_> = exports().map(|export| (export.id.host.as_str(), &export.id.exporter)).collect();
    let is_drawn = |import: &ImportedHost| match &import.exporter {
        Some(exporter) => exporters.contains(&(import.host.as_str(), exporter)),
        None => hosts.contains(import.host.as_str()),
    };
    let of = |cluster: &ClusterKey, import: &ImportedHost| ImportedService {
        host: import.host.clone(),
        cluster: cluster.to_string(),
        exporter: import.exporter.as_ref().map(ToString::to_string),
        network: import.network.clone(),
        addresses: import.addresses.clone().unwrap_or_default(),
        severity: worst.object(cluster, "import", &import.host),
    };
    let imports = inventory.read().flat_map(|(key, cluster)| cluster.imports.iter().map(move |import| (key, import)));
    let mut imports: Vec<_> = imports.filter(|(_, import)| !is_drawn(import)).map(|(key, import)| of(key, import)).collect();
    imports.sort_by(|one, other| (&one.host, &one.cluster, &one.exporter).cmp(&(&other.host, &other.cluster, &other.exporter)));
    imports
}

impl Topology {
    /// Returns the calls to imported hosts whose exporter is drawn without the export, as it can't be read: by the cluster that calls, the one that
    /// is called, and severity.
    pub(super) fn calls_of_imports(&self) -> impl Iterator<Item = (&str, &str, Severity)> {
        self.imports.iter().filter_map(|import| {
            let exporter = self.exporter_of(import)?;
            let worst = if exporter.unreachable.is_some() { import.severity.max(Severity::Unknown) } else { import.severity };
            Some((import.cluster.as_str(), exporter.key.as_str(), worst))
        })
    }

    /// Returns the calls to hosts of clusters that aren't drawn, by the cluster that calls.
    pub(super) fn calls_elsewhere(&self) -> BTreeMap<&str, Calls> {
        let mut calls = BTreeMap::new();
        for import in self.imports.iter().filter(|import| self.exporter_of(import).is_none()) {
            Calls::add(&mut calls, import.cluster.as_str(), import.severity);
        }
        calls
    }

    fn exporter_of(&self, import: &ImportedService) -> Option<&super::Cluster> {
        self.clusters.iter().find(|cluster| import.exporter.as_ref() == Some(&cluster.key))
    }
}

impl ImportedService {
    /// Says where it comes from, as far as that is known.
    pub(super) fn origin(&self) -> String {
        let cluster = self.exporter.as_ref().map(|exporter| format!("cluster {exporter}"));
        let network = self.network.as_ref().map(|network| format!("network {network}"));
        let addresses = (!self.addresses.is_empty()).then(|| self.addresses.join(", "));
        let known: Vec<_> = [cluster, network, addresses].into_iter().flatten().collect();
        if known.is_empty() { "nowhere: it has no endpoint".to_owned() } else { known.join(", ") }
    }
}
