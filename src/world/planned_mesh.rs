//! The clusters and exports that one run of the CLI plans, and what is wrong between them. The CLI plans all resources in one process, so
//! here they meet, each as it is planned: a conflict is reported by the later one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use framework::{AttributePath, Error};

use crate::mesh::{ClusterKey, ExportId, MeshId, NetworkName, TrustDomain, Vip};

/// What one run has planned so far.
#[derive(Default)]
pub struct PlannedMesh(Mutex<Planned>);

#[derive(Default)]
struct Planned {
    clusters: BTreeMap<ClusterKey, PlannedCluster>,
    exports: BTreeMap<ExportId, PlannedExport>,
    /// The label of each gateway's pods, by cluster and name.
    gateways: BTreeMap<(ClusterKey, String), String>,
    /// The cluster and the namespace of each CA that gets another certificate.
    renewed: BTreeSet<(String, String)>,
}

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

/// An export as far as its plan knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedExport {
    /// Which export.
    pub id: ExportId,
    /// The known keys of the importing clusters.
    pub importers: BTreeSet<ClusterKey>,
    /// The address that the host has in the importing clusters, if known.
    pub address: Option<Vip>,
}

impl PlannedMesh {
    /// Adds or updates a cluster, and returns a warning for each conflict with the clusters planned so far.
    pub fn add_cluster(&self, cluster: PlannedCluster) -> Vec<Error> {
        let mut planned = self.lock();
        planned.clusters.insert(cluster.key.clone(), cluster.clone());
        let others: Vec<_> = planned.clusters.values().filter(|other| other.key != cluster.key).collect();
        cluster.conflicts(&others)
    }

    /// Adds or updates an export, and returns a warning for each conflict with the exports planned so far.
    pub fn add_export(&self, export: PlannedExport) -> Vec<Error> {
        let mut planned = self.lock();
        planned.exports.insert(export.id.clone(), export.clone());
        planned.exports.values().filter(|other| other.id != export.id).flat_map(|other| export.conflicts(other)).collect()
    }

