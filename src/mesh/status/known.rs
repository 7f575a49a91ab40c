//! Checks of the gateways to other networks that istiod knows, by links and by the discovery of other clusters.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Check, count, list, unread_cluster, untold};
use crate::{
    data::Kind,
    mesh::{
        inventory::{ClusterInventory, DiscoveredCluster, GatewayFacts, Inventory, KnownGateway, LinkFacts},
        names::ClusterKey,
    },
};

/// An address and its port.
type Place = (String, u16);

/// What a pod of istiod answers.
type Known = Result<Vec<KnownGateway>, String>;

/// What a pod of istiod should know, and what is done about it if it doesn't.
struct Wanted<'a> {
    id: &'static str,
    network: &'a str,
    /// Where the network's gateways are reached; none if that isn't seen, so that any will do.
    places: BTreeSet<Place>,
    /// Whose these places are.
    of: String,
    cause: &'static str,
    fix: String,
}

impl Wanted<'_> {
    /// Compares it with what each pod knows. `asked` has the pods that were; there is no result if none was.
    fn check<'a>(&self, asked: impl Iterator<Item = (&'a String, &'a Known)>, cluster: Option<&str>) -> Option<Check> {
        let (mut known, mut amiss, mut unasked, mut is_reached) = (0, Vec::new(), Vec::new(), true);
        for (pod, gateways) in asked {
            match gateways {
                Err(why) => unasked.push(format!("{pod}: {why}")),
                Ok(gateways) => match self.missing(&places(gateways, self.network, cluster)) {
                    None => known += 1,
                    Some((why, some)) => {
                        is_reached &= some;
                        amiss.push(format!("{pod} knows {why}"));
                    }
                },
            }
        }
        let (id, network) = (self.id, self.network);
        let check = if !amiss.is_empty() {
            let seen = format!("istiod doesn't know the way to network {network}: {}.", list(&amiss));
            let check = if is_reached { Check::warning(id, seen) } else { Check::error(id, seen) };
            check.because(self.cause, &self.fix)
        } else if !unasked.is_empty() {
            Check::unknown(id, format!("It can't be told which gateways of network {network} istiod knows: {}", list(&unasked)))
                .because("Whether sidecars are told a way to that network isn't known.", "Check that the API server reaches istiod's pods.")
        } else if known > 0 {
            Check::ok(id, format!("{} of istiod know where network {network} is reached.", count(known, "pod")))
        } else {
            return None;
        };
        Some(check)
    }

    /// Says what a pod knows instead of all that it should, and whether calls succeed nevertheless.
    fn missing(&self, known: &BTreeSet<Place>) -> Option<(String, bool)> {
        if known.is_empty() {
            return Some(("no gateway".to_owned(), false));
        }
        // A host name isn't found again among the addresses that it has been resolved to.
        let is_comparable = self.places.iter().all(|(address, _)| is_ip(address));
        let missing: Vec<_> = self.places.difference(known).collect();
        if !is_comparable || missing.is_empty() {
            return None;
        }
        let why = format!("{}, and {} has {}", shown(known), self.of, shown(&self.places));
        Some((why, missing.len() < self.places.len()))
    }
}

/// Returns where a network is reached as istiod knows it: by the gateways in a cluster, or by all if none is there.
fn places(gateways: &[KnownGateway], network: &str, cluster: Option<&str>) -> BTreeSet<Place> {
    let of_network: Vec<_> = gateways.iter().filter(|gateway| gateway.network == network && gateway.port != 0).collect();
    let is_in_it = |gateway: &&KnownGateway| Some(gateway.cluster.as_str()) == cluster;
    let chosen: Vec<_> = of_network.iter().copied().filter(is_in_it).collect();
    let chosen = if chosen.is_empty() { of_network } else { chosen };
    chosen.into_iter().map(|gateway| (gateway.address.clone(), gateway.port)).collect()
}

fn shown(places: &BTreeSet<Place>) -> String {
    let places: Vec<_> = places.iter().map(|(address, port)| format!("{address} port {port}")).collect();
    list(&places)
}

