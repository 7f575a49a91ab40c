//! Where other clusters reach the gateway: the addresses of the load balancer, or configured ones where there is none.

use serde_json::Value as Json;

use super::{EastwestGateway, EastwestGatewayModel};
use crate::{
    mesh::{
        helm::gateway::{self, Address, PORT, addresses, node_port, passthrough_port},
        names::port,
    },
    world::World,
};
use framework::{AttributePath, Cx, Error, Parse, Value};

/// Configured addresses and port, which no load balancer decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct External {
    /// The addresses, sorted; `None` if they are the load balancer's.
    pub(super) addresses: Option<Vec<Address>>,
    /// The port; `None` if it is the Service's.
    pub(super) port: Option<u16>,
}

impl External {
    pub(super) fn parse(model: &EastwestGatewayModel, parse: &mut Parse<'_>) -> Option<Self> {
        let addresses = parse_external(model, parse);
        let port = parse.optional("external_port", &model.external_port, |number| port::number(*number));
        Some(Self { addresses: addresses?, port: port? })
    }

    /// Returns the addresses for other clusters, as strings.
    pub(super) fn addresses(&self, service: Option<&Json>) -> Vec<String> {
        let found = || service.map(addresses).unwrap_or_default();
        self.addresses.clone().unwrap_or_else(found).iter().map(ToString::to_string).collect()
    }

    /// Returns the port for other clusters. Nodes are reached at the Service's node port.
    pub(super) fn port(&self, service: Option<&Json>) -> u16 {
        let of_nodes =
            || service.filter(|_| self.addresses.is_some()).filter(|service| service["spec"]["type"] == "NodePort").and_then(node_port);
        self.port.or_else(of_nodes).or_else(|| service.and_then(passthrough_port)).unwrap_or(PORT)
    }
}

/// Parses `external_addresses`.
#[allow(clippy::option_option)] // not known, not set, set
pub(super) fn parse_external(model: &EastwestGatewayModel, parse: &mut Parse<'_>) -> Option<Option<Vec<Address>>> {
    let addresses = parse.optional_each("external_addresses", &model.external_addresses, |text| Address::parse(text))?;
    if addresses.as_ref().is_some_and(Vec::is_empty) {
        parse.violation(
            parse.path("external_addresses"),
            &"Must not be empty. List at least one address, or leave `external_addresses` out for those of the load balancer.",
        );
    }
    Some(addresses.map(|mut addresses| {
        addresses.sort();
        addresses
    }))
}

impl EastwestGateway {
    /// Refuses Helm values with which the gateway gets no address.
    pub(super) fn check_reachable(&self) -> Result<(), Error> {
        match self.gateway.without_balancer() {
            Some(sort) if self.external.addresses.is_none() => Err(self.no_balancer(&sort)),
            _ => Ok(()),
        }
    }

    fn no_balancer(&self, sort: &str) -> Error {
        Error::new(
            "The gateway has no address",
            format!(
                "{} of cluster \"{}\" has the type {sort}, which gets no load balancer, and no `spec.externalIPs`, so other clusters can't reach \
                 the gateway. Set `external_addresses` to addresses that lead to the gateway, or remove `service.type` from `values`.",
                self.service(),
                self.cluster
            ),
        )
        .at(AttributePath::new("values"))
    }

    /// Waits until the load balancer has an address, unless addresses are configured. Returns the Service.
    pub(super) async fn wait_for_addresses(&self, cx: &Cx<'_, World>) -> Result<Option<Json>, Error> {
        let live = self.on(cx).get(&self.service()).await?;
        if self.external.addresses.is_some() {
            return Ok(live);
        }
        if let Some(sort) = live.as_ref().and_then(gateway::without_balancer) {
            return Err(self.no_balancer(sort));
        }
        let has_address = |live: Option<&Json>| live.is_some_and(|service| !addresses(service).is_empty());
        let what = "the load balancer to give the gateway's Service an address";
        match self.on(cx).wait(&self.service(), what, &has_address).await {
            Ok(service) => Ok(service),
            Err(failure) => Err(self.with_evidence(failure, cx).await),
        }
    }

    /// Returns a drift line for a gateway that lost its addresses, so that the next apply waits for new ones.
    pub(super) fn lost_addresses(&self, addresses: &[String]) -> Option<String> {
        addresses.is_empty().then(|| format!("{}: it has no address, so other clusters can't reach the gateway", self.service()))
    }
}

/// A port as an attribute.
pub(super) fn port_value(port: u16) -> Value<i64> {
    Value::Value(i64::from(port))
}
