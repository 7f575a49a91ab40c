//! Planned gateways, and what is wrong between them and the istiod that they belong to.

use std::collections::BTreeSet;

use framework::{AttributePath, Error};
use semver::Version;

use super::{PlannedCluster, warn};
use crate::mesh::{ClusterKey, Namespace, Revision, exposure::SUFFIX};

/// A gateway as far as its plan knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedGateway {
    /// The key of its cluster.
    pub cluster: ClusterKey,
    /// Its namespace and its release, `NAMESPACE/NAME`.
    pub name: String,
    /// The label of its pods.
    pub label: String,
    /// The revision of istiod that it asks for; `None` for the cluster's own istiod.
    pub revision: Option<Revision>,
    /// Its version, unless unknown.
    pub version: Option<Version>,
    /// The namespaces of which it is open for all Services.
    pub open_namespaces: BTreeSet<Namespace>,
}

impl PlannedGateway {
    /// Returns a warning if another gateway of the cluster has the same label.
    pub(super) fn shares_its_label<'a>(&self, mut others: impl Iterator<Item = &'a Self>) -> Option<Error> {
        let is_alike = |other: &&Self| other.cluster == self.cluster && other.name != self.name && other.label == self.label;
        let other = others.find(is_alike)?;
        let (name, other, cluster, label) = (&self.name, &other.name, &self.cluster, &self.label);
        let detail = format!(
            "The pods of the gateways {name} and {other} of cluster `{cluster}` both have the label `istio: {label}`, by which exports choose a \
             gateway, so each of the two passes on what is exported by the other. Set `label` of one of them to another value."
        );
        Some(warn(AttributePath::new("label"), "Gateways share a label", detail))
    }

    /// Returns a warning if the gateway is open for all Services of a namespace.
    pub(super) fn opens_namespaces(&self) -> Option<Error> {
        if self.open_namespaces.is_empty() {
            return None;
        }
        let all: Vec<_> = self.open_namespaces.iter().map(|namespace| format!("`*.{namespace}{SUFFIX}`")).collect();
        let detail = format!(
            "The gateway {} of cluster `{}` is open for {}: for every Service there, also for one that is added later, from every workload with a \
             certificate of the mesh's roots. List the Services that other clusters are to call in `exposed_services`, or let an AuthorizationPolicy in the \
             namespace say who may call which.",
            self.name,
            self.cluster,
            all.join(", ")
        );
        Some(warn(AttributePath::new("exposed_services"), "Gateway is open for a whole namespace", detail))
    }

    /// Returns a warning if the gateway is more than one minor version older than its istiod. A newer chart is no harm: the proxy in its pods is
    /// istiod's.
    pub(super) fn is_far_from(&self, cluster: &PlannedCluster) -> Option<Error> {
        let istiod = cluster.version_of(self.revision.as_ref())?;
        let own = self.version.as_ref()?;
        if own.major == istiod.major && own.minor + 1 >= istiod.minor {
            return None;
        }
        let detail = format!(
            "The gateway {} of cluster `{}` is planned with version {own}, and its istiod with {istiod}. Its pods keep the proxy that they were \
             started with, and Istio supports proxies of istiod's minor version and of the one before. Upgrade the gateway before istiod goes on to \
             the next minor version.",
            self.name, self.cluster
        );
        Some(warn(AttributePath::new("istio_version"), "The gateway is too old for its istiod", detail))
    }
}
