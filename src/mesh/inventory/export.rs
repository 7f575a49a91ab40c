//! Exported and imported hosts: the objects of `mesh_service_export`, in the cluster that exports and in those that import. A host of
//! `mesh_global_service` is one that each serving cluster exports to all others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{BackendPod, Objects, Served, text};
use crate::mesh::{
    export::{self, ExportId, Import, Request},
    global, labels,
    names::{ClusterKey, Host, Namespace},
    pod,
};

/// A host that a cluster exports.
#[derive(Clone, Debug)]
pub struct ExportedHost {
    /// Which export.
    pub id: ExportId,
    /// Whether several clusters serve the host: it belongs to a `mesh_global_service`.
    pub is_global: bool,
    /// What was asked for, or why that can't be read.
    pub request: Result<Request, String>,
    /// The ports, `80/HTTP` each.
    pub ports: Vec<String>,
    /// Whether a Gateway opens the host on the east-west gateway.
    pub is_open: bool,
    /// The pods behind the host; `None` if pods weren't read.
    pub pods: Option<Vec<BackendPod>>,
    /// What the gateway presents to clients of the host; `None` if it wasn't tried.
    pub served: Option<Served>,
}

/// A host that a cluster imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedHost {
    /// The host.
    pub host: String,
    /// Whether several clusters serve the host: it belongs to a `mesh_global_service`.
    pub is_global: bool,
    /// The cluster that exports it; `None` if that isn't recorded, as with a `mesh_service_import`.
    pub exporter: Option<ClusterKey>,
    /// `NAMESPACE/NAME` of its ServiceEntry.
    pub entry: String,
    /// Where the exporter's gateway is reached, sorted; `None` if an endpoint names a network instead.
    pub addresses: Option<Vec<String>>,
    /// The network that an endpoint names instead.
    pub network: Option<String>,
    /// Whether there should be a DestinationRule, as far as the import itself records it.
    pub wants_rule: bool,
    /// The DestinationRule for it.
    pub rule: Option<ImportRule>,
    /// The identities that its pods may have; any if empty.
    pub identities: BTreeSet<String>,
}

/// The DestinationRule of an imported host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRule {
    /// The mode of TLS; `None` if the rule sets none.
    pub tls_mode: Option<String>,
}

impl ExportedHost {
    /// Returns the type of the resource that it belongs to.
    pub fn resource(&self) -> &'static str {
        resource(self.is_global)
    }

    /// Whether a pod is there that can answer.
    pub(super) fn is_ready(&self) -> bool {
        self.pods.iter().flatten().any(|pod| pod.is_ready && pod.has_sidecar)
    }
}

impl ImportedHost {
    /// Returns the type of the resource that it belongs to.
    pub fn resource(&self) -> &'static str {
        if self.exporter.is_none() { "mesh_service_import" } else { resource(self.is_global) }
    }
}

fn resource(is_global: bool) -> &'static str {
    if is_global { "mesh_global_service" } else { "mesh_service_export" }
}

/// Returns the namespaces of exported Services.
pub fn exporting_namespaces(entries: &[Json]) -> BTreeSet<String> {
    entries.iter().filter(|entry| is_of_exporter(entry)).map(|entry| text(entry, &["metadata", "namespace"])).collect()
}

/// Whether a ServiceEntry is that of the exporting cluster, which has the record of the export.
fn is_of_exporter(entry: &Json) -> bool {
    entry["metadata"]["annotations"][labels::EXPORT_RECORD].is_string()
}

/// DestinationRules by their host: a cluster may have thousands, and as many ServiceEntries.
struct Rules<'a>(BTreeMap<&'a str, Vec<&'a Json>>);

impl<'a> Rules<'a> {
    fn of(rules: &'a [Json]) -> Self {
        let mut by_host = BTreeMap::<_, Vec<_>>::new();
        for rule in rules {
            by_host.entry(rule["spec"]["host"].as_str().unwrap_or_default()).or_default().push(rule);
        }
        Self(by_host)
    }

