//! Warnings about the user's Helm values for the chart `gateway`: keys that do nothing for a gateway between networks, repeat what an attribute
//! sets, or cut the gateway off.
//!
//! Source: the templates of the chart of Istio 1.31.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    lint::{Effect, Lint},
    values,
};
use crate::istio::well_known::{NETWORK_LABEL, NETWORK_VIEW, PASSTHROUGH_PORT};

/// Returns the warnings. `annotations` are those of the Service that the attribute `service_annotations` sets.
pub(super) fn lints(own: &Json, annotations: &BTreeMap<String, String>) -> Vec<Lint> {
    let mut lints = Vec::new();
    let mut lint = |path: &[&str], effect: Effect, message: String| {
        let path: Vec<_> = path.iter().map(|part| (*part).to_owned()).collect();
        lints.push(Lint { key: values::key(&path), effect, message });
    };
    let is_set = |value: &Json| !value.is_null();
    if is_set(&own["service"]["ports"]) {
        let message = "The chart ignores it for a gateway between networks, whose ports are those of networkGatewayPorts. Use that key.";
        lint(&["service", "ports"], Effect::Nothing, message.to_owned());
    }
    if is_set(&own["labels"][NETWORK_LABEL]) {
        lint(&["labels", NETWORK_LABEL], Effect::Nothing, "The attribute `network` sets this label already. Remove the key.".to_owned());
    }
    if is_set(&own["env"][NETWORK_VIEW]) {
        let message = "The attribute `network` sets this variable already, and a server-side apply refuses a container that has a variable twice. \
                       Remove the key.";
        lint(&["env", NETWORK_VIEW], Effect::Breaks, message.to_owned());
    }
    if own["global"]["networkPolicy"]["enabled"] == true {
        let message = format!(
            "The chart's NetworkPolicy doesn't open port {PASSTHROUGH_PORT}, so all calls from other networks are dropped where the cluster enforces \
             it. Remove the key, or add a NetworkPolicy that opens the port for the gateway's pods."
        );
        lint(&["global", "networkPolicy", "enabled"], Effect::Breaks, message);
    }
    let of_values = own["service"]["annotations"].as_object().into_iter().flatten().map(|(key, _)| key);
    let sends_proxy_header =
        of_values.chain(annotations.keys()).find(|key| key.ends_with("-proxy-protocol") || key.ends_with("/uses-proxyprotocol"));
    let expects_proxy_header =
        own["podAnnotations"]["proxy.istio.io/config"].as_str().is_some_and(|config| config.contains("proxyProtocol"));
    if let Some(annotation) = sends_proxy_header.filter(|_| !expects_proxy_header) {
        let message = "The load balancer then begins each connection with a PROXY header, which the gateway doesn't expect, and calls from other \
                       networks fail. Remove the annotation, or set `podAnnotations: {proxy.istio.io/config: '{\"gatewayTopology\": \
                       {\"proxyProtocol\": {}}}'}` in `values`.";
        lint(&["service", "annotations", annotation], Effect::Breaks, message.to_owned());
    }
    lints
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(own: &Json, annotations: &[&str]) -> Vec<(String, Effect)> {
        let annotations = annotations.iter().map(|key| ((*key).to_owned(), "*".to_owned())).collect();
        lints(own, &annotations).into_iter().map(|lint| (lint.key, lint.effect)).collect()
    }

    #[test]
    fn keys_that_repeat_an_attribute_or_do_nothing_are_named() {
        let own = json!({"service": {"ports": [{"port": 443}]}, "labels": {NETWORK_LABEL: "eu-net", "team": "a"}});
        let expected = [("service.ports", Effect::Nothing), ("labels.\"topology.istio.io/network\"", Effect::Nothing)];
        assert_eq!(found(&own, &[]), expected.map(|(key, effect)| (key.to_owned(), effect)));
        assert_eq!(found(&json!({"env": {NETWORK_VIEW: "eu-net"}}), &[]), [(format!("env.{NETWORK_VIEW}"), Effect::Breaks)]);
        assert_eq!(found(&json!({"service": {"type": "LoadBalancer"}, "labels": {"team": "a"}}), &["a.example/type"]), []);
    }

    #[test]
    fn keys_that_cut_the_gateway_off_are_named() {
        let policy = json!({"global": {"networkPolicy": {"enabled": true}}});
        assert_eq!(found(&policy, &[]), [("global.networkPolicy.enabled".to_owned(), Effect::Breaks)]);
        let annotation = "service.beta.kubernetes.io/aws-load-balancer-proxy-protocol";
        assert_eq!(found(&json!({}), &[annotation]), [(format!("service.annotations.{annotation:?}"), Effect::Breaks)]);
        assert_eq!(found(&json!({}), &["load-balancer.hetzner.cloud/uses-proxyprotocol"]).len(), 1);
        let expected = json!({"podAnnotations": {"proxy.istio.io/config": "{\"gatewayTopology\": {\"proxyProtocol\": {}}}"}});
        assert_eq!(found(&expected, &[annotation]), []);
    }
}
