//! Checks of exports and imports.

use std::collections::BTreeSet;

use super::{Check, count, list, network::link_to, unread_cluster, untold};
use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        export::Request,
        inventory::{ClusterInventory, ExportedHost, Home, ImportedHost, Inventory, Served},
        names::{ClusterKey, Namespace, NetworkName},
    },
};

pub(super) fn checks(inventory: &Inventory) -> Vec<Check> {
    let mut checks = Vec::new();
    for (key, cluster) in inventory.read() {
        for export in &cluster.exports {
            checks.extend(
                std::iter::once(open(cluster, export))
                    .chain(pods(export))
                    .chain(served(cluster, export))
                    .map(|check| check.on(export.id.host.to_string()).of(key)),
            );
            checks.extend(importers(key, export, inventory));
        }
        checks.extend(cluster.imports.iter().filter_map(|import| exported(import, inventory)).map(|check| check.of(key)));
        let by_resource = cluster.imports.iter().filter(|import| import.exporter.is_none());
        checks.extend(by_resource.flat_map(|import| offered(key, cluster, import, inventory)));
    }
    checks
}

fn open(cluster: &ClusterInventory, export: &ExportedHost) -> Check {
    let id = "export.open";
    match &export.request {
        Err(problem) => Check::unknown(id, format!("The record of the export can't be read. {problem}")).because(
            "Someone changed the annotation that has it, or deleted the object.",
            format!("Apply the {}, which writes it again.", export.resource()),
        ),
        Ok(_) if export.is_open => Check::ok(id, "A Gateway opens the host."),
        Ok(request) => {
            let (namespace, name) = (request.gateway_namespace.as_str(), request.gateway_service_name());
            // The labels of its pods decide which Gateways are for it, and its Deployment is found by its Service.
            let deployment = ObjectRef::namespaced(Kind::DEPLOYMENT, namespace, name);
            let needs = [Kind::GATEWAY.plural.to_owned(), Kind::SERVICE.plural.to_owned(), deployment.to_string()];
            untold(id, cluster, &needs).unwrap_or_else(|| {
                Check::error(id, format!("No Gateway opens the host on {namespace}/{name}.")).because(
                    "The east-west gateway refuses connections to hosts that no Gateway lists.",
                    format!("Apply the {}, which creates its Gateway again.", export.resource()),
                )
            })
        }
    }
}

fn pods(export: &ExportedHost) -> Option<Check> {
    let id = "export.pods";
    let pods = export.pods.as_ref()?;
    let names =
        |of: &dyn Fn(&&crate::mesh::inventory::BackendPod) -> bool| pods.iter().filter(of).map(|pod| pod.name.clone()).collect::<Vec<_>>();
    let (without, ready) = (names(&|pod| !pod.has_sidecar), names(&|pod| pod.is_ready && pod.has_sidecar));
    let seen = format!("{}, {} of them ready with a sidecar.", count(pods.len(), "pod"), ready.len());
    Some(if pods.is_empty() {
        Check::error(id, format!("No pod of namespace {} matches the exported selector.", export.id.namespace)).because(
            "The gateway has nothing to pass calls on to, and closes the connection.",
            format!("Start the workload, or correct the Service's selector and apply the {}.", export.resource()),
        )
    } else if ready.is_empty() && without.is_empty() {
        Check::error(id, format!("None of {} is ready.", count(pods.len(), "pod")))
            .because("The gateway has nothing to pass calls on to.", "Mend what keeps the pods from becoming ready.")
    } else if !without.is_empty() {
        let bad = format!("{} without a sidecar: {}.", count(without.len(), "pod"), list(&without));
        let check = if ready.is_empty() { Check::error(id, bad) } else { Check::warning(id, bad) };
        check.because(
            "The gateway passes calls on with mutual TLS, which such a pod can't answer: Istio leaves it out.",
            format!("Label namespace {} with istio-injection=enabled, and restart its workloads.", export.id.namespace),
        )
    } else if ready.len() < pods.len() {
        Check::warning(id, seen).because("The others get no calls.", "Mend what keeps the pods from becoming ready.")
    } else {
        Check::ok(id, seen)
    })
}

