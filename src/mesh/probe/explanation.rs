//! Why a call failed, as the objects of the clusters explain it.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{reason::Reason, target::Target};
use crate::mesh::{
    inventory::Inventory,
    names::ClusterKey,
    status::{Check, Severity, Status},
};

/// Why a call failed, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The check of `mesh_status` that explains it, if one does.
    pub check: Option<&'static str>,
    /// Why; sentences.
    pub cause: String,
    /// What to do; sentences.
    pub fix: String,
}

impl Explanation {
    /// For want of a better one.
    pub fn usual(reason: Reason) -> Self {
        let (cause, fix) = reason.usual();
        Self { check: None, cause: cause.to_owned(), fix: fix.to_owned() }
    }
}

/// Explains a call from a cluster by what the clusters show.
pub fn explain(reason: Reason, target: &Target, cluster: &ClusterKey, account: &str, inventory: &Inventory) -> Explanation {
    let found = match reason {
        Reason::Ok | Reason::Disabled | Reason::NotTried | Reason::Application => None,
        Reason::Denied => denied(target, account, inventory),
        _ => wrong_port(target, inventory).or_else(|| of_checks(reason, target, cluster, inventory)),
    };
    found.unwrap_or_else(|| Explanation::usual(reason))
}

/// The clusters that export a host.
fn exporters(host: &str, inventory: &Inventory) -> BTreeSet<ClusterKey> {
    let exports = |(key, cluster): (&ClusterKey, &crate::mesh::inventory::ClusterInventory)| {
        let here = cluster.exports.iter().filter(|export| export.id.host.as_str() == host).map(|_| key.clone());
        let elsewhere = cluster.imports.iter().filter(|import| import.host == host).filter_map(|import| import.exporter.clone());
        here.chain(elsewhere).collect::<Vec<_>>()
    };
    inventory.read().flat_map(exports).collect()
}

fn denied(target: &Target, account: &str, inventory: &Inventory) -> Option<Explanation> {
    let exports = inventory.read().flat_map(|(_, cluster)| &cluster.exports);
    let mut exports = exports.filter(|export| export.id.host.as_str() == target.host);
    let (callers, resource) = exports.find_map(|export| Some((export.request.as_ref().ok()?.callers.as_ref()?, export.resource())))?;
    let listed: Vec<_> = callers.iter().map(ToString::to_string).collect();
    let listed = if listed.is_empty() { "no one".to_owned() } else { listed.join(", ") };
    Some(Explanation {
        check: None,
        cause: format!("`callers` of the host's export lets {listed} call. The caller runs as service account {account}."),
        fix: format!("Add the caller to `callers` of the {resource}, or call from a pod that may."),
    })
}

/// A port that no export of the host has. The address of an exported host leads nowhere on any other port.
fn wrong_port(target: &Target, inventory: &Inventory) -> Option<Explanation> {
    let exports = inventory.read().flat_map(|(_, cluster)| &cluster.exports);
    let exports: Vec<_> = exports.filter(|export| export.id.host.as_str() == target.host).collect();
    let ports: BTreeSet<_> = exports.iter().flat_map(|export| &export.ports).collect();
    let has = |port: &&String| port.split('/').next().is_some_and(|number| number == target.port.to_string());
    let resource = exports.first()?.resource();
    if ports.is_empty() || ports.iter().any(has) {
        return None;
    }
    let listed: Vec<_> = ports.into_iter().map(String::as_str).collect();
    Some(Explanation {
        check: None,
        cause: format!("The host is exported with the ports {}, and not with {}.", listed.join(", "), target.port),
        fix: format!("Call one of these ports, or add the port to the Service or to `ports` of the {resource}."),
    })
}

/// The worst check that has to do with the call.
fn of_checks(reason: Reason, target: &Target, cluster: &ClusterKey, inventory: &Inventory) -> Option<Explanation> {
    let mut clusters = exporters(&target.host, inventory);
    if clusters.is_empty() {
        // A host that no cluster exports isn't the mesh's.
        return None;
    }
    clusters.insert(cluster.clone());
    let is_about = |check: &&Check| {
        let is_bad = matches!(check.severity, Severity::Error | Severity::Warning);
        let is_of_host = check.object.as_deref() == Some(target.host.as_str());
        let is_of_way = check.cluster.as_ref().is_none_or(|of| clusters.contains(of));
        let of_name = ["import.present", "import.exported", "sidecar.dns"].contains(&check.id);
        let of_way = ["gateway.", "ca.root", "ca.served", "mesh.", "network."].iter().any(|group| check.id.starts_with(group));
        is_bad
            && if reason == Reason::Dns {
                of_name && is_of_way
            } else {
                is_of_host || of_way && is_of_way && check.severity == Severity::Error
            }
    };
    let status = Status::of(inventory);
    let check = status.checks.iter().find(is_about)?;
    let place = check.cluster.as_ref().map(|cluster| format!("Cluster {cluster}: ")).unwrap_or_default();
    let object = check.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    Some(Explanation { check: Some(check.id), cause: format!("{place}{object}{} {}", check.seen, check.cause), fix: check.fix.clone() })
}

