//! Whether something gives Services of type LoadBalancer an address, as far as Services and nodes show it.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Candidate, unreadable};
use crate::mesh::{
    check::{Check, list},
    observe::evidence,
};

/// The platforms, as the `providerID` of nodes begins, on which a controller that belongs to them assigns addresses.
const PLATFORMS: [&str; 8] = ["aws", "gce", "azure", "digitalocean", "hcloud", "linode", "vultr", "scaleway"];

/// In how many namespaces events are looked at.
const MOST: usize = 3;

const FIX: &str = "On kind, minikube and bare metal, install a controller for load balancers, such as cloud-provider-kind or MetalLB. Without one, \
                   give the gateway a node port and set `external_addresses`: see the guide A first mesh.";

/// Returns the namespaces of Services that wait for an address, if no Service has one: their events say why.
pub fn pending(services: &[Json]) -> BTreeSet<String> {
    let (with, without) = balanced(services);
    if !with.is_empty() {
        return BTreeSet::new();
    }
    let namespaces: BTreeSet<_> = without.iter().filter_map(|service| service["metadata"]["namespace"].as_str()).collect();
    namespaces.into_iter().take(MOST).map(str::to_owned).collect()
}

pub(super) fn check(candidate: &Candidate) -> Check {
    let id = "precheck.load_balancer";
    let services = match &candidate.services {
        Ok(services) => services,
        Err(why) => return unreadable(id, "services", why),
    };
    let (with, without) = balanced(services);
    if let Some((service, address)) = with.first().and_then(|service| Some((service, address(service)?))) {
        return Check::ok(id, format!("The Service {} has the address {address}.", full_name(service)));
    }
    if !without.is_empty() {
        let names: Vec<_> = without.iter().map(|service| full_name(service)).collect();
        let is_waiting = |event: &&Json| {
            let object = &event["involvedObject"];
            object["kind"] == "Service"
                && without.iter().any(|service| {
                    object["name"] == service["metadata"]["name"] && event["metadata"]["namespace"] == service["metadata"]["namespace"]
                })
        };
        let events: Vec<_> = candidate.events.iter().filter(is_waiting).cloned().collect();
        let said = evidence::lines(&[], &events).join(" ");
        return Check::warning(id, format!("No Service has an address, and these wait for one: {}. {said}", list(&names)).trim_end())
            .because(
                "The Service of mesh_eastwest_gateway would wait like these, until the apply gives up.",
                format!("Look at the events of these Services: kubectl describe service. {FIX}"),
            );
    }
    let platform = candidate.nodes.iter().flatten().find_map(platform);
    if let Some(platform) = platform.filter(|platform| PLATFORMS.contains(&platform.as_str())) {
        return Check::ok(id, format!("No Service shows it yet. The platform of the nodes, {platform}, assigns addresses."));
    }
    Check::unknown(id, "It can't be told: the cluster has no Service of type LoadBalancer that shows it.").because(
        "The apply of a mesh_eastwest_gateway waits for an address of a load balancer, and fails if nothing assigns one.",
        format!("Clouds assign addresses by themselves. {FIX}"),
    )
}

/// Returns the Services of type LoadBalancer that have an address, and those that have none.
fn balanced(services: &[Json]) -> (Vec<&Json>, Vec<&Json>) {
    services.iter().filter(|service| service["spec"]["type"] == "LoadBalancer").partition(|service| address(service).is_some())
}

fn address(service: &Json) -> Option<String> {
    let ingress = &service["status"]["loadBalancer"]["ingress"][0];
    ingress["ip"].as_str().or_else(|| ingress["hostname"].as_str()).map(str::to_owned)
}

fn full_name(service: &Json) -> String {
    let text = |field: &str| service["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

/// `aws` of `aws:///eu-central-1a/i-0123`.
fn platform(node: &Json) -> Option<String> {
    node["spec"]["providerID"].as_str()?.split_once("://").map(|(platform, _)| platform.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::{check::Severity, precheck::tests};

    fn service(name: &str, ingress: Json) -> Json {
        json!({
            "metadata": {"name": name, "namespace": "web"}, "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": ingress}},
        })
    }

    fn result(services: &[Json], events: &[Json], provider: Option<&str>) -> Check {
        let mut candidate = tests::candidate();
        candidate.services = Ok(services.to_vec());
        candidate.events = events.to_vec();
        candidate.nodes = Ok(vec![json!({"spec": {"providerID": provider}})]);
        check(&candidate)
    }

    #[test]
    fn one_service_with_an_address_shows_it() {
        let (with, by_name, without) =
            (service("a", json!([{"ip": "192.0.2.1"}])), service("b", json!([{"hostname": "lb.example"}])), service("c", json!(null)));
        let ok = result(&[without.clone(), with], &[], None);
        assert_eq!((ok.severity, ok.seen.as_str()), (Severity::Ok, "The Service web/a has the address 192.0.2.1."));
        assert_eq!(result(&[by_name], &[], None).seen, "The Service web/b has the address lb.example.");
        assert_eq!(pending(std::slice::from_ref(&without)), ["web".to_owned()].into());
        assert_eq!(pending(&[without, service("a", json!([{"ip": "192.0.2.1"}]))]).len(), 0);
    }

    #[test]
    fn services_that_wait_are_a_warning_with_their_events() {
        let event = |name: &str, message: &str| {
            json!({
                "metadata": {"namespace": "web"}, "type": "Warning", "reason": "SyncLoadBalancerFailed", "message": message,
                "involvedObject": {"kind": "Service", "name": name},
            })
        };
        let events = [event("a", "quota exceeded"), event("other", "not this one")];
        let check = result(&[service("a", json!(null))], &events, Some("aws:///x"));
        assert_eq!(
            check.line(),
            "warning precheck.load_balancer: No Service has an address, and these wait for one: web/a. Event SyncLoadBalancerFailed (Service a): \
             quota exceeded"
        );
    }

    #[test]
    fn without_such_a_service_the_platform_of_the_nodes_decides() {
        let internal = json!({"metadata": {"name": "kubernetes", "namespace": "default"}, "spec": {"type": "ClusterIP"}});
        let severity = |provider| result(std::slice::from_ref(&internal), &[], provider).severity;
        assert_eq!(severity(Some("gce://project/zone/node")), Severity::Ok);
        assert_eq!(severity(Some("kind://docker/eu/eu-control-plane")), Severity::Unknown);
        assert_eq!(severity(None), Severity::Unknown);
        let mut hidden = tests::candidate();
        hidden.services = Err("Forbidden".to_owned());
        assert_eq!(check(&hidden).severity, Severity::Unknown);
    }
}