/// Looks at the certificate that the gateway passes on.
fn served(cluster: &ClusterInventory, export: &ExportedHost) -> Option<Check> {
    let id = "export.served";
    let identities = match export.served.as_ref()? {
        Served::Presented(identities) => identities,
        Served::Refused(why) => {
            return Some(Check::error(id, format!("The east-west gateway takes no TLS connection to it: {}.", why.trim_end_matches('.'))).because(
                "Its proxy doesn't have the host yet, or none of the pods behind it accepts mutual TLS: the Gateway and the pods are there.",
                "Look at it again after a few seconds. Else look for a PeerAuthentication of mode DISABLE that applies to the pods, check the logs of the \
                 gateway's pods, and whether istiod reaches them: `istioctl proxy-status`.",
            ));
        }
        Served::Unasked(why) => {
            return Some(Check::unknown(id, format!("The east-west gateway can't be asked: {why}")).because(
                "Whether it serves the host isn't known.",
                "Check that the API server reaches the nodes of the gateway's pods, and look at their logs.",
            ));
        }
    };
    let seen = if identities.is_empty() { "no identity".to_owned() } else { list(identities) };
    let plane = cluster.control_plane();
    let needs = plane.map_or_else(|| Kind::DEPLOYMENT.plural.to_owned(), |plane| Home::of(&plane.namespace).mesh_config.to_string());
    if let Some(untold) = untold(id, cluster, &[needs]) {
        return Some(untold);
    }
    let domains = plane.map(|plane| plane.trust_domains.as_slice()).unwrap_or_default();
    let is_of = |start: &str, end: &str| identities.iter().any(|identity| identity.starts_with(start) && identity.ends_with(end));
    if plane.is_some() && !domains.iter().any(|domain| is_of(&format!("spiffe://{domain}/"), "")) {
        return Some(
            Check::error(id, format!("The certificate that answers has {seen}, which is not of the trust domain {}.", list(domains)))
                .because(
                    "Something else than a pod of the mesh answers, so sidecars refuse it.",
                    "Look for other programs at port 15443 of the gateway's pods, and for sidecars that were injected by another mesh.",
                ),
        );
    }
    let accounts =
        export.request.as_ref().ok().and_then(|request| request.service_accounts.as_ref()).filter(|accounts| !accounts.is_empty());
    let namespace = &export.id.namespace;
    if let Some(accounts) = accounts
        && !accounts.iter().any(|account| is_of("", &format!("/ns/{namespace}/sa/{account}")))
    {
        let accounts: Vec<_> = accounts.iter().map(ToString::to_string).collect();
        let seen = format!("It is served as {seen}, and the export has the service accounts {} of namespace {namespace}.", list(&accounts));
        return Some(Check::error(id, seen).because(
            "Sidecars of importing clusters refuse the certificates of pods that run as another account.",
            format!("Add the account to `service_accounts` of the {}, or let the pods run as one of these.", export.resource()),
        ));
    }
    Some(Check::ok(id, format!("It is served as {seen}.")))
}

/// Returns the import of an export in a cluster.
pub(crate) fn import_of<'a>(export: &ExportedHost, cluster: &'a ClusterInventory) -> Option<&'a ImportedHost> {
    cluster.imports.iter().find(|import| {
        import.host == export.id.host.as_str() && import.exporter.as_ref().is_none_or(|exporter| *exporter == export.id.exporter)
    })
}

