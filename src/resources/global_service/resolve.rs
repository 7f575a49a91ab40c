//! Completes the configuration of a global service from its clusters: ports, selectors and identities. A cluster that can't be read is left out:
//! it keeps what it has, and the others can go on without it.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::Value as Json;

use super::GlobalService;
pub(super) use crate::resources::service_export::resolve::Unresolved;
use crate::{
    mesh::{ClusterKey, Export, ServicePort, global::Global, labels},
    ports::Failure,
    resources::service_export::resolve::Resolved as ResolvedExport,
    world::{ClusterAccess as _, World},
};
use framework::{AttributePath, Cx, Error};

/// A global service in full, the clusters that couldn't be read, and what an apply should report.
pub(super) struct Resolved {
    pub(super) global: Global,
    pub(super) unseen: BTreeMap<ClusterKey, Failure>,
    pub(super) warnings: Vec<Error>,
}

/// What one cluster has of a service.
struct Part {
    /// `None` of a cluster that is out of service.
    export: Option<Export>,
    identities: Vec<String>,
    warnings: Vec<Error>,
}

impl GlobalService {
    /// Resolves the service, as far as these clusters show it.
    pub(super) async fn resolve(&self, clusters: &[ClusterKey], cx: &Cx<'_, World>) -> Result<Resolved, Unresolved> {
        let looks = clusters.iter().map(|key| async move { (key.clone(), self.look_at(key, cx).await) });
        let (mut parts, mut unseen, mut warnings) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let (mut identities, mut failed) = (BTreeSet::new(), None);
        for (key, found) in join_all(looks).await {
            match found {
                Ok(part) => {
                    let of_cluster = AttributePath::new("gateways").key(key.to_string());
                    warnings.extend(part.warnings.into_iter().map(|warning| warning.at(of_cluster.clone())));
                    identities.extend(part.identities);
                    parts.extend(part.export.map(|export| (key, export)));
                }
                Err(Unresolved::Cluster(failure)) => _ = unseen.insert(key, failure),
                Err(configuration) => failed = failed.or(Some(configuration)),
            }
        }
        if let Some(problem) = failed {
            return Err(problem);
        }
        let configured = || self.request.ports.as_ref().map(|ports| ports.iter().map(ServicePort::from).collect::<Vec<_>>());
        let Some(ports) = configured().or_else(|| parts.values().next().map(|export: &Export| export.ports.clone())) else {
            // Nobody that serves the host can be read.
            return Err(unseen.into_values().next().map_or_else(|| Unresolved::Configuration(self.nobody()), Unresolved::Cluster));
        };
        let ports: Vec<_> = ports.iter().map(ServicePort::called).collect();
        self.check_ports(&parts)?;
        if !unseen.is_empty() {
            let seen = clusters.iter().filter(|key| !unseen.contains_key(key));
            identities.extend(self.accepted_so_far(seen, cx).await?);
        }
        let global = Global { id: self.id.clone(), request: self.request.clone(), parts, ports, identities };
        Ok(Resolved { global, unseen, warnings })
    }

    async fn look_at(&self, key: &ClusterKey, cx: &Cx<'_, World>) -> Result<Part, Unresolved> {
        let Some(part) = self.part(key) else { return Ok(Part { export: None, identities: Vec::new(), warnings: Vec::new() }) };
        if !self.request.serves(key) {
            // While it is taken out of service, and when it comes back, clients meet its pods: they go on accepting these.
            let trust_domain = part.trust_domain(cx).await?;
            let identities = part.request.identities(&self.id.namespace, trust_domain.as_ref());
            return Ok(Part { export: None, identities, warnings: Vec::new() });
        }
        let entry = cx.cluster(key).get(&self.id.entry()).await?.filter(labels::is_ours);
        let ResolvedExport { export, warnings } = part.resolve(entry.as_ref(), cx).await?;
        Ok(Part { identities: export.identities(), export: Some(export), warnings })
    }

    /// Refuses Services whose ports differ: a client doesn't know which cluster it calls.
    fn check_ports(&self, parts: &BTreeMap<ClusterKey, Export>) -> Result<(), Unresolved> {
        let called = |export: &Export| export.ports.iter().map(ServicePort::called).collect::<Vec<_>>();
        let mut all = parts.iter().map(|(key, export)| (key, called(export)));
        let Some((first, ports)) = all.next() else { return Ok(()) };
        let Some((other, theirs)) = all.find(|(_, theirs)| *theirs != ports) else { return Ok(()) };
        let shown = |ports: &[ServicePort]| {
            ports.iter().map(|port| format!("{} {}/{}", port.name, port.number, port.protocol)).collect::<Vec<_>>().join(", ")
        };
        let detail = format!(
            "Service {}/{} has the ports {} in cluster \"{first}\", and {} in cluster \"{other}\". Clients call one host, whichever cluster answers, so \
             numbers, names and protocols must be the same; only the pods' ports may differ. Change one of the Services, or set `ports`.",
            self.id.namespace,
            self.request.service,
            shown(&ports),
            shown(&theirs)
        );
        Err(Unresolved::Configuration(Error::new("Clusters have different ports", detail).at(AttributePath::new("service"))))
    }

    /// Returns the identities that clients accept as things are, where those of a cluster that can't be read are among them.
    async fn accepted_so_far(&self, clusters: impl Iterator<Item = &ClusterKey>, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let mut accepted = Vec::new();
        for key in clusters {
            for entry in [self.id.entry(), self.id.elsewhere()] {
                let live = cx.cluster(key).get(&entry).await?.unwrap_or_default();
                accepted
                    .extend(live["spec"]["subjectAltNames"].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned));
            }
        }
        Ok(accepted)
    }

    /// The error of a service of which no cluster is in the provider's `clusters`.
    fn nobody(&self) -> Error {
        Error::new(
            "No cluster serves the host",
            format!("None of the clusters that serve \"{}\" is in the provider's `clusters`.", self.id.host),
        )
        .at(AttributePath::new("gateways"))
    }
}
