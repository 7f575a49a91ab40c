//! Exported and imported hosts: the objects of `mesh_service_export`, in the cluster that exports and in those that import.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{BackendPod, Objects, text};
use crate::mesh::{
    export::{self, ExportId, Request},
    labels,
    names::{ClusterKey, Host, Namespace},
};

/// A host that a cluster exports.
#[derive(Clone, Debug)]
pub struct ExportedHost {
    /// Which export.
    pub id: ExportId,
    /// What was asked for, or why that can't be read.
    pub request: Result<Request, String>,
    /// The ports, `80/HTTP` each.
    pub ports: Vec<String>,
    /// Whether a Gateway opens the host on the east-west gateway.
    pub is_open: bool,
    /// The pods behind the host; `None` if pods weren't read.
    pub pods: Option<Vec<BackendPod>>,
}

/// A host that a cluster imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedHost {
    /// The host.
    pub host: String,
    /// The cluster that exports it.
    pub exporter: ClusterKey,
    /// `NAMESPACE/NAME` of its ServiceEntry.
    pub entry: String,
    /// Where the exporter's gateway is reached, sorted; `None` if an endpoint names a network instead.
    pub addresses: Option<Vec<String>>,
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

/// Returns the namespaces of exported Services.
pub fn exporting_namespaces(entries: &[Json]) -> BTreeSet<String> {
    entries.iter().filter(|entry| is_of_exporter(entry)).map(|entry| text(entry, &["metadata", "namespace"])).collect()
}

/// Whether a ServiceEntry is that of the exporting cluster, which has the record of the export.
fn is_of_exporter(entry: &Json) -> bool {
    entry["metadata"]["annotations"][labels::EXPORT_RECORD].is_string()
}

pub(super) fn exported(key: &ClusterKey, objects: &Objects) -> Vec<ExportedHost> {
    objects.entries.iter().filter(|entry| is_of_exporter(entry)).filter_map(|entry| exported_host(key, entry, objects)).collect()
}

fn exported_host(key: &ClusterKey, entry: &Json, objects: &Objects) -> Option<ExportedHost> {
    let namespace = Namespace::parse(entry["metadata"]["namespace"].as_str()?).ok()?;
    let host = Host::parse(entry["spec"]["hosts"][0].as_str()?).ok()?;
    // The label has the key that the cluster had when it was written.
    let exporter = labels::exporter_of(entry).unwrap_or_else(|| key.clone());
    let id = ExportId { exporter, namespace, host };
    let request = Request::read(entry);
    let is_open = request.as_ref().map_or(true, |request| is_open(&id.host, request, objects));
    let ports = entry["spec"]["ports"].as_array().into_iter().flatten();
    let port = |port: &Json| format!("{}/{}", port["number"], port["protocol"].as_str().unwrap_or("TCP"));
    Some(ExportedHost {
        is_open,
        ports: ports.map(port).collect(),
        pods: objects.pods.as_deref().map(|pods| backends(entry, pods)),
        request,
        id,
    })
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
    let selector: BTreeMap<_, _> =
        entry["spec"]["workloadSelector"]["labels"].as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect();
    let is_chosen = |pod: &&Json| {
        let is_here = pod["metadata"]["namespace"] == entry["metadata"]["namespace"];
        is_here && !selector.is_empty() && selector.iter().all(|(key, value)| pod["metadata"]["labels"][*key] == **value)
    };
    pods.iter().filter(is_chosen).filter_map(BackendPod::of).collect()
}

pub(super) fn imported(key: &ClusterKey, objects: &Objects) -> Vec<ImportedHost> {
    let of_importers = objects.entries.iter().filter(|entry| !is_of_exporter(entry));
    of_importers.filter_map(|entry| imported_host(key, entry, &objects.rules)).collect()
}

fn strings(list: &Json) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn imported_host(key: &ClusterKey, entry: &Json, rules: &[Json]) -> Option<ImportedHost> {
    let exporter = labels::exporter_of(entry).filter(|exporter| exporter != key)?;
    let endpoints = entry["spec"]["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
    let addresses = endpoints.iter().map(|endpoint| {
        let address = endpoint["address"].as_str().filter(|address| !address.is_empty())?;
        endpoint["network"].is_null().then(|| address.to_owned())
    });
    let addresses = addresses.collect::<Option<BTreeSet<_>>>().map(|addresses| addresses.into_iter().collect());
    let is_its_own = |rule: &Json| {
        let is_of_host = rule["spec"]["host"] == entry["spec"]["hosts"][0];
        is_of_host && labels::exporter_of(rule).as_ref() == Some(&exporter)
    };
    Some(ImportedHost {
        host: entry["spec"]["hosts"][0].as_str()?.to_owned(),
        entry: format!("{}/{}", text(entry, &["metadata", "namespace"]), text(entry, &["metadata", "name"])),
        addresses,
        rule: rules
            .iter()
            .find(|rule| is_its_own(rule))
            .map(|rule| ImportRule { tls_mode: rule["spec"]["trafficPolicy"]["tls"]["mode"].as_str().map(str::to_owned) }),
        identities: strings(&entry["spec"]["subjectAltNames"]),
        exporter,
    })
}