fn importers(exporter: &ClusterKey, export: &ExportedHost, inventory: &Inventory) -> Vec<Check> {
    let Ok(request) = &export.request else { return Vec::new() };
    let of = |importer: &ClusterKey| {
        let found = match inventory.clusters.get(importer)? {
            Err(unread) => vec![unread_cluster("import.present", importer, unread)],
            Ok(cluster) => {
                let import = import_of(export, cluster);
                let compared = import.into_iter().flat_map(|import| compared((cluster, import), exporter, export, request, inventory));
                std::iter::once(present(exporter, cluster, import, export)).chain(compared).collect()
            }
        };
        Some(found.into_iter().map(|check| check.on(export.id.host.to_string()).of(importer)).collect::<Vec<_>>())
    };
    request.importers.iter().filter_map(of).flatten().collect()
}

/// Compares an import with its export and the gateway of that.
fn compared(
    (importer, import): (&ClusterInventory, &ImportedHost),
    exporter: &ClusterKey,
    export: &ExportedHost,
    request: &Request,
    inventory: &Inventory,
) -> Vec<Check> {
    let home = inventory.cluster(exporter);
    let gateway = home
        .and_then(|cluster| cluster.gateway(request.gateway_namespace.as_str(), request.gateway_service_name()))
        .filter(|gateway| !gateway.addresses.is_empty());
    // Those of a global service always go by way of the network.
    let of_gateway = || gateway.filter(|_| import.is_global).map(|gateway| gateway.network.as_str());
    let network = request.network.as_ref().map(NetworkName::as_str).or_else(of_gateway).filter(|_| import.addresses.is_none());
    let link = network.and_then(|network| link_to(network, importer));
    let reached = match gateway {
        Some(gateway) => address(import, exporter, &gateway.addresses),
        // Without the Services it isn't known whether the gateway has an address.
        None => home.and_then(|cluster| untold("import.address", cluster, &[Kind::SERVICE.plural.to_owned()])),
    };
    [reached, link, encrypted(import), identified(import, &export.id.namespace, request)].into_iter().flatten().collect()
}

/// Checks an import that is a resource of its own: its rule, and the rest if the export is in one of these clusters.
fn offered(importer: &ClusterKey, cluster: &ClusterInventory, import: &ImportedHost, inventory: &Inventory) -> Vec<Check> {
    let id = "import.present";
    let is_without_rule = import.wants_rule && import.rule.is_none();
    let untold = if is_without_rule { untold(id, cluster, &[Kind::DESTINATION_RULE.plural.to_owned()]) } else { None };
    let present = untold.unwrap_or_else(|| {
        if is_without_rule {
            Check::warning(id, "The DestinationRule of the host is missing.").because(
                "The mesh's defaults decide whether calls to it are encrypted.",
                format!("Apply the {}, which creates it again.", import.resource()),
            )
        } else {
            Check::ok(id, "The host is imported.")
        }
    });
    let compared = match export_of(import, inventory).and_then(|(key, export)| Some((key, export, export.request.as_ref().ok()?))) {
        // The export names the cluster too, and its own checks have looked.
        Some((_, _, request)) if request.importers.contains(importer) => return Vec::new(),
        Some((key, export, request)) => compared((cluster, import), key, export, request, inventory),
        None => encrypted(import).into_iter().collect(),
    };
    std::iter::once(present).chain(compared).map(|check| check.on(&import.host).of(importer)).collect()
}

/// Returns the export that an import without a recorded exporter is of, if it is in one of these clusters.
fn export_of<'a>(import: &ImportedHost, inventory: &'a Inventory) -> Option<(&'a ClusterKey, &'a ExportedHost)> {
    let all = inventory.read().flat_map(|(key, cluster)| cluster.exports.iter().map(move |export| (key, export)));
    all.into_iter().find(|(_, export)| export.id.host.as_str() == import.host)
}

