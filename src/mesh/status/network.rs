//! Checks of the ways to other networks: links, and the discovery of other clusters.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::{Check, known, list};
use crate::mesh::{
    inventory::{ClusterInventory, DiscoveredCluster, Inventory, LinkFacts},
    names::ClusterKey,
    remote_secret::Reading,
};

pub(super) fn checks(inventory: &Inventory) -> Vec<Check> {
    let of = |(key, cluster): (&ClusterKey, &ClusterInventory)| {
        let of_link = |link| [Some(taken_up(link)), address(link, inventory), known::by_link(link, cluster)];
        let of_found = |found| [token(found, inventory.at), read(found), known::by_discovery(found, cluster, inventory)];
        let links = cluster.links.iter().flatten().flat_map(of_link);
        let discovered = cluster.discovered.iter().flatten().flat_map(of_found);
        links.chain(discovered).flatten().map(|check| check.of(key)).collect::<Vec<_>>()
    };
    inventory.read().flat_map(of).collect()
}

fn taken_up(link: &LinkFacts) -> Check {
    let id = "link.ready";
    let check = if link.is_taken_up {
        Check::ok(id, format!("Network {} is reached at {}, port {}.", link.network, list(&link.addresses), link.port))
    } else {
        Check::error(id, format!("istiod has not taken up the Gateway to network {}.", link.network)).because(
            "Calls to hosts of the network go to where the Gateway led before, or nowhere.",
            "Look at the conditions of the Gateway: kubectl describe gateways.gateway.networking.k8s.io. istiod writes them while it runs.",
        )
    };
    check.on(&link.full_name)
}

/// Compares the addresses of a link with those of the network's gateways, if any of these clusters has one.
fn address(link: &LinkFacts, inventory: &Inventory) -> Option<Check> {
    let id = "link.address";
    let gateways = inventory.read().flat_map(|(_, cluster)| &cluster.gateways).filter(|gateway| gateway.network == link.network);
    let shown: BTreeSet<_> = gateways.flat_map(|gateway| gateway.addresses.iter().map(|address| (address.clone(), gateway.port))).collect();
    if shown.is_empty() {
        return None;
    }
    let check = if link.addresses.iter().all(|address| shown.contains(&(address.clone(), link.port))) {
        Check::ok(id, "It has an address of the network's gateway.")
    } else {
        let shown: Vec<_> = shown.iter().map(|(address, port)| format!("{address}, port {port}")).collect();
        let (addresses, port) = (list(&link.addresses), link.port);
        Check::warning(id, format!("It has the address {addresses}, port {port}, and the gateways of network {} have {}.", link.network, list(&shown)))
            .because(
                "The gateway's address has changed since the last apply, so calls fail; or it has `external_addresses`, which the cluster doesn't show.",
                "Apply the mesh_link. If the gateway has `external_addresses`, check that they lead to it.",
            )
    };
    Some(check.on(&link.full_name))
}

/// Looks at how long a token is still valid.
fn token(found: &DiscoveredCluster, at: OffsetDateTime) -> Option<Check> {
    let id = "discovery.token";
    let (issued_at, expires_at) = found.token?;
    let fix = "Apply the mesh_remote_secret, which renews the token once less than `renew_before_hours` are left; let a pipeline do that in time.";
    let check = if expires_at <= at {
        Check::error(id, format!("The token for cluster {} has expired at {expires_at}.", found.name))
            .because("istiod sees no change of that cluster's endpoints any more, so calls go to pods that are gone.", fix)
    } else if expires_at - at < (expires_at - issued_at) / 10 {
        Check::warning(id, format!("The token for cluster {} expires at {expires_at}.", found.name))
            .because("From then on istiod sees no change of that cluster's endpoints.", fix)
    } else {
        Check::ok(id, format!("The token for cluster {} is valid until {expires_at}.", found.name))
    };
    Some(check.on(&found.secret))
}

/// Looks at whether the pods of istiod read a cluster, if they were asked.
fn read(found: &DiscoveredCluster) -> Option<Check> {
    let id = "discovery.read";
    let lines = |of: &dyn Fn(&Result<Reading, String>) -> Option<String>| {
        found.readings.iter().filter_map(|(pod, reading)| Some(format!("{pod}: {}", of(reading)?))).collect::<Vec<_>>()
    };
    let missing = lines(&|reading| match reading {
        Ok(Reading::Not(why)) => Some(why.clone()),
        _ => None,
    });
    let unasked = lines(&|reading| reading.as_ref().err().cloned());
    let check = if found.readings.is_empty() {
        return None;
    } else if !missing.is_empty() {
        Check::error(id, format!("istiod doesn't read cluster {}: {}.", found.name, list(&missing))).because(
            "Sidecars don't know the endpoints of that cluster, or not those of today.",
            "Check that istiod's pods reach the server of the remote secret, and that its token is accepted: the logs of istiod say so.",
        )
    } else if !unasked.is_empty() {
        Check::unknown(id, format!("It can't be told whether istiod reads cluster {}: {}", found.name, list(&unasked))).because(
            "Whether sidecars know the endpoints of that cluster isn't known.",
            "Check that the API server reaches istiod's pods, or ask them: istioctl remote-clusters.",
        )
    } else {
        Check::ok(id, format!("{} of istiod read cluster {}.", super::count(found.readings.len(), "pod"), found.name))
    };
    Some(check.on(&found.secret))
}

/// Looks for the link of an importing cluster to an exporter's network. Where istiod reads other clusters, it finds their gateways by itself.
pub(super) fn link_to(network: &str, importer: &ClusterInventory) -> Option<Check> {
    let id = "import.link";
    let (Some(links), Some(discovered)) = (&importer.links, &importer.discovered) else { return None };
    if links.iter().any(|link| link.network == network) {
        return Some(Check::ok(id, format!("A link leads to network {network}.")));
    }
    discovered.is_empty().then(|| {
        Check::warning(id, format!("No link leads to network {network}.")).because(
            "The host's endpoints name the network and no address. Unless istiod finds its gateway by other means, as by `meshNetworks`, calls fail.",
            "Apply the mesh_link of this cluster to the network.",
        )
    })
}
