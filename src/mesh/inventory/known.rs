//! The gateways to other networks that istiod knows: what its sidecars are told to call instead of pods that they can't reach.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Objects;
use crate::istio::well_known;

/// A gateway that a pod of istiod knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownGateway {
    /// The network that it gives access to.
    pub network: String,
    /// Istio's name for the cluster in which istiod has found it: its own one, if that is a link. Empty if it comes from `meshNetworks`.
    pub cluster: String,
    /// Its IP address. istiod resolves host names itself, and has no entry for one that it can't resolve.
    pub address: String,
    /// Its port for sidecars; 0 if it has none, as a gateway of an ambient mesh.
    pub port: u16,
}

/// By pod of istiod, `NAMESPACE/NAME`: the gateways that it knows, or why that can't be told.
pub type KnownGateways = BTreeMap<String, Result<Vec<KnownGateway>, String>>;

pub(super) fn of(objects: &Objects) -> KnownGateways {
    let known = |page: &Result<String, String>| page.as_ref().map_err(String::clone).and_then(|page| read(page));
    objects.networks_pages.iter().map(|(pod, page)| (pod.clone(), known(page))).collect()
}

/// Whether istiod of a cluster is to know gateways to other networks: by links, or as it reads other clusters.
pub fn reaches_others(objects: &Objects) -> bool {
    let is_link = |gateway: &Json| gateway["spec"]["gatewayClassName"] == well_known::REMOTE_GATEWAY_CLASS;
    objects.api_gateways.iter().flatten().any(is_link) || objects.remote_secrets.as_ref().is_some_and(|secrets| !secrets.is_empty())
}

/// Reads the answer of a pod. It is `null` where istiod knows none.
fn read(page: &str) -> Result<Vec<KnownGateway>, String> {
    match serde_json::from_str::<Json>(page) {
        Ok(Json::Null) => Some(Vec::new()),
        Ok(Json::Array(gateways)) => gateways.iter().map(gateway).collect(),
        _ => None,
    }
    .ok_or_else(|| "its answer is not a list of gateways".to_owned())
}

/// Reads a gateway; the names of the fields are those of istiod's own type.
fn gateway(gateway: &Json) -> Option<KnownGateway> {
    let text = |field: &str| gateway[field].as_str().map(str::to_owned);
    Some(KnownGateway {
        network: text("Network")?,
        cluster: text("Cluster")?,
        address: text("Addr")?,
        port: gateway["Port"].as_u64().and_then(|port| port.try_into().ok())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_of_a_page_are_read() {
        let page = r#"[{"Network":"eu-net","Cluster":"eu","Addr":"198.51.100.10","Port":15443,"HBONEPort":0,"ServiceAccount":{"Namespace":"","Name":""}}]"#;
        let known = KnownGateway { network: "eu-net".into(), cluster: "eu".into(), address: "198.51.100.10".into(), port: 15443 };
        assert_eq!(read(page), Ok(vec![known]));
        assert_eq!(read("null"), Ok(Vec::new()));
        for page in ["", "{}", "Unauthorized", r#"[{"id":"eu"}]"#, r#"[{"Network":"a","Cluster":"","Addr":"b","Port":-1}]"#] {
            assert!(read(page).is_err(), "{page}");
        }
    }
}