fn present(exporter: &ClusterKey, importer: &ClusterInventory, import: Option<&ImportedHost>, export: &ExportedHost) -> Check {
    let id = "import.present";
    let needs_rule = export.request.as_ref().is_ok_and(|request| request.destination_rule);
    let lacks_rule =
        import.map_or_else(|| importer.without_rule.contains(export.id.host.as_str()), |import| needs_rule && import.rule.is_none());
    let missing = match import {
        _ if lacks_rule => Some(Kind::DESTINATION_RULE),
        None => Some(Kind::SERVICE_ENTRY),
        Some(_) => None,
    };
    if let Some(untold) = missing.and_then(|kind| untold(id, importer, &[kind.plural.to_owned()])) {
        return untold;
    }
    let fix = format!("Apply the {}, which creates it again.", export.resource());
    match import {
        _ if lacks_rule => Check::warning(id, "The DestinationRule of the host is missing.")
            .because("The mesh's defaults decide whether calls to it are encrypted.", fix),
        None => Check::error(id, format!("Cluster {exporter} exports the host to this cluster, and its ServiceEntry is missing."))
            .because("The host doesn't resolve here, or calls to it leave the mesh.", fix),
        Some(_) => Check::ok(id, format!("The host of cluster {exporter} is imported.")),
    }
}

/// Looks at the mode of TLS of an import. Without a rule the sidecar decides by itself.
fn encrypted(import: &ImportedHost) -> Option<Check> {
    let id = "import.tls";
    let mode = import.rule.as_ref()?.tls_mode.as_deref();
    Some(match mode {
        None | Some("ISTIO_MUTUAL") => Check::ok(id, "It is called with the mesh's mutual TLS."),
        Some(mode) => Check::error(id, format!("Its DestinationRule has the TLS mode {mode}.")).because(
            "The exporter's gateway takes connections with the mesh's mutual TLS only, and closes all others.",
            format!("Apply the {}, which writes its DestinationRule again.", import.resource()),
        ),
    })
}

/// Compares the identities that an import accepts with those of the export's accounts.
fn identified(import: &ImportedHost, namespace: &Namespace, request: &Request) -> Option<Check> {
    let id = "import.identity";
    let accounts = request.service_accounts.as_ref().filter(|accounts| !accounts.is_empty())?;
    // Trust domains may be aliases of one another.
    let wanted: BTreeSet<_> = accounts.iter().map(|account| format!("/ns/{namespace}/sa/{account}")).collect();
    let is_of_one = |identity: &&String| wanted.iter().any(|account| identity.ends_with(account.as_str()));
    let (right, wrong): (Vec<&String>, Vec<&String>) = import.identities.iter().partition(is_of_one);
    if wrong.is_empty() && right.len() >= wanted.len() {
        return Some(Check::ok(id, "It accepts the identities of the exported pods."));
    }
    let accepted: Vec<_> = import.identities.iter().cloned().collect();
    let accepted = if accepted.is_empty() { "any identity".to_owned() } else { list(&accepted) };
    let accounts: Vec<_> = accounts.iter().map(ToString::to_string).collect();
    let seen = format!("It accepts {accepted}, and the export has the service accounts {} of namespace {namespace}.", list(&accounts));
    let check = if right.is_empty() && !wrong.is_empty() { Check::error(id, seen) } else { Check::warning(id, seen) };
    Some(check.because(
        "Sidecars refuse the certificates of pods whose identity the ServiceEntry doesn't list.",
        format!("Apply the {}, which writes its ServiceEntry again.", import.resource()),
    ))
}

/// Compares the addresses of an import with those of the gateway. An import that names a network has none.
fn address(import: &ImportedHost, exporter: &ClusterKey, gateway: &[String]) -> Option<Check> {
    let id = "import.address";
    let addresses = import.addresses.as_ref()?;
    if addresses.iter().all(|address| gateway.contains(address)) && !addresses.is_empty() {
        return Some(Check::ok(id, format!("It has the gateway's address {}.", addresses.join(", "))));
    }
    let seen = format!("It has the address {}, and the gateway of cluster {} has {}.", addresses.join(", "), exporter, gateway.join(", "));
    Some(Check::warning(id, seen).because(
        "The gateway's address has changed since the last apply, so calls fail; or it has `external_addresses`, which the cluster doesn't show.",
        format!("Apply the {}. If the gateway has `external_addresses`, check that they lead to it.", import.resource()),
    ))
}

