//! Objects with which somebody else has made a host callable: a ServiceEntry in each cluster, a Gateway that passes the host on, a
//! DestinationRule for its mutual TLS. An export that takes them over has objects of its own for all of them.

use serde_json::Value as Json;

use crate::{
    data::{Kind, ObjectRef},
    mesh::{helm::gateway, names::Host},
};

/// An object of others that is about an exported host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByHand {
    /// It is about nothing else, so that the export replaces it.
    Replaced(ObjectRef),
    /// It is also about something that the export doesn't have, and stays.
    Kept(ObjectRef),
}

/// Returns how an export of the host deals with an object of others; `None` if it isn't about the host.
pub fn by_hand(object: &Json, host: &Host) -> Option<ByHand> {
    let reference = ObjectRef::of(object, "")?;
    let spec = &object["spec"];
    let (is_of_host, is_of_nothing_else) = match reference.kind {
        Kind::SERVICE_ENTRY => hosts_of(spec, host),
        Kind::DESTINATION_RULE => (spec["host"] == host.as_str(), has_only_tls(spec)),
        Kind::GATEWAY => {
            let servers = || spec["servers"].as_array().into_iter().flatten();
            let passes = |server: &&Json| server["tls"]["mode"] == "AUTO_PASSTHROUGH" && server["port"]["number"] == gateway::PORT;
            let of_servers: Vec<_> = servers().map(|server| hosts_of(server, host)).collect();
            // One that opens more than the host, such as `*.local`, is another matter: see `opening`.
            let is_exact = servers().all(|server| passes(&server)) && of_servers.iter().all(|(_, only)| *only);
            (is_exact && !of_servers.is_empty(), is_exact)
        }
        _ => return None,
    };
    is_of_host.then_some(if is_of_nothing_else { ByHand::Replaced(reference) } else { ByHand::Kept(reference) })
}

/// Whether the host is among `hosts`, and whether it is alone there.
fn hosts_of(object: &Json, host: &Host) -> (bool, bool) {
    let hosts: Vec<_> = object["hosts"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let is_host = |found: &&str| found.rsplit('/').next() == Some(host.as_str());
    (hosts.iter().any(is_host), !hosts.is_empty() && hosts.iter().all(is_host))
}

/// Whether a DestinationRule says nothing but how TLS is spoken, which the export's own says too.
fn has_only_tls(spec: &Json) -> bool {
    let only =
        |object: &Json, known: &[&str]| object.as_object().is_none_or(|fields| fields.keys().all(|key| known.contains(&key.as_str())));
    only(spec, &["host", "exportTo", "trafficPolicy"]) && only(&spec["trafficPolicy"], &["tls"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(kind: Kind, spec: Json) -> Option<&'static str> {
        let object =
            json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": "a", "namespace": "echo"}, "spec": spec});
        by_hand(&object, &Host::parse("echo.eu.mesh.local").unwrap()).map(|found| match found {
            ByHand::Replaced(_) => "replaced",
            ByHand::Kept(_) => "kept",
        })
    }

    #[test]
    fn an_entry_of_the_host_alone_is_replaced() {
        assert_eq!(judged(Kind::SERVICE_ENTRY, json!({"hosts": ["echo.eu.mesh.local"]})), Some("replaced"));
        assert_eq!(judged(Kind::SERVICE_ENTRY, json!({"hosts": ["echo.eu.mesh.local", "other.mesh.local"]})), Some("kept"));
        assert_eq!(judged(Kind::SERVICE_ENTRY, json!({"hosts": ["other.mesh.local"]})), None);
        assert_eq!(judged(Kind::SERVICE_ENTRY, json!({})), None);
    }

    #[test]
    fn a_rule_that_says_more_than_tls_is_kept() {
        let rule = |policy: Json| judged(Kind::DESTINATION_RULE, json!({"host": "echo.eu.mesh.local", "trafficPolicy": policy}));
        assert_eq!(rule(json!({"tls": {"mode": "ISTIO_MUTUAL"}})), Some("replaced"));
        assert_eq!(rule(json!({"tls": {"mode": "ISTIO_MUTUAL"}, "outlierDetection": {}})), Some("kept"));
        assert_eq!(judged(Kind::DESTINATION_RULE, json!({"host": "echo.eu.mesh.local", "subsets": []})), Some("kept"));
        assert_eq!(judged(Kind::DESTINATION_RULE, json!({"host": "other"})), None);
    }

    #[test]
    fn a_gateway_is_replaced_if_it_passes_on_the_host_only() {
        let server = |host: &str, mode: &str| json!({"port": {"number": 15443}, "tls": {"mode": mode}, "hosts": [host]});
        let gateway = |servers: Json| judged(Kind::GATEWAY, json!({"selector": {"istio": "eastwestgateway"}, "servers": servers}));
        assert_eq!(gateway(json!([server("echo.eu.mesh.local", "AUTO_PASSTHROUGH")])), Some("replaced"));
        assert_eq!(gateway(json!([server("*/echo.eu.mesh.local", "AUTO_PASSTHROUGH")])), Some("replaced"));
        assert_eq!(gateway(json!([server("*.local", "AUTO_PASSTHROUGH")])), None);
        assert_eq!(gateway(json!([server("echo.eu.mesh.local", "PASSTHROUGH")])), None);
        assert_eq!(gateway(json!([server("echo.eu.mesh.local", "AUTO_PASSTHROUGH"), server("b.mesh.local", "AUTO_PASSTHROUGH")])), None);
        assert_eq!(gateway(json!([])), None);
    }
}
