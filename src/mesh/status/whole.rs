//! Checks between clusters: what all clusters of one mesh must have in common, and what each must have for itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Severity, cluster::shown, unreadable};
use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        check::distinct,
        inventory::{ClusterInventory, ControlPlane, Home, Inventory, Unread},
        names::ClusterKey,
    },
};

/// A cluster of the mesh, with the control plane that the mesh goes by.
#[derive(Clone, Copy)]
struct Member<'a> {
    key: &'a ClusterKey,
    cluster: &'a ClusterInventory,
    plane: &'a ControlPlane,
}

impl Member<'_> {
    /// Whether an object of the control plane's namespace was read.
    fn has_read(&self, object: impl Fn(Home) -> ObjectRef) -> bool {
        !self.cluster.is_unread(&object(Home::of(&self.plane.namespace)).to_string())
    }
}

pub(super) fn checks(inventory: &Inventory) -> Vec<Check> {
    let members: Vec<_> =
        inventory.read().filter_map(|(key, cluster)| Some(Member { key, cluster, plane: cluster.control_plane()? })).collect();
    let uids = inventory.read().map(|(key, cluster)| (key, cluster.uid.as_deref()));
    let mut checks = vec![distinct("cluster.distinct", uids)];
    let unread: Vec<_> = inventory.clusters.iter().filter(|(_, cluster)| is_unread(cluster)).map(|(key, _)| what_has(key)).collect();
    if members.len() + unread.len() > 1 {
        checks.extend([versions(&members), roots(&members), mesh_id(&members), trust_domain(&members), networks(&members)]);
    }
    // What is well among the others isn't known to be so of all.
    let of_all = |check: Check| if check.severity == Severity::Ok && !unread.is_empty() { unreadable(check.id, &unread) } else { check };
    checks.into_iter().map(of_all).collect()
}

/// Whether it isn't known which control plane a cluster has.
fn is_unread(cluster: &Result<ClusterInventory, Unread>) -> bool {
    cluster.as_ref().map_or(true, |cluster| cluster.is_unread(Kind::DEPLOYMENT.plural))
}

fn what_has(key: &ClusterKey) -> String {
    format!("what cluster {key} has")
}

/// Returns the result of a comparison in which nothing bad was found: it is known only if all members took part.
fn compared(ok: Check, members: &[Member<'_>], compared: &[Member<'_>]) -> Check {
    let is_left_out = |member: &&Member<'_>| compared.iter().all(|known| known.key != member.key);
    let left_out: Vec<_> = members.iter().filter(is_left_out).map(|member| what_has(member.key)).collect();
    if left_out.is_empty() { ok } else { unreadable(ok.id, &left_out) }
}

/// Groups clusters by a value: `shop in us, eu; other in asia`.
fn groups<'a>(values: impl Iterator<Item = (&'a ClusterKey, String)>) -> (usize, String) {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in values {
        groups.entry(value).or_default().push(key.to_string());
    }
    let lines: Vec<_> = groups.iter().map(|(value, keys)| format!("{value} in {}", keys.join(", "))).collect();
    (lines.len(), lines.join("; "))
}

