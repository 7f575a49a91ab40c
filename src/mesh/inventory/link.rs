//! Links to other networks: Gateways of the class `istio-remote`, whoever wrote them.

use serde_json::Value as Json;

use super::Objects;
use crate::{
    istio::well_known,
    mesh::link::{Link, is_taken_up},
};

/// The link of a cluster to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// `NAMESPACE/NAME` of its Gateway.
    pub full_name: String,
    /// The network.
    pub network: String,
    /// Where the network's gateway is reached, sorted.
    pub addresses: Vec<String>,
    /// The port of these addresses.
    pub port: u16,
    /// Whether istiod uses it as it is now.
    pub is_taken_up: bool,
}

pub(super) fn of(objects: &Objects) -> Option<Vec<LinkFacts>> {
    let is_link = |gateway: &&Json| gateway["spec"]["gatewayClassName"] == well_known::REMOTE_GATEWAY_CLASS;
    Some(objects.api_gateways.as_ref()?.iter().filter(is_link).filter_map(link).collect())
}

fn link(gateway: &Json) -> Option<LinkFacts> {
    let link = Link::read(gateway)?;
    let mut addresses: Vec<_> = link.addresses.iter().map(ToString::to_string).collect();
    addresses.sort();
    Some(LinkFacts {
        full_name: format!("{}/{}", link.namespace, gateway["metadata"]["name"].as_str()?),
        network: link.network.to_string(),
        addresses,
        port: link.port,
        is_taken_up: is_taken_up(gateway),
    })
}