/// Returns the identities that a cluster's sidecars take for those of a host, by its ServiceEntries.
pub fn identities(entries: &[Json], host: &str) -> BTreeSet<String> {
    let has_host = |entry: &&Json| entry["spec"]["hosts"].as_array().is_some_and(|hosts| hosts.iter().any(|one| one == host));
    let names = entries.iter().filter(has_host).flat_map(|entry| entry["spec"]["subjectAltNames"].as_array().into_iter().flatten());
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::inventory::fixture;

    fn explained(reason: Reason, url: &str, mesh: &fixture::Mesh) -> Explanation {
        explain(reason, &Target::parse(url).unwrap(), &ClusterKey::parse("us").unwrap(), "echo/client", &fixture::inventory(mesh))
    }

    const HTTP: &str = "http://echo.eu.mesh.local/";

    #[test]
    fn what_is_broken_in_the_clusters_explains_a_call_that_failed() {
        type Break = fn(&mut fixture::Mesh);
        let breaks: [(Reason, Break, &str); 6] = [
            (Reason::Unreachable, |mesh| mesh.get_mut("eu").unwrap().gateways.clear(), "export.open"),
            (Reason::Unreachable, |mesh| mesh.get_mut("eu").unwrap().pods = Some(Vec::new()), "export.pods"),
            (
                Reason::Unreachable,
                |mesh| mesh.get_mut("eu").unwrap().gateway_deployments[0]["spec"]["replicas"] = json!(0),
                "gateway.ready",
            ),
            (Reason::Dns, |mesh| mesh.get_mut("us").unwrap().entries.clear(), "import.present"),
            (
                Reason::Reset,
                |mesh| mesh.get_mut("us").unwrap().rules[0]["spec"]["trafficPolicy"]["tls"]["mode"] = json!("DISABLE"),
                "import.tls",
            ),
            (
                Reason::Unreachable,
                |mesh| mesh.get_mut("us").unwrap().entries[0]["spec"]["subjectAltNames"] = json!(["spiffe://corp.local/ns/x/sa/y"]),
                "import.identity",
            ),
        ];
        for (reason, work, check) in breaks {
            let mut mesh = fixture::two_clusters();
            work(&mut mesh);
            let explanation = explained(reason, HTTP, &mesh);
            assert_eq!(explanation.check, Some(check), "{explanation:?}");
            assert!(explanation.cause.contains("echo.eu.mesh.local") || check == "gateway.ready", "{explanation:?}");
            assert!(!explanation.fix.is_empty());
        }
    }

    #[test]
    fn what_is_broken_elsewhere_explains_nothing() {
        let mut mesh = fixture::mesh(&["eu", "us", "ap"], &[("eu", "echo.eu.mesh.local"), ("ap", "other.mesh.local")]);
        mesh.get_mut("ap").unwrap().gateways.clear();
        mesh.get_mut("ap").unwrap().gateway_deployments[0]["spec"]["replicas"] = json!(0);
        assert_eq!(explained(Reason::Unreachable, HTTP, &mesh), Explanation::usual(Reason::Unreachable));
        assert_eq!(explained(Reason::Application, HTTP, &mesh), Explanation::usual(Reason::Application));
        assert_eq!(explained(Reason::Dns, "http://example.com/", &mesh), Explanation::usual(Reason::Dns));
    }

    #[test]
    fn a_port_that_is_not_exported_and_a_caller_that_may_not_call_are_named() {
        let mut mesh = fixture::two_clusters();
        let port = explained(Reason::Timeout, "http://echo.eu.mesh.local:8081/", &mesh);
        assert_eq!(port.cause, "The host is exported with the ports 80/HTTP, and not with 8081.");
        assert_eq!(explained(Reason::Denied, HTTP, &mesh), Explanation::usual(Reason::Denied));
        let global =
            explained(Reason::Timeout, "http://echo.mesh.local:8081/", &fixture::serving(&["eu", "us"], "echo.mesh.local", &json!({})));
        assert!(global.fix.ends_with("`ports` of the mesh_global_service."), "{global:?}");
        let annotations = &mut mesh.get_mut("eu").unwrap().entries[0]["metadata"]["annotations"];
        let record = annotations[crate::mesh::labels::EXPORT_RECORD].as_str().unwrap().to_owned();
        let mut request: Json = serde_json::from_str(&record).unwrap();
        request["callers"] = json!(["spiffe://corp.local/ns/shop/sa/web"]);
        annotations[crate::mesh::labels::EXPORT_RECORD] = request.to_string().into();
        let denied = explained(Reason::Denied, HTTP, &mesh);
        assert!(denied.cause.contains("spiffe://corp.local/ns/shop/sa/web") && denied.cause.contains("echo/client"), "{denied:?}");
    }

    #[test]
    fn identities_are_those_of_the_hosts_entries() {
        let entry = |host: &str, name: &str| json!({"spec": {"hosts": [host], "subjectAltNames": [name]}});
        let found = identities(&[entry("a.b", "spiffe://x"), entry("c.d", "spiffe://y"), json!({"spec": {"hosts": ["a.b"]}})], "a.b");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["spiffe://x"]);
    }
}