/// Looks at whether istiod uses a link as it is now.
pub(super) fn by_link(link: &LinkFacts, cluster: &ClusterInventory) -> Option<Check> {
    let wanted = Wanted {
        id: "link.gateway",
        network: &link.network,
        places: link.addresses.iter().map(|address| (address.clone(), link.port)).collect(),
        of: "the link".to_owned(),
        cause: "Calls to hosts of the network go to where the Gateway led before, or nowhere.",
        fix: told_names(&link.addresses).unwrap_or_else(|| {
            "Look at the Gateway's conditions and istiod's logs; if these say nothing, restart istiod: kubectl rollout restart deployment.".to_owned()
        }),
    };
    Some(wanted.check(cluster.known_gateways.iter(), None)?.on(&link.full_name))
}

/// Looks at whether istiod knows a way to the pods of a cluster that it discovers. On one network with it, sidecars need none.
pub(super) fn by_discovery(found: &DiscoveredCluster, cluster: &ClusterInventory, inventory: &Inventory) -> Option<Check> {
    let id = "discovery.gateway";
    let of_istiod = |pod: &str| pod.split('/').next() == found.secret.split('/').next();
    let mut pods = cluster.known_gateways.iter().filter(|(pod, _)| of_istiod(pod)).peekable();
    pods.peek()?;
    let (key, remote) = inventory.clusters.get_key_value(found.key.as_ref()?)?;
    let remote = match remote {
        Ok(remote) => remote,
        Err(unread) => return Some(unread_cluster(id, key, unread).on(&found.secret)),
    };
    let network = remote.control_plane()?.network.as_deref()?;
    if cluster.control_plane()?.network.as_deref() == Some(network) {
        return None;
    }
    if let Some(untold) = untold(id, remote, &[Kind::SERVICE.plural.to_owned()]) {
        return Some(untold.on(&found.secret));
    }
    let gateways: Vec<_> = remote.gateways.iter().filter(|gateway| gateway.network == network).collect();
    // Of a Service by its nodes istiod knows the nodes' addresses, which the Service doesn't show.
    let shown = gateways.iter().filter(|gateway| gateway.service_type != "NodePort");
    let wanted = Wanted {
        id,
        network,
        places: shown.flat_map(|gateway| gateway.addresses.iter().map(|address| (address.clone(), gateway.port))).collect(),
        of: format!("the gateway of cluster {key}"),
        cause: "Without a gateway, sidecars call that cluster's pods at their own addresses, which another network doesn't reach. With an old one, calls \
                go to where nobody may answer.",
        fix: fix(key, &gateways),
    };
    Some(wanted.check(pods, Some(&found.name))?.on(&found.secret))
}

/// Says what makes istiod of another cluster know these gateways.
fn fix(key: &ClusterKey, gateways: &[&GatewayFacts]) -> String {
    let addresses: Vec<_> = gateways.iter().flat_map(|gateway| gateway.addresses.clone()).collect();
    if gateways.is_empty() {
        return format!("Apply a mesh_eastwest_gateway in cluster {key}, or a mesh_link to its network in this one.");
    }
    if addresses.is_empty() {
        return "Mend the check gateway.address of that cluster first. If the gateway has `external_addresses`, istiod doesn't see them there: apply a \
                mesh_link to the network in this cluster."
            .to_owned();
    }
    told_names(&addresses).unwrap_or_else(|| {
        "istiod reads a gateway off its Service: its addresses, and the port 15443 or the one in the label networking.istio.io/gatewayPort. If the Service \
         has that port and the check discovery.read is ok, restart istiod: kubectl rollout restart deployment."
            .to_owned()
    })
}

/// What to do if there are host names among the addresses, which istiod may be unable to resolve.
fn told_names(addresses: &[String]) -> Option<String> {
    let names: Vec<_> = addresses.iter().filter(|address| !is_ip(address)).cloned().collect();
    let fix = || format!("istiod resolves host names itself: check that its pods resolve {}; its logs say what failed.", list(&names));
    (!names.is_empty()).then(fix)
}

fn is_ip(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok()
}
