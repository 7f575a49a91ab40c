//! Checks of sidecars.

use semver::Version;

use super::{Check, count, list};
use crate::mesh::{
    inventory::{ClusterInventory, Inventory, Sidecar},
    names::ClusterKey,
};

pub(super) fn checks(inventory: &Inventory) -> Vec<Check> {
    let of = |(key, cluster): (&ClusterKey, &ClusterInventory)| {
        [version(cluster), dns(cluster)].into_iter().flatten().map(|check| check.of(key)).collect::<Vec<_>>()
    };
    inventory.read().flat_map(of).collect()
}

fn version(cluster: &ClusterInventory) -> Option<Check> {
    let id = "sidecar.version";
    // A sidecar may be a canary's.
    let istiods: Vec<_> = cluster.control_planes.iter().filter_map(|plane| plane.version.as_ref()).collect();
    let istiod = istiods.iter().max()?;
    let is_far_from = |istiod: &Version, version: &Version| {
        version.major != istiod.major || version.minor > istiod.minor || istiod.minor - version.minor > 1
    };
    let is_far = |version: &Version| istiods.iter().all(|istiod| is_far_from(istiod, version));
    let known = || cluster.sidecars.iter().filter_map(|sidecar| Some((sidecar, sidecar.version.as_ref()?)));
    let far: Vec<_> =
        known().filter(|(_, version)| is_far(version)).map(|(sidecar, version)| format!("{} ({version})", sidecar.pod)).collect();
    if far.is_empty() {
        let all = known().count();
        // That is no fault, but someone who wonders about a patch wants to know.
        let is_older = |version: &Version| istiods.iter().all(|istiod| version < *istiod);
        let older: Vec<_> =
            known().filter(|(_, version)| is_older(version)).map(|(sidecar, version)| format!("{} ({version})", sidecar.pod)).collect();
        let older = if older.is_empty() { String::new() } else { format!(", {} older than it: {}", older.len(), list(&older)) };
        return (all > 0)
            .then(|| Check::ok(id, format!("{} suit istiod {istiod}{older}.", count(all, "proxy").replace("proxys", "proxies"))));
    }
    Some(Check::warning(id, format!("{} too far from istiod {istiod}: {}.", count(far.len(), "sidecar"), list(&far))).because(
        "Istio supports sidecars of istiod's minor version and of the one before. A sidecar is upgraded when its pod is created anew.",
        "Restart the workloads: kubectl rollout restart deployment.",
    ))
}

fn dns(cluster: &ClusterInventory) -> Option<Check> {
    let id = "sidecar.dns";
    if cluster.imports.is_empty() {
        return None;
    }
    let sidecars: Vec<&Sidecar> = cluster.sidecars.iter().filter(|sidecar| !sidecar.is_gateway).collect();
    let without: Vec<_> = sidecars.iter().filter(|sidecar| !sidecar.has_dns_capture).map(|sidecar| sidecar.pod.clone()).collect();
    if without.is_empty() {
        return (!sidecars.is_empty()).then(|| Check::ok(id, format!("{} resolve exported hosts.", count(sidecars.len(), "sidecar"))));
    }
    Some(Check::warning(id, format!("{} without DNS capture: {}.", count(without.len(), "sidecar"), list(&without))).because(
        "In these pods exported hosts resolve only if the cluster's DNS has them.",
        "Set `dns_capture` of the mesh_cluster to true, and restart the workloads.",
    ))
}
