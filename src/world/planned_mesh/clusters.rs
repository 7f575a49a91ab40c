//! Planned clusters, and what is wrong between those of one mesh.

use framework::{AttributePath, Error};
use semver::Version;

use super::{
    PlannedHost,
    hosts::{NO_CAPTURE, unresolved},
    names, warn,
};
use crate::mesh::{ClusterKey, MeshId, NetworkName, Revision, TrustDomain};

/// A cluster as far as its plan knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedCluster {
    /// Its key in the provider's `clusters`.
    pub key: ClusterKey,
    /// The mesh it belongs to.
    pub mesh_id: MeshId,
    /// Its network, unless unknown.
    pub network: Option<NetworkName>,
    /// Its trust domain, unless unknown.
    pub trust_domain: Option<TrustDomain>,
    /// The further trust domains whose clients its workloads accept, unless unknown.
    pub accepted_domains: Option<Vec<String>>,
    /// Where its root of trust comes from.
    pub root: PlannedRoot,
    /// Whether its sidecars answer DNS queries for the mesh's hosts, unless unknown.
    pub dns_capture: Option<bool>,
    /// The version of its istiod, unless unknown.
    pub version: Option<Version>,
    /// The revision and the version of its canary, if there is one.
    pub canary: Option<(Revision, Option<Version>)>,
}

/// The root of trust of a planned cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlannedRoot {
    /// The cluster has no `ca`: istiod creates a root of its own.
    OwnOfIstiod,
    /// The cluster has a `ca` whose root isn't known yet.
    Unknown,
    /// The roots that its workloads trust, by their SHA-256 fingerprints.
    Trusted {
        /// The root that signs.
        signer: String,
        /// Further ones.
        further: Vec<String>,
    },
}

