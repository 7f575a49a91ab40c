//! Whether a mesh is well: named checks of what its clusters show, each with what was seen, the cause and the fix.

mod cluster;
mod export;
mod gateway;
mod known;
mod network;
mod sidecar;
#[cfg(test)]
mod tests;
mod whole;

use super::{
    check::{count, list},
    inventory::{ClusterInventory, Inventory, Unread},
    names::ClusterKey,
};
use crate::data::Kind;

pub use super::check::{Check, Severity, Status};
pub(super) use export::import_of;
pub(super) use whole::refuse_each_other;

/// Every check with what it looks at. Of several failures the first in this order is most likely the cause of the others.
pub const CHECKS: &[(&str, &str)] = &[
    ("cluster.reachable", "The cluster's API server answers."),
    ("cluster.readable", "The credentials may read what the other checks look at."),
    ("cluster.distinct", "Each key of `clusters` leads to a cluster of its own."),
    ("istiod.installed", "The cluster has one istiod."),
    ("istiod.ready", "All pods of istiod are ready."),
    ("istiod.version", "The versions of istiod are at most one minor version apart."),
    ("webhook.injection", "istiod's webhook for sidecars is registered and has istiod's certificate."),
    ("webhook.validation", "istiod's webhook for Istio's objects is registered, has istiod's certificate, and refuses an invalid object."),
    ("ca.expiry", "The root's and istiod's certificates stay valid for 30 days at least."),
    ("ca.served", "istiod serves the roots in the Secret `cacerts`."),
    ("ca.used", "istiod signs with the CA in the Secret `cacerts`."),
    ("ca.root", "All clusters have a root of trust in common."),
    ("mesh.id", "All clusters have the same mesh ID."),
    ("mesh.trust_domain", "All clusters have the same trust domain, or list the others as aliases."),
    ("network.label", "The namespace of istiod has the label of its network."),
    ("network.distinct", "Each cluster has a network of its own."),
    ("gateway.present", "A cluster that exports has the gateway that its exports name."),
    ("gateway.ready", "All pods of the east-west gateways are ready."),
    ("gateway.address", "The east-west gateways have an address for other clusters."),
    ("link.ready", "istiod uses each link to another network."),
    ("link.address", "Links have the current address of the network's gateway."),
    ("link.gateway", "All pods of istiod know the gateway that each link leads to."),
    ("discovery.token", "The tokens by which istiod reads other clusters stay valid for a tenth of their time at least."),
    ("discovery.read", "All pods of istiod read the clusters that they discover."),
    ("discovery.gateway", "All pods of istiod know the gateways of the clusters that they discover."),
    ("export.open", "A Gateway opens each exported host on the east-west gateway."),
    ("export.pods", "Each exported host has ready pods, all with a sidecar."),
    ("export.served", "Clients of each exported host get a certificate of its pods from the east-west gateway."),
    ("import.present", "Each importing cluster has the objects of each export."),
    ("import.exported", "Each imported host is exported."),
    ("import.address", "Importing clusters have the gateway's current address."),
    ("import.link", "Importing clusters have a link to the network that an export names."),
    ("import.tls", "The DestinationRule of each import calls with the mesh's mutual TLS."),
    ("import.identity", "Each import accepts the identities that the export's pods have."),
    ("sidecar.version", "Sidecars are of istiod's minor version, or the one before."),
    ("sidecar.dns", "Sidecars of importing clusters resolve exported hosts."),
];

/// The kinds without which a check of a cluster finds nothing to look at. It is unknown then, and not left out.
const NEEDED: &[(&str, &[Kind])] = &[
    ("istiod.ready", &[Kind::DEPLOYMENT]),
    ("webhook.injection", &[Kind::DEPLOYMENT]),
    ("webhook.validation", &[Kind::DEPLOYMENT]),
    ("ca.expiry", &[Kind::DEPLOYMENT]),
    ("ca.served", &[Kind::DEPLOYMENT]),
    ("ca.used", &[Kind::DEPLOYMENT, Kind::POD]),
    ("network.label", &[Kind::DEPLOYMENT]),
    ("gateway.present", &[Kind::SERVICE_ENTRY]),
    ("gateway.ready", &[Kind::SERVICE]),
    ("gateway.address", &[Kind::SERVICE]),
    ("export.open", &[Kind::SERVICE_ENTRY]),
    ("export.pods", &[Kind::SERVICE_ENTRY, Kind::POD]),
    ("export.served", &[Kind::SERVICE_ENTRY, Kind::GATEWAY, Kind::SERVICE, Kind::POD]),
    ("import.present", &[Kind::SERVICE_ENTRY]),
    ("import.exported", &[Kind::SERVICE_ENTRY]),
    ("import.address", &[Kind::SERVICE_ENTRY]),
    ("import.tls", &[Kind::SERVICE_ENTRY, Kind::DESTINATION_RULE]),
    ("import.identity", &[Kind::SERVICE_ENTRY]),
    ("sidecar.version", &[Kind::DEPLOYMENT, Kind::POD]),
    ("sidecar.dns", &[Kind::SERVICE_ENTRY, Kind::POD]),
];

impl Status {
    /// Checks what clusters show.
    pub fn of(inventory: &Inventory) -> Self {
        let mut checks = cluster::checks(inventory);
        checks.extend(whole::checks(inventory));
        checks.extend(gateway::checks(inventory));
        checks.extend(network::checks(inventory));
        checks.extend(export::checks(inventory));
        checks.extend(sidecar::checks(inventory));
        checks.extend(without_result(&checks, inventory));
        Self::sorted(checks, CHECKS)
    }
}

/// Returns the result of a check that looks at what can't be read; `None` if all of it can be.
fn untold(id: &'static str, cluster: &ClusterInventory, needs: &[String]) -> Option<Check> {
    let unread: Vec<_> = needs.iter().filter(|what| cluster.is_unread(what)).cloned().collect();
    (!unread.is_empty()).then(|| unreadable(id, &unread))
}

/// Returns a result for each check of a cluster that has none because what it looks at can't be read.
fn without_result(checks: &[Check], inventory: &Inventory) -> Vec<Check> {
    let of = |(key, cluster): (&ClusterKey, &ClusterInventory)| {
        let has_none = |id: &str| !checks.iter().any(|check| check.id == id && check.cluster.as_ref() == Some(key));
        let left_out = NEEDED.iter().filter(|(id, _)| has_none(id)).filter_map(|(id, kinds)| {
            let needs: Vec<_> = kinds.iter().map(|kind| kind.plural.to_owned()).collect();
            untold(id, cluster, &needs)
        });
        left_out.map(|check| check.of(key)).collect::<Vec<_>>()
    };
    inventory.read().flat_map(of).collect()
}

/// Returns the result of a check that needs a cluster of which nothing can be read.
fn unread_cluster(id: &'static str, key: &ClusterKey, unread: &Unread) -> Check {
    Check::unknown(id, format!("It can't be told: cluster {key} can't be read. {}", unread.why))
        .because("Whether all is well here isn't known.", "Mend the check cluster.reachable of that cluster first.")
}

fn unreadable(id: &'static str, what: &[String]) -> Check {
    Check::unknown(id, format!("It can't be told: {} can't be read.", list(what)))
        .because("Whether all is well here isn't known.", "Mend the check cluster.readable first, which says why it can't be read.")
}