    /// Adds or updates a gateway with the label of its pods, and returns a warning if another one of the cluster has the same label.
    pub fn add_gateway(&self, cluster: &ClusterKey, name: String, label: &str) -> Option<Error> {
        let mut planned = self.lock();
        let is_alike =
            |((other, other_name), theirs): &(&(ClusterKey, String), &String)| other == cluster && *other_name != name && *theirs == label;
        let other = planned.gateways.iter().find(is_alike).map(|((_, other), _)| other.clone());
        let warning = other.map(|other| {
            let detail = format!(
                "The pods of the gateways {name} and {other} of cluster `{cluster}` both have the label `istio: {label}`, by which exports choose a \
                 gateway, so each of the two passes on what is exported by the other. Set `label` of one of them to another value."
            );
            Error::new("Gateways share a label", detail).at(AttributePath::new("label"))
        });
        planned.gateways.insert((cluster.clone(), name), label.to_owned());
        warning
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

impl PlannedCluster {
    /// Whether its workloads accept clients of another cluster, as far as both are known.
    fn accepts(&self, other: &Self) -> bool {
        let (Some(ours), Some(theirs), Some(accepted)) = (&self.trust_domain, &other.trust_domain, &self.accepted_domains) else {
            return true;
        };
        ours == theirs || accepted.iter().any(|domain| domain == theirs.as_str())
    }

    fn conflicts(&self, others: &[&Self]) -> Vec<Error> {
        let (key, mesh) = (&self.key, &self.mesh_id);
        let of_mesh = || others.iter().filter(|other| other.mesh_id == *mesh);
        let differing = |differs: &dyn Fn(&Self) -> bool| names(of_mesh().filter(|other| differs(other)).map(|other| &other.key));
        let mut warnings = Vec::new();
        let mut warn = |attribute: &'static str, summary: &str, detail: String| {
            warnings.push(Error::new(summary, detail).at(AttributePath::new(attribute)));
        };

        if let (Some(network), Some(same)) = (&self.network, differing(&|other| self.network.is_some() && other.network == self.network)) {
            warn(
                "network",
                "Clusters share a network",
                format!(
                    "Clusters `{key}` and {same} of mesh `{mesh}` are both on network `{network}`. Istio then assumes that their pods reach each \
                     other directly, and uses no east-west gateway between them. If they don't, set a different `network` for each."
                ),
            );
        }
        if let (Some(domain), Some(different)) = (&self.trust_domain, differing(&|other| !(self.accepts(other) && other.accepts(self)))) {
            warn(
                "trust_domain",
                "Clusters of one mesh have different trust domains",
                format!(
                    "Cluster `{key}` of mesh `{mesh}` has the trust domain `{domain}`, and {different} another. Workloads refuse clients of a \
                     trust domain that is neither theirs nor an alias of it. Set the same `trust_domain` in all clusters of the mesh, or list the \
                     others' in `trust_domain_aliases` of each."
                ),
            );
        }
        if let Some(without) = without_ca(self, of_mesh()) {
            warn(
                "ca",
                "Cluster without a common root of trust",
                format!(
                    "Mesh `{mesh}` has several clusters, and {without} has no `ca`: istiod creates a root there that no other cluster trusts, so \
                     calls between the clusters fail. Set `ca` to a mesh_cluster_ca in each cluster."
                ),
            );
        }
        if let (PlannedRoot::Trusted { signer: ours, .. }, Some(different)) =
            (&self.root, differing(&|other| has_other_root(&self.root, &other.root)))
        {
            warn(
                "ca",
                "Clusters of one mesh have different roots of trust",
                format!(
                    "The CA of cluster `{key}` has the root {ours}, and that of {different} another, so workloads of the two don't trust each \
                     other. Let the mesh_cluster_ca of all clusters of mesh `{mesh}` refer to the same root."
                ),
            );
        }
        // Separate meshes have separate roots.
        let other_mesh = others.iter().filter(|other| other.mesh_id != *mesh && !has_other_root(&self.root, &other.root));
        if let Some(other) = names(other_mesh.map(|other| &other.key)) {
            warn(
                "mesh_id",
                "Clusters have different mesh IDs",
                format!(
                    "Cluster `{key}` belongs to mesh `{mesh}`, and {other} to another. Clusters of one mesh must have the same `mesh_id`. If \
                     these are separate meshes, give each a root of its own."
                ),
            );
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

impl PlannedExport {
    fn conflicts(&self, other: &Self) -> Vec<Error> {
        let (host, other_host) = (&self.id.host, &other.id.host);
        // Nearly all pairs end here, of which a thousand exports have half a million.
        let may_share_an_address = || self.addresses().any(|ours| other.addresses().any(|theirs| ours == theirs));
        if host != other_host && !may_share_an_address() {
            return Vec::new();
        }
        let (clusters, others) = (self.clusters(), other.clusters());
        let mut warnings = Vec::new();
        if host == other_host
            && let Some(shared) = names(clusters.intersection(&others).copied())
        {
            warnings.push(
                Error::new(
                    "Host exported twice",
                    format!(
                        "`{host}` is exported by `{}` from namespace `{}` and by `{}` from namespace `{}`, and both exports reach {shared}, where \
                         only one of them can win. Export one of them by another host.",
                        self.id.exporter, self.id.namespace, other.id.exporter, other.id.namespace
                    ),
                )
                .at(AttributePath::new("host")),
            );
        }
        let has_same_address = |cluster: &&&ClusterKey| {
            let address = self.address_in(cluster);
            address.is_some() && address == other.address_in(cluster)
        };
        if host != other_host
            && let Some(shared) = names(clusters.intersection(&others).filter(has_same_address).copied())
        {
            let address = self.address.map(|address| address.to_string()).unwrap_or_default();
            warnings.push(
                Error::new(
                    "Virtual address used twice",
                    format!(
                        "`{host}` and `{other_host}` both have the address {address} in {shared}, so TCP connections to one may reach the other. \
                         Set `vip` of one of them to an address of its own; the function `vip` computes them."
                    ),
                )
                .at(AttributePath::new("vip")),
            );
        }
        warnings
    }

    /// The address that the host has in a cluster, which exports or imports it.
    fn address_in(&self, cluster: &ClusterKey) -> Option<Vip> {
        let at_exporter = |address: Vip| address.at_exporter(&self.id.host);
        if *cluster == self.id.exporter { self.address.map(at_exporter) } else { self.address }
    }

    /// The addresses that the host has in one cluster or another.
    fn addresses(&self) -> impl Iterator<Item = Vip> {
        self.address.into_iter().flat_map(|address| [address, address.at_exporter(&self.id.host)])
    }

    /// The clusters that resolve the host.
    fn clusters(&self) -> BTreeSet<&ClusterKey> {
        std::iter::once(&self.id.exporter).chain(&self.importers).collect()
    }
}

/// Lists keys in backticks; `None` if there are none.
fn names<'a>(keys: impl Iterator<Item = &'a ClusterKey>) -> Option<String> {
    let keys: Vec<_> = keys.map(|key| format!("`{key}`")).collect();
    (!keys.is_empty()).then(|| keys.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::{Host, Namespace};

    fn cluster(key: &str, mesh: &str, network: &str, root: &str) -> PlannedCluster {
        PlannedCluster {
            key: ClusterKey::parse(key).unwrap(),
            mesh_id: MeshId::parse(mesh).unwrap(),
            network: NetworkName::parse(network).ok(),
            trust_domain: TrustDomain::parse("corp.local").ok(),
            accepted_domains: Some(Vec::new()),
            root: match root {
                "" => PlannedRoot::OwnOfIstiod,
                "?" => PlannedRoot::Unknown,
                roots => {
                    let mut roots = roots.split(',').map(str::to_owned);
                    PlannedRoot::Trusted { signer: roots.next().unwrap(), further: roots.collect() }
                }
            },
        }
    }

    fn export(exporter: &str, host: &str, importers: &[&str], vip: &str) -> PlannedExport {
        PlannedExport {
            id: ExportId {
                exporter: ClusterKey::parse(exporter).unwrap(),
                namespace: Namespace::parse("echo").unwrap(),
                host: Host::parse(host).unwrap(),
            },
            importers: importers.iter().map(|key| ClusterKey::parse(key).unwrap()).collect(),
            address: Vip::parse(vip).ok(),
        }
    }

    fn summaries(warnings: &[Error]) -> Vec<&str> {
        warnings.iter().map(|warning| warning.summary.as_ref()).collect()
    }

    #[test]
    fn a_consistent_mesh_has_no_warnings() {
        let mesh = PlannedMesh::default();
        for (key, root) in [("us", "?"), ("eu", "r"), ("us", "r")] {
            assert_eq!(summaries(&mesh.add_cluster(cluster(key, "m", &format!("{key}-net"), root))), [""; 0], "{key} {root}");
        }
        assert_eq!(mesh.add_export(export("eu", "a.mesh.local", &["us"], "240.0.0.2")).len(), 0);
        assert_eq!(mesh.add_export(export("eu", "b.mesh.local", &["us"], "240.0.0.3")).len(), 0);
        assert_eq!(mesh.add_export(export("eu", "b.mesh.local", &["us"], "240.0.0.3")).len(), 0, "the same export, planned again");
    }

    #[test]
    fn clusters_on_one_network_are_named() {
        let mesh = PlannedMesh::default();
        mesh.add_cluster(cluster("us", "m", "net", "r"));
        let warnings = mesh.add_cluster(cluster("eu", "m", "net", "r"));
        assert_eq!(summaries(&warnings), ["Clusters share a network"]);
        assert!(warnings[0].detail.contains("Clusters `eu` and `us` of mesh `m`"), "{}", warnings[0].detail);
    }

    #[test]
    fn a_cluster_without_a_ca_is_named_as_soon_as_it_isnt_alone() {
        let mesh = PlannedMesh::default();
        assert_eq!(mesh.add_cluster(cluster("us", "m", "us-net", "")).len(), 0, "a mesh of one cluster needs no `ca`");
        let warnings = mesh.add_cluster(cluster("eu", "m", "eu-net", "?"));
        assert_eq!(summaries(&warnings), ["Cluster without a common root of trust"]);
        assert!(warnings[0].detail.contains("`us` has no `ca`"), "{}", warnings[0].detail);
    }

    #[test]
    fn different_trust_domains_roots_and_mesh_ids_are_reported() {
        let mesh = PlannedMesh::default();
        mesh.add_cluster(cluster("us", "m", "us-net", "r"));
        let other = PlannedCluster { trust_domain: TrustDomain::parse("other.local").ok(), ..cluster("eu", "m", "eu-net", "s") };
        let expected = ["Clusters of one mesh have different trust domains", "Clusters of one mesh have different roots of trust"];
        assert_eq!(summaries(&mesh.add_cluster(other)), expected);
        assert_eq!(summaries(&mesh.add_cluster(cluster("eu", "n", "eu-net", "r"))), ["Clusters have different mesh IDs"]);
        assert_eq!(mesh.add_cluster(cluster("eu", "n", "eu-net", "s")).len(), 0, "two meshes with two roots");
        mesh.add_cluster(cluster("us", "m", "us-net", "r,s"));
        assert_eq!(summaries(&mesh.add_cluster(cluster("eu", "m", "eu-net", "s"))), expected[1..], "only one trusts both");
        assert_eq!(mesh.add_cluster(cluster("eu", "m", "eu-net", "s,r")).len(), 0, "each trusts both");
    }

    #[test]
    fn trust_domains_that_accept_each_other_are_no_conflict() {
        let mesh = PlannedMesh::default();
        let member = |key: &str, accepted: Option<&str>| PlannedCluster {
            trust_domain: TrustDomain::parse(&format!("{key}.local")).ok(),
            accepted_domains: accepted.map(|domain| vec![domain.to_owned()]),
            ..cluster(key, "m", &format!("{key}-net"), "r")
        };
        mesh.add_cluster(member("us", Some("eu.local")));
        assert_eq!(mesh.add_cluster(member("eu", Some("us.local"))).len(), 0);
        assert_eq!(mesh.add_cluster(member("eu", None)).len(), 0, "unknown, as in a first plan");
        assert_eq!(summaries(&mesh.add_cluster(member("eu", Some("ap.local")))), ["Clusters of one mesh have different trust domains"]);
    }

    #[test]
    fn gateways_that_open_each_others_exports_are_reported() {
        let (mesh, eu, us) = (PlannedMesh::default(), ClusterKey::parse("eu").unwrap(), ClusterKey::parse("us").unwrap());
        let added = |cluster: &ClusterKey, name: &str, label: &str| {
            mesh.add_gateway(cluster, name.to_owned(), label).map(|warning| warning.summary)
        };
        assert_eq!(added(&eu, "istio-system/istio-eu", "eu"), None);
        assert_eq!(added(&eu, "istio-system/istio-eu", "eu"), None, "the same gateway, planned again");
        assert_eq!(added(&us, "istio-system/eu", "eu"), None, "another cluster");
        assert_eq!(added(&eu, "gateways/eu", "eu").as_deref(), Some("Gateways share a label"));
        assert_eq!(added(&eu, "gateways/eu", "other"), None);
    }

    #[test]
    fn exports_with_one_host_or_one_address_in_a_cluster_are_reported() {
        let mesh = PlannedMesh::default();
        mesh.add_export(export("eu", "a.mesh.local", &["us"], "240.0.0.2"));
        assert_eq!(summaries(&mesh.add_export(export("asia", "a.mesh.local", &["us"], ""))), ["Host exported twice"]);
        assert_eq!(mesh.add_export(export("asia", "a.mesh.local", &["africa"], "")).len(), 0, "no cluster sees both");
        assert_eq!(summaries(&mesh.add_export(export("eu", "b.mesh.local", &["us"], "240.0.0.2"))), ["Virtual address used twice"]);
        mesh.add_export(export("eu", "c.mesh.local", &["us"], "10.0.0.2"));
        let warnings = mesh.add_export(export("us", "d.mesh.local", &["eu"], "10.0.0.2"));
        assert_eq!(warnings.len(), 0, "no cluster has both hosts at the private address: each exporter has another");
    }
}
