//! Checks of the east-west gateways.

use std::collections::BTreeSet;

use super::{Check, untold};
use crate::{
    data::Kind,
    mesh::{
        inventory::{ClusterInventory, GatewayFacts, Inventory},
        names::ClusterKey,
    },
};

pub(super) fn checks(inventory: &Inventory) -> Vec<Check> {
    let of = |(key, cluster): (&ClusterKey, &ClusterInventory)| {
        let checks = cluster.gateways.iter().flat_map(|gateway| [ready(cluster, gateway), address(gateway)]).chain(present(cluster));
        checks.map(|check| check.of(key)).collect::<Vec<_>>()
    };
    inventory.read().flat_map(of).collect()
}

fn present(cluster: &ClusterInventory) -> Vec<Check> {
    let id = "gateway.present";
    let requests = cluster.exports.iter().filter_map(|export| export.request.as_ref().ok());
    let named: BTreeSet<_> = requests.map(|request| (request.gateway_namespace.as_str(), request.gateway_service_name())).collect();
    let check = |(namespace, name): (&str, &str)| {
        let check = match (cluster.gateway(namespace, name), untold(id, cluster, &[Kind::SERVICE.plural.to_owned()])) {
            (Some(gateway), _) => Check::ok(id, format!("It is there, for network {}.", gateway.network)),
            (None, Some(untold)) => untold,
            (None, None) => {
                Check::error(id, "Exports name it, and there is no Service of this name with the label topology.istio.io/network.").because(
                    "Calls of other clusters to the exported hosts go to its address.",
                    "Apply the mesh_eastwest_gateway, or correct `gateway` of the exports.",
                )
            }
        };
        check.on(format!("{namespace}/{name}"))
    };
    named.into_iter().map(check).collect()
}

fn ready(cluster: &ClusterInventory, gateway: &GatewayFacts) -> Check {
    let id = "gateway.ready";
    if let Some(untold) = untold(id, cluster, &[gateway.deployment().to_string()]) {
        return untold.on(gateway.full_name());
    }
    let check = match gateway.wanted {
        None => Check::unknown(id, "The Service has no Deployment of the same name.")
            .because("Other pods may serve it.", "Check that the Service has endpoints."),
        Some(0) => Check::error(id, "It is scaled to 0 pods.").because(
            "Nothing answers at its address, so calls of other clusters fail.",
            "Scale the Deployment up; the next apply of the mesh_eastwest_gateway does so too.",
        ),
        Some(wanted) if gateway.ready == 0 => Check::error(id, format!("0 of {wanted} pods are ready."))
            .because("Nothing answers at its address, so calls of other clusters fail.", "Mend what keeps its pods from becoming ready."),
        Some(wanted) if gateway.ready < wanted => Check::warning(id, format!("{} of {wanted} pods are ready.", gateway.ready))
            .because("The others don't take calls.", "Mend what keeps its pods from becoming ready."),
        Some(wanted) => Check::ok(id, format!("{} of {wanted} pods are ready.", gateway.ready)),
    };
    check.on(gateway.full_name())
}

fn address(gateway: &GatewayFacts) -> Check {
    let id = "gateway.address";
    let check = if !gateway.addresses.is_empty() {
        Check::ok(id, format!("It is reached at {}, port {}.", gateway.addresses.join(", "), gateway.port))
    } else if gateway.service_type == "LoadBalancer" {
        Check::error(id, "The load balancer has no address.").because(
            "Other clusters have no way to the exported hosts.",
            "Look at the events of the Service: kubectl describe service. The cluster may have no controller for load balancers.",
        )
    } else {
        // Nodes, or an address that only the configuration has: `external_addresses`.
        Check::ok(id, format!("The Service has the type {}, whose addresses it doesn't show.", gateway.service_type))
    };
    check.on(gateway.full_name())
}