/// Looks for the export of an import. Of one without a recorded exporter nothing is said unless the export is seen: another team's cluster has it.
fn exported(import: &ImportedHost, inventory: &Inventory) -> Option<Check> {
    let id = "import.exported";
    let Some(exporter) = &import.exporter else {
        let (exporter, _) = export_of(import, inventory)?;
        return Some(Check::ok(id, format!("Cluster {exporter} exports it.")).on(&import.host));
    };
    let check = match inventory.clusters.get(exporter) {
        Some(Err(unread)) => unread_cluster(id, exporter, unread),
        Some(Ok(cluster)) if cluster.exports.iter().any(|export| export.id.host.as_str() == import.host) => {
            Check::ok(id, format!("Cluster {exporter} exports it."))
        }
        Some(Ok(cluster)) if cluster.is_unread(Kind::SERVICE_ENTRY.plural) => {
            Check::unknown(id, format!("It can't be told: the ServiceEntries of cluster {exporter} can't be read."))
                .because("Whether the host is exported isn't known.", "Mend the check cluster.readable of that cluster first.")
        }
        Some(Ok(_)) => Check::error(id, format!("Cluster {exporter} doesn't export it.")).because(
            "The ServiceEntry was left behind, or that of the exporter was deleted. Calls to the host fail.",
            format!("Apply the {}, or delete ServiceEntry and DestinationRule {} if there is none.", import.resource(), import.entry),
        ),
        None => Check::unknown(id, format!("Cluster {exporter} was not looked at."))
            .because("It is not one of the clusters of this data source.", "Add it to `clusters`."),
    };
    Some(check.on(&import.host))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::{
        inventory::{Objects, fixture},
        labels::EXPORT_RECORD,
        status::Status,
    };

    #[test]
    fn an_import_of_its_own_is_checked_like_one_of_the_export() {
        type Break = fn(&mut Objects);
        let lines = |work: Break| {
            let mut mesh = fixture::two_clusters();
            let record = &mut mesh.get_mut("eu").unwrap().entries[0]["metadata"]["annotations"][EXPORT_RECORD];
            *record = json!(record.as_str().unwrap().replace(r#""importers":["us"]"#, r#""importers":[]"#));
            fixture::import(mesh.get_mut("us").unwrap());
            work(mesh.get_mut("us").unwrap());
            let status = Status::of(&fixture::inventory(&mesh));
            let of_import = |check: &&Check| check.id.starts_with("import.") && check.cluster.is_some();
            let ids: Vec<_> = status.checks.iter().filter(of_import).map(|check| check.id).collect();
            (ids.len(), status.problems().map(Check::line).collect::<Vec<_>>())
        };
        assert_eq!(lines(|_| {}), (5, Vec::new()), "present, exported, address, tls, identity");
        let cases: [(Break, &str); 4] = [
            (|us| us.rules.clear(), "warning import.present: cluster us: echo.eu.mesh.local: The DestinationRule of the host is missing."),
            (
                |us| us.rules[0]["spec"]["trafficPolicy"]["tls"]["mode"] = json!("DISABLE"),
                "error import.tls: cluster us: echo.eu.mesh.local: Its DestinationRule has the TLS mode DISABLE.",
            ),
            (
                |us| us.entries[0]["spec"]["endpoints"][0]["address"] = json!("203.0.113.9"),
                "warning import.address: cluster us: echo.eu.mesh.local: It has the address 203.0.113.9, and the gateway of cluster eu has 198.51.100.10.",
            ),
            (
                |us| us.entries[0]["spec"]["subjectAltNames"] = json!(["spiffe://corp.local/ns/other/sa/echo"]),
                "error import.identity: cluster us: echo.eu.mesh.local: It accepts spiffe://corp.local/ns/other/sa/echo, and the export has the service \
                 accounts echo of namespace echo.",
            ),
        ];
        for (work, line) in cases {
            assert_eq!(lines(work).1, [line]);
        }
    }
}
