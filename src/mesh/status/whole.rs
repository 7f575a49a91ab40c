//! Checks between clusters: what all clusters of one mesh must have in common, and what each must have for itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, cluster::shown, count};
use crate::mesh::{
    inventory::{ControlPlane, Inventory},
    names::ClusterKey,
};

pub(super) fn checks(inventory: &Inventory) -> Vec<Check> {
    let planes: Vec<_> = inventory.read().filter_map(|(key, cluster)| Some((key, cluster.control_plane()?))).collect();
    let mut checks = vec![distinct(inventory)];
    if planes.len() > 1 {
        checks.extend([versions(&planes), roots(&planes), mesh_id(&planes), trust_domain(&planes), networks(&planes)]);
    }
    checks
}

type Planes<'a> = [(&'a ClusterKey, &'a ControlPlane)];

/// Groups clusters by a value: `shop in us, eu; other in asia`.
fn groups<'a>(values: impl Iterator<Item = (&'a ClusterKey, String)>) -> (usize, String) {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in values {
        groups.entry(value).or_default().push(key.to_string());
    }
    let lines: Vec<_> = groups.iter().map(|(value, keys)| format!("{value} in {}", keys.join(", "))).collect();
    (lines.len(), lines.join("; "))
}

fn distinct(inventory: &Inventory) -> Check {
    let id = "cluster.distinct";
    let mut keys: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, cluster) in inventory.read() {
        if let Some(uid) = &cluster.uid {
            keys.entry(uid).or_default().push(key.to_string());
        }
    }
    match keys.values().find(|keys| keys.len() > 1) {
        Some(same) => Check::error(id, format!("The keys {} lead to one cluster.", same.join(" and "))).because(
            "Two entries of `clusters` have the same API server, or contexts of the same cluster.",
            "Correct the address or the context of one of them in the provider's configuration.",
        ),
        None => Check::ok(id, format!("{} can be told apart.", count(keys.len(), "cluster"))),
    }
}

fn versions(planes: &Planes<'_>) -> Check {
    let id = "istiod.version";
    let known: Vec<_> = planes.iter().filter_map(|(key, plane)| Some((*key, plane.version.as_ref()?))).collect();
    let minors: BTreeSet<_> = known.iter().map(|(_, version)| (version.major, version.minor)).collect();
    let (_, seen) = groups(known.iter().map(|(key, version)| (*key, version.to_string())));
    let is_far = matches!((minors.first(), minors.last()), (Some(first), Some(last)) if first.0 != last.0 || last.1 - first.1 > 1);
    if is_far {
        return Check::warning(id, format!("Versions are more than one minor version apart: {seen}."))
            .because("Istio does not test such combinations.", "Upgrade the clusters that are behind, one minor version at a time.");
    }
    Check::ok(id, if seen.is_empty() { "No version is known.".to_owned() } else { format!("Versions: {seen}.") })
}

fn roots(planes: &Planes<'_>) -> Check {
    let id = "ca.root";
    let known: Vec<_> = planes.iter().filter(|(_, plane)| !plane.roots.served.is_empty()).collect();
    let fingerprints = |plane: &ControlPlane| plane.roots.served.iter().map(|root| root.fingerprint.clone()).collect::<BTreeSet<_>>();
    let (_, seen) = groups(known.iter().map(|(key, plane)| (*key, shown(&fingerprints(plane).into_iter().collect::<Vec<_>>()))));
    let is_apart = known.iter().any(|(_, one)| known.iter().any(|(_, other)| fingerprints(one).is_disjoint(&fingerprints(other))));
    if is_apart {
        return Check::error(id, format!("There is no common root of trust: {seen}.")).because(
            "Sidecars refuse the certificates of clusters whose root they do not trust, so calls between them fail with TLS errors.",
            "Issue all clusters' CAs from one mesh_root_ca with mesh_cluster_ca, and set `ca` of each mesh_cluster.",
        );
    }
    if known.len() < 2 {
        return Check::unknown(id, "The roots of fewer than two clusters are known.").because("", "Mend the check ca.served first.");
    }
    Check::ok(id, format!("There is a common root of trust: {seen}."))
}

fn mesh_id(planes: &Planes<'_>) -> Check {
    let id = "mesh.id";
    let value = |plane: &ControlPlane| plane.mesh_id.clone().unwrap_or_else(|| "no ID".to_owned());
    let (kinds, seen) = groups(planes.iter().map(|(key, plane)| (*key, value(plane))));
    if kinds == 1 {
        return Check::ok(id, format!("Mesh IDs: {seen}."));
    }
    Check::warning(id, format!("Clusters have different mesh IDs: {seen}."))
        .because("Telemetry and policies take the clusters for different meshes.", "Set the same `mesh_id` in every mesh_cluster.")
}

fn trust_domain(planes: &Planes<'_>) -> Check {
    let id = "mesh.trust_domain";
    let own = |plane: &ControlPlane| plane.trust_domains.first().cloned().unwrap_or_default();
    let (_, seen) = groups(planes.iter().map(|(key, plane)| (*key, own(plane))));
    let is_refused = planes.iter().any(|(_, one)| planes.iter().any(|(_, other)| !one.trust_domains.contains(&own(other))));
    if is_refused {
        return Check::error(id, format!("Clusters have different trust domains: {seen}.")).because(
            "Workloads refuse clients of a trust domain that is neither theirs nor an alias of it.",
            "Set the same `trust_domain` in every mesh_cluster, or list the others in meshConfig.trustDomainAliases.",
        );
    }
    Check::ok(id, format!("Trust domains: {seen}."))
}

fn networks(planes: &Planes<'_>) -> Check {
    let id = "network.distinct";
    let labelled = planes.iter().filter_map(|(key, plane)| Some((*key, plane.network.clone()?)));
    let (kinds, seen) = groups(labelled.clone());
    if kinds == labelled.count() {
        return Check::ok(id, format!("Networks: {seen}."));
    }
    Check::warning(id, format!("Clusters share a network: {seen}.")).because(
        "istiod assumes that pods of one network reach each other directly, and uses no gateway between them.",
        "Set a `network` of its own in each mesh_cluster, unless the pods do reach each other.",
    )
}
