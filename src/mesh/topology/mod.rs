//! A picture of the mesh: what its clusters show as one tree, as a Mermaid chart, and as an HTML page.

mod import;
mod map;
mod mermaid;
mod page;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use time::format_description::well_known::Rfc3339;

use super::{
    inventory::{ClusterInventory, ControlPlane, ExportedHost, Inventory, Unread},
    names::ClusterKey,
    status::{Check, Severity, Status, import_of, refuse_each_other},
};
use crate::data::Kind;

pub use import::ImportedService;

/// The mesh as its clusters show it.
#[derive(Clone, Debug, Serialize)]
pub struct Topology {
    /// The worst severity of all checks.
    pub verdict: Severity,
    /// The clusters, by key.
    pub clusters: Vec<Cluster>,
    /// The exported hosts, by name.
    pub exports: Vec<ExportedService>,
    /// Imported hosts whose export isn't among these, by name.
    pub imports: Vec<ImportedService>,
    /// The checks whose result is not ok, the worst first.
    pub problems: Vec<Problem>,
}

/// A cluster.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cluster {
    /// Its key in the provider's `clusters`.
    pub key: String,
    /// Why it can't be read; `None` if it can.
    pub unreachable: Option<String>,
    /// The worst severity of its checks.
    pub severity: Severity,
    /// The mesh's ID.
    pub mesh_id: Option<String>,
    /// The trust domain.
    pub trust_domain: Option<String>,
    /// The network.
    pub network: Option<String>,
    /// The version of istiod.
    pub istio_version: Option<String>,
    /// How many pods istiod should have; `None` if that couldn't be read.
    pub istiod_replicas: Option<u64>,
    /// How many of them are ready; `None` if that couldn't be read.
    pub istiod_ready: Option<u64>,
    /// SHA-256 fingerprints of the roots that workloads trust.
    pub roots: Vec<String>,
    /// The east-west gateways.
    pub gateways: Vec<Gateway>,
    /// The links to other networks.
    pub links: Vec<Link>,
    /// The clusters whose Services and endpoints istiod reads.
    pub discovers: Vec<Discovered>,
    /// How many pods have a sidecar; `None` if that couldn't be read.
    pub sidecars: Option<usize>,
}

/// An east-west gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Gateway {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The network that it gives access to.
    pub network: String,
    /// Its addresses for other clusters.
    pub addresses: Vec<String>,
    /// Its port for other clusters.
    pub port: u16,
    /// How many pods it should have; `None` if its Deployment wasn't found.
    pub replicas: Option<u64>,
    /// How many of them are ready; `None` if its Deployment wasn't found.
    pub ready: Option<u64>,
    /// The worst severity of its checks.
    pub severity: Severity,
}

/// A link to another network.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// The network.
    pub network: String,
    /// Where its gateway is reached.
    pub addresses: Vec<String>,
    /// The port of these addresses.
    pub port: u16,
    /// The worst severity of its checks.
    pub severity: Severity,
}

/// A cluster that istiod of another one reads.
#[derive(Clone, Debug, Serialize)]
pub struct Discovered {
    /// Istio's name for it.
    pub name: String,
    /// Until when the token is valid, RFC 3339; `None` if that isn't recorded.
    pub expires_at: Option<String>,
    /// The worst severity of its checks.
    pub severity: Severity,
}

/// An exported host.
#[derive(Clone, Debug, Serialize)]
pub struct ExportedService {
    /// The host.
    pub host: String,
    /// The key of the cluster that exports it.
    pub exporter: String,
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name, unless the record of the export can't be read.
    pub service: Option<String>,
    /// The ports, `80/HTTP` each.
    pub ports: Vec<String>,
    /// How many pods are behind it, if pods were read.
    pub pods: Option<usize>,
    /// How many of them are ready and have a sidecar.
    pub ready_pods: Option<usize>,
    /// The worst severity of its checks.
    pub severity: Severity,
    /// The clusters that import it.
    pub importers: Vec<Importer>,
}

/// A cluster that imports a host.
#[derive(Clone, Debug, Serialize)]
pub struct Importer {
    /// Its key.
    pub cluster: String,
    /// Whether calls from it can succeed: the worst severity of what they need.
    pub severity: Severity,
}