    /// Returns those for the host of a ServiceEntry.
    fn for_host_of(&self, entry: &Json) -> impl Iterator<Item = &'a Json> {
        let host = entry["spec"]["hosts"][0].as_str().unwrap_or_default();
        self.0.get(host).into_iter().flatten().copied()
    }
}

pub(super) fn exported(key: &ClusterKey, objects: &Objects) -> Vec<ExportedHost> {
    let (rules, entries) = (Rules::of(&objects.rules), objects.entries.iter().filter(|entry| is_of_exporter(entry)));
    entries.filter_map(|entry| exported_host(key, entry, &rules, objects)).collect()
}

fn exported_host(key: &ClusterKey, entry: &Json, rules: &Rules<'_>, objects: &Objects) -> Option<ExportedHost> {
    let namespace = Namespace::parse(entry["metadata"]["namespace"].as_str()?).ok()?;
    let host = Host::parse(entry["spec"]["hosts"][0].as_str()?).ok()?;
    // The label has the key that the cluster had when it was written.
    let exporter = labels::exporter_of(entry).unwrap_or_else(|| key.clone());
    let global = global_of(entry, rules);
    let is_global = entry["metadata"]["labels"].get(labels::GLOBAL).is_some();
    let request = match &global {
        Some(global) => Request::read(entry).map(|request| Request { importers: importers_of(global, &exporter), ..request }),
        None if is_global => Err("The DestinationRule of the host, which has it, is missing.".to_owned()),
        None => Request::read(entry),
    };
    let id = ExportId { exporter, namespace, host };
    let is_open = request.as_ref().map_or(true, |request| is_open(&id.host, request, objects));
    let ports = entry["spec"]["ports"].as_array().into_iter().flatten();
    let port = |port: &Json| format!("{}/{}", port["number"], port["protocol"].as_str().unwrap_or("TCP"));
    Some(ExportedHost {
        is_global,
        is_open,
        ports: ports.map(port).collect(),
        pods: objects.pods.as_deref().map(|pods| backends(entry, pods)),
        served: objects.served.get(id.host.as_str()).cloned(),
        request,
        id,
    })
}

/// Reads what a host's global service is to be; `None` if it belongs to none.
fn global_of(entry: &Json, rules: &Rules<'_>) -> Option<global::Request> {
    let is_its_own = |rule: &&Json| rule["metadata"]["namespace"] == entry["metadata"]["namespace"];
    rules.for_host_of(entry).filter(is_its_own).find_map(|rule| global::Request::read(rule).ok())
}

/// Returns the clusters that lead their clients to one that serves the host, if their own doesn't answer.
fn importers_of(global: &global::Request, exporter: &ClusterKey) -> BTreeSet<ClusterKey> {
    let others = global.members.keys().filter(|key| *key != exporter && global.serves(exporter));
    others.cloned().collect()
}

/// Whether a Gateway, of ours or of others, opens the host on the export's gateway.
fn is_open(host: &Host, request: &Request, objects: &Objects) -> bool {
    let (namespace, names) = (request.gateway_namespace.as_str(), request.gateway());
    let is_it = |deployment: &&Json| deployment["metadata"]["namespace"] == namespace && deployment["metadata"]["name"] == names.service();
    let labels = export::pod_labels(&names, objects.gateway_deployments.iter().find(is_it));
    export::opening(&objects.gateways, &labels, host).is_some()
}

/// Returns the pods that the entry's selector chooses in its namespace.
fn backends(entry: &Json, pods: &[Json]) -> Vec<BackendPod> {
    let namespace = text(entry, &["metadata", "namespace"]);
    pod::chosen(&namespace, &entry["spec"]["workloadSelector"]["labels"], pods).filter_map(BackendPod::of).collect()
}