impl PlannedCluster {
    /// Returns a warning if hosts that it gets from other clusters resolve only by its sidecars, which don't answer.
    pub(super) fn resolves_nothing<'a>(&self, hosts: impl Iterator<Item = &'a PlannedHost>) -> Option<Error> {
        let mut hosts = hosts.filter(|host| host.misses_capture(self));
        let (first, others) = (hosts.next()?, hosts.count());
        let more = if others == 0 { String::new() } else { format!(" and {others} more") };
        let detail = format!("Cluster `{}` imports `{}`{more}, and {}", self.key, first.host(), unresolved("`dns_capture` is false"));
        Some(warn(AttributePath::new("dns_capture"), NO_CAPTURE, detail))
    }

    /// Whether its workloads accept clients of another cluster, as far as both are known.
    fn accepts(&self, other: &Self) -> bool {
        let (Some(ours), Some(theirs), Some(accepted)) = (&self.trust_domain, &other.trust_domain, &self.accepted_domains) else {
            return true;
        };
        ours == theirs || accepted.iter().any(|domain| domain == theirs.as_str())
    }

    /// Returns the version of the istiod of a revision, as far as it is known. A revision may also be a tag, which could be of either.
    pub(super) fn version_of(&self, revision: Option<&Revision>) -> Option<&Version> {
        match (revision, &self.canary) {
            (None, _) => self.version.as_ref(),
            (Some(wanted), Some((revision, version))) if wanted == revision => version.as_ref(),
            (Some(_), _) => None,
        }
    }

    /// Whether Istio doesn't support the two versions in one mesh, as far as both are known.
    fn is_far_from(&self, other: &Self) -> bool {
        let versions = self.version.as_ref().zip(other.version.as_ref());
        versions.is_some_and(|(one, other)| one.major != other.major || one.minor.abs_diff(other.minor) > 1)
    }

    /// Returns a warning for each conflict with other clusters.
    pub(super) fn conflicts(&self, others: &[&Self]) -> Vec<Error> {
        let (key, mesh) = (&self.key, &self.mesh_id);
        let of_mesh = || others.iter().filter(|other| other.mesh_id == *mesh);
        let differing = |differs: &dyn Fn(&Self) -> bool| names(of_mesh().filter(|other| differs(other)).map(|other| &other.key));
        let mut warnings = Vec::new();

        if let (Some(network), Some(same)) = (&self.network, differing(&|other| self.network.is_some() && other.network == self.network)) {
            warnings.push(warn(
                AttributePath::new("network"),
                "Clusters share a network",
                format!(
                    "Clusters `{key}` and {same} of mesh `{mesh}` are both on network `{network}`. Istio then assumes that their pods reach each \
                     other directly, and uses no east-west gateway between them. If they don't, set a different `network` for each."
                ),
            ));
        }
        if let (Some(domain), Some(different)) = (&self.trust_domain, differing(&|other| !(self.accepts(other) && other.accepts(self)))) {
            warnings.push(warn(
                AttributePath::new("trust_domain"),
                "Clusters of one mesh have different trust domains",
                format!(
                    "Cluster `{key}` of mesh `{mesh}` has the trust domain `{domain}`, and {different} another. Workloads refuse clients of a \
                     trust domain that is neither theirs nor an alias of it. Set the same `trust_domain` in all clusters of the mesh, or list the \
                     others' in `trust_domain_aliases` of each."
                ),
            ));
        }
        if let (Some(version), Some(far)) = (&self.version, differing(&|other| self.is_far_from(other))) {
            warnings.push(warn(
                AttributePath::new("istio_version"),
                "Clusters of one mesh have versions too far apart",
                format!(
                    "Cluster `{key}` of mesh `{mesh}` is planned with version {version} of Istio, and {far} with one that is more than one minor \
                     version away. Istio supports neighbouring minor versions in one mesh: upgrade the older ones first, one minor version at a time."
                ),
            ));
        }
        if let Some(without) = without_ca(self, of_mesh()) {
            warnings.push(warn(
                AttributePath::new("ca"),
                "Cluster without a common root of trust",
                format!(
                    "Mesh `{mesh}` has several clusters, and {without} has no `ca`: istiod creates a root there that no other cluster trusts, so \
                     calls between the clusters fail. Set `ca` to a mesh_cluster_ca in each cluster."
                ),
            ));
        }
        if let (PlannedRoot::Trusted { signer: ours, .. }, Some(different)) =
            (&self.root, differing(&|other| has_other_root(&self.root, &other.root)))
        {
            warnings.push(warn(
                AttributePath::new("ca"),
                "Clusters of one mesh have different roots of trust",
                format!(
                    "The CA of cluster `{key}` has the root {ours}, and that of {different} another, so workloads of the two don't trust each \
                     other. Let the mesh_cluster_ca of all clusters of mesh `{mesh}` refer to the same root."
                ),
            ));
        }
        // Separate meshes have separate roots.
        let other_mesh = others.iter().filter(|other| other.mesh_id != *mesh && !has_other_root(&self.root, &other.root));
        if let Some(other) = names(other_mesh.map(|other| &other.key)) {
            warnings.push(warn(
                AttributePath::new("mesh_id"),
                "Clusters have different mesh IDs",
                format!(
                    "Cluster `{key}` belongs to mesh `{mesh}`, and {other} to another. Clusters of one mesh must have the same `mesh_id`. If \
                     these are separate meshes, give each a root of its own."
                ),
            ));
        }
        warnings
    }
}

/// Whether both roots are known, and one cluster doesn't trust that of the other.
fn has_other_root(one: &PlannedRoot, other: &PlannedRoot) -> bool {
    match (one, other) {
        (PlannedRoot::Trusted { signer: one, further: with_one }, PlannedRoot::Trusted { signer: other, further: with_other }) => {
            one != other && !(with_one.contains(other) && with_other.contains(one))
        }
        _ => false,
    }
}

/// Names the clusters of a mesh that have no `ca`; `None` if all have one, or the cluster is alone.
fn without_ca<'a>(cluster: &'a PlannedCluster, others: impl Iterator<Item = &'a &'a PlannedCluster>) -> Option<String> {
    let others: Vec<_> = others.copied().collect();
    let without = std::iter::once(cluster).chain(others.iter().copied()).filter(|member| member.root == PlannedRoot::OwnOfIstiod);
    if others.is_empty() { None } else { names(without.map(|member| &member.key)) }
}