/// A check whose result is not ok.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// Which check.
    pub id: &'static str,
    /// The cluster.
    pub cluster: Option<String>,
    /// The object or host.
    pub object: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen.
    pub seen: String,
    /// Why that is bad.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

/// The calls from one cluster to exported hosts of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// How many hosts.
    pub hosts: usize,
    /// The worst severity of them.
    pub severity: Severity,
}

impl Topology {
    /// Draws what clusters show.
    pub fn of(inventory: &Inventory) -> Self {
        let status = Status::of(inventory);
        let worst = Worst::of(&status);
        let exports = inventory.read().flat_map(|(key, cluster)| cluster.exports.iter().map(move |export| (key, export)));
        let mut exports: Vec<_> = exports.map(|(key, export)| exported(key, export, inventory, &worst)).collect();
        exports.sort_by(|one, other| (&one.host, &one.exporter).cmp(&(&other.host, &other.exporter)));
        Self {
            verdict: status.verdict(),
            clusters: inventory.clusters.iter().map(|(key, shown)| cluster(key, shown, &worst)).collect(),
            exports,
            imports: import::from_elsewhere(inventory, &worst),
            problems: status.problems().map(Problem::from).collect(),
        }
    }

    /// Returns the topology as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the calls that are possible, by the cluster that calls and the one that is called.
    fn calls(&self) -> BTreeMap<(&str, &str), Calls> {
        let mut calls = BTreeMap::new();
        for export in &self.exports {
            for importer in &export.importers {
                Calls::add(&mut calls, (importer.cluster.as_str(), export.exporter.as_str()), importer.severity);
            }
        }
        for (from, to, severity) in self.calls_of_imports() {
            Calls::add(&mut calls, (from, to), severity);
        }
        calls
    }
}

impl Calls {
    /// Adds a host to the calls of one sort.
    fn add<K: Ord>(calls: &mut BTreeMap<K, Self>, key: K, severity: Severity) {
        let calls = calls.entry(key).or_insert(Self { hosts: 0, severity: Severity::Ok });
        calls.hosts += 1;
        calls.severity = calls.severity.max(severity);
    }
}

impl From<&Check> for Problem {
    fn from(check: &Check) -> Self {
        Self {
            id: check.id,
            cluster: check.cluster.as_ref().map(ToString::to_string),
            object: check.object.clone(),
            severity: check.severity,
            seen: check.seen.clone(),
            cause: check.cause.clone(),
            fix: check.fix.clone(),
        }
    }
}

/// The worst severities of the checks of a mesh.
struct Worst<'a> {
    /// By cluster.
    clusters: BTreeMap<&'a ClusterKey, Severity>,
    /// By cluster, group of checks (`import` of `import.present`) and object.
    objects: BTreeMap<(&'a ClusterKey, &'a str, &'a str), Severity>,
}

impl<'a> Worst<'a> {
    fn of(status: &'a Status) -> Self {
        let mut worst = Self { clusters: BTreeMap::new(), objects: BTreeMap::new() };
        for check in &status.checks {
            let Some(cluster) = &check.cluster else { continue };
            let group = check.id.split('.').next().unwrap_or_default();
            let of_object = worst.objects.entry((cluster, group, check.object.as_deref().unwrap_or_default())).or_default();
            *of_object = check.severity.max(*of_object);
            let of_cluster = worst.clusters.entry(cluster).or_default();
            *of_cluster = check.severity.max(*of_cluster);
        }
        worst
    }

    fn cluster(&self, cluster: &ClusterKey) -> Severity {
        self.clusters.get(cluster).copied().unwrap_or_default()
    }

    /// Of an object, and of all objects of the group in the cluster.
    fn object(&self, cluster: &ClusterKey, group: &str, object: &str) -> Severity {
        let worst = |object| self.objects.get(&(cluster, group, object)).copied().unwrap_or_default();
        worst(object).max(worst(""))
    }
}