pub(super) fn imported(key: &ClusterKey, objects: &Objects) -> Vec<ImportedHost> {
    let (rules, of_importers) = (Rules::of(&objects.rules), objects.entries.iter().filter(|entry| !is_of_exporter(entry)));
    of_importers
        .flat_map(|entry| match global_of(entry, &rules) {
            Some(global) => imported_networks(entry, &global, &rules),
            None => imported_host(key, entry, &rules).into_iter().collect(),
        })
        .collect()
}

/// Returns the hosts of global services of which the cluster has the ServiceEntry of the other networks, and not the DestinationRule that says
/// which clusters these are.
pub(super) fn without_rule(objects: &Objects) -> BTreeSet<String> {
    let is_one = |entry: &&Json| !is_of_exporter(entry) && entry["metadata"]["labels"].get(labels::GLOBAL).is_some();
    let rules = Rules::of(&objects.rules);
    let entries = objects.entries.iter().filter(is_one).filter(|entry| global_of(entry, &rules).is_none());
    entries.filter_map(|entry| entry["spec"]["hosts"][0].as_str().map(str::to_owned)).collect()
}

fn strings(list: &Json) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn imported_host(key: &ClusterKey, entry: &Json, rules: &Rules<'_>) -> Option<ImportedHost> {
    let exporter = labels::exporter_of(entry).filter(|exporter| exporter != key);
    let import = Import::read(entry).ok();
    if exporter.is_none() && import.is_none() {
        return None;
    }
    let endpoints = entry["spec"]["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
    let addresses = endpoints.iter().map(|endpoint| {
        let address = endpoint["address"].as_str().filter(|address| !address.is_empty())?;
        endpoint["network"].is_null().then(|| address.to_owned())
    });
    let addresses = addresses.collect::<Option<BTreeSet<_>>>().map(|addresses| addresses.into_iter().collect());
    let network = endpoints.iter().find_map(|endpoint| endpoint["network"].as_str()).map(str::to_owned);
    let rule = rules.for_host_of(entry).find(|rule| labels::exporter_of(rule) == exporter).map(ImportRule::of);
    let wants_rule = import.is_some_and(|import| import.destination_rule);
    imported_by(entry, exporter, addresses, rule).map(|imported| ImportedHost { network, wants_rule, ..imported })
}

/// Returns what the ServiceEntry of the other networks leads to: an import for each of them.
fn imported_networks(entry: &Json, global: &global::Request, rules: &Rules<'_>) -> Vec<ImportedHost> {
    let endpoints = entry["spec"]["endpoints"].as_array().into_iter().flatten();
    let member = |endpoint: &Json| global.members.iter().find(|(_, member)| endpoint["network"] == member.network.as_str());
    let rule = rules.for_host_of(entry).next().map(ImportRule::of);
    let of = |(exporter, member): (&ClusterKey, &global::Member)| {
        let imported = imported_by(entry, Some(exporter.clone()), None, rule.clone())?;
        Some(ImportedHost { network: Some(member.network.to_string()), ..imported })
    };
    endpoints.filter_map(member).filter_map(of).collect()
}

fn imported_by(
    entry: &Json,
    exporter: Option<ClusterKey>,
    addresses: Option<Vec<String>>,
    rule: Option<ImportRule>,
) -> Option<ImportedHost> {
    Some(ImportedHost {
        host: entry["spec"]["hosts"][0].as_str()?.to_owned(),
        is_global: entry["metadata"]["labels"].get(labels::GLOBAL).is_some(),
        entry: format!("{}/{}", text(entry, &["metadata", "namespace"]), text(entry, &["metadata", "name"])),
        addresses,
        network: None,
        wants_rule: false,
        rule,
        identities: strings(&entry["spec"]["subjectAltNames"]),
        exporter,
    })
}

impl ImportRule {
    fn of(rule: &Json) -> Self {
        Self { tls_mode: rule["spec"]["trafficPolicy"]["tls"]["mode"].as_str().map(str::to_owned) }
    }
}
