//! Planned gateways, and what is wrong between them and the istiod that they belong to.

use framework::{AttributePath, Error};
use semver::Version;

use super::PlannedCluster;
use crate::mesh::{ClusterKey, Revision};

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
        Some(Error::new("Gateways share a label", detail).at(AttributePath::new("label")))
    }

    /// Returns a warning if the proxy is newer than its istiod, or more than one minor version older: Istio supports neither.
    pub(super) fn is_far_from(&self, cluster: &PlannedCluster) -> Option<Error> {
        let istiod = cluster.version_of(self.revision.as_ref())?;
        let own = self.version.as_ref()?;
        let (is_newer, is_old) = ((own.major, own.minor) > (istiod.major, istiod.minor), own.minor + 1 < istiod.minor);
        if !is_newer && !is_old && own.major == istiod.major {
            return None;
        }
        let advice = if is_newer {
            "Upgrade the mesh_cluster first, or set `revision` of the gateway to that of its `canary`, and let the gateway follow."
        } else {
            "Upgrade the gateway before istiod goes on to the next minor version."
        };
        let detail = format!(
            "The gateway {} of cluster `{}` is planned with version {own}, and its istiod with {istiod}. Istio supports proxies of istiod's minor \
             version and of the one before. {advice}",
            self.name, self.cluster
        );
        Some(Error::new("The versions of gateway and istiod are too far apart", detail).at(AttributePath::new("istio_version")))
    }
}