fn versions(members: &[Member<'_>]) -> Check {
    let id = "istiod.version";
    let known: Vec<_> = members.iter().filter(|member| member.plane.version.is_some()).copied().collect();
    let versions = || known.iter().filter_map(|member| Some((member.key, member.plane.version.as_ref()?)));
    let minors: BTreeSet<_> = versions().map(|(_, version)| (version.major, version.minor)).collect();
    let (_, seen) = groups(versions().map(|(key, version)| (key, version.to_string())));
    let is_far = matches!((minors.first(), minors.last()), (Some(first), Some(last)) if first.0 != last.0 || last.1 - first.1 > 1);
    if is_far {
        return Check::warning(id, format!("Versions are more than one minor version apart: {seen}."))
            .because("Istio does not test such combinations.", "Upgrade the clusters that are behind, one minor version at a time.");
    }
    if known.len() < members.len() {
        return Check::unknown(id, "The versions of some clusters aren't known.")
            .because("Neither a label of istiod's Deployment nor its image's tag is a version.", "Compare the images of istiod yourself.");
    }
    Check::ok(id, format!("Versions: {seen}."))
}

fn roots(members: &[Member<'_>]) -> Check {
    let id = "ca.root";
    let known: Vec<_> = members.iter().filter(|member| !member.plane.roots.served.is_empty()).copied().collect();
    let (_, seen) = groups(known.iter().map(|member| (member.key, shown(&fingerprints(member.plane).into_iter().collect::<Vec<_>>()))));
    if known.iter().any(|one| known.iter().any(|other| have_no_common_root(one.plane, other.plane))) {
        return Check::error(id, format!("There is no common root of trust: {seen}.")).because(
            "Sidecars refuse the certificates of clusters whose root they do not trust, so calls between them fail with TLS errors.",
            "Issue all clusters' CAs from one mesh_root_ca with mesh_cluster_ca, and set `ca` of each mesh_cluster.",
        );
    }
    if known.len() < members.len() {
        return Check::unknown(id, "The roots of some clusters aren't known.")
            .because("Whether they have one in common can't be told.", "Mend the checks ca.served and cluster.readable first.");
    }
    Check::ok(id, format!("There is a common root of trust: {seen}."))
}

fn fingerprints(plane: &ControlPlane) -> BTreeSet<String> {
    plane.roots.served.iter().map(|root| root.fingerprint.clone()).collect()
}

/// Whether the roots of both are known, and none is in both.
fn have_no_common_root(one: &ControlPlane, other: &ControlPlane) -> bool {
    let (one, other) = (fingerprints(one), fingerprints(other));
    !one.is_empty() && !other.is_empty() && one.is_disjoint(&other)
}

fn mesh_id(members: &[Member<'_>]) -> Check {
    let id = "mesh.id";
    let known = with_config(members);
    let value = |plane: &ControlPlane| plane.mesh_id.clone().unwrap_or_else(|| "no ID".to_owned());
    let (kinds, seen) = groups(known.iter().map(|member| (member.key, value(member.plane))));
    if kinds > 1 {
        return Check::warning(id, format!("Clusters have different mesh IDs: {seen}."))
            .because("Telemetry and policies take the clusters for different meshes.", "Set the same `mesh_id` in every mesh_cluster.");
    }
    compared(Check::ok(id, format!("Mesh IDs: {seen}.")), members, &known)
}

/// Returns the members whose mesh configuration was read.
fn with_config<'a>(members: &[Member<'a>]) -> Vec<Member<'a>> {
    members.iter().filter(|member| member.has_read(|home| home.mesh_config)).copied().collect()
}

fn trust_domain(members: &[Member<'_>]) -> Check {
    let id = "mesh.trust_domain";
    let known = with_config(members);
    let (_, seen) = groups(known.iter().map(|member| (member.key, own_trust_domain(member.plane))));
    if known.iter().any(|one| known.iter().any(|other| !one.plane.trust_domains.contains(&own_trust_domain(other.plane)))) {
        return Check::error(id, format!("Clusters have different trust domains: {seen}.")).because(
            "Workloads refuse clients of a trust domain that is neither theirs nor an alias of it.",
            "Set the same `trust_domain` in every mesh_cluster, or list the others in meshConfig.trustDomainAliases.",
        );
    }
    compared(Check::ok(id, format!("Trust domains: {seen}.")), members, &known)
}

fn own_trust_domain(plane: &ControlPlane) -> String {
    plane.trust_domains.first().cloned().unwrap_or_default()
}

fn networks(members: &[Member<'_>]) -> Check {
    let id = "network.distinct";
    let known: Vec<_> = members.iter().filter(|member| member.has_read(|home| home.namespace)).copied().collect();
    let labelled = known.iter().filter_map(|member| Some((member.key, member.plane.network.clone()?)));
    let (kinds, seen) = groups(labelled.clone());
    if kinds < labelled.count() {
        return Check::warning(id, format!("Clusters share a network: {seen}.")).because(
            "istiod assumes that pods of one network reach each other directly, and uses no gateway between them.",
            "Set a `network` of its own in each mesh_cluster, unless the pods do reach each other.",
        );
    }
    compared(Check::ok(id, format!("Networks: {seen}.")), members, &known)
}

/// Whether calls between two clusters fail whatever is exported: their workloads don't trust each other's certificates.
pub(in crate::mesh) fn refuse_each_other(one: &ClusterInventory, other: &ClusterInventory) -> bool {
    let planes = one.control_plane().zip(other.control_plane());
    planes.is_some_and(|(one, other)| have_no_common_root(one, other))
}