fn cluster(key: &ClusterKey, shown: &Result<ClusterInventory, Unread>, worst: &Worst<'_>) -> Cluster {
    let severity = worst.cluster(key);
    let shown = match shown {
        Ok(shown) => shown,
        Err(unread) => return Cluster { key: key.to_string(), unreachable: Some(unread.why.clone()), severity, ..Cluster::default() },
    };
    let plane = shown.control_plane();
    let pods_of_istiod = |number: fn(&ControlPlane) -> u64| match plane {
        None if shown.is_unread(Kind::DEPLOYMENT.plural) => None,
        plane => Some(plane.map_or(0, number)),
    };
    let sidecars = shown.sidecars.iter().filter(|sidecar| !sidecar.is_gateway).count();
    let gateways = shown.gateways.iter().map(|gateway| Gateway {
        namespace: gateway.namespace.clone(),
        name: gateway.name.clone(),
        network: gateway.network.clone(),
        addresses: gateway.addresses.clone(),
        port: gateway.port,
        replicas: gateway.wanted,
        ready: gateway.wanted.map(|_| gateway.ready),
        severity: worst.object(key, "gateway", &gateway.full_name()),
    });
    let links = shown.links.iter().flatten().map(|link| Link {
        network: link.network.clone(),
        addresses: link.addresses.clone(),
        port: link.port,
        severity: worst.object(key, "link", &link.full_name),
    });
    let discovers = shown.discovered.iter().flatten().map(|found| Discovered {
        name: found.name.clone(),
        expires_at: found.token.and_then(|(_, expires_at)| expires_at.format(&Rfc3339).ok()),
        severity: worst.object(key, "discovery", &found.secret),
    });
    Cluster {
        key: key.to_string(),
        unreachable: None,
        severity,
        mesh_id: plane.and_then(|plane| plane.mesh_id.clone()),
        trust_domain: plane.and_then(|plane| plane.trust_domains.first().cloned()),
        network: plane.and_then(|plane| plane.network.clone()),
        istio_version: plane.and_then(|plane| Some(plane.version.as_ref()?.to_string())),
        istiod_replicas: pods_of_istiod(|plane| plane.wanted),
        istiod_ready: pods_of_istiod(|plane| plane.ready),
        roots: plane.map(|plane| plane.roots.served.iter().map(|root| root.fingerprint.clone()).collect()).unwrap_or_default(),
        gateways: gateways.collect(),
        links: links.collect(),
        discovers: discovers.collect(),
        sidecars: (!shown.is_unread(Kind::POD.plural)).then_some(sidecars),
    }
}

fn exported(key: &ClusterKey, export: &ExportedHost, inventory: &Inventory, worst: &Worst<'_>) -> ExportedService {
    let host = export.id.host.as_str();
    let request = export.request.as_ref().ok();
    let gateway = request.map(|request| format!("{}/{}", request.gateway_namespace, request.gateway_service_name())).unwrap_or_default();
    let severity = worst.object(key, "export", host).max(worst.object(key, "gateway", &gateway));
    let recorded = request.map(|request| request.importers.clone());
    let found = || {
        inventory
            .read()
            .filter(|(other, _)| *other != key)
            .filter(|(_, other)| import_of(export, other).is_some())
            .map(|(other, _)| other.clone())
    };
    // A cluster with a mesh_service_import isn't in the record.
    let importers: BTreeSet<_> = recorded.into_iter().flatten().chain(found()).collect();
    let importers = importers.iter().map(|importer| {
        let own = match (inventory.cluster(importer), inventory.cluster(key)) {
            (Some(caller), Some(callee)) if refuse_each_other(caller, callee) => Severity::Error,
            (Some(_), _) => worst.object(importer, "import", host),
            (None, _) => Severity::Unknown,
        };
        Importer { cluster: importer.to_string(), severity: own.max(severity) }
    });
    let pods = export.pods.as_ref();
    ExportedService {
        host: host.to_owned(),
        exporter: key.to_string(),
        namespace: export.id.namespace.to_string(),
        service: request.map(|request| request.service.to_string()),
        ports: export.ports.clone(),
        pods: pods.map(Vec::len),
        ready_pods: pods.map(|pods| pods.iter().filter(|pod| pod.is_ready && pod.has_sidecar).count()),
        severity,
        importers: importers.collect(),
    }
}

/// The first characters of a name that has no room.
fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most { name.to_owned() } else { name.chars().take(most - 1).chain(['…']).collect() }
}
