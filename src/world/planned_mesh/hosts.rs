//! Planned hosts, exported or imported, and what is wrong between two of them.

use std::{collections::BTreeSet, fmt};

use framework::{AttributePath, Error};

use super::{PlannedCluster, names, warn};
use crate::mesh::{ClusterKey, ExportId, Host, Vip, export::ImportId};

/// Where a host comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An export, or a cluster that serves a global service.
    Export(ExportId),
    /// An import that is a resource of its own. Which cluster exports the host isn't known.
    Import(ImportId),
}

/// A host as far as its plan knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedHost {
    /// Where it comes from.
    pub source: Source,
    /// The known keys of the importing clusters.
    pub importers: BTreeSet<ClusterKey>,
    /// The address that the host has in the importing clusters, if known.
    pub address: Option<Vip>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Export(id) => write!(f, "exported by `{}` from namespace `{}`", id.exporter, id.namespace),
            Self::Import(id) => write!(f, "imported by `{}` in namespace `{}`", id.cluster, id.namespace),
        }
    }
}

pub(super) const NO_CAPTURE: &str = "Importing cluster without DNS capture";

/// Says what follows from sidecars that don't answer DNS queries.
pub(super) fn unresolved(why: &str) -> String {
    format!(
        "{why}: its sidecars don't answer DNS queries for such a host, so a client's look-up fails, and no call is made, unless the cluster's own DNS \
         has the host. Set `dns_capture` of the mesh_cluster to true and restart the workloads, or give the host an address in that DNS."
    )
}

impl PlannedHost {
    /// Whether a cluster gets the host from another one, and its sidecars don't answer DNS queries for it.
    pub(super) fn misses_capture(&self, cluster: &PlannedCluster) -> bool {
        let imports = match &self.source {
            Source::Export(_) => self.importers.contains(&cluster.key),
            Source::Import(id) => id.cluster == cluster.key,
        };
        imports && cluster.dns_capture == Some(false)
    }

    /// Returns a warning if sidecars of an importing cluster don't answer DNS queries for the host.
    pub(super) fn is_unresolved<'a>(&self, clusters: impl Iterator<Item = &'a PlannedCluster>) -> Option<Error> {
        let without = names(clusters.filter(|cluster| self.misses_capture(cluster)).map(|cluster| &cluster.key))?;
        let detail = format!("`{}` is imported by {without}, and {}", self.host(), unresolved("`dns_capture` is false there"));
        Some(warn(self.importers_attribute(), NO_CAPTURE, detail))
    }

    /// Returns a warning for each conflict with another host.
    pub(super) fn conflicts(&self, other: &Self) -> Vec<Error> {
        let (clusters, others) = (self.clusters(), other.clusters());
        let shared: BTreeSet<_> = clusters.intersection(&others).copied().collect();
        if self.host() == other.host() { self.repeated(other, &shared) } else { self.mixed_up(other, &shared) }.into_iter().collect()
    }

    /// Reports clusters that get one host from two sources.
    fn repeated(&self, other: &Self, shared: &BTreeSet<&ClusterKey>) -> Option<Error> {
        let (host, shared) = (self.host(), names(shared.iter().copied())?);
        Some(match (&self.source, &other.source) {
            (Source::Export(_), Source::Export(_)) => warn(
                AttributePath::new("host"),
                "Host exported twice",
                format!(
                    "`{host}` is {} and {}, and both exports reach {shared}, where only one of them can win. Export one of them by another host.",
                    self.source, other.source
                ),
            ),
            _ => warn(
                self.host_attribute(),
                "Host is known in the cluster already",
                format!(
                    "`{host}` is {} and {}, and both reach {shared}, where the later apply will fail: a cluster can have a host once only. Remove one \
                     of the two from {shared}.",
                    self.source, other.source
                ),
            ),
        })
    }

    /// Reports clusters in which two hosts have one address.
    fn mixed_up(&self, other: &Self, shared: &BTreeSet<&ClusterKey>) -> Option<Error> {
        let has_same_address = |cluster: &&ClusterKey| {
            let address = self.address_in(cluster);
            address.is_some() && address == other.address_in(cluster)
        };
        let shared = names(shared.iter().copied().filter(has_same_address))?;
        let (host, other_host) = (self.host(), other.host());
        let address = self.address.map(|address| address.to_string()).unwrap_or_default();
        let problem = format!(
            "`{host}` and `{other_host}` both have the address {address} in {shared}, so TCP connections to one may reach the other."
        );
        let (advice, attribute) = match &self.source {
            Source::Export(_) => {
                ("Set `vip` of one of them to an address of its own; the function `vip` computes them.", AttributePath::new("vip"))
            }
            Source::Import(_) => ("Set `vip` of one of the exports to an address of its own.", self.host_attribute()),
        };
        Some(warn(attribute, "Virtual address used twice", format!("{problem} {advice}")))
    }

    pub(super) fn host(&self) -> &Host {
        match &self.source {
            Source::Export(id) => &id.host,
            Source::Import(id) => &id.host,
        }
    }

    fn host_attribute(&self) -> AttributePath {
        AttributePath::new(match &self.source {
            Source::Export(_) => "host",
            Source::Import(_) => "service",
        })
    }

    fn importers_attribute(&self) -> AttributePath {
        AttributePath::new(match &self.source {
            Source::Export(_) => "host",
            Source::Import(_) => "cluster",
        })
    }

    /// The address that the host has in a cluster, which exports or imports it.
    fn address_in(&self, cluster: &ClusterKey) -> Option<Vip> {
        match &self.source {
            Source::Export(id) if id.exporter == *cluster => self.address.map(|address| address.at_exporter(&id.host)),
            _ => self.address,
        }
    }

    /// The addresses that the host has in one cluster or another.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Vip> {
        self.address.into_iter().flat_map(|address| [address, address.at_exporter(self.host())])
    }

    /// The clusters that resolve the host.
    fn clusters(&self) -> BTreeSet<&ClusterKey> {
        let home = match &self.source {
            Source::Export(id) => &id.exporter,
            Source::Import(id) => &id.cluster,
        };
        std::iter::once(home).chain(&self.importers).collect()
    }
}
